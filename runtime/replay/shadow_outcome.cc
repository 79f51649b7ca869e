#include "runtime/replay/shadow_outcome.h"

#include "core/timestamp.h"

#include <array>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::array<std::pair<ShadowDifference, std::string_view>, 6> kNames{
    {{ShadowDifference::kMissing, "missing"},
     {ShadowDifference::kStatus, "status"},
     {ShadowDifference::kError, "error"},
     {ShadowDifference::kResult, "result"},
     {ShadowDifference::kEmitted, "emitted"},
     {ShadowDifference::kKv, "kv"}}};

constexpr std::uint8_t bit(ShadowDifference difference) {
    return static_cast<std::uint8_t>(difference);
}

// The trace behind the first line names lines of the source: another version has others.
std::string_view first_line(std::string_view error) { return error.substr(0, error.find('\n')); }

// "name:12: text" without the place.
std::string_view error_text(std::string_view error) {
    error = first_line(error);
    for (std::size_t colon = error.find(':'); colon != std::string_view::npos;
         colon = error.find(':', colon + 1)) {
        std::size_t at = colon + 1;
        while (at < error.size() && error[at] >= '0' && error[at] <= '9') ++at;
        if (at > colon + 1 && at + 1 < error.size() && error[at] == ':' && error[at + 1] == ' ')
            return error.substr(at + 2);
    }
    return error;
}

std::string_view or_null(std::string_view json) { return json.empty() ? "null" : json; }

// Raw JSON when it is short enough, else a string of its beginning.
void append_shown(core::JsonWriter& json, std::string_view name, std::string_view text) {
    if (text.size() <= kShownTextBytesMax) {
        json.raw_field(name, or_null(text));
        return;
    }
    json.key(name).begin_object().field("cut", true).field("bytes", text.size());
    json.field("begin", text.substr(0, kShownTextBytesMax)).end_object();
}

void append_items(core::JsonWriter& json, std::string_view name,
                  const std::vector<std::string>& items) {
    json.key(name).begin_array();
    for (std::size_t i = 0; i < items.size() && i < kShownItemsMax; ++i) {
        if (items[i].size() <= kShownTextBytesMax) {
            json.raw(items[i]);
        } else {
            json.begin_object().field("cut", true).field("bytes", items[i].size()).end_object();
        }
    }
    json.end_array();
    if (items.size() > kShownItemsMax) json.field(std::string(name) + "Count", items.size());
}

void append_side(core::JsonWriter& json, const ShadowOutcome& outcome) {
    if (!outcome.there) {
        json.value(nullptr);
        return;
    }
    json.begin_object().field("scriptVersion", outcome.script_version);
    json.field("status", outcome.status);
    if (!outcome.error.empty())
        json.field("error", std::string_view(outcome.error).substr(0, kShownTextBytesMax));
    append_shown(json, "result", outcome.result);
    append_items(json, "emitted", outcome.emitted);
    if (outcome.kv_known) {
        append_items(json, "kv", outcome.kv);
    } else {
        json.key("kv").value(nullptr);
    }
    json.end_object();
}

}  // namespace

std::uint8_t compare_outcomes(const ShadowOutcome& now, const ShadowOutcome& against) {
    if (!now.there || !against.there) {
        return now.there == against.there ? 0 : bit(ShadowDifference::kMissing);
    }
    std::uint8_t out = 0;
    const bool both_ran = now.kv_known && against.kv_known;
    const bool same_status = both_ran
                                 ? now.status == against.status
                                 : (now.status == "completed") == (against.status == "completed");
    if (!same_status) out |= bit(ShadowDifference::kStatus);
    if (error_text(now.error) != error_text(against.error)) out |= bit(ShadowDifference::kError);
    if (now.result_known && against.result_known && or_null(now.result) != or_null(against.result))
        out |= bit(ShadowDifference::kResult);
    if (now.emitted != against.emitted) out |= bit(ShadowDifference::kEmitted);
    if (both_ran && now.kv != against.kv) out |= bit(ShadowDifference::kKv);
    return out;
}

void ShadowTotals::count(std::uint8_t differences) {
    ++compared;
    different += differences != 0;
    const auto has = [&](ShadowDifference one) { return (differences & bit(one)) != 0; };
    missing += has(ShadowDifference::kMissing);
    status += has(ShadowDifference::kStatus);
    error += has(ShadowDifference::kError);
    result += has(ShadowDifference::kResult);
    emitted += has(ShadowDifference::kEmitted);
    kv += has(ShadowDifference::kKv);
}

void ShadowTotals::add(const ShadowTotals& other) {
    compared += other.compared;
    different += other.different;
    missing += other.missing;
    status += other.status;
    error += other.error;
    result += other.result;
    emitted += other.emitted;
    kv += other.kv;
}

std::string emitted_json_of(std::string_view pattern, std::string_view payload) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("pattern", pattern);
    json.raw_field("payload", payload.empty() ? "{}" : payload).end_object();
    return out;
}

std::string kv_op_json(const KvOp& op) {
    constexpr std::string_view kOps[] = {"set", "delete", "incr"};
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("op", kOps[static_cast<std::size_t>(op.kind)]);
    if (op.space == KvSpace::kCache) json.field("space", "cache");
    const std::size_t zero = op.key.find('\0');
    if (zero != std::string_view::npos && zero > 0) json.field("namespace", op.key.substr(0, zero));
    json.field("key", zero == std::string_view::npos ? op.key : op.key.substr(zero + 1));
    if (op.kind == KvOp::Kind::kSet)
        json.raw_field("value", op.value_json.empty() ? "null" : op.value_json);
    if (op.kind == KvOp::Kind::kIncrement && !op.delta_text.empty())
        json.raw_field("by", op.delta_text);
    else if (op.kind == KvOp::Kind::kIncrement)
        json.field("by", op.delta);
    if (op.expires_at_us != 0) json.field("expiresAt", core::format_timestamp(op.expires_at_us));
    json.end_object();
    return out;
}

void append_difference(core::JsonWriter& json, std::uint8_t differences, const ShadowOutcome& now,
                       const ShadowOutcome& against) {
    json.key("differs").begin_array();
    for (const auto& [one, name] : kNames) {
        if ((differences & bit(one)) != 0) json.value(name);
    }
    json.end_array().key("now");
    append_side(json, now);
    json.key("against");
    append_side(json, against);
}

}  // namespace millrace::runtime
