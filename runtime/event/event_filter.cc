#include "runtime/event/event_filter.h"

#include "matcher/subscription_spec.h"
#include "runtime/event/event_defaults.h"

#include <algorithm>
#include <cstring>

namespace millrace::runtime {
namespace {

bool agrees(const std::string& wanted, std::string_view seen) {
    return wanted.empty() || wanted == seen;
}

}  // namespace

core::Result<std::unique_ptr<EventFilter>> EventFilter::make(EventCriteria criteria) {
    std::unique_ptr<EventFilter> filter(new EventFilter(std::move(criteria)));
    if (auto status = filter->compile(); !status) return core::fail(std::move(status.error()));
    return filter;
}

EventFilter::EventFilter(EventCriteria criteria)
    : criteria_(std::move(criteria)),
      matcher_(matcher::Matcher::Options{.background_thread = false, .samples = false}),
      reader_(matcher_.register_reader()) {}

core::Status EventFilter::compile_pattern() {
    for (const std::string& text : criteria_.within) {
        auto wildcard = matcher::parse_wildcard(text);
        if (!wildcard) return core::fail(std::move(wildcard.error()).in("within"));
        within_.push_back(std::move(*wildcard));
    }
    if (!matcher::has_star(criteria_.pattern)) return {};
    auto wildcard = matcher::parse_wildcard(criteria_.pattern);
    if (!wildcard) return core::fail(std::move(wildcard.error()).in("pattern"));
    wildcard_ = std::move(*wildcard);
    return {};
}

std::string_view EventFilter::pattern_prefix() const {
    if (!criteria_.pattern_prefix.empty() || !wildcard_) return criteria_.pattern_prefix;
    return wildcard_->pieces.front();
}

bool EventFilter::pattern_agrees(std::string_view pattern) const {
    return (wildcard_ ? wildcard_->matches(pattern) : agrees(criteria_.pattern, pattern)) &&
           pattern.starts_with(criteria_.pattern_prefix) &&
           (within_.empty() ||
            std::any_of(within_.begin(), within_.end(),
                        [pattern](const matcher::Wildcard& one) { return one.matches(pattern); }));
}

core::Status EventFilter::compile() {
    if (auto status = compile_pattern(); !status) return status;
    needs_members_ = !criteria_.source_type.empty() || !criteria_.source_id.empty() ||
                     !criteria_.correlation_id.empty() || !criteria_.causation_id.empty() ||
                     !criteria_.context_id.empty() || criteria_.event_time_from_us != INT64_MIN ||
                     criteria_.event_time_to_us != INT64_MAX;
    needs_parse_ = needs_members_;
    for (const std::string* id :
         {&criteria_.correlation_id, &criteria_.causation_id, &criteria_.context_id}) {
        const bool plain = std::all_of(id->begin(), id->end(), [](char c) {
            return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '/';
        });
        if (plain && id->size() > needle_.size()) needle_ = *id;
    }
    if (criteria_.filter.empty()) return {};
    auto predicate = matcher::parse_any_filter(criteria_.filter);
    if (!predicate) {
        if (predicate.error().field.empty()) predicate.error().field = "filter";
        return core::fail(std::move(predicate.error()));
    }
    matcher::SubscriptionSpec spec;
    spec.predicate = std::move(*predicate);
    if (auto status = matcher_.add(core::SubscriptionId(1), core::TenantId(0), spec); !status)
        return status;
    matcher_.publish();
    has_filter_ = needs_parse_ = true;
    return {};
}

// An id that is looked for stands in the text as it is, unless the text has escapes.
bool EventFilter::may_hold_needle(std::string_view raw) const {
    return ::memmem(raw.data(), raw.size(), needle_.data(), needle_.size()) != nullptr ||
           std::memchr(raw.data(), '\\', raw.size()) != nullptr;
}

bool EventFilter::members_agree(std::int64_t received_at_us) const {
    const std::int64_t time_us =
        envelope_.has(core::EnvelopeField::kTimestamp) ? envelope_.timestamp_us : received_at_us;
    if (time_us < criteria_.event_time_from_us || time_us >= criteria_.event_time_to_us)
        return false;
    const bool has_source = envelope_.has(core::EnvelopeField::kSource);
    return agrees(criteria_.source_type, has_source ? envelope_.source_type : kDefaultSourceType) &&
           agrees(criteria_.source_id, has_source ? envelope_.source_id : kDefaultSourceId) &&
           agrees(criteria_.correlation_id, envelope_.correlation_id) &&
           agrees(criteria_.causation_id, envelope_.causation_id) &&
           agrees(criteria_.context_id, envelope_.context_id);
}

bool EventFilter::accepts(const store::StoredEvent& event) {
    envelope_ = {};
    const bool pattern_known = !event.pattern.empty();
    if (pattern_known && !pattern_agrees(event.pattern)) return false;
    if (pattern_known && !needs_parse_) return true;

    if (!needle_.empty() && !may_hold_needle(event.raw)) return false;
    const matcher::Snapshot& snapshot = reader_.observe();
    if (pattern_known && !needs_members_ && DefaultFields::none_wanted(snapshot.plan())) {
        // Only the fields of the filter: what is in the log was checked when it was taken.
        if (!parser_.extract(event.raw, snapshot.plan(), nullptr, fields_)) return false;
        envelope_.raw = event.raw;
        envelope_.pattern = event.pattern;
        snapshot.match(envelope_, core::TenantId(0), fields_, scratch_, matched_);
        return !matched_.empty();
    }
    core::Error error;
    if (!parser_.begin(event.raw, core::BatchFormat::kJson)) return false;
    if (parser_.next(&snapshot.plan(), envelope_, &fields_, error) != core::ParseOutcome::kEvent)
        return false;
    if (!pattern_known && !pattern_agrees(envelope_.pattern)) return false;
    if (!members_agree(event.received_at_us)) return false;
    if (!has_filter_) return true;
    defaults_.fill(snapshot.plan(), envelope_, event.tenant, event.received_at_us, fields_);
    snapshot.match(envelope_, core::TenantId(0), fields_, scratch_, matched_);
    return !matched_.empty();
}

}  // namespace millrace::runtime
