#include "runtime/server/change_spread.h"

#include "runtime/executors/canary_table.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/orchestrator/workflow_table.h"

#include <utility>
#include <variant>

#include <sched.h>

namespace millrace::runtime {

namespace {

// One that did not read, and that nobody has seen, was taken away.
bool is_of_nothing(const RegistryChange& change) {
    return std::visit(
        [](const auto& of) {
            if constexpr (requires { of.after; })
                return !of.before && !of.after;
            else
                return true;
        },
        change);
}

}  // namespace

ChangeSpread::ChangeSpread(Deps deps) : deps_(std::move(deps)) { show_version(); }

void ChangeSpread::connect(std::span<Shard* const> shards, Scheduler& scheduler) {
    shards_.assign(shards.begin(), shards.end());
    scheduler_ = &scheduler;
}

void ChangeSpread::show_version() {
    version_.store(deps_.registry->snapshot()->version, std::memory_order_release);
}

core::Status ChangeSpread::changed(const RegistryChange& change) {
    if (is_of_nothing(change)) {
        show_version();
        return {};
    }
    deps_.keys->follow(change);
    if (auto sealed = keep_run_key(change); !sealed) return sealed;
    const auto told = tell_matcher(change);
    if (!told) return core::fail(told.error());
    return *told ? wait_until_effective() : core::Status{};
}

// Whatever begins runs can seal them.
core::Status ChangeSpread::keep_run_key(const RegistryChange& change) {
    const auto* begins = std::get_if<DocumentChange<Subscription>>(&change);
    if (!workflows_.keys || !begins || !begins->after ||
        begins->after->executor.type != ExecutorType::kWorkflow)
        return {};
    return workflows_.keys->ensure(begins->after->tenant, deps_.clock->wall_us());
}

// A shard that did not take up the change will not take up this one soon: when it goes on, it finds
// both.
void ChangeSpread::undone(const RegistryChange& change) {
    deps_.keys->follow(change);
    if (const auto told = tell_matcher(change); !told)
        deps_.log->error("a change could not be taken back", {{"error", told.error().message}});
    else if (*told)
        deps_.matcher->publish();
}

core::Status ChangeSpread::changed_all(std::span<const RegistryChange> changes) {
    for (const RegistryChange& change : changes) {
        if (is_of_nothing(change)) continue;
        deps_.keys->follow(change);
        if (auto sealed = keep_run_key(change); !sealed)
            deps_.log->error("runs of a workflow can not be sealed here",
                             {{"error", sealed.error().message}});
        const auto told = tell_matcher(change);
        if (!told)
            deps_.log->error("what is registered elsewhere is not matched here",
                             {{"error", told.error().message}});
        unobserved_ |= told && *told;
    }
    show_version();
    if (!unobserved_) return {};
    auto effective = wait_until_effective();
    unobserved_ = !effective;
    return effective;
}

// With a schema its states go, aside: a key has a row.
void ChangeSpread::follow_schema(const DocumentChange<EventSchema>& change) {
    deps_.schemas->follow(change);
    if (change.after || !change.before || !deps_.states) return;
    (void)deps_.haul->post([states = deps_.states, tenant = change.before->tenant,
                            number = change.before->number] { states->forget(tenant, number); });
}

void ChangeSpread::drop_canary(ScriptNumber number) {
    const std::int64_t now_us = deps_.clock->wall_us();
    for (const std::string_view kind : {kCanaryKind, kCanaryFiguresKind}) {
        (void)deps_.registry->erase_row({std::string(kind), std::to_string(number.value)}, now_us,
                                        kPlatform, "");
    }
}

void ChangeSpread::tell_books(const RegistryChange& change) {
    if (const auto* script = std::get_if<DocumentChange<Script>>(&change)) {
        const Script& one = script->after ? *script->after : *script->before;
        const auto newest = script->after ? std::optional(one.version) : std::nullopt;
        if (deps_.canaries->follow(one.number, newest)) drop_canary(one.number);
    }
    if (const auto* source = std::get_if<DocumentChange<Source>>(&change))
        deps_.sources->follow(*source);
    if (const auto* tenant = std::get_if<DocumentChange<Tenant>>(&change))
        deps_.sources->follow(*tenant);
    if (const auto* schedule = std::get_if<DocumentChange<Schedule>>(&change))
        scheduler_->changed(*schedule);
    if (const auto* link = std::get_if<DocumentChange<Link>>(&change); link && deps_.links)
        deps_.links->changed(*link);
    if (const auto* edge = std::get_if<DocumentChange<EdgeNode>>(&change)) {
        deps_.edge_book->follow(*edge);
        if (deps_.edges) deps_.edges->changed(*edge);
    }
    if (const auto* schema = std::get_if<DocumentChange<EventSchema>>(&change))
        follow_schema(*schema);
    if (const auto* workflow = std::get_if<DocumentChange<Workflow>>(&change);
        workflow && workflows_.table) {
        const Workflow& one = workflow->after ? *workflow->after : *workflow->before;
        workflows_.table->show(one.tenant, one.id,
                               deps_.registry->table<Workflow>().versions(one.tenant, one.id));
    }
}

// False: it is nothing that concerns the matcher.
core::Result<bool> ChangeSpread::tell_matcher(const RegistryChange& change) {
    // Lanes first: whoever matches a new subscription must be able to find it.
    show_version();
    tell_books(change);
    const auto* of = std::get_if<DocumentChange<Subscription>>(&change);
    if (!of) return false;
    if (deps_.edges) deps_.edges->changed(*of);
    const SubscriptionRef& now = of->after;
    if (now && now->active && now->closing == Closing::kNo) {
        auto replaced = deps_.matcher->replace(now->number, now->tenant, *now->spec);
        if (!replaced) return core::fail(replaced.error());
    } else if (const auto& gone = now ? now : of->before) {
        deps_.matcher->remove(gone->number);
    }
    if (now && now->held() && of->before && !of->before->held()) fall_behind(*now);
    return true;
}

// What waits for it keeps its place from here on: of what is still to be read, nothing is matched
// for it any more but by its own reader.
void ChangeSpread::fall_behind(const Subscription& now) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        // Of a shard that has delivered everything, a removed one has everything.
        if (now.closing != Closing::kNo && shards_[i]->cursor() >= shards_[i]->next_offset())
            continue;
        deps_.behind_orders->fall(now.number, core::ShardId(static_cast<std::uint16_t>(i)));
    }
}

core::Status ChangeSpread::wait_until_effective() {
    const std::uint64_t epoch = deps_.matcher->publish();
    deps_.reader->offline();
    const std::int64_t give_up_ns = deps_.clock->monotonic_ns() + kEffectiveUsMax * 1000;
    while (!deps_.matcher->all_observed(epoch)) {
        if (deps_.clock->monotonic_ns() > give_up_ns) {
            return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                          "a shard has not taken up the change in " +
                                              std::to_string(kEffectiveUsMax / 1'000'000) +
                                              " s: it was taken back, and nothing has changed")
                                  .retry_after(5));
        }
        // A shard in the middle of a batch needs microseconds; an idle one is counted as offline.
        if (deps_.yield) {
            deps_.yield();
        } else {
            sched_yield();
        }
    }
    return {};
}

}  // namespace millrace::runtime
