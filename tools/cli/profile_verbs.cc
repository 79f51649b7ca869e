// The verbs of contexts: add, use, list, show, remove.
#include "core/nearest.h"
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/profile.h"

#include <memory>

namespace millrace::tools {

namespace {

// Enough to tell keys apart, too little to use one.
std::string masked(const std::string& key) {
    constexpr std::size_t kShown = 4;
    if (key.empty()) return {};
    return key.size() <= 3 * kShown
               ? "..."
               : key.substr(0, kShown) + "..." + key.substr(key.size() - kShown);
}

std::string shown(const Profile& profile) {
    JsonObject json;
    json.text("name", profile.name).text("server", profile.server);
    json.text_if("apiKey", masked(profile.api_key)).text_if("caFile", profile.ca_file);
    json.text_if("clientCert", profile.client_cert).text_if("clientKey", profile.client_key);
    return json.str();
}

int unknown(CliContext& context, const Profiles& profiles, const std::string& name) {
    std::vector<std::string> names;
    for (const Profile& profile : profiles.all()) names.push_back(profile.name);
    const std::string_view near = core::nearest_name(name, names);
    return context.failed(
        core::Error(core::ErrorCode::kNotFound,
                    "no context is called '" + name + "'" +
                        (near.empty() ? "; see: millrace context list"
                                      : "; did you mean '" + std::string(near) + "'?")));
}

int save(CliContext& context, const Profiles& profiles, const std::string& said) {
    if (auto saved = profiles.save(); !saved) return context.failed(saved.error());
    if (context.json())
        context.out() << JsonObject().text("current", profiles.current).str() << '\n';
    else
        context.out() << printable(said) << '\n';
    return kExitOk;
}

int add(CliContext& context, const std::string& name) {
    if (!context.server_told) return context.usage("context add needs --server ADDRESS");
    auto profiles = Profiles::load();
    if (!profiles) return context.failed(profiles.error());
    profiles->put({name, context.server, context.api_key, context.ca_file, context.client_cert,
                   context.client_key});
    const bool first = profiles->current.empty();
    if (first) profiles->current = name;
    return save(context, *profiles,
                "added " + name + (first ? ", in use" : "; millrace context use " + name));
}

int use(CliContext& context, const std::string& name, bool none) {
    auto profiles = Profiles::load();
    if (!profiles) return context.failed(profiles.error());
    if (none == !name.empty()) return context.usage("context use needs a name, or --none");
    if (!none && profiles->find(name) == nullptr) return unknown(context, *profiles, name);
    profiles->current = name;
    return save(context, *profiles, none ? "no context is in use" : "in use: " + name);
}

int remove(CliContext& context, const std::string& name) {
    auto profiles = Profiles::load();
    if (!profiles) return context.failed(profiles.error());
    if (!profiles->remove(name)) return unknown(context, *profiles, name);
    if (profiles->current == name) profiles->current.clear();
    return save(context, *profiles, "removed " + name);
}

int list(CliContext& context) {
    const auto profiles = Profiles::load();
    if (!profiles) return context.failed(profiles.error());
    std::string items;
    Table table({"", "CONTEXT", "SERVER", "KEY"});
    for (const Profile& profile : profiles->all()) {
        items += (items.empty() ? "" : ",") + shown(profile);
        table.add({profile.name == profiles->current ? "*" : "", profile.name, profile.server,
                   masked(profile.api_key)});
    }
    if (context.json()) {
        context.out()
            << JsonObject().text("current", profiles->current).raw("items", "[" + items + "]").str()
            << '\n';
        return kExitOk;
    }
    context.print_table(table, "no contexts; millrace context add NAME --server ADDRESS");
    return kExitOk;
}

int show(CliContext& context, const std::string& name) {
    const auto profiles = Profiles::load();
    if (!profiles) return context.failed(profiles.error());
    const std::string wanted = name.empty() ? profiles->current : name;
    if (wanted.empty()) {
        context.note("no context is in use");
        return kExitFailed;
    }
    const Profile* profile = profiles->find(wanted);
    if (profile == nullptr) return unknown(context, *profiles, wanted);
    Document document;
    document.text = shown(*profile);
    if (!document.parser.read(document.text, document.root)) return kExitFailed;
    context.print_pretty(document);
    return kExitOk;
}

}  // namespace

void add_context_commands(CLI::App& app, CliContext& context) {
    CLI::App* noun = app.add_subcommand("context", "Servers by a name, with the key for each")
                         ->alias("contexts");
    noun->require_subcommand(1);
    auto name = std::make_shared<std::string>();
    auto none = std::make_shared<bool>(false);
    const auto runs = [&context](CLI::App* verb, std::function<int()> run) {
        verb->callback([&context, run] { context.action = run; });
    };
    CLI::App* adds =
        noun->add_subcommand("add", "Keep --server, --api-key, --ca-file ... under a name");
    adds->add_option("name", *name)->required();
    runs(adds, [&context, name] { return add(context, *name); });
    CLI::App* uses = noun->add_subcommand("use", "Talk to this one from now on");
    uses->add_option("name", *name);
    uses->add_flag("--none", *none, "to none of them");
    runs(uses, [&context, name, none] { return use(context, *name, *none); });
    runs(noun->add_subcommand("list", "The contexts that there are"),
         [&context] { return list(context); });
    CLI::App* shows = noun->add_subcommand("show", "One of them, or the one in use");
    shows->add_option("name", *name);
    runs(shows, [&context, name] { return show(context, *name); });
    CLI::App* removes = noun->add_subcommand("remove", "Forget one");
    removes->add_option("name", *name)->required();
    runs(removes, [&context, name] { return remove(context, *name); });
}

}  // namespace millrace::tools
