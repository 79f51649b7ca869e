// What a partition's process is told first.
#include "core/json_reader.h"
#include "core/key_hash.h"
#include "runtime/cluster/stream_config.h"
#include "runtime/node/partition_process.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kConfigBytesMax = 512u << 10;

core::Result<NatsPlace> read_place(std::string_view text) {
    const auto refuse = [&](std::string_view why) {
        return core::fail(core::ErrorCode::kValidation,
                          "cluster.nats: \"" + std::string(text) + "\" " + std::string(why) +
                              "; expected nats://[user:password@]host:port");
    };
    std::string_view rest = text;
    constexpr std::string_view kScheme = "nats://";
    if (!rest.starts_with(kScheme)) return refuse("is no address of NATS");
    rest.remove_prefix(kScheme.size());
    NatsPlace place;
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        const std::string_view login = rest.substr(0, at);
        const std::size_t colon = login.find(':');
        if (colon == std::string_view::npos) {
            place.token = login;
        } else {
            place.user = login.substr(0, colon);
            place.password = login.substr(colon + 1);
        }
        rest.remove_prefix(at + 1);
    }
    const std::size_t colon = rest.rfind(':');
    place.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) {
        const std::string_view port = rest.substr(colon + 1);
        const auto read = std::from_chars(port.data(), port.data() + port.size(), place.port);
        if (read.ec != std::errc() || read.ptr != port.data() + port.size() || place.port < 1 ||
            place.port > 65'535)
            return refuse("has a port that is none");
    }
    if (place.host.empty()) return refuse("names no host");
    return place;
}

}  // namespace

core::Result<std::vector<NatsPlace>> read_nats_places(std::string_view list) {
    std::vector<NatsPlace> out;
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        std::string_view one = list.substr(0, comma);
        list.remove_prefix(std::min(comma + 1, list.size()));
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
        auto place = read_place(one);
        if (!place) return core::fail(std::move(place.error()));
        out.push_back(std::move(*place));
    }
    if (out.empty())
        return core::fail(core::ErrorCode::kValidation, "cluster.nats names no server of NATS");
    return out;
}

std::uint64_t store_seed(const PartitionOrder& order) {
    return order.by_key ? core::mix_u64(order.hash_seed, order.partition + 1) : order.hash_seed;
}

core::Result<PartitionOrder> read_partition_order(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "order");
    if (!in) return core::fail(std::move(in.error()));
    constexpr core::TextRules kRequired{.presence = core::Presence::kRequired, .bytes_min = 1};
    PartitionOrder out;
    std::string seed;
    in->text("cluster", out.cluster, kRequired);
    in->integer_as("partition", out.partition, 0, cluster::kPartitionsMax - 1,
                   core::Presence::kRequired);
    in->text("node", out.node, kRequired);
    in->text("url", out.url);
    in->text("dir", out.dir, kRequired);
    in->text("nats", out.nats, kRequired);
    in->text("hashSeed", seed, kRequired);
    in->integer("leaseUs", out.lease_us, 100'000, 600'000'000);
    in->boolean("allowOldNats", out.allow_old_nats);
    if (in->text("ack", out.ack) && out.ack != "replicated" && out.ack != "replicated-fsync")
        in->refuse("ack", "is none of replicated, replicated-fsync");
    in->text("token", out.token);
    in->text("config", out.config, {.bytes_max = kConfigBytesMax});
    std::string by;
    in->integer_as("partitions", out.partitions, 1, cluster::kPartitionsMax);
    if (in->text("partitionBy", by) && by != "tenant" && by != "key")
        in->refuse("partitionBy", "is none of tenant, key");
    out.by_key = by == "key";
    in->text("front", out.front);
    // What the node knows of all partitions.
    for (const std::string_view other : {"replicas", "peers", "natsReplicas", "logBytes"})
        (void)in->any(other);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    const auto read = std::from_chars(seed.data(), seed.data() + seed.size(), out.hash_seed);
    if (read.ec != std::errc() || read.ptr != seed.data() + seed.size())
        return core::fail(core::ErrorCode::kValidation, "order: hashSeed is no number");
    return out;
}

}  // namespace millrace::runtime::node
