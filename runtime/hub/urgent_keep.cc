#include "runtime/hub/urgent_keep.h"

#include "store/database.h"
#include "store/log/log_walk.h"

#include <algorithm>

namespace millrace::runtime::hub {

void UrgentKeep::sent_to(std::uint32_t shard, std::uint64_t offset) {
    const std::lock_guard lock(mutex_);
    shards_[shard].sent = std::max(shards_[shard].sent, offset);
}

void UrgentKeep::look(std::size_t index, Shard& shard) {
    while (!shard.unsent.empty() && shard.unsent.front() < shard.sent) shard.unsent.pop_front();
    const core::ShardId id(static_cast<std::uint16_t>(index));
    // What is not there any more, or was sent, has not to be looked at.
    const auto number = static_cast<std::uint32_t>(index);
    shard.looked =
        std::max({shard.looked, shard.sent, urgent_.begin(number), database_.first_kept(id).value});
    struct Walker {
        const UrgentEvents& urgent;
        std::uint32_t number;
        Shard& shard;
        static bool goes_on() { return true; }
        void event(const store::StoredEvent& event) {
            const std::uint64_t offset = event.position.offset.value;
            if (event.tenant.value != 0 || !urgent.is(number, offset, event.pattern)) return;
            shard.unsent.push_back(offset);
            if (shard.unsent.size() > kEventsMax) shard.unsent.pop_front();
        }
        void lost(std::uint64_t, std::uint64_t) {}
    } walker{urgent_, number, shard};
    const auto way = store::walk_log(
        database_.log_reader(),
        {{id, core::LogOffset(shard.looked)}, database_.durable_end(id).value, kBlocksPerLook},
        walker);
    if (way) shard.looked = way->to;
}

std::vector<core::LogOffset> UrgentKeep::floors() {
    const std::lock_guard lock(mutex_);
    std::vector<core::LogOffset> out;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        look(i, shards_[i]);
        out.emplace_back(shards_[i].looked);
    }
    return out;
}

std::vector<core::LogPosition> UrgentKeep::events() const {
    const std::lock_guard lock(mutex_);
    std::vector<core::LogPosition> out;
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const core::ShardId id(static_cast<std::uint16_t>(i));
        for (const std::uint64_t offset : shards_[i].unsent)
            if (offset >= shards_[i].sent) out.push_back({id, core::LogOffset(offset)});
    }
    return out;
}

}  // namespace millrace::runtime::hub
