// POST and GET /v2/graphql, as far as they are answered at once.
#include "runtime/api/graphql.h"

#include "core/listed.h"
#include "core/timestamp.h"
#include "io/http_head.h"
#include "runtime/api/handlers.h"
#include "runtime/api/query_check.h"
#include "runtime/graphql/query.h"
#include "runtime/stream/event_tail.h"

#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kGraphqlResponse = "application/graphql-response+json";

RouteId route_of(const graphql::QueryCall& call) {
    if (call.path == "/v2/events") return call.by_id ? RouteId::kGetEvent : RouteId::kListEvents;
    if (call.path == "/v2/dlq")
        return call.by_id ? RouteId::kGetDeadLetter : RouteId::kListDeadLetters;
    return call.by_id ? RouteId::kGetExecution : RouteId::kListExecutions;
}

void make_call(RouteId route, Call& call, const Respond& respond) {
    const auto tell = [&](Answer&& answer) {
        respond(answer ? std::move(*answer) : error_response(answer.error()));
    };
    switch (route) {
        case RouteId::kListEvents: return list_events(call, respond);
        case RouteId::kGetEvent: return tell(get_event(call));
        case RouteId::kListDeadLetters: return list_dead_letters(call, respond);
        case RouteId::kGetDeadLetter: return tell(get_dead_letter(call));
        case RouteId::kListExecutions: return list_executions(call, respond);
        default: return tell(get_execution(call));
    }
}

// The calls of one server, by their handlers.
class ServerQueries final : public graphql::QueryPort {
public:
    explicit ServerQueries(Services& services) : services_(services) {}

    void call(const identity::Principal& who, graphql::QueryCall&& asked, Told told) override {
        const RouteId route = route_of(asked);
        ApiRequest request;
        request.match.outcome = io::RouteOutcome::kFound;
        request.match.route = static_cast<std::uint32_t>(route);
        request.principal = who;
        request.query = std::move(asked.query);
        if (asked.by_id) {
            request.match.param_names[0] = route == RouteId::kGetEvent ? "eventId" : "id";
            request.match.param_values[0] = asked.id;
            request.match.param_count = 1;
        }
        Call call{services_, request};
        make_call(route, call, [told = std::move(told)](ApiResponse&& response) {
            told(response.status, std::move(response.body));
        });
    }
    void position(const identity::Principal& /*who*/,
                  std::function<void(core::Result<std::string>&&)> told) override {
        std::vector<core::LogOffset> ends;
        for (std::size_t i = 0; i < services_.database().shards(); ++i)
            ends.push_back(
                services_.database().durable_end(core::ShardId(static_cast<std::uint16_t>(i))));
        told(encode_stream_position(ends));
    }
    std::string position_of(const core::JsonElement& event) override {
        return graphql_position_of(services_.database(), event);
    }
    // Each position that is asked for is a few looks into the log: a page of them is no work for
    // the API thread.
    bool looks_for_positions() const override { return services_.database().shards() > 1; }
    core::Status beside(const std::function<void()>& work,
                        const std::function<void()>& then) override {
        if (services_.run_aside(Aside::kLook, work, then)) return {};
        return core::fail(busy_aside(Aside::kLook));
    }

private:
    Services& services_;
};

bool is_json_type(std::string_view content_type) {
    const std::string_view type = content_type.substr(0, content_type.find(';'));
    return io::equals_ignore_case(core::trimmed(type), "application/json");
}

ApiResponse graphql_response(const GraphqlHttp& asked, int status, std::string&& body) {
    const bool knows = asked.accept.find(kGraphqlResponse) != std::string_view::npos;
    ApiResponse response = json_response(knows ? status : 200, std::move(body));
    if (knows) response.content_type = kGraphqlResponse;
    return response;
}

}  // namespace

core::Result<graphql::GraphqlRequest> graphql_request_of(io::Method method,
                                                         std::string_view content_type,
                                                         std::string_view query,
                                                         std::string_view body) {
    if (method == io::Method::kPost) {
        if (!is_json_type(content_type)) {
            return core::fail(core::ErrorCode::kUnsupportedMediaType,
                              "Content-Type: must be application/json");
        }
        return graphql::read_request(body);
    }
    graphql::GraphqlRequest out;
    out.query = query_value(query, "query").value_or("");
    out.operation_name = query_value(query, "operationName").value_or("");
    out.variables = query_value(query, "variables").value_or("");
    if (!out.query.empty()) return out;
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "query parameter query is missing; subscriptions come over a WebSocket, "
                    "subprotocol graphql-transport-ws, or with accept: text/event-stream")
            .in("query"));
}

void answer_graphql(Services& services, const identity::Principal& principal,
                    std::shared_ptr<const graphql::PreparedOperation> operation,
                    std::function<void(std::string&&)> done) {
    graphql::answer_query(std::make_shared<ServerQueries>(services), principal,
                          std::move(operation), std::move(done));
}

std::string graphql_position_of(store::Database& database, const core::JsonElement& event) {
    core::JsonElement member;
    std::uint64_t shard = 0, offset = 0;
    std::string_view received;
    std::int64_t received_us = 0;
    if (!event.find("shard", member) || !member.get(shard) || shard >= database.shards() ||
        !event.find("offset", member) || !member.get(offset) || !event.find("receivedAt", member) ||
        !member.get(received) || !core::parse_timestamp(received, received_us))
        return {};
    const core::LogPosition position{core::ShardId(static_cast<std::uint16_t>(shard)),
                                     core::LogOffset{offset}};
    return stream_position_behind(database, position, received_us).value_or(std::string());
}

void query_graphql(Call& call, const Respond& respond) {
    const GraphqlHttp asked{call.request.method, call.request.content_type,
                            call.request.header("Accept"), call.request.query,
                            call.request.body_view()};
    query_graphql_over(
        asked,
        [&call](std::shared_ptr<const graphql::PreparedOperation> operation,
                std::function<void(std::string &&)> done) {
            answer_graphql(call.services, call.request.principal, std::move(operation),
                           std::move(done));
        },
        respond);
}

void query_graphql_over(const GraphqlHttp& asked, const GraphqlAnswerer& answer,
                        const std::function<void(ApiResponse&&)>& respond) {
    auto request = graphql_request_of(asked.method, asked.content_type, asked.query, asked.body);
    if (!request) return respond(error_response(request.error()));
    const std::string query = request->query;
    auto prepared = graphql::PreparedOperation::make(std::move(*request));
    if (prepared && (*prepared)->is_subscription()) {
        prepared = core::fail(
            core::ErrorCode::kValidation,
            "subscriptions come over a WebSocket, subprotocol graphql-transport-ws, or with "
            "accept: text/event-stream");
    }
    if (!prepared) {
        return respond(
            graphql_response(asked, 400, graphql::errors_document(prepared.error(), query)));
    }
    const auto shaped = std::make_shared<ApiResponse>(graphql_response(asked, 200, {}));
    answer(std::move(*prepared), [shaped, respond](std::string&& body) {
        shaped->body = std::move(body);
        respond(std::move(*shaped));
    });
}

}  // namespace millrace::runtime::api
