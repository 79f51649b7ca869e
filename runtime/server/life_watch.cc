#include "runtime/server/life_watch.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

LifeWatch::LifeWatch(const ServiceNotify& notify, std::vector<Member> members, core::Log& log,
                     std::int64_t now_ns)
    : notify_(notify), log_(log) {
    for (Member& member : members) watched_.push_back({std::move(member)});
    begin_round(now_ns);
}

void LifeWatch::begin_round(std::int64_t now_ns) {
    round_began_ns_ = now_ns;
    for (Watched& each : watched_) {
        each.turns_then = each.member.turns();
        each.answered = false;
    }
}

void LifeWatch::look(std::int64_t now_ns) {
    if (notify_.watchdog_us() == 0) return;
    // The manager wants to hear twice in its time; thrice leaves one that may come late.
    const std::int64_t round_ns = notify_.watchdog_us() * 1000 / 3;
    for (Watched& each : watched_) {
        each.answered = each.answered || each.member.turns() != each.turns_then ||
                        (each.member.busy && each.member.busy());
    }
    const std::int64_t passed_ns = now_ns - round_began_ns_;
    if (passed_ns < round_ns) return;
    if (!std::all_of(watched_.begin(), watched_.end(),
                     [](const Watched& w) { return w.answered; })) {
        if (passed_ns < 2 * round_ns || told_silence_) return;
        told_silence_ = true;
        log_.error(
            "a thread does not come back from its work; the service manager will start the "
            "server again",
            {{"threads", silent()}, {"silentMs", passed_ns / 1'000'000}});
        return;
    }
    notify_.alive();
    told_silence_ = false;
    begin_round(now_ns);
}

std::string LifeWatch::silent() const {
    std::string names;
    for (const Watched& each : watched_) {
        if (each.answered) continue;
        names += (names.empty() ? "" : ", ") + each.member.name;
    }
    return names;
}

}  // namespace millrace::runtime
