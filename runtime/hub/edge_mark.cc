#include "runtime/hub/edge_mark.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/hub/hub_batch.h"

namespace millrace::runtime::hub {

std::string edge_mark_id(const EdgeMark& mark) {
    return std::to_string(mark.tenant.value) + "/" + std::to_string(mark.edge) + "/" +
           hash_text(mark.incarnation) + "/" + std::to_string(mark.lane);
}

void note_skips(EdgeMark& mark, const SkipRun& run) {
    auto& skips = mark.skips;
    if (!skips.empty() && skips.back().filter_version == run.filter_version &&
        skips.back().to == run.from) {
        skips.back().to = run.to;
        return;
    }
    if (skips.size() == kSkipRunsMax) skips.erase(skips.begin());
    skips.push_back(run);
}

void note_wanted(EdgeMark& mark, std::uint64_t filter_version) {
    const bool first = mark.to == mark.backfill->from;
    if (first) mark.wanted = filter_version;
    if (mark.wanted != filter_version) mark.wanted.reset();
}

void append_skip_run(core::JsonWriter& json, const SkipRun& run) {
    json.begin_object().field("filterVersion", hash_text(run.filter_version));
    json.field("from", run.from).field("to", run.to).end_object();
}

void put_edge_mark(store::RowBatch& rows, const EdgeMark& mark) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("tenant", mark.tenant.value).field("edge", mark.edge);
    json.field("incarnation", hash_text(mark.incarnation)).field("shard", mark.lane);
    json.field("to", mark.to).field("hash", hash_text(mark.hash));
    json.field("taken", mark.taken).field("skipped", mark.skipped);
    json.field("rejected", mark.rejected).field("atUs", mark.at_us);
    json.key("skips").begin_array();
    for (const SkipRun& run : mark.skips) append_skip_run(json, run);
    json.end_array();
    if (mark.backfill) append_skip_run(json.key("backfill"), *mark.backfill);
    if (mark.wanted) json.field("wanted", hash_text(*mark.wanted));
    json.end_object();
    rows.put_registry(kEdgeMarkKind, edge_mark_id(mark), 1, mark.at_us, text);
}

void erase_edge_mark(store::RowBatch& rows, const EdgeMark& mark) {
    rows.erase_registry(kEdgeMarkKind, edge_mark_id(mark));
}

namespace {

void read_hash(core::JsonObject& in, std::string_view name, std::uint64_t& value) {
    std::string digits;
    if (in.text(name, digits, {.presence = core::Presence::kRequired}) &&
        !read_hash_text(digits, value))
        in.refuse(name, "is no hash");
}

bool read_run(core::JsonObject& in, std::string_view name, const core::JsonElement& element,
              SkipRun& run) {
    core::JsonMembers members;
    if (!element.get(members)) {
        in.refuse(name, "must be an object");
        return false;
    }
    core::JsonObject one(members, std::string(name));
    read_hash(one, "filterVersion", run.filter_version);
    one.integer_as("from", run.from, 0, INT64_MAX, core::Presence::kRequired);
    one.integer_as("to", run.to, 0, INT64_MAX, core::Presence::kRequired);
    (void)one.finish();
    in.join(one);
    return true;
}

void read_skips(core::JsonObject& in, std::vector<SkipRun>& out) {
    core::JsonArray list;
    const auto skips = in.any("skips");
    if (!skips || !skips->get(list)) return;
    for (const core::JsonElement element : list)
        if (!read_run(in, "skips", element, out.emplace_back())) return;
}

}  // namespace

core::Result<EdgeMark> read_edge_mark(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "mark of an edge");
    if (!in) return core::fail(std::move(in.error()));
    EdgeMark out;
    in->integer_as("tenant", out.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("edge", out.edge, 1, UINT32_MAX, core::Presence::kRequired);
    read_hash(*in, "incarnation", out.incarnation);
    in->integer_as("shard", out.lane, 0, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("to", out.to, 0, INT64_MAX, core::Presence::kRequired);
    read_hash(*in, "hash", out.hash);
    in->integer_as("taken", out.taken, 0, INT64_MAX);
    in->integer_as("skipped", out.skipped, 0, INT64_MAX);
    in->integer_as("rejected", out.rejected, 0, INT64_MAX);
    in->integer("atUs", out.at_us, INT64_MIN, INT64_MAX);
    read_skips(*in, out.skips);
    if (const auto backfill = in->any("backfill"))
        (void)read_run(*in, "backfill", *backfill, out.backfill.emplace());
    if (in->any("wanted")) read_hash(*in, "wanted", out.wanted.emplace());
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime::hub
