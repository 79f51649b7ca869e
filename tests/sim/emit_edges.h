// What: what handlers try to emit at the edges of what ingest takes: depth, keys, bytes, contexts,
//       patterns. What emit takes must be in the log, and ingest's own parser must take it.
// Threads: values. Lifetime: none. Limits: core/limits.h is what is tried.
// Failure: check_emitted_text() says what the parser has against a text.
#pragma once

#include "core/random.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::sim {

inline constexpr std::string_view kEdgePattern = "derived.edge";

struct EmitEdge {
    std::size_t kind = 0;  // 0: nothing is tried
    std::size_t size = 0;

    static EmitEdge draw(core::Random& random);
    // For a payload: ,"edge":3,"size":63
    std::string members() const;
    // Whether ingest takes such a thing from a client; none: it hangs on the envelope around it.
    std::optional<bool> taken() const;
};

// The Lua table of what is tried, by kind: functions of the payload.
std::string_view emit_edges_script();

// Empty: ingest takes the event of a handler. Else what is wrong with it.
std::string check_emitted_text(std::string_view text);

}  // namespace millrace::sim
