// What: accepts connections whose bytes go through a transform: one for each, made here.
// Threads: the reactor's. Lifetime: the reactor's listeners are closed before it goes.
// Limits: none of its own. Failure: none.
#pragma once

#include "io/reactor_impl.h"
#include "io/stream_transform.h"

#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace millrace::io {

class TransformListener final : public AcceptHandler {
public:
    using Accept = std::function<void(int, const Peer&, std::unique_ptr<StreamTransform>)>;
    TransformListener(TransformMaker make, Accept accept)
        : make_(std::move(make)), accept_(std::move(accept)) {}
    void on_accept(int socket, const Peer& peer) override { accept_(socket, peer, make_()); }

private:
    const TransformMaker make_;
    const Accept accept_;
};

}  // namespace millrace::io
