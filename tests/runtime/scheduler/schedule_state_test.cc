// Goal: what is kept of a schedule reads as it was written, and damage is an error. Method: a state
// with everything in it through a row, and every beginning of that row.
#include "runtime/scheduler/schedule_state.h"

#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

namespace millrace::runtime {
namespace {

class ScheduleStateTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }
    std::string written(const ScheduleState& state) {
        store::RowBatch rows;
        put_schedule_state(rows, state);
        EXPECT_TRUE(database_->write_now(rows));
        const auto all = database_->registry().load_all(kScheduleStateKind);
        return all->empty() ? std::string() : all->back().json;
    }
};

TEST_F(ScheduleStateTest, ReadsAsItWasWritten) {
    ScheduleState state;
    state.tenant = core::TenantId(3);
    state.number = 17;
    state.version = 4;
    state.due_us = -1;
    state.done_us = INT64_MAX;
    state.last_run_us = 5;
    state.ledger = 6;
    state.fired = 7;
    state.skipped = 8;
    state.serials = 9;
    state.running = {{10, 0}, {11, 1}};
    state.waiting = {{12, UINT32_MAX}};
    state.backfills = {{1, 2, 3, Overlap::kQueueAll}, {4, 5, 6, Overlap::kSkip}};
    const std::string text = written(state);
    const auto read = read_schedule_state(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(written(*read), text);
    EXPECT_EQ(read->done_us, INT64_MAX);
    EXPECT_EQ(read->waiting.at(0).serial, UINT32_MAX);
    EXPECT_EQ(read->backfills.at(0).overlap, Overlap::kQueueAll);
    for (std::size_t bytes = 0; bytes < text.size(); ++bytes)
        EXPECT_FALSE(read_schedule_state(text.substr(0, bytes))) << bytes;
}

TEST_F(ScheduleStateTest, DamageIsAnError) {
    for (const char* text : {R"({"tenant":1})", R"({"number":0})", R"({"number":1,"odd":2})",
                             R"({"number":1,"dueUs":"x"})", R"({"number":1,"running":[1]})",
                             R"({"number":1,"backfills":[1,2,3]})", R"({"number":-1})", "[]", ""})
        EXPECT_FALSE(read_schedule_state(text)) << text;
    EXPECT_TRUE(read_schedule_state(R"({"number":1})"));
}

}  // namespace
}  // namespace millrace::runtime
