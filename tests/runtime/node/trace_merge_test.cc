// Goal: a trace over several partitions is the one that a single server would tell, in as few
// rounds as it takes.
// Method: partitions that have events with causes and answer as runtime/api/trace.cc does, asked
// until there is nothing to ask.
#include "runtime/node/trace_merge.h"

#include "core/json_dom.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

struct Event {
    std::string id, cause;
    std::size_t partition = 0;
};

// Events in the order in which they came.
class Log {
public:
    explicit Log(std::vector<Event> events) : events_(std::move(events)) {}

    std::string first(std::size_t partition, const std::string& id) const {
        const Event* self = find(partition, id);
        std::string text = node(*self);
        text.pop_back();
        std::string above, below;
        append_above(above, partition, self->cause);
        append_below(below, partition, {id});
        return text + ",\"causes\":[" + above + "],\"caused\":[" + below + "],\"truncated\":false}";
    }
    std::string part(std::size_t partition, std::string_view asked) const {
        std::string nodes;
        std::deque<std::string> below;
        while (!asked.empty()) {
            std::string_view list = asked.substr(0, asked.find('&'));
            asked.remove_prefix(std::min(asked.size(), list.size() + 1));
            const bool effects = list.starts_with("effects=");
            list.remove_prefix(list.find('=') + 1);
            while (!list.empty()) {
                const std::string id(list.substr(0, list.find(',')));
                list.remove_prefix(std::min(list.size(), id.size() + 1));
                if (effects)
                    below.push_back(id);
                else
                    append_above(nodes, partition, id);
            }
        }
        append_below(nodes, partition, below);
        return "{\"nodes\":[" + nodes + "],\"truncated\":false}";
    }

private:
    const Event* find(std::size_t partition, const std::string& id) const {
        for (const Event& event : events_) {
            if (event.partition == partition && event.id == id) return &event;
        }
        return nullptr;
    }
    std::string node(const Event& event) const {
        std::string at = std::to_string(1000 + (&event - events_.data()));
        return R"({"event":{"eventId":")" + event.id + R"(","receivedAt":")" + at +
               R"("},"causedBy":)" + (event.cause.empty() ? "null" : "\"" + event.cause + "\"") +
               R"(,"deliveries":[]})";
    }
    void append(std::string& out, const Event& event) const {
        out += (out.empty() ? "" : ",") + node(event);
    }
    void append_above(std::string& out, std::size_t partition, std::string id) const {
        while (const Event* event = find(partition, id)) {
            append(out, *event);
            id = event->cause;
        }
    }
    void append_below(std::string& out, std::size_t partition, std::deque<std::string> open) const {
        while (!open.empty()) {
            for (const Event& event : events_) {
                if (event.partition != partition || event.cause != open.front()) continue;
                append(out, event);
                open.push_back(event.id);
            }
            open.pop_front();
        }
    }
    std::vector<Event> events_;
};

std::string ids_in(std::string_view text, std::string_view list) {
    core::JsonDom dom;
    auto root = dom.parse(text);
    core::JsonElement member, event, id;
    core::JsonArray nodes;
    std::string out;
    EXPECT_TRUE(root && root->find(list, member) && member.get(nodes)) << text;
    for (const core::JsonElement node : nodes) {
        std::string_view name;
        EXPECT_TRUE(node.find("event", event) && event.find("eventId", id) && id.get(name));
        EXPECT_TRUE(node.find("partition", member) && node.find("deliveries", member));
        out.append(out.empty() ? "" : " ").append(name);
    }
    return out;
}

struct Traced {
    std::string causes, caused;
    unsigned rounds = 0;
    bool truncated = false;
};
Traced traced(const Log& log, std::size_t partitions, std::size_t partition,
              const std::string& id) {
    TraceMerge merge(partitions);
    const std::string first = log.first(partition, id);
    EXPECT_TRUE(merge.begin({partition, first}));
    Traced out;
    for (auto asks = merge.next_round(); !asks.empty(); asks = merge.next_round()) {
        ++out.rounds;
        for (const TraceMerge::Ask& ask : asks) {
            const std::string answer = log.part(ask.partition, ask.what);
            EXPECT_TRUE(merge.add({ask.partition, answer}));
        }
    }
    const std::string text = merge.text();
    out.causes = ids_in(text, "causes");
    out.caused = ids_in(text, "caused");
    out.truncated = text.find(R"("truncated":true)") != std::string::npos;
    return out;
}

TEST(TraceMerge, CausesAndEffectsInOtherPartitions) {
    const Log log({{"a", "", 0},
                   {"b", "a", 1},
                   {"c", "b", 2},
                   {"d", "b", 1},
                   {"e", "c", 0},
                   {"f", "d", 1},
                   {"x", "a", 2}});
    const Traced of_b = traced(log, 3, 1, "b");
    EXPECT_EQ(of_b.causes, "a");
    EXPECT_EQ(of_b.caused, "c d e f");
    EXPECT_FALSE(of_b.truncated);
    const Traced of_a = traced(log, 3, 0, "a");
    EXPECT_EQ(of_a.causes, "");
    EXPECT_EQ(of_a.caused, "b x c d e f");
    const Traced of_e = traced(log, 3, 0, "e");
    EXPECT_EQ(of_e.causes, "c b a");
    EXPECT_EQ(of_e.caused, "");
}

TEST(TraceMerge, WhatStaysWhereItIsTakesOneRound) {
    const Log log({{"a", "gone", 1}, {"b", "a", 1}, {"c", "b", 1}});
    const Traced one = traced(log, 4, 1, "a");
    EXPECT_EQ(one.caused, "b c");
    EXPECT_EQ(one.causes, "");
    EXPECT_EQ(one.rounds, 1U);
}

TEST(TraceMerge, ACircleEnds) {
    const Log log({{"a", "b", 0}, {"b", "a", 1}});
    const Traced one = traced(log, 2, 0, "a");
    EXPECT_EQ(one.causes, "b");
    EXPECT_EQ(one.caused, "");
}

TEST(TraceMerge, TooManyEventsAreCut) {
    std::vector<Event> events = {{"a", "", 0}};
    for (unsigned i = 0; i < 300; ++i) events.push_back({"e" + std::to_string(i), "a", i % 3});
    const Traced one = traced(Log(events), 3, 0, "a");
    EXPECT_TRUE(one.truncated);
    EXPECT_EQ(std::count(one.caused.begin(), one.caused.end(), ' '), 198);
}

}  // namespace
}  // namespace millrace::runtime::node
