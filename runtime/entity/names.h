// What: the words of entities: which types and ids there may be, what may happen to one, and when a
//       hook is asked.
// Threads: pure functions. Lifetime: static texts.
// Limits: kEntityTypeBytesMax; ids as those of other resources.
// Failure: nullopt or false for a word that is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kEntityTypeBytesMax = 64;
inline constexpr std::size_t kEntityIdBytesMax = 128;

enum class EntityVerb : std::uint8_t { kCreated, kUpdated, kDeleted };
inline constexpr std::size_t kEntityVerbs = 3;

enum class HookTime : std::uint8_t { kBefore, kAfter };

// When a hook is asked: "beforeUpdate".
struct HookPoint {
    HookTime time = HookTime::kBefore;
    EntityVerb verb = EntityVerb::kCreated;
    bool operator==(const HookPoint&) const = default;
};

std::string_view entity_verb_text(EntityVerb verb);  // "created"
std::string_view hook_point_text(HookPoint point);
std::optional<HookPoint> parse_hook_point(std::string_view text);

// Letters, digits, _ and -: a dot would part the pattern of its events.
bool is_entity_type(std::string_view type);
bool is_entity_id(std::string_view id);

// "entity.order.updated"
std::string entity_pattern(std::string_view type, EntityVerb verb);
inline constexpr std::string_view kEntityPatternPrefix = "entity.";
// Who tells of changes.
inline constexpr std::string_view kEntitySourceType = "integration";
inline constexpr std::string_view kEntitySourceId = "entities";
// What such a pattern says; false when it is none.
bool read_entity_pattern(std::string_view pattern, std::string_view& type, EntityVerb& verb);

// A hook at work on an entity, as a chain of causes names it: "hk_1@order/o7".
std::string hook_link(std::string_view hook_id, std::string_view type, std::string_view id);

}  // namespace millrace::runtime
