#include "runtime/node/front.h"

#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "io/tls/tls_service.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front_face.h"
#include "runtime/server/part_options.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::node {
namespace {

// No two fronts, and no two starts of one, make the same ids.
std::string id_prefix() {
    std::string prefix = "fr_";
    core::append_hex_of(prefix, core::crypto::random_bytes(8));
    return prefix + "_";
}

}  // namespace

Front::Front(const core::Config& config, const NodeSettings& settings, Deps deps)
    : settings_(settings),
      deps_(std::move(deps)),
      query_keys_(query_keys_of(config.auth)),
      own_principal_(cluster_principal()),
      tickets_(*deps_.clock),
      key_(*this, id_prefix(),
           {.event_bytes_max = static_cast<std::size_t>(config.events.event_bytes_max),
            .entries_max = static_cast<std::size_t>(config.events.batch_events_max)}) {}

Front::~Front() {
    if (!client_) return;
    for (auto& [id, passage] : passages_) passage->closed();
    for (auto& [shown, judging] : judgings_) client_->cancel(*judging);
    for (auto& [name, making] : makings_) client_->cancel(*making);
    for (auto& one : takings_) client_->cancel(*one);
    for (auto& [id, asked] : metrics_) {
        for (auto& one : asked) client_->cancel(*one);
    }
    key_.cancel_all();
    // Their last callbacks find everything of ours in its place.
    public_.reset();
    private_.reset();
    grpc_.reset();
    sockets_.reset();
    client_.reset();
}

core::Result<std::unique_ptr<Front>> Front::create(const core::Config& config,
                                                   const NodeSettings& settings, Deps deps) {
    std::unique_ptr<Front> front(new Front(config, settings, std::move(deps)));
    if (auto opened = front->open(config); !opened) return core::fail(std::move(opened.error()));
    return front;
}

core::Status Front::open_tls(const core::TlsConfig& tls) {
    if (tls.cert.empty()) return {};
    auto material = io::read_tls_material(tls_settings(tls));
    if (!material) return core::fail(std::move(material.error()));
    auto context = io::TlsContext::make(*material, tickets_);
    if (!context) return core::fail(std::move(context.error()));
    tls_ = std::move(*context);
    return {};
}

core::Status Front::open(const core::Config& config) {
    data_dir_ = config.data.dir;
    auto names = identity::HostNames::make(config.http.listen, config.http.hosts);
    if (!names) return core::fail(std::move(names.error()));
    names_ = std::move(*names);
    auto cors = identity::CorsOrigins::make(config.http.cors_origins);
    if (!cors) return core::fail(std::move(cors.error()));
    cors_ = std::move(*cors);
    auto reactor = io::Reactor::create(reactor_options(config.io), *deps_.clock);
    if (!reactor) return core::fail(std::move(reactor.error()));
    reactor_ = std::move(*reactor);
    client_ = std::make_unique<io::HttpClient>(*reactor_, io::HttpClientLimits{});
    public_face_ = std::make_unique<Face>(*this, false);
    private_face_ = std::make_unique<Face>(*this, true);
    const io::HttpLimits limits = http_limits(config.http);
    public_ = std::make_unique<io::HttpServer>(*reactor_, *public_face_, limits);
    io::HttpLimits wide = limits;
    // Nodes send what has passed another one's limits, with headers of their own.
    wide.header_bytes_max += 16u << 10;
    wide.header_count_max += 8;
    wide.request_line_bytes_max += 1u << 10;
    private_ = std::make_unique<io::HttpServer>(*reactor_, *private_face_, wide);
    public_face_->attach(*public_);
    FrontCalls& own = *this;
    grpc_ = std::make_unique<FrontGrpc>(
        own, [](const io::Request& request) { return caller_of(request); });
    grpc_->connections().attach(*public_, limits);
    sockets_ = std::make_unique<FrontSockets>(own, *public_);
    private_face_->attach(*private_);
    if (auto tls = open_tls(config.tls); !tls) return tls;
    auto listen = io::Address::parse(config.http.listen);
    if (!listen) return core::fail(std::move(std::move(listen.error()).in("http.listen")));
    io::TransformMaker maker;
    if (tls_) maker = [this] { return tls_->accept(io::http_tls_service()); };
    auto bound = public_->listen(*listen, io::ListenRole::kFirst, maker);
    if (!bound) return core::fail(std::move(std::move(bound.error()).in("http.listen")));
    address_ = bound->to_string();
    auto inner = private_->listen(settings_.advertise, io::ListenRole::kFirst);
    if (!inner) return core::fail(std::move(std::move(inner.error()).in("advertise")));
    return {};
}

std::string Front::cluster_principal() const {
    identity::Principal principal;
    principal.scopes = identity::ScopeSet::all();
    auto key = std::make_shared<identity::KeyIdentity>();
    key->id = "node:" + settings_.node;
    key->name = "cluster";
    key->role = identity::Role::kAdmin;
    principal.key = std::move(key);
    return identity::principal_text(principal, "default");
}

// ---- the loop

void Front::use(RoutingRef routing) {
    {
        const std::lock_guard lock(mutex_);
        next_routing_ = std::move(routing);
    }
    reactor_->wake();
}

void Front::post(std::function<void()> task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    reactor_->wake();
}

void Front::drain() {
    drain_asked_.store(true, std::memory_order_release);
    reactor_->wake();
}

std::size_t Front::do_work() {
    std::size_t done = reactor_->poll(0);
    RoutingRef next;
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock(mutex_);
        next = std::move(next_routing_);
        tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
    bool changed = false;
    if (next) {
        const RoutingRef before = std::exchange(routing_, std::move(next));
        changed = before->targets != routing_->targets;
        if (changed) follow(*before);
    }
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (changed || (!held_.empty() && now_ns - looked_ns_ >= FrontLimits::kAgainNs)) {
        looked_ns_ = now_ns;
        look_at_held(changed);
    }
    spread_changes(now_ns);
    if (!judgings_.empty()) give_up_judgings(now_ns);
    done += grpc_->connections().do_work();
    if (changed || now_ns - gathered_ns_ >= FrontLimits::kAgainNs) {
        gathered_ns_ = now_ns;
        key_.look();
        look_at_open(now_ns);
        grpc_->look(now_ns);
        sockets_->look(now_ns);
    }
    if (now_ns - events_looked_ns_ >= FrontLimits::kSpreadNs) {
        give_up_events(now_ns);
        give_up_metrics(now_ns);
    }
    if (drain_asked_.load(std::memory_order_acquire) && !draining_) {
        draining_ = true;
        public_->drain();
        private_->drain();
        key_.drain();
    }
    if (draining_)
        drained_.store(public_->undrained() == 0 && private_->undrained() == 0,
                       std::memory_order_release);
    done += later_.size();
    run_later();
    ended_.clear();
    ended_judgings_.clear();
    ended_makings_.clear();
    ended_metrics_.clear();
    key_.sweep();
    return done + tasks.size() + (changed ? 1 : 0);
}

void Front::wait(std::int64_t timeout_us) {
    const bool waits =
        !held_.empty() || !judgings_.empty() || !key_.idle() || sockets_->waits() || grpc_->waits();
    if (!later_.empty()) timeout_us = 0;
    if (waits) timeout_us = std::min(timeout_us, FrontLimits::kAgainNs / 1000);
    reactor_->poll(grpc_->connections().sleep_limit_us(timeout_us));
}

// Whoever has lost a partition answers nothing any more: what waits for it is not left to hang.
void Front::follow(const Routing& before) {
    std::vector<StreamPart*> cut_streams;
    for (std::size_t p = 0; p < before.targets.size(); ++p) {
        const bool stays =
            p < routing_->targets.size() && routing_->targets[p] == before.targets[p];
        if (stays || before.targets[p].where == Target::Where::kNowhere) continue;
        client_->forget(before.targets[p].address);
        key_.lost(p);
        std::vector<TenantMaking*> half_made;
        for (auto& [name, making] : makings_) {
            if (making->under_way() && (p == 0 || making->partition == p))
                half_made.push_back(making.get());
        }
        for (TenantMaking* making : half_made) {
            client_->cancel(*making);
            making->failed(io::HttpExchange::Failure::kUnknown, "its owner is another one");
        }
        std::vector<MetricsAsking*> unanswered;
        for (auto& [id, asked] : metrics_) {
            for (auto& one : asked) {
                if (one->partition == p && one->under_way()) unanswered.push_back(one.get());
            }
        }
        for (MetricsAsking* one : unanswered) {
            client_->cancel(*one);
            one->failed(io::HttpExchange::Failure::kUnknown, "its owner is another one");
        }
        for (auto& [id, passage] : passages_) {
            if (!passage->merge || passage->merge->is_over()) continue;
            StreamPart& part = *passage->merge->parts()[p];
            if (!part.under_way()) continue;
            client_->cancel(part);
            cut_streams.push_back(&part);
        }
        std::vector<Passage*> lost;
        for (auto& [id, passage] : passages_) {
            if (passage->partition == p && passage->under_way() &&
                (!passage->is_private || passage->goes_on))
                lost.push_back(passage.get());
        }
        for (Passage* passage : lost) {
            client_->cancel(*passage);
            passage->failed(io::HttpExchange::Failure::kUnknown, "its owner is another one");
        }
    }
    for (StreamPart* part : cut_streams)
        part->failed(io::HttpExchange::Failure::kUnknown, "its owner is another one");
}

}  // namespace millrace::runtime::node
