// Goal: executors, usage, log lines, groups of dead letters, previews and checks of several
// partitions are told as one server tells them.
#include "runtime/node/figures_merge.h"

#include "runtime/node/groups_merge.h"
#include "runtime/node/trial_merge.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

std::vector<PartPage> parts_of(const std::vector<std::string>& bodies) {
    std::vector<PartPage> parts;
    for (std::size_t p = 0; p < bodies.size(); ++p) parts.push_back({p, bodies[p]});
    return parts;
}

TEST(FiguresMerge, ExecutorsAddUpAndABreakerIsOpenWhereOneIs) {
    const std::vector<std::string> bodies = {
        R"({"items":[{"type":"script","enabled":true,"running":1,"limit":2,"waiting":3,)"
        R"("breaker":"closed","breakersOpen":0}],"next":null})",
        R"({"items":[{"type":"script","enabled":true,"running":0,"limit":2,"waiting":4,)"
        R"("breaker":"open","breakersOpen":1}],"next":null})"};
    const std::vector<std::size_t> missing = {3};
    EXPECT_EQ(*merge_executors(parts_of(bodies), missing),
              R"({"items":[{"type":"script","enabled":true,"running":1,"limit":4,"waiting":7,)"
              R"("breaker":"open","breakersOpen":1}],"next":null,"missing":[3]})");
}

TEST(FiguresMerge, OfATenantWhatIsHeldAddsUpAndWhatIsCopiedCountsOnce) {
    const std::vector<std::string> bodies = {
        R"({"tenantId":"t","status":"active","usage":{"keys":1,"scripts":2,"storedBytes":10},)"
        R"("quotas":{"scripts":5}})",
        R"({"tenantId":"t","status":"active","usage":{"keys":0,"scripts":2,"storedBytes":7},)"
        R"("quotas":{"scripts":5}})"};
    EXPECT_EQ(*merge_usage(parts_of(bodies), {}),
              R"({"tenantId":"t","status":"active",)"
              R"("usage":{"keys":1,"scripts":2,"storedBytes":17},"quotas":{"scripts":5}})");
}

TEST(FiguresMerge, TheNewestLinesOfAll) {
    const std::vector<std::string> bodies = {
        R"({"items":[{"time":"2026-01-01T00:00:03Z","message":"c"},)"
        R"({"time":"2026-01-01T00:00:01Z","message":"a"}],"next":null})",
        R"({"items":[{"time":"2026-01-01T00:00:02Z","message":"b"}],"next":null})"};
    EXPECT_EQ(*merge_log(parts_of(bodies), {}, 2),
              R"({"items":[{"time":"2026-01-01T00:00:03Z","message":"c","partition":0},)"
              R"({"time":"2026-01-01T00:00:02Z","message":"b","partition":1}],"next":null})");
}

std::string group(std::string_view fingerprint, unsigned count, std::string_view last,
                  std::string_view state, std::string_view state_at, bool again) {
    const std::string at =
        state_at.empty() ? std::string("null") : "\"" + std::string(state_at) + "\"";
    return "{\"fingerprint\":\"" + std::string(fingerprint) +
           "\",\"count\":" + std::to_string(count) + ",\"state\":\"" + std::string(state) +
           "\",\"cameAgain\":" + (again ? "true" : "false") + ",\"stateAt\":" + at +
           ",\"stateBy\":" + (state_at.empty() ? "null" : "\"me\"") + ",\"error\":\"by " +
           std::string(last) + "\",\"firstAt\":\"" + std::string(last) + "\",\"lastAt\":\"" +
           std::string(last) + R"(","subscriptionIds":["s"],"scriptIds":[],"eventTypes":["e"],)" +
           "\"sample\":[\"" + std::string(last) + "\"]}";
}

std::string groups_body(const std::string& items, unsigned letters) {
    return "{\"items\":[" + items + R"(],"next":null,"groups":1,"letters":)" +
           std::to_string(letters) + R"(,"lettersBeyond":0})";
}

TEST(GroupsMerge, AFingerprintIsOneGroup) {
    const std::vector<std::string> bodies = {
        groups_body(group("f", 2, "2026-01-02", "open", "", false), 2),
        groups_body(group("g", 4, "2026-01-01", "open", "", false) + "," +
                        group("f", 3, "2026-01-03", "open", "", false),
                    7)};
    EXPECT_EQ(*merge_groups(parts_of(bodies), {}, {.state = {}, .limit = 1}),
              R"({"items":[{"fingerprint":"f","count":5,"state":"open","cameAgain":false,)"
              R"("stateAt":null,"stateBy":null,"error":"by 2026-01-03","firstAt":"2026-01-02",)"
              R"("lastAt":"2026-01-03","subscriptionIds":["s"],"scriptIds":[],"eventTypes":["e"],)"
              R"("sample":["2026-01-02","2026-01-03"]}],"next":null,"groups":2,"letters":9,)"
              R"("lettersBeyond":0})");
}

TEST(GroupsMerge, ItsStateIsTheNewestAndOpenWhereItCameAgain) {
    const std::string resolved = group("f", 1, "2026-01-01", "resolved", "2026-01-05", false);
    const std::string again = group("f", 1, "2026-01-06", "open", "2026-01-05", true);
    const std::string older = group("f", 1, "2026-01-01", "ignored", "2026-01-04", false);
    const auto state = [](const std::string& one, const std::string& other) {
        const std::vector<std::string> bodies = {groups_body(one, 1), groups_body(other, 1)};
        const auto open = merge_groups(parts_of(bodies), {}, {.state = "open", .limit = 9});
        const auto done = merge_groups(parts_of(bodies), {}, {.state = "resolved", .limit = 9});
        EXPECT_TRUE(open && done);
        const auto told = [](const std::string& text) {
            return text.find("\"fingerprint\"") != std::string::npos;
        };
        return std::string(told(*open) ? "open " : "") + (told(*done) ? "resolved" : "");
    };
    EXPECT_EQ(state(resolved, older), "resolved");
    EXPECT_EQ(state(older, resolved), "resolved");
    EXPECT_EQ(state(resolved, again), "open ");
}

TEST(TrialMerge, APreviewCountsWhatEachHas) {
    const std::vector<std::string> bodies = {
        R"({"scanned":10,"unreadable":0,"matched":2,"byPattern":[{"pattern":"a","count":2}],)"
        R"("otherPatterns":0,"samples":[{"eventId":"1"},{"eventId":"2"}],)"
        R"("nearMisses":[{"condition":"c","count":1,"samples":[]}],"indexed":true})",
        R"({"scanned":9,"unreadable":1,"matched":4,"byPattern":[{"pattern":"b","count":3},)"
        R"({"pattern":"a","count":1}],"otherPatterns":0,"samples":[{"eventId":"3"}],)"
        R"("nearMisses":[],"indexed":true})"};
    EXPECT_EQ(*merge_previews(parts_of(bodies)),
              R"({"scanned":19,"unreadable":1,"matched":6,"byPattern":[{"pattern":"a","count":3},)"
              R"({"pattern":"b","count":3}],"otherPatterns":0,)"
              R"("samples":[{"eventId":"1"},{"eventId":"3"},{"eventId":"2"}],)"
              R"("nearMisses":[{"condition":"c","count":1,"samples":[]}],"indexed":true})");
    EXPECT_EQ(preview_share(1000, 16), 63U);
    EXPECT_EQ(preview_share(1, 16), 1U);
}

TEST(TrialMerge, ACheckIsCompleteWhereAllAre) {
    const std::vector<std::string> bodies = {
        R"({"scanned":5,"rejected":1,"complete":true,"byPointer":[{"pointer":"/b","keyword":"type",)"
        R"("count":1,"message":"m","eventId":"1"}]})",
        R"({"scanned":5,"rejected":3,"complete":false,"byPointer":[{"pointer":"/a","keyword":"type",)"
        R"("count":2,"message":"m","eventId":"2"},{"pointer":"/b","keyword":"type","count":1,)"
        R"("message":"m","eventId":"3"}]})"};
    EXPECT_EQ(*merge_schema_checks(parts_of(bodies)),
              R"({"scanned":10,"rejected":4,"complete":false,"byPointer":[{"pointer":"/a",)"
              R"("keyword":"type","count":2,"message":"m","eventId":"2"},{"pointer":"/b",)"
              R"("keyword":"type","count":2,"message":"m","eventId":"1"}]})");
}

}  // namespace
}  // namespace millrace::runtime::node
