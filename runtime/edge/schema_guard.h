// What: holds events against the schemas of their pattern while they are taken in. Without a schema
//       in force it costs an event one test of a pointer.
// Threads: one owner, a shard's. Lifetime: borrows the book and the clock.
// Limits: those of schemas; an event meets every schema of its pattern.
// Failure: Finding::error names schema, place and keyword.
#pragma once

#include "core/event.h"
#include "core/event_parser.h"
#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/event/default_fields.h"
#include "runtime/registry/schema_book.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kMisfitPattern = "system.schema.rejected";

class SchemaGuard {
public:
    enum class Outcome : std::uint8_t { kTake, kReject, kDeadLetter };
    struct Finding {
        Outcome outcome = Outcome::kTake;
        core::Error error;
        std::string errors;  // JSON array
        std::string schema_id;
    };

    explicit SchemaGuard(const SchemaBook* book) : book_(book) {}

    // At a batch's boundary.
    void refresh() {
        if (!book_ || book_->version() == seen_) return;
        seen_ = book_->version();
        set_ = book_->current();
    }
    bool any() const { return set_ != nullptr; }

    // `nobody_waits`: who sent it can not be told; what would be rejected becomes a dead letter.
    Finding judge(const core::Envelope& envelope, core::TenantId tenant, std::int64_t now_us,
                  bool nobody_waits);

    // The event that stands in the log in the place of one that did not fit: pattern
    // kMisfitPattern, payload {"event","errors","schemaId"}.
    static std::string misfit_event(const core::Envelope& envelope, const Finding& finding);
    core::EventParser& parser() { return parser_; }

private:
    const SchemaBook* book_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const SchemaSet> set_;
    core::JsonDom dom_;
    DefaultFields defaults_;
    core::EventParser parser_;
};

}  // namespace millrace::runtime
