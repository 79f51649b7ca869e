#include "io/line_server.h"

#include "io/line_connection.h"

#include <utility>

namespace millrace::io {

LineServer::LineServer(Reactor& reactor, LineHandler& handler, const LineLimits& limits)
    : impl_(std::make_unique<LineServerImpl>(reactor, handler, limits)) {}
LineServer::~LineServer() = default;

core::Result<Address> LineServer::listen(const Address& address, ListenRole role,
                                         TransformMaker make) {
    return impl_->listen(address, role, std::move(make));
}

bool LineServer::ack(LineToken token, std::uint64_t lines, std::string_view durability,
                     std::uint64_t duplicates) {
    LineConnection* connection = impl_->find(token);
    if (connection) connection->ack(lines, durability, duplicates);
    return connection != nullptr;
}

bool LineServer::reject(LineToken token, std::uint64_t line, const core::Error& error,
                        std::string_view found) {
    LineConnection* connection = impl_->find(token);
    if (connection) connection->reject(line, error, found);
    return connection != nullptr;
}

bool LineServer::alive(LineToken token) const { return impl_->find(token) != nullptr; }

void LineServer::pause_ingest() {
    impl_->paused = true;
    impl_->touch_all();
}

void LineServer::resume_ingest() {
    impl_->paused = false;
    impl_->touch_all();
}

void LineServer::drain() {
    impl_->draining = true;
    impl_->close_listeners();
    impl_->touch_all();
}

void LineServer::close_all() { impl_->close_all(); }
std::size_t LineServer::connections() const { return impl_->open_connections(); }
const LineCounters& LineServer::counters() const { return impl_->counters; }

// ---- LineServerImpl

LineServerImpl::LineServerImpl(Reactor& outer, LineHandler& its_handler,
                               const LineLimits& its_limits)
    : reactor(outer.impl()),
      handler(its_handler),
      limits(its_limits),
      pools(reactor.pools),
      room_(its_limits.connections_max, its_limits.spare_connections_max) {}

LineServerImpl::~LineServerImpl() {
    close_listeners();
    close_all();
    // The kernel may still hold our memory: wait for what is under way, as short as cancelling is.
    for (int i = 0; i < 1000 && open_connections() > 0; ++i) reactor.poll(1000);
}

core::Result<Address> LineServerImpl::listen(const Address& address, ListenRole role,
                                             TransformMaker make) {
    if (!make) return reactor.listen(address, role, *this);
    listeners_.emplace_back(std::move(make), [this](int socket, const Peer& peer, auto transform) {
        accept(socket, peer, std::move(transform));
    });
    return reactor.listen(address, role, listeners_.back());
}

void LineServerImpl::close_listeners() {
    reactor.close_listeners(*this);
    for (TransformListener& listener : listeners_) reactor.close_listeners(listener);
}

void LineServerImpl::accept(int socket, const Peer& peer,
                            std::unique_ptr<StreamTransform> transform) {
    using Place = ConnectionRoom::Place;
    const Place place = draining ? Place::kNone : room_.find(connections_, reactor.now_ns());
    if (place == Place::kNone) {
        ++counters.refused;
        reactor.backend().close(socket);
        return;
    }
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(connections_.size()));
        connections_.push_back(std::make_unique<LineConnection>(*this, free_.back()));
    }
    LineConnection& connection = *connections_[free_.back()];
    if (!connection.start(socket, peer, place == Place::kSpare, std::move(transform))) {
        ++counters.refused;
        reactor.backend().close(socket);
        return;
    }
    free_.pop_back();
    room_.enter(place);
    ++counters.accepted;
}

void LineServerImpl::give_back(LineConnection& connection) {
    room_.leave(connection);
    free_.push_back(connection.index());
}

LineConnection* LineServerImpl::find(LineToken token) const {
    if (token.connection >= connections_.size()) return nullptr;
    LineConnection* connection = connections_[token.connection].get();
    return connection->generation() == token.generation && connection->in_use() ? connection
                                                                                : nullptr;
}

void LineServerImpl::touch_all() {
    for (const auto& connection : connections_) {
        if (connection->in_use()) connection->touch();
    }
}

void LineServerImpl::close_all() {
    draining = true;
    for (const auto& connection : connections_) {
        if (connection->in_use()) connection->abort();
    }
}

}  // namespace millrace::io
