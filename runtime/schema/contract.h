// What: what events of a pattern must be: a schema for the payload, and rules over the whole event,
//       which are asked when the schema is content, those about the event alone first.
// Threads: any at once.
// Lifetime: shared. Limits: kRulesMax rules; those of schemas and filters.
// Failure: make() names the member and the place in it.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/schema/assertion.h"
#include "runtime/schema/program.h"
#include "runtime/schema/validator.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kRulesMax = 32;

// One of the two is asked.
struct SchemaRule {
    std::string expression;  // what must hold
    std::string field;       // a path; its values must be keys of...
    std::string space;       // ...this namespace of kv
    std::string message;     // empty: the rule itself
};

// What rules look up. Any thread.
class ReferenceData {
public:
    virtual ~ReferenceData() = default;
    virtual bool has(std::string_view space, std::string_view key) const = 0;
};

class Contract {
public:
    // `schema`: JSON text; empty: anything fits.
    static core::Result<std::shared_ptr<const Contract>> make(std::string_view schema,
                                                              const std::vector<SchemaRule>& rules);

    // `envelope` has its defaults filled in; `dom` is the caller's, for the payload. Without
    // `references` nobody asks whether something is in there.
    std::vector<Failure> judge(const core::Envelope& envelope, core::JsonDom& dom,
                               const ReferenceData* references = nullptr) const;

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

    ProgramRef program_;
    std::vector<Assert> asserts_;
    std::vector<Reference> references_;
};

// As a JSON array.
void append_failures(std::string& out, const std::vector<Failure>& failures);

}  // namespace millrace::runtime::schema
