// What: Lua 5.1's patterns (find, match, gmatch, gsub) with a bound on the work: a pattern like
//       (".-"):rep(20) makes the library's own matcher run for hours inside one C call, where no
//       deadline reaches it.
// Threads: value, one owner. Lifetime: borrows subject and pattern.
// Limits: steps_max per matcher, nesting of kDepthMax, kCapturesMax captures.
// Failure: match() answers nullptr and error() says why when it is not just "no match".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::runtime {

class LuaPattern {
public:
    static constexpr int kCapturesMax = 32;
    static constexpr int kDepthMax = 200;

    struct Capture {
        static constexpr std::ptrdiff_t kPosition = -2;
        static constexpr std::ptrdiff_t kOpen = -1;
        const char* begin = nullptr;
        std::ptrdiff_t bytes = 0;
    };

    // `stop` becoming non-zero ends the work as well.
    LuaPattern(std::string_view subject, std::string_view pattern, std::uint64_t steps_max,
               const volatile int* stop)
        : begin_(subject.data()),
          end_(subject.data() + subject.size()),
          pattern_begin_(pattern.data()),
          pattern_end_(pattern.data() + pattern.size()),
          steps_left_(steps_max),
          stop_(stop) {}

    // Tries at `at` only; returns the end of the match. A leading '^' is the caller's.
    const char* match(const char* at, const char* pattern);
    const char* pattern_begin() const { return pattern_begin_; }
    const char* pattern_end() const { return pattern_end_; }
    const char* subject_begin() const { return begin_; }
    const char* subject_end() const { return end_; }

    int captures() const { return level_; }
    const Capture& capture(int index) const { return captures_[index]; }
    const char* error() const { return error_; }

private:
    const char* do_match(const char* s, const char* p);
    const char* class_end(const char* p);
    bool single_match(const char* s, const char* p, const char* ep) const;
    bool match_set(int c, const char* p, const char* ec) const;
    const char* match_balance(const char* s, const char* p);
    const char* max_expand(const char* s, const char* p, const char* ep);
    const char* min_expand(const char* s, const char* p, const char* ep);
    const char* start_capture(const char* s, const char* p, std::ptrdiff_t what);
    const char* end_capture(const char* s, const char* p);
    const char* match_capture(const char* s, int digit);
    const char* match_frontier(const char*& s, const char* p, bool& matched);
    bool step();
    const char* fail(const char* why) {
        if (!error_) error_ = why;
        return nullptr;
    }

    const char* begin_;
    const char* end_;
    const char* pattern_begin_;
    const char* pattern_end_;
    std::uint64_t steps_left_;
    const volatile int* stop_;
    const char* error_ = nullptr;
    int depth_left_ = kDepthMax;
    int level_ = 0;
    Capture captures_[kCapturesMax];
};

}  // namespace millrace::runtime
