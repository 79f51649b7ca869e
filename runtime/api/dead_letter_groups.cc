// /v2/dlq/groups: dead letters by what went wrong, and what somebody has made of each of them.
#include "runtime/api/audit.h"
#include "runtime/api/handlers.h"
#include "runtime/api/letter_pattern.h"
#include "runtime/api/part_order.h"
#include "store/rows/dead_letters.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kStateKind = "dlq_group";
constexpr std::array<std::string_view, 4> kStates = {"open", "acknowledged", "resolved", "ignored"};
constexpr std::size_t kGroupsMax = 10'000;  // told apart; letters of further ones are counted
constexpr std::size_t kMarkedMax = 10'000;  // groups of a tenant that have a state
constexpr std::size_t kFingerprintBytesMax = 128;
constexpr std::size_t kNamesMax = 5;  // subscriptions, patterns and letters of a group
constexpr std::size_t kErrorBytesMax = 2048;

struct State {
    std::string state = "open";
    std::int64_t at_us = 0;
    std::string by;
};
using States = std::map<std::string, State, std::less<>>;

struct Group {
    std::uint64_t count = 0;
    std::int64_t first_us = INT64_MAX;
    std::int64_t last_us = INT64_MIN;
    std::string error;  // the newest's
    std::vector<std::string> subscriptions, scripts, patterns, letters;
};

struct Look {
    std::string subscription_id, script_id, state;
    LetterPattern pattern;
    identity::Principal by;
    store::DeadLetterQuery query;
    std::size_t limit = 0;
    std::map<std::string, Group, std::less<>> groups;
    std::uint64_t letters = 0;
    std::uint64_t beyond = 0;  // letters of groups that are not told apart
    core::Status status;
};

std::string row_prefix(core::TenantId tenant) { return std::to_string(tenant.value) + "/"; }

core::Result<State> read_state(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "state of a group");
    if (!in) return core::fail(std::move(in.error()));
    State out;
    in->text("state", out.state);
    in->integer("atUs", out.at_us, INT64_MIN, INT64_MAX);
    in->text("by", out.by);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

core::Result<States> load_states(store::Database& database, core::TenantId tenant) {
    const std::string prefix = row_prefix(tenant);
    auto rows = database.registry().list(kStateKind, prefix, "", kMarkedMax);
    if (!rows) return core::fail(std::move(rows.error()));
    States states;
    for (const store::RegistryDocument& row : *rows) {
        auto state = read_state(row.json);
        if (state) states.emplace(row.id.substr(prefix.size()), std::move(*state));
    }
    return states;
}

void note(std::vector<std::string>& names, std::string_view name) {
    if (name.empty() || names.size() >= kNamesMax) return;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

void count(Look& look, const store::Hasher& hasher, const store::DeadLetter& row) {
    ++look.letters;
    auto found = look.groups.find(row.error_fingerprint);
    if (found == look.groups.end()) {
        if (look.groups.size() >= kGroupsMax) {
            ++look.beyond;
            return;
        }
        found = look.groups.emplace(std::string(row.error_fingerprint), Group{}).first;
    }
    Group& group = found->second;
    ++group.count;
    if (row.key.created_at_us > group.last_us) group.error = row.error.substr(0, kErrorBytesMax);
    group.first_us = std::min(group.first_us, row.key.created_at_us);
    group.last_us = std::max(group.last_us, row.key.created_at_us);
    note(group.subscriptions, row.subscription_id);
    note(group.scripts, row.script_id);
    note(group.patterns, row.pattern);
    if (group.letters.size() < kNamesMax)
        group.letters.push_back(store::encode_dead_letter_id(hasher, row.key));
}

// Looks at each letter once and keeps none.
void look_at_all(Look& look, store::Database& database) {
    look.query.accept = [&look, &database](const store::DeadLetter& row) {
        if (look.pattern.fits(row.pattern) && look.by.may_see(row.pattern))
            count(look, database.hasher(), row);
        return false;
    };
    auto page = database.dead_letters().list(look.query);
    if (!page) look.status = core::fail(std::move(page.error()));
}

// What was resolved and came again is open.
bool came_again(const State& state, const Group& group) {
    return state.state == "resolved" && group.last_us > state.at_us;
}

void append_names(core::JsonWriter& json, std::string_view name,
                  const std::vector<std::string>& names) {
    json.key(name).begin_array();
    for (const std::string& one : names) json.value(one);
    json.end_array();
}

void append_group(core::JsonWriter& json, std::string_view fingerprint, const Group& group,
                  const State& state) {
    json.begin_object().field("fingerprint", fingerprint).field("count", group.count);
    json.field("state", came_again(state, group) ? "open" : std::string_view(state.state));
    json.field("cameAgain", came_again(state, group));
    time_field_or_null(json, "stateAt", state.at_us).field_or_null("stateBy", state.by);
    json.field("error", group.error);
    time_field(json, "firstAt", group.first_us);
    time_field(json, "lastAt", group.last_us);
    append_names(json, "subscriptionIds", group.subscriptions);
    append_names(json, "scriptIds", group.scripts);
    append_names(json, "eventTypes", group.patterns);
    append_names(json, "sample", group.letters);
    json.end_object();
}

// The largest first.
ApiResponse list(const Look& look, const States& states) {
    if (!look.status) return error_response(look.status.error());
    std::vector<std::pair<std::string_view, const Group*>> order;
    const auto state_of = [&states](std::string_view fingerprint) {
        const auto found = states.find(fingerprint);
        return found == states.end() ? State{} : found->second;
    };
    for (const auto& [fingerprint, group] : look.groups) {
        const State state = state_of(fingerprint);
        const std::string_view shown =
            came_again(state, group) ? std::string_view("open") : std::string_view(state.state);
        if (look.state.empty() || look.state == shown) order.emplace_back(fingerprint, &group);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& left, const auto& right) {
        return left.second->count > right.second->count;
    });
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().key("items").begin_array();
    for (std::size_t i = 0; i < std::min(order.size(), look.limit); ++i)
        append_group(json, order[i].first, *order[i].second, state_of(order[i].first));
    json.end_array().key("next").value(nullptr);
    json.field("groups", order.size()).field("letters", look.letters);
    json.field("lettersBeyond", look.beyond).end_object();
    return json_response(200, std::move(body));
}

core::Status check_state(std::string_view state) {
    if (std::find(kStates.begin(), kStates.end(), state) != kStates.end()) return {};
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "state: \"" + std::string(state.substr(0, 64)) +
                                      "\" is none of open, acknowledged, resolved, ignored")
                          .in("state"));
}

core::Result<std::shared_ptr<Look>> read_look(const Call& call) {
    auto range = call.list_range();
    if (!range) return core::fail(std::move(range.error()));
    auto look = std::make_shared<Look>();
    look->limit = range->limit;
    look->by = call.request.principal;
    look->subscription_id = call.text("subscriptionId");
    look->script_id = call.text("scriptId");
    auto pattern = LetterPattern::parse(std::string(call.text("pattern")));
    if (!pattern) return core::fail(std::move(pattern.error()));
    look->pattern = std::move(*pattern);
    look->state = call.text("state");
    if (!look->state.empty()) {
        if (auto ok = check_state(look->state); !ok) return core::fail(ok.error());
    }
    look->query.tenant = call.tenant();
    look->query.subscription_id = look->subscription_id;
    look->query.script_id = look->script_id;
    look->query.pattern = look->pattern.exact();
    look->query.from_us = range->from_us;
    look->query.to_us = range->to_us;
    return look;
}

core::Result<std::string> read_patch(std::string_view body) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    std::string state;
    in->text("state", state, {.presence = core::Presence::kRequired});
    if (auto status = in->finish(); !status) return core::fail(status.error());
    if (auto ok = check_state(state); !ok) return core::fail(ok.error());
    return state;
}

// The mark and who made it, in one commit. `open` is what a group is without a mark.
Answer mark(Services& services, const identity::Principal& by, const std::string& fingerprint,
            const std::string& state, const std::string& members, std::int64_t at_us) {
    const std::int64_t now_us = at_us != 0 ? at_us : services.clock().wall_us();
    const std::string id = row_prefix(by.tenant) + fingerprint;
    const std::string entry = audit_entry(
        by, "update", "dlq_group", fingerprint,
        [&state](core::JsonWriter& json) { json.field("state", state); }, members);
    core::Status written;
    if (state == "open") {
        written =
            services.registry().erase_row({std::string(kStateKind), id}, now_us, by.tenant, entry);
    } else {
        std::string row;
        core::JsonWriter json(row);
        json.begin_object().field("state", state).field("atUs", now_us);
        json.field("by", identity::actor_of(by)).end_object();
        written = services.registry().write_row({std::string(kStateKind), id, 1, now_us, row},
                                                now_us, by.tenant, entry);
    }
    if (!written) return core::fail(written.error());
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("fingerprint", fingerprint).field("state", state);
    time_field(json, "stateAt", now_us).field("stateBy", identity::actor_of(by)).end_object();
    return json_response(200, std::move(body));
}

}  // namespace

void list_dead_letter_groups(Call& call, const Respond& respond) {
    auto look = read_look(call);
    if (!look) return respond(error_response(look.error()));
    store::Database& database = call.services.database();
    auto states = load_states(database, call.tenant());
    if (!states) return respond(error_response(states.error()));
    const bool taken = call.services.run_aside(
        Aside::kLook, [look = *look, &database] { look_at_all(*look, database); },
        [look = *look, states = std::move(*states), respond] { respond(list(*look, states)); });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

void patch_dead_letter_group(Call& call, const Respond& respond) {
    const auto part = part_order_of(call);
    if (!part) return respond(error_response(part.error()));
    auto state = read_patch(call.request.body_view());
    if (!state) return respond(error_response(state.error()));
    const std::string fingerprint(call.request.param("fingerprint"));
    if (fingerprint.size() > kFingerprintBytesMax)
        return respond(error_response(not_found("group of dead letters", fingerprint).value()));
    Services& services = call.services;
    auto states = load_states(services.database(), call.tenant());
    if (!states) return respond(error_response(states.error()));
    const bool known = states->contains(fingerprint);
    if (!known && states->size() >= kMarkedMax) {
        return respond(error_response(core::Error(core::ErrorCode::kConflict,
                                                  "so many groups have a state already; set some "
                                                  "back to open")
                                          .bound(static_cast<std::int64_t>(kMarkedMax))));
    }
    struct Patch {
        identity::Principal by;
        std::string fingerprint, state, members;
        bool known = false;
        PartOrder part;
        core::Status looked;
    };
    // Where a key's patterns leave some out a letter has to be there that is its business.
    const identity::Principal& by = call.request.principal;
    auto patch = std::make_shared<Patch>(Patch{by,
                                               fingerprint,
                                               *state,
                                               audit_members(call.request),
                                               known && !by.is_bounded(),
                                               *part,
                                               {}});
    // Whoever asks all partitions has found it in one of them: all get the mark.
    if (part->there && !part->looks) patch->known = true;
    const auto look = [patch, &services] {
        if (patch->known) return;
        store::DeadLetterQuery query;
        query.tenant = patch->by.tenant;
        query.limit = 1;
        query.accept = [&patch](const store::DeadLetter& row) {
            return row.error_fingerprint == patch->fingerprint && patch->by.may_see(row.pattern);
        };
        auto page = services.database().dead_letters().list(query);
        if (!page)
            patch->looked = core::fail(std::move(page.error()));
        else
            patch->known = !page->rows.empty();
    };
    const auto answer = [patch, &services, respond] {
        if (!patch->looked) return respond(error_response(patch->looked.error()));
        if (!patch->known) {
            return respond(
                error_response(not_found("group of dead letters", patch->fingerprint).value()));
        }
        if (patch->part.looks) return respond(json_response(200, "{}"));
        auto marked = mark(services, patch->by, patch->fingerprint, patch->state, patch->members,
                           patch->part.at_us);
        respond(marked ? std::move(*marked) : error_response(marked.error()));
    };
    if (!services.run_aside(Aside::kLook, look, answer))
        respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
