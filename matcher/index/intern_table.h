// What: finds the number of an equal thing that was added before: an open-addressing table of
//       numbers with 32 bits of their hash; the things live with the caller.
// Threads: one owner. Lifetime: value. Limits: 2^32 - 1 things. Failure: none.
#pragma once

#include "matcher/index/huge_vector.h"

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
        for (std::size_t i = tag & mask();; i = (i + 1) & mask()) {
            const Slot& slot = slots_[i];
            if (slot.number == kNone) return kNone;
            if (slot.tag == tag && equal(slot.number)) return slot.number;
        }
    }
    void insert(std::uint64_t hash, std::uint32_t number) {
        if ((count_ + 1) * 4 > slots_.size() * 3) grow();
        put(static_cast<std::uint32_t>(hash >> 32), number);
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
    // The high half of the hash: it places and identifies, and is kept to grow without the things.
    struct Slot {
        std::uint32_t number = kNone;
        std::uint32_t tag = 0;
    };
    std::size_t mask() const { return slots_.size() - 1; }
    void put(std::uint32_t tag, std::uint32_t number) {
        std::size_t i = tag & mask();
        while (slots_[i].number != kNone) i = (i + 1) & mask();
        slots_[i] = {number, tag};
    }
    void grow() {
        HugeVector<Slot> old(slots_.empty() ? 16 : slots_.size() * 2);
        old.swap(slots_);
        for (const Slot& slot : old) {
            if (slot.number != kNone) put(slot.tag, slot.number);
        }
    }

    HugeVector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace millrace::matcher
