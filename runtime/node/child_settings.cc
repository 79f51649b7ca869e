#include "runtime/node/child_settings.h"

#include "core/json_writer.h"

#include <algorithm>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kChildMemoryMin = 64LL << 20;

std::string host_of(std::string_view listen) {
    return std::string(listen.substr(0, listen.rfind(':')));
}

}  // namespace

std::string child_socket(const core::Config& config, std::size_t partition) {
    return config.data.dir + "/" + partition_folder(partition) + ".sock";
}

core::Config child_config(const core::Config& config, std::size_t partition,
                          std::size_t partitions_here) {
    core::Config out = config;
    out.data.dir = config.data.dir + "/" + partition_folder(partition);
    out.http.listen = "unix:" + child_socket(config, partition);
    // By whatever name clients call the node.
    std::string host = host_of(config.http.listen);
    if (host.starts_with('[') || host.empty()) host.clear();
    if (!host.empty()) out.http.hosts += (out.http.hosts.empty() ? "" : ",") + host;
    out.socket.listen.clear();
    out.socket.unix_path.clear();
    out.tls = {};
    out.cluster = {};
    out.cluster.ack = config.cluster.ack;  // it says so to those it answers
    out.engine.shards = 1;
    if (out.engine.lanes == 0) out.engine.lanes = 1;
    out.engine.call_lanes = std::min<std::int64_t>(out.engine.call_lanes, 2);
    out.engine.pin = false;
    out.console.enabled = false;
    if (out.memory.max != 0) {
        out.memory.max =
            std::max(kChildMemoryMin,
                     out.memory.max / std::int64_t(std::max<std::size_t>(partitions_here, 1)));
    }
    return out;
}

std::string config_text(const core::Config& config) {
    const core::Config standard;
    std::string out, section;
    for (const core::ConfigKey& key : core::config_keys()) {
        const std::string value = core::config_value_text(config, key);
        if (value == core::config_value_text(standard, key)) continue;
        if (key.section() != section) {
            section = key.section();
            out += "[" + section + "]\n";
        }
        out += std::string(key.name.substr(section.empty() ? 0 : section.size() + 1)) + " = ";
        const bool bare =
            key.type == core::ConfigType::kInteger || key.type == core::ConfigType::kBytes ||
            key.type == core::ConfigType::kReal || key.type == core::ConfigType::kBoolean;
        if (bare)
            out += value;
        else
            core::append_json_string(out, value);
        out += "\n";
    }
    return out;
}

std::string child_settings_line(const core::Config& config, const NodeSettings& settings,
                                const Meta& meta, std::size_t partition) {
    std::size_t here = 0;
    for (std::size_t p = 0; p < meta.partitions(); ++p)
        here += meta.has_copy(p, settings.node) ? 1 : 0;
    const core::Config own = child_config(config, partition, here);
    const auto nats_replicas =
        std::min<std::int64_t>(kNatsReplicasMax, std::int64_t(settings.nats.size()));
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("cluster", settings.cluster).field("partition", partition);
    json.field("partitions", meta.partitions()).field("partitionBy", meta.partition_by);
    json.field("node", settings.node).field("front", settings.advertise.to_string());
    json.key("replicas").begin_array();
    for (const std::string& node : meta.lists[partition]) json.value(node);
    json.end_array().key("peers").begin_array();
    for (const Member& member : meta.members) {
        if (member.node == settings.node) continue;
        json.begin_object().field("node", member.node);
        json.field("url", "http://" + member.url).end_object();
    }
    json.end_array().field("dir", own.data.dir).field("nats", config.cluster.nats);
    json.field("natsReplicas", nats_replicas).field("hashSeed", std::to_string(meta.hash_seed));
    json.field("ack", config.cluster.ack).field("leaseUs", config.cluster.lease_us);
    json.field("logBytes", config.cluster.log_bytes);
    json.field("allowOldNats", config.cluster.allow_old_nats).field("token", settings.token);
    json.field("config", config_text(own)).end_object();
    return out;
}

}  // namespace millrace::runtime::node
