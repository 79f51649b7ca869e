#include "runtime/shard/place_look.h"

#include "runtime/event/event_source.h"
#include "store/log/log_reader.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using store::EventFlag;

void PlaceLook::ask(IngestRequest& request) {
    std::lock_guard lock(mutex_);
    fresh_.push_back(&request);
}

void PlaceLook::take_asked() {
    std::lock_guard lock(mutex_);
    for (IngestRequest* request : fresh_) asked_.push_back({request});
    fresh_.clear();
}

std::size_t PlaceLook::do_work() {
    take_asked();
    if (asked_.empty()) return 0;
    const std::int64_t now = now_us();
    std::size_t done = 0;
    blocks_read_ = 0;
    // They take turns: one that waits for a commit holds up nobody.
    for (std::size_t i = asked_.size(); i > 0 && blocks_read_ == 0; --i) {
        Asked asked = asked_.front();
        asked_.pop_front();
        const bool waits = asked.again_us > now;
        if (!waits) ++done;
        if (waits || !step(asked))
            asked_.push_back(asked);
        else
            deps_.looked(*asked.request);
    }
    if (asked_.empty()) blocks_.clear();
    return done;
}

// True: all of it was looked at.
bool PlaceLook::step(Asked& asked) {
    IngestRequest& request = *asked.request;
    const std::size_t end = std::min(request.made.size(), asked.next + kItemsPerStep);
    while (asked.next < end && blocks_read_ == 0) {
        IngestItem& item = request.items[request.made[asked.next]];
        const Found found = look_at(item);
        if (found == Found::kNotYet) {
            const std::int64_t now = now_us();
            if (asked.since_us == 0) asked.since_us = now;
            const bool comes = item.position.offset < deps_.appended(item.position.shard);
            if (comes || now - asked.since_us < kSettleUs) {
                asked.again_us = now + kAgainUs;
                return false;
            }
        }
        if (found == Found::kYes)
            item.answer = KeeperAnswer::kStands;
        else
            item.position = {};
        asked.since_us = 0;
        ++asked.next;
    }
    return asked.next == request.made.size();
}

// Not yet: the log does not reach so far, or what stands there is not durable.
PlaceLook::Found PlaceLook::look_at(const IngestItem& item) {
    const core::LogPosition at = item.position;
    store::LogReader& log = deps_.database->log_reader();
    blocks_.resize(deps_.database->shards());
    store::EventBlock& block = blocks_[at.shard.value];
    if (!block || !block.contains(at.offset)) {
        if (at.offset >= log.durable_end(at.shard)) return Found::kNotYet;
        ++blocks_read_;
        auto read = log.read_block(at.shard, at.offset);
        if (!read) {
            deps_.log->error(
                "ingest: the place of an event can't be read; the one that came is "
                "taken as a new one",
                {{"shard", at.shard.value},
                 {"offset", at.offset.value},
                 {"error", read.error().message}});
        }
        block = read ? std::move(*read) : store::EventBlock{};
        if (!block || !block.contains(at.offset)) return Found::kNo;
    }
    const std::uint32_t index = block.index_of(at.offset);
    if (block.gone(index)) return Found::kNo;
    return is_same(block.event(index), item) ? Found::kYes : Found::kNo;
}

bool PlaceLook::is_same(const store::StoredEvent& event, const IngestItem& item) {
    if (!event.has(EventFlag::kFilledEventId)) return false;
    EventSource source{kDefaultSourceType, kDefaultSourceId};
    if (!event.has(EventFlag::kFilledSource)) {
        core::Envelope envelope;
        core::Error error;
        if (!parser_.begin(event.raw, core::BatchFormat::kJson) ||
            parser_.next(nullptr, envelope, nullptr, error) != core::ParseOutcome::kEvent)
            return false;
        source = source_of(envelope);
    }
    return deps_.database->hasher().identity(
               {event.tenant, source.type, source.id, item.event_id}) == item.input.id;
}

}  // namespace millrace::runtime
