// Part of Front: a tenant made known where its things live, and what changes of its document.
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/front.h"

#include <array>
#include <utility>

namespace millrace::runtime::node {

void Front::make_tenant(Passage& passage) {
    // Once: a partition that still does not know it has something else.
    if (passage.tenant_made || !passage.who) return hold(passage);
    passage.tenant_made = true;
    if (routing_->by_key) return key_.make_known(passage);
    TenantMaking& making =
        begin_making(passage.who->tenant, passage.partition, TenantMaking::What::kNew);
    if (making.waiting.size() >= FrontLimits::kWaitingMax) return hold(passage);
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
    if (changed_tenants_.empty() || now_ns - spread_ns_ < FrontLimits::kSpreadNs ||
        !routing_->initialized)
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

}  // namespace millrace::runtime::node
