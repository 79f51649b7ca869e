#include "store/commit/wal_syncer.h"

#include <utility>

namespace millrace::store {

namespace {

constexpr std::int64_t kAsleepUs = 60'000'000;

}  // namespace

WalSyncer::WalSyncer(WalFiles& files, std::size_t index, std::function<void()> ended)
    : files_(files),
      index_(index),
      ended_(std::move(ended)),
      name_("wal-syncer-" + std::to_string(index)) {}

std::size_t WalSyncer::do_work() {
    // acquire pairs with ask()
    switch (state_.load(std::memory_order_acquire)) {
        case State::kIdle: return 0;
        case State::kAsked:
            files_.run(index_, sync_);
            state_.store(State::kAnswered, std::memory_order_relaxed);  // read by this thread only
            return 1;
        case State::kAnswered: break;
    }
    files_.end(sync_);
    // What end() counted is there for whoever sees this one idle.
    state_.store(State::kIdle, std::memory_order_release);
    ended_();
    return 1;
}

void WalSyncer::wait(std::int64_t) { core::Agent::wait(kAsleepUs); }

void WalSyncer::ask() {
    state_.store(State::kAsked, std::memory_order_release);  // pairs with do_work()
    wake();
}

}  // namespace millrace::store
