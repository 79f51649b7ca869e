#include "runtime/shard/keeper_rounds.h"

#include "core/assert.h"

namespace millrace::runtime {

void KeeperRounds::begin(IngestRequest& request) {
    queue_.push_back(&request);
    ask(request);
}

void KeeperRounds::ask(IngestRequest& request) {
    request.keepers_left = 1;  // ours, until all have been asked
    for (const auto& list : request.by_keeper) request.keepers_left += !list.empty();
    for (std::size_t i = 0; i < request.by_keeper.size(); ++i) {
        if (!request.by_keeper[i].empty())
            handlers_.ask(core::ShardId{static_cast<std::uint16_t>(i)}, request);
    }
    answered(request);
}

void KeeperRounds::answered(IngestRequest& request) {
    MR_ASSERT(request.keepers_left > 0);
    if (--request.keepers_left > 0) return;
    if (request.round > 0) {
        go_on(request);
        return;
    }
    request.may_go = true;
    while (!queue_.empty() && queue_.front()->may_go) {
        IngestRequest& first = *queue_.front();
        queue_.pop_front();
        go_on(first);
    }
}

void KeeperRounds::go_on(IngestRequest& request) {
    if (!request.whole() || settled(request)) {
        send_on(request);
        return;
    }
    // Nothing is held while it waits: two that ask for each other's identities both let go.
    request.come_again();
    end_round(request);
}

// What comes twice in the request itself goes where the first one goes, behind it.
bool KeeperRounds::settled(IngestRequest& request) {
    const bool waits =
        std::any_of(request.items.begin(), request.items.end(),
                    [](const IngestItem& item) { return item.answer == KeeperAnswer::kOnItsWay; });
    if (!waits) return true;
    first_of_.clear();
    bool all = true;
    for (IngestItem& item : request.items) {
        if (item.answer == KeeperAnswer::kNotAsked || item.answer == KeeperAnswer::kStands)
            continue;
        const auto [first, fresh] = first_of_.try_emplace(item.input.id, &item);
        if (item.answer != KeeperAnswer::kOnItsWay) continue;
        const IngestItem& like = *first->second;
        if (fresh || like.answer == KeeperAnswer::kOnItsWay) {
            all = false;
            continue;
        }
        item.answer = like.answer;
        item.position = like.position;
        item.home = like.home;
    }
    return all;
}

// In the order of the items: those of one partition key stay in theirs.
void KeeperRounds::send_on(IngestRequest& request) {
    for (auto& list : request.by_home) list.clear();
    for (std::uint32_t i = 0; i < request.items.size(); ++i) {
        IngestItem& item = request.items[i];
        if (item.answer == KeeperAnswer::kOnItsWay) {
            request.come_again();
        } else if (request.round == 0 || item.answer != KeeperAnswer::kSettled) {
            const bool taken =
                item.answer == KeeperAnswer::kTaken || item.answer == KeeperAnswer::kStands;
            request.by_home[taken ? item.position.shard.value : item.home.value].push_back(i);
        }
    }
    handlers_.append(request);
}

void KeeperRounds::end_round(IngestRequest& request) {
    request.keepers_left = 1;
    for (const auto& list : request.by_keeper) request.keepers_left += !list.empty();
    for (std::size_t i = 0; i < request.by_keeper.size(); ++i) {
        if (!request.by_keeper[i].empty())
            handlers_.release(core::ShardId{static_cast<std::uint16_t>(i)}, request);
    }
    released(request);
}

void KeeperRounds::released(IngestRequest& request) {
    MR_ASSERT(request.keepers_left > 0);
    if (--request.keepers_left > 0) return;
    if (comes_again(request)) {
        // Shards that ask for the same do not meet again and again.
        const std::uint32_t turn = request.round * (request.edge.value + 1u) % kTurns;
        again_.push_back({&request, now_us_ + kAgainUs * (1 + turn)});
    } else {
        handlers_.give_back(request);
    }
}

std::size_t KeeperRounds::do_work(std::int64_t now_us) {
    now_us_ = now_us;
    std::size_t begun = 0;
    while (!again_.empty() && again_.front().at_us <= now_us) {
        IngestRequest& request = *again_.front().request;
        again_.pop_front();
        request.begin_round();
        ask(request);
        ++begun;
    }
    return begun;
}

}  // namespace millrace::runtime
