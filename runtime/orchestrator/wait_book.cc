#include "runtime/orchestrator/wait_book.h"

#include "core/json_dom.h"
#include "matcher/subscription_spec.h"
#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

// JSON: a list, a map, or a text that is an expression.
core::Result<matcher::Predicate> read_wait_filter(const std::string& filter) {
    core::JsonDom dom;
    core::JsonElement root;
    std::string_view text;
    if (!dom.read(filter, root)) return core::fail(core::ErrorCode::kValidation, "no JSON");
    return matcher::parse_any_filter(root.get(text) ? text : root.raw());
}

core::Result<matcher::ReferenceMatcher> compile_filter(matcher::Predicate&& predicate) {
    matcher::SubscriptionSpec spec;
    spec.predicate = std::move(predicate);
    return matcher::ReferenceMatcher::compile(spec);
}

}  // namespace

WaitBook::WaitBook(store::Database& database, std::size_t shards)
    : database_(database), shards_(shards) {}

// ---- who waits

core::Status WaitBook::Group::put(const Key& key, Wait&& wait,
                                  const std::optional<WaitAnchor>& anchor) {
    const auto there = waits.insert_or_assign(key, std::move(wait)).first;
    auto placed = index.put(there->first, there->second.place, anchor);
    if (!placed) waits.erase(there);
    return placed;
}

std::optional<WaitBook::Wait> WaitBook::Group::take(const Key& key) {
    const auto found = waits.find(key);
    if (found == waits.end()) return std::nullopt;
    index.take(found->first, found->second.place);
    Wait wait = std::move(found->second);
    waits.erase(found);
    return wait;
}

core::Status WaitBook::add(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                           const std::string& pattern, const std::string& filter,
                           const std::vector<std::uint64_t>& from,
                           const std::vector<std::string>& taken) {
    Wait wait;
    wait.iteration = iteration;
    wait.taken = taken;
    std::optional<WaitAnchor> anchor;
    if (!filter.empty()) {
        auto predicate = read_wait_filter(filter);
        if (!predicate) return core::fail(std::move(predicate.error()));
        anchor = anchor_of(*predicate);
        auto compiled = compile_filter(std::move(*predicate));
        if (!compiled) return core::fail(std::move(compiled.error()));
        if (anchor)
            wait.filter = filter;
        else
            wait.matcher = std::move(*compiled);
    }
    wait.place = WaitIndex::place_of(pattern, anchor);
    for (std::size_t shard = 0; shard < shards_; ++shard)
        wait.from.emplace_back(shard < from.size() ? from[shard] : 0);
    remove(run, step);
    if (empty()) {  // nobody was read for
        live_.at.clear();
        for (std::size_t shard = 0; shard < shards_; ++shard)
            live_.at.push_back(
                database_.durable_end(core::ShardId(static_cast<std::uint16_t>(shard))));
    }
    const auto is_behind = [&](const Group& group) {
        bool behind = false;
        for (std::size_t shard = 0; shard < shards_; ++shard)
            behind |= wait.from[shard] < group.at[shard];
        return behind;
    };
    if (!is_behind(live_)) return live_.put(Key(run, step), std::move(wait), anchor);
    if (late_.waits.empty()) late_.at = wait.from;
    if (!is_behind(late_)) return late_.put(Key(run, step), std::move(wait), anchor);
    if (next_.waits.empty()) next_.at = wait.from;
    for (std::size_t shard = 0; shard < shards_; ++shard)
        next_.at[shard] = std::min(next_.at[shard], wait.from[shard]);
    return next_.put(Key(run, step), std::move(wait), anchor);
}

void WaitBook::remove(const RunName& run, std::uint32_t step) {
    const Key key(run, step);
    for (Group* const group : {&live_, &late_, &next_}) {
        if (group->take(key)) return;
    }
}

// ---- what comes

bool WaitBook::wants(const Wait& wait, SeenEvent& event) {
    if (wait.filter.empty() && !wait.matcher) return true;
    const matcher::JsonValue* const tree = event.tree();
    if (!tree) return false;
    if (wait.matcher) return wait.matcher->matches(*tree);
    auto predicate = read_wait_filter(wait.filter);
    if (!predicate) return false;
    const auto compiled = compile_filter(std::move(*predicate));
    return compiled && compiled->matches(*tree);
}

void WaitBook::look_at(Group& group, std::size_t shard, const store::EventBlock& block,
                       std::uint32_t i, std::vector<Hit>& hits) {
    SeenEvent event(block.event(i));
    std::vector<const Key*> may_want;
    group.index.find(event, may_want);
    if (may_want.empty()) return;
    const core::LogOffset offset(block.first_offset().value + i);
    const std::string place = std::to_string(shard) + "/" + std::to_string(offset.value);
    for (const Key* const key : may_want) {
        const Wait& wait = group.waits.at(*key);
        if (offset < wait.from[shard] || !wants(wait, event)) continue;
        if (std::find(wait.taken.begin(), wait.taken.end(), place) != wait.taken.end()) continue;
        hits.push_back({*key, wait.iteration, event.payload(), place});
        (void)group.take(*key);
    }
}

bool WaitBook::read_shard(Group& group, std::size_t shard, const Found& found) {
    const core::ShardId id(static_cast<std::uint16_t>(shard));
    const core::LogOffset end = database_.durable_end(id);
    const core::LogOffset first = group.at[shard];
    if (first >= end) return false;
    const auto block = database_.log_reader().read_block(id, first);
    if (!block) return false;
    const core::LogOffset read_to = *block ? block->end_offset() : end;
    std::vector<Hit> hits;
    for (std::uint32_t i = 0; *block && i < block->count(); ++i) {
        if (block->gone(i) || core::LogOffset(block->first_offset().value + i) < first) continue;
        look_at(group, shard, *block, i, hits);
    }
    group.at[shard] = read_to;
    for (Hit& hit : hits)
        found(hit.key.first, hit.key.second, hit.iteration, std::move(hit.payload),
              std::move(hit.place));
    return read_to < end;
}

bool WaitBook::read_group(Group& group, const Found& found) {
    bool more = false;
    for (std::size_t shard = 0; shard < shards_; ++shard) {
        bool here = true;
        for (std::size_t i = 0; i < kBlocksPerTurn && here && !group.waits.empty(); ++i)
            here = read_shard(group, shard, found);
        more |= here && !group.waits.empty();
    }
    return more;
}

// What lies between is looked at twice: what somebody did not want then he does not want now.
void WaitBook::let_late_ones_join() {
    if (live_.waits.empty()) live_.at = late_.at;
    for (std::size_t shard = 0; shard < shards_; ++shard) {
        if (late_.at[shard] < live_.at[shard]) return;
    }
    while (!late_.waits.empty()) {
        const Key key = late_.waits.begin()->first;
        Wait wait = std::move(*late_.take(key));
        std::optional<WaitAnchor> anchor;
        if (!wait.filter.empty()) {
            if (auto predicate = read_wait_filter(wait.filter)) anchor = anchor_of(*predicate);
        }
        (void)live_.put(key, std::move(wait), anchor);  // it was taken once
    }
}

bool WaitBook::read(const Found& found) {
    bool more = !live_.waits.empty() && read_group(live_, found);
    if (!late_.waits.empty()) {
        more |= read_group(late_, found);
        let_late_ones_join();
    }
    if (late_.waits.empty() && !next_.waits.empty()) {
        std::swap(late_, next_);
        more = true;
    }
    return more;
}

}  // namespace millrace::runtime
