#include "runtime/hub/forwarder.h"

#include "core/crypto/random_bits.h"
#include "core/http_url.h"
#include "runtime/registry/edge_node.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::runtime::hub {
namespace {

std::uint64_t new_incarnation() {
    const std::string bits = core::crypto::random_bytes(sizeof(std::uint64_t));
    std::uint64_t out = 0;
    std::memcpy(&out, bits.data(), sizeof out);
    return out | 1u;  // 0 is none
}

tl::unexpected<core::Error> bad_setting(std::string_view name, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, std::string(name) + ": " + std::string(what))
            .in(std::string(name)));
}

}  // namespace

core::Status check_forward_options(ForwardOptions& options) {
    while (options.url.ends_with('/')) options.url.pop_back();
    const auto url = core::HttpUrl::parse(options.url);
    if (!url) return bad_setting("hub.url", url.error().message);
    const std::size_t host_at = options.url.find("//") + 2;
    if (options.url.find_first_of("/?#@", host_at) != std::string::npos)
        return bad_setting("hub.url", "must be scheme, host and port only: https://hub.example");
    if (!is_edge_node_name(options.node))
        return bad_setting("hub.node",
                           std::string("says what this edge is called at its hub, and ") +
                               std::string(kEdgeNodeNameRule));
    if (const auto first = UrgentEvents::patterns_of(options.first); !first)
        return core::fail(first.error());
    if (!options.token.starts_with(kEdgeTokenPrefix))
        return bad_setting("hub.token",
                           "must be what `millrace edge enroll` has shown at the hub: mredge_...");
    return {};
}

core::Result<std::unique_ptr<Forwarder>> Forwarder::make(Deps deps, ForwardOptions options) {
    if (auto good = check_forward_options(options); !good) return core::fail(good.error());
    std::unique_ptr<courier::Courier> own;
    if (!deps.port) {
        auto made = courier::Courier::to(*deps.clock, options.url);
        if (!made) return bad_setting("hub.url", made.error().message);
        own = std::move(*made);
    }
    return std::unique_ptr<Forwarder>(
        new Forwarder(std::move(deps), std::move(options), std::move(own)));
}

Forwarder::Forwarder(Deps deps, ForwardOptions options, std::unique_ptr<courier::Courier> own)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      own_(std::move(own)),
      port_(deps_.port ? *deps_.port : *own_),
      role_(deps_.metrics->role()),
      random_(deps_.seed),
      run_(*deps_.database) {
    const auto counter = [&](std::string_view outcome) {
        return role_.counter(core::Metric::kHubEvents, {outcome});
    };
    figures_.sent = counter("sent");
    figures_.skipped = counter("skipped");
    figures_.lost = counter("dropped");
    figures_.bytes = role_.counter(core::Metric::kHubBytes);
    figures_.lag = role_.gauge(core::Metric::kHubLag);
    figures_.up = role_.gauge(core::Metric::kHubUp);
}

Forwarder::~Forwarder() = default;

core::Status Forwarder::load(SetAside& aside) {
    auto rows = deps_.database->registry().load_all(kForwardKind);
    if (!rows) return core::fail(std::move(rows.error()));
    std::map<std::uint32_t, ForwardMark> kept;
    for (const store::RegistryDocument& row : *rows) {
        core::Status read;
        if (row.id == kForwardFolderId) {
            const auto found = read_incarnation(row.json);
            if (found) incarnation_ = *found;
            if (!found) read = core::fail(found.error());
        } else if (row.id == kForwardUrgentId) {
            auto found = UrgentEvents::read(row.json);
            if (found) urgent_ = std::move(*found);
            if (!found) read = core::fail(found.error());
        } else {
            const auto found = read_forward_mark(row.json);
            if (found) kept[found->lane] = *found;
            if (!found) read = core::fail(found.error());
        }
        if (!read) aside.add(kForwardKind, row.id, read.error());
    }
    if (auto done = keep_urgent(); !done) return done;
    make_lanes(kept);
    if (incarnation_ != 0) return {};
    incarnation_ = new_incarnation();
    store::RowBatch batch;
    put_incarnation(batch, incarnation_, deps_.clock->wall_us());
    // The chain begins here, also where retention has moved on before a later mark is kept.
    for (const auto& lane : lanes_) put_forward_mark(batch, lane->mark, deps_.clock->wall_us());
    return deps_.database->write_now(batch);
}

// What is urgent from now on, and what was before.
core::Status Forwarder::keep_urgent() {
    UrgentEvents::Offsets first, end;
    for (std::size_t i = 0; i < deps_.shards; ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        first.push_back(deps_.database->first_kept(shard).value);
        end.push_back(deps_.database->durable_end(shard).value);
    }
    const auto changed = urgent_.change(options_.first, end);
    if (!changed) deps_.log->error("hub: " + changed.error().message);
    if (!urgent_.forget_before(first) && !(changed && *changed)) return {};
    store::RowBatch batch;
    put_urgent(batch, urgent_.json(), deps_.clock->wall_us());
    return deps_.database->write_now(batch);
}

void Forwarder::make_lanes(const std::map<std::uint32_t, ForwardMark>& kept) {
    const auto add = [&](std::uint32_t number, std::uint64_t begin, const LogRun::Part& part) {
        Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>());
        const auto at = kept.find(number);
        lane.part = part;
        confirm(lane, at == kept.end() ? ForwardMark{number, begin, 0} : at->second);
        look_again(lane);
        lane.unkept = at == kept.end();
    };
    using Of = LogRun::Part::Of;
    const auto shards = static_cast<std::uint32_t>(deps_.shards);
    if (urgent_.any() && options_.on_full == OnFull::kDrop)
        urgent_keep_ = std::make_unique<UrgentKeep>(*deps_.database, urgent_, deps_.shards);
    if (urgent_.any()) {
        for (std::uint32_t shard = 0; shard < shards; ++shard)
            add(kPartStep * kUrgentPart + shard, urgent_.begin(shard),
                {.of = Of::kUrgent, .urgent = &urgent_});
    }
    for (std::uint32_t shard = 0; shard < shards; ++shard)
        add(shard,
            deps_.database->first_kept(core::ShardId(static_cast<std::uint16_t>(shard))).value,
            {.of = urgent_.any() ? Of::kRest : Of::kAll, .urgent = &urgent_});
}

Forwarder::Lane* Forwarder::lane_of(std::uint32_t number) const {
    for (const auto* lanes : {&lanes_, &backfills_}) {
        for (const auto& lane : *lanes)
            if (lane->mark.lane == number) return lane.get();
    }
    return nullptr;
}

std::vector<core::LogOffset> Forwarder::floors() const {
    std::vector<core::LogOffset> out;
    if (options_.on_full == OnFull::kDrop)
        return urgent_keep_ ? urgent_keep_->floors() : std::vector<core::LogOffset>{};
    out.assign(deps_.shards, core::LogOffset{~std::uint64_t{0}});
    for (const auto& lane : lanes_) {
        core::LogOffset& floor = out[lane->shard()];
        // relaxed: retention may see an older one, which keeps more
        floor = std::min(floor, core::LogOffset{lane->floor.load(std::memory_order_relaxed)});
    }
    return out;
}

std::vector<core::LogPosition> Forwarder::kept_events() const {
    return urgent_keep_ ? urgent_keep_->events() : std::vector<core::LogPosition>{};
}

// ---- the agent

courier::HttpCall Forwarder::call_of(std::string_view path) const {
    courier::HttpCall call;
    call.url = options_.url + "/v2/edges/" + options_.node + std::string(path);
    call.headers = {{"Authorization", "Bearer " + options_.token}};
    call.connect_timeout_ms = kConnectMs;
    call.timeout_ms = kCallMs;
    call.body_bytes_max = WantedEvents::kTextBytesMax;
    return call;
}

void Forwarder::heartbeat() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (heartbeat_under_way_ || now_ns < heartbeat_at_ns_) return;
    heartbeat_under_way_ = port_.send(*this, kHeartbeatTicket, call_of("/filters"));
    // Apart from other edges that lost their hub at the same time.
    heartbeat_at_ns_ =
        now_ns + kHeartbeatNs / 2 +
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(kHeartbeatNs)));
}

// What the hub has been told need not be synced by itself: it is asked again after a crash.
bool Forwarder::keep_mark(Lane& lane) {
    auto result = std::make_unique<LaneResult>();
    result->shard = core::ShardId(static_cast<std::uint16_t>(lane.shard()));
    put_forward_mark(result->rows, lane.mark, deps_.clock->wall_us());
    if (!deps_.submit(result->shard, result)) return false;
    lane.unkept = false;
    return true;
}

std::size_t Forwarder::do_work() {
    std::size_t done = own_ ? own_->do_work() : 0;
    if (!stopping_.load(std::memory_order_relaxed)) {
        heartbeat();
        const std::size_t before = done;
        for (auto& lane : lanes_) done += lane->walk ? step(*lane) : send(*lane);
        // What is long past waits for what is new.
        if (done == before)
            for (auto& lane : backfills_) done += lane->walk ? step(*lane) : send(*lane);
    }
    for (auto& lane : lanes_)
        if (lane->unkept) done += keep_mark(*lane) ? 1 : 0;
    show_lag();
    return done;
}

void Forwarder::wait(std::int64_t timeout_us) {
    const std::int64_t at_most = std::min(timeout_us, kPollUs);
    if (own_)
        own_->wait(at_most);
    else
        core::Agent::wait(at_most);
}

void Forwarder::wake() {
    if (own_)
        own_->wake();
    else
        core::Agent::wake();
}

}  // namespace millrace::runtime::hub
