#include "runtime/api/endpoint_table.h"

#include <gtest/gtest.h>

namespace millrace::runtime::api {
namespace {

constexpr core::TenantId kTenant{1};

class EndpointTableTest : public ::testing::Test {
protected:
    void add(const std::string& method, const std::string& route, double rate = 0) {
        auto endpoint = std::make_shared<Endpoint>();
        endpoint->number.value = static_cast<std::uint32_t>(++registry_.version);
        endpoint->tenant = kTenant;
        endpoint->id = route;
        endpoint->method = method;
        endpoint->route = route;
        endpoint->rate = rate;
        registry_.endpoints.set(endpoint->number.value, endpoint);
    }
    // "orders/:id id=7"; empty: none.
    std::string found(const std::string& path, const std::string& method = "GET") {
        const EndpointMatch match = table_.find(registry_, kTenant, method, path);
        if (!match.endpoint) return {};
        std::string out = match.endpoint->route;
        for (const auto& [name, value] : match.params) out += " " + name + "=" + value;
        return out;
    }

    RegistrySnapshot registry_;
    EndpointTable table_;
};

TEST_F(EndpointTableTest, PrefersWordsToParametersToTheRest) {
    for (const char* route :
         {"orders/new", "orders/:id", "orders/:id/items/:item", "orders/*", "a"})
        add("GET", route);
    EXPECT_EQ(found("orders/new"), "orders/new");
    EXPECT_EQ(found("orders/7"), "orders/:id id=7");
    EXPECT_EQ(found("orders/new/items/2"), "orders/:id/items/:item id=new item=2");
    EXPECT_EQ(found("orders/7/x/y"), "orders/* *=7/x/y");
    EXPECT_EQ(found("orders"), "");
    EXPECT_EQ(found("a"), "a");
    EXPECT_EQ(found("a/b"), "");
    EXPECT_EQ(found("a", "POST"), "");
    EXPECT_EQ(found("b"), "");
}

TEST_F(EndpointTableTest, SeesWhatWasAddedAndKeepsTenantsApart) {
    EXPECT_EQ(found("x"), "");
    add("GET", "x");
    EXPECT_EQ(found("x"), "x");
    EXPECT_EQ(table_.find(registry_, core::TenantId(2), "GET", "x").endpoint, nullptr);
}

TEST_F(EndpointTableTest, LetsAsManyThroughAsItsRateSays) {
    Endpoint endpoint;
    endpoint.number.value = 9;
    endpoint.rate = 2;
    EXPECT_EQ(table_.wait_ms(endpoint, 0), 0);
    EXPECT_EQ(table_.wait_ms(endpoint, 0), 0);
    EXPECT_GT(table_.wait_ms(endpoint, 0), 400);
    EXPECT_EQ(table_.wait_ms(endpoint, 600'000'000), 0);
}

}  // namespace
}  // namespace millrace::runtime::api
