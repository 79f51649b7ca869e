// What: /openapi.json: the table of routes with what goes into each call and what comes out of it.
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/api/routes.h"

#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

// OpenAPI 3.1 text of the table.
std::string openapi_json();

// What a call takes and answers with, by the names of components; "[X]": a list of them, "X|Y": one
// or the other, as the query asks. Empty: any object.
struct RouteShape {
    RouteId route;
    std::string_view takes;
    std::string_view answers;
    // A node of a cluster adds it up without the partitions that do not answer, and names those.
    bool goes_without_some = false;
};
std::span<const RouteShape> route_shapes();

struct Component {
    std::string_view name;
    std::string_view schema;  // JSON Schema 2020-12
};
std::span<const Component> openapi_components();

}  // namespace millrace::runtime::api
