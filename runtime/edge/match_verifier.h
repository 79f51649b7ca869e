// What: compares the matcher with its reference on events sampled in production: an edge offers one
//       in so many with the subscriptions it found; here each of those, and some others in turn, is
//       asked of the reference. A disagreement is counted and logged with the event.
// Threads: offer() any edge; do_work() the conductor, which alone changes registry and matcher, so
//       that both are of one moment.
// Lifetime: borrows everything; outlives the edges.
// Limits: kWaitingMax events wait, kEventBytesMax bytes each (overflow policy: not verified);
//       kMatchedMax + kOthersMax subscriptions of an event are compared.
// Failure: none.
#pragma once

#include "core/event_parser.h"
#include "core/field_table.h"
#include "core/log.h"
#include "core/metrics.h"
#include "matcher/filter/json_value.h"
#include "matcher/matcher.h"
#include "runtime/event/default_fields.h"
#include "runtime/registry/registry.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class MatchVerifier {
public:
    static constexpr std::size_t kWaitingMax = 64;
    static constexpr std::size_t kEventBytesMax = 64u << 10;
    static constexpr std::size_t kMatchedMax = 16;
    static constexpr std::size_t kOthersMax = 16;

    // `fraction` of the events; 0: none, and nothing is spent.
    MatchVerifier(double fraction, const Registry& registry, matcher::Matcher::Reader reader,
                  core::Log& log, core::Metrics& metrics);

    // One event in so many is to be offered; 0: none.
    std::uint32_t every() const { return every_; }
    // `snapshot_version` is that of the snapshot it was matched with.
    void offer(const core::Envelope& envelope, core::TenantId tenant, std::int64_t received_at_us,
               std::uint64_t snapshot_version, std::span<const core::SubscriptionId> matched);

    // Verifies one event; returns how many.
    std::size_t do_work();
    void offline() { reader_.offline(); }

private:
    struct Sample {
        std::string text;  // padded
        std::size_t bytes = 0;
        core::TenantId tenant;
        std::int64_t received_at_us = 0;
        std::uint64_t version = 0;
        std::vector<core::SubscriptionId> matched;
    };
    bool take(Sample& sample);
    void verify(const Sample& sample);
    void compare(const Sample& sample, const matcher::JsonValue& event,
                 const Subscription& subscription, bool found);
    void compare_others(const Sample& sample, const matcher::JsonValue& event,
                        std::span<const core::SubscriptionId> matched);
    void disagree(const Sample& sample, std::string_view what, std::string_view id);

    const std::uint32_t every_;
    const Registry& registry_;
    matcher::Matcher::Reader reader_;
    core::Log& log_;
    core::Counter verified_;
    core::Counter disagreements_;
    core::EventParser parser_;
    core::FieldTable fields_;
    DefaultFields defaults_;
    matcher::MatchScratch scratch_;
    std::string after_;  // the subscription compared last, in the order of their ids

    std::mutex mutex_;
    std::deque<Sample> waiting_;
};

}  // namespace millrace::runtime
