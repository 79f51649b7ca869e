#include "runtime/shard/identity_keeper.h"

#include <algorithm>

namespace millrace::runtime {

void IdentityKeeper::answer(IngestRequest& request) {
    constexpr std::size_t kPrefetchAhead = 8;
    const std::vector<std::uint32_t>& list = request.by_keeper[shard_.value];
    store::ShardIdIndex& own = ids_.shard(shard_);
    questions_.clear();
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (i + kPrefetchAhead < list.size())
            own.prefetch(request.items[list[i + kPrefetchAhead]].input.id);
        IngestItem& item = request.items[list[i]];
        const store::IdHash& id = item.input.id;
        if (granted_.contains(id)) {
            item.answer = KeeperAnswer::kOnItsWay;
        } else if (const auto found = own.find(id); found.there) {
            item.position = {shard_, found.offset};
            item.answer = KeeperAnswer::kTaken;
        } else {
            granted_.insert(id);
            item.answer = KeeperAnswer::kGranted;
            questions_.push_back({.id = id, .item = list[i]});
        }
    }
    ids_.find_elsewhere(questions_, shard_);
    for (const store::IdQuestion& question : questions_) {
        if (!question.there) continue;
        granted_.erase(question.id);
        IngestItem& item = request.items[question.item];
        item.position = question.at;
        item.answer = KeeperAnswer::kTaken;
    }
}

void IdentityKeeper::release(const IngestRequest& request) {
    for (const std::uint32_t index : request.by_keeper[shard_.value]) {
        const IngestItem& item = request.items[index];
        if (item.answer == KeeperAnswer::kGranted) granted_.erase(item.input.id);
    }
}

void IdentityKeeper::mark_elsewhere(IngestRequest& request, std::size_t from) {
    // What a handler emitted was asked for, or stays with its cause.
    if (request.whole() || request.origin == IngestOrigin::kLane) return;
    const bool look = ids_.may_stand_elsewhere(shard_);
    if (!look && granted_.empty()) return;
    const std::vector<std::uint32_t>& list = request.by_home[shard_.value];
    questions_.clear();
    for (std::size_t i = from; i < list.size(); ++i) {
        IngestItem& item = request.items[list[i]];
        const store::IdHash& id = item.input.id;
        if (item.answer != KeeperAnswer::kNotAsked || id.none()) continue;
        if (store::keeper_of(id, ids_.shards()) != shard_) continue;
        item.again = granted_.contains(id);
        if (look && !item.again) questions_.push_back({.id = id, .item = list[i]});
    }
    ids_.find_elsewhere(questions_, shard_);
    for (const store::IdQuestion& question : questions_)
        request.items[question.item].again = question.there;
}

}  // namespace millrace::runtime
