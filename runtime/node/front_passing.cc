// Part of Front: a request on its way: where it goes, who it waits for, and what becomes of it
// where its owner is lost.
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/front.h"
#include "runtime/node/named_events.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::string_view kEventsPath = "/v2/events";

// Sessions are where the keys are, and nowhere else.
bool changes_documents(const Passage& passage) {
    return !is_repeatable(passage.method) && !passage.path.starts_with("/v2/session") &&
           !passage.path.starts_with("/v2/portal");
}

// What partitions have parts of, where events live by their keys.
bool is_spread(Belongs to) { return to == Belongs::kTenant || to == Belongs::kLook; }

}  // namespace

void Front::go_on(Passage& passage) {
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
    if (passage.only_who) return answer_text(passage, 200, "text/plain", who.principal);
    if (passage.route.to == Belongs::kNode) return answer_cluster(passage);
    if (!passage.route.tenant.empty()) tenant = passage.route.tenant;
    const std::size_t home = partition_of(tenant, routing_->hash_seed, routing_->targets.size());
    if (routing_->by_key && is_spread(passage.route.to)) return key_.go(passage, home);
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
                                           .body_bytes = passage.body_view().size(),
                                           .upgrade = passage.upgrade,
                                           .own = own});
    passage.forget_answer();
    // A second try has what the first has left of the time: its client waits for both.
    if (!passage.maybe_taken) passage.sent_ns = deps_.clock->monotonic_ns();
    if (!client_->start(passage, target.address, head, passage.body)) return hold(passage);
    (target.where == Target::Where::kHere ? figures_.forwarded_here : figures_.forwarded_there)
        .fetch_add(1, std::memory_order_relaxed);
    if (passage.tries++ > 0) figures_.repeated.fetch_add(1, std::memory_order_relaxed);
}

void Front::hold(Passage& passage) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    const std::size_t bytes = passage.body_view().size();
    if (passage.is_private) return answer_not_here(passage);
    if (now_ns >= passage.deadline_ns || held_.size() >= FrontLimits::kHeldMax ||
        held_bytes_ + bytes > FrontLimits::kHeldBytesMax)
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
            passage->under_way() && now_ns - passage->sent_ns >= FrontLimits::kEventsNs)
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
        open_.hurry();
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
    passage.deadline_ns = deps_.clock->monotonic_ns() + FrontLimits::kHoldNs;
    hold(passage);
}

void Front::answer_maybe_taken(Passage& passage) {
    passage.maybe_taken = true;
    answer(passage, {});
}

}  // namespace millrace::runtime::node
