// What: who has it next, of those who share a lane's time: one level of it. Who takes little is
//       served as it comes (the stream). A party that takes more than its allowance of a window
//       while something else waits, and that is not alone, is set aside: what comes of it waits,
//       and has its turns beside the stream by deficit round robin over measured time, each party
//       the same share. lane_share.h puts two levels together: tenants, and a tenant's
//       subscriptions. Bookkeeping alone: what waits of a party is its Backlog, and its owner's.
// Threads: the lane's. Lifetime: value; a Party stays where it is while it waits, is aside or has
//       been seen in this window or the one before.
// Limits: kPartiesMax parties are remembered beyond those. Failure: none.
#pragma once

#include "core/assert.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

template <typename Backlog>
class TimeShare {
public:
    static constexpr std::int64_t kWindowNs = 100'000'000;

    struct Options {
        std::int64_t allowance_ns = 0;  // of a window, in the stream
        std::int64_t noticed_ns = 0;    // what takes less is not looked at one by one
    };
    struct Party : Backlog {
        std::uint32_t id = 0;
        bool aside = false;
        bool waits = false;
        std::int64_t window = 0;   // in which it was served last, of the stream
        std::int64_t used_ns = 0;  // in it
        double had_ns = 0;         // while it waits: on the scale of stream_had_ns_
    };

    explicit TimeShare(const Options& options) : options_(options) {}

    // There are others that may come, unseen.
    void expect_others(bool others) { expected_ = others; }

    Party& of(std::uint32_t id) {
        if (last_ && last_->id == id) [[likely]]
            return *last_;
        last_ = &parties_[id];
        last_->id = id;
        return *last_;
    }
    Party* find(std::uint32_t id) {
        const auto at = parties_.find(id);
        return at == parties_.end() ? nullptr : &at->second;
    }
    bool is_aside(std::uint32_t id) const {
        if (aside_ == 0) [[likely]]
            return false;
        const auto at = parties_.find(id);
        return at != parties_.end() && at->second.aside;
    }

    // One of the stream took so long; the clock stands at `now_ns`. `more`: something waits.
    void charge(std::uint32_t id, std::int64_t took_ns, std::int64_t now_ns, bool more) {
        if (now_ns >= window_end_ns_) [[unlikely]]
            roll(now_ns);
        see(id);
        stream_ns_ += took_ns;
        if (took_ns >= options_.noticed_ns) notice(of(id), took_ns, more);
    }

    bool has_waiting() const { return !order_.empty(); }
    std::size_t aside() const { return aside_; }
    // Nobody else is there, or may come.
    bool alone() const { return !expected_ && others() + aside_ < 2; }
    // What those that are aside have of the time, where all have the same.
    double part_of_aside() const {
        if (aside_ == 0) return 0;
        return static_cast<double>(aside_) / static_cast<double>(others() + aside_);
    }
    template <typename Visit>
    void for_each_waiting(Visit visit) const {
        for (const auto& [had_ns, party] : order_) visit(*party);
    }

    // Something of it waits now.
    void begin_wait(Party& party) {
        if (party.waits) return;
        party.waits = true;
        party.had_ns = std::clamp(party.had_ns, stream_had_ns_, stream_had_ns_ + kDebtNs);
        order_.insert({party.had_ns, &party});
    }
    // It has no need to be aside any more: what comes next of it is served where it stands.
    void rejoin(Party& party) {
        if (!std::exchange(party.aside, false)) return;
        party.used_ns = 0;
        --aside_;
    }
    void end_wait(Party& party) {
        rejoin(party);
        if (!std::exchange(party.waits, false)) return;
        order_.erase({party.had_ns, &party});
    }

    // The one that has had the least; only while has_waiting().
    Party& least() const {
        MR_DCHECK(!order_.empty());
        return *order_.begin()->second;
    }
    // Whether what waits has its turn, though the stream has something.
    bool is_turn_of_waiting() {
        if (order_.empty()) return false;
        settle();
        return least().had_ns <= stream_had_ns_;
    }
    // The stream has nothing: what it does not use now it does not save up. `weight`: of least().
    void stream_is_idle(double weight = 1) {
        if (order_.empty()) return;
        stream_had_ns_ =
            std::max(stream_had_ns_, least().had_ns - kCreditNs / std::max(weight, kWeightMin));
    }
    // What waited of it took so long. `weight`: the part of its share that is for what waits.
    void charge_waited(Party& party, std::int64_t took_ns, double weight = 1) {
        raise(party, party.had_ns + static_cast<double>(took_ns) / std::max(weight, kWeightMin));
    }
    void clear() {
        parties_.clear();
        order_.clear();
        last_ = nullptr;
        aside_ = 0;
        seen_ = seen_before_ = {};
        seen_count_ = 0;
    }

private:
    // What the stream may save up while it has nothing to do.
    static constexpr double kCreditNs = 5'000'000;
    // What one has had beyond the others counts against it so far, when it comes again.
    static constexpr double kDebtNs = 1'000'000'000;
    static constexpr double kWeightMin = 0.001;
    static constexpr std::size_t kPartiesMax = 4096;
    static constexpr std::size_t kSeenBits = 1024;
    using Seen = std::array<std::uint64_t, kSeenBits / 64>;

    static std::size_t word_of(std::uint32_t id) { return id % kSeenBits / 64; }
    static std::uint64_t bit_of(std::uint32_t id) { return std::uint64_t{1} << (id % 64); }

    // Of the stream, roughly: of this window and the one before.
    std::size_t others() const { return std::max<std::size_t>(1, seen_count_); }
    void see(std::uint32_t id) {
        std::uint64_t& word = seen_[word_of(id)];
        const std::uint64_t bit = bit_of(id);
        seen_count_ += ((word | seen_before_[word_of(id)]) & bit) == 0;
        word |= bit;
    }
    void count_seen() {
        seen_count_ = 0;
        for (std::size_t i = 0; i < seen_.size(); ++i)
            seen_count_ += static_cast<std::size_t>(std::popcount(seen_[i] | seen_before_[i]));
    }
    void raise(Party& party, double had_ns) {
        if (had_ns <= party.had_ns) return;
        if (!party.waits) {
            party.had_ns = had_ns;
            return;
        }
        auto node = order_.extract({party.had_ns, &party});
        party.had_ns = had_ns;
        node.value() = {had_ns, &party};
        order_.insert(std::move(node));
    }

    void roll(std::int64_t now_ns) {
        const std::int64_t window = now_ns / kWindowNs;
        seen_before_ = window - window_ == 1 ? seen_ : Seen{};
        seen_ = {};
        window_ = window;
        window_end_ns_ = (window + 1) * kWindowNs;
        count_seen();
        if (parties_.size() <= kPartiesMax) return;
        last_ = nullptr;
        std::erase_if(parties_, [window](const auto& one) {
            return !one.second.aside && !one.second.waits && window - one.second.window > 1;
        });
    }

    void notice(Party& party, std::int64_t took_ns, bool more) {
        if (party.window != window_) {
            party.window = window_;
            party.used_ns = 0;
        }
        party.used_ns += took_ns;
        if (party.used_ns <= options_.allowance_ns || !more || party.aside || alone()) return;
        stream_ns_ = std::max<std::int64_t>(0, stream_ns_ - party.used_ns);
        settle();
        seen_[word_of(party.id)] &= ~bit_of(party.id);
        seen_before_[word_of(party.id)] &= ~bit_of(party.id);
        count_seen();
        party.aside = true;
        ++aside_;
        raise(party, stream_had_ns_ + static_cast<double>(party.used_ns));
    }

    void settle() {
        stream_had_ns_ +=
            static_cast<double>(std::exchange(stream_ns_, 0)) / static_cast<double>(others());
    }

    Options options_;
    std::unordered_map<std::uint32_t, Party> parties_;
    Party* last_ = nullptr;
    std::set<std::pair<double, Party*>> order_;  // those of which something waits
    std::size_t aside_ = 0;
    bool expected_ = false;
    std::int64_t window_ = 0;
    std::int64_t window_end_ns_ = 0;
    std::int64_t stream_ns_ = 0;  // served of it since the last look
    double stream_had_ns_ = 0;    // by each of its parties, on average
    Seen seen_{}, seen_before_{};
    std::size_t seen_count_ = 0;
};

}  // namespace millrace::runtime
