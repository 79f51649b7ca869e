#include "runtime/node/node_process.h"

#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "core/json_writer.h"
#include "runtime/node/bus.h"
#include "runtime/node/child_settings.h"
#include "runtime/node/front.h"
#include "runtime/node/node.h"
#include "runtime/node/supervisor.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/descriptors.h"
#include "runtime/server/last_words.h"
#include "runtime/server/life_watch.h"
#include "runtime/server/service_notify.h"
#include "runtime/server/signals.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime::node {
namespace {

constexpr int kNodeExitOk = 0;
constexpr int kNodeExitFailed = 1;
constexpr int kWaitMs = 20;
constexpr std::size_t kUnixPathBytesMax = 107;

// One node at a time works in a folder; the lock goes with the process.
core::Status take_folder(const std::string& folder) {
    keep_data_folder_private(folder);
    const std::string path = folder + "/" + kNodeLockName;
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return core::fail(core::ErrorCode::kInternal,
                          "data.dir: " + folder + ": " + std::strerror(errno));
    }
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
    ::close(fd);
    return core::fail(core::ErrorCode::kConflict, "data.dir: another node is at work in " + folder);
}

void print_ready(const std::string& http, const core::Config& config,
                 const NodeSettings& settings) {
    std::string line;
    core::JsonWriter json(line);
    json.begin_object().field("ready", true).field("http", http);
    json.field("cluster", settings.cluster).field("node", settings.node);
    json.field("data", config.data.dir).field("pid", ::getpid()).end_object();
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

std::uint64_t random_number() {
    const std::string bits = core::crypto::random_bytes(sizeof(std::uint64_t));
    std::uint64_t out = 0;
    std::memcpy(&out, bits.data(), sizeof out);
    return out;
}

std::string make_incarnation() {
    std::string out;
    core::append_hex(out, random_number());
    return out;
}

struct Parts {
    std::unique_ptr<Bus> bus;
    std::unique_ptr<Supervisor> supervisor;
    std::unique_ptr<Node> node;
    std::unique_ptr<Front> front;
    std::unique_ptr<core::AgentThread> front_thread;

    // The front asks the node, and is made after it.
    struct Desk final : NodeDesk {
        Node* node = nullptr;
        void order(NodeOrder&& order) override { node->order(std::move(order)); }
    } desk;

    void sleep() const {
        std::vector<pollfd> fds;
        bus->append_waits(fds);
        supervisor->append_waits(fds);
        ::poll(fds.data(), fds.size(), kWaitMs);
    }
};

core::Result<std::unique_ptr<Parts>> build(const core::Config& config, const NodeSettings& settings,
                                           core::Log& log, const core::Clock& clock,
                                           const ServeOptions& options) {
    auto parts = std::make_unique<Parts>();
    Parts& p = *parts;
    p.bus = std::make_unique<Bus>(clock, log, settings, config.cluster.allow_old_nats);
    auto front =
        Front::create(config, settings,
                      {&clock, &log, &p.desk,
                       config.console.enabled ? api::ConsoleSet{options.console, config.console.dir}
                                              : api::ConsoleSet{}});
    if (!front) return core::fail(std::move(front.error()));
    p.front = std::move(*front);
    Supervisor::Deps supervised;
    supervised.clock = &clock;
    supervised.log = &log;
    supervised.settings = [&p](std::size_t partition) { return p.node->settings_line(partition); };
    p.supervisor = std::make_unique<Supervisor>(std::move(supervised));
    Node::Deps deps;
    deps.config = &config;
    deps.settings = &settings;
    deps.clock = &clock;
    deps.log = &log;
    deps.bus = p.bus.get();
    deps.supervisor = p.supervisor.get();
    deps.incarnation = make_incarnation();
    deps.seed = random_number();
    deps.publish = [&p](RoutingRef routing) { p.front->use(std::move(routing)); };
    deps.figures = &p.front->figures();
    deps.meta_file = config.data.dir + "/meta.json";
    p.node = std::make_unique<Node>(std::move(deps));
    p.desk.node = p.node.get();
    p.front_thread = std::make_unique<core::AgentThread>(*p.front, core::AgentThread::kNotPinned);
    return parts;
}

// The front answers what it has, the processes write what they have; not for ever.
void end_node(Parts& parts, const core::Clock& clock, core::Log& log) {
    parts.node->leave();
    parts.front->drain();
    const std::int64_t until_ns = clock.monotonic_ns() + kEndNs;
    const auto in_time = [&] { return clock.monotonic_ns() < until_ns && end_signals() < 2; };
    const std::int64_t front_ns = clock.monotonic_ns() + kEndNs / 4;
    while (!parts.front->drained() && in_time() && clock.monotonic_ns() < front_ns) {
        parts.supervisor->turn();
        parts.sleep();
    }
    parts.supervisor->stop();
    while (!parts.supervisor->over() && in_time()) {
        parts.supervisor->turn();
        parts.sleep();
    }
    if (!parts.supervisor->over()) {
        log.warn("cluster: processes of partitions did not end in time");
        parts.supervisor->hurry();
    }
    parts.front_thread->stop();
}

core::Status check_place(const core::Config& config) {
    const std::string path = child_socket(config, kPartitionsMax - 1);
    if (path.size() > kUnixPathBytesMax) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "data.dir: is too long: the sockets of partitions stand in "
                                      "it, and '" +
                                          path + "' has more than 107 bytes")
                              .in("data.dir"));
    }
    return {};
}

}  // namespace

int run_node(const core::Config& config, const ServeOptions& options) {
    install_last_words(kNodeExitFailed);
    install_signals();
    core::RealClock clock;
    core::LogLevel level = core::LogLevel::kInfo;
    core::parse_log_level(config.log.level, level);
    const bool people = config.log.format == "auto" && ::isatty(STDERR_FILENO) != 0;
    core::Log log(
        clock, level, {},
        people || config.log.format == "text" ? core::LogFormat::kText : core::LogFormat::kJson);
    const auto refuse = [&log](const core::Error& error) {
        log.error("millrace can't start: " + error.message);
        return kNodeExitFailed;
    };
    for (const std::string& warning : options.warnings) log.warn(warning);
    auto settings = read_node_settings(config);
    if (!settings) return refuse(settings.error());
    if (auto ok = check_place(config); !ok) return refuse(ok.error());
    if (auto taken = take_folder(config.data.dir); !taken) return refuse(taken.error());
    raise_descriptor_limit();
    auto parts = build(config, *settings, log, clock, options);
    if (!parts) return refuse(parts.error());
    Parts& p = **parts;
    print_ready(p.front->address(), config, *settings);
    log.info(
        "serving as a node of a cluster",
        {{"cluster", settings->cluster}, {"node", settings->node}, {"http", p.front->address()}});
    const ServiceNotify notify = ServiceNotify::from_environment();
    LifeWatch life(notify, {{"front", [&p] { return p.front_thread->turns(); }, {}}}, log,
                   clock.monotonic_ns());
    const std::string status = "serving " + p.front->address();
    notify.ready(status);
    while (end_signals() == 0 && p.node->fatal().empty()) {
        p.node->turn();
        p.sleep();
        life.look(clock.monotonic_ns());
        if (!take_hangup()) continue;
        log.warn("a node of a cluster takes up a configuration at its start only");
        notify.reloading(clock.monotonic_ns() / 1000);
        notify.ready(status);
    }
    notify.stopping("draining");
    notify.extend(kEndNs / 1000 + 5'000'000, "draining");
    const std::string why = p.node->fatal();
    if (!why.empty()) log.error("the node ends: " + why);
    end_node(p, clock, log);
    log.info("stopped");
    return why.empty() ? kNodeExitOk : kNodeExitFailed;
}

}  // namespace millrace::runtime::node
