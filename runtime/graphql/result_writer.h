// What: of a JSON document (an event, a page, a dead letter, as the REST calls show them) what a
//       plan has selected, under the names that it gave.
// Threads: pure. Lifetime: borrows all it is given.
// Limits: ResultContext::bytes_max; what would be more is not written.
// Failure: false when the limit is reached. A member that is not there is null.
#pragma once

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/graphql/plan.h"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kResultBytesMax = 16u << 20;

struct ResultContext {
    // Of a subscription: the position of what is told, for `position` of the outermost object.
    std::string_view position = {};
    // Of an event in the log, behind which a subscription may go on; empty: not known.
    std::function<std::string(const core::JsonElement& event)> position_of = {};
    std::size_t bytes_max = kResultBytesMax;
};

// The value of one field whose answer is `value`.
bool write_result(const PlannedField& field, const core::JsonElement& value,
                  const ResultContext& context, std::string& out);

}  // namespace millrace::runtime::graphql
