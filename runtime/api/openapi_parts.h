// What: the parts of the table of shapes, a file each, that make up openapi_components() and
//       route_shapes().
// Threads: pure. Lifetime: static. Limits: none. Failure: none.
#pragma once

#include "runtime/api/openapi.h"

#include <span>

namespace millrace::runtime::api {

struct ShapePart {
    std::span<const Component> components;
    std::span<const RouteShape> shapes;
};
ShapePart incoming_shapes();
ShapePart doing_shapes();
ShapePart edge_shapes();
ShapePart graphql_shapes();
ShapePart link_shapes();
ShapePart workflow_shapes();
ShapePart cluster_shapes();

}  // namespace millrace::runtime::api
