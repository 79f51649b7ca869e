// Goal: no secret stands on disk as it is; what was written plain is sealed when it is read; a row
// under another name or another key does not open. Method: rows in memory.
#include "runtime/registry/sealed_rows.h"

#include "core/base64.h"
#include "core/crypto/secret_bytes.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

const std::string kKey(32, 'k');

TEST(SealedRows, SecretsAreSealedAndReadAgain) {
    core::ManualClock clock;
    MemoryRegistryRows beneath;
    SealedRegistryRows rows(beneath, clock, kKey);
    const RegistryRow puts[] = {
        {"secret", "0/a", 1, 1, R"({"value":"s3cret"})"},
        {"subscription", "0/w", 1, 1, R"({"secret":{"current":"s3cret"},"body":{}})"},
        {"subscription", "0/p", 1, 1, R"({"body":{}})"},
    };
    ASSERT_TRUE(rows.commit(puts, {}, 1, core::TenantId{}, ""));
    for (const char* kind : {"secret", "subscription"}) {
        const auto rows_there = beneath.load_all(kind);
        for (const RegistryRow& row : *rows_there)
            EXPECT_EQ(row.json.find("s3cret"), std::string::npos) << row.json;
    }
    EXPECT_EQ(rows.load_all("secret")->at(0).json, puts[0].json);
    EXPECT_EQ(rows.load_all("subscription")->at(0).json, puts[2].json);
    EXPECT_EQ(rows.load_all("subscription")->at(1).json, puts[1].json);
}

TEST(SealedRows, WhoOnlyLooksOpensThemWithTheKeyAndLeavesThemOutWithoutIt) {
    core::ManualClock clock;
    MemoryRegistryRows beneath;
    const RegistryRow puts[] = {
        {"source", "0/a", 1, 1, R"({"secrets":["s3cret"]})"},
        {"subscription", "0/p", 1, 1, R"({"body":{}})"},
    };
    ASSERT_TRUE(SealedRegistryRows(beneath, clock, kKey).commit(puts, {}, 1, core::TenantId{}, ""));
    EXPECT_EQ(SealedRowsView(beneath, kKey).load_all("source")->at(0).json, puts[0].json);
    EXPECT_TRUE(SealedRowsView(beneath, "").load_all("source")->empty());
    EXPECT_EQ(SealedRowsView(beneath, "").load_all("subscription")->at(0).json, puts[1].json);
}

TEST(SealedRows, OldRowsAreSealedWhenTheyAreRead) {
    core::ManualClock clock;
    MemoryRegistryRows beneath;
    const RegistryRow plain[] = {{"secret", "0/a", 3, 7, R"({"value":"s3cret"})"}};
    ASSERT_TRUE(beneath.commit(plain, {}, 1, core::TenantId{}, ""));
    SealedRegistryRows rows(beneath, clock, kKey);
    EXPECT_EQ(rows.load_all("secret")->at(0).json, plain[0].json);
    const RegistryRow now = beneath.load_all("secret")->at(0);
    EXPECT_EQ(now.json.find("s3cret"), std::string::npos);
    EXPECT_EQ(now.version, 3u);
    EXPECT_EQ(rows.load_all("secret")->at(0).json, plain[0].json);
}

// A new key in front of the old one: what the old one has sealed is read, and the new one's then.
TEST(SealedRows, WhatAnOlderKeyHasSealedIsSealedAnewWhenItIsRead) {
    core::ManualClock clock;
    MemoryRegistryRows beneath;
    const RegistryRow puts[] = {
        {"secret", "0/a", 3, 7, R"({"value":"s3cret"})"},
        {"secret", "0/b", 1, 1, R"({"value":"other"})"},
    };
    ASSERT_TRUE(SealedRegistryRows(beneath, clock, kKey).commit(puts, {}, 1, core::TenantId{}, ""));
    const std::string fresh(32, 'f');
    SealedRegistryRows both(beneath, clock, fresh + kKey);
    for (std::size_t i = 0; i < 2; ++i)
        EXPECT_EQ(both.load_all("secret")->at(i).json, puts[i].json);
    SealedRegistryRows alone(beneath, clock, fresh);
    for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(alone.load_all("secret")->at(i).json, puts[i].json) << "without the old one";
        EXPECT_EQ(beneath.load_all("secret")->at(i).version, puts[i].version);
    }
    SealedRegistryRows old(beneath, clock, kKey);
    EXPECT_NE(old.load_all("secret")->at(0).json, puts[0].json);
    EXPECT_EQ(SealedRowsView(beneath, kKey + fresh).load_all("secret")->at(1).json, puts[1].json);
}

TEST(SealedRows, WhatIsElsewhereDoesNotOpen) {
    core::ManualClock clock;
    MemoryRegistryRows beneath;
    SealedRegistryRows rows(beneath, clock, kKey);
    const RegistryRow put[] = {{"secret", "0/a", 1, 1, R"({"value":"s3cret"})"}};
    ASSERT_TRUE(rows.commit(put, {}, 1, core::TenantId{}, ""));
    RegistryRow moved = beneath.load_all("secret")->at(0);
    moved.id = "0/b";
    ASSERT_TRUE(beneath.commit({&moved, 1}, {}, 1, core::TenantId{}, ""));
    EXPECT_EQ(rows.load_all("secret")->at(1).json, moved.json);
    SealedRegistryRows other(beneath, clock, std::string(32, 'o'));
    EXPECT_EQ(other.load_all("secret")->at(0).json, beneath.load_all("secret")->at(0).json);
}

TEST(SealKey, IsMadeOnceForItsOwnerAlone) {
    char folder[] = "/tmp/millrace-key-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    const std::string path = std::string(folder) + "/secrets.key";
    EXPECT_FALSE(read_seal_keys(path, MissingKey::kRefuse));
    const auto made = read_seal_keys(path, MissingKey::kMake);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->size(), core::crypto::kSealKeyBytes);
    EXPECT_EQ(*read_seal_keys(path, MissingKey::kRefuse), *made);
    struct stat found {};
    ASSERT_EQ(stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
    const std::string second(32, 'b');
    const auto write = [&](const std::string& text) {
        std::ofstream(path, std::ios::trunc) << text;
    };
    write(core::encode_base64(second) + "\r\n\n  " + core::encode_base64(*made) + " \n");
    EXPECT_EQ(*read_seal_keys(path, MissingKey::kRefuse), second + *made) << "the newest first";
    write(core::encode_base64(second) + "\nno key\n");
    EXPECT_FALSE(read_seal_keys(path, MissingKey::kRefuse));
    std::string many;
    for (std::size_t i = 0; i <= kSealKeysMax; ++i) many += core::encode_base64(second) + "\n";
    write(many);
    EXPECT_FALSE(read_seal_keys(path, MissingKey::kRefuse));
    ASSERT_EQ(truncate(path.c_str(), 10), 0);
    EXPECT_FALSE(read_seal_keys(path, MissingKey::kMake))
        << "never made anew over one that is there";
    unlink(path.c_str());
    rmdir(folder);
}

}  // namespace
}  // namespace millrace::runtime
