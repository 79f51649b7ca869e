#include "matcher/index.h"

#include <algorithm>

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
    std::vector<Match>& out;
    GroupId group = 0;
    bool repeated = false;  // the pivot's field has several values
};

const std::vector<GroupId>& Index::groups_of(Asking& asking) const {
    const std::string_view pattern = asking.envelope.pattern;
    if (!remembers_patterns()) {
        asking.scratch.groups.clear();
        groups_.find(asking.tenant, pattern, asking.eval, asking.scratch.groups);
        return asking.scratch.groups;
    }
    const std::uint64_t hash = core::hash_key(pattern) + asking.tenant.value;
    PatternMemo& memo = asking.scratch.patterns;
    if (const PatternMemo::Line* line = memo.find(hash, asking.tenant.value, pattern))
        return line->groups;
    PatternMemo::Line* line = memo.claim(hash, asking.tenant.value, pattern);
    std::vector<GroupId>& groups = line ? line->groups : asking.scratch.groups;
    groups.clear();
    groups_.find(asking.tenant, pattern, asking.eval, groups);
    return groups;
}

// Hot loop. Unit of work: one event. Budget: 250 ns at 10,000 mixed subscriptions
// (bench/matcher_mix_bench). On the path: the pattern's groups from the memo; for each of their
// pivot fields that the event has, one hash and one probe per value; for each entry met, what
// remains of its predicate. Nothing is proportional to the number of subscriptions but the entries
// without a pivot (unpivoted()).
void Index::match(const core::Envelope& envelope, core::TenantId tenant,
                  const core::FieldTable& fields, Version version, IndexScratch& scratch,
                  EvalScratch& eval, std::vector<Match>& out) const {
    if (scratch.serial != serial_) {
        scratch.serial = serial_;
        scratch.epoch = 0;
        scratch.known.assign(memos_, 0);
        scratch.tried = {};
        if (remembers_patterns())
            scratch.patterns.reset(size() > 4096 ? 1024 : size() > 256 ? 512 : 32);
    }
    if (++scratch.epoch == 1u << 31) {
        scratch.epoch = 1;
        scratch.known.assign(memos_, 0);
        scratch.tried = {};
    }
    Asking asking{envelope, tenant, fields, version, scratch, eval, out};
    // At a million each of these is a cache miss; asked for ahead they come side by side.
    const std::vector<GroupId>& groups = groups_of(asking);
    for (const GroupId group : groups) __builtin_prefetch(&parts_[group]);
    if (groups.size() > 1) {
        for (const GroupId group : groups) {
            __builtin_prefetch(direct_.data() + parts_[group].direct);
            __builtin_prefetch(probes_.data() + parts_[group].probes);
        }
    }
    for (const GroupId group : groups) {
        const GroupPart& part = parts_[group];
        asking.group = group;
        asking.repeated = false;
        for (std::uint32_t i = 0; i < part.direct_count; ++i)
            take(direct_[part.direct + i], asking);
        for (std::uint32_t i = 0; i < part.probe_count; ++i) ask(probes_[part.probes + i], asking);
    }
}

void Index::ask(const Probe& probe, Asking& asking) const {
    using core::FieldType;
    const core::FieldValue* first = asking.fields.first(probe.slot);
    asking.repeated = first && asking.fields.next(*first);
    for (const core::FieldValue* v = first; v; v = asking.fields.next(*v)) {
        if (v->type == FieldType::kString) {
            ask_text(probe, v->text(), asking);
        } else if (v->is_scalar() && probe.other_equals) {
            PivotKey key{asking.group, probe.slot, PivotKind::kEquals,
                         v->type,      {},         v->number_approx};
            const std::uint64_t hash = hash_of_value(v->type, v->number_approx, {});
            // A long number met a short one by rounding only: the whole predicate decides.
            const bool exact = v->type != FieldType::kNumber || v->number_is_short;
            for (const Entry& entry : table_.find(key, hash)) {
                if (exact) {
                    take(entry, asking);
                } else {
                    // An odd address of its own: what remains of it is another question.
                    if (was_tried(reinterpret_cast<const char*>(&entry) + 1, asking)) continue;
                    Entry whole = entry;
                    whole.residual = Residual::kProgram;
                    consider(whole, asking);
                }
            }
        }
        if (probe.range != kNoSlot && v->type == FieldType::kNumber) {
            ranges_[probe.range].find(v->number_approx,
                                      [&](const Entry& entry) { take(entry, asking); });
        }
    }
}

void Index::ask_text(const Probe& probe, std::string_view text, Asking& asking) const {
    const auto visit = [&](PivotKind kind, std::string_view literal) {
        const auto key = PivotKey::of_text(asking.group, probe.slot, kind, literal);
        for (const Entry& entry : table_.find(key, core::hash_key(literal))) take(entry, asking);
    };
    visit_probes(probe.plain, text, false, grams_, visit);
    if (probe.folded.any())
        visit_probes(probe.folded, fold_for(text, asking.eval), true, grams_, visit);
    if (probe.cidr != 0) ask_cidr(probe, text, asking);
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

void Index::take(const Entry& entry, Asking& asking) const {
    if (entry.residual != Residual::kNone && was_tried(&entry, asking)) return;
    consider(entry, asking);
}

void Index::consider(const Entry& entry, Asking& asking) const {
    if (entry.residual != Residual::kNone && !rest_holds(entry, asking)) return;
    if ((entry.flags & kCombines) != 0 && asking.fields.has_elements() &&
        entry.residual != Residual::kProgram) {
        Evaluator evaluator(leaves_, asking.fields, asking.eval);
        if (!evaluator.holds(tokens_.data() + subscriptions_[entry.number].program)) return;
    }
    // relaxed: as in remove().
    if (has_removed_.load(std::memory_order_relaxed) && !is_alive(entry.number, asking.version))
        return;
    asking.out.push_back({entry.priority, entry.id});
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
        case Residual::kLeaves:
            for (std::uint32_t i = 0; i < entry.count; ++i) {
                if (!leaf_holds(residuals_[entry.what + i], asking)) return false;
            }
            return true;
        case Residual::kProgram: {
            Evaluator evaluator(leaves_, asking.fields, asking.eval);
            return evaluator.holds(tokens_.data() + subscriptions_[entry.number].program);
        }
    }
    return false;
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
                      residuals_.capacity() * sizeof(LeafId) + sizeof *this;
    for (const RangeIndex& range : ranges_) sum += range.bytes();
    return sum;
}

}  // namespace millrace::matcher
