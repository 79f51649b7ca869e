#include "core/json_keys.h"

#include <algorithm>

namespace millrace::core {

JsonFault JsonKeys::check_many(std::uint32_t begin) {
    const auto first = keys_.begin() + begin;
    const auto last = keys_.begin() + used_;
    if (static_cast<std::size_t>(last - first) > kJsonKeysPerObjectMax)
        return JsonFault::kTooManyKeys;
    std::sort(first, last, [](const Key& a, const Key& b) { return a.hash < b.hash; });
    constexpr std::ptrdiff_t kNeighbours = 8;
    for (auto key = first; key != last; ++key) {
        for (auto other = key + 1; other != last && other - key <= kNeighbours; ++other) {
            if (other->hash != key->hash) break;
            if (other->text == key->text) return JsonFault::kDuplicateKey;
        }
    }
    return JsonFault::kNone;
}

}  // namespace millrace::core
