#include "tools/cli/event_load.h"

#include "core/json_dom.h"
#include "tools/cli/event_line.h"
#include "tools/cli/json.h"
#include "tools/cli/line_input.h"
#include "tools/cli/progress.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

constexpr std::size_t kBatchBytesMax = 8u << 20;
constexpr std::size_t kRejectedShownMax = 20;
constexpr int kBusyTriesMax = 8;
constexpr std::chrono::milliseconds kBusyWait{250};

// Where something of a batch comes from.
struct Place {
    const std::string* file;
    std::uint64_t line;
    std::uint64_t byte;      // where the line begins
    std::size_t body_begin;  // the same in the batch
    bool as_it_stands;       // what the server says of its bytes is true of the file's
};

struct Rejected {
    std::string file;
    std::uint64_t line;
    std::uint64_t byte;
    std::string message;
};

// A line of a batch that a cluster has cut up: nobody could take this one for the moment.
struct Again {
    std::size_t index;
    std::string event_id;  // that it was given; empty: it has one of its own
};

class Loader {
public:
    Loader(CliContext& context, Progress& progress, std::size_t batch_events)
        : context_(context), progress_(progress), batch_events_(batch_events) {}

    // False when the load can not go on; the reason has been printed.
    bool run(const std::string& file, LineInput& in) {
        std::string line;
        while (in.next(line)) {
            read_ = in.bytes_read();
            if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
            const Place place{&file, in.line(), in.byte(), body_.size(), true};
            if (in.too_long()) {
                reject(place, place.byte,
                       "the line is longer than " + std::to_string(LineInput::kLineBytesMax) +
                           " bytes");
                continue;
            }
            if (in.line() == 1 && line.front() == '[') {
                context_.note(file + " begins with '[': expected one event a line, not an array");
            }
            if (body_.size() + line.size() + 1 > kBatchBytesMax && !flush()) return false;
            add(line, place);
            if (places_.size() == batch_events_ && !flush()) return false;
        }
        if (!flush()) return false;
        bytes_before_ += in.bytes_read();
        read_ = 0;
        if (in.error().empty()) return true;
        context_.failed(core::Error(core::ErrorCode::kValidation,
                                    in.error() + " (after line " + std::to_string(in.line()) +
                                        "); what was before it is loaded"));
        return false;
    }

    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t rejected_count = 0;
    std::vector<Rejected> rejected;

private:
    void add(const std::string& line, Place place) {
        place.body_begin = body_.size();
        place.as_it_stands = lines_.as_it_stands(line, changed_);
        body_ += place.as_it_stands ? line : changed_;
        body_ += '\n';
        places_.push_back(place);
    }

    void reject(const Place& place, std::uint64_t byte, std::string message) {
        ++rejected_count;
        if (rejected.size() >= kRejectedShownMax) return;
        rejected.push_back({*place.file, place.line, byte, std::move(message)});
    }

    // Until each line of the batch is taken, or refused for good.
    bool flush() {
        tries_ = 0;
        while (!places_.empty()) {
            HttpRequest request{.method = "POST", .path = "/v2/events?ids=0"};
            request.body = std::move(body_);
            request.content_type = "application/x-ndjson";
            const std::unique_ptr<HttpReply> reply = send(request);
            again_.clear();
            if (reply == nullptr || !count(*reply, tries_ < kBusyTriesMax)) return false;
            keep_for_again(request.body);
            if (!places_.empty()) std::this_thread::sleep_for(kBusyWait * tries_);
        }
        progress_.update(bytes_before_ + read_, accepted + duplicates + rejected_count);
        return true;
    }

    std::unique_ptr<HttpReply> send(const HttpRequest& request) {
        for (;;) {
            std::unique_ptr<HttpReply> reply = context_.send(request);
            ++tries_;
            if (reply == nullptr || !is_busy(reply->status) || tries_ >= kBusyTriesMax)
                return reply;
            // Twice in the log, perhaps: only the one whose events they are can tell.
            if (is_maybe_taken(*reply) && !all_named(request.body)) return reply;
            std::this_thread::sleep_for(kBusyWait * tries_);
        }
    }

    static bool is_busy(std::int64_t status) { return status == 429 || status == 503; }

    // The lines of `sent` that nobody could take for the moment are the next batch, under the ids
    // that they were given: what may have been taken after all is then a duplicate.
    void keep_for_again(std::string_view sent) {
        std::vector<Place> left;
        body_.clear();
        for (const Again& one : again_) {
            Place place = places_[one.index];
            std::string_view line = sent.substr(place.body_begin);
            line = line.substr(0, line.find('\n'));
            place.body_begin = body_.size();
            if (!one.event_id.empty()) {
                place.as_it_stands = false;
                body_ += JsonObject().text("eventId", one.event_id).str();
                body_.back() = ',';
                line.remove_prefix(line.find('{') + 1);
            }
            body_.append(line).append(1, '\n');
            left.push_back(place);
        }
        places_ = std::move(left);
    }

    // A node of a cluster that has lost the batch's owner in the midst says so.
    bool is_maybe_taken(const HttpReply& reply) {
        core::JsonElement root;
        return parser_.read(reply.body, root) &&
               text_at(root, "error.details.reason") == "maybe-taken";
    }

    // Each line has an id of its own: sent again, it is known.
    bool all_named(std::string_view lines) {
        while (!lines.empty()) {
            const std::size_t end = std::min(lines.find('\n'), lines.size());
            core::JsonElement event;
            if (!parser_.read(std::string(lines.substr(0, end)), event) ||
                text_at(event, "eventId").empty())
                return false;
            lines.remove_prefix(std::min(end + 1, lines.size()));
        }
        return true;
    }

    // A 400 with a list of rejects is an answer too: none of the batch was taken.
    bool count(const HttpReply& reply, bool may_come_again) {
        core::JsonElement root;
        bool found = false;
        const bool parsed = parser_.read(reply.body, root);
        const core::JsonArray rejects =
            parsed ? array_at(root, "rejected", found) : core::JsonArray();
        if (!parsed || (!reply.ok() && !found)) {
            const Place& first = places_.front();
            context_.failed(reply);
            context_.note("it stopped at " + *first.file + ", line " + std::to_string(first.line));
            return false;
        }
        accepted += static_cast<std::uint64_t>(number_at(root, "accepted"));
        duplicates += static_cast<std::uint64_t>(number_at(root, "duplicates"));
        if (!found) return true;
        for (const core::JsonElement entry : rejects) take_reject(entry, may_come_again);
        return true;
    }

    // The server counts bytes from the batch's beginning; the file's are told.
    void take_reject(core::JsonElement entry, bool may_come_again) {
        const auto index = static_cast<std::size_t>(number_at(entry, "index"));
        std::string message = text_at(entry, "error.message");
        if (index >= places_.size()) {
            ++rejected_count;
            return;
        }
        if (may_come_again && is_busy(number_at(entry, "error.statusCode"))) {
            again_.push_back({index, text_at(entry, "eventId")});
            return;
        }
        const Place& place = places_[index];
        std::uint64_t byte = place.byte;
        const std::int64_t position = number_at(entry, "error.details.position", -1);
        const std::string told = " at byte " + std::to_string(position);
        const std::size_t at = position < 0 ? std::string::npos : message.find(told);
        const auto begin = static_cast<std::int64_t>(place.body_begin);
        if (place.as_it_stands && position >= begin) {
            const auto column = static_cast<std::uint64_t>(position - begin);
            byte += column;
            if (at != std::string::npos)
                message.replace(at, told.size(),
                                " at byte " + std::to_string(column) + " of the line");
        } else if (at != std::string::npos) {
            message.erase(at, told.size());
        }
        reject(place, byte, std::move(message));
    }

    CliContext& context_;
    Progress& progress_;
    std::size_t batch_events_;
    core::JsonDom parser_;
    EventLines lines_;
    std::string changed_;
    std::string body_;
    std::vector<Place> places_;
    std::vector<Again> again_;
    int tries_ = 0;                   // of the batch, and of what is left of it
    std::uint64_t bytes_before_ = 0;  // of the files before
    std::uint64_t read_ = 0;
};

void report_json(CliContext& context, const Loader& loader, double seconds) {
    std::string rejects = "[";
    for (const Rejected& entry : loader.rejected) {
        if (rejects.size() > 1) rejects += ',';
        rejects += JsonObject()
                       .text("file", entry.file)
                       .number("line", static_cast<std::int64_t>(entry.line))
                       .number("byte", static_cast<std::int64_t>(entry.byte))
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
}

void report(CliContext& context, const Loader& loader, double seconds, bool several) {
    if (context.json()) return report_json(context, loader, seconds);
    const auto sent = static_cast<double>(loader.accepted + loader.duplicates);
    context.out() << "accepted " << loader.accepted << ", duplicates " << loader.duplicates
                  << ", rejected " << loader.rejected_count << " (" << short_count(sent / seconds)
                  << " events/s)\n";
    for (const Rejected& entry : loader.rejected) {
        if (several) context.err() << printable(entry.file) << ": ";
        context.err() << "line " << entry.line << ": " << printable_block(entry.message, 4)
                      << " (byte " << entry.byte << " of the file)\n";
    }
    if (loader.rejected_count > loader.rejected.size()) {
        context.err() << "... and " << loader.rejected_count - loader.rejected.size() << " more\n";
    }
}

// Of all files; 0 when one of them has no length.
std::uint64_t bytes_of(const std::vector<std::string>& files) {
    std::uint64_t sum = 0;
    for (const std::string& file : files) {
        std::error_code error;
        const std::uintmax_t size = file == "-" ? 0 : std::filesystem::file_size(file, error);
        if (error || size == 0) return 0;
        sum += size;
    }
    return sum;
}

}  // namespace

int load_events(CliContext& context, const std::vector<std::string>& files,
                std::size_t batch_events) {
    // All of them are there before the first is sent.
    std::vector<std::unique_ptr<LineInput>> inputs;
    for (const std::string& file : files) {
        auto opened = LineInput::open(file);
        if (!opened) return context.failed(opened.error());
        inputs.push_back(std::move(*opened));
    }
    const auto started = std::chrono::steady_clock::now();
    Progress progress(
        context.err(),
        {.label = "loading", .total = bytes_of(files), .enabled = context.progress_enabled()});
    Loader loader(context, progress, batch_events);
    bool complete = true;
    for (std::size_t i = 0; complete && i < files.size(); ++i)
        complete = loader.run(files[i], *inputs[i]);
    progress.finish();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - started;
    report(context, loader, std::max(spent.count(), 1e-6), files.size() > 1);
    return complete && loader.rejected_count == 0 ? kExitOk : kExitFailed;
}

void add_event_load(CLI::App& event, CliContext& context) {
    struct Options {
        std::vector<std::string> files;
        std::size_t batch_events = 1000;
    };
    auto o = std::make_shared<Options>();
    CLI::App* verb = event.add_subcommand(
        "load", "Load events from files of JSON lines, plain, gzip or zstd (- for stdin)");
    verb->add_option("file", o->files, "one event a line; as `event export` writes them")
        ->required();
    verb->add_option("--batch", o->batch_events, "events per request")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    verb->callback([&context, o] {
        context.action = [&context, o] { return load_events(context, o->files, o->batch_events); };
    });
}

}  // namespace millrace::tools
