#include "tests/sim/faces.h"

#include "core/buffer.h"
#include "core/event_parser.h"
#include "core/json_walker.h"
#include "core/timestamp.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"
#include "store/rows/kv_store.h"
#include "tests/sim/found.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>

namespace millrace::sim {

namespace {

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();

std::string place_text(std::pair<std::uint64_t, std::uint64_t> place) {
    return "shard " + std::to_string(place.first) + " offset " + std::to_string(place.second);
}

std::string text_of(const simdjson::dom::element& item, std::string_view name) {
    std::string_view text;
    return item[name].get(text) ? std::string() : std::string(text);
}

std::size_t count_in(std::string_view text, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size()))
        ++count;
    return count;
}

}  // namespace

std::string Faces::ask(std::size_t tenant, std::string_view path, int& status, std::string& body) {
    Client client(world_, random_.next(), false, tenant);
    client.send("GET", path, "", "");
    HttpReply reply;
    for (int i = 0; i < kStepsMax; ++i) {
        world_.step();
        const Client::Turn turn = client.turn(reply);
        if (turn == Client::Turn::kNothing) continue;
        client.reset();
        if (turn == Client::Turn::kLost) break;
        status = reply.status;
        body = std::move(reply.body);
        return "";
    }
    return "GET " + std::string(path) + " is not answered";
}

std::string Faces::walk(std::size_t tenant, const std::string& path,
                        const std::function<std::string(const simdjson::dom::element&)>& visit) {
    const std::string limit = path.find('?') == std::string::npos ? "?limit=" : "&limit=";
    std::string cursor;
    for (int pages = 0; pages < 10'000; ++pages) {
        std::string whole = path + limit + std::to_string(1 + random_.below(1000));
        if (!cursor.empty()) whole += "&cursor=" + cursor;
        int status = 0;
        std::string body;
        if (std::string wrong = ask(tenant, whole, status, body); !wrong.empty()) return wrong;
        const std::string said = "GET " + whole + " said " + std::to_string(status) + " ";
        if (status != 200) return said + body.substr(0, 300);
        simdjson::dom::parser parser;
        simdjson::dom::element page;
        simdjson::dom::array items;
        if (parser.parse(body).get(page) || page["items"].get(items))
            return said + "without items: " + body.substr(0, 300);
        for (const simdjson::dom::element item : items) {
            if (std::string wrong = visit(item); !wrong.empty())
                return "tenant " + std::to_string(tenant) + ", GET " + whole + ": " + wrong;
        }
        cursor = text_of(page, "next");
        if (cursor.empty()) return "";
    }
    return "GET " + path + " has pages without end";
}

std::string Faces::count(std::size_t tenant, const std::string& path, std::size_t& items) {
    items = 0;
    return walk(tenant, path, [&items](const simdjson::dom::element&) {
        ++items;
        return std::string();
    });
}

std::string Faces::expect(std::size_t tenant, const std::string& path, int status) {
    int said = 0;
    std::string body;
    if (std::string wrong = ask(tenant, path, said, body); !wrong.empty()) return wrong;
    return said == status ? ""
                          : "tenant " + std::to_string(tenant) + ", GET " + path + " said " +
                                std::to_string(said) + " instead of " + std::to_string(status) +
                                ": " + body.substr(0, 300);
}

std::string Faces::belongs_to(std::size_t tenant, const std::string& path) {
    for (std::size_t other = 0; other < kTenants; ++other) {
        if (std::string wrong = expect(other, path, other == tenant ? 200 : 404); !wrong.empty())
            return wrong;
    }
    return "";
}

std::string Faces::read_log() {
    store::Database& database = world_.database();
    events_.clear();
    ids_ = {};
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        core::LogOffset next = database.first_kept(shard);
        while (next < database.durable_end(shard)) {
            const auto block = database.log_reader().read_block(shard, next);
            if (!block || !*block) return "the log can't be read at " + at({shard, next});
            for (std::uint32_t index = 0; index < block->count(); ++index) {
                if (block->gone(index)) continue;
                const store::StoredEvent stored = block->event(index);
                std::string padded(stored.raw);
                padded.append(std::max(core::kWalkerPaddingBytes, core::kPaddingBytes), ' ');
                core::EventParser parser;
                core::Envelope envelope;
                if (!parser.parse_one(std::string_view(padded).substr(0, stored.raw.size()),
                                      nullptr, envelope, nullptr))
                    return "an event of the log does not read: " + std::string(stored.raw);
                Event event;
                event.tenant = stored.tenant.value;
                event.id = envelope.event_id;
                event.cause = envelope.causation_id;
                event.received_us = stored.received_at_us;
                if (!event.id.empty()) ids_[event.tenant].insert(event.id);
                events_.emplace(Place{i, stored.position.offset.value}, std::move(event));
            }
            next = block->end_offset();
        }
    }
    return "";
}

std::string Faces::check_range(std::size_t tenant, std::int64_t from_us, std::int64_t to_us,
                               bool newest_first) {
    std::string path = std::string("/v2/events?order=") + (newest_first ? "desc" : "asc");
    if (from_us != 0) path += "&from=" + core::format_timestamp(from_us);
    if (to_us != kEver) path += "&to=" + core::format_timestamp(to_us);
    std::set<Place> listed;
    if (std::string wrong = walk(
            tenant, path,
            [&](const simdjson::dom::element& item) -> std::string {
                Place place;
                if (item["shard"].get(place.first) || item["offset"].get(place.second))
                    return "an event without a place";
                const auto event = events_.find(place);
                if (event == events_.end() || event->second.tenant != tenant)
                    return "an event that is not there, or another tenant's: " + place_text(place);
                if (!listed.insert(place).second) return "an event twice: " + place_text(place);
                // An id that the server made is nobody else's.
                if (!event->second.id.empty() || random_.below(50) != 0) return "";
                return expect((tenant + 1) % kTenants, "/v2/events/" + text_of(item, "eventId"),
                              404);
            });
        !wrong.empty())
        return wrong;
    for (const auto& [place, event] : events_) {
        const bool fits = event.tenant == tenant && event.received_us >= from_us &&
                          (to_us == kEver || event.received_us < to_us);
        if (fits != listed.contains(place))
            return "tenant " + std::to_string(tenant) + ", GET " + path + ": the event at " +
                   place_text(place) + ", received at " +
                   core::format_timestamp(event.received_us) + ", is " +
                   (fits ? "not in the list" : "in the list");
    }
    return "";
}

std::string Faces::check_events(std::size_t tenant) {
    for (const bool newest_first : {true, false}) {
        if (std::string wrong = check_range(tenant, 0, kEver, newest_first); !wrong.empty())
            return wrong;
    }
    if (events_.empty()) return "";
    const auto some_time = [this] {
        auto event = events_.begin();
        std::advance(event, random_.below(events_.size()));
        return event->second.received_us;
    };
    const std::int64_t one = some_time();
    const std::int64_t other = some_time();
    for (const auto& [from_us, to_us] : {std::pair{std::min(one, other), std::max(one, other)},
                                         {one, kEver},
                                         {std::int64_t{0}, other}}) {
        if (from_us == to_us) continue;
        if (std::string wrong = check_range(tenant, from_us, to_us, random_.below(2) == 0);
            !wrong.empty())
            return wrong;
    }
    return "";
}

// What handlers made of one id, and only for the tenant that asks.
std::string Faces::check_trace(std::size_t tenant, const Event& event) {
    std::size_t caused = 0;
    for (const auto& [place, other] : events_)
        caused += other.tenant == tenant && other.cause == event.id;
    int status = 0;
    std::string body;
    const std::string path = "/v2/events/" + event.id + "/trace";
    if (std::string wrong = ask(tenant, path, status, body); !wrong.empty()) return wrong;
    const std::size_t told = count_in(body, "\"causationId\":\"" + event.id + "\"");
    // Of several events with one id it is the last one's trace.
    const auto same = std::count_if(events_.begin(), events_.end(), [&](const auto& entry) {
        return entry.second.tenant == tenant && entry.second.id == event.id;
    });
    if (status == 200 && (same > 1 ? told <= caused : told == caused)) return "";
    return "tenant " + std::to_string(tenant) + ", GET " + path + " said " +
           std::to_string(status) + " and " + std::to_string(told) + " events instead of " +
           std::to_string(caused);
}

std::string Faces::check_look_ups(std::size_t tenant) {
    for (int i = 0; i < 12 && !events_.empty(); ++i) {
        auto any = events_.begin();
        std::advance(any, random_.below(events_.size()));
        const Event& event = any->second;
        if (event.id.empty()) continue;
        const bool own = ids_[tenant].contains(event.id);
        if (std::string wrong = expect(tenant, "/v2/events/" + event.id, own ? 200 : 404);
            !wrong.empty())
            return wrong;
        if (!own || event.tenant != tenant || i % 3 != 0) continue;
        if (std::string wrong = check_trace(tenant, event); !wrong.empty()) return wrong;
    }
    return "";
}

std::string Faces::check_deliveries(std::size_t tenant) {
    std::size_t listed = 0;
    if (std::string wrong =
            walk(tenant, "/v2/executions?subscriptionId=" + std::string(kCountSubscription),
                 [&](const simdjson::dom::element& item) -> std::string {
                     ++listed;
                     const std::string id = text_of(item, "id");
                     if (random_.below(40) != 0) return "";
                     return belongs_to(tenant, "/v2/executions/" + id);
                 });
        !wrong.empty())
        return wrong;
    std::size_t here = 0;
    for (const auto& [place, event] : events_) here += event.tenant == tenant;
    if (!model_.keeping.any() && listed > here)
        return "tenant " + std::to_string(tenant) + " has more executions than events";
    std::size_t all = 0;
    if (std::string wrong = count(tenant, "/v2/executions?eventId=e1", all); !wrong.empty())
        return wrong;
    // An execution per subscription: the one that counts, and perhaps the one beside it.
    std::size_t places = 0;
    for (const auto& [place, event] : events_) places += event.tenant == tenant && event.id == "e1";
    if (all > 2 * places)
        return "tenant " + std::to_string(tenant) + " has " + std::to_string(all) +
               " executions of e1, which is there " + std::to_string(places) + " times";
    std::size_t retries = 0;
    if (std::string wrong = count(tenant, "/v2/retries", retries); !wrong.empty()) return wrong;
    return check_executions(tenant, listed);
}

// Without any filter, runs that the API made among them.
std::string Faces::check_executions(std::size_t tenant, std::size_t of_count) {
    std::size_t listed = 0;
    std::size_t runs = 0;
    if (std::string wrong = walk(tenant, "/v2/executions",
                                 [&](const simdjson::dom::element& item) -> std::string {
                                     const std::string id = text_of(item, "id");
                                     listed +=
                                         text_of(item, "subscriptionId") == kCountSubscription;
                                     const bool run = text_of(item, "subscriptionId").empty();
                                     runs += run;
                                     if (random_.below(run ? 2 : 60) != 0) return "";
                                     return belongs_to(tenant, "/v2/executions/" + id);
                                 });
        !wrong.empty())
        return wrong;
    if (listed != of_count)
        return "tenant " + std::to_string(tenant) + " is shown " + std::to_string(listed) +
               " executions among all, " + std::to_string(of_count) + " by subscription";
    return runs <= model_.runs_sent[tenant]
               ? ""
               : "tenant " + std::to_string(tenant) + " is shown more runs than it asked for";
}

std::string Faces::check_dead_letters(std::size_t tenant) {
    store::DeadLetterQuery query;
    query.limit = 100'000;
    const auto rows = world_.database().dead_letters().list(query);
    if (!rows) return "the dead letters can't be read";
    std::size_t own = 0;
    for (const store::OwnedDeadLetter& letter : rows->rows)
        own += letter.row.key.tenant == tenant_id(tenant);
    std::size_t listed = 0;
    if (std::string wrong = walk(tenant, "/v2/dlq",
                                 [&](const simdjson::dom::element& item) -> std::string {
                                     ++listed;
                                     const std::string id = text_of(item, "id");
                                     if (random_.below(10) != 0) return "";
                                     return belongs_to(tenant, "/v2/dlq/" + id);
                                 });
        !wrong.empty())
        return wrong;
    return listed == own
               ? ""
               : "tenant " + std::to_string(tenant) + " is shown " + std::to_string(listed) +
                     " dead letters and has " + std::to_string(own);
}

// "own-0" is the first tenant's alone.
std::string Faces::check_documents(std::size_t tenant) {
    for (const std::string path : {"/v2/scripts", "/v2/subscriptions"}) {
        std::set<std::string> names;
        if (std::string wrong = walk(tenant, path,
                                     [&](const simdjson::dom::element& item) -> std::string {
                                         const std::string id = text_of(item, "id");
                                         return names.insert(id).second ? "" : id + " twice";
                                     });
            !wrong.empty())
            return wrong;
        for (std::size_t other = 0; other < kTenants; ++other) {
            const std::string name = "own-" + std::to_string(other);
            const bool hurt = model_.hurt_documents.contains(name);
            if (names.contains(name) != (other == tenant) && !hurt)
                return "tenant " + std::to_string(tenant) + ", GET " + path + ": " + name + " is " +
                       (other == tenant ? "missing" : "shown");
            if (hurt) continue;
            if (std::string wrong = expect(tenant, path + "/" + name, other == tenant ? 200 : 404);
                !wrong.empty())
                return wrong;
        }
    }
    return "";
}

std::string Faces::check_replays(std::size_t tenant) {
    std::set<std::string> listed;
    if (std::string wrong = walk(tenant, "/v2/replays",
                                 [&](const simdjson::dom::element& item) {
                                     listed.insert(text_of(item, "id"));
                                     return std::string();
                                 });
        !wrong.empty())
        return wrong;
    for (const SentReplay& replay : model_.replays) {
        const bool own = replay.tenant == tenant;
        if (listed.contains(replay.id) != own)
            return "replay " + replay.id + (own ? " is missing in" : " is shown in") +
                   " the list of tenant " + std::to_string(tenant);
        if (std::string wrong = expect(tenant, "/v2/replays/" + replay.id, own ? 200 : 404);
            !wrong.empty())
            return wrong;
    }
    return "";
}

std::string Faces::check_kv(std::size_t tenant) {
    std::size_t listed = 0;
    return walk(
        tenant, "/v2/kv?prefix=seen:", [&](const simdjson::dom::element& item) -> std::string {
            ++listed;
            const std::uint64_t number =
                std::strtoull(text_of(item, "key").c_str() + 5, nullptr, 10);
            const auto& events = model_.events();
            return number != 0 && number <= events.size() && events[number - 1].tenant == tenant
                       ? ""
                       : "a key of another tenant: " + text_of(item, "key");
        });
}

// From the beginning on, until every event of the tenant has come.
std::string Faces::check_stream(std::size_t tenant) {
    std::size_t own = 0;
    for (const auto& [place, event] : events_) own += event.tenant == tenant;
    const int socket = world_.network().connect(world_.http());
    world_.network().write(
        socket, "GET /v2/events/stream?from=beginning HTTP/1.1\r\nHost: localhost\r\n" +
                    std::string(kTenantHeader) + ": " + tenant_word(tenant) + "\r\n\r\n");
    std::string text;
    std::size_t came = 0;
    for (int i = 0; i < kStepsMax && came < own; ++i) {
        world_.step();
        const std::string more = world_.network().read(socket);
        if (more.empty()) continue;
        text += more;
        came = count_in(text, "\"receivedAt\":");
    }
    world_.network().reset(socket);
    return came == own ? ""
                       : "the stream of tenant " + std::to_string(tenant) + " brought " +
                             std::to_string(came) + " events of " + std::to_string(own) + ": " +
                             text.substr(0, 200);
}

std::string Faces::look(std::string (Faces::*at)(std::size_t), std::size_t tenant) {
    for (int looks = 1;; ++looks) {
        std::string wrong = (this->*at)(tenant);
        if (wrong.empty() || !model_.keeping.any() || looks == kLooksMax) return wrong;
        const std::size_t before = events_.size();
        if (std::string unread = read_log(); !unread.empty()) return unread;
        if (events_.size() == before) return wrong;
    }
}

std::string Faces::check() {
    if (std::string wrong = read_log(); !wrong.empty()) return wrong;
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        for (const auto at :
             {&Faces::check_events, &Faces::check_look_ups, &Faces::check_deliveries,
              &Faces::check_dead_letters, &Faces::check_documents, &Faces::check_replays,
              &Faces::check_kv, &Faces::check_stream}) {
            if (std::string wrong = look(at, tenant); !wrong.empty()) return wrong;
        }
    }
    return "";
}

}  // namespace millrace::sim
