// What: replies of a Redis server (RESP2) out of the bytes that come, by hiredis' reader, as one
//       flat list of values in the order in which they stand: an array, then its elements. And
//       commands as bytes.
// Threads: one owner. Lifetime: values and their texts live until the next call of next().
// Limits: kReplyBytesMax of a reply, kReplyValuesMax values in it; more is no reply.
// Failure: kBroken, for good: the bytes are none of the protocol, or over a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct redisReader;

namespace millrace::runtime {

struct RedisValue {
    enum class Kind : std::uint8_t { kNil, kStatus, kError, kText, kInteger, kArray };
    Kind kind = Kind::kNil;
    std::string_view text;
    std::int64_t number = 0;  // kInteger; of kArray: how many elements
};

// One reply, read from its beginning on.
class RedisReading {
public:
    explicit RedisReading(const std::vector<RedisValue>& values) : values_(values) {}

    // The next value; of an array itself, its elements come after it.
    const RedisValue& next() { return at_ < values_.size() ? values_[at_++] : kNil; }
    const RedisValue& peek() const { return at_ < values_.size() ? values_[at_] : kNil; }
    // The next value with all that is in it.
    void skip();
    // How many elements follow; -1: it is no array.
    std::int64_t array() {
        const RedisValue& value = next();
        return value.kind == RedisValue::Kind::kArray ? value.number : -1;
    }
    bool text(std::string_view& out) {
        const RedisValue& value = next();
        out = value.text;
        return value.kind == RedisValue::Kind::kText || value.kind == RedisValue::Kind::kStatus;
    }

private:
    static constexpr RedisValue kNil{};
    const std::vector<RedisValue>& values_;
    std::size_t at_ = 0;
};

class RedisReplies {
public:
    static constexpr std::size_t kReplyBytesMax = 64u << 20;
    static constexpr std::size_t kReplyValuesMax = 1u << 20;

    RedisReplies();
    ~RedisReplies();
    RedisReplies(const RedisReplies&) = delete;
    RedisReplies& operator=(const RedisReplies&) = delete;

    enum class Found : std::uint8_t { kNone, kReply, kBroken };
    void feed(std::string_view bytes);
    Found next();
    RedisReading reply() const { return RedisReading(values_); }
    const std::string& why_broken() const { return broken_; }

private:
    struct Build;
    struct Place {  // of a value's text, which may still move
        std::size_t begin = 0;
        std::size_t bytes = 0;
    };
    void begin_reply();

    redisReader* const reader_;
    std::vector<RedisValue> values_;
    std::vector<Place> places_;
    std::string texts_;
    std::size_t fed_bytes_ = 0;  // since the last whole reply
    bool taken_ = false;
    std::string broken_;
};

void append_redis_command(std::string& out, std::span<const std::string_view> words);
inline void append_redis_command(std::string& out, std::initializer_list<std::string_view> words) {
    append_redis_command(out, std::span(words.begin(), words.size()));
}

}  // namespace millrace::runtime
