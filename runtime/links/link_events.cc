#include "runtime/links/link_events.h"

#include "core/buffer.h"
#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "core/utf8.h"
#include "runtime/event/misfit.h"
#include "runtime/event/own_events.h"
#include "runtime/event/tenant_names.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

void append_source(core::JsonWriter& json, const Link& link) {
    json.key("source").begin_object().field("type", "integration").field("id", link.id);
    json.end_object();
}

// What the peer keeps the order of, where it can be a key of ours.
void append_key(core::JsonWriter& json, const SourceBatch::Entry& entry) {
    const std::string_view key = entry.key;
    if (key.empty() || key.size() > core::kPartitionKeyBytesMax || !core::is_utf8(key)) return;
    json.field("partitionKey", key);
}

}  // namespace

LinkEvents::LinkEvents(std::size_t event_bytes_max)
    : event_bytes_max_(event_bytes_max), parser_({.event_bytes_max = event_bytes_max}) {}

// The text with readable bytes behind its end.
std::string_view LinkEvents::padded() {
    const std::size_t bytes = text_.size();
    text_.append(core::kPaddingBytes, ' ');
    text_.resize(bytes);
    return text_;
}

core::Status LinkEvents::check(const Link& link, std::string_view text) {
    envelope_ = {};
    if (auto read = parser_.parse_one(text, nullptr, envelope_, nullptr); !read) return read;
    if (envelope_.has(core::EnvelopeField::kTenantId) &&
        envelope_.tenant_id != tenant_name(link.tenant))
        return core::fail(foreign_tenant(envelope_.tenant_id, link.tenant));
    if (is_own_event(envelope_.pattern)) return core::fail(own_event_refused());
    return {};
}

// As it was sent, with what it does not say itself: who it is from, and which it is.
void LinkEvents::make_envelope(const Link& link, const SourceBatch::Entry& entry) {
    const std::size_t begin = entry.text.find('{') + 1;
    std::string members;
    core::JsonWriter json(members);
    json.begin_object();
    if (!envelope_.has(core::EnvelopeField::kEventId)) json.field("eventId", id_);
    if (!envelope_.has(core::EnvelopeField::kSource)) append_source(json, link);
    if (!envelope_.has(core::EnvelopeField::kPartitionKey)) append_key(json, entry);
    json.end_object();
    text_.assign(members, 0, members.size() - 1);
    if (members.size() > 2) text_ += ',';
    text_.append(entry.text.substr(begin));
}

std::string_view LinkEvents::pattern_of(const Link& link, const SourceBatch::Entry& entry) {
    const std::string_view pattern = link.config.pattern;
    const std::size_t at = pattern.find(kLinkSubjectPlace);
    if (at == std::string_view::npos) return pattern;
    pattern_.assign(pattern.substr(0, at)).append(entry.subject);
    pattern_.append(pattern.substr(at + kLinkSubjectPlace.size()));
    return pattern_;
}

void LinkEvents::make_wrapped(const Link& link, const SourceBatch::Entry& entry) {
    text_.clear();
    core::JsonWriter json(text_);
    json.begin_object().field("eventId", id_).field("pattern", pattern_of(link, entry));
    append_source(json, link);
    append_key(json, entry);
    if (entry.again) json.key("x-link").begin_object().field("redelivered", true).end_object();
    if (entry.at_us != 0) json.field("timestamp", core::format_timestamp(entry.at_us));
    if (link.config.format == LinkFormat::kText) {
        json.key("payload").begin_object().field("text", entry.text).end_object();
    } else {
        json.raw_field("payload", entry.text);
    }
    json.end_object();
}

core::Status LinkEvents::make_event(const Link& link, const SourceBatch::Entry& entry) {
    if (entry.whole_bytes > entry.text.size() + 2) {
        return core::fail(core::ErrorCode::kPayloadTooLarge,
                          "has " + std::to_string(entry.whole_bytes) +
                              " bytes; the limit of an event is " +
                              std::to_string(event_bytes_max_));
    }
    if (link.config.format == LinkFormat::kText && !core::is_utf8(entry.text))
        return core::fail(core::ErrorCode::kValidation, "is no UTF-8");
    // It is read by itself first: only what is one value may stand inside an event.
    if (link.config.format == LinkFormat::kEnvelope) {
        text_.assign(entry.text);
        if (auto good = check(link, padded()); !good) return good;
        make_envelope(link, entry);
    } else {
        if (link.config.format != LinkFormat::kText) {
            if (auto good = core::json_validate(entry.text); !good) return good;
        }
        make_wrapped(link, entry);
    }
    return check(link, padded());
}

// A script may name any pattern, as a webhook's source may; the server's own are not for it.
core::Status LinkEvents::take_shaped(const Link& link, const std::string& shaped) {
    text_.assign(shaped);
    return check(link, padded());
}

void LinkEvents::make_letter(const Link& link, const SourceBatch::Entry& entry,
                             std::string_view why, std::string_view pattern) {
    text_.clear();
    append_poison_event(
        text_,
        {.event_id = id_,
         .pattern = pattern,
         .source = {"integration", link.id},
         .why = why,
         .place = "x-link",
         .bytes = entry.text,
         .whole_bytes = entry.whole_bytes},
        [&](core::JsonWriter& json) {
            json.field("id", link.id);
            // For whoever looks at it; escapes may make six bytes of one.
            if (entry.text.size() <= kPoisonTextBytesMax && core::is_utf8(entry.text))
                json.field("text", entry.text);
        });
}

void LinkEvents::make_gap(const Link& link, const SourceBatch& batch) {
    text_.clear();
    core::JsonWriter json(text_);
    json.begin_object().field(
        "eventId", link.id + ":gap:" + batch.missed_to + ":" + std::to_string(batch.missed));
    json.field("pattern", kLinkGapPattern);
    append_source(json, link);
    json.key("payload").begin_object().field("linkId", link.id).key("missed");
    batch.missed > 0 ? json.value(batch.missed) : json.value(nullptr);
    json.field("after", batch.missed_from).field("before", batch.missed_to);
    json.end_object().end_object();
}

void LinkEvents::add_line(const Link& link, std::string& lines, LaneResult& result) {
    // Blanks between members: inside of texts there are none of them.
    std::replace_if(
        text_.begin(), text_.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    lines.append(text_).append("\n");
    result.emitted_depths.push_back(0);
    result.emitted_tenants.push_back(link.tenant);
}

void LinkEvents::add_letter(const Link& link, const SourceBatch::Entry& entry,
                            const std::string& why, std::string_view pattern, LaneResult& result) {
    make_letter(link, entry, why, pattern);
    result.letters.push_back({static_cast<std::uint32_t>(result.emitted_tenants.size()), pattern,
                              id_, "link " + link.id + ": " + why});
}

void LinkEvents::add_trace(const SourceBatch::Entry& entry, LaneResult& result) {
    if (entry.trace.empty()) return;
    result.traces.push_back(
        {static_cast<std::uint32_t>(result.emitted_tenants.size()), std::string(entry.trace)});
}

std::size_t LinkEvents::append(const Link& link, const SourceBatch& batch, std::string& lines,
                               LaneResult& result) {
    if (batch.gap) {
        make_gap(link, batch);
        add_line(link, lines, result);
    }
    std::size_t letters = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const SourceBatch::Entry entry = batch[i];
        id_.assign(link.id).append(":").append(entry.id);
        add_trace(entry, result);
        if (auto made = make_event(link, entry); !made) {
            add_letter(link, entry, made.error().message, kLinkRejectedPattern, result);
            ++letters;
        }
        add_line(link, lines, result);
    }
    return letters;
}

std::vector<LinkShaper::Text> LinkEvents::drafts(const Link& link, const SourceBatch& batch) {
    std::vector<LinkShaper::Text> out(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const SourceBatch::Entry entry = batch[i];
        id_.assign(link.id).append(":").append(entry.id);
        out[i].id = id_;
        out[i].at_us = entry.at_us;
        if (auto made = make_event(link, entry); !made) {
            out[i].error = made.error().message;
            continue;
        }
        out[i].event = text_;
        out[i].pattern = envelope_.pattern;
    }
    return out;
}

LinkEvents::Counts LinkEvents::append_shaped(const Link& link, const SourceBatch& batch,
                                             const std::vector<LinkShaper::Text>& shaped,
                                             std::string& lines, LaneResult& result) {
    if (batch.gap) {
        make_gap(link, batch);
        add_line(link, lines, result);
    }
    Counts out;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const SourceBatch::Entry entry = batch[i];
        const LinkShaper::Text& text = shaped[i];
        std::string why = text.error;
        if (why.empty() && text.shaped.empty()) {
            ++out.left_out;
            continue;
        }
        id_ = text.id;
        add_trace(entry, result);
        if (why.empty()) {
            if (auto taken = take_shaped(link, text.shaped); !taken)
                why = std::string(kTransformFailed) + taken.error().message;
        }
        if (!why.empty()) {
            add_letter(link, entry, why, kLinkRejectedPattern, result);
            ++out.letters;
        }
        add_line(link, lines, result);
    }
    return out;
}

void LinkEvents::append_unsent(const Link& link, const LinkUnsent& unsent, std::string& lines,
                               LaneResult& result) {
    SourceBatch::Entry entry;
    entry.text = unsent.text;
    entry.whole_bytes = unsent.text.size();
    id_.assign(link.id).append(":").append(unsent.event_id);
    add_letter(link, entry, unsent.why, kLinkUnsentPattern, result);
    add_line(link, lines, result);
}

}  // namespace millrace::runtime
