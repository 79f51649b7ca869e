#include "runtime/graphql/query.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/percent_encode.h"
#include "runtime/graphql/introspection.h"
#include "runtime/graphql/result_writer.h"
#include "runtime/graphql/subscription.h"

#include <utility>
#include <vector>

namespace millrace::runtime::graphql {
namespace {

// What is a parameter of a REST call under its own name, but for an id in its path.
void append_rest_parameter(std::string& query, std::string_view name, std::string_view value) {
    query += query.empty() ? "" : "&";
    (query += name) += '=';
    core::append_percent_encoded(query, value);
}

struct RestCall {
    std::string_view field;
    std::string_view path;
    bool by_id;                   // the argument `id` stands at its end
    std::string_view query = {};  // what the field says to the call by itself
};
constexpr RestCall kRestCalls[] = {
    {"eventCount", "/v2/events", false, "count=1"},
    {"events", "/v2/events", false},
    {"event", "/v2/events", true},
    {"deadLetters", "/v2/dlq", false},
    {"deadLetter", "/v2/dlq", true},
    {"executions", "/v2/executions", false},
    {"execution", "/v2/executions", true},
};

// One query on its way: its fields one after the other, each answered now or later.
class GraphqlQuery : public std::enable_shared_from_this<GraphqlQuery> {
public:
    GraphqlQuery(std::shared_ptr<QueryPort> port, const identity::Principal& principal,
                 std::shared_ptr<const PreparedOperation> operation,
                 std::function<void(std::string&&)> done)
        : port_(std::move(port)),
          principal_(principal),
          operation_(std::move(operation)),
          done_(std::move(done)) {}

    void go_on() {
        const auto& fields = operation_->plan().fields;
        if (fields.size() > kRootFieldsMax) return refuse_all(fields[kRootFieldsMax]);
        while (at_ < fields.size()) {
            const PlannedField& field = fields[at_];
            if (!answer_here(field)) return ask(field);
            ++at_;
        }
        finish();
    }

private:
    void refuse_all(const PlannedField& first) {
        const core::Error error =
            core::Error(core::ErrorCode::kValidation,
                        "the query selects more than " + std::to_string(kRootFieldsMax) +
                            " fields of Query, the most that are answered at once")
                .at(static_cast<std::int64_t>(first.position))
                .bound(kRootFieldsMax);
        done_(errors_document(error, operation_->query()));
    }

    void key_of(const PlannedField& field) {
        if (!data_.empty()) data_ += ',';
        core::append_json_string(data_, field.key);
        data_ += ':';
    }

    // What needs no call.
    bool answer_here(const PlannedField& field) {
        const std::string_view name = field.field->name;
        if (is_introspection(field)) {
            key_of(field);
            const std::size_t before = data_.size();
            if (!write_introspection(field, data_)) too_long(field, before, kIntrospectionBytesMax);
            return true;
        }
        if (name == "__typename") {
            key_of(field);
            core::append_json_string(data_, field.parent);
            return true;
        }
        if (auto may = principal_.require(scope_of(name)); !may) {
            key_of(field);
            fail(field, may.error());
            return true;
        }
        return false;
    }

    void ask(const PlannedField& field) {
        if (field.field->name == "position") return ask_position(field);
        const RestCall* rest = kRestCalls;
        while (rest->field != field.field->name) ++rest;
        QueryCall call;
        call.path = rest->path;
        call.query = rest->query;
        for (const auto& [name, value] : field.arguments) {
            if (value.state != Coerced::State::kSet) continue;
            if (name == "id" && rest->by_id)
                call.id = value.text;
            else
                append_rest_parameter(call.query, name, value.text);
        }
        call.by_id = rest->by_id;
        port_->call(principal_, std::move(call),
                    [self = shared_from_this(), &field](int status, std::string&& body) {
                        self->take(field, status, std::move(body));
                    });
    }

    void ask_position(const PlannedField& field) {
        port_->position(principal_,
                        [self = shared_from_this(), &field](core::Result<std::string>&& position) {
                            self->key_of(field);
                            if (position)
                                core::append_json_string(self->data_, *position);
                            else
                                self->fail(field, position.error());
                            self->next();
                        });
    }

    void take(const PlannedField& field, int status, std::string&& body) {
        if (status != 200 || !port_->looks_for_positions() || !asks_positions(field)) {
            write(field, status, body);
            return next();
        }
        const auto kept = std::make_shared<std::string>(std::move(body));
        auto taken = port_->beside(
            [self = shared_from_this(), kept, &field] { self->write(field, 200, *kept); },
            [self = shared_from_this()] { self->next(); });
        if (taken) return;
        key_of(field);
        fail(field, taken.error());
        next();
    }

    void next() {
        ++at_;
        go_on();
    }

    static bool asks_positions(const PlannedField& field) {
        std::vector<const PlannedField*> open = {&field};
        while (!open.empty()) {
            const PlannedField* const one = open.back();
            open.pop_back();
            if (one->field->name == "position" && one->parent == "Event") return true;
            for (const PlannedField& inner : one->fields) open.push_back(&inner);
        }
        return false;
    }

    // On this thread or beside it: nobody else touches the query meanwhile.
    void write(const PlannedField& field, int status, const std::string& body) {
        key_of(field);
        core::JsonDom dom;
        core::JsonElement root;
        if (!dom.read(body, root))
            return fail(field, {core::ErrorCode::kInternal, "the answer does not read"});
        if (status != 200) return take_error(field, status, root);
        const std::size_t before = data_.size();
        ResultContext context;
        context.position_of = [this](const core::JsonElement& event) {
            return port_->position_of(event);
        };
        if (!write_result(field, root, context, data_)) too_long(field, before, kResultBytesMax);
    }

    // A field's arguments are a call's query parameters.
    static std::string as_argument(std::string_view message) {
        constexpr std::string_view kParameter = "\"query parameter ";
        if (!message.starts_with(kParameter)) return std::string(message);
        return "\"argument " + std::string(message.substr(kParameter.size()));
    }

    // As the call has told it. Of one thing that is not there null says enough.
    void take_error(const PlannedField& field, int status, const core::JsonElement& root) {
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

    void fail(const PlannedField& field, const core::Error& error) {
        data_ += "null";
        errors_ += errors_.empty() ? "" : ",";
        core::JsonWriter json(errors_);
        append_error(json, error, {}, field.key);
    }

    void too_long(const PlannedField& field, std::size_t before, std::size_t most) {
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

    const std::shared_ptr<QueryPort> port_;
    const identity::Principal principal_;
    const std::shared_ptr<const PreparedOperation> operation_;
    const std::function<void(std::string&&)> done_;
    std::size_t at_ = 0;
    std::string data_;    // members
    std::string errors_;  // elements
};

}  // namespace

void answer_query(std::shared_ptr<QueryPort> port, const identity::Principal& principal,
                  std::shared_ptr<const PreparedOperation> operation,
                  std::function<void(std::string&&)> done) {
    std::make_shared<GraphqlQuery>(std::move(port), principal, std::move(operation),
                                   std::move(done))
        ->go_on();
}

}  // namespace millrace::runtime::graphql
