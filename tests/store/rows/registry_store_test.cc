// Goal: registry documents and audit entries are kept as written.
#include "store/rows/registry_store.h"

#include "core/random.h"
#include "store/rows/audit_log.h"
#include "tests/store/store_fixture.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store::test {
namespace {

class RegistryStoreTest : public StoreTest {
protected:
    void SetUp() override { open(); }
};

TEST_F(RegistryStoreTest, KeepsDocumentsByKindAndId) {
    RowBatch rows;
    rows.put_registry("script", "b", 1, 10, R"({"name":"b"})");
    rows.put_registry("script", "a", 2, 20, R"({"name":"a"})");
    rows.put_registry("scripts", "x", 1, 10, "{}");
    rows.put_registry("script", "gone", 1, 10, "{}");
    rows.erase_registry("script", "gone");
    ASSERT_TRUE(database_->write_now(rows));
    reopen();
    const auto all = database_->registry().load_all("script");
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 2u);
    EXPECT_EQ((*all)[0].id, "a");
    EXPECT_EQ((*all)[0].version, 2u);
    EXPECT_EQ((*all)[0].json, R"({"name":"a"})");
    EXPECT_EQ((*all)[1].updated_at_us, 10);
    EXPECT_TRUE(*database_->registry().get("script", "b"));
    EXPECT_FALSE(*database_->registry().get("script", "gone"));
}

TEST_F(RegistryStoreTest, FindsManyTogether) {
    RowBatch rows;
    for (int i = 0; i < 600; i += 2)
        rows.put_registry("state", std::to_string(i), static_cast<std::uint64_t>(i) + 1, -5, "{}");
    ASSERT_TRUE(database_->write_now(rows));
    std::vector<std::string> ids;
    for (int i = 0; i < 600; ++i) ids.push_back(std::to_string(i));
    const std::vector<std::string_view> names(ids.begin(), ids.end());
    std::size_t found = 0;
    const auto status = database_->registry().get_many(
        "state", names, [&](std::size_t place, const RegistryDocumentView& row) {
            EXPECT_EQ(place % 2, 0u);
            EXPECT_EQ(row.id, ids[place]);
            EXPECT_EQ(row.version, place + 1);
            EXPECT_EQ(row.updated_at_us, -5);
            EXPECT_EQ(row.json, "{}");
            ++found;
        });
    ASSERT_TRUE(status);
    EXPECT_EQ(found, 300u);
    EXPECT_TRUE(database_->registry().get_many("state", {}, {}));
}

// Of the WAL's files: what a start reads again.
std::uintmax_t wal_bytes(const std::string& folder) {
    std::uintmax_t sum = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder + "/rocks"))
        sum += file.path().extension() == ".log" ? file.file_size() : 0;
    return sum;
}

// Nearly all documents are in files when there are many; a small family's few rows must not make
// the next start read the WAL of all of them.
TEST_F(RegistryStoreTest, ACleanStopLeavesNoLongWal) {
    constexpr std::uintmax_t kLongWal = 20u << 20;
    for (const bool by_hand : {false, true}) {
        close();
        auto with = options();
        with.work_by_hand = by_hand;
        if (!by_hand) with.small_write_buffer_bytes = 1u << 20;
        open(with);
        core::Random random(5);
        std::uint32_t documents = 0;
        while (wal_bytes(folder_.path()) < kLongWal) {
            RowBatch rows;
            for (int i = 0; i < 100; ++i) {
                std::string text(1000, ' ');
                for (char& c : text) c = static_cast<char>('a' + random.below(26));
                rows.put_registry("key", std::to_string(documents++), 1, 10, '"' + text + '"');
            }
            ASSERT_TRUE(database_->write_now(rows, Durability::kOs));
        }
        close();
        EXPECT_LT(wal_bytes(folder_.path()), kLongWal / 8);
        open();
        EXPECT_EQ(database_->registry().load_all("key")->size(), documents);
    }
}

TEST_F(RegistryStoreTest, AuditEntriesComeNewestFirst) {
    RowBatch rows;
    for (int i = 0; i < 5; ++i)
        rows.put_audit(100, core::TenantId{static_cast<std::uint32_t>(i % 2)}, std::to_string(i));
    rows.put_audit(50, core::TenantId{0}, "old");
    ASSERT_TRUE(database_->write_now(rows));
    const auto first = database_->audit().list({.limit = 4});
    ASSERT_TRUE(first);
    ASSERT_EQ(first->entries.size(), 4u);
    EXPECT_EQ(first->entries[0].json, "4");
    const auto rest = database_->audit().list({.cursor = first->next, .limit = 4});
    ASSERT_EQ(rest->entries.size(), 2u);
    EXPECT_EQ(rest->entries[1].json, "old");
    EXPECT_EQ(database_->audit().list({.tenant = core::TenantId{1}, .limit = 10})->entries.size(),
              2u);
}

}  // namespace
}  // namespace millrace::store::test
