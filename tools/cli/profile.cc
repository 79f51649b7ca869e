#include "tools/cli/profile.h"

#include "core/json_dom.h"
#include "tools/cli/json.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

namespace fs = std::filesystem;

// Of a profile, as the file has them.
constexpr std::pair<const char*, std::string Profile::*> kMembers[] = {
    {"server", &Profile::server},
    {"apiKey", &Profile::api_key},
    {"caFile", &Profile::ca_file},
    {"clientCert", &Profile::client_cert},
    {"clientKey", &Profile::client_key}};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::string file_name() {
    if (std::string told = variable("MILLRACE_CONTEXTS_FILE"); !told.empty()) return told;
    std::string folder = variable("XDG_CONFIG_HOME");
    if (folder.empty() && !variable("HOME").empty()) folder = variable("HOME") + "/.config";
    return folder.empty() ? folder : folder + "/millrace/contexts.json";
}

core::Error file_error(const std::string& what, const std::string& file) {
    return core::Error(core::ErrorCode::kInternal,
                       "contexts: " + what + " " + file + " failed: " + std::strerror(errno));
}

}  // namespace

core::Result<Profiles> Profiles::load() {
    Profiles profiles;
    profiles.file_ = file_name();
    std::ifstream file(profiles.file_, std::ios::binary);
    if (profiles.file_.empty() || !file) return profiles;
    const std::string text(std::istreambuf_iterator<char>(file), {});
    core::JsonDom parser;
    core::JsonElement root, contexts;
    core::JsonMembers members;
    if (!parser.read(text, root) || !root.find("contexts", contexts) || !contexts.get(members)) {
        return core::fail(core::ErrorCode::kValidation,
                          "contexts: " + profiles.file_ +
                              " is not what `millrace context add` writes; mend or remove it");
    }
    profiles.current = text_at(root, "current");
    for (const core::JsonMember member : members) {
        Profile profile;
        profile.name = member.key;
        for (const auto& [name, text_of] : kMembers) profile.*text_of = text_at(member.value, name);
        profiles.all_.push_back(std::move(profile));
    }
    return profiles;
}

core::Status Profiles::save() const {
    if (file_.empty()) {
        return core::fail(core::ErrorCode::kValidation,
                          "contexts: no folder for them: HOME and XDG_CONFIG_HOME are not set");
    }
    JsonObject contexts;
    for (const Profile& profile : all_) {
        JsonObject one;
        for (const auto& [name, text_of] : kMembers) one.text_if(name, profile.*text_of);
        contexts.raw(profile.name, one.str());
    }
    const std::string text =
        JsonObject().text("current", current).raw("contexts", contexts.str()).str() + "\n";
    std::error_code ignored;  // what can't be made, can't be opened
    fs::create_directories(fs::path(file_).parent_path(), ignored);
    const std::string fresh = file_ + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return core::fail(file_error("write", fresh));
    const bool written =
        ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fchmod(fd, 0600) == 0;
    ::close(fd);
    if (!written || std::rename(fresh.c_str(), file_.c_str()) != 0)
        return core::fail(file_error("write", file_));
    return {};
}

const Profile* Profiles::find(std::string_view name) const {
    const auto at = std::find_if(all_.begin(), all_.end(),
                                 [name](const Profile& profile) { return profile.name == name; });
    return at == all_.end() ? nullptr : &*at;
}

void Profiles::put(Profile profile) {
    remove(profile.name);
    all_.push_back(std::move(profile));
}

bool Profiles::remove(std::string_view name) {
    return std::erase_if(all_, [name](const Profile& profile) { return profile.name == name; }) > 0;
}

}  // namespace millrace::tools
