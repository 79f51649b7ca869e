// What: the system calls about sockets that both kernel backends share, with their error texts.
// Threads: any. Lifetime: descriptors belong to the caller.
// Limits: kListenBacklog. Failure: messages name the address, the errno and the likely reason.
#pragma once

#include "core/result.h"
#include "io/address.h"
#include "io/backend.h"

#include <cstddef>

namespace millrace::io {

inline constexpr int kListenBacklog = 4096;

// `send_buffer_bytes`: what the system keeps of what each client has yet to read; 0: it decides.
core::Result<Listener> open_listener(const Address& address, ListenRole role,
                                     std::size_t send_buffer_bytes);
Peer read_peer(int socket);
std::string errno_name(int error);  // "address in use (EADDRINUSE)"

}  // namespace millrace::io
