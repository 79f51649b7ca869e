#include "runtime/server/data_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace millrace::runtime {

namespace {

namespace fs = std::filesystem;

// What the store makes itself, half made too; and what a fresh file system brings along.
bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 15> kNames = {
        "FORMAT",     "FORMAT.new",  "ballast",         "hwm",       "hwm.new",
        "ids",        "lock",        "rocks",           "regex",     "LOCK",
        "lost+found", "secrets.key", "secrets.key.new", "PARTITION", "PARTITION.new"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

std::string first_line(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
}

core::Status check_mark(const fs::path& folder) {
    std::error_code error;
    const fs::path mark = folder / kPartitionMarkName;
    if (!fs::exists(mark, error)) return {};
    constexpr std::size_t kShown = 200;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "data.dir: " + folder.string() + " is " + first_line(mark).substr(0, kShown) +
                        ": what is written here by itself is in this copy alone, and it could "
                        "not go back into the cluster. Ask the cluster (--server); to make a "
                        "server of its own of a copy of the folder, for good, remove " +
                        mark.string())
            .in("data.dir"));
}

core::Status refuse(const std::string& path, const std::string& why) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "data.dir: " + path + " " + why + "; name a new or an empty folder (--data)")
            .in("data.dir"));
}

}  // namespace

core::Status check_data_folder(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) return {};
    if (error) return refuse(path, "can't be looked at: " + error.message());
    if (!fs::is_directory(status)) return refuse(path, "is no folder");
    if (fs::exists(path + "/FORMAT", error) || fs::exists(path + "/rocks/CURRENT", error))
        return {};
    fs::directory_iterator entries(path, error);
    if (error) return refuse(path, "can't be read: " + error.message());
    for (const fs::directory_entry& entry : entries) {
        const std::string name = entry.path().filename().string();
        if (!is_ours(name))
            return refuse(path, "holds other things ('" + name + "') and no Millrace store");
    }
    return {};
}

core::Status check_own_folder(const std::string& path) {
    std::error_code error;
    fs::path folder = fs::weakly_canonical(path, error);
    if (error) return {};  // whoever opens it next says what is wrong
    if (!folder.has_filename()) folder = folder.parent_path();
    for (const fs::path& node : {folder, folder.parent_path()}) {
        if (!fs::exists(node / kNodeLockName, error)) continue;
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "data.dir: " + path + " is of a cluster's node (" + node.string() +
                            "): what is written here by itself is in this copy alone; ask the "
                            "cluster (--server), or work on a copy of the folder elsewhere")
                .in("data.dir"));
    }
    return check_mark(folder);
}

core::Status mark_partition_folder(const std::string& path, const std::string& cluster,
                                   std::size_t partition) {
    const fs::path mark = fs::path(path) / kPartitionMarkName;
    const std::string text =
        "a copy of partition " + std::to_string(partition) + " of the cluster '" + cluster + "'";
    if (first_line(mark) == text) return {};
    const std::string fresh = mark.string() + ".new";
    std::ofstream out(fresh, std::ios::trunc);
    out << text << "\n";
    out.close();
    std::error_code error;
    if (out) fs::rename(fresh, mark, error);
    if (!out || error)
        return core::fail(core::ErrorCode::kUnavailable,
                          "data.dir: " + mark.string() + " can't be written");
    return {};
}

void keep_data_folder_private(const std::string& path) {
    std::error_code ignored;  // whoever opens the store next says what is wrong
    fs::create_directories(path, ignored);
    fs::permissions(path, fs::perms::owner_all, ignored);
}

}  // namespace millrace::runtime
