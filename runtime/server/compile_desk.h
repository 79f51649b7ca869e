// What: expressions that take long to compile, compiled aside: who asked is told on the conductor's
//       thread; when the server ends, at once, that it will not be, for nothing can interrupt one.
// Threads: compile() the conductor's; stop() any.
// Lifetime: borrows both agents. Limits: the compiler's tasks (overflow policy: refuse).
// Failure: none of its own.
#pragma once

#include "runtime/api/services.h"
#include "runtime/server/conductor.h"
#include "runtime/server/sideline.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace millrace::runtime {

class CompileDesk {
public:
    CompileDesk(Sideline* compiler, Conductor* conductor)
        : compiler_(compiler), conductor_(conductor) {}

    // `done(false)`: it was not compiled, and will not be. False: too many wait.
    bool compile(api::Services::CompileWork work, std::function<void(bool whole)> done) {
        if (enough_.load(std::memory_order_relaxed)) {
            done(false);
            return true;
        }
        const std::uint64_t ticket = ++last_;
        const bool taken = compiler_->post([this, ticket, work = std::move(work)] {
            work(enough_);
            conductor_->post_answer([this, ticket] { end(ticket, true); });
        });
        if (taken) under_way_.emplace(ticket, std::move(done));
        return taken;
    }
    // Whoever waits for something to be compiled is told that it will not be.
    void stop() {
        enough_.store(true, std::memory_order_relaxed);  // the post below orders what is asked
        conductor_->post_answer([this] {
            while (!under_way_.empty()) end(under_way_.begin()->first, false);
        });
    }

private:
    void end(std::uint64_t ticket, bool whole) {
        const auto at = under_way_.find(ticket);
        if (at == under_way_.end()) return;
        const std::function<void(bool)> done = std::move(at->second);
        under_way_.erase(at);
        done(whole);
    }

    Sideline* const compiler_;
    Conductor* const conductor_;
    std::map<std::uint64_t, std::function<void(bool)>> under_way_;  // or waiting
    std::uint64_t last_ = 0;
    std::atomic<bool> enough_{false};
};

}  // namespace millrace::runtime
