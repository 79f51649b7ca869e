#include "tests/runtime/cluster/stream_model.h"

#include <algorithm>
#include <utility>

namespace millrace::test {

using runtime::cluster::StreamEvent;
using runtime::cluster::StreamPort;

class StreamModel::Port final : public StreamPort {
public:
    explicit Port(StreamModel& model) : model_(model) {}

    void publish(std::uint64_t tag, std::string_view message, std::uint64_t expects) override {
        if (!is_up || model_.chance(model_.weather.lost_requests)) return;
        const bool late = model_.chance(model_.weather.late_publishes);
        const auto after_ns =
            late ? 1'000'000'000 + static_cast<std::int64_t>(model_.random_.below(8'000'000'000))
                 : model_.hop_ns();
        // What one connection publishes stays in its order.
        const std::int64_t at_ns =
            late ? model_.now_ns_ + after_ns : std::max(last_at_ns + 1, model_.now_ns_ + after_ns);
        if (!late) last_at_ns = at_ns;
        model_.later(at_ns - model_.now_ns_,
                     [this, tag, text = std::string(message), expects, mine = connection] {
                         model_.arrive(*this, mine, tag, text, expects);
                     });
    }
    void ask_last() override {
        answer([this] {
            StreamEvent event;
            event.kind = StreamEvent::Kind::kLast;
            event.sequence = model_.last_as_told();
            if (event.sequence < model_.first_) event.sequence = 0;
            if (event.sequence != 0) event.bytes = model_.at(event.sequence);
            return event;
        });
    }
    void ask_info() override {
        answer([this] {
            StreamEvent event;
            event.kind = StreamEvent::Kind::kInfo;
            event.there = model_.there_;
            event.created_us = model_.created_us_;
            event.first = model_.first_;
            event.last = model_.last_as_told();
            event.bytes_there = model_.bytes_;
            event.ring_bytes = model_.ring_bytes;
            return event;
        });
    }
    void read_from(std::uint64_t sequence) override {
        if (!is_up) return;
        read_at = sequence;
        model_.deliver(*this);
    }
    void stop_reading() override { read_at = 0; }
    void tell_synced(const runtime::cluster::SyncedWord& word) override {
        if (!is_up) return;
        for (auto& other : model_.ports_) {
            if (other.get() == this || model_.chance(model_.weather.lost_requests)) continue;
            model_.later(model_.hop_ns(), [to = other.get(), word, of = other->connection] {
                StreamEvent event;
                event.kind = StreamEvent::Kind::kSynced;
                event.synced = word;
                to->tell(std::move(event), of);
            });
        }
    }

    void tell(StreamEvent&& event, std::uint64_t of) {
        if (is_up && of == connection) events.push_back(std::move(event));
    }
    void go_down() {
        if (!is_up) return;
        is_up = false;
        ++connection;
        read_at = 0;
        events.clear();
        StreamEvent event;
        event.kind = StreamEvent::Kind::kDown;
        events.push_back(std::move(event));
    }
    void come_up() {
        if (is_up) return;
        is_up = true;
        ++connection;
        StreamEvent event;
        event.kind = StreamEvent::Kind::kUp;
        events.push_back(std::move(event));
    }

    bool is_up = false;
    std::uint64_t connection = 0;
    std::uint64_t read_at = 0;  // 0: it does not read
    bool delivering = false;
    std::int64_t last_at_ns = 0;
    std::deque<StreamEvent> events;

private:
    template <typename Make>
    void answer(Make make) {
        if (!is_up || model_.chance(model_.weather.lost_requests)) return;
        model_.later(model_.hop_ns(), [this, make, mine = connection] {
            // Without a leader nobody answers these.
            if (!model_.has_leader()) return;
            model_.later(model_.hop_ns(),
                         [this, event = make(), mine]() mutable { tell(std::move(event), mine); });
        });
    }

    StreamModel& model_;
};

StreamModel::StreamModel(std::uint64_t seed, std::size_t ports) : random_(seed) {
    for (std::size_t i = 0; i < ports; ++i) ports_.push_back(std::make_unique<Port>(*this));
    for (auto& port : ports_) port->come_up();
}
StreamModel::~StreamModel() = default;

StreamPort& StreamModel::port(std::size_t index) { return *ports_[index]; }

bool StreamModel::next(std::size_t index, StreamEvent& out) {
    auto& events = ports_[index]->events;
    if (events.empty()) return false;
    out = std::move(events.front());
    events.pop_front();
    return true;
}

void StreamModel::later(std::int64_t after_ns, std::function<void()> what) {
    due_.emplace(now_ns_ + after_ns, std::move(what));
}

void StreamModel::advance_to(std::int64_t now_ns) {
    while (!due_.empty() && due_.begin()->first <= now_ns) {
        const auto what = std::move(due_.begin()->second);
        now_ns_ = std::max(now_ns_, due_.begin()->first);
        due_.erase(due_.begin());
        what();
    }
    now_ns_ = std::max(now_ns_, now_ns);
    for (auto& port : ports_) deliver(*port);
}

std::uint64_t StreamModel::last_as_told() {
    const std::uint64_t there = log_.size();
    if (there == 0 || !chance(weather.stale_answers)) return last();
    return last() - random_.below(std::min<std::uint64_t>(there, 5) + 1);
}

void StreamModel::arrive(Port& port, std::uint64_t connection, std::uint64_t tag,
                         const std::string& message, std::uint64_t expects) {
    StreamEvent event;
    event.tag = tag;
    if (!has_leader() || !there_) {
        if (chance(500) && there_) {
            // Somebody keeps it until there is one.
            const std::int64_t left_ns = leaderless_until_ns_ - now_ns_;
            later(left_ns + hop_ns(), [this, &port, connection, tag, message, expects] {
                arrive(port, connection, tag, message, expects);
            });
            return;
        }
        event.kind = StreamEvent::Kind::kUnsure;
        port.tell(std::move(event), connection);
        return;
    }
    const bool fits = expects == kExpectsNothing || expects == last();
    if (fits) put(message);
    event.kind = fits ? StreamEvent::Kind::kTaken : StreamEvent::Kind::kRefused;
    event.sequence = fits ? last() : 0;
    event.wrong_place = !fits;
    if (chance(weather.lost_acks)) return;
    later(hop_ns(),
          [&port, event, connection]() mutable { port.tell(std::move(event), connection); });
}

void StreamModel::deliver(Port& port) {
    if (!port.is_up || port.read_at == 0 || !has_leader() || port.delivering) return;
    if (port.read_at < first_) port.read_at = first_;
    if (port.read_at > last()) return;
    port.delivering = true;
    later(hop_ns(), [this, &port] {
        port.delivering = false;
        if (!port.is_up || port.read_at == 0 || !has_leader()) return;
        port.read_at = std::max(port.read_at, first_);
        const std::uint64_t to = std::min(last(), port.read_at + random_.below(20));
        for (; port.read_at <= to; ++port.read_at) {
            StreamEvent event;
            event.kind = StreamEvent::Kind::kMessage;
            event.sequence = port.read_at;
            event.bytes = at(port.read_at);
            port.tell(std::move(event), port.connection);
        }
    });
}

void StreamModel::cut(std::size_t index, std::int64_t for_ns) {
    ports_[index]->go_down();
    later(for_ns, [this, index, mine = ports_[index]->connection] {
        if (ports_[index]->connection == mine) ports_[index]->come_up();
    });
}

void StreamModel::down(std::size_t index) {
    ports_[index]->go_down();
    ports_[index]->events.clear();
}

void StreamModel::up(std::size_t index) { ports_[index]->come_up(); }

void StreamModel::lose_tail(std::size_t messages) {
    for (; messages > 0 && !log_.empty(); --messages) {
        bytes_ -= log_.back().size() + kAroundAMessage;
        log_.pop_back();
    }
}

void StreamModel::recreate() {
    log_.clear();
    bytes_ = 0;
    first_ = 1;
    created_us_ += 1'000;
    there_ = true;
}

void StreamModel::drop_first(std::size_t messages) {
    while (messages-- > 0 && !log_.empty()) {
        bytes_ -= log_.front().size() + kAroundAMessage;
        log_.pop_front();
        ++first_;
    }
}

void StreamModel::put(const std::string& message) {
    log_.push_back(message);
    bytes_ += message.size() + kAroundAMessage;
    while (ring_bytes != 0 && bytes_ > ring_bytes && log_.size() > 1) drop_first(1);
}

}  // namespace millrace::test
