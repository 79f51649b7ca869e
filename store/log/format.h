// What: what stands on disk, in one place: column families, key layouts, record grammars.
//
//   Keys are big-endian, so that byte order is order of meaning. Values are little-endian (a big-
//   endian machine is refused at compile time). Every value begins with a version byte.
//   DO NOT RENUMBER any enum of this file and do not reorder a struct: they are on people's disks.
//
//   family      key                                              value
//   default     text ("format", "shards", "seed", "boot")        meta, see database.cc
//               "gone/" partition:u16 block_first_offset:u64     see ids/gone_events.h
//               "replica"                                        see replica/replica_gate.h: of a
//   partition of a cluster, how far its copy has come in the stream, with each write
//   log         shard:u16 first_offset:u64                       BlockHeader, segment table,
//   identity table, segments
//   summary     shard:u16 first_offset:u64                       SummaryHeader, patterns, bloom
//   filter, and what tenant_bytes.h and received_high.h say
//   outcomes    shard:u16 block_first_offset:u64 serial:u64      outcome chunk, see outcome_codec.h
//   cursor      partition:u16 name                               version:u8 offset:u64
//   retry       partition:u16 due_at_us:i64 offset:u64 subscription:u32 tenant:u32
//                                                                version:u8 RetryRow
//               partition:u16 kParkedDueUs:i64 subscription:u32 key_hash:u32 offset:u64 tenant:u32
//                                                                the same
//               partition:u16 kHeldDueUs:i64 subscription:u32 due_at_us:i64 offset:u64 tenant:u32
//                                                                the same
//   dlq         partition:u16 tenant:u32 created_at_us:i64 offset:u64 subscription:u32
//                                                                version:u8 DeadLetter
//   kv          partition:u16 tenant:u32 namespace, 0x00, key    KvValueHeader, payload
//   registry    kind, 0x00, id                                   version:u8 RegistryRow
//   audit       at_us:i64 serial:u64                             version:u8 AuditRow
//   kv_history  partition:u16 at_us:i64 serial:u64               see kv_history.h
//   entity      partition:u16 tenant:u32 type, 0x00, id          version:u8 EntityRow
//
//   A partition is one log with everything that follows from it: today a shard. Its number stands
//   first, so that the rows of one partition are one range of each family. The shard of a position
//   is its partition. kv belongs to the tenants and is used by every shard: until it is split, all
//   of it, and its history, is partition kKvPartition. So are entities, which are written with
//   what their hooks do to kv.
//
//   serial: the number of the unit that brought the row, in the partition's log of units, and the
//   row's place in it (unit_serial.h). It rises over restarts by construction: the cursor "units"
//   is written with each unit that used one.
//
//   Hashes: one seed for the whole family of logs in a folder (default, "seed"), so that an
//   identity or a pattern means the same in each of its partitions.
//
//   Log value: BlockHeader | SegmentEntry x segment_count | IdHash x count (when kHasIds) |
//   segments. The last segment is the meta segment (records, then the pattern table), the others
//   are the texts in order, each cut at an event's end at about kSegmentBytesTarget. Uncompressed
//   and put one behind the other they are the block's body (BlockBody says where each part begins).
//   crc32c covers every byte but its own four. `previous_hash` is XXH3-64 of the whole value of
//   the shard's previous block: the chain. `sequence` counts a shard's blocks from 0.
//
// Threads: constants and values. Lifetime: none. Limits: as named. Failure: decoders return Errors.
#pragma once

#include "core/ids.h"
#include "core/limits.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace millrace::store {

static_assert(std::endian::native == std::endian::little, "values on disk are little-endian");

// Written by open(); a newer one than this is refused, an older one is brought up to date.
// 1: the first. 2: has the family kv_history. 3: blocks may be thinned, the
// retry family has parked rows. 4: outcomes tell a replay's attempts. 5: partition and tenant in
// every key and record, in families of their own (migration.h); blocks name a registry revision.
// The family entity came within it: a folder without it has no entities.
inline constexpr std::uint32_t kFormatVersion = 5;
// The first one whose keys begin with the partition.
inline constexpr std::uint32_t kFormatWithPartitions = 5;

// Whose rows all of kv are, for now.
inline constexpr core::ShardId kKvPartition{0};
inline constexpr core::ShardId kEntityPartition = kKvPartition;

// In place of a due time: the row waits for an earlier delivery of its partition key.
inline constexpr std::int64_t kParkedDueUs = std::numeric_limits<std::int64_t>::max();
// And: the row is due, but its subscription does not run now (paused, switched off).
inline constexpr std::int64_t kHeldDueUs = kParkedDueUs - 1;

enum class ColumnFamily : std::uint8_t {
    kDefault = 0,
    kLog = 1,
    kSummary = 2,
    kOutcomes = 3,
    kCursor = 4,
    kRetry = 5,
    kDlq = 6,
    kKv = 7,
    kRegistry = 8,
    kAudit = 9,
    kKvHistory = 10,
    kEntity = 11,
};
inline constexpr std::size_t kColumnFamilyCount = 12;

// What an acknowledgement means. The reply names it.
enum class Durability : std::uint8_t {
    kMemory = 0,  // in the shard's open block: gone with the process until that is committed
    kOs = 1,      // written to the operating system: survives a crash of the process
    kFsync = 2,   // fdatasync returned: survives a crash of the machine
};

// Stamps on an event. Bits; the runtime gives them, the store keeps them.
enum class EventFlag : std::uint16_t {
    kFilledEventId = 1 << 0,  // the id is encode_event_id(position)
    kFilledVersion = 1 << 1,
    kFilledSource = 1 << 2,
    kFilledTimestamp = 1 << 3,  // the timestamp is received_at
    kEmitted = 1 << 4,          // by a handler, not by a client
    kSystem = 1 << 5,           // by Millrace itself: system.*
    kCloudEvent = 1 << 6,       // came as a CloudEvent
    kScheduled = 1 << 7,
    kCancelled = 1 << 8,
    kGone = 1 << 9,  // let go by a rule of retention: no text any more
};
constexpr std::uint16_t operator|(EventFlag a, EventFlag b) {
    return static_cast<std::uint16_t>(static_cast<std::uint16_t>(a) |
                                      static_cast<std::uint16_t>(b));
}

enum class BlockCodec : std::uint8_t { kNone = 0, kLz4 = 1 };
enum class BlockFlag : std::uint16_t {
    kHasIds = 1 << 0,
    // Events were let go out of it: behind the header stands the hash of the value as it was sealed
    // (u64), which the next block names as its predecessor's.
    kThinned = 1 << 1,
    // Some events had to ask for their identity: it is kept by another shard (keeper_of).
    kAsked = 1 << 2,
};

// 2: names the registry's revision. Older blocks stay as they are.
inline constexpr std::uint8_t kBlockVersion = 2;
inline constexpr std::size_t kBlockHeaderBytesFirst = 72;  // of version 1
// LZ4 looks back 64 KiB: cutting there costs little ratio and lets a reader unpack one event's
// part.
inline constexpr std::size_t kSegmentBytesTarget = 64u << 10;

struct BlockHeader {
    std::uint8_t version = kBlockVersion;
    BlockCodec codec = BlockCodec::kNone;
    std::uint16_t flags = 0;
    std::uint32_t crc32c = 0;
    std::uint64_t sequence = 0;
    std::uint64_t previous_hash = 0;
    std::uint64_t first_offset = 0;
    std::int64_t received_min_us = 0;
    std::int64_t received_max_us = 0;
    std::uint32_t count = 0;
    std::uint32_t segment_count = 0;
    std::uint32_t records_begin = 0;   // in the body
    std::uint32_t patterns_begin = 0;  // in the body
    std::uint32_t body_bytes = 0;
    std::uint16_t pattern_count = 0;
    std::uint16_t shard = 0;
    // Of what was registered when the block was sealed; 0: not known (version 1).
    std::uint64_t registry_revision = 0;
};
static_assert(sizeof(BlockHeader) == 80);
static_assert(offsetof(BlockHeader, registry_revision) == kBlockHeaderBytesFirst);
constexpr std::size_t block_header_bytes(std::uint8_t version) {
    return version == 1 ? kBlockHeaderBytesFirst : sizeof(BlockHeader);
}

struct SegmentEntry {
    std::uint32_t body_bytes = 0;
    std::uint32_t stored_bytes = 0;  // equal to body_bytes: stored as it is
};
static_assert(sizeof(SegmentEntry) == 8);

// A summary lists at most this many patterns; with more it says so and puts them into its filter.
inline constexpr std::size_t kSummaryPatternsMax = 128;

struct EventRecord {
    std::uint32_t text_begin = 0;  // in the body; the fills follow the text
    std::uint32_t text_bytes = 0;
    std::uint32_t tenant = 0;
    std::uint16_t flags = 0;
    std::uint16_t pattern_index = 0;  // row of the block's pattern table
    std::int64_t received_at_us = 0;
    std::uint32_t key_hash = 0;
    std::uint16_t fills_bytes = 0;
    std::uint16_t spare = 0;
};
static_assert(sizeof(EventRecord) == 32);

// Row of the pattern table; the texts follow the table.
struct PatternEntry {
    std::uint32_t text_begin = 0;  // in the body
    std::uint32_t text_bytes = 0;
};
static_assert(sizeof(PatternEntry) == 8);

// Where the parts of a block's body begin. Texts begin at 0.
struct BlockBody {
    std::uint32_t count = 0;
    std::uint32_t records_begin = 0;
    std::uint32_t patterns_begin = 0;
    std::uint32_t pattern_count = 0;
};

inline constexpr std::uint8_t kSummaryVersion = 1;
enum class SummaryFlag : std::uint8_t { kPatternsOverflow = 1 << 0, kManyTenants = 1 << 1 };

// Then pattern_count x {bytes:u16, text}, then bloom_bytes of filter (bloom_filter.h).
struct SummaryHeader {
    std::uint8_t version = kSummaryVersion;
    std::uint8_t flags = 0;
    std::uint16_t pattern_count = 0;
    std::uint32_t crc32c = 0;  // of every other byte
    std::uint32_t count = 0;
    std::uint32_t tenant = 0;  // the only one, unless kManyTenants
    std::int64_t received_min_us = 0;
    std::int64_t received_max_us = 0;
    std::uint32_t patterns_bytes = 0;
    std::uint32_t bloom_bytes = 0;
    std::uint64_t stored_bytes = 0;  // of the block's value
};
static_assert(sizeof(SummaryHeader) == 48);

// Status of a delivery after an attempt.
enum class DeliveryStatus : std::uint8_t {
    kCompleted = 0,
    kFailed = 1,  // failed for good without a dead letter ("silent")
    kRetrying = 2,
    kDead = 3,  // in the dead-letter queue
};

enum class KvType : std::uint8_t { kJson = 1, kInt64 = 2 };

struct KvValueHeader {
    std::uint8_t version = 1;
    KvType type = KvType::kJson;
    std::uint8_t spare[6] = {};
    std::int64_t expires_at_us = 0;  // 0: never
};
static_assert(sizeof(KvValueHeader) == 16);

}  // namespace millrace::store
