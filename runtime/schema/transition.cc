#include "runtime/schema/transition.h"

#include "core/key_hash.h"
#include "runtime/schema/assertion.h"

#include <utility>

namespace millrace::runtime::schema {

namespace {

core::Error refusal(const std::string& place, std::string_view what) {
    return core::Error(core::ErrorCode::kValidation, place + " " + std::string(what)).in(place);
}

bool is_state(const EventScalar& value) { return value.text.size() <= kTransitionTextMax; }

bool is_key(const EventScalar& value) {
    return (value.type == core::JsonType::kString || value.type == core::JsonType::kNumber) &&
           !value.text.empty() && value.text.size() <= kTransitionKeyMax;
}

std::string state_text(const EventScalar& value) {
    switch (value.type) {
        case core::JsonType::kTrue: return "true";
        case core::JsonType::kFalse: return "false";
        case core::JsonType::kNull: return std::string(kNoState);
        default: return value.text.empty() ? std::string(kNoState) : std::string(value.text);
    }
}

// A state of a list: a text, or another scalar, which stands for its text.
bool read_state(core::JsonElement item, std::string& out) {
    if (item.is_object() || item.is_array()) return false;
    std::string_view text;
    if (!item.get(text)) text = item.raw();
    out = text.empty() ? kNoState : text;
    return out.size() <= kTransitionTextMax;
}

std::string listed(const std::set<std::string>& states) {
    constexpr std::size_t kNamedMax = 10;
    std::string out;
    std::size_t named = 0;
    for (const std::string& state : states) {
        if (named++ == kNamedMax) return out + ", ...";
        out += (out.empty() ? "" : ", ") + state;
    }
    return out.empty() ? "none" : out;
}

}  // namespace

core::Result<matcher::Path> read_rule_path(std::string_view text, const std::string& place) {
    // A path alone is no expression: it is read as one that asks for it.
    auto read = matcher::parse_expression("exists(" + std::string(text) + ")", "");
    if (!read || read->kind != matcher::Predicate::Kind::kLeaf || !is_plain_path(read->leaf.path))
        return core::fail(refusal(place, "is \"" + std::string(text.substr(0, 128)) +
                                             "\"; expected a path like $.currency"));
    return read->leaf.path;
}

std::string pointer_of(const matcher::Path& path) {
    std::string out;
    for (std::size_t i = 1; i < path.steps.size(); ++i) {
        const matcher::PathStep& step = path.steps[i];
        out += '/';
        if (step.kind == matcher::PathStep::Kind::kName)
            out += step.name;
        else if (step.kind == matcher::PathStep::Kind::kIndex)
            out += std::to_string(step.index);
        else
            out += '*';
    }
    return out;
}

core::Result<Transition> Transition::make(const Text& text, std::size_t number,
                                          const std::string& place) {
    Transition made;
    made.number_ = number;
    made.message_ = text.message;
    made.key_text_ = text.key;
    auto key = read_rule_path(text.key, place + ".key");
    if (!key) return core::fail(std::move(key.error()));
    auto field = read_rule_path(text.field, place + ".field");
    if (!field) return core::fail(std::move(field.error()));
    made.key_ = std::move(*key);
    made.field_ = std::move(*field);
    made.pointer_ = pointer_of(made.field_);
    made.hash_ = core::mix_u64(core::hash_key(text.key) ^ core::kHashSeedA,
                               core::hash_key(text.field) ^ core::kHashSeedB);

    const std::string where = place + ".allowed";
    core::JsonDom dom;
    auto root = dom.parse(text.allowed, {.duplicates = core::DuplicateKeys::kRefuse});
    if (!root) return core::fail(std::move(root.error()).in(where));
    core::JsonMembers members;
    if (!root->get(members) || members.size() == 0)
        return core::fail(refusal(where, "must be an object of lists, {\"from\":[\"to\"]}"));
    for (const core::JsonMember member : members) {
        core::JsonArray list;
        std::string from = member.key.empty() ? std::string(kNoState) : std::string(member.key);
        const std::string at = where + "." + from.substr(0, 64);
        if (from.size() > kTransitionTextMax)
            return core::fail(refusal(at, "is longer than the 256 bytes that a state may have"));
        if (!member.value.get(list))
            return core::fail(refusal(at, "must be a list of the states that may follow"));
        std::set<std::string>& follow = made.allowed_[from];
        if (from != kNoState) made.states_.insert(std::move(from));
        for (const core::JsonElement item : list) {
            std::string to;
            if (!read_state(item, to))
                return core::fail(
                    refusal(at, "must hold states: texts, numbers, true, false or null"));
            if (to != kNoState) made.states_.insert(to);
            follow.insert(std::move(to));
        }
    }
    if (made.states_.size() > kTransitionStatesMax)
        return core::fail(refusal(where, "names more than 256 states").bound(kTransitionStatesMax));
    return made;
}

Failure Transition::failure(std::string message) const {
    return {pointer_, "transition", "rules/" + std::to_string(number_),
            message_.empty() ? std::move(message) : message_};
}

std::optional<Failure> Transition::read(const core::Envelope& envelope, core::JsonElement payload,
                                        std::size_t index, std::vector<Step>& steps) const {
    std::vector<EventScalar> values;
    collect_scalars(envelope, payload, field_, values);
    if (values.empty()) return std::nullopt;
    if (values.size() > 1 || !is_state(values.front()))
        return failure("must be one state, of at most 256 bytes");
    const EventScalar state = values.front();
    std::vector<EventScalar> keys;
    collect_scalars(envelope, payload, key_, keys);
    if (keys.size() != 1 || !is_key(keys.front()))
        return failure("there is no text or number of at most 1024 bytes at " + key_text_ +
                       ", whose state it would be");
    steps.push_back({index, std::string(keys.front().text), state_text(state)});
    return std::nullopt;
}

bool Transition::read_quickly(const core::Envelope& envelope, const core::JsonPlace& payload,
                              std::size_t index, std::vector<Step>& steps) const {
    EventScalar state, key;
    const ScalarFound found = find_scalar(envelope, payload, field_, state);
    if (found != ScalarFound::kThere) return found == ScalarFound::kNothing;
    if (!is_state(state) || find_scalar(envelope, payload, key_, key) != ScalarFound::kThere ||
        !is_key(key))
        return false;
    steps.push_back({index, std::string(key.text), state_text(state)});
    return true;
}

std::optional<Failure> Transition::refuse(const Step& step, std::string_view from) const {
    const auto found = allowed_.find(from);
    const auto of = [&] { return key_text_ + " \"" + step.key.substr(0, 64) + "\" "; };
    if (found != allowed_.end()) {
        if (found->second.contains(step.to)) return std::nullopt;
        return failure(of() +
                       (from == kNoState ? "can not begin as "
                                         : "can not go from " + std::string(from) + " to ") +
                       step.to + "; allowed: " + listed(found->second));
    }
    if (from == kNoState && step.to != kNoState) {
        if (states_.contains(step.to)) return std::nullopt;
        return failure(of() + "can not begin as " + step.to +
                       ", a state that the rule does not name");
    }
    return failure(of() + "can not leave " + std::string(from) + " for " + step.to +
                   "; allowed: none");
}

}  // namespace millrace::runtime::schema
