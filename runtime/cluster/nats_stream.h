// What: a partition's stream on NATS: one connection, to the next of the servers where one fails,
//       is silent or knows nothing; requests with a time of their own; messages by a consumer of
//       the moment that needs no acknowledgement, made anew wherever its numbers do not follow one
//       another.
// Threads: one owner. Lifetime: borrows clock and rules.
// Limits: kReadAhead messages or kReadBytes asked for at once.
// Failure: events (kDown with the reason); a server that is too old is told by kUnfit.
#pragma once

#include "core/clock.h"
#include "runtime/cluster/stream_port.h"
#include "runtime/courier/address_rules.h"
#include "runtime/links/nats_connection.h"
#include "runtime/links/nats_jetstream.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <poll.h>

namespace millrace::runtime::cluster {

// "2.9.22"; false: it can not be told.
bool nats_is_new_enough(std::string_view version);

class NatsStream final : public StreamPort {
public:
    static constexpr std::size_t kReadAhead = 256;
    static constexpr std::size_t kReadBytes = 4u << 20;
    static constexpr std::int64_t kAnswerNs = 2'000'000'000;
    static constexpr std::int64_t kPullNs = 2'000'000'000;
    static constexpr std::int64_t kRestNs = 200'000'000;  // between two servers
    static constexpr std::int64_t kConsumerRestsNs = 30'000'000'000;

    struct Options {
        std::vector<NatsPlace> servers;
        std::string stream;
        std::string subject;
        std::string
            synced_subject{};  // where followers tell what they have on disk; empty: nowhere
        bool allow_old = false;
    };
    NatsStream(Options options, const core::Clock& clock, const courier::AddressRules& rules);

    // Sends and reads. Events come out of next().
    void turn();
    void push() {
        if (connection_) connection_->push();
    }
    bool next(StreamEvent& out);
    // False: there is nothing to wait for but time.
    bool waits_for(pollfd& fd) const;
    bool has_events() const { return !events_.empty(); }

    void publish(std::uint64_t tag, std::string_view message, std::uint64_t expects) override;
    void ask_last() override;
    void ask_info() override;
    void read_from(std::uint64_t sequence) override;
    void stop_reading() override;
    void tell_synced(const SyncedWord& word) override;

private:
    enum class Asked : std::uint8_t { kPublish, kLast, kInfo, kMakeConsumer, kNothing };
    struct Question {
        Asked what = Asked::kNothing;
        std::uint64_t tag = 0;
        std::int64_t at_ns = 0;
    };
    enum class Reading : std::uint8_t { kNo, kAsked, kYes };

    void connect();
    void lose(const std::string& why);
    void greet();
    void tell(StreamEvent::Kind kind, std::uint64_t tag = 0, std::string words = {});
    void ask(Asked what, std::uint64_t tag, const std::string& subject, std::string_view body);
    void look_at_time();
    void take(const NatsMessage& message);
    void take_synced(const NatsMessage& message);
    void take_answer(const NatsMessage& message);
    void take_published(std::uint64_t tag, const NatsMessage& message);
    void take_last(const NatsMessage& message);
    void take_info(const NatsMessage& message);
    void take_consumer(const NatsMessage& message);
    void make_consumer();
    void drop_consumer();
    void pull();

    const Options options_;
    const core::Clock& clock_;
    const courier::AddressRules& rules_;
    std::unique_ptr<NatsConnection> connection_;
    std::size_t server_ = 0;
    bool up_ = false;
    std::int64_t next_connect_ns_ = 0;
    NatsAnswers answers_;
    core::JsonDom dom_;
    std::uint64_t asked_ever_ = 0;
    std::unordered_map<std::uint64_t, Question> asked_;
    std::deque<StreamEvent> events_;

    Reading reading_ = Reading::kNo;
    std::uint64_t read_from_ = 0;  // the next message
    std::string consumer_, inbox_;
    std::uint64_t sid_ = 0;
    std::uint64_t consumer_seq_ = 0;
    std::size_t pulled_ = 0;
    std::int64_t pulled_ns_ = 0;
    std::int64_t make_ns_ = 0;  // not before it
};

}  // namespace millrace::runtime::cluster
