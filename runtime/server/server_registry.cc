// Part of ServerParts: documents are read, and the matcher gets those that it follows.
#include "runtime/links/file_access.h"
#include "runtime/lua/lua_vm.h"
#include "runtime/registry/earlier_workflows.h"
#include "runtime/registry/promised_audit.h"
#include "runtime/server/part_options.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"

#include <utility>

namespace millrace::runtime {

core::Status ServerParts::open_registry() {
    Registry::Options options;
    read_registry_options(config.retry, config.script, options);
    options.quota_defaults = quota_defaults(config.quota);
    options.schema_mode_default =
        parse_schema_mode(config.schema.default_mode).value_or(SchemaMode::kReject);
    options.check_script = [](const std::string& name, const std::string& source) {
        return check_lua_syntax(source, name);
    };
    auto files = FileAccess::make(config.links.file_allow);
    if (!files) return core::fail(std::move(files.error()));
    options.check_link = [files = std::move(*files)](const Link& link) -> core::Status {
        return link.type == LinkType::kFile ? files.check(link.config.path) : core::Status{};
    };
    options.check_spec = [](const matcher::SubscriptionSpec& spec) -> core::Status {
        matcher::Matcher trial(
            matcher::Matcher::Options{.background_thread = false, .samples = false});
        return trial.add(core::SubscriptionId(1), core::TenantId(0), spec);
    };
    bound_to_partition(options);
    if (auto sealed = open_seal(); !sealed) return sealed;
    RegistryRows& rows = sealed_rows ? static_cast<RegistryRows&>(*sealed_rows) : *registry_rows;
    if (auto taken = take_over_earlier_workflows(rows, clock); !taken) return taken;
    if (auto kept = keep_promised_audits(rows); !kept) return kept;
    auto opened = Registry::open(rows, clock, random, std::move(options));
    if (!opened) return core::fail(std::move(opened.error()));
    registry = std::move(*opened);
    if (auto settled = settle_own_subscriptions(); !settled) return settled;
    if (auto restored = restore_receivers(); !restored) return restored;

    matcher = std::make_unique<matcher::Matcher>(
        matcher::Matcher::Options{.background_thread = seams.matcher_thread});
    std::vector<matcher::Matcher::Item> items;
    const RegistrySnapshotRef snapshot = registry->snapshot();
    sources.load(snapshot->sources);
    sources.load(snapshot->tenants);
    edge_book.load(snapshot->edges);
    schemas.load(snapshot->schemas);
    states = std::make_unique<StateBook>(*database, shard_count);
    snapshot->subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (subscription->active && subscription->closing == Closing::kNo)
            items.push_back({subscription->number, subscription->tenant, subscription->spec.get()});
    });
    if (!matcher->load(items)) load_one_by_one(*snapshot);
    matcher->publish();
    return build_crossing();
}

// One that the matcher does not take any more must not keep the others out.
void ServerParts::load_one_by_one(const RegistrySnapshot& snapshot) {
    snapshot.subscriptions.for_each([&](const SubscriptionRef& subscription) {
        if (!subscription->active || subscription->closing != Closing::kNo) return;
        auto added =
            matcher->replace(subscription->number, subscription->tenant, *subscription->spec);
        if (added) return;
        set_aside.add("subscription", subscription->id, added.error());
        not_matched.push_back(subscription);
    });
}

}  // namespace millrace::runtime
