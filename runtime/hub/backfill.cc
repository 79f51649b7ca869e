#include "runtime/hub/backfill.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/hub/hub_batch.h"

#include <utility>

namespace millrace::runtime::hub {
namespace {

void read_hash_member(core::JsonObject& in, std::string_view name, std::uint64_t& out) {
    std::string digits;
    if (in.text(name, digits, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(digits, out))
        in.refuse(name, "is no hash");
}

core::Result<BackfillAsk> read_backfill(core::JsonObject& in) {
    BackfillAsk out;
    in.integer_as("lane", out.at.lane, kPartStep * kFirstBackfill, UINT32_MAX,
                  core::Presence::kRequired);
    read_hash_member(in, "incarnation", out.incarnation);
    in.integer_as("from", out.at.next, 0, static_cast<std::int64_t>(kOffsetMax),
                  core::Presence::kRequired);
    read_hash_member(in, "hash", out.at.hash);
    in.integer_as("to", out.to, 0, static_cast<std::int64_t>(kOffsetMax),
                  core::Presence::kRequired);
    const auto had = in.any("had");
    if (!in.ok()) return core::fail(in.finish().error());
    if (!had) return out;
    std::string text;
    core::append_json(text, *had);
    auto wanted = WantedEvents::read(text);
    if (!wanted) return core::fail(std::move(wanted.error()));
    out.had = std::move(*wanted);
    return out;
}

}  // namespace

core::Result<std::vector<BackfillAsk>> read_backfills(std::string_view json) {
    core::JsonDocument document;
    auto in = document.parse_object(json, "what the hub wants");
    if (!in) return core::fail(std::move(in.error()));
    std::vector<BackfillAsk> out;
    core::JsonArray list;
    const auto backfills = in->any("backfills");
    if (!backfills || !backfills->get(list)) return out;
    for (const core::JsonElement element : list) {
        core::JsonMembers members;
        if (!element.get(members)) {
            in->refuse("backfills", "must hold objects");
            return core::fail(in->finish().error());
        }
        core::JsonObject one(members, "backfills");
        auto ask = read_backfill(one);
        if (!ask) return core::fail(std::move(ask.error()));
        out.push_back(std::move(*ask));
    }
    return out;
}

void append_backfill(std::string& out, const ForwardMark& at, std::uint64_t incarnation,
                     std::uint64_t to, std::string_view had) {
    core::JsonWriter json(out);
    json.begin_object().field("lane", at.lane).field("incarnation", hash_text(incarnation));
    json.field("from", at.next).field("hash", hash_text(at.hash)).field("to", to);
    if (!had.empty()) json.raw_field("had", had);
    json.end_object();
}

}  // namespace millrace::runtime::hub
