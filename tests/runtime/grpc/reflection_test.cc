// Goal: reflection lists the services there are and describes what they name; the descriptors name
// the fields by the numbers that messages.cc writes.
// Method: requests written with wire.h; the descriptors are walked by the same reader.
#include "runtime/grpc/reflection.h"

#include "runtime/grpc/methods.h"
#include "runtime/grpc/wire.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::runtime::grpc {
namespace {

std::vector<std::string> values(std::string_view message, std::uint32_t field) {
    std::vector<std::string> out;
    WireReader wire(message);
    while (wire.next()) {
        if (wire.is(field, WireType::kBytes)) out.emplace_back(wire.bytes());
    }
    EXPECT_FALSE(wire.failed());
    return out;
}

std::string ask(std::uint32_t what, std::string_view value) {
    std::string request;
    append_bytes_field(request, what, value);
    auto answer = reflect(request);
    EXPECT_TRUE(answer.has_value());
    EXPECT_EQ(values(*answer, 2), std::vector<std::string>{request}) << "the original request";
    return std::move(*answer);
}

// The descriptor that an answer holds; empty: it says that there is none.
std::string file_in(const std::string& answer) {
    const auto files = values(answer, 4);
    if (files.empty()) {
        EXPECT_EQ(values(answer, 7).size(), 1u);
        return {};
    }
    return values(files[0], 1).at(0);
}

TEST(Reflection, ServicesAreThoseThatAreServed) {
    std::set<std::string> listed;
    for (const std::string& service : values(values(ask(7, "*"), 6).at(0), 1))
        listed.insert(values(service, 1).at(0));
    std::set<std::string> served;
    for (const Method& method : methods()) served.emplace(method.service);
    EXPECT_EQ(listed, served);
}

TEST(Reflection, EveryServiceAndMethodIsDescribed) {
    for (const Method& method : methods()) {
        const std::string service(method.service);
        const std::string file = file_in(ask(4, service));
        ASSERT_FALSE(file.empty()) << service;
        EXPECT_EQ(file_in(ask(4, service + "." + std::string(method.name))), file);
        EXPECT_EQ(file_in(ask(3, values(file, 1).at(0))), file) << "by its name";
    }
}

TEST(Reflection, SymbolsWithinMessagesAreFound) {
    for (const char* symbol : {"millrace.v2.Event", "millrace.v2.Event.payload",
                               "grpc.health.v1.HealthCheckResponse.ServingStatus"})
        EXPECT_FALSE(file_in(ask(4, symbol)).empty()) << symbol;
    for (const char* symbol : {"millrace.v2", "millrace.v2.Event.nothing", "Event", "",
                               "millrace.v2.Events.publish", "millrace.v2.Event.payload.x"})
        EXPECT_TRUE(file_in(ask(4, symbol)).empty()) << symbol;
}

TEST(Reflection, WhatIsNotKnownIsAnAnswer) {
    EXPECT_TRUE(file_in(ask(3, "no.proto")).empty());
    EXPECT_EQ(values(ask(5, ""), 7).size(), 1u);
    EXPECT_EQ(values(ask(6, "millrace.v2.Event"), 5).size(), 1u) << "no extensions of it";
    EXPECT_EQ(values(ask(6, "nothing"), 7).size(), 1u);
    const auto nothing = reflect("");
    ASSERT_TRUE(nothing);
    EXPECT_EQ(values(*nothing, 7).size(), 1u);
    EXPECT_FALSE(reflect("\x0a"));
}

// Name and number of the fields of a message.
std::map<std::string, std::uint64_t> fields_of(std::string_view file, std::string_view message) {
    std::map<std::string, std::uint64_t> out;
    for (const std::string& described : values(file, 4)) {
        if (values(described, 1).at(0) != message) continue;
        for (const std::string& field : values(described, 2)) {
            WireReader wire(field);
            while (wire.next()) {
                if (wire.is(3, WireType::kVarint)) out[values(field, 1).at(0)] = wire.number();
            }
        }
    }
    return out;
}

TEST(Reflection, FieldsHaveTheNumbersThatAreWritten) {
    const std::string file = file_in(ask(4, "millrace.v2.Events"));
    using Fields = std::map<std::string, std::uint64_t>;
    EXPECT_EQ(fields_of(file, "Event"), (Fields{{"event_id", 1},
                                                {"pattern", 2},
                                                {"version", 3},
                                                {"source", 4},
                                                {"timestamp", 5},
                                                {"payload", 6},
                                                {"metadata", 7},
                                                {"partition_key", 8},
                                                {"priority", 9},
                                                {"scheduled_at", 10},
                                                {"tenant_id", 11},
                                                {"json", 12},
                                                {"received_at", 20},
                                                {"shard", 21},
                                                {"offset", 22},
                                                {"traceparent", 23},
                                                {"tracestate", 24},
                                                {"position", 25}}));
    EXPECT_EQ(fields_of(file, "Metadata"),
              (Fields{{"correlation_id", 1}, {"causation_id", 2}, {"context", 3}}));
    EXPECT_EQ(fields_of(file, "Ack"), (Fields{{"index", 1}, {"durability", 2}, {"outcomes", 3}}));
    EXPECT_EQ(
        fields_of(file, "Outcome"),
        (Fields{{"event_id", 1}, {"shard", 2}, {"offset", 3}, {"duplicate", 4}, {"error", 5}}));
    EXPECT_EQ(
        fields_of(file, "SubscribeRequest"),
        (Fields{{"pattern", 1}, {"pattern_prefix", 2}, {"filter", 3}, {"after", 4}, {"json", 5}}));
}

}  // namespace
}  // namespace millrace::runtime::grpc
