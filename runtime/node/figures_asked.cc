#include "runtime/node/figures_asked.h"

#include "runtime/api/api.h"
#include "runtime/node/figures_merge.h"
#include "runtime/node/forward_head.h"
#include "runtime/node/groups_merge.h"
#include "runtime/node/kv_merge.h"
#include "runtime/node/stats_merge.h"
#include "runtime/node/trial_merge.h"
#include "store/rows/page_cursor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kPreviewEventsDefault = 1000;
constexpr std::size_t kPreviewEventsMax = 100'000;

using Parts = std::span<const PartPage>;
using Missing = std::span<const std::size_t>;

// A number of the query within bounds; nothing: it is another one, which whoever is asked refuses.
std::optional<std::size_t> number_of(std::string_view target, std::string_view name,
                                     std::size_t absent, std::size_t most) {
    const auto text = parameter_of(target, name);
    if (!text) return absent;
    std::size_t number = 0;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
    const bool good = !text->empty() && read.ec == std::errc() &&
                      read.ptr == text->data() + text->size() && number >= 1 && number <= most;
    return good ? std::optional(number) : std::nullopt;
}

std::string with_number(std::string_view target, std::string_view name, std::size_t number) {
    return with_parameter(without_parameter(target, name), name, std::to_string(number));
}

std::size_t limit_of(std::string_view target) {
    return number_of(target, "limit", api::kListLimitDefault, api::kListLimitMax)
        .value_or(api::kListLimitMax);
}

FiguresAsk of_all(std::string_view target, std::size_t partitions) {
    FiguresAsk out;
    out.targets.assign(partitions, std::string(target));
    return out;
}

// Of each as many groups as there may be, in any state: which are told is known when all are.
FiguresAsk ask_groups(std::string_view target, std::size_t partitions) {
    constexpr std::array<std::string_view, 5> kStates = {"", "open", "acknowledged", "resolved",
                                                         "ignored"};
    const std::string state = parameter_of(target, "state").value_or("");
    const bool known = std::find(kStates.begin(), kStates.end(), state) != kStates.end();
    std::string asked = known ? without_parameter(target, "state") : std::string(target);
    const auto limit = number_of(target, "limit", api::kListLimitDefault, api::kListLimitMax);
    if (limit) asked = with_number(asked, "limit", api::kListLimitMax);
    FiguresAsk out = of_all(asked, partitions);
    out.merge = [state, limit = limit.value_or(0)](Parts parts, Missing missing) {
        return merge_groups(parts, missing, {.state = state, .limit = limit});
    };
    return out;
}

// Of the newest events of all, each has its share.
FiguresAsk ask_preview(std::string_view target, std::size_t partitions) {
    const auto events = number_of(target, "events", kPreviewEventsDefault, kPreviewEventsMax);
    FiguresAsk out =
        of_all(events ? with_number(target, "events", preview_share(*events, partitions))
                      : std::string(target),
               partitions);
    out.whole = true;
    out.merge = [](Parts parts, Missing /*missing*/) { return merge_previews(parts); };
    return out;
}

// "0:120": places in one partition's log, not a moment.
bool is_positions(std::string_view at) {
    return at.find(':') != std::string_view::npos &&
           at.find_first_not_of("0123456789:, ") == std::string_view::npos;
}

core::Result<FiguresAsk> ask_kv(std::string_view target, std::size_t partitions) {
    if (is_positions(parameter_of(target, "at").value_or(""))) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "at: positions are of one partition's log: name it with "
                                      "?partition=, or give a time")
                              .in("at"));
    }
    const auto place = read_kv_cursor(parameter_of(target, "cursor").value_or(""));
    if (!place) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    FiguresAsk out;
    const std::string asked = without_parameter(target, "cursor");
    for (std::size_t p = 0; p < partitions; ++p) {
        const std::string& behind = place->behind(p);
        out.targets.push_back(
            behind.empty() ? asked
                           : with_parameter(asked, "cursor", store::encode_cursor_key(behind)));
    }
    out.whole = true;
    out.merge = [place = *place, limit = limit_of(target)](Parts parts, Missing /*missing*/) {
        return merge_kv(parts, place, limit);
    };
    return out;
}

bool within(std::string_view path, std::string_view folder, std::string_view last) {
    return path.size() > folder.size() + last.size() && path.starts_with(folder) &&
           path.ends_with(last);
}

}  // namespace

Figures figures_of(io::Method method, std::string_view path) {
    if (method == io::Method::kPost) {
        if (path == "/v2/subscriptions/preview") return Figures::kPreview;
        return path == "/v2/schemas/check" ? Figures::kSchemaCheck : Figures::kNone;
    }
    if (method != io::Method::kGet && method != io::Method::kHead) return Figures::kNone;
    struct One {
        std::string_view path;
        Figures which;
    };
    constexpr std::array<One, 6> kOnes = {{{"/v2/stats", Figures::kStats},
                                           {"/v2/stats/stream", Figures::kPulse},
                                           {"/v2/executors", Figures::kExecutors},
                                           {"/v2/log", Figures::kLog},
                                           {"/v2/dlq/groups", Figures::kGroups},
                                           {"/v2/kv", Figures::kKv}}};
    for (const One& one : kOnes) {
        if (path == one.path) return one.which;
    }
    if (within(path, "/v2/tenants/", "/usage")) return Figures::kUsage;
    if (within(path, "/v2/events/", "/trace")) return Figures::kTrace;
    return Figures::kNone;
}

core::Result<FiguresAsk> figures_ask(Figures which, std::string_view target,
                                     std::size_t partitions) {
    FiguresAsk out = of_all(target, partitions);
    switch (which) {
        case Figures::kPulse:
            out = of_all("/v2/stats?window=3s&step=1s", partitions);
            out.merge = [](Parts parts, Missing missing) -> core::Result<std::string> {
                auto stats = merge_stats(parts, missing);
                if (!stats) return core::fail(std::move(stats.error()));
                return newest_of(*stats);
            };
            return out;
        case Figures::kStats: out.merge = merge_stats; return out;
        case Figures::kExecutors: out.merge = merge_executors; return out;
        case Figures::kUsage: out.merge = merge_usage; return out;
        case Figures::kLog:
            out.merge = [limit = limit_of(target)](Parts parts, Missing missing) {
                return merge_log(parts, missing, limit);
            };
            return out;
        case Figures::kSchemaCheck:
            out.whole = true;
            out.merge = [](Parts parts, Missing /*missing*/) { return merge_schema_checks(parts); };
            return out;
        case Figures::kGroups: return ask_groups(target, partitions);
        case Figures::kPreview: return ask_preview(target, partitions);
        case Figures::kKv: return ask_kv(target, partitions);
        case Figures::kTrace:
        case Figures::kNone: break;
    }
    out.whole = true;
    return out;
}

}  // namespace millrace::runtime::node
