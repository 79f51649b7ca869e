// What: remembers which groups an event pattern concerns: patterns repeat. Two-way; begins small
//       and grows while one look-up in eight misses, up to what reset() allows.
// Threads: one owner (a reader's scratch). Lifetime: cleared when its index goes.
// Limits: patterns of at most kTextMax bytes are remembered. When fewer than half of the look-ups
//       hit and it can't grow (a client that makes every pattern new) it stands aside for a while:
//       then nothing is evicted and nothing is spent on it.
// Failure: none.
#pragma once

#include "core/key_hash.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/mman.h>

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
        std::uint64_t hash;
        std::uint32_t tenant;
        std::uint32_t generation;  // of the memo when it was written; another one: nothing here
        std::uint32_t bytes;
        std::uint32_t count;
        std::uint32_t many;  // 0, or one more than its list for more than kInline groups
        GroupAt first[kInline];
        char text[kTextMax];
    };
    std::span<const GroupAt> groups_of(const Line& line) const {
        return line.count <= kInline ? std::span(line.first, line.count)
                                     : std::span(many_[line.many - 1]);
    }

    // Forgets everything, in no time: this happens between two events. Both are powers of two.
    void reset(std::size_t sets_limit) {
        limit_ = sets_limit;
        use(std::min(limit_, kSetsFirst));
    }
    // The line of this pattern, or null.
    const Line* find(std::uint64_t hash, std::uint32_t tenant, std::string_view text) {
        if (bypass_ > 0) {
            --bypass_;
            return nullptr;
        }
        if (++lookups_ == kWindow) judge();
        const Line* set = set_of(hash);
        for (int way = 0; way < 2; ++way) {
            const Line& line = set[way];
            if (line.hash == hash && line.generation == generation_ && line.tenant == tenant &&
                line.bytes == text.size() &&
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
        const Line* set = set_of(hash);
        for (int way = 0; way < 2; ++way) {
            if (set[way].hash == hash && set[way].generation == generation_ &&
                set[way].tenant == tenant)
                return &set[way];
        }
        return nullptr;
    }
    // Remembers them, unless the pattern is one not to be remembered.
    void keep(std::uint64_t hash, std::uint32_t tenant, std::string_view text,
              std::span<const GroupAt> groups) {
        if (bypass_ > 0 || text.size() > kTextMax || text.empty()) return;
        Line* set = set_of(hash);
        // The second way is the older one.
        if (set[0].generation == generation_) std::swap(set[0], set[1]);
        Line& line = set[0];
        line.hash = hash;
        line.generation = generation_;
        line.tenant = tenant;
        line.bytes = static_cast<std::uint32_t>(text.size());
        std::memcpy(line.text, text.data(), text.size());
        line.count = static_cast<std::uint32_t>(groups.size());
        if (groups.size() <= kInline) {
            std::copy(groups.begin(), groups.end(), line.first);
        } else {
            if (line.many == 0) {
                many_.emplace_back();
                line.many = static_cast<std::uint32_t>(many_.size());
            }
            many_[line.many - 1].assign(groups.begin(), groups.end());
        }
    }
    bool is_standing_aside() const { return bypass_ > 0; }

private:
    static constexpr std::uint32_t kWindow = 4096;
    static constexpr std::uint32_t kBypass = 8 * kWindow;
    static constexpr std::uint32_t kMissesToGrow = 8;  // one look-up of so many
    // Pages are touched as patterns come: where a page's first touch is dear (100 us on a machine
    // whose memory is the host's to give), memory that is not needed costs time.
    static constexpr std::size_t kSetsFirst = 512;
    static constexpr std::size_t kGrowth = 4;

    void judge() {
        if (cold_ > 0) {
            cold_ -= std::min<std::size_t>(cold_, lookups_);
            lookups_ = hits_ = 0;
            return;
        }
        const bool missing = (lookups_ - hits_) * kMissesToGrow > lookups_;
        if (missing && sets_ < limit_) return use(std::min(limit_, sets_ * kGrowth));
        if (hits_ * 2 < lookups_) bypass_ = kBypass;
        lookups_ = hits_ = 0;
    }
    void use(std::size_t sets) {
        if (sets > sets_max_ || (sets_max_ > kKeptSets && sets * kOversized < sets_max_)) {
            // Straight from the kernel: pages of zeros that nobody touches before they are used,
            // where calloc() may write them all (17 ms for 10 MB). No line is of generation 0.
            const std::size_t bytes = sets * 2 * sizeof(Line);
            void* pages =
                ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (pages == MAP_FAILED) throw std::bad_alloc();
            lines_ = {static_cast<Line*>(pages), Unmap{bytes}};
            many_.clear();
            sets_max_ = sets;
        }
        sets_ = sets;
        ++generation_;
        cold_ = sets * 2;
        lookups_ = hits_ = bypass_ = 0;
    }

    // Beyond so many sets (a megabyte), memory that is so many times too large is given back.
    static constexpr std::size_t kKeptSets = 2048;
    static constexpr std::size_t kOversized = 8;
    struct Unmap {
        std::size_t bytes;
        void operator()(Line* lines) const { ::munmap(lines, bytes); }
    };
    static_assert(std::is_trivially_copyable_v<Line>);
    Line* set_of(std::uint64_t hash) { return &lines_[(hash & (sets_ - 1)) * 2]; }
    const Line* set_of(std::uint64_t hash) const { return &lines_[(hash & (sets_ - 1)) * 2]; }

    std::unique_ptr<Line[], Unmap> lines_;
    std::vector<std::vector<GroupAt>> many_;
    std::size_t sets_ = 0;  // in use; a power of two
    std::size_t limit_ = 0;
    std::size_t sets_max_ = 0;
    std::uint32_t generation_ = 0;
    std::size_t cold_ = 0;  // look-ups to come that say nothing: each pattern misses once
    std::uint32_t lookups_ = 0;
    std::uint32_t hits_ = 0;
    std::uint32_t bypass_ = 0;
};

}  // namespace millrace::matcher
