// What: a link: another system that events come from (a source) or go to (a sink, which
//       subscriptions name as their executor). What is known of its peer stands in `config`.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kLinksMax of a tenant; the constants below.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "matcher/subscription_spec.h"
#include "runtime/registry/registry_types.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kLinksMax = 1'000;
inline constexpr std::size_t kLinkTextBytesMax = 1'024;
inline constexpr std::size_t kLinkPositionBytesMax = 512;
inline constexpr std::size_t kLinkCaBytesMax = 64u << 10;
inline constexpr std::int64_t kLinkStreamItemsMax = 1'000'000'000'000;

enum class LinkDirection : std::uint8_t { kIn, kOut };
enum class LinkType : std::uint8_t { kFile, kRedis, kPostgres, kNats, kMqtt, kKafka, kAmqp };

// Of a sink: what it sends.
enum class LinkMode : std::uint8_t {
    kExecutor,  // deliveries of the subscriptions that name it
    kStream,    // by itself, in the order of the log, what config.pattern and config.filter take
};

// What a pattern of a source, or a subject of a sink, may hold: the message's, the event's.
inline constexpr std::string_view kLinkSubjectPlace = "{subject}";
inline constexpr std::string_view kLinkPatternPlace = "{pattern}";

// What a source's texts are.
enum class LinkFormat : std::uint8_t {
    kEnvelope,  // an event, as POST /v2/events takes it
    kPayload,   // a JSON object, the payload of an event of the link's pattern
    kText,      // anything in UTF-8: the payload's member "text"
    kFields,    // redis: the fields of an entry, as texts
};

struct LinkConfig {
    std::string path;        // file: absolute
    std::string connection;  // postgres-notify: the secret db.NAME holds its conninfo
    std::string channel;     // likewise
    std::string conninfo;    // of whoever connects; never in a document
    std::string host;        // redis and nats, and all below
    std::int64_t port = 6379;
    std::int64_t database = 0;
    std::string user;      // these three may hold {{secrets.NAME}}
    std::string password;  // and nothing but it: what is read over the API is no secret
    std::string token;     // nats; as password
    std::string stream;    // nats: empty where no JetStream is meant
    // nats, mqtt and kafka (a topic), amqp (a routing key): what is listened to, or filtered by,
    // or sent to
    std::string subject;
    std::string brokers;              // kafka: host:port, with commas between them
    std::string mechanism = "PLAIN";  // likewise: how user and password are shown
    // redis, nats, mqtt, kafka, amqp: by TLS, with a peer that `ca` vouches for (PEM; empty: whom
    // this machine trusts).
    bool tls = false;
    std::string ca;               // postgres-notify, too: where its conninfo asks for it
    std::string queue;            // amqp: what is read
    std::string exchange;         // amqp: what is written to; empty: the default one
    std::string vhost = "/";      // amqp
    bool ignore_ids = false;      // amqp: a message-id says nothing about a message
    std::string client;           // mqtt: who we are; empty: the link
    std::int64_t qos = 1;         // mqtt; of a source the highest that is asked for
    std::string field = "event";  // kEnvelope, kPayload, and a sink: where the text stands
    std::int64_t items_max = 0;   // a sink: about so many entries are kept; 0: all
    // Where a source begins: start, end, an id of redis, a number of nats. A stream: start, end.
    std::string from = "start";
    LinkFormat format = LinkFormat::kEnvelope;
    // Of a source's events, in all formats but kEnvelope; a stream: which events it sends.
    std::string pattern;
    std::string choice;  // a stream: its pattern as it was said, a text or {"type","value"}; JSON
    std::string filter;  // a stream: likewise, as a subscription's `filters` or `filter`; JSON
};

struct Link {
    LinkNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    LinkDirection direction = LinkDirection::kIn;
    LinkType type = LinkType::kFile;
    LinkConfig config;
    // What reshapes a source's events, and what a sink sends; empty: nothing does.
    std::string transform_script_id;
    ScriptNumber transform_script;
    LinkMode mode = LinkMode::kExecutor;
    // A stream's, by shard: what is before was there before it. A shard that is missing: all of it.
    std::vector<core::LogOffset> begin;
    bool fresh = true;  // no body has been read yet
    bool paused = false;
    // Each reset is one more, and says where to: what was read before does not count any more.
    std::uint32_t resets = 0;
    std::string reset_to;
    std::uint32_t resumes = 0;  // each is one more: where it had stopped it goes on
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

std::string_view link_type_text(LinkType type);
std::string_view link_direction_text(LinkDirection direction);
inline bool is_stream(const Link& link) { return link.mode == LinkMode::kStream; }
// Of a stream: what it takes.
core::Result<matcher::SubscriptionSpec> link_choice(const LinkConfig& config);

// Where a source may begin: start, end, or what its type knows.
core::Status check_link_place(const Link& link, std::string_view place);

}  // namespace millrace::runtime
