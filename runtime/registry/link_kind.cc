// Links as documents: their body, their row.
#include "core/json_reader.h"
#include "core/limits.h"
#include "io/mqtt_codec.h"
#include "io/nats_codec.h"
#include "runtime/event/own_events.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/executor_body.h"
#include "runtime/registry/link.h"
#include "runtime/registry/link_config.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, LinkDirection>, 2> kLinkDirections = {
    {{"in", LinkDirection::kIn}, {"out", LinkDirection::kOut}}};
constexpr std::array<std::pair<std::string_view, LinkType>, 7> kLinkTypes = {
    {{"file", LinkType::kFile},
     {"redis", LinkType::kRedis},
     {"postgres-notify", LinkType::kPostgres},
     {"nats", LinkType::kNats},
     {"mqtt", LinkType::kMqtt},
     {"kafka", LinkType::kKafka},
     {"amqp", LinkType::kAmqp}}};
constexpr std::array<std::pair<std::string_view, LinkMode>, 2> kLinkModes = {
    {{"executor", LinkMode::kExecutor}, {"stream", LinkMode::kStream}}};
constexpr std::array<std::pair<std::string_view, LinkFormat>, 4> kLinkFormats = {
    {{"envelope", LinkFormat::kEnvelope},
     {"payload", LinkFormat::kPayload},
     {"text", LinkFormat::kText},
     {"fields", LinkFormat::kFields}}};
constexpr std::array<std::string_view, 2> kLinkReplacedWhole = {"config.filter", "config.pattern"};

template <typename Enum, std::size_t N>
std::string_view link_word(const std::array<std::pair<std::string_view, Enum>, N>& choices,
                           Enum value) {
    return choices[static_cast<std::size_t>(value)].first;
}

void read_file_config(JsonObject& in, LinkConfig& out) {
    in.text("path", out.path,
            {.presence = Presence::kRequired, .bytes_min = 2, .bytes_max = kLinkTextBytesMax});
    if (in.ok() && (!out.path.starts_with('/') || out.path.ends_with('/') ||
                    out.path.find('\0') != std::string::npos))
        in.refuse("path", "must be the absolute path of a file");
}

void read_redis_config(JsonObject& in, const Link& link, LinkConfig& out) {
    read_link_tls(in, out);
    read_link_host(in, out);
    in.integer("database", out.database, 0, 65'535);
    in.text("stream", out.stream,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kLinkTextBytesMax});
    in.text("field", out.field, {.bytes_min = 1, .bytes_max = 256});
    if (link.direction == LinkDirection::kOut)
        in.integer("maxLength", out.items_max, 0, kLinkStreamItemsMax);
}

void read_nats_config(JsonObject& in, const Link& link, LinkConfig& out) {
    out.port = 4222;
    read_link_tls(in, out);
    read_link_host(in, out);
    read_link_secret(in, "token", out.token);
    in.text("stream", out.stream, {.bytes_max = 255});
    if (!out.stream.empty() && !io::is_nats_name(out.stream))
        in.refuse("stream", "is no name of a stream: no blanks, dots, stars or slashes");
    in.text("subject", out.subject, {.bytes_max = io::kNatsSubjectBytesMax / 2});
    if (link.direction == LinkDirection::kIn) {
        if (out.subject.empty() && out.stream.empty())
            in.refuse("stream", "is required, or a subject: what is read");
        if (!out.subject.empty() && !io::is_nats_subject(out.subject, io::NatsWildcards::kAllowed))
            in.refuse("subject", "is none: parts between dots, without blanks, the last may be >");
        return;
    }
    std::string sample = out.subject;
    if (!fill_pattern_place(sample) || !io::is_nats_subject(sample, io::NatsWildcards::kRefused))
        in.refuse("subject",
                  "is required: parts between dots, without blanks and stars; "
                  "{pattern} stands for the event's pattern");
}

void read_mqtt_config(JsonObject& in, const Link& link, LinkConfig& out) {
    read_link_tls(in, out);
    out.port = out.tls ? 8883 : 1883;
    read_link_host(in, out);
    in.text("clientId", out.client, {.bytes_max = 128});
    // Of a sink: one that says nothing back can fail no delivery.
    in.integer("qos", out.qos, link.direction == LinkDirection::kIn ? 0 : 1, 2);
    in.text("topic", out.subject,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kLinkTextBytesMax});
    if (!in.ok()) return;
    std::string sample = out.subject;
    const bool reads = link.direction == LinkDirection::kIn;
    const bool good = reads ? io::is_mqtt_topic(sample, io::MqttWildcards::kAllowed)
                            : fill_pattern_place(sample) &&
                                  io::is_mqtt_topic(sample, io::MqttWildcards::kRefused);
    if (!good)
        in.refuse("topic", reads ? "is no filter: + is a whole level, # the last one"
                                 : "is none: no + and no #; {pattern} stands for the event's "
                                   "pattern");
}

void read_postgres_config(JsonObject& in, LinkConfig& out) {
    in.text("connection", out.connection,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kResourceIdBytesMax});
    // What PostgreSQL keeps of a name.
    in.text("channel", out.channel,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = 63});
    read_link_ca(in, out);
}

// Of what is told only while somebody listens there is no place to begin at.
bool link_has_places(LinkType type, const LinkConfig& config) {
    return type != LinkType::kPostgres && type != LinkType::kMqtt && type != LinkType::kAmqp &&
           (type != LinkType::kNats || !config.stream.empty());
}

void read_source_config(JsonObject& in, const Link& link, LinkConfig& out) {
    std::string from;
    if (link_has_places(link.type, out) &&
        in.text("from", from, {.bytes_max = kLinkPositionBytesMax})) {
        // The place is one of what is being read here.
        Link reads = link;
        reads.config = out;
        if (auto known = check_link_place(reads, from); !known)
            in.refuse("from", known.error().message);
        out.from = from;
    }
    in.choice("format", out.format, kLinkFormats);
    if (out.format == LinkFormat::kFields && link.type != LinkType::kRedis)
        in.refuse("format",
                  "is \"fields\", which is for redis; others have envelope, payload or text");
    in.text("pattern", out.pattern, {.bytes_min = 1, .bytes_max = core::kPatternBytesMax});
    if (out.format == LinkFormat::kEnvelope && !out.pattern.empty())
        in.refuse("pattern", "is what each envelope says itself");
    if (out.format != LinkFormat::kEnvelope && out.pattern.empty())
        in.refuse("pattern", "is required: the pattern of the link's events");
    if (is_own_event(out.pattern)) in.refuse("pattern", kOwnEventsText);
    if (link.type != LinkType::kNats && link.type != LinkType::kMqtt &&
        link.type != LinkType::kAmqp && out.pattern.find(kLinkSubjectPlace) != std::string::npos)
        in.refuse("pattern", "has {subject}, which only messages of nats, mqtt and amqp have");
}

// As a subscription has it: a text, or an object that says what it is.
void read_stream_pattern(JsonObject& in, LinkConfig& out) {
    const auto given = in.any("pattern");
    if (const auto inner = given && given->is_object() ? in.object("pattern") : std::nullopt) {
        JsonObject members = *inner;
        members.text("value", out.pattern, {.bytes_max = core::kPatternBytesMax});
        in.join(members);
        core::append_json(out.choice, *given);
        return;
    }
    in.text("pattern", out.pattern, {.bytes_min = 1, .bytes_max = core::kPatternBytesMax});
    core::append_json_string(out.choice, out.pattern);
}

// What of the log a stream sends: as a subscription says it.
void read_stream_config(JsonObject& in, LinkConfig& out) {
    out.from = "end";
    if (in.text("from", out.from, {.bytes_max = 16}) && out.from != "start" && out.from != "end")
        in.refuse("from", "is \"" + out.from + "\"; expected start or end");
    out.pattern = "*";
    read_stream_pattern(in, out);
    if (const auto filter = in.any("filter"); filter && !filter->is_null())
        core::append_json(out.filter, *filter);
    if (!in.ok()) return;
    if (auto chosen = link_choice(out); !chosen) {
        const bool of_pattern = chosen.error().field.starts_with("pattern");
        in.refuse(of_pattern ? "pattern" : "filter", chosen.error().message);
    }
}

// `transform` is read as the word that sources and webhooks have for it.
void read_link_transform(JsonObject& in, Link& out) {
    for (const std::string_view name : {"transformScriptId", "transform"})
        in.text(name, out.transform_script_id, {.bytes_max = kResourceIdBytesMax});
}

core::Status read_link(std::string_view body, Link& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    const Presence needed = out.fresh ? Presence::kRequired : Presence::kOptional;
    in->choice("direction", out.direction, kLinkDirections, needed);
    in->choice("type", out.type, kLinkTypes, needed);
    read_link_transform(*in, out);
    if (in->choice("mode", out.mode, kLinkModes) && is_stream(out) &&
        out.direction == LinkDirection::kIn)
        in->refuse("mode", "is \"stream\", which is for sinks");
    // What does not fit the type is no member of it.
    if (auto config = in->object("config", needed); config && in->ok()) {
        LinkConfig next;
        if (out.type == LinkType::kFile) read_file_config(*config, next);
        if (out.type == LinkType::kRedis) read_redis_config(*config, out, next);
        if (out.type == LinkType::kPostgres) read_postgres_config(*config, next);
        if (out.type == LinkType::kNats) read_nats_config(*config, out, next);
        if (out.type == LinkType::kMqtt) read_mqtt_config(*config, out, next);
        if (out.type == LinkType::kKafka) read_kafka_config(*config, next);
        if (out.type == LinkType::kAmqp) read_amqp_config(*config, out, next);
        if (out.direction == LinkDirection::kIn) read_source_config(*config, out, next);
        if (is_stream(out)) read_stream_config(*config, next);
        (void)config->finish();
        in->join(*config);
        out.config = std::move(next);
    }
    out.fresh = false;
    (void)in->any("status");  // what it is at: shown beside the document
    read_over_server_members(*in);
    return in->finish();
}

void append_link_config(core::JsonWriter& json, const Link& link) {
    const LinkConfig& config = link.config;
    json.key("config").begin_object();
    if (link.type == LinkType::kFile) json.field("path", config.path);
    if (link.type == LinkType::kPostgres) {
        json.field("connection", config.connection).field("channel", config.channel);
        if (!config.ca.empty()) json.field("ca", config.ca);
    }
    if (!config.host.empty()) {
        json.field("host", config.host).field("port", config.port);
        append_link_login(json, config);
    }
    if (link.type == LinkType::kNats) {
        append_link_tls(json, config);
        if (!config.stream.empty()) json.field("stream", config.stream);
        if (!config.subject.empty()) json.field("subject", config.subject);
    }
    if (link.type == LinkType::kKafka) append_kafka_config(json, config);
    if (link.type == LinkType::kAmqp) append_amqp_config(json, link);
    if (link.type == LinkType::kMqtt) {
        append_link_tls(json, config);
        if (!config.client.empty()) json.field("clientId", config.client);
        json.field("topic", config.subject);
        json.field("qos", config.qos);
    }
    if (link.type == LinkType::kRedis) {
        append_link_tls(json, config);
        json.field("database", config.database);
        json.field("stream", config.stream).field("field", config.field);
        if (link.direction == LinkDirection::kOut) json.field("maxLength", config.items_max);
    }
    if (link.direction == LinkDirection::kIn) {
        if (link_has_places(link.type, config)) json.field("from", config.from);
        json.field("format", link_word(kLinkFormats, config.format));
        if (!config.pattern.empty()) json.field("pattern", config.pattern);
    }
    if (is_stream(link)) {
        json.field("from", config.from).raw_field("pattern", config.choice);
        if (!config.filter.empty()) json.raw_field("filter", config.filter);
    }
    json.end_object();
}

std::string show_link(const Link& link) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", link.id).field("name", link.name);
    json.field("direction", link_direction_text(link.direction));
    json.field("type", link_type_text(link.type));
    append_link_config(json, link);
    if (link.direction == LinkDirection::kOut) json.field("mode", link_word(kLinkModes, link.mode));
    if (!link.transform_script_id.empty())
        json.field("transformScriptId", link.transform_script_id);
    json.field("paused", link.paused);
    append_document_times(json, link.version, link.created_at_us, link.updated_at_us);
    json.end_object();
    return out;
}

// Where it was read to says nothing about another place.
bool reads_the_same(const Link& one, const Link& other) {
    const LinkConfig &a = one.config, &b = other.config;
    return a.path == b.path && a.host == b.host && a.port == b.port && a.database == b.database &&
           a.stream == b.stream && a.subject == b.subject && a.connection == b.connection &&
           a.channel == b.channel && a.client == b.client && a.queue == b.queue &&
           a.vhost == b.vhost;
}

core::Status settle_link(const Link* old, const ChangeContext& context, Link& next) {
    if (auto good = check_link_words(next.config); !good) return good;
    if (!old) {
        if (is_stream(next) && next.config.from == "end") next.begin = context.log_ends;
        return {};
    }
    next.begin = old->begin;
    next.paused = old->paused;
    next.resets = old->resets;
    next.reset_to = old->reset_to;
    next.resumes = old->resumes;
    const auto refuse = [](std::string_view member, std::string what) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, std::string(member) + ": " + std::move(what))
                .in(std::string(member)));
    };
    if (old->direction != next.direction || old->type != next.type)
        return refuse(old->type == next.type ? "direction" : "type",
                      "stays what it was; make another link");
    if (old->mode != next.mode) return refuse("mode", "stays what it was; make another link");
    if (next.direction == LinkDirection::kIn && !reads_the_same(*old, next))
        return refuse("config",
                      "where a source reads stays what it was: its position says nothing "
                      "about another place; make another link");
    return {};
}

// A stream's copy begins, and begins anew, at places of this folder's log.
core::Status adopt_link(const Link* old, const ChangeContext& context, Link& next) {
    if (!is_stream(next)) return {};
    if (old && old->resets == next.resets) {
        next.begin = old->begin;
        return {};
    }
    const std::string& from = next.resets > 0 ? next.reset_to : next.config.from;
    next.begin = from == "end" ? context.log_ends : LogEnds{};
    return {};
}

void write_link_row(core::JsonWriter& json, const Link& link) {
    json.field("pausedNow", link.paused).field("resets", link.resets);
    json.field("resetTo", link.reset_to);
    if (link.resumes > 0) json.field("resumes", link.resumes);
    if (link.begin.empty()) return;
    json.key("begin").begin_array();
    for (const core::LogOffset offset : link.begin) json.value(offset.value);
    json.end_array();
}

void read_link_row(JsonObject& row, Link& out) {
    row.boolean("pausedNow", out.paused);
    row.integer_as("resets", out.resets, 0, UINT32_MAX);
    row.text("resetTo", out.reset_to);
    row.integer_as("resumes", out.resumes, 0, UINT32_MAX);
    core::JsonArray begin;
    if (const auto found = row.any("begin"); found && found->get(begin)) {
        for (const core::JsonElement item : begin) {
            std::int64_t offset = 0;
            if (!item.get(offset) || offset < 0) return row.refuse("begin", "is damaged");
            out.begin.emplace_back(static_cast<std::uint64_t>(offset));
        }
    }
}

constexpr DocumentKind<Link> kLinkKind = {
    .name = "link",
    .id_prefix = "lnk_",
    .documents_max = kLinksMax,
    .quota = identity::Quota::kLinks,
    .replaced_whole = kLinkReplacedWhole,
    .read = read_link,
    .show = show_link,
    .settle = settle_link,
    .write_row = write_link_row,
    .read_row = read_link_row,
    .references =
        [](const Link& link, const VisitReference& visit) {
            if (!link.transform_script_id.empty())
                visit({"script", link.transform_script_id, "transformScriptId",
                       link.transform_script.value});
        },
    .link = [](const DocumentReference& found,
               Link& next) { next.transform_script = ScriptNumber(found.number); },
    .adopt = adopt_link,
};

bool is_redis_entry_id(std::string_view text) {
    const std::size_t dash = text.find('-');
    const auto is_number = [](std::string_view digits) {
        return !digits.empty() && digits.size() <= 20 &&
               digits.find_first_not_of("0123456789") == std::string_view::npos;
    };
    return dash != std::string_view::npos && is_number(text.substr(0, dash)) &&
           is_number(text.substr(dash + 1));
}

// 18 digits are within what any reader of numbers takes.
bool is_nats_sequence(std::string_view text) {
    return !text.empty() && text.size() <= 18 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string_view link_type_text(LinkType type) { return link_word(kLinkTypes, type); }

std::string_view link_direction_text(LinkDirection direction) {
    return link_word(kLinkDirections, direction);
}

core::Result<matcher::SubscriptionSpec> link_choice(const LinkConfig& config) {
    std::string pattern = config.choice;
    if (pattern.empty()) core::append_json_string(pattern, config.pattern);
    const bool text = config.filter.starts_with('"');
    return matcher::parse_subscription({.pattern = pattern,
                                        .filters = text ? std::string_view() : config.filter,
                                        .filter = text ? config.filter : std::string_view(),
                                        .form = {},
                                        .priority = {}});
}

core::Status check_link_place(const Link& link, std::string_view place) {
    if (is_stream(link)) {
        if (place == "start" || place == "end") return {};
        return core::fail(core::ErrorCode::kValidation,
                          "is \"" + std::string(place.substr(0, 64)) + "\"; expected start or end");
    }
    if (!link_has_places(link.type, link.config)) {
        return core::fail(core::ErrorCode::kValidation,
                          "is no place: only what comes while the link listens is told");
    }
    if (place == "start" || place == "end") return {};
    const bool redis = link.type == LinkType::kRedis, nats = link.type == LinkType::kNats;
    if (redis && is_redis_entry_id(place)) return {};
    if (nats && is_nats_sequence(place)) return {};
    const std::string_view others =
        redis  ? ", end or the id of an entry (1700000000000-0), which is the last one that is not "
                 "read"
        : nats ? ", end or the number of a message, which is the last one that is not read"
               : " or end";
    return core::fail(core::ErrorCode::kValidation, "is \"" + std::string(place.substr(0, 64)) +
                                                        "\"; expected start" + std::string(others));
}

template <>
const DocumentKind<Link>& document_kind<Link>() {
    return kLinkKind;
}

}  // namespace millrace::runtime
