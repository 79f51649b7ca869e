// Part of ServerParts: subscriptions that belong to a document (a schedule with an executor, a hook
// that is told). An older program changed one after the other, and an end in between left a half.
#include "runtime/registry/document_rows.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/rows/registry_store.h"

#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

namespace {

constexpr std::string_view kScheduleOwn = "schedule:";

struct Orphan {
    SubscriptionRef subscription;
    std::string_view kind;  // of the document that it was made for
    std::string_view id;    // its id
    bool shown = false;     // it is there, and wants none any more
};

// As the server makes them, in every member that tells: what somebody has made himself under such
// an id stays his.
bool made_for_schedule(const Subscription& one) {
    return one.id.starts_with(kScheduleOwn) && one.name.starts_with("schedule ") &&
           one.spec->pattern.kind == matcher::PatternPredicate::Kind::kExact &&
           one.spec->pattern.value == "schedule." + one.id.substr(kScheduleOwn.size()) &&
           one.ordering == Ordering::kNone;
}

bool made_for_hook(const Subscription& one) {
    return one.id.starts_with(kHookSubscriptionPrefix) && one.name.starts_with("hook ") &&
           one.spec->pattern.kind == matcher::PatternPredicate::Kind::kExact &&
           one.spec->pattern.value.starts_with("entity.") &&
           one.executor.type == ExecutorType::kScript;
}

}  // namespace

core::Status ServerParts::settle_own_subscriptions() {
    if (auto completed = complete_subscriptions(); !completed) return completed;
    return sweep_subscriptions();
}

core::Status ServerParts::complete_subscriptions() {
    const auto complete = [this](core::TenantId tenant, const std::string& id,
                                 const std::string& body) {
        if (registry->find_subscription(tenant, id)) return;
        auto made =
            registry->table<Subscription>().create({.tenant = tenant, .completes = true}, body);
        if (!made) set_aside.add("subscription", id, made.error());
    };
    const RegistrySnapshotRef all = registry->snapshot();
    all->schedules.for_each([&](const ScheduleRef& schedule) {
        if (!schedule->executor.empty() && is_at_home(schedule->tenant))
            complete(schedule->tenant, schedule_subscription_id(schedule->id),
                     schedule_subscription_body(*schedule));
    });
    all->hooks.for_each([&](const HookRef& hook) {
        if (hook->told() && is_at_home(hook->tenant))
            complete(hook->tenant, hook_subscription_id(hook->id), hook_subscription_body(*hook));
    });
    return {};
}

// Those whose document is gone, or wants none any more. Where it is there and does not read, its
// subscription waits with it.
core::Status ServerParts::sweep_subscriptions() {
    std::vector<Orphan> orphans;
    const auto look = [&](const SubscriptionRef& one) {
        if (one->closing != Closing::kNo || !is_at_home(one->tenant)) return;
        const std::string_view id = one->id;
        if (made_for_schedule(*one)) {
            const std::string_view of = id.substr(kScheduleOwn.size());
            const ScheduleRef schedule = registry->table<Schedule>().find(one->tenant, of);
            if (!schedule || schedule->executor.empty())
                orphans.push_back({one, document_kind<Schedule>().name, of, schedule != nullptr});
        } else if (made_for_hook(*one)) {
            const std::string_view of = id.substr(kHookSubscriptionPrefix.size());
            const HookRef hook = registry->table<Hook>().find(one->tenant, of);
            if (!hook || !hook->told())
                orphans.push_back({one, document_kind<Hook>().name, of, hook != nullptr});
        }
    };
    registry->snapshot()->subscriptions.for_each(look);
    std::vector<core::LogOffset> ends;
    for (std::size_t i = 0; i < shard_count; ++i)
        ends.push_back(database->durable_end(core::ShardId(static_cast<std::uint16_t>(i))));
    for (const Orphan& orphan : orphans) {
        const Subscription& one = *orphan.subscription;
        auto row = database->registry().get(orphan.kind, document_row_id(one.tenant, orphan.id));
        if (!row) return core::fail(std::move(row.error()));
        if (*row && !orphan.shown) continue;
        if (auto closed = close_orphan(one, ends); !closed) return closed;
        log.warn("a subscription whose document is gone is removed; an older program left it",
                 {{"id", one.id},
                  {"tenant", std::string(tenant_name(one.tenant))},
                  {"kind", std::string(orphan.kind)}});
    }
    return {};
}

// As if it were removed now: what waits for it becomes dead letters once the threads run.
core::Status ServerParts::close_orphan(const Subscription& one,
                                       const std::vector<core::LogOffset>& ends) {
    auto closed = registry->table<Subscription>().amend(
        {.tenant = one.tenant}, one.id, "delete", [&](Subscription& next) {
            next.closing = Closing::kDeadLetter;
            if (next.active) next.off_periods.push_back({ends, {}});
            next.active = false;
            return core::Status{};
        });
    if (!closed) return core::fail(std::move(closed.error()));
    return {};
}

}  // namespace millrace::runtime
