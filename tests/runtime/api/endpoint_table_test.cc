// Goal: a path leads to the endpoint that is meant, as often as its rate says; what was answered to
// an Idempotency-Key is answered again for as long as that is promised.
// Method: tables by hand; answers in a store of their own.
#include "runtime/api/endpoint_table.h"

#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <string>

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

class EndpointAnswersTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }

    // As a call does that runs: what is old leaves in the commit of its answer.
    void answer(const std::string& key, std::int64_t now_us) {
        const auto there = table_.begin(*database_, key, 7, now_us);
        ASSERT_TRUE(there && !*there) << key;
        store::RowBatch rows;
        for (const std::string& old : table_.take_old(*database_, now_us))
            rows.erase_registry(kEndpointAnswerKind, old);
        EndpointAnswer made;
        made.status = 200;
        made.body = key;
        rows.put_registry(kEndpointAnswerKind, key, 1, now_us,
                          write_kept_answer({7, now_us, made}));
        ASSERT_TRUE(database_->write_now(rows));
        table_.end(key, true, now_us);
    }

    EndpointTable table_;
};

// A key comes again when the time of its answer is over, and others are still to be cleared away:
// its new answer is not taken for the old one.
TEST_F(EndpointAnswersTest, AKeyThatIsUsedAgainKeepsItsNewAnswer) {
    constexpr int kKeys = 20;
    const std::string last = "k" + std::to_string(kKeys - 1);
    for (int i = 0; i < kKeys; ++i) answer("k" + std::to_string(i), i + 1);
    const std::int64_t later_us = kAnswerKeptUs + 1'000'000;
    answer(last, later_us);
    for (int i = 0; i < 5; ++i) answer("other" + std::to_string(i), later_us + i);
    const auto again = table_.begin(*database_, last, 7, later_us + 100);
    ASSERT_TRUE(again);
    ASSERT_TRUE(*again) << "it would run a second time";
    EXPECT_EQ((*again)->body, last);
    const auto gone = database_->registry().get(kEndpointAnswerKind, "k3");
    ASSERT_TRUE(gone);
    EXPECT_FALSE(*gone) << "the others have left";
}

}  // namespace
}  // namespace millrace::runtime::api
