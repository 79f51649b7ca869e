#include "store/log/event_id.h"

#include "store/rows/keys.h"

#include <array>
#include <cstring>

namespace millrace::store {
namespace {

constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's, lower case
constexpr std::uint64_t kOffsetEnd = 1ULL << 48;

constexpr std::array<std::int8_t, 256> make_digits() {
    std::array<std::int8_t, 256> digits{};
    for (auto& digit : digits) digit = -1;
    for (std::int8_t i = 0; i < 32; ++i) digits[static_cast<unsigned char>(kAlphabet[i])] = i;
    return digits;
}
constexpr auto kDigits = make_digits();

constexpr std::size_t text_bytes(std::size_t bytes) { return (bytes * 8 + 4) / 5; }

void encode(const unsigned char* in, std::size_t bytes, char* out) {
    std::uint32_t held = 0;
    int bits = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
        held = (held << 8) | in[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *out++ = kAlphabet[(held >> bits) & 31u];
        }
    }
    if (bits > 0) *out = kAlphabet[(held << (5 - bits)) & 31u];
}

bool decode(std::string_view text, unsigned char* out, std::size_t bytes) {
    if (text.size() != text_bytes(bytes)) return false;
    std::uint32_t held = 0;
    int bits = 0;
    std::size_t filled = 0;
    for (const char c : text) {
        const std::int8_t digit = kDigits[static_cast<unsigned char>(c)];
        if (digit < 0) return false;
        held = (held << 5) | static_cast<std::uint32_t>(digit);
        bits += 5;
        if (bits >= 8 && filled < bytes) {
            bits -= 8;
            out[filled++] = static_cast<unsigned char>(held >> bits);
        }
    }
    // The bits left over must be zero: one id has one text.
    return filled == bytes && (held & ((1u << bits) - 1)) == 0;
}

void write_be(unsigned char* out, std::uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; --i, value >>= 8) out[i] = static_cast<unsigned char>(value);
}

std::uint64_t read_be(const unsigned char* in, int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value = (value << 8) | in[i];
    return value;
}

void write_position(unsigned char* out, core::LogPosition position) {
    write_be(out, position.shard.value, 2);
    write_be(out + 2, position.offset.value & (kOffsetEnd - 1), 6);
}

core::LogPosition read_position(const unsigned char* in) {
    return {core::ShardId{static_cast<std::uint16_t>(read_be(in, 2))},
            core::LogOffset{read_be(in + 2, 6)}};
}

std::uint64_t as_word(core::LogPosition position) {
    return (static_cast<std::uint64_t>(position.shard.value) << 48) |
           (position.offset.value & (kOffsetEnd - 1));
}

// Different kinds of id must not pass for each other.
enum class Kind : std::uint64_t { kEvent = 1, kExecution = 2, kDeadLetter = 3 };
std::uint64_t salt(Kind kind) { return static_cast<std::uint64_t>(kind) << 56; }

}  // namespace

void encode_event_id_to(const Hasher& hasher, core::LogPosition position, char* out) {
    unsigned char bytes[12];
    write_position(bytes, position);
    write_be(bytes + 8, hasher.check(as_word(position), salt(Kind::kEvent)), 4);
    std::string_view("ev_").copy(out, 3);
    encode(bytes, sizeof(bytes), out + 3);
}

std::string encode_event_id(const Hasher& hasher, core::LogPosition position) {
    std::string out(kEventIdTextBytes, '\0');
    encode_event_id_to(hasher, position, out.data());
    return out;
}

std::optional<core::LogPosition> decode_event_id(const Hasher& hasher, std::string_view text) {
    unsigned char bytes[12];
    if (!text.starts_with("ev_") || !decode(text.substr(3), bytes, sizeof(bytes)))
        return std::nullopt;
    const core::LogPosition position = read_position(bytes);
    if (read_be(bytes + 8, 4) != hasher.check(as_word(position), salt(Kind::kEvent)))
        return std::nullopt;
    return position;
}

void encode_execution_id_to(const Hasher& hasher, DeliveryKey key, char* out) {
    unsigned char bytes[16];
    static_assert(kExecutionIdTextBytes == 3 + text_bytes(sizeof(bytes)));
    write_position(bytes, key.position);
    write_be(bytes + 8, key.subscription.value, 4);
    write_be(bytes + 12,
             hasher.check(as_word(key.position), salt(Kind::kExecution) | key.subscription.value),
             4);
    std::string_view("ex_").copy(out, 3);
    encode(bytes, sizeof(bytes), out + 3);
}

std::string encode_execution_id(const Hasher& hasher, DeliveryKey key) {
    std::string out(kExecutionIdTextBytes, '\0');
    encode_execution_id_to(hasher, key, out.data());
    return out;
}

std::optional<DeliveryKey> decode_execution_id(const Hasher& hasher, std::string_view text) {
    unsigned char bytes[16];
    if (!text.starts_with("ex_") || !decode(text.substr(3), bytes, sizeof(bytes)))
        return std::nullopt;
    DeliveryKey key;
    key.position = read_position(bytes);
    key.subscription = core::SubscriptionId{static_cast<std::uint32_t>(read_be(bytes + 8, 4))};
    const auto check =
        hasher.check(as_word(key.position), salt(Kind::kExecution) | key.subscription.value);
    if (read_be(bytes + 12, 4) != check) return std::nullopt;
    return key;
}

std::string encode_dead_letter_id(const Hasher& hasher, const DeadLetterKey& key) {
    unsigned char bytes[28];
    write_be(bytes, key.tenant.value, 4);
    write_be(bytes + 4, static_cast<std::uint64_t>(key.created_at_us), 8);
    write_position(bytes + 12, key.delivery.position);
    write_be(bytes + 20, key.delivery.subscription.value, 4);
    const std::uint64_t rest =
        salt(Kind::kDeadLetter) ^ static_cast<std::uint64_t>(key.created_at_us) ^
        (static_cast<std::uint64_t>(key.tenant.value) << 32) ^ key.delivery.subscription.value;
    write_be(bytes + 24, hasher.check(as_word(key.delivery.position), rest), 4);
    std::string out(3 + text_bytes(sizeof(bytes)), '\0');
    std::memcpy(out.data(), "dl_", 3);
    encode(bytes, sizeof(bytes), out.data() + 3);
    return out;
}

std::optional<DeadLetterKey> decode_dead_letter_id(const Hasher& hasher, std::string_view text) {
    unsigned char bytes[28];
    if (!text.starts_with("dl_") || !decode(text.substr(3), bytes, sizeof(bytes)))
        return std::nullopt;
    DeadLetterKey key;
    key.tenant = core::TenantId{static_cast<std::uint32_t>(read_be(bytes, 4))};
    key.created_at_us = static_cast<std::int64_t>(read_be(bytes + 4, 8));
    key.delivery.position = read_position(bytes + 12);
    key.delivery.subscription =
        core::SubscriptionId{static_cast<std::uint32_t>(read_be(bytes + 20, 4))};
    if (encode_dead_letter_id(hasher, key) != text) return std::nullopt;
    return key;
}

}  // namespace millrace::store
