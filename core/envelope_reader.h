// What: reads one event object: checks its text, fills the Envelope, checks the members by the
//       outside contract and extracts a plan's fields on the way.
// Threads: one owner. Lifetime: views into the text and the arena.
// Limits: core/limits.h.
// Failure: read() says which kind: syntax (the walker knows), or a member that is wrong
//       (member_error()).
#pragma once

#include "core/event.h"
#include "core/field_extractor.h"
#include "core/json_walker.h"
#include "core/pattern_listener.h"
#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::core {

class EnvelopeReader {
public:
    enum class Outcome : std::uint8_t { kGood, kBadSyntax, kBadMember };

    EnvelopeReader(JsonWalker& walker, TextArena& arena) : walker_(walker), arena_(arena) {}

    // At the first token of the event. plan and fields may be null.
    Outcome read(const FieldPlan* plan, FieldTable* fields, Envelope& envelope);
    void listen(PatternListener listener) { listener_ = listener; }
    // Where the payload of the event that was read last begins; null: it has none.
    const std::uint32_t* payload_token() const { return payload_token_; }
    // After kBadMember: what was wrong; built on this cold path only.
    Error take_member_error() { return std::move(error_); }

private:
    struct Extraction {
        const FieldPlan* plan;
        FieldExtractor* extractor;
    };
    bool members(const Extraction* extraction);
    bool top_member(std::string_view name, std::uint64_t hash, const Extraction* extraction);
    bool known_member(EnvelopeMember member, const Extraction* extraction);
    bool string_member(EnvelopeField field, std::string_view name, std::string_view& out);
    bool bounded_member(EnvelopeField field, std::string_view name, std::size_t bytes_max,
                        std::string_view& out);
    bool time_member(EnvelopeField field, std::string_view name, std::string_view& out,
                     std::int64_t& us);
    bool priority_member();
    bool object_member(EnvelopeField field, std::string_view name, std::string_view& out);
    bool source_member();
    bool metadata_member();
    bool context_member();
    bool set(EnvelopeField field);
    bool wrong(std::string_view name, std::string message, std::uint32_t at);
    bool wrong_type(std::string_view name, std::string_view expected);

    JsonWalker& walker_;
    TextArena& arena_;
    PatternListener listener_;
    Envelope* envelope_ = nullptr;
    const std::uint32_t* payload_token_ = nullptr;
    bool bad_member_ = false;
    Error error_;
};

}  // namespace millrace::core
