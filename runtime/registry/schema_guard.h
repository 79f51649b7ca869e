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
#include "runtime/event/misfit.h"
#include "runtime/registry/emitted_steps.h"
#include "runtime/registry/late_rules.h"
#include "runtime/registry/rule_runner.h"
#include "runtime/registry/schema_book.h"
#include "runtime/registry/schema_lists.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
        kSender,    // who waits for an answer
        kNobody,    // what would be rejected becomes a dead letter
        kHandler,   // its emit is refused; what is not known yet is found out when it is taken in
        kTrial,     // the same for a look at what a run would do: nothing is noted
        kReturned,  // it comes back and was asked about already: nothing is noted
    };

    // What rules ask; null: that rule is not asked.
    struct Sources {
        const SchemaBook* book = nullptr;
        store::KvStore* kv = nullptr;
        const StateBook* states = nullptr;
        RuleRunner* scripts = nullptr;
        EmittedSteps* emitted = nullptr;  // of the handlers that it is asked for
    };
    explicit SchemaGuard(const Sources& sources) : sources_(sources), book_(sources.book) {}
    SchemaGuard(const SchemaBook* book, store::KvStore* kv) : SchemaGuard(Sources{book, kv}) {}

    // At a batch's boundary.
    void refresh() {
        if (!book_ || book_->version() == seen_) return;
        seen_ = book_->version();
        set_ = book_->current();
        lists_.clear();
    }
    bool any() const { return set_ != nullptr; }
    // True: judge() would have nothing to say about it, and nothing to ask late. What nearly every
    // event gets; false says nothing.
    bool passes(const core::Envelope& envelope, core::TenantId tenant,
                const core::EventParser& reader);

    // `late` gets the rules that are still to be asked of what is taken so far: judge_late(). Null:
    // they are left out.
    // `reader`: has read the envelope last, and knows its payload already; null: nobody does.
    Finding judge(const core::Envelope& envelope, core::TenantId tenant, std::int64_t now_us,
                  Asker asker, std::vector<LateRule>* late = nullptr,
                  const core::EventParser* reader = nullptr);
    // The steps of `rules` hold their slots, whose states move on when the event is taken;
    // `changes` gets what it does then.
    Finding judge_late(std::vector<LateRule>& rules, const RuleEvent& event,
                       std::string_view event_id, std::string_view pattern, Asker asker,
                       std::vector<StateChange>& changes);
    // The same for the text of an event; an error where it is none. Late rules are asked as well,
    // by the states as they are just now.
    core::Result<Finding> judge_text(std::string_view text, core::TenantId tenant,
                                     std::int64_t now_us, Asker asker);
    // Of what a handler is about to emit: false, and why, when it is rejected.
    bool takes_emitted(std::string_view pattern, std::string_view text, core::TenantId tenant,
                       std::int64_t now_us, Asker asker, std::string& why);

    core::EventParser& parser() { return parser_; }

private:
    void note(const SchemaSet::Entry& entry, std::vector<schema::Failure>& failures,
              std::string_view event_id, std::string_view pattern, std::int64_t now_us, Asker asker,
              Finding& finding) const;
    void ask_script(const LateRule& rule, const RuleEvent& event,
                    std::vector<schema::Failure>& failures) const;
    Finding judge_by_current(std::vector<LateRule>& rules, const RuleEvent& event,
                             const core::Envelope& envelope, Asker asker);
    Finding judge_emitted(std::vector<LateRule>& rules, const RuleEvent& event,
                          const core::Envelope& envelope, Asker asker);

    const Sources sources_;
    const SchemaBook* book_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const SchemaSet> set_;
    SchemaLists lists_;  // of it
    core::JsonDom dom_;
    DefaultFields defaults_;
    // What did not fit comes back longer than it came, by an id that was made for it.
    core::EventParser parser_{{.event_bytes_max = kStandInBytesMax}};
    std::string text_;
};

}  // namespace millrace::runtime
