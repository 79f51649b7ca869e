// What: of an MQTT session, what was received with QoS 2 and is not released, in the order in which
//       it came: which message is a repeat, and when each is answered for. It is part of a source's
//       position, as "received":[2,"7-9",7],"marks":"a1b2c3...","twice":true: packet ids, a mark
//       for each, and whether this session has had an id for two messages at once.
//       A broker that gives one id to several messages at once (mosquitto 2.0.11, where more than
//       65,535 wait) looks for the oldest of them, whatever answer it gets: so each is answered
//       when the one before it is released, and they are known in their order.
// Threads: one owner. Lifetime: a value.
// Limits: kEntriesMax (overflow policy: what is new beyond that is refused, and not taken).
// Failure: read() is false for what write() has not made.
#pragma once

#include "core/json_dom.h"
#include "core/json_writer.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

namespace millrace::runtime {

class MqttHeld {
public:
    static constexpr std::size_t kEntriesMax = 1u << 20;  // 6 MiB of marks in a commit
    static constexpr std::uint32_t kMarkBits = 24;
    // Of before there were marks: it is taken for any.
    static constexpr std::uint32_t kNoMark = UINT32_MAX;

    struct Taken {
        bool refused = false;  // it would be one too many
        bool is_new = false;
        bool answers = false;  // now; else release() says when
    };
    // A message came. `mark`: kMarkBits of what it says; `again`: it has DUP.
    Taken take(std::uint16_t id, std::uint32_t mark, bool again);
    // It is released. True: the next message under that id is to be answered for, behind this.
    bool release(std::uint16_t id);

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    std::size_t places() const { return entries_.size(); }  // that they take up
    void clear() { *this = {}; }

    // Members of an object that is open.
    void write(core::JsonWriter& json) const;
    bool read(const core::JsonElement& position);

private:
    struct Entry {
        std::uint32_t mark = kNoMark;
        std::uint16_t id = 0;
        bool gone = false;
        bool here = false;      // it came over this connection
        bool owed = false;      // and is answered when the one before it is released
        bool released = false;  // perhaps: a release came, and it did not come again before that
    };
    // Of one id, in their order: those that are here before those that are not.
    using Numbers = std::vector<std::uint64_t>;

    Entry& entry(std::uint64_t number) { return entries_[number - first_]; }
    Entry& add(std::uint16_t id, std::uint32_t mark);
    void close_gaps();
    void drop(Numbers& numbers, Numbers::iterator begin, Numbers::iterator end);
    void forget_released();

    std::deque<Entry> entries_;  // what has gone is taken away when it is the oldest, or much
    std::uint64_t first_ = 0;    // number of entries_.front()
    std::size_t size_ = 0;       // of those that have not gone
    std::unordered_map<std::uint16_t, Numbers> by_id_;
    std::vector<std::uint16_t> perhaps_released_;
    bool twice_ = false;
};

}  // namespace millrace::runtime
