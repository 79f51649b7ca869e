// What: text cases of the filter language (tests/data/filter/*.case), so that adding one needs no
//       C++.
//         == name
//         map|list|ruler|expr|sub TEXT   the subscription: a filter in one of its forms, or the
//         whole JSON yes|no JSON                    this payload does or does not match
//         yes!|no! JSON                  the same with a whole envelope
//         error FIELD TEXT               the subscription is refused, in this field (or -), and
//         says TEXT
//       Lines that begin with # and empty ones are skipped.
// Threads: one. Lifetime: values. Limits: none. Failure: a malformed file aborts the test with its
//       line.
#pragma once

#include <string>
#include <vector>

namespace millrace::testing {

struct FilterCase {
    struct Probe {
        std::string event;  // envelope JSON
        bool matches = false;
        int line = 0;
    };
    std::string name;
    std::string file;
    int line = 0;
    std::string subscription;  // JSON with pattern, filters, filter, form
    std::vector<Probe> probes;
    bool refused = false;
    std::string error_field;
    std::string error_text;
};

// All cases of all files of tests/data/filter, in order.
std::vector<FilterCase> load_filter_cases();

}  // namespace millrace::testing
