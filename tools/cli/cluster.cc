// The verbs of a cluster of nodes: init, status, move, drain, undrain, heal, verify.
#include "core/json_writer.h"
#include "tools/cli/cli.h"
#include "tools/cli/confirm.h"
#include "tools/cli/json.h"
#include "tools/cli/shown.h"

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace millrace::tools {

namespace {

constexpr const char* kPath = "/v2/cluster";

int show_status(CliContext& context) {
    const auto reply = context.get(kPath);
    if (reply == nullptr) return kExitFailed;
    if (context.json()) {
        context.print_json(*reply);
        return kExitOk;
    }
    bool found = false;
    Table nodes({"NODE", "AT", "LIVE", "DRAINING"});
    for (const core::JsonElement node : array_at(reply->root, "nodes", found)) {
        nodes.add({text_at(node, "node"), text_at(node, "url"), text_at(node, "live"),
                   text_at(node, "draining")});
    }
    context.print_table(nodes, "no nodes");
    if (text_at(reply->root, "initialized") != "true") {
        context.note("the cluster has not been made yet: millrace cluster init NODE...");
        return kExitOk;
    }
    context.out() << '\n';
    Table partitions({"PARTITION", "OWNER", "EPOCH", "COPY", "ROLE", "APPLIED", "LAG", "ERROR"});
    for (const core::JsonElement one : array_at(reply->root, "partitions", found)) {
        bool copies = false;
        for (const core::JsonElement copy : array_at(one, "copies", copies)) {
            partitions.add({text_at(one, "partition"), text_at(one, "owner"), text_at(one, "epoch"),
                            text_at(copy, "node"), text_at(copy, "role"), text_at(copy, "applied"),
                            text_at(copy, "lag"), text_at(copy, "error")});
        }
    }
    context.print_table(partitions, "no partitions");
    return kExitOk;
}

int send_order(CliContext& context, const std::string& method, const std::string& path,
               const std::string& body) {
    const auto reply =
        context.call({.method = method, .path = std::string(kPath) + path, .body = body});
    if (reply == nullptr) return kExitFailed;
    if (context.json())
        context.print_json(*reply);
    else
        context.out() << text_at(reply->root, "id") << '\n';
    return kExitOk;
}

int make_cluster(CliContext& context, const std::vector<std::string>& nodes) {
    std::string list;
    for (const std::string& node : nodes) {
        list += list.empty() ? "" : ",";
        core::append_json_string(list, node);
    }
    return send_order(context, "POST", "/init", "{\"nodes\":[" + list + "]}");
}

std::string one_text(const char* name, const std::string& value) {
    JsonObject body;
    body.text(name, value);
    return body.str();
}

// What one look found wrong, and which units of which partition hash to what.
struct Seen {
    // (partition, unit) to the hash and who said so.
    std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> hashes;
    std::set<std::string> compared;  // "partition node": one unit was the same as another copy's
    std::set<std::string> copies;
    std::vector<std::string> wrong;
};

void look(const core::JsonElement& root, Seen& seen) {
    seen.wrong.clear();
    bool found = false;
    for (const core::JsonElement one : array_at(root, "partitions", found)) {
        const std::string partition = text_at(one, "partition");
        if (text_at(one, "owner").empty())
            seen.wrong.push_back("partition " + partition + " has no owner");
        bool copies = false;
        for (const core::JsonElement copy : array_at(one, "copies", copies)) {
            const std::string node = text_at(copy, "node");
            const std::string name = partition + " " + node;
            seen.copies.insert(name);
            const std::string role = text_at(copy, "role");
            if (role != "owner" && role != "standby") {
                seen.wrong.push_back("partition " + partition + " on node " + node + " is " + role +
                                     " " + text_at(copy, "error"));
                continue;
            }
            const std::string unit = text_at(copy, "unit"), hash = text_at(copy, "hash");
            if (hash.empty()) continue;
            const auto [at, is_new] = seen.hashes.try_emplace({partition, unit}, hash, node);
            if (is_new || at->second.second == node) continue;
            if (at->second.first == hash) {
                seen.compared.insert(name);
                seen.compared.insert(partition + " " + at->second.second);
            } else {
                seen.wrong.push_back("partition " + partition + ", unit " + unit + ": nodes " +
                                     at->second.second + " and " + node +
                                     " have different histories");
            }
        }
    }
}

// Copies are at different units at any moment: they are looked at until each has been seen at one
// that another has had too.
int verify_cluster(CliContext& context, double seconds) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    Seen seen;
    while (true) {
        const auto reply = context.get(kPath);
        if (reply == nullptr) return kExitFailed;
        look(reply->root, seen);
        if (seen.wrong.empty() && seen.compared == seen.copies) break;
        if (std::chrono::steady_clock::now() > until) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (const std::string& name : seen.copies) {
        if (!seen.compared.contains(name))
            seen.wrong.push_back("copy " + name + ": no unit of it was compared with another copy");
    }
    for (const std::string& wrong : seen.wrong) context.out() << wrong << '\n';
    if (!seen.wrong.empty()) return kExitFailed;
    context.out() << "well: " << seen.copies.size() << " copies, each the same as its owner's\n";
    return kExitOk;
}

}  // namespace

void add_cluster_commands(CLI::App& app, CliContext& context) {
    CLI::App* cluster = app.add_subcommand("cluster", "A cluster's nodes and partitions");
    cluster->require_subcommand(1);

    auto nodes = std::make_shared<std::vector<std::string>>();
    CLI::App* init = cluster->add_subcommand("init", "Make the cluster, of nodes that are running");
    auto restore = std::make_shared<bool>(false);
    init->add_option("node", *nodes, "each node that is to have copies");
    init->add_flag("--restore", *restore,
                   "NATS has lost what the cluster is: write again what this node knows of it");
    init->callback([&context, nodes, restore] {
        context.action = [&context, nodes, restore] {
            if (*restore == !nodes->empty()) return context.usage("name the nodes, or --restore");
            if (*restore) return send_order(context, "POST", "/init", R"({"restore":true})");
            return make_cluster(context, *nodes);
        };
    });

    CLI::App* status =
        cluster->add_subcommand("status", "Who is there, and who owns what")->alias("show");
    status->callback([&context] { context.action = [&context] { return show_status(context); }; });

    auto partition = std::make_shared<std::string>();
    auto node = std::make_shared<std::string>();
    CLI::App* move = cluster->add_subcommand("move", "Hand a partition over to another node");
    move->add_option("partition", *partition)->required();
    move->add_option("--to", *node, "the node that is to own it")->required();
    move->callback([&context, partition, node] {
        context.action = [&context, partition, node] {
            return send_order(context, "POST", "/partitions/" + url_escaped(*partition) + "/move",
                              one_text("to", *node));
        };
    });

    CLI::App* drain =
        cluster->add_subcommand("drain", "Hand over all that a node owns, to end it after that");
    drain->add_option("node", *node)->required();
    drain->callback([&context, node] {
        context.action = [&context, node] {
            return send_order(context, "POST", "/nodes/" + url_escaped(*node) + "/drain", "");
        };
    });
    CLI::App* undrain = cluster->add_subcommand("undrain", "Let a drained node own again");
    undrain->add_option("node", *node)->required();
    undrain->callback([&context, node] {
        context.action = [&context, node] {
            return send_order(context, "DELETE", "/nodes/" + url_escaped(*node) + "/drain", "");
        };
    });

    auto yes = std::make_shared<bool>(false);
    CLI::App* heal = cluster->add_subcommand(
        "heal", "Say which copy of a diverged partition counts; what only others have is lost");
    heal->add_option("partition", *partition)->required();
    heal->add_option("--from", *node, "the node whose copy counts")->required();
    heal->add_flag("--yes", *yes, "do not ask");
    heal->callback([&context, partition, node, yes] {
        context.action = [&context, partition, node, yes] {
            const int asked = confirm(context,
                                      "make the copy of node " + *node + " partition " +
                                          *partition + "; what only other copies have is lost",
                                      *yes, Unasked::kNeedsYes);
            if (asked != kExitOk) return asked;
            return send_order(context, "POST", "/partitions/" + url_escaped(*partition) + "/heal",
                              one_text("from", *node));
        };
    });

    auto seconds = std::make_shared<double>(15);
    CLI::App* verify = cluster->add_subcommand(
        "verify", "Whether every partition has an owner and every copy the owner's history");
    verify->add_option("--seconds", *seconds, "how long to look at most")->capture_default_str();
    verify->callback([&context, seconds] {
        context.action = [&context, seconds] { return verify_cluster(context, *seconds); };
    });
}

}  // namespace millrace::tools
