#include "tests/sim/model.h"

#include "runtime/shard.h"
#include "store/dead_letters.h"
#include "store/executions.h"
#include "store/kv_store.h"
#include "store/log_reader.h"
#include "store/retry_schedule.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>
#include <utility>

namespace millrace::sim {

namespace {

std::string at(core::LogPosition position) {
    return "shard " + std::to_string(position.shard.value) + " offset " +
           std::to_string(position.offset.value);
}

// The number behind "n": in a payload of ours.
std::uint64_t number_in(std::string_view text) {
    static constexpr std::string_view kName = "\"n\":";
    const std::size_t begin = text.find(kName);
    std::uint64_t number = 0;
    if (begin == std::string_view::npos) return number;
    std::from_chars(text.data() + begin + kName.size(), text.data() + text.size(), number);
    return number;
}

std::int64_t counter(store::Database& database, const std::string& key) {
    const auto value = database.kv().get({core::TenantId{0}, "kv", key});
    if (!value || !*value) return 0;
    return (*value)->type == store::KvType::kInt64
               ? (*value)->integer
               : std::strtoll((*value)->json.c_str(), nullptr, 10);
}

}  // namespace

struct Model::Found {
    struct Event {
        core::LogPosition position;
        std::string raw;
        std::string pattern;
    };
    std::vector<Event> events;                                    // in log order, shard by shard
    std::map<std::uint64_t, std::vector<std::size_t>> by_number;  // sent ones
    std::map<std::uint64_t, std::uint32_t> derived;               // by number of the cause
    std::uint64_t alerts = 0;
};

SentEvent& Model::make(core::Random& random, std::string_view key) {
    SentEvent event;
    event.number = events_.size() + 1;
    event.key = key;
    if (random.below(3) != 0) event.id = "e" + std::to_string(event.number);
    if (random.below(6) == 0)
        event.fails =
            random.below(4) == 0 ? 99 : 1 + static_cast<std::uint32_t>(random.below(kRetriesMax));
    event.emits = random.below(5) == 0;
    event.text = "{";
    if (!event.id.empty()) event.text += "\"eventId\":\"" + event.id + "\",";
    event.text +=
        "\"pattern\":\"sim.p" + std::to_string(random.below(4)) + "\",\"partitionKey\":\"" +
        event.key + "\",\"payload\":{\"n\":" + std::to_string(event.number) +
        ",\"fails\":" + std::to_string(event.fails) +
        ",\"emit\":" + (event.emits ? "true" : "false") + ",\"text\":\"" +
        std::string(random.below(20) == 0 ? random.below(9000) : random.below(200), 'x') + "\"}}";
    events_.push_back(std::move(event));
    return events_.back();
}

std::string Model::acknowledge(SentEvent& event, core::LogPosition position, bool duplicate) {
    const std::string who = "event " + std::to_string(event.number) + " (" + at(position) + ")";
    if (event.id.empty()) {
        if (duplicate) return who + ": an event without an id is answered as a duplicate";
        if (event.sendings > 1) return "";  // sent again as another event: not followed
    } else {
        if (event.acknowledged != 0 && position != event.position)
            return who + ": another answer said " + at(event.position);
        if (event.sendings == 1 && duplicate) return who + ": sent once, answered as a duplicate";
        if (!duplicate && ++event.taken > 1) return who + ": two answers say that it is the first";
    }
    if (event.acknowledged++ == 0) event.position = position;
    return "";
}

std::string Model::read_log(store::Database& database, Found& found) const {
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        core::LogOffset next{0};
        while (next < database.durable_end(shard)) {
            const auto block = database.log_reader().read_block(shard, next);
            if (!block || !*block) return "the log can't be read at " + at({shard, next});
            if (block->first_offset() != next) return "the log has a gap at " + at({shard, next});
            for (std::uint32_t index = 0; index < block->count(); ++index) {
                const store::StoredEvent event = block->event(index);
                const std::uint64_t number = number_in(event.raw);
                if (event.pattern == "derived.thing") {
                    ++found.derived[number];
                } else if (event.pattern == "system.dlq.added") {
                    ++found.alerts;
                } else {
                    found.by_number[number].push_back(found.events.size());
                }
                found.events.push_back(
                    {event.position, std::string(event.raw), std::string(event.pattern)});
            }
            next = block->end_offset();
        }
    }
    return "";
}

// Every acknowledged event once, byte for byte, where the answer said; none that nobody sent.
std::string Model::check_log(const Found& found) const {
    for (const auto& [number, places] : found.by_number) {
        if (number == 0 || number > events_.size())
            return "an event that nobody sent: " + found.events[places.front()].raw;
        const SentEvent& event = events_[number - 1];
        const std::size_t most = event.id.empty() ? event.sendings : 1;
        if (places.size() > most) {
            return "event " + std::to_string(number) + " is in the log " +
                   std::to_string(places.size()) + " times, sent " +
                   std::to_string(event.sendings) + " times";
        }
        for (const std::size_t place : places) {
            if (found.events[place].raw != event.text)
                return "event " + std::to_string(number) +
                       " has changed: " + found.events[place].raw;
        }
    }
    for (const SentEvent& event : events_) {
        if (event.acknowledged == 0) continue;
        const auto places = found.by_number.find(event.number);
        const bool there =
            places != found.by_number.end() &&
            std::any_of(places->second.begin(), places->second.end(), [&](std::size_t place) {
                return found.events[place].position == event.position;
            });
        if (!there) {
            return "event " + std::to_string(event.number) + " was acknowledged and is not at " +
                   at(event.position);
        }
    }
    return "";
}

std::string Model::check_start(store::Database& database, core::SubscriptionId count) const {
    Found found;
    if (std::string wrong = read_log(database, found); !wrong.empty()) return wrong;
    if (std::string wrong = check_log(found); !wrong.empty()) return wrong;
    // The cursor: everything behind it has an outcome.
    for (const Found::Event& event : found.events) {
        const core::LogOffset cursor =
            database.cursor(runtime::kDeliveryCursor, event.position.shard);
        if (event.position.offset >= cursor || !event.pattern.starts_with(kPatternPrefix)) continue;
        const auto execution = database.executions().get({event.position, count});
        if (!execution || !*execution) {
            return "the cursor of shard " + std::to_string(event.position.shard.value) + " is at " +
                   std::to_string(cursor.value) + ", but the delivery of offset " +
                   std::to_string(event.position.offset.value) + " has no outcome";
        }
    }
    return "";
}

std::string Model::check_event(store::Database& database, const SentEvent& event,
                               const Found& found, core::SubscriptionId count) const {
    const auto places = found.by_number.find(event.number);
    const auto copies =
        static_cast<std::int64_t>(places == found.by_number.end() ? 0 : places->second.size());
    const std::string number = std::to_string(event.number);
    const std::int64_t seen = counter(database, "seen:" + number);
    const bool dies = event.fails > kRetriesMax;
    const std::int64_t expected = dies ? 0 : copies;
    if (seen != expected) {
        return "event " + number + " took effect " + std::to_string(seen) + " times instead of " +
               std::to_string(expected);
    }
    const auto derived = found.derived.find(event.number);
    const std::int64_t emitted = derived == found.derived.end() ? 0 : derived->second;
    const std::int64_t to_emit = event.emits ? expected : 0;
    if (emitted != to_emit) {
        return "event " + number + " emitted " + std::to_string(emitted) + " events instead of " +
               std::to_string(to_emit);
    }
    if (const std::int64_t handled = counter(database, "derived:" + number); handled != emitted) {
        return "the event emitted by " + number + " took effect " + std::to_string(handled) +
               " times instead of " + std::to_string(emitted);
    }
    for (std::int64_t copy = 0; copy < copies; ++copy) {
        const core::LogPosition position =
            found.events[places->second[static_cast<std::size_t>(copy)]].position;
        const auto execution = database.executions().get({position, count});
        if (!execution || !*execution) return "event " + number + " has no execution";
        const auto status = (*execution)->status;
        if (status != (dies ? store::DeliveryStatus::kDead : store::DeliveryStatus::kCompleted))
            return "event " + number + " ended in status " +
                   std::to_string(static_cast<int>(status));
        const std::size_t attempts = std::min(event.fails, kRetriesMax) + 1;
        // An attempt 0 says that the delivery was parked.
        const auto made =
            std::count_if((*execution)->attempts.begin(), (*execution)->attempts.end(),
                          [](const auto& attempt) { return attempt.attempt != 0; });
        if (made != static_cast<std::ptrdiff_t>(attempts)) {
            return "event " + number + " has " + std::to_string(made) +
                   " attempts on record instead of " + std::to_string(attempts);
        }
    }
    return "";
}

// Per key, in log order, all that succeeded counted up one by one; where retries do not hold up
// their key, those that succeeded at their first attempt.
std::string Model::check_order(store::Database& database, const Found& found,
                               core::SubscriptionId count) const {
    struct Last {
        std::int64_t turn = 0;
        std::string what = "none";
    };
    std::map<std::string, Last> keys;
    for (const Found::Event& event : found.events) {
        if (!event.pattern.starts_with(kPatternPrefix)) continue;
        const SentEvent& sent = events_[number_in(event.raw) - 1];
        if (sent.fails > (ordered ? kRetriesMax : 0)) continue;
        const auto execution = database.executions().get({event.position, count});
        if (!execution || !*execution) return "no execution at " + at(event.position);
        const std::int64_t turn = std::strtoll((*execution)->result.c_str(), nullptr, 10);
        const std::string what = "event " + std::to_string(sent.number) + " (" +
                                 at(event.position) + ", begun at " +
                                 std::to_string((*execution)->attempts.front().started_at_us) +
                                 ") was number " + std::to_string(turn);
        Last& last = keys[sent.key];
        if (turn != last.turn + 1)
            return "key " + sent.key + ": " + what + ", its predecessor: " + last.what;
        last = {turn, what};
    }
    return "";
}

std::string Model::check_end(store::Database& database, core::SubscriptionId count) const {
    Found found;
    if (std::string wrong = read_log(database, found); !wrong.empty()) return wrong;
    if (std::string wrong = check_log(found); !wrong.empty()) return wrong;
    for (const SentEvent& event : events_) {
        if (std::string wrong = check_event(database, event, found, count); !wrong.empty())
            return wrong;
    }
    if (std::string wrong = check_order(database, found, count); !wrong.empty()) return wrong;

    std::uint64_t dead = 0;
    for (const SentEvent& event : events_) {
        const auto places = found.by_number.find(event.number);
        if (event.fails > kRetriesMax && places != found.by_number.end())
            dead += places->second.size();
    }
    std::set<std::tuple<std::uint16_t, std::uint64_t, std::uint32_t>> letters;
    std::uint64_t counted = 0;
    store::DeadLetterQuery query;
    query.limit = 100'000;
    const auto page = database.dead_letters().list(query);
    if (!page) return "the dead letters can't be read";
    for (const store::OwnedDeadLetter& letter : page->rows) {
        const core::LogPosition position = letter.row.key.delivery.position;
        const core::SubscriptionId owner = letter.row.key.delivery.subscription;
        if (!letters.insert({position.shard.value, position.offset.value, owner.value}).second)
            return "two dead letters of " + at(position);
        counted += owner == count;
    }
    if (counted != dead) {
        return std::to_string(counted) + " dead letters instead of " + std::to_string(dead);
    }
    if (found.alerts != letters.size()) {
        return std::to_string(found.alerts) + " alerts of " + std::to_string(letters.size()) +
               " dead letters";
    }
    if (const std::int64_t seen = counter(database, "alerts");
        seen != static_cast<std::int64_t>(found.alerts))
        return std::to_string(seen) + " alerts handled of " + std::to_string(found.alerts);
    const auto runs = static_cast<std::uint64_t>(counter(database, "runs"));
    if (runs < runs_done || runs > runs_sent) {
        return std::to_string(runs) + " script runs took effect, " + std::to_string(runs_done) +
               " were answered, " + std::to_string(runs_sent) + " sent";
    }
    if (database.retries().count() != 0) return "retries are left over";
    return "";
}

}  // namespace millrace::sim
