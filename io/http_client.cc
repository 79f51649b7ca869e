#include "io/http_client.h"

#include "core/assert.h"
#include "io/byte_stream.h"
#include "io/http_chunked.h"
#include "io/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::io {
namespace {

constexpr std::int64_t kClientNsPerMs = 1'000'000;
constexpr std::size_t kUpgradedOutBytesMax = 1u << 20;

struct SocketPlace {
    sockaddr_storage text{};
    socklen_t bytes = 0;
};

SocketPlace socket_place_of(const Address& address) {
    SocketPlace out;
    switch (address.family) {
        case Address::Family::kIpv4: {
            auto* in = reinterpret_cast<sockaddr_in*>(&out.text);
            in->sin_family = AF_INET;
            in->sin_port = htons(address.port);
            std::memcpy(&in->sin_addr, address.ip.data(), 4);
            out.bytes = sizeof *in;
            break;
        }
        case Address::Family::kIpv6: {
            auto* in = reinterpret_cast<sockaddr_in6*>(&out.text);
            in->sin6_family = AF_INET6;
            in->sin6_port = htons(address.port);
            std::memcpy(&in->sin6_addr, address.ip.data(), 16);
            out.bytes = sizeof *in;
            break;
        }
        case Address::Family::kUnix: {
            auto* in = reinterpret_cast<sockaddr_un*>(&out.text);
            in->sun_family = AF_UNIX;
            std::memcpy(in->sun_path, address.path.data(),
                        std::min(address.path.size(), sizeof in->sun_path - 1));
            out.bytes = sizeof *in;
            break;
        }
    }
    return out;
}

// -errno, or a socket that is connected or about to be.
int connect_client_socket(const Address& address, bool kernel_waits) {
    const SocketPlace place = socket_place_of(address);
    const int fd = ::socket(place.text.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&place.text), place.bytes) != 0 &&
        errno != EINPROGRESS) {
        const int error = errno;
        ::close(fd);
        return -error;
    }
    const int yes = 1;
    if (address.family != Address::Family::kUnix)
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    // The ring waits by itself for a socket that says it would block by waiting.
    if (kernel_waits) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

}  // namespace

// One connection to an address: kept between exchanges.
class ClientConnection final : public StreamHandler {
public:
    explicit ClientConnection(HttpClientImpl& client);

    bool open(int socket, std::string address);
    void begin(HttpExchange& exchange, std::string_view head, core::BufferRef body);
    void let_go();
    void pause(bool paused);
    bool write(std::string_view bytes);
    const std::string& address() const { return address_; }
    bool idle() const { return !exchange_ && !closing_; }

    void on_bytes(char* data, std::size_t bytes) override;
    void on_filled(std::size_t /*bytes*/) override {}
    void on_receive_end(int error) override;
    void on_receive_idle() override { arm(); }
    void on_sent(std::size_t bytes) override;
    void on_send_failed(int error) override { fail(errno_name(error)); }
    void on_deadline() override;
    void on_flush() override {
        if (!closing_) stream_.flush();
    }
    void on_closed() override;

private:
    enum class In : std::uint8_t { kHead, kLength, kChunks, kToClose, kUpgraded };

    void take(std::string_view input);
    bool take_head(std::string_view& input);
    void begin_body();
    void take_chunks(std::string_view& input);
    void end_answer();
    void arm() {
        if (!closing_ && !paused_ && !stream_.receiving()) stream_.receive(ReceiveMode::kMany);
    }
    void fail(std::string_view why);
    void close();

    HttpClientImpl& client_;
    ByteStream stream_;
    std::string address_;
    HttpExchange* exchange_ = nullptr;
    std::uint64_t generation_ = 0;  // of exchanges: a callback may begin another
    bool connected_ = false;        // something was sent
    bool sent_ = false;             // something of this exchange
    bool paused_ = false;
    bool closing_ = true;
    In in_ = In::kHead;
    std::string head_;
    AnswerHead answer_;
    std::uint64_t left_ = 0;
    ChunkedDecoder chunks_;
};

class HttpClientImpl {
public:
    HttpClientImpl(Reactor& on, const HttpClientLimits& bounds)
        : reactor(on.impl()), limits(bounds), kernel_waits(on.backend_name() == "io_uring") {}

    // Their memory is in the kernel's hands until they are closed.
    ~HttpClientImpl() {
        for (const auto& one : all_) one->let_go();
        for (int i = 0; i < 1'000 && open > 0; ++i) reactor.poll(1'000);
    }
    HttpClientImpl(const HttpClientImpl&) = delete;
    HttpClientImpl& operator=(const HttpClientImpl&) = delete;

    bool start(HttpExchange& exchange, const Address& to, std::string_view head,
               core::BufferRef body) {
        const std::string name = to.to_string();
        auto& idle = idle_[name];
        while (!idle.empty()) {
            ClientConnection* kept = idle.back();
            idle.pop_back();
            if (!kept->idle()) continue;
            kept->begin(exchange, head, std::move(body));
            return true;
        }
        if (open >= limits.connections_max) return false;
        const int socket = connect_client_socket(to, kernel_waits);
        if (socket < 0) return false;
        if (free_.empty()) {
            all_.push_back(std::make_unique<ClientConnection>(*this));
            free_.push_back(all_.back().get());
        }
        ClientConnection* fresh = free_.back();
        if (!fresh->open(socket, name)) {
            ::close(socket);
            return false;
        }
        free_.pop_back();
        ++open;
        fresh->begin(exchange, head, std::move(body));
        return true;
    }

    void cancel(HttpExchange& exchange) {
        if (ClientConnection* connection = std::exchange(exchange.connection_, nullptr))
            connection->let_go();
    }
    static ClientConnection* of(HttpExchange& exchange) { return exchange.connection_; }

    // False: there are enough of them.
    bool keep(ClientConnection& connection) {
        auto& idle = idle_[connection.address()];
        if (idle.size() >= limits.idle_connections_max) return false;
        idle.push_back(&connection);
        return true;
    }
    void drop(ClientConnection& connection) {
        auto& idle = idle_[connection.address()];
        idle.erase(std::remove(idle.begin(), idle.end(), &connection), idle.end());
    }
    void closed(ClientConnection& connection) {
        --open;
        free_.push_back(&connection);
    }
    void forget(const Address& address) {
        const std::vector<ClientConnection*> idle = idle_[address.to_string()];
        for (ClientConnection* one : idle) one->let_go();
    }

    ReactorImpl& reactor;
    const HttpClientLimits limits;
    const bool kernel_waits;
    std::size_t out_bytes = 0;
    std::size_t open = 0;

private:
    std::vector<std::unique_ptr<ClientConnection>> all_;
    std::vector<ClientConnection*> free_;
    std::unordered_map<std::string, std::vector<ClientConnection*>> idle_;
};

ClientConnection::ClientConnection(HttpClientImpl& client)
    : client_(client), stream_(client.reactor, *this, client.out_bytes) {}

bool ClientConnection::open(int socket, std::string address) {
    if (!stream_.open(socket, nullptr)) return false;
    address_ = std::move(address);
    connected_ = paused_ = closing_ = false;
    exchange_ = nullptr;
    head_.clear();
    arm();
    return true;
}

void ClientConnection::begin(HttpExchange& exchange, std::string_view head, core::BufferRef body) {
    MR_ASSERT(!exchange_ && !exchange.connection_);
    exchange_ = &exchange;
    exchange.connection_ = this;
    ++generation_;
    in_ = In::kHead;
    sent_ = false;
    stream_.out().append(head);
    stream_.out().append(std::move(body));
    stream_.set_deadline(connected_ ? kNoDeadline
                                    : client_.reactor.now_ns() +
                                          client_.limits.connect_ms_max * kClientNsPerMs);
    stream_.mark_dirty();
}

// Whoever waited for it does not any more, or nobody did: half an answer is of no use to others.
void ClientConnection::let_go() {
    exchange_ = nullptr;
    close();
}

void ClientConnection::pause(bool paused) {
    if (closing_ || paused_ == paused) return;
    paused_ = paused;
    if (paused)
        stream_.stop_receive();
    else
        arm();
}

bool ClientConnection::write(std::string_view bytes) {
    if (closing_ || in_ != In::kUpgraded ||
        stream_.out().bytes() + bytes.size() > kUpgradedOutBytesMax)
        return false;
    stream_.out().append(bytes);
    stream_.mark_dirty();
    return true;
}

void ClientConnection::on_bytes(char* data, std::size_t bytes) { take({data, bytes}); }

void ClientConnection::take(std::string_view input) {
    while (!input.empty() && !closing_) {
        // Nobody has asked.
        if (!exchange_) return close();
        switch (in_) {
            case In::kHead:
                if (!take_head(input)) return;
                break;
            case In::kLength: {
                const std::string_view part = input.substr(
                    0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
                input.remove_prefix(part.size());
                left_ -= part.size();
                const std::uint64_t was = generation_;
                exchange_->answer_bytes(part);
                if (exchange_ && was == generation_ && left_ == 0) end_answer();
                break;
            }
            case In::kChunks: take_chunks(input); break;
            case In::kToClose:
            case In::kUpgraded: exchange_->answer_bytes(input); return;
        }
    }
}

// False: more of it is needed, or it is over.
bool ClientConnection::take_head(std::string_view& input) {
    constexpr std::string_view kEnd = "\r\n\r\n";
    const std::size_t before = head_.size();
    head_.append(input.substr(0, client_.limits.head_bytes_max + 1));
    const std::size_t end = head_.find(kEnd, before < 3 ? 0 : before - 3);
    if (end == std::string::npos) {
        if (head_.size() > client_.limits.head_bytes_max) fail("the answer's head has no end");
        return false;
    }
    input.remove_prefix(end + kEnd.size() - before);
    head_.resize(end + kEnd.size());
    if (!parse_answer_head(head_, answer_)) {
        fail("the answer is no HTTP");
        return false;
    }
    // Provisional ones mean nothing to us.
    if (answer_.status >= 100 && answer_.status < 200 && answer_.status != 101) {
        head_.clear();
        return true;
    }
    begin_body();
    return exchange_ != nullptr;
}

void ClientConnection::begin_body() {
    if (answer_.status == 101)
        in_ = In::kUpgraded;
    else if (!answer_.has_body() || (answer_.has_length && answer_.content_length == 0))
        in_ = In::kLength;
    else if (answer_.chunked)
        in_ = In::kChunks;
    else if (answer_.has_length)
        in_ = In::kLength;
    else
        in_ = In::kToClose;
    left_ = in_ == In::kLength && answer_.has_body() ? answer_.content_length : 0;
    constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();
    if (in_ == In::kChunks) chunks_.reset(kAny, kAny);
    const std::uint64_t was = generation_;
    const bool empty = in_ == In::kLength && left_ == 0;
    exchange_->answer_head(answer_);
    if (!exchange_ || was != generation_) return;
    if (empty) end_answer();
}

void ClientConnection::take_chunks(std::string_view& input) {
    std::string_view data;
    const std::uint64_t was = generation_;
    while (exchange_ && was == generation_ && !closing_) {
        switch (chunks_.take(input, data)) {
            case ChunkedDecoder::Outcome::kNeedMore: return;
            case ChunkedDecoder::Outcome::kData: exchange_->answer_bytes(data); break;
            case ChunkedDecoder::Outcome::kDone: return end_answer();
            case ChunkedDecoder::Outcome::kMalformed:
            case ChunkedDecoder::Outcome::kTooLarge: return fail("the answer's chunks are broken");
        }
    }
}

void ClientConnection::end_answer() {
    HttpExchange* ended = std::exchange(exchange_, nullptr);
    ended->connection_ = nullptr;
    const bool reusable = answer_.keep_alive && stream_.out().empty() && !paused_;
    head_.clear();
    // First: what follows may ask for a connection.
    if (reusable && client_.keep(*this)) {
        stream_.set_deadline(client_.reactor.now_ns() +
                             client_.limits.idle_ms_max * kClientNsPerMs);
    } else {
        close();
    }
    ended->answer_end();
}

void ClientConnection::on_receive_end(int error) {
    if (closing_) return;
    if (exchange_ && in_ == In::kToClose && error == 0) {
        answer_.keep_alive = false;
        return end_answer();
    }
    if (exchange_ && in_ == In::kUpgraded && error == 0) {
        answer_.keep_alive = false;
        return end_answer();
    }
    fail(error == 0 ? "it was closed" : errno_name(error));
}

void ClientConnection::on_sent(std::size_t bytes) {
    stream_.sent(bytes);
    if (!connected_) stream_.set_deadline(kNoDeadline);
    connected_ = sent_ = true;
    if (!closing_) stream_.flush();
}

void ClientConnection::on_deadline() {
    if (!exchange_) return close();
    if (!connected_) fail("no connection in time");
}

void ClientConnection::fail(std::string_view why) {
    HttpExchange* gone = std::exchange(exchange_, nullptr);
    const bool taken = sent_ || !head_.empty();
    close();
    if (!gone) return;
    gone->connection_ = nullptr;
    gone->failed(taken ? HttpExchange::Failure::kUnknown : HttpExchange::Failure::kNotSent, why);
}

void ClientConnection::close() {
    if (closing_) return;
    closing_ = true;
    client_.drop(*this);
    stream_.close(StreamEnd::kAtOnce);
}

void ClientConnection::on_closed() {
    stream_.clear();
    client_.closed(*this);
}

HttpClient::HttpClient(Reactor& reactor, const HttpClientLimits& limits)
    : impl_(std::make_unique<HttpClientImpl>(reactor, limits)) {}
HttpClient::~HttpClient() = default;

bool HttpClient::start(HttpExchange& exchange, const Address& to, std::string_view head,
                       core::BufferRef body) {
    return impl_->start(exchange, to, head, std::move(body));
}
void HttpClient::cancel(HttpExchange& exchange) { impl_->cancel(exchange); }
void HttpClient::pause(HttpExchange& exchange) {
    if (ClientConnection* connection = HttpClientImpl::of(exchange)) connection->pause(true);
}
void HttpClient::resume(HttpExchange& exchange) {
    if (ClientConnection* connection = HttpClientImpl::of(exchange)) connection->pause(false);
}
bool HttpClient::write(HttpExchange& exchange, std::string_view bytes) {
    ClientConnection* connection = HttpClientImpl::of(exchange);
    return connection && connection->write(bytes);
}
void HttpClient::forget(const Address& address) { impl_->forget(address); }
std::size_t HttpClient::connections() const { return impl_->open; }

}  // namespace millrace::io
