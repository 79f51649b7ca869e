// What: what a client of gRPC is told by a node: that a cluster does not speak it. Each call of a
//       connection gets UNIMPLEMENTED and why, and the connection ends behind the first of them.
// Threads: the front's. Lifetime: the front's; borrows the server that the connections are of.
// Limits: one session a connection; what says nothing for kSilentNs is closed.
// Failure: what is no HTTP/2 is closed behind a GOAWAY.
#pragma once

#include "io/http2_session.h"
#include "io/http_server.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>

namespace millrace::runtime::node {

class GrpcRefusal {
public:
    static constexpr std::int64_t kSilentNs = 10'000'000'000;

    void attach(io::HttpServer& server) { server_ = &server; }
    void open(io::StreamToken connection, std::int64_t now_ns);
    bool has(io::StreamToken connection) const;
    void take(io::StreamToken connection, std::string_view bytes, std::int64_t now_ns);
    void close(io::StreamToken connection) { open_.erase(connection.request.connection); }
    // Those that say nothing.
    void look(std::int64_t now_ns);

private:
    class Session;

    io::HttpServer* server_ = nullptr;
    std::map<std::uint32_t, std::shared_ptr<Session>> open_;  // by the number of the connection
};

}  // namespace millrace::runtime::node
