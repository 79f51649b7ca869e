// What: the one table of gRPC methods: path, the scope that a caller must have, what kind of call
//       it is.
// Threads: constants. Lifetime: none. Limits: none. Failure: null for a path that is none.
#pragma once

#include "runtime/identity/scopes.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::runtime::grpc {

// Who answers.
enum class MethodKind : std::uint8_t { kPublish, kSubscribe, kHealthCheck, kHealthWatch, kReflect };

// enumerator, service, name, kind, scope
#define MILLRACE_GRPC_METHODS(X)                                                                   \
    X(kEventsPublish, "millrace.v2.Events", "Publish", kPublish, kEventsWrite)                     \
    X(kEventsSubscribe, "millrace.v2.Events", "Subscribe", kSubscribe, kEventsRead)                \
    X(kCheck, "grpc.health.v1.Health", "Check", kHealthCheck, kPublic)                             \
    X(kWatch, "grpc.health.v1.Health", "Watch", kHealthWatch, kPublic)                             \
    X(kReflect, "grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", kReflect, kApiRead) \
    X(kReflectAlpha, "grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", kReflect, \
      kApiRead)

enum class MethodId : std::uint8_t {
#define X(enumerator, service, name, kind, scope) enumerator,
    MILLRACE_GRPC_METHODS(X)
#undef X
        kLast = kReflectAlpha,
};

struct Method {
    MethodId id;
    std::string_view service;
    std::string_view name;
    std::string_view path;  // "/service/name"
    MethodKind kind;
    identity::Scope scope;
};

// In the order of MethodId.
std::span<const Method> methods();
const Method* find_method(std::string_view path);
bool is_service(std::string_view name);

}  // namespace millrace::runtime::grpc
