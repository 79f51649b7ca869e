// What: deliveries given up, with their history. Written with
//       RowBatch::put_dead_letter/erase_dead_letter.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: Query::limit <= 1000. Failure: Errors for a bad cursor or from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct OwnedDeadLetter {
    DeadLetter row;
    std::vector<char> bytes;  // what the row's views point into; its place survives a move
};

struct DeadLetterQuery {
    std::optional<core::TenantId> tenant{};
    std::string_view subscription_id{};  // empty: any
    std::string_view script_id{};
    std::string_view pattern{};                                       // exact
    std::int64_t from_us = std::numeric_limits<std::int64_t>::min();  // created_at, inclusive
    std::int64_t to_us = std::numeric_limits<std::int64_t>::max();    // exclusive
    std::function<bool(const DeadLetter&)> accept{};
    std::size_t limit = 100;
    std::string_view cursor{};
};

class DeadLetters {
public:
    explicit DeadLetters(Engine& engine) : engine_(engine) {}

    struct Page {
        std::vector<OwnedDeadLetter> rows{};  // newest first within a tenant
        std::string next{};
    };
    core::Result<Page> list(const DeadLetterQuery& query);
    core::Result<std::optional<OwnedDeadLetter>> get(const DeadLetterKey& key);
    std::uint64_t count() const;
    // For a page that ends before this one: the next one begins with it.
    static std::string cursor_at(const DeadLetterKey& key);

private:
    Engine& engine_;
};

}  // namespace millrace::store
