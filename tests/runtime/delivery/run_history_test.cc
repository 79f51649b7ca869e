// Goal: the record of an API run is read again whatever the run has returned and logged, digit for
// digit, also by the next process. Method: results at the limits, and made from a seed. And what
// was told ahead of its row is written aside, seen meanwhile, and left out once it is too old.
#include "runtime/delivery/run_history.h"

#include "core/json_reader.h"
#include "core/random.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

class RunHistoryTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }
};

std::string random_value(core::Random& random, int depth) {
    constexpr std::string_view kScalars[] = {
        "18446744073709551616",    "1e400",        "-0.0", "0.10000000000000001",
        "9007199254740993",        "-1E-400",      "null", "true",
        R"("\u0000\ud83d\ude00")", "\"\xc3\xa9\"", "{}",   "[]"};
    if (depth == 0 || random.below(3) == 0) return std::string(kScalars[random.below(12)]);
    const bool object = random.below(2) == 0;
    std::string out = object ? "{" : "[";
    for (std::uint64_t i = 0, n = random.below(4); i < n; ++i) {
        if (i > 0) out += ',';
        if (object) out += "\"k" + std::to_string(i) + "\":";
        out += random_value(random, depth - 1);
    }
    return out + (object ? "}" : "]");
}

TEST_F(RunHistoryTest, EveryRecordIsReadAgain) {
    core::Random random(9);
    std::vector<std::string> results = {
        "18446744073709551616",
        std::string(core::kJsonDepthMax, '[') + std::string(core::kJsonDepthMax, ']')};
    for (int i = 0; i < 100; ++i) results.push_back(random_value(random, 6));
    store::RowBatch rows;
    for (std::size_t i = 0; i < results.size(); ++i) {
        RunRecord run;
        const std::string id = "xr_" + std::to_string(100 + i);
        const std::string logs = R"([{"level":"info","text":"x","fields":{"v":)" + results[i] +
                                 R"(},"at":"2026-01-01T00:00:00Z"}])";
        run.id = id;
        run.script_id = "s";
        run.script_version = 1;
        run.result = results[i];
        run.logs = logs;
        rows.put_registry(kRunKind, run.id, 1, 1, run_document(run));
    }
    ASSERT_TRUE(database_->write_now(rows));
    reopen();
    RunHistory history(*database_);
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    const core::Status loaded = history.load(aside);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(aside.count(), 0u);
    ASSERT_EQ(history.runs().size(), results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
        auto text = history.document(core::TenantId{0}, history.runs()[i].id);
        ASSERT_TRUE(text && !text->empty());
        core::JsonDocument document;
        auto in = document.parse_object(*text);
        ASSERT_TRUE(in) << in.error().message << "\n" << *text;
        ASSERT_TRUE(in->any("result"));
        EXPECT_EQ(in->any("result")->raw(), results[i]);
    }
}

// Whoever writes, when the test wants it to.
class RunHistoryAsideTest : public RunHistoryTest {
protected:
    RunHistory::Aside aside() {
        return [this](std::function<void()> work) {
            if (busy_) return false;
            tasks_.push_back(std::move(work));
            return true;
        };
    }
    static std::string id_of(std::size_t i) {
        return RunHistory::make_id(static_cast<std::int64_t>(i) + 1, 0);
    }
    void add(RunHistory& history, std::size_t i, const std::string& text = "{}") {
        RunSummary run;
        run.id = id_of(i);
        std::string record = "0 " + text;
        ASSERT_TRUE(history.take_room(record.size()));
        history.add_ahead(std::move(run), std::move(record));
    }
    void write_all() {
        for (const auto& task : tasks_) task();
        tasks_.clear();
    }
    std::size_t rows() const { return database_->registry().load_all(kRunKind)->size(); }

    bool busy_ = false;
    std::vector<std::function<void()>> tasks_;
    std::int64_t now_ns_ = 1;
};

TEST_F(RunHistoryAsideTest, IsSeenWhileItWaitsToBeWritten) {
    RunHistory history(*database_, aside());
    add(history, 0);
    EXPECT_EQ(history.do_work(now_ns_), 1u);
    add(history, 1);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 0u) << "one at a time";
    EXPECT_EQ(tasks_.size(), 1u);
    EXPECT_EQ(rows(), 0u);
    for (const std::size_t i : {0, 1}) EXPECT_EQ(*history.document({}, id_of(i)), "{}");
    write_all();
    EXPECT_EQ(rows(), 1u);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 1u);
    write_all();
    EXPECT_EQ(rows(), 2u);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 0u);
    for (const std::size_t i : {0, 1}) EXPECT_EQ(*history.document({}, id_of(i)), "{}");
}

TEST_F(RunHistoryAsideTest, WritesItselfWhatNobodyTakesUpOnceHalfTheRoomIsTaken) {
    RunHistory history(*database_, aside());
    add(history, 0);
    EXPECT_EQ(history.do_work(now_ns_), 1u);
    const std::string long_text(RunHistory::kRecordBytesAheadMax / 2, 'x');
    add(history, 1, long_text);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 1u);
    EXPECT_EQ(rows(), 1u) << "the first is there, and the second is handed on";
    ASSERT_EQ(tasks_.size(), 2u);
    write_all();
    EXPECT_EQ(rows(), 2u) << "whoever comes late to the first does nothing";
    EXPECT_EQ(history.do_work(now_ns_), 0u);
    busy_ = true;
    add(history, 2);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 1u);
    EXPECT_EQ(rows(), 3u) << "nor does it wait where nothing more is taken";
}

TEST_F(RunHistoryAsideTest, WhatGrowsTooOldWhileItIsWrittenLeavesBehindThat) {
    RunHistory history(*database_, aside());
    add(history, 0);
    EXPECT_EQ(history.do_work(now_ns_), 1u);
    for (std::size_t i = 1; i <= kRunsKeptMax; ++i) add(history, i);
    EXPECT_EQ(history.do_work(now_ns_), 0u);
    write_all();
    EXPECT_EQ(rows(), 1u);
    history.store_all();
    EXPECT_EQ(rows(), kRunsKeptMax);
    EXPECT_EQ(*history.document({}, id_of(0)), "");
    EXPECT_EQ(*history.document({}, id_of(kRunsKeptMax)), "{}");
}

TEST_F(RunHistoryAsideTest, KeepsWhatCouldNotBeWrittenAndWhatNobodyHasWrittenByTheEnd) {
    RunHistory history(*database_, aside());
    add(history, 0);
    EXPECT_EQ(history.do_work(now_ns_), 1u);
    history.store_all();
    EXPECT_EQ(rows(), 1u);
    write_all();  // a thread that is still there
    add(history, 1);
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 1u);
    database_->set_fatal("as a test wants it");
    write_all();
    EXPECT_EQ(history.do_work(now_ns_ += RunHistory::kWriteNs), 1u) << "tried again";
    EXPECT_EQ(*history.document({}, id_of(1)), "{}");
    history.store_all();
    EXPECT_EQ(*history.document({}, id_of(1)), "{}");
}

}  // namespace
}  // namespace millrace::runtime
