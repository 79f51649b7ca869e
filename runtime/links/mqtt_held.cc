#include "runtime/links/mqtt_held.h"

#include "core/hex.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kMarkDigits = MqttHeld::kMarkBits / 4;

bool read_id(std::string_view text, std::int64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

// 7, or "7-9".
bool read_range(const core::JsonElement& item, std::int64_t& first, std::int64_t& last) {
    std::string_view range;
    if (item.get(range)) {
        const std::size_t dash = range.find('-');
        if (dash == std::string_view::npos || !read_id(range.substr(0, dash), first) ||
            !read_id(range.substr(dash + 1), last))
            return false;
    } else {
        if (!item.get(first)) return false;
        last = first;
    }
    return first >= 1 && last >= first && last <= UINT16_MAX;
}

bool read_mark(std::string_view digits, std::uint32_t& out) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + kMarkDigits, out, 16);
    return error == std::errc() && end == digits.data() + kMarkDigits;
}

// A broker numbers on: what is under way is few ranges, though it be all ids that there are.
void append_range(core::JsonWriter& json, std::uint16_t first, std::uint16_t last) {
    if (last == first)
        json.value(first);
    else
        json.value(std::to_string(first) + "-" + std::to_string(last));
}

}  // namespace

MqttHeld::Entry& MqttHeld::add(std::uint16_t id, std::uint32_t mark) {
    by_id_[id].push_back(first_ + entries_.size());
    ++size_;
    return entries_.emplace_back(Entry{.mark = mark, .id = id});
}

void MqttHeld::drop(Numbers& numbers, Numbers::iterator begin, Numbers::iterator end) {
    for (auto at = begin; at != end; ++at) entry(*at).gone = true;
    size_ -= static_cast<std::size_t>(end - begin);
    numbers.erase(begin, end);
    for (; !entries_.empty() && entries_.front().gone; ++first_) entries_.pop_front();
}

// Behind one that is never released all the others would stay.
void MqttHeld::close_gaps() {
    constexpr std::size_t kGapsKept = 1024;
    if (entries_.size() <= 2 * size_ + kGapsKept) return;
    std::erase_if(entries_, [](const Entry& one) { return one.gone; });
    by_id_.clear();
    for (std::size_t i = 0; i < entries_.size(); ++i) by_id_[entries_[i].id].push_back(first_ + i);
}

// What a broker sends again it sends before what is new: who has not come again by now was meant.
void MqttHeld::forget_released() {
    for (const std::uint16_t id : std::exchange(perhaps_released_, {})) {
        const auto at = by_id_.find(id);
        if (at == by_id_.end()) continue;
        Numbers& numbers = at->second;
        if (!entry(numbers.front()).released) continue;
        drop(numbers, numbers.begin(), numbers.begin() + 1);
        if (numbers.empty()) by_id_.erase(at);
    }
}

MqttHeld::Taken MqttHeld::take(std::uint16_t id, std::uint32_t mark, bool again) {
    if (!again && !perhaps_released_.empty()) forget_released();
    Numbers& numbers = by_id_[id];
    const auto absent = std::find_if(numbers.begin(), numbers.end(),
                                     [this](std::uint64_t one) { return !entry(one).here; });
    if (again) {
        // Nothing is to be sent twice over one connection (MQTT-4.4.0-1). Of a broker that does,
        // and has not heard our answer yet, it is no other message where ids are given once.
        const auto found = std::find_if(absent, numbers.end(), [&](std::uint64_t one) {
            return entry(one).mark == mark || entry(one).mark == kNoMark;
        });
        if (found != numbers.end()) {
            Entry& known = entry(*found);
            known.mark = mark;
            known.here = true;
            known.released = false;
            known.owed = absent != numbers.begin();
            const bool answers = !known.owed;
            // Those before it that did not come the broker does not know any more.
            drop(numbers, absent, found);
            return {.is_new = false, .answers = answers};
        }
        if (!twice_ && !numbers.empty() && entry(numbers.front()).mark == mark) return {};
    }
    // It is sent for the first time, or was never heard here, whatever was under its id (README).
    drop(numbers, absent, numbers.end());
    const bool answers = numbers.empty();
    if (size_ == kEntriesMax) {
        if (answers) by_id_.erase(id);
        return {.refused = true};
    }
    twice_ |= !answers;
    Entry& fresh = add(id, mark);
    fresh.here = true;
    fresh.owed = !answers;
    close_gaps();
    return {.is_new = true, .answers = answers};
}

bool MqttHeld::release(std::uint16_t id) {
    const auto at = by_id_.find(id);
    if (at == by_id_.end()) return false;
    Numbers& numbers = at->second;
    Entry& oldest = entry(numbers.front());
    // Of a broker that gives ids twice: this one, or one before it under the same id, whose release
    // we have answered and the broker has not heard that: then this one comes again yet.
    if (!oldest.here && twice_) {
        if (!std::exchange(oldest.released, true)) perhaps_released_.push_back(id);
        return false;
    }
    drop(numbers, numbers.begin(), numbers.begin() + 1);
    if (numbers.empty()) {
        by_id_.erase(at);
        return false;
    }
    return std::exchange(entry(numbers.front()).owed, false);
}

void MqttHeld::write(core::JsonWriter& json) const {
    if (empty()) {
        if (twice_) json.field("twice", true);
        return;
    }
    std::string marks;
    marks.reserve(size_ * kMarkDigits);
    bool all_marked = true;
    std::uint16_t first = 0, last = 0;  // of a range; none has 0
    json.key("received").begin_array();
    for (const Entry& one : entries_) {
        if (one.gone) continue;
        all_marked &= one.mark != kNoMark;
        core::append_hex(marks, one.mark, kMarkDigits);
        const bool goes_on = first != 0 && one.id == last + 1;
        if (!goes_on) {
            if (first != 0) append_range(json, first, last);
            first = one.id;
        }
        last = one.id;
    }
    append_range(json, first, last);
    json.end_array();
    if (all_marked) json.field("marks", marks);
    if (twice_) json.field("twice", true);
}

bool MqttHeld::read(const core::JsonElement& position) {
    clear();
    core::JsonElement member;
    core::JsonArray list;
    if (!position.is_object()) return false;
    if (position.find("twice", member) && !member.get(twice_)) return false;
    if (!position.find("received", member)) return true;
    if (!member.get(list)) return false;
    for (const core::JsonElement item : list) {
        std::int64_t from = 0, to = 0;
        if (!read_range(item, from, to)) return false;
        for (std::int64_t id = from; id <= to; ++id) {
            if (size_ == kEntriesMax) return false;
            add(static_cast<std::uint16_t>(id), kNoMark);
        }
    }
    std::string_view marks;
    if (!position.find("marks", member)) return true;
    if (!member.get(marks)) return false;
    if (marks.empty()) return true;  // as it was written before there were any
    if (marks.size() != size_ * kMarkDigits) return false;
    for (Entry& one : entries_) {
        if (!read_mark(marks, one.mark)) return false;
        marks.remove_prefix(kMarkDigits);
    }
    return true;
}

}  // namespace millrace::runtime
