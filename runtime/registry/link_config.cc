#include "runtime/registry/link_config.h"

#include "io/tls/client_tls.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/executor_body.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::string_view, 3> kKafkaMechanisms = {"PLAIN", "SCRAM-SHA-256",
                                                              "SCRAM-SHA-512"};
constexpr std::size_t kKafkaBrokersMax = 32;
constexpr std::size_t kAmqpNameBytesMax = 255;  // as AMQP has it

// host:port, or [2001:db8::1]:port.
bool is_kafka_broker(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const std::string_view host = text.substr(0, colon), port = text.substr(colon + 1);
    const bool bare = host.find(':') == std::string_view::npos;
    if (!bare && !(host.starts_with('[') && host.ends_with(']'))) return false;
    const auto stands_alone = [](char c) { return c <= ' ' || c == '/' || c == '@' || c == ','; };
    if (host.size() > 255 || std::any_of(host.begin(), host.end(), stands_alone)) return false;
    unsigned number = 0;
    const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
    return read.ec == std::errc() && read.ptr == port.data() + port.size() && number >= 1 &&
           number <= 65'535;
}

// Empty: they are; else what is wrong with them.
std::string wrong_kafka_brokers(std::string_view text) {
    for (std::size_t count = 1; count <= kKafkaBrokersMax; ++count) {
        const std::size_t comma = text.find(',');
        const std::string_view one = text.substr(0, comma);
        // What is called a user may have a password beside it.
        const bool tells = one.find('@') == std::string_view::npos;
        if (!is_kafka_broker(one))
            return (tells ? "has \"" + std::string(one.substr(0, 64)) + "\""
                          : std::string("names a user")) +
                   "; expected host:port with commas between them, without a scheme and blanks, "
                   "an IPv6 address in brackets: [::1]:9092";
        if (comma == std::string_view::npos) return {};
        text.remove_prefix(comma + 1);
    }
    return "names more than " + std::to_string(kKafkaBrokersMax) + " brokers";
}

bool is_ipv6_address(const std::string& text) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// Rows are not held against this: what was taken once stays readable.
std::string wrong_host(const std::string& host) {
    constexpr std::string_view kExpected =
        "; expected the name of a host or its address alone: peer.example, 10.0.0.1 or ::1";
    if (host.find(':') == std::string::npos || is_ipv6_address(host)) return {};
    return "is \"" + host.substr(0, 64) + "\", with a port" + std::string(kExpected) +
           "; the port stands in \"port\"";
}

bool is_link_host(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '/' || c == '@' || c == '[' || c == ']';
    });
}

bool is_kafka_topic(std::string_view text) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    };
    return text != "." && text != ".." && std::all_of(text.begin(), text.end(), good);
}

}  // namespace

core::Status check_link_words(const LinkConfig& config) {
    const auto refuse = [](std::string_view member, const std::string& why) {
        return core::fail(core::Error(core::ErrorCode::kValidation, std::string(member) + " " + why)
                              .in(std::string(member)));
    };
    if (const std::string why = wrong_host(config.host); !why.empty())
        return refuse("config.host", why);
    if (config.connection.empty() || is_resource_id(config.connection)) return {};
    return refuse(
        "config.connection",
        "is no name; expected NAME, where the secret db.NAME holds the conninfo "
        "(millrace secret set db.NAME): what stands here is shown to whoever reads links");
}

void read_link_secret(JsonObject& in, std::string_view name, std::string& out) {
    if (!in.text(name, out, {.bytes_max = kLinkTextBytesMax})) return;
    auto filled = fill_secrets(out, [](std::string_view) { return core::Result<std::string>(""); });
    if (!filled) return in.refuse(name, filled.error().message);
    if (name != "user" && !filled->empty())
        in.refuse(name,
                  "must be {{secrets.NAME}}: what stands here is shown to whoever reads links");
}

void read_link_host(JsonObject& in, LinkConfig& out) {
    in.text("host", out.host, {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = 255});
    // As URLs have it.
    if (out.host.starts_with('[') && out.host.ends_with(']')) {
        std::string bare = out.host.substr(1, out.host.size() - 2);
        if (is_ipv6_address(bare)) out.host = std::move(bare);
    }
    // Not the text of an URL: a password may stand in it.
    if (in.ok() && out.host.find("://") != std::string::npos)
        in.refuse("host",
                  "is a URL; expected the name of a host or its address alone: peer.example, "
                  "10.0.0.1 or ::1; the port stands in \"port\", \"user\", \"password\" and "
                  "\"tls\" beside it");
    if (in.ok() && !is_link_host(out.host))
        in.refuse("host",
                  "is no name of a host and no address: no blanks, slashes, @ and brackets; "
                  "expected something like peer.example, 10.0.0.1 or ::1");
    in.integer("port", out.port, 1, 65'535);
    read_link_secret(in, "user", out.user);
    read_link_secret(in, "password", out.password);
}

void read_link_ca(JsonObject& in, LinkConfig& out) {
    if (!in.text("ca", out.ca, {.bytes_max = kLinkCaBytesMax}) || out.ca.empty()) return;
    if (auto good = io::check_authorities(out.ca); !good) in.refuse("ca", good.error().message);
}

void read_link_tls(JsonObject& in, LinkConfig& out) {
    in.boolean("tls", out.tls);
    read_link_ca(in, out);
    if (!out.ca.empty() && !out.tls)
        in.refuse("ca", "is whom TLS trusts, which is off: \"tls\": true");
}

void append_link_tls(core::JsonWriter& json, const LinkConfig& config) {
    json.field("tls", config.tls);
    if (!config.ca.empty()) json.field("ca", config.ca);
}

void append_link_login(core::JsonWriter& json, const LinkConfig& config) {
    if (!config.user.empty()) json.field("user", config.user);
    if (!config.password.empty()) json.field("password", config.password);
    if (!config.token.empty()) json.field("token", config.token);
}

bool fill_pattern_place(std::string& sample) {
    if (const std::size_t at = sample.find(kLinkPatternPlace); at != std::string::npos)
        sample.replace(at, kLinkPatternPlace.size(), "p");
    return sample.find(kLinkPatternPlace) == std::string::npos;
}

// ---- kafka

void read_kafka_config(JsonObject& in, LinkConfig& out) {
    in.text("brokers", out.brokers,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kLinkTextBytesMax});
    if (in.ok()) {
        if (const std::string why = wrong_kafka_brokers(out.brokers); !why.empty())
            in.refuse("brokers", why);
    }
    in.text("topic", out.subject,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kKafkaTopicBytesMax});
    if (in.ok() && !is_kafka_topic(out.subject))
        in.refuse("topic", "is no name of a topic: letters, digits, dots, dashes, underscores");
    read_link_secret(in, "user", out.user);
    read_link_secret(in, "password", out.password);
    in.text("mechanism", out.mechanism, {.bytes_max = 32});
    if (in.ok() && std::find(kKafkaMechanisms.begin(), kKafkaMechanisms.end(), out.mechanism) ==
                       kKafkaMechanisms.end())
        in.refuse("mechanism", "is \"" + out.mechanism +
                                   "\"; expected one of: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512");
    read_link_tls(in, out);
}

void append_kafka_config(core::JsonWriter& json, const LinkConfig& config) {
    json.field("brokers", config.brokers).field("topic", config.subject);
    append_link_login(json, config);
    if (!config.user.empty()) json.field("mechanism", config.mechanism);
    append_link_tls(json, config);
}

// ---- amqp

void read_amqp_config(JsonObject& in, const Link& link, LinkConfig& out) {
    read_link_tls(in, out);
    out.port = out.tls ? 5671 : 5672;
    read_link_host(in, out);
    in.text("vhost", out.vhost, {.bytes_min = 1, .bytes_max = kAmqpNameBytesMax});
    if (link.direction == LinkDirection::kIn) {
        in.text("queue", out.queue,
                {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kAmqpNameBytesMax});
        in.boolean("ignoreMessageIds", out.ignore_ids);
        return;
    }
    in.text("exchange", out.exchange, {.bytes_max = kAmqpNameBytesMax});
    in.text("routingKey", out.subject,
            {.presence = Presence::kRequired, .bytes_max = kAmqpNameBytesMax});
    if (std::string sample = out.subject; !fill_pattern_place(sample))
        in.refuse("routingKey", "has {pattern} more than once");
}

void append_amqp_config(core::JsonWriter& json, const Link& link) {
    append_link_tls(json, link.config);
    json.field("vhost", link.config.vhost);
    if (link.direction == LinkDirection::kIn)
        json.field("queue", link.config.queue).field("ignoreMessageIds", link.config.ignore_ids);
    else
        json.field("exchange", link.config.exchange).field("routingKey", link.config.subject);
}

}  // namespace millrace::runtime
