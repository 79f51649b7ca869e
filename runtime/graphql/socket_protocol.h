// What: the subprotocol graphql-transport-ws (github.com/enisdenjo/graphql-ws, PROTOCOL.md) on a
//       server's side: what a client's message means in the state that its connection is in. Knows
//       neither sockets nor streams.
// Threads: one owner. Lifetime: one connection.
// Limits: kSocketOperationsMax operations at once (overflow policy: the next is refused by an error
//         of its own), kOperationIdBytesMax of an id.
// Failure: a turn that closes, with the protocol's code: 4400 no such message, 4401 subscribed
//       before the acknowledgement, 4409 an id twice, 4429 initialised twice or what was sent is
//       not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

inline constexpr std::string_view kSocketProtocol = "graphql-transport-ws";
inline constexpr std::size_t kSocketOperationsMax = 64;
inline constexpr std::size_t kOperationIdBytesMax = 256;

enum class SocketClose : std::uint16_t {
    kBadMessage = 4400,
    kUnauthorized = 4401,
    kForbidden = 4403,
    kProtocolNotTaken = 4406,
    kInitTimeout = 4408,
    kIdTaken = 4409,
    kTooMany = 4429,
};

struct SocketTurn {
    enum class What : std::uint8_t {
        kNothing,
        kInit,
        kSend,
        kClose,
        kSubscribe,
        kRefuse,  // too many at once: the operation `id` alone
        kComplete,
    };
    What what = What::kNothing;
    SocketClose code = SocketClose::kBadMessage;
    std::string text;  // to be sent, a request's JSON, or why it is closed
    std::string id;
};

class SocketProtocol {
public:
    SocketTurn take(std::string_view message);
    bool initialised() const { return initialised_; }
    // An operation has ended, by whomever: its id is free.
    void ended(const std::string& id) { ids_.erase(id); }

    static std::string acknowledgement();
    static std::string next(std::string_view id, std::string_view result);
    // `errors`: a JSON array.
    static std::string error(std::string_view id, std::string_view errors);
    static std::string complete(std::string_view id);

private:
    SocketTurn subscribe(std::string&& id, std::string&& payload);

    bool initialised_ = false;
    std::set<std::string> ids_;
};

}  // namespace millrace::runtime::graphql
