// What: the bounds of a handler's run, each with its reason. Most can be changed per VM or script.
// Threads: constants. Lifetime: none. Limits: these.
// Failure: a broken relation does not compile.
#pragma once

#include "core/limits.h"

#include <cstddef>
#include <cstdint>

namespace millrace::runtime {

// One state: enough for a table of half a million rows; a bomb ends here, not in the machine's RAM.
inline constexpr std::size_t kLuaMemoryBytesDefault = 64u << 20;
inline constexpr std::size_t kLuaMemoryBytesMin = 1u << 20;

// Source text of one script: the parser is quick, but its memory is a multiple of the text.
inline constexpr std::size_t kLuaSourceBytesMax = 1u << 20;

// The outside contract's default; inline handlers are expected to be far below it.
inline constexpr std::uint32_t kLuaTimeoutMsDefault = 30'000;

// What one run may leave behind. A run that breaks one of these fails; nothing of it takes effect.
inline constexpr std::size_t kLuaEmitsPerRunMax = 1'000;
inline constexpr std::size_t kLuaEmitBytesPerRunMax = 4u << 20;  // of payloads
// Of the finished events: what is around the payloads, long ids and all, is rarely a tenth of this.
inline constexpr std::size_t kLuaEmitEnvelopeBytesPerRunMax = 8u << 20;
inline constexpr std::size_t kLuaKvOpsPerRunMax = 4'096;
inline constexpr std::size_t kLuaKvBytesPerRunMax = 4u << 20;
inline constexpr std::size_t kLuaKvKeyBytesMax = 1'024;
inline constexpr std::size_t kLuaKvNamespaceBytesMax = 128;
inline constexpr std::size_t kLuaKvValueBytesMax = 256u << 10;
inline constexpr std::size_t kLuaKvListMax = 1'000;
inline constexpr std::size_t kLuaResultBytesMax = 1u << 20;
// All texts that a run leaves behind, those of calls that failed in the middle among them: they lie
// outside of the state's own memory.
inline constexpr std::size_t kLuaKeptBytesPerRunMax = 64u << 20;

// Logs beyond these are cut, not refused: a chatty handler is not a failed one.
inline constexpr std::size_t kLuaLogLinesPerRunMax = 100;
inline constexpr std::size_t kLuaLogLineBytesMax = 4u << 10;
inline constexpr std::size_t kLuaErrorBytesMax = 4u << 10;

// JSON texts made or read by a script.
inline constexpr std::size_t kLuaJsonBytesMax = 16u << 20;
inline constexpr int kLuaJsonDepthMax = static_cast<int>(core::kJsonDepthMax);

// Steps of one pattern function (find, match, gmatch, gsub): about 0.1 s of work. The deadline is
// looked at between them as well.
inline constexpr std::uint64_t kLuaPatternStepsMax = 20'000'000;

// Default time to live of sdk.cache entries.
inline constexpr double kLuaCacheTtlSecondsDefault = 300.0;

static_assert(kLuaKvValueBytesMax <= kLuaKvBytesPerRunMax);
static_assert(kLuaEmitBytesPerRunMax + kLuaEmitEnvelopeBytesPerRunMax + kLuaKvBytesPerRunMax +
                      kLuaKvOpsPerRunMax * (kLuaKvKeyBytesMax + kLuaKvNamespaceBytesMax + 1) +
                      kLuaJsonBytesMax + 2 * kLuaLogLinesPerRunMax * kLuaLogLineBytesMax <=
                  kLuaKeptBytesPerRunMax,
              "a run may use up each of the others");
static_assert(core::kEventBytesMax <= kLuaEmitBytesPerRunMax,
              "one event of full size can be emitted");
static_assert(kLuaEmitBytesPerRunMax + kLuaEmitsPerRunMax * 2048 <= kLuaEmitEnvelopeBytesPerRunMax,
              "as many payloads as are allowed find room with what is around them");
static_assert(kLuaKvValueBytesMax <= kLuaJsonBytesMax && kLuaResultBytesMax <= kLuaJsonBytesMax &&
                  core::kEventBytesMax <= kLuaJsonBytesMax,
              "what is written can be read again");
static_assert(kLuaJsonDepthMax == static_cast<int>(core::kJsonDepthMax),
              "an event's payload has one level less than Lua's encoder may write");
// A record of a run, a dead letter, an answer: members of our own around what a handler made.
static_assert(core::kJsonDepthMax + 16 <= core::kJsonDocumentDepthMax);

}  // namespace millrace::runtime
