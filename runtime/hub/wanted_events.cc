#include "runtime/hub/wanted_events.h"

#include "core/json_reader.h"
#include "matcher/subscription_spec.h"
#include "runtime/hub/hub_batch.h"

#include <algorithm>
#include <array>
#include <string>

namespace millrace::runtime::hub {
namespace {

constexpr std::array<std::string_view, 4> kOtherAtTheHub = {"source", "eventId", "tenantId",
                                                            "x-edge"};

// NOLINTNEXTLINE(misc-no-recursion): as deep as the predicate, which its parser bounded
bool asks_for_other(const matcher::Predicate& predicate) {
    if (predicate.kind == matcher::Predicate::Kind::kLeaf) {
        const auto& steps = predicate.leaf.path.steps;
        return steps.empty() || std::find(kOtherAtTheHub.begin(), kOtherAtTheHub.end(),
                                          steps.front().name) != kOtherAtTheHub.end();
    }
    return std::any_of(predicate.children.begin(), predicate.children.end(), asks_for_other);
}

std::string raw_of(const core::JsonElement& element) {
    std::string out;
    core::append_json(out, element);
    return out;
}

}  // namespace

core::Status WantedEvents::add(std::string_view subscription_json) {
    if (count_ == kWantedMax)
        return core::fail(core::ErrorCode::kValidation, "the hub wants too many kinds of events");
    auto spec = matcher::parse_subscription_json(subscription_json);
    if (!spec) {
        // A newer hub may filter by what is not known here.
        core::JsonDocument document;
        auto in = document.parse_object(subscription_json);
        if (!in) return core::fail(std::move(in.error()));
        const auto pattern = in->any("pattern");
        if (!pattern) return core::fail(std::move(spec.error()));
        const std::string raw = raw_of(*pattern);
        matcher::SubscriptionText text;
        text.pattern = raw;
        spec = matcher::parse_subscription(text);
        if (!spec) return core::fail(std::move(spec.error()));
    }
    if (asks_for_other(spec->predicate)) spec->predicate = matcher::Predicate::always();
    ++count_;
    if (choice_.add(*spec)) return {};
    spec->predicate = matcher::Predicate::always();
    return choice_.add(*spec);
}

core::Result<std::unique_ptr<WantedEvents>> WantedEvents::read(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "what the hub wants");
    if (!in) return core::fail(std::move(in.error()));
    std::unique_ptr<WantedEvents> out(new WantedEvents());
    std::string version;
    if (in->text("version", version, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(version, out->version_))
        in->refuse("version", "is no hash");
    in->boolean("all", out->all_);
    in->boolean("traces", out->takes_traces_);
    if (!in->ok()) return core::fail(in->finish().error());
    if (out->all_) return out;
    core::JsonArray list;
    if (const auto patterns = in->any("patterns"); patterns && patterns->get(list)) {
        for (const core::JsonElement pattern : list) {
            if (auto added = out->add("{\"pattern\":" + raw_of(pattern) + "}"); !added)
                return core::fail(std::move(added.error()));
        }
    }
    if (const auto filters = in->any("filters"); filters && filters->get(list)) {
        for (const core::JsonElement filter : list) {
            if (auto added = out->add(raw_of(filter)); !added)
                return core::fail(std::move(added.error()));
        }
    }
    out->choice_.publish();
    return out;
}

}  // namespace millrace::runtime::hub
