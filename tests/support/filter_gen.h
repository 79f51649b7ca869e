// What: random subscriptions as clients write them (all four forms, all operators) and random
//       events from one small world of names and values, so that they meet often; sets that are
//       hard for an index on purpose; and broken texts.
// Threads: one owner. Lifetime: value. Limits: events stay small enough for brute_force.h.
// Failure: none; the same seed gives the same texts.
#pragma once

#include "core/random.h"

#include <string>
#include <vector>

namespace millrace::testing {

class FilterGen {
public:
    explicit FilterGen(std::uint64_t seed) : random_(seed) {}

    std::string subscription();  // JSON with pattern, filters or filter, form
    std::string event();         // a whole envelope
    std::string broken(std::string text);
    core::Random& random() { return random_; }

private:
    template <typename List>
    auto pick(const List& list) {
        return list[random_.below(std::size(list))];
    }
    bool chance(std::uint64_t one_in) { return random_.below(one_in) == 0; }
    std::string literal();
    std::string text();
    std::string number();
    std::string jsonpath();
    std::string map_key();
    std::string operators();
    std::string map(unsigned depth);
    std::string list(unsigned depth);
    std::string expression(unsigned depth);
    std::string word_condition();
    std::string ruler_leaf();
    std::string ruler(unsigned depth);
    std::string pattern();
    std::string value(unsigned depth);
    std::string object(unsigned depth);

    core::Random random_;
};

struct FilterSet {
    std::string name;
    std::vector<std::string> subscriptions;
    std::vector<std::string> events;
};

// The adversarial sets; `scale` multiplies their sizes.
std::vector<FilterSet> adversarial_sets(std::uint64_t seed, std::size_t scale);

}  // namespace millrace::testing
