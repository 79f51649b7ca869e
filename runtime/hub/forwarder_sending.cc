// The part of Forwarder that reads the log and sends it.
#include "runtime/hub/forwarder.h"
#include "store/database.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::hub {
namespace {

constexpr double kSecondNs = 1e9;
constexpr std::size_t kRateBatchSeconds = 5;  // a batch takes the line no longer than that

}  // namespace

std::size_t Forwarder::batch_bytes(const Lane& lane) const {
    const std::size_t bytes = lane.pace.bytes();
    if (options_.bytes_per_second_max <= 0) return bytes;
    return std::clamp(static_cast<std::size_t>(options_.bytes_per_second_max) * kRateBatchSeconds,
                      kBatchBytesMin, bytes);
}

std::size_t Forwarder::send(Lane& lane) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (!run_.wanted() || !lane.queue.has_room() || now_ns < lane.try_at_ns ||
        now_ns < line_free_ns_)
        return 0;
    const core::ShardId shard(static_cast<std::uint16_t>(lane.shard()));
    const std::uint64_t end = std::min(deps_.database->synced_end(shard).value, lane.part.end);
    const ForwardMark from = lane.queue.end(lane.mark);
    const bool alone = lane.queue.empty();
    // Behind others only a full one goes: a few events wait for the answer and go together.
    if (!alone && end - std::min(end, from.next) < lane.span) return 0;
    const std::uint64_t silent = lane.quiet.next - std::min(lane.quiet.next, from.next);
    // The end of a backfill is told at once: it is done.
    const bool tells_quiet = alone && silent > 0 &&
                             (now_ns - lane.moved_ns > kQuietNs || silent > kQuietOffsets ||
                              lane.quiet.next == lane.part.end);
    if (end <= from.next || (end == lane.seen_end && !tells_quiet)) return 0;
    auto next = run_.next_batch(from, lane.quiet, lane.part, batch_bytes(lane), incarnation_,
                                tells_quiet ? LogRun::Empty::kIsTold : LogRun::Empty::kWaits);
    if (!next) {
        wait_after(lane, next.error().message, 0);
        return 0;
    }
    if (next->bytes.empty()) return find_nothing(lane, *next, end);
    return post(lane, std::move(*next), now_ns) ? 1 : 0;
}

std::size_t Forwarder::find_nothing(Lane& lane, const LogRun::Next& found, std::uint64_t end) {
    lane.quiet = {lane.mark.lane, found.to, found.hash};
    lane.seen_end = found.full ? 0 : end;
    if (found.missing)
        wait_after(lane,
                   "hub: the log should have offset " + std::to_string(found.to) + " of shard " +
                       std::to_string(lane.shard()) +
                       " and has nothing there; what comes behind it is sent",
                   0);
    return found.full ? 1 : 0;
}

bool Forwarder::post(Lane& lane, LogRun::Next&& batch, std::int64_t now_ns) {
    courier::HttpCall call = call_of("/batches");
    call.method = "POST";
    call.headers.emplace_back("Content-Type", kBatchMediaType);
    if (!lane.queue.empty()) call.headers.emplace_back(kFollowsHeader, "true");
    call.body = std::move(batch.bytes);
    const std::size_t bytes = call.body.size();
    const std::uint64_t ticket = ++sends_ << kTicketLaneBits | (std::uint64_t{lane.mark.lane} + 1);
    if (!port_.send(*this, ticket, std::move(call))) return false;
    if (batch.full) lane.span = batch.to - lane.queue.end(lane.mark).next;
    lane.quiet = {lane.mark.lane, batch.to, batch.hash};
    lane.queue.add(ticket, std::move(batch), now_ns);
    figures_.bytes.add(bytes);
    if (options_.bytes_per_second_max > 0)
        line_free_ns_ =
            now_ns + static_cast<std::int64_t>(static_cast<double>(bytes) * kSecondNs /
                                               static_cast<double>(options_.bytes_per_second_max));
    return true;
}

// ---- to where the hub is

std::size_t Forwarder::step(Lane& lane) {
    if (deps_.clock->monotonic_ns() < lane.try_at_ns) return 0;
    const auto way = run_.walk(*lane.walk);
    if (!way) {
        lane.walk.reset();
        wait_after(lane, way.error().message, 0);
    } else if (*way == LogRun::Way::kShort) {
        lane.walk.reset();
        stand(lane,
              "hub: has more of this folder than the folder itself: this is a copy, or an older "
              "state of it; enroll it under a name of its own");
    } else if (*way == LogRun::Way::kThere) {
        arrive(lane);
    }
    return 1;
}

void Forwarder::arrive(Lane& lane) {
    LogRun::Walk walk = *std::exchange(lane.walk, std::nullopt);
    // Of what retention has taken nobody knows the hash any more.
    if (walk.gaps) walk.at.hash = walk.hash;
    if (walk.at.hash != walk.hash) {
        return stand(lane,
                     "hub: cloned: it has other events of this folder than the folder itself; "
                     "enroll each copy under a name of its own");
    }
    lane.pace.took(false);
    confirm(lane, walk.at);
    look_again(lane);
}

}  // namespace millrace::runtime::hub
