#include "runtime/node/passage_answer.h"

#include "io/error_body.h"

#include <utility>

namespace millrace::runtime::node {

void PassageAnswer::respond(io::RequestToken token, const io::ResponseHead& head,
                            std::string_view body) {
    if (own_) return own_->whole(head.status, body);
    server_.respond(token, head, body);
}

void PassageAnswer::respond(io::RequestToken token, const io::ResponseHead& head,
                            io::BodyWriter&& body) {
    if (!own_) {
        server_.respond(token, head, std::move(body));
        return;
    }
    const core::BufferRef text = body.take();
    own_->whole(head.status, text ? text.view() : std::string_view());
}

void PassageAnswer::respond_error(io::RequestToken token, const core::Error& error) {
    if (own_) return own_->whole(core::error_code_status(error.code), io::error_body(error));
    server_.respond_error(token, error);
}

std::optional<io::StreamToken> PassageAnswer::start_stream(io::RequestToken token,
                                                           const io::ResponseHead& head) {
    if (!own_) return server_.start_stream(token, head);
    if (!own_->begins()) return {};
    return io::StreamToken{token};
}

// Nothing that the front asks for itself is one.
std::optional<io::StreamToken> PassageAnswer::start_upgrade(io::RequestToken token,
                                                            const io::ResponseHead& head,
                                                            std::string last_words) {
    if (own_) return {};
    return server_.start_upgrade(token, head, std::move(last_words));
}

io::WriteOutcome PassageAnswer::stream_write(io::StreamToken stream, std::string_view bytes) {
    return own_ ? own_->bytes(bytes) : server_.stream_write(stream, bytes);
}

void PassageAnswer::end_stream(io::StreamToken stream) {
    if (own_) return own_->ended();
    server_.end_stream(stream);
}

}  // namespace millrace::runtime::node
