// What: calls of actions that a client asked for: each answer goes to who waits for it, on the
//       conductor's thread.
// Threads: call() the conductor's; answered() any.
// Lifetime: borrows both. Limits: the port's own (overflow policy: answered with BUSY).
// Failure: in the answer.
#pragma once

#include "runtime/delivery/outside_port.h"
#include "runtime/server/conductor.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace millrace::runtime {

class ActionCalls final : public OutsideReceiver {
public:
    using Done = std::function<void(OutsideAnswer&&)>;
    ActionCalls(OutsidePort* actions, Conductor* conductor)
        : actions_(actions), conductor_(conductor) {}

    void call(OutsideAsk&& ask, Done done) {
        std::uint64_t ticket = 0;
        {
            const std::lock_guard lock(mutex_);
            ticket = ++last_;
            under_way_.emplace(ticket, std::move(done));
        }
        if (actions_->ask(*this, ticket, std::move(ask))) return;
        OutsideAnswer busy;
        busy.code = "BUSY";
        busy.message = "too many calls wait to be made";
        answered(ticket, std::move(busy));
    }

    // OutsideReceiver
    void answered(std::uint64_t ticket, OutsideAnswer&& answer) override {
        Done done;
        {
            const std::lock_guard lock(mutex_);
            const auto at = under_way_.find(ticket);
            if (at == under_way_.end()) return;
            done = std::move(at->second);
            under_way_.erase(at);
        }
        auto kept = std::make_shared<OutsideAnswer>(std::move(answer));
        conductor_->post_answer([done = std::move(done), kept] { done(std::move(*kept)); });
    }

private:
    OutsidePort* const actions_;
    Conductor* const conductor_;
    std::mutex mutex_;  // of the two below
    std::map<std::uint64_t, Done> under_way_;
    std::uint64_t last_ = 0;
};

}  // namespace millrace::runtime
