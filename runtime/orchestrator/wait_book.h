// What: the runs that wait for an event, and the reader of the log that finds it for them. A wait
//       begins at the place of the log where its run began, so that what came early is not lost:
//       it catches up, beside those who have come to the end and are read for together; who comes
//       later and has to read further back does not hold those up. Whoever waits is found by what
//       the event says (wait_index.h), so that a block costs the same for one wait as for a
//       hundred thousand.
// Threads: the orchestrator's. Lifetime: borrows the database.
// Limits: kBlocksPerTurn blocks a turn, of either group. Nobody waits: nothing is read.
// Failure: a block that does not read is tried again; a filter that is none is refused by add().
#pragma once

#include "core/ids.h"
#include "matcher/reference_matcher.h"
#include "runtime/orchestrator/wait_index.h"
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

    // `taken`: places of events that the run has had already.
    // `pattern` with stars is a wildcard; `filter`: JSON, or empty. `from`: by shard.
    core::Status add(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                     const std::string& pattern, const std::string& filter,
                     const std::vector<std::uint64_t>& from,
                     const std::vector<std::string>& taken = {});
    void remove(const RunName& run, std::uint32_t step);
    bool has(const RunName& run, std::uint32_t step) const {
        const Key key(run, step);
        return live_.waits.contains(key) || late_.waits.contains(key) || next_.waits.contains(key);
    }
    bool empty() const { return size() == 0; }
    std::size_t size() const {
        return live_.waits.size() + late_.waits.size() + next_.waits.size();
    }

    // An event that somebody waits for: its payload as JSON, and its place ("shard/offset").
    using Found =
        std::function<void(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                           std::string payload, std::string place)>;
    // True: there is more to read.
    bool read(const Found& found);

private:
    static constexpr std::size_t kBlocksPerTurn = 32;

    struct Wait {
        std::uint32_t iteration = 0;
        WaitIndex::Place place;
        // Of one with an anchor the text is enough: it is asked about few events.
        std::string filter;
        std::optional<matcher::ReferenceMatcher> matcher;
        std::vector<core::LogOffset> from;  // by shard
        std::vector<std::string> taken;
    };
    using Key = WaitKey;
    // Waits that are read for together.
    struct Group {
        std::map<Key, Wait> waits;
        WaitIndex index;
        std::vector<core::LogOffset> at;  // by shard: what lies before it has been read

        core::Status put(const Key& key, Wait&& wait, const std::optional<WaitAnchor>& anchor);
        std::optional<Wait> take(const Key& key);
    };
    struct Hit {
        Key key;
        std::uint32_t iteration;
        std::string payload;
        std::string place;
    };

    static bool wants(const Wait& wait, SeenEvent& event);
    static void look_at(Group& group, std::size_t shard, const store::EventBlock& block,
                        std::uint32_t i, std::vector<Hit>& hits);
    bool read_shard(Group& group, std::size_t shard, const Found& found);
    bool read_group(Group& group, const Found& found);
    void let_late_ones_join();

    store::Database& database_;
    const std::size_t shards_;
    Group live_;
    Group late_;  // they catch up
    Group next_;  // from further back than those are by now: when they have, these do
};

}  // namespace millrace::runtime
