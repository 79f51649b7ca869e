#include "runtime/grpc/methods.h"

#include <algorithm>

namespace millrace::runtime::grpc {

namespace {

constexpr Method kMethods[] = {
#define X(enumerator, service, name, kind, scope)  \
    {MethodId::enumerator, service,          name, \
     "/" service "/" name, MethodKind::kind, identity::Scope::scope},
    MILLRACE_GRPC_METHODS(X)
#undef X
};

}  // namespace

std::span<const Method> methods() { return kMethods; }

const Method* find_method(std::string_view path) {
    const auto* const found =
        std::find_if(std::begin(kMethods), std::end(kMethods),
                     [path](const Method& method) { return method.path == path; });
    return found == std::end(kMethods) ? nullptr : found;
}

bool is_service(std::string_view name) {
    return std::any_of(std::begin(kMethods), std::end(kMethods),
                       [name](const Method& method) { return method.service == name; });
}

}  // namespace millrace::runtime::grpc
