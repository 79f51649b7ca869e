#include "runtime/node/link_merge.h"

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

using core::JsonElement;

core::Error links_do_not_read(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "what partition " + std::to_string(partition) + " says of links does not read"};
}

// From well off to worst off.
constexpr std::array<std::string_view, 6> kStates = {"paused",  "running",  "connecting",
                                                     "waiting", "retrying", "stopped"};
std::size_t rank_of(std::string_view state) {
    const auto at = std::find(kStates.begin(), kStates.end(), state);
    return static_cast<std::size_t>(at - kStates.begin());
}

constexpr std::array<std::string_view, 5> kSummed = {"missed", "gaps", "sent", "failed", "pending"};

std::string_view text_in(const JsonElement& object, std::string_view name) {
    JsonElement member;
    std::string_view text;
    if (object.find(name, member)) (void)member.get(text);
    return text;
}

// What one partition's sink is at.
struct PartStatus {
    std::size_t partition = 0;
    JsonElement status;
    bool home = false;

    std::string_view state() const { return text_in(status, "state"); }
    std::optional<std::uint64_t> number(std::string_view name) const {
        JsonElement member;
        std::uint64_t value = 0;
        if (!status.find(name, member) || !member.get(value)) return std::nullopt;
        return value;
    }
    std::string_view raw(std::string_view name) const {
        JsonElement member;
        return status.find(name, member) && !member.is_null() ? member.raw() : std::string_view();
    }
    std::string_view error_at() const {
        JsonElement error;
        return status.find("lastError", error) && error.is_object() ? text_in(error, "at")
                                                                    : std::string_view();
    }
};

std::optional<std::uint64_t> sum_of(const std::vector<PartStatus>& parts, std::string_view name) {
    std::optional<std::uint64_t> sum;
    for (const PartStatus& one : parts) {
        if (const auto number = one.number(name)) sum = sum.value_or(0) + *number;
    }
    return sum;
}

void append_parts(core::JsonWriter& json, const std::vector<PartStatus>& parts) {
    json.key("partitions").begin_array();
    for (const PartStatus& one : parts) {
        json.begin_object().field("partition", one.partition).field("state", one.state());
        for (const std::string_view name : {"reason", "position", "lag", "pending"}) {
            if (const std::string_view raw = one.raw(name); !raw.empty()) json.raw_field(name, raw);
        }
        json.end_object();
    }
    json.end_array();
}

// The worst is told first; of equals the home's.
void append_status(core::JsonWriter& json, const std::vector<PartStatus>& parts) {
    const PartStatus* worst = &parts.front();
    const PartStatus* failed = nullptr;
    for (const PartStatus& one : parts) {
        if (rank_of(one.state()) > rank_of(worst->state()) ||
            (one.home && rank_of(one.state()) == rank_of(worst->state())))
            worst = &one;
        if (!one.error_at().empty() && (!failed || one.error_at() > failed->error_at()))
            failed = &one;
    }
    json.begin_object().field("state", worst->state());
    const std::string_view reason = text_in(worst->status, "reason");
    json.field_or_null("reason", reason.empty() ? std::string()
                                                : "partition " + std::to_string(worst->partition) +
                                                      ": " + std::string(reason));
    if (const std::string_view since = worst->raw("since"); !since.empty())
        json.raw_field("since", since);
    if (const auto lag = sum_of(parts, "lag")) {
        json.field("lag", *lag);
        json.field("lagUnit", text_in(worst->status, "lagUnit"));
    }
    for (const std::string_view name : kSummed) {
        if (const auto sum = sum_of(parts, name)) json.field(name, *sum);
    }
    json.raw_field("lastError", failed ? failed->raw("lastError") : std::string_view("null"));
    for (const PartStatus& one : parts) {
        if (!one.home || one.raw("logs").empty()) continue;
        json.raw_field("logs", one.raw("logs"));
    }
    append_parts(json, parts);
    json.end_object();
}

bool is_sink(const JsonElement& link) { return text_in(link, "direction") == "out"; }

// The home's document, with what all are at.
void append_link(std::string& out, const JsonElement& link, const std::vector<PartStatus>& parts) {
    core::JsonMembers members;
    if (!is_sink(link) || !link.get(members) || parts.empty()) {
        out += link.raw();
        return;
    }
    core::JsonWriter json(out);
    json.begin_object();
    for (const core::JsonMember member : members) {
        json.key(member.key);
        if (member.key == "status")
            append_status(json, parts);
        else
            json.raw(member.value.raw());
    }
    json.end_object();
}

struct ReadPart {
    std::size_t partition = 0;
    core::JsonDom dom;
    JsonElement root;
    core::JsonArray items;
};

core::Status read_all(std::span<const PartPage> parts, std::deque<ReadPart>& out) {
    for (const PartPage& part : parts) {
        ReadPart& one = out.emplace_back();
        one.partition = part.partition;
        auto root = one.dom.parse(part.body);
        if (!root || !root->is_object()) return core::fail(links_do_not_read(part.partition));
        one.root = *root;
    }
    return {};
}

const ReadPart* home_of(const std::deque<ReadPart>& read, std::size_t home) {
    const auto at = std::find_if(read.begin(), read.end(),
                                 [home](const ReadPart& one) { return one.partition == home; });
    return at == read.end() ? nullptr : &*at;
}

void add_status(std::vector<PartStatus>& to, const ReadPart& of, const JsonElement& link,
                std::size_t home) {
    JsonElement status;
    if (link.find("status", status) && status.is_object())
        to.push_back({of.partition, status, of.partition == home});
}

}  // namespace

core::Result<std::string> merge_link(std::span<const PartPage> parts, std::size_t home) {
    std::deque<ReadPart> read;
    if (auto all = read_all(parts, read); !all) return core::fail(std::move(all.error()));
    const ReadPart* const own = home_of(read, home);
    if (!own) return core::fail(links_do_not_read(home));
    std::vector<PartStatus> statuses;
    for (const ReadPart& one : read) add_status(statuses, one, one.root, home);
    std::string out;
    append_link(out, own->root, statuses);
    return out;
}

core::Result<std::string> merge_links(std::span<const PartPage> parts, std::size_t home) {
    std::deque<ReadPart> read;
    if (auto all = read_all(parts, read); !all) return core::fail(std::move(all.error()));
    for (ReadPart& one : read) {
        JsonElement items;
        if (!one.root.find("items", items) || !items.get(one.items))
            return core::fail(links_do_not_read(one.partition));
    }
    const ReadPart* const own = home_of(read, home);
    core::JsonMembers members;
    if (!own || !own->root.get(members)) return core::fail(links_do_not_read(home));
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    for (const core::JsonMember member : members) {
        json.key(member.key);
        if (member.key != "items") {
            json.raw(member.value.raw());
            continue;
        }
        json.begin_array();
        for (const JsonElement link : own->items) {
            std::vector<PartStatus> statuses;
            for (const ReadPart& one : read) {
                for (const JsonElement same : one.items) {
                    if (text_in(same, "id") == text_in(link, "id"))
                        add_status(statuses, one, same, home);
                }
            }
            std::string merged;
            append_link(merged, link, statuses);
            json.raw(merged);
        }
        json.end_array();
    }
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
