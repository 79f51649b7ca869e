// What: {"overlap":"24h"}, the body of a rotation: for how long the old text counts beside the new.
// Threads: pure. Lifetime: none. Limits: kOverlapUsMax. Failure: names the member.
#pragma once

#include "core/duration.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/api/call.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::api {

inline core::Result<std::int64_t> overlap_of(const Call& call) {
    constexpr std::int64_t kDayUs = 86'400'000'000;
    constexpr std::int64_t kOverlapUsMax = 365 * kDayUs;
    std::int64_t overlap_us = kDayUs;
    if (call.request.body_view().empty()) return overlap_us;
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    const auto given = in->any("overlap");
    std::string_view text;
    std::string number;
    if (given && !given->get(text)) {
        core::append_json(number, *given);
        text = number;
    }
    if (given && (!core::parse_told_duration_us(text, overlap_us) || overlap_us > kOverlapUsMax))
        in->refuse("overlap", "must be a duration from 0 to 365d, such as \"24h\"");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return overlap_us;
}

}  // namespace millrace::runtime::api
