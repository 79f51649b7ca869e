#include "matcher/index/pivot_table.h"

#include "matcher/index/leaf_store.h"

#include <algorithm>

namespace millrace::matcher {

PivotTable::Value PivotTable::value_of(const PivotKey& key) {
    Value value;
    if (key.type == core::FieldType::kString) {
        value.size = static_cast<std::uint32_t>(key.text.size());
        if (value.size != 0)
            std::memcpy(value.bytes, key.text.data(), std::min(key.text.size(), kInline));
        if (value.size > kInline) std::memset(value.bytes + 12, 0, 4);
    } else if (key.type == core::FieldType::kNumber) {
        value.size = sizeof key.number;
        std::memcpy(value.bytes, &key.number, sizeof key.number);
    }
    return value;
}

bool PivotTable::same_long(const Line& line, std::string_view text) const {
    if (std::memcmp(line.value.bytes, text.data(), 12) != 0) return false;
    std::uint32_t at = 0;
    std::memcpy(&at, line.value.bytes + 12, sizeof at);
    return std::memcmp(text_.data() + at, text.data(), text.size()) == 0;
}

void PivotTable::add(const PivotKey& key, std::uint64_t hash_of_value, const Entry& entry) {
    Pending pending{key, hash_of_place(key.group, key.slot, key.kind, hash_of_value), 0, entry};
    // The caller's text may move; what is longer than a line keeps is kept here.
    pending.text = static_cast<std::uint32_t>(text_.size());
    text_ += key.text;
    pending_.push_back(pending);
}

void PivotTable::place_line(const Line& line, std::uint64_t hash) {
    for (std::size_t group = group_of(hash);; group = next_group(group)) {
        const unsigned free = matching(control_.data() + group * kGroup, kFree);
        if (free == 0) continue;
        const std::size_t at = group * kGroup + static_cast<std::size_t>(std::countr_zero(free));
        control_[at] = static_cast<std::uint8_t>(hash & 0x7f);
        lines_[at] = line;
        return;
    }
}

void PivotTable::build() {
    const std::string all = std::move(text_);
    text_.clear();
    for (Pending& p : pending_)
        p.key.text = std::string_view(all).substr(p.text, p.key.text.size());
    // Equal keys side by side; within one the order in which matches are handed out.
    const auto before = [](const Pending& a, const Pending& b) {
        if (a.hash != b.hash) return a.hash < b.hash;
        if (a.key.group != b.key.group) return a.key.group < b.key.group;
        if (place_of(a.key) != place_of(b.key)) return place_of(a.key) < place_of(b.key);
        if (a.key.number != b.key.number) return a.key.number < b.key.number;
        if (a.key.text != b.key.text) return a.key.text < b.key.text;
        if (a.entry.priority != b.entry.priority) return a.entry.priority > b.entry.priority;
        return a.entry.id < b.entry.id;
    };
    std::vector<std::uint32_t> order(pending_.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(),
              [&](std::uint32_t a, std::uint32_t b) { return before(pending_[a], pending_[b]); });
    const auto equal_keys = [&](const Pending& a, const Pending& b) {
        return a.hash == b.hash && a.key.group == b.key.group &&
               place_of(a.key) == place_of(b.key) && a.key.number == b.key.number &&
               a.key.text == b.key.text;
    };
    size_ = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        size_ += i == 0 || !equal_keys(pending_[order[i - 1]], pending_[order[i]]);
    }
    // At most seven eighths full, as tables with control bytes can be.
    groups_ = (size_ * 8 / 7 + kGroup) / kGroup;
    control_.assign(groups_ * kGroup, kFree);
    lines_.resize(groups_ * kGroup);
    for (std::size_t i = 0; i < order.size();) {
        std::size_t end = i + 1;
        const Pending& first = pending_[order[i]];
        while (end < order.size() && equal_keys(first, pending_[order[end]])) ++end;
        Line line;
        line.group = first.key.group;
        line.place = place_of(first.key);
        line.value = value_of(first.key);
        if (line.value.size > kInline) {
            const auto at = static_cast<std::uint32_t>(text_.size());
            text_ += first.key.text;
            std::memcpy(line.value.bytes + 12, &at, sizeof at);
        }
        line.count = static_cast<std::uint32_t>(end - i);
        line.entry = first.entry;
        if (line.count > 1) {
            line.entry.what = static_cast<std::uint32_t>(entries_.size());
            for (std::size_t k = i; k < end; ++k) entries_.push_back(pending_[order[k]].entry);
        }
        place_line(line, first.hash);
        i = end;
    }
    pending_ = {};
    entries_.shrink_to_fit();
    text_.shrink_to_fit();
}

}  // namespace millrace::matcher
