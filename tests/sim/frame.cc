#include "tests/sim/frame.h"

#include "tests/sim/disk.h"

#include <utility>

namespace millrace::sim {

Frame::Frame(const RunOptions& options, Shape (*draw)(core::Random&))
    : options_(options),
      random_(options.seed),
      shape_(draw(random_)),
      world_(draw_world(options, shape_, random_), trace_) {}

WorldOptions Frame::draw_world(const RunOptions& options, const Shape& shape,
                               core::Random& random) {
    WorldOptions world;
    world.folder = options.folder + "/data";
    world.seed = options.seed;
    world.shards = 1 + random.below(shape.shards_max);
    world.lanes = 1 + random.below(3);
    if (shape.network_in_pieces) world.small_network_pieces = random.below(2) == 0;
    if (shape.overlapping_syncs && random.below(2) == 0) world.sync_depth_max = 2 + random.below(3);
    world.http = shape.http.get();
    world.log_lines = shape.log.get();
    return world;
}

bool Frame::wrong(std::string what) {
    if (what.empty()) return false;
    if (result_.wrong.empty()) result_.wrong = std::move(what);
    return true;
}

bool Frame::call(std::size_t tenant, std::string_view method, const std::string& path,
                 std::string_view body, HttpReply& reply) {
    Client client(world_, random_.next(), false, tenant);
    client.send(method, path, kJsonType, body);
    // Pages of a list may come byte by byte.
    for (int i = 0; i < 5'000'000; ++i) {
        world_.step();
        driven_->outside();
        const Client::Turn turn = client.turn(reply);
        if (turn == Client::Turn::kReply) return true;
        if (turn == Client::Turn::kLost) return !wrong(path + ": the connection is lost");
    }
    return !wrong(std::string(method) + " " + path + " is not answered");
}

bool Frame::each(std::size_t tenant, const std::string& path, const See& see) {
    std::string cursor;
    do {
        HttpReply reply;
        const std::string page = path + (cursor.empty() ? "" : "&cursor=" + cursor);
        if (!call(tenant, "GET", page, "", reply)) return false;
        simdjson::dom::parser parser;
        simdjson::dom::element list;
        simdjson::dom::array items;
        if (reply.status != 200 || parser.parse(reply.body).get(list) || list["items"].get(items))
            return !wrong("GET " + page + " said " + std::to_string(reply.status) + " " +
                          reply.body);
        for (const simdjson::dom::element one : items) see(one);
        std::string_view next;
        cursor = list["next"].get(next) ? std::string() : std::string(next);
    } while (!cursor.empty());
    return true;
}

bool Frame::start(Start how) {
    if (how == Start::kPerhapsCut && shape_.cut_start_one_in != 0 &&
        random_.below(shape_.cut_start_one_in) == 0)
        Disk::instance().cut_power_after(1 + random_.below(60));
    while (!world_.boot()) {
        if (!world_.failure().empty()) return !wrong("the start was refused: " + world_.failure());
        if (!end()) return false;
    }
    return !wrong(driven_->check_start());
}

bool Frame::serve(std::uint64_t steps) {
    Disk& disk = Disk::instance();
    const std::uint64_t at = random_.below(2) == 0 ? steps : random_.below(steps);
    for (std::uint64_t i = 0; i < steps; ++i) {
        if (i == at) {
            driven_->before_cut();
            disk.cut_power_after(1 + random_.below(20));
        }
        if (disk.frozen()) return true;
        driven_->weather();
        world_.step();
        if (disk.frozen()) return true;
        if (shape_.time_one_in != 0 && random_.below(shape_.time_one_in) == 0)
            world_.pass_time(static_cast<std::int64_t>(random_.below(shape_.time_us_max)));
        if (!driven_->turn()) return false;
    }
    return true;
}

// Gracefully, the process alone, or the machine with it.
bool Frame::end() {
    const bool stops = random_.below(3) == 0 && world_.running() && !Disk::instance().frozen();
    const auto clients = [this] {
        (void)driven_->turn();
        driven_->outside();
    };
    if (stops && world_.stop_gracefully(clients)) {
        ++result_.graceful_stops;
    } else if (stops && wrong(world_.failure())) {
        return false;
    } else if (random_.below(2) == 0) {
        ++result_.kills;
        world_.kill();
    } else {
        ++result_.power_cuts;
        world_.power_cut();
    }
    driven_->server_gone();
    return result_.wrong.empty();
}

RunResult Frame::run(Driven& driven) {
    driven_ = &driven;
    bool good = start(Start::kWhole) && driven.prepare();
    for (std::uint32_t boot = 0; good && boot < options_.boots; ++boot) {
        if (boot != 0) good = start(Start::kPerhapsCut);
        const std::uint64_t steps =
            1 + random_.below(std::uint64_t{options_.steps_per_boot} * shape_.steps_times);
        good = good && serve(steps) && end();
        if (good) driven.between_boots();
    }
    good = good && start(Start::kWhole) && driven.finish(result_);
    // What is in memory must be on the disk too.
    if (good) (void)(end() && start(Start::kWhole));
    result_.lost_writes = Disk::instance().lost_writes();
    result_.overlapped = world_.overlapped();
    result_.virtual_ms = world_.clock().monotonic_ns() / 1'000'000;
    trace_.add(Disk::instance().operations());
    trace_.add(result_.acknowledged);
    trace_.add(result_.sent);
    result_.trace = trace_.hash();
    return result_;
}

}  // namespace millrace::sim
