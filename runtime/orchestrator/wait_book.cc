#include "runtime/orchestrator/wait_book.h"

#include "core/json_dom.h"
#include "matcher/filter/json_value.h"
#include "matcher/subscription_spec.h"
#include "store/log/log_reader.h"

#include <algorithm>

namespace millrace::runtime {

WaitBook::WaitBook(store::Database& database, std::size_t shards)
    : database_(database), shards_(shards) {}

core::Status WaitBook::add(const RunName& run, std::uint32_t step, std::uint32_t iteration,
                           const std::string& pattern, const std::string& filter,
                           const std::vector<std::uint64_t>& from) {
    Wait wait;
    wait.iteration = iteration;
    wait.pattern = pattern;
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
        wait.at.emplace_back(shard < from.size() ? from[shard] : 0);
    waits_.insert_or_assign(Key(run, step), std::move(wait));
    return {};
}

void WaitBook::remove(const RunName& run, std::uint32_t step) { waits_.erase(Key(run, step)); }

bool WaitBook::wants(const Wait& wait, const store::StoredEvent& event,
                     std::string& payload) const {
    if (wait.wildcard ? !wait.wildcard->matches(event.pattern) : wait.pattern != event.pattern)
        return false;
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

bool WaitBook::read_shard(std::size_t shard, const Found& found) {
    const core::ShardId id(static_cast<std::uint16_t>(shard));
    const core::LogOffset end = database_.durable_end(id);
    core::LogOffset first = end;
    for (const auto& [key, wait] : waits_) first = std::min(first, wait.at[shard]);
    if (first >= end) return false;
    const auto block = database_.log_reader().read_block(id, first);
    if (!block) return false;
    const core::LogOffset read_to = *block ? block->end_offset() : end;
    std::vector<Hit> hits;
    std::string payload;
    for (auto& [key, wait] : waits_) {
        if (wait.at[shard] >= read_to) continue;
        for (std::uint32_t i = 0; *block && i < block->count(); ++i) {
            if (block->record(i).tenant != key.first.tenant.value || block->gone(i) ||
                core::LogOffset(block->first_offset().value + i) < wait.at[shard])
                continue;
            if (!wants(wait, block->event(i), payload)) continue;
            hits.push_back({key, wait.iteration, payload});
            break;
        }
        wait.at[shard] = read_to;
    }
    for (Hit& hit : hits) {
        waits_.erase(hit.key);
        found(hit.key.first, hit.key.second, hit.iteration, std::move(hit.payload));
    }
    return read_to < end;
}

bool WaitBook::read(const Found& found) {
    bool more = false;
    for (std::size_t shard = 0; shard < shards_; ++shard) {
        bool here = true;
        for (std::size_t i = 0; i < kBlocksPerTurn && here && !waits_.empty(); ++i)
            here = read_shard(shard, found);
        more |= here && !waits_.empty();
    }
    return more;
}

}  // namespace millrace::runtime
