#include "runtime/node/entry_split.h"

#include "core/buffer.h"
#include "core/json_validate.h"
#include "io/http_head.h"
#include "runtime/event/cloudevents.h"
#include "runtime/event/entry_bound.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/older_events.h"
#include "runtime/event/partition_of.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime::node {
namespace {

bool is_any_of(std::string_view type, std::span<const std::string_view> types) {
    const std::string_view media = type.substr(0, type.find(';'));
    std::string_view trimmed = media;
    while (!trimmed.empty() && trimmed.back() == ' ') trimmed.remove_suffix(1);
    return std::any_of(types.begin(), types.end(), [trimmed](std::string_view one) {
        return io::equals_ignore_case(trimmed, one);
    });
}

// A text that was made here, where the parser can read behind its end.
std::string_view padded(std::string& text) {
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    return std::string_view(text).substr(0, bytes);
}

bool is_object(std::string_view text) {
    const std::size_t at = text.find_first_not_of(" \t\r\n");
    return at != std::string_view::npos && text[at] == '{';
}

void refuse(SplitPlan& plan, std::uint32_t number, core::Error&& error) {
    plan.refused.push_back({number, std::move(error)});
    plan.as_came = false;
}

}  // namespace

std::optional<BodyForm> body_form(std::string_view content_type,
                                  std::span<const io::HeaderField> headers) {
    constexpr std::array<std::string_view, 4> kLines = {"application/x-ndjson",
                                                        "application/ndjson", "application/jsonl",
                                                        "application/x-jsonlines"};
    constexpr std::array<std::string_view, 2> kCloud = {"application/cloudevents+json",
                                                        "application/cloudevents-batch+json"};
    constexpr std::array<std::string_view, 2> kPlain = {"application/json", "text/json"};
    if (is_any_of(content_type, kLines)) return BodyForm::kNdjson;
    switch (cloud_event_mode(content_type, headers)) {
        case CloudEventMode::kStructured:
            if (!is_any_of(content_type, kCloud)) return {};
            return BodyForm::kCloudEvent;
        case CloudEventMode::kBatch:
            if (!is_any_of(content_type, kCloud)) return {};
            return BodyForm::kCloudEventBatch;
        case CloudEventMode::kBinary: return BodyForm::kCloudEventBinary;
        case CloudEventMode::kNone: break;
    }
    if (content_type.empty() || is_any_of(content_type, kPlain)) return BodyForm::kJson;
    return {};
}

std::optional<std::size_t> SplitPlan::only_partition() const {
    if (entries.empty()) return {};
    const std::uint32_t first = entries.front().partition;
    const bool same = std::all_of(entries.begin(), entries.end(), [first](const SplitEntry& one) {
        return one.partition == first;
    });
    return same ? std::optional<std::size_t>(first) : std::nullopt;
}

EntrySplit::EntrySplit() : parser_(core::EventParser::Options{}) {}

core::Result<SplitPlan> EntrySplit::read(const SplitBody& body, const SplitRules& rules,
                                         IdMaker& ids) {
    SplitPlan plan;
    parser_.bound(rules.event_bytes_max);
    core::Status read;
    switch (body.form) {
        case BodyForm::kJson:
        case BodyForm::kNdjson: read = read_native(plan, body, rules, ids); break;
        case BodyForm::kCloudEventBatch: read = read_cloud_batch(plan, body, rules); break;
        case BodyForm::kCloudEvent:
        case BodyForm::kCloudEventBinary: read = read_cloud_event(plan, body, rules); break;
    }
    if (!read) return core::fail(std::move(read.error()));
    std::sort(plan.refused.begin(), plan.refused.end(),
              [](const SplitRefusal& a, const SplitRefusal& b) { return a.number < b.number; });
    return plan;
}

core::Status EntrySplit::walk(SplitPlan& plan, std::string_view text, core::BatchFormat format,
                              const SplitRules& rules, IdMaker* ids) {
    if (auto begun = parser_.begin(text, format); !begun) return begun;
    EntryBound bound(rules.entries_max);
    core::Envelope envelope;
    core::Error error;
    for (;;) {
        const core::ParseOutcome outcome = parser_.next(nullptr, envelope, nullptr, error);
        if (outcome == core::ParseOutcome::kEnd) return {};
        if (auto one_more = bound.take(); !one_more) return one_more;
        const auto number = static_cast<std::uint32_t>(parser_.index());
        if (outcome == core::ParseOutcome::kRejected) {
            if (parser_.broken()) return core::fail(std::move(error));
            refuse(plan, number, std::exchange(error, core::Error()));
            continue;
        }
        SplitEntry entry{.number = number, .raw = envelope.raw};
        std::string id;
        std::string_view key = envelope.partition_key;
        if (envelope.event_id.empty() && ids) {
            entry.made = ids->next();
            plan.as_came = false;
            if (key.empty()) key = id = ids->text(entry.made);
        }
        if (key.empty()) key = envelope.event_id;
        entry.partition = static_cast<std::uint32_t>(
            partition_of_key(rules.tenant, key, rules.hash_seed, rules.partitions));
        plan.entries.push_back(entry);
    }
}

core::Status EntrySplit::read_native(SplitPlan& plan, const SplitBody& body,
                                     const SplitRules& rules, IdMaker& ids) {
    const auto format =
        body.form == BodyForm::kNdjson ? core::BatchFormat::kNdjson : core::BatchFormat::kJson;
    if (body.text.empty())
        return core::fail(core::ErrorCode::kValidation,
                          "body: empty; an event or a batch of events is expected");
    plan.single = body.form == BodyForm::kJson && is_object(body.text);
    if (auto read = walk(plan, body.text, format, rules, &ids); !read) return read;
    const bool older =
        std::any_of(plan.refused.begin(), plan.refused.end(),
                    [](const SplitRefusal& one) { return is_older_event_member(one.error.field); });
    if (older) [[unlikely]] {
        if (auto read = read_older(plan, body, rules, ids); !read) return read;
    }
    if (format == core::BatchFormat::kNdjson && plan.entries.empty() && plan.refused.empty())
        return core::fail(core::ErrorCode::kValidation, "body: no line holds an event");
    return {};
}

// Written anew as envelopes, and those are what goes on.
core::Status EntrySplit::read_older(SplitPlan& plan, const SplitBody& body, const SplitRules& rules,
                                    IdMaker& ids) {
    const auto format =
        body.form == BodyForm::kNdjson ? core::BatchFormat::kNdjson : core::BatchFormat::kJson;
    OlderEvents events;
    if (!envelopes_from_older_events(body.text, format, events)) return {};
    SplitPlan anew;
    anew.single = plan.single;
    anew.as_came = false;
    if (!events.entries.empty()) {
        anew.text = std::move(events.text);
        if (auto read = walk(anew, padded(anew.text), format, rules, &ids); !read) {
            events.places.tell_as_sent(read.error());
            return read;
        }
        for (SplitEntry& entry : anew.entries) entry.number = events.entries[entry.number];
        for (SplitRefusal& refused : anew.refused) {
            events.places.tell_as_sent(refused.error);
            refused.number = events.entries[refused.number];
        }
    }
    for (OlderEvents::Rejected& rejected : events.rejected)
        anew.refused.push_back({rejected.entry, std::move(rejected.error)});
    plan = std::move(anew);
    return {};
}

core::Status EntrySplit::read_cloud_batch(SplitPlan& plan, const SplitBody& body,
                                          const SplitRules& rules) {
    plan.content_type = "application/cloudevents-batch+json";
    CloudEventBatch batch;
    if (auto converted =
            envelopes_from_cloud_event_batch(body.text, EntryBound(rules.entries_max), batch);
        !converted)
        return converted;
    if (!batch.entries.empty()) {
        if (auto read = walk(plan, padded(batch.text), core::BatchFormat::kJson, rules, nullptr);
            !read) {
            batch.places.tell_as_sent(read.error());
            return read;
        }
        for (SplitEntry& entry : plan.entries) entry.number = batch.entries[entry.number];
        for (SplitRefusal& refused : plan.refused) {
            batch.places.tell_as_sent(refused.error);
            refused.number = batch.entries[refused.number];
        }
    }
    for (CloudEventBatch::Rejected& rejected : batch.rejected)
        refuse(plan, rejected.entry, std::move(rejected.error));
    // As they came, not as they were read.
    std::uint32_t number = 0;
    std::size_t next = 0;
    scan_items(body.text, [&](std::string_view item) {
        if (next < plan.entries.size() && plan.entries[next].number == number)
            plan.entries[next++].raw = item;
        ++number;
        return true;
    });
    return {};
}

// It goes on whole; only where to is read.
core::Status EntrySplit::read_cloud_event(SplitPlan& plan, const SplitBody& body,
                                          const SplitRules& rules) {
    plan.single = true;
    std::string text;
    PlaceMap places;
    auto converted = body.form == BodyForm::kCloudEvent
                         ? envelope_from_cloud_event(body.text, text, &places)
                         : envelope_from_binary_cloud_event(body.headers, body.content_type,
                                                            body.text, text, &places);
    if (!converted) return converted;
    auto read = walk(plan, padded(text), core::BatchFormat::kJson, rules, nullptr);
    if (!read) places.tell_as_sent(read.error());
    for (SplitRefusal& refused : plan.refused) places.tell_as_sent(refused.error);
    for (SplitEntry& entry : plan.entries) entry.raw = body.text;
    return read;
}

void append_entry(io::BodyWriter& out, const SplitEntry& entry, const IdMaker& ids) {
    if (entry.made == 0) return out.append(entry.raw);
    // An event is an object that holds something, or it would have been refused.
    out.append(R"({"eventId":")");
    out.append(ids.text(entry.made));
    out.append(R"(",)");
    out.append(entry.raw.substr(1));
}

}  // namespace millrace::runtime::node
