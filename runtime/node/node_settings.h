// What: [cluster] read and checked: what a node must know before it may join, with all that is
//       refused in words, and what else of the configuration a cluster does not go with.
// Threads: pure. Lifetime: values.
// Limits: kNatsServersMax servers, kTokenBytesMin of the token.
// Failure: kValidation that names the key; kNotSupported for what no cluster has.
#pragma once

#include "core/config.h"
#include "core/result.h"
#include "io/address.h"
#include "runtime/links/nats_connection.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::size_t kNatsServersMax = 16;
inline constexpr std::int64_t kNatsReplicasMax = 3;  // of a stream
inline constexpr std::size_t kTokenBytesMin = 32;
inline constexpr std::size_t kNodeNameBytesMax = 32;

struct NodeSettings {
    std::string cluster;
    std::string node;
    std::string token;
    std::vector<NatsPlace> nats;
    io::Address advertise;
};

// Whether this process is a node of a cluster.
inline bool is_clustered(const core::Config& config) { return !config.cluster.name.empty(); }

core::Result<NodeSettings> read_node_settings(const core::Config& config);

// Letters, digits, - and _: it stands in subjects, folders and headers.
bool is_node_name(std::string_view text);
// nats://[user[:password]@]host[:port]
core::Result<NatsPlace> read_nats_place(std::string_view text);
// What a server that calls itself so is refused for; empty: nothing.
std::string nats_version_refusal(std::string_view version, bool allow_old);

}  // namespace millrace::runtime::node
