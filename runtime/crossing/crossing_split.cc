#include "runtime/crossing/crossing_split.h"

#include "runtime/crossing/crossing_event.h"
#include "runtime/event/partition_of.h"
#include "runtime/event/tenant_names.h"
#include "store/log/pool_set.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace millrace::runtime::crossing {
namespace {

// Of those in rising order, how many are before this one.
template <typename List, typename Of>
std::uint32_t before(const List& list, std::uint32_t entry, Of of) {
    const auto at =
        std::lower_bound(list.begin(), list.end(), entry,
                         [&](const auto& one, std::uint32_t value) { return of(one) < value; });
    return static_cast<std::uint32_t>(at - list.begin());
}

// Depth and tenants: one an entry; the others move up.
template <typename T, typename IsOut>
void erase_entries(std::vector<T>& list, IsOut is_out) {
    std::uint32_t entry = 0;
    std::erase_if(list, [&](const T&) { return is_out(entry++); });
}

}  // namespace

std::size_t CrossingSplit::split(LaneResult& result, std::int64_t now_us) {
    if (!result.emitted) return 0;
    find_leaving(result);
    if (leaving_.empty()) return 0;
    for (const Leaving& one : leaving_) {
        const auto trace =
            std::find_if(result.traces.begin(), result.traces.end(),
                         [&](const EmittedTrace& of) { return of.entry == one.entry; });
        const std::string_view told =
            trace == result.traces.end() ? std::string_view() : std::string_view(trace->text);
        text_.clear();
        append_crossing(text_, {.tenant = tenant_name(result.emitted_tenants[one.entry]),
                                .depth = result.emitted_depths[one.entry],
                                .trace = told,
                                .event = one.event});
        outbox_.keep(result.rows, one.to, now_us, text_);
    }
    result.when_durable.emplace_back([outbox = &outbox_] { outbox->committed(); });
    if (result.when_counted) count_as_they_came(result);
    take_out(result);
    return leaving_.size();
}

void CrossingSplit::find_leaving(const LaneResult& result) {
    leaving_.clear();
    if (!parser_.begin(result.emitted.view(), core::BatchFormat::kNdjson)) return;
    core::Envelope envelope;
    core::Error error;
    for (;;) {
        const core::ParseOutcome outcome = parser_.next(nullptr, envelope, nullptr, error);
        if (outcome == core::ParseOutcome::kEnd) return;
        const auto entry = static_cast<std::uint32_t>(parser_.index());
        if (outcome != core::ParseOutcome::kEvent || entry >= result.emitted_tenants.size() ||
            entry >= result.emitted_depths.size() ||
            std::binary_search(result.returning.begin(), result.returning.end(), entry))
            continue;
        const bool stands_in =
            std::any_of(result.letters.begin(), result.letters.end(),
                        [entry](const EmittedLetter& one) { return one.entry == entry; });
        if (stands_in) continue;
        const auto to =
            partition_beside(place_.partition, tenant_name(result.emitted_tenants[entry]),
                             envelope.partition_key, place_.seed, place_.partitions);
        if (to) leaving_.push_back({entry, *to, envelope.raw});
    }
}

// Whoever counts knows entries by the numbers that they had.
void CrossingSplit::count_as_they_came(LaneResult& result) const {
    std::vector<std::uint32_t> left;
    for (const Leaving& one : leaving_) left.push_back(one.entry);
    result.when_counted = [left = std::move(left), counted = std::move(result.when_counted)](
                              store::RowBatch& rows, std::span<const std::uint32_t> there) mutable {
        std::vector<std::uint32_t> as_they_came;
        std::uint32_t gone = 0;
        for (const std::uint32_t entry : there) {
            while (gone < left.size() && left[gone] <= entry + gone) ++gone;
            as_they_came.push_back(entry + gone);
        }
        counted(rows, as_they_came);
    };
}

void CrossingSplit::take_out(LaneResult& result) {
    const auto entry_of = [](const Leaving& one) { return one.entry; };
    const auto shift = [&](std::uint32_t entry) { return before(leaving_, entry, entry_of); };
    const auto is_out = [&](std::uint32_t entry) {
        const std::uint32_t at = shift(entry);
        return at < leaving_.size() && leaving_[at].entry == entry;
    };
    text_.clear();
    std::uint32_t entry = 0;
    std::string_view rest = result.emitted.view();
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.empty()) continue;
        if (!is_out(entry++)) text_.append(line).append("\n");
    }
    erase_entries(result.emitted_depths, is_out);
    erase_entries(result.emitted_tenants, is_out);
    std::erase_if(result.traces, [&](const EmittedTrace& one) { return is_out(one.entry); });
    for (EmittedTrace& one : result.traces) one.entry -= shift(one.entry);
    for (EmittedLetter& one : result.letters) one.entry -= shift(one.entry);
    for (std::uint32_t& one : result.returning) one -= shift(one);
    result.emitted = {};
    if (text_.empty()) return;
    result.emitted = pools_.acquire(text_.size());
    std::copy(text_.begin(), text_.end(), result.emitted.data());
    result.emitted.set_size(text_.size());
}

}  // namespace millrace::runtime::crossing
