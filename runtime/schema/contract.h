// What: what events of a pattern must be: a schema for the payload, and rules over the whole event
//       in the language of filters, which are asked when the schema is content.
// Threads: immutable but for the rules' scratch, which a lock guards.
// Lifetime: shared. Limits: kRulesMax rules; those of schemas and filters.
// Failure: make() names the member and the place in it.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "core/result.h"
#include "matcher/reference_matcher.h"
#include "runtime/schema/program.h"
#include "runtime/schema/validator.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kRulesMax = 32;

struct AssertRule {
    std::string expression;
    std::string message;
};

class Contract {
public:
    // `schema`: JSON text; empty: anything fits.
    static core::Result<std::shared_ptr<const Contract>> make(std::string_view schema,
                                                              const std::vector<AssertRule>& rules);

    // `envelope` has its defaults filled in; `dom` is the caller's, for the payload.
    std::vector<Failure> judge(const core::Envelope& envelope, core::JsonDom& dom) const;

private:
    struct Rule {
        matcher::ReferenceMatcher matcher;
        std::string message;
    };
    ProgramRef program_;
    std::vector<Rule> rules_;
    mutable std::mutex turn_;  // of the rules
};

// As a JSON array.
void append_failures(std::string& out, const std::vector<Failure>& failures);

}  // namespace millrace::runtime::schema
