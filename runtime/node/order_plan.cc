#include "runtime/node/order_plan.h"

#include "core/crypto/random_bits.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/made_id.h"
#include "io/error_body.h"
#include "runtime/delivery/delivery_id.h"
#include "runtime/node/page_merge.h"
#include "runtime/node/replay_merge.h"
#include "runtime/registry/document_body.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kIdDigits = 12;
constexpr std::size_t kReplayIdBytesMax = 64;
constexpr std::size_t kShownSampleMax = 10;
constexpr std::size_t kRehearsedDefault = 20;
constexpr std::size_t kRehearsedMax = 100;

core::Error unreadable_look(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "what partition " + std::to_string(partition) + " has found does not read"};
}

core::Error not_as_expected(std::int64_t expect, std::uint64_t count, std::string_view what,
                            std::string_view undone) {
    return core::Error(core::ErrorCode::kConflict,
                       "expect is " + std::to_string(expect) + ", and " + std::to_string(count) +
                           " " + std::string(what) + " would be replayed; " + std::string(undone))
        .in("expect");
}

template <typename T>
bool read_member(const core::JsonElement& of, std::string_view name, T& out) {
    core::JsonElement member;
    return of.find(name, member) && member.get(out);
}

std::string new_replay_id(std::string_view prefix) {
    std::uint64_t seed = 0;
    const std::string bits = core::crypto::random_bytes(sizeof seed);
    std::memcpy(&seed, bits.data(), sizeof seed);
    core::Random random(seed);
    return core::make_id(prefix, random, kIdDigits);
}

}  // namespace

// ---- replays

ReplayAsked read_replay_asked(std::string_view body) {
    ReplayAsked out;
    core::JsonDom dom;
    bool new_ids = false;
    std::string_view id;
    if (auto root = dom.parse(body); root && root->is_object()) {
        // Another one is refused where it is asked.
        if (read_member(*root, "id", id) && is_resource_id(id) && id.size() <= kReplayIdBytesMax)
            out.id = id;
        out.counts = read_member(*root, "expect", out.expect);
        if (!read_member(*root, "newIds", new_ids)) read_member(*root, "new_ids", new_ids);
    }
    if (out.id.empty()) out.id = new_replay_id(new_ids ? kNewIdsReplayPrefix : kReplayPrefix);
    return out;
}

core::Result<ReplayPlan> plan_replay(const ReplayAsked& asked, std::span<const PartPage> looks,
                                     std::int64_t at_us) {
    ReplayPlan plan;
    std::vector<std::string> statuses;
    std::uint64_t total = 0;
    core::JsonDom dom;
    for (const PartPage& look : looks) {
        auto root = dom.parse(look.body);
        core::JsonArray ends;
        std::uint64_t count = 0;
        if (!root || !root->is_object() || !read_member(*root, "ends", ends))
            return core::fail(unreadable_look(look.partition));
        if (asked.counts && !read_member(*root, "count", count))
            return core::fail(unreadable_look(look.partition));
        std::string_view status;
        if (read_member(*root, "status", status)) statuses.emplace_back(status);
        api::PartOrder& order = plan.orders.emplace_back();
        order.there = true;
        order.id = asked.id;
        order.at_us = at_us;
        order.parts = looks.size();
        if (asked.counts) order.expect = static_cast<std::int64_t>(count);
        for (const core::JsonElement end : ends) {
            std::uint64_t value = 0;
            if (!end.get(value)) return core::fail(unreadable_look(look.partition));
            order.ends.emplace_back(value);
        }
        total += count;
    }
    if (statuses.size() == looks.size()) {
        std::vector<std::string_view> views(statuses.begin(), statuses.end());
        plan.begun_before = merged_status(views);
        return plan;
    }
    if (asked.counts && total != static_cast<std::uint64_t>(asked.expect))
        return core::fail(not_as_expected(asked.expect, total, "events", "nothing was begun"));
    for (api::PartOrder& order : plan.orders) order.total = total;
    return plan;
}

// ---- dead letters

RedriveAsked read_redrive_asked(std::string_view body) {
    RedriveAsked out;
    core::JsonDom dom;
    auto root = dom.parse(body);
    if (!root || !root->is_object()) return out;
    read_member(*root, "dryRun", out.dry_run);
    read_member(*root, "ratePerSecond", out.per_second);
    if (std::int64_t expect = 0; read_member(*root, "expect", expect)) out.expect = expect;
    return out;
}

core::Result<RedrivePlan> plan_redrive(const RedriveAsked& asked, std::span<const PartPage> looks) {
    RedrivePlan plan;
    std::map<std::string, std::size_t, std::less<>> missing;  // by id: in how many
    std::vector<std::string> sample;
    core::JsonDom dom;
    for (const PartPage& look : looks) {
        auto root = dom.parse(look.body);
        core::JsonArray ids;
        std::uint64_t count = 0, left_out = 0;
        if (!root || !root->is_object() || !read_member(*root, "count", count))
            return core::fail(unreadable_look(look.partition));
        read_member(*root, "leftOut", left_out);
        if (read_member(*root, "sample", ids)) {
            for (const core::JsonElement id : ids) sample.emplace_back(id.raw());
        }
        std::string_view text;
        if (read_member(*root, "missing", ids)) {
            for (const core::JsonElement id : ids) {
                if (id.get(text)) ++missing[std::string(text)];
            }
        }
        api::PartOrder& order = plan.orders.emplace_back();
        order.there = true;
        order.parts = looks.size();
        if (asked.expect) order.expect = static_cast<std::int64_t>(count);
        plan.counts.push_back(count);
        plan.count += count;
        plan.left_out += left_out;
    }
    for (const auto& [id, partitions] : missing) {
        if (partitions == looks.size()) {
            return core::fail(core::ErrorCode::kNotFound,
                              "no dead letter has the id \"" + id.substr(0, 128) + "\"");
        }
    }
    if (plan.count == 0 && plan.left_out != 0 && !asked.dry_run) {
        return core::fail(core::ErrorCode::kConflict, "the subscriptions of all " +
                                                          std::to_string(plan.left_out) +
                                                          " are paused, not active or removed");
    }
    if (asked.expect && static_cast<std::uint64_t>(*asked.expect) != plan.count) {
        return core::fail(
            not_as_expected(*asked.expect, plan.count, "dead letters", "nothing was done"));
    }
    for (std::size_t i = 0; i < plan.orders.size(); ++i) {
        api::PartOrder& order = plan.orders[i];
        const auto own = static_cast<double>(plan.counts[i]);
        if (asked.per_second > 0 && own > 0)
            order.per_second = asked.per_second * own / static_cast<double>(plan.count);
        order.total = plan.count;
    }
    core::JsonWriter json(plan.would_be);
    json.begin_object().field("success", true).field("dryRun", true).field("count", plan.count);
    if (plan.left_out != 0) json.field("leftOut", plan.left_out);
    json.key("sample").begin_array();
    for (std::size_t i = 0; i < std::min(sample.size(), kShownSampleMax); ++i) json.raw(sample[i]);
    json.end_array().end_object();
    return plan;
}

// ---- subscriptions

core::Result<ResumeAsked> read_resume_asked(std::string_view body, std::size_t partitions) {
    ResumeAsked out;
    core::JsonDom dom;
    std::string_view from;
    auto root = dom.parse(body);
    if (!root || !root->is_object() || !read_member(*root, "from", from) || from.empty() ||
        from == "here")
        return out;
    out.elsewhere = true;
    out.id = new_replay_id(kReplayPrefix);
    if (!from.starts_with('m')) return out;
    auto places = read_merged_cursor(from, partitions);
    if (!places || std::any_of(places->begin(), places->end(),
                               [](const std::string& one) { return one.empty(); })) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "from is no place that a stream of this cluster has told")
                              .in("from"));
    }
    out.places = std::move(*places);
    return out;
}

std::size_t begun_in(std::span<const PartPage> answers) {
    core::JsonDom dom;
    return static_cast<std::size_t>(
        std::count_if(answers.begin(), answers.end(), [&dom](const PartPage& answer) {
            bool begun = false;
            auto root = dom.parse(answer.body);
            return root && read_member(*root, "begun", begun) && begun;
        }));
}

std::string merge_removals(std::string_view home, std::span<const PartPage> others) {
    constexpr std::string_view kCounts[] = {"deadLettered", "discarded"};
    std::uint64_t sums[] = {0, 0};
    core::JsonDom dom;
    const auto add = [&](std::string_view body) {
        auto root = dom.parse(body);
        if (!root || !root->is_object()) return false;
        for (std::size_t i = 0; i < std::size(kCounts); ++i) {
            std::uint64_t count = 0;
            if (!read_member(*root, kCounts[i], count)) return false;
            sums[i] += count;
        }
        return true;
    };
    if (!add(home)) return std::string(home);  // it was none that ran
    for (const PartPage& other : others) add(other.body);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("success", true);
    for (std::size_t i = 0; i < std::size(kCounts); ++i) json.field(kCounts[i], sums[i]);
    json.end_object();
    return out;
}

// ---- rehearsals

std::size_t read_sample(std::string_view body) {
    core::JsonDom dom;
    std::uint64_t sample = kRehearsedDefault;
    if (auto root = dom.parse(body); root && root->is_object())
        read_member(*root, "sample", sample);
    return static_cast<std::size_t>(std::min<std::uint64_t>(sample, kRehearsedMax));
}

// One of each in turn, so that no partition's letters speak for all.
core::Result<std::string> merge_rehearsals(std::span<const PartPage> answers, std::size_t sample) {
    std::vector<std::unique_ptr<core::JsonDom>> doms;
    std::vector<std::vector<core::JsonElement>> lists;
    bool out_of_time = false;
    std::size_t longest = 0;
    for (const PartPage& answer : answers) {
        auto root = doms.emplace_back(std::make_unique<core::JsonDom>())->parse(answer.body);
        core::JsonArray items;
        if (!root || !root->is_object() || !read_member(*root, "items", items))
            return core::fail(unreadable_look(answer.partition));
        auto& list = lists.emplace_back();
        for (const core::JsonElement item : items) list.push_back(item);
        longest = std::max(longest, list.size());
        bool late = false;
        read_member(*root, "outOfTime", late);
        out_of_time = out_of_time || late;
    }
    std::uint64_t sampled = 0, passed = 0, failed = 0;
    std::string items;
    core::JsonWriter list(items);
    list.begin_array();
    for (std::size_t i = 0; i < longest; ++i) {
        for (const auto& of : lists) {
            if (i >= of.size() || sampled == sample) continue;
            std::string_view outcome;
            read_member(of[i], "outcome", outcome);
            passed += outcome == "passed";
            failed += outcome == "failed";
            ++sampled;
            list.raw(of[i].raw());
        }
    }
    list.end_array();
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("sampled", sampled).field("passed", passed).field("failed", failed);
    json.field("skipped", sampled - passed - failed).key("passRate");
    if (passed + failed == 0)
        json.value(nullptr);
    else
        json.value(static_cast<double>(passed) / static_cast<double>(passed + failed));
    json.field("outOfTime", out_of_time).raw_field("items", items).end_object();
    return out;
}

// ---- words

std::string partitions_text(std::span<const std::size_t> partitions) {
    std::string out = partitions.size() == 1 ? "partition " : "partitions ";
    for (std::size_t i = 0; i < partitions.size(); ++i) {
        if (i != 0) out += i + 1 == partitions.size() ? " and " : ", ";
        out += std::to_string(partitions[i]);
    }
    return out;
}

std::string refusal_with(std::string_view body, std::string_view words) {
    core::JsonDom dom;
    core::JsonElement error, member;
    std::string_view message;
    auto root = dom.parse(body);
    if (!root || !root->find("error", error) || !read_member(error, "message", message)) {
        return io::error_body(core::Error(core::ErrorCode::kUnavailable,
                                          "no answer that reads" + std::string(words)));
    }
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message", std::string(message) + std::string(words));
    for (const std::string_view name : {"code", "statusCode", "details"}) {
        if (error.find(name, member)) json.raw_field(name, member.raw());
    }
    json.end_object().end_object();
    return out;
}

}  // namespace millrace::runtime::node
