#include "runtime/server/space_watch.h"

namespace millrace::runtime {

using core::Metric;

SpaceWatch::SpaceWatch(const store::SpaceGuard& space, core::Metrics& metrics, core::Log& log)
    : space_(space), log_(log), short_of_room_(metrics.role().counter(Metric::kDiskShort)) {
    metrics.gauge_callback(Metric::kDiskFree,
                           [&space] { return static_cast<double>(space.free_bytes()); });
    metrics.gauge_callback(Metric::kDiskReserve,
                           [&space] { return static_cast<double>(space.reserve_bytes()); });
}

void SpaceWatch::begin() {
    if (do_work() != 0) return;
    // So much more than the reserve lasts for a while.
    if (space_.free_bytes() >= 2 * space_.reserve_bytes()) return;
    log_.warn(
        "the disk has little room: events are refused when less than the reserve is free",
        {{"freeBytes", space_.free_bytes()}, {"store.reserve_bytes", space_.reserve_bytes()}});
}

std::size_t SpaceWatch::do_work() {
    if (space_.accepting() == accepting_) return 0;
    accepting_ = !accepting_;
    tell();
    return 1;
}

void SpaceWatch::tell() {
    if (accepting_) {
        log_.info("the disk has room again: events are taken",
                  {{"freeBytes", space_.free_bytes()}});
        return;
    }
    short_of_room_.add();
    log_.error(
        "the disk is short of room: events are refused (503) until more than the reserve is free; "
        "make room on it, let older events go (retention.age, retention.bytes), or lower the "
        "reserve",
        {{"freeBytes", space_.free_bytes()}, {"store.reserve_bytes", space_.reserve_bytes()}});
}

}  // namespace millrace::runtime
