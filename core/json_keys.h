// What: finds a key that comes twice in one object while objects are being read: a 64-bit filter
//       per open object, and the keys' hashes behind it.
// Threads: one owner. Lifetime: keys are offsets into the text being read.
// Limits: kJsonDocumentDepthMax open objects, kJsonKeysPerObjectMax keys each.
// Failure: add() and close() say what is wrong. Of more than eight different keys with one 64-bit
//       hash in
//          one object of more than kScannedKeys, a repetition may stay unseen.
#pragma once

#include "core/json_faults.h"
#include "core/limits.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::core {

class JsonKeys {
public:
    JsonKeys() : keys_(1024) {}

    void reset() {
        depth_ = 0;
        used_ = 0;
    }
    void open() {
        levels_[depth_] = {0, used_};
        ++depth_;
    }
    // `key` lives until its object is closed.
    JsonFault add(std::string_view key, std::uint64_t hash) {
        Level& level = levels_[depth_ - 1];
        const std::uint64_t bit = 1ULL << (hash >> 58);
        if ((level.filter & bit) != 0 && seen(level, key, hash)) return JsonFault::kDuplicateKey;
        level.filter |= bit;
        if (used_ == keys_.size()) keys_.resize(keys_.size() * 2);
        keys_[used_++] = {hash, key};
        return JsonFault::kNone;
    }
    JsonFault close() {
        const Level& level = levels_[--depth_];
        const std::uint32_t count = used_ - level.begin;
        JsonFault fault = JsonFault::kNone;
        if (count > kScannedKeys) [[unlikely]]
            fault = check_many(level.begin);
        used_ = level.begin;
        return fault;
    }

private:
    // Up to so many keys a repetition is looked for key by key; above, once when the object closes.
    static constexpr std::uint32_t kScannedKeys = 64;
    struct Key {
        std::uint64_t hash = 0;
        std::string_view text;
    };
    struct Level {
        std::uint64_t filter = 0;
        std::uint32_t begin = 0;
    };

    bool seen(const Level& level, std::string_view key, std::uint64_t hash) const {
        if (used_ - level.begin > kScannedKeys) return false;  // check_many() will see it
        for (std::uint32_t i = level.begin; i < used_; ++i) {
            if (keys_[i].hash == hash && keys_[i].text == key) return true;
        }
        return false;
    }
    JsonFault check_many(std::uint32_t begin);

    std::vector<Key> keys_;
    std::uint32_t used_ = 0;
    std::uint32_t depth_ = 0;
    Level levels_[kJsonDocumentDepthMax + 1];
};

}  // namespace millrace::core
