// What: what a run called and what it was answered with, as lines of its log (level "call"), for
//       scripts that ask for it (recordCalls). A line's fields are what a trial answers that call
//       with, so that a test can be made from an execution. Secrets are hidden with the logs.
// Threads: a lane's. Lifetime: of the run.
// Limits: kBodyBytesMax of an answer, kBytesMax of a run; "cut" says what is not whole, and
//       "linesLeftOut" how many calls are not there. Cookies that are set are not kept.
// Failure: none.
#pragma once

#include "runtime/courier/http_port.h"
#include "runtime/delivery/outside_port.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kCallLevel = "call";

class CallRecord {
public:
    static constexpr std::size_t kBodyBytesMax = 16u << 10;
    static constexpr std::size_t kBytesMax = 64u << 10;

    void called(const courier::HttpCall& call) { calls_.emplace_back(call.method, call.url); }
    void asked(const OutsideAsk& ask) { action_ = ask.text.empty() ? ask.name : "db.query"; }
    // In the order of the calls; those that are missing were given up.
    void answered(const std::vector<courier::HttpAnswer>& answers, std::int64_t now_us);
    void answered(const OutsideAnswer& answer, std::int64_t now_us);
    // It begins anew.
    void clear() { *this = {}; }
    // Behind what the run logged itself: a JSON array, or empty.
    void append_to(std::string& logs_json) const;

private:
    void add(std::string_view text, std::string_view fields, bool cut, std::int64_t now_us);

    std::vector<std::pair<std::string, std::string>> calls_;  // method and URL, under way
    std::string action_;
    std::string lines_;  // objects, with commas between them
    std::size_t left_out_ = 0;
};

}  // namespace millrace::runtime
