#include "runtime/links/kafka_topic.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/key_hash.h"
#include "core/timestamp.h"

#include <array>
#include <charconv>

namespace millrace::runtime {
namespace {

// As a text: 64 bits are more than readers of JSON numbers keep.
std::string kafka_sum_text(std::uint64_t sum) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), sum, 16);
    return {digits.data(), end.ptr};
}

core::Result<KafkaPlace> read_kafka_place(core::JsonObject& in, std::int32_t& partition) {
    KafkaPlace out;
    std::string sum;
    in.integer_as("partition", partition, 0, INT32_MAX, core::Presence::kRequired);
    in.integer("next", out.next, 0, INT64_MAX, core::Presence::kRequired);
    if (in.integer("last", out.last, 0, INT64_MAX)) {
        in.integer("lastMs", out.last_ms, INT64_MIN, INT64_MAX);
        in.text("lastSum", sum);
        const auto read = std::from_chars(sum.data(), sum.data() + sum.size(), out.last_sum, 16);
        if (read.ec != std::errc() || read.ptr != sum.data() + sum.size())
            in.refuse("lastSum", "is no hexadecimal number");
    }
    if (auto status = in.finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

}  // namespace

std::string KafkaPlaces::json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("partitions").begin_array();
    for (const auto& [partition, place] : partitions) {
        json.begin_object().field("partition", partition).field("next", place.next);
        if (place.last >= 0)
            json.field("last", place.last)
                .field("lastMs", place.last_ms)
                .field("lastSum", kafka_sum_text(place.last_sum));
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

core::Result<KafkaPlaces> KafkaPlaces::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "position");
    if (!in) return core::fail(std::move(in.error()));
    KafkaPlaces out;
    core::JsonArray items;
    const auto list = in->any("partitions", core::Presence::kRequired);
    if (list && !list->get(items)) in->refuse("partitions", "must be an array");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    for (const core::JsonElement item : items) {
        core::JsonMembers members;
        if (!item.get(members))
            return core::fail(core::ErrorCode::kValidation, "partitions: holds no object");
        core::JsonObject one(members, "partitions");
        std::int32_t partition = 0;
        auto place = read_kafka_place(one, partition);
        if (!place) return core::fail(std::move(place.error()));
        out.partitions[partition] = *place;
    }
    return out;
}

KafkaCheck check_kafka_partition(std::int32_t partition, const KafkaBounds& bounds, KafkaFrom from,
                                 KafkaPlace& place) {
    KafkaCheck out;
    if (from != KafkaFrom::kPlace) {
        place = {};
        place.next = from == KafkaFrom::kStart ? bounds.first : bounds.end;
    } else if (place.next > bounds.end) {
        out.stops = "partition " + std::to_string(partition) +
                    " has gone back: it ends at offset " + std::to_string(bounds.end) +
                    ", and what is read next lies at " + std::to_string(place.next) +
                    "; the topic was made anew, or has lost messages";
        return out;
    } else if (place.next < bounds.first) {
        out.missed = bounds.first - place.next;
        place = {};
        place.next = bounds.first;
    }
    if (place.last < bounds.first) place.last = -1;
    out.verifies = place.last >= 0;
    out.read_at = out.verifies ? place.last : place.next;
    return out;
}

std::uint64_t kafka_sum(std::string_view key, std::string_view text) {
    return core::mix_u64(core::hash_key(key) ^ core::kHashSeedA,
                         core::hash_key(text) ^ core::kHashSeedB);
}

std::string kafka_differs(std::int32_t partition, const KafkaPlace& place, std::int64_t at_ms,
                          std::uint64_t sum) {
    if (at_ms == place.last_ms && sum == place.last_sum) return {};
    return "partition " + std::to_string(partition) +
           " was made anew, or has lost messages, and was filled again: its message " +
           std::to_string(place.last) + " of " + core::format_timestamp(at_ms * 1000) +
           " is another than the one of " + core::format_timestamp(place.last_ms * 1000) +
           " that was read";
}

}  // namespace millrace::runtime
