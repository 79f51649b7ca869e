#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"
#include "store/rows/executions.h"
#include "store/rows/registry_store.h"
#include "store/rows/retry_schedule.h"
#include "tests/sim/found.h"
#include "tests/sim/model.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace millrace::sim {

std::string Model::check_event(store::Database& database, const SentEvent& event,
                               const Found& found, core::SubscriptionId count,
                               std::int64_t now_us) const {
    const auto places = found.by_number.find(event.number);
    const auto copies =
        static_cast<std::int64_t>(places == found.by_number.end() ? 0 : places->second.size());
    const std::string number = std::to_string(event.number);
    const std::int64_t seen = counter(database, "seen:" + number);
    const bool dies = event.fails > kRetriesMax;
    // What is gone from the log has had its effect; how often something came that was never
    // acknowledged nobody knows then.
    const bool may_go = may_be_gone(event, now_us);
    const std::int64_t least =
        dies ? 0 : std::max<std::int64_t>(copies, may_go && event.acknowledged != 0 ? 1 : 0);
    const std::int64_t most = dies ? 0 : may_go ? std::int64_t{event.sendings} : copies;
    if (seen < least || seen > most) {
        return "event " + number + " took effect " + std::to_string(seen) + " times instead of " +
               std::to_string(least) + (most > least ? " to " + std::to_string(most) : "");
    }
    if (std::string wrong = check_emitted(database, event, found, seen); !wrong.empty())
        return wrong;
    for (std::int64_t copy = 0; copy < copies; ++copy) {
        const std::size_t place = places->second[static_cast<std::size_t>(copy)];
        if (std::string wrong =
                check_execution(database, event, found.events[place].position, count);
            !wrong.empty())
            return wrong;
    }
    return "";
}

std::string Model::check_emitted(store::Database& database, const SentEvent& event,
                                 const Found& found, std::int64_t effects) const {
    const std::string number = std::to_string(event.number);
    const auto derived = found.derived.find(event.number);
    const std::int64_t emitted = derived == found.derived.end() ? 0 : derived->second;
    const std::int64_t to_emit = event.emits ? effects : 0;
    if (keeping.any() ? emitted > to_emit : emitted != to_emit) {
        return "event " + number + " emitted " + std::to_string(emitted) + " events instead of " +
               std::to_string(to_emit);
    }
    // The id of what is emitted hangs on its cause's: with that one's coming again it may be known.
    const std::int64_t handled = counter(database, "derived:" + number);
    if (to_emit > 1 && keeping.any() ? handled < 1 || handled > to_emit : handled != to_emit) {
        return "the event emitted by " + number + " took effect " + std::to_string(handled) +
               " times instead of " + std::to_string(to_emit);
    }
    return "";
}

// A replay's attempts stand apart and succeed; all else stays as it was.
std::string Model::check_execution(store::Database& database, const SentEvent& event,
                                   core::LogPosition position, core::SubscriptionId count) const {
    const std::string who = "event " + std::to_string(event.number);
    const auto execution = database.executions().get({position, count});
    if (!execution || !*execution) return who + " has no execution";
    const bool dies = event.fails > kRetriesMax;
    const auto status = (*execution)->status;
    if (status != (dies ? store::DeliveryStatus::kDead : store::DeliveryStatus::kCompleted))
        return who + " ended in status " + std::to_string(static_cast<int>(status));
    std::uint32_t failed = 0;
    std::uint32_t completed = 0;
    for (const store::ExecutionAttempt& attempt : (*execution)->attempts) {
        // An attempt 0 says that the delivery was parked, or waits for its time.
        if (attempt.attempt == 0) continue;
        ++(attempt.status == store::DeliveryStatus::kCompleted ? completed : failed);
    }
    const std::uint32_t to_fail = std::min(event.fails, kRetriesMax + 1);
    const std::uint32_t to_complete = dies ? 0 : 1;
    for (const store::ExecutionRun& run : (*execution)->replays) {
        if (run.status != store::DeliveryStatus::kCompleted)
            return who + " failed in replay " + run.replay_id;
    }
    if (failed != to_fail || completed != to_complete) {
        return who + " has " + std::to_string(failed) + " failed and " + std::to_string(completed) +
               " good attempts on record instead of " + std::to_string(to_fail) + " and " +
               std::to_string(to_complete);
    }
    return "";
}

// Per key, in log order, all that succeeded counted up one by one; where retries do not hold up
// their key, those that succeeded at their first attempt. What waited for its time is no part of
// it, and what is gone has left holes.
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
        if (sent.fails > (ordered ? kRetriesMax : 0) || sent.scheduled_us != 0) continue;
        const auto execution = database.executions().get({event.position, count});
        if (!execution || !*execution) return "no execution at " + at(event.position);
        const std::int64_t turn = std::strtoll((*execution)->result.c_str(), nullptr, 10);
        const std::string what = "event " + std::to_string(sent.number) + " (" +
                                 at(event.position) + ", begun at " +
                                 std::to_string((*execution)->attempts.front().started_at_us) +
                                 ") was number " + std::to_string(turn);
        Last& last = keys[sent.key];
        if (keeping.any() ? turn <= last.turn : turn != last.turn + 1)
            return "key " + sent.key + ": " + what + ", its predecessor: " + last.what;
        last = {turn, what};
    }
    return "";
}

std::string Model::check_dead_letters(store::Database& database, const Found& found,
                                      core::SubscriptionId count) const {
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
        if (found.gone(position)) return "the event of a dead letter is gone: " + at(position);
        counted += owner == count;
    }
    if (counted != dead) {
        return std::to_string(counted) + " dead letters instead of " + std::to_string(dead);
    }
    if (keeping.any() ? found.alerts > letters.size() : found.alerts != letters.size()) {
        return std::to_string(found.alerts) + " alerts of " + std::to_string(letters.size()) +
               " dead letters";
    }
    if (const std::int64_t seen = counter(database, "alerts");
        seen != static_cast<std::int64_t>(letters.size()))
        return std::to_string(seen) + " alerts handled of " + std::to_string(letters.size());
    return "";
}

std::string Model::check_replays(store::Database& database) const {
    for (const SentReplay& replay : replays) {
        const auto document = database.registry().get("replay", replay.id);
        if (!document || !*document) return "replay " + replay.id + " is not known any more";
        if ((*document)->json.find("\"completed\"") == std::string::npos)
            return "replay " + replay.id + " is not completed: " + (*document)->json;
        for (const std::uint64_t number : replay.events) {
            const std::int64_t times =
                counter(database, "replayed:" + replay.id + ":" + std::to_string(number));
            if (replay.dry_run ? times != 0 : times < 1) {
                return std::string(replay.dry_run ? "dry run " : "replay ") + replay.id +
                       " brought event " + std::to_string(number) + " " + std::to_string(times) +
                       " times";
            }
        }
    }
    return "";
}

std::string Model::check_end(store::Database& database, core::SubscriptionId count,
                             std::int64_t now_us) const {
    Found found;
    if (std::string wrong = read_log(database, found); !wrong.empty()) return wrong;
    if (std::string wrong = check_log(found, now_us); !wrong.empty()) return wrong;
    for (const SentEvent& event : events_) {
        if (std::string wrong = check_event(database, event, found, count, now_us); !wrong.empty())
            return wrong;
    }
    for (std::string wrong :
         {check_order(database, found, count), check_dead_letters(database, found, count),
          check_replays(database)}) {
        if (!wrong.empty()) return wrong;
    }
    if (const std::int64_t early = counter(database, "early"); early != 0)
        return std::to_string(early) + " deliveries came before their time";
    if (const std::int64_t ahead = counter(database, "ahead"); ahead != 0)
        return std::to_string(ahead) + " replays came before the first delivery";
    if (const std::int64_t again = counter(database, "again"); again != 0)
        return std::to_string(again) + " effects of replays are there twice";
    const auto runs = static_cast<std::uint64_t>(counter(database, "runs"));
    if (runs < runs_done || runs > runs_sent) {
        return std::to_string(runs) + " script runs took effect, " + std::to_string(runs_done) +
               " were answered, " + std::to_string(runs_sent) + " sent";
    }
    if (database.retries().count() != 0) return "retries are left over";
    return "";
}

}  // namespace millrace::sim
