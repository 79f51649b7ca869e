#include "runtime/orchestrator/wait_book.h"

#include "core/json_dom.h"
#include "matcher/filter/json_value.h"
#include "matcher/subscription_spec.h"
#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime {

WaitBook::WaitBook(store::Database& database, std::size_t shards)
    : database_(database), shards_(shards) {}

// ---- who waits

void WaitBook::Group::put(const Key& key, Wait&& wait) {
    (void)take(key);
    if (wait.wildcard)
        wildcards.insert(key);
    else
        by_pattern[wait.pattern].insert(key);
    waits.emplace(key, std::move(wait));
}

std::optional<WaitBook::Wait> WaitBook::Group::take(const Key& key) {
    const auto found = waits.find(key);
    if (found == waits.end()) return std::nullopt;
    Wait wait = std::move(found->second);
    waits.erase(found);
    wildcards.erase(key);
    if (const auto named = by_pattern.find(wait.pattern); named != by_pattern.end()) {
        named->second.erase(key);
        if (named->second.empty()) by_pattern.erase(named);
    }
    return wait;
}

core::Status WaitBook::add(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                           const std::string& pattern, const std::string& filter,
                           const std::vector<std::uint64_t>& from,
                           const std::vector<std::string>& taken) {
    Wait wait;
    wait.iteration = iteration;
    wait.pattern = pattern;
    wait.taken = taken;
    if (matcher::has_star(pattern)) {
        auto wildcard = matcher::parse_wildcard(pattern);
        if (!wildcard) return core::fail(std::move(wildcard.error()));
        wait.wildcard = std::move(*wildcard);
    }
    if (!filter.empty()) {
        core::JsonDom dom;
        core::JsonElement root;
        std::string_view text;
        if (!dom.read(filter, root)) return core::fail(core::ErrorCode::kValidation, "no JSON");
        auto predicate = matcher::parse_any_filter(root.get(text) ? text : root.raw());
        if (!predicate) return core::fail(std::move(predicate.error()));
        matcher::SubscriptionSpec spec;
        spec.predicate = std::move(*predicate);
        auto compiled = matcher::ReferenceMatcher::compile(spec);
        if (!compiled) return core::fail(std::move(compiled.error()));
        wait.filter = std::move(*compiled);
    }
    for (std::size_t shard = 0; shard < shards_; ++shard)
        wait.from.emplace_back(shard < from.size() ? from[shard] : 0);
    remove(run, step);
    if (empty()) {  // nobody was read for
        live_.at.clear();
        for (std::size_t shard = 0; shard < shards_; ++shard)
            live_.at.push_back(
                database_.durable_end(core::ShardId(static_cast<std::uint16_t>(shard))));
    }
    bool late = false;
    for (std::size_t shard = 0; shard < shards_; ++shard)
        late |= wait.from[shard] < live_.at[shard];
    if (late && late_.waits.empty()) late_.at = wait.from;
    for (std::size_t shard = 0; late && shard < shards_; ++shard)
        late_.at[shard] = std::min(late_.at[shard], wait.from[shard]);
    (late ? late_ : live_).put(Key(run, step), std::move(wait));
    return {};
}

void WaitBook::remove(const RunName& run, std::uint32_t step) {
    if (!live_.take(Key(run, step))) (void)late_.take(Key(run, step));
}

// ---- what comes

bool WaitBook::wants(const Wait& wait, const store::StoredEvent& event,
                     std::string& payload) const {
    if (wait.wildcard && !wait.wildcard->matches(event.pattern)) return false;
    if (wait.filter) {
        auto tree = matcher::parse_json(event.raw);
        if (!tree || !wait.filter->matches(*tree)) return false;
    }
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonElement member;
    payload.clear();
    if (dom.read(event.raw, root) && root.find("payload", member))
        core::append_json(payload, member);
    else
        payload = "{}";
    return true;
}

void WaitBook::look_at(Group& group, std::size_t shard, const store::EventBlock& block,
                       std::uint32_t i, std::vector<Hit>& hits) const {
    const store::StoredEvent event = block.event(i);
    const auto named = group.by_pattern.find(event.pattern);
    if (named == group.by_pattern.end() && group.wildcards.empty()) return;
    const core::LogOffset offset(block.first_offset().value + i);
    const std::uint32_t tenant = block.record(i).tenant;
    std::vector<Key> found;
    std::string payload;
    const auto ask = [&](const std::set<Key>& keys) {
        for (const Key& key : keys) {
            const Wait& wait = group.waits.at(key);
            if (key.first.tenant.value != tenant || offset < wait.from[shard]) continue;
            if (!wants(wait, event, payload)) continue;
            std::string place = std::to_string(shard) + "/" + std::to_string(offset.value);
            if (std::find(wait.taken.begin(), wait.taken.end(), place) != wait.taken.end())
                continue;
            hits.push_back({key, wait.iteration, payload, std::move(place)});
            found.push_back(key);
        }
    };
    if (named != group.by_pattern.end()) ask(named->second);
    ask(group.wildcards);
    for (const Key& key : found) (void)group.take(key);
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
        live_.put(key, std::move(*late_.take(key)));
    }
}

bool WaitBook::read(const Found& found) {
    bool more = !live_.waits.empty() && read_group(live_, found);
    if (!late_.waits.empty()) {
        more |= read_group(late_, found);
        let_late_ones_join();
    }
    return more;
}

}  // namespace millrace::runtime
