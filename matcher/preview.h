// What: what a subscription would have matched, told before it is saved: counts over a run of
//       events, by pattern, and against an existing subscription how many it would gain (+A) and
//       lose (-B). Knows no store: the caller feeds it events.
// Threads: one at a time. Lifetime: owns its matchers; events are borrowed for the call.
// Limits: kPreviewPatternsMax patterns are counted apart, the rest together.
// Failure: create() refuses what ReferenceMatcher::compile() refuses; an event that is no JSON
//       counts as scanned and unreadable.
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace millrace::matcher {

inline constexpr std::size_t kPreviewPatternsMax = 1'000;

struct PreviewResult {
    std::uint64_t scanned = 0;
    std::uint64_t unreadable = 0;
    std::uint64_t matched = 0;
    std::map<std::string, std::uint64_t, std::less<>> by_pattern;  // of the matched ones
    std::uint64_t other_patterns = 0;  // matched, beyond kPreviewPatternsMax patterns
    bool compared = false;             // an existing subscription was given
    std::uint64_t gained = 0;          // matched now, not by the existing one
    std::uint64_t lost = 0;            // matched by the existing one, not now
};

class Preview {
public:
    static core::Result<Preview> create(const SubscriptionSpec& spec,
                                        const std::optional<SubscriptionSpec>& existing = {});

    void add(const core::Envelope& event);
    // Pulls events until the source returns null.
    void run(const std::function<const core::Envelope*()>& source);
    const PreviewResult& result() const { return result_; }

private:
    // A subscription with its pattern apart, so that most events need no tree.
    struct Side {
        ReferenceMatcher pattern;
        ReferenceMatcher whole;
    };
    static core::Result<Side> compile(const SubscriptionSpec& spec);
    explicit Preview(Side side) : now_(std::move(side)) {}
    void count(std::string_view pattern);

    Side now_;
    std::optional<Side> before_;
    PreviewResult result_;
};

// {"scanned","matched","byPattern":[{"pattern","count"}],"otherPatterns","gained"?,"lost"?}
std::string to_json(const PreviewResult& result);

}  // namespace millrace::matcher
