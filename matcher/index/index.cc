#include "matcher/index/index.h"

#include "matcher/index/index_asking.h"

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

std::span<const GroupAt> Index::groups_of(Asking& asking) const {
    const std::string_view pattern = asking.envelope.pattern;
    IndexScratch& scratch = asking.scratch;
    const bool remembers = remembers_patterns();
    const std::uint64_t hash = remembers ? memo_hash(asking.tenant, pattern) : 0;
    if (remembers) {
        const PatternMemo::Line* line = scratch.patterns.find(hash, asking.tenant.value, pattern);
        if (line) return scratch.patterns.groups_of(*line);
    } else if (scratch.last_known && scratch.last_tenant == asking.tenant.value &&
               scratch.last_pattern == pattern) {
        return scratch.places;
    }
    scratch.groups.clear();
    groups_.find(asking.tenant, pattern, asking.eval, scratch.groups);
    scratch.places.clear();
    for (const GroupId group : scratch.groups) {
        const GroupPart& part = parts_[group];
        const GroupAt place{group, part.direct, part.direct_count, part.probes, part.probe_count};
        scratch.places.push_back(place);
        for (std::uint32_t i = 0; i < part.probe_count; ++i) {
            const Probe& probe = probes_[part.probes + i];
            if (probe.listed_count == 0) continue;
            scratch.places.back().listed = probe.listed;
            scratch.places.back().listed_count = probe.listed_count;
        }
    }
    if (remembers) {
        scratch.patterns.keep(hash, asking.tenant.value, pattern, scratch.places);
    } else {
        scratch.last_pattern = pattern;
        scratch.last_tenant = asking.tenant.value;
        scratch.last_known = true;
    }
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
    if (groups.size() > 1 && outgrows_caches()) return ask_side_by_side(groups, asking);
    for (const GroupAt& part : groups) {
        asking.group = part.group;
        scratch.met += part.direct_count;
        if (part.direct_count != 0)
            take_direct(direct_.data() + part.direct, part.direct_count, asking);
        const Probe* probe = probes_.data() + part.probes;
        for (std::uint32_t i = part.probe_count; i > 0; --i, ++probe) ask(*probe, nullptr, asking);
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
    scratch.last_known = false;
    if (is_new && remembers_patterns()) scratch.patterns.reset(memo_sets());
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

void Index::prefetch_groups(std::span<const GroupAt> groups) const {
    for (const GroupAt& part : groups) {
        prefetch_run(probes_.data() + part.probes, part.probe_count);
        prefetch_run(direct_.data() + part.direct, part.direct_count);
        prefetch_run(bounds_.data() + part.listed, part.listed_count);
    }
}

void Index::expect(std::string_view pattern, core::TenantId tenant, IndexScratch& scratch) const {
    if (scratch.serial != serial_) return;
    const PatternMemo::Line* line = scratch.patterns.peek(memo_hash(tenant, pattern), tenant.value);
    if (line) prefetch_groups(scratch.patterns.groups_of(*line));
}

// Where an index outgrows the caches each step towards an entry is a miss. Taken for all groups
// together they come side by side, and what needs no look-up is asked while they are on their way.
void Index::ask_side_by_side(std::span<const GroupAt> groups, Asking& asking) const {
    prefetch_groups(groups);
    IndexScratch& scratch = asking.scratch;
    const std::uint64_t settled = hash_ahead(groups, asking);
    const std::span<Ahead> ahead(scratch.ahead.data(), scratch.ahead_count);
    for (const GroupAt& part : groups) {
        scratch.met += part.direct_count;
        if (part.direct_count != 0)
            take_direct(direct_.data() + part.direct, part.direct_count, asking);
    }
    for (const Ahead& one : ahead) table_.prefetch_line(one.hash);
    std::size_t place = 0;
    for (const GroupAt& part : groups) {
        asking.group = part.group;
        const Probe* probe = probes_.data() + part.probes;
        for (std::uint32_t i = part.probe_count; i > 0; --i, ++probe, ++place) {
            if (place >= kAheadProbesMax || (settled >> place & 1) == 0)
                ask(*probe, nullptr, asking);
        }
    }
    for (Ahead& one : ahead) {
        const Probe& probe = probes_[one.probe];
        const std::string_view text = asking.fields.first(probe.slot)->text();
        const auto key = PivotKey::of_text(probe.group, probe.slot, PivotKind::kEquals, text);
        one.entries = table_.find_hashed(key, one.hash);
        if (one.entries.size() > 1) prefetch_run(one.entries.data(), one.entries.size());
    }
    for (const Ahead& one : ahead) {
        asking.group = probes_[one.probe].group;
        ask(probes_[one.probe], &one, asking);
    }
}

// Hashes the first value of probes that look for whole texts and starts to fetch what they will
// find. Bit i of the result: the i-th probe of these groups is in scratch.ahead now, or has nothing
// to find.
std::uint64_t Index::hash_ahead(std::span<const GroupAt> groups, Asking& asking) const {
    auto& ahead = asking.scratch.ahead;
    std::size_t count = 0;
    std::size_t place = 0;
    std::uint64_t settled = 0;
    for (const GroupAt& part : groups) {
        for (std::uint32_t i = 0; i < part.probe_count; ++i, ++place) {
            if (place == kAheadProbesMax || count == ahead.size()) break;
            const Probe& probe = probes_[part.probes + i];
            const core::FieldValue* value = asking.fields.first(probe.slot);
            if (!value || value->type != core::FieldType::kString || !probe.plain.equals) continue;
            const std::uint64_t hash = core::hash_key(value->text());
            if ((probe.values & value_bit(hash)) == 0) {
                const bool nothing = probe.only_text && value->next == core::kNoValue;
                settled |= static_cast<std::uint64_t>(nothing) << place;
                continue;
            }
            Ahead& one = ahead[count++];
            one.hash = hash_of_place(part.group, probe.slot, PivotKind::kEquals, hash);
            one.probe = part.probes + i;
            table_.prefetch_control(one.hash);
            settled |= 1ULL << place;
        }
    }
    asking.scratch.ahead_count = count;
    return settled;
}

[[gnu::always_inline]] inline void Index::take_equal(const Probe& probe, std::string_view text,
                                                     const Ahead* ahead, Asking& asking) const {
    std::span<const Entry> entries;
    if (ahead) {
        entries = ahead->entries;
    } else {
        const std::uint64_t hash = core::hash_key(text);
        if ((probe.values & value_bit(hash)) == 0) return;
        const auto key = PivotKey::of_text(asking.group, probe.slot, PivotKind::kEquals, text);
        entries = table_.find(key, hash);
    }
    asking.scratch.met += static_cast<std::uint32_t>(entries.size());
    for (const Entry& entry : entries) take(entry, asking);
}

[[gnu::always_inline]] inline void Index::ask(const Probe& probe, const Ahead* ahead,
                                              Asking& asking) const {
    const core::FieldValue* value = asking.fields.first(probe.slot);
    if (!value) return;
    if (!probe.only_text || value->next != core::kNoValue)
        return ask_values(probe, *value, ahead, asking);
    if (value->type == core::FieldType::kString) take_equal(probe, value->text(), ahead, asking);
}

void Index::ask_values(const Probe& probe, const core::FieldValue& first, const Ahead* ahead,
                       Asking& asking) const {
    using core::FieldType;
    asking.repeated = asking.fields.next(first) != nullptr;
    for (const core::FieldValue* v = &first; v; v = asking.fields.next(*v), ahead = nullptr) {
        if (v->type == FieldType::kString) {
            ask_text(probe, v->text(), ahead, asking);
        } else if (v->is_scalar() && probe.other_equals) {
            ask_other(probe, *v, asking);
        }
        if (v->type == FieldType::kNumber && probe.has_ranges()) ask_range(probe, *v, asking);
    }
    asking.repeated = false;
}

void Index::ask_other(const Probe& probe, const core::FieldValue& value, Asking& asking) const {
    PivotKey key{asking.group, probe.slot, PivotKind::kEquals, value.type, {}, value.number_approx};
    const std::uint64_t hash = hash_of_value(value.type, value.number_approx, {});
    if ((probe.values & value_bit(hash)) == 0) return;
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
            if ((entry.accepts >> side_of(value->number_approx, entry.bound) & 1) != 0)
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
        *asking.out.room(1) = make_match(entry->priority, entry->id);
        asking.out.added(entry->accepts >> side_of(value->number_approx, entry->bound) & 1);
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
