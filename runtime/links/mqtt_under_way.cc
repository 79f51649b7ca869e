#include "runtime/links/mqtt_under_way.h"

#include "core/assert.h"

#include <limits>
#include <utility>

namespace millrace::runtime {

void MqttUnderWay::drop_text(Packet& packet) {
    bytes_ -= packet.text.size();
    packet.text = {};
}

void MqttUnderWay::begin_connection() {
    waiting_.clear();
    on_wire_ = 0;
    for (auto at = packets_.begin(); at != packets_.end();) {
        Packet& packet = at->second;
        packet.ticket.reset();
        packet.on_wire = false;
        if (packet.sent) {
            waiting_.push_back(at->first);
            unasked_[packet.delivery] = at->first;
            ++at;
        } else {
            drop_text(packet);
            at = packets_.erase(at);
        }
    }
}

void MqttUnderWay::let_in(bool session_there) {
    was_let_in_ = true;
    if (session_there) return;
    packets_.clear();
    bytes_ = 0;
    by_id_.clear();
    waiting_.clear();
    unasked_.clear();
}

MqttUnderWay::Found MqttUnderWay::find(std::string_view delivery, std::uint64_t ticket) {
    if (const auto at = unasked_.find(delivery); at != unasked_.end()) {
        packets_.at(at->second).ticket = ticket;
        unasked_.erase(at);
        return Found::kUnderWay;
    }
    const auto arrived = arrived_.find(delivery);
    if (arrived == arrived_.end()) return Found::kNew;
    arrived_.erase(arrived);
    return Found::kArrived;
}

void MqttUnderWay::add(SinkText&& text, std::string_view topic) {
    MR_ASSERT(packets_.size() < std::numeric_limits<std::uint16_t>::max());
    waiting_.push_back(++count_);
    Packet& packet = packets_[count_];
    packet.ticket = text.ticket;
    packet.delivery = std::move(text.delivery);
    packet.topic = topic;
    packet.text = std::move(text.text);
    bytes_ += packet.text.size();
}

const MqttUnderWay::Packet* MqttUnderWay::next(std::size_t on_wire_max) {
    if (waiting_.empty() || on_wire_ >= on_wire_max) return nullptr;
    const std::uint64_t number = waiting_.front();
    waiting_.pop_front();
    Packet& packet = packets_.at(number);
    if (packet.id == 0) {
        do ++last_id_;
        while (last_id_ == 0 || by_id_.contains(last_id_));
        packet.id = last_id_;
        by_id_[packet.id] = number;
    }
    packet.again = std::exchange(packet.sent, true);
    packet.on_wire = true;
    ++on_wire_;
    return &packet;
}

MqttUnderWay::Packets::iterator MqttUnderWay::find_id(std::uint16_t id) {
    const auto at = by_id_.find(id);
    return at == by_id_.end() ? packets_.end() : packets_.find(at->second);
}

void MqttUnderWay::note_arrived(std::string&& delivery) {
    if (arrivals_.size() == kDoneMax) {
        arrived_.erase(arrivals_.front());
        arrivals_.pop_front();
    }
    arrivals_.push_back(delivery);
    arrived_.insert(std::move(delivery));
}

bool MqttUnderWay::receive(std::uint16_t id) {
    const auto at = find_id(id);
    if (at == packets_.end() || !at->second.on_wire || at->second.received) return false;
    at->second.received = true;
    drop_text(at->second);
    return true;
}

MqttUnderWay::End MqttUnderWay::end(std::uint16_t id, bool arrived) {
    const auto at = find_id(id);
    if (at == packets_.end() || !at->second.on_wire) return {};
    End out{true, at->second.ticket};
    if (!out.ticket) {
        unasked_.erase(at->second.delivery);
        if (arrived) note_arrived(std::move(at->second.delivery));
    }
    drop_text(at->second);
    by_id_.erase(id);
    packets_.erase(at);
    --on_wire_;
    return out;
}

}  // namespace millrace::runtime
