// /v2/entities/{type}[/{id}]: documents with a version. A write is made in its entity's turn: look
// at what is there, at what it is based on (409), ask the hooks before it, commit, answer.
#include "core/made_id.h"
#include "runtime/api/entity_write.h"
#include "runtime/api/handlers.h"
#include "runtime/registry/document_body.h"
#include "store/retention/space_guard.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kMadeIdDigits = 12;

core::Status bad_name(std::string_view what, std::string_view text, std::string_view expected) {
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  std::string(what) + ": \"" + std::string(text.substr(0, 64)) +
                                      "\" is none; expected " + std::string(expected))
                          .in(std::string(what)));
}

core::Result<std::string> type_of(const Call& call) {
    const std::string_view type = call.request.param("type");
    if (is_entity_type(type)) return std::string(type);
    return core::fail(bad_name("type", type, "1 to 64 letters, digits, _ and -").error());
}

core::Status check_id(std::string_view id) {
    if (is_entity_id(id)) return {};
    return bad_name("id", id, "1 to 128 letters, digits and _ - . : @");
}

core::Status may_touch(const Call& call, const std::string& type, EntityVerb verb) {
    const std::string pattern = entity_pattern(type, verb);
    if (call.request.principal.may_see(pattern)) return {};
    return core::fail(core::ErrorCode::kForbidden, "this key's patterns do not include " + pattern);
}

// What the request says, kept beyond it.
core::Result<std::shared_ptr<EntityWrite>> read_write(Call& call, const Respond& respond,
                                                      EntityWrite::Kind kind) {
    auto write = std::make_shared<EntityWrite>(call.services, respond);
    write->kind = kind;
    auto type = type_of(call);
    if (!type) return core::fail(std::move(type.error()));
    write->type = std::move(*type);
    write->id = call.request.param("id");
    if (kind != EntityWrite::Kind::kDelete) {
        auto body = read_entity_body(call.request.body_view());
        if (!body) return core::fail(std::move(body.error()));
        write->members = std::move(body->members);
        write->based_on = body->version;
        if (write->id.empty()) write->id = body->id;
        if (!body->id.empty() && body->id != write->id) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "id: the body says \"" + body->id.substr(0, 64) +
                                              "\", the path \"" + write->id + "\"")
                                  .in("id"));
        }
        if (kind == EntityWrite::Kind::kCreate && write->based_on) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "version: is the server's; a new entity has none yet")
                                  .in("version"));
        }
    }
    if (write->id.empty()) write->id = core::make_id("en_", call.services.random(), kMadeIdDigits);
    if (auto fits = check_id(write->id); !fits) return core::fail(fits.error());
    if (auto may = may_touch(call, write->type, verb_of(kind)); !may)
        return core::fail(may.error());
    if (!read_chain(call.request.header(kHookChainHeader), write->chain)) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      std::string(kHookChainHeader) + ": is no chain of hooks")
                              .in(std::string(kHookChainHeader)));
    }
    auto waits = waits_for_hooks(call);
    if (!waits) return core::fail(std::move(waits.error()));
    write->waits = *waits;
    write->if_match = call.request.header("If-Match");
    write->caller = call.request.principal;
    return write;
}

void write_entity(Call& call, const Respond& respond, EntityWrite::Kind kind) {
    auto write = read_write(call, respond, kind);
    if (!write) return respond(error_response(write.error()));
    if (!call.services.database().space().accepting()) {
        return respond(error_response(
            core::Error(core::ErrorCode::kUnavailable, "the disk is nearly full: read-only")
                .retry_after(5)));
    }
    begin_write(std::move(*write));
}

}  // namespace

EntityVerb verb_of(EntityWrite::Kind kind) {
    if (kind == EntityWrite::Kind::kCreate) return EntityVerb::kCreated;
    return kind == EntityWrite::Kind::kDelete ? EntityVerb::kDeleted : EntityVerb::kUpdated;
}

core::Result<bool> waits_for_hooks(const Call& call) {
    const auto wait = call.request.query_value("wait");
    if (!wait) return false;
    if (*wait == "hooks") return true;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "query parameter wait is \"" + wait->substr(0, 64) + "\"; expected hooks")
            .in("wait"));
}

void create_entity(Call& call, const Respond& respond) {
    write_entity(call, respond, EntityWrite::Kind::kCreate);
}
void put_entity(Call& call, const Respond& respond) {
    const bool only_new = call.request.header("If-None-Match") == "*";  // RFC 9110, 13.1.2
    write_entity(call, respond, only_new ? EntityWrite::Kind::kCreate : EntityWrite::Kind::kPut);
}
void patch_entity(Call& call, const Respond& respond) {
    write_entity(call, respond, EntityWrite::Kind::kPatch);
}
void delete_entity(Call& call, const Respond& respond) {
    write_entity(call, respond, EntityWrite::Kind::kDelete);
}

void get_entity(Call& call, const Respond& respond) {
    const auto type = type_of(call);
    if (!type) return respond(error_response(type.error()));
    const std::string id(call.request.param("id"));
    if (auto may = may_touch(call, *type, EntityVerb::kUpdated); !may)
        return respond(error_response(may.error()));
    const auto at_us = call.time("asOf", kNoMoment);
    if (!at_us) return respond(error_response(at_us.error()));
    const auto absent = [](std::string_view what) {
        return error_response(not_found("entity", what).value());
    };
    const std::string name = *type + "/" + id;
    store::Database& database = call.services.database();
    if (*at_us == kNoMoment) {
        auto row = database.entities().get({call.tenant(), *type, id});
        if (!row) return respond(error_response(row.error()));
        if (!*row) return respond(absent(name));
        return respond(entity_response(200, **row));
    }
    PastEntities asked{call.tenant(), *type, id, *at_us};
    auto found = std::make_shared<core::Result<PastAnswer>>();
    const bool taken = call.services.run_aside(
        Aside::kLook, [found, asked, &database] { *found = entities_at(database, asked); },
        [found, asked, name, respond, absent] {
            if (!*found) return respond(error_response(found->error()));
            if (auto gone = gone_response(asked, **found)) return respond(std::move(*gone));
            if ((*found)->views.empty()) return respond(absent(name));
            respond(json_response(200, std::move((*found)->views.begin()->second)));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

void list_entities(Call& call, const Respond& respond) {
    const auto type = type_of(call);
    if (!type) return respond(error_response(type.error()));
    if (auto may = may_touch(call, *type, EntityVerb::kUpdated); !may)
        return respond(error_response(may.error()));
    list_entities_of(call, *type, respond);
}

}  // namespace millrace::runtime::api
