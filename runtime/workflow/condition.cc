#include "runtime/workflow/condition.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "matcher/filter/json_value.h"
#include "matcher/filter/path_parser.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"
#include "runtime/workflow/template.h"

#include <utility>

namespace millrace::runtime::workflow {
namespace {

core::Result<matcher::SubscriptionSpec> parse(std::string_view filter) {
    core::JsonDom dom;
    auto root = dom.parse(filter);
    if (!root) return core::fail(std::move(root.error()));
    std::string_view text;
    auto predicate = matcher::parse_any_filter(root->get(text) ? text : root->raw());
    if (!predicate) return core::fail(std::move(predicate.error()));
    matcher::SubscriptionSpec spec;
    spec.predicate = std::move(*predicate);
    return spec;
}

// Stands in for every template.
class Sample final : public Scope {
public:
    explicit Sample(std::string_view value) : value_(value) {}
    core::Result<std::string> look_up(const TemplatePath&) override { return value_; }

private:
    const std::string value_;
};

}  // namespace

core::Result<bool> holds(std::string_view filter, std::string_view payload) {
    auto spec = parse(filter);
    if (!spec) return core::fail(std::move(spec.error()));
    auto compiled = matcher::ReferenceMatcher::compile(*spec);
    if (!compiled) return core::fail(std::move(compiled.error()));
    std::string event;
    core::JsonWriter json(event);
    json.begin_object();
    // A bare name of an envelope's member means the data's own here, as any other name does.
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonMembers members;
    if (dom.read(payload, root) && root.get(members)) {
        for (const core::JsonMember member : members) {
            if (matcher::is_envelope_member(member.key) && member.key != "payload")
                json.raw_field(member.key, member.value.raw());
        }
    }
    json.raw_field("payload", payload).end_object();
    auto tree = matcher::parse_json(event);
    if (!tree) return core::fail(std::move(tree.error()));
    return compiled->matches(*tree);
}

core::Status check_filter(std::string_view filter) {
    if (!has_template(filter)) {
        auto spec = parse(filter);
        return spec ? core::Status{} : core::fail(std::move(spec.error()));
    }
    core::Status first;
    for (const std::string_view sample : {"1", "\"x\"", "[1,2]", "[\"x\"]", "true"}) {
        Sample scope(sample);
        auto filled = fill_templates(filter, scope);
        if (!filled) return core::fail(std::move(filled.error()));
        auto spec = parse(*filled);
        if (spec) return {};
        if (first) first = core::fail(std::move(spec.error()));
    }
    return first;
}

}  // namespace millrace::runtime::workflow
