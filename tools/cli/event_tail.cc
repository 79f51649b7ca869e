// `event tail`: events as they come, from history through to live.
#include "tools/cli/event_verbs.h"
#include "tools/cli/json.h"
#include "tools/cli/pattern_hint.h"
#include "tools/cli/sse.h"

#include <chrono>
#include <memory>
#include <thread>

namespace millrace::tools {

namespace {

struct TailOptions {
    std::string pattern, filter, from, last_id;
    std::int64_t count = 0;
};

void print_tail_event(CliContext& context, const SseMessage& message) {
    core::JsonDom parser;
    core::JsonElement event;
    if (context.json() || !parser.read(message.data, event)) {
        context.out() << (context.json() ? message.data : printable(message.data)) << '\n'
                      << std::flush;
        return;
    }
    const Terminal& terminal = context.terminal();
    context.out() << styled(printable(text_at(event, "receivedAt")), Style::kDim, terminal) << "  "
                  << styled(printable(text_at(event, "pattern")), Style::kHead, terminal) << "  "
                  << printable(text_at(event, "eventId")) << "  "
                  << printable(text_at(event, "payload")) << '\n'
                  << std::flush;
}

// Follows the stream, and over a restart of the server from the event after the last one seen.
class Tail {
public:
    Tail(CliContext& context, const TailOptions& options)
        : context_(context),
          options_(options),
          last_id_(options.last_id),
          from_(time_argument(options.from, wall_clock_us())) {}

    // The exit code.
    int run() {
        HttpClient* client = context_.client();
        if (client == nullptr) return kExitFailed;
        bool connected = false;
        auto lost_at = std::chrono::steady_clock::now();
        for (;;) {
            const std::int64_t seen_before = seen_;
            opened_ = false;
            const auto reply = stream(*client);
            // A server that drains refuses new streams until it is gone.
            const bool drains = connected && reply && reply->status == 503;
            if (reply && !reply->ok() && !drains) return context_.failed(*reply);
            if (done()) return kExitOk;
            const auto now = std::chrono::steady_clock::now();
            if (!drains && (opened_ || seen_ != seen_before)) {
                connected = true;
                lost_at = now;
                context_.note("the server ended the stream; connecting again");
            }
            if (!connected) return reply ? ended() : context_.failed(reply.error());
            if (now - lost_at > kReconnectFor) return reply ? ended() : gone(reply.error());
            std::this_thread::sleep_for(kReconnectEvery);
        }
    }

private:
    static constexpr std::chrono::seconds kReconnectFor{5};
    static constexpr std::chrono::milliseconds kReconnectEvery{200};

    bool done() const { return options_.count > 0 && seen_ >= options_.count; }

    core::Result<HttpReply> stream(HttpClient& client) {
        HttpRequest request;
        Query query;
        query.add("pattern", options_.pattern).add("filter", options_.filter);
        if (last_id_.empty()) query.add("from", from_);
        request.path = "/v2/events/stream" + query.str();
        request.headers.push_back("Accept: text/event-stream");
        if (!last_id_.empty()) request.headers.push_back("Last-Event-ID: " + last_id_);
        SseParser parser([&](const SseMessage& message) {
            if (done()) return;
            if (!message.id.empty()) last_id_ = message.id;
            ++seen_;
            print_tail_event(context_, message);
        });
        return client.stream(request, [&](std::string_view piece) {
            opened_ = true;
            parser.feed(piece);
            return !done();
        });
    }

    int ended() {
        return context_.failed(
            core::Error(core::ErrorCode::kUnavailable, "the server ended the stream"));
    }
    int gone(const core::Error& error) {
        return context_.failed(core::Error(
            core::ErrorCode::kUnavailable,
            "the server ended the stream and is gone: " + error.message +
                (last_id_.empty() ? "" : "\ngo on with: event tail --last-id " + last_id_)));
    }

    CliContext& context_;
    const TailOptions& options_;
    std::string last_id_;
    const std::string from_;
    std::int64_t seen_ = 0;
    bool opened_ = false;
};

int tail_events(CliContext& context, const TailOptions& o) {
    note_pattern(context, o.pattern);
    return Tail(context, o).run();
}

}  // namespace

void add_event_tail(CLI::App& event, CliContext& context) {
    auto options = std::make_shared<TailOptions>();
    CLI::App* verb = event.add_subcommand("tail", "Follow events, from history through to live");
    verb->add_option("pattern,--pattern", options->pattern, "stars are wildcards: order.*");
    verb->add_option("--filter", options->filter);
    verb->add_option("--from", options->from, "a time in the past to start at");
    verb->add_option("--last-id", options->last_id, "go on after this position");
    verb->add_option("-n,--count", options->count, "stop after so many events");
    verb->callback([&context, options] {
        context.action = [&context, options] { return tail_events(context, *options); };
    });
}

}  // namespace millrace::tools
