// Goal: entities are kept as written, apart by tenant and type, in the order of their ids.
#include "store/rows/entity_store.h"

#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class EntityStoreTest : public StoreTest {
protected:
    void SetUp() override { open(); }
    std::vector<std::string> ids(std::uint32_t tenant, std::string_view type,
                                 std::string_view behind = {}) {
        std::vector<std::string> out;
        EXPECT_TRUE(database_->entities().visit({core::TenantId{tenant}, type, behind},
                                                [&](Entity&& entity) {
                                                    out.push_back(entity.id);
                                                    return true;
                                                }));
        return out;
    }
};

TEST_F(EntityStoreTest, KeepsThemApartAndInOrder) {
    RowBatch rows;
    const core::TenantId one{1}, two{2};
    rows.put_entity({one, "order", "b"}, {7, 10, 20, R"({"a":1})"});
    rows.put_entity({one, "order", "a"}, {1, 1, 1, "{}"});
    rows.put_entity({one, "orders", "x"}, {1, 1, 1, "{}"});
    rows.put_entity({two, "order", "c"}, {1, 1, 1, "{}"});
    rows.put_entity({one, "order", "gone"}, {1, 1, 1, "{}"});
    rows.erase_entity({one, "order", "gone"});
    ASSERT_TRUE(database_->write_now(rows));
    reopen();
    EXPECT_EQ(ids(1, "order"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(ids(1, "order", "a"), std::vector<std::string>{"b"});
    EXPECT_EQ(ids(2, "order"), std::vector<std::string>{"c"});
    const auto found = database_->entities().get({one, "order", "b"});
    ASSERT_TRUE(found);
    ASSERT_TRUE(*found);
    EXPECT_EQ((*found)->version, 7u);
    EXPECT_EQ((*found)->created_at_us, 10);
    EXPECT_EQ((*found)->updated_at_us, 20);
    EXPECT_EQ((*found)->json, R"({"a":1})");
    EXPECT_FALSE(database_->entities().get({two, "order", "b"})->has_value());
}

}  // namespace
}  // namespace millrace::store::test
