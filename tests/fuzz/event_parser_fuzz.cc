// Any bytes as a body, in both formats, behind bytes that would continue them: no crash, no read
// past the end, no event that the plain reader refuses, the same fields lazily and in full.
#include "core/event_parser.h"
#include "core/json_validate.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace millrace::core;

void require(bool holds) {
    if (!holds) std::abort();
}

FieldPlan make_plan() {
    using Kind = FieldStep::Kind;
    FieldPlanBuilder builder;
    builder.add({{Kind::kName, "payload", 0}, {Kind::kName, "a", 0}});
    builder.add({{Kind::kName, "payload", 0}, {Kind::kName, "a", 0}, {Kind::kName, "b", 0}});
    builder.add({{Kind::kName, "pattern", 0}});
    return builder.build();
}

void read(std::string_view text, BatchFormat format) {
    static const FieldPlan plan = make_plan();
    EventParser parser;
    Envelope envelope;
    FieldTable fields;
    FieldTable lazy;
    Error error;
    if (!parser.begin(text, format)) return;
    for (;;) {
        const ParseOutcome outcome = parser.next(&plan, envelope, &fields, error);
        if (outcome == ParseOutcome::kEnd) return;
        if (outcome == ParseOutcome::kRejected) {
            require(!error.message.empty());
            continue;
        }
        require(!envelope.pattern.empty());
        require(json_validate(envelope.raw).has_value());
        std::string copy(envelope.raw);
        copy.append(64, ' ');
        EventParser second;
        const std::string_view raw = std::string_view(copy).substr(0, envelope.raw.size());
        require(second.extract(raw, plan, nullptr, lazy));
        require(lazy.values().size() == fields.values().size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string text(reinterpret_cast<const char*>(data), size);
    for (int i = 0; i < 8; ++i) text += "}]}],\"1\"";
    const std::string_view view = std::string_view(text).substr(0, size);
    read(view, BatchFormat::kJson);
    read(view, BatchFormat::kNdjson);
    return 0;
}
