#include "tools/cli/event_load.h"

#include "core/json_dom.h"
#include "tools/cli/json.h"
#include "tools/cli/progress.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>
#include <vector>

namespace millrace::tools {

namespace {

constexpr std::size_t kBatchBytesMax = 8u << 20;
constexpr std::size_t kRejectedShownMax = 20;
constexpr int kBusyTriesMax = 8;
constexpr std::chrono::milliseconds kBusyWait{250};

struct Rejected {
    std::uint64_t line;
    std::string message;
};

class Loader {
public:
    Loader(CliContext& context, Progress& progress, std::size_t batch_events)
        : context_(context), progress_(progress), batch_events_(batch_events) {}

    // False when the load can not go on; the reason has been printed.
    bool run(std::istream& in) {
        std::string line;
        std::uint64_t number = 0;
        while (std::getline(in, line)) {
            ++number;
            bytes_read_ += line.size() + 1;
            if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
            body_ += line;
            body_ += '\n';
            lines_.push_back(number);
            const bool full = lines_.size() == batch_events_ || body_.size() >= kBatchBytesMax;
            if (full && !flush()) return false;
        }
        return flush();
    }

    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t rejected_count = 0;
    std::vector<Rejected> rejected;

private:
    bool flush() {
        if (lines_.empty()) return true;
        HttpRequest request{.method = "POST", .path = "/v2/events?ids=0"};
        request.body = std::move(body_);
        request.content_type = "application/x-ndjson";
        std::unique_ptr<HttpReply> reply;
        for (int attempt = 1;; ++attempt) {
            reply = context_.send(request);
            if (reply == nullptr) return false;
            const bool busy = reply->status == 429 || reply->status == 503;
            if (!busy || attempt == kBusyTriesMax) break;
            std::this_thread::sleep_for(kBusyWait * attempt);
        }
        const bool counted = count(*reply);
        body_.clear();
        lines_.clear();
        progress_.update(bytes_read_, accepted + duplicates + rejected_count);
        return counted;
    }

    // A 400 with a list of rejects is an answer too: none of the batch was taken.
    bool count(const HttpReply& reply) {
        core::JsonElement root;
        bool found = false;
        const bool parsed = parser_.read(reply.body, root);
        const core::JsonArray rejects =
            parsed ? array_at(root, "rejected", found) : core::JsonArray();
        if (!parsed || (!reply.ok() && !found)) {
            context_.failed(reply);
            return false;
        }
        const auto taken = static_cast<std::uint64_t>(number_at(root, "accepted"));
        const auto known = static_cast<std::uint64_t>(number_at(root, "duplicates"));
        accepted += taken;
        duplicates += known;
        if (!found) return true;
        for (const core::JsonElement entry : rejects) {
            ++rejected_count;
            if (rejected.size() >= kRejectedShownMax) continue;
            const auto index = static_cast<std::size_t>(number_at(entry, "index"));
            rejected.push_back(
                {index < lines_.size() ? lines_[index] : 0, text_at(entry, "error.message")});
        }
        return true;
    }

    CliContext& context_;
    Progress& progress_;
    std::size_t batch_events_;
    core::JsonDom parser_;
    std::string body_;
    std::vector<std::uint64_t> lines_;
    std::uint64_t bytes_read_ = 0;
};

void report(CliContext& context, const Loader& loader, double seconds) {
    if (context.json()) {
        std::string rejects = "[";
        for (const Rejected& entry : loader.rejected) {
            if (rejects.size() > 1) rejects += ',';
            rejects += JsonObject()
                           .number("line", static_cast<std::int64_t>(entry.line))
                           .text("message", entry.message)
                           .str();
        }
        rejects += ']';
        context.out() << JsonObject()
                             .number("accepted", static_cast<std::int64_t>(loader.accepted))
                             .number("duplicates", static_cast<std::int64_t>(loader.duplicates))
                             .number("rejected", static_cast<std::int64_t>(loader.rejected_count))
                             .real("seconds", seconds)
                             .raw("rejects", rejects)
                             .str()
                      << '\n';
        return;
    }
    const auto sent = static_cast<double>(loader.accepted + loader.duplicates);
    context.out() << "accepted " << loader.accepted << ", duplicates " << loader.duplicates
                  << ", rejected " << loader.rejected_count << " (" << short_count(sent / seconds)
                  << " events/s)\n";
    for (const Rejected& entry : loader.rejected) {
        context.err() << "line " << entry.line << ": " << printable(entry.message) << '\n';
    }
    if (loader.rejected_count > loader.rejected.size()) {
        context.err() << "... and " << loader.rejected_count - loader.rejected.size() << " more\n";
    }
}

}  // namespace

int load_events(CliContext& context, const std::string& file, std::size_t batch_events) {
    std::ifstream opened;
    std::error_code ignored;
    std::uintmax_t bytes_total = 0;
    if (file != "-") {
        opened.open(file, std::ios::binary);
        if (!opened) {
            return context.failed(
                core::Error(core::ErrorCode::kNotFound, "cannot read file " + file));
        }
        bytes_total = std::filesystem::file_size(file, ignored);
        if (ignored) bytes_total = 0;
    }
    const auto started = std::chrono::steady_clock::now();
    Progress progress(
        context.err(),
        {.label = "loading", .total = bytes_total, .enabled = context.progress_enabled()});
    Loader loader(context, progress, batch_events);
    const bool complete = loader.run(file == "-" ? std::cin : opened);
    progress.finish();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
    report(context, loader, std::max(spent.count(), 1e-6));
    return complete && loader.rejected_count == 0 ? kExitOk : kExitFailed;
}

}  // namespace millrace::tools
