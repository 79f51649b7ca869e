// Part of Front: what it asks by itself: who a client is, a tenant made known where its things
// live, and what the node's own thread is asked.
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "io/error_body.h"
#include "io/http_head.h"
#include "runtime/api/audit.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/front.h"
#include "runtime/node/metrics_merge.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kWaitingMax = 4096;

core::Error nobody_knows() {
    return core::Error(core::ErrorCode::kUnavailable,
                       "who may do what is kept in partition 0, which nobody owns at the moment; "
                       "come again")
        .retry_after(1);
}

// What an Authenticator looks at.
HeaderList credentials_of(const HeaderList& headers) {
    constexpr std::array<std::string_view, 7> kLookedAt = {
        "Authorization", "X-API-Key", "Cookie", "Host", "Origin", "Sec-Fetch-Site", "Referer"};
    HeaderList out;
    for (const auto& one : headers) {
        const bool looked_at = std::any_of(
            kLookedAt.begin(), kLookedAt.end(),
            [&one](std::string_view name) { return io::equals_ignore_case(name, one.first); });
        if (looked_at) out.push_back(one);
    }
    return out;
}

// As the audit log has it of every other change.
void say_who_asks(const Passage& passage, NodeOrder& order) {
    api::ApiRequest asked;
    asked.headers = passage.headers;
    if (passage.who) {
        if (auto told = identity::read_principal(passage.who->principal))
            asked.principal = std::move(told->principal);
    }
    if (passage.is_private) {
        auto token = std::make_shared<identity::KeyIdentity>();
        token->id = "cluster.token";
        token->role = identity::Role::kAdmin;
        asked.principal.key = std::move(token);
    }
    asked.principal.peer = passage.client;
    order.actor = identity::actor_of(asked.principal);
    order.members = api::audit_members(asked);
}

}  // namespace

// ---- who asks

void Front::judge(Passage& passage) {
    const auto under_way = judgings_.find(passage.shown);
    if (under_way != judgings_.end()) {
        if (under_way->second->waiting.size() >= kWaitingMax)
            return answer(passage, nobody_knows());
        under_way->second->waiting.push_back(passage.id());
        return;
    }
    auto made = std::make_unique<Judging>(*this, passage.shown, deps_.clock->monotonic_ns());
    Judging& judging = *made;
    judging.waiting.push_back(passage.id());
    judgings_.emplace(passage.shown, std::move(made));
    const Target& target = routing_->targets.front();
    if (target.where == Target::Where::kNowhere) return judged(judging);
    HeaderList headers = credentials_of(passage.headers);
    if (!passage.query_key.empty()) headers.emplace_back("X-API-Key", passage.query_key);
    const std::array<std::pair<std::string_view, std::string_view>, 3> own = {
        {{identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPeerHeader, passage.peer},
         {kPartitionHeader, "0"}}};
    const std::string head = forward_head(
        {.method = io::Method::kGet, .target = "/v2/me", .headers = &headers, .own = own});
    if (!client_->start(judging, target.address, head, {})) judged(judging);
}

// Whoever has the keys stands still: what it has said before counts meanwhile.
void Front::give_up_judgings(std::int64_t now_ns) {
    std::vector<Judging*> late;
    for (const auto& [shown, judging] : judgings_) {
        if (now_ns - judging->begun_ns >= kJudgeNs) late.push_back(judging.get());
    }
    for (Judging* one : late) {
        client_->cancel(*one);
        one->status = 0;
        judged(*one);
    }
}

void Front::judged(Judging& judging) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const auto found = judgings_.find(judging.shown);
    std::unique_ptr<Judging> own = std::move(found->second);
    judgings_.erase(found);
    const bool said = judging.status != 0 && judging.status != 503 && !judging.not_here;
    JudgementRef who;
    if (said)
        who = judged_.put(judging.shown, Judged::of_answer(judging.status, judging.principal,
                                                           std::move(judging.body), now_ns));
    else
        who = judged_.stale(judging.shown, now_ns);
    for (const std::uint64_t id : judging.waiting) {
        const auto waits = passages_.find(id);
        if (waits == passages_.end()) continue;
        Passage& passage = *waits->second;
        passage.who = who;
        if (who) {
            go_on(passage);
        } else if (now_ns >= passage.deadline_ns) {
            answer(passage, nobody_knows());
        } else {
            passage.partition = 0;
            hold(passage);
        }
    }
    ended_judgings_.push_back(std::move(own));
}

// ---- a tenant that its partition has not heard of

void Front::make_tenant(Passage& passage) {
    // Once: a partition that still does not know it has something else.
    if (passage.tenant_made || !passage.who) return hold(passage);
    passage.tenant_made = true;
    if (routing_->by_key) return make_known(passage.partition, passage.id(), 0);
    TenantMaking& making =
        begin_making(passage.who->tenant, passage.partition, TenantMaking::What::kNew);
    if (making.waiting.size() >= kWaitingMax) return hold(passage);
    making.waiting.push_back(passage.id());
    if (!making.under_way()) start_making(making);
}

TenantMaking& Front::begin_making(const std::string& tenant, std::size_t partition,
                                  TenantMaking::What what) {
    auto made = std::make_unique<TenantMaking>(*this, tenant, partition, what);
    const std::string name = made->name();
    return *makings_.try_emplace(name, std::move(made)).first->second;
}

void Front::start_making(TenantMaking& making) {
    const Target& target = routing_->targets.front();
    const HeaderList none;
    const std::array<std::pair<std::string_view, std::string_view>, 4> own = {
        {{"Host", "localhost"},
         {identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPrincipalHeader, own_principal_},
         {kPartitionHeader, "0"}}};
    const std::string head = forward_head({.method = io::Method::kGet,
                                           .target = "/v2/tenants/" + making.tenant,
                                           .headers = &none,
                                           .own = own});
    if (target.where == Target::Where::kNowhere ||
        !client_->start(making, target.address, head, {}))
        tenant_made(making);
}

void Front::send_tenant(TenantMaking& making, bool& sent) {
    core::JsonDom dom;
    auto root = dom.parse(making.body);
    std::string text;
    core::JsonWriter json(text);
    json.begin_object();
    if (!making.again) json.field("id", making.tenant);
    core::JsonElement member;
    for (const std::string_view name : {"name", "quotas"}) {
        if (root && root->find(name, member) && !member.is_null()) json.key(name).raw(member.raw());
    }
    json.end_object();
    const Target& target = routing_->targets[making.partition];
    const std::string number = std::to_string(making.partition);
    const HeaderList headers = {{"Content-Type", "application/json"}};
    const std::array<std::pair<std::string_view, std::string_view>, 4> own = {
        {{"Host", "localhost"},
         {identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPrincipalHeader, own_principal_},
         {kPartitionHeader, number}}};
    io::BodyWriter body = public_->body_writer();
    body.append(text);
    const std::string path = making.again ? "/v2/tenants/" + making.tenant : "/v2/tenants";
    const std::string head =
        forward_head({.method = making.again ? io::Method::kPatch : io::Method::kPost,
                      .target = path,
                      .headers = &headers,
                      .body_bytes = text.size(),
                      .own = own});
    making.status = 0;
    sent = target.where != Target::Where::kNowhere &&
           client_->start(making, target.address, head, body.take());
}

void Front::tenant_made(TenantMaking& making) {
    if (making.status == 200 && !making.has_document) {
        making.has_document = true;
        bool sent = false;
        send_tenant(making, sent);
        if (sent) return;
    }
    const auto found = makings_.find(making.name());
    std::unique_ptr<TenantMaking> own = std::move(found->second);
    makings_.erase(found);
    // Again, and not known there: it will be made as it is by then.
    const bool good = own->has_document && (own->again ? own->status == 200 || own->status == 404
                                                       : own->status == 201 || own->status == 409);
    if (!good) {
        deps_.log->warn("cluster: a tenant's document did not reach its partition; tried again",
                        {{"tenant", own->tenant},
                         {"partition", static_cast<std::int64_t>(own->partition)},
                         {"status", own->status}});
    }
    if (own->again && !good) changed_tenants_.insert(own->tenant);
    for (const std::uint64_t id : own->waiting) {
        const auto waits = passages_.find(id);
        if (waits == passages_.end()) continue;
        if (!good) waits->second->tenant_made = false;
        if (good)
            go_on(*waits->second);
        else
            hold(*waits->second);
    }
    ended_makings_.push_back(std::move(own));
}

void Front::spread_changes(std::int64_t now_ns) {
    if (changed_tenants_.empty() || now_ns - spread_ns_ < kSpreadNs || !routing_->initialized)
        return;
    spread_ns_ = now_ns;
    std::set<std::string> changed;
    changed.swap(changed_tenants_);
    for (const std::string& tenant : changed) {
        const std::size_t partition =
            partition_of(tenant, routing_->hash_seed, routing_->targets.size());
        if (partition == 0) continue;
        TenantMaking& making = begin_making(tenant, partition, TenantMaking::What::kAgain);
        if (making.under_way())
            changed_tenants_.insert(tenant);  // one is on its way, of what was before
        else
            start_making(making);
    }
}

// ---- what the node's own thread is asked

void Front::answer_cluster(Passage& passage) {
    const bool reads = is_repeatable(passage.method);
    if (passage.who && !passage.who->scopes.has(reads ? identity::Scope::kMetricsRead
                                                      : identity::Scope::kBackupsWrite)) {
        return answer(passage, core::Error(core::ErrorCode::kForbidden,
                                           std::string("the key lacks the scope ") +
                                               (reads ? "metrics:read" : "backups:write")));
    }
    // The server as a whole is the business of tenant default's keys, as on one node.
    if (passage.who && passage.who->tenant != "default") {
        return answer(passage, core::Error(core::ErrorCode::kForbidden,
                                           "the cluster is the business of tenant default"));
    }
    ask_node(passage);
}

void Front::ask_metrics(Passage& passage) {
    if (metrics_.size() >= kMetricsAskedMax) {
        return answer(passage, core::Error(core::ErrorCode::kUnavailable,
                                           "too many collectors ask for metrics at once")
                                   .retry_after(1));
    }
    auto& asked = metrics_[passage.id()];
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (std::size_t p = 0; p < routing_->targets.size(); ++p) {
        if (routing_->targets[p].where == Target::Where::kHere)
            asked.push_back(std::make_unique<MetricsAsking>(*this, passage.id(), p, now_ns));
    }
    const HeaderList none;
    const std::array<std::pair<std::string_view, std::string_view>, 3> own = {
        {{"Host", "localhost"},
         {identity::kFrontTokenHeader, settings_.token},
         {identity::kFrontPrincipalHeader, own_principal_}}};
    const std::string head = forward_head(
        {.method = io::Method::kGet, .target = "/metrics", .headers = &none, .own = own});
    for (const auto& one : asked)
        one->over = !client_->start(*one, routing_->targets[one->partition].address, head, {});
    MetricsAsking nothing(*this, passage.id(), 0, now_ns);
    metrics_came(nothing);
}

// A partition that stands still keeps no collector from the figures of the others.
void Front::give_up_metrics(std::int64_t now_ns) {
    std::vector<MetricsAsking*> late;
    for (auto& [id, asked] : metrics_) {
        for (auto& one : asked) {
            if (!one->over && now_ns - one->begun_ns >= kMetricsNs) late.push_back(one.get());
        }
    }
    for (MetricsAsking* one : late) {
        client_->cancel(*one);
        one->good = false;
        metrics_came(*one);
    }
}

void Front::metrics_came(MetricsAsking& asking) {
    asking.over = true;
    const auto found = metrics_.find(asking.waiting);
    if (found == metrics_.end()) return;
    const auto& asked = found->second;
    if (!std::all_of(asked.begin(), asked.end(), [](const auto& one) { return one->over; })) return;
    MetricsMerge merge;
    for (const auto& one : asked) {
        if (one->good) merge.add(one->partition, one->body);
    }
    const auto waits = passages_.find(asking.waiting);
    if (waits != passages_.end()) {
        answer_text(*waits->second, 200, "text/plain; version=0.0.4",
                    routing_->metrics + merge.text());
    }
    ended_metrics_.push_back(std::move(found->second));
    metrics_.erase(found);
}

void Front::ask_node(Passage& passage) {
    constexpr std::string_view kPartitions = "/v2/cluster/partitions/";
    if (passage.path == "/metrics") return ask_metrics(passage);
    if (passage.method == io::Method::kGet) {
        if (passage.path == "/v2/cluster")
            return answer_text(passage, 200, "application/json", routing_->cluster);
        std::size_t p = 0;
        if (passage.path.starts_with(kPartitions)) {
            const std::string_view digits =
                std::string_view(passage.path).substr(kPartitions.size());
            const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), p);
            if (!digits.empty() && read.ptr == digits.data() + digits.size() &&
                read.ec == std::errc() && p < routing_->details.size())
                return answer_text(passage, 200, "application/json", routing_->details[p]);
        }
        return answer(
            passage, core::Error(core::ErrorCode::kNotFound, "no such call, or no such partition"));
    }
    NodeOrder order;
    order.method = passage.method;
    order.path = passage.path;
    order.body = passage.body ? std::string(passage.body.view()) : std::string();
    say_who_asks(passage, order);
    order.answer = [this, id = passage.id()](int status, std::string body) {
        post([this, id, status, body = std::move(body)] {
            const auto waits = passages_.find(id);
            if (waits != passages_.end())
                answer_text(*waits->second, status, "application/json", body);
        });
    };
    deps_.desk->order(std::move(order));
}

}  // namespace millrace::runtime::node
