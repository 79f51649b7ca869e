#include "runtime/event/cloudevents.h"

#include "core/base64.h"
#include "core/hex.h"
#include "core/json_string.h"
#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/limits.h"
#include "core/listed.h"
#include "core/utf8.h"
#include "runtime/event/cloudevent_attributes.h"
#include "runtime/event/error_place.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

using core::Error;
using core::ErrorCode;
using Attributes = CloudEventAttributes;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool starts_with_nocase(std::string_view text, std::string_view lower_prefix) {
    if (text.size() < lower_prefix.size()) return false;
    for (std::size_t i = 0; i < lower_prefix.size(); ++i) {
        if (lower(text[i]) != lower_prefix[i]) return false;
    }
    return true;
}

bool ends_with_nocase(std::string_view text, std::string_view lower_suffix) {
    return text.size() >= lower_suffix.size() &&
           starts_with_nocase(text.substr(text.size() - lower_suffix.size()), lower_suffix);
}

bool is_json_type(std::string_view content_type) {
    const std::string_view type = media_type(content_type);
    return ends_with_nocase(type, "/json") || ends_with_nocase(type, "+json");
}

// Writes an envelope out of tokens, and notes where those came from.
class EnvelopeWriter {
public:
    EnvelopeWriter(std::string_view sent, std::string& out, PlaceMap* places)
        : sent_(sent), out_(out), places_(places) {}

    EnvelopeWriter& text(std::string_view bytes) {
        out_.append(bytes);
        return *this;
    }
    EnvelopeWriter& token(std::string_view bytes) {
        if (places_ && bytes.data() >= sent_.data() && bytes.data() < sent_.data() + sent_.size()) {
            places_->note(out_.size(), static_cast<std::size_t>(bytes.data() - sent_.data()),
                          bytes.size());
        }
        return text(bytes);
    }
    // Nothing where the token is empty.
    EnvelopeWriter& member(std::string_view name, std::string_view bytes) {
        if (bytes.empty()) return *this;
        return text(",\"").text(name).text("\":").token(bytes);
    }

private:
    std::string_view sent_;
    std::string& out_;
    PlaceMap* places_;
};

// How the data stands in the payload, as x-ce says it.
std::string_view write_data(const Attributes& in, EnvelopeWriter& out) {
    const std::string_view data = in.at(Attributes::kData);
    if (data.starts_with('{')) {
        out.member("payload", data);
        return {};
    }
    if (!data.empty()) {
        out.text(",\"payload\":{\"data\":").token(data).text("}");
        return "\"value\"";
    }
    const std::string_view base64 = in.at(Attributes::kDataBase64);
    if (base64.empty()) return {};
    out.text(",\"payload\":{\"data_base64\":").token(base64).text("}");
    return "\"base64\"";
}

void write_metadata(const Attributes& in, EnvelopeWriter& out) {
    const std::string_view correlation = in.at(Attributes::kCorrelationId);
    const std::string_view causation = in.at(Attributes::kCausationId);
    const std::string_view context = in.at(Attributes::kContextType);
    if (correlation.empty() && causation.empty() && context.empty()) return;
    std::string_view comma = ",\"metadata\":{";
    const auto member = [&](std::string_view name, std::string_view token) {
        if (token.empty()) return;
        out.text(comma).text("\"").text(name).text("\":").token(token);
        comma = ",";
    };
    member("correlationId", correlation);
    member("causationId", causation);
    if (!context.empty()) {
        out.text(comma).text("\"context\":{\"type\":").token(context);
        out.member("id", in.at(Attributes::kContextId)).text("}");
    }
    out.text("}");
}

using Twins = std::vector<std::pair<std::string, std::string_view>>;  // sorted

// The members that travelled in "xmembers" stand in the envelope again. Returns the extensions that
// only repeat one of them.
Twins write_x_members(std::string_view members, EnvelopeWriter& out) {
    Twins twins;
    if (members.empty()) return twins;
    scan_members(members, [&](std::string_view key, std::string_view value) {
        out.member(key.substr(1, key.size() - 2), value);
        if (is_extension_value(value)) twins.emplace_back(twin_name(string_of(key)), value);
        return true;
    });
    std::sort(twins.begin(), twins.end());
    return twins;
}

void write_envelope(const Attributes& in, EnvelopeWriter& out) {
    out.text("{\"eventId\":").token(in.at(Attributes::kId));
    out.member("pattern", in.at(Attributes::kType));
    out.text(",\"source\":{\"type\":\"external\",\"id\":");
    out.token(in.at(Attributes::kSource)).text("}");
    out.member("timestamp", in.at(Attributes::kTime));
    const std::string_view data_form = write_data(in, out);
    write_metadata(in, out);
    out.member("partitionKey", in.at(Attributes::kPartitionKey));
    out.member("priority", in.at(Attributes::kPriority));
    out.member("scheduledAt", in.at(Attributes::kScheduledAt));
    const std::string_view token = in.at(Attributes::kXMembers);
    const std::string members = token.empty() ? std::string() : string_of(token);
    const Twins twins = write_x_members(members, out);
    out.text(",\"x-ce\":{\"specversion\":\"1.0\"");
    out.member("subject", in.at(Attributes::kSubject));
    out.member("datacontenttype", in.at(Attributes::kDataContentType));
    out.member("dataschema", in.at(Attributes::kDataSchema));
    out.member("data", data_form);
    for (const Attributes::Extension& extension : in.extensions()) {
        const Twins::value_type same(extension.name, extension.token);
        if (!std::binary_search(twins.begin(), twins.end(), same))
            out.member(extension.name, extension.token);
    }
    out.text("}}");
}

// A header value by the HTTP binding, section 3.1.3.2: quoted strings first, then one round of
// percent-decoding. A '%' that begins no escape is taken as it is: many senders do not encode it.
std::string decode_header(std::string_view value) {
    std::string plain;
    bool quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '"')
            quoted = !quoted;
        else if (quoted && value[i] == '\\' && i + 1 < value.size())
            plain += value[++i];
        else
            plain += value[i];
    }
    std::string out;
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const int high =
            plain[i] == '%' && i + 2 < plain.size() ? core::hex_digit(plain[i + 1]) : -1;
        const int low = high >= 0 ? core::hex_digit(plain[i + 2]) : -1;
        if (low < 0) {
            out += plain[i];
        } else {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

// The body as a JSON value, by its content type.
core::Status take_body(std::string_view content_type, std::string_view body, Attributes& attributes,
                       std::string& token) {
    if (body.empty()) return {};
    if (content_type.empty() || is_json_type(content_type)) {
        if (auto valid = core::json_validate(body, core::DuplicateKeys::kAllow); !valid)
            return core::fail(std::move(std::move(valid.error()).in("data")));
        attributes.at(Attributes::kData) = core::trimmed(body);
        return {};
    }
    if (starts_with_nocase(content_type, "text/") && core::is_utf8(body)) {
        core::append_json_string(token, body);
        attributes.at(Attributes::kData) = token;
        return {};
    }
    token = "\"";
    core::append_base64(token, body);
    token += '"';
    attributes.at(Attributes::kDataBase64) = token;
    return {};
}

}  // namespace

void PlaceMap::add(const PlaceMap& other, std::size_t in_at) {
    for (const Piece& piece : other.pieces_)
        pieces_.push_back({piece.out_at, piece.in_at + in_at, piece.bytes});
}

void PlaceMap::tell_as_sent(core::Error& error) const {
    if (error.position < 0) return;
    const auto at = static_cast<std::size_t>(error.position);
    const auto behind =
        std::upper_bound(pieces_.begin(), pieces_.end(), at,
                         [](std::size_t place, const Piece& p) { return place < p.out_at; });
    std::int64_t place = core::Error::kNoPosition;
    if (behind != pieces_.begin() && at - (behind - 1)->out_at <= (behind - 1)->bytes)
        place = static_cast<std::int64_t>((behind - 1)->in_at + (at - (behind - 1)->out_at));
    tell_place(error, place);
}

CloudEventMode cloud_event_mode(std::string_view content_type,
                                std::span<const io::HeaderField> headers) {
    if (starts_with_nocase(content_type, "application/cloudevents-batch"))
        return CloudEventMode::kBatch;
    if (starts_with_nocase(content_type, "application/cloudevents"))
        return CloudEventMode::kStructured;
    for (const io::HeaderField& header : headers) {
        if (header.name.size() == 14 && starts_with_nocase(header.name, "ce-specversion"))
            return CloudEventMode::kBinary;
    }
    return CloudEventMode::kNone;
}

core::Status envelope_from_cloud_event(std::string_view text, std::string& out, PlaceMap* places) {
    // Everything that is no JSON is told here, by its place in what was sent.
    if (auto valid = core::json_validate(text, core::DuplicateKeys::kAllow); !valid) return valid;
    Attributes attributes(text);
    core::Status status;
    const bool scanned = scan_members(text, [&](std::string_view key, std::string_view value) {
        status = attributes.take(string_of(key), value);
        return status.has_value();
    });
    if (!status) return status;
    if (!scanned) return core::fail(ErrorCode::kValidation, "a CloudEvent must be one JSON object");
    if (status = attributes.check(); !status) return status;
    EnvelopeWriter writer(text, out, places);
    write_envelope(attributes, writer);
    return {};
}

core::Status envelopes_from_cloud_event_batch(std::string_view text, EntryBound bound,
                                              CloudEventBatch& out) {
    std::uint32_t entry = 0;
    core::Status fits;
    out.text = "[";
    const bool scanned = scan_items(text, [&](std::string_view item) {
        fits = bound.take();
        if (!fits) return false;
        const std::size_t before = out.text.size();
        if (before > 1) out.text += ',';
        const auto begin = static_cast<std::size_t>(item.data() - text.data());
        PlaceMap places;
        if (auto status = envelope_from_cloud_event(item, out.text, &places); status) {
            out.entries.push_back(entry);
            out.places.add(places, begin);
        } else {
            out.text.resize(before);
            Error error = std::move(status.error());
            if (error.position >= 0)
                tell_place(error, error.position + static_cast<std::int64_t>(begin));
            out.rejected.push_back({entry, std::move(error)});
        }
        ++entry;
        return true;
    });
    out.text += ']';
    if (!fits) return fits;
    if (scanned) return {};
    if (auto valid = core::json_validate(text, core::DuplicateKeys::kAllow); !valid) return valid;
    return core::fail(ErrorCode::kValidation, "a batch of CloudEvents must be one JSON array");
}

core::Status envelope_from_binary_cloud_event(std::span<const io::HeaderField> headers,
                                              std::string_view content_type, std::string_view body,
                                              std::string& out, PlaceMap* places) {
    Attributes attributes(body);
    std::vector<std::string> tokens;
    tokens.reserve(headers.size() + 2);  // views into them must stay
    for (const io::HeaderField& header : headers) {
        if (!starts_with_nocase(header.name, "ce-")) continue;
        std::string name(header.name.substr(3));
        std::transform(name.begin(), name.end(), name.begin(), lower);
        if (name == "datacontenttype")
            return attributes.refuse(
                name, "comes as Content-Type in binary mode, not as a header of its own");
        if (!is_attribute_name(name))
            return attributes.refuse(name, "has a name beyond a-z and 0-9");
        if (name == "data") return attributes.refuse(name, "is the body in binary mode");
        const std::string value = decode_header(header.value);
        if (!core::is_utf8(value)) return attributes.refuse(name, "is not valid UTF-8");
        std::string& token = tokens.emplace_back();
        // The header of a number is its digits: the one attribute of ours that is none of text.
        if (name == "priority" && is_int32(value))
            token = value;
        else
            core::append_json_string(token, value);
        if (auto status = attributes.take(name, token); !status) return status;
    }
    if (!content_type.empty()) {
        core::append_json_string(tokens.emplace_back(), content_type);
        attributes.at(Attributes::kDataContentType) = tokens.back();
    }
    if (auto status = take_body(content_type, body, attributes, tokens.emplace_back()); !status)
        return status;
    if (auto status = attributes.check(); !status) return status;
    EnvelopeWriter writer(body, out, places);
    write_envelope(attributes, writer);
    return {};
}

}  // namespace millrace::runtime
