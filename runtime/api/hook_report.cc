// What has become of the hooks that are told of a change, for those who wait for it.
#include "runtime/api/entity_write.h"
#include "store/log/event_id.h"
#include "store/log/log_reader.h"
#include "store/rows/executions.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

// Between two looks: soon at first, then less and less often, since each costs the API's thread.
constexpr std::int64_t kPollUsMin = 5'000;
constexpr std::int64_t kPollUsMax = 200'000;
constexpr std::size_t kDeliveriesMax = 1'000;

struct Report {
    Services& services;
    core::TenantId tenant;
    std::string event_id;
    std::vector<std::pair<std::string, core::SubscriptionId>> hooks;  // and their subscriptions
    std::int64_t until_us = 0;
    std::function<void(std::string&&)> done;
    std::int64_t poll_us = kPollUsMin;

    // Of those that have been tried, by subscription.
    std::vector<store::Execution> tried() const;
    bool complete(const std::vector<store::Execution>& there) const;
    std::string text(const std::vector<store::Execution>& there) const;
};

std::vector<store::Execution> Report::tried() const {
    store::Database& database = services.database();
    const auto at = database.log_reader().find_identity(
        database.hasher().identity({tenant, kEntitySourceType, kEntitySourceId, event_id}));
    if (!at || !*at) return {};
    store::ExecutionQuery query;
    query.tenant = tenant;
    query.event = **at;
    query.limit = kDeliveriesMax;
    auto page = database.executions().list(query);
    if (!page) return {};
    std::erase_if(page->executions, [](const store::Execution& one) {
        return one.waits() || !one.replay_id.empty();
    });
    return std::move(page->executions);
}

const store::Execution* find_of(const std::vector<store::Execution>& there,
                                core::SubscriptionId subscription) {
    for (const store::Execution& one : there) {
        if (one.delivery.subscription == subscription) return &one;
    }
    return nullptr;
}

bool Report::complete(const std::vector<store::Execution>& there) const {
    for (const auto& [hook, subscription] : hooks) {
        if (!find_of(there, subscription)) return false;
    }
    return true;
}

std::string_view status_text(store::DeliveryStatus status) {
    switch (status) {
        case store::DeliveryStatus::kCompleted: return "completed";
        case store::DeliveryStatus::kRetrying: return "retrying";
        case store::DeliveryStatus::kFailed: return "failed";
        case store::DeliveryStatus::kDead: break;
    }
    return "dead";
}

std::string Report::text(const std::vector<store::Execution>& there) const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_array();
    for (const auto& [hook, subscription] : hooks) {
        const store::Execution* one = find_of(there, subscription);
        json.begin_object().field("hookId", hook);
        json.field("status", one ? status_text(one->status) : "waiting");
        if (one) {
            json.field("executionId",
                       store::encode_execution_id(services.database().hasher(), one->delivery));
            if (!one->attempts.empty() && !one->attempts.back().error.empty())
                json.field("error", one->attempts.back().error);
            if (!one->result.empty()) json.raw_field("result", one->result);
        }
        json.end_object();
    }
    json.end_array();
    return out;
}

void look(const std::shared_ptr<Report>& report) {
    const auto there = report->tried();
    if (report->complete(there) ||
        report->services.clock().monotonic_ns() / 1000 > report->until_us)
        return report->done(report->text(there));
    const std::int64_t wait_us = report->poll_us;
    report->poll_us = std::min(2 * wait_us, kPollUsMax);
    report->services.run_after(wait_us, [report] { look(report); });
}

}  // namespace

void report_hooks(Services& services, core::TenantId tenant, const EntityChange& change,
                  std::function<void(std::string&&)> done) {
    auto report =
        std::make_shared<Report>(Report{services, tenant, change.event_id, {}, 0, std::move(done)});
    const HookPoint point{HookTime::kAfter, change.verb};
    services.registry().table<Hook>().list(tenant, {}, [&](const HookRef& hook) {
        if (!hook->active || hook->on != point || hook->entity != change.type) return true;
        const auto subscription =
            services.registry().table<Subscription>().find(tenant, hook_subscription_id(hook->id));
        if (subscription) report->hooks.emplace_back(hook->id, subscription->number);
        return true;
    });
    report->until_us = services.clock().monotonic_ns() / 1000 + kHookReportUs;
    look(report);
}

}  // namespace millrace::runtime::api
