#include "tools/config_command.h"

#include "core/config.h"
#include "io/address.h"
#include "runtime/hub/forwarder.h"
#include "runtime/identity/cors.h"
#include "runtime/identity/local_policy.h"
#include "runtime/links/file_access.h"
#include "runtime/node/node_settings.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/memory_budget.h"
#include "runtime/server/memory_limit.h"
#include "runtime/server/part_options.h"
#include "runtime/telemetry/exporter.h"
#include "tools/cli/cli.h"
#include "tools/cli/json.h"
#include "tools/cli/table.h"
#include "tools/serve_settings.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>

namespace millrace::tools {

namespace {

int failed(const core::Error& error) {
    std::fprintf(stderr, "error: %s\n", printable(error.message).c_str());
    return kExitFailed;
}

// How memory would be shared out here; a data folder may have another number of shards.
core::Result<runtime::MemoryPlan> plan_here(const core::Config& config,
                                            runtime::MemoryLimit& limit) {
    limit = runtime::memory_limit_of_process(config.memory.max);
    const runtime::MemoryHolders holders{
        runtime::count_or_cores(config.engine.shards, core::kShardsMax),
        runtime::count_or_cores(config.engine.lanes, core::kLanesMax) +
            static_cast<std::size_t>(config.engine.call_lanes)};
    return runtime::plan_memory(limit.bytes, holders);
}

// A node's folder holds others' things by right: its partitions.
core::Status check_place(const core::Config& config) {
    if (runtime::node::is_clustered(config)) {
        if (auto settings = runtime::node::read_node_settings(config); !settings)
            return core::fail(std::move(settings.error()));
        return {};
    }
    if (auto good = runtime::check_own_folder(config.data.dir); !good) return good;
    return runtime::check_data_folder(config.data.dir);
}

// Whom it reaches: the hub, the collector, the files of links.
core::Status check_outside(const core::Config& config) {
    if (!config.hub.url.empty()) {
        runtime::hub::ForwardOptions hub;
        hub.url = config.hub.url;
        hub.node = config.hub.node;
        hub.token = config.hub.token;
        hub.first = config.hub.first;
        if (auto good = runtime::hub::check_forward_options(hub); !good) return good;
    }
    if (!config.otlp.endpoint.empty()) {
        if (auto otlp = telemetry::read_export_options(config.otlp.endpoint, config.otlp.headers);
            !otlp)
            return core::fail(std::move(otlp.error()));
    }
    if (auto files = runtime::FileAccess::make(config.links.file_allow); !files)
        return core::fail(std::move(files.error()));
    return {};
}

// What a start would refuse, without anything being opened or made.
core::Status check(const core::Config& config) {
    if (auto good = check_place(config); !good) return good;
    if (auto good = check_outside(config); !good) return good;
    for (const std::string& listen : {config.http.listen, config.socket.listen}) {
        if (listen.empty()) continue;
        if (auto address = io::Address::parse(listen); !address)
            return core::fail(std::move(address.error()));
    }
    if (auto names = runtime::identity::HostNames::make(config.http.listen, config.http.hosts);
        !names)
        return core::fail(std::move(names.error()));
    if (auto origins = runtime::identity::CorsOrigins::make(config.http.cors_origins); !origins)
        return core::fail(std::move(origins.error()));
    runtime::RetentionChore::Deps retention;
    if (auto rules = runtime::read_retention_rules(config.retention, retention); !rules)
        return rules;
    if (auto rules = runtime::address_rules(config.http_client); !rules)
        return core::fail(std::move(rules.error()));
    if (auto commands = runtime::command_options(config.executors); !commands)
        return core::fail(std::move(commands.error()));
    runtime::MemoryLimit limit;
    if (auto plan = plan_here(config, limit); !plan) return core::fail(std::move(plan.error()));
    return {};
}

int check_verb(const core::Config& config, const std::vector<std::string>& warnings, bool json) {
    for (const std::string& warning : warnings)
        std::fprintf(stderr, "warning: %s\n", printable(warning).c_str());
    if (auto good = check(config); !good) return failed(good.error());
    if (json)
        std::printf("{\"ok\":true,\"warnings\":%zu}\n", warnings.size());
    else
        std::printf("good: a server would start with it\n");
    return kExitOk;
}

int memory_verb(const core::Config& config, bool json) {
    runtime::MemoryLimit limit;
    const auto plan = plan_here(config, limit);
    if (!plan) return failed(plan.error());
    std::vector<std::pair<std::string, std::uint64_t>> rows;
    if (plan->limit != 0) {
        rows.emplace_back("program", plan->program);
        for (std::size_t i = 0; i < runtime::kMemoryShares; ++i) {
            const auto share = static_cast<runtime::MemoryShare>(i);
            rows.emplace_back(runtime::memory_share_text(share), plan->of(share));
        }
        rows.emplace_back("unshared", plan->unshared());
    }
    if (json) {
        std::string shares;
        for (const auto& [name, bytes] : rows) {
            shares += shares.empty() ? "" : ",";
            shares += "\"" + name + "\":" + std::to_string(bytes);
        }
        std::printf("{\"limitBytes\":%s,\"from\":\"%s\",\"shares\":{%s}}\n",
                    plan->limit == 0 ? "null" : std::to_string(plan->limit).c_str(),
                    std::string(limit.from).c_str(), shares.c_str());
        return kExitOk;
    }
    if (rows.empty()) {
        std::fprintf(stderr, "no limit: neither memory.max nor the control group names one\n");
        return kExitOk;
    }
    rows.emplace_back("limit", plan->limit);
    Table table({"SHARE", "KIB"});
    for (const auto& [name, bytes] : rows) table.add({name, std::to_string(bytes >> 10)});
    table.print(std::cout, standard_output_terminal());
    return kExitOk;
}

int show_verb(const core::Config& config, const std::vector<std::string>& origins, bool all,
              bool json) {
    const auto keys = core::config_keys();
    Table table({"KEY", "VALUE", "FROM"});
    std::string items;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const bool told = origins[i] != "default";
        const std::string value = core::config_shown_text(config, keys[i]);
        if (json) {
            items += (items.empty() ? "" : ",") + JsonObject()
                                                      .text("key", keys[i].name)
                                                      .text("value", value)
                                                      .text("from", origins[i])
                                                      .str();
        } else if (all || told) {
            table.add({std::string(keys[i].name), Cell(value, told ? Style::kHead : Style::kPlain),
                       origins[i]});
        }
    }
    if (json) {
        std::printf("{\"items\":[%s]}\n", items.c_str());
        return kExitOk;
    }
    if (table.row_count() == 0)
        std::fprintf(stderr, "every setting is as it comes; --all shows them\n");
    else
        table.print(std::cout, standard_output_terminal());
    return kExitOk;
}

}  // namespace

bool is_config_command(const std::vector<std::string>& arguments) {
    return !arguments.empty() &&
           (arguments.front() == "config" || arguments.front().starts_with("config:"));
}

int config_command(std::vector<std::string> arguments) {
    arguments = split_colon_command(std::move(arguments));
    arguments.erase(arguments.begin());
    CLI::App app{"What a server would be configured with", "millrace config"};
    app.require_subcommand(1);
    app.fallthrough();
    ServeSources from;
    std::string output = "table";
    bool all = false, toml = false, memory = false;
    add_serve_sources(app, from);
    app.add_option("-o,--output", output)->check(CLI::IsMember({"table", "json"}));
    CLI::App* checks = app.add_subcommand("check", "Would a server start with it? Exit code 1: no");
    CLI::App* shows = app.add_subcommand("show", "What is not as it comes, and what has said so");
    shows->add_flag("--all", all, "every setting");
    shows->add_flag("--memory", memory, "how memory.max is shared out to the parts");
    shows->add_flag("--toml", toml, "every setting as a file, with what each means");
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    core::Config config;
    std::vector<std::string> warnings;
    if (auto read = read_serve_config(config, from, &warnings); !read) return failed(read.error());
    if (checks->parsed()) return check_verb(config, warnings, output == "json");
    if (memory) return memory_verb(config, output == "json");
    if (toml) {
        std::fputs(core::dump_config_toml(config).c_str(), stdout);
        return kExitOk;
    }
    const auto origins = origins_of(from);
    if (!origins) return failed(origins.error());
    return show_verb(config, *origins, all, output == "json");
}

}  // namespace millrace::tools
