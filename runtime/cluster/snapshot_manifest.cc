#include "runtime/cluster/snapshot_manifest.h"

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace millrace::runtime::cluster {
namespace {

constexpr std::string_view kPartitions = "/v2/cluster/partitions/", kSnapshot = "/snapshot";
constexpr std::size_t kIdBytesMax = 64;
constexpr std::size_t kOriginBytesMax = 256;

core::Error unreadable(std::string_view member) {
    return core::Error(core::ErrorCode::kValidation,
                       "a snapshot's manifest: " + std::string(member) + " does not read");
}

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= kIdBytesMax &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
           });
}

bool take(const core::JsonElement& root, std::string_view name, std::string& out,
          std::size_t bytes_max) {
    core::JsonElement member;
    std::string_view text;
    if (!root.find(name, member) || !member.get(text) || text.size() > bytes_max) return false;
    out = text;
    return true;
}

bool take(const core::JsonElement& root, std::string_view name, std::uint64_t& out) {
    core::JsonElement member;
    return root.find(name, member) && member.get(out);
}

bool take_wide(const core::JsonElement& root, std::string_view name, std::uint64_t& out) {
    std::string text;
    if (!take(root, name, text, 20)) return false;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
}

bool take_files(const core::JsonElement& root, store::Snapshot& out) {
    core::JsonElement member;
    core::JsonArray files;
    if (!root.find("files", member) || !member.get(files) ||
        files.size() > store::kSnapshotFilesMax)
        return false;
    std::uint64_t all = 0;
    for (const core::JsonElement item : files) {
        core::JsonArray pair;
        if (!item.get(pair) || pair.size() != 2) return false;
        auto it = pair.begin();
        std::string_view name;
        store::SnapshotFile file;
        if (!(*it).get(name) || !store::is_snapshot_name(name)) return false;
        ++it;
        if (!(*it).get(file.bytes) || all + file.bytes < all) return false;
        all += file.bytes;
        file.name = name;
        out.files.push_back(std::move(file));
    }
    return !out.files.empty();
}

}  // namespace

std::string SnapshotManifest::json() const {
    std::string out;
    core::JsonWriter json(out);
    const store::ReplicaPosition& at = snapshot.position;
    json.begin_object().field("id", id).field("sequence", at.sequence);
    json.field("createdUs", at.created_us).field("epoch", at.epoch).field("unit", at.unit);
    json.field("hash", std::to_string(at.hash)).field("origin", snapshot.origin);
    json.key("files").begin_array();
    for (const store::SnapshotFile& file : snapshot.files)
        json.begin_array().value(file.name).value(file.bytes).end_array();
    json.end_array().end_object();
    return out;
}

core::Result<SnapshotManifest> read_snapshot_manifest(std::string_view text) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    SnapshotManifest out;
    store::ReplicaPosition& at = out.snapshot.position;
    if (!root || !root->is_object()) return core::fail(unreadable("the document"));
    if (!take(*root, "id", out.id, kIdBytesMax) || !is_id(out.id))
        return core::fail(unreadable("id"));
    core::JsonElement created;
    if (!take(*root, "sequence", at.sequence) || !take(*root, "epoch", at.epoch) ||
        !take(*root, "unit", at.unit) || !take_wide(*root, "hash", at.hash) ||
        !root->find("createdUs", created) || !created.get(at.created_us))
        return core::fail(unreadable("the position"));
    if (!take(*root, "origin", out.snapshot.origin, kOriginBytesMax))
        return core::fail(unreadable("origin"));
    if (!take_files(*root, out.snapshot)) return core::fail(unreadable("files"));
    return out;
}

std::string SnapshotPath::text() const {
    std::string out(kPartitions);
    out.append(std::to_string(partition)).append(kSnapshot);
    if (!id.empty()) out.append("/").append(id);
    return out;
}

std::optional<SnapshotPath> read_snapshot_path(std::string_view path) {
    if (!path.starts_with(kPartitions)) return std::nullopt;
    path.remove_prefix(kPartitions.size());
    SnapshotPath out;
    const auto read = std::from_chars(path.data(), path.data() + path.size(), out.partition);
    if (read.ec != std::errc()) return std::nullopt;
    path.remove_prefix(static_cast<std::size_t>(read.ptr - path.data()));
    if (!path.starts_with(kSnapshot)) return std::nullopt;
    path.remove_prefix(kSnapshot.size());
    if (path.empty()) return out;
    if (path.front() != '/' || !is_id(path.substr(1))) return std::nullopt;
    out.id = path.substr(1);
    return out;
}

std::string snapshot_socket(std::string_view folder) { return std::string(folder) + ".copy"; }

}  // namespace millrace::runtime::cluster
