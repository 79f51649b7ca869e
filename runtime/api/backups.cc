// /v2/backups: a copy of the data folder while the server runs.
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "store/backup.h"

#include <filesystem>
#include <memory>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kPathBytesMax = 4096;

namespace fs = std::filesystem;

// Symbolic links and ".." resolved as far as there is something, so that none leads out.
core::Result<std::string> inside(std::string_view folder, const std::string& asked) {
    std::error_code error;
    const fs::path root = fs::weakly_canonical(fs::absolute(folder, error), error);
    const fs::path path = error ? fs::path() : fs::weakly_canonical(asked, error);
    const fs::path below = path.lexically_relative(root);
    if (!error && !below.empty() && below != "." && *below.begin() != "..") return path.string();
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "path is outside of " + root.string() +
                        ", below which backups go (a name alone is one there); the setting "
                        "is backup.dir")
            .in("path"));
}

core::Result<std::string> read_path(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    std::string path;
    in->text("path", path, {.bytes_max = kPathBytesMax});
    if (in->ok() && path.empty()) in->refuse("path", "is missing: the folder to make");
    // A name alone is one below backup.dir.
    const bool name = path.find('/') == std::string::npos;
    if (in->ok() && !name && path.front() != '/')
        in->refuse("path",
                   "must be absolute, or a name alone: the server has a working folder of its own");
    if (auto status = in->finish(); !status) return core::fail(status.error());
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    const std::string folder(call.services.backup_folder());
    return inside(folder, name ? (fs::path(folder) / path).string() : path);
}

ApiResponse report_response(const std::string& path, const store::BackupReport& report,
                            std::int64_t took_us) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("path", path);
    json.field("files", report.files).field("bytes", report.bytes);
    json.field("durationMs", static_cast<double>(took_us) / 1000.0);
    json.key("ends").begin_array();
    for (const core::LogOffset end : report.ends) json.value(end.value);
    json.end_array().end_object();
    return json_response(201, std::move(body));
}

}  // namespace

void create_backup(Call& call, const Respond& respond) {
    auto path = read_path(call);
    if (!path) return respond(error_response(path.error()));
    audit(call, "create", "backup", *path);
    struct Made {
        core::Result<store::BackupReport> report = store::BackupReport{};
        std::int64_t took_us = 0;
    };
    auto made = std::make_shared<Made>();
    Services& services = call.services;
    const bool taken = services.run_aside(
        Aside::kHaul,
        [&services, path = *path, made] {
            const std::int64_t began_ns = services.clock().monotonic_ns();
            made->report = store::backup(services.database(), path);
            made->took_us = (services.clock().monotonic_ns() - began_ns) / 1000;
        },
        [path = *path, made, respond] {
            respond(made->report ? report_response(path, *made->report, made->took_us)
                                 : error_response(made->report.error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kHaul)));
}

}  // namespace millrace::runtime::api
