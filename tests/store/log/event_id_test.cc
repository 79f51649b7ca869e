// Goal: ids that carry a place come back as that place, and nothing else passes for one.
#include "store/log/event_id.h"

#include "core/random.h"

#include <gtest/gtest.h>

namespace millrace::store {
namespace {

const Hasher kHasher(HashSeed{{1, 2}});
const Hasher kOther(HashSeed{{3, 4}});

TEST(EventId, ComesBackAsItsPosition) {
    core::Random random(1);
    for (int i = 0; i < 1000; ++i) {
        const core::LogPosition position{
            core::ShardId{static_cast<std::uint16_t>(random.below(65536))},
            core::LogOffset{random.below(1ULL << 48)}};
        const std::string id = encode_event_id(kHasher, position);
        ASSERT_EQ(id.size(), kEventIdTextBytes);
        ASSERT_EQ(decode_event_id(kHasher, id), position);
        ASSERT_EQ(decode_event_id(kOther, id), std::nullopt);
    }
}

TEST(EventId, AnyChangedCharacterIsRefused) {
    const std::string id = encode_event_id(kHasher, {core::ShardId{1}, core::LogOffset{77}});
    for (std::size_t i = 0; i < id.size(); ++i) {
        for (const char c : {'0', '1', 'z', 'U', '\0'}) {
            std::string changed = id;
            if (changed[i] == c) continue;
            changed[i] = c;
            EXPECT_EQ(decode_event_id(kHasher, changed), std::nullopt) << changed;
        }
    }
    EXPECT_EQ(decode_event_id(kHasher, ""), std::nullopt);
    EXPECT_EQ(decode_event_id(kHasher, id + "0"), std::nullopt);
}

TEST(EventId, ExecutionAndDeadLetterIdsComeBack) {
    const DeliveryKey delivery{{core::ShardId{3}, core::LogOffset{123456789}},
                               core::SubscriptionId{42}};
    const std::string execution = encode_execution_id(kHasher, delivery);
    EXPECT_EQ(decode_execution_id(kHasher, execution), delivery);
    EXPECT_EQ(decode_execution_id(kOther, execution), std::nullopt);
    EXPECT_EQ(decode_event_id(kHasher, execution), std::nullopt);

    const DeadLetterKey letter{core::TenantId{7}, 1'700'000'000'000'123, delivery};
    const std::string id = encode_dead_letter_id(kHasher, letter);
    EXPECT_EQ(decode_dead_letter_id(kHasher, id), letter);
    EXPECT_EQ(decode_dead_letter_id(kOther, id), std::nullopt);
}

TEST(Hasher, IdentityNeedsTenantSourceAndId) {
    const auto identity = [](std::uint32_t tenant, std::string_view type, std::string_view source,
                             std::string_view id) {
        return kHasher.identity({core::TenantId{tenant}, type, source, id});
    };
    const IdHash base = identity(1, "external", "shop", "e1");
    EXPECT_EQ(base, identity(1, "external", "shop", "e1"));
    EXPECT_EQ(base.by_id, kHasher.by_id(core::TenantId{1}, "e1"));
    EXPECT_EQ(base.by_id, identity(1, "task", "other", "e1").by_id);
    EXPECT_NE(base, identity(1, "task", "shop", "e1"));
    EXPECT_NE(base, identity(1, "external", "other", "e1"));
    EXPECT_NE(base.by_id, identity(2, "external", "shop", "e1").by_id);
    EXPECT_NE(base.by_id, identity(1, "external", "shop", "e2").by_id);
}

}  // namespace
}  // namespace millrace::store
