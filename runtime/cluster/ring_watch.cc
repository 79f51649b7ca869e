#include "runtime/cluster/ring_watch.h"

#include <algorithm>

namespace millrace::runtime::cluster {
namespace {

constexpr std::size_t kMarksInARing = 64;

}  // namespace

void RingWatch::stands(const Standing& now) {
    ring_bytes_ = now.ring_bytes;
    if (!marks_.empty() || ring_bytes_ == 0 || now.last < now.first) return;
    const std::uint64_t messages = now.last - now.first + 1;
    for (std::uint64_t part = 0; part <= kMarksInARing; ++part) {
        const std::uint64_t behind = messages * part / kMarksInARing;
        marks_.push_back({now.first - 1 + behind, now.bytes / kMarksInARing * part});
    }
    last_ = now.last;
    bytes_ = marks_.back().bytes;
}

void RingWatch::forget() {
    marks_.clear();
    heard_.clear();
    holds_.clear();
    bytes_ = last_ = 0;
}

void RingWatch::passed(std::uint64_t sequence, std::size_t message_bytes) {
    if (ring_bytes_ == 0 || sequence <= last_) return;
    last_ = sequence;
    bytes_ += message_bytes + kMessageOverheadBytes;
    const std::uint64_t step = ring_bytes_ / kMarksInARing;
    if (marks_.empty() || bytes_ - marks_.back().bytes >= step)
        marks_.push_back({sequence, bytes_});
    // What the ring has let go of does not have to be told apart.
    while (marks_.size() > 2 && bytes_ - marks_[1].bytes > ring_bytes_) marks_.pop_front();
}

void RingWatch::begin(std::uint64_t sequence) {
    last_ = std::max(last_, sequence);
    waits_for_.clear();
    for (auto& [node, copy] : copies_) copy = {};
}

std::uint64_t RingWatch::bytes_behind(std::uint64_t sequence) const {
    if (sequence >= last_) return 0;
    const auto behind =
        std::partition_point(marks_.begin(), marks_.end(),
                             [sequence](const Mark& mark) { return mark.sequence <= sequence; });
    // Before the first mark: at least all that is known.
    return behind == marks_.begin() ? bytes_ : bytes_ - std::prev(behind)->bytes;
}

void RingWatch::heard(std::string_view node, std::uint64_t sequence) {
    if (const auto found = heard_.find(node); found != heard_.end()) {
        found->second = sequence;  // less than before: its folder is another one
        return;
    }
    if (heard_.size() < kNodesMax) heard_.emplace(node, sequence);
}

std::uint64_t RingWatch::behind(const std::string& node) const {
    const auto found = heard_.find(node);
    return found == heard_.end() ? std::min(bytes_, ring_bytes_ / 2) : bytes_behind(found->second);
}

std::vector<std::string> RingWatch::near() const {
    std::vector<std::string> out;
    for (const auto& [node, sequence] : heard_) {
        if (bytes_behind(sequence) <= ring_bytes_ / 4) out.push_back(node);
    }
    return out;
}

void RingWatch::in_sync(const std::vector<std::string>& nodes) {
    std::map<std::string, Copy> next;
    for (const std::string& node : nodes) {
        const auto known = copies_.find(node);
        next[node] = known == copies_.end() ? Copy{} : known->second;
    }
    copies_ = std::move(next);
    std::erase_if(waits_for_, [this](const std::string& node) { return !copies_.contains(node); });
}

void RingWatch::hold(std::string_view node, std::uint64_t sequence, std::int64_t now_ns) {
    if (holds_.size() >= kNodesMax) return;
    Hold& hold = holds_[std::string(node)];
    if (hold.since_ns == 0 || now_ns - hold.since_ns >= 2 * kHoldNs) hold.since_ns = now_ns;
    hold.sequence = sequence;
    hold.said_ns = now_ns;
}

bool RingWatch::holds(const Hold& hold, std::int64_t now_ns) const {
    return now_ns - hold.said_ns < kHoldWordNs && now_ns - hold.since_ns < kHoldNs &&
           bytes_behind(hold.sequence) <= ring_bytes_ * 7 / 8;
}

bool RingWatch::may_append(std::uint64_t bytes, std::int64_t now_ns) {
    if (ring_bytes_ == 0) return true;
    waits_for_.clear();
    bool may = true;
    for (auto& [node, copy] : copies_) {
        const std::uint64_t behind_bytes = behind(node);
        const bool near = behind_bytes <= ring_bytes_ / 2;
        copy.was_near |= near;
        if (behind_bytes <= std::min(kNearBytes, ring_bytes_ / 16) ||
            behind_bytes + bytes <= ring_bytes_ / 2) {
            copy.since_ns = 0;
            continue;
        }
        may = false;
        if (copy.since_ns == 0) copy.since_ns = now_ns;
        const bool in_vain = now_ns - copy.since_ns >= wait_ns_;
        if (in_vain || !copy.was_near) waits_for_.push_back(node);
    }
    for (const auto& [node, hold] : holds_) {
        if (holds(hold, now_ns) && bytes_behind(hold.sequence) + bytes > ring_bytes_ / 2)
            may = false;
    }
    return may;
}

}  // namespace millrace::runtime::cluster
