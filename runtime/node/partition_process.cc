#include "runtime/node/partition_process.h"

#include "core/clock.h"
#include "core/config.h"
#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/log.h"
#include "runtime/cluster/partition_agent.h"
#include "runtime/cluster/stream_config.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/partition_copying.h"
#include "runtime/server/data_folder.h"
#include "runtime/server/last_words.h"
#include "runtime/server/part_options.h"
#include "runtime/server/server.h"
#include "runtime/server/signals.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace millrace::runtime::node {
namespace {

using cluster::PartitionRole;

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitStoreFailed = 70;
constexpr std::size_t kLineBytesMax = 1u << 20;
constexpr std::int64_t kTellEveryNs = 500'000'000;
constexpr std::int64_t kHandOverNs = 1'000'000'000;  // for what is under way
constexpr std::int64_t kReleaseNs = 10'000'000'000;  // for NATS to have the word
constexpr std::int64_t kStopReleaseNs = 1'000'000'000;

// Lines of the node; a line that is too long ends the input.
class NodeLines {
public:
    // Waits so long at most. False: there is none now.
    bool next(std::string& line, int timeout_ms) {
        if (take(line)) return true;
        pollfd fd{STDIN_FILENO, POLLIN, 0};
        if (ended_ || ::poll(&fd, 1, timeout_ms) <= 0) return false;
        std::array<char, 64u << 10> bytes{};
        const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) ended_ = true;
        if (got > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(got));
        if (buffer_.size() > kLineBytesMax) ended_ = true;
        return take(line);
    }
    bool ended() const { return ended_ && buffer_.find('\n') == std::string::npos; }

private:
    bool take(std::string& line) {
        const std::size_t end = buffer_.find('\n');
        if (end == std::string::npos) return false;
        line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return true;
    }

    std::string buffer_;
    bool ended_ = false;
};

void say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

int refuse(core::Log& log, const core::Error& error) {
    log.error("the partition can't start: " + error.message);
    std::string line;
    core::JsonWriter json(line);
    json.begin_object().field("role", "failed").field("error", error.message).end_object();
    say(line);
    return kExitFailed;
}

core::Result<core::Config> config_of(const PartitionOrder& order) {
    core::Config config;
    if (auto applied = core::apply_config_toml(config, order.config, "the node's configuration");
        !applied)
        return core::fail(std::move(applied.error()));
    config.data.dir = order.dir;
    // A partition is one log; more of them are what a bigger machine takes.
    config.engine.shards = 1;
    if (config.secrets.key_file.empty())
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "secrets.key_file must be set in a cluster, to the same file "
                                      "on each node: what one seals the others have to read")
                              .in("secrets.key_file"));
    if (config.store.sync_depth_max != 1)
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "store.sync_depth_max must be 1 in a cluster: a write is in "
                                      "the partition's log before it is on the disk")
                              .in("store.sync_depth_max"));
    return config;
}

core::Result<cluster::PartitionAgent::Options> agent_options(const PartitionOrder& order,
                                                             const core::Config& config,
                                                             const core::Clock& clock) {
    auto servers = read_nats_places(order.nats);
    if (!servers) return core::fail(std::move(servers.error()));
    cluster::PartitionAgent::Options out;
    out.machine.partition = static_cast<std::uint16_t>(order.partition);
    out.machine.node = order.node;
    out.machine.url = order.url;
    core::append_hex_of(out.machine.token, core::crypto::random_bytes(12));
    out.machine.lease_ns = order.lease_us * 1000;
    out.stream.servers = std::move(*servers);
    out.stream.stream = cluster::stream_name(order.cluster, order.partition);
    out.stream.subject = cluster::stream_subject(order.cluster, order.partition);
    out.stream.allow_old = order.allow_old_nats;
    out.machine.waits_for_copy = order.ack == "replicated-fsync";
    out.stream.synced_subject = cluster::synced_subject(order.cluster, order.partition);
    out.store.path = order.dir;
    out.store.shards = 1;
    out.store.clock = &clock;
    out.store.hash_seed = store_seed(order);
    read_store_options(config.store, out.store);
    return out;
}

class PartitionProcess {
public:
    PartitionProcess(PartitionOrder order, core::Config config, core::Log& log,
                     api::ConsoleFiles console)
        : order_(std::move(order)), config_(std::move(config)), log_(log), console_(console) {}

    int run(NodeLines& lines);

private:
    core::Status begin();
    // An exit code, or nothing: it goes on.
    std::optional<int> look();
    std::optional<int> begin_to_serve();
    void obey(const std::string& line);
    void take_into_audit_log(core::JsonObject& in);
    void tell();
    void release(const std::string& to, std::int64_t within_ns);
    int stop();
    int hand_over();
    int end_code(const cluster::PartitionStatus& now) const;
    void close_folder();
    std::optional<int> set_aside(const cluster::PartitionStatus& now);

    const PartitionOrder order_;
    const core::Config config_;
    core::Log& log_;
    const api::ConsoleFiles console_;
    const core::RealClock clock_;
    std::unique_ptr<cluster::PartitionAgent> agent_;
    std::unique_ptr<core::AgentThread> thread_;
    std::unique_ptr<PartitionCopying> copying_;
    PartitionSeat seat_;
    std::unique_ptr<Server> server_;
    std::string told_;
    std::int64_t told_ns_ = 0;
    std::string hand_over_to_;
    bool stops_ = false;
    std::mutex audited_mutex_;
    std::string audited_;  // the order that is in the audit log
};

core::Status PartitionProcess::begin() {
    auto options = agent_options(order_, config_, clock_);
    if (!options) return core::fail(std::move(options.error()));
    auto settled = store::FillFolder::settle(order_.dir);
    if (!settled) return core::fail(std::move(settled.error()));
    options->machine.begins_with_snapshot = *settled;
    const store::Database::Options store = options->store;
    auto agent = cluster::PartitionAgent::create(std::move(*options), clock_);
    if (!agent) return core::fail(std::move(agent.error()));
    agent_ = std::move(*agent);
    if (auto marked = mark_partition_folder(order_.dir, order_.cluster, order_.partition); !marked)
        return marked;
    thread_ = std::make_unique<core::AgentThread>(*agent_, core::AgentThread::kNotPinned,
                                                  core::AgentThread::Priority::kBrief);
    copying_ = std::make_unique<PartitionCopying>(order_, store, *agent_, clock_, log_);
    return copying_->begin();
}

void PartitionProcess::obey(const std::string& text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "order");
    std::string what, from;
    std::vector<std::string> nodes;
    if (in) {
        in->text("do", what);
        in->text("to", hand_over_to_);
        in->text("from", from);
        in->text_list("nodes", nodes, kMembersMax);
    }
    if (what == "own") {
        agent_->own();
    } else if (what == "heal") {
        agent_->heal();
    } else if (what == "in_sync") {
        agent_->in_sync(std::move(nodes));
    } else if (what == "fill") {
        if (!server_) copying_->fill(from);
    } else if (what == "stop") {
        stops_ = true;
    } else if (what == "audit" && in) {
        take_into_audit_log(*in);
    } else if (what != "hand_over") {
        log_.warn("the node said something that is not known here",
                  {{"line", text.substr(0, 200)}});
    }
}

// The node says it again until it hears that it is there.
void PartitionProcess::take_into_audit_log(core::JsonObject& in) {
    constexpr std::size_t kEntryBytesMax = 64u << 10;
    std::string order, entry;
    std::int64_t at_us = 0;
    in.text("order", order);
    in.text("entry", entry, {.bytes_max = kEntryBytesMax});
    in.integer("askedAtUs", at_us, 0, std::numeric_limits<std::int64_t>::max());
    if (!server_ || order.empty() || entry.empty()) return;
    server_->audit_order(order, at_us, std::move(entry), [this, order] {
        const std::lock_guard lock(audited_mutex_);
        audited_ = order;
    });
}

void PartitionProcess::tell() {
    const cluster::PartitionStatus now = agent_->status();
    // Until it serves, an owner is none to the outside.
    const bool taking = now.role == PartitionRole::kOwner && !server_;
    std::string line;
    core::JsonWriter json(line);
    json.begin_object().field("role", taking ? "catching-up" : cluster::role_text(now.role));
    json.field("partition", order_.partition).field("epoch", now.epoch);
    json.field("applied", now.applied);
    json.field("fsynced", server_ ? now.applied : now.fsynced).field("appended", now.appended);
    json.field("lag", now.lag()).field("unit", now.unit).field("hash", std::to_string(now.hash));
    json.field("connected", now.connected);
    if (server_)
        json.field("http", config_.http.listen.starts_with("unix:") ? config_.http.listen
                                                                    : server_->addresses().http);
    if (!now.owner.empty()) json.field("owner", now.owner).field("ownerUrl", now.owner_url);
    {
        const std::lock_guard lock(audited_mutex_);
        if (!audited_.empty()) json.field("audited", audited_);
    }
    if (now.needs_snapshot) json.field("needsSnapshot", true);
    for (const auto& [name, nodes] :
         {std::pair{"waitsFor", &now.waits_for}, std::pair{"near", &now.near}}) {
        if (!server_ || nodes->empty()) continue;
        json.key(name).begin_array();
        for (const std::string& node : *nodes) json.value(node);
        json.end_array();
    }
    const std::string filling = now.needs_snapshot ? copying_->words() : std::string();
    const std::string& error = filling.empty() ? now.trouble : filling;
    if (!error.empty()) json.field("error", error);
    json.end_object();
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (line == told_ && now_ns - told_ns_ < kTellEveryNs) return;
    told_ = line;
    told_ns_ = now_ns;
    say(line);
}

int PartitionProcess::end_code(const cluster::PartitionStatus& now) const {
    switch (now.role) {
        case PartitionRole::kFenced:
        case PartitionRole::kReleased: return kExitOwnedElsewhere;
        case PartitionRole::kDiverged: return kExitDiverged;
        default: return kExitStoreFailed;
    }
}

std::optional<int> PartitionProcess::begin_to_serve() {
    const cluster::PartitionStatus now = agent_->status();
    seat_.gate = agent_.get();
    seat_.lease_until_ns = &agent_->lease_until_ns();
    seat_.hash_seed = store_seed(order_);
    seat_.epoch = std::to_string(order_.partition) + "." + std::to_string(now.epoch);
    seat_.front_token = order_.token;
    seat_.keys_live_here = order_.partition == 0;
    if (order_.by_key)
        seat_.by_key = {order_.partition, order_.partitions, order_.hash_seed, order_.front};
    auto server = Server::create(config_, log_, console_, {}, &seat_);
    if (!server) {
        log_.error("the partition can't be served: " + server.error().message);
        // It may be that somebody else owned it before it began.
        const cluster::PartitionStatus after = agent_->status();
        if (after.role != PartitionRole::kOwner) return end_code(after);
        return refuse(log_, server.error());
    }
    server_ = std::move(*server);
    copying_->serve(server_->database());
    set_last_words_exit_code(kExitStoreFailed);
    log_.info("owner of a partition", {{"partition", std::to_string(order_.partition)},
                                       {"epoch", std::to_string(now.epoch)},
                                       {"http", server_->addresses().http}});
    return {};
}

std::optional<int> PartitionProcess::look() {
    const cluster::PartitionStatus now = agent_->status();
    if (server_) {
        std::string reason;
        if (!server_->failed(reason) && now.role == PartitionRole::kOwner) {
            server_->look_at_memory();
            return {};
        }
        tell();
        log_.warn("not the owner of the partition any more",
                  {{"partition", std::to_string(order_.partition)},
                   {"reason", reason.empty() ? now.trouble : reason}});
        return end_code(now);
    }
    if (now.role == PartitionRole::kOwner && agent_->folder_is_free()) return begin_to_serve();
    if (now.role == PartitionRole::kDiverged && now.healed_without) return set_aside(now);
    if (copying_->look()) {
        close_folder();
        return kExitOwnedElsewhere;  // and back at once, with the folder that has come
    }
    if (now.role == PartitionRole::kFailed) {
        tell();
        log_.error("the copy of the partition has failed", {{"reason", now.trouble}});
        return kExitStoreFailed;
    }
    if (now.role == PartitionRole::kFenced || now.role == PartitionRole::kReleased)
        return end_code(now);
    return {};
}

void PartitionProcess::close_folder() {
    agent_->end();
    for (int i = 0; i < 3000 && !agent_->ended(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// A person has said that another copy counts. What this one has is kept, and it begins anew.
std::optional<int> PartitionProcess::set_aside(const cluster::PartitionStatus& now) {
    close_folder();
    auto aside = store::FillFolder::set_aside(
        order_.dir, "aside-" + std::to_string(now.epoch) + "-" + std::to_string(now.unit));
    if (!aside) return refuse(log_, aside.error());
    log_.warn("another copy of the partition counts; this one's folder is kept aside",
              {{"partition", std::to_string(order_.partition)}, {"folder", *aside}});
    return kExitOwnedElsewhere;
}

void PartitionProcess::release(const std::string& to, std::int64_t within_ns) {
    agent_->hand_over(to);
    const std::int64_t give_up_ns = clock_.monotonic_ns() + within_ns;
    while (agent_->status().role == PartitionRole::kOwner && clock_.monotonic_ns() < give_up_ns)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// Clients get an answer or a 503; what is durable is durable for whoever comes next.
int PartitionProcess::hand_over() {
    const std::int64_t until_ns = clock_.monotonic_ns() + kHandOverNs;
    if (server_) (void)server_->stop([&] { return clock_.monotonic_ns() > until_ns; });
    release(hand_over_to_, kReleaseNs);
    tell();
    const bool released = agent_->status().role == PartitionRole::kReleased;
    log_.info(released ? "the partition was handed over" : "the partition could not be handed over",
              {{"partition", std::to_string(order_.partition)}, {"to", hand_over_to_}});
    return kExitOwnedElsewhere;
}

int PartitionProcess::stop() {
    log_.info("stopping", {{"partition", std::to_string(order_.partition)}});
    // Without NATS the store waits for it, and whoever joins its thread waits along: a drain that
    // does not come to its end is broken off before.
    const std::int64_t until_ns =
        clock_.monotonic_ns() + config_.engine.drain_timeout_us * 1000 * 9 / 10;
    const bool quiet = !server_ || server_->stop([&] {
        return end_signals() > 1 || clock_.monotonic_ns() > until_ns;
    });
    // Whoever owns it next need not wait for the end of a lease.
    if (server_) release("", kStopReleaseNs);
    if (!quiet || (server_ && server_->is_at_work())) return kExitOk;
    close_folder();
    return kExitOk;
}

int PartitionProcess::run(NodeLines& lines) {
    if (auto begun = begin(); !begun) return refuse(log_, begun.error());
    tell();
    while (true) {
        std::string line;
        if (lines.next(line, 10)) obey(line);
        if (const auto code = look()) return *code;
        tell();
        if (!hand_over_to_.empty() && agent_->status().role == PartitionRole::kOwner && server_)
            return hand_over();
        if (stops_ || lines.ended() || end_signals() > 0) return stop();
    }
}

}  // namespace

int run_partition(api::ConsoleFiles console) {
    install_last_words(kExitFailed);
    install_signals();
    core::RealClock clock;
    core::LogLevel level = core::LogLevel::kInfo;
    NodeLines lines;
    std::string first;
    while (!lines.next(first, 1000)) {
        if (lines.ended() || end_signals() > 0) return kExitOk;
    }
    core::Log early(clock, level, {}, core::LogFormat::kJson);
    auto order = read_partition_order(first);
    if (!order) return refuse(early, order.error());
    auto config = config_of(*order);
    if (!config) return refuse(early, config.error());
    core::parse_log_level(config->log.level, level);
    core::Log log(clock, level, {}, core::LogFormat::kJson);
    PartitionProcess process(std::move(*order), std::move(*config), log, console);
    // Threads may still be in the midst of something, and what is acknowledged is on the disk: no
    // destructor has anything to do that a crash would leave undone.
    std::_Exit(process.run(lines));
}

}  // namespace millrace::runtime::node
