// Goal: what a source has read and how far it is are one result, so that nothing is lost and what
// comes again is known; what stops stays stopped, over a restart too; a sink's deliveries are
// answered once, whatever happens to it. Method: real files, a registry and a store of the test,
// and a shard that keeps what it gets.
#include "runtime/links/link_agent.h"

#include "core/metrics.h"
#include "runtime/registry/registry.h"
#include "store/rows/registry_store.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kLinkTenant{3};

class Receiver final : public LinkReceiver {
public:
    void sent(std::uint64_t ticket, std::string&& error) override {
        answers += std::to_string(ticket) + (error.empty() ? " ok;" : " " + error + ";");
    }
    std::string answers;
};

class LinkAgentTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        registry_ = *Registry::open(rows_, clock_, random_, {});
        start();
    }
    void start() {
        LinkAgent::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_->snapshot(); };
        deps.shards = kShards;
        deps.event_bytes_max = 10'000;
        deps.rules = *courier::AddressRules::make("", "");
        deps.files = *FileAccess::make(files_.path());
        deps.submit = [this](core::ShardId, std::unique_ptr<LaneResult>& result) {
            if (full_) return false;
            emitted_ += result->emitted ? result->emitted.view() : std::string_view();
            letters_ += result->letters.size();
            if (result->when_counted) result->when_counted(result->rows, known(*result));
            EXPECT_TRUE(database_->write_now(result->rows));
            if (durable_) {
                for (auto& done : result->when_durable) done();
            }
            result.reset();
            return true;
        };
        deps.may_take = [this](core::TenantId, std::size_t, std::size_t) -> core::Status {
            if (may_take_) return {};
            return core::fail(core::ErrorCode::kRateLimited, "too much");
        };
        deps.holds = [this] { return holds_; };
        deps.lease_until_ns = &lease_until_ns_;
        deps.reads_for = [this](core::TenantId) { return reads_here_; };
        shaper_ = std::make_unique<LinkShaper>(LinkShaper::Deps{
            &clock_, &database_->kv(), nullptr, [this] { return registry_->snapshot(); }, 1});
        deps.shaper = shaper_.get();
        agent_ = std::make_unique<LinkAgent>(std::move(deps));
        ASSERT_TRUE(agent_->load(aside_));
    }
    LinkRef create(const std::string& body) {
        auto made = registry_->table<Link>().create({.tenant = kLinkTenant}, body);
        EXPECT_TRUE(made) << made.error().message;
        agent_->changed(*made);
        work();
        return made->after;
    }
    LinkRef source(const std::string& more = "") {
        return create(R"({"id":"in","direction":"in","type":"file","config":{"path":")" +
                      files_.path() + "/in\"" + more + "}}");
    }
    LinkRef amend(const std::function<void(Link&)>& edit) {
        auto made =
            registry_->table<Link>().amend({.tenant = kLinkTenant}, "in", "edit", [&](Link& next) {
                edit(next);
                return core::Status{};
            });
        agent_->changed(*made);
        work();
        return made->after;
    }
    using StoreTest::append;
    void append(const std::string& text) {
        std::ofstream(files_.path() + "/in", std::ios::app) << text;
    }
    void append_events(int from, int to) {
        for (int i = from; i < to; ++i)
            append(R"({"eventId":"e)" + std::to_string(i) + R"(","pattern":"a"})" + "\n");
    }
    void script(const std::string& source) {
        auto made = registry_->table<Script>().create({.tenant = kLinkTenant},
                                                      R"({"id":"t","source":)" + source + "}");
        ASSERT_TRUE(made) << made.error().message;
    }
    void shape() {
        work();
        while (shaper_->do_work() > 0) {
        }
        work();
    }
    void work() {
        for (int i = 0; i < 50; ++i) {
            agent_->do_work();
            clock_.advance_us(200'000);
        }
    }
    // Which of its lines have come before, as a shard finds it.
    std::vector<std::uint32_t> known(const LaneResult& result) {
        std::vector<std::uint32_t> there;
        std::istringstream lines(result.emitted ? std::string(result.emitted.view()) : "");
        std::string line;
        for (std::uint32_t entry = 0; std::getline(lines, line); ++entry) {
            if (!lines_.insert(line).second) there.push_back(entry);
        }
        return there;
    }
    std::int64_t events() { return std::count(emitted_.begin(), emitted_.end(), '\n'); }
    LinkStatus status(const LinkRef& link) { return agent_->look(link->number).value(); }

    store::test::TempFolder files_;
    core::Log log_{clock_, core::LogLevel::kOff};
    core::Metrics metrics_{core::Metrics::Options{}};
    SetAside aside_{log_};
    MemoryRegistryRows rows_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
    std::unique_ptr<LinkShaper> shaper_;
    std::unique_ptr<LinkAgent> agent_;
    std::string emitted_;
    std::set<std::string> lines_;
    bool reads_here_ = true;
    std::size_t letters_ = 0;
    static constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();
    std::atomic<std::int64_t> lease_until_ns_{kForEver};
    bool full_ = false, durable_ = true, may_take_ = true, holds_ = false;
};

TEST_F(LinkAgentTest, ReadsOnAfterARestartFromWhereTheRowsSay) {
    append_events(0, 3);
    const LinkRef link = source();
    EXPECT_EQ(events(), 3);
    EXPECT_EQ(status(link).state, "running");
    EXPECT_EQ(status(link).taken, 3u);
    EXPECT_EQ(status(link).lag, 0u);
    start();
    append_events(3, 5);
    work();
    EXPECT_EQ(events(), 5);
    EXPECT_EQ(status(link).taken, 5u);
}

TEST_F(LinkAgentTest, WhatWasNotCommittedIsReadAgain) {
    const LinkRef link = source();
    full_ = true;
    append_events(0, 3);
    work();
    EXPECT_EQ(events(), 0);
    start();  // as after a crash: what waited for the shard is gone
    full_ = false;
    work();
    EXPECT_EQ(events(), 3);
}

TEST_F(LinkAgentTest, NoMoreThanAFewCommitsAreUnderWay) {
    source();
    durable_ = false;
    for (int i = 0; i < 10; ++i) {
        append_events(i, i + 1);
        work();
    }
    EXPECT_LE(events(), static_cast<std::int64_t>(LinkRun::kUnderWayMax));
}

TEST_F(LinkAgentTest, NothingIsReadWhileNothingMayBeTaken) {
    const LinkRef link = source();
    may_take_ = false;
    append_events(0, 3);
    work();
    EXPECT_EQ(events(), 0);
    EXPECT_EQ(status(link).state, "waiting");
    EXPECT_EQ(status(link).reason, "too much");
    may_take_ = true;
    work();
    EXPECT_EQ(events(), 3);
    holds_ = true;
    append_events(3, 4);
    work();
    EXPECT_EQ(events(), 3);
}

TEST_F(LinkAgentTest, WhatIsNoEventIsALetterAndTheRestGoesOn) {
    append("bad\n");
    append_events(0, 1);
    const LinkRef link = source();
    EXPECT_EQ(events(), 2);
    EXPECT_EQ(letters_, 1u);
    EXPECT_EQ(status(link).rejected, 1u);
    EXPECT_EQ(status(link).taken, 1u);
}

TEST_F(LinkAgentTest, WhatIsReadAgainCountsAsWhatItIsOverAResetAndARestart) {
    append("bad\n");
    append_events(0, 3);
    const LinkRef link = source();
    const auto reset = [&] {
        amend([](Link& next) {
            ++next.resets;
            next.reset_to = "start";
        });
    };
    const auto counts = [&] {
        const LinkStatus now = status(link);
        return std::to_string(now.taken) + " taken, " + std::to_string(now.duplicates) +
               " known, " + std::to_string(now.rejected) + " rejected";
    };
    EXPECT_EQ(counts(), "3 taken, 0 known, 1 rejected");
    reset();
    EXPECT_EQ(counts(), "6 taken, 3 known, 1 rejected");
    // Killed before its commit: neither the events nor the counts are there.
    append_events(3, 5);
    full_ = true;
    work();
    start();
    full_ = false;
    EXPECT_EQ(counts(), "6 taken, 3 known, 1 rejected");
    work();
    EXPECT_EQ(counts(), "8 taken, 3 known, 1 rejected");
    append("worse\n");
    work();
    reset();
    start();
    EXPECT_EQ(counts(), "13 taken, 8 known, 2 rejected");
}

TEST_F(LinkAgentTest, OneThatStoppedStaysSoUntilItIsResetOverARestartToo) {
    append_events(0, 3);
    const LinkRef link = source();
    std::filesystem::resize_file(files_.path() + "/in", 5);
    work();
    EXPECT_EQ(status(link).state, "stopped");
    EXPECT_NE(status(link).reason.find("has 5 bytes"), std::string::npos);
    start();
    work();
    EXPECT_EQ(status(link).state, "stopped");
    agent_->resume(link->number);
    work();
    EXPECT_EQ(status(link).state, "stopped");  // what was wrong is
    std::filesystem::resize_file(files_.path() + "/in", 0);
    append_events(7, 8);
    const LinkRef now = amend([](Link& next) {
        ++next.resets;
        next.reset_to = "start";
    });
    EXPECT_EQ(status(now).state, "running");
    EXPECT_EQ(events(), 4);
    start();
    work();
    EXPECT_EQ(events(), 4);
    EXPECT_EQ(status(now).state, "running");
}

TEST_F(LinkAgentTest, ASourceThatAnotherPartitionReadsIsNotReadHere) {
    reads_here_ = false;
    start();
    append_events(0, 3);
    const LinkRef link = source();
    EXPECT_EQ(status(link).state, "elsewhere");
    EXPECT_EQ(events(), 0);
    EXPECT_TRUE(database_->registry().load_all(kLinkStateKind)->empty());
    const LinkRef sink =
        create(R"({"id":"out","direction":"out","type":"file","config":{"path":")" + files_.path() +
               R"(/out"}})");
    Receiver receiver;
    EXPECT_TRUE(agent_->send(receiver, 1, {sink->number, "e", "a", "{}"}));
    work();
    EXPECT_EQ(receiver.answers, "1 ok;");
}

TEST_F(LinkAgentTest, OneThatStoppedGoesOnWhenItsDocumentSaysSoOverARestartToo) {
    append_events(0, 3);
    LinkRef link = source();
    const auto stop = [&] {
        std::filesystem::resize_file(files_.path() + "/in", 5);
        work();
        EXPECT_EQ(status(link).state, "stopped");
        std::filesystem::resize_file(files_.path() + "/in", 0);
    };
    stop();
    append_events(0, 3);
    link = amend([](Link& next) { ++next.resumes; });
    EXPECT_EQ(status(link).state, "running");
    stop();
    append_events(0, 3);
    auto made =
        registry_->table<Link>().amend({.tenant = kLinkTenant}, "in", "resume", [](Link& next) {
            ++next.resumes;
            return core::Status{};
        });
    ASSERT_TRUE(made);
    start();
    work();
    EXPECT_EQ(status(made->after).state, "running");
}

TEST_F(LinkAgentTest, APausedOneRestsWhereItIs) {
    append_events(0, 1);
    const LinkRef link = source();
    amend([](Link& next) { next.paused = true; });
    append_events(1, 3);
    work();
    EXPECT_EQ(events(), 1);
    EXPECT_EQ(status(link).state, "paused");
    amend([](Link& next) { next.paused = false; });
    EXPECT_EQ(events(), 3);
}

TEST_F(LinkAgentTest, SinceWhenItIsInItsStateIsToldAndStays) {
    append_events(0, 1);
    const LinkRef link = source();
    EXPECT_EQ(status(link).state, "running");
    const std::int64_t runs_since = status(link).since_us;
    EXPECT_GT(runs_since, 0);
    append_events(1, 3);
    work();
    EXPECT_EQ(status(link).taken, 3u);
    EXPECT_EQ(status(link).since_us, runs_since);
    const std::int64_t before_us = clock_.wall_us();
    amend([](Link& next) { next.paused = true; });
    EXPECT_GE(status(link).since_us, before_us);
}

TEST_F(LinkAgentTest, NothingIsLeftOfOneThatWasRemoved) {
    append_events(0, 1);
    source();
    EXPECT_EQ(database_->registry().load_all(kLinkStateKind)->size(), 1u);
    auto gone = registry_->table<Link>().remove({.tenant = kLinkTenant}, "in");
    agent_->changed(*gone);
    work();
    EXPECT_TRUE(database_->registry().load_all(kLinkStateKind)->empty());
    append_events(1, 2);
    work();
    EXPECT_EQ(events(), 1);
}

TEST_F(LinkAgentTest, APositionThatDoesNotReadStopsIt) {
    append_events(0, 1);
    const LinkRef link = source();
    store::RowBatch damage;
    damage.put_registry(kLinkStateKind, "3/" + std::to_string(link->number.value), 1, 1,
                        "{\"x\":1}");
    ASSERT_TRUE(database_->write_now(damage));
    start();
    work();
    EXPECT_EQ(events(), 1);
    EXPECT_EQ(status(link).state, "stopped");
    EXPECT_EQ(aside_.count(), 1u);
}

TEST_F(LinkAgentTest, DeliveriesAreAnsweredWhenTheFileHasThem) {
    const LinkRef link =
        create(R"({"id":"out","direction":"out","type":"file","config":{"path":")" + files_.path() +
               "/out\"}}");
    Receiver receiver;
    EXPECT_TRUE(agent_->send(receiver, 1, {link->number, "e1", "a", "{\"n\":1}"}));
    EXPECT_TRUE(agent_->send(receiver, 2, {link->number, "e2", "a", "{\"n\":2}"}));
    agent_->cancel(receiver, 2);
    work();
    EXPECT_EQ(receiver.answers, "1 ok;");
    EXPECT_EQ(status(link).pending, 0u);
    std::ifstream file(files_.path() + "/out");
    std::string line;
    std::getline(file, line);
    EXPECT_EQ(line, "{\"n\":1}");
    EXPECT_TRUE(agent_->send(receiver, 3, {LinkNumber(999), "e", "a", "{}"}));
    work();
    EXPECT_EQ(receiver.answers, "1 ok;3 the link is not there any more;");
}

TEST_F(LinkAgentTest, APeerThatIsNotThereFailsDeliveriesAndIsTriedAgain) {
    const LinkRef link =
        create(R"({"id":"out","direction":"out","type":"file","config":{"path":")" + files_.path() +
               "/later/out\"}}");
    Receiver receiver;
    EXPECT_TRUE(agent_->send(receiver, 1, {link->number, "e1", "a", "{}"}));
    work();
    EXPECT_NE(receiver.answers.find("1 open of the folder"), std::string::npos) << receiver.answers;
    EXPECT_EQ(status(link).state, "retrying");
    EXPECT_NE(status(link).last_error_at_us, 0);
    std::filesystem::create_directory(files_.path() + "/later");
    work();
    EXPECT_EQ(status(link).state, "running");
    EXPECT_TRUE(agent_->send(receiver, 2, {link->number, "e1", "a", "{}"}));
    work();
    EXPECT_TRUE(receiver.answers.ends_with("2 ok;")) << receiver.answers;
}

TEST_F(LinkAgentTest, AStreamSendsTheLogAndGoesOnWhereItWas) {
    const auto in_file = [&] {
        std::ifstream file(files_.path() + "/out");
        std::string line, ids;
        while (std::getline(file, line)) {
            const std::size_t at = line.find(R"("eventId":")") + 11;
            ids += line.substr(at, line.find('"', at) - at) + ";";
        }
        return ids;
    };
    const auto put_events = [&](int from, int to) {
        for (int i = from; i < to; ++i)
            append({}, {.id = "e" + std::to_string(i), .tenant = kLinkTenant});
        commit({});
    };
    put_events(0, 2);
    const LinkRef link =
        create(R"({"id":"out","direction":"out","type":"file","mode":"stream","config":{"path":")" +
               files_.path() + R"(/out","from":"start"}})");
    EXPECT_EQ(in_file(), "e0;e1;");
    EXPECT_EQ(status(link).lag, 0u);
    EXPECT_EQ(status(link).sent, 2u);
    EXPECT_EQ(status(link).position, R"({"next":[2,0]})");
    ASSERT_EQ(agent_->floors().size(), kShards);
    EXPECT_EQ(agent_->floors()[0], core::LogOffset(2));
    start();
    put_events(2, 3);
    work();
    EXPECT_EQ(in_file(), "e0;e1;e2;");
    Receiver receiver;
    EXPECT_TRUE(agent_->send(receiver, 1, {link->number, "e", "a", "{}"}));
    work();
    EXPECT_NE(receiver.answers.find("is a stream"), std::string::npos);
    auto made =
        registry_->table<Link>().amend({.tenant = kLinkTenant}, "out", "reset", [](Link& n) {
            ++n.resets;
            n.reset_to = "start";
            return core::Status{};
        });
    agent_->changed(*made);
    work();
    EXPECT_EQ(in_file(), "e0;e1;e2;e0;e1;e2;");
    auto gone = registry_->table<Link>().remove({.tenant = kLinkTenant}, "out");
    agent_->changed(*gone);
    work();
    EXPECT_TRUE(agent_->floors().empty());
}

// Whoever may have lost a partition takes nothing and sends nothing, until its log answers again.
TEST_F(LinkAgentTest, ASourceTakesNothingWhileTheLeaseIsOverAndThenLetsGo) {
    append_events(0, 2);
    const LinkRef link = source();
    ASSERT_EQ(events(), 2);
    append_events(2, 4);
    lease_until_ns_ = clock_.monotonic_ns();
    agent_->do_work();
    clock_.advance_us(200'000);
    agent_->do_work();
    EXPECT_EQ(status(link).state, "waiting");
    EXPECT_TRUE(status(link).lag.has_value()) << "it has left at once";
    work();
    EXPECT_FALSE(status(link).lag.has_value()) << "it still holds its peer";
    EXPECT_EQ(events(), 2);
    lease_until_ns_ = kForEver;
    work();
    EXPECT_EQ(events(), 4);
    EXPECT_EQ(status(link).state, "running");
}

TEST_F(LinkAgentTest, DeliveriesAndStreamsWaitWhileTheLeaseIsOver) {
    const std::string to = R"("direction":"out","type":"file","config":{"path":")" + files_.path();
    const LinkRef link = create(R"({"id":"out",)" + to + R"(/out"}})");
    const LinkRef stream =
        create(R"({"id":"all","mode":"stream",)" + to + R"(/all","from":"start"}})");
    const LinkRef unopened = create(R"({"id":"no",)" + to + R"(/later/out"}})");
    work();
    lease_until_ns_ = clock_.monotonic_ns();
    Receiver receiver;
    EXPECT_TRUE(agent_->send(receiver, 1, {link->number, "e1", "a", "{}"}));
    EXPECT_TRUE(agent_->send(receiver, 2, {unopened->number, "e1", "a", "{}"}));
    append({}, {.id = "e0", .tenant = kLinkTenant});
    commit({});
    work();
    EXPECT_EQ(receiver.answers, "");
    EXPECT_EQ(status(link).pending, 1u);
    EXPECT_EQ(status(stream).sent, 0u);
    EXPECT_EQ(status(stream).state, "waiting");
    lease_until_ns_ = kForEver;
    work();
    EXPECT_NE(receiver.answers.find("1 ok;"), std::string::npos) << receiver.answers;
    EXPECT_NE(receiver.answers.find("2 open of the folder"), std::string::npos);
    EXPECT_EQ(status(stream).sent, 1u);
}

TEST_F(LinkAgentTest, AStreamWhosePeerIsGoneWaitsWithItsPlace) {
    const LinkRef link =
        create(R"({"id":"out","direction":"out","type":"file","mode":"stream","config":{"path":")" +
               files_.path() + R"(/later/out","from":"start"}})");
    append({}, {.id = "e0", .tenant = kLinkTenant});
    commit({});
    work();
    EXPECT_EQ(status(link).state, "retrying");
    EXPECT_EQ(status(link).lag, 1u);
    EXPECT_EQ(agent_->floors()[0], core::LogOffset(0));
    std::filesystem::create_directory(files_.path() + "/later");
    work();
    EXPECT_EQ(status(link).state, "running");
    EXPECT_EQ(status(link).lag, 0u);
    EXPECT_EQ(status(link).failed, 0u);
}

TEST_F(LinkAgentTest, ATransformStandsBeforeTheCommit) {
    script(
        R"("return function(e) if e.payload.n == 1 then return nil end return {payload = {m = e.payload.n}} end")");
    append(std::string(R"({"n":0})") + "\n" + R"({"n":1})" + "\n" + "bad\n" + R"({"n":3})" + "\n");
    const LinkRef link =
        create(R"({"id":"in","direction":"in","type":"file","transform":"t","config":{"path":")" +
               files_.path() + R"(/in","format":"payload","pattern":"p"}})");
    shape();
    EXPECT_EQ(events(), 3);
    EXPECT_NE(emitted_.find(R"("payload":{"m":0})"), std::string::npos) << emitted_;
    EXPECT_EQ(letters_, 1u);
    EXPECT_EQ(status(link).taken, 2u);
    EXPECT_EQ(status(link).left_out, 1u);
    EXPECT_EQ(status(link).rejected, 1u);
    start();
    append(std::string(R"({"n":4})") + "\n");
    work();
    amend([](Link& next) { next.paused = true; });  // while the script is at it
    shape();
    EXPECT_EQ(events(), 3);
    amend([](Link& next) { next.paused = false; });
    shape();
    EXPECT_EQ(events(), 4);
    EXPECT_EQ(status(link).taken, 3u);
}

TEST_F(LinkAgentTest, WhatATransformLogsIsShownWithTheLink) {
    script(R"("return function(e) sdk.log.info('n is ' .. e.payload.n) return {} end")");
    append(std::string(R"({"n":0})") + "\n" + R"({"n":1})" + "\n");
    const LinkRef link =
        create(R"({"id":"in","direction":"in","type":"file","transform":"t","config":{"path":")" +
               files_.path() + R"(/in","format":"payload","pattern":"p"}})");
    EXPECT_EQ(status(link).logs, nullptr);
    shape();
    const std::string logs = *status(link).logs;
    EXPECT_LT(logs.find("n is 1"), logs.find("n is 0")) << logs;
}

TEST_F(LinkAgentTest, AStreamSendsWhatItsTransformMakesAndTellsWhatItCanNot) {
    script(
        R"("return function(e) if e.eventId == 'e1' then error('no') end return {body = e.eventId} end")");
    for (int i = 0; i < 3; ++i) append({}, {.id = "e" + std::to_string(i), .tenant = kLinkTenant});
    commit({});
    const LinkRef link = create(
        R"({"id":"out","direction":"out","type":"file","mode":"stream","transform":"t","config":{"path":")" +
        files_.path() + R"(/out","from":"start"}})");
    shape();
    std::ifstream file(files_.path() + "/out");
    std::string first, second;
    std::getline(file, first);
    std::getline(file, second);
    EXPECT_EQ(first + second, "e0e2");
    EXPECT_EQ(letters_, 1u);
    EXPECT_NE(emitted_.find("system.link.unsent"), std::string::npos) << emitted_;
    EXPECT_EQ(status(link).sent, 2u);
    EXPECT_EQ(status(link).failed, 1u);
    EXPECT_EQ(status(link).lag, 0u);
}

TEST_F(LinkAgentTest, ATrialReadsNothing) {
    append_events(0, 1);
    holds_ = true;
    const LinkRef link = source();
    std::string said = "nothing";
    agent_->test(link, [&](LinkTest&& test) { said = test.error; });
    work();
    EXPECT_EQ(said, "");
    std::filesystem::remove(files_.path() + "/in");
    agent_->test(link, [&](LinkTest&& test) { said = test.error; });
    work();
    EXPECT_EQ(said, "the file is not there yet");
    EXPECT_EQ(events(), 0);
}

TEST(LinkState, IsReadAsItWasWritten) {
    EXPECT_FALSE(read_link_state("{}"));
    EXPECT_FALSE(read_link_state(R"({"tenant":1,"number":2,"more":3})"));
    const auto read =
        read_link_state(R"({"tenant":1,"number":2,"resets":3,"position":{"id":"1-1"},)"
                        R"("taken":4,"rejected":5,"missed":6,"gaps":7,"stopped":"why"})");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->position, "{\"id\":\"1-1\"}");
    EXPECT_EQ(read->stopped, "why");
    EXPECT_EQ(read->gaps, 7u);
}

TEST(LinkState, WhatIsThereAlreadyCountsAsALetterOrAsADuplicate) {
    struct Case {
        LinkEntries entries;
        std::vector<std::uint32_t> there;
        std::uint64_t duplicates, rejected;
    };
    const Case cases[] = {
        {{0, {}}, {}, 0, 0},
        {{0, {1, 3}}, {}, 0, 2},
        {{0, {1, 3}}, {0, 1, 2}, 2, 1},
        {{0, {1, 3}}, {0, 1, 2, 3, 4}, 3, 0},
        {{1, {}}, {0, 2}, 1, 0},  // the first one tells of a gap
    };
    for (const Case& one : cases) {
        LinkCounts counts;
        count_entries(counts, one.entries, one.there);
        EXPECT_EQ(counts.duplicates, one.duplicates);
        EXPECT_EQ(counts.rejected, one.rejected);
    }
}

}  // namespace
}  // namespace millrace::runtime
