// What: what clients can look at when a run has come to its end, asked for tenant by tenant over
//       HTTP and held against the store: lists and their pages, look-ups, ranges of time, traces,
//       streams. All of a tenant's is there, nothing of another one's.
// Threads: one. Lifetime: of a check. Limits: kStepsMax calls of do_work() for one answer.
// Failure: check() returns the first thing that is wrong, in words.
#pragma once

#include "core/random.h"
#include "tests/sim/client.h"
#include "tests/sim/model.h"
#include "tests/sim/tenants.h"
#include "tests/sim/world.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simdjson::dom {
class element;
}

namespace millrace::sim {

class Faces {
public:
    Faces(World& world, Model& model, std::uint64_t seed)
        : world_(world), model_(model), random_(seed) {}

    std::string check();

private:
    static constexpr int kStepsMax = 400'000;
    using Place = std::pair<std::uint64_t, std::uint64_t>;  // shard, offset
    struct Event {
        std::size_t tenant = 0;
        std::string id;  // empty: made by the server
        std::string cause;
        std::int64_t received_us = 0;
    };

    std::string ask(std::size_t tenant, std::string_view path, int& status, std::string& body);
    // Every item of every page.
    std::string walk(std::size_t tenant, const std::string& path,
                     const std::function<std::string(const simdjson::dom::element&)>& visit);
    std::string count(std::size_t tenant, const std::string& path, std::size_t& items);
    // 404 for what is another tenant's, else 200.
    std::string expect(std::size_t tenant, const std::string& path, int status);
    // 200 to its tenant, 404 to the others.
    std::string belongs_to(std::size_t tenant, const std::string& path);

    std::string read_log();
    // Retention goes on while one looks: what has changed meanwhile is looked at again.
    std::string look(std::string (Faces::*at)(std::size_t), std::size_t tenant);
    std::string check_events(std::size_t tenant);
    std::string check_range(std::size_t tenant, std::int64_t from_us, std::int64_t to_us,
                            bool newest_first);
    std::string check_look_ups(std::size_t tenant);
    std::string check_trace(std::size_t tenant, const Event& event);
    std::string check_deliveries(std::size_t tenant);
    std::string check_executions(std::size_t tenant, std::size_t of_count);
    std::string check_dead_letters(std::size_t tenant);
    std::string check_documents(std::size_t tenant);
    std::string check_replays(std::size_t tenant);
    std::string check_kv(std::size_t tenant);
    std::string check_stream(std::size_t tenant);

    World& world_;
    Model& model_;
    core::Random random_;
    static constexpr int kLooksMax = 20;

    std::map<Place, Event> events_;
    PerTenant<std::set<std::string>> ids_;
};

}  // namespace millrace::sim
