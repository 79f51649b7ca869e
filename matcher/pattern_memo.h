// What: remembers which groups an event pattern concerns: patterns repeat. Two-way, fixed size.
// Threads: one owner (a reader's scratch). Lifetime: cleared when its index goes.
// Limits: patterns of at most kTextMax bytes are remembered. When fewer than half of the look-ups
//       hit (a
//          client that makes every pattern new) it stands aside for a while: then nothing is
//          evicted and nothing is spent on it.
// Failure: none.
#pragma once

#include "core/key_hash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace millrace::matcher {

// A group and where its entries and probes are: kept here, a look at the table of groups is saved.
struct GroupAt {
    std::uint32_t group = 0;
    std::uint32_t direct = 0;
    std::uint32_t direct_count = 0;
    std::uint32_t probes = 0;
    std::uint32_t probe_count = 0;
    std::uint32_t listed =
        0;  // bounds that one of its probes compares; the last one's, if several do
    std::uint32_t listed_count = 0;
};

class PatternMemo {
public:
    static constexpr std::size_t kTextMax = 80;
    static constexpr std::size_t kInline = 6;
    struct Line {
        std::uint64_t hash = 0;
        std::uint32_t tenant = 0;
        std::uint32_t bytes = kNothing;
        std::uint32_t count = 0;
        GroupAt first[kInline] = {};
        std::vector<GroupAt> many;  // when there are more
        char text[kTextMax] = {};

        std::span<const GroupAt> groups() const {
            return count <= kInline ? std::span(first, count) : std::span(many);
        }
    };

    void reset(std::size_t sets) {
        lines_.clear();
        lines_.resize(sets * 2);
        mask_ = sets - 1;
        lookups_ = hits_ = bypass_ = 0;
    }
    // The line of this pattern, or null.
    const Line* find(std::uint64_t hash, std::uint32_t tenant, std::string_view text) {
        if (bypass_ > 0) {
            --bypass_;
            return nullptr;
        }
        if (++lookups_ == kWindow) judge();
        Line* set = &lines_[(hash & mask_) * 2];
        for (int way = 0; way < 2; ++way) {
            Line& line = set[way];
            if (line.hash == hash && line.tenant == tenant && line.bytes == text.size() &&
                core::equal_bytes(line.text, text.data(), text.size())) {
                ++hits_;
                return &line;
            }
        }
        return nullptr;
    }
    // The line that find() will most likely give; for what is only a hint, the text is not
    // compared.
    const Line* peek(std::uint64_t hash, std::uint32_t tenant) const {
        if (bypass_ > 0) return nullptr;
        const Line* set = &lines_[(hash & mask_) * 2];
        for (int way = 0; way < 2; ++way) {
            if (set[way].hash == hash && set[way].tenant == tenant && set[way].bytes != kNothing)
                return &set[way];
        }
        return nullptr;
    }
    // Remembers them, unless the pattern is one not to be remembered.
    void keep(std::uint64_t hash, std::uint32_t tenant, std::string_view text,
              std::span<const GroupAt> groups) {
        if (bypass_ > 0 || text.size() > kTextMax || text.empty()) return;
        Line* set = &lines_[(hash & mask_) * 2];
        // The second way is the older one.
        if (set[0].bytes != kNothing) std::swap(set[0], set[1]);
        Line& line = set[0];
        line.hash = hash;
        line.tenant = tenant;
        line.bytes = static_cast<std::uint32_t>(text.size());
        std::memcpy(line.text, text.data(), text.size());
        line.count = static_cast<std::uint32_t>(groups.size());
        if (groups.size() <= kInline) {
            std::copy(groups.begin(), groups.end(), line.first);
        } else {
            line.many.assign(groups.begin(), groups.end());
        }
    }
    bool is_standing_aside() const { return bypass_ > 0; }

private:
    static constexpr std::uint32_t kNothing = ~0u;
    static constexpr std::uint32_t kWindow = 4096;
    static constexpr std::uint32_t kBypass = 8 * kWindow;

    void judge() {
        if (hits_ * 2 < lookups_) bypass_ = kBypass;
        lookups_ = hits_ = 0;
    }

    std::vector<Line> lines_;
    std::size_t mask_ = 0;
    std::uint32_t lookups_ = 0;
    std::uint32_t hits_ = 0;
    std::uint32_t bypass_ = 0;
};

}  // namespace millrace::matcher
