// What: what the runs of a part of the server have alike (schedules, entities, webhooks,
//       workflows): a world drawn from the seed, a first start and what is prepared then, boots
//       that serve until their steps are over or the power goes, an end of one of three kinds, and
//       a last start behind which all comes to rest and is looked at. What is particular to a part
//       is Driven.
// Threads: one. Lifetime: of a run; a Driven borrows its frame. Limits: RunOptions'.
// Failure: wrong() keeps the first one, in words; whatever says false ends the run.
#pragma once

#include "core/random.h"
#include "tests/sim/client.h"
#include "tests/sim/on_disk.h"
#include "tests/sim/simulation.h"
#include "tests/sim/world.h"

#include <simdjson.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::sim {

inline constexpr std::string_view kJsonType = "application/json";

// How a part wants its world. What is of a seed is drawn by whoever fills it.
struct Shape {
    std::uint64_t shards_max = 3;
    bool network_in_pieces = true;  // in half of the seeds
    bool overlapping_syncs = true;  // the same
    std::uint64_t steps_times = 2;  // of RunOptions::steps_per_boot, at most
    // Time that passes behind a step; 0: the part lets it pass itself.
    std::uint64_t time_one_in = 0;
    std::uint64_t time_us_max = 0;
    // Starts, but the first and the last, in which the power goes; 0: none.
    std::uint64_t cut_start_one_in = 0;
    std::shared_ptr<courier::HttpPort> http{};  // what webhooks go out by
    std::shared_ptr<std::string> log{};         // what the server logs is kept there
};

// What a frame drives.
class Driven {
public:
    virtual ~Driven() = default;
    // Behind the first start.
    virtual bool prepare() = 0;
    // Behind each start; empty: all is there.
    virtual std::string check_start() { return {}; }
    // Before each step that is served, and before the power goes in one.
    virtual void weather() {}
    virtual void before_cut() {}
    // Behind each step: whoever asks the server something.
    virtual bool turn() = 0;
    // What the server itself calls, where nobody else has a turn.
    virtual void outside() {}
    virtual void server_gone() = 0;
    // Nobody starts it yet.
    virtual void between_boots() {}
    // Behind the last start: all comes to rest, and is as it must be. Fills the result's figures.
    virtual bool finish(RunResult& result) = 0;
};

class Frame {
public:
    Frame(const RunOptions& options, Shape (*draw)(core::Random&));

    World& world() { return world_; }
    core::Random& random() { return random_; }
    Shape& shape() { return shape_; }

    // True when there is something in it.
    bool wrong(std::string what);
    // A request on a connection of its own, waited for. False: it is not answered.
    bool call(std::size_t tenant, std::string_view method, const std::string& path,
              std::string_view body, HttpReply& reply);
    // Of all pages of a list, each item.
    using See = std::function<void(simdjson::dom::element)>;
    bool each(std::size_t tenant, const std::string& path, const See& see);

    RunResult run(Driven& driven);

private:
    enum class Start : std::uint8_t { kWhole, kPerhapsCut };
    static WorldOptions draw_world(const RunOptions& options, const Shape& shape,
                                   core::Random& random);
    bool start(Start how);
    bool serve(std::uint64_t steps);
    bool end();

    const RunOptions options_;
    core::Random random_;
    Trace trace_;
    Shape shape_;
    World world_;
    Driven* driven_ = nullptr;
    RunResult result_;
};

template <typename Part>
RunResult run_in_frame(const RunOptions& options) {
    struct Run {
        explicit Run(const RunOptions& of) : frame(of, &Part::shape), part(frame) {}
        RunResult run() { return frame.run(part); }
        Frame frame;
        Part part;
    };
    return run_on_disk<Run>(options);
}

}  // namespace millrace::sim
