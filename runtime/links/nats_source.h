// What: the sources of NATS. Of a stream (JetStream): read behind a position that is ours, through
//       a consumer of the moment that needs no acknowledgement, made anew wherever its numbers do
//       not follow one another. Of a subject (core): what is told while we listen; the server keeps
//       none of it, so a source that comes back tells of a gap, and nothing is read twice.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: pulls of kPullMessages or kPullBytes, two of them under way; kJumpsMax places that are
//         looked after one by one, the rest together.
// Failure: what the server refuses is told as it says it. A stream that has gone back, is gone, was
//          made anew or does not keep what was delivered stops the source.
#pragma once

#include "runtime/links/link_peer.h"
#include "runtime/links/listened_since.h"
#include "runtime/links/nats_connection.h"
#include "runtime/links/nats_jetstream.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

NatsPlace nats_place_of(const LinkConfig& config);
// Of a message that is too long to be kept its beginning.
void add_nats_message(SourceBatch& batch, std::string_view id, const NatsMessage& message,
                      std::int64_t at_us);

class NatsStreamSource final : public LinkSource {
public:
    static constexpr std::size_t kPullMessages = 2'000;
    static constexpr std::size_t kPullBytes = 4u << 20;
    static constexpr std::int64_t kPullNs = 5'000'000'000;
    static constexpr std::int64_t kLookNs = 2'000'000'000;  // at where the stream stands
    static constexpr std::int64_t kConsumerRestsNs = 60'000'000'000;
    static constexpr std::size_t kJumpsMax = 256;
    static constexpr unsigned kConsumersInVain = 3;

    NatsStreamSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position);

    bool ready() const override {
        return (state_ == State::kReading || (probes_ && state_ == State::kLooked)) && !trouble();
    }
    std::size_t turn(SourceBatch& batch) override;
    std::string_view waits_because() const override;
    std::optional<std::uint64_t> lag() const override { return lag_; }
    std::string_view lag_unit() const override { return "messages"; }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    enum class State : std::uint8_t { kBegin, kLooked, kReading };
    enum Tag : std::uint64_t { kStreamTag = 1, kConsumerMadeTag, kConsumerTag, kNothingTag };
    // Numbers between two that came.
    struct Jump {
        std::uint64_t from = 0;
        std::uint64_t to = 0;
        std::uint64_t missing = 0;
    };

    void steer();
    void ask(Tag tag, const std::string& what, std::string_view body);
    void make_consumer();
    void begin_again(std::string_view why);
    void pull();
    void take(const NatsMessage& message, SourceBatch& batch);
    void take_answer(const NatsMessage& message, SourceBatch& batch);
    void take_stream(SourceBatch& batch);
    bool is_last_read(const NatsDelivery& at);
    void begin_at_place(SourceBatch& batch);
    void note_jump(std::uint64_t to);
    void take_delivered(const NatsMessage& message, const NatsDelivery& at, SourceBatch& batch);
    void take_status(const NatsMessage& message);
    void tell_jumps(SourceBatch& batch);
    void refuse(NatsAnswers::Kind kind, std::string_view call);

    const core::Clock& clock_;
    const LinkConfig config_;
    const bool probes_;
    NatsConnection connection_;
    NatsAnswers answers_;
    NatsPosition place_;
    bool begun_ = false;  // the place is one that was kept
    State state_ = State::kBegin;
    bool asked_ = false;
    std::int64_t asked_ns_ = 0;
    std::uint64_t asked_seq_ = 0;  // how far it was read then
    bool absent_ = false;          // there is no such stream
    bool moved_ = false;           // the place, in this turn

    NatsStreamInfo info_;  // of the last look
    // The consumer begins with the message that was read last: is it still the same one?
    bool looks_back_ = false;
    std::string consumer_;
    std::uint64_t sid_ = 0;
    std::string pull_subject_, inbox_;
    std::uint64_t consumer_seq_ = 0;  // of the last that came
    std::size_t pulled_ = 0;          // messages that are asked for and have not come
    std::int64_t pulled_ns_ = 0;      // since when, or heard of them
    unsigned in_vain_ = 0;            // consumers that have given nothing
    // Whether they were dropped before they were read is what the next look says.
    std::vector<Jump> jumps_;
    std::optional<std::uint64_t> lag_;
};

class NatsSubjectSource final : public LinkSource {
public:
    NatsSubjectSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position);

    bool ready() const override { return heard_.listens() && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    // What is not read is nowhere.
    std::optional<std::uint64_t> lag() const override { return std::nullopt; }
    std::string_view lag_unit() const override { return "messages"; }
    bool waits_for(pollfd& fd) const override {
        connection_.waits_for(fd);
        return true;
    }

private:
    const core::Clock& clock_;
    const LinkConfig config_;
    NatsConnection connection_;
    ListenedSince heard_;
    std::uint64_t flush_ = 0;  // behind the subscription
};

}  // namespace millrace::runtime
