#include "runtime/links/redis_link.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

// What waiting does not mend.
bool is_for_good(std::string_view error) { return error.starts_with("WRONGTYPE"); }

}  // namespace

// ---- the connection

RedisConnection::RedisConnection(const PeerDeps& deps, const LinkConfig& config)
    : clock_(*deps.clock),
      socket_(*deps.clock, *deps.rules, config.host, config.port, {config.tls, config.ca}),
      heard_ns_(deps.clock->monotonic_ns()) {
    if (!config.password.empty()) {
        if (config.user.empty())
            greet({"AUTH", config.password});
        else
            greet({"AUTH", config.user, config.password});
    }
    if (config.database != 0) greet({"SELECT", std::to_string(config.database)});
    greet({"PING"});
}

void RedisConnection::greet(std::initializer_list<std::string_view> words) {
    append_redis_command(socket_.out(), words);
    ++greetings_;
}

void RedisConnection::ask_words(std::span<const std::string_view> words) {
    if (asked_ == 0) heard_ns_ = clock_.monotonic_ns();
    append_redis_command(socket_.out(), words);
    ++asked_;
}

void RedisConnection::turn() {
    const std::string_view bytes = socket_.turn();
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (!bytes.empty()) heard_ns_ = now_ns;
    replies_.feed(bytes);
    while (greetings_ > 0 && error_.empty() && take_greeting()) {
    }
    if (error_.empty()) error_ = socket_.error();
    const bool waits = greetings_ + asked_ > 0;
    if (error_.empty() && waits && now_ns - heard_ns_ > kAnswerNs)
        error_ = "no answer in " + std::to_string(kAnswerNs / 1'000'000'000) + " s";
}

bool RedisConnection::take_greeting() {
    const auto found = replies_.next();
    if (found == RedisReplies::Found::kBroken)
        error_ = "what the server says is not Redis' protocol: " + replies_.why_broken();
    if (found != RedisReplies::Found::kReply) return false;
    --greetings_;
    const RedisValue& value = replies_.reply().peek();
    if (value.kind == RedisValue::Kind::kError)
        error_ = "the server refuses: " + std::string(value.text);
    return true;
}

bool RedisConnection::next() {
    if (!error_.empty() || greetings_ > 0) return false;
    const auto found = replies_.next();
    if (found == RedisReplies::Found::kBroken)
        error_ = "what the server says is not Redis' protocol: " + replies_.why_broken();
    if (found != RedisReplies::Found::kReply) return false;
    if (asked_ == 0) {
        error_ = "the server has answered what nobody asked";
        return false;
    }
    --asked_;
    return true;
}

// ---- the source

RedisSource::RedisSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position)
    : clock_(*deps.clock), config_(config), connection_(deps, config) {
    if (!position.empty()) {
        auto place = StreamPlace::read(position);
        if (!place) {
            stop("its position does not read: " + place.error().message);
            return;
        }
        place_ = *place;
        begun_ = true;
    } else if (const auto id = StreamId::read(config.from)) {
        place_.id = *id;
    }
}

void RedisSource::ask(std::size_t entries_max) {
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (!looked_ || now_ns - looked_ns_ > kLookNs) {
        looked_ns_ = now_ns;
        asked_ = Asked::kLook;
        connection_.ask({"XINFO", "STREAM", config_.stream});
        return;
    }
    asked_ = Asked::kRead;
    connection_.ask({"XREAD", "COUNT", std::to_string(entries_max), "BLOCK", kBlockMs, "STREAMS",
                     config_.stream, place_.id.text()});
}

std::size_t RedisSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    if (connection_.open() && asked_ == Asked::kNothing) {
        ask(std::min(kReadEntries, batch.entries_max));
        connection_.turn();
        ++done;
    }
    if (connection_.next()) {
        ++done;
        const Asked asked = std::exchange(asked_, Asked::kNothing);
        const RedisReading reply = connection_.reply();
        if (asked == Asked::kLook)
            take_look(reply, batch);
        else
            take_entries(reply, batch);
    }
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

void RedisSource::take_look(RedisReading reply, SourceBatch& batch) {
    StreamInfo info;
    const RedisValue& value = reply.peek();
    if (value.kind == RedisValue::Kind::kError) {
        if (is_for_good(value.text)) return stop("the server refuses: " + std::string(value.text));
        if (value.text != "ERR no such key")
            return fail("the server refuses: " + std::string(value.text));
    } else if (!read_stream_info(reply, info)) {
        return fail("the server's answer to XINFO STREAM does not read");
    }
    const bool begins = !begun_;
    if (begins && config_.from == "end") {
        place_.id = info.last;
        place_.count = info.added;
    }
    const StreamId from = place_.id;
    const StreamCheck check = check_stream(info, place_, begun_);
    if (!check.stops.empty()) return stop(check.stops);
    lag_ = check.lag;
    looked_ = true;
    begun_ = true;
    if (check.missed > 0) {
        batch.gap = true;
        batch.missed = check.missed;
        batch.missed_from = from.text();
        batch.missed_to = info.first.value_or(info.last).text();
    }
    // Where it begins is kept before anything is read.
    if (begins || check.missed > 0) batch.position = place_.json();
}

void RedisSource::take_entries(RedisReading reply, SourceBatch& batch) {
    const RedisValue& value = reply.peek();
    if (value.kind == RedisValue::Kind::kNil) {
        lag_ = 0;
        return;
    }
    if (value.kind == RedisValue::Kind::kError) {
        const std::string why = "the server refuses: " + std::string(value.text);
        return is_for_good(value.text) ? stop(why) : fail(why);
    }
    if (!read_entries(reply, config_, place_, batch))
        return fail("the server's answer to XREAD does not read");
    if (batch.size() > 0) batch.position = place_.json();
    if (lag_) *lag_ -= std::min<std::uint64_t>(*lag_, batch.size());
}

// ---- the sink

RedisSink::RedisSink(const PeerDeps& deps, const LinkConfig& config)
    : config_(config), connection_(deps, config) {}

void RedisSink::send(SinkText&& text) {
    tickets_.push_back(text.ticket);
    const std::string length = std::to_string(config_.items_max);
    words_ = {"XADD", config_.stream};
    if (config_.items_max > 0) words_.insert(words_.end(), {"MAXLEN", "~", length});
    words_.insert(words_.end(), {"*", "eventId", text.id, "pattern", text.pattern});
    if (!text.traceparent.empty()) words_.insert(words_.end(), {"traceparent", text.traceparent});
    if (!text.tracestate.empty()) words_.insert(words_.end(), {"tracestate", text.tracestate});
    words_.insert(words_.end(), {config_.field, text.text});
    connection_.ask_words(words_);
}

std::size_t RedisSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    done += connection_.open() && !std::exchange(greeted_, connection_.open());
    while (connection_.next()) {
        const RedisValue& value = connection_.reply().peek();
        SinkAnswer answer{tickets_.front(), {}};
        if (value.kind == RedisValue::Kind::kError)
            answer.error = "the server refuses: " + std::string(value.text);
        tickets_.pop_front();
        answers.push_back(std::move(answer));
        ++done;
    }
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

}  // namespace millrace::runtime
