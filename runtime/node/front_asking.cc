// Part of Front: who a client is, asked once of whoever has the keys.
#include "io/http_head.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime::node {
namespace {

core::Error nobody_knows() {
    return core::Error(core::ErrorCode::kUnavailable,
                       "who may do what is kept in partition 0, which nobody owns at the moment; "
                       "come again")
        .retry_after(1);
}

}  // namespace

void Front::judge(Passage& passage) {
    const auto under_way = judgings_.find(passage.shown);
    if (under_way != judgings_.end()) {
        if (under_way->second->waiting.size() >= FrontLimits::kWaitingMax)
            return answer(passage, nobody_knows());
        under_way->second->waiting.push_back(passage.id());
        return;
    }
    Judging& judging = new_judging(passage.shown);
    judging.waiting.push_back(passage.id());
    start_judging(judging, credentials_of(passage.headers), passage.query_key, passage.peer);
}

Judging& Front::new_judging(const std::string& shown) {
    auto made = std::make_unique<Judging>(*this, shown, deps_.clock->monotonic_ns());
    return *judgings_.emplace(shown, std::move(made)).first->second;
}

void Front::start_judging(Judging& judging, const HeaderList& shown, const std::string& query_key,
                          std::string_view peer) {
    const Target& target = routing_->targets.front();
    if (target.where == Target::Where::kNowhere) return judged(judging);
    HeaderList headers = shown;
    if (!query_key.empty()) headers.emplace_back("X-API-Key", query_key);
    const std::array<std::pair<std::string_view, std::string_view>, 3> own = {
        {{identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPeerHeader, peer},
         {kPartitionHeader, "0"}}};
    const std::string head = forward_head(
        {.method = io::Method::kGet, .target = "/v2/me", .headers = &headers, .own = own});
    if (!client_->start(judging, target.address, head, {})) judged(judging);
}

// Whoever has the keys stands still: what it has said before counts meanwhile.
void Front::give_up_judgings(std::int64_t now_ns) {
    std::vector<Judging*> late;
    for (const auto& [shown, judging] : judgings_) {
        if (now_ns - judging->begun_ns >= FrontLimits::kJudgeNs) late.push_back(judging.get());
    }
    for (Judging* one : late) {
        client_->cancel(*one);
        one->status = 0;
        judged(*one);
    }
}

void Front::judged(Judging& judging) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const auto found = judgings_.find(judging.shown);
    std::unique_ptr<Judging> own = std::move(found->second);
    judgings_.erase(found);
    const bool said = judging.status != 0 && judging.status != 503 && !judging.not_here;
    JudgementRef who;
    if (said) {
        who = judged_.put(judging.shown, Judged::of_answer(judging.status, judging.principal,
                                                           std::move(judging.body), now_ns));
        open_.judged(judging.shown, *who,
                     [this](const std::string& principal) { take_back(principal); });
    } else {
        who = judged_.stale(judging.shown, now_ns);
    }
    for (const std::uint64_t id : judging.waiting) {
        const auto waits = passages_.find(id);
        if (waits == passages_.end()) continue;
        Passage& passage = *waits->second;
        passage.who = who;
        if (who) {
            go_on(passage);
        } else if (now_ns >= passage.deadline_ns) {
            answer(passage, nobody_knows());
        } else {
            passage.partition = 0;
            hold(passage);
        }
    }
    ended_judgings_.push_back(std::move(own));
}

}  // namespace millrace::runtime::node
