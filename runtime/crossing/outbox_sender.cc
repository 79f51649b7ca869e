#include "runtime/crossing/outbox_sender.h"

#include "runtime/crossing/crossing_event.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::crossing {
namespace {

constexpr int kTaken = 200;
// Whose answer it is stands in the ticket.
constexpr unsigned kTicketLaneBits = 16;

}  // namespace

OutboxSender::OutboxSender(Deps deps)
    : deps_(std::move(deps)),
      lanes_(deps_.outbox->partitions()),
      figures_(*deps_.metrics, deps_.outbox->partitions()) {}

std::size_t OutboxSender::do_work() {
    std::size_t done = 0;
    while (!erasing_.empty() && deps_.submit(erasing_.front())) {
        erasing_.erase(erasing_.begin());
        ++done;
    }
    if (stopped_) return done;
    show_figures();
    if (deps_.outbox->rows() == 0) return done;
    const std::uint64_t commits = deps_.outbox->commits();
    const bool fresh = commits != std::exchange(seen_commits_, commits);
    for (std::size_t to = 0; to < lanes_.size(); ++to) {
        if (to == deps_.partition) continue;
        Lane& lane = lanes_[to];
        if (fresh && lane.wait_ns == 0) lane.look_at_ns = 0;
        done += send(to);
    }
    return done;
}

void OutboxSender::show_figures() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns < show_at_ns_) return;
    show_at_ns_ = now_ns + kShowNs;
    const std::int64_t now_us = deps_.clock->wall_us();
    for (std::size_t to = 0; to < lanes_.size(); ++to)
        figures_.show(to, deps_.outbox->waiting_for(to), lanes_[to].under_way.oldest_at_us, now_us);
}

std::size_t OutboxSender::send(std::size_t to) {
    Lane& lane = lanes_[to];
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (lane.ticket != 0 || now_ns < lane.look_at_ns) return 0;
    if (lane.under_way.ids.empty()) {
        auto batch = next_batch(to, lane.after);
        if (!batch) {
            wait_after(to, lane, batch.error().message);
            return 0;
        }
        if (batch->ids.empty()) {
            lane.look_at_ns = now_ns + kLookNs;
            return 0;
        }
        lane.under_way = std::move(*batch);
    }
    courier::HttpCall call = deps_.neighbours->call_to(to, "POST", kCrossingEventsPath);
    call.headers.emplace_back("Content-Type", "application/octet-stream");
    call.body = lane.under_way.text;
    const std::uint64_t ticket = ++sends_ << kTicketLaneBits | to;
    if (!deps_.port->send(*this, ticket, std::move(call))) return 0;
    lane.ticket = ticket;
    return 1;
}

core::Result<OutboxSender::Batch> OutboxSender::next_batch(std::size_t to,
                                                           const std::string& after) {
    Batch batch;
    std::string from = after;
    while (batch.ids.size() < kBatchRowsMax && batch.text.size() < kBatchBytesMax) {
        // Few at a time: one may be as large as a batch.
        constexpr std::size_t kAtOnce = 64;
        auto rows = deps_.rows->list(kCrossingKind, crossing_row_prefix(to), from, kAtOnce);
        if (!rows) return core::fail(std::move(rows.error()));
        for (const store::RegistryDocument& row : *rows) {
            if (batch.ids.size() == kBatchRowsMax || batch.text.size() >= kBatchBytesMax) break;
            if (batch.ids.empty()) batch.oldest_at_us = row.updated_at_us;
            batch.text += row.json;
            batch.bytes += row.json.size();
            batch.ids.push_back(row.id);
            from = row.id;
        }
        if (rows->size() < kAtOnce) break;
    }
    return batch;
}

void OutboxSender::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    const std::size_t to = ticket & ((1u << kTicketLaneBits) - 1);
    if (to >= lanes_.size() || lanes_[to].ticket != ticket) return;
    Lane& lane = lanes_[to];
    lane.ticket = 0;
    const std::size_t events = lane.under_way.ids.size();
    const bool answered = answer.fault == courier::HttpFault::kNone;
    // Nobody else's 200 counts.
    if (!answered || answer.status != kTaken || answer.body != taken_text(events)) {
        figures_.failed(to, events);
        return wait_after(to, lane,
                          answered
                              ? std::to_string(answer.status) + " " + answer.body.substr(0, 200)
                              : answer.message);
    }
    if (std::exchange(lane.told, false))
        deps_.log->info("events go to the partition again", {{"partition", to}});
    lane.wait_ns = 0;
    lane.look_at_ns = 0;
    figures_.sent(to, events);
    erase(to, lane);
}

// Behind the answer: they are durable there.
void OutboxSender::erase(std::size_t to, Lane& lane) {
    auto result = std::make_unique<LaneResult>();
    for (const std::string& id : lane.under_way.ids) result->rows.erase_registry(kCrossingKind, id);
    lane.after = lane.under_way.ids.back();
    deps_.outbox->sent(to, lane.under_way.ids.size(), lane.under_way.bytes);
    lane.under_way = {};
    erasing_.push_back(std::move(result));
}

void OutboxSender::wait_after(std::size_t to, Lane& lane, const std::string& why) {
    lane.wait_ns = std::clamp(lane.wait_ns * 2, kWaitNsMin, kWaitNsMax);
    lane.look_at_ns = deps_.clock->monotonic_ns() + lane.wait_ns;
    if (lane.told || lane.wait_ns < kWaitNsMax / 4) return;
    lane.told = true;
    deps_.log->warn("events wait for a partition that does not take them",
                    {{"partition", to}, {"reason", why}});
}

}  // namespace millrace::runtime::crossing
