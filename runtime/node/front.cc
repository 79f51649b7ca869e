#include "runtime/node/front.h"

#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "core/json_writer.h"
#include "io/http_head.h"
#include "io/tls/tls_service.h"
#include "runtime/hub/hub_batch.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/named_events.h"
#include "runtime/server/part_options.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::string_view kEventsPath = "/v2/events";
constexpr std::string_view kRetryAfter = "Retry-After";

// As any other error, and a word for programs: of another 503 nothing was taken.
std::string maybe_taken() {
    constexpr core::ErrorCode kCode = core::ErrorCode::kUnavailable;
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", false).key("error").begin_object();
    json.field("message",
               "the node that this went to is gone: whether it was taken is not known; send "
               "events again with the same eventId, and look before you repeat anything else");
    json.field("code", core::error_code_text(kCode));
    json.field("statusCode", core::error_code_status(kCode)).key("details").begin_object();
    json.field("reason", kMaybeTaken).end_object().end_object().end_object();
    return body;
}

// No two fronts, and no two starts of one, make the same ids.
std::string id_prefix() {
    std::string prefix = "fr_";
    core::append_hex_of(prefix, core::crypto::random_bytes(8));
    return prefix + "_";
}

// Sessions are where the keys are, and nowhere else.
bool changes_documents(const Passage& passage) {
    return !is_repeatable(passage.method) && !passage.path.starts_with("/v2/session") &&
           !passage.path.starts_with("/v2/portal");
}

// What partitions have parts of, where events live by their keys.
bool is_spread(Belongs to) { return to == Belongs::kTenant || to == Belongs::kLook; }

// The two listeners number their connections each for itself.
std::uint64_t stream_key(io::StreamToken stream, bool is_private) {
    return std::uint64_t{is_private} << 63 | std::uint64_t{stream.request.connection} << 32 |
           stream.request.sequence;
}

}  // namespace

core::Error no_owner(std::size_t partition) {
    return core::Error(core::ErrorCode::kUnavailable,
                       "nobody owns partition " + std::to_string(partition) +
                           " at the moment: nothing was taken; come again")
        .retry_after(1);
}

class Front::Face final : public io::HttpHandler {
public:
    Face(Front& front, bool is_private) : front_(front), private_(is_private) {}
    void attach(io::HttpServer& server) { server_ = &server; }

    void on_head(const io::Request& request, io::HeadDecision& decision) override {
        decision.when_full = request.path == "/healthz" || request.path == "/readyz";
        // One event of an edge may be as large as all of it, whatever the setting is.
        if (request.path.starts_with("/v2/edges/"))
            decision.body_bytes_max = std::max(decision.body_bytes_max, hub::kBatchPackedBytesMax);
    }
    void on_request(io::Request& request) override { front_.take(*server_, request, private_); }
    void on_stream_drain(io::StreamToken stream) override {
        if (Passage* passage = front_.of_stream(stream, private_)) passage->drained();
    }
    bool on_preface(io::StreamToken stream, const io::Peer& /*peer*/,
                    std::span<const std::string> /*peer_names*/) override {
        if (private_) return false;
        front_.no_grpc_.open(stream, front_.deps_.clock->monotonic_ns());
        return true;
    }
    void on_going_away(io::StreamToken stream) override {
        front_.no_grpc_.close(stream);
        server_->end_stream(stream);
    }
    void on_stream_close(io::StreamToken stream) override {
        if (!private_ && front_.no_grpc_.has(stream)) return front_.no_grpc_.close(stream);
        Passage* passage = front_.of_stream(stream, private_);
        if (!passage) return;
        passage->closed();
        front_.finish(*passage);
    }
    void on_stream_bytes(io::StreamToken stream, std::string_view bytes) override {
        if (!private_ && front_.no_grpc_.has(stream))
            return front_.no_grpc_.take(stream, bytes, front_.deps_.clock->monotonic_ns());
        Passage* passage = front_.of_stream(stream, private_);
        if (!passage || passage->from_client(bytes)) return;
        passage->closed();
        server_->end_stream(stream);
        front_.finish(*passage);
    }

private:
    Front& front_;
    const bool private_;
    io::HttpServer* server_ = nullptr;
};

Front::Front(const core::Config& config, const NodeSettings& settings, Deps deps)
    : settings_(settings),
      deps_(deps),
      query_keys_(query_keys_of(config.auth)),
      own_principal_(cluster_principal()),
      tickets_(*deps.clock),
      ids_(id_prefix()),
      event_bytes_max_(static_cast<std::size_t>(config.events.event_bytes_max)),
      entries_max_(static_cast<std::size_t>(config.events.batch_events_max)) {}

Front::~Front() {
    if (!client_) return;
    for (auto& [id, passage] : passages_) passage->closed();
    for (auto& [shown, judging] : judgings_) client_->cancel(*judging);
    for (auto& [name, making] : makings_) client_->cancel(*making);
    for (auto& [id, asked] : metrics_) {
        for (auto& one : asked) client_->cancel(*one);
    }
    gatherer_.cancel_all();
    // Their last callbacks find everything of ours in its place.
    public_.reset();
    private_.reset();
    client_.reset();
}

core::Result<std::unique_ptr<Front>> Front::create(const core::Config& config,
                                                   const NodeSettings& settings, Deps deps) {
    std::unique_ptr<Front> front(new Front(config, settings, deps));
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
    no_grpc_.attach(*public_);
    private_face_->attach(*private_);
    if (auto tls = open_tls(config.tls); !tls) return tls;
    auto listen = io::Address::parse(config.http.listen);
    if (!listen) return core::fail(std::move(std::move(listen.error()).in("http.listen")));
    io::TransformMaker maker;
    if (tls_) maker = [this] { return tls_->accept(io::http_tls_service()); };
    auto bound = public_->listen(*listen, io::ListenRole::kFirst, maker);
    if (!bound) return core::fail(std::move(std::move(bound.error()).in("http.listen")));
    address_ = bound->to_string();
    auto own = private_->listen(settings_.advertise, io::ListenRole::kFirst);
    if (!own) return core::fail(std::move(std::move(own.error()).in("advertise")));
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
    if (changed || (!held_.empty() && now_ns - looked_ns_ >= kAgainNs)) {
        looked_ns_ = now_ns;
        look_at_held(changed);
    }
    spread_changes(now_ns);
    if (!judgings_.empty()) give_up_judgings(now_ns);
    if (changed || now_ns - gathered_ns_ >= kAgainNs) {
        gathered_ns_ = now_ns;
        gatherer_.look();
    }
    if (now_ns - events_looked_ns_ >= kSpreadNs) {
        give_up_events(now_ns);
        give_up_metrics(now_ns);
        no_grpc_.look(now_ns);
    }
    if (drain_asked_.load(std::memory_order_acquire) && !draining_) {
        draining_ = true;
        public_->drain();
        private_->drain();
    }
    if (draining_)
        drained_.store(public_->undrained() == 0 && private_->undrained() == 0,
                       std::memory_order_release);
    ended_.clear();
    ended_judgings_.clear();
    ended_makings_.clear();
    ended_metrics_.clear();
    gatherer_.sweep();
    ended_merges_.clear();
    return done + tasks.size() + (changed ? 1 : 0);
}

void Front::wait(std::int64_t timeout_us) {
    const bool waits = !held_.empty() || !judgings_.empty() || !gatherer_.idle();
    reactor_->poll(waits ? std::min(timeout_us, kAgainNs / 1000) : timeout_us);
}

// Whoever has lost a partition answers nothing any more: what waits for it is not left to hang.
void Front::follow(const Routing& before) {
    std::vector<StreamPart*> cut_streams;
    for (std::size_t p = 0; p < before.targets.size(); ++p) {
        const bool stays =
            p < routing_->targets.size() && routing_->targets[p] == before.targets[p];
        if (stays || before.targets[p].where == Target::Where::kNowhere) continue;
        client_->forget(before.targets[p].address);
        gatherer_.lost(p);
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

// ---- on its way

void Front::go_on(Passage& passage) {
    if (routing_->by_key && passage.route.to == Belongs::kEdge) {
        return answer(passage,
                      core::Error(core::ErrorCode::kNotSupported,
                                  "edges are not there with cluster.partition_by = \"key\""));
    }
    if (passage.route.to == Belongs::kKeys) {
        passage.follows = routing_->by_key && changes_documents(passage);
        return pass_to(passage, 0, {});
    }
    if (passage.route.to == Belongs::kEdge) {
        const std::size_t count = routing_->targets.size();
        return pass_to(passage, partition_of(passage.query_tenant, routing_->hash_seed, count), {});
    }
    if (!passage.who) {
        passage.who = judged_.fresh(passage.shown, deps_.clock->monotonic_ns());
        if (!passage.who) return judge(passage);
    }
    const Judgement& who = *passage.who;
    std::string_view tenant = who.tenant;
    if (who.principal.empty()) {
        if (passage.route.to != Belongs::kPublic || who.status != 401)
            return answer_text(passage, who.status, "application/json", who.refusal);
        tenant = passage.query_tenant.empty() ? "default" : std::string_view(passage.query_tenant);
    }
    if (passage.route.to == Belongs::kNode) return answer_cluster(passage);
    if (!passage.route.tenant.empty()) tenant = passage.route.tenant;
    const std::size_t home = partition_of(tenant, routing_->hash_seed, routing_->targets.size());
    if (routing_->by_key && is_spread(passage.route.to)) return go_by_key(passage, home);
    const bool named = passage.route.to == Belongs::kNamed || !passage.query_partition.empty();
    if (named) return pass_to_named(passage);
    pass_to(passage, home, who.principal);
}

// Of a partition as a whole, which is the business of tenant default; but what changed of a
// tenant's keys is the tenant's own.
void Front::pass_to_named(Passage& passage) {
    const std::string& digits = passage.query_partition;
    std::size_t partition = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), partition);
    if (passage.who->tenant != "default" && passage.route.to != Belongs::kAudit) {
        return answer(passage,
                      core::Error(core::ErrorCode::kForbidden,
                                  "a partition as a whole is the business of tenant default"));
    }
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size() ||
        partition >= routing_->targets.size()) {
        return answer(passage,
                      core::Error(core::ErrorCode::kValidation,
                                  "query parameter partition: name one of the cluster's, 0 to " +
                                      std::to_string(routing_->targets.size() - 1))
                          .in("partition"));
    }
    pass_to(passage, partition, passage.who->principal);
}

void Front::pass_to(Passage& passage, std::size_t partition, std::string_view principal) {
    passage.partition = partition;
    const Target& target = routing_->targets[partition];
    if (target.where == Target::Where::kNowhere) return hold(passage);
    const std::string number = std::to_string(partition);
    std::vector<std::pair<std::string_view, std::string_view>> own = {
        {identity::kFrontTokenHeader, settings_.token},
        {identity::kFrontPeerHeader, passage.peer},
        {kPartitionHeader, number}};
    if (!principal.empty()) own.emplace_back(identity::kFrontPrincipalHeader, principal);
    const std::string head = forward_head({.method = passage.method,
                                           .target = passage.target,
                                           .headers = &passage.headers,
                                           .body_bytes = passage.body ? passage.body.size() : 0,
                                           .upgrade = passage.upgrade,
                                           .own = own});
    passage.forget_answer();
    passage.sent_ns = deps_.clock->monotonic_ns();
    if (!client_->start(passage, target.address, head, passage.body)) return hold(passage);
    (target.where == Target::Where::kHere ? figures_.forwarded_here : figures_.forwarded_there)
        .fetch_add(1, std::memory_order_relaxed);
    if (passage.tries++ > 0) figures_.repeated.fetch_add(1, std::memory_order_relaxed);
}

void Front::hold(Passage& passage) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const std::size_t bytes = passage.body ? passage.body.size() : 0;
    if (passage.is_private) return answer_not_here(passage);
    if (now_ns >= passage.deadline_ns || held_.size() >= kHeldMax ||
        held_bytes_ + bytes > kHeldBytesMax)
        return answer(passage, no_owner(passage.partition));
    figures_.held.fetch_add(1, std::memory_order_relaxed);
    passage.held = true;
    held_bytes_ += bytes;
    held_.push_back(passage.id());
}

void Front::look_at_held(bool all) {
    std::deque<std::uint64_t> waiting;
    waiting.swap(held_);
    held_bytes_ = 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (const std::uint64_t id : waiting) {
        const auto found = passages_.find(id);
        if (found == passages_.end()) continue;
        Passage& passage = *found->second;
        passage.held = false;
        const bool over = now_ns >= passage.deadline_ns;
        const Target& target = routing_->targets[passage.partition];
        if (!all && !over && target.where == Target::Where::kNowhere) {
            hold(passage);
            continue;
        }
        if (over && (target.where == Target::Where::kNowhere || passage.tries > 1))
            answer(passage, no_owner(passage.partition));
        else
            go_on(passage);
    }
}

// Their owner waits for NATS, or stands still: clients are not left to hang with it.
void Front::give_up_events(std::int64_t now_ns) {
    events_looked_ns_ = now_ns;
    std::vector<Passage*> late;
    for (const auto& [id, passage] : passages_) {
        if (passage->method == io::Method::kPost && passage->path == kEventsPath &&
            passage->under_way() && now_ns - passage->sent_ns >= kEventsNs)
            late.push_back(passage.get());
    }
    for (Passage* passage : late) {
        client_->cancel(*passage);
        answer_maybe_taken(*passage);
    }
}

void Front::passed(Passage& passage) {
    if (passage.route.to == Belongs::kKeys && !is_repeatable(passage.method)) {
        judged_.clear();
        if (!routing_->by_key && !passage.route.tenant.empty())
            changed_tenants_.emplace(passage.route.tenant);
    }
    finish(passage);
}

void Front::cut(Passage& passage, io::HttpExchange::Failure how) {
    if (how == io::HttpExchange::Failure::kNotSent || is_repeatable(passage.method)) {
        if (passage.is_private) return not_here(passage);
        return hold(passage);
    }
    // Once more, where whoever owns by now knows by their ids what it has. Another node's front
    // decides that for itself.
    const bool again = !passage.is_private && !passage.maybe_taken && passage.path == kEventsPath &&
                       passage.body && events_are_named(passage.headers, passage.body.view());
    if (!again) return answer_maybe_taken(passage);
    passage.maybe_taken = true;
    passage.deadline_ns = deps_.clock->monotonic_ns() + kHoldNs;
    hold(passage);
}

void Front::answer_maybe_taken(Passage& passage) {
    passage.maybe_taken = true;
    answer(passage, {});
}

void Front::stream_began(Passage& passage) {
    streams_[stream_key(passage.stream(), passage.is_private)] = passage.id();
}

Passage* Front::of_stream(io::StreamToken stream, bool is_private) {
    const auto found = streams_.find(stream_key(stream, is_private));
    if (found == streams_.end()) return nullptr;
    const auto passage = passages_.find(found->second);
    return passage == passages_.end() || !(passage->second->stream() == stream)
               ? nullptr
               : passage->second.get();
}

void Front::answer(Passage& passage, const core::Error& error) {
    if (!passage.maybe_taken) {
        passage.server().respond_error(passage.token, error);
        return finish(passage);
    }
    // Whatever stands in its way now: of what went out before nobody knows.
    figures_.unknown.fetch_add(1, std::memory_order_relaxed);
    const std::vector<io::HeaderField> headers = {
        {passage.is_private ? identity::kFrontAnswerHeader : kRetryAfter,
         passage.is_private ? kMaybeTaken : "1"}};
    passage.server().respond(passage.token, {.status = 503, .headers = headers}, maybe_taken());
    finish(passage);
}

void Front::answer_text(Passage& passage, int status, std::string_view type,
                        std::string_view body) {
    passage.server().respond(passage.token, {.status = status, .content_type = type}, body);
    finish(passage);
}

void Front::finish(Passage& passage) {
    passage.closed();
    if (passage.streams()) streams_.erase(stream_key(passage.stream(), passage.is_private));
    const auto found = passages_.find(passage.id());
    if (found == passages_.end()) return;
    ended_.push_back(std::move(found->second));
    passages_.erase(found);
}

}  // namespace millrace::runtime::node
