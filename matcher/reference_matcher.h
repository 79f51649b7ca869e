// What: the slow matcher that says what is right. Walks the predicate over the event's tree with no
//       index, no interning and no memory between events; tests, fuzzers and, sampled, production
//       compare the fast matcher with it.
// Threads: one at a time. Lifetime: owns its predicate; borrows the event for the call.
// Limits: time is conditions x nodes of the event per alternative (kFilterClausesMax alternatives).
// Failure: compile() refuses what Hyperscan refuses.
#pragma once

#include "core/result.h"
#include "matcher/filter/json_value.h"
#include "matcher/subscription_spec.h"

#include <memory>

namespace millrace::matcher {

class ReferenceMatcher {
public:
    static core::Result<ReferenceMatcher> compile(const SubscriptionSpec& spec);
    ReferenceMatcher(ReferenceMatcher&&) noexcept;
    ReferenceMatcher& operator=(ReferenceMatcher&&) noexcept;
    ~ReferenceMatcher();

    // `event` is the envelope's tree (event_tree() adds what the server filled in).
    bool matches(const JsonValue& event) const;

    struct Node;

private:
    explicit ReferenceMatcher(std::unique_ptr<Node> root);
    std::unique_ptr<Node> root_;
};

// The pattern as a condition on $.pattern; kTrue for any.
Predicate pattern_condition(const PatternPredicate& pattern);

}  // namespace millrace::matcher
