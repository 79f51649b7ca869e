#include "runtime/api/part_order.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/api/call.h"
#include "runtime/identity/trusted_front.h"

#include <limits>
#include <utility>

namespace millrace::runtime::api {

std::string part_order_text(const PartOrder& part) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("looks", part.looks).field("id", part.id);
    json.field("atHome", part.at_home).field("from", part.from);
    json.field("at", part.at_us).field("parts", part.parts).field("total", part.total);
    if (part.expect) json.field("expect", *part.expect);
    if (part.per_second) json.field("perSecond", *part.per_second);
    json.key("ends").begin_array();
    for (const core::LogOffset end : part.ends) json.value(end.value);
    json.end_array().end_object();
    return out;
}

core::Result<PartOrder> read_part_order(std::string_view text) {
    constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
    PartOrder part;
    if (text.empty()) return part;
    core::JsonDocument document;
    auto in = document.parse_object(text, "part of an order");
    if (!in) return core::fail(std::move(in.error()));
    part.there = true;
    in->boolean("looks", part.looks);
    in->text("id", part.id);
    in->boolean("atHome", part.at_home);
    in->text("from", part.from);
    in->integer("at", part.at_us, 0, kAny);
    in->integer_as("parts", part.parts, 1, kAny);
    in->integer_as("total", part.total, 0, kAny);
    if (std::int64_t expect = 0; in->integer("expect", expect, 0, kAny)) part.expect = expect;
    if (double rate = 0; in->number("perSecond", rate, 0, 1e9)) part.per_second = rate;
    core::JsonArray ends;
    if (const auto element = in->any("ends"); element && element->get(ends)) {
        for (const core::JsonElement one : ends) {
            std::uint64_t end = 0;
            if (!one.get(end)) in->refuse("ends", "has something that is no place");
            part.ends.emplace_back(end);
        }
    }
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return part;
}

core::Result<PartOrder> part_order_of(const Call& call) {
    return read_part_order(call.request.header(identity::kFrontOrderHeader));
}

}  // namespace millrace::runtime::api
