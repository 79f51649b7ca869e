#include "matcher/index/selectivity.h"

#include "core/key_hash.h"
#include "matcher/filter/case_fold.h"

#include <algorithm>
#include <string>

namespace millrace::matcher {

namespace {

std::uint64_t place_of(std::uint32_t slot, std::uint64_t hash) {
    return core::mix_u64(hash, slot + core::kHashSeedA);
}

bool has(PivotKind kind, std::string_view text, std::string_view literal) {
    switch (kind) {
        case PivotKind::kPrefix:
        case PivotKind::kPrefixFold: return text.starts_with(literal);
        case PivotKind::kSuffix:
        case PivotKind::kSuffixFold: return text.ends_with(literal);
        case PivotKind::kContains:
        case PivotKind::kContainsFold: return text.find(literal) != std::string_view::npos;
        default: return text == literal;
    }
}

}  // namespace

Selectivity::Selectivity(LiveSample::Content&& content) : content_(std::move(content)) {
    for (std::uint32_t i = 0; i < content_.records.size(); ++i) {
        const LiveSample::Record& record = content_.records[i];
        ++equal_[place_of(record.slot, record.hash)];
        by_slot_[record.slot].push_back(i);
    }
}

double Selectivity::share(double events, double prior) const {
    const double seen = static_cast<double>(content_.events);
    return std::min(1.0, (events + prior * kPriorEvents) / (seen + kPriorEvents));
}

double Selectivity::tried(double hits, std::size_t tries, std::size_t values, double prior) const {
    return share(tries == 0 ? 0 : hits * static_cast<double>(values) / static_cast<double>(tries),
                 prior);
}

const std::vector<std::uint32_t>* Selectivity::values_of(std::uint32_t slot) const {
    const auto found = by_slot_.find(slot);
    return found == by_slot_.end() ? nullptr : &found->second;
}

double Selectivity::equal(std::uint32_t slot, std::uint64_t hash_of_value, double prior) const {
    const auto found = equal_.find(place_of(slot, hash_of_value));
    return share(found == equal_.end() ? 0 : found->second, prior);
}

double Selectivity::part(std::uint32_t slot, PivotKind kind, std::string_view literal,
                         double prior) const {
    const auto* values = values_of(slot);
    if (!values) return share(0, prior);
    const std::size_t tries = std::min(values->size(), kTriedMax);
    double hits = 0;
    std::string folded;
    for (std::size_t i = 0; i < tries; ++i) {
        const LiveSample::Record& record = content_.records[(*values)[i]];
        if (record.type != core::FieldType::kString) continue;
        std::string_view text = record.view();
        if (kind >= PivotKind::kEqualsFold) {
            folded.clear();
            append_folded(text, folded);
            text = folded;
        }
        hits += has(kind, text, literal) ? 1 : 0;
    }
    return tried(hits, tries, values->size(), prior);
}

double Selectivity::range(std::uint32_t slot, const Bounds& bounds, double prior) const {
    const auto* values = values_of(slot);
    if (!values) return share(0, prior);
    const std::size_t tries = std::min(values->size(), kTriedMax);
    double hits = 0;
    for (std::size_t i = 0; i < tries; ++i) {
        const LiveSample::Record& record = content_.records[(*values)[i]];
        if (record.type != core::FieldType::kNumber) continue;
        hits += bounds.meets({record.number, record.number}) ? 1 : 0;
    }
    return tried(hits, tries, values->size(), prior);
}

}  // namespace millrace::matcher
