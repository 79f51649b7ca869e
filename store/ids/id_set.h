// What: a small set of identities that come and go: open addressing, linear probing, what is taken
//       out leaves no grave.
// Threads: one owner. Lifetime: value. Limits: grows with what is in it at once, and stays so big.
// Failure: none.
#pragma once

#include "store/ids/hasher.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace millrace::store {

class IdSet {
public:
    bool empty() const { return count_ == 0; }
    std::size_t size() const { return count_; }
    bool contains(const IdHash& id) const {
        return count_ != 0 && !slots_[place(slots_, id)].none();
    }
    // False: it is there already. Not for none().
    bool insert(const IdHash& id) {
        if (2 * (count_ + 1) > slots_.size()) grow();
        IdHash& slot = slots_[place(slots_, id)];
        if (!slot.none()) return false;
        slot = id;
        ++count_;
        return true;
    }
    void clear() {
        if (count_ != 0) std::fill(slots_.begin(), slots_.end(), IdHash{});
        count_ = 0;
    }
    bool erase(const IdHash& id) {
        if (count_ == 0) return false;
        std::size_t hole = place(slots_, id);
        if (slots_[hole].none()) return false;
        --count_;
        // What stands behind it and began before it moves up.
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t i = (hole + 1) & mask; !slots_[i].none(); i = (i + 1) & mask) {
            const std::size_t home = slots_[i].order() & mask;
            if (((i - home) & mask) < ((i - hole) & mask)) continue;
            slots_[hole] = slots_[i];
            hole = i;
        }
        slots_[hole] = {};
        return true;
    }

private:
    // Where it stands, or where it would.
    static std::size_t place(const std::vector<IdHash>& slots, const IdHash& id) {
        const std::size_t mask = slots.size() - 1;
        std::size_t i = id.order() & mask;
        while (!slots[i].none() && slots[i] != id) i = (i + 1) & mask;
        return i;
    }
    void grow() {
        std::vector<IdHash> bigger(slots_.empty() ? kSlotsFirst : 2 * slots_.size());
        for (const IdHash& id : slots_) {
            if (!id.none()) bigger[place(bigger, id)] = id;
        }
        slots_ = std::move(bigger);
    }

    static constexpr std::size_t kSlotsFirst = 64;
    std::vector<IdHash> slots_;
    std::size_t count_ = 0;
};

}  // namespace millrace::store
