// What: where scans of a queue of rows ordered by time may begin: no live row is earlier. Rows that
//       were erased leave graves that a scan would have to step over, so a scan that finds the
//       first live row raises the floor to it. A row that is committed while the scan goes on may
//       be missing in the scan's view; the floor stays below it.
// Threads: any, at once; of several scans at a time only the first raises.
// Lifetime: value. Limits: none. Failure: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <mutex>

namespace millrace::store {

class ScanFloor {
public:
    struct Scan {
        std::int64_t from = 0;
        bool raises = false;
    };

    std::int64_t get() {
        std::lock_guard lock(mutex_);
        return floor_;
    }
    // Before the scan's view is taken.
    Scan begin() {
        std::lock_guard lock(mutex_);
        const bool raises = !raising_;
        if (raises) put_since_ = std::numeric_limits<std::int64_t>::max();
        raising_ = true;
        return {floor_, raises};
    }
    // After a row with this time was committed.
    void note_put(std::int64_t at) {
        std::lock_guard lock(mutex_);
        floor_ = std::min(floor_, at);
        put_since_ = std::min(put_since_, at);
    }
    // No row of the scan's view is live before this. Every begin() has its end.
    void end(const Scan& scan, std::int64_t live) {
        if (!scan.raises) return;
        std::lock_guard lock(mutex_);
        floor_ = std::max(floor_, std::min(live, put_since_));
        raising_ = false;
    }

private:
    std::mutex mutex_;
    std::int64_t floor_ = 0;
    std::int64_t put_since_ = 0;  // the earliest one since begin()
    bool raising_ = false;
};

}  // namespace millrace::store
