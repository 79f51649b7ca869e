#include "runtime/links/redis_replies.h"

#include <hiredis/read.h>

namespace millrace::runtime {

// What the reader calls for each value, in the order in which they come.
struct RedisReplies::Build {
    using Kind = RedisValue::Kind;

    static void* add(const redisReadTask* task, RedisValue value, std::string_view text) {
        auto& into = *static_cast<RedisReplies*>(task->privdata);
        if (into.values_.size() >= kReplyValuesMax) return nullptr;
        into.places_.push_back({into.texts_.size(), text.size()});
        into.texts_.append(text);
        into.values_.push_back(value);
        return &into;  // any pointer that is none: values have no addresses yet
    }
    static void* text(const redisReadTask* task, char* bytes, std::size_t count) {
        const Kind kind = task->type == REDIS_REPLY_ERROR    ? Kind::kError
                          : task->type == REDIS_REPLY_STATUS ? Kind::kStatus
                                                             : Kind::kText;
        return add(task, {kind, {}, 0}, {bytes, count});
    }
    // Versions of the library count in int or size_t.
    template <typename Count>
    static void* array(const redisReadTask* task, Count count) {
        const auto elements = static_cast<std::int64_t>(count);
        if (elements < 0 || elements > static_cast<std::int64_t>(kReplyValuesMax)) return nullptr;
        return add(task, {Kind::kArray, {}, elements}, {});
    }
    static void* integer(const redisReadTask* task, long long number) {
        return add(task, {Kind::kInteger, {}, number}, {});
    }
    static void* nil(const redisReadTask* task) { return add(task, {}, {}); }
    static void free(void*) {}

    static redisReplyObjectFunctions* functions() {
        static redisReplyObjectFunctions table = [] {
            redisReplyObjectFunctions out{};
            out.createString = text;
            out.createArray = array;
            out.createInteger = integer;
            out.createNil = nil;
            out.freeObject = free;
            return out;
        }();
        return &table;
    }
};

RedisReplies::RedisReplies() : reader_(redisReaderCreateWithFunctions(Build::functions())) {
    if (reader_)
        reader_->privdata = this;
    else
        broken_ = "no memory";
}

RedisReplies::~RedisReplies() {
    if (reader_) redisReaderFree(reader_);
}

void RedisReplies::begin_reply() {
    values_.clear();
    places_.clear();
    texts_.clear();
    taken_ = false;
}

void RedisReplies::feed(std::string_view bytes) {
    if (!broken_.empty() || bytes.empty()) return;
    fed_bytes_ += bytes.size();
    if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK) broken_ = "no memory";
}

RedisReplies::Found RedisReplies::next() {
    if (taken_) begin_reply();
    if (!broken_.empty()) return Found::kBroken;
    void* whole = nullptr;
    if (redisReaderGetReply(reader_, &whole) != REDIS_OK) {
        broken_ = reader_->errstr;
        return Found::kBroken;
    }
    if (!whole) {
        if (fed_bytes_ <= kReplyBytesMax) return Found::kNone;
        broken_ = "a reply is longer than 64 MiB";
        return Found::kBroken;
    }
    fed_bytes_ = reader_->len - reader_->pos;
    for (std::size_t i = 0; i < values_.size(); ++i)
        values_[i].text = std::string_view(texts_).substr(places_[i].begin, places_[i].bytes);
    taken_ = true;
    return Found::kReply;
}

void RedisReading::skip() {
    for (std::int64_t left = 1; left > 0 && at_ < values_.size(); --left) {
        const RedisValue& value = next();
        if (value.kind == RedisValue::Kind::kArray) left += value.number;
    }
}

void append_redis_command(std::string& out, std::span<const std::string_view> words) {
    out.append("*").append(std::to_string(words.size())).append("\r\n");
    for (const std::string_view word : words)
        out.append("$")
            .append(std::to_string(word.size()))
            .append("\r\n")
            .append(word)
            .append("\r\n");
}

}  // namespace millrace::runtime
