#include "tests/sim/model.h"

#include "core/timestamp.h"
#include "store/log/log_reader.h"
#include "store/rows/registry_store.h"
#include "tests/sim/found.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::sim {

namespace {

constexpr std::uint64_t kScheduledAheadMsMax = 400;

// An id counts as long as its event is there.
bool forgotten(store::Database& database, core::LogPosition position) {
    if (position.offset < database.first_kept(position.shard)) return true;
    const auto block = database.log_reader().read_block(position.shard, position.offset);
    return block && *block && block->gone(block->index_of(position.offset));
}

}  // namespace

// One of its own, or one that another tenant or another source has had already.
void Model::choose_id(core::Random& random, const EventMix& mix, SentEvent& event) {
    static constexpr std::string_view kSources[] = {"", "s1", "s2"};
    event.id = "e" + std::to_string(event.number);
    event.source = kSources[random.below(std::size(kSources))];
    if (mix.same_id_one_in != 0 && !events_.empty() && random.below(mix.same_id_one_in) == 0)
        take_id_of(events_[random.below(events_.size())], event);
    identities_.emplace(event.tenant, event.source, event.id);
}

void Model::look_at_clock(std::int64_t now_us) {
    latest_us = std::max(latest_us, now_us);
    if (now_us < last_us_) {
        for (SentEvent& event : events_) {
            if (event.acknowledged == 0) event.made_us = std::min(event.made_us, now_us);
        }
    }
    last_us_ = now_us;
}

void Model::take_id_of(const SentEvent& other, SentEvent& event) {
    if (other.id.empty() || identities_.contains({event.tenant, event.source, other.id})) return;
    event.id = other.id;
}

SentEvent& Model::make(core::Random& random, std::string_view key, const EventMix& mix) {
    SentEvent event;
    event.number = events_.size() + 1;
    event.tenant = mix.tenant;
    event.key = key;
    event.made_us = mix.now_us;
    if (random.below(6) == 0)
        event.fails =
            random.below(4) == 0 ? 99 : 1 + static_cast<std::uint32_t>(random.below(kRetriesMax));
    event.emits = random.below(5) == 0;
    if (mix.edge_one_in != 0 && random.below(mix.edge_one_in) == 0)
        event.edge = EmitEdge::draw(random);
    if (random.below(3) != 0) choose_id(random, mix, event);
    event.pattern = random.below(kPatterns);
    event.text = "{";
    if (!event.source.empty())
        event.text += R"("source":{"type":"integration","id":")" + event.source + "\"},";
    if (!event.id.empty()) event.text += "\"eventId\":\"" + event.id + "\",";
    if (mix.scheduled_one_in != 0 && random.below(mix.scheduled_one_in) == 0) {
        event.scheduled_us =
            mix.now_us + static_cast<std::int64_t>(random.below(kScheduledAheadMsMax * 1000));
        event.text += "\"scheduledAt\":\"" + core::format_timestamp(event.scheduled_us) + "\",";
    }
    event.text += "\"pattern\":\"sim.p" + std::to_string(event.pattern) + "\",\"partitionKey\":\"" +
                  event.key + "\",\"payload\":{\"n\":" + std::to_string(event.number) +
                  ",\"fails\":" + std::to_string(event.fails) +
                  ",\"emit\":" + (event.emits ? "true" : "false") + event.edge.members() +
                  ",\"at\":" + std::to_string(event.scheduled_us) + ",\"text\":\"" +
                  std::string(random.below(20) == 0 ? random.below(9000) : random.below(200), 'x') +
                  "\"}}";
    events_.push_back(std::move(event));
    return events_.back();
}

std::string Model::acknowledge(store::Database& database, SentEvent& event,
                               core::LogPosition position, bool duplicate) {
    const std::string who = "event " + std::to_string(event.number) + " (" + at(position) + ")";
    if (event.id.empty()) {
        if (duplicate) return who + ": an event without an id is answered as a duplicate";
        if (event.sendings > 1) return "";  // sent again as another event: not followed
    } else {
        const bool may_come_again = may_be_gone(event);
        if (event.placed && position != event.position) {
            if (!may_come_again || !forgotten(database, event.position))
                return who + ": another answer said " + at(event.position);
            event.position = position;
            event.taken = 0;
        }
        if (event.sendings == 1 && duplicate) return who + ": sent once, answered as a duplicate";
        if (!duplicate && ++event.taken > 1) return who + ": two answers say that it is the first";
    }
    if (event.acknowledged++ == 0) event.acknowledged_serial = ++acknowledgements_;
    if (!event.placed) event.position = position;
    event.placed = true;
    return "";
}

std::string Model::acknowledge_resent(const SentEvent& event, core::LogPosition position,
                                      bool duplicate) const {
    const std::string who = "event " + std::to_string(event.number) + " (" + at(event.position) +
                            "), sent again by the id that the server made,";
    if (!duplicate) return who + " is answered as a new one";
    return position == event.position ? "" : who + " is told to stand at " + at(position);
}

void Model::acknowledge_line(SentEvent& event) {
    if (event.id.empty() && event.sendings > 1) return;
    if (event.acknowledged++ == 0) event.acknowledged_serial = ++acknowledgements_;
}

std::vector<std::uint64_t> Model::range(store::Database& database, const SentRange& sent) const {
    std::vector<std::uint64_t> numbers;
    for (const SentEvent& event : events_) {
        if (event.tenant != sent.tenant || !event.placed || event.acknowledged_serial > sent.serial)
            continue;
        // Where the clock jumps, what was due at the request may not be when its turn comes.
        if (event.scheduled_us > (clock_steps ? 0 : sent.begun_us)) continue;
        const auto there = database.log_reader().read_event(event.position);
        if (!there || !*there || number_in((*there)->event.raw) != event.number) continue;
        const std::int64_t came_us = (*there)->event.received_at_us;
        if (came_us >= sent.from_us && came_us < sent.to_us) numbers.push_back(event.number);
    }
    return numbers;
}

bool Model::replays_running(store::Database& database) const {
    for (const SentReplay& replay : replays) {
        const auto document = database.registry().get("replay", replay.id);
        if (document && *document && (*document)->json.find("\"running\"") != std::string::npos)
            return true;
    }
    return false;
}

}  // namespace millrace::sim
