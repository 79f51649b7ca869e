// /v2/scripts: create, list, read, replace, remove, versions.
#include "runtime/api/handlers.h"
#include "runtime/registry/registry_body.h"

#include <charconv>

namespace millrace::runtime::api {
namespace {

ApiResponse script_response(int status, const Script& script) {
    std::string body;
    core::JsonWriter json(body);
    append_script(json, script);
    return json_response(status, std::move(body));
}

// Tells matcher and lanes, then answers.
Answer changed(Call& call, int status, const ScriptRef& script) {
    if (auto applied = call.services.registry_changed({.script_put = script}); !applied)
        return core::fail(applied.error());
    return script_response(status, *script);
}

}  // namespace

Answer create_script(Call& call) {
    auto script = call.services.registry().create_script(call.tenant(), call.request.body_view());
    if (!script) return core::fail(std::move(script.error()));
    auto answer = changed(call, 201, *script);
    if (answer) answer->headers.emplace_back("Location", "/v2/scripts/" + (*script)->id);
    return answer;
}

Answer list_scripts(Call& call) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    ListBody body;
    std::size_t count = 0;
    std::string last, next;
    call.services.registry().list_scripts(call.tenant(), call.text("cursor"),
                                          [&](const ScriptRef& script) {
                                              if (count++ == *limit) {
                                                  next = last;
                                                  return false;
                                              }
                                              append_script(body.json(), *script);
                                              last = script->id;
                                              return true;
                                          });
    return body.finish(next);
}

Answer get_script(Call& call) {
    const std::string_view id = call.request.param("id");
    const ScriptRef script = call.services.registry().find_script(call.tenant(), id);
    if (!script) return not_found("script", id);
    return script_response(200, *script);
}

Answer put_script(Call& call) {
    auto script = call.services.registry().update_script(call.tenant(), call.request.param("id"),
                                                         call.request.body_view());
    if (!script) return core::fail(std::move(script.error()));
    return changed(call, 200, *script);
}

Answer delete_script(Call& call) {
    auto script = call.services.registry().remove_script(call.tenant(), call.request.param("id"));
    if (!script) return core::fail(std::move(script.error()));
    if (auto applied = call.services.registry_changed({.script_removed = *script}); !applied)
        return core::fail(applied.error());
    return json_response(200, R"({"success":true})");
}

Answer list_script_versions(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto versions = call.services.registry().script_versions(call.tenant(), id);
    if (versions.empty()) return not_found("script", id);
    ListBody body;
    for (auto version = versions.rbegin(); version != versions.rend(); ++version)
        append_script(body.json(), **version);
    return body.finish("");
}

Answer get_script_version(Call& call) {
    const std::string_view id = call.request.param("id");
    const std::string_view text = call.request.param("version");
    std::uint32_t wanted = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wanted);
    if (error == std::errc() && end == text.data() + text.size()) {
        for (const ScriptRef& version :
             call.services.registry().script_versions(call.tenant(), id)) {
            if (version->version == wanted) return script_response(200, *version);
        }
    }
    return not_found("version of script " + std::string(id), text);
}

}  // namespace millrace::runtime::api
