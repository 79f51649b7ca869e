// What: the agent for the store's slow chores: high-water mark (at most each 100 ms), space guard,
//       identity runs (written and merged), row counts after the start.
// Threads: do_work() by one thread. Lifetime: of the Database.
// Limits: one chore per call. Failure: a failed chore is told in last_error() and tried again; a
//       failed sync of the high-water mark is fatal like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace millrace::store {

class Engine;

class Housekeeper {
public:
    explicit Housekeeper(Engine& engine) : engine_(engine) {}
    // Returns the number of chores done; 0: sleep some milliseconds.
    std::size_t do_work();
    std::string last_error() const;

private:
    void look_at_space(std::int64_t now);
    void note_error(std::string text);

    Engine& engine_;
    std::int64_t mark_next_ns_ = 0;
    std::int64_t space_next_ns_ = 0;
    std::int64_t flush_next_ns_ = 0;
    std::int64_t history_next_ns_ = 0;
    mutable std::mutex mutex_;
    std::string last_error_;
};

}  // namespace millrace::store
