#include "store/event_block.h"

namespace millrace::store {

std::string_view EventBlock::pattern(std::uint32_t pattern_index) const {
    if (pattern_index >= layout_.pattern_count) return {};
    const auto* entries =
        reinterpret_cast<const PatternEntry*>(body_.data() + layout_.patterns_begin);
    return {body_.data() + entries[pattern_index].text_begin, entries[pattern_index].text_bytes};
}

StoredEvent EventBlock::event(std::uint32_t index) const {
    const EventRecord& from = record(index);
    StoredEvent out;
    out.position = {first_.shard, core::LogOffset{first_.offset.value + index}};
    out.raw = {body_.data() + from.text_begin, from.text_bytes};
    out.fills = {body_.data() + from.text_begin + from.text_bytes, from.fills_bytes};
    out.pattern = pattern(from.pattern_index);
    out.tenant = core::TenantId{from.tenant};
    out.received_at_us = from.received_at_us;
    out.key_hash = from.key_hash;
    out.flags = from.flags;
    return out;
}

}  // namespace millrace::store
