#include "runtime/node/part_bodies.h"

#include <map>

namespace millrace::runtime::node {

core::Status PartBodies::read(std::span<const PartPage> parts) {
    for (const PartPage& part : parts) {
        auto root = texts_.emplace_back().parse(part.body);
        if (!root || !root->is_object()) {
            return core::fail(
                core::ErrorCode::kInternal,
                "the answer of partition " + std::to_string(part.partition) + " does not read");
        }
        values_.push_back({part.partition, *root});
    }
    return {};
}

Grouped grouped_by(PartValues lists, std::initializer_list<std::string_view> members) {
    Grouped out;
    std::map<std::string, std::size_t, std::less<>> places;
    for (const PartValue& list : lists) {
        core::JsonArray items;
        if (!list.value.get(items)) continue;
        for (const core::JsonElement item : items) {
            std::string name;
            for (const std::string_view member : members)
                name.append(text_in(item, member)).append(1, '\0');
            const auto [found, added] = places.try_emplace(name, out.size());
            if (added) out.emplace_back(name, std::vector<PartValue>());
            out[found->second].second.push_back({list.partition, item});
        }
    }
    return out;
}

std::uint64_t count_in(core::JsonElement object, std::string_view member) {
    core::JsonElement value;
    std::uint64_t number = 0;
    if (object.find(member, value)) (void)value.get(number);
    return number;
}

std::string_view text_in(core::JsonElement object, std::string_view member) {
    core::JsonElement value;
    std::string_view text;
    if (object.find(member, value)) (void)value.get(text);
    return text;
}

}  // namespace millrace::runtime::node
