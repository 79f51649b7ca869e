// The adversarial sets: what an index is tempted to get wrong or to be slow at.
#include "tests/support/filter_gen.h"

namespace millrace::testing {
namespace {

std::string event_of(const std::string& payload, const std::string& pattern = "p") {
    return "{\"pattern\":\"" + pattern + "\",\"payload\":" + payload + "}";
}

std::string fraction(core::Random& random) {
    constexpr const char* kTails[] = {"",   ".0",  ".5",   ".0000000000000001",
                                      "e0", "e-1", "e400", "000000000000000000"};
    return std::to_string(static_cast<std::int64_t>(random.below(41)) - 20) +
           kTails[random.below(8)];
}

FilterSet numeric_ranges(core::Random& random, std::size_t scale) {
    FilterSet set{"numeric ranges only", {}, {}};
    for (std::size_t i = 0; i < 200 * scale; ++i) {
        const bool closed = random.below(2) == 0;
        std::string conditions =
            std::string("{\"") + (closed ? "gte" : "gt") + "\":" + fraction(random);
        if (random.below(3) == 0) conditions = std::string("{\"lt\":") + fraction(random);
        set.subscriptions.push_back("{\"filters\":{\"n\":" + conditions + "}}}");
        set.subscriptions.push_back("{\"filter\":\"$.n range [" + fraction(random) + ", " +
                                    fraction(random) + "]\"}");
    }
    for (std::size_t i = 0; i < 100 * scale; ++i)
        set.events.push_back(event_of("{\"n\":" + fraction(random) + "}"));
    set.events.push_back(event_of("{\"n\":[-30,30]}"));
    set.events.push_back(event_of("{\"n\":\"5\"}"));
    return set;
}

FilterSet negations(core::Random& random, std::size_t scale) {
    FilterSet set{"negations only", {}, {}};
    const auto value = [&] { return std::to_string(random.below(50 * scale)); };
    for (std::size_t i = 0; i < 100 * scale; ++i) {
        set.subscriptions.push_back("{\"filters\":{\"v\":{\"notEquals\":" + value() + "}}}");
        set.subscriptions.push_back("{\"filters\":{\"v\":{\"notIn\":[" + value() + ",\"" + value() +
                                    "\"]}}}");
        set.subscriptions.push_back("{\"filter\":\"!($.v == " + value() + ")\"}");
        set.subscriptions.push_back("{\"filter\":\"!exists($.k" + value() + ")\"}");
    }
    for (std::size_t i = 0; i < 40 * scale; ++i) {
        set.events.push_back(event_of("{\"v\":" + value() + ",\"k" + value() + "\":1}"));
        set.events.push_back(event_of("{\"v\":[" + value() + "," + value() + "]}"));
    }
    set.events.push_back(event_of("{}"));
    return set;
}

FilterSet regexes(core::Random& random, std::size_t scale) {
    FilterSet set{"regexes on one path", {}, {}};
    for (std::size_t i = 0; i < 60 * scale; ++i) {
        const std::string n = std::to_string(random.below(40 * scale));
        set.subscriptions.push_back("{\"filters\":{\"s\":{\"regex\":\"^svc" + n + "[a-f]+$\"}}}");
        set.subscriptions.push_back("{\"filters\":{\"s\":{\"regex\":\"" + n + ".*x\"}}}");
        set.subscriptions.push_back("{\"filters\":{\"s\":{\"wildcard\":\"*c" + n + "*\"}}}");
        set.subscriptions.push_back("{\"filters\":{\"s\":{\"contains\":\"" + n + "\"}}}");
        set.subscriptions.push_back("{\"filters\":{\"s\":{\"containsIgnoreCase\":\"VC" + n +
                                    "\"}}}");
        set.subscriptions.push_back("{\"pattern\":{\"type\":\"regex\",\"value\":\"^[a-z]+" + n +
                                    "\\\\.(created|updated)$\"}}");
    }
    for (std::size_t i = 0; i < 60 * scale; ++i) {
        const std::string n = std::to_string(random.below(40 * scale));
        set.events.push_back(event_of("{\"s\":\"svc" + n + "abcx\"}", "svc" + n + ".created"));
        set.events.push_back(
            event_of("{\"s\":[\"SVC" + n + "\",\"svc" + n + "\\n\"]}", "x" + n + ".updated"));
    }
    return set;
}

FilterSet many_patterns(core::Random& random, std::size_t scale) {
    FilterSet set{"many patterns", {}, {}};
    for (std::size_t i = 0; i < 50 * scale; ++i) {
        const std::string n = std::to_string(random.below(500 * scale));
        set.subscriptions.push_back("{\"pattern\":\"type" + n + "\"}");
        set.subscriptions.push_back("{\"pattern\":\"type" + n + "*\",\"filters\":{\"a\":1}}");
        set.subscriptions.push_back("{\"pattern\":{\"type\":\"suffix\",\"value\":\"" + n + "\"}}");
    }
    for (std::size_t i = 0; i < 500 * scale; ++i) {
        set.events.push_back(
            event_of("{\"a\":" + std::to_string(i % 2) + "}", "type" + std::to_string(i)));
    }
    return set;
}

FilterSet texts() {
    FilterSet set{"texts with NUL, empty and long ones", {}, {}};
    const std::string texts[] = {"",
                                 "\\u0000",
                                 "a\\u0000b",
                                 "a",
                                 "\\u0000a",
                                 std::string(5000, 'x'),
                                 std::string(5000, 'x') + "y",
                                 "\\ud83d\\ude00",
                                 "\\u00e9",
                                 "e\\u0301",
                                 " ",
                                 "\\\\",
                                 "*"};
    for (const std::string& text : texts) {
        for (const char* op :
             {"equals", "prefix", "suffix", "contains", "equalsIgnoreCase", "prefixIgnoreCase",
              "suffixIgnoreCase", "containsIgnoreCase", "notEquals", "gte", "lt"}) {
            set.subscriptions.push_back("{\"filters\":{\"s\":{\"" + std::string(op) + "\":\"" +
                                        text + "\"}}}");
        }
        set.events.push_back(event_of("{\"s\":\"" + text + "\"}"));
        set.events.push_back(event_of("{\"s\":[\"q\",[\"" + text + "\"],\"\"]}"));
    }
    return set;
}

FilterSet deep_arrays(core::Random& random, std::size_t scale) {
    FilterSet set{"arrays, deep and long", {}, {}};
    for (const char* filter :
         {"$.d.a == 1 && $.d.b == 1", "$.d.a == 1 && $.d.b == 1 && $.d.c.e == 1",
          "exists($.d.a) && !exists($.d.z)", "$.d.a != 1 && $.d.b != 1",
          "$.d[*].a == 1 && $.d.b == 0", "$.d[0].a == 1 && $.d[-1].b == 1",
          "$.d.c.e == 1 && $.d.c.f == 1 && $.d.a == 0", "$.t == 5 && $.t == 6",
          "$.d.a == 1 && ($.d.b == 1 || $.d.c.f == 0)", "!($.d.a == 1 && $.d.b == 1)",
          "$.d.t == 5 && $.d.t == 6 && $.d.a == 1"}) {
        set.subscriptions.push_back("{\"filter\":\"" + std::string(filter) + "\"}");
    }
    const auto bit = [&] { return std::to_string(random.below(2)); };
    for (std::size_t length : {1u, 2u, 3u, 8u, 40u * static_cast<unsigned>(scale)}) {
        for (int round = 0; round < 12; ++round) {
            std::string elements;
            for (std::size_t i = 0; i < length; ++i) {
                elements += i == 0 ? "" : ",";
                elements += "{\"a\":" + bit() + ",\"b\":" + (round % 2 ? bit() : "0") +
                            ",\"t\":[5," + (round % 3 ? "6" : "7") + "],\"c\":[{\"e\":" + bit() +
                            "},{\"f\":" + bit() + "}]}";
            }
            const std::string nested =
                round % 4 == 0 ? "[[" + elements + "],[]]" : "[" + elements + "]";
            set.events.push_back(event_of("{\"d\":" + nested + ",\"t\":[5,[6]]}"));
        }
    }
    set.events.push_back(event_of("{\"d\":" + std::string(50, '[') + "{\"a\":1,\"b\":1}" +
                                  std::string(50, ']') + "}"));
    return set;
}

// Alternatives whose conditions must meet in elements of arrays: in one array, in arrays inside of
// elements, in two arrays side by side.
FilterSet array_alternatives(core::Random& random, std::size_t scale) {
    FilterSet set{"alternatives over arrays", {}, {}};
    constexpr const char* kPaths[] = {"$.l.a",   "$.l.b",   "$.l.c", "$.l.m.x", "$.l.m.y",
                                      "$.l.k.x", "$.l.k.y", "$.n.a", "$.n.b",   "$.o.p"};
    for (std::size_t i = 0; i < 80 * scale; ++i) {
        // Without the arrays beside m, and without both, in a part of them.
        const std::uint64_t paths = i % 4 == 0 ? 3 : i % 4 == 1 ? 5 : 10;
        std::string filter;
        for (std::uint64_t ors = 2 + random.below(3); ors > 0; --ors) {
            filter += filter.empty() ? "(" : " && (";
            for (std::uint64_t ways = 1 + random.below(3); ways > 0; --ways) {
                filter += kPaths[random.below(paths)] + std::string(" == 1") +
                          (random.below(4) == 0 ? " && $.l.a == 0" : "") + (ways > 1 ? " || " : "");
            }
            filter += ")";
        }
        set.subscriptions.push_back("{\"filter\":\"" + filter + "\"}");
    }
    const auto bit = [&](const char* name) {
        return "\"" + std::string(name) + "\":" + (random.below(4) == 0 ? "1" : "0");
    };
    const auto list = [&](const char* name, std::uint64_t most, const auto& element) {
        std::string items;
        for (std::uint64_t left = random.below(most + 1); left > 0; --left)
            items += "{" + element() + (left > 1 ? "}," : "}");
        return "\"" + std::string(name) + "\":[" + items + "]";
    };
    const auto pair = [&] { return bit("x") + "," + bit("y"); };
    for (std::size_t i = 0; i < 120 * scale; ++i) {
        const auto element = [&] {
            std::string members = bit("a") + "," + bit("b") + "," + bit("c");
            if (i % 3 != 0) members += "," + list("m", 3, pair);
            if (i % 3 == 2) members += "," + list("k", 2, pair);
            return members;
        };
        const auto other = [&] { return bit("a") + "," + bit("b"); };
        std::string payload = list("l", i % 10 == 0 ? 150 : 5, element);
        if (i % 2 == 0) payload += "," + list("n", 3, other);
        if (i % 5 == 0) payload += ",\"o\":{" + bit("p") + "}";
        set.events.push_back(event_of("{" + payload + "}"));
    }
    return set;
}

}  // namespace

std::vector<FilterSet> adversarial_sets(std::uint64_t seed, std::size_t scale) {
    core::Random random(seed);
    std::vector<FilterSet> out;
    out.push_back(numeric_ranges(random, scale));
    out.push_back(negations(random, scale));
    out.push_back(regexes(random, scale));
    out.push_back(many_patterns(random, scale));
    out.push_back(texts());
    out.push_back(deep_arrays(random, scale));
    out.push_back(array_alternatives(random, scale));
    return out;
}

}  // namespace millrace::testing
