// What: notifications of PostgreSQL, both ways: a source that listens on a channel, a sink that
//       notifies one. The server keeps none: what was told while nobody listened is gone, so a
//       source that comes back tells of a gap, and nothing is read twice.
// Threads: the links'; a host's name that is looked up holds up the others.
// Lifetime: borrows PeerDeps' parts.
// Limits: kConnectMs to connect, kAnswerNs for an answer; one notification of a sink under way; the
//         server takes less than 8,000 bytes of text.
// Failure: what the server says, its first line.
#pragma once

#include "runtime/links/file_access.h"
#include "runtime/links/link_peer.h"
#include "runtime/links/listened_since.h"

#include <deque>
#include <string>

typedef struct pg_conn PGconn;  // NOLINT(modernize-use-using): as libpq has it

namespace millrace::runtime {

// A connection that asks one thing after the other.
class PostgresConnection {
public:
    static constexpr std::int64_t kConnectMs = 5'000;
    static constexpr std::int64_t kAnswerNs = 10'000'000'000;

    PostgresConnection(const PeerDeps& deps, const LinkConfig& config);
    ~PostgresConnection();
    PostgresConnection(const PostgresConnection&) = delete;
    PostgresConnection& operator=(const PostgresConnection&) = delete;

    void turn();
    bool open() const { return open_ && error_.empty(); }
    const std::string& error() const { return error_; }
    void waits_for(pollfd& fd) const;

    // Only while nothing is asked.
    void listen(const std::string& channel);
    void notify(const std::string& channel, const std::string& text);
    void ping();
    bool asks() const { return asks_; }
    // What was asked has been answered: `refused` is empty, or why not. Once for each.
    bool answered(std::string& refused);
    // What was told to the channel.
    bool next(std::string& text);

private:
    void asked(bool sent);
    void connect_on();
    void read_results();
    void fail(const std::string& why);

    const core::Clock& clock_;
    OwnedFd trusted_;  // a file in memory: libpq reads files alone
    PGconn* raw_ = nullptr;
    int polling_ = 0;  // PostgresPollingStatusType
    bool open_ = false;
    bool asks_ = false;
    bool has_answer_ = false;
    std::string refused_;
    std::int64_t give_up_ns_ = 0;
    std::string error_;
};

class PostgresSource final : public LinkSource {
public:
    static constexpr std::int64_t kPingNs = 15'000'000'000;

    PostgresSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position);

    bool ready() const override { return heard_.listens() && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    // What is not read is with the server, which does not say how much that is.
    std::optional<std::uint64_t> lag() const override { return std::nullopt; }
    std::string_view lag_unit() const override { return "notifications"; }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    const core::Clock& clock_;
    const std::string channel_;
    PostgresConnection connection_;
    ListenedSince heard_;
    std::int64_t answered_ns_ = 0;
};

class PostgresSink final : public LinkSink {
public:
    PostgresSink(const PeerDeps& deps, const LinkConfig& config);

    bool ready() const override { return connection_.open() && !trouble(); }
    void send(SinkText&& text) override { texts_.push_back(std::move(text)); }
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return texts_.size(); }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    const std::string channel_;
    PostgresConnection connection_;
    std::deque<SinkText> texts_;  // the first is under way when the connection asks
};

}  // namespace millrace::runtime
