// What: the words that stand for a schedule's choices in JSON.
// Threads: constants. Lifetime: none. Limits: none. Failure: an unknown word is none of them.
#pragma once

#include "runtime/registry/schedule.h"

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace millrace::runtime {

inline constexpr std::array<std::pair<std::string_view, TimingType>, 3> kTimingTypeWords = {
    {{"cron", TimingType::kCron},
     {"interval", TimingType::kInterval},
     {"once", TimingType::kOnce}}};
inline constexpr std::array<std::pair<std::string_view, Overlap>, 5> kOverlapWords = {
    {{"skip", Overlap::kSkip},
     {"queue1", Overlap::kQueueOne},
     {"queueAll", Overlap::kQueueAll},
     {"cancel", Overlap::kCancel},
     {"allow", Overlap::kAllow}}};
inline constexpr std::array<std::pair<std::string_view, CatchUpMode>, 3> kCatchUpWords = {
    {{"one", CatchUpMode::kOne}, {"all", CatchUpMode::kAll}, {"none", CatchUpMode::kNone}}};
inline constexpr std::array<std::pair<std::string_view, GapRule>, 2> kGapWords = {
    {{"run", GapRule::kRun}, {"skip", GapRule::kSkip}}};
inline constexpr std::array<std::pair<std::string_view, OverlapHourRule>, 2> kOverlapHourWords = {
    {{"first", OverlapHourRule::kFirst}, {"both", OverlapHourRule::kBoth}}};

template <typename Enum, std::size_t N>
std::string_view word_of(const std::array<std::pair<std::string_view, Enum>, N>& words,
                         Enum value) {
    for (const auto& [text, choice] : words) {
        if (choice == value) return text;
    }
    return {};
}

template <typename Enum, std::size_t N>
bool read_word(const std::array<std::pair<std::string_view, Enum>, N>& words, std::string_view text,
               Enum& out) {
    for (const auto& [word, choice] : words) {
        if (word != text) continue;
        out = choice;
        return true;
    }
    return false;
}

}  // namespace millrace::runtime
