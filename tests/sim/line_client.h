// What: a client of the NDJSON socket: events a line each, in pieces of any size, several batches
//       under way; believes what the server says: the first N lines of this connection are durable.
// Threads: one. Lifetime: of a run. Limits: kLinesUnderWayMax lines without an acknowledgement.
// Failure: turn() returns what is wrong with an answer. What was not acknowledged when a
//       connection ends is unknown, and sent again if it has an id.
#pragma once

#include "core/random.h"
#include "tests/sim/model.h"
#include "tests/sim/world.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

class LineClient {
public:
    LineClient(World& world, Model& model, std::uint64_t seed, std::string key, std::size_t tenant)
        : world_(world), model_(model), random_(seed), key_(std::move(key)), tenant_(tenant) {}

    struct Wishes {
        bool begin = false;  // new lines may be sent
        bool reset = false;  // the client goes away in the middle of it
        EventMix mix{};
    };
    std::string turn(const Wishes& wishes);
    std::size_t tenant() const { return tenant_; }
    bool idle() const { return unknown_.empty() && acknowledged_ == lines_.size(); }
    // The server is gone. `forget`: this client does not come back with what is unknown.
    void server_gone(bool forget);

private:
    static constexpr std::size_t kLinesUnderWayMax = 60;

    struct Line {
        std::size_t event = 0;
        bool rejected = false;
    };
    void connect();
    void send(const Wishes& wishes);
    std::string read_answers();
    std::string read_answer(std::string_view line);
    void ended();

    World& world_;
    Model& model_;
    core::Random random_;
    const std::string key_;
    const std::size_t tenant_;
    int socket_ = -1;
    std::vector<Line> lines_;  // of this connection
    std::size_t acknowledged_ = 0;
    std::vector<std::size_t> unknown_;
    std::string unsent_;
    std::string received_;
};

}  // namespace millrace::sim
