#include "runtime/node/key_routes.h"

#include "runtime/node/figures_asked.h"
#include "runtime/node/front_routes.h"

#include <algorithm>
#include <array>

namespace millrace::runtime::node {
namespace {

bool within(std::string_view path, std::string_view folder) {
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// One list of all.
constexpr std::array<std::string_view, 4> kPages = {"/v2/dlq", "/v2/executions", "/v2/retries",
                                                    "/v2/workflow-runs"};

// Orders to all partitions as one.
struct OrderFolder {
    std::string_view folder;
    KeyWay way;
};
constexpr std::array<OrderFolder, 3> kOrderFolders = {{{"/v2/replays", KeyWay::kReplays},
                                                       {"/v2/dlq/replay", KeyWay::kRedrive},
                                                       {"/v2/dlq/rehearse", KeyWay::kRehearse}}};

// Changes nothing that is registered.
constexpr std::array<std::string_view, 5> kNoChange = {
    "/v2/subscriptions/match", "/v2/entities", "/v2/hooks/run", "/v2/webhooks", "/v2/endpoint"};

// The path's last part.
std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

KeyWay way_of_events(io::Method method, std::string_view path) {
    constexpr std::string_view kEvents = "/v2/events";
    if (path == kEvents) {
        if (method == io::Method::kPost) return KeyWay::kEvents;
        return is_repeatable(method) ? KeyWay::kPage : KeyWay::kHome;
    }
    const std::string_view rest = path.substr(kEvents.size() + 1);
    if (rest == "stream") return KeyWay::kStream;
    if (rest == "ws") return is_repeatable(method) ? KeyWay::kSocket : KeyWay::kHome;
    return KeyWay::kById;
}

}  // namespace

KeyWay key_way(io::Method method, std::string_view path) {
    if (figures_of(method, path) != Figures::kNone) return KeyWay::kFigures;
    if (within(path, "/v2/events")) return way_of_events(method, path);
    if (path == "/v2/graphql") {
        const bool asks = is_repeatable(method) || method == io::Method::kPost;
        return asks ? KeyWay::kSocket : KeyWay::kHome;
    }
    for (const OrderFolder& order : kOrderFolders) {
        if (within(path, order.folder)) return order.way;
    }
    if (path.starts_with("/v2/dlq/groups/") && !is_repeatable(method)) return KeyWay::kMark;
    constexpr std::string_view kSubscriptions = "/v2/subscriptions/";
    if (method == io::Method::kDelete && path.starts_with(kSubscriptions)) return KeyWay::kRemoval;
    if (within(path, "/v2/subscriptions") && last_of(path) == "resume") return KeyWay::kResume;
    if (within(path, "/v2/schemas") && last_of(path) == "violations") return KeyWay::kPage;
    if (path == "/v2/script/run" || path == "/v2/config") return KeyWay::kHomeOrOne;
    if (std::find(kPages.begin(), kPages.end(), path) != kPages.end()) return KeyWay::kPage;
    if (within(path, "/v2/dlq") || within(path, "/v2/executions") ||
        within(path, "/v2/workflow-runs"))
        return KeyWay::kById;
    if (is_repeatable(method) && within(path, "/v2/links")) return KeyWay::kLinks;
    if (is_repeatable(method)) return KeyWay::kHome;
    if (within(path, "/v2/workflow-keys")) return KeyWay::kEach;
    if (within(path, "/v2/workflows") && last_of(path) == "execute") return KeyWay::kRun;
    for (const std::string_view folder : kNoChange) {
        if (within(path, folder)) return KeyWay::kHome;
    }
    const std::string_view last = last_of(path);
    if (last == "try" && within(path, "/v2/scripts")) return KeyWay::kTrial;
    if (last == "try" || last == "call" || last == "validate" || last == "test")
        return KeyWay::kHome;
    return KeyWay::kChange;
}

}  // namespace millrace::runtime::node
