#include "tools/offline/test_command.h"

#include "core/json_reader.h"
#include "tools/cli/cli.h"
#include "tools/cli/http.h"
#include "tools/cli/json.h"
#include "tools/offline/fixture.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

namespace millrace::tools {
namespace {

namespace fs = std::filesystem;

struct Options {
    std::string folder, execution, name, script, event;
    std::string server = "http://127.0.0.1:7070", api_key, output = "table";
};

int failed(std::string_view what) {
    std::fprintf(stderr, "error: %s\n", printable(what).c_str());
    return kExitFailed;
}

// Bounds the time of what is run here.
class Watched {
public:
    Watched() : slot_(watchdog_.add_slot()) { watchdog_.start(); }
    ~Watched() { watchdog_.stop(); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    runtime::LuaWatchdogSlot* slot() { return slot_; }

private:
    runtime::LuaWatchdog watchdog_;
    runtime::LuaWatchdogSlot* slot_;
};

// ---- millrace test DIR

std::vector<fs::path> fixtures_in(const std::string& folder, std::string& why) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        if (at->is_regular_file() && at->path().extension() == ".json") found.push_back(at->path());
    }
    if (error) why = "folder '" + folder + "': " + error.message();
    std::sort(found.begin(), found.end());
    return found;
}

int run_tests(const Options& o) {
    std::string why;
    const std::vector<fs::path> files = fixtures_in(o.folder, why);
    if (!why.empty()) return failed(why);
    if (files.empty()) return failed("folder '" + o.folder + "' holds no test (*.json)");
    Watched watched;
    std::size_t bad = 0;
    std::string list;
    for (const fs::path& path : files) {
        std::vector<std::string> differences;
        std::string name = path.filename().string();
        auto text = read_file(path.string());
        auto fixture = text ? read_fixture(*text, path.parent_path().string())
                            : core::Result<Fixture>(core::fail(text.error()));
        if (!fixture) {
            differences.push_back(fixture.error().message);
        } else {
            if (!fixture->name.empty()) name += ": " + fixture->name;
            differences = compare_fixture(*fixture, run_fixture(*fixture, watched.slot()));
        }
        bad += !differences.empty();
        if (o.output == "json") {
            std::string told;
            for (const std::string& line : differences)
                told += (told.empty() ? "" : ",") + json_quoted(line);
            list += (list.empty() ? "" : ",") + JsonObject()
                                                    .text("file", path.string())
                                                    .text("name", name)
                                                    .flag("passed", differences.empty())
                                                    .raw("differences", "[" + told + "]")
                                                    .str();
            continue;
        }
        std::printf("%s %s\n", differences.empty() ? "ok    " : "FAILED", printable(name).c_str());
        for (const std::string& line : differences)
            std::printf("         %s\n", printable(line).c_str());
    }
    if (o.output == "json") {
        std::printf("{\"passed\":%zu,\"failed\":%zu,\"tests\":[%s]}\n", files.size() - bad, bad,
                    list.c_str());
    } else {
        std::printf("%zu passed, %zu failed\n", files.size() - bad, bad);
    }
    return bad == 0 ? kExitOk : kExitFailed;
}

// ---- --record

// What a server answers, or nothing, after it was told why.
class Server {
public:
    explicit Server(const Options& o) {
        HttpClient::Options options;
        options.server = o.server;
        options.api_key = o.api_key;
        auto made = HttpClient::create(std::move(options));
        if (made) client_ = std::move(*made);
    }
    std::unique_ptr<Document> call(const HttpRequest& request) {
        auto reply = client_ ? client_->send(request)
                             : core::Result<HttpReply>(core::fail(core::ErrorCode::kValidation,
                                                                  "--server is no address"));
        if (!reply) {
            failed(reply.error().message);
            return nullptr;
        }
        auto document = std::make_unique<Document>();
        document->text = std::move(reply->body);
        const bool read = document->parser.read(document->text, document->root);
        if (reply->ok() && read) return document;
        failed(request.path + ": " + text_at(document->root, "error.message"));
        return nullptr;
    }

private:
    std::unique_ptr<HttpClient> client_;
};

std::string raw_at(core::JsonElement object, std::string_view name) {
    core::JsonElement value;
    return object.find(name, value) ? json_compact(value) : std::string("null");
}

// The members that a test expects, of a trial as the server tells it.
std::string expected_of(core::JsonElement trial) {
    JsonObject expect;
    expect.text("status", text_at(trial, "status")).raw("result", raw_at(trial, "result"));
    if (const std::string error = text_at(trial, "error"); !error.empty())
        expect.text("error", error.substr(0, error.find('\n')));
    for (const char* name : {"emitted", "kv"}) expect.raw(name, raw_at(trial, name));
    std::string calls;
    bool found = false;
    for (const core::JsonElement call : array_at(trial, "calls", found)) {
        JsonObject one;
        one.text_if("method", text_at(call, "method")).text_if("url", text_at(call, "url"));
        one.text_if("action", text_at(call, "action")).text_if("body", text_at(call, "body"));
        if (core::JsonElement input; call.find("input", input))
            one.raw("input", json_compact(input));
        calls += (calls.empty() ? "" : ",") + one.str();
    }
    return expect.raw("calls", "[" + calls + "]").str();
}

// What the execution's calls were answered with, where its script has recordCalls: `all` is false
// where one is not there whole.
std::string recorded_of(core::JsonElement execution, bool& all) {
    std::string list;
    bool found = false;
    for (const core::JsonElement line : array_at(execution, "logs", found)) {
        if (text_at(line, "level") != "call") continue;
        core::JsonElement fields, missing;
        all &= !line.find("cut", missing) && !line.find("linesLeftOut", missing);
        if (line.find("fields", fields)) list += (list.empty() ? "" : ",") + json_compact(fields);
    }
    return list;
}

// An answer for each call that has none, for the author to complete.
std::string answers_of(core::JsonElement trial, const std::string& recorded, bool& missing) {
    std::string list = recorded;
    bool found = false;
    for (const core::JsonElement call : array_at(trial, "calls", found)) {
        if (flag_at(call, "answered")) continue;
        missing = true;
        JsonObject one;
        one.text_if("method", text_at(call, "method")).text_if("url", text_at(call, "url"));
        if (const std::string action = text_at(call, "action"); !action.empty())
            one.text("action", action).raw("result", "null");
        else
            one.number("status", 200).text("body", "");
        list += (list.empty() ? "" : ",") + one.str();
    }
    return "[" + list + "]";
}

// Whoever reads the test gets to see the names alone.
std::string secrets_of(core::JsonElement trial) {
    std::string members;
    bool found = false;
    for (const core::JsonElement item : array_at(trial, "secrets", found)) {
        std::string_view name;
        if (item.get(name))
            members += (members.empty() ? "" : ",") + json_quoted(name) + ":\"****\"";
    }
    return "{" + members + "}";
}

bool write_file(const fs::path& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    return static_cast<bool>(file.flush());
}

int record(const Options& o) {
    Server server(o);
    const auto execution = server.call({.path = "/v2/executions/" + url_escaped(o.execution)});
    if (!execution) return kExitFailed;
    const std::string event_id = text_at(execution->root, "eventId");
    const std::string script_id = text_at(execution->root, "scriptId");
    const std::string version = text_at(execution->root, "scriptVersion");
    if (event_id.empty() || script_id.empty() || version.empty())
        return failed("execution '" + o.execution + "' is of no script and event");
    const auto event = server.call({.path = "/v2/events/" + url_escaped(event_id)});
    if (!event) return kExitFailed;
    const auto script = server.call(
        {.path = "/v2/scripts/" + url_escaped(script_id) + "?version=" + url_escaped(version)});
    if (!script) return kExitFailed;
    bool whole = true;
    const std::string recorded = recorded_of(execution->root, whole);
    const auto trial = server.call({.method = "POST",
                                    .path = "/v2/scripts/" + url_escaped(script_id) + "/try",
                                    .body = JsonObject()
                                                .text("eventId", event_id)
                                                .raw("version", version)
                                                .raw("calls", "[" + recorded + "]")
                                                .flag("maskSecrets", true)
                                                .str()});
    if (!trial) return kExitFailed;

    std::error_code error;
    fs::create_directories(o.folder, error);
    const std::string name = o.name.empty() ? o.execution : o.name;
    const fs::path lua = fs::path(o.folder) / (script_id + ".lua");
    std::string told;
    for (const char* member : {"eventId", "pattern", "version", "timestamp", "partitionKey"}) {
        const std::string value = text_at(event->root, member);
        if (!value.empty())
            told += (told.empty() ? "" : ",") + json_quoted(member) + ":" + json_quoted(value);
    }
    for (const char* member : {"source", "payload", "metadata"}) {
        core::JsonElement value;
        if (event->root.find(member, value))
            told += (told.empty() ? "" : ",") + json_quoted(member) + ":" + json_compact(value);
    }
    bool missing = false;
    JsonObject fixture;
    fixture.text("name", name).text("script", lua.filename().string());
    const std::string type = text_at(script->root, "type");
    if (type == "api" || type == "endpoint") fixture.text("scriptType", type);
    fixture.text_if("now", text_at(event->root, "receivedAt"));
    fixture.raw("event", "{" + told + "}").raw("kv", raw_at(trial->root, "reads"));
    fixture.raw("secrets", secrets_of(trial->root));
    fixture.raw("calls", answers_of(trial->root, recorded, missing));
    fixture.raw("expect", expected_of(trial->root));
    core::JsonDom dom;
    core::JsonElement root;
    const std::string text = fixture.str();
    if (!dom.read(text, root)) return failed("the recorded test is no JSON");
    const fs::path path = fs::path(o.folder) / (name + ".json");
    if (!write_file(lua, text_at(script->root, "source")) ||
        !write_file(path, json_pretty(root) + "\n"))
        return failed("folder '" + o.folder + "' can't be written to");
    std::printf("%s\n", path.string().c_str());
    if (!whole)
        std::fprintf(stderr, "an answer was too long to be kept whole: complete it in `calls`\n");
    if (missing)
        std::fprintf(stderr,
                     "it made calls that were not recorded: fill in what `calls` are answered "
                     "with, and expect what then comes of it; with \"recordCalls\": true the "
                     "script's executions keep the answers\n");
    return kExitOk;
}

// ---- millrace script run FILE --event FILE

int run_file(const Options& o) {
    Fixture fixture;
    auto source = read_file(o.script);
    if (!source) return failed(source.error().message);
    auto event = read_json_argument(
        (std::string_view("{@-").find(o.event.front()) == std::string::npos ? "@" : "") + o.event,
        "--event");
    if (!event) return failed(event.error().message);
    fixture.script.source = std::move(*source);
    fixture.script.id = fixture.script.name = fs::path(o.script).stem().string();
    fixture.what.event = std::move(*event);
    core::JsonDom dom;
    core::JsonElement root, pattern;
    if (!dom.read(fixture.what.event, root) || !root.is_object())
        return failed("--event: expected a JSON object");
    fixture.what.event_is_value = !root.find("pattern", pattern);
    fixture.what.event_id = "evt_here";
    fixture.what.now_us = wall_clock_us();
    Watched watched;
    const runtime::TrialOutcome outcome = run_fixture(fixture, watched.slot());
    const std::string text = outcome_json(outcome);
    core::JsonDom told;
    core::JsonElement shown;
    if (o.output == "json" || !told.read(text, shown))
        std::printf("%s\n", text.c_str());
    else
        std::printf("%s\n", json_pretty(shown).c_str());
    return outcome.status == "completed" ? kExitOk : kExitFailed;
}

bool runs_a_file(const std::vector<std::string>& arguments) {
    const auto is = [&](std::size_t at, std::string_view word) {
        return at < arguments.size() && arguments[at] == word;
    };
    const std::size_t at = is(0, "script:run") ? 1 : is(0, "script") && is(1, "run") ? 2 : 0;
    std::error_code error;
    return at != 0 && at < arguments.size() && arguments[at].ends_with(".lua") &&
           fs::is_regular_file(arguments[at], error);
}

int parse_and(CLI::App& app, std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    return -1;
}

}  // namespace

bool is_test_command(const std::vector<std::string>& arguments) {
    return (!arguments.empty() && arguments.front() == "test") || runs_a_file(arguments);
}

int test_command(std::vector<std::string> arguments) {
    Options o;
    if (const char* server = std::getenv("MILLRACE_SERVER")) o.server = server;
    if (const char* key = std::getenv("MILLRACE_API_KEY")) o.api_key = key;
    const bool file = runs_a_file(arguments);
    CLI::App app(file ? "Run a Lua file with an event, here: nothing is done, what it would do is "
                        "told"
                      : "Run the tests of handlers in a folder; exit code 1 when one fails",
                 file ? "millrace script run" : "millrace test");
    app.add_option("-o,--output", o.output)->check(CLI::IsMember({"table", "json"}));
    if (file) {
        app.add_option("file", o.script)->required();
        app.add_option("--event", o.event, "a file, JSON, or - for standard input")->required();
    } else {
        app.add_option("folder", o.folder)->required();
        app.add_option("--record", o.execution,
                       "write a test of this execution into the folder, from the server");
        app.add_option("--name", o.name, "of the recorded test; else the execution's id");
        app.add_option("--server", o.server)->capture_default_str();
        app.add_option("--api-key", o.api_key);
    }
    arguments.erase(arguments.begin(), arguments.begin() + (arguments.front() == "script" ? 2 : 1));
    if (const int code = parse_and(app, std::move(arguments)); code >= 0) return code;
    if (file) return run_file(o);
    return o.execution.empty() ? run_tests(o) : record(o);
}

}  // namespace millrace::tools
