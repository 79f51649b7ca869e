#include "runtime/links/link_state.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"

#include <algorithm>

namespace millrace::runtime {

void count_entries(LinkCounts& counts, const LinkEntries& entries,
                   std::span<const std::uint32_t> there) {
    std::uint64_t known_letters = 0, known = 0;
    for (const std::uint32_t entry : there) {
        if (entry < entries.first) continue;
        const bool is_letter =
            std::binary_search(entries.letters.begin(), entries.letters.end(), entry);
        ++(is_letter ? known_letters : known);
    }
    // relaxed: figures; no data behind them
    counts.duplicates.fetch_add(known, std::memory_order_relaxed);
    counts.rejected.fetch_add(entries.letters.size() - known_letters, std::memory_order_relaxed);
}

std::string link_state_id(const LinkState& state) {
    return std::to_string(state.tenant.value) + "/" + std::to_string(state.number);
}

void put_link_state(store::RowBatch& rows, const LinkState& state, std::int64_t now_us) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", state.tenant.value).field("number", state.number);
    json.field("resets", state.resets);
    if (state.resumes > 0) json.field("resumes", state.resumes);
    if (!state.position.empty()) json.raw_field("position", state.position);
    json.field("taken", state.taken).field("duplicates", state.duplicates);
    json.field("rejected", state.rejected).field("leftOut", state.left_out);
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
    in->integer_as("resumes", out.resumes, 0, UINT32_MAX);
    out.position = member_text(*in, "position");
    in->integer_as("taken", out.taken, 0, INT64_MAX);
    in->integer_as("duplicates", out.duplicates, 0, INT64_MAX);
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
