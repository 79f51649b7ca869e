#include "matcher/index/pattern_store.h"

#include "core/key_hash.h"

namespace millrace::matcher {

std::uint64_t PatternStore::hash_of(Kind kind, std::string_view text) {
    return core::mix_u64(core::hash_key(text) ^ static_cast<std::uint64_t>(kind), core::kHashSeedB);
}

PatternId PatternStore::find(Kind kind, std::string_view value) const {
    return by_hash_.find(hash_of(kind, value), [&](std::uint32_t id) {
        return records_[id].kind == kind && text(records_[id]) == value;
    });
}

PatternId PatternStore::put(Kind kind, std::string_view value, std::uint32_t extra) {
    const auto id = static_cast<PatternId>(records_.size());
    const auto at = static_cast<std::uint32_t>(text_.size());
    text_ += value;
    records_.push_back({at, extra, static_cast<std::uint16_t>(value.size()), kind});
    by_hash_.insert(hash_of(kind, value), id);
    return id;
}

core::Result<PatternId> PatternStore::add(const PatternPredicate& pattern) {
    const PatternId known = find(pattern.kind, pattern.value);
    if (known != InternTable::kNone) return known;
    std::uint32_t extra = 0;
    if (pattern.kind == Kind::kWildcard) {
        auto wildcard = parse_wildcard(pattern.value);
        if (!wildcard) return core::fail(std::move(wildcard.error()));
        extra = static_cast<std::uint32_t>(wildcards_.size());
        wildcards_.push_back(std::move(*wildcard));
    } else if (pattern.kind == Kind::kRegex) {
        auto number = regexes_.add(pattern.value);
        if (!number) return core::fail(std::move(number.error()));
        extra = *number;
    }
    return put(pattern.kind, pattern.value, extra);
}

PatternId PatternStore::add(const PatternStore& other, PatternId id) {
    const Record& theirs = other.records_[id];
    const std::string_view value = other.text(theirs);
    const PatternId known = find(theirs.kind, value);
    if (known != InternTable::kNone) return known;
    std::uint32_t extra = 0;
    if (theirs.kind == Kind::kWildcard) {
        extra = static_cast<std::uint32_t>(wildcards_.size());
        wildcards_.push_back(other.wildcards_[theirs.extra]);
    } else if (theirs.kind == Kind::kRegex) {
        extra = regexes_.add(other.regexes_, theirs.extra);
    }
    return put(theirs.kind, value, extra);
}

bool PatternStore::holds(PatternId id, std::string_view pattern, EvalScratch& scratch) const {
    const Record& record = records_[id];
    switch (record.kind) {
        case Kind::kAny: return true;
        case Kind::kExact: return pattern == text(record);
        case Kind::kPrefix: return pattern.starts_with(text(record));
        case Kind::kSuffix: return pattern.ends_with(text(record));
        case Kind::kWildcard: return wildcards_[record.extra].matches(pattern);
        case Kind::kRegex: return regexes_.found_in(record.extra, pattern, scratch);
    }
    return false;
}

std::size_t PatternStore::bytes() const {
    std::size_t sum = records_.capacity() * sizeof(Record) + text_.capacity() + by_hash_.bytes() +
                      regexes_.bytes();
    for (const Wildcard& w : wildcards_)
        sum += sizeof(Wildcard) + w.pieces.size() * sizeof(std::string);
    return sum;
}

void PatternStore::seal() {
    by_hash_.clear();
    records_.shrink_to_fit();
    text_.shrink_to_fit();
}

}  // namespace millrace::matcher
