// What: the source and the sink of Kafka. The source reads all partitions of a topic behind places
//       that are ours; where it begins again, and where a partition has another leader, it reads
//       the last message once more and looks whether it is still the same one. New partitions are
//       read from their beginning. The sink writes with an idempotent producer, an event's
//       partition key being the message's, and is done when all replicas that have to have it do.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kKafkaPartitionsMax partitions; what the client reads ahead; kSinkTurnTexts under way.
// Failure: what the brokers refuse is told as they say it. A partition that has gone back, a topic
//          that is gone, was made anew or has more partitions than are kept stops the source.
#pragma once

#include "runtime/links/kafka_client.h"
#include "runtime/links/kafka_topic.h"
#include "runtime/links/link_peer.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class KafkaSource final : public LinkSource {
public:
    static constexpr std::int64_t kLookNs = 2'000'000'000;
    static constexpr std::int64_t kDoubtNs = 500'000'000;  // until it is looked at again
    // So many looks in a row have to find that a topic went back, or is gone: what a broker says in
    // the midst of an election is not the last word.
    static constexpr unsigned kLooksToBelieve = 3;

    KafkaSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position,
                std::unique_ptr<KafkaReader> reader);

    bool ready() const override { return reading_ && !trouble(); }
    std::size_t turn(SourceBatch& batch) override;
    std::string_view waits_because() const override;
    std::optional<std::uint64_t> lag() const override;
    std::string_view lag_unit() const override { return "messages"; }
    bool waits_for(pollfd& fd) const override;

private:
    struct Partition {
        std::int32_t leader = -1;
        bool reads = false;     // it was begun
        bool verifies = false;  // what comes next has been read before
        std::int64_t end = 0;   // at the last look
    };

    void steer();
    void look_again(std::int32_t partition);
    void take_look(SourceBatch& batch);
    bool take_partition(const KafkaPartition& of, SourceBatch& batch);
    void doubt(std::string why);
    void take_message(const KafkaMessage& message, SourceBatch& batch);
    bool same_as_before(const KafkaMessage& message, Partition& of, const KafkaPlace& place);
    void take_end(const KafkaMessage& message);

    const core::Clock& clock_;
    const LinkConfig config_;
    const bool probes_;
    std::unique_ptr<KafkaReader> reader_;
    KafkaPlaces places_;
    bool begun_ = false;  // places that were kept
    bool reading_ = false;
    bool moved_ = false;
    std::map<std::int32_t, Partition> partitions_;
    KafkaLook look_;
    bool asked_ = false;
    bool hurry_ = true;  // the next look comes at once
    std::int64_t asked_ns_ = 0;
    unsigned doubts_ = 0;  // in a row
    std::string waits_because_;
    std::string id_;
};

class KafkaSink final : public LinkSink {
public:
    static constexpr std::int64_t kLookNs = 1'000'000'000;
    static constexpr std::size_t kCarefulTexts = kSinkTurnTexts;  // as many as may go at once

    KafkaSink(const PeerDeps& deps, std::unique_ptr<KafkaWriter> writer);

    bool ready() const override { return there_ && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return pending_; }
    std::size_t unsent() const override {
        return careful_ > 0 && pending_ > 0 ? kSinkUnsentMax : pending_bytes_;
    }
    std::string_view waits_because() const override {
        return absent_ ? "there is no topic of that name" : std::string_view();
    }
    bool waits_for(pollfd& fd) const override;

private:
    std::string down_words(const std::string& error) const;
    SinkAnswer answer_of(KafkaAnswer&& said);

    const core::Clock& clock_;
    std::unique_ptr<KafkaWriter> writer_;
    bool there_ = false, absent_ = false;
    bool asked_ = false;
    std::int64_t asked_ns_ = 0;
    std::size_t pending_ = 0, pending_bytes_ = 0;
    std::map<std::uint64_t, std::size_t> bytes_;  // by ticket
    std::vector<SinkAnswer> refused_;             // before they went out
    std::optional<SinkText> alone_;               // it is on its way, and nothing beside it
    std::size_t careful_ = 0;                     // so many more go one by one
};

}  // namespace millrace::runtime
