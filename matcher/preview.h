// What: what a subscription would have matched, told before it is saved: counts over a run of
//       events, by pattern, and against an existing subscription how many it would gain (+A) and
//       lose (-B), with a few events of each to look at; what one condition alone kept out; and
//       whether an index finds it. Knows no store: the caller feeds it events.
// Threads: one at a time. Lifetime: owns its matchers; events are borrowed for the call.
// Limits: kPreviewPatternsMax patterns are counted apart, the rest together; kPreviewSamplesMax
//       events are told of each count. Near misses are those of the pattern: an event costs as
//       many conditions as hold before the second fails.
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
#include <string_view>
#include <vector>

namespace millrace::matcher {

inline constexpr std::size_t kPreviewPatternsMax = 1'000;
inline constexpr std::size_t kPreviewSamplesMax = 5;

struct PreviewSample {
    std::string event_id;
    std::string pattern;
};
using PreviewSamples = std::vector<PreviewSample>;

// Events that would match but for this condition.
struct PreviewNearMiss {
    std::string condition;  // in the expression form
    std::uint64_t count = 0;
    PreviewSamples samples{};
};

struct PreviewResult {
    std::uint64_t scanned = 0;
    std::uint64_t unreadable = 0;
    std::uint64_t matched = 0;
    std::map<std::string, std::uint64_t, std::less<>> by_pattern;  // of the matched ones
    std::uint64_t other_patterns = 0;            // matched, beyond kPreviewPatternsMax patterns
    PreviewSamples samples{};                    // of the matched ones, the first that were fed
    std::vector<PreviewNearMiss> near_misses{};  // of each condition of the filter, in its order
    bool compared = false;                       // an existing subscription was given
    std::uint64_t gained = 0;                    // matched now, not by the existing one
    std::uint64_t lost = 0;                      // matched by the existing one, not now
    PreviewSamples gained_samples{};
    PreviewSamples lost_samples{};
    // Some condition of it has an index: it is looked at for events that may match alone. False:
    // for each event of its pattern. Told by judge_cost().
    std::optional<bool> indexed{};
};

class Preview {
public:
    static core::Result<Preview> create(const SubscriptionSpec& spec,
                                        const std::optional<SubscriptionSpec>& existing = {});

    // `event_id` is what samples call it.
    void add(const core::Envelope& event, std::string_view event_id = {});
    // Pulls events until the source returns null.
    void run(const std::function<const core::Envelope*()>& source);
    // May take as long as the filter's expressions take to compile.
    void judge_cost();
    const PreviewResult& result() const { return result_; }

private:
    // A subscription with its pattern apart, so that most events need no tree.
    struct Side {
        ReferenceMatcher pattern;
        ReferenceMatcher whole;
    };
    static core::Result<Side> compile(const SubscriptionSpec& spec);
    // One of those that must all hold; made ready when an event first asks for it.
    struct Condition {
        Predicate predicate;
        std::optional<ReferenceMatcher> holds{};
        bool refused = false;
    };
    Preview(Side side, const SubscriptionSpec& spec);
    void count(std::string_view pattern);
    void note_near_miss(const JsonValue& tree, const PreviewSample& sample);

    Side now_;
    SubscriptionSpec spec_;
    std::vector<Condition> conditions_;  // of the filter, not of the pattern; as near_misses
    std::optional<Side> before_;
    PreviewResult result_;
};

// {"scanned","unreadable","matched","byPattern":[{"pattern","count"}],"otherPatterns","samples":
// [SAMPLE],"nearMisses":[{"condition","count","samples":[SAMPLE]}],"gained"?,"gainedSamples"?,
// "lost"?,"lostSamples"?,"indexed"?}, where SAMPLE is {"eventId","pattern"}; conditions that alone
// kept nothing out are left out
std::string to_json(const PreviewResult& result);

}  // namespace millrace::matcher
