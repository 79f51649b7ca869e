// POST /v2/schemas/check: what a schema and its rules would have refused of the log, which is read
// aside.
#include "core/event_parser.h"
#include "matcher/filter/wildcard.h"
#include "runtime/api/documents.h"
#include "runtime/api/event_view.h"
#include "runtime/api/handlers.h"
#include "runtime/api/schema_references.h"
#include "runtime/api/schema_scripts.h"
#include "runtime/api/schema_trial.h"
#include "runtime/event/default_fields.h"
#include "store/log/event_search.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::size_t kCheckEventsMax = 1'000'000;
constexpr std::size_t kPlacesMax = 100;
// With scripts it ends here, wherever it is.
constexpr std::int64_t kScriptsUsMax = 20'000'000;

// What a check looks at, and what it found.
struct Check {
    std::shared_ptr<const schema::Contract> contract;
    std::vector<schema::SchemaRule> rules;
    RegistrySnapshotRef registry;  // of the scripts
    bool asks_scripts = false;
    std::string pattern;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    std::int64_t now_us = 0;

    struct Place {
        std::string pointer, keyword, message, event_id;
        std::uint64_t count = 0;
    };
    std::uint64_t scanned = 0;
    std::uint64_t rejected = 0;
    bool complete = true;
    std::map<std::string, Place> places;  // by pointer and keyword
    core::Status status;
};

core::Status find_scripts(Call& call, Check& check) {
    for (std::size_t i = 0; i < check.rules.size(); ++i) {
        schema::SchemaRule& rule = check.rules[i];
        if (rule.kind != schema::SchemaRule::Kind::kScript) continue;
        const ScriptRef script =
            call.services.registry().find_script(call.tenant(), rule.script_id);
        const std::string member = "rules[" + std::to_string(i) + "].scriptId";
        if (!script)
            return core::fail(
                core::Error(core::ErrorCode::kValidation,
                            member + " is \"" + rule.script_id + "\"; no script has that id")
                    .in(member));
        rule.script = script->number.value;
        check.asks_scripts = true;
    }
    check.registry = call.services.registry().snapshot();
    return {};
}

// The schema's own text, and of those that it refers to.
core::Result<std::shared_ptr<const schema::Contract>> contract_of(Call& call,
                                                                  const std::string& text,
                                                                  const Check& check) {
    const std::string references = text.empty() ? "[]" : schema_references(call, text, "");
    auto texts = read_schema_references(references);
    if (!texts) return core::fail(std::move(texts.error()));
    schema::Contract::Surroundings around;
    around.resolver = [&texts](std::string_view uri) -> std::optional<std::string> {
        const auto found = texts->find(uri);
        if (found == texts->end()) return std::nullopt;
        return found->second;
    };
    return schema::Contract::make(text, check.rules, around);
}

core::Result<std::shared_ptr<Check>> read_check(Call& call) {
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    auto check = std::make_shared<Check>();
    std::string text;
    if (const auto given = in->any("schema")) core::append_json(text, *given);
    if (const auto given = in->any("rules")) {
        if (auto read = read_schema_rules(*given, check->rules); !read)
            return core::fail(read.error());
    }
    if (text.empty() && check->rules.empty()) in->refuse("schema", "or rules are expected");
    in->text("pattern", check->pattern, {.bytes_max = core::kPatternBytesMax});
    const std::int64_t now_us = check->now_us = call.services.clock().wall_us();
    read_moment(*in, "from", now_us, check->from_us);
    read_moment(*in, "to", now_us, check->to_us);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    if (auto found = find_scripts(call, *check); !found) return core::fail(found.error());
    auto contract = contract_of(call, text, *check);
    if (!contract) return core::fail(std::move(contract.error()));
    check->contract = std::move(*contract);
    return check;
}

// `event_id_of_it` is asked once a place: a million events may fail in the same way.
void count_misfit(Check& check, const std::function<std::string()>& event_id_of_it,
                  const std::vector<schema::Failure>& failures) {
    ++check.rejected;
    for (const schema::Failure& one : failures) {
        const std::string key = one.pointer + " " + one.keyword;
        if (check.places.size() == kPlacesMax && !check.places.contains(key)) continue;
        Check::Place& place = check.places[key];
        if (place.count++ == 0)
            place = {one.pointer, one.keyword, one.message, event_id_of_it(), 1};
    }
}

// What the events before it have left each key in, of those that would have been taken.
class PastStates {
public:
    std::string of(const schema::Transition& transition, const schema::Step& step) const {
        const auto found = states_.find({&transition, step.key});
        return found == states_.end() ? std::string(schema::kNoState) : found->second;
    }
    void make(const std::vector<schema::Transition>& transitions,
              const std::vector<schema::Step>& steps) {
        for (const schema::Step& step : steps)
            states_[{&transitions[step.transition], step.key}] = step.to;
    }

private:
    std::map<std::pair<const schema::Transition*, std::string>, std::string> states_;
};

// One pass over the log. Where states are asked it goes the log's way, from its beginning on: what
// came before `from` is asked, but not counted.
class CheckRun {
public:
    CheckRun(Services& services, const identity::Principal& by, Check& check)
        : services_(services),
          by_(by),
          tenant_(by.tenant),
          check_(check),
          scripts_(rule_scripts_of(services, check.registry)),
          trial_(trial_deps()) {}

    core::Status run() {
        const auto wildcard = matcher::parse_wildcard(check_.pattern.empty() ? std::string_view("*")
                                                                             : check_.pattern);
        if (!wildcard) return core::fail(wildcard.error());
        const std::int64_t ends_at_us = services_.clock().monotonic_ns() / 1000 + kScriptsUsMax;
        std::string cursor;
        std::uint64_t looked_at = 0;  // of any pattern
        bool in_time = true;
        do {
            store::EventQuery query;
            query.tenant = tenant_;
            query.limit = kListLimitMax;
            query.cursor = cursor;
            query.to_us = check_.to_us;
            if (by_states())
                query.order = store::SearchOrder::kOldestFirst;
            else
                query.from_us = check_.from_us;
            auto page = services_.database().event_search().search(query);
            if (!page) return core::fail(std::move(page.error()));
            for (const store::OwnedEvent& owned : page->events) {
                if (wildcard->matches(owned.event.pattern)) look_at(owned.event);
            }
            looked_at += page->events.size();
            cursor = page->next;
            in_time = !check_.asks_scripts || services_.clock().monotonic_ns() / 1000 < ends_at_us;
        } while (!cursor.empty() && looked_at < kCheckEventsMax && in_time);
        check_.complete = cursor.empty();
        return {};
    }

private:
    bool by_states() const { return !check_.contract->transitions().empty(); }

    SchemaTrial::Deps trial_deps() {
        SchemaTrial::Deps deps;
        deps.contract = check_.contract;
        deps.rules = check_.rules;
        deps.kv = &services_.database().kv();
        deps.scripts = &scripts_;
        deps.state_of = [this](const schema::Transition& transition, const schema::Step& step) {
            return states_.of(transition, step);
        };
        return deps;
    }

    void look_at(const store::StoredEvent& event) {
        core::Envelope envelope;
        core::Error error;
        if (!parser_.begin(event.raw, core::BatchFormat::kJson)) return;
        if (parser_.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent) return;
        defaults_.fill_envelope(event.tenant, event.received_at_us, envelope);
        const auto failures = trial_.judge(envelope, tenant_, event.received_at_us, check_.now_us);
        if (failures.empty()) states_.make(check_.contract->transitions(), trial_.steps());
        // What is none of the key's business leads states on as well.
        if (event.received_at_us < check_.from_us || !may_see(by_, event)) return;
        ++check_.scanned;
        if (failures.empty()) return;
        const auto& hasher = services_.database().hasher();
        count_misfit(
            check_, [&] { return event_id_of(event, hasher); }, failures);
    }

    Services& services_;
    const identity::Principal& by_;
    const core::TenantId tenant_;
    Check& check_;
    RuleScripts scripts_;
    PastStates states_;
    SchemaTrial trial_;
    core::EventParser parser_;
    DefaultFields defaults_;
};

ApiResponse check_response(const Check& check) {
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("scanned", check.scanned).field("rejected", check.rejected);
    json.field("complete", check.complete).key("byPointer").begin_array();
    for (const auto& [key, place] : check.places) {
        json.begin_object().field("pointer", place.pointer).field("keyword", place.keyword);
        json.field("count", place.count).field("message", place.message);
        json.field_or_null("eventId", place.event_id).end_object();
    }
    json.end_array().end_object();
    return json_response(200, std::move(body));
}

}  // namespace

void check_schema(Call& call, const Respond& respond) {
    auto check = read_check(call);
    if (!check) return respond(error_response(check.error()));
    Services& services = call.services;
    const bool taken = services.run_aside(
        Aside::kLook,
        [check = *check, &services, by = call.request.principal] {
            check->status = CheckRun(services, by, *check).run();
        },
        [check = *check, respond] {
            respond(check->status ? check_response(*check) : error_response(check->status.error()));
        });
    if (!taken) respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace millrace::runtime::api
