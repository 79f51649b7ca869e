// What: every hard bound of the engine, each with its reason, and the relations between them.
// Threads: constants. Lifetime: none. Failure: a broken relation does not compile.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::core {

// JSON. Depth: a recursive reader of ours may use 64 frames, and no real envelope comes near it.
inline constexpr std::size_t kJsonDepthMax = 64;
inline constexpr std::size_t kJsonKeysPerObjectMax = 10'000;
// Documents of ours (bodies of the API, stored rows, answers) hold whole events and what handlers
// returned, each as deep as an event may be, inside members of their own.
inline constexpr std::size_t kJsonDocumentDepthMax = 2 * kJsonDepthMax;

// Events. One event of at most 1 MiB; a request body of at most 16 MiB; both can be lowered.
inline constexpr std::size_t kEventBytesMax = 1u << 20;
inline constexpr std::size_t kBodyBytesMax = 16u << 20;
inline constexpr std::size_t kBatchEventsMax = 65'536;
inline constexpr std::size_t kEventIdBytesMax = 256;
inline constexpr std::size_t kPatternBytesMax = 256;
inline constexpr std::size_t kPartitionKeyBytesMax = 256;

// Shards and lanes: 16 bits of a position name the shard; 64 rings a pair is already generous.
inline constexpr std::size_t kShardsMax = 64;
inline constexpr std::size_t kLanesMax = 64;

// The log's block: closes at this many raw bytes. 2048 events of 345 bytes measured best.
inline constexpr std::size_t kBlockBytesTarget = 768u << 10;
inline constexpr std::size_t kBlockEventsMax = 4096;

// How far events may cause events through handlers before the chain is cut.
inline constexpr unsigned kCausationDepthMax = 16;

static_assert(kEventBytesMax <= kBodyBytesMax, "one event must fit into one body");
static_assert(kBatchEventsMax >= kBlockEventsMax, "a batch may fill a block");

}  // namespace millrace::core
