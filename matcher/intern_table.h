// What: finds the number of an equal thing that was added before: an open-addressing table of
//       numbers with 32 bits of their hash; the things live with the caller.
// Threads: one owner. Lifetime: value. Limits: 2^32 - 1 things. Failure: none.
#pragma once

#include "matcher/huge_vector.h"

#include <cstddef>
#include <cstdint>

namespace millrace::matcher {

class InternTable {
public:
    static constexpr std::uint32_t kNone = 0xffffffffu;

    // The number for which equal(number) says yes, or kNone.
    template <typename Equal>
    std::uint32_t find(std::uint64_t hash, Equal equal) const {
        if (slots_.empty()) return kNone;
        const auto tag = static_cast<std::uint32_t>(hash >> 32);
        for (std::size_t i = hash & mask();; i = (i + 1) & mask()) {
            const Slot& slot = slots_[i];
            if (slot.number == kNone) return kNone;
            if (slot.tag == tag && equal(slot.number)) return slot.number;
        }
    }
    void insert(std::uint64_t hash, std::uint32_t number) {
        if ((count_ + 1) * 4 > slots_.size() * 3) grow();
        put(hash, number);
        ++count_;
    }
    void reserve(std::size_t count) {
        while (slots_.size() * 3 < count * 4) grow();
    }
    void clear() {
        slots_ = {};
        count_ = 0;
    }
    std::size_t bytes() const { return slots_.capacity() * sizeof(Slot); }

private:
    // The low half of the hash places, the high half identifies; both are kept to grow without the
    // things.
    struct Slot {
        std::uint32_t number = kNone;
        std::uint32_t tag = 0;
        std::uint32_t place = 0;
    };
    std::size_t mask() const { return slots_.size() - 1; }
    void put(std::uint64_t hash, std::uint32_t number) {
        std::size_t i = hash & mask();
        while (slots_[i].number != kNone) i = (i + 1) & mask();
        slots_[i] = {number, static_cast<std::uint32_t>(hash >> 32),
                     static_cast<std::uint32_t>(hash)};
    }
    void grow() {
        HugeVector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
        old.swap(slots_);
        for (const Slot& slot : old) {
            if (slot.number != kNone)
                put((std::uint64_t{slot.tag} << 32) | slot.place, slot.number);
        }
    }

    HugeVector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace millrace::matcher
