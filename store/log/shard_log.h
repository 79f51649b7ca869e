// What: the open end of one shard's log. append() copies an event's bytes into the open block,
//       after the identity index has said that it is new; seal() closes the block and gives its
//       finished value for the log writer. Text is compressed 64 KiB at a time as it comes, so that
//       sealing a full block costs no more than its last piece.
// Threads: one owner, the shard's thread. Never touches RocksDB or the disk.
// Lifetime: made by Database::shard_log(), which owns it; sealed blocks may outlive it, not the
//       Database.
// Limits: core::kBlockBytesTarget, core::kBlockEventsMax, core::kEventBytesMax; fills <= 64 KiB.
// Failure: small enums. Nothing here can fail for the disk's sake.
#pragma once

#include "core/buffer.h"
#include "core/ids.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"
#include "store/log/format.h"
#include "store/log/tenant_bytes.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class ShardIdIndex;
class BlockBuilder;
class PoolSet;

struct AppendInput {
    std::string_view raw{};
    std::string_view fills{};  // opaque to the store; comes back in StoredEvent::fills
    std::string_view pattern{};
    std::int64_t received_at_us = 0;
    core::TenantId tenant{};
    std::uint16_t flags = 0;     // EventFlag bits
    IdHash id;                   // Hasher::identity(); none for an id made by the server
    bool asked = false;          // id's keeper is another shard, and was asked
    std::uint64_t key_hash = 0;  // partition key (or event id): its low 32 bits are kept
    // Hasher::text() of each, 0 when absent: they go into the block's bloom filter for search.
    std::uint64_t source_hash = 0;  // of the source's id
    std::uint64_t correlation_hash = 0;
    std::uint64_t causation_hash = 0;
    std::uint64_t context_hash = 0;  // of the context's id
};

enum class AppendStatus : std::uint8_t {
    kAppended,
    kDuplicate,  // `position` is the first one's
    kBlockFull,  // seal(), then append again
    kBusy,       // the identity index waits for the housekeeper: answer 429, nothing was taken
};

// What to do about kBusy: an event in the middle of what is whole or not at all must not be
// refused.
enum class WhenBusy : std::uint8_t { kRefuse, kTakeAnyway };

struct AppendResult {
    AppendStatus status = AppendStatus::kBusy;
    core::LogPosition position{};
    // kDuplicate only: false while the first one is still on its way to the disk. Then the ack of
    // the duplicate has to wait for durable_end > position.offset, like the first one's.
    bool durable = false;
};

// A closed block: the events for the lanes, and the bytes for the writer.
struct SealedBlock {
    EventBlock events;
    core::BufferRef value{};    // the log row's value, complete with chain and checksum
    core::BufferRef summary{};  // the summary row's value
    std::uint64_t sequence = 0;
    std::uint64_t hash = 0;  // what the next block carries as its predecessor's hash
    std::vector<TenantBytes> of_tenants{};
};

class ShardLog {
public:
    struct Options {
        core::ShardId shard{};
        std::size_t shards = 1;
        core::LogOffset next_offset{};
        std::uint64_t next_sequence = 0;
        std::uint64_t previous_hash = 0;
        std::int64_t received_high_us = 0;  // of what is there (received_high.h)
        PoolSet* pools = nullptr;
        ShardIdIndex* ids = nullptr;
        std::size_t block_bytes_target = core::kBlockBytesTarget;
    };
    explicit ShardLog(const Options& options);
    ~ShardLog();
    ShardLog(const ShardLog&) = delete;
    ShardLog& operator=(const ShardLog&) = delete;

    AppendResult append(const AppendInput& input, WhenBusy when_busy = WhenBusy::kRefuse);
    // Of an event that was taken here: kDuplicate, or kBusy when it is no longer kept.
    AppendResult find(const IdHash& id);
    // Asks the caches for what append() of this id will touch; call it for the event 8 places ahead
    // in a batch (measured: halves the cost of the identity index).
    void prefetch(const IdHash& id) const;
    // The position that the next append() will give: the server-made id is derived from it.
    core::LogPosition next_position() const;

    bool empty() const;  // no event in the open block
    std::uint32_t open_events() const;
    std::size_t open_bytes() const;
    bool full() const;  // worth sealing now: by bytes or by count
    // The open block must not be empty. Push the result to the log writer in this order. The block
    // remembers which revision of what is registered it was sealed under (0: not known).
    SealedBlock seal(std::uint64_t registry_revision = 0);

    core::ShardId shard() const { return options_.shard; }

private:
    Options options_;
    std::unique_ptr<BlockBuilder> builder_;
};

}  // namespace millrace::store
