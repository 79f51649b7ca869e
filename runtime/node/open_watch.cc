#include "runtime/node/open_watch.h"

#include "runtime/identity/trusted_front.h"

#include <limits>
#include <vector>

namespace millrace::runtime::node {
namespace {

constexpr int kNobody = 401;
constexpr int kMayNot = 403;

// A refusal for want of time or room says nothing of who somebody is.
bool is_answer(const Judgement& who) {
    return !who.principal.empty() || who.status == kNobody || who.status == kMayNot;
}

}  // namespace

OpenMark OpenWatch::watch(const CallerRef& caller, const std::string& principal,
                          std::int64_t now_ns) {
    Row& row = rows_[{caller->shown, principal}];
    std::shared_ptr<Watched> watched = row.watched.lock();
    if (!watched) {
        watched = std::make_shared<Watched>();
        watched->caller = caller;
        row = {watched, now_ns};
    }
    return {watched, &watched->mark};
}

void OpenWatch::look(std::int64_t now_ns, const std::function<bool(const Caller&)>& ask) {
    if (rows_.empty() || now_ns - looked_ns_ < kLookNs) return;
    looked_ns_ = now_ns;
    std::size_t asked = 0;
    auto at = rows_.lower_bound(next_);
    for (std::size_t left = rows_.size(); left > 0 && asked < kAskedMax; --left) {
        if (at == rows_.end()) at = rows_.begin();
        const std::shared_ptr<Watched> watched = at->second.watched.lock();
        if (!watched) {
            at = rows_.erase(at);
            continue;
        }
        if (now_ns - at->second.asked_ns >= kAskNs) {
            if (!ask(*watched->caller)) break;
            at->second.asked_ns = now_ns;
            ++asked;
        }
        ++at;
    }
    next_ = at == rows_.end() ? Name() : at->first;
}

void OpenWatch::judged(const std::string& shown, const Judgement& who,
                       const std::function<void(const std::string& principal)>& taken_back) {
    if (!is_answer(who)) return;
    std::vector<std::string> gone;
    for (auto at = rows_.lower_bound({shown, {}}); at != rows_.end() && at->first.first == shown;) {
        const std::shared_ptr<Watched> watched = at->second.watched.lock();
        if (watched && identity::gives_the_same(at->first.second, who.principal)) {
            at->second.asked_ns = who.at_ns;
            ++at;
            continue;
        }
        if (watched) {
            // release: pairs with Principal::still_holds().
            watched->mark.store(true, std::memory_order_release);
            gone.push_back(at->first.second);
        }
        at = rows_.erase(at);
    }
    for (const std::string& principal : gone) taken_back(principal);
}

void OpenWatch::hurry() {
    looked_ns_ = 0;
    for (auto& [name, row] : rows_) row.asked_ns = std::numeric_limits<std::int64_t>::min() / 2;
}

}  // namespace millrace::runtime::node
