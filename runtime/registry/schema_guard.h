// What: holds events against the schemas of their pattern, by the same rules wherever they come
//       from: while they are taken in, and in a handler's emit. Without a schema in force it costs
//       an event one test of a pointer.
// Threads: one owner, a shard's or a lane's. Lifetime: borrows the book.
// Limits: those of schemas; an event meets every schema of its pattern.
// Failure: Finding::error names schema, place and keyword.
#pragma once

#include "core/event.h"
#include "core/event_parser.h"
#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/event/default_fields.h"
#include "runtime/registry/schema_book.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

class SchemaGuard {
public:
    enum class Outcome : std::uint8_t { kTake, kReject, kDeadLetter };
    struct Finding {
        Outcome outcome = Outcome::kTake;
        core::Error error;
        std::string errors;  // JSON array
        std::string schema_id;
    };
    // Whom a refusal can be told.
    enum class Asker : std::uint8_t {
        kSender,   // who waits for an answer
        kNobody,   // what would be rejected becomes a dead letter
        kHandler,  // its emit is refused; all but that is found out when the event is taken in
        kTrial,    // the same for a look at what a run would do: nothing is noted
    };

    // `kv`: what rules look up; null: nobody asks.
    SchemaGuard(const SchemaBook* book, store::KvStore* kv) : book_(book), kv_(kv) {}

    // At a batch's boundary.
    void refresh() {
        if (!book_ || book_->version() == seen_) return;
        seen_ = book_->version();
        set_ = book_->current();
    }
    bool any() const { return set_ != nullptr; }

    Finding judge(const core::Envelope& envelope, core::TenantId tenant, std::int64_t now_us,
                  Asker asker);
    // The same for the text of an event; an error where it is none.
    core::Result<Finding> judge_text(std::string_view text, core::TenantId tenant,
                                     std::int64_t now_us, Asker asker);
    // Of what a handler is about to emit: false, and why, when it is rejected.
    bool takes_emitted(std::string_view pattern, std::string_view text, core::TenantId tenant,
                       std::int64_t now_us, Asker asker, std::string& why);

    core::EventParser& parser() { return parser_; }

private:
    const SchemaBook* book_;
    store::KvStore* kv_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const SchemaSet> set_;
    core::JsonDom dom_;
    DefaultFields defaults_;
    core::EventParser parser_;
    std::string text_;
};

}  // namespace millrace::runtime
