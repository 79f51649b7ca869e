// What: a counted room for what clients make a shard hold while nothing is at work for them: heads
//       and lines of which the rest has not come, events of a stream that nobody reads. All
//       connections of a reactor draw from one room, whatever they speak.
// Threads: the reactor's. Lifetime: outlives its holders.
// Limits: `bytes_max`, passed by one that is alone in it, and by what is counted in any case.
// Failure: where there is no room a holder waits until half of it is free. When somebody has waited
//       for kPatienceNs, or less where many wait for what few hold, those whose clients have moved
//       nothing for as long are cut off, the longest first, until there is room: who only sleeps
//       does not hold up who works. Where all that hold some wait for more, whoever has most goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace millrace::io {

inline constexpr std::int64_t kNeverStalled = std::numeric_limits<std::int64_t>::max();

class ClientRoom {
public:
    static constexpr std::int64_t kPatienceNs = 1'000'000'000;
    static constexpr std::int64_t kPatienceLeastNs = 200'000'000;

    class Holder {
    public:
        explicit Holder(ClientRoom& room) : room_(room) {}
        Holder(const Holder&) = delete;
        Holder& operator=(const Holder&) = delete;
        virtual ~Holder() { leave_room(); }

    protected:
        // It may hold `more` than what is counted. False: on_room() follows, when to ask again.
        bool may_hold(std::size_t more);
        // The same, but nobody waits for it.
        bool fits_in_room(std::size_t more) const;
        // What it holds now. Comes of may_hold(), or is what came before anybody could say no.
        void hold_in_room(std::size_t bytes);
        void stop_waiting();
        // Holds nothing, and waits for nothing.
        void leave_room();
        std::size_t held_in_room() const { return bytes_; }
        bool waits_for_room() const { return wait_place_ != 0; }

        // To ask again, but not within this call.
        virtual void on_room() = 0;
        // Since when its client has moved nothing; kNeverStalled: it is not the client's turn.
        virtual std::int64_t stalled_since_ns() const = 0;
        // Gives back what it holds, now or as soon as the kernel lets go of it.
        virtual void cut_off() = 0;

    private:
        friend class ClientRoom;
        ClientRoom& room_;
        std::size_t bytes_ = 0;
        std::size_t place_ = 0;       // among the holders, while bytes_ is not 0
        std::size_t wait_place_ = 0;  // among the waiting ones, counted from 1
    };

    explicit ClientRoom(std::size_t bytes_max) : bytes_max_(bytes_max) {}
    ClientRoom(const ClientRoom&) = delete;
    ClientRoom& operator=(const ClientRoom&) = delete;

    std::size_t held_bytes() const { return held_; }
    std::size_t bytes_max() const { return bytes_max_; }
    bool over() const { return held_ > bytes_max_; }
    // Once a duty cycle.
    void look(std::int64_t now_ns);
    // Somebody waits, whose patience ends then; kNeverStalled: nobody.
    std::int64_t patience_ends_ns() const {
        return waiting_count_ == 0 ? kNeverStalled : looked_ns_ + patience_ns();
    }
    // Cuts off who has stalled for so long; at most so often.
    void cut_stalled(std::int64_t now_ns);

private:
    static constexpr std::int64_t kCutEveryNs = 100'000'000;

    void open();
    std::int64_t patience_ns() const;
    bool is_enough(std::size_t left) const;

    const std::size_t bytes_max_;
    std::size_t held_ = 0;
    bool closed_ = false;     // until half of it is free
    std::size_t wanted_ = 0;  // the most that somebody was refused since it is closed
    bool stuck_ = false;      // whatever is given back opens it
    std::vector<Holder*> holders_;
    std::vector<Holder*> waiting_;  // in their order; null: no longer
    std::size_t waiting_count_ = 0;
    std::int64_t looked_ns_ = 0;
    std::int64_t cut_ns_ = 0;
};

}  // namespace millrace::io
