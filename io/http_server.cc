#include "io/http_server.h"

#include "io/error_body.h"
#include "io/error_headers.h"
#include "io/http_server_impl.h"

#include <charconv>
#include <ctime>
#include <utility>

#include <unistd.h>

namespace millrace::io {

namespace {

struct Reason {
    int status;
    std::string_view text;
};
constexpr Reason kReasons[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

std::string_view reason_of(int status) {
    for (const Reason& reason : kReasons) {
        if (reason.status == status) return reason.text;
    }
    return "Status";
}

// What a caller puts into a header must not end the header.
void append_clean(std::string& out, std::string_view text) {
    for (const char c : text) out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
}

void append_number(std::string& out, std::size_t value) {
    char digits[24];
    out.append(digits, static_cast<std::size_t>(
                           std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
}

}  // namespace

// ---- HttpServer

HttpServer::HttpServer(Reactor& reactor, HttpHandler& handler, const HttpLimits& limits)
    : impl_(std::make_unique<HttpServerImpl>(reactor, handler, limits)) {}
HttpServer::~HttpServer() = default;

core::Result<Address> HttpServer::listen(const Address& address, ListenRole role,
                                         TransformMaker make) {
    return impl_->listen(address, role, std::move(make));
}

bool HttpServer::respond(RequestToken token, const ResponseHead& head, std::string_view body) {
    return respond(token, head, std::span(&body, 1));
}

bool HttpServer::respond(RequestToken token, const ResponseHead& head,
                         std::span<const std::string_view> pieces) {
    HttpConnection* connection = impl_->find(token);
    return connection && connection->respond(token.sequence, head, pieces);
}

bool HttpServer::respond(RequestToken token, const ResponseHead& head, BodyWriter&& body) {
    HttpConnection* connection = impl_->find(token);
    return connection && connection->respond(token.sequence, head, body.take());
}

bool HttpServer::respond(RequestToken token, const ResponseHead& head, core::BufferRef body) {
    HttpConnection* connection = impl_->find(token);
    return connection && connection->respond(token.sequence, head, std::move(body));
}

bool HttpServer::respond_error(RequestToken token, const core::Error& error) {
    BodyWriter body = body_writer();
    append_error_body(body, error);
    const ErrorHeaders headers(error);
    ResponseHead head;
    head.status = core::error_code_status(error.code);
    head.headers = headers.fields();
    return respond(token, head, std::move(body));
}

BodyWriter HttpServer::body_writer() { return BodyWriter(impl_->pools); }

std::optional<StreamToken> HttpServer::start_stream(RequestToken token, const ResponseHead& head) {
    HttpConnection* connection = impl_->find(token);
    if (!connection || !connection->start_stream(token.sequence, head)) return std::nullopt;
    return StreamToken{token};
}

std::optional<StreamToken> HttpServer::start_upgrade(RequestToken token, const ResponseHead& head,
                                                     std::string last_words) {
    HttpConnection* connection = impl_->find(token);
    if (!connection || !connection->start_upgrade(token.sequence, head, std::move(last_words)))
        return std::nullopt;
    return StreamToken{token};
}

WriteOutcome HttpServer::stream_write(StreamToken stream, std::string_view bytes) {
    HttpConnection* connection = impl_->find(stream.request);
    return connection ? connection->stream_write(stream.request.sequence, bytes)
                      : WriteOutcome::kClosed;
}

void HttpServer::end_stream(StreamToken stream) {
    if (HttpConnection* connection = impl_->find(stream.request))
        connection->end_stream(stream.request.sequence);
}

bool HttpServer::keep_for_stream(StreamToken stream, std::size_t bytes) {
    HttpConnection* connection = impl_->find(stream.request);
    return connection && connection->keep_for_user(bytes);
}

bool HttpServer::alive(RequestToken token) const {
    const HttpConnection* connection = impl_->find(token);
    return connection && connection->waiting(token.sequence);
}

void HttpServer::pause_ingest() { impl_->set_paused(true); }
void HttpServer::resume_ingest() { impl_->set_paused(false); }
bool HttpServer::ingest_paused() const { return impl_->paused; }
std::size_t HttpServer::receiving_bytes() const { return impl_->receiving_bytes(); }
void HttpServer::drain() { impl_->drain(); }
void HttpServer::stop_listening() { impl_->close_listeners(); }
void HttpServer::close_all() { impl_->close_all(); }
std::size_t HttpServer::connections() const { return impl_->open_connections(); }
std::size_t HttpServer::undrained() const {
    return impl_->open_connections() - impl_->late_connections;
}
const HttpCounters& HttpServer::counters() const { return impl_->counters; }

// ---- HttpServerImpl

HttpServerImpl::HttpServerImpl(Reactor& outer, HttpHandler& its_handler,
                               const HttpLimits& its_limits)
    : reactor(outer.impl()),
      handler(its_handler),
      limits(its_limits),
      pools(reactor.pools),
      room_(its_limits.connections_max, its_limits.spare_connections_max) {}

HttpServerImpl::~HttpServerImpl() {
    close_listeners();
    close_all();
    // The kernel may still hold our memory: wait for what is under way, as short as cancelling is.
    for (int i = 0; i < 1000 && open_connections() > 0; ++i) reactor.poll(1000);
}

core::Result<Address> HttpServerImpl::listen(const Address& address, ListenRole role,
                                             TransformMaker make) {
    if (!make) return reactor.listen(address, role, *this);
    listeners_.emplace_back(std::move(make), [this](int socket, const Peer& peer, auto transform) {
        accept(socket, peer, std::move(transform));
    });
    return reactor.listen(address, role, listeners_.back());
}

void HttpServerImpl::close_listeners() {
    reactor.close_listeners(*this);
    for (TransformListener& listener : listeners_) reactor.close_listeners(listener);
}

void HttpServerImpl::accept(int socket, const Peer& peer,
                            std::unique_ptr<StreamTransform> transform) {
    using Place = ConnectionRoom::Place;
    const Place place =
        closed || refuse_peer(peer) ? Place::kNone : room_.find(connections_, reactor.now_ns());
    if (place == Place::kNone) {
        ++counters.refused;
        reactor.backend().close(socket);
        return;
    }
    HttpConnection& connection = take_connection();
    if (!connection.start(socket, peer, place == Place::kSpare, std::move(transform))) {
        ++counters.refused;
        reactor.backend().close(socket);
        free_.push_back(connection.index());
        return;
    }
    room_.enter(place);
    if (draining) ++late_connections;
    ++counters.accepted;
    if (limits.connections_per_peer_max < limits.connections_max) ++per_peer_[peer.ip];
}

bool HttpServerImpl::refuse_peer(const Peer& peer) const {
    if (peer.family == Address::Family::kUnix) return false;
    const auto found = per_peer_.find(peer.ip);
    return found != per_peer_.end() && found->second >= limits.connections_per_peer_max;
}

HttpConnection& HttpServerImpl::take_connection() {
    if (free_.empty()) {
        const auto index = static_cast<std::uint32_t>(connections_.size());
        connections_.push_back(std::make_unique<HttpConnection>(*this, index));
        return *connections_.back();
    }
    HttpConnection& connection = *connections_[free_.back()];
    free_.pop_back();
    return connection;
}

void HttpServerImpl::give_back(HttpConnection& connection) {
    room_.leave(connection);
    if (connection.late()) --late_connections;
    free_.push_back(connection.index());
    const auto found = per_peer_.find(connection.peer().ip);
    if (found != per_peer_.end() && --found->second == 0) per_peer_.erase(found);
}

HttpConnection* HttpServerImpl::find(RequestToken token) const {
    if (token.connection >= connections_.size()) return nullptr;
    HttpConnection* connection = connections_[token.connection].get();
    return connection->generation() == token.generation ? connection : nullptr;
}

void HttpServerImpl::drain() {
    draining = true;
    for (const auto& connection : connections_) {
        if (!connection->in_use()) continue;
        connection->end_streams();
        connection->touch();
    }
}

void HttpServerImpl::close_all() {
    draining = closed = true;
    for (const auto& connection : connections_) {
        if (connection->in_use()) connection->abort();
    }
}

bool HttpServerImpl::may_begin_request() {
    if (receiving_bytes_ < limits.receiving_bytes_max) return true;
    held_back_ = true;
    return false;
}

void HttpServerImpl::count_receiving(std::size_t before, std::size_t now) {
    receiving_bytes_ += now - before;
    if (!held_back_ || receiving_bytes_ > limits.receiving_bytes_max / 2) return;
    held_back_ = false;
    for (const auto& connection : connections_) {
        if (connection->in_use()) connection->touch();
    }
}

void HttpServerImpl::set_paused(bool now_paused) {
    paused = now_paused;
    for (const auto& connection : connections_) {
        if (connection->in_use()) connection->touch();
    }
}

std::string_view HttpServerImpl::format_head(const ResponseHead& head, std::size_t body_bytes,
                                             std::string_view framing, std::string_view connection,
                                             std::string_view lines) {
    head_ = "HTTP/1.1 ";
    append_number(head_, static_cast<std::size_t>(head.status));
    head_.push_back(' ');
    head_ += reason_of(head.status);
    head_ += "\r\nDate: ";
    head_ += date();
    if (body_bytes != kUnknownLength || !framing.empty()) {
        head_ += "\r\nContent-Type: ";
        append_clean(head_, head.content_type);
    }
    if (body_bytes != kUnknownLength) {
        head_ += "\r\nContent-Length: ";
        append_number(head_, body_bytes);
    }
    head_ += "\r\n";
    head_ += framing;
    head_ += connection;
    head_ += lines;
    for (const HeaderField& field : head.headers) {
        append_clean(head_, field.name);
        head_ += ": ";
        append_clean(head_, field.value);
        head_ += "\r\n";
    }
    head_ += "\r\n";
    return head_;
}

std::string_view HttpServerImpl::date() {
    const std::int64_t second = reactor.clock().wall_us() / 1'000'000;
    if (second != date_second_) {
        date_second_ = second;
        const std::time_t time = second;
        std::tm parts{};
        gmtime_r(&time, &parts);
        char text[40];
        // The names are fixed by RFC 9110, whatever the process's locale is.
        constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        const int bytes = std::snprintf(
            text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday],
            parts.tm_mday % 100, kMonths[parts.tm_mon], (parts.tm_year + 1900) % 10000,
            parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100);
        date_.assign(text, static_cast<std::size_t>(bytes));
    }
    return date_;
}

}  // namespace millrace::io
