// What: where what comes back to a passage goes: to the client of a listener, or to a part of the
//       front itself, which asks something on behalf of a client that speaks otherwise (gRPC,
//       GraphQL, a WebSocket).
// Threads: the front's. Lifetime: the passage's. Limits: none of its own.
// Failure: that of the listener: what nobody waits for any more is told to nobody.
#pragma once

#include "core/result.h"
#include "io/body_writer.h"
#include "io/http_server.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

// A part of the front that has asked. Either whole(), or begins(), bytes() and ended().
class OwnAnswer {
public:
    virtual ~OwnAnswer() = default;
    virtual void whole(int status, std::string_view body) = 0;
    // False: nobody waits for it any more.
    virtual bool begins() { return false; }
    // Takes all or nothing: kFull, and FrontCalls::drained() follows.
    virtual io::WriteOutcome bytes(std::string_view /*bytes*/) { return io::WriteOutcome::kClosed; }
    virtual void ended() {}
};

class PassageAnswer {
public:
    explicit PassageAnswer(io::HttpServer& server) : server_(server) {}
    void give_to(std::unique_ptr<OwnAnswer> own) { own_ = std::move(own); }
    bool is_own() const { return own_ != nullptr; }

    void respond(io::RequestToken token, const io::ResponseHead& head, std::string_view body);
    void respond(io::RequestToken token, const io::ResponseHead& head, io::BodyWriter&& body);
    void respond_error(io::RequestToken token, const core::Error& error);
    io::BodyWriter body_writer() { return server_.body_writer(); }
    std::optional<io::StreamToken> start_stream(io::RequestToken token,
                                                const io::ResponseHead& head);
    std::optional<io::StreamToken> start_upgrade(io::RequestToken token,
                                                 const io::ResponseHead& head,
                                                 std::string last_words);
    io::WriteOutcome stream_write(io::StreamToken stream, std::string_view bytes);
    void end_stream(io::StreamToken stream);

private:
    io::HttpServer& server_;
    std::unique_ptr<OwnAnswer> own_;
};

}  // namespace millrace::runtime::node
