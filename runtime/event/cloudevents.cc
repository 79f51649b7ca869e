#include "runtime/event/cloudevents.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <array>

namespace millrace::runtime {
namespace {

using core::Error;
using core::ErrorCode;

tl::unexpected<Error> refuse(std::string_view attribute, std::string_view what) {
    return core::fail(Error(ErrorCode::kValidation, "CloudEvent attribute " +
                                                        std::string(attribute.substr(0, 64)) + " " +
                                                        std::string(what))
                          .in(std::string(attribute.substr(0, 64))));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool starts_with_nocase(std::string_view text, std::string_view lower_prefix) {
    if (text.size() < lower_prefix.size()) return false;
    for (std::size_t i = 0; i < lower_prefix.size(); ++i) {
        if (lower(text[i]) != lower_prefix[i]) return false;
    }
    return true;
}

std::string_view media_type(std::string_view content_type) {
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return type;
}

bool ends_with_nocase(std::string_view text, std::string_view lower_suffix) {
    return text.size() >= lower_suffix.size() &&
           starts_with_nocase(text.substr(text.size() - lower_suffix.size()), lower_suffix);
}

bool is_json_type(std::string_view content_type) {
    const std::string_view type = media_type(content_type);
    return ends_with_nocase(type, "/json") || ends_with_nocase(type, "+json");
}

bool is_attribute_name(std::string_view name) {
    if (name.empty()) return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

// type "/" subtype, both tokens of RFC 2046.
bool is_media_type(std::string_view text) {
    const std::string_view type = media_type(text);
    const std::size_t slash = type.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == type.size()) return false;
    return type.find_first_of(" \t\"(),:;<=>?@[\\]{}", 0) == std::string_view::npos &&
           type.find('/', slash + 1) == std::string_view::npos;
}

// The attributes of one event, each as JSON text; empty when absent. Strings keep their quotes.
struct Attributes {
    enum Known : std::size_t {
        kSpecVersion,
        kId,
        kSource,
        kType,
        kTime,
        kSubject,
        kDataContentType,
        kDataSchema,
        kPartitionKey,
        kCorrelationId,
        kCausationId,
        kData,
        kDataBase64,
        kCount,
    };
    static constexpr std::array<std::string_view, kCount> kNames = {
        "specversion",     "id",         "source",       "type",          "time",        "subject",
        "datacontenttype", "dataschema", "partitionkey", "correlationid", "causationid", "data",
        "data_base64"};

    std::array<std::string_view, kCount> known{};
    std::string extensions;  // `,"name":value` each

    std::string_view& at(Known which) { return known[which]; }
};

bool is_integer_text(std::string_view text) {
    if (!text.empty() && text[0] == '-') text.remove_prefix(1);
    return !text.empty() && text.size() <= 10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Sorts one attribute to its place.
core::Status take_attribute(Attributes& out, std::string_view name, std::string_view value) {
    if (value == "null") return {};
    const auto known = std::find(Attributes::kNames.begin(), Attributes::kNames.end(), name);
    if (known == Attributes::kNames.end()) {
        if (!is_attribute_name(name)) return refuse(name, "has a name beyond a-z and 0-9");
        if (value[0] != '"' && value != "true" && value != "false" && !is_integer_text(value)) {
            return refuse(name,
                          "is an extension and must be a string, a boolean or a 32-bit integer");
        }
        out.extensions.append(",\"").append(name).append("\":").append(value);
        return {};
    }
    const auto which = static_cast<std::size_t>(known - Attributes::kNames.begin());
    if (!out.known[which].empty()) return refuse(name, "stands there twice");
    if (which < Attributes::kData) {
        if (value[0] != '"') return refuse(name, "must be a string");
        if (value == "\"\"") return refuse(name, "must not be empty");
    }
    out.known[which] = value;
    return {};
}

std::string_view unquoted(std::string_view token) { return token.substr(1, token.size() - 2); }

core::Status check_attributes(Attributes& in) {
    for (const auto which :
         {Attributes::kSpecVersion, Attributes::kId, Attributes::kSource, Attributes::kType}) {
        if (in.at(which).empty()) return refuse(Attributes::kNames[which], "is required");
    }
    if (in.at(Attributes::kSpecVersion) != "\"1.0\"") {
        return refuse("specversion",
                      "is " + std::string(in.at(Attributes::kSpecVersion).substr(0, 32)) +
                          "; only \"1.0\" is known");
    }
    std::int64_t us = 0;
    const std::string_view time = in.at(Attributes::kTime);
    if (!time.empty() && !core::parse_timestamp(unquoted(time), us)) {
        return refuse("time",
                      "is " + std::string(time.substr(0, 64)) + "; expected an RFC 3339 time");
    }
    const std::string_view type = in.at(Attributes::kDataContentType);
    if (!type.empty() && !is_media_type(unquoted(type))) {
        return refuse("datacontenttype", "is " + std::string(type.substr(0, 64)) +
                                             "; expected a media type such as text/plain");
    }
    const std::string_view base64 = in.at(Attributes::kDataBase64);
    if (!base64.empty() && base64[0] != '"') return refuse("data_base64", "must be a string");
    if (!base64.empty() && !in.at(Attributes::kData).empty())
        return refuse("data_base64", "and data exclude each other");
    return {};
}

void append_envelope(Attributes& in, std::string& out) {
    const auto member = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) out.append(",\"").append(name).append("\":").append(value);
    };
    out.append("{\"eventId\":").append(in.at(Attributes::kId));
    member("pattern", in.at(Attributes::kType));
    out.append(",\"source\":{\"type\":\"external\",\"id\":")
        .append(in.at(Attributes::kSource))
        .append("}");
    member("timestamp", in.at(Attributes::kTime));
    std::string_view data_form;
    const std::string_view data = in.at(Attributes::kData);
    if (!data.empty() && data[0] == '{') {
        member("payload", data);
    } else if (!data.empty()) {
        out.append(",\"payload\":{\"data\":").append(data).append("}");
        data_form = "\"value\"";
    } else if (!in.at(Attributes::kDataBase64).empty()) {
        out.append(",\"payload\":{\"data_base64\":")
            .append(in.at(Attributes::kDataBase64))
            .append("}");
        data_form = "\"base64\"";
    }
    const std::string_view correlation = in.at(Attributes::kCorrelationId);
    const std::string_view causation = in.at(Attributes::kCausationId);
    if (!correlation.empty() || !causation.empty()) {
        out += ",\"metadata\":{";
        if (!correlation.empty()) out.append("\"correlationId\":").append(correlation);
        if (!correlation.empty() && !causation.empty()) out += ',';
        if (!causation.empty()) out.append("\"causationId\":").append(causation);
        out += '}';
    }
    member("partitionKey", in.at(Attributes::kPartitionKey));
    out.append(",\"x-ce\":{\"specversion\":").append(in.at(Attributes::kSpecVersion));
    member("subject", in.at(Attributes::kSubject));
    member("datacontenttype", in.at(Attributes::kDataContentType));
    member("dataschema", in.at(Attributes::kDataSchema));
    member("data", data_form);
    out.append(in.extensions).append("}}");
}

constexpr char kBase64Digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64_token(std::string_view bytes) {
    std::string out = "\"";
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group =
                group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out += i + j > bytes.size() ? '=' : kBase64Digits[group >> (18 - 6 * j) & 63];
        }
    }
    return out + "\"";
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t bytes = core::detail::utf8_sequence_bytes(text, i);
        if (bytes == 0) return false;
        i += bytes;
    }
    return true;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
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
        const int high = plain[i] == '%' && i + 2 < plain.size() ? hex_value(plain[i + 1]) : -1;
        const int low = high >= 0 ? hex_value(plain[i + 2]) : -1;
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
        JsonScanner in(body);
        const auto value = in.value();
        if (value && in.at_end()) {
            attributes.at(Attributes::kData) = *value;
            return {};
        }
        return core::fail(
            Error(ErrorCode::kValidation, "the data of this CloudEvent is not one JSON value")
                .in("data")
                .at(static_cast<std::int64_t>(in.at())));
    }
    if (starts_with_nocase(content_type, "text/") && is_utf8(body)) {
        core::append_json_string(token, body);
        attributes.at(Attributes::kData) = token;
        return {};
    }
    token = base64_token(body);
    attributes.at(Attributes::kDataBase64) = token;
    return {};
}

}  // namespace

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

core::Status envelope_from_cloud_event(std::string_view text, std::string& out) {
    Attributes attributes;
    core::Status status;
    const bool scanned = scan_members(text, [&](std::string_view key, std::string_view value) {
        status = take_attribute(attributes, unquoted(key), value);
        return status.has_value();
    });
    if (!status) return status;
    if (!scanned) return core::fail(ErrorCode::kValidation, "a CloudEvent must be one JSON object");
    if (status = check_attributes(attributes); !status) return status;
    append_envelope(attributes, out);
    return {};
}

core::Status envelopes_from_cloud_event_batch(std::string_view text, CloudEventBatch& out) {
    std::uint32_t entry = 0;
    out.text = "[";
    const bool scanned = scan_items(text, [&](std::string_view item) {
        const std::size_t before = out.text.size();
        if (before > 1) out.text += ',';
        if (auto status = envelope_from_cloud_event(item, out.text); status) {
            out.entries.push_back(entry);
        } else {
            out.text.resize(before);
            out.rejected.push_back({entry, std::move(status.error())});
        }
        ++entry;
        return true;
    });
    out.text += ']';
    if (!scanned)
        return core::fail(ErrorCode::kValidation, "a batch of CloudEvents must be one JSON array");
    return {};
}

core::Status envelope_from_binary_cloud_event(std::span<const io::HeaderField> headers,
                                              std::string_view content_type, std::string_view body,
                                              std::string& out) {
    Attributes attributes;
    std::vector<std::string> tokens;
    tokens.reserve(headers.size() + 2);  // views into them must stay
    for (const io::HeaderField& header : headers) {
        if (!starts_with_nocase(header.name, "ce-")) continue;
        std::string name(header.name.substr(3));
        std::transform(name.begin(), name.end(), name.begin(), lower);
        if (name == "datacontenttype")
            return refuse(name, "comes as Content-Type in binary mode, not as a header of its own");
        if (!is_attribute_name(name)) return refuse(name, "has a name beyond a-z and 0-9");
        if (name == "data") return refuse(name, "is the body in binary mode");
        const std::string value = decode_header(header.value);
        if (!is_utf8(value)) return refuse(name, "is not valid UTF-8");
        core::append_json_string(tokens.emplace_back(), value);
        if (auto status = take_attribute(attributes, name, tokens.back()); !status) return status;
    }
    if (!content_type.empty()) {
        core::append_json_string(tokens.emplace_back(), content_type);
        attributes.at(Attributes::kDataContentType) = tokens.back();
    }
    if (auto status = take_body(content_type, body, attributes, tokens.emplace_back()); !status)
        return status;
    if (auto status = check_attributes(attributes); !status) return status;
    append_envelope(attributes, out);
    return {};
}

namespace {

// The member of an object, raw; empty when absent.
std::string_view member_of(std::string_view object, std::string_view quoted_name) {
    std::string_view found;
    if (object.empty()) return found;
    scan_members(object, [&](std::string_view key, std::string_view value) {
        if (key == quoted_name) found = value;
        return true;
    });
    return found;
}

// Whether an attribute in x-ce stands nowhere else in the envelope.
bool is_kept_apart(std::string_view name) {
    if (name == "subject" || name == "datacontenttype" || name == "dataschema") return true;
    return is_attribute_name(name) && name != "recordedtime" &&
           std::find(Attributes::kNames.begin(), Attributes::kNames.end(), name) ==
               Attributes::kNames.end();
}

void append_data(core::JsonWriter& json, std::string_view payload, std::string_view form) {
    if (payload.empty()) return;
    if (form == "\"value\"") {
        if (const auto data = member_of(payload, "\"data\""); !data.empty())
            json.raw_field("data", data);
    } else if (form == "\"base64\"") {
        if (const auto data = member_of(payload, "\"data_base64\""); !data.empty())
            json.raw_field("data_base64", data);
    } else {
        json.raw_field("data", payload);
    }
}

}  // namespace

void append_cloud_event(const core::Envelope& envelope, const CloudEventStamps& stamps,
                        std::string& out) {
    using Field = core::EnvelopeField;
    const std::string_view own = member_of(envelope.raw, "\"x-ce\"");
    const bool came_as_cloud_event = !own.empty() && own[0] == '{';
    const std::string_view type =
        envelope.source_type.empty() ? kDefaultSourceType : envelope.source_type;
    const std::string_view source =
        envelope.source_id.empty() ? kDefaultSourceId : envelope.source_id;
    core::JsonWriter json(out);
    json.begin_object().field("specversion", "1.0");
    json.field("id", envelope.has(Field::kEventId) ? envelope.event_id : stamps.event_id);
    json.field("source", came_as_cloud_event ? std::string(source)
                                             : "/" + std::string(type) + "/" + std::string(source));
    json.field("type", envelope.pattern);
    if (envelope.has(Field::kTimestamp))
        json.field("time", envelope.timestamp);
    else if (!came_as_cloud_event)
        json.field("time", core::format_timestamp(stamps.received_at_us));
    if (!envelope.correlation_id.empty()) json.field("correlationid", envelope.correlation_id);
    if (!envelope.causation_id.empty()) json.field("causationid", envelope.causation_id);
    if (!envelope.partition_key.empty()) json.field("partitionkey", envelope.partition_key);
    std::string_view form;
    if (came_as_cloud_event) {
        scan_members(own, [&](std::string_view key, std::string_view value) {
            const std::string_view name = unquoted(key);
            if (name == "data")
                form = value;
            else if (is_kept_apart(name))
                json.raw_field(name, value);
            return true;
        });
    } else {
        if (!envelope.payload.empty()) json.field("datacontenttype", "application/json");
        if (!envelope.context_type.empty()) json.field("contexttype", envelope.context_type);
        if (!envelope.context_id.empty()) json.field("contextid", envelope.context_id);
    }
    json.field("recordedtime", core::format_timestamp(stamps.received_at_us));
    append_data(json, envelope.payload, form);
    json.end_object();
}

}  // namespace millrace::runtime
