#include "runtime/api/script_subscriptions.h"

#include "core/hex.h"
#include "core/json_reader.h"
#include "core/json_writer.h"

#include <xxhash.h>

#include <string_view>

namespace millrace::runtime::api {
namespace {

// The same wish of the same script is the same subscription.
std::string id_of(const Script& script, std::string_view body) {
    const std::uint64_t of = XXH3_64bits(script.id.data(), script.id.size());
    const std::uint64_t hash = XXH3_64bits_withSeed(body.data(), body.size(), of);
    std::string id = "by-script-";
    core::append_hex(id, hash);
    return id;
}

std::string frame_of(const Script& script, std::string_view id) {
    std::string frame;
    core::JsonWriter json(frame);
    json.begin_object().field("id", id);
    json.field("name", "asked for by script " + script.id.substr(0, 128));
    json.key("executor").begin_object().field("type", "script").field("scriptId", script.id);
    json.end_object().end_object();
    return frame;
}

}  // namespace

core::Status make_script_subscriptions(Services& services, const identity::Principal& caller,
                                       const Script& script, std::span<const std::string> bodies) {
    if (bodies.empty()) return {};
    services.registry().act_as(identity::actor_of(caller));
    auto& table = services.registry().table<Subscription>();
    for (const std::string& body : bodies) {
        const std::string id = id_of(script, body);
        if (table.find(script.tenant, id)) continue;
        const auto whole = core::json_merge_patch(body, frame_of(script, id));
        if (!whole) return core::fail(whole.error());
        auto made = table.create({.tenant = script.tenant,
                                  .log_ends = services.log_ends(),
                                  .handled_to = services.handled_to()},
                                 *whole);
        if (!made) return core::fail(made.error());
        if (auto applied = services.registry_changed(*made); !applied) {
            if (auto undone = table.undo(*made)) services.registry_undone(*undone);
            return applied;
        }
    }
    return {};
}

}  // namespace millrace::runtime::api
