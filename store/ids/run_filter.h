// What: the filter of an identity run: six bits in two words of one 64-byte line, so that a look-up
//       is one miss and two comparisons; what depends on the identity alone is worked out once for
//       all runs. (Blocked bloom filters: Putze, Sanders, Singler 2007; words of a line: Lang,
//       Neumann, Kemper, Boncz 2019.) A run's order decides on the 16 KiB in which the line lies:
//       who writes a run stays within the cache. Within them both halves of the identity decide, so
//       that an id of thousands of sources does not fill one line.
// Threads: const reading by any. Lifetime: value, moved. Limits: at 14 bits an identity about
//       0.3 % of absent ones are said to be there. Failure: none.
#pragma once

#include "store/ids/hasher.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include <sys/mman.h>

namespace millrace::store {

class RunFilter {
public:
    static constexpr std::size_t kBitsPerId = 14;
    static constexpr std::size_t kLineBytes = 64;
    static constexpr std::size_t kGroupLines = 256;
    static constexpr std::size_t kGroupBytes = kGroupLines * kLineBytes;

    struct Key {
        explicit Key(const IdHash& id) : order(id.order()) {
            std::uint64_t bits = spread(id.by_id ^ id.by_source);
            bits = spread(bits ^ (bits >> 29));
            bits ^= bits >> 32;
            const auto next = [&bits](unsigned width) {
                const std::uint64_t out = bits & ((1u << width) - 1);
                bits >>= width;
                return out;
            };
            for (std::uint64_t& mask : masks) {
                for (int i = 0; i < 3; ++i) mask |= std::uint64_t{1} << next(6);
            }
            words[0] = next(3);
            words[1] = (words[0] + 1 + next(2)) & 7u;  // another one
            line = next(8);
        }
        std::uint64_t order;
        std::uint64_t line = 0;  // within a group
        std::uint64_t masks[2] = {0, 0};
        std::uint64_t words[2] = {0, 0};
    };

    RunFilter() = default;
    explicit RunFilter(std::uint64_t ids)
        : RunFilter(Groups{(ids * kBitsPerId + kGroupBytes * 8 - 1) / (kGroupBytes * 8)}) {}
    // As it was written, where it stands: `bytes` outlives it.
    static RunFilter at(std::string_view bytes) {
        RunFilter out;
        out.groups_ = bytes.size() / kGroupBytes;
        // NOLINTNEXTLINE: never written, for add() is the writer's of its own
        auto* words = const_cast<char*>(bytes.data());
        out.words_ = {reinterpret_cast<std::uint64_t*>(words), Free{kBorrowed}};
        return out;
    }
    // As it was written.
    static RunFilter copy(std::string_view bytes) {
        RunFilter out(Groups{bytes.size() / kGroupBytes});
        std::memcpy(out.words_.get(), bytes.data(), out.groups_ * kGroupBytes);
        return out;
    }

    void add(const Key& key) {
        std::uint64_t* line = words_.get() + line_begin(key);
        for (int i = 0; i < 2; ++i) line[key.words[i]] |= key.masks[i];
    }
    bool may_contain(const Key& key) const {
        const std::uint64_t* line = words_.get() + line_begin(key);
        const std::uint64_t missing =
            (~line[key.words[0]] & key.masks[0]) | (~line[key.words[1]] & key.masks[1]);
        return missing == 0;
    }
    void prefetch(const Key& key) const { __builtin_prefetch(words_.get() + line_begin(key)); }
    std::size_t memory_bytes() const {  // 0: it stands in a file
        return words_.get_deleter().align == kBorrowed ? 0 : groups_ * kGroupBytes;
    }
    std::string_view bytes() const {
        return {reinterpret_cast<const char*>(words_.get()), groups_ * kGroupBytes};
    }

private:
    static constexpr std::size_t kLineWords = kLineBytes / sizeof(std::uint64_t);
    static constexpr std::size_t kHugeBytes = 2u << 20;
    static constexpr std::size_t kBorrowed = 0;
    struct Groups {
        std::uint64_t count;
    };
    struct Free {
        std::size_t align;
        void operator()(std::uint64_t* words) const {
            if (align == kBorrowed) return;
            ::operator delete(words, std::align_val_t(align));
        }
    };

    explicit RunFilter(Groups groups) : groups_(groups.count == 0 ? 1 : groups.count) {
        const std::size_t bytes = groups_ * kGroupBytes;
        const std::size_t align = bytes < kHugeBytes ? kLineBytes : kHugeBytes;
        void* made = ::operator new(bytes, std::align_val_t(align));
        // A wish, may be refused: a miss is then one, not that of the page table too.
        if (bytes >= kHugeBytes) ::madvise(made, bytes / kHugeBytes * kHugeBytes, MADV_HUGEPAGE);
        std::memset(made, 0, bytes);
        words_ = {static_cast<std::uint64_t*>(made), Free{align}};
    }
    std::size_t line_begin(const Key& key) const {
        const auto group =
            static_cast<std::uint64_t>((static_cast<unsigned __int128>(key.order) * groups_) >> 64);
        return (group * kGroupLines + key.line) * kLineWords;
    }

    std::unique_ptr<std::uint64_t, Free> words_{nullptr, Free{kLineBytes}};
    std::uint64_t groups_ = 0;
};

}  // namespace millrace::store
