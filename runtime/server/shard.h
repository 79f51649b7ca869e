// What: the agent of one core: its ring and sockets, parsing and matching, its log's open end, the
//       hand-over to the lanes. do_work() is a list of steps; each step's decisions live in a part
//       of its own (EdgeHttp, EdgeLines, Ingestor, ShardCommit, ShardDispatcher).
// Threads: its own. From others: mail rings (one per ordered pair of shards), result rings (one per
//       lane), the cold ring (feeder), post() (API thread).
// Lifetime: borrows all of Deps; stopped before any of them.
// Limits: in-flight bytes of bodies (overflow policy: stop reading the sockets); rings as named
//       below.
// Failure: when the store has failed nothing is acknowledged any more; the server ends the process.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/drain_meter.h"
#include "core/log.h"
#include "core/spsc_ring.h"
#include "core/task_queue.h"
#include "io/http_server.h"
#include "io/line_server.h"
#include "io/reactor.h"
#include "io/tls/tls_context.h"
#include "runtime/crossing/crossing_split.h"
#include "runtime/delivery/lane.h"
#include "runtime/edge/edge_http.h"
#include "runtime/edge/edge_lines.h"
#include "runtime/edge/ingestor.h"
#include "runtime/edge/late_gate.h"
#include "runtime/edge/place_gate.h"
#include "runtime/server/grpc_figures.h"
#include "runtime/shard/identity_keeper.h"
#include "runtime/shard/keeper_rounds.h"
#include "runtime/shard/place_look.h"
#include "runtime/shard/request_pool.h"
#include "runtime/shard/shard_behind.h"
#include "runtime/shard/shard_commit.h"
#include "runtime/shard/shard_dispatch.h"
#include "runtime/shard/shard_metrics.h"
#include "store/commit/log_port.h"
#include "store/database.h"

#include <atomic>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

// Gates that the whole server shares.
struct ServerState {
    std::atomic<bool> draining{false};
    std::atomic<bool> short_of_memory{false};  // events are refused
};

// Where shards send what is not theirs. Declared here, by its user; the API thread implements it.
class ShardUplink {
public:
    virtual ~ShardUplink() = default;
    virtual void handle_api(core::ShardId shard, api::ApiRequest&& request,
                            io::RequestToken token) = 0;
    // Runs a source's transform; the answer comes back through Shard::hook_transformed.
    virtual void transform_hook(core::ShardId shard, std::unique_ptr<HookTransform> transform) = 0;
    virtual void open_stream(core::ShardId shard, const io::Request& request, api::RouteId route,
                             const identity::Principal& principal, std::string accept) = 0;
    // False: too many wait.
    virtual bool stream_message(core::ShardId shard, io::StreamToken stream,
                                std::string&& text) = 0;
    // False: too many wait.
    virtual bool open_subscription(core::ShardId shard, io::RequestToken call,
                                   const identity::Principal& principal,
                                   grpc::SubscribeAsk&& ask) = 0;
    virtual void stream_drained(core::ShardId shard, io::StreamToken stream) = 0;
    virtual void stream_closed(core::ShardId shard, io::StreamToken stream) = 0;
    // New events are durable: streams may go on.
    virtual void events_durable() = 0;
};

class Shard final : public core::Agent, public EdgeHost, public ResultPort {
public:
    struct Deps {
        core::ShardId number;
        std::size_t shards = 1;
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        core::Metrics* metrics = nullptr;
        store::Database* database = nullptr;
        store::LogPort* writer = nullptr;
        const api::Api* api = nullptr;
        const identity::Authenticator* authenticator = nullptr;
        identity::QueryKeys query_keys = identity::QueryKeys::kSome;
        identity::SecurityEvents* security = nullptr;
        api::ConsoleSet console{};
        const SourceBook* sources = nullptr;
        const EdgeBook* edge_book = nullptr;
        const SchemaBook* schemas = nullptr;
        StateBook* states = nullptr;          // of rules that know states; null: there are none
        std::unique_ptr<RuleRunner> rules{};  // asks scripts of schemas; null: they say nothing
        ShardUplink* uplink = nullptr;
        const ServerState* server = nullptr;
        std::unique_ptr<io::Reactor> reactor;
        io::HttpLimits http;
        io::LineLimits lines;
        std::size_t event_bytes_max = core::kEventBytesMax;
        std::size_t batch_events_max = core::kBatchEventsMax;
        std::size_t queue_bytes_max = 16u << 20;  // see ShardDispatcher
        std::size_t in_flight_bytes_max = 64u << 20;
        std::size_t request_bytes_kept_max = std::numeric_limits<std::size_t>::max();
        store::Durability durability = store::Durability::kFsync;
        std::int64_t linger_us_max = 1000;
        matcher::Matcher::Reader matcher_reader;
        MatchVerifier* verifier = nullptr;  // may be null
        BehindTable* behind = nullptr;
        std::function<std::uint64_t()> registry_revision{};
        // What handlers make for other partitions; null: there are none.
        crossing::CrossingSplit* crossing = nullptr;
    };
    explicit Shard(Deps deps);
    ~Shard() override;

    // Before the threads start. `senders`: how many bring results.
    void connect(std::span<Shard* const> shards, std::span<LanePort* const> lanes,
                 ColdSource& feeder, PlaceSource& places, std::size_t senders);
    // What the listeners speak from now on; connections that are there go on as they began. Before
    // the threads start, then on its own thread.
    void use_tls(std::shared_ptr<io::TlsContext> tls) { tls_ = std::move(tls); }
    core::Result<io::Address> listen_http(const io::Address& address, io::ListenRole role);
    core::Result<io::Address> listen_lines(const io::Address& address, io::ListenRole role);

    std::string_view name() const override { return name_; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override { deps_.reactor->wake(); }

    // Runs on this shard's thread soon. Any thread.
    void post(std::function<void(Shard&)> task);
    bool take_result(std::uint32_t lane, std::unique_ptr<LaneResult>& result) override;
    // On its own thread (post()).
    void obey(const BehindOrder& order) { behind_->obey(order); }
    // Events of the server itself: envelopes, a line each, and whose they are. On its own thread.
    void take_own_events(std::string_view lines, std::span<const core::TenantId> tenants);
    // The feeder's answer; false when the ring is full.
    bool take_cold(std::unique_ptr<ColdBlock>& block);
    // The same, of a request's places. Any thread.
    void looked(IngestRequest& request);
    io::HttpServer& http() { return *http_; }
    EdgeGrpc& grpc() { return edge_http_.grpc(); }
    // To a connection's stream, or to a gRPC call.
    io::WriteOutcome stream_write(io::RequestToken token, std::string_view bytes) {
        return grpc().has(token) ? grpc().write(token, bytes) : http_->stream_write({token}, bytes);
    }
    void hook_transformed(HookTransform&& transform) { edge_http_.hook_transformed(transform); }

    // Any thread; as of the last duty cycle.
    core::LogOffset next_offset() const {
        return core::LogOffset{next_offset_.load(std::memory_order_acquire)};
    }
    core::LogOffset cursor() const {
        return core::LogOffset{cursor_.load(std::memory_order_acquire)};
    }
    core::LogOffset handed_over() const {
        return core::LogOffset{handed_over_.load(std::memory_order_acquire)};
    }
    std::int64_t waiting_deliveries() const { return waiting_.load(std::memory_order_relaxed); }
    bool cold() const { return cold_.load(std::memory_order_relaxed); }
    std::size_t http_connections() const {
        return http_connections_.load(std::memory_order_relaxed);
    }
    std::size_t line_connections() const {
        return line_connections_.load(std::memory_order_relaxed);
    }
    std::size_t grpc_calls() const { return grpc_calls_.load(std::memory_order_relaxed); }
    // Stages of going down, asked for with post().
    void drain_edge();
    void stop_listening() { http_->stop_listening(); }
    void stop_dispatch() { dispatch_->stop(); }
    void persist_cursor();
    bool edge_idle() const { return edge_idle_.load(std::memory_order_acquire); }
    bool commit_idle() const { return commit_idle_.load(std::memory_order_acquire); }

    // EdgeHost
    IngestRequest& take_request() override;
    void drop(IngestRequest& request) override;
    void start(IngestRequest& request) override;
    Ingestor& ingestor() override { return ingestor_; }
    store::PoolSet& pools() override { return deps_.database->pools(); }
    core::Status admit() override;
    std::int64_t drain_seconds() const override {
        return drain_.seconds_for(static_cast<std::int64_t>(in_flight_bytes_),
                                  deps_.clock->monotonic_ns());
    }
    bool draining() const override;
    const core::Clock& clock() const override { return *deps_.clock; }
    store::Durability default_durability() const override { return deps_.durability; }
    void forward(api::ApiRequest&& request, io::RequestToken token) override;
    void transform_hook(std::unique_ptr<HookTransform> transform) override;
    void open_stream(const io::Request& request, api::RouteId route,
                     const identity::Principal& principal, std::string accept) override;
    bool stream_message(io::StreamToken stream, std::string&& text) override;
    bool open_subscription(io::RequestToken call, const identity::Principal& principal,
                           grpc::SubscribeAsk&& ask) override;
    void stream_drained(io::StreamToken stream) override;
    void stream_closed(io::StreamToken stream) override;

private:
    struct Mail {
        enum class Kind : std::uint8_t {
            kNone,
            kOrder,
            kAppend,
            kDone,
            kAsk,
            kAnswered,
            kRelease,
            kReleased
        };
        Kind kind = Kind::kNone;
        IngestRequest* request = nullptr;
    };
    static constexpr std::size_t kMailRing = 4096;
    static constexpr std::size_t kResultRing = 64;
    static constexpr std::size_t kColdRing = 8;
    static constexpr std::size_t kResultsPerCycle = 64;

    std::size_t read_mail();
    std::size_t read_results();
    std::size_t read_cold();
    std::size_t run_tasks();
    std::size_t work_backlog();
    void publish_figures();
    void tell_refused(std::uint64_t http, std::uint64_t lines);

    void send(core::ShardId to, Mail mail);
    std::size_t send_outbox();
    // To all homes; the caller may be any shard.
    void hand_out(IngestRequest& request);
    void enter(IngestRequest& request);
    void go_on(IngestRequest& request);
    void order(IngestRequest& request);
    void read(const Mail& mail);
    void to_keeper(core::ShardId keeper, IngestRequest& request, Mail::Kind kind);
    void send_to_homes(IngestRequest& request);
    void append_here(IngestRequest& request);
    void home_done(IngestRequest& request);
    void finish(IngestRequest& request);
    void take_lane_result(std::unique_ptr<LaneResult> result);
    static void mark_letters(IngestRequest& request, const LaneResult& result);
    static void mark_traces(IngestRequest& request, const LaneResult& result);
    static void tell_counted(const IngestRequest& request, LaneResult& result);
    void commit_lane_result(LaneResult& result);
    void add_rows_of(IngestRequest& request);
    void on_block_durable(const store::EventBlock& block, std::span<const DeliveryItem> items);
    void on_request_done(IngestRequest& request);
    void watch_pressure();
    io::TransformMaker transforms(const io::TlsService& service);

    Deps deps_;
    const std::string name_;
    ShardMetrics metrics_;
    GrpcFigures grpc_figures_;
    RequestPool requests_;
    Ingestor ingestor_;
    EdgeHttp edge_http_;
    EdgeLines edge_lines_;
    std::shared_ptr<io::TlsContext> tls_;  // null: the listeners speak none
    std::unique_ptr<io::HttpServer> http_;
    std::unique_ptr<io::LineServer> lines_;
    PlaceSource* places_ = nullptr;
    PlaceGate place_gate_;
    LateGate late_gate_;
    IdentityKeeper keeper_;
    KeeperRounds rounds_;
    ShardCommit commit_;
    std::unique_ptr<ShardDispatcher> dispatch_;
    std::optional<ShardBehind> behind_;

    std::vector<Shard*> shards_;
    std::vector<std::unique_ptr<core::SpscRing<Mail>>> mail_;  // by sender
    std::vector<std::deque<Mail>> outbox_;                     // by receiver
    std::vector<std::unique_ptr<core::SpscRing<std::unique_ptr<LaneResult>>>> results_;  // by lane
    // By lane: a result waits for its events. Those behind it stay in the ring: kv writes of one
    // key must not overtake each other.
    std::vector<bool> result_waits_;
    core::SpscRing<std::unique_ptr<ColdBlock>> cold_blocks_{kColdRing};
    struct Backlog {
        IngestRequest* request = nullptr;
        std::size_t next = 0;
    };
    std::deque<Backlog> backlog_;
    // Answers and stages of going down, as many as there are calls, streams and parts: none is
    // refused.
    core::TaskQueue<std::function<void(Shard&)>> tasks_{0};

    // All homes of a request that is all or none take it in the same order as others of its kind,
    // so that no two wait for each other: this shard gives such requests out, one after the other.
    static constexpr core::ShardId kOrderingShard{0};
    std::uint64_t batches_ordered_ = 0;

    std::size_t in_flight_bytes_ = 0;
    std::size_t drained_bytes_ = 0;  // of them, in this duty cycle
    core::DrainMeter drain_;
    bool paused_ = false;
    std::uint64_t refused_told_ = 0;
    std::int64_t refused_told_us_ = 0;
    core::LogOffset cursor_written_;
    std::atomic<std::uint64_t> next_offset_{0};
    std::atomic<std::uint64_t> cursor_{0};
    std::atomic<std::uint64_t> handed_over_{0};
    std::atomic<std::int64_t> waiting_{0};
    std::atomic<bool> cold_{false};
    std::atomic<bool> edge_idle_{true};
    std::atomic<bool> commit_idle_{true};
    std::atomic<std::size_t> http_connections_{0};
    std::atomic<std::size_t> line_connections_{0};
    std::atomic<std::size_t> grpc_calls_{0};
};

}  // namespace millrace::runtime
