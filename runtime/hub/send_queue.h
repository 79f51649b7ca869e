// What: the batches of one shard that are on their way to the hub, in the log's order. Several are,
//       where the line is quick: each says that it follows the one before it, so that the hub takes
//       them in that order or not at all. One that is not taken breaks the rest off: when all are
//       answered, it is sent again alone from where the hub is.
// Threads: one owner. Lifetime: value.
// Limits: kDepthMax batches; one, until kTakenBeforeDeeper were answered within kQuickNs each.
// Failure: none; what an answer means is its owner's.
#pragma once

#include "runtime/courier/http_port.h"
#include "runtime/hub/forward_mark.h"
#include "runtime/hub/log_run.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::runtime::hub {

class SendQueue {
public:
    static constexpr std::size_t kDepthMax = 4;
    static constexpr std::int64_t kQuickNs = 500'000'000;
    static constexpr unsigned kTakenBeforeDeeper = 4;

    struct Sent {
        std::uint64_t ticket = 0;
        LogRun::Next batch;
        std::int64_t since_ns = 0;
        bool answered = false;
        bool taken = false;
        courier::HttpAnswer answer{};  // where it was not taken
    };

    bool empty() const { return sent_.empty(); }
    std::size_t size() const { return sent_.size(); }
    std::size_t depth() const { return depth_; }
    bool has_room() const { return !broken_ && sent_.size() < depth_; }
    // Where the next one begins; `mark`: where the first one does.
    ForwardMark end(const ForwardMark& mark) const {
        if (sent_.empty()) return mark;
        return {mark.lane, sent_.back().batch.to, sent_.back().batch.hash};
    }

    void add(std::uint64_t ticket, LogRun::Next&& batch, std::int64_t now_ns) {
        sent_.push_back({.ticket = ticket, .batch = std::move(batch), .since_ns = now_ns});
    }
    // Null: nobody waits for that.
    const Sent* find(std::uint64_t ticket) const {
        const auto at = std::find_if(sent_.begin(), sent_.end(),
                                     [ticket](const Sent& one) { return one.ticket == ticket; });
        return at == sent_.end() || at->answered ? nullptr : &*at;
    }
    void take(std::uint64_t ticket) { answer_of(ticket).taken = true; }
    void refuse(std::uint64_t ticket, courier::HttpAnswer&& answer) {
        answer_of(ticket).answer = std::move(answer);
        broken_ = true;
    }

    // What follows one that is lost: nobody waits for its answers any more.
    std::vector<std::uint64_t> give_up_behind(std::uint64_t ticket) {
        std::vector<std::uint64_t> out;
        bool behind = false;
        std::erase_if(sent_, [&](const Sent& one) {
            const bool gives_up = behind && !one.answered;
            if (gives_up) out.push_back(one.ticket);
            behind |= one.ticket == ticket;
            return gives_up;
        });
        return out;
    }

    // The first one, when it was taken.
    std::optional<LogRun::Next> pop_taken(std::int64_t now_ns) {
        if (sent_.empty() || !sent_.front().taken) return std::nullopt;
        Sent first = std::move(sent_.front());
        sent_.pop_front();
        if (now_ns - first.since_ns > kQuickNs) {
            depth_ = 1;
            quick_ = 0;
        } else if (++quick_ == kTakenBeforeDeeper) {
            depth_ = std::min(depth_ + 1, kDepthMax);
            quick_ = 0;
        }
        return std::move(first.batch);
    }
    // The first one, when it was not taken and the rest are answered too: there is nothing on its
    // way then.
    std::optional<Sent> break_off() {
        const auto open = [](const Sent& one) { return !one.answered; };
        if (!broken_ || std::any_of(sent_.begin(), sent_.end(), open)) return std::nullopt;
        Sent first = std::move(sent_.front());
        sent_.clear();
        broken_ = false;
        depth_ = 1;
        quick_ = 0;
        return first;
    }

private:
    Sent& answer_of(std::uint64_t ticket) {
        Sent& one = *std::find_if(sent_.begin(), sent_.end(),
                                  [ticket](const Sent& of) { return of.ticket == ticket; });
        one.answered = true;
        return one;
    }

    std::deque<Sent> sent_;
    std::size_t depth_ = 1;
    unsigned quick_ = 0;
    bool broken_ = false;
};

}  // namespace millrace::runtime::hub
