#include "runtime/links/amqp_link.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "core/utf8.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kRoutingKeyBytesMax = 255;  // as AMQP has it

// What can stand in an event's id.
bool names_an_event(std::string_view id) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
    return !id.empty() && id.size() <= AmqpSource::kMessageIdBytesMax && core::is_utf8(id) &&
           std::none_of(id.begin(), id.end(), is_control);
}

}  // namespace

// ---- the source

AmqpSource::AmqpSource(const PeerDeps& deps, const LinkConfig& config,
                       std::unique_ptr<AmqpReader> reader)
    : clock_(*deps.clock),
      config_(config),
      reader_(std::move(reader)),
      since_us_(deps.clock->wall_us()) {}

bool AmqpSource::waits_for(pollfd& fd) const {
    fd = {reader_->fd(), POLLIN, 0};
    return fd.fd >= 0;
}

// Those that are read and not durable are not the queue's any more, and not ours yet.
std::optional<std::uint64_t> AmqpSource::lag() const {
    const auto ready = reader_->ready_messages();
    if (!ready) return std::nullopt;
    return *ready + (last_tag_ - kept_tag_);
}

std::size_t AmqpSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    reader_->turn();
    std::size_t done = reader_->open() && !std::exchange(listens_, reader_->open()) ? 1 : 0;
    AmqpMessage message;
    while (!batch.full() && reader_->next(message)) {
        take(message, batch);
        ++done;
    }
    if (batch.size() > 0) {
        batch.position = position_json();
        batch.acknowledges = last_tag_;
    }
    if (!reader_->error().empty()) fail(reader_->error());
    return done;
}

// Without an id of its own a message that comes again is another event.
void AmqpSource::take(const AmqpMessage& message, SourceBatch& batch) {
    last_tag_ = message.tag;
    ++count_;
    const bool known = !config_.ignore_ids && names_an_event(message.id);
    if (known)
        id_.assign("id-").append(message.id);
    else
        id_.assign(std::to_string(since_us_)).append("-").append(std::to_string(count_));
    batch.add({.id = id_,
               .text = message.text,
               .subject = message.routing_key,
               .whole_bytes = message.whole_bytes,
               .at_us = message.at_us != 0 ? message.at_us : clock_.wall_us(),
               .trace = message.trace,
               .again = message.redelivered && !known});
}

void AmqpSource::kept(std::uint64_t acknowledged) {
    if (acknowledged <= kept_tag_) return;
    kept_tag_ = acknowledged;
    reader_->acknowledge(acknowledged);
}

std::string AmqpSource::position_json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("since", core::format_timestamp(since_us_));
    json.field("count", count_).end_object();
    return out;
}

// ---- the sink

AmqpSink::AmqpSink(const PeerDeps&, const LinkConfig& config, std::unique_ptr<AmqpWriter> writer)
    : writer_(std::move(writer)) {
    const std::size_t place = config.subject.find(kLinkPatternPlace);
    filled_ = place != std::string::npos;
    before_ = config.subject.substr(0, place);
    if (filled_) after_ = config.subject.substr(place + kLinkPatternPlace.size());
}

bool AmqpSink::waits_for(pollfd& fd) const {
    fd = {writer_->fd(), POLLIN, 0};
    return fd.fd >= 0;
}

std::string AmqpSink::routing_key_of(std::string_view pattern) const {
    std::string out = before_;
    if (filled_) out.append(pattern).append(after_);
    return out;
}

void AmqpSink::send(SinkText&& text) {
    std::string key = routing_key_of(text.pattern);
    if (key.size() > kRoutingKeyBytesMax) {
        refused_.push_back(never_goes(
            std::move(text),
            "the routing key has " + std::to_string(key.size()) + " bytes; AMQP has 255 at most"));
        return;
    }
    bytes_[text.ticket] = text.text.size();
    pending_bytes_ += text.text.size();
    writer_->send(std::move(text), std::move(key));
}

std::size_t AmqpSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    writer_->turn();
    std::size_t done = refused_.size();
    done += writer_->open() && !std::exchange(was_open_, writer_->open()) ? 1 : 0;
    for (SinkAnswer& one : std::exchange(refused_, {})) answers.push_back(std::move(one));
    SinkAnswer answer;
    while (writer_->next(answer)) {
        ++done;
        const auto at = bytes_.find(answer.ticket);
        if (at == bytes_.end()) continue;
        pending_bytes_ -= at->second;
        bytes_.erase(at);
        answers.push_back(std::move(answer));
    }
    if (!writer_->error().empty()) fail(writer_->error());
    return done;
}

}  // namespace millrace::runtime
