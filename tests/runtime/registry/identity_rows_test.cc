// Goal: a row of a key or tenant that is read in one pass is the document that it is when it is
// read in full. Method: documents of a registry over rows in memory; each row by both ways.
#include "runtime/registry/identity_rows.h"

#include "core/json_reader.h"
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {
namespace {

class IdentityRowsTest : public ::testing::Test {
protected:
    void SetUp() override { open(); }
    void open() { registry_ = *Registry::open(rows_, clock_, random_, {}); }
    template <typename T>
    void make(core::TenantId tenant, const std::string& body) {
        const auto made = registry_->table<T>().create({.tenant = tenant}, body, [](T& document) {
            if constexpr (std::is_same_v<T, ApiKey>) take_key_text(document, new_key_text());
            return core::Status{};
        });
        ASSERT_TRUE(made) << made.error().message << " " << body;
    }
    std::vector<std::string> rows_of(std::string_view kind) const {
        std::vector<std::string> out;
        for (const auto& [name, row] : rows_.rows) {
            if (name.first == kind) out.push_back(row.json);
        }
        return out;
    }

    MemoryRegistryRows rows_;
    core::ManualClock clock_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
};

TEST_F(IdentityRowsTest, KeysAreTheSame) {
    for (const std::uint32_t tenant : {0u, 3u}) {
        make<ApiKey>(core::TenantId{tenant}, R"({"id":"a","name":"first","role":"publisher"})");
        make<ApiKey>(core::TenantId{tenant},
                     R"({"id":"b","role":"admin","user":"ann","patterns":["a.*","b"],
                         "ips":["10.0.0.0/8"],"clientCertSans":["DNS:a.example"],
                         "quotas":{"eventsPerSecond":7},"expiresAt":"2127-01-01T00:00:00.5Z"})");
    }
    unsigned quick = 0;
    for (const std::string& row : rows_of("key")) {
        ApiKey one;
        ASSERT_TRUE(read_key_row(row, one)) << row;
        ++quick;
        for (std::size_t bytes = 0; bytes < row.size(); ++bytes) {
            ApiKey cut;
            EXPECT_FALSE(read_key_row(row.substr(0, bytes), cut));
        }
        // A blank makes it another program's: then it is read in full.
        const std::string id = one.id;
        for (auto& [name, stored] : rows_.rows) {
            if (name.first == "key" && stored.json == row) stored.json.insert(1, " ");
        }
        open();
        const ApiKeyRef full = registry_->table<ApiKey>().find(one.tenant, id);
        ASSERT_NE(full, nullptr);
        EXPECT_EQ(document_kind<ApiKey>().show(one), document_kind<ApiKey>().show(*full));
        EXPECT_EQ(one.number, full->number);
        EXPECT_EQ(one.hash, full->hash);
        EXPECT_EQ(one.own_scopes, full->own_scopes);
        EXPECT_TRUE(one.scopes == full->scopes);
        EXPECT_EQ(one.quotas.of(identity::Quota::kEvents),
                  full->quotas.of(identity::Quota::kEvents));
        EXPECT_NE(one.holder, nullptr);
    }
    EXPECT_EQ(quick, 4u);
}

TEST_F(IdentityRowsTest, KeysWithMoreAreReadInFull) {
    make<ApiKey>(core::TenantId{3}, R"({"id":"own","role":"viewer","scopes":["events:write"]})");
    make<ApiKey>(core::TenantId{3}, R"({"id":"escaped","name":"a \"name\""})");
    for (const std::string& row : rows_of("key")) {
        ApiKey one;
        EXPECT_FALSE(read_key_row(row, one)) << row;
    }
    open();
    const ApiKeyRef own = registry_->table<ApiKey>().find(core::TenantId{3}, "own");
    ASSERT_NE(own, nullptr);
    EXPECT_TRUE(own->own_scopes);
    EXPECT_NE(registry_->table<ApiKey>().find(core::TenantId{3}, "escaped"), nullptr);
}

TEST_F(IdentityRowsTest, TenantsAreTheSame) {
    make<Tenant>(kPlatform, R"({"id":"a","name":"first"})");
    make<Tenant>(kPlatform, R"({"id":"b","status":"suspended","reason":"unpaid",
                                "quotas":{"eventsPerSecond":7,"bytesPerSecond":9}})");
    for (const std::string& row : rows_of("tenant")) {
        Tenant one;
        ASSERT_TRUE(read_tenant_row(row, one)) << row;
        for (std::size_t bytes = 0; bytes < row.size(); ++bytes) {
            Tenant cut;
            EXPECT_FALSE(read_tenant_row(row.substr(0, bytes), cut));
        }
        const TenantRef full = registry_->table<Tenant>().find(kPlatform, one.id);
        ASSERT_NE(full, nullptr);
        EXPECT_EQ(document_kind<Tenant>().show(one), document_kind<Tenant>().show(*full));
        EXPECT_EQ(one.number, full->number);
        EXPECT_NE(one.holder, nullptr);
    }
}

}  // namespace
}  // namespace millrace::runtime
