// `backup`: a copy of the data folder of a running server, made by the server itself.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/timed_progress.h"

#include <filesystem>
#include <memory>

namespace millrace::tools {

namespace {

int make_backup(CliContext& context, const std::string& folder) {
    std::error_code error;
    const std::string path = std::filesystem::absolute(folder, error).lexically_normal().string();
    if (error) return context.usage("backup: " + folder + " is no path");
    // Files are linked, not copied, where the folder is on the same disk: how long it takes is not
    // known before.
    TimedProgress progress(context.err(), "backing up", 0, context.progress_enabled());
    const auto sent = context.send(
        {.method = "POST", .path = "/v2/backups", .body = JsonObject().text("path", path).str()});
    progress.finish();
    const auto reply = sent == nullptr ? nullptr : context.read(*sent);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
    } else {
        context.out() << "backed up to " << printable(text_at(reply->root, "path")) << ": "
                      << text_at(reply->root, "files") << " files, "
                      << text_at(reply->root, "bytes") << " bytes, "
                      << text_at(reply->root, "durationMs") << " ms\n";
    }
    return kExitOk;
}

}  // namespace

void add_backup_command(CLI::App& app, CliContext& context) {
    auto folder = std::make_shared<std::string>();
    CLI::App* backup = app.add_subcommand(
        "backup", "Copy the data folder while the server runs, on the server's machine");
    backup->add_option("folder", *folder, "the folder to make; must not exist")->required();
    backup->callback([&context, folder] {
        context.action = [&context, folder] { return make_backup(context, *folder); };
    });
}

}  // namespace millrace::tools
