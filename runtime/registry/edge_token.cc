#include "runtime/registry/edge_token.h"

#include "runtime/registry/edge_node.h"

namespace millrace::runtime {
namespace {

constexpr std::string_view kDefault = "default";

}  // namespace

std::string edge_token_of(std::string_view tenant) {
    std::string out = new_edge_token();
    if (tenant != kDefault) out.append(".").append(tenant);
    return out;
}

std::string_view tenant_of_edge_token(std::string_view token) {
    const std::size_t dot = token.find('.');
    if (!token.starts_with(kEdgeTokenPrefix) || dot == std::string_view::npos ||
        dot + 1 == token.size())
        return kDefault;
    return token.substr(dot + 1);
}

}  // namespace millrace::runtime
