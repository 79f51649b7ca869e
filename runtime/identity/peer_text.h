// What: where a caller is, without the port: "203.0.113.7", "2001:db8::1", "unix".
// Threads: pure. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "io/address.h"

#include <string>

namespace millrace::runtime::identity {

inline std::string peer_address(const io::Peer& peer) {
    std::string text = peer.to_string();
    if (peer.family == io::Address::Family::kUnix) return text;
    text.resize(text.rfind(':'));
    if (text.front() == '[') text = text.substr(1, text.size() - 2);
    return text;
}

}  // namespace millrace::runtime::identity
