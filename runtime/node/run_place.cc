#include "runtime/node/run_place.h"

#include "core/json_dom.h"

#include <utility>

namespace millrace::runtime::node {

std::optional<PlacedRun> place_run(std::string_view body, IdMaker& ids) {
    PlacedRun out;
    core::JsonDom dom;
    auto root = dom.parse(body.empty() ? "{}" : body);
    if (!root || !root->is_object()) return std::nullopt;
    for (const std::string_view name : {"runId", "run_id"}) {
        core::JsonElement said;
        if (!root->find(name, said)) continue;
        std::string_view id;
        if (!said.get(id) || id.empty()) return std::nullopt;
        out.run_id = id;
        return out;
    }
    out.run_id = "run_" + ids.text(ids.next());
    std::string with = R"({"runId":")" + out.run_id + "\"";
    core::JsonMembers members;
    if (!root->get(members)) return std::nullopt;
    for (const core::JsonMember member : members) {
        with += ',';
        core::append_json_string(with, member.key);
        with += ':';
        core::append_json(with, member.value);
    }
    out.body = std::move(with) + "}";
    return out;
}

}  // namespace millrace::runtime::node
