// What: the face of a node: takes clients' requests, finds out who asks (runtime/node/judged.h),
//       and passes each on, whole and unread, to the process that owns the tenant's partition, here
//       or by the private listener of the node where that is. Answers come back as they come,
//       streams and WebSockets too. Where nobody owns it waits a moment, then says 503.
//       What is not safe to repeat goes out once: if it may have been taken, the client is told so.
//       Events that all have ids are safe: they go to the next owner, once more.
// Threads: its own; use() and post() any.
// Lifetime: borrows clock, log and desk.
// Limits: FrontLimits: requests and bytes of bodies that wait for an owner; answers of a known
//         length that are held whole, all others flow.
// Failure: create() says what can not be listened at.
#pragma once

#include "core/agent.h"
#include "core/config.h"
#include "core/log.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "io/reactor.h"
#include "io/tls/ticket_keys.h"
#include "io/tls/tls_context.h"
#include "runtime/api/console_file.h"
#include "runtime/identity/cors.h"
#include "runtime/identity/credentials.h"
#include "runtime/identity/local_policy.h"
#include "runtime/node/front_calls.h"
#include "runtime/node/front_grpc.h"
#include "runtime/node/front_limits.h"
#include "runtime/node/front_routes.h"
#include "runtime/node/front_sockets.h"
#include "runtime/node/judged.h"
#include "runtime/node/key_front.h"
#include "runtime/node/node_settings.h"
#include "runtime/node/open_watch.h"
#include "runtime/node/passage.h"
#include "runtime/node/routing.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace millrace::runtime::node {

core::Error no_owner(std::size_t partition);

class Front final : public core::Agent, public PassageHost, public KeyDesk, private FrontCalls {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        NodeDesk* desk = nullptr;
        api::ConsoleSet console = {};
    };
    static core::Result<std::unique_ptr<Front>> create(const core::Config& config,
                                                       const NodeSettings& settings, Deps deps);
    ~Front() override;

    const std::string& address() const { return address_; }
    const FrontFigures& figures() const { return figures_; }
    void use(RoutingRef routing);
    void post(std::function<void()> task);
    // Idle connections end; what is under way is answered.
    void drain();
    bool drained() const { return drained_.load(std::memory_order_acquire); }

    std::string_view name() const override { return "front"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override { reactor_->wake(); }

private:
    // A listener's requests; what differs is who may come.
    class Face;

    Front(const core::Config& config, const NodeSettings& settings, Deps deps);
    core::Status open(const core::Config& config);
    core::Status open_tls(const core::TlsConfig& tls);

    // ---- what comes in
    void take(io::HttpServer& server, io::Request& request, bool is_private);
    void take_private(Passage& passage, const io::Request& request);
    void take_public(Passage& passage, const io::Request& request);
    void answer_node(io::HttpServer& server, const io::Request& request, bool trusted);
    void answer_cluster(Passage& passage);
    void ask_node(Passage& passage);
    Passage& new_passage(io::HttpServer& server, io::Request& request);

    // ---- on its way
    void go_on(Passage& passage);
    // True: it was of a snapshot for another node's copy.
    bool passes_to_copy(Passage& passage);
    void pass_to_named(Passage& passage);
    void pass_to(Passage& passage, std::size_t partition, std::string_view principal) override;
    void hold(Passage& passage) override;
    void look_at_held(bool all);
    void give_up_events(std::int64_t now_ns);
    void follow(const Routing& before);

    // ---- who asks
    void judge(Passage& passage);
    void judged(Judging& judging) override;
    Judging& new_judging(const std::string& shown);
    void start_judging(Judging& judging, const HeaderList& shown, const std::string& query_key,
                       std::string_view peer);
    void give_up_judgings(std::int64_t now_ns);
    void read_shown(Passage& passage, const io::Request& request) const;

    // ---- who has something open (front_open.cc)
    OpenMark watch(const CallerRef& caller, const std::string& principal) override;
    void look_at_open(std::int64_t now_ns);
    bool judge_again(const Caller& caller);
    void take_back(const std::string& principal);
    void cut_off(std::int64_t now_ns);

    // ---- a tenant that its partition has not heard of
    void make_tenant(Passage& passage) override;
    void tenant_made(TenantMaking& making) override;
    TenantMaking& begin_making(const std::string& tenant, std::size_t partition,
                               TenantMaking::What what);
    void start_making(TenantMaking& making);
    void send_tenant(TenantMaking& making, bool& sent);
    // A change of a tenant's document reaches its partition too, sooner or later.
    void spread_changes(std::int64_t now_ns);

    // ---- figures of the partitions that are owned here, together
    void ask_metrics(Passage& passage);
    void metrics_came(MetricsAsking& asking) override;
    void give_up_metrics(std::int64_t now_ns);

    // ---- KeyDesk, and what is answered
    const Routing& routing() const override { return *routing_; }
    std::int64_t now_ns() const override { return deps_.clock->monotonic_ns(); }
    std::int64_t wall_us() const override { return deps_.clock->wall_us(); }
    io::BodyWriter body_writer() override { return public_->body_writer(); }
    std::string_view cluster_token() const override { return settings_.token; }
    const std::string& own_principal() const override { return own_principal_; }
    FrontFigures& counts() override { return figures_; }
    Passage* passage_of(std::uint64_t id) override;
    void answer(Passage& passage, const core::Error& error) override;
    void answer_text(Passage& passage, int status, std::string_view type,
                     std::string_view body) override;
    void answer_maybe_taken(Passage& passage) override;
    void finish(Passage& passage) override;
    void begin_again(Passage& passage) override {
        passage.who.reset();
        go_on(passage);
    }

    // ---- what it asks itself (front_own.cc)
    std::uint64_t ask(OwnRequest&& request, std::unique_ptr<OwnAnswer> answer) override;
    void begin_own(std::uint64_t id);
    void drop(std::uint64_t number) override;
    void drained(std::uint64_t number) override;
    void later(std::function<void()> work) override { later_.push_back(std::move(work)); }
    void run_later();
    const core::Clock& clock() const override { return *deps_.clock; }
    core::Status admits() const override;
    bool ends() const override { return draining_; }
    std::size_t partitions() const override { return routing_->targets.size(); }
    static CallerRef caller_of(const Passage& passage);
    static CallerRef caller_of(const io::Request& request);
    static std::string shown_of(const HeaderList& headers, const io::Peer& peer,
                                std::string_view query_key);
    void answer_by_sockets(Passage& passage) override;

    // ---- PassageHost
    bool holds(Passage& passage) override;
    void passed(Passage& passage) override;
    void cut(Passage& passage, io::HttpExchange::Failure how) override;
    void not_here(Passage& passage) override { hold(passage); }
    void stream_began(Passage& passage) override;
    io::HttpClient& client() override { return *client_; }

    void answer_not_here(Passage& passage);
    Passage* of_stream(io::StreamToken stream, bool is_private);
    std::string cluster_principal() const;

    const NodeSettings settings_;
    const Deps deps_;
    identity::QueryKeys query_keys_;
    identity::HostNames names_;
    identity::CorsOrigins cors_;
    const std::string own_principal_;
    std::unique_ptr<io::Reactor> reactor_;
    io::TicketKeys tickets_;
    std::shared_ptr<io::TlsContext> tls_;
    std::unique_ptr<io::HttpClient> client_;
    std::unique_ptr<Face> public_face_, private_face_;
    OpenWatch open_;
    std::unique_ptr<io::HttpServer> public_, private_;
    std::unique_ptr<FrontGrpc> grpc_;
    std::unique_ptr<FrontSockets> sockets_;
    std::string address_;
    std::string data_dir_;
    FrontFigures figures_;

    RoutingRef routing_ = std::make_shared<const Routing>();
    Judged judged_;
    std::map<std::string, std::unique_ptr<Judging>> judgings_;  // by what is shown
    std::map<std::string, std::unique_ptr<TenantMaking>> makings_;
    std::vector<std::unique_ptr<TakingBack>> takings_;
    bool cutting_ = false;  // somebody has something open who should not
    std::unordered_map<std::uint64_t, std::unique_ptr<Passage>> passages_;
    // By who waits for them.
    std::map<std::uint64_t, std::vector<std::unique_ptr<MetricsAsking>>> metrics_;
    std::vector<std::vector<std::unique_ptr<MetricsAsking>>> ended_metrics_;
    // To passages, by listener, connection and request.
    std::unordered_map<std::uint64_t, std::uint64_t> streams_;
    KeyFront key_;
    std::int64_t gathered_ns_ = 0;
    std::uint64_t next_passage_ = 1;
    std::deque<std::uint64_t> held_;
    std::size_t held_bytes_ = 0;
    std::int64_t looked_ns_ = 0;
    std::set<std::string> changed_tenants_;
    std::int64_t spread_ns_ = 0;
    std::int64_t events_looked_ns_ = 0;
    std::vector<std::function<void()>> later_;
    std::vector<std::unique_ptr<Passage>> ended_;  // freed when nothing of them is on the stack
    std::vector<std::unique_ptr<Judging>> ended_judgings_;
    std::vector<std::unique_ptr<TenantMaking>> ended_makings_;

    std::mutex mutex_;
    RoutingRef next_routing_;
    std::vector<std::function<void()>> tasks_;
    std::atomic<bool> drain_asked_{false}, drained_{false};
    bool draining_ = false;
};

}  // namespace millrace::runtime::node
