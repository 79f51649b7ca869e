// What: the runs that wait for an event, and the reader of the log that finds it for them. A wait
//       begins at the place of the log where its run began, so that what came early is not lost;
//       when it has come to the end it is read for with all others, block by block.
// Threads: the orchestrator's. Lifetime: borrows the database.
// Limits: kBlocksPerTurn blocks a turn. Nobody waits: nothing is read.
// Failure: a block that does not read is tried again; a filter that is none matches nothing.
#pragma once

#include "core/ids.h"
#include "matcher/filter/wildcard.h"
#include "matcher/reference_matcher.h"
#include "runtime/orchestrator/run_rows.h"
#include "store/database.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

class WaitBook {
public:
    WaitBook(store::Database& database, std::size_t shards);

    // `pattern` with stars is a wildcard; `filter`: JSON, or empty. `from`: by shard.
    core::Status add(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                     const std::string& pattern, const std::string& filter,
                     const std::vector<std::uint64_t>& from);
    void remove(const RunName& run, std::uint32_t step);
    bool empty() const { return waits_.empty(); }
    std::size_t size() const { return waits_.size(); }

    // An event that somebody waits for: its payload as JSON.
    using Found = std::function<void(const RunName& run, std::uint32_t step,
                                     std::uint32_t iteration, std::string payload)>;
    // True: there is more to read.
    bool read(const Found& found);

private:
    static constexpr std::size_t kBlocksPerTurn = 32;

    struct Wait {
        std::uint32_t iteration = 0;
        std::string pattern;
        std::optional<matcher::Wildcard> wildcard;
        std::optional<matcher::ReferenceMatcher> filter;
        std::vector<core::LogOffset> at;  // by shard
    };
    using Key = std::pair<RunName, std::uint32_t>;
    struct Hit {
        Key key;
        std::uint32_t iteration;
        std::string payload;
    };

    bool wants(const Wait& wait, const store::StoredEvent& event, std::string& payload) const;
    bool read_shard(std::size_t shard, const Found& found);

    store::Database& database_;
    const std::size_t shards_;
    std::map<Key, Wait> waits_;
};

}  // namespace millrace::runtime
