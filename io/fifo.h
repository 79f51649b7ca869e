// What: a growing first-in first-out queue that keeps its memory: std::deque gives blocks back and
//       takes new ones while it moves, which is an allocation in the steady state.
// Threads: one. Lifetime: owns its elements. Limits: the caller's. Failure: none.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace millrace::io {

template <typename T>
class Fifo {
public:
    bool empty() const { return head_ == items_.size(); }
    std::size_t size() const { return items_.size() - head_; }
    T& front() { return items_[head_]; }
    T& back() { return items_.back(); }
    T& operator[](std::size_t index) { return items_[head_ + index]; }
    const T& operator[](std::size_t index) const { return items_[head_ + index]; }

    void push_back(T value) {
        // Moving the rest to the front costs less than the pops that made the gap.
        if (head_ > 32 && head_ * 2 > items_.size()) compact();
        items_.push_back(std::move(value));
    }
    void pop_front() {
        items_[head_++] = T{};
        if (empty()) clear();
    }
    void clear() {
        items_.clear();
        head_ = 0;
    }

private:
    void compact() {
        std::move(items_.begin() + static_cast<std::ptrdiff_t>(head_), items_.end(),
                  items_.begin());
        items_.resize(items_.size() - head_);
        head_ = 0;
    }
    std::vector<T> items_;
    std::size_t head_ = 0;
};

}  // namespace millrace::io
