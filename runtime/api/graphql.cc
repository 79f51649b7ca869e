// POST and GET /v2/graphql, as far as they are answered at once.
#include "runtime/api/graphql.h"

#include "core/listed.h"
#include "core/timestamp.h"
#include "io/http_head.h"
#include "runtime/api/handlers.h"
#include "runtime/api/query_check.h"
#include "runtime/graphql/introspection.h"
#include "runtime/graphql/result_writer.h"
#include "runtime/graphql/subscription.h"
#include "runtime/stream/event_tail.h"

#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kGraphqlResponse = "application/graphql-response+json";

// What is a parameter of a REST call under its own name, but for an id in its path.
void append_rest_parameter(std::string& query, std::string_view name, std::string_view value) {
    constexpr char kHex[] = "0123456789ABCDEF";
    query += query.empty() ? "" : "&";
    (query += name) += '=';
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (plain) {
            query += c;
        } else {
            query += '%';
            query += kHex[byte >> 4];
            query += kHex[byte & 15];
        }
    }
}

struct RestCall {
    std::string_view field;
    RouteId route;
    std::string_view id;          // the parameter of the path that the argument `id` is
    std::string_view query = {};  // what the field says to the call by itself
};
constexpr RestCall kRestCalls[] = {
    {"eventCount", RouteId::kListEvents, {}, "count=1"},
    {"events", RouteId::kListEvents, {}},
    {"event", RouteId::kGetEvent, "eventId"},
    {"deadLetters", RouteId::kListDeadLetters, {}},
    {"deadLetter", RouteId::kGetDeadLetter, "id"},
    {"executions", RouteId::kListExecutions, {}},
    {"execution", RouteId::kGetExecution, "id"},
};

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

// One query on its way: its fields one after the other, each answered now or later.
class GraphqlQuery : public std::enable_shared_from_this<GraphqlQuery> {
public:
    GraphqlQuery(Services& services, const identity::Principal& principal,
                 std::shared_ptr<const graphql::PreparedOperation> operation,
                 std::function<void(std::string&&)> done)
        : services_(services),
          principal_(principal),
          operation_(std::move(operation)),
          done_(std::move(done)) {}

    void go_on() {
        const auto& fields = operation_->plan().fields;
        if (fields.size() > kRootFieldsMax) return refuse_all(fields[kRootFieldsMax]);
        while (at_ < fields.size()) {
            const graphql::PlannedField& field = fields[at_];
            if (!answer_here(field)) return ask(field);
            ++at_;
        }
        finish();
    }

private:
    void refuse_all(const graphql::PlannedField& first) {
        const core::Error error =
            core::Error(core::ErrorCode::kValidation,
                        "the query selects more than " + std::to_string(kRootFieldsMax) +
                            " fields of Query, the most that are answered at once")
                .at(static_cast<std::int64_t>(first.position))
                .bound(kRootFieldsMax);
        done_(graphql::errors_document(error, operation_->query()));
    }

    void key_of(const graphql::PlannedField& field) {
        if (!data_.empty()) data_ += ',';
        core::append_json_string(data_, field.key);
        data_ += ':';
    }

    // What needs no call.
    bool answer_here(const graphql::PlannedField& field) {
        const std::string_view name = field.field->name;
        if (graphql::is_introspection(field)) {
            key_of(field);
            const std::size_t before = data_.size();
            if (!graphql::write_introspection(field, data_))
                too_long(field, before, graphql::kIntrospectionBytesMax);
            return true;
        }
        if (name == "__typename") {
            key_of(field);
            core::append_json_string(data_, field.parent);
            return true;
        }
        if (auto may = principal_.require(graphql::scope_of(name)); !may) {
            key_of(field);
            fail(field, may.error());
            return true;
        }
        if (name != "position") return false;
        std::vector<core::LogOffset> ends;
        for (std::size_t i = 0; i < services_.database().shards(); ++i)
            ends.push_back(
                services_.database().durable_end(core::ShardId(static_cast<std::uint16_t>(i))));
        key_of(field);
        core::append_json_string(data_, encode_stream_position(ends));
        return true;
    }

    void ask(const graphql::PlannedField& field) {
        const RestCall* rest = kRestCalls;
        while (rest->field != field.field->name) ++rest;
        ApiRequest request;
        request.match.outcome = io::RouteOutcome::kFound;
        request.match.route = static_cast<std::uint32_t>(rest->route);
        request.principal = principal_;
        request.query = rest->query;
        for (const auto& [name, value] : field.arguments) {
            if (value.state != graphql::Coerced::State::kSet) continue;
            if (name == "id" && !rest->id.empty()) {
                request.match.param_names[0] = rest->id;
                request.match.param_values[0] = value.text;
                request.match.param_count = 1;
            } else {
                append_rest_parameter(request.query, name, value.text);
            }
        }
        Call call{services_, request};
        make_call(rest->route, call, [self = shared_from_this(), &field](ApiResponse&& response) {
            self->take(field, std::move(response));
        });
    }

    // Each position that is asked for is a few looks into the log: a page of them is no work for
    // the API thread.
    void take(const graphql::PlannedField& field, ApiResponse&& response) {
        if (response.status != 200 || services_.database().shards() == 1 ||
            !asks_positions(field)) {
            write(field, response);
            return next();
        }
        const auto kept = std::make_shared<ApiResponse>(std::move(response));
        const bool taken = services_.run_aside(
            Aside::kLook, [self = shared_from_this(), kept, &field] { self->write(field, *kept); },
            [self = shared_from_this()] { self->next(); });
        if (taken) return;
        key_of(field);
        fail(field, busy_aside(Aside::kLook));
        next();
    }

    void next() {
        ++at_;
        go_on();
    }

    static bool asks_positions(const graphql::PlannedField& field) {
        std::vector<const graphql::PlannedField*> open = {&field};
        while (!open.empty()) {
            const graphql::PlannedField* const one = open.back();
            open.pop_back();
            if (one->field->name == "position" && one->parent == "Event") return true;
            for (const graphql::PlannedField& inner : one->fields) open.push_back(&inner);
        }
        return false;
    }

    // On this thread or beside it: nobody else touches the query meanwhile.
    void write(const graphql::PlannedField& field, const ApiResponse& response) {
        key_of(field);
        core::JsonDom dom;
        core::JsonElement root;
        if (!dom.read(response.body, root))
            return fail(field, {core::ErrorCode::kInternal, "the answer does not read"});
        if (response.status != 200) return take_error(field, response.status, root);
        const std::size_t before = data_.size();
        graphql::ResultContext context;
        context.position_of = [this](const core::JsonElement& event) {
            return graphql_position_of(services_.database(), event);
        };
        if (!graphql::write_result(field, root, context, data_))
            too_long(field, before, graphql::kResultBytesMax);
    }

    // A field's arguments are a call's query parameters.
    static std::string as_argument(std::string_view message) {
        constexpr std::string_view kParameter = "\"query parameter ";
        if (!message.starts_with(kParameter)) return std::string(message);
        return "\"argument " + std::string(message.substr(kParameter.size()));
    }

    // As the call has told it. Of one thing that is not there null says enough.
    void take_error(const graphql::PlannedField& field, int status, const core::JsonElement& root) {
        data_ += "null";
        const bool is_one = field.field->arguments.front().name == "id";
        core::JsonElement error, member;
        if ((status == 404 && is_one) || !root.find("error", error)) return;
        errors_ += errors_.empty() ? "" : ",";
        core::JsonWriter json(errors_);
        json.begin_object();
        if (error.find("message", member)) json.raw_field("message", as_argument(member.raw()));
        json.key("path").begin_array().value(field.key).end_array();
        json.key("extensions").begin_object();
        for (const char* const name : {"code", "statusCode", "details"}) {
            if (error.find(name, member)) json.raw_field(name, member.raw());
        }
        json.end_object().end_object();
    }

    void fail(const graphql::PlannedField& field, const core::Error& error) {
        data_ += "null";
        errors_ += errors_.empty() ? "" : ",";
        core::JsonWriter json(errors_);
        graphql::append_error(json, error, {}, field.key);
    }

    void too_long(const graphql::PlannedField& field, std::size_t before, std::size_t most) {
        data_.resize(before);
        fail(field, core::Error(core::ErrorCode::kPayloadTooLarge,
                                "the answer is larger than it may be; ask for less at once")
                        .bound(static_cast<std::int64_t>(most)));
    }

    void finish() {
        std::string out = R"({"data":{)" + data_ + "}";
        if (!errors_.empty()) out += R"(,"errors":[)" + errors_ + "]";
        done_(std::move(out += '}'));
    }

    Services& services_;
    const identity::Principal principal_;
    const std::shared_ptr<const graphql::PreparedOperation> operation_;
    const std::function<void(std::string&&)> done_;
    std::size_t at_ = 0;
    std::string data_;    // members
    std::string errors_;  // elements
};

bool is_json_type(std::string_view content_type) {
    const std::string_view type = content_type.substr(0, content_type.find(';'));
    return io::equals_ignore_case(core::trimmed(type), "application/json");
}

ApiResponse graphql_response(const Call& call, int status, std::string&& body) {
    const bool knows = call.request.header("Accept").find(kGraphqlResponse) != std::string::npos;
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
    std::make_shared<GraphqlQuery>(services, principal, std::move(operation), std::move(done))
        ->go_on();
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
    auto request = graphql_request_of(call.request.method, call.request.content_type,
                                      call.request.query, call.request.body_view());
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
            graphql_response(call, 400, graphql::errors_document(prepared.error(), query)));
    }
    const auto shaped = std::make_shared<ApiResponse>(graphql_response(call, 200, {}));
    answer_graphql(call.services, call.request.principal, std::move(*prepared),
                   [shaped, respond](std::string&& body) {
                       shaped->body = std::move(body);
                       respond(std::move(*shaped));
                   });
}

}  // namespace millrace::runtime::api
