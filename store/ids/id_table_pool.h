// What: used-up identity tables on their way to the next use: pages that the kernel has to make
//       anew cost a full-speed shard 6 % of its time (measured), a table wiped by the housekeeper
//       costs it nothing.
// Threads: put() and take(): any; wipe(): the housekeeper.
// Lifetime: shared by a ShardIdIndex and its frozen tables.
// Limits: one clean table is kept, dirty ones wait for the next wipe(). Failure: none.
#pragma once

#include "store/ids/id_table.h"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace::store {

class IdTablePool {
public:
    void put(std::unique_ptr<IdTable> table) {
        std::lock_guard lock(mutex_);
        dirty_.push_back(std::move(table));
    }
    // Null when there is none.
    std::unique_ptr<IdTable> take() {
        std::lock_guard lock(mutex_);
        return std::move(clean_);
    }
    // True when there was something to do.
    bool wipe() {
        std::vector<std::unique_ptr<IdTable>> dirty;
        bool wanted = false;
        {
            std::lock_guard lock(mutex_);
            dirty.swap(dirty_);
            wanted = !clean_;
        }
        if (dirty.empty()) return false;
        if (!wanted) return true;
        std::unique_ptr<IdTable> table = std::move(dirty.back());
        table->clear();
        std::lock_guard lock(mutex_);
        clean_ = std::move(table);
        return true;
    }

private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<IdTable>> dirty_;
    std::unique_ptr<IdTable> clean_;
};

}  // namespace millrace::store
