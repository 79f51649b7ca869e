// Goal: whoever has something open is asked for again in time, each address and key once, never too
// many at once; and who is not the same any more is told once, whatever else is shown or said.
#include "runtime/node/open_watch.h"

#include "runtime/identity/trusted_front.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

class OpenWatchTest : public testing::Test {
protected:
    static CallerRef caller(std::string shown) {
        auto made = std::make_shared<Caller>();
        made->shown = std::move(shown);
        return made;
    }
    static std::string principal(identity::Scope scope) {
        identity::Principal made;
        made.scopes.add(scope);
        return identity::principal_text(made, "acme");
    }
    static Judgement judgement(int status, std::string text = {}) {
        Judgement made;
        made.status = status;
        made.principal = std::move(text);
        return made;
    }
    std::size_t look(std::int64_t now_ns) {
        asked_.clear();
        watch_.look(now_ns, [this](const Caller& one) {
            asked_.push_back(one.shown);
            return answers_;
        });
        return asked_.size();
    }
    std::size_t judged(const std::string& shown, const Judgement& who) {
        taken_.clear();
        watch_.judged(shown, who, [this](const std::string& one) { taken_.push_back(one); });
        return taken_.size();
    }
    static bool is_set(const OpenMark& mark) { return mark->load(); }

    OpenWatch watch_;
    std::vector<std::string> asked_, taken_;
    bool answers_ = true;
    const std::string reads_ = principal(identity::Scope::kEventsRead);
    const std::string writes_ = principal(identity::Scope::kEventsWrite);
};

TEST_F(OpenWatchTest, IsAskedAgainWhileSomebodyHasSomethingOpen) {
    OpenMark one = watch_.watch(caller("a"), reads_, 0);
    const OpenMark same = watch_.watch(caller("a"), reads_, 5);
    EXPECT_EQ(one, same);
    EXPECT_EQ(watch_.size(), 1U);
    EXPECT_EQ(look(OpenWatch::kAskNs - 1), 0U);
    EXPECT_EQ(look(OpenWatch::kAskNs + OpenWatch::kLookNs), 1U);
    // On its way.
    EXPECT_EQ(look(OpenWatch::kAskNs + 2 * OpenWatch::kLookNs), 0U);
    EXPECT_EQ(judged("a", judgement(200, reads_)), 0U);
    EXPECT_FALSE(is_set(one));
    watch_.hurry();
    EXPECT_EQ(look(OpenWatch::kAskNs + 3 * OpenWatch::kLookNs), 1U);
    one.reset();
    EXPECT_FALSE(watch_.empty());
}

TEST_F(OpenWatchTest, WhatIsClosedIsForgotten) {
    watch_.watch(caller("a"), reads_, 0).reset();
    EXPECT_EQ(look(OpenWatch::kAskNs), 0U);
    EXPECT_TRUE(watch_.empty());
}

TEST_F(OpenWatchTest, WhoIsNotTheSameAnyMoreIsTakenBackOnce) {
    const OpenMark before = watch_.watch(caller("a"), reads_, 0);
    const OpenMark after = watch_.watch(caller("a"), writes_, 0);
    const OpenMark other = watch_.watch(caller("b"), reads_, 0);
    EXPECT_EQ(judged("a", judgement(200, writes_)), 1U);
    EXPECT_EQ(taken_, std::vector{reads_});
    EXPECT_TRUE(is_set(before));
    EXPECT_FALSE(is_set(after));
    EXPECT_FALSE(is_set(other));
    EXPECT_EQ(judged("a", judgement(200, writes_)), 0U);
    EXPECT_EQ(judged("b", judgement(401)), 1U);
    EXPECT_TRUE(is_set(other));
    EXPECT_EQ(judged("a", judgement(403)), 1U);
    EXPECT_TRUE(is_set(after));
    EXPECT_TRUE(watch_.empty());
    // What is opened by the same later is another matter.
    EXPECT_FALSE(is_set(watch_.watch(caller("a"), reads_, 0)));
}

// Nobody loses anything by that those who know have no time.
TEST_F(OpenWatchTest, ARefusalForWantOfTimeSaysNothing) {
    const OpenMark one = watch_.watch(caller("a"), reads_, 0);
    for (const int status : {0, 429, 500, 503}) EXPECT_EQ(judged("a", judgement(status)), 0U);
    EXPECT_FALSE(is_set(one));
}

TEST_F(OpenWatchTest, ManyAreAskedForInTurns) {
    std::vector<OpenMark> open;
    const std::size_t many = 2 * OpenWatch::kAskedMax + 3;
    for (std::size_t i = 0; i < many; ++i)
        open.push_back(watch_.watch(caller(std::to_string(i)), reads_, 0));
    std::vector<std::string> all;
    for (int i = 0; i < 3; ++i) {
        EXPECT_LE(look(OpenWatch::kAskNs + i * OpenWatch::kLookNs), OpenWatch::kAskedMax);
        all.insert(all.end(), asked_.begin(), asked_.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
    EXPECT_EQ(all.size(), many);
    // While nobody can be asked one is enough.
    answers_ = false;
    EXPECT_EQ(look(3 * OpenWatch::kAskNs), 1U);
}

}  // namespace
}  // namespace millrace::runtime::node
