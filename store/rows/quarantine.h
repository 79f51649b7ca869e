// What: the rows that were met and cannot be read. Such a row stays where it is, is passed over by
//       whoever met it, and is told here: counted, named, and handed to the observer (log).
//       Nothing is kept of it over a restart but the row itself: the next reader meets it again.
// Threads: any. observe() once, before there are several.
// Lifetime: of the Database.
// Limits: kRowsMax rows are remembered, each counted once; of more only the count is kept.
// Failure: none.
#pragma once

#include "store/log/format.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace millrace::store {

class Quarantine {
public:
    static constexpr std::size_t kRowsMax = 1000;

    struct Row {
        ColumnFamily family = ColumnFamily::kDefault;
        std::string key;     // fit to be shown: what is not printable as \xNN
        std::string reason;  // "its value does not read", the reader's own words
    };

    // Told of every row, of those met before this call at once.
    void observe(std::function<void(const Row&)> observer);

    // `key` as it stands in the store (for a document: named_key(kind, id)).
    void set_aside(ColumnFamily family, std::string_view key, std::string_view reason);

    std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }  // a gauge
    std::vector<Row> rows() const;

private:
    mutable std::mutex mutex_;
    std::function<void(const Row&)> observer_;
    std::unordered_set<std::string> known_;
    std::vector<Row> rows_;
    std::atomic<std::uint64_t> count_{0};
};

// A key fit to be read by people: what is not printable as \xNN.
std::string shown(std::string_view key);

// "retry", "dlq", ...: as the family is called on the disk.
std::string_view family_name(ColumnFamily family);

}  // namespace millrace::store
