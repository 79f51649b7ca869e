// The matcher as a library by itself: subscriptions in, events in, numbers of those that match out.
// Reads subscriptions (JSON objects, one a line) from the file named first and events (NDJSON) from
// standard input.
//   matcher_example subscriptions.ndjson < events.ndjson
#include "core/event_parser.h"
#include "matcher/matcher.h"
#include "matcher/subscription_spec.h"

#include <cstdint>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

using namespace millrace;

namespace {

bool load(const char* file, matcher::Matcher& matcher) {
    std::ifstream in(file);
    std::uint32_t number = 0;
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) continue;
        const auto spec = matcher::parse_subscription_json(line);
        const core::SubscriptionId id(++number);
        core::Status added;
        if (spec) added = matcher.add(id, core::TenantId(0), *spec);
        if (spec && added) continue;
        std::cerr << file << ":" << number << ": " << (spec ? added.error() : spec.error()).message
                  << "\n";
        return false;
    }
    matcher.publish();  // from here on readers see them
    return number > 0;
}

}  // namespace

int main(int argc, char** argv) {
    matcher::Matcher matcher;
    if (argc != 2 || !load(argv[1], matcher)) {
        std::cerr << "usage: matcher_example subscriptions.ndjson < events.ndjson\n";
        return 2;
    }
    std::string text((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    const std::size_t size = text.size();
    text.append(64, '\0');  // the parser reads a little past the end

    matcher::Matcher::Reader reader = matcher.register_reader();  // one per thread
    matcher::MatchScratch scratch;
    core::EventParser parser;
    core::Envelope envelope;
    core::FieldTable fields;
    core::Error error;
    std::vector<core::SubscriptionId> matched;

    const matcher::Snapshot& snapshot = reader.observe();  // again at each batch, to see changes
    if (!parser.begin({text.data(), size}, core::BatchFormat::kNdjson)) return 1;
    for (;;) {
        const core::ParseOutcome outcome = parser.next(&snapshot.plan(), envelope, &fields, error);
        if (outcome == core::ParseOutcome::kEnd) return 0;
        if (outcome == core::ParseOutcome::kRejected) {
            std::cout << "line " << parser.line() << " refused: " << error.message << "\n";
            continue;
        }
        snapshot.match(envelope, core::TenantId(0), fields, scratch, matched);
        std::cout << "line " << parser.line() << ":";
        for (const core::SubscriptionId id : matched) std::cout << ' ' << id.value;
        std::cout << "\n";
    }
}
