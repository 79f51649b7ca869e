// What: the stream of one partition as its follower or owner sees it. Everything is asked and
//       answered later; what was asked may never be answered, or have happened although it was not.
//       NATS is behind it, and a model of NATS in the simulator.
// Threads: one owner. Lifetime: outlives its user. Limits: those of its user.
// Failure: events.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

// What a follower has on its disk: all up to this unit of this epoch, the stream read to there.
struct SyncedWord {
    std::uint64_t epoch = 0;
    std::uint64_t unit = 0;
    std::uint64_t sequence = 0;
    std::string node{};
    bool holds = false;  // it is being filled up to there: the ring is not to go over it now
};

struct StreamEvent {
    enum class Kind : std::uint8_t {
        kUp,       // there is a server
        kDown,     // there is none; of what was asked and is not answered nothing more is heard
        kTaken,    // what was published stands at `sequence`
        kRefused,  // it does not: another place was expected (wrong_place), or for what `words` say
        kUnsure,   // nobody says what became of it
        kMessage,  // the next one that is read
        kLast,     // the stream's last message; sequence 0: there is none
        kInfo,     // how the stream stands
        kUnfit,    // this server is none that we work with, as `words` say
        kSynced,   // a follower has said what it has on its disk: `synced`
    };
    Kind kind = Kind::kUp;
    std::uint64_t tag = 0;  // publish()'s
    std::uint64_t sequence = 0;
    bool wrong_place = false;
    std::string words{};
    std::string bytes{};
    // kInfo
    bool there = false;
    std::int64_t created_us = 0;
    std::uint64_t first = 0;  // of an empty stream the next one
    std::uint64_t last = 0;
    std::uint64_t bytes_there = 0;
    std::uint64_t ring_bytes = 0;  // at most; 0: it is no ring
    // kSynced
    SyncedWord synced{};
};

class StreamPort {
public:
    virtual ~StreamPort() = default;
    // Taken only if the stream's last message is the one at `expects`.
    virtual void publish(std::uint64_t tag, std::string_view message, std::uint64_t expects) = 0;
    virtual void ask_last() = 0;
    virtual void ask_info() = 0;
    // Messages come from there on, one behind the other, until stop_reading() or kDown.
    virtual void read_from(std::uint64_t sequence) = 0;
    virtual void stop_reading() = 0;
    // To whoever owns the partition; it may be lost, like everything.
    virtual void tell_synced(const SyncedWord& word) = 0;
};

}  // namespace millrace::runtime::cluster
