#include "runtime/node/node_settings.h"

#include "core/listed.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

tl::unexpected<core::Error> refused(std::string_view key, std::string_view why) {
    const std::string name = "cluster." + std::string(key);
    return core::fail(core::Error(core::ErrorCode::kValidation, name + ": " + std::string(why))
                          .in(std::string(name)));
}

tl::unexpected<core::Error> not_together(std::string_view key, std::string_view why) {
    return core::fail(
        core::Error(core::ErrorCode::kNotSupported,
                    std::string(key) + ": " + std::string(why) + "; unset it, or cluster.name")
            .in(std::string(key)));
}

core::Status check_partition_by(std::string_view partition_by) {
    if (partition_by == "tenant" || partition_by == "key") return {};
    if (partition_by.empty()) {
        return refused("partition_by",
                       "say what decides the partition of an event, as it can not be changed "
                       "later: \"tenant\" or \"key\"");
    }
    return refused("partition_by", "'" + std::string(partition_by.substr(0, 32)) +
                                       "' is neither \"tenant\" nor \"key\"");
}

// What a cluster has no answer for is said before anything is taken.
core::Status check_the_rest(const core::Config& config) {
    if (config.secrets.key_file.empty()) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "secrets.key_file: is not set; every node reads what any of them has "
                        "sealed, so name a file that holds the same key on all of them")
                .in("secrets.key_file"));
    }
    if (config.secrets.key_file.front() != '/') {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "secrets.key_file: '" + config.secrets.key_file +
                                          "' is no absolute path; the processes of a node work in "
                                          "folders of their own")
                              .in("secrets.key_file"));
    }
    if (!config.hub.url.empty())
        return not_together("hub.url", "a node of a cluster is no edge of a hub");
    if (config.tls.client_auth != "off") {
        return not_together("tls.client_auth",
                            "clients of a cluster show keys, their certificates are not looked at");
    }
    if (!config.socket.unix_path.empty())
        return not_together("socket.unix", "the line protocol is not served in a cluster");
    if (config.store.durability != "fsync") {
        return not_together("store.durability",
                            "what a cluster acknowledges is on its owner's disk: fsync");
    }
    return {};
}

core::Status check_times(const core::ClusterConfig& cluster) {
    if (cluster.lease_us < cluster.node_timeout_us) return {};
    return refused("lease",
                   "must be shorter than cluster.node_timeout: an owner stops delivering before "
                   "another node takes its place");
}

bool read_whole(std::string_view text, std::int64_t& out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

}  // namespace

bool is_node_name(std::string_view text) {
    return !text.empty() && text.size() <= kNodeNameBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_';
           });
}

core::Result<NatsPlace> read_nats_place(std::string_view text) {
    constexpr std::string_view kScheme = "nats://";
    std::string_view rest = text;
    const auto wrong = [](std::string_view why) {
        // Not the text: a password may stand in it.
        return refused("nats", std::string(why) +
                                   "; expected nats://host:port or "
                                   "nats://user:password@host:port");
    };
    if (rest.starts_with("tls://"))
        return wrong("NATS is spoken to without TLS, tls:// is not there");
    if (!rest.starts_with(kScheme)) return wrong("a server does not begin with nats://");
    rest.remove_prefix(kScheme.size());
    NatsPlace place;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = rest.substr(0, at);
        rest.remove_prefix(at + 1);
        const auto colon = login.find(':');
        if (colon == std::string_view::npos) {
            place.token = login;
        } else {
            place.user = login.substr(0, colon);
            place.password = login.substr(colon + 1);
        }
    }
    const auto colon = rest.rfind(':');
    const bool bracket = colon != std::string_view::npos && rest.find(']', colon) != rest.npos;
    if (colon != std::string_view::npos && !bracket) {
        if (!read_whole(rest.substr(colon + 1), place.port) || place.port < 1 ||
            place.port > 65'535)
            return wrong("a port is no number from 1 to 65535");
        rest = rest.substr(0, colon);
    }
    if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
    if (rest.empty() || rest.find_first_of(" /?#") != std::string_view::npos)
        return wrong("a server has no host");
    place.host = rest;
    return place;
}

std::string nats_version_refusal(std::string_view version, bool allow_old) {
    constexpr std::array<std::int64_t, 3> kOldest = {2, 9, 22};
    std::array<std::int64_t, 3> found{};
    std::string_view rest = version.substr(0, version.find_first_of("-+ "));
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto dot = rest.find('.');
        if (!read_whole(rest.substr(0, dot), found[i])) {
            return "nats-server calls its version '" + std::string(version.substr(0, 32)) +
                   "', which does not read";
        }
        rest = dot == std::string_view::npos ? "0" : rest.substr(dot + 1);
    }
    if (allow_old || found >= kOldest) return {};
    return "nats-server " + std::string(version.substr(0, 32)) +
           " is older than 2.9.22: such have let two owners write and have lost what was "
           "acknowledged; upgrade it (2.12 with sync_interval: always is advised), or set "
           "cluster.allow_old_nats for a test";
}

core::Result<NodeSettings> read_node_settings(const core::Config& config) {
    const core::ClusterConfig& cluster = config.cluster;
    NodeSettings out;
    if (!is_node_name(cluster.name))
        return refused("name", "must be 1 to 32 letters, digits, - and _");
    if (!is_node_name(cluster.node))
        return refused("node", "must be 1 to 32 letters, digits, - and _, for this node alone");
    if (cluster.token.empty()) {
        return refused("token",
                       "is not set; nodes show it to each other: set MILLRACE_CLUSTER_TOKEN to "
                       "the same 32 random characters on all of them");
    }
    if (cluster.token.size() < kTokenBytesMin)
        return refused("token", "is shorter than 32 characters");
    if (!std::all_of(cluster.token.begin(), cluster.token.end(),
                     [](char c) { return c > ' ' && c < 0x7f; }))
        return refused("token", "holds something else than printable ASCII without blanks");
    if (auto ok = check_partition_by(cluster.partition_by); !ok)
        return core::fail(std::move(ok.error()));
    if (cluster.ack == "replicated-fsync" && cluster.replicas < 2) {
        return refused(
            "ack",
            "\"replicated-fsync\" waits for another node's disk, and cluster.replicas is "
            "1: there is no other copy");
    }
    if (auto ok = check_times(cluster); !ok) return core::fail(std::move(ok.error()));
    std::vector<std::string> servers;
    core::each_listed(cluster.nats, [&servers](std::string_view one) {
        if (!one.empty()) servers.emplace_back(one);
    });
    if (servers.empty()) return refused("nats", "is not set; name the servers of a NATS cluster");
    if (servers.size() > kNatsServersMax) return refused("nats", "names more than 16 servers");
    for (const std::string& server : servers) {
        auto place = read_nats_place(server);
        if (!place) return core::fail(std::move(place.error()));
        out.nats.push_back(std::move(*place));
    }
    auto advertise = io::Address::parse(cluster.advertise);
    if (!advertise || advertise->family == io::Address::Family::kUnix || advertise->port == 0)
        return refused("advertise", "must be IP:PORT, as 10.0.0.5:7080; names are not looked up");
    if (auto ok = check_the_rest(config); !ok) return core::fail(std::move(ok.error()));
    out.cluster = cluster.name;
    out.node = cluster.node;
    out.token = cluster.token;
    out.advertise = std::move(*advertise);
    return out;
}

}  // namespace millrace::runtime::node
