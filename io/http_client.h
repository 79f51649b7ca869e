// What: HTTP/1.1 on a reactor from the other side: requests that go out over kept connections, one
//       at a time on each, and answers that come in as they come: in pieces, without end (streams),
//       or as an upgraded connection's bytes. Who is asked is an address, not a name: names are not
//       looked up here.
// Threads: the reactor's. Lifetime: reactor > client; an exchange lives until its last callback or
//       cancel().
// Limits: HttpClientLimits. Answers that their taker does not take are its business: pause().
// Failure: failed() says whether the request can have been taken by somebody; after the head has
//          come it means that the answer was cut.
#pragma once

#include "core/buffer.h"
#include "io/address.h"
#include "io/http_answer_head.h"
#include "io/reactor.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::io {

struct HttpClientLimits {
    std::size_t connections_max = 4096;      // of all addresses together
    std::size_t idle_connections_max = 256;  // kept of an address
    std::size_t head_bytes_max = 64u << 10;
    std::int64_t connect_ms_max = 1'000;
    std::int64_t idle_ms_max = 30'000;  // shorter than servers wait: few requests meet a close
};

class ClientConnection;
class HttpClientImpl;

// What becomes of a request. The last of each is answer_end() or failed().
class HttpExchange {
public:
    // kNotSent: nothing of it has left. kUnknown: it may have been taken.
    enum class Failure : std::uint8_t { kNotSent, kUnknown };

    HttpExchange() = default;
    HttpExchange(const HttpExchange&) = delete;
    HttpExchange& operator=(const HttpExchange&) = delete;
    virtual ~HttpExchange() = default;

    // 101: what follows in answer_bytes() is no HTTP.
    virtual void answer_head(const AnswerHead& head) = 0;
    virtual void answer_bytes(std::string_view bytes) = 0;
    virtual void answer_end() = 0;
    virtual void failed(Failure how, std::string_view why) = 0;

    bool under_way() const { return connection_ != nullptr; }

private:
    friend class ClientConnection;
    friend class HttpClientImpl;
    ClientConnection* connection_ = nullptr;
};

class HttpClient {
public:
    HttpClient(Reactor& reactor, const HttpClientLimits& limits);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    // No exchange is under way.
    ~HttpClient();

    // `head`: the whole of it, with the empty line; the body's length stands there. False: there is
    // no connection to be had now; nothing is called.
    bool start(HttpExchange& exchange, const Address& to, std::string_view head,
               core::BufferRef body);
    // Nothing of it is called any more. Its connection ends.
    void cancel(HttpExchange& exchange);
    // Its answer is not read on; what was on its way still comes.
    void pause(HttpExchange& exchange);
    void resume(HttpExchange& exchange);
    // Of one that was upgraded. False: it does not read what was written before.
    bool write(HttpExchange& exchange, std::string_view bytes);
    // Kept connections to an address end: whoever was there is gone.
    void forget(const Address& address);
    std::size_t connections() const;

private:
    std::unique_ptr<HttpClientImpl> impl_;
};

}  // namespace millrace::io
