// What: a connection to a Redis server that has said who it is: AUTH, SELECT, then what source and
//       sink ask. And the two ends of a link over it: a source that reads a stream by XREAD (no
//       group: its state is ours), a sink that appends by XADD.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kReadEntries a reply, kAnswerNs until one comes; kSinkTurnTexts under way of a sink.
// Failure: what the server refuses is told as it says it. A stream that has gone back, is gone or
//          is none stops the source.
#pragma once

#include "runtime/links/link_peer.h"
#include "runtime/links/peer_socket.h"
#include "runtime/links/redis_replies.h"
#include "runtime/links/redis_stream.h"

#include <deque>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class RedisConnection {
public:
    static constexpr std::int64_t kAnswerNs = 10'000'000'000;

    RedisConnection(const PeerDeps& deps, const LinkConfig& config);

    void ask(std::initializer_list<std::string_view> words) {
        ask_words({words.begin(), words.size()});
    }
    void ask_words(std::span<const std::string_view> words);
    // Reads what has come.
    void turn();
    // The next reply to what was asked by ask(), in its order.
    bool next();
    RedisReading reply() const { return replies_.reply(); }
    bool open() const { return greetings_ == 0 && socket_.connected(); }
    std::size_t unanswered() const { return asked_; }
    const std::string& error() const { return error_; }
    void waits_for(pollfd& fd) const { socket_.waits_for(fd); }
    std::size_t unsent() const { return socket_.unsent(); }

private:
    void greet(std::initializer_list<std::string_view> words);
    bool take_greeting();

    const core::Clock& clock_;
    PeerSocket socket_;
    RedisReplies replies_;
    std::size_t greetings_ = 0;  // not answered
    std::size_t asked_ = 0;      // likewise
    std::int64_t heard_ns_ = 0;  // or asked, while nothing was under way
    std::string error_;
};

class RedisSource final : public LinkSource {
public:
    static constexpr std::size_t kReadEntries = 1'000;
    static constexpr std::string_view kBlockMs = "1000";
    static constexpr std::int64_t kLookNs = 2'000'000'000;  // at where the stream stands

    RedisSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position);

    bool ready() const override { return looked_ && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    std::optional<std::uint64_t> lag() const override { return lag_; }
    std::string_view lag_unit() const override { return "entries"; }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    enum class Asked : std::uint8_t { kNothing, kLook, kRead };
    void ask(std::size_t entries_max);
    void take_look(RedisReading reply, SourceBatch& batch);
    void take_entries(RedisReading reply, SourceBatch& batch);

    const core::Clock& clock_;
    const LinkConfig config_;
    RedisConnection connection_;
    StreamPlace place_;
    bool begun_ = false;  // the place is one that was kept
    bool looked_ = false;
    Asked asked_ = Asked::kNothing;
    std::int64_t looked_ns_ = 0;
    std::optional<std::uint64_t> lag_;
};

class RedisSink final : public LinkSink {
public:
    RedisSink(const PeerDeps& deps, const LinkConfig& config);

    bool ready() const override { return greeted_ && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return tickets_.size(); }
    std::size_t unsent() const override { return connection_.unsent(); }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    const LinkConfig config_;
    RedisConnection connection_;
    std::deque<std::uint64_t> tickets_;
    std::vector<std::string_view> words_;  // of the command that is written
    bool greeted_ = false;
};

}  // namespace millrace::runtime
