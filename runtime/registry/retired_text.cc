#include "runtime/registry/retired_text.h"

#include "core/hex.h"
#include "core/json_reader.h"
#include "core/json_writer.h"

#include <algorithm>

namespace millrace::runtime {

using core::crypto::Digest;

namespace {

bool digest_of(std::string_view hex, Digest& out) {
    if (hex.size() != 2 * out.size()) return false;
    for (std::size_t i = 0; i < hex.size(); ++i) {
        const int digit = core::hex_digit(hex[i]);
        if (digit < 0) return false;
        out[i / 2] = static_cast<std::uint8_t>(out[i / 2] << 4 | digit);
    }
    return true;
}

}  // namespace

void retire_text(std::vector<RetiredText>& retired, const Digest& hash, std::int64_t now_us,
                 std::int64_t overlap_us) {
    std::erase_if(retired, [now_us](const RetiredText& old) { return old.until_us <= now_us; });
    if (overlap_us == 0)
        retired.clear();
    else
        retired.insert(retired.begin(), {hash, now_us + overlap_us});
    if (retired.size() > kRetiredTextsMax) retired.resize(kRetiredTextsMax);
}

void write_retired(core::JsonWriter& json, const std::vector<RetiredText>& retired) {
    json.key("retired").begin_array();
    for (const RetiredText& one : retired) {
        json.begin_object().field("hash", digest_hex(one.hash)).field("untilUs", one.until_us);
        json.end_object();
    }
    json.end_array();
}

void read_retired(core::JsonObject& row, std::vector<RetiredText>& out) {
    core::JsonArray list;
    const auto retired = row.any("retired");
    if (!retired || !retired->get(list)) return;
    for (const core::JsonElement element : list) {
        core::JsonMembers members;
        if (!element.get(members)) return row.refuse("retired", "must hold objects");
        core::JsonObject one(members, "retired");
        RetiredText text;
        read_digest(one, "hash", text.hash);
        one.integer("untilUs", text.until_us, 0, INT64_MAX);
        if (auto status = one.finish(); !status) return row.join(one);
        out.push_back(text);
    }
}

std::string digest_hex(const Digest& digest) {
    std::string text;
    core::append_hex(text, digest);
    return text;
}

void read_digest(core::JsonObject& in, std::string_view name, Digest& out) {
    std::string hex;
    if (!in.text(name, hex, {.presence = core::Presence::kRequired})) return;
    if (!digest_of(hex, out)) in.refuse(name, "is no SHA-256 in hexadecimal digits");
}

}  // namespace millrace::runtime
