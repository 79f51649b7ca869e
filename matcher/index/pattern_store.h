// What: what subscriptions say about the event's pattern, each statement once.
// Threads: built by one thread; then read by any number.
// Lifetime: goes with its index. Limits: matcher/filter/limits.h.
// Failure: add() refuses malformed wildcards and what Hyperscan refuses.
#pragma once

#include "core/result.h"
#include "matcher/filter/predicate.h"
#include "matcher/filter/wildcard.h"
#include "matcher/index/intern_table.h"
#include "matcher/index/leaf_store.h"
#include "matcher/regex/regex_set.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

using PatternId = std::uint32_t;

class PatternStore {
public:
    using Kind = PatternPredicate::Kind;
    struct Record {
        std::uint32_t text = 0;   // offset into text_
        std::uint32_t extra = 0;  // kRegex: its number; kWildcard: place in wildcards_
        std::uint16_t bytes = 0;  // kOperandBytesMax at most
        Kind kind = Kind::kAny;
    };
    static_assert(sizeof(Record) == 12);

    core::Result<PatternId> add(const PatternPredicate& pattern);
    PatternId add(const PatternStore& other, PatternId id);

    const Record& record(PatternId id) const { return records_[id]; }
    std::string_view text(const Record& record) const {
        return std::string_view(text_).substr(record.text, record.bytes);
    }
    const Wildcard& wildcard(const Record& record) const { return wildcards_[record.extra]; }
    const RegexSet& regexes() const { return regexes_; }
    bool holds(PatternId id, std::string_view pattern, EvalScratch& scratch) const;
    std::size_t size() const { return records_.size(); }
    std::size_t bytes() const;
    void seal();

private:
    PatternId put(Kind kind, std::string_view text, std::uint32_t extra);
    PatternId find(Kind kind, std::string_view text) const;
    static std::uint64_t hash_of(Kind kind, std::string_view text);

    std::vector<Record> records_;
    std::string text_;
    std::vector<Wildcard> wildcards_;
    RegexSet regexes_;
    InternTable by_hash_;
};

}  // namespace millrace::matcher
