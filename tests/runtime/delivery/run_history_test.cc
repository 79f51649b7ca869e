// Goal: the record of an API run is read again whatever the run has returned and logged, digit for
// digit, also by the next process. Method: results at the limits, and made from a seed.
#include "runtime/delivery/run_history.h"

#include "core/json_reader.h"
#include "core/random.h"
#include "tests/store/store_fixture.h"

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

}  // namespace
}  // namespace millrace::runtime
