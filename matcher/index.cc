#include "matcher/index.h"

#include <algorithm>
#include <bit>

namespace millrace::matcher {

Index::Index(std::uint64_t serial) : serial_(serial) {}
Index::~Index() = default;

core::Result<std::uint32_t> Index::add(core::SubscriptionId id, core::TenantId tenant,
                                       const SubscriptionSpec& spec, const SlotOf& slot_of) {
    auto pattern = patterns_.add(spec.pattern);
    if (!pattern) return core::fail(std::move(pattern.error()));
    const std::size_t program = tokens_.size();
    if (core::Status encoded = encode(spec.predicate, leaves_, slot_of, tokens_); !encoded) {
        tokens_.resize(program);
        return core::fail(std::move(encoded.error()));
    }
    // "Always" is one token; all who say it share the first one.
    const bool always = spec.predicate.kind == Predicate::Kind::kTrue;
    if (always && always_ != kNoSlot) tokens_.resize(program);
    if (always && always_ == kNoSlot) always_ = static_cast<std::uint32_t>(program);
    Subscription& subscription = subscriptions_.emplace_back();
    subscription.id = id;
    subscription.tenant = tenant;
    subscription.priority = spec.priority;
    subscription.pattern = *pattern;
    subscription.program = always ? always_ : static_cast<std::uint32_t>(program);
    return static_cast<std::uint32_t>(subscriptions_.size() - 1);
}

core::Result<std::uint32_t> Index::add(const Index& other, std::uint32_t number) {
    const Subscription& theirs = other.subscriptions_[number];
    const std::size_t program = tokens_.size();
    const Token* token = other.tokens_.data() + theirs.program;
    for (const Token* end = skip_subtree(token); token != end; ++token) {
        if (kind_of(*token) != TokenKind::kLeaf) {
            tokens_.push_back(*token);
            continue;
        }
        auto leaf = leaves_.add(other.leaves_, number_of(*token));
        if (!leaf) return core::fail(std::move(leaf.error()));
        tokens_.push_back(make_token(TokenKind::kLeaf, *leaf));
    }
    Subscription& subscription = subscriptions_.emplace_back(theirs);
    subscription.removed_at.store(kNeverRemoved, std::memory_order_relaxed);  // nobody reads it yet
    subscription.pattern = patterns_.add(other.patterns_, theirs.pattern);
    subscription.program = static_cast<std::uint32_t>(program);
    if (kind_of(tokens_[program]) == TokenKind::kTrue) {
        if (always_ != kNoSlot) tokens_.resize(program);
        if (always_ == kNoSlot) always_ = static_cast<std::uint32_t>(program);
        subscription.program = always_;
    }
    return static_cast<std::uint32_t>(subscriptions_.size() - 1);
}

// One event's questions to this index.
struct Index::Asking {
    const core::Envelope& envelope;
    core::TenantId tenant;
    const core::FieldTable& fields;
    Version version;
    IndexScratch& scratch;
    EvalScratch& eval;
    MatchList& out;
    GroupId group = 0;
    bool repeated = false;  // the pivot's field has several values
};

std::span<const GroupAt> Index::groups_of(Asking& asking) const {
    const std::string_view pattern = asking.envelope.pattern;
    IndexScratch& scratch = asking.scratch;
    const bool remembers = remembers_patterns();
    const std::uint64_t hash =
        remembers ? core::hash_key(pattern) + asking.tenant.value * core::kHashSeedB : 0;
    if (remembers) {
        const PatternMemo::Line* line = scratch.patterns.find(hash, asking.tenant.value, pattern);
        if (line) return line->groups();
    }
    scratch.groups.clear();
    groups_.find(asking.tenant, pattern, asking.eval, scratch.groups);
    scratch.places.clear();
    for (const GroupId group : scratch.groups) {
        const GroupPart& part = parts_[group];
        scratch.places.push_back(
            {group, part.direct, part.direct_count, part.probes, part.probe_count});
    }
    if (remembers) scratch.patterns.keep(hash, asking.tenant.value, pattern, scratch.places);
    return scratch.places;
}

// Hot loop. Unit of work: one event. Budget: 250 ns at 10,000 mixed subscriptions
// (bench/matcher_scale_bench). On the path: the pattern's groups from the memo; for each of their
// pivot fields that the event has, one hash and one probe per value; for each entry met, what
// remains of its predicate. Nothing is proportional to the number of subscriptions but the entries
// without a pivot (unpivoted()).
void Index::match(const core::Envelope& envelope, core::TenantId tenant,
                  const core::FieldTable& fields, Version version, IndexScratch& scratch,
                  EvalScratch& eval, MatchList& out) const {
    if (scratch.serial != serial_ || scratch.epoch == (1u << 31) - 1) [[unlikely]]
        start_scratch(scratch);
    ++scratch.epoch;
    scratch.met = 0;
    Asking asking{envelope, tenant, fields, version, scratch, eval, out};
    const std::span<const GroupAt> groups = groups_of(asking);
    const bool several = groups.size() > 1 && size() >= kLookAheadMin;
    if (several) look_ahead(groups, asking);
    std::size_t asked = 0;
    for (const GroupAt& part : groups) {
        asking.group = part.group;
        asking.repeated = false;
        scratch.met += part.direct_count;
        if (part.direct_count != 0)
            take_direct(direct_.data() + part.direct, part.direct_count, asking);
        const Probe* probe = probes_.data() + part.probes;
        for (std::uint32_t i = part.probe_count; i > 0; --i, ++probe, ++asked) {
            const core::FieldValue* value = fields.first(probe->slot);
            if (!value) continue;
            const bool known = several && asked < scratch.ahead.size();
            const Ahead* ahead = known ? &scratch.ahead[asked] : nullptr;
            if (probe->only_text && value->next == core::kNoValue) {
                if (value->type == core::FieldType::kString)
                    take_equal(*probe, value->text(), ahead, asking);
                continue;
            }
            ask(*probe, *value, ahead, asking);
        }
    }
}

void Index::start_scratch(IndexScratch& scratch) const {
    const bool is_new = scratch.serial != serial_;
    scratch.serial = serial_;
    scratch.epoch = 0;
    scratch.known.assign(memos_, 0);
    scratch.tried = {};
    scratch.scanned = {};
    scratch.found_epoch = 0;
    if (is_new && remembers_patterns())
        scratch.patterns.reset(size() > 4096 ? 1024 : size() > 256 ? 512 : 32);
}

namespace {

template <typename T>
void prefetch_run(const T* first, std::size_t count) {
    constexpr std::size_t kLine = 64;
    constexpr std::size_t kLinesMax = 4;
    const char* at = reinterpret_cast<const char*>(first);
    const std::size_t lines = std::min((count * sizeof(T) + kLine - 1) / kLine, kLinesMax);
    for (std::size_t i = 0; i < lines; ++i) __builtin_prefetch(at + i * kLine);
}

}  // namespace

// At a million subscriptions each step towards an entry is a cache miss; taken for all groups
// together they come side by side.
void Index::look_ahead(std::span<const GroupAt> groups, Asking& asking) const {
    for (const GroupAt& part : groups) {
        prefetch_run(direct_.data() + part.direct, part.direct_count);
        prefetch_run(probes_.data() + part.probes, part.probe_count);
    }
    const std::size_t count = hash_ahead(groups, asking);
    auto& ahead = asking.scratch.ahead;
    for (std::size_t i = 0; i < count; ++i) {
        if (ahead[i].hash != 0) table_.prefetch_line(ahead[i].hash);
    }
    std::size_t asked = 0;
    for (const GroupAt& part : groups) {
        for (std::uint32_t i = 0; i < part.probe_count && asked < count; ++i, ++asked) {
            Ahead& one = ahead[asked];
            if (one.hash == 0) continue;
            const Probe& probe = probes_[part.probes + i];
            const std::string_view text = asking.fields.first(probe.slot)->text();
            const auto key = PivotKey::of_text(part.group, probe.slot, PivotKind::kEquals, text);
            one.entries = table_.find_hashed(key, one.hash);
            if (one.entries.size() > 1) prefetch_run(one.entries.data(), one.entries.size());
        }
    }
}

std::size_t Index::hash_ahead(std::span<const GroupAt> groups, Asking& asking) const {
    auto& ahead = asking.scratch.ahead;
    std::size_t count = 0;
    for (const GroupAt& part : groups) {
        const Probe* probe = probes_.data() + part.probes;
        for (std::uint32_t i = part.probe_count; i > 0 && count < ahead.size(); --i, ++probe) {
            Ahead& one = ahead[count++];
            one.hash = 0;
            const core::FieldValue* value = asking.fields.first(probe->slot);
            if (!value) continue;
            if (value->type == core::FieldType::kString && probe->plain.equals) {
                one.hash = hash_of_place(part.group, probe->slot, PivotKind::kEquals,
                                         core::hash_key(value->text()));
                table_.prefetch_control(one.hash);
            } else if (probe->listed_count != 0) {
                prefetch_run(bounds_.data() + probe->listed, probe->listed_count);
            }
        }
    }
    return count;
}

void Index::ask(const Probe& probe, const core::FieldValue& first, const Ahead* ahead,
                Asking& asking) const {
    using core::FieldType;
    asking.repeated = asking.fields.next(first) != nullptr;
    for (const core::FieldValue* v = &first; v; v = asking.fields.next(*v), ahead = nullptr) {
        if (v->type == FieldType::kString) {
            ask_text(probe, v->text(), ahead, asking);
        } else if (v->is_scalar() && probe.other_equals) {
            ask_other(probe, *v, asking);
        }
        if (v->type == FieldType::kNumber) ask_range(probe, *v, asking);
    }
    asking.repeated = false;
}

[[gnu::always_inline]] inline void Index::take_equal(const Probe& probe, std::string_view text,
                                                     const Ahead* ahead, Asking& asking) const {
    std::span<const Entry> entries;
    if (ahead && ahead->hash != 0) {
        entries = ahead->entries;
    } else {
        const auto key = PivotKey::of_text(asking.group, probe.slot, PivotKind::kEquals, text);
        entries = table_.find(key, core::hash_key(text));
    }
    asking.scratch.met += static_cast<std::uint32_t>(entries.size());
    for (const Entry& entry : entries) take(entry, asking);
}

void Index::ask_other(const Probe& probe, const core::FieldValue& value, Asking& asking) const {
    PivotKey key{asking.group, probe.slot, PivotKind::kEquals, value.type, {}, value.number_approx};
    const std::uint64_t hash = hash_of_value(value.type, value.number_approx, {});
    // A long number met a short one by rounding only: the whole predicate decides.
    const bool exact = value.type != core::FieldType::kNumber || value.number_is_short;
    for (const Entry& entry : table_.find(key, hash)) {
        if (exact) {
            take(entry, asking);
        } else {
            take_whole(entry, asking);
        }
    }
}

void Index::ask_range(const Probe& probe, const core::FieldValue& value, Asking& asking) const {
    const bool exact = value.number_is_short;
    const Bounds met =
        exact ? Bounds{value.number_approx, value.number_approx} : around(value.number_approx);
    const auto visit = [&](const Entry& entry) {
        ++asking.scratch.met;
        if (exact) {
            take(entry, asking);
        } else {
            take_whole(entry, asking);
        }
    };
    // Most bounds are not met: all are compared before any is looked at.
    const Bounds* bounds = bounds_.data() + probe.listed;
    std::uint64_t hits = 0;
    for (std::uint32_t i = 0; i < probe.listed_count; ++i)
        hits |= static_cast<std::uint64_t>(bounds[i].meets(met)) << i;
    for (; hits != 0; hits &= hits - 1)
        visit(bounded_[probe.listed + static_cast<std::uint32_t>(std::countr_zero(hits))]);
    if (probe.range != kNoSlot) ranges_[probe.range].find(met, visit);
}

void Index::ask_text(const Probe& probe, std::string_view text, const Ahead* ahead,
                     Asking& asking) const {
    const auto visit = [&](PivotKind kind, std::string_view literal) {
        const auto key = PivotKey::of_text(asking.group, probe.slot, kind, literal);
        const auto entries = table_.find(key, core::hash_key(literal));
        asking.scratch.met += static_cast<std::uint32_t>(entries.size());
        for (const Entry& entry : entries) take(entry, asking);
    };
    if (probe.plain.equals) take_equal(probe, text, ahead, asking);
    if (probe.plain.parts()) visit_parts(probe.plain, text, false, grams_, visit);
    if (probe.folded.any()) {
        const std::string_view folded = fold_for(text, asking.eval);
        if (probe.folded.equals) visit(PivotKind::kEqualsFold, folded);
        visit_parts(probe.folded, folded, true, grams_, visit);
    }
    if (probe.cidr != 0) ask_cidr(probe, text, asking);
    if (probe.bank != kNoSlot) ask_bank(probe, text, asking);
}

// Scanned when the first group asks, at most once an event.
void Index::ask_bank(const Probe& probe, std::string_view text, Asking& asking) const {
    IndexScratch& scratch = asking.scratch;
    if (scratch.found_epoch != scratch.epoch) {
        scratch.found_epoch = scratch.epoch;
        scratch.found.clear();
    }
    const std::size_t place =
        (reinterpret_cast<std::uintptr_t>(text.data()) ^ probe.bank * 3) % scratch.scanned.size();
    IndexScratch::Scanned& scanned = scratch.scanned[place];
    if (scanned.epoch != scratch.epoch || scanned.text != text.data() ||
        scanned.bank != probe.bank) {
        const auto begin = static_cast<std::uint32_t>(scratch.found.size());
        banks_[probe.bank].find(leaves_.regexes(), text, asking.eval, scratch.found);
        const auto end = static_cast<std::uint32_t>(scratch.found.size());
        scanned = {text.data(), probe.bank, scratch.epoch, begin, end};
    }
    for (std::uint32_t i = scanned.begin, end = scanned.end; i < end; ++i) {
        const std::uint32_t regex = scratch.found[i];
        const std::string_view literal(reinterpret_cast<const char*>(&regex), sizeof regex);
        const auto key = PivotKey::of_text(asking.group, probe.slot, PivotKind::kRegex, literal);
        for (const Entry& entry : table_.find(key, core::hash_key(literal))) take(entry, asking);
    }
}

void Index::ask_cidr(const Probe& probe, std::string_view text, Asking& asking) const {
    IpAddress ip;
    if (!parse_ip(text, ip) || ip.is_v6) return;
    for (std::uint64_t bits = probe.cidr; bits != 0; bits &= bits - 1) {
        char bytes[kCidrLiteralBytes];
        const auto literal =
            write_cidr_literal(ip, static_cast<unsigned>(std::countr_zero(bits)), bytes);
        const auto key = PivotKey::of_text(asking.group, probe.slot, PivotKind::kCidr, literal);
        for (const Entry& entry : table_.find(key, core::hash_key(literal))) take(entry, asking);
    }
}

bool Index::was_tried(const void* entry, Asking& asking) {
    if (!asking.repeated) return false;
    auto& tried =
        asking.scratch
            .tried[(reinterpret_cast<std::uintptr_t>(entry) / 16) % asking.scratch.tried.size()];
    if (tried.entry == entry && tried.epoch == asking.scratch.epoch) return true;
    tried = {entry, asking.scratch.epoch};
    return false;
}

// Nearly all entries that are met have nothing left to ask, or one number.
[[gnu::always_inline]] inline void Index::take(const Entry& entry, Asking& asking) const {
    if (entry.residual == Residual::kNone) return pass(entry, asking);
    if (entry.residual == Residual::kNumber) {
        const core::FieldValue* value = asking.fields.first(entry.what);
        if (!value) return;
        if (value->number_is_short && value->next == core::kNoValue) [[likely]] {
            const double number = value->number_approx;
            const bool beyond =
                (entry.flags & kBoundIsLower) != 0 ? number > entry.bound : number < entry.bound;
            if (beyond || (number == entry.bound && (entry.flags & kBoundIncluded) != 0))
                pass(entry, asking);
            return;
        }
    }
    if (entry.residual == Residual::kLeaves) {
        // Another one with the same conditions may have asked them.
        const std::uint32_t memo = rests_[entry.what].memo;
        if (memo != LeafStore::kNoMemo) {
            const std::uint32_t known = asking.scratch.known[memo];
            if (known >> 1 == asking.scratch.epoch) {
                if ((known & 1) != 0) pass(entry, asking);
                return;
            }
        }
    }
    if (!was_tried(&entry, asking)) consider(entry, asking);
}

// Entries without a pivot: most ask one number, and half of those hold, so that a branch for each
// would be guessed wrong as often as right.
void Index::take_direct(const Entry* entry, std::uint32_t count, Asking& asking) const {
    // relaxed: as in remove().
    const bool plain =
        !has_removed_.load(std::memory_order_relaxed) && !asking.fields.has_elements();
    std::uint32_t slot = kNoSlot;
    const core::FieldValue* value = nullptr;
    for (const Entry* end = entry + count; entry != end; ++entry) {
        if (!plain || entry->residual != Residual::kNumber) {
            take(*entry, asking);
            continue;
        }
        if (entry->what != slot) {
            slot = entry->what;
            value = asking.fields.first(slot);
        }
        if (!value) continue;
        if (!value->number_is_short || value->next != core::kNoValue) {
            take(*entry, asking);
            continue;
        }
        const double number = value->number_approx;
        const bool is_lower = (entry->flags & kBoundIsLower) != 0;
        const bool included = (entry->flags & kBoundIncluded) != 0;
        const bool above = number > entry->bound;
        const bool equal = number == entry->bound;
        const bool below = number < entry->bound;
        *asking.out.room(1) = make_match(entry->priority, entry->id);
        asking.out.added(static_cast<std::size_t>((is_lower & above) | (!is_lower & below) |
                                                  (included & equal)));
    }
}

// Met by rounding only: the whole predicate decides. An odd address of its own: what remains of it
// is another question.
void Index::take_whole(const Entry& entry, Asking& asking) const {
    if (was_tried(reinterpret_cast<const char*>(&entry) + 1, asking)) return;
    Entry whole = entry;
    whole.residual = Residual::kProgram;
    consider(whole, asking);
}

void Index::consider(const Entry& entry, Asking& asking) const {
    if (rest_holds(entry, asking)) pass(entry, asking);
}

[[gnu::always_inline]] inline void Index::pass(const Entry& entry, Asking& asking) const {
    if ((entry.flags & kCombines) != 0 && asking.fields.has_elements() && !combines(entry, asking))
        return;
    // relaxed: as in remove().
    if (has_removed_.load(std::memory_order_relaxed) && !is_alive(entry.number, asking.version))
        return;
    asking.out.add(make_match(entry.priority, entry.id));
}

bool Index::combines(const Entry& entry, Asking& asking) const {
    if (entry.residual == Residual::kProgram) return true;
    Evaluator evaluator(leaves_, asking.fields, asking.eval);
    return evaluator.holds(tokens_.data() + subscriptions_[entry.number].program);
}

bool Index::rest_holds(const Entry& entry, Asking& asking) const {
    switch (entry.residual) {
        case Residual::kNone: return true;
        case Residual::kNumber:
            for (const core::FieldValue* v = asking.fields.first(entry.what); v;
                 v = asking.fields.next(*v)) {
                if (v->type != core::FieldType::kNumber) continue;
                if (!v->number_is_short && v->number_approx == entry.bound) {
                    if (leaves_.holds(entry.leaf, asking.fields, asking.eval)) return true;
                    continue;
                }
                if (v->number_approx == entry.bound ? (entry.flags & kBoundIncluded) != 0
                                                    : (v->number_approx > entry.bound) ==
                                                          ((entry.flags & kBoundIsLower) != 0)) {
                    return true;
                }
            }
            return false;
        case Residual::kLeaf: return leaf_holds(entry.what, asking);
        case Residual::kLeaves: return rests_hold(entry.what, asking);
        case Residual::kProgram: {
            Evaluator evaluator(leaves_, asking.fields, asking.eval);
            return evaluator.holds(tokens_.data() + subscriptions_[entry.number].program);
        }
    }
    return false;
}

bool Index::rests_hold(std::uint32_t number, Asking& asking) const {
    const RestList& list = rests_[number];
    std::uint32_t* known = nullptr;
    if (list.memo != LeafStore::kNoMemo) {
        known = &asking.scratch.known[list.memo];
        if (*known >> 1 == asking.scratch.epoch) return (*known & 1) != 0;
    }
    const LeafId* leaves = residuals_.data() + list.begin;
    const bool hold = std::all_of(leaves, leaves + list.count,
                                  [&](LeafId leaf) { return leaf_holds(leaf, asking); });
    if (known) *known = asking.scratch.epoch << 1 | static_cast<std::uint32_t>(hold);
    return hold;
}

// Conditions that several subscriptions share are asked once per event.
bool Index::leaf_holds(LeafId leaf, Asking& asking) const {
    const std::uint32_t memo = leaves_.record(leaf).memo;
    if (memo == LeafStore::kNoMemo) return leaves_.holds(leaf, asking.fields, asking.eval);
    std::uint32_t& known = asking.scratch.known[memo];
    if (known >> 1 == asking.scratch.epoch) return (known & 1) != 0;
    const bool holds = leaves_.holds(leaf, asking.fields, asking.eval);
    known = asking.scratch.epoch << 1 | static_cast<std::uint32_t>(holds);
    return holds;
}

std::size_t Index::bytes() const {
    std::size_t sum = leaves_.bytes() + patterns_.bytes() + groups_.bytes() + table_.bytes() +
                      subscriptions_.capacity() * sizeof(Subscription) +
                      tokens_.capacity() * sizeof(Token) + parts_.capacity() * sizeof(GroupPart) +
                      direct_.capacity() * sizeof(Entry) + probes_.capacity() * sizeof(Probe) +
                      residuals_.capacity() * sizeof(LeafId) +
                      rests_.capacity() * sizeof(RestList) + grams_.bytes() + sizeof *this;
    for (const RangeIndex& range : ranges_) sum += range.bytes();
    for (const RegexBank& bank : banks_) sum += bank.bytes();
    return sum;
}

}  // namespace millrace::matcher
