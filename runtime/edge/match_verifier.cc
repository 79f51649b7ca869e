#include "runtime/edge/match_verifier.h"

#include "core/buffer.h"
#include "matcher/filter/json_value.h"
#include "matcher/reference_matcher.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace millrace::runtime {

namespace {

std::uint32_t interval(double fraction) {
    if (!(fraction > 0)) return 0;
    constexpr double kMost = 1e9;
    return static_cast<std::uint32_t>(std::clamp(std::round(1 / fraction), 1.0, kMost));
}

bool holds(std::span<const core::SubscriptionId> ids, core::SubscriptionId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

MatchVerifier::MatchVerifier(double fraction, const Registry& registry,
                             matcher::Matcher::Reader reader, core::Log& log,
                             core::Metrics& metrics)
    : every_(interval(fraction)), registry_(registry), reader_(std::move(reader)), log_(log) {
    core::MetricsRole& role = metrics.role();
    verified_ = role.counter(core::Metric::kMatcherVerified);
    disagreements_ = role.counter(core::Metric::kMatcherDisagreements);
    reader_.offline();
}

void MatchVerifier::offer(const core::Envelope& envelope, core::TenantId tenant,
                          std::int64_t received_at_us, std::uint64_t snapshot_version,
                          std::span<const core::SubscriptionId> matched) {
    const std::string_view raw = envelope.raw;
    if (raw.size() > kEventBytesMax) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || waiting_.size() >= kWaitingMax) return;
    Sample& sample = waiting_.emplace_back();
    sample.text.reserve(raw.size() + core::kPaddingBytes);
    sample.text = raw;
    sample.text.append(core::kPaddingBytes, ' ');
    sample.bytes = raw.size();
    sample.tenant = tenant;
    sample.received_at_us = received_at_us;
    sample.version = snapshot_version;
    sample.matched.assign(matched.begin(), matched.end());
}

bool MatchVerifier::take(Sample& sample) {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) return false;
    sample = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
}

std::size_t MatchVerifier::do_work() {
    if (every_ == 0) return 0;
    Sample sample;
    if (!take(sample)) return 0;
    verify(sample);
    reader_.offline();
    return 1;
}

void MatchVerifier::disagree(const Sample& sample, std::string_view what, std::string_view id) {
    disagreements_.add();
    log_.error("the matcher and its reference disagree",
               {{"what", std::string(what)},
                {"subscription", std::string(id)},
                {"event", sample.text.substr(0, std::min<std::size_t>(sample.bytes, 4096))}});
}

void MatchVerifier::verify(const Sample& sample) {
    const matcher::Snapshot& snapshot = reader_.observe();
    const std::string_view text = std::string_view(sample.text).substr(0, sample.bytes);
    core::Envelope envelope;
    if (!parser_.parse_one(text, &snapshot.plan(), envelope, &fields_))
        return disagree(sample, "an event that was taken does not parse", {});
    defaults_.fill(snapshot.plan(), envelope, sample.tenant, sample.received_at_us, fields_);
    std::vector<core::SubscriptionId> matched;
    snapshot.match(envelope, sample.tenant, fields_, scratch_, matched);
    // Subscriptions may have changed since the edge looked.
    if (sample.version == snapshot.version() && sample.matched != matched)
        disagree(sample, "the edge found other subscriptions", {});
    defaults_.fill_envelope(sample.tenant, sample.received_at_us, envelope);
    const auto event = matcher::event_tree(envelope);
    if (!event) return disagree(sample, "an event that was taken has no tree", {});
    const RegistrySnapshotRef registry = registry_.snapshot();
    for (std::size_t i = 0; i < std::min(matched.size(), kMatchedMax); ++i) {
        if (const Subscription* subscription = registry->subscription(matched[i]))
            compare(sample, *event, *subscription, true);
    }
    compare_others(sample, *event, matched);
    verified_.add();
}

// Others in the order of their ids, going on where the last event stopped.
void MatchVerifier::compare_others(const Sample& sample, const matcher::JsonValue& event,
                                   std::span<const core::SubscriptionId> matched) {
    std::size_t left = kOthersMax;
    registry_.list_subscriptions(sample.tenant, after_, [&](const SubscriptionRef& subscription) {
        if (left == 0) return false;
        --left;
        after_ = subscription->id;
        if (subscription->active)
            compare(sample, event, *subscription, holds(matched, subscription->number));
        return true;
    });
    if (left != 0) after_.clear();  // the end: from the beginning next time
}

void MatchVerifier::compare(const Sample& sample, const matcher::JsonValue& event,
                            const Subscription& subscription, bool found) {
    auto reference = matcher::ReferenceMatcher::compile(*subscription.spec);
    if (!reference || reference->matches(event) != found)
        disagree(sample, found ? "matched, and should not" : "did not match, and should",
                 subscription.id);
}

}  // namespace millrace::runtime
