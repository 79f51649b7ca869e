#include "io/client_room.h"

#include <algorithm>
#include <utility>

namespace millrace::io {

namespace {

constexpr std::size_t kHolesMin = 64;  // of places that are kept as they are left

}  // namespace

bool ClientRoom::Holder::fits_in_room(std::size_t more) const {
    if (room_.held_ == bytes_) return true;  // alone
    return !room_.closed_ && more <= room_.bytes_max_ && room_.held_ <= room_.bytes_max_ - more;
}

bool ClientRoom::Holder::may_hold(std::size_t more) {
    if (fits_in_room(more)) {
        stop_waiting();
        return true;
    }
    room_.closed_ = true;
    room_.wanted_ = std::max(room_.wanted_, more);
    if (wait_place_ == 0) {
        room_.waiting_.push_back(this);
        wait_place_ = room_.waiting_.size();
        ++room_.waiting_count_;
    }
    return false;
}

void ClientRoom::Holder::hold_in_room(std::size_t bytes) {
    if (bytes == bytes_) return;
    if (bytes_ == 0) {
        place_ = room_.holders_.size();
        room_.holders_.push_back(this);
    } else if (bytes == 0) {
        room_.holders_[place_] = room_.holders_.back();
        room_.holders_[place_]->place_ = place_;
        room_.holders_.pop_back();
    }
    const bool less = bytes < bytes_;
    room_.held_ += bytes - bytes_;
    bytes_ = bytes;
    if (less && room_.closed_ && (room_.stuck_ || room_.held_ <= room_.bytes_max_ / 2))
        room_.open();
}

void ClientRoom::Holder::stop_waiting() {
    if (wait_place_ == 0) return;
    std::vector<Holder*>& waiting = room_.waiting_;
    waiting[wait_place_ - 1] = nullptr;
    wait_place_ = 0;
    --room_.waiting_count_;
    // While it is closed many may come, wait and go.
    if (waiting.size() < kHolesMin || waiting.size() < 2 * room_.waiting_count_) return;
    waiting.erase(std::remove(waiting.begin(), waiting.end(), nullptr), waiting.end());
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i]->wait_place_ = i + 1;
}

void ClientRoom::Holder::leave_room() {
    stop_waiting();
    hold_in_room(0);
}

void ClientRoom::open() {
    closed_ = stuck_ = false;
    wanted_ = 0;
    const std::vector<Holder*> waiting = std::exchange(waiting_, {});
    waiting_count_ = 0;
    for (Holder* const holder : waiting) {
        if (holder) holder->wait_place_ = 0;
    }
    for (Holder* const holder : waiting) {
        if (holder) holder->on_room();
    }
}

std::int64_t ClientRoom::patience_ns() const {
    const std::size_t waiting = std::max(waiting_count_, holders_.size());
    if (waiting == 0) return kPatienceNs;
    const auto part = static_cast<std::int64_t>(holders_.size());
    return std::max(kPatienceLeastNs, kPatienceNs / static_cast<std::int64_t>(waiting) * part);
}

void ClientRoom::look(std::int64_t now_ns) {
    if (waiting_count_ == 0) {
        looked_ns_ = now_ns;
        return;
    }
    if (now_ns - looked_ns_ < patience_ns()) return;
    looked_ns_ = now_ns;
    cut_stalled(now_ns);
}

// Where more wait than hold something, each place counts.
bool ClientRoom::is_enough(std::size_t left) const {
    if (waiting_count_ > holders_.size()) return left == 0;
    return left <= bytes_max_ / 2 && wanted_ <= bytes_max_ - left;
}

void ClientRoom::cut_stalled(std::int64_t now_ns) {
    if (now_ns - cut_ns_ < kCutEveryNs) return;
    cut_ns_ = now_ns;
    const std::int64_t patience = patience_ns();
    std::vector<std::pair<std::int64_t, Holder*>> stalled;
    Holder* largest_waiting = nullptr;
    for (Holder* const holder : holders_) {
        if (holder->wait_place_ != 0) {
            if (!largest_waiting || holder->bytes_ > largest_waiting->bytes_)
                largest_waiting = holder;
            continue;
        }
        const std::int64_t since_ns = holder->stalled_since_ns();
        if (since_ns != kNeverStalled && now_ns - since_ns >= patience)
            stalled.emplace_back(since_ns, holder);
    }
    // Nobody gives anything back: all that hold some wait for more.
    if (stalled.empty() && largest_waiting) {
        const auto waits = [](const Holder* holder) { return holder->wait_place_ != 0; };
        stuck_ = std::all_of(holders_.begin(), holders_.end(), waits);
        if (stuck_) largest_waiting->cut_off();
        return;
    }
    std::sort(stalled.begin(), stalled.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    // Some of them give back later: what they will is counted here.
    std::size_t left = held_;
    for (const auto& [since_ns, holder] : stalled) {
        if (is_enough(left)) return;
        left -= std::min(left, holder->bytes_);
        holder->cut_off();
    }
}

}  // namespace millrace::io
