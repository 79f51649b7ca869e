#include "runtime/registry/emitted_steps.h"

#include <utility>

namespace millrace::runtime {
namespace {

// In place of those for which there is no room. No schema has the number 0.
const StateKey kEvery{};

}  // namespace

EmittedSteps::Group::~Group() {
    std::lock_guard lock(settled->mutex);
    settled->keys.insert(settled->keys.end(), keys.begin(), keys.end());
}

void EmittedSteps::take_settled() {
    if (counts_.empty()) return;
    std::vector<StateKey> keys;
    {
        std::lock_guard lock(settled_->mutex);
        keys.swap(settled_->keys);
    }
    for (const StateKey& key : keys) {
        const auto at = counts_.find(key);
        if (at != counts_.end() && --at->second == 0) counts_.erase(at);
    }
}

bool EmittedSteps::holds(const StateKey& key) {
    take_settled();
    return !counts_.empty() && (counts_.contains(kEvery) || counts_.contains(key));
}

void EmittedSteps::add(const StateKey& key) {
    if (!open_) open_ = std::make_shared<Group>(settled_);
    std::vector<StateKey>& keys = open_->keys;
    if (keys.size() > kKeysMax) return;
    const StateKey& kept = keys.size() == kKeysMax ? kEvery : key;
    keys.push_back(kept);
    ++counts_[kept];
}

std::function<void()> EmittedSteps::result(Runs runs) {
    if (!open_) return {};
    std::function<void()> kept = [group = open_] {};
    if (runs == Runs::kAllEnded) open_.reset();
    return kept;
}

}  // namespace millrace::runtime
