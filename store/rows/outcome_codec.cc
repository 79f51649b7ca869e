#include "store/rows/outcome_codec.h"

#include "store/commit/crc32c.h"
#include "store/rows/keys.h"

#include <algorithm>

namespace millrace::store {
namespace {
constexpr std::uint8_t kHasExtras = 0x80;
constexpr std::uint8_t kOfReplay = 0x40;
constexpr std::uint8_t kOfOtherTenant = 0x20;
constexpr std::uint8_t kStatusBits = 0x1f;
}  // namespace

void encode_outcome_entry(std::string& out, const OutcomeEntry& entry,
                          const OutcomeContext& context) {
    const bool extras = !entry.result.empty() || !entry.logs.empty() || !entry.error.empty();
    const bool of_replay = !entry.replay_id.empty();
    auto status = static_cast<std::uint8_t>(entry.status);
    if (extras) status |= kHasExtras;
    if (of_replay) status |= kOfReplay;
    const bool of_other_tenant = entry.tenant != context.tenant;
    if (of_other_tenant) status |= kOfOtherTenant;
    // One append an entry: this is written for every delivery.
    char fixed[8 * kVarintBytesMax];
    char* at = fixed;
    at = write_varint(at, entry.event_index);
    at = write_varint(at, entry.subscription.value);
    at = write_varint(at, entry.script_version);
    *at++ = static_cast<char>(status);
    at = write_varint(at, entry.attempt);
    at = write_varint(at, entry.duration_us);
    at = write_varint(at, zigzag(entry.started_at_us - context.base_us));
    if (of_other_tenant) at = write_varint(at, entry.tenant.value);
    out.append(fixed, static_cast<std::size_t>(at - fixed));
    if (of_replay)
        put_text(out, entry.replay_id == context.replay_id ? std::string_view{} : entry.replay_id);
    if (!extras) return;
    put_text(out, entry.result);
    put_text(out, entry.logs);
    put_text(out, entry.error);
}

std::string encode_outcome_chunk(const OutcomeChunkHeader& header,
                                 std::vector<std::uint32_t>& subscriptions,
                                 std::string_view entries) {
    std::sort(subscriptions.begin(), subscriptions.end());
    subscriptions.erase(std::unique(subscriptions.begin(), subscriptions.end()),
                        subscriptions.end());
    std::string rest;
    rest.reserve(entries.size() + 64);
    put_le(rest, header.count);
    put_le(rest, header.base_us);
    put_le(rest, header.first_us);
    put_le(rest, header.last_us);
    put_le(rest, header.tenant.value);
    put_varint(rest, subscriptions.size());
    std::uint32_t before = 0;
    for (const std::uint32_t subscription : subscriptions) {
        put_varint(rest, subscription - before);
        before = subscription;
    }
    rest.append(entries);
    std::string out;
    out.reserve(rest.size() + 5);
    out.push_back(static_cast<char>(kOutcomeVersion));
    put_le(out, crc32c(rest));
    out.append(rest);
    return out;
}

std::optional<OutcomeChunkReader> OutcomeChunkReader::open(std::string_view value) {
    RecordReader record(value);
    const auto version = record.le<std::uint8_t>();
    const auto crc = record.le<std::uint32_t>();
    const bool known = version > 0 && version <= kOutcomeVersion;
    if (!record.ok() || !known || crc32c(record.rest()) != crc) return std::nullopt;
    OutcomeChunkReader reader;
    reader.header_.count = record.le<std::uint32_t>();
    reader.header_.base_us = record.le<std::int64_t>();
    reader.header_.first_us = record.le<std::int64_t>();
    reader.header_.last_us = record.le<std::int64_t>();
    if (version > 1) reader.header_.tenant = core::TenantId{record.le<std::uint32_t>()};
    const std::uint64_t subscriptions = record.varint();
    std::uint32_t before = 0;
    for (std::uint64_t i = 0; i < subscriptions && record.ok(); ++i) {
        before += record.varint32();
        reader.subscriptions_.push_back(before);
    }
    if (!record.ok()) return std::nullopt;
    reader.entries_ = RecordReader(record.rest());
    reader.left_ = reader.header_.count;
    return reader;
}

bool OutcomeChunkReader::next(OutcomeEntry& out) {
    if (left_ == 0) return false;
    --left_;
    out = {};
    out.event_index = entries_.varint32();
    out.subscription = core::SubscriptionId{entries_.varint32()};
    out.script_version = entries_.varint32();
    const auto status = entries_.le<std::uint8_t>();
    out.status = static_cast<DeliveryStatus>(status & kStatusBits);
    out.attempt = entries_.varint32();
    out.duration_us = entries_.varint32();
    out.started_at_us = header_.base_us + entries_.signed_varint();
    out.tenant = header_.tenant;
    if ((status & kOfOtherTenant) != 0) out.tenant = core::TenantId{entries_.varint32()};
    if ((status & kOfReplay) != 0) {
        if (const std::string_view id = entries_.text(); !id.empty()) replay_id_ = id;
        out.replay_id = replay_id_;
    }
    if ((status & kHasExtras) != 0) {
        out.result = entries_.text();
        out.logs = entries_.text();
        out.error = entries_.text();
    }
    return entries_.ok();
}

}  // namespace millrace::store
