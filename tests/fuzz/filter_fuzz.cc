// Fuzzes the parsers of the filter language. The first byte says which: m map or list, r
// event-shaped, e expression, p JSONPath, x regular expression, w wildcard, s a whole subscription.
// What is accepted must print to an expression that reads back as the same predicate, and must
// match without harm.
#include "core/assert.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/path_parser.h"
#include "matcher/filter/wildcard.h"
#include "matcher/reference_matcher.h"
#include "matcher/regex/regex.h"
#include "matcher/subscription_spec.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::matcher {
namespace {

constexpr std::string_view kEvent =
    R"({"pattern":"a.b","source":{"type":"task","id":"1"},"payload":{"a":[1,"x",null,{"b":2.50,"c":["y"]}],)"
    R"("amount":1e400,"s":"\u00e9\u0000Z","ip":"10.0.0.1","o":{"p":{"q":[]}}}})";

void use(const SubscriptionSpec& spec) {
    const std::string text = to_text(spec.predicate);
    const auto again = parse_expression(text, "filter");
    MR_ASSERT(again.has_value());
    MR_ASSERT(*again == spec.predicate);
    MR_ASSERT(hash_of(*again) == hash_of(spec.predicate));
    const auto reference = ReferenceMatcher::compile(spec);
    MR_ASSERT(reference.has_value());
    static const auto event = parse_json(kEvent);
    MR_ASSERT(event.has_value());
    reference->matches(*event);
}

void run(char which, std::string_view text) {
    SubscriptionText subscription;
    core::Result<SubscriptionSpec> spec;
    switch (which) {
        case 'm':
            subscription.filters = text;
            spec = parse_subscription(subscription);
            break;
        case 'r':
            subscription.filters = text;
            subscription.form = "\"event-pattern\"";
            spec = parse_subscription(subscription);
            break;
        case 'e':
            if (auto predicate = parse_any_filter(text)) {
                spec = SubscriptionSpec{{}, std::move(*predicate), 0};
                break;
            }
            return;
        case 'p':
            if (auto path = parse_field(text)) {
                const auto again = parse_field(to_text(*path));
                MR_ASSERT(again && *again == *path);
            }
            return;
        case 'x': Regex::compile(text).has_value(); return;
        case 'w':
            if (const auto wildcard = parse_wildcard(text)) wildcard->matches(text);
            return;
        default: spec = parse_subscription_json(text); break;
    }
    if (spec) use(*spec);
    if (!spec) MR_ASSERT(!spec.error().message.empty());
}

}  // namespace
}  // namespace millrace::matcher

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    if (bytes == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    millrace::matcher::run(text[0], text.substr(1));
    return 0;
}
