// `backup`: a copy of the data folder of a running server, made by the server itself.
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"
#include "tools/cli/timed_progress.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_in(const std::string& folder) {
    std::uint64_t sum = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        std::error_code gone;  // files are renamed while they are counted
        const std::uintmax_t size = at->is_regular_file(gone) ? at->file_size(gone) : 0;
        if (!gone) sum += size;
    }
    return sum;
}

// How much of it is there, while the server copies. The folder is the server's: where it can not be
// seen from here, how long it has taken is shown instead.
class BackupProgress {
public:
    BackupProgress(CliContext& context, std::string part) {
        if (!context.progress_enabled()) return;
        const auto stats = context.get("/v2/stats");
        const std::int64_t total = stats == nullptr ? 0 : number_at(stats->root, "store.bytes");
        thread_ = std::thread([this, &context, part = std::move(part), total] {
            follow(context.err(), part,
                   static_cast<std::uint64_t>(std::max<std::int64_t>(total, 0)));
        });
    }
    ~BackupProgress() { finish(); }
    BackupProgress(const BackupProgress&) = delete;
    BackupProgress& operator=(const BackupProgress&) = delete;

    void finish() {
        ended_ = true;
        if (thread_.joinable()) thread_.join();
    }

private:
    void follow(std::ostream& err, const std::string& part, std::uint64_t total) {
        constexpr std::chrono::milliseconds kLookEvery{100};
        constexpr int kLooksForFolder = 5;
        std::error_code error;
        for (int looks = 0; looks < kLooksForFolder && !fs::exists(part, error); ++looks) {
            if (ended_) return;
            std::this_thread::sleep_for(kLookEvery);
        }
        if (!fs::exists(part, error)) {
            TimedProgress progress(err, "backing up", 0, true);
            while (!ended_) std::this_thread::sleep_for(kLookEvery);
            return;
        }
        Progress progress(
            err, {.label = "backing up", .unit = "bytes", .total = total, .enabled = true});
        while (!ended_) {
            const std::uint64_t bytes = bytes_in(part);
            progress.update(std::min(bytes, total), bytes);
            std::this_thread::sleep_for(kLookEvery);
        }
    }

    std::thread thread_;
    std::atomic<bool> ended_{false};
};

int make_backup(CliContext& context, const std::string& folder) {
    std::error_code error;
    // A name alone is one of the server's own folder for them.
    const std::string path = folder.find('/') == std::string::npos
                                 ? folder
                                 : fs::absolute(folder, error).lexically_normal().string();
    if (error) return context.usage("backup: " + folder + " is no path");
    BackupProgress progress(context, path + ".part");
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
    backup
        ->add_option(
            "folder", *folder,
            "a name, below the server's backup.dir, or the whole path of the folder to make")
        ->required();
    backup->callback([&context, folder] {
        context.action = [&context, folder] { return make_backup(context, *folder); };
    });
}

}  // namespace millrace::tools
