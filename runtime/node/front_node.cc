// Part of Front: what the node's own thread is asked, and who asks it.
#include "runtime/api/audit.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

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
    order.body = passage.body_view();
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
