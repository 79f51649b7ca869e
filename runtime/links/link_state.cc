#include "runtime/links/link_state.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"

namespace millrace::runtime {

std::string link_state_id(const LinkState& state) {
    return std::to_string(state.tenant.value) + "/" + std::to_string(state.number);
}

void put_link_state(store::RowBatch& rows, const LinkState& state, std::int64_t now_us) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", state.tenant.value).field("number", state.number);
    json.field("resets", state.resets);
    if (!state.position.empty()) json.raw_field("position", state.position);
    json.field("taken", state.taken).field("rejected", state.rejected);
    json.field("leftOut", state.left_out);
    json.field("missed", state.missed).field("gaps", state.gaps);
    json.field("stopped", state.stopped).field("lastError", state.last_error);
    json.field("lastErrorAtUs", state.last_error_at_us).end_object();
    rows.put_registry(kLinkStateKind, link_state_id(state), 1, now_us, text);
}

void erase_link_state(store::RowBatch& rows, const LinkState& state) {
    rows.erase_registry(kLinkStateKind, link_state_id(state));
}

core::Result<LinkState> read_link_state(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "state of a link");
    if (!in) return core::fail(std::move(in.error()));
    LinkState out;
    in->integer_as("tenant", out.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("number", out.number, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("resets", out.resets, 0, UINT32_MAX);
    out.position = member_text(*in, "position");
    in->integer_as("taken", out.taken, 0, INT64_MAX);
    in->integer_as("rejected", out.rejected, 0, INT64_MAX);
    in->integer_as("leftOut", out.left_out, 0, INT64_MAX);
    in->integer_as("missed", out.missed, 0, INT64_MAX);
    in->integer_as("gaps", out.gaps, 0, INT64_MAX);
    in->text("stopped", out.stopped);
    in->text("lastError", out.last_error);
    in->integer("lastErrorAtUs", out.last_error_at_us, INT64_MIN, INT64_MAX);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime
