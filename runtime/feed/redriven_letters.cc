#include "runtime/feed/redriven_letters.h"

namespace millrace::runtime {

bool RedrivenLetters::begin(const store::DeadLetterKey& key, std::int64_t due_us) {
    std::lock_guard lock(mutex_);
    const auto [at, fresh] = letters_.try_emplace(key, Redriven{due_us});
    if (!fresh && !at->second.ended) return false;
    at->second = {due_us};
    return true;
}

void RedrivenLetters::move(const store::DeadLetterKey& key, std::int64_t due_us) {
    std::lock_guard lock(mutex_);
    letters_[key] = {due_us};
}

void RedrivenLetters::end(const store::DeadLetterKey& key) {
    std::lock_guard lock(mutex_);
    const auto at = letters_.find(key);
    if (at == letters_.end()) return;
    if (views_ == 0) {
        letters_.erase(at);
        return;
    }
    at->second.ended = true;
    ended_.push_back(key);
}

std::optional<std::int64_t> RedrivenLetters::due_us(const store::DeadLetterKey& key) const {
    std::lock_guard lock(mutex_);
    const auto at = letters_.find(key);
    if (at == letters_.end() || at->second.due_us == store::kHeldDueUs) return std::nullopt;
    return at->second.due_us;
}

std::shared_ptr<void> RedrivenLetters::view() {
    std::lock_guard lock(mutex_);
    ++views_;
    return {this, [this](void*) { end_view(); }};
}

void RedrivenLetters::end_view() {
    std::lock_guard lock(mutex_);
    if (--views_ != 0) return;
    for (const store::DeadLetterKey& key : ended_) {
        const auto at = letters_.find(key);
        if (at != letters_.end() && at->second.ended) letters_.erase(at);
    }
    ended_.clear();
}

}  // namespace millrace::runtime
