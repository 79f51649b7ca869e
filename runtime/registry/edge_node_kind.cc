// Edges as documents of their hub: their body, their row.
#include "core/crypto/constant_time.h"
#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/edge_node.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenShownBytes = kEdgeTokenPrefix.size() + 4;

std::string_view bytes_of(const core::crypto::Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// `id` as all documents have it, or `node`: one and the same, by one rule.
void read_node_name(core::JsonObject& in, std::string& out) {
    std::string said;
    for (const std::string_view member : {"id", "node"}) {
        std::string name;
        if (!in.text(member, name)) continue;
        if (!said.empty() && said != name) in.refuse("node", "and id are one and the same");
        if (!is_edge_node_name(name)) in.refuse(member, kEdgeNodeNameRule);
        said = std::move(name);
    }
    if (!said.empty()) out = std::move(said);
    if (out.empty()) in.refuse("node", "is required: what the edge is called (hub.node there)");
}

core::Status read_edge(std::string_view body, EdgeNode& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    in->text("name", out.name, {.bytes_max = kResourceNameBytesMax});
    read_node_name(*in, out.id);
    for (const std::string_view made : {"tokenPrefix", "status"}) (void)in->any(made);
    read_over_server_members(*in);
    return in->finish();
}

std::string show_edge(const EdgeNode& edge) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", edge.id).field("node", edge.id).field("name", edge.name);
    json.field("tokenPrefix", edge.shown);
    append_document_times(json, edge.version, edge.created_at_us, edge.updated_at_us);
    json.end_object();
    return out;
}

void carry_edge(const EdgeNode& old, EdgeNode& next) {
    next.shown = old.shown;
    next.hash = old.hash;
    next.retired = old.retired;
}

void write_edge_row(core::JsonWriter& json, const EdgeNode& edge) {
    json.field("tokenSha256", digest_hex(edge.hash));
    json.field("tokenShown", edge.shown);
    if (!edge.retired.empty()) write_retired(json, edge.retired);
}

void read_edge_row(core::JsonObject& row, EdgeNode& out) {
    row.text("tokenShown", out.shown);
    read_digest(row, "tokenSha256", out.hash);
    read_retired(row, out.retired);
}

constexpr DocumentKind<EdgeNode> kEdgeKind = {
    .name = "edge",
    .id_prefix = "edg_",
    .documents_max = kEdgesMax,
    .read = read_edge,
    .show = show_edge,
    .carry = carry_edge,
    .write_row = write_edge_row,
    .read_row = read_edge_row,
};

}  // namespace

std::string new_edge_token() {
    std::string out(kEdgeTokenPrefix);
    core::append_hex_of(out, core::crypto::random_bytes(kTokenBytes));
    return out;
}

void take_edge_token(EdgeNode& edge, std::string_view token) {
    edge.shown = token.substr(0, kTokenShownBytes);
    edge.hash = core::crypto::sha256(token);
}

bool has_edge_token(const EdgeNode& edge, std::string_view token, std::int64_t now_us) {
    if (!token.starts_with(kEdgeTokenPrefix)) return false;
    const core::crypto::Digest shown = core::crypto::sha256(token);
    const auto is = [&shown](const core::crypto::Digest& kept) {
        return core::crypto::constant_time_equal(bytes_of(kept), bytes_of(shown));
    };
    return is(edge.hash) ||
           std::any_of(edge.retired.begin(), edge.retired.end(), [&](const RetiredText& old) {
               return old.until_us > now_us && is(old.hash);
           });
}

core::Error edge_token_needed() {
    return {core::ErrorCode::kUnauthorized,
            "the token of this edge is needed: Authorization: Bearer mredge_..."};
}

bool is_edge_node_name(std::string_view name) {
    return !name.empty() && name.size() <= kEdgeNodeBytesMax && name != "." && name != ".." &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

template <>
const DocumentKind<EdgeNode>& document_kind<EdgeNode>() {
    return kEdgeKind;
}

}  // namespace millrace::runtime
