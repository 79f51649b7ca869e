#include "runtime/links/nats_sink.h"

#include "runtime/links/nats_source.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

// Tickets begin with 1.
constexpr std::uint64_t kStreamAsked = 0;
// What a publish has beside payload, id and stream: names of headers, lengths.
constexpr std::size_t kNatsHeaderBytes = 128;

// Why a text can not go out; empty: it can.
std::string nats_refusal_of(std::string_view subject, const SinkText& text, std::string_view stream,
                            const NatsServer& server) {
    if (subject.empty())
        return "the event's pattern makes no subject: a subject has parts between dots, without "
               "blanks and stars";
    const std::size_t bytes = text.text.size() + text.identity.size() + stream.size() +
                              text.traceparent.size() + text.tracestate.size() + kNatsHeaderBytes;
    if (bytes <= server.message_bytes_max) return {};
    return "has " + std::to_string(bytes) + " bytes; the server takes messages of " +
           std::to_string(server.message_bytes_max) + " (max_payload)";
}

// Those that are there.
class NatsSinkHeaders {
public:
    void add(std::string_view name, std::string_view value) {
        if (!value.empty() && io::is_nats_header_value(value)) headers_[count_++] = {name, value};
    }
    void add_trace(const SinkText& text) {
        add("traceparent", text.traceparent);
        add("tracestate", text.tracestate);
    }
    std::span<const io::NatsHeader> all() const { return std::span(headers_).first(count_); }

private:
    std::array<io::NatsHeader, 4> headers_{};
    std::size_t count_ = 0;
};

}  // namespace

// ---- the subject

NatsSinkSubject::NatsSinkSubject(const std::string& subject) {
    const std::size_t place = subject.find(kLinkPatternPlace);
    filled_ = place != std::string::npos;
    before_ = subject.substr(0, place);
    if (filled_) after_ = subject.substr(place + kLinkPatternPlace.size());
}

std::string_view NatsSinkSubject::of(std::string_view pattern) {
    if (!filled_) return before_;
    subject_.assign(before_).append(pattern).append(after_);
    if (!io::is_nats_subject(subject_, io::NatsWildcards::kRefused)) return {};
    return subject_;
}

// ---- into a stream

NatsStreamSink::NatsStreamSink(const PeerDeps& deps, const LinkConfig& config)
    : config_(config),
      connection_(*deps.clock, *deps.rules, nats_place_of(config)),
      subject_(config.subject) {}

void NatsStreamSink::send(SinkText&& text) {
    ++pending_;
    const std::string_view subject = subject_.of(text.pattern);
    if (std::string why = nats_refusal_of(subject, text, config_.stream, connection_.server());
        !why.empty()) {
        refused_.push_back(never_goes(std::move(text), std::move(why)));
        return;
    }
    // Without an id that can stand there it may arrive twice, as everything that is sent again.
    NatsSinkHeaders headers;
    headers.add("Nats-Expected-Stream", config_.stream);
    headers.add("Nats-Msg-Id", text.identity);
    headers.add_trace(text);
    connection_.request(text.ticket, {subject, text.text, headers.all(), {}});
}

std::string NatsStreamSink::refused(const NatsMessage& message) {
    if (message.nobody_there()) return "no stream takes the subject, or JetStream is not there";
    NatsPubAck ack;
    switch (answers_of_.published(message.payload, ack)) {
        case NatsAnswers::Kind::kGood: return {};
        case NatsAnswers::Kind::kRefused:
            return "the server refuses: " + answers_of_.refusal().words;
        case NatsAnswers::Kind::kUnreadable: break;
    }
    return "the server's answer to a message does not read";
}

void NatsStreamSink::take(const NatsMessage& message, std::vector<SinkAnswer>& answers) {
    if (message.tag != kStreamAsked) {
        --pending_;
        answers.push_back({message.tag, refused(message)});
        return;
    }
    if (message.nobody_there())
        return fail("the server has no JetStream, or it is not ready to answer");
    NatsStreamInfo info;
    const auto kind = answers_of_.stream(message.payload, info);
    if (kind == NatsAnswers::Kind::kRefused)
        return fail("the server refuses: " + answers_of_.refusal().words);
    if (kind != NatsAnswers::Kind::kGood)
        return fail("the server's answer to STREAM.INFO does not read");
    if (!info.there) return fail("there is no stream called " + config_.stream);
    there_ = true;
}

std::size_t NatsStreamSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    connection_.turn();
    std::size_t done = refused_.size();
    pending_ -= refused_.size();
    for (SinkAnswer& one : refused_) answers.push_back(std::move(one));
    refused_.clear();
    if (connection_.open() && !std::exchange(asked_, connection_.open()))
        connection_.request(kStreamAsked, {"$JS.API.STREAM.INFO." + config_.stream, {}, {}, {}});
    NatsMessage message;
    while (!trouble() && connection_.next(message)) {
        if (message.sid == 0) take(message, answers);
        ++done;
    }
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

// ---- to a subject

NatsSubjectSink::NatsSubjectSink(const PeerDeps& deps, const LinkConfig& config)
    : connection_(*deps.clock, *deps.rules, nats_place_of(config)), subject_(config.subject) {}

void NatsSubjectSink::send(SinkText&& text) {
    const std::string_view subject = subject_.of(text.pattern);
    if (std::string why = nats_refusal_of(subject, text, {}, connection_.server()); !why.empty()) {
        refused_.push_back(never_goes(std::move(text), std::move(why)));
        return;
    }
    NatsSinkHeaders headers;
    if (connection_.server().headers) headers.add_trace(text);
    connection_.publish({subject, text.text, headers.all(), {}});
    sent_.push_back({text.ticket, 0});
    ++unflushed_;
}

std::size_t NatsSubjectSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    const bool was_open = connection_.open();
    if (unflushed_ > 0) {
        const std::uint64_t flush = connection_.flush();
        for (; unflushed_ > 0; --unflushed_) sent_[sent_.size() - unflushed_].flush = flush;
    }
    connection_.turn();
    std::size_t done = refused_.size() + (connection_.open() != was_open ? 1 : 0);
    for (SinkAnswer& one : refused_) answers.push_back(std::move(one));
    refused_.clear();
    NatsMessage message;
    while (connection_.next(message)) ++done;
    if (!connection_.error().empty()) {
        fail(connection_.error());
        return done;
    }
    while (!sent_.empty() && sent_.front().flush <= connection_.flushed()) {
        answers.push_back({sent_.front().ticket, {}});
        sent_.pop_front();
        ++done;
    }
    connection_.push();
    return done;
}

}  // namespace millrace::runtime
