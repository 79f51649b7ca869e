#include "runtime/hub/urgent_events.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/listed.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::runtime::hub {

core::Result<std::vector<matcher::Wildcard>> UrgentEvents::patterns_of(std::string_view list) {
    std::vector<matcher::Wildcard> out;
    core::Status read;
    core::each_listed(list, [&](std::string_view text) {
        if (text.empty()) return true;
        auto pattern = matcher::parse_wildcard(text);
        if (pattern) out.push_back(std::move(*pattern));
        if (pattern && out.size() <= kPatternsMax) return true;
        read = core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "hub.first: '" + std::string(text.substr(0, 64)) +
                            "': " + (pattern ? "is one pattern too many" : pattern.error().message))
                .in("hub.first"));
        return false;
    });
    if (!read) return core::fail(std::move(read.error()));
    return out;
}

core::Result<UrgentEvents> UrgentEvents::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "events that go first");
    if (!in) return core::fail(std::move(in.error()));
    UrgentEvents out;
    core::JsonArray eras;
    const auto list = in->any("eras");
    if (!list || !list->get(eras)) {
        in->refuse("eras", "must be a list");
        return core::fail(in->finish().error());
    }
    for (const core::JsonElement element : eras) {
        core::JsonMembers members;
        if (!element.get(members)) {
            in->refuse("eras", "must hold objects");
            break;
        }
        core::JsonObject one(members, "eras");
        Era& era = out.eras_.emplace_back();
        one.text("patterns", era.list);
        core::JsonArray offsets;
        if (const auto from = one.any("from"); from && from->get(offsets)) {
            for (const core::JsonElement offset : offsets)
                if (!offset.get(era.from.emplace_back())) one.refuse("from", "must hold offsets");
        }
        (void)one.finish();
        in->join(one);
        auto patterns = patterns_of(era.list);
        if (!patterns) return core::fail(std::move(patterns.error()));
        era.patterns = std::move(*patterns);
    }
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

std::string UrgentEvents::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("eras").begin_array();
    for (const Era& era : eras_) {
        json.begin_object().field("patterns", era.list).key("from").begin_array();
        for (const std::uint64_t offset : era.from) json.value(offset);
        json.end_array().end_object();
    }
    json.end_array().end_object();
    return out;
}

core::Result<bool> UrgentEvents::change(std::string_view list, const Offsets& ends) {
    auto patterns = patterns_of(list);
    if (!patterns) return core::fail(std::move(patterns.error()));
    std::string text;
    for (const matcher::Wildcard& pattern : *patterns)
        text += (text.empty() ? "" : ",") + matcher::wildcard_text(pattern);
    const std::string_view before = eras_.empty() ? std::string_view() : eras_.back().list;
    if (before == text) return false;
    if (eras_.size() == kErasMax) {
        return core::fail(core::ErrorCode::kConflict,
                          "hub.first: has changed " + std::to_string(kErasMax) +
                              " times while the log still has events of the first time: it stays "
                              "'" +
                              std::string(before) + "' until retention has taken some");
    }
    eras_.push_back({std::move(text), std::move(*patterns), ends});
    return true;
}

bool UrgentEvents::forget_before(const Offsets& first) {
    const auto is_over = [&](const Era& next) {
        for (std::uint32_t shard = 0; shard < first.size(); ++shard)
            if (next.from_in(shard) > first[shard]) return false;
        return true;
    };
    bool forgot = false;
    while (eras_.size() > 1 && is_over(eras_[1])) {
        eras_.erase(eras_.begin());
        forgot = true;
    }
    if (eras_.size() == 1 && eras_[0].patterns.empty()) {
        eras_.clear();
        forgot = true;
    }
    return forgot;
}

bool UrgentEvents::any() const {
    return std::any_of(eras_.begin(), eras_.end(),
                       [](const Era& era) { return !era.patterns.empty(); });
}

std::uint64_t UrgentEvents::begin(std::uint32_t shard) const {
    std::uint64_t out = std::numeric_limits<std::uint64_t>::max();
    for (const Era& era : eras_)
        if (!era.patterns.empty()) out = std::min(out, era.from_in(shard));
    return out;
}

bool UrgentEvents::is(std::uint32_t shard, std::uint64_t offset, std::string_view pattern) const {
    const auto era = std::find_if(eras_.rbegin(), eras_.rend(),
                                  [&](const Era& one) { return one.from_in(shard) <= offset; });
    return era != eras_.rend() &&
           std::any_of(era->patterns.begin(), era->patterns.end(),
                       [pattern](const matcher::Wildcard& one) { return one.matches(pattern); });
}

}  // namespace millrace::runtime::hub
