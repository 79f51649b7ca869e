// What: what every verb of the command line needs: the server, the way of showing results, and
//       how a failure is told. One action is chosen while arguments are parsed and run afterwards.
// Threads: one. Lifetime: made by run_cli, outlives the action.
// Limits: none.
// Failure: call() and friends print the error themselves; the verb returns kExitFailed.
#pragma once

#include "core/json_dom.h"
#include "tools/cli/http.h"
#include "tools/cli/table.h"

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace millrace::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct CliStreams {
    std::ostream& out;
    std::ostream& err;
    Terminal terminal;              // of `out`
    bool progress_enabled = false;  // `err` is a terminal
    bool asks = false;              // somebody is there to answer
};

// A reply's body, parsed. Not movable: `root` points into `parser`.
struct Document {
    std::string text;
    core::JsonDom parser;
    core::JsonElement root;
};

class CliContext {
public:
    explicit CliContext(CliStreams streams) : streams_(streams) {}
    CliContext(const CliContext&) = delete;
    CliContext& operator=(const CliContext&) = delete;

    // Filled by the global options.
    std::string server = "http://127.0.0.1:7070";
    std::string api_key;
    std::string ca_file, client_cert, client_key;
    std::string output = "table";
    std::string profile;       // --context; empty: the one in use
    bool full = false;         // times and ids as they are
    bool server_told = false;  // by an option or the environment
    bool watch = false;
    double watch_seconds = 2;
    std::int64_t watch_times = 0;  // 0: until somebody ends it
    long reply_timeout_ms = 120'000;

    // The chosen verb.
    std::function<int()> action;

    bool json() const { return output == "json"; }
    std::ostream& out() { return streams_.out; }
    std::ostream& err() { return streams_.err; }
    const Terminal& terminal() const { return streams_.terminal; }
    // A person looks: times and ids may be shown shorter than they are.
    bool shortens() const { return streams_.terminal.width_columns > 0 && !full && !json(); }
    bool asks() const { return streams_.asks && !json(); }
    bool progress_enabled() const { return streams_.progress_enabled && !json(); }

    // Sends and parses. Null after the error has been printed.
    std::unique_ptr<Document> call(const HttpRequest& request);
    std::unique_ptr<Document> get(const std::string& path) { return call({.path = path}); }
    // Sends without judging the status; null after a transport error has been printed.
    std::unique_ptr<HttpReply> send(const HttpRequest& request);
    // What call() makes of what send() has got.
    std::unique_ptr<Document> read(HttpReply& reply);
    HttpClient* client();

    int failed(const core::Error& error);
    int failed(const HttpReply& reply);
    int usage(std::string_view message);
    void note(std::string_view message);  // to people only, on the error stream

    void print_json(const Document& document);
    void print_pretty(const Document& document);
    void print_table(const Table& table, std::string_view when_empty);
    // "more: --cursor X" when a list goes on.
    void print_next(const Document& document);
    // Of figures of a cluster: whose are not among them.
    void print_missing(const Document& document);

private:
    CliStreams streams_;
    std::unique_ptr<HttpClient> client_;
};

// "15m", "2h", "7d" ago become RFC 3339 times; everything else is passed on as it is.
std::string time_argument(std::string_view text, std::int64_t now_us);
std::int64_t wall_clock_us();

}  // namespace millrace::tools
