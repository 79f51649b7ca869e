// The second half of Index: how its subscriptions are hung up when it is sealed.
#include "matcher/filter/cidr.h"
#include "matcher/index/index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

namespace millrace::matcher {

namespace {

// So many ranges on one field of one group are asked one by one: with one bound, which the entry
// holds itself; with two, in a list of bounds. Beyond it a tree pays.
constexpr std::size_t kScannedBoundsMax = 16;
constexpr std::size_t kListedRangesMax = 32;

// A rough order of what conditions cost, so that the cheap ones are asked first.
int cost_of(Op op) {
    switch (op) {
        case Op::kExists:
        case Op::kExistsLeaf:
        case Op::kRange: return 0;
        case Op::kEquals: return 1;
        case Op::kPrefix:
        case Op::kSuffix: return 2;
        case Op::kWildcard:
        case Op::kContains: return 4;
        case Op::kRegex: return 6;
        default: return 5;
    }
}

}  // namespace

struct Index::Building {
    std::vector<std::pair<GroupId, Entry>> direct;
    std::vector<BuildingRange> ranges;
    InternTable probe_by_place;
    std::vector<std::uint32_t> uses;  // by condition: how many entries ask it
    InternTable bank_by_slot;
    std::vector<std::uint32_t> bank_slots;     // by bank
    std::unordered_set<std::uint64_t> banked;  // bank and expression
};

void Index::seal(Sealing sealing, const Selectivity* live) {
    Building building;
    building.uses.resize(leaves_.size());
    const PivotChooser chooser(leaves_, live);
    for (std::uint32_t i = 0; i < size(); ++i) hang(i, chooser, building);
    hang_ranges(building);
    sort_out(building);
    compile_banks(sealing);
    for (LeafId leaf = 0; leaf < leaves_.size(); ++leaf) {
        if (building.uses[leaf] > 1) leaves_.set_memo(leaf, memos_++);
    }
    for (RestList& list : rests_) {
        if (list.uses > 1) list.memo = memos_++;
    }
    rest_by_hash_.clear();
    note_slots();
    table_.build();
    grams_.build();
    groups_.build(sealing == Sealing::kThorough);
    loose_regexes_ += groups_.loose_regexes();
    leaves_.seal();
    patterns_.seal();
    subscriptions_.shrink_to_fit();
    tokens_.shrink_to_fit();
    rests_.shrink_to_fit();
    residuals_.shrink_to_fit();
}

void Index::note_slots() {
    std::vector<bool> seen;
    for (LeafId leaf = 0; leaf < leaves_.size(); ++leaf) {
        const std::uint32_t slot = leaves_.record(leaf).slot;
        if (slot >= seen.size()) seen.resize(slot + 1);
        if (!seen[slot]) slots_.push_back(slot);
        seen[slot] = true;
    }
}

// Can the condition be asked inside an entry?
bool Index::as_number(LeafId leaf, Entry& entry) const {
    const LeafStore::Record& record = leaves_.record(leaf);
    if (record.op != Op::kRange || (record.flags & LeafStore::kNegated) != 0) return false;
    const LeafStore::Operand& lower = leaves_.operand(record, 0);
    const LeafStore::Operand& upper = leaves_.operand(record, 1);
    const bool is_lower = upper.type == core::FieldType::kNull;
    const LeafStore::Operand& bound = is_lower ? lower : upper;
    if (!is_lower && lower.type != core::FieldType::kNull) return false;
    if (bound.type != core::FieldType::kNumber || !bound.number_is_short) return false;
    const std::uint8_t included =
        is_lower ? LeafStore::kLowerInclusive : LeafStore::kUpperInclusive;
    entry.residual = Residual::kNumber;
    entry.what = record.slot;
    entry.leaf = leaf;
    entry.bound = bound.approx;
    entry.accepts = is_lower ? kAbove : kBelow;
    if ((record.flags & included) != 0) entry.accepts |= kEqual;
    return true;
}

void Index::set_residual(const std::vector<LeafId>& rest, Entry& entry) {
    if (rest.empty()) {
        entry.residual = Residual::kNone;
    } else if (rest.size() == 1) {
        if (as_number(rest[0], entry)) return;
        entry.residual = Residual::kLeaf;
        entry.what = rest[0];
    } else {
        entry.residual = Residual::kLeaves;
        entry.what = rest_list(rest);
    }
}

std::uint32_t Index::rest_list(const std::vector<LeafId>& rest) {
    std::uint64_t hash = core::kHashSeedA;
    for (const LeafId leaf : rest) hash = core::mix_u64(hash ^ leaf, core::kHashSeedB);
    std::uint32_t at = rest_by_hash_.find(hash, [&](std::uint32_t i) {
        return std::equal(rest.begin(), rest.end(), residuals_.begin() + rests_[i].begin,
                          residuals_.begin() + rests_[i].begin + rests_[i].count);
    });
    if (at == InternTable::kNone) {
        at = static_cast<std::uint32_t>(rests_.size());
        rest_by_hash_.insert(hash, at);
        rests_.push_back({static_cast<std::uint32_t>(residuals_.size()),
                          static_cast<std::uint32_t>(rest.size()), LeafStore::kNoMemo, 0});
        residuals_.insert(residuals_.end(), rest.begin(), rest.end());
    }
    ++rests_[at].uses;
    return at;
}

// `met` is the condition that the pivot makes sure of.
Entry Index::make_entry(std::uint32_t number, LeafId met) {
    const Subscription& subscription = subscriptions_[number];
    const Token* program = tokens_.data() + subscription.program;
    Entry entry;
    entry.number = number;
    entry.id = subscription.id;
    entry.priority = subscription.priority;
    if (positive_leaves(program) > 1) entry.flags |= kCombines;
    std::vector<LeafId> rest;
    const TokenKind kind = kind_of(*program);
    if (kind == TokenKind::kLeaf) {
        if (number_of(*program) != met) rest.push_back(number_of(*program));
    } else if (kind == TokenKind::kAnd) {
        for (std::uint32_t i = 0; i < number_of(*program); ++i) {
            const Token child = program[1 + i];
            if (kind_of(child) != TokenKind::kLeaf) {
                entry.residual = Residual::kProgram;
                return entry;
            }
            if (number_of(child) != met) rest.push_back(number_of(child));
        }
        std::sort(rest.begin(), rest.end(), [this](LeafId a, LeafId b) {
            const int cost_a = cost_of(leaves_.record(a).op);
            const int cost_b = cost_of(leaves_.record(b).op);
            return cost_a != cost_b ? cost_a < cost_b : a < b;
        });
    } else if (kind != TokenKind::kTrue) {
        entry.residual = Residual::kProgram;
        return entry;
    }
    set_residual(rest, entry);
    return entry;
}

Index::Probe& Index::probe_of(GroupId group, std::uint32_t slot, Building& building) {
    const std::uint64_t hash = core::mix_u64(std::uint64_t{group} << 32 | slot, core::kHashSeedA);
    std::uint32_t at = building.probe_by_place.find(hash, [&](std::uint32_t i) {
        return probes_[i].group == group && probes_[i].slot == slot;
    });
    if (at == InternTable::kNone) {
        at = static_cast<std::uint32_t>(probes_.size());
        building.probe_by_place.insert(hash, at);
        Probe& probe = probes_.emplace_back();
        probe.group = group;
        probe.slot = slot;
    }
    return probes_[at];
}

void Index::hang(std::uint32_t number, const PivotChooser& chooser, Building& building) {
    const Subscription& subscription = subscriptions_[number];
    const GroupId group = groups_.group(subscription.tenant, subscription.pattern);
    const Token* program = tokens_.data() + subscription.program;
    if (kind_of(*program) == TokenKind::kFalse) return;
    const PivotChoice choice = chooser.choose(program);
    if (choice.form == PivotChoice::Form::kRange) {
        building.ranges.push_back({group, leaves_.record(choice.leaf).slot, choice.leaf, number});
        return;
    }
    const Entry entry =
        make_entry(number, choice.form == PivotChoice::Form::kNone ? kNoLeaf : choice.leaf);
    if (entry.residual == Residual::kLeaf) ++building.uses[entry.what];
    if (entry.residual == Residual::kLeaves) {
        // Once for each list: those who share it do not ask again.
        const RestList& list = rests_[entry.what];
        for (std::uint32_t i = 0; list.uses == 1 && i < list.count; ++i)
            ++building.uses[residuals_[list.begin + i]];
    }
    if (choice.form == PivotChoice::Form::kNone) {
        building.direct.emplace_back(group, entry);
        return;
    }
    for (const PivotPoint& point : choice.points) {
        Probe& probe = probe_of(group, point.slot, building);
        const bool is_text = point.type == core::FieldType::kString;
        if (!is_text) {
            probe.other_equals = true;
            probe.values |= value_bit(hash_of_value(point.type, point.number, point.text));
        } else if (point.kind == PivotKind::kCidr) {
            probe.cidr |= 1ULL << static_cast<unsigned>(point.text[0]);
        } else if (point.kind == PivotKind::kRegex) {
            std::uint32_t regex = 0;
            std::memcpy(&regex, point.text.data(), sizeof regex);
            add_to_bank(regex, probe, building);
        } else {
            (point.kind >= PivotKind::kEqualsFold ? probe.folded : probe.plain)
                .note(point.kind, point.text.size());
            if (point.kind == PivotKind::kEquals)
                probe.values |= value_bit(core::hash_key(point.text));
            const bool gram =
                point.kind == PivotKind::kContains || point.kind == PivotKind::kContainsFold;
            if (gram) grams_.add(point.text);
        }
        const PivotKey key{group, point.slot, point.kind, point.type, point.text, point.number};
        table_.add(key, hash_of_value(point.type, point.number, point.text), entry);
    }
}

void Index::add_to_bank(std::uint32_t regex, Probe& probe, Building& building) {
    if (probe.bank == kNoSlot) {
        const std::uint64_t hash = core::mix_u64(probe.slot + 1, core::kHashSeedA);
        probe.bank = building.bank_by_slot.find(
            hash, [&](std::uint32_t bank) { return building.bank_slots[bank] == probe.slot; });
        if (probe.bank == InternTable::kNone) {
            probe.bank = static_cast<std::uint32_t>(banks_.size());
            banks_.emplace_back();
            building.bank_slots.push_back(probe.slot);
            building.bank_by_slot.insert(hash, probe.bank);
        }
    }
    if (building.banked.insert(std::uint64_t{probe.bank} << 32 | regex).second)
        banks_[probe.bank].add(regex);
}

void Index::compile_banks(Sealing sealing) {
    for (RegexBank& bank : banks_) {
        if (sealing == Sealing::kThorough) {
            bank.compile(leaves_.regexes());
        } else {
            loose_regexes_ += bank.loose();
        }
    }
}

// The bounds of a range of numbers, and whether they are all there is to it.
bool Index::closed_bounds(const LeafStore::Record& record, Bounds& bounds) const {
    constexpr double kOpen = std::numeric_limits<double>::infinity();
    const LeafStore::Operand& lower = leaves_.operand(record, 0);
    const LeafStore::Operand& upper = leaves_.operand(record, 1);
    bool exact = true;
    if (lower.type == core::FieldType::kNumber) {
        const bool moved = (record.flags & LeafStore::kLowerInclusive) == 0;
        exact = lower.number_is_short;
        bounds.lower = exact && moved ? std::nextafter(lower.approx, kOpen) : lower.approx;
    }
    if (upper.type == core::FieldType::kNumber) {
        const bool moved = (record.flags & LeafStore::kUpperInclusive) == 0;
        exact = exact && upper.number_is_short;
        bounds.upper =
            upper.number_is_short && moved ? std::nextafter(upper.approx, -kOpen) : upper.approx;
    }
    return exact;
}

// Those of one field of one group.
void Index::hang_range_run(const BuildingRange* begin, const BuildingRange* end,
                           Building& building) {
    const auto is_text = [this](const BuildingRange& range) {
        const LeafStore::Record& record = leaves_.record(range.leaf);
        return leaves_.operand(record, 0).type == core::FieldType::kString ||
               leaves_.operand(record, 1).type == core::FieldType::kString;
    };
    const bool in_entries = static_cast<std::size_t>(end - begin) <= kScannedBoundsMax &&
                            std::all_of(begin, end, [this](const BuildingRange& range) {
                                Entry entry;
                                return as_number(range.leaf, entry);
                            });
    std::vector<std::pair<Bounds, Entry>> bounded;
    for (const BuildingRange* range = begin; range != end; ++range) {
        if (in_entries || is_text(*range)) {
            building.direct.emplace_back(range->group, make_entry(range->number, kNoLeaf));
            continue;
        }
        Bounds bounds;
        const bool exact = closed_bounds(leaves_.record(range->leaf), bounds);
        bounded.emplace_back(bounds, make_entry(range->number, exact ? range->leaf : kNoLeaf));
    }
    if (bounded.empty()) return;
    Probe& probe = probe_of(begin->group, begin->slot, building);
    if (bounded.size() <= kListedRangesMax) {
        probe.listed = static_cast<std::uint32_t>(bounds_.size());
        probe.listed_count = static_cast<std::uint32_t>(bounded.size());
        for (const auto& [bounds, entry] : bounded) {
            bounds_.push_back(bounds);
            bounded_.push_back(entry);
        }
        return;
    }
    RangeIndex index;
    for (const auto& [bounds, entry] : bounded) index.add(bounds, entry);
    index.build();
    probe.range = static_cast<std::uint32_t>(ranges_.size());
    ranges_.push_back(std::move(index));
}

void Index::hang_ranges(Building& building) {
    auto& all = building.ranges;
    const auto place = [](const auto& range) { return std::pair(range.group, range.slot); };
    std::sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
        return place(a) != place(b) ? place(a) < place(b) : a.number < b.number;
    });
    for (std::size_t begin = 0; begin < all.size();) {
        std::size_t end = begin;
        while (end < all.size() && place(all[end]) == place(all[begin])) ++end;
        hang_range_run(all.data() + begin, all.data() + end, building);
        begin = end;
    }
}

// Entries without pivot and probes, by group.
void Index::sort_out(Building& building) {
    parts_.resize(groups_.size());
    std::sort(building.direct.begin(), building.direct.end(), [](const auto& a, const auto& b) {
        if (a.first != b.first) return a.first < b.first;
        if (a.second.priority != b.second.priority) return a.second.priority > b.second.priority;
        return a.second.id < b.second.id;
    });
    for (const auto& [group, entry] : building.direct) {
        GroupPart& part = parts_[group];
        if (part.direct_count++ == 0) part.direct = static_cast<std::uint32_t>(direct_.size());
        direct_.push_back(entry);
    }
    // Not a stable sort: its buffer does not know that a probe is aligned to a line.
    std::sort(probes_.begin(), probes_.end(), [](const Probe& a, const Probe& b) {
        return a.group != b.group ? a.group < b.group : a.slot < b.slot;
    });
    for (std::uint32_t i = 0; i < probes_.size(); ++i) {
        GroupPart& part = parts_[probes_[i].group];
        if (part.probe_count++ == 0) part.probes = i;
    }
    for (Probe& probe : probes_) {
        probe.only_text = probe.plain.equals && !probe.plain.parts() && !probe.folded.any() &&
                          !probe.other_equals && probe.range == kNoSlot &&
                          probe.listed_count == 0 && probe.bank == kNoSlot && probe.cidr == 0;
    }
    direct_.shrink_to_fit();
    probes_.shrink_to_fit();
    bounds_.shrink_to_fit();
    bounded_.shrink_to_fit();
}

}  // namespace millrace::matcher
