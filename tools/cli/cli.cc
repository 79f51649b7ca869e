#include "tools/cli/cli.h"

#include "core/nearest.h"
#include "tools/cli/completion.h"
#include "tools/cli/profile.h"
#include "tools/cli/usual_words.h"
#include "tools/cli/watch.h"

#include <algorithm>
#include <cstdlib>

namespace millrace::tools {

namespace {

constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

bool takes_value(const std::string& option) {
    return option == "--server" || option == "--api-key" || option == "--output" ||
           option == "-o" || option == "--ca-file" || option == "--client-cert" ||
           option == "--client-key" || option == "--context" || option == "--watch-seconds" ||
           option == "--watch-times";
}

// Index of the first argument that is neither an option nor an option's value.
std::size_t command_index(const std::vector<std::string>& arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i].empty() || arguments[i].front() != '-') return i;
        if (takes_value(arguments[i])) ++i;
    }
    return kNowhere;
}

std::string names_of(const CLI::App& app) {
    std::string names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        names += (names.empty() ? "" : ", ") + sub->get_name();
    }
    return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (sub->check_name(name)) return sub;
    }
    return nullptr;
}

std::string did_you_mean(const CLI::App& app, const std::string& name) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    if (app.get_parent() == nullptr) {
        for (const OtherCommand& other : other_commands()) names.emplace_back(other.name);
    }
    const std::string_view nearest = core::nearest_name(name, names);
    return nearest.empty() ? std::string() : "; did you mean '" + std::string(nearest) + "'?";
}

std::string other_names() {
    std::string names;
    for (const OtherCommand& other : other_commands()) names += ", " + std::string(other.name);
    return names;
}

// A message that names what exists beats CLI11's "was not expected". Empty when it is known.
std::string unknown_command(const CLI::App& app, const std::vector<std::string>& arguments) {
    const std::size_t index = command_index(arguments);
    if (index == kNowhere) return {};
    const CLI::App* noun = find_command(app, arguments[index]);
    if (noun == nullptr) {
        return "unknown command '" + arguments[index] + "'" + did_you_mean(app, arguments[index]) +
               "; there are: " + names_of(app) + other_names() + " (try --help)";
    }
    if (noun->get_subcommands([](const CLI::App*) { return true; }).empty()) return {};
    const bool given = index + 1 < arguments.size();
    if (given && arguments[index + 1].rfind('-', 0) == 0) return {};
    if (given && find_command(*noun, arguments[index + 1]) != nullptr) return {};
    const std::string full = arguments[index] + (given ? " " + arguments[index + 1] : "");
    return (given ? "unknown command '" : "incomplete command '") + full + "'" +
           (given ? did_you_mean(*noun, arguments[index + 1]) : std::string()) +
           "; there are: " + names_of(*noun);
}

// A verb under another name becomes the one that is meant: `event ls` is `event list`.
void use_own_words(const CLI::App& app, std::vector<std::string>& arguments) {
    const std::size_t index = command_index(arguments);
    if (index == kNowhere || index + 1 >= arguments.size()) return;
    const CLI::App* noun = find_command(app, arguments[index]);
    if (noun == nullptr || find_command(*noun, arguments[index + 1]) != nullptr) return;
    const std::string meant = usual_verb(*noun, arguments[index + 1]);
    if (!meant.empty()) arguments[index + 1] = meant;
}

void add_global_options(CLI::App& app, CliContext& context) {
    // Two names for the same; the first one wins.
    if (const char* url = std::getenv("MILLRACE_URL"); url != nullptr && *url != '\0')
        context.server = url;
    app.add_option("--server", context.server, "The server's address")
        ->envname("MILLRACE_SERVER")
        ->capture_default_str();
    app.add_option("--api-key", context.api_key, "The API key")->envname("MILLRACE_API_KEY");
    app.add_option("--ca-file", context.ca_file, "Whom to trust of https:// servers (PEM)")
        ->envname("MILLRACE_CA_FILE");
    app.add_option("--client-cert", context.client_cert, "A certificate to show (PEM)");
    app.add_option("--client-key", context.client_key, "Its private key (PEM)");
    app.add_option("-o,--output", context.output, "table for people, json for programs")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    app.add_option("--context", context.profile, "the server of this name (millrace context)")
        ->envname("MILLRACE_CONTEXT");
    app.add_flag("--full", context.full, "show times and ids whole, on a terminal too");
    add_watch_options(app, context);
    app.fallthrough();
}

// What neither an option nor the environment has said, the profile does. False after an error has
// been printed.
bool apply_profile(const CLI::App& app, CliContext& context) {
    const auto told = [&app](const char* option) { return app.get_option(option)->count() > 0; };
    const char* url = std::getenv("MILLRACE_URL");
    context.server_told = told("--server") || (url != nullptr && *url != '\0');
    // Those verbs are about profiles themselves.
    if (app.got_subcommand("context")) return true;
    if (context.server_told && context.profile.empty()) return true;
    const auto profiles = Profiles::load();
    if (!profiles) {
        context.failed(profiles.error());
        return false;
    }
    const std::string& name = context.profile.empty() ? profiles->current : context.profile;
    if (name.empty()) return true;
    const Profile* profile = profiles->find(name);
    if (profile == nullptr) {
        context.failed(
            core::Error(core::ErrorCode::kNotFound,
                        "no context is called '" + name + "'; see: millrace context list"));
        return false;
    }
    if (!context.server_told) context.server = profile->server;
    if (!told("--api-key")) context.api_key = profile->api_key;
    if (!told("--ca-file")) context.ca_file = profile->ca_file;
    if (!told("--client-cert")) context.client_cert = profile->client_cert;
    if (!told("--client-key")) context.client_key = profile->client_key;
    return true;
}

const CLI::App& chosen(const CLI::App& app, std::string& line) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) {
        at = at->get_subcommands().front();
        line += " " + at->get_name();
    }
    return *at;
}

std::string nearest_option(const CLI::App& app, const CLI::App& verb, const std::string& told) {
    std::vector<std::string> names;
    for (const CLI::App* one : {&verb, &app}) {
        for (const CLI::Option* option : one->get_options()) {
            for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
        }
    }
    std::string meant = usual_option(told, names);
    if (meant.empty()) meant = core::nearest_name(told, names);
    return meant.empty() ? std::string() : "; did you mean " + meant + "?";
}

// --help and --version arrive here too, with exit code 0.
int say_parse_error(const CLI::App& app, CliContext& context, const CliStreams& streams,
                    const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, streams.out, streams.err);
    std::string line = "millrace";
    const CLI::App& verb = chosen(app, line);
    std::string what = error.what();
    const std::vector<std::string> further = app.remaining(true);
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !further.empty()) {
        const std::string name = further.front().substr(0, further.front().find('='));
        what = name.starts_with('-')
                   ? "unknown option '" + name + "'" + nearest_option(app, verb, name)
                   : "'" + name + "' is an argument too many";
    }
    return context.usage(what + " (" + line + " --help)");
}

std::string joined(const std::vector<std::string>& arguments) {
    std::string line = "millrace";
    bool hidden = false;  // it is shown on a screen
    for (const std::string& argument : arguments) {
        line += hidden ? " ..." : " " + argument.substr(0, argument.find("api-key=") + 8);
        hidden = argument == "--api-key";
    }
    return line;
}

}  // namespace

std::vector<std::string> split_colon_command(std::vector<std::string> arguments) {
    const std::size_t index = command_index(arguments);
    if (index == kNowhere) return arguments;
    const std::string name = arguments[index];
    const std::size_t colon = name.find(':');
    if (colon == std::string::npos) return arguments;
    arguments[index] = name.substr(0, colon);
    arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                     name.substr(colon + 1));
    return arguments;
}

int run_cli(std::vector<std::string> arguments, CliStreams streams) {
    CliContext context(streams);
    CLI::App app(
        "Millrace: an event engine. `millrace serve` runs it; the other commands talk to it.",
        "millrace");
    app.set_version_flag("--version", MILLRACE_VERSION);
    add_global_options(app, context);
    add_event_commands(app, context);
    add_handler_commands(app, context);
    add_script_commands(app, context);
    add_execution_commands(app, context);
    add_dlq_commands(app, context);
    add_replay_commands(app, context);
    add_schedule_commands(app, context);
    add_workflow_commands(app, context);
    add_endpoint_commands(app, context);
    add_action_commands(app, context);
    add_entity_commands(app, context);
    add_hook_commands(app, context);
    add_import_commands(app, context);
    add_backup_command(app, context);
    add_past_commands(app, context);
    add_key_commands(app, context);
    add_tenant_commands(app, context);
    add_stats_command(app, context);
    add_source_commands(app, context);
    add_link_commands(app, context);
    add_edge_commands(app, context);
    add_cluster_commands(app, context);
    add_schema_commands(app, context);
    add_secret_commands(app, context);
    add_context_commands(app, context);
    add_health_commands(app, context);
    add_completion_command(app, context);
    app.footer(
        "Run the server: millrace serve --help; what it would be told: millrace config show\n"
        "Without a server, on its data folder: millrace restore | verify | inspect\n"
        "Tests of handlers in a folder: millrace test DIR\n"
        "How fast is this machine with it? millrace bench, millrace bench tune\n"
        "Is its disk safe? millrace torture --minutes 5\n"
        "Pages to read: millrace help");

    arguments = split_colon_command(std::move(arguments));
    use_own_words(app, arguments);
    const std::string unknown = unknown_command(app, arguments);
    if (!unknown.empty()) return context.usage(unknown);
    const std::string line = joined(arguments);
    try {
        std::reverse(arguments.begin(), arguments.end());  // the order CLI11 wants
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return say_parse_error(app, context, streams, error);
    }
    if (!context.action) {
        streams.err << app.help();
        return kExitUsage;
    }
    if (!apply_profile(app, context)) return kExitFailed;
    return context.watch ? watch(context, app, line) : context.action();
}

}  // namespace millrace::tools
