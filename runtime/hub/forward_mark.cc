#include "runtime/hub/forward_mark.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/hub/hub_batch.h"

namespace millrace::runtime::hub {

void put_forward_mark(store::RowBatch& rows, const ForwardMark& mark, std::int64_t now_us) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("shard", mark.lane).field("next", mark.next);
    json.field("hash", hash_text(mark.hash)).end_object();
    rows.put_registry(kForwardKind, "shard/" + std::to_string(mark.lane), 1, now_us, text);
}

core::Result<ForwardMark> read_forward_mark(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "mark of what the hub has");
    if (!in) return core::fail(std::move(in.error()));
    ForwardMark out;
    in->integer_as("shard", out.lane, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("next", out.next, 0, INT64_MAX, core::Presence::kRequired);
    std::string hash;
    if (in->text("hash", hash, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(hash, out.hash))
        in->refuse("hash", "is no hash");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

void put_urgent(store::RowBatch& rows, std::string_view json, std::int64_t now_us) {
    rows.put_registry(kForwardKind, kForwardUrgentId, 1, now_us, json);
}

void put_incarnation(store::RowBatch& rows, std::uint64_t incarnation, std::int64_t now_us) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("incarnation", hash_text(incarnation)).end_object();
    rows.put_registry(kForwardKind, kForwardFolderId, 1, now_us, text);
}

core::Result<std::uint64_t> read_incarnation(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "name of this folder at its hub");
    if (!in) return core::fail(std::move(in.error()));
    std::uint64_t out = 0;
    std::string digits;
    if (in->text("incarnation", digits, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(digits, out))
        in->refuse("incarnation", "is no hash");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime::hub
