#include "runtime/api/entity_write.h"

#include "runtime/api/entity_desk.h"
#include "runtime/registry/document_body.h"

#include <algorithm>
#include <tuple>

namespace millrace::runtime::api {
namespace {

using WriteRef = std::shared_ptr<EntityWrite>;

EntityDesk::Key key_of(const EntityWrite& write) {
    return {write.caller.tenant, write.type, write.id};
}

void end_write(const WriteRef& write, ApiResponse&& response) {
    write->respond(std::move(response));
    write->services.entity_desk().leave(key_of(*write));
}

std::string etag_text(std::uint64_t version) { return "\"" + std::to_string(version) + "\""; }

ApiResponse view_response(int status, std::string&& view, std::uint64_t version) {
    ApiResponse response = json_response(status, std::move(view));
    response.headers.emplace_back("ETag", etag_text(version));
    return response;
}

// Is what the write is based on what is there?
core::Status check_base(const EntityWrite& write, const std::optional<store::Entity>& there) {
    const std::string name = write.type + "/" + write.id;
    if (write.kind == EntityWrite::Kind::kCreate && there) {
        return core::fail(
            core::Error(core::ErrorCode::kConflict, "id: there is an entity " + name + " already")
                .in("id"));
    }
    const bool must_be =
        write.kind == EntityWrite::Kind::kPatch || write.kind == EntityWrite::Kind::kDelete;
    if (must_be && !there) return core::fail(not_found("entity", name).value());
    const std::string now = there ? std::to_string(there->version) : "0";
    if (!write.if_match.empty()) {
        if (auto agreed = check_precondition(write.if_match, now); !agreed || !there) {
            return agreed ? core::fail(core::Error(core::ErrorCode::kConflict,
                                                   "If-Match: there is no entity " + name)
                                           .in("If-Match"))
                          : agreed;
        }
    }
    if (write.based_on && std::to_string(*write.based_on) != now) {
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "version: the body is based on version " +
                                          std::to_string(*write.based_on) + ", now it is " + now)
                              .in("version"));
    }
    return {};
}

core::Result<EntityChange> make_change(const EntityWrite& write,
                                       std::optional<store::Entity>&& there) {
    EntityChange change;
    change.type = write.type;
    change.id = write.id;
    change.chain = write.chain;
    change.verb = there ? verb_of(write.kind) : EntityVerb::kCreated;
    if (there) {
        change.before = std::move(there->json);
        change.stamp = {there->version, there->created_at_us, there->updated_at_us};
    }
    switch (write.kind) {
        case EntityWrite::Kind::kCreate:
        case EntityWrite::Kind::kPut: change.doc = write.members; break;
        case EntityWrite::Kind::kDelete: change.doc = change.before; break;
        case EntityWrite::Kind::kPatch: {
            auto merged = merge_entity(change.before, write.members);
            if (!merged) return core::fail(std::move(merged.error()));
            change.doc = std::move(*merged);
            break;
        }
    }
    return change;
}

void answer_write(const WriteRef& write, const EntityChange& change) {
    const bool gone = change.verb == EntityVerb::kDeleted;
    const bool fresh = change.verb == EntityVerb::kCreated;
    const auto answer = [write, change, gone, fresh](std::string&& hooks) {
        std::string body =
            gone ? R"({"success":true})" : entity_view(change.id, change.doc, change.stamp_after);
        if (!hooks.empty()) {
            body.pop_back();
            body += ",\"hooks\":" + hooks + "}";
        }
        ApiResponse response =
            gone ? json_response(200, std::move(body))
                 : view_response(fresh ? 201 : 200, std::move(body), change.stamp_after.version);
        if (fresh) {
            response.headers.emplace_back("Location",
                                          "/v2/entities/" + change.type + "/" + change.id);
        }
        write->respond(std::move(response));
    };
    // The next change of this entity does not wait for the report.
    write->services.entity_desk().leave(key_of(*write));
    if (!write->waits) return answer({});
    if (change.event_id.empty()) return answer("[]");
    report_hooks(write->services, write->caller.tenant, change, answer);
}

void settle_write(const WriteRef& write, ScriptRunResult&& result) {
    const bool done = result.status && result.error.empty();
    const bool one_less = done ? write->kind == EntityWrite::Kind::kDelete : write->counted;
    if (one_less) write->services.entity_counts().add(write->caller.tenant, -1);
    if (!result.status) return end_write(write, error_response(result.status.error()));
    if (!result.error.empty()) return end_write(write, hook_failure(result));
    answer_write(write, result.entity->change);
}

std::int64_t entity_quota(const EntityWrite& write) {
    return write.services.registry().quotas_of(write.caller.tenant).of(identity::Quota::kEntities);
}

core::Status take_quota(EntityWrite& write) {
    EntityCounts& counts = write.services.entity_counts();
    if (auto may = counts.take(write.caller.tenant, entity_quota(write)); !may) return may;
    write.counted = counts.held(write.caller.tenant).has_value();
    return {};
}

void run_write(const WriteRef& write) {
    Services& services = write->services;
    auto there = services.database().entities().get({write->caller.tenant, write->type, write->id});
    if (!there) return end_write(write, error_response(there.error()));
    if (auto agreed = check_base(*write, *there); !agreed)
        return end_write(write, error_response(agreed.error()));
    auto change = make_change(*write, std::move(*there));
    if (!change) return end_write(write, error_response(change.error()));
    auto hooks = hooks_before(services, write->caller.tenant, *change);
    if (!hooks) return end_write(write, error_response(hooks.error()));
    change->hooks = std::move(*hooks);
    if (auto loop = looped(*change)) return end_write(write, std::move(*loop));
    if (change->hooks.empty() && change->verb == EntityVerb::kUpdated &&
        is_same_entity(change->before, change->doc)) {
        change->doc = change->before;
        change->stamp_after = change->stamp;
        return answer_write(write, *change);
    }
    if (change->verb == EntityVerb::kCreated) {
        if (auto may = take_quota(*write); !may)
            return end_write(write, error_response(may.error()));
    }
    services.run_change(std::move(*change), write->caller, [write](ScriptRunResult&& result) {
        settle_write(write, std::move(result));
    });
}

void enter_desk(const WriteRef& write) {
    const bool taken =
        write->services.entity_desk().enter(key_of(*write), [write] { run_write(write); });
    if (taken) return;
    write->respond(error_response(
        core::Error(core::ErrorCode::kRateLimited, "too many changes of this entity are waiting")
            .retry_after(1)));
}

// A quota bounds them, and nobody has counted them since the start.
void count_first(const WriteRef& write) {
    Services& services = write->services;
    const core::TenantId tenant = write->caller.tenant;
    const auto first = services.entity_counts().wait(tenant, [write](const core::Status& counted) {
        if (!counted) return write->respond(error_response(counted.error()));
        enter_desk(write);
    });
    if (!first) return write->respond(error_response(first.error()));
    if (!*first) return;
    auto count = std::make_shared<core::Result<std::int64_t>>(0);
    store::Database& database = services.database();
    const bool taken = services.run_aside(
        Aside::kLook, [count, tenant, &database] { *count = database.entities().count(tenant); },
        [count, tenant, &services] {
            services.entity_counts().learned(tenant, std::move(*count));
        });
    if (!taken) services.entity_counts().learned(tenant, core::fail(busy_aside(Aside::kLook)));
}

}  // namespace

ApiResponse entity_response(int status, const store::Entity& entity) {
    return view_response(status,
                         entity_view(entity.id, entity.json,
                                     {entity.version, entity.created_at_us, entity.updated_at_us}),
                         entity.version);
}

// A request that a hook at work on this very entity has made would wait for itself.
void begin_write(WriteRef write) {
    EntityChange asked;
    asked.type = write->type;
    asked.id = write->id;
    asked.verb = verb_of(write->kind);
    asked.chain = write->chain;
    if (!asked.chain.empty()) {
        if (auto hooks = hooks_before(write->services, write->caller.tenant, asked))
            asked.hooks = std::move(*hooks);
        if (auto loop = looped(asked)) return write->respond(std::move(*loop));
    }
    const bool bounded = entity_quota(*write) != 0;
    if (bounded && !write->services.entity_counts().held(write->caller.tenant))
        return count_first(write);
    enter_desk(write);
}

core::Result<std::vector<EntityHook>> hooks_before(Services& services, core::TenantId tenant,
                                                   const EntityChange& change) {
    const HookPoint point{HookTime::kBefore, change.verb};
    std::vector<HookRef> found;
    services.registry().table<Hook>().list(tenant, {}, [&](const HookRef& hook) {
        if (hook->active && hook->on == point && hook->entity == change.type) found.push_back(hook);
        return true;
    });
    if (found.size() > kHooksPerChangeMax) {
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "entity " + change.type + " has more than " +
                                          std::to_string(kHooksPerChangeMax) + " hooks " +
                                          std::string(hook_point_text(point)))
                              .bound(kHooksPerChangeMax));
    }
    std::sort(found.begin(), found.end(), [](const HookRef& a, const HookRef& b) {
        return std::tie(a->order, a->id) < std::tie(b->order, b->id);
    });
    std::vector<EntityHook> hooks;
    for (const HookRef& hook : found)
        hooks.push_back({hook->id, hook->number.value, hook->script.value});
    return hooks;
}

std::optional<ApiResponse> looped(const EntityChange& change) {
    std::string why;
    for (const EntityHook& hook : change.hooks) {
        const std::string link = hook_link(hook.id, change.type, change.id);
        if (is_in_chain(change.chain, link)) why = link + " is at work because of itself";
    }
    if (change.chain.size() >= kHookChainMax)
        why = std::to_string(change.chain.size()) + " hooks have led here";
    if (why.empty()) return std::nullopt;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message", "LOOP: " + why).field("code", "LOOP").field("statusCode", 409);
    json.key("details").begin_object().key("chain").begin_array();
    for (const std::string& link : change.chain) json.value(link);
    json.end_array().end_object().end_object().end_object();
    return json_response(409, std::move(body));
}

ApiResponse hook_failure(const ScriptRunResult& result) {
    const bool aborted = !result.abort_json.empty();
    std::string code(core::error_code_text(core::ErrorCode::kInternal));
    std::string message = result.error.substr(0, result.error.find('\n')).substr(0, 512);
    std::string details;
    if (aborted) {
        core::JsonDocument document;
        if (auto in = document.parse_object(result.abort_json)) {
            in->text("code", code);
            in->text("message", message);
            if (const auto given = in->any("details"); given && !given->is_null())
                core::append_json(details, *given);
        }
    }
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message", message).field("code", code).field("statusCode", aborted ? 400 : 500);
    json.key("details");
    if (!details.empty()) {
        // The script's own; a list or a word becomes a member.
        if (details.front() == '{')
            json.raw(details);
        else
            json.begin_object().raw_field("value", details).end_object();
    } else {
        json.begin_object().field("hookId", result.failed_hook);
        json.field("executionId", result.execution_id);
        if (!aborted) json.field("reason", result.reason);
        json.end_object();
    }
    json.end_object().end_object();
    return json_response(aborted ? 400 : 500, std::move(body));
}

}  // namespace millrace::runtime::api
