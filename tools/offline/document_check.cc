#include "tools/offline/document_check.h"

#include "core/clock.h"
#include "core/json_validate.h"
#include "core/limits.h"
#include "core/random.h"
#include "runtime/crossing/crossing_event.h"
#include "runtime/crossing/outbox.h"
#include "runtime/delivery/run_history.h"
#include "runtime/registry/earlier_workflows.h"
#include "runtime/registry/overlaid_rows.h"
#include "runtime/registry/registry.h"
#include "runtime/registry/sealed_rows.h"
#include "runtime/registry/spread_rows.h"
#include "runtime/replay/replay_document.h"
#include "store/database.h"
#include "store/rows/audit_log.h"
#include "store/rows/registry_store.h"

#include <filesystem>
#include <string>
#include <utility>

namespace millrace::tools {
namespace {

core::Status check_replays(store::Database& database, runtime::SetAside& aside) {
    auto documents = database.registry().load_all(runtime::kReplayKind);
    if (!documents) return core::fail(std::move(documents.error()));
    for (const store::RegistryDocument& document : *documents) {
        if (auto read = runtime::parse_replay_document(document.json); !read)
            aside.add(runtime::kReplayKind, document.id, read.error());
    }
    return {};
}

// Of a partition that holds a part of every tenant's events: what is on its way to others, and what
// others have still to be told of.
core::Status check_crossing(store::Database& database, runtime::SetAside& aside) {
    auto read = database.registry().each(
        runtime::crossing::kCrossingKind, [&aside](const store::RegistryDocumentView& row) {
            const auto events = runtime::crossing::read_crossing(row.json);
            if (!events)
                aside.add(runtime::crossing::kCrossingKind, row.id, events.error());
            else if (events->size() != 1 || runtime::crossing::serial_of(row.id) == 0)
                aside.add(runtime::crossing::kCrossingKind, row.id,
                          core::Error(core::ErrorCode::kInternal, "it is no event on its way"));
        });
    if (!read) return read;
    return database.registry().each(
        runtime::kSpreadKind, [&aside](const store::RegistryDocumentView& row) {
            if (!runtime::reads_as_spread_note(row.json))
                aside.add(
                    runtime::kSpreadKind, row.id,
                    core::Error(core::ErrorCode::kInternal, "what was changed does not read"));
        });
}

core::Status check_audit(store::Database& database, runtime::SetAside& aside) {
    store::AuditLog::Query query;
    query.limit = 1;
    query.accept = [&aside](const store::AuditEntry& entry) {
        if (auto read = core::json_validate(entry.json); !read)
            aside.add("audit", std::to_string(entry.at_us), read.error());
        return false;
    };
    auto page = database.audit().list(query);
    if (!page) return core::fail(std::move(page.error()));
    return {};
}

}  // namespace

core::Result<UnreadableDocuments> check_documents(const std::string& folder) {
    core::RealClock clock;
    store::Database::Options options;
    options.path = folder;
    options.read_only = true;
    options.shards = core::kShardsMax;
    options.clock = &clock;
    auto database = store::Database::open(options);
    if (!database) return core::fail(std::move(database.error()));
    core::Log log(clock, core::LogLevel::kOff);
    core::Random random(1);
    runtime::SetAside aside(log);
    runtime::StoreRegistryRows rows(**database, aside);
    std::string key;
    const std::string key_path = folder + "/secrets.key";
    if (std::filesystem::exists(key_path)) {
        auto read = runtime::read_seal_keys(key_path, runtime::MissingKey::kRefuse);
        if (!read) return core::fail(std::move(read.error()));
        key = std::move(*read);
    }
    runtime::SealedRowsView view(rows, std::move(key));
    // What a start makes anew of older rows is made here, and written nowhere.
    runtime::OverlaidRows overlaid(view);
    if (auto taken = runtime::take_over_earlier_workflows(overlaid, clock); !taken)
        return core::fail(std::move(taken.error()));
    if (auto registry = runtime::Registry::open(overlaid, clock, random, {}); !registry)
        return core::fail(std::move(registry.error()));
    if (auto read = check_replays(**database, aside); !read) return core::fail(read.error());
    if (auto read = runtime::RunHistory(**database).load(aside); !read)
        return core::fail(read.error());
    if (auto read = check_crossing(**database, aside); !read) return core::fail(read.error());
    if (auto read = check_audit(**database, aside); !read) return core::fail(read.error());
    return UnreadableDocuments{aside.count(), aside.rows()};
}

}  // namespace millrace::tools
