#include "runtime/node/passage.h"

#include "runtime/identity/trusted_front.h"

#include <algorithm>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kPendingPauseBytes = 64u << 10;

std::vector<io::HeaderField> fields_of(const HeaderList& list) {
    std::vector<io::HeaderField> fields;
    for (const auto& [name, value] : list) fields.push_back({name, value});
    return fields;
}

}  // namespace

void Passage::answer_head(const io::AnswerHead& head) {
    const std::string_view word = head.header(identity::kFrontAnswerHeader);
    if (word == "not-here" || word == "unknown-tenant" || word == kMaybeTaken) {
        taken_ = word == "not-here"    ? Taken::kNotHere
                 : word == kMaybeTaken ? Taken::kMaybe
                                       : Taken::kUnknownTenant;
        if (!is_private) return;
    }
    status_ = head.status;
    content_type_ = head.content_type;
    answer_headers_.clear();
    for (const io::HeaderField& field : head.headers()) {
        // What one front tells another goes through.
        if (is_for_client(field.name) || (is_private && field.name.starts_with("Millrace-")))
            answer_headers_.emplace_back(field.name, field.value);
    }
    if (is_private) taken_ = Taken::kWhole;
    if (head.status == 101 || head.chunked || (head.has_body() && !head.has_length)) {
        begin_stream(head);
        return;
    }
    answer_.emplace(server_.body_writer());
}

void Passage::begin_stream(const io::AnswerHead& head) {
    taken_ = Taken::kStream;
    const std::vector<io::HeaderField> fields = fields_of(answer_headers_);
    if (head.status == 101) {
        std::vector<io::HeaderField> with = fields;
        with.push_back({"Connection", "Upgrade"});
        with.push_back({"Upgrade", "websocket"});
        stream_ = server_.start_upgrade(token, {.status = 101, .content_type = {}, .headers = with},
                                        std::string());
    } else {
        stream_ = server_.start_stream(
            token, {.status = status_, .content_type = content_type_, .headers = fields});
    }
    if (stream_) return host_.stream_began(*this);
    // The client is gone, or wanted the head alone.
    host_.client().cancel(*this);
    host_.passed(*this);
}

void Passage::answer_bytes(std::string_view bytes) {
    switch (taken_) {
        case Taken::kNotHere:
        case Taken::kMaybe:
        case Taken::kUnknownTenant: return;
        case Taken::kWhole: answer_->append(bytes); return;
        case Taken::kStream: break;
    }
    tell(bytes);
}

void Passage::begin_merged() {
    taken_ = Taken::kStream;
    const std::vector<io::HeaderField> fields = {{"Cache-Control", "no-cache"},
                                                 {"X-Accel-Buffering", "no"}};
    stream_ = server_.start_stream(
        token, {.status = 200, .content_type = "text/event-stream", .headers = fields});
    if (stream_) return host_.stream_began(*this);
    if (merge) merge->cancel();
    host_.passed(*this);
}

void Passage::end_merged() {
    over_ = true;
    if (pending_.empty()) drained();
}

void Passage::pause_source() {
    if (merge)
        merge->pause();
    else if (under_way())
        host_.client().pause(*this);
}

void Passage::tell(std::string_view bytes) {
    if (!pending_.empty()) {
        pending_.append(bytes);
        return;
    }
    switch (server_.stream_write(*stream_, bytes)) {
        case io::WriteOutcome::kOk: return;
        case io::WriteOutcome::kFull:
            pending_.assign(bytes);
            pause_source();
            return;
        case io::WriteOutcome::kClosed:
            closed();
            host_.passed(*this);
            return;
    }
}

void Passage::drained() {
    while (!pending_.empty()) {
        // What has gathered may be larger than a client's share at once.
        const std::string_view part = std::string_view(pending_).substr(0, kPendingPauseBytes);
        const auto outcome = server_.stream_write(*stream_, part);
        if (outcome == io::WriteOutcome::kFull) return;
        if (outcome == io::WriteOutcome::kClosed) return;
        pending_.erase(0, part.size());
    }
    if (over_) {
        server_.end_stream(*stream_);
        return host_.passed(*this);
    }
    if (merge)
        merge->resume();
    else if (under_way())
        host_.client().resume(*this);
}

void Passage::answer_end() {
    switch (taken_) {
        case Taken::kNotHere: return host_.not_here(*this);
        case Taken::kUnknownTenant: return host_.make_tenant(*this);
        case Taken::kMaybe: return host_.cut(*this, Failure::kUnknown);
        case Taken::kWhole:
            if (host_.holds(*this)) return;
            respond();
            return host_.passed(*this);
        case Taken::kStream: break;
    }
    over_ = true;
    if (pending_.empty()) drained();
}

void Passage::failed(Failure how, std::string_view /*why*/) {
    if (taken_ != Taken::kStream) return host_.cut(*this, how);
    over_ = true;
    if (pending_.empty()) drained();
}

void Passage::respond() {
    const std::vector<io::HeaderField> fields = fields_of(answer_headers_);
    server_.respond(token, {.status = status_, .content_type = content_type_, .headers = fields},
                    std::move(*answer_));
    answer_.reset();
}

void Passage::forget_answer() {
    taken_ = Taken::kWhole;
    status_ = 0;
    answer_.reset();
    answer_headers_.clear();
}

void Judging::answer_head(const io::AnswerHead& head) {
    status = head.status;
    principal = head.header(identity::kFrontPrincipalHeader);
    not_here = head.header(identity::kFrontAnswerHeader) == "not-here";
    body.clear();
}

}  // namespace millrace::runtime::node
