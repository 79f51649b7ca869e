#include "runtime/cluster/stream_config.h"

#include "core/json_writer.h"

namespace millrace::runtime::cluster {
namespace {

// Two digits at least, so that lists of streams are in order.
std::string partition_digits(std::uint32_t partition) {
    const std::string digits = std::to_string(partition);
    return digits.size() < 2 ? "0" + digits : digits;
}

}  // namespace

std::string stream_name(std::string_view cluster, std::uint32_t partition) {
    return "MR-" + std::string(cluster) + "-P" + partition_digits(partition);
}

std::string stream_subject(std::string_view cluster, std::uint32_t partition) {
    return "mr." + std::string(cluster) + ".p." + partition_digits(partition);
}

std::string synced_subject(std::string_view cluster, std::uint32_t partition) {
    return "mr." + std::string(cluster) + ".synced." + partition_digits(partition);
}

std::string stream_config(std::string_view name, std::string_view subject, std::uint32_t replicas,
                          std::uint64_t log_bytes) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("name", name).key("subjects").begin_array();
    json.value(subject).end_array();
    json.field("retention", "limits").field("storage", "file").field("discard", "old");
    json.field("num_replicas", replicas).field("max_bytes", log_bytes);
    json.field("max_msgs", -1).field("max_age", 0).field("max_msg_size", -1);
    json.field("max_consumers", -1);
    // Nothing of it goes but by its size, and nothing is let in twice by an id.
    json.field("deny_delete", true).field("deny_purge", true);
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::cluster
