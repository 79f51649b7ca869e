// What: texts that somebody is known by (of a key, of an edge's token) and that were rotated out:
//       they count for a while beside the new one. Only their SHA-256 is kept.
// Threads: values. Lifetime: values. Limits: kRetiredTextsMax of each; the oldest goes.
// Failure: a row that does not read is told by the member's name.
#pragma once

#include "core/crypto/digest.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::core {
class JsonObject;
class JsonWriter;
}  // namespace millrace::core

namespace millrace::runtime {

inline constexpr std::size_t kRetiredTextsMax = 8;

struct RetiredText {
    core::crypto::Digest hash{};
    std::int64_t until_us = 0;
};

// The text of this hash counts for `overlap_us` more; those whose time is over leave. Without any
// overlap none counts any more.
void retire_text(std::vector<RetiredText>& retired, const core::crypto::Digest& hash,
                 std::int64_t now_us, std::int64_t overlap_us);

void write_retired(core::JsonWriter& json, const std::vector<RetiredText>& retired);
void read_retired(core::JsonObject& row, std::vector<RetiredText>& out);

std::string digest_hex(const core::crypto::Digest& digest);
// A member that must be there.
void read_digest(core::JsonObject& in, std::string_view name, core::crypto::Digest& out);

}  // namespace millrace::runtime
