// What: the clients of a run. Each of HTTP sends one request after the other; which ones is weighed
//       anew by every seed (some do not occur at all in a run: rare mixtures come up so).
// Threads: one. Lifetime: of a run. Limits: kClients connections, two sockets.
// Failure: turn() and prepare() return what was wrong with an answer.
#pragma once

#include "core/ids.h"
#include "core/random.h"
#include "tests/sim/client.h"
#include "tests/sim/line_client.h"
#include "tests/sim/model.h"
#include "tests/sim/tenants.h"
#include "tests/sim/world.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

class Workload {
public:
    Workload(World& world, Model& model, std::uint64_t seed);

    // Scripts and subscriptions, through the API.
    std::string prepare();
    // Clients move bytes, read answers, send new requests.
    std::string turn();
    // No new requests but repeats of those whose fate is unknown.
    void finish() { finishing_ = true; }
    // Replays take no times from the log's: those may lie far apart.
    void keep_own_pace(bool yes) { own_pace_ = yes; }
    bool idle() const;
    void server_gone();

private:
    enum class Kind : std::uint8_t {
        kOne,
        kBatch,
        kLines,
        kRepeat,
        kRun,
        kToggle,
        kScript,
        kReplay,
        kCount
    };
    static constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::kCount);
    static constexpr std::size_t kClients = 4;

    struct Station {
        std::size_t tenant = 0;
        std::unique_ptr<Client> client;
        Kind kind = Kind::kOne;
        std::vector<std::size_t> sent;     // of the request under way: indices of events
        std::vector<std::size_t> unknown;  // sent, and no answer came
        std::vector<std::size_t> resent;   // with them: events by the ids that the server gave them
        // Of the replay under way: its range, and what was acknowledged before it was asked for.
        SentRange range{};
        bool dry_run = false;
        bool all_or_none = false;
    };
    void begin(Station& station, std::size_t number);
    void send_events(Station& station);
    void repeat(Station& station);
    void resend(Station& station);
    void begin_replay(Station& station);
    std::string replay_answered(const Station& station, const HttpReply& reply);
    EventMix mix(std::size_t tenant) const;
    std::string answered(Station& station, const HttpReply& reply);
    std::string events_answered(Station& station, std::string_view body);
    void lost(Station& station);
    std::string call(Station& station, std::string_view method, std::string_view path,
                     std::string_view body, int status);
    std::string prepare(Station& station);
    void toggle(Station& station);
    void wake(Station& station);
    bool sleeps(std::size_t tenant) const { return changes_[tenant] > 2 && wakes_[tenant] == 0; }

    World& world_;
    Model& model_;
    core::Random random_;
    std::array<Station, kClients> stations_;
    std::array<std::uint64_t, kKinds> weights_{};
    std::uint64_t weight_total_ = 0;
    std::uint64_t reset_one_in_ = 0;
    EventMix mix_{};
    std::vector<std::unique_ptr<LineClient>> line_clients_;
    std::int64_t began_us_ = 0;
    PerTenant<std::uint32_t> changes_{};
    PerTenant<std::uint32_t> wakes_{};
    core::Random together_;  // its own: the other draws stay as they are
    core::Random resends_;   // likewise
    std::uint64_t all_or_none_one_in_ = 0;
    std::uint64_t resends_one_in_ = 0;
    std::uint32_t all_or_none_batches_ = 0;
    bool finishing_ = false;
    bool own_pace_ = false;
};

}  // namespace millrace::sim
