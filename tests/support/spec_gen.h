// Random subscriptions and events over a small world of names and values, so that they meet often:
// for comparing the matcher with the reference.
#pragma once

#include "core/random.h"
#include "matcher/subscription_spec.h"

#include <string>

namespace millrace::testing {

class SpecGen {
public:
    explicit SpecGen(std::uint64_t seed) : random_(seed) {}

    matcher::SubscriptionSpec spec();
    std::string event();
    core::Random& random() { return random_; }

private:
    matcher::Predicate predicate(unsigned depth);
    matcher::Leaf leaf();
    matcher::Path path();
    matcher::Scalar scalar();
    matcher::PatternPredicate pattern();
    std::string word();
    std::string number();
    std::string json_value(unsigned depth);
    std::string pattern_text();
    template <typename List>
    auto pick(const List& list) {
        return list[random_.below(std::size(list))];
    }

    core::Random random_;
};

}  // namespace millrace::testing
