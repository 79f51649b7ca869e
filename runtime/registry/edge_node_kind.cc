// Edges as documents of their hub: their body, their row.
#include "core/crypto/constant_time.h"
#include "core/crypto/random_bits.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/edge_node.h"

#include <algorithm>
#include <charconv>

namespace millrace::runtime {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTokenShownBytes = kEdgeTokenPrefix.size() + 4;

std::string edge_hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15u];
    }
    return out;
}

std::string_view bytes_of(const core::crypto::Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

bool edge_digest(std::string_view hex, core::crypto::Digest& out) {
    if (hex.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const char* const at = hex.data() + 2 * i;
        const auto [end, error] = std::from_chars(at, at + 2, out[i], 16);
        if (error != std::errc() || end != at + 2) return false;
    }
    return true;
}

core::Status read_edge(std::string_view body, EdgeNode& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    std::string node;
    read_document_names(*in, out.id, out.name);
    if (in->text("node", node, {.bytes_min = 1, .bytes_max = kEdgeNodeBytesMax})) {
        if (!out.id.empty() && out.id != node) in->refuse("node", "and id are one and the same");
        out.id = node;
    }
    if (in->ok() && !is_edge_node_name(out.id)) {
        in->refuse("node", out.id.empty() ? "is required: what the edge is called (hub.node there)"
                                          : "may hold up to 64 letters, digits and - _ . only");
    }
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
}

void write_edge_row(core::JsonWriter& json, const EdgeNode& edge) {
    json.field("tokenSha256", edge_hex(bytes_of(edge.hash)));
    json.field("tokenShown", edge.shown);
}

void read_edge_row(core::JsonObject& row, EdgeNode& out) {
    row.text("tokenShown", out.shown);
    std::string hex;
    if (row.text("tokenSha256", hex, {.presence = core::Presence::kRequired}) &&
        !edge_digest(hex, out.hash))
        row.refuse("tokenSha256", "is no SHA-256 in hexadecimal digits");
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
    return std::string(kEdgeTokenPrefix) + edge_hex(core::crypto::random_bytes(kTokenBytes));
}

void take_edge_token(EdgeNode& edge, std::string_view token) {
    edge.shown = token.substr(0, kTokenShownBytes);
    edge.hash = core::crypto::sha256(token);
}

bool has_edge_token(const EdgeNode& edge, std::string_view token) {
    return token.starts_with(kEdgeTokenPrefix) &&
           core::crypto::constant_time_equal(bytes_of(edge.hash),
                                             bytes_of(core::crypto::sha256(token)));
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
