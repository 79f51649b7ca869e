// What: an edge that a hub knows: a Millrace elsewhere that sends its events here, under the name
//       that qualifies their sources. Of its token only the SHA-256 is kept.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kEdgesMax of a tenant. Failure: none here.
#pragma once

#include "core/crypto/digest.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/retired_text.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

using EdgeNumber = core::StrongInt<struct EdgeNumberTag, std::uint32_t>;

inline constexpr std::size_t kEdgesMax = 10'000;
inline constexpr std::size_t kEdgeNodeBytesMax = 64;  // it stands in each of its events' sources
inline constexpr std::string_view kEdgeTokenPrefix = "mredge_";

struct EdgeNode {
    EdgeNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;             // the node's name
    std::string name;
    std::string shown;  // the first characters of its token
    core::crypto::Digest hash{};
    std::vector<RetiredText> retired;  // tokens
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

// A token that nobody has yet.
std::string new_edge_token();
// Gives it to the edge: keeps what is needed to know it again.
void take_edge_token(EdgeNode& edge, std::string_view token);
// Its token, or one that was rotated out and counts still.
bool has_edge_token(const EdgeNode& edge, std::string_view token, std::int64_t now_us);
// What whoever shows another one is told, of all edges alike.
core::Error edge_token_needed();

// What a node may be called: letters, digits and - _ . only, so that it can stand in a path and
// before a slash.
bool is_edge_node_name(std::string_view name);
inline constexpr std::string_view kEdgeNodeNameRule =
    "must be 1 to 64 letters, digits and - _ . only, and not . or ..";

}  // namespace millrace::runtime
