// What: do the threads that answer clients and run handlers still do so? Each has to come back from
//       its work once before the service manager is told again that all is well; one that does not
//       leaves the manager's watchdog to run out, which starts the server anew.
// Threads: main's. Lifetime: borrows what the members look at.
// Limits: a look reads an atomic for each thread.
// Failure: who is silent is told on the log, once until all have answered again.
#pragma once

#include "core/log.h"
#include "runtime/server/service_notify.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime {

class LifeWatch {
public:
    struct Member {
        std::string name;
        std::function<std::uint64_t()> turns;  // how often it has come back from its work
        std::function<bool()> busy;            // it runs something that has time left; may be none
    };

    LifeWatch(const ServiceNotify& notify, std::vector<Member> members, core::Log& log,
              std::int64_t now_ns);

    // Often: a thread is busy at one look and has turned by the next. `now_ns` is monotonic.
    void look(std::int64_t now_ns);
    // Those that have not answered since the manager heard last.
    std::string silent() const;

private:
    struct Watched {
        Member member;
        std::uint64_t turns_then = 0;
        bool answered = false;
    };
    void begin_round(std::int64_t now_ns);

    const ServiceNotify& notify_;
    core::Log& log_;
    std::vector<Watched> watched_;
    std::int64_t round_began_ns_ = 0;
    bool told_silence_ = false;
};

}  // namespace millrace::runtime
