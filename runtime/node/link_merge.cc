#include "runtime/node/link_merge.h"

#include "core/json_writer.h"
#include "runtime/node/part_bodies.h"

#include <algorithm>
#include <array>
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

std::string_view state_of(const PartValue& status) { return text_in(status.value, "state"); }

std::string_view error_at(const PartValue& status) {
    JsonElement error;
    return status.value.find("lastError", error) ? text_in(error, "at") : std::string_view();
}

// As it stands; nothing where there is none.
void copy_member(core::JsonWriter& json, JsonElement object, std::string_view name) {
    JsonElement member;
    if (object.find(name, member) && !member.is_null()) json.raw_field(name, member.raw());
}

// Where any of them has a number.
bool append_sum(core::JsonWriter& json, PartValues statuses, std::string_view name) {
    const std::vector<PartValue> values = values_of(statuses, name);
    const bool any = std::any_of(values.begin(), values.end(),
                                 [](const PartValue& one) { return one.value.is_number(); });
    if (!any) return false;
    json.key(name);
    sum_of(json, values);
    return true;
}

void append_parts(core::JsonWriter& json, PartValues statuses) {
    json.key("partitions").begin_array();
    for (const PartValue& one : statuses) {
        json.begin_object().field("partition", one.partition).field("state", state_of(one));
        for (const std::string_view name : {"reason", "position", "lag", "pending"})
            copy_member(json, one.value, name);
        json.end_object();
    }
    json.end_array();
}

// What sinks are at. The worst is told first; of equals the home's.
void append_status(core::JsonWriter& json, PartValues statuses, std::size_t home) {
    const PartValue* worst = &statuses.front();
    const PartValue* failed = nullptr;
    for (const PartValue& one : statuses) {
        const std::size_t rank = rank_of(state_of(one)), most = rank_of(state_of(*worst));
        if (rank > most || (rank == most && one.partition == home)) worst = &one;
        if (!error_at(one).empty() && (!failed || error_at(one) > error_at(*failed))) failed = &one;
    }
    json.begin_object().field("state", state_of(*worst));
    const std::string_view reason = text_in(worst->value, "reason");
    json.field_or_null("reason", reason.empty() ? std::string()
                                                : "partition " + std::to_string(worst->partition) +
                                                      ": " + std::string(reason));
    copy_member(json, worst->value, "since");
    if (append_sum(json, statuses, "lag")) json.field("lagUnit", text_in(worst->value, "lagUnit"));
    for (const std::string_view name : kSummed) append_sum(json, statuses, name);
    if (failed)
        copy_member(json, failed->value, "lastError");
    else
        json.field("lastError", nullptr);
    for (const PartValue& one : statuses) {
        if (one.partition == home) copy_member(json, one.value, "logs");
    }
    append_parts(json, statuses);
    json.end_object();
}

bool is_sink(const JsonElement& link) { return text_in(link, "direction") == "out"; }

// The home's document, with what all are at.
void append_link(core::JsonWriter& json, const PartValue& own, PartValues same) {
    std::vector<PartValue> statuses = values_of(same, "status");
    std::erase_if(statuses, [](const PartValue& one) { return !one.value.is_object(); });
    core::JsonMembers members;
    if (!is_sink(own.value) || !own.value.get(members) || statuses.empty()) {
        json.raw(own.value.raw());
        return;
    }
    json.begin_object();
    for (const core::JsonMember member : members) {
        json.key(member.key);
        if (member.key == "status")
            append_status(json, statuses, own.partition);
        else
            json.raw(member.value.raw());
    }
    json.end_object();
}

// Links of this id, of lists of all.
std::vector<PartValue> same_in(PartValues lists, std::string_view id) {
    std::vector<PartValue> out;
    for (const PartValue& list : lists) {
        for (const JsonElement link : core::JsonArray(list.value)) {
            if (text_in(link, "id") == id) out.push_back({list.partition, link});
        }
    }
    return out;
}

void append_links(core::JsonWriter& json, const PartValue& own, PartValues lists) {
    json.begin_array();
    for (const JsonElement link : core::JsonArray(own.value))
        append_link(json, {own.partition, link}, same_in(lists, text_in(link, "id")));
    json.end_array();
}

const PartValue* home_of(PartValues values, std::size_t home) {
    const auto at = std::find_if(values.begin(), values.end(),
                                 [home](const PartValue& one) { return one.partition == home; });
    return at == values.end() ? nullptr : &*at;
}

}  // namespace

core::Result<std::string> merge_link(std::span<const PartPage> parts, std::size_t home) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(std::move(read.error()));
    const PartValue* const own = home_of(bodies.values(), home);
    if (!own) return core::fail(links_do_not_read(home));
    std::string out;
    core::JsonWriter json(out);
    append_link(json, *own, bodies.values());
    return out;
}

core::Result<std::string> merge_links(std::span<const PartPage> parts, std::size_t home) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(std::move(read.error()));
    for (const PartValue& body : bodies.values()) {
        JsonElement items;
        if (!body.value.find("items", items) || !items.is_array())
            return core::fail(links_do_not_read(body.partition));
    }
    const std::vector<PartValue> lists = bodies.member("items");
    const PartValue* const own = home_of(lists, home);
    core::JsonMembers members;
    if (!own || !home_of(bodies.values(), home)->value.get(members))
        return core::fail(links_do_not_read(home));
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    for (const core::JsonMember member : members) {
        json.key(member.key);
        if (member.key == "items")
            append_links(json, *own, lists);
        else
            json.raw(member.value.raw());
    }
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
