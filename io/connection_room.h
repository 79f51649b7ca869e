// What: how many connections a server holds and whether it has room for one more. A full server
//       closes what has been idle longest. Where all are at work, a few more are held, so that they
//       are told, and so that questions about the server's health are answered.
// Threads: the server's. Lifetime: a value; borrows the connections for the call.
// Limits: `usual` places and `spare` ones. Few connections have theirs beside connections_max, many
//       give some of their own, so that descriptors for connections_max are enough.
// Failure: no room is an answer.
#pragma once

#include "io/idle_queue.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace::io {

class ConnectionRoom {
public:
    enum class Place : std::uint8_t { kNone, kUsual, kSpare };

    ConnectionRoom(std::size_t connections_max, std::size_t spare_max)
        : spare_max_(std::min(spare_max, std::max<std::size_t>(connections_max / 16, 4))),
          usual_max_(connections_max >= 64 ? connections_max - spare_max_ : connections_max) {}

    // `connections`: all of the server's, by index; idle_since(), spare() and give_way() are asked.
    template <typename Connections>
    Place find(const Connections& connections, std::int64_t now_ns) {
        if (open_ - spare_ - leaving_ < usual_max_ ||
            make(connections, Place::kUsual, idle_, now_ns))
            return Place::kUsual;
        if (spare_ < spare_max_ || make(connections, Place::kSpare, idle_spare_, now_ns))
            return Place::kSpare;
        return Place::kNone;
    }
    void enter(Place place) {
        ++open_;
        if (place == Place::kSpare) ++spare_;
    }
    template <typename Connection>
    void leave(const Connection& connection) {
        --open_;
        if (connection.giving_way())
            --leaving_;
        else if (connection.spare())
            --spare_;
    }
    std::size_t open() const { return open_; }

private:
    template <typename Connections>
    bool make(const Connections& connections, Place place, IdleQueue& idle, std::int64_t now_ns) {
        const bool spare = place == Place::kSpare;
        const std::size_t index = idle.take_oldest(connections.size(), now_ns, [&](std::size_t i) {
            const auto& connection = *connections[i];
            return connection.spare() == spare ? connection.idle_since() : kNotIdle;
        });
        if (index == connections.size()) return false;
        connections[index]->give_way();
        ++leaving_;
        if (spare) --spare_;
        return true;
    }

    const std::size_t spare_max_;
    const std::size_t usual_max_;
    std::size_t open_ = 0;
    std::size_t spare_ = 0;    // of these: beyond the usual places
    std::size_t leaving_ = 0;  // of these: closing to make room
    IdleQueue idle_, idle_spare_;
};

}  // namespace millrace::io
