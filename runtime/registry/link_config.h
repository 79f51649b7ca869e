// What: words of links' configs that several of their peers share, and those of message queues that
//       others' clients read and write: kafka, amqp.
// Threads: pure. Lifetime: none. Limits: those of link.h. Failure: the reader's first error.
#pragma once

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/link.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kKafkaTopicBytesMax = 249;  // as Kafka has it

// What a change of a link is held against, and its row is not.
core::Status check_link_words(const LinkConfig& config);
// Texts that go to a peer as they are; but for the user, {{secrets.NAME}} and nothing beside it.
void read_link_secret(core::JsonObject& in, std::string_view name, std::string& out);
void read_link_host(core::JsonObject& in, LinkConfig& out);
// Whom TLS trusts, and whether there is any.
void read_link_ca(core::JsonObject& in, LinkConfig& out);
void read_link_tls(core::JsonObject& in, LinkConfig& out);
void append_link_tls(core::JsonWriter& json, const LinkConfig& config);
void append_link_login(core::JsonWriter& json, const LinkConfig& config);
// The event's pattern in a sink's subject or topic, as one that could stand there. False: it has
// more than one place for it.
bool fill_pattern_place(std::string& sample);

void read_kafka_config(core::JsonObject& in, LinkConfig& out);
void append_kafka_config(core::JsonWriter& json, const LinkConfig& config);
void read_amqp_config(core::JsonObject& in, const Link& link, LinkConfig& out);
void append_amqp_config(core::JsonWriter& json, const Link& link);

}  // namespace millrace::runtime
