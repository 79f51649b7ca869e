// Goal: each event that was kept for another partition is taken there once and in its order, and
// the outbox is empty in the end, whatever breaks on the way: the sender's process ends at any
// step, requests and answers get lost or come late, the other side says no for a while.
// Method: a real store under the outbox; the other side is a set of ids (what is there already is a
// duplicate, as in the log); a port that decides by a seed what becomes of each call.
#include "core/random.h"
#include "runtime/crossing/crossing_event.h"
#include "runtime/crossing/outbox_sender.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::crossing {
namespace {

constexpr std::size_t kSimPartitions = 4;
constexpr std::size_t kSelf = 1;

// Of one partition: what has been taken first, in that order.
struct Taken {
    std::set<std::string> known;
    std::vector<std::string> order;
};

class Wire final : public courier::HttpPort {
public:
    struct Call {
        courier::HttpReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        std::size_t to = 0;
        std::string body;
    };
    explicit Wire(core::Random& random) : random_(random) {}

    bool send(courier::HttpReceiver& receiver, std::uint64_t ticket,
              courier::HttpCall&& call) override {
        if (random_.below(20) == 0) return false;
        std::size_t to = 0;
        for (const auto& [name, value] : call.headers)
            if (name == kPartitionHeader) to = std::stoul(value);
        calls.push_back({&receiver, ticket, to, std::move(call.body)});
        return true;
    }
    void cancel(courier::HttpReceiver&, std::uint64_t) override {}

    // One of those under way: arrives or not, is answered or not.
    void step() {
        if (!late.empty() && random_.below(3) == 0) {  // nobody waits for it any more
            take(late.front());
            late.pop_front();
        }
        if (calls.empty()) return;
        const Call call = std::move(calls.front());
        calls.pop_front();
        courier::HttpAnswer answer;
        const auto fate = calm ? 9 : random_.below(10);
        if (fate == 0) {
            answer.fault = courier::HttpFault::kConnect;  // it never came
        } else if (fate == 1) {
            take(call);
            answer.fault = courier::HttpFault::kTimeout;  // it was taken, and nobody knows
        } else if (fate == 2) {
            late.push_back(call);
            answer.fault = courier::HttpFault::kTimeout;  // it comes when others have gone on
        } else if (fate == 3) {
            answer.status = 503;
        } else if (fate == 4) {
            answer.status = 200;  // of somebody else
            answer.body = "{}";
        } else {
            answer.status = 200;
            answer.body = taken_text(take(call));
        }
        if (call.receiver == alive) call.receiver->receive(call.ticket, std::move(answer));
    }

    std::map<std::size_t, Taken> there;
    std::deque<Call> calls, late;
    courier::HttpReceiver* alive = nullptr;
    bool calm = false;

private:
    std::size_t take(const Call& call) {
        const auto events = read_crossing(call.body);
        EXPECT_TRUE(events) << events.error().message;
        Taken& taken = there[call.to];
        for (const CrossingEvent& event : *events) {
            const std::string id(event.event);
            if (taken.known.insert(id).second) taken.order.push_back(id);
        }
        return events->size();
    }
    core::Random& random_;
};

class OutboxSim : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }

    void start() {
        outbox_ = std::make_unique<Outbox>(kSimPartitions);
        ASSERT_TRUE(outbox_->load(database_->registry()));
        OutboxSender::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.rows = &database_->registry();
        deps.outbox = outbox_.get();
        deps.port = &wire_;
        deps.neighbours = &neighbours_;
        deps.partition = kSelf;
        deps.submit = [this](std::unique_ptr<LaneResult>& result) {
            if (random_.below(4) == 0) return false;  // the ring is full
            // Not durable yet: it goes with a later commit, or is lost with the process.
            erasing_.append(result->rows);
            result.reset();
            return true;
        };
        sender_ = std::make_unique<OutboxSender>(std::move(deps));
        wire_.alive = sender_.get();
    }
    void kill() {
        sender_.reset();
        outbox_.reset();
        wire_.alive = nullptr;
        erasing_.clear();
        uncommitted_.clear();
        uncommitted_ids_.clear();
    }
    // A handler makes something; the commit of its cause comes later, or never.
    void emit() {
        std::size_t to = random_.below(kSimPartitions);
        if (to == kSelf) to = kSimPartitions - 1;
        const std::string id = "{\"eventId\":\"ed_" + std::to_string(made_++) + "\"}";
        std::string text;
        append_crossing(text, {"acme", 1, "", id});
        outbox_->keep(uncommitted_, to, 1, text);
        uncommitted_ids_.emplace_back(to, id);
    }
    void commit() {
        if (!uncommitted_.empty()) {
            ASSERT_TRUE(database_->write_now(uncommitted_));
            for (auto& [to, id] : uncommitted_ids_) wanted_[to].push_back(id);
            outbox_->committed();
        }
        if (!erasing_.empty()) {
            ASSERT_TRUE(database_->write_now(erasing_));
        }
        uncommitted_.clear();
        uncommitted_ids_.clear();
        erasing_.clear();
    }
    void run(std::uint64_t seed, int steps) {
        random_ = core::Random(seed);
        start();
        for (int i = 0; i < steps; ++i) {
            const auto what = random_.below(100);
            if (what < 25)
                emit();
            else if (what < 40)
                commit();
            else if (what < 65)
                sender_->do_work();
            else if (what < 85)
                wire_.step();
            else if (what < 97)
                clock_.advance_us(static_cast<std::int64_t>(random_.below(400'000)));
            else {
                kill();
                start();
            }
        }
        commit();
        wire_.calm = true;
        for (int i = 0; i < 4000 && (outbox_->rows() > 0 || !wire_.late.empty()); ++i) {
            sender_->do_work();
            wire_.step();
            commit();
            clock_.advance_us(100'000);
        }
        commit();
        for (int i = 0; i < 100; ++i) {
            sender_->do_work();
            commit();
        }
    }

    core::Log log_{clock_, core::LogLevel::kError, [](std::string_view) {}};
    core::Metrics metrics_;
    core::Random random_{1};
    Wire wire_{random_};
    Neighbours neighbours_;
    std::unique_ptr<Outbox> outbox_;
    std::unique_ptr<OutboxSender> sender_;
    store::RowBatch uncommitted_, erasing_;
    std::vector<std::pair<std::size_t, std::string>> uncommitted_ids_;
    std::map<std::size_t, std::vector<std::string>> wanted_;
    int made_ = 0;
};

TEST_F(OutboxSim, EachIsTakenOnceAndInOrderWhateverBreaks) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        wire_.there.clear();
        wire_.calls.clear();
        wire_.late.clear();
        wire_.calm = false;
        wanted_.clear();
        run(seed, 1500);
        for (const auto& [to, ids] : wanted_)
            EXPECT_EQ(wire_.there[to].order, ids) << "seed " << seed << ", partition " << to;
        const auto rows = database_->registry().load_all(kCrossingKind);
        ASSERT_TRUE(rows);
        EXPECT_TRUE(rows->empty()) << "seed " << seed;
        EXPECT_EQ(outbox_->rows(), 0u);
        EXPECT_EQ(outbox_->bytes(), 0u);
        for (std::size_t to = 0; to < kSimPartitions; ++to)
            EXPECT_EQ(outbox_->waiting_for(to), 0u) << "seed " << seed;
        kill();
        if (HasFailure()) return;
    }
}

TEST_F(OutboxSim, WhatWasKeptIsFoundAgainAndNewOnesStandBehindIt) {
    start();
    for (int i = 0; i < 10; ++i) emit();
    commit();
    const std::uint64_t rows = outbox_->rows(), bytes = outbox_->bytes();
    const std::uint64_t first = outbox_->waiting_for(0);
    kill();
    reopen();
    start();
    EXPECT_EQ(outbox_->rows(), rows);
    EXPECT_EQ(outbox_->bytes(), bytes);
    EXPECT_EQ(outbox_->waiting_for(0), first);
    const auto before = database_->registry().load_all(kCrossingKind);
    std::uint64_t last = 0;
    for (const auto& row : *before) last = std::max(last, serial_of(row.id));
    store::RowBatch more;
    outbox_->keep(more, 0, 1, "x");
    ASSERT_TRUE(database_->write_now(more));
    const auto after = database_->registry().get(kCrossingKind, crossing_row_id(0, last + 1));
    ASSERT_TRUE(after);
    EXPECT_TRUE(*after);
}

// Of a partition that does not take them, and of one that does.
TEST_F(OutboxSim, FiguresSayWhatWaitsForWhomAndForHowLong) {
    clock_.advance_us(1'000'000);
    start();
    const auto value = [this](core::Metric metric, core::LabelValues labels) {
        return metrics_.sum(metric, labels);
    };
    store::RowBatch rows;
    std::string text;
    append_crossing(text, {"acme", 1, "", "{\"eventId\":\"e\"}"});
    const std::int64_t made_us = clock_.wall_us();
    for (const std::size_t to : {0u, 0u, 2u}) outbox_->keep(rows, to, made_us, text);
    ASSERT_TRUE(database_->write_now(rows));
    outbox_->committed();
    wire_.calm = true;
    while (wire_.calls.size() < 2) sender_->do_work();  // the port has no room at times
    std::swap(wire_.calls[0], wire_.calls[wire_.calls[0].to == 0 ? 1 : 0]);
    ASSERT_EQ(wire_.calls[0].to, 2u);
    wire_.step();
    // Nobody is at the other one.
    const Wire::Call call = wire_.calls.front();
    wire_.calls.clear();
    courier::HttpAnswer none;
    none.fault = courier::HttpFault::kConnect;
    sender_->receive(call.ticket, std::move(none));
    clock_.advance_us(7'000'000);
    sender_->do_work();
    EXPECT_EQ(value(core::Metric::kOutboxEntries, {"0"}), 2);
    EXPECT_EQ(value(core::Metric::kOutboxOldestAge, {"0"}), 7);
    EXPECT_EQ(value(core::Metric::kOutboxEvents, {"0", "failed"}), 2);
    EXPECT_EQ(value(core::Metric::kOutboxEvents, {"0", "sent"}), 0);
    EXPECT_EQ(value(core::Metric::kOutboxEntries, {"2"}), 0);
    EXPECT_EQ(value(core::Metric::kOutboxEvents, {"2", "sent"}), 1);
    while (wire_.calls.empty()) {
        clock_.advance_us(100'000);
        sender_->do_work();
    }
    wire_.step();
    clock_.advance_us(1'000'000);
    sender_->do_work();
    EXPECT_EQ(value(core::Metric::kOutboxEntries, {"0"}), 0);
    EXPECT_EQ(value(core::Metric::kOutboxOldestAge, {"0"}), 0);
    EXPECT_EQ(value(core::Metric::kOutboxEvents, {"0", "sent"}), 2);
    std::string page;
    metrics_.export_text(page);
    EXPECT_EQ(page.find("millrace_outbox_entries{to=\"3\"}"), std::string::npos) << page;
}

TEST_F(OutboxSim, ItSaysWhenItIsFull) {
    start();
    store::RowBatch rows;
    EXPECT_FALSE(outbox_->full());
    const std::string large(1u << 20, 'x');
    for (std::uint64_t bytes = 0; bytes < kOutboxBytesMax; bytes += large.size()) {
        outbox_->keep(rows, 0, 1, large);
        rows.clear();
    }
    EXPECT_TRUE(outbox_->full());
    outbox_->sent(0, 1, large.size());
    EXPECT_FALSE(outbox_->full());
}

}  // namespace
}  // namespace millrace::runtime::crossing
