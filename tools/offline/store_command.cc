#include "tools/offline/store_command.h"

#include "core/clock.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "store/backup.h"
#include "store/database.h"
#include "store/log/log_reader.h"
#include "store/rows/registry_store.h"
#include "store/verify.h"
#include "tools/cli/json.h"
#include "tools/offline/document_check.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace millrace::tools {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
// The kinds of documents that `inspect` counts.
constexpr std::array<std::string_view, 4> kKinds = {"script", "script_version", "subscription",
                                                    "replay"};

struct Options {
    std::string folder;
    std::string from;
    std::string output = "table";
    int shard = 0;
    std::uint64_t offset = 0;
    std::uint64_t events = 0;
    std::string documents;

    bool json() const { return output == "json"; }
};

int failed(const core::Error& error) {
    std::fprintf(stderr, "error: %s\n", printable(error.message).c_str());
    return kExitFailed;
}

void print(const std::string& line) { std::printf("%s\n", line.c_str()); }

int restore_verb(const Options& o) {
    auto done = store::restore(o.from, o.folder);
    if (!done) return failed(done.error());
    if (o.json()) {
        std::string out;
        core::JsonWriter json(out);
        json.begin_object().field("success", true).field("data", o.folder);
        json.field("files", done->files).field("bytes", done->bytes).end_object();
        print(out);
    } else {
        print("restored " + std::to_string(done->files) + " files, " + std::to_string(done->bytes) +
              " bytes; serve with: millrace serve --data " + printable(o.folder));
    }
    return kExitOk;
}

std::string time_text(std::int64_t us) { return us == 0 ? "-" : core::format_timestamp(us); }

void print_report_json(const store::VerifyReport& report) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("ok", report.ok()).key("shards").begin_array();
    for (const store::VerifyReport::Shard& shard : report.shards) {
        json.begin_object().field("firstOffset", shard.first_offset);
        json.field("endOffset", shard.end_offset).field("blocks", shard.blocks);
        json.field("storedBytes", shard.stored_bytes).field("rawBytes", shard.raw_bytes);
        json.field("from", time_text(shard.first_received_us));
        json.field("to", time_text(shard.last_received_us)).end_object();
    }
    json.end_array();
    json.field("events", report.events).field("outcomes", report.outcomes);
    json.field("retries", report.retries).field("deadLetters", report.dead_letters);
    json.field("kvValues", report.kv_values).field("documents", report.documents);
    json.field("entities", report.entities);
    json.field("identityRuns", report.identity_runs).field("problemCount", report.problem_count);
    json.key("problems").begin_array();
    for (const std::string& problem : report.problems) json.value(problem);
    json.end_array().end_object();
    print(out);
}

void print_report(const store::VerifyReport& report) {
    for (std::size_t i = 0; i < report.shards.size(); ++i) {
        const store::VerifyReport::Shard& shard = report.shards[i];
        if (shard.blocks == 0) continue;
        std::printf(
            "shard %zu  offsets %llu to %llu  blocks %llu  stored %llu  raw %llu  %s to %s\n", i,
            static_cast<unsigned long long>(shard.first_offset),
            static_cast<unsigned long long>(shard.end_offset),
            static_cast<unsigned long long>(shard.blocks),
            static_cast<unsigned long long>(shard.stored_bytes),
            static_cast<unsigned long long>(shard.raw_bytes),
            time_text(shard.first_received_us).c_str(), time_text(shard.last_received_us).c_str());
    }
    std::printf(
        "events %llu  outcomes %llu  retries %llu  dead letters %llu  kv values %llu  "
        "documents %llu  entities %llu\n",
        static_cast<unsigned long long>(report.events),
        static_cast<unsigned long long>(report.outcomes),
        static_cast<unsigned long long>(report.retries),
        static_cast<unsigned long long>(report.dead_letters),
        static_cast<unsigned long long>(report.kv_values),
        static_cast<unsigned long long>(report.documents),
        static_cast<unsigned long long>(report.entities));
    for (const std::string& problem : report.problems) print("damage: " + printable(problem));
    if (report.problem_count > report.problems.size()) {
        print("and " + std::to_string(report.problem_count - report.problems.size()) + " more");
    }
    print(report.ok() ? "well: every checksum, chain and row was read"
                      : "damaged: " + std::to_string(report.problem_count) + " problem(s)");
}

core::Status check_folder(const std::string& folder) {
    std::error_code ignored;
    if (std::filesystem::is_directory(folder, ignored)) return {};
    const bool there = std::filesystem::exists(folder, ignored);
    return core::fail(core::ErrorCode::kNotFound,
                      folder + (there ? ": is no folder" : ": there is no such folder"));
}

int verify_verb(const Options& o) {
    if (auto there = check_folder(o.folder); !there) return failed(there.error());
    auto report = store::verify(o.folder);
    if (!report) return failed(report.error());
    if (report->ok()) {
        auto documents = check_documents(o.folder);
        if (!documents) return failed(documents.error());
        report->problem_count += documents->count;
        for (const runtime::SetAside::Row& row : documents->rows) {
            report->problems.push_back(row.kind + " " + row.id +
                                       ": a server would leave it out: " + row.why);
        }
    }
    if (o.json()) {
        print_report_json(*report);
    } else {
        print_report(*report);
    }
    return report->ok() ? kExitOk : kExitFailed;
}

// One event a line, as NDJSON: where it stands, then the text as it was sent.
int print_events(store::Database& database, const Options& o) {
    const core::ShardId shard(static_cast<std::uint16_t>(o.shard));
    core::LogOffset next{o.offset};
    std::uint64_t left = o.events;
    while (left > 0) {
        auto block = database.log_reader().read_block(shard, next);
        if (!block) return failed(block.error());
        if (!*block) break;
        for (std::uint32_t i = next > block->first_offset() ? block->index_of(next) : 0;
             i < block->count() && left > 0; ++i) {
            if (block->gone(i)) continue;
            --left;
            const store::StoredEvent event = block->event(i);
            std::string out;
            core::JsonWriter json(out);
            json.begin_object().field("shard", shard.value);
            json.field("offset", event.position.offset.value);
            json.field("receivedAt", core::format_timestamp(event.received_at_us));
            json.raw_field("event", event.raw).end_object();
            print(out);
        }
        next = block->end_offset();
    }
    if (left == o.events) {
        std::fprintf(stderr, "shard %d has no events from offset %llu on\n", o.shard,
                     static_cast<unsigned long long>(o.offset));
    }
    return kExitOk;
}

int print_documents(store::Database& database, const Options& o) {
    auto documents = database.registry().load_all(o.documents);
    if (!documents) return failed(documents.error());
    for (const store::RegistryDocument& document : *documents) {
        std::string out;
        core::JsonWriter json(out);
        json.begin_object().field("id", document.id).field("version", document.version);
        json.field("updatedAt", core::format_timestamp(document.updated_at_us));
        json.raw_field("document", document.json).end_object();
        print(out);
    }
    return kExitOk;
}

core::Status append_shards(core::JsonWriter& json, store::Database& database) {
    json.key("shards").begin_array();
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard(static_cast<std::uint16_t>(i));
        const core::LogOffset first = database.first_kept(shard);
        const core::LogOffset end = database.durable_end(shard);
        if (end.value == 0) continue;
        json.begin_object().field("shard", i);
        json.field("firstOffset", first.value).field("endOffset", end.value);
        json.field("deliveredUpTo", database.cursor("deliveries", shard).value);
        auto oldest = database.log_reader().read_block(shard, first);
        if (!oldest) return core::fail(std::move(oldest.error()));
        auto newest = database.log_reader().read_block_before(shard, end);
        if (!newest) return core::fail(std::move(newest.error()));
        if (*oldest && *newest) {
            json.field("from", core::format_timestamp(oldest->event(0).received_at_us));
            json.field("to",
                       core::format_timestamp(newest->event(newest->count() - 1).received_at_us));
        }
        json.end_object();
    }
    json.end_array();
    return {};
}

int print_overview(store::Database& database, const Options& o) {
    const store::Database::Stats stats = database.stats();
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("data", o.folder);
    if (auto done = append_shards(json, database); !done) return failed(done.error());
    json.field("events", stats.events).field("retries", stats.retries);
    json.field("deadLetters", stats.dead_letters).field("bytes", stats.log_bytes);
    json.key("documents").begin_object();
    for (const std::string_view kind : kKinds) {
        auto documents = database.registry().load_all(kind);
        if (!documents) return failed(documents.error());
        json.field(kind, documents->size());
    }
    json.end_object().end_object();
    if (o.json()) {
        print(out);
    } else {
        core::JsonDom parser;
        core::JsonElement root;
        if (parser.read(out, root)) print(json_pretty(root));
    }
    return kExitOk;
}

int inspect_verb(const Options& o) {
    if (auto there = check_folder(o.folder); !there) return failed(there.error());
    core::RealClock clock;
    store::Database::Options options;
    options.path = o.folder;
    options.read_only = true;
    options.shards = core::kShardsMax;
    options.clock = &clock;
    auto database = store::Database::open(options);
    if (!database) return failed(database.error());
    if (o.events > 0) return print_events(**database, o);
    if (!o.documents.empty()) return print_documents(**database, o);
    return print_overview(**database, o);
}

}  // namespace

bool is_store_command(const std::string& name) {
    return name == "restore" || name == "verify" || name == "inspect";
}

int store_command(std::vector<std::string> arguments) {
    CLI::App app{"Work on the data folder of a stopped server", "millrace"};
    Options o;
    const auto with_output = [&o](CLI::App* verb) {
        verb->add_option("-o,--output", o.output, "table for people, json for programs")
            ->check(CLI::IsMember({"table", "json"}));
        return verb;
    };
    CLI::App* restore =
        with_output(app.add_subcommand("restore", "Make a data folder of a backup"));
    restore->add_option("backup", o.from, "the backup's folder")->required();
    restore->add_option("--data", o.folder, "the data folder to make; must be empty")->required();
    CLI::App* verify = with_output(
        app.add_subcommand("verify", "Read everything in a data folder or a backup and check it"));
    verify->add_option("data,--data", o.folder, "the folder")->required();
    CLI::App* inspect =
        with_output(app.add_subcommand("inspect", "What is in a data folder or a backup"));
    inspect->add_option("data,--data", o.folder, "the folder")->required();
    CLI::Option* events =
        inspect->add_option("--events", o.events, "print that many events as NDJSON");
    inspect->add_option("--shard", o.shard, "of this shard, with --events; 0 unless given")
        ->check(CLI::Range(0, static_cast<int>(core::kShardsMax) - 1))
        ->needs(events);
    inspect->add_option("--offset", o.offset, "from this offset on, with --events")->needs(events);
    inspect->add_option("--documents", o.documents, "print the documents of a kind")
        ->check(CLI::IsMember(std::vector<std::string>(kKinds.begin(), kKinds.end())))
        ->excludes(events);
    app.require_subcommand(1);
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    }
    if (restore->parsed()) return restore_verb(o);
    return verify->parsed() ? verify_verb(o) : inspect_verb(o);
}

}  // namespace millrace::tools
