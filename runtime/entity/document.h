// What: what an entity's document is, as text: its members without those that the server adds, how
//       a client sees it, and how two of them differ. Values keep their own text: a number that
//       nobody changes stays digit for digit what it was.
// Threads: pure functions. Lifetime: none.
// Limits: kEntityBytesMax bytes, kEntityDepthMax levels; equal keys in one object are refused.
// Failure: kValidation errors with member and position.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Its event holds it up to three times.
inline constexpr std::size_t kEntityBytesMax = 256u << 10;
inline constexpr std::size_t kEntityDepthMax = 32;

struct EntityStamp {
    std::uint64_t version = 0;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
};

// A body as a client sends it. `members`: compact JSON, an object, without id, version, createdAt
// and updatedAt.
struct EntityBody {
    std::string members;
    std::string id;                        // empty: it names none
    std::optional<std::uint64_t> version;  // that it says it is based on
};
// kWhole: it is kept elsewhere, and every member is its own.
enum class EntityMembers : std::uint8_t { kOwn, kWhole };
core::Result<EntityBody> read_entity_body(std::string_view text, std::string_view what = "body",
                                          EntityMembers members = EntityMembers::kOwn);

// `patch` laid over `members`, by RFC 7386.
core::Result<std::string> merge_entity(std::string_view members, std::string_view patch);

// {"id",members...,"version","createdAt","updatedAt"}; without a version only the id, without an
// id the members alone.
std::string entity_view(std::string_view id, std::string_view members, const EntityStamp& stamp);

// The merge patch that leads from one to the other; "{}" when they say the same. Numbers are the
// same when they are equal.
std::string entity_difference(std::string_view before, std::string_view after);
bool is_same_entity(std::string_view before, std::string_view after);

// What `changed` says, in the words of `original` wherever both say the same: what went through a
// script keeps its order and its digits.
std::string in_words_of(std::string_view original, std::string_view changed);

}  // namespace millrace::runtime
