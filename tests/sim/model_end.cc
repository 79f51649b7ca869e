#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"
#include "store/rows/executions.h"
#include "store/rows/registry_store.h"
#include "store/rows/retry_schedule.h"
#include "tests/sim/found.h"
#include "tests/sim/model.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

namespace millrace::sim {

std::string Model::check_event(store::Database& database, const SentEvent& event,
                               const Found& found) const {
    if (hurt_events.contains(event.number)) return "";
    const auto places = found.by_number.find(event.number);
    const auto copies =
        static_cast<std::int64_t>(places == found.by_number.end() ? 0 : places->second.size());
    const std::string number = std::to_string(event.number);
    const std::int64_t seen = counter(database, event.tenant, "seen:" + number);
    const bool dies = event.fails > kRetriesMax;
    // What is gone from the log has had its effect; how often something came that was never
    // acknowledged nobody knows then.
    const bool may_go = may_be_gone(event);
    const std::int64_t least =
        dies ? 0 : std::max<std::int64_t>(copies, may_go && event.acknowledged != 0 ? 1 : 0);
    const std::int64_t most = dies ? 0 : may_go ? std::int64_t{event.sendings} : copies;
    if (seen < least || seen > most) {
        return "event " + number + " took effect " + std::to_string(seen) + " times instead of " +
               std::to_string(least) + (most > least ? " to " + std::to_string(most) : "");
    }
    if (std::string wrong = check_emitted(database, event, found, seen); !wrong.empty())
        return wrong;
    if (std::string wrong = check_edges(database, event, found, seen); !wrong.empty()) return wrong;
    for (std::int64_t copy = 0; copy < copies; ++copy) {
        const std::size_t place = places->second[static_cast<std::size_t>(copy)];
        if (std::string wrong = check_execution(database, event, found.events[place].position);
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
    const std::int64_t handled = counter(database, event.tenant, "derived:" + number);
    if (to_emit > 1 && keeping.any() ? handled < 1 || handled > to_emit : handled != to_emit) {
        return "the event emitted by " + number + " took effect " + std::to_string(handled) +
               " times instead of " + std::to_string(to_emit);
    }
    return "";
}

// What a handler tries at the limits of ingest: what emit took is there, what ingest takes it took.
std::string Model::check_edges(store::Database& database, const SentEvent& event,
                               const Found& found, std::int64_t effects) const {
    const std::string number = std::to_string(event.number);
    const std::int64_t said = counter(database, event.tenant, "edge-said:" + number);
    const std::int64_t refused = counter(database, event.tenant, "edge-refused:" + number);
    const auto there = found.edges.find(event.number);
    const std::int64_t emitted = there == found.edges.end() ? 0 : there->second;
    const std::string who = "event " + number + ", which tries edge" + event.edge.members() + ", ";
    if (said + refused != (event.edge.kind == 0 ? 0 : effects))
        return who + "tried " + std::to_string(said + refused) + " times";
    // One that came again has emitted the same event again.
    if (emitted > said || (emitted < std::min<std::int64_t>(said, 1) && !keeping.any()))
        return who + "emitted " + std::to_string(emitted) + " instead of " + std::to_string(said);
    const std::optional<bool> taken = event.edge.taken();
    if (effects != 0 && taken && *taken != (said != 0))
        return who + "was told " + (said != 0 ? "yes" : "no") + " by emit, ingest says otherwise";
    return "";
}

// A replay's attempts stand apart and succeed; all else stays as it was.
std::string Model::check_execution(store::Database& database, const SentEvent& event,
                                   core::LogPosition position) const {
    if (outcome_is_hurt(position)) return "";
    const std::string who = "event " + std::to_string(event.number);
    for (std::size_t other = 0; other < kTenants; ++other) {
        if (other == event.tenant) continue;
        const auto foreign = database.executions().get({position, counts[other]});
        if (!foreign || *foreign) return who + " was delivered to another tenant";
    }
    const auto execution = database.executions().get({position, counts[event.tenant]});
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
std::string Model::check_order(store::Database& database, const Found& found) const {
    struct Last {
        std::int64_t turn = 0;
        std::string what = "none";
    };
    std::map<std::pair<std::size_t, std::string>, Last> keys;
    for (const Found::Event& event : found.events) {
        if (!event.pattern.starts_with(kPatternPrefix)) continue;
        const SentEvent& sent = events_[number_in(event.raw) - 1];
        if (sent.fails > (ordered ? kRetriesMax : 0) || sent.scheduled_us != 0) continue;
        if (hurt_events.contains(sent.number) || outcome_is_hurt(event.position)) continue;
        const auto execution = database.executions().get({event.position, counts[sent.tenant]});
        if (!execution || !*execution) return "no execution at " + at(event.position);
        const std::int64_t turn = std::strtoll((*execution)->result.c_str(), nullptr, 10);
        const std::string what = "event " + std::to_string(sent.number) + " (" +
                                 at(event.position) + ", begun at " +
                                 std::to_string((*execution)->attempts.front().started_at_us) +
                                 ") was number " + std::to_string(turn);
        Last& last = keys[{sent.tenant, sent.key}];
        const bool has_holes = keeping.any() || !hurt_outcomes.empty() || !hurt_events.empty();
        if (has_holes ? turn <= last.turn : turn != last.turn + 1)
            return "key " + sent.key + ": " + what + ", its predecessor: " + last.what;
        last = {turn, what};
    }
    return "";
}

std::string Model::check_dead_letters(store::Database& database, const Found& found,
                                      std::size_t tenant) const {
    std::uint64_t dead = 0;
    std::uint64_t perhaps = 0;  // their retries do not read
    for (const SentEvent& event : events_) {
        if (event.tenant != tenant) continue;
        const auto places = found.by_number.find(event.number);
        if (event.fails > kRetriesMax && places != found.by_number.end())
            (hurt_events.contains(event.number) ? perhaps : dead) += places->second.size();
    }
    std::set<std::tuple<std::uint16_t, std::uint64_t, std::uint32_t>> letters;
    std::uint64_t counted = 0;
    store::DeadLetterQuery query;
    query.tenant = tenant_id(tenant);
    query.limit = 100'000;
    const auto page = database.dead_letters().list(query);
    if (!page) return "the dead letters can't be read";
    for (const store::OwnedDeadLetter& letter : page->rows) {
        const core::LogPosition position = letter.row.key.delivery.position;
        const core::SubscriptionId owner = letter.row.key.delivery.subscription;
        if (!letters.insert({position.shard.value, position.offset.value, owner.value}).second)
            return "two dead letters of " + at(position);
        if (found.gone(position)) return "the event of a dead letter is gone: " + at(position);
        for (const Found::Event& event : found.events) {
            if (event.position == position && event.tenant != tenant_id(tenant))
                return "a dead letter of another tenant's event: " + at(position);
        }
        counted += owner == counts[tenant];
    }
    // The power may have gone before a row was hurt.
    if (counted + hurt_letters[tenant] < dead || counted > dead + perhaps) {
        return std::to_string(counted) + " dead letters instead of " + std::to_string(dead);
    }
    const std::uint64_t alerts = found.alerts[tenant];
    const std::uint64_t most = letters.size() + hurt_letters[tenant] + hurt_side_letters[tenant];
    if ((alerts < letters.size() && !keeping.any()) || alerts > most)
        return std::to_string(alerts) + " alerts of " + std::to_string(most) + " dead letters";
    const auto seen = static_cast<std::uint64_t>(counter(database, tenant, "alerts"));
    if (seen < letters.size() || seen > most)
        return std::to_string(seen) + " alerts handled of " + std::to_string(most);
    return "";
}

std::string Model::check_counters(store::Database& database, std::size_t tenant) const {
    // By which clock? One that jumps has no "before".
    if (const std::int64_t early = counter(database, tenant, "early"); early != 0 && !clock_steps)
        return std::to_string(early) + " deliveries came before their time";
    if (const std::int64_t ahead = counter(database, tenant, "ahead"); ahead != 0)
        return std::to_string(ahead) + " replays came before the first delivery";
    // What the damaged records of its deliveries said is not known to a replay either.
    if (const std::int64_t again = counter(database, tenant, "again");
        again != 0 && hurt_outcomes.empty())
        return std::to_string(again) + " effects of replays are there twice";
    const auto runs = static_cast<std::uint64_t>(counter(database, tenant, "runs"));
    if (runs < runs_done[tenant] || runs > runs_sent[tenant]) {
        return std::to_string(runs) + " script runs took effect, " +
               std::to_string(runs_done[tenant]) + " were answered, " +
               std::to_string(runs_sent[tenant]) + " sent";
    }
    return "";
}

std::string Model::check_replays(store::Database& database) const {
    for (const SentReplay& replay : replays) {
        const auto document = database.registry().get("replay", replay.id);
        if (!document || !*document) return "replay " + replay.id + " is not known any more";
        const bool failed = (*document)->json.find("read kv history failed") != std::string::npos;
        if (failed && hurt_history) continue;  // a dry run on kv as it was
        // The clock has gone on by days between: what it asks for is no longer kept.
        if (replay.dry_run && (*document)->json.find("history of kv begins") != std::string::npos)
            continue;
        if ((*document)->json.find("\"completed\"") == std::string::npos)
            return "replay " + replay.id + " is not completed: " + (*document)->json;
        for (const std::uint64_t number : replay.events) {
            if (hurt_events.contains(number)) continue;
            const std::int64_t times = counter(
                database, replay.tenant, "replayed:" + replay.id + ":" + std::to_string(number));
            if (replay.dry_run ? times != 0 : times < 1) {
                return std::string(replay.dry_run ? "dry run " : "replay ") + replay.id +
                       " brought event " + std::to_string(number) + " " + std::to_string(times) +
                       " times";
            }
        }
    }
    return "";
}

// Nothing of what the tenant's handlers count is about another one's events.
std::string Model::check_kv(store::Database& database, std::size_t tenant) const {
    static constexpr std::string_view kNames[] = {
        "seen:", "derived:", "edge-said:", "edge-refused:", "replayed:"};
    std::string after;
    std::int64_t seen = 0;
    for (;;) {
        const auto page = database.kv().list(tenant_id(tenant), "kv", "", 1000, after);
        if (!page) return "kv can't be listed";
        for (const store::KvItem& item : *page) {
            const std::size_t name = item.key.find(':') + 1;
            const std::size_t last = item.key.rfind(':') + 1;
            if (std::find(std::begin(kNames), std::end(kNames), item.key.substr(0, name)) ==
                std::end(kNames))
                continue;
            const std::uint64_t number = std::strtoull(item.key.c_str() + last, nullptr, 10);
            if (number == 0 || number > events_.size() || events_[number - 1].tenant != tenant)
                return "tenant " + std::to_string(tenant) + " has " + item.key +
                       ", which is another one's";
            if (name == 5) seen += item.value.integer;
        }
        if (page->size() < 1000) break;
        after = page->back().key;
    }
    // Each effect has added a half.
    const auto halves = database.kv().get({tenant_id(tenant), "kv", "halves"});
    if (!halves) return "a sum of halves can't be read";
    const double sum = !*halves ? 0
                       : (*halves)->type == store::KvType::kInt64
                           ? double((*halves)->integer)
                           : std::strtod((*halves)->json.c_str(), nullptr);
    return sum * 2 == double(seen) ? ""
                                   : "the halves of " + std::to_string(seen) +
                                         " effects add up to " + std::to_string(sum);
}

std::string Model::check_end(store::Database& database) const {
    // First: what waits has not had its effect, and is no loss. Only rows that do not read may
    // stay.
    std::string left;
    (void)database.retries().visit_all([&left](const store::RetryRow& row) {
        left = at(row.delivery.position) + " still waits for an attempt";
        return false;
    });
    if (!left.empty()) return left;
    Found found;
    if (std::string wrong = read_log(database, found); !wrong.empty()) return wrong;
    if (std::string wrong = check_log(found); !wrong.empty()) return wrong;
    for (const SentEvent& event : events_) {
        if (std::string wrong = check_event(database, event, found); !wrong.empty()) return wrong;
    }
    for (std::string wrong : {check_order(database, found), check_replays(database)}) {
        if (!wrong.empty()) return wrong;
    }
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        for (std::string wrong : {check_dead_letters(database, found, tenant),
                                  check_kv(database, tenant), check_counters(database, tenant)}) {
            if (!wrong.empty()) return wrong;
        }
    }
    if (database.retries().count() > hurt_events.size()) return "retries are left over";
    return "";
}

}  // namespace millrace::sim
