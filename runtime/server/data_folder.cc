#include "runtime/server/data_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace millrace::runtime {

namespace {

namespace fs = std::filesystem;

// What the store makes itself, half made too; and what a fresh file system brings along.
bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 13> kNames = {
        "FORMAT",     "FORMAT.new",  "ballast",        "hwm",   "hwm.new",
        "ids",        "lock",        "rocks",          "regex", "LOCK",
        "lost+found", "secrets.key", "secrets.key.new"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
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
    return {};
}

void keep_data_folder_private(const std::string& path) {
    std::error_code ignored;  // whoever opens the store next says what is wrong
    fs::create_directories(path, ignored);
    fs::permissions(path, fs::perms::owner_all, ignored);
}

}  // namespace millrace::runtime
