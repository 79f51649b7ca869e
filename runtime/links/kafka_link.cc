#include "runtime/links/kafka_link.h"

#include "runtime/event/misfit.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

// ---- the source

KafkaSource::KafkaSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position,
                         std::unique_ptr<KafkaReader> reader)
    : clock_(*deps.clock), config_(config), probes_(deps.probes), reader_(std::move(reader)) {
    if (position.empty()) return;
    auto places = KafkaPlaces::read(position);
    if (!places) {
        stop("its position does not read: " + places.error().message);
        return;
    }
    places_ = std::move(*places);
    begun_ = true;
}

std::string_view KafkaSource::waits_because() const {
    return trouble() ? std::string_view() : std::string_view(waits_because_);
}

bool KafkaSource::waits_for(pollfd& fd) const {
    fd = {reader_->fd(), POLLIN, 0};
    return fd.fd >= 0;
}

std::optional<std::uint64_t> KafkaSource::lag() const {
    if (!reading_) return std::nullopt;
    std::uint64_t sum = 0;
    for (const auto& [number, of] : partitions_) {
        const auto place = places_.partitions.find(number);
        if (place != places_.partitions.end() && of.end > place->second.next)
            sum += static_cast<std::uint64_t>(of.end - place->second.next);
    }
    return sum;
}

std::size_t KafkaSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    reader_->turn();
    if (reader_->looked(look_)) {
        ++done;
        asked_ = false;
        take_look(batch);
    }
    KafkaMessage message;
    while (!trouble() && !batch.full()) {
        const KafkaReader::Came came = reader_->next(message);
        if (came == KafkaReader::Came::kNothing) break;
        ++done;
        if (came == KafkaReader::Came::kMessage)
            take_message(message, batch);
        else if (came == KafkaReader::Came::kEnd)
            take_end(message);
        else
            // Where the partition stands now says what became of it.
            look_again(message.partition);
    }
    if (std::exchange(moved_, false)) batch.position = places_.json();
    if (!trouble()) steer();
    if (!reader_->error().empty()) fail(reader_->error());
    // Whoever begins anew looks whether what was read last is still there.
    if (!reader_->down_because().empty()) fail(reader_->down_because());
    return done;
}

void KafkaSource::look_again(std::int32_t partition) {
    partitions_[partition].reads = false;
    hurry_ = true;
}

void KafkaSource::steer() {
    const std::int64_t now_ns = clock_.monotonic_ns();
    const std::int64_t every_ns = doubts_ > 0 || !reading_ ? kDoubtNs : kLookNs;
    if (asked_ || (probes_ && reading_)) return;
    if (!std::exchange(hurry_, false) && now_ns - asked_ns_ < every_ns) return;
    asked_ = true;
    asked_ns_ = now_ns;
    reader_->look();
}

// ---- where the topic stands

void KafkaSource::doubt(std::string why) {
    if (++doubts_ >= kLooksToBelieve) return stop(std::move(why));
    waits_because_ = std::move(why);
}

void KafkaSource::take_look(SourceBatch& batch) {
    if (!look_.error.empty()) return fail(look_.error);
    if (look_.partitions.size() > kKafkaPartitionsMax)
        return stop("the topic has " + std::to_string(look_.partitions.size()) +
                    " partitions; the limit is " + std::to_string(kKafkaPartitionsMax));
    if (!look_.there && !begun_) {
        waits_because_ = "there is no topic of that name yet";
        return;
    }
    if (look_.partitions.size() < places_.partitions.size())
        return doubt("the topic " +
                     std::string(look_.there ? "was made anew: it has " : "is gone: it has ") +
                     std::to_string(look_.partitions.size()) + " partitions, and " +
                     std::to_string(places_.partitions.size()) + " were read");
    waits_because_.clear();
    bool believed = true;
    for (const KafkaPartition& of : look_.partitions)
        believed = take_partition(of, batch) && believed;
    if (trouble()) return;
    if (believed) doubts_ = 0;
    reading_ = reading_ || believed;
    // Where it begins is kept before anything is read.
    if (!std::exchange(begun_, true)) moved_ = true;
}

bool KafkaSource::take_partition(const KafkaPartition& of, SourceBatch& batch) {
    Partition& known = partitions_[of.number];
    if (!of.error.empty()) {
        waits_because_ = "partition " + std::to_string(of.number) + ": " + of.error;
        return true;
    }
    known.end = of.bounds.end;
    // Another leader may have less than the one before.
    const bool elected = known.leader != of.leader && of.leader >= 0 && known.leader >= 0;
    if (of.leader >= 0) known.leader = of.leader;
    if (known.reads && !elected) return true;
    known.reads = false;
    const auto [at, fresh] = places_.partitions.try_emplace(of.number);
    KafkaFrom from = KafkaFrom::kPlace;
    // One that came later has been read from its beginning by nobody.
    if (fresh) from = !begun_ && config_.from == "end" ? KafkaFrom::kEnd : KafkaFrom::kStart;
    const std::int64_t was = at->second.next;
    const KafkaCheck check = check_kafka_partition(of.number, of.bounds, from, at->second);
    if (!check.stops.empty()) {
        doubt(check.stops);
        return false;
    }
    if (check.missed > 0) {
        batch.gap = true;
        batch.missed += static_cast<std::uint64_t>(check.missed);
        batch.missed_from = std::to_string(of.number) + "-" + std::to_string(was);
        batch.missed_to = std::to_string(of.number) + "-" + std::to_string(at->second.next);
    }
    moved_ = moved_ || fresh || check.missed > 0;
    known.reads = true;
    known.verifies = check.verifies;
    if (!probes_) reader_->read_at(of.number, check.read_at);
    return true;
}

// ---- messages

bool KafkaSource::same_as_before(const KafkaMessage& message, Partition& of,
                                 const KafkaPlace& place) {
    of.verifies = false;
    // What was taken out by itself says nothing.
    if (message.offset != place.last) return true;
    const std::string differs = kafka_differs(message.partition, place, message.at_ms,
                                              kafka_sum(message.key, message.text));
    if (!differs.empty()) stop(differs);
    return differs.empty();
}

void KafkaSource::take_message(const KafkaMessage& message, SourceBatch& batch) {
    Partition& of = partitions_[message.partition];
    KafkaPlace& place = places_.partitions[message.partition];
    if (!of.reads) return;  // it comes again, when it is known where the partition stands
    if (of.verifies && !same_as_before(message, of, place)) return;
    if (message.offset < place.next) return;  // read before
    place.next = message.offset + 1;
    place.last = message.offset;
    place.last_ms = message.at_ms;
    place.last_sum = kafka_sum(message.key, message.text);
    of.end = std::max(of.end, place.next);
    moved_ = true;
    // Where a topic was made anew its offsets are other messages'.
    id_.assign(std::to_string(message.partition)).append("-");
    id_.append(std::to_string(message.offset)).append("-").append(std::to_string(message.at_ms));
    const std::size_t whole = message.text.size();
    const std::size_t kept = whole > kPoisonBytesKept + 2 ? kPoisonBytesKept : whole;
    batch.add({.id = id_,
               .text = message.text.substr(0, kept),
               .whole_bytes = whole,
               .at_us = message.at_ms * 1000,
               .trace = message.trace,
               .key = message.key});
}

// Up to there was nothing else of ours: transactions leave marks behind, which are no messages.
void KafkaSource::take_end(const KafkaMessage& message) {
    KafkaPlace& place = places_.partitions[message.partition];
    Partition& of = partitions_[message.partition];
    of.end = std::max(of.end, message.offset);
    if (message.offset <= place.next) return;
    place.next = message.offset;
    moved_ = true;
}

// ---- the sink

KafkaSink::KafkaSink(const PeerDeps& deps, std::unique_ptr<KafkaWriter> writer)
    : clock_(*deps.clock), writer_(std::move(writer)) {}

bool KafkaSink::waits_for(pollfd& fd) const {
    fd = {writer_->fd(), POLLIN, 0};
    return fd.fd >= 0;
}

std::string KafkaSink::down_words(const std::string& error) const {
    const std::string& down = writer_->down_because();
    return down.empty() ? error : error + "; " + down;
}

void KafkaSink::send(SinkText&& text) {
    KafkaAnswer said = writer_->send(text);
    const bool by_itself = bytes_.empty();
    ++pending_;
    if (!said.error.empty()) {
        // That is our own limit, which is of each message.
        refused_.push_back(said.too_large ? never_goes(std::move(text), std::move(said.error))
                                          : SinkAnswer{text.ticket, std::move(said.error)});
        return;
    }
    bytes_[text.ticket] = text.text.size();
    pending_bytes_ += text.text.size();
    // What is sent beside it may go in one batch with it.
    alone_.reset();
    if (by_itself) alone_ = std::move(text);
}

// A batch that is too large is refused whole: which of its messages it was nobody says. So each
// goes by itself for a while, until it is found; what can never go is passed then.
SinkAnswer KafkaSink::answer_of(KafkaAnswer&& said) {
    const bool by_itself = alone_ && alone_->ticket == said.ticket;
    if (said.too_large) {
        careful_ = by_itself ? 0 : kCarefulTexts;
        if (by_itself) {
            SinkText text = std::move(*alone_);
            alone_.reset();
            return never_goes(std::move(text), std::move(said.error));
        }
    } else if (careful_ > 0 && said.error.empty()) {
        --careful_;
    }
    if (by_itself) alone_.reset();
    return {said.ticket, std::move(said.error)};
}

std::size_t KafkaSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    std::size_t done = refused_.size();
    writer_->turn();
    pending_ -= refused_.size();
    for (SinkAnswer& one : std::exchange(refused_, {})) answers.push_back(std::move(one));
    KafkaAnswer said;
    while (writer_->next(said)) {
        ++done;
        const auto at = bytes_.find(said.ticket);
        if (at == bytes_.end()) continue;
        pending_bytes_ -= at->second;
        bytes_.erase(at);
        --pending_;
        answers.push_back(answer_of(std::move(said)));
    }
    KafkaLook look;
    if (writer_->looked(look)) {
        ++done;
        asked_ = false;
        there_ = look.error.empty() && look.there;
        absent_ = look.error.empty() && !look.there;
        if (!look.error.empty()) fail(down_words(look.error));
    }
    // Brokers end what is idle: whether they are there is asked before it is trouble.
    const bool idle_and_down = pending_ == 0 && !writer_->down_because().empty();
    if (idle_and_down && !there_) fail(writer_->down_because());
    const std::int64_t now_ns = clock_.monotonic_ns();
    const bool asks = !there_ || idle_and_down;
    if (asks && !asked_ && (asked_ns_ == 0 || now_ns - asked_ns_ > kLookNs)) {
        asked_ = true;
        asked_ns_ = now_ns;
        writer_->look();
    }
    if (!writer_->error().empty()) fail(writer_->error());
    return done;
}

}  // namespace millrace::runtime
