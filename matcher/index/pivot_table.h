// What: from a pivot to the entries that hang there: an open-addressing table of cache lines with
//       one control byte each beside it. A pivot with one entry, by far the most frequent, keeps it
//       in its line, so that a hit costs one line and a miss usually none.
// Threads: built by one; then read by any number.
// Lifetime: owns everything. Limits: 2^32 - 1 entries, 4 GiB of literals beyond 16 bytes.
// Failure: none.
#pragma once

#include "core/key_hash.h"
#include "matcher/index/huge_vector.h"
#include "matcher/index/pivot.h"

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::matcher {

class PivotTable {
public:
    // Building: keys with their entries in any order, then build().
    void add(const PivotKey& key, std::uint64_t hash_of_value, const Entry& entry);
    void build();

    // `hash_of_value` is hash_of_value() of the key's value.
    std::span<const Entry> find(const PivotKey& key, std::uint64_t hash_of_value) const {
        return find_hashed(key, hash_of(key, hash_of_value));
    }
    // For askers of several keys: the memory that find_hashed() will need, in two steps.
    void prefetch_control(std::uint64_t hash) const {
        if (size_ != 0) __builtin_prefetch(control_.data() + group_of(hash) * kGroup);
    }
    void prefetch_line(std::uint64_t hash) const {
        if (size_ == 0) return;
        const std::size_t group = group_of(hash) * kGroup;
        const unsigned hits = matching(control_.data() + group, tag_of(hash));
        if (hits == 0) return;
        __builtin_prefetch(&lines_[group + static_cast<std::size_t>(std::countr_zero(hits))]);
    }
    static std::uint64_t hash_of(const PivotKey& key, std::uint64_t hash_of_value) {
        return hash_of_place(key.group, key.slot, key.kind, hash_of_value);
    }
    std::span<const Entry> find_hashed(const PivotKey& key, std::uint64_t hash) const {
        if (size_ == 0) return {};
        const std::uint8_t tag = tag_of(hash);
        const std::uint32_t place = place_of(key);
        for (std::size_t group = group_of(hash);; group = next_group(group)) {
            const std::uint8_t* control = control_.data() + group * kGroup;
            for (unsigned hits = matching(control, tag); hits != 0; hits &= hits - 1) {
                const Line& line =
                    lines_[group * kGroup + static_cast<std::size_t>(std::countr_zero(hits))];
                if (same(line, key, place)) return entries_of(line);
            }
            if (matching(control, kFree) != 0) return {};
        }
    }
    std::size_t size() const { return size_; }
    std::size_t bytes() const {
        return control_.capacity() + lines_.capacity() * sizeof(Line) +
               entries_.capacity() * sizeof(Entry) + text_.capacity();
    }

private:
    static constexpr std::size_t kInline = 16;
    // The value of a key in comparable form: bytes up to 16, or 12 and the place of all of them.
    struct Value {
        char bytes[kInline] = {};
        std::uint32_t size = 0;
    };
    struct alignas(64) Line {
        std::uint32_t group = 0;
        std::uint32_t place = 0;  // slot, kind, type
        Value value;
        std::uint32_t count = 0;
        Entry entry;  // count 1: itself; else `what` is the first in entries_
    };
    static_assert(sizeof(Line) == 64);
    struct Pending {
        PivotKey key;
        std::uint64_t hash;
        std::uint32_t text;
        Entry entry;
    };
    static constexpr std::uint8_t kFree = 0x80;
    static constexpr std::size_t kGroup = 16;

    static std::uint32_t place_of(const PivotKey& key) {
        return key.slot << 8 | static_cast<std::uint32_t>(key.kind) << 4 |
               static_cast<std::uint32_t>(key.type);
    }
    static Value value_of(const PivotKey& key);
    static std::uint8_t tag_of(std::uint64_t hash) { return hash & 0x7f; }
    bool same(const Line& line, const PivotKey& key, std::uint32_t place) const {
        if (line.group != key.group || line.place != place) return false;
        if (key.type == core::FieldType::kNumber)
            return core::load_u64(line.value.bytes) == std::bit_cast<std::uint64_t>(key.number);
        const std::size_t size = key.text.size();
        if (line.value.size != size) return false;
        return size <= kInline ? core::equal_bytes(line.value.bytes, key.text.data(), size)
                               : same_long(line, key.text);
    }
    bool same_long(const Line& line, std::string_view text) const;
    std::span<const Entry> entries_of(const Line& line) const {
        if (line.count == 1) return {&line.entry, 1};
        return {entries_.data() + line.entry.what, line.count};
    }
    // Bits of the control bytes of a group of 16 that equal `tag`.
    static unsigned matching(const std::uint8_t* control, std::uint8_t tag) {
#if defined(__SSE2__)
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(control));
        return static_cast<unsigned>(
            _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(static_cast<char>(tag)))));
#else
        unsigned bits = 0;
        for (unsigned i = 0; i < kGroup; ++i) bits |= static_cast<unsigned>(control[i] == tag) << i;
        return bits;
#endif
    }
    // The high half of the hash spread over any number of groups.
    std::size_t group_of(std::uint64_t hash) const { return ((hash >> 32) * groups_) >> 32; }
    std::size_t next_group(std::size_t group) const { return group + 1 == groups_ ? 0 : group + 1; }
    void place_line(const Line& line, std::uint64_t hash);

    HugeVector<std::uint8_t> control_;
    HugeVector<Line> lines_;
    HugeVector<Entry> entries_;
    std::string text_;
    std::vector<Pending> pending_;
    std::size_t groups_ = 0;
    std::size_t size_ = 0;
};

}  // namespace millrace::matcher
