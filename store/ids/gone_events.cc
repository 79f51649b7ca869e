#include "store/ids/gone_events.h"

#include "store/rows/keys.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

namespace millrace::store {
namespace {

constexpr std::string_view kPrefix = "gone/";
constexpr char kVersion = 1;

}  // namespace

GoneBits GoneBits::of(std::uint64_t first, const std::vector<bool>& gone) {
    GoneBits bits;
    bits.first = first;
    bits.count = static_cast<std::uint32_t>(gone.size());
    if (std::find(gone.begin(), gone.end(), false) == gone.end()) return bits;
    bits.words.assign((gone.size() + 63) / 64, 0);
    for (std::size_t i = 0; i < gone.size(); ++i) {
        if (gone[i]) bits.words[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    return bits;
}

std::string gone_key(core::LogPosition block) { return std::string(kPrefix) + log_key(block); }

bool read_gone_key(std::string_view key, core::LogPosition& block) {
    if (!key.starts_with(kPrefix)) return false;
    KeyReader reader(key.substr(kPrefix.size()));
    block = read_log_key(reader);
    return true;
}

std::string encode_gone(const GoneBits& bits) {
    std::string out(1, kVersion);
    out.append(reinterpret_cast<const char*>(&bits.count), sizeof(bits.count));
    out.append(reinterpret_cast<const char*>(bits.words.data()),
               bits.words.size() * sizeof(std::uint64_t));
    return out;
}

core::Result<GoneBits> decode_gone(core::LogPosition block, std::string_view value) {
    GoneBits bits;
    bits.first = block.offset.value;
    constexpr std::size_t kHead = 1 + sizeof(bits.count);
    if (value.size() >= kHead) std::memcpy(&bits.count, value.data() + 1, sizeof(bits.count));
    const std::size_t words = (std::size_t{bits.count} + 63) / 64;
    const bool fits = value.size() >= kHead && value[0] == kVersion && bits.count > 0 &&
                      bits.count <= core::kBlockEventsMax &&
                      (value.size() == kHead || value.size() == kHead + words * 8);
    if (!fits) {
        return core::fail(
            core::ErrorCode::kInternal,
            "store: read row of gone events shard=" + std::to_string(block.shard.value) +
                " offset=" + std::to_string(block.offset.value) + " failed: it is damaged");
    }
    if (value.size() > kHead) {
        bits.words.resize(words);
        std::memcpy(bits.words.data(), value.data() + kHead, words * 8);
    }
    return bits;
}

bool GoneEvents::look(std::uint64_t offset) const {
    std::lock_guard lock(mutex_);
    const auto behind = blocks_.upper_bound(offset);
    return behind != blocks_.begin() && std::prev(behind)->second.has(offset);
}

void GoneEvents::put(GoneBits&& bits) {
    std::lock_guard lock(mutex_);
    any_.store(true, std::memory_order_release);  // pairs with has()
    blocks_.erase(bits.first);
    const auto behind = blocks_.upper_bound(bits.first);
    if (bits.words.empty() && behind != blocks_.begin()) {
        GoneBits& before = std::prev(behind)->second;
        const bool joins = before.words.empty() && before.first + before.count == bits.first &&
                           before.count <= std::numeric_limits<std::uint32_t>::max() - bits.count;
        if (joins) {
            before.count += bits.count;
            return;
        }
    }
    const std::uint64_t first = bits.first;
    blocks_.emplace_hint(behind, first, std::move(bits));
}

void GoneEvents::forget_before(std::uint64_t kept) {
    std::lock_guard lock(mutex_);
    while (!blocks_.empty()) {
        const GoneBits& oldest = blocks_.begin()->second;
        if (oldest.first + oldest.count > kept) return;
        blocks_.erase(blocks_.begin());
    }
}

std::size_t GoneEvents::rows() const {
    std::lock_guard lock(mutex_);
    return blocks_.size();
}

}  // namespace millrace::store
