// What: takes events that handlers in other partitions have made and whose key is of this one, into
//       the log: all of a batch or nothing is answered, and what is here already is a duplicate.
// Threads: the API thread's. Lifetime: borrows all of Deps.
// Limits: those of a batch; what is on its way to the log is bounded by the shard's ring.
// Failure: kUnavailable: a tenant is not known here yet, or nothing may be taken now; whoever sent
//          it sends it again. kValidation: the batch does not read.
#pragma once

#include "core/result.h"
#include "runtime/delivery/intake_deps.h"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::crossing {

class CrossingDesk {
public:
    struct Deps {
        IntakeDeps intake;
        // Back to the API thread.
        std::function<void(std::function<void()>)> post;
        // Of its name; nothing: there is none here.
        std::function<std::optional<core::TenantId>(std::string_view)> tenant_of;
    };
    explicit CrossingDesk(Deps deps) : deps_(std::move(deps)) {}

    // `done` gets how many there were, when they are durable.
    using Done = std::function<void(core::Result<std::size_t>&&)>;
    void take(std::string_view batch, Done done);

private:
    const Deps deps_;
    std::string lines_;
};

}  // namespace millrace::runtime::crossing
