// Part of ServerParts: the store is opened, and whoever looks after it told what was found.
#include "matcher/regex/regex_file.h"
#include "runtime/server/memory_parts.h"
#include "runtime/server/part_options.h"
#include "runtime/server/server_parts.h"
#include "store/database.h"
#include "store/retention/space_guard.h"
#include "store/rows/quarantine.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace millrace::runtime {
namespace {

std::size_t core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

void ServerParts::say_opening() {
    const store::Database::Opening& found = database->opening();
    core::MetricsRole& figures = metrics.role();
    figures.gauge(core::Metric::kRecovered).set(found.left_by.empty() ? 0 : 1);
    figures.gauge(core::Metric::kFormatUpgraded).set(found.format_before == 0 ? 0 : 1);
    if (!found.left_by.empty()) {
        log.warn(
            "recovered: the process before did not close the data folder; everything that was "
            "acknowledged is there, what was under way is delivered again",
            {{"process", found.left_by}, {"data", config.data.dir}});
    }
    if (found.format_before != 0) {
        log.warn(
            "the data folder was written in an older format and is now in the current one; an "
            "older millrace can't open it any more",
            {{"before", found.format_before},
             {"now", store::kFormatVersion},
             {"rows moved", found.rows_moved}});
    }
}

core::Status ServerParts::open_store() {
    store::Database::Options options;
    options.path = config.data.dir;
    options.shards = shard_count;
    if (config.engine.shards == 0)
        options.shards_are = store::Database::Options::Shards::kSuggested;
    options.clock = &clock;
    read_store_options(config.store, options);
    if (descriptors) options.open_files_max = descriptors->store_files_max;
    bound_store(memory, memory_holders(), options);
    options.hash_seed = seams.seed;
    if (seams.seat) {
        options.gate = seams.seat->gate;
        options.hash_seed = seams.seat->hash_seed;
    }
    if (seams.adjust_store) seams.adjust_store(options);
    auto opened = store::Database::open(options);
    if (!opened) return core::fail(std::move(opened.error()));
    database = std::move(*opened);
    say_opening();
    space_watch = std::make_unique<SpaceWatch>(database->space(), metrics, log);
    space_watch->begin();
    // The folder is ours from here. The registry's expressions are compiled when it is read.
    if (!seams.adjust_store)
        matcher::use_regex_file(matcher::RegexFile::open(config.data.dir + "/regex"));
    if (const std::size_t wanted = std::exchange(shard_count, database->shards());
        wanted != shard_count) {
        log.info(
            "the data folder keeps the number of shards it was made with",
            {{"shards", std::to_string(shard_count)}, {"cores", std::to_string(core_count())}});
    }
    database->quarantine().observe([this](const store::Quarantine::Row& row) {
        set_aside.add(store::family_name(row.family), row.key,
                      core::Error(core::ErrorCode::kInternal, row.reason));
    });
    registry_rows = std::make_unique<StoreRegistryRows>(*database, set_aside);
    if (seams.seat && seams.seat->by_key) {
        const PartitionSeat::ByKey& seat = *seams.seat->by_key;
        spread_rule.emplace(seat.partition, seat.partitions, seat.seed);
        spread_rows = std::make_unique<SpreadRegistryRows>(*registry_rows, *spread_rule);
    }
    if (auto told = tell_losses(); !told) return told;
    store::LogWriter::Options writer_options;
    writer_options.producers = shard_count;
    writer_options.wake = [this](std::size_t producer) { shards[producer]->wake(); };
    writer_options.on_fatal = [this] {
        log.error("the store has failed: nothing is acknowledged any more",
                  {{"reason", database->fatal_reason()}});
    };
    writer = std::make_unique<store::LogWriter>(*database, writer_options);
    return {};
}

// What --accept-loss has accepted, for those who ask later why something is missing.
core::Status ServerParts::tell_losses() {
    for (const std::string& loss : database->losses()) {
        log.error("started although something is missing, as --accept-loss says",
                  {{"missing", loss}});
        std::string entry;
        core::JsonWriter json(entry);
        json.begin_object().field("action", "acceptLoss").field("kind", "store");
        json.field("id", "log").field("by", "operator").field("missing", loss).end_object();
        auto told = registry_rows->commit({}, {}, clock.wall_us(), core::TenantId{}, entry);
        if (!told) return told;
    }
    return {};
}

// Secrets are sealed on disk. The simulator, which has no folder, leaves them as they are.
core::Status ServerParts::open_seal() {
    if (seams.adjust_store) return {};
    const core::SecretsConfig& secrets = config.secrets;
    auto read = secrets.key_file.empty()
                    ? read_seal_keys(config.data.dir + "/secrets.key", MissingKey::kMake)
                    : read_seal_keys(secrets.key_file, MissingKey::kRefuse);
    if (!read) return core::fail(std::move(read.error()));
    RegistryRows& beneath = spread_rows ? static_cast<RegistryRows&>(*spread_rows) : *registry_rows;
    sealed_rows = std::make_unique<SealedRegistryRows>(beneath, clock, std::move(*read));
    return {};
}

}  // namespace millrace::runtime
