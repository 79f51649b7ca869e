// What: what the store's tests share: a folder that goes away, a database in it, and the shortest
//       way to put events in and make them durable, on one thread.
// Threads: one. Lifetime: of a test. Limits: none. Failure: gtest assertions.
#pragma once

#include "core/clock.h"
#include "store/commit/log_writer.h"
#include "store/database.h"
#include "store/housekeeper.h"
#include "store/log/log_reader.h"
#include "store/log/shard_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <stdlib.h>

namespace millrace::store::test {

class TempFolder {
public:
    TempFolder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "millrace-store-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

struct TestEvent {
    std::string id{};  // empty: made by the server
    std::string pattern = "invoice.created";
    std::string source = "shop";
    std::string correlation{};
    std::string body{};  // padding inside the payload
    core::TenantId tenant{0};

    std::string text() const {
        return "{\"eventId\":\"" + id + "\",\"pattern\":\"" + pattern +
               "\",\"source\":{\"type\":\"external\",\"id\":\"" + source +
               "\"},\"payload\":{\"text\":\"" + body + "\"},\"metadata\":{\"correlationId\":\"" +
               correlation + "\"}}";
    }
};

class StoreTest : public ::testing::Test {
protected:
    static constexpr std::size_t kShards = 2;

    Database::Options options() {
        Database::Options out;
        out.path = folder_.path();
        out.shards = kShards;
        out.clock = &clock_;
        out.reserve_bytes = 0;
        out.ballast_bytes = 0;
        return out;
    }
    void open() { open(options()); }
    void open(const Database::Options& with) {
        auto opened = Database::open(with);
        ASSERT_TRUE(opened) << opened.error().message;
        database_ = std::move(*opened);
        writer_ = std::make_unique<LogWriter>(
            *database_,
            LogWriter::Options{.producers = with.shards + 1, .wake = {}, .on_fatal = {}});
    }
    // A clean stop, or (crash) one that leaves everything as it is.
    void close() {
        writer_.reset();
        if (database_) {
            const auto closed = database_->close();
            EXPECT_TRUE(closed) << closed.error().message;
        }
        database_.reset();
    }
    void crash() {
        writer_.reset();
        database_.reset();
    }
    void reopen() {
        close();
        open();
    }

    AppendResult append(core::ShardId shard, const TestEvent& event) {
        const Hasher& hasher = database_->hasher();
        const std::string text = event.text();
        AppendInput input;
        input.raw = text;
        input.pattern = event.pattern;
        input.received_at_us = clock_.wall_us();
        input.tenant = event.tenant;
        if (event.id.empty()) {
            input.flags = static_cast<std::uint16_t>(EventFlag::kFilledEventId);
        } else {
            input.id = hasher.identity({event.tenant, "external", event.source, event.id});
        }
        input.source_hash = hasher.text(event.source);
        if (!event.correlation.empty()) input.correlation_hash = hasher.text(event.correlation);
        AppendResult result = database_->shard_log(shard).append(input);
        if (result.status == AppendStatus::kBlockFull) {
            commit(shard);
            result = database_->shard_log(shard).append(input);
        }
        return result;
    }
    // Seals the shard's open block, commits it with these rows, and takes the completion.
    void commit(core::ShardId shard, RowBatch rows = {},
                Durability durability = Durability::kFsync) {
        CommitUnit unit;
        unit.durability = durability;
        if (!database_->shard_log(shard).empty()) unit.block = database_->shard_log(shard).seal();
        unit.rows = std::move(rows);
        ASSERT_TRUE(writer_->append(shard.value, std::move(unit)));
        ASSERT_EQ(writer_->do_work(), 1u);
        Completion completion;
        ASSERT_TRUE(writer_->poll(shard.value, completion));
        EXPECT_FALSE(completion.failed);
    }
    AppendResult put(core::ShardId shard, const TestEvent& event) {
        const AppendResult result = append(shard, event);
        if (result.status == AppendStatus::kAppended) commit(shard);
        return result;
    }
    void housekeep() {
        clock_.advance_us(1'000'000);
        while (database_->housekeeper().do_work() > 0) {
        }
    }

    static constexpr core::ShardId kZero{0};
    static constexpr core::ShardId kOne{1};

    TempFolder folder_;
    core::ManualClock clock_;
    std::unique_ptr<Database> database_;
    std::unique_ptr<LogWriter> writer_;
};

}  // namespace millrace::store::test
