// What: a query's answer: its fields one after the other, each by the REST call that it stands for,
//       and of what that tells what the plan has selected. Who answers those calls is the port's
//       business: a server itself (runtime/api/graphql.cc), or all a cluster's partitions.
// Threads: the port's. Lifetime: shares the port and the operation until `done` has been called.
// Limits: kRootFieldsMax fields of Query, kResultBytesMax of each.
// Failure: told in the answer, at the field.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/graphql/request.h"
#include "runtime/identity/principal.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kRootFieldsMax = 16;

struct QueryCall {
    std::string_view path;  // of the list
    bool by_id = false;     // of one thing: its id follows the path
    std::string id;
    std::string query;  // parameters, escaped
};

class QueryPort {
public:
    using Told = std::function<void(int status, std::string&& body)>;
    virtual ~QueryPort() = default;
    virtual void call(const identity::Principal& who, QueryCall&& call, Told told) = 0;
    // Where a stream that begins now begins.
    virtual void position(const identity::Principal& who,
                          std::function<void(core::Result<std::string>&&)> told) = 0;
    // Where a stream goes on behind an event that a call has shown; empty: that is not known.
    virtual std::string position_of(const core::JsonElement& event) = 0;
    // Whether that is work, which is done beside the port's thread: `then` is called on it again.
    virtual bool looks_for_positions() const { return false; }
    virtual core::Status beside(const std::function<void()>& work,
                                const std::function<void()>& then) {
        work();
        then();
        return {};
    }
};

void answer_query(std::shared_ptr<QueryPort> port, const identity::Principal& principal,
                  std::shared_ptr<const PreparedOperation> operation,
                  std::function<void(std::string&&)> done);

}  // namespace millrace::runtime::graphql
