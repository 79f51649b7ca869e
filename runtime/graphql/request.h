// What: a request as GraphQL over HTTP sends it, {"query","operationName","variables"}, read and
//       planned; and how its errors are told: {"message","locations","path","extensions"}.
// Threads: one owner. Lifetime: an Operation owns all that its plan refers to, and does not move.
// Limits: kQueryBytesMax of a request.
// Failure: PreparedOperation::make() tells what is wrong with the request or its document.
#pragma once

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/graphql/document.h"
#include "runtime/graphql/plan.h"

#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kQueryBytesMax = 64u << 10;

struct GraphqlRequest {
    std::string query;
    std::string operation_name;
    std::string variables;  // JSON; empty: none
};

// Of a body, or of a message's payload. What else it holds than extensions is refused.
core::Result<GraphqlRequest> read_request(std::string_view json);

class PreparedOperation {
public:
    static core::Result<std::unique_ptr<PreparedOperation>> make(GraphqlRequest&& request);
    PreparedOperation(const PreparedOperation&) = delete;
    PreparedOperation& operator=(const PreparedOperation&) = delete;

    const Plan& plan() const { return plan_; }
    std::string_view query() const { return request_.query; }
    bool is_subscription() const { return plan_.kind == OperationKind::kSubscription; }

private:
    PreparedOperation() = default;
    GraphqlRequest request_;
    core::JsonDom variables_;
    Document document_;
    Plan plan_;
};

// One object of "errors". `query`: what its position is in; `path`: the field of the answer, or
// empty.
void append_error(core::JsonWriter& json, const core::Error& error, std::string_view query,
                  std::string_view path = {});
// {"errors":[...]}: of what was not begun.
std::string errors_document(const core::Error& error, std::string_view query);

}  // namespace millrace::runtime::graphql
