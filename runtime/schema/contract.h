// What: what events of a pattern must be: a schema for the payload, and rules over the whole event,
//       which are asked when the schema is content, in the order of what they cost: those about the
//       event alone, then reference data. What a transition asks of the state that its key is in,
//       and what a script says, is asked by whoever has states and scripts (runtime/shard).
// Threads: any at once.
// Lifetime: shared. Limits: kRulesMax rules; those of schemas and filters.
// Failure: make() names the member and the place in it.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "core/json_place.h"
#include "core/result.h"
#include "runtime/schema/assertion.h"
#include "runtime/schema/program.h"
#include "runtime/schema/quick_check.h"
#include "runtime/schema/quick_program.h"
#include "runtime/schema/sources.h"
#include "runtime/schema/transition.h"
#include "runtime/schema/validator.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kRulesMax = 32;

struct SchemaRule {
    enum class Kind : std::uint8_t { kAssert, kReference, kTransition, kScript };
    Kind kind = Kind::kAssert;
    std::string expression;    // kAssert: what must hold
    std::string field;         // kReference, kTransition: a path
    std::string space;         // kReference: its values must be keys of this namespace of kv
    std::string key;           // kTransition: a path; whose state stands in `field`
    std::string allowed;       // kTransition: {"from":["to"]}, JSON
    std::string script_id;     // kScript
    std::uint32_t script = 0;  // its number, once it is known
    std::string message;       // empty: the rule itself

    static SchemaRule assertion(std::string what, std::string message = {}) {
        SchemaRule rule;
        rule.expression = std::move(what);
        rule.message = std::move(message);
        return rule;
    }
    static SchemaRule reference(std::string field, std::string space, std::string message = {}) {
        SchemaRule rule;
        rule.kind = Kind::kReference;
        rule.field = std::move(field);
        rule.space = std::move(space);
        rule.message = std::move(message);
        return rule;
    }
    static SchemaRule transition(std::string key, std::string field, std::string allowed,
                                 std::string message = {}) {
        SchemaRule rule;
        rule.kind = Kind::kTransition;
        rule.key = std::move(key);
        rule.field = std::move(field);
        rule.allowed = std::move(allowed);
        rule.message = std::move(message);
        return rule;
    }
};

// What rules look up. Any thread.
class ReferenceData {
public:
    virtual ~ReferenceData() = default;
    virtual bool has(std::string_view space, std::string_view key) const = 0;
};

class Contract {
public:
    // What $ref may name beside the schema itself: other schemas, by their URIs.
    struct Surroundings {
        std::string uri = "millrace:schema";
        Resolver resolver = {};
    };
    // `schema`: JSON text; empty: anything fits.
    static core::Result<std::shared_ptr<const Contract>> make(std::string_view schema,
                                                              const std::vector<SchemaRule>& rules,
                                                              const Surroundings& around);
    static core::Result<std::shared_ptr<const Contract>> make(
        std::string_view schema, const std::vector<SchemaRule>& rules) {
        return make(schema, rules, Surroundings());
    }

    // True: the payload fits the schema. False: maybe; judge() knows.
    bool fits_quickly(const core::JsonPlace& payload) const {
        return !quick_ || schema::fits_quickly(*quick_, payload);
    }

    // `envelope` has its defaults filled in; `dom` is the caller's, for the payload. Without
    // `references` nobody asks whether something is in there. `steps` gets what an event that fits
    // says of each transition.
    std::vector<Failure> judge(const core::Envelope& envelope, core::JsonDom& dom,
                               const ReferenceData* references = nullptr,
                               std::vector<Step>* steps = nullptr) const;
    // The same for a payload that was parsed already.
    std::vector<Failure> judge_parsed(const core::Envelope& envelope, core::JsonElement payload,
                                      const ReferenceData* references = nullptr,
                                      std::vector<Step>* steps = nullptr) const;
    // The same, where it is known that the payload fits the schema.
    std::vector<Failure> judge_fitting(const core::Envelope& envelope, core::JsonElement payload,
                                       const ReferenceData* references = nullptr,
                                       std::vector<Step>* steps = nullptr) const;

    // What a payload that fits the schema says of each transition, where those are all the rules
    // that are asked of the event alone. False: ask judge_fitting().
    bool steps_quickly(const core::Envelope& envelope, const core::JsonPlace& payload,
                       std::vector<Step>& steps) const;

    const std::vector<Transition>& transitions() const { return transitions_; }

private:
    struct Assert {
        std::size_t number;  // in the list of rules
        Assertion assertion;
        std::string message;
    };
    struct Reference {
        std::size_t number;
        matcher::Path path;
        std::string pointer;
        std::string space;
        std::string message;
    };
    core::Status add(const SchemaRule& rule, std::size_t number);
    core::Status add_reference(const SchemaRule& rule, std::size_t number);
    core::Status add_assert(const SchemaRule& rule, std::size_t number);

    ProgramRef program_;
    std::unique_ptr<const QuickProgram> quick_;
    std::vector<Assert> asserts_;
    std::vector<Reference> references_;
    std::vector<Transition> transitions_;
};

// As a JSON array.
void append_failures(std::string& out, const std::vector<Failure>& failures);

}  // namespace millrace::runtime::schema
