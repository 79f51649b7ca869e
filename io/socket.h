// What: the system calls about sockets that both kernel backends share, with their error texts.
// Threads: any. Lifetime: descriptors belong to the caller.
// Limits: kListenBacklog. Failure: messages name the address, the errno and the likely reason.
#pragma once

#include "core/result.h"
#include "io/address.h"
#include "io/backend.h"

namespace millrace::io {

inline constexpr int kListenBacklog = 4096;

core::Result<Listener> open_listener(const Address& address, ListenRole role);
Peer read_peer(int socket);
std::string errno_name(int error);  // "address in use (EADDRINUSE)"

}  // namespace millrace::io
