// What: the messages of an MQTT sink that its broker has not answered for: which of them goes out
//       next, and what an answer means. Of QoS 2 it outlives connections: as long as the broker
//       keeps the session each goes on where it was, under the id that it had, and a delivery that
//       is tried again finds its own, also one that has arrived meanwhile.
// Threads: one owner. Lifetime: a packet that is given out lives until the next call.
// Limits: 65,535 messages; of those that have arrived while nobody waited the last kDoneMax
//         (overflow policy: one before is forgotten, and would be sent again).
// Failure: none; an answer that nothing waits for is told as such.
#pragma once

#include "runtime/links/link_peer.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class MqttUnderWay final : public SinkMemory {
public:
    // Retries come back much more slowly than cut connections leave them behind.
    static constexpr std::size_t kDoneMax = 65'536;

    struct Packet {
        std::optional<std::uint64_t> ticket;  // nothing: nobody waits for it now
        std::string delivery;
        std::string topic;
        std::string text;  // until the broker has it
        std::uint16_t id = 0;
        bool sent = false;      // it has gone out, over some connection
        bool again = false;     // more than once
        bool received = false;  // QoS 2: the broker has it, and is to release it
        bool on_wire = false;   // it has gone out over this connection
    };

    // `place`: whom it is about; what is under way at another place says nothing here.
    explicit MqttUnderWay(std::string place) : place_(std::move(place)) {}
    const std::string& place() const { return place_; }

    // A connection begins: nobody waits any more, and what had not gone out is forgotten.
    void begin_connection();
    // The broker has let us in, for the first time or again; without the session of before the ids
    // mean nothing to it.
    void let_in(bool session_there);
    bool was_let_in() const { return was_let_in_; }

    enum class Found : std::uint8_t { kNew, kUnderWay, kArrived };
    // Whether this delivery was given over an earlier connection. kUnderWay: its answer goes to the
    // ticket; kArrived: there is nothing more to do.
    Found find(std::string_view delivery, std::uint64_t ticket);
    void add(SinkText&& text, std::string_view topic);

    // The next one to go out, which then has; null: there is none, or `on_wire_max` are.
    const Packet* next(std::size_t on_wire_max);
    // PUBREC. False: it is not known, or it was said already.
    bool receive(std::uint16_t id);
    struct End {
        bool known = false;
        std::optional<std::uint64_t> ticket;
    };
    End end(std::uint16_t id, bool arrived);

    std::size_t size() const { return packets_.size(); }
    std::size_t bytes() const { return bytes_; }  // of texts that the broker may not have

private:
    using Packets = std::map<std::uint64_t, Packet>;  // in the order in which they came

    Packets::iterator find_id(std::uint16_t id);
    void drop_text(Packet& packet);
    void note_arrived(std::string&& delivery);

    const std::string place_;
    bool was_let_in_ = false;
    Packets packets_;
    std::map<std::uint16_t, std::uint64_t> by_id_;
    std::deque<std::uint64_t> waiting_;  // to go out
    // Deliveries that nobody has asked for since: still under way, and arrived.
    std::map<std::string, std::uint64_t, std::less<>> unasked_;
    std::set<std::string, std::less<>> arrived_;
    std::deque<std::string> arrivals_;  // in their order
    std::uint64_t count_ = 0;
    std::uint16_t last_id_ = 0;
    std::size_t on_wire_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::runtime
