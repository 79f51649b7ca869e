#include "runtime/crossing/crossing_desk.h"

#include "runtime/crossing/crossing_event.h"
#include "runtime/event/trace_context.h"
#include "store/database.h"
#include "store/log/pool_set.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace millrace::runtime::crossing {
namespace {

core::Error not_now(std::string why) {
    return core::Error(core::ErrorCode::kUnavailable, std::move(why)).retry_after(1);
}

}  // namespace

void CrossingDesk::take(std::string_view batch, Done done) {
    auto events = read_crossing(batch);
    if (!events) return done(core::fail(std::move(events.error())));
    if (events->empty()) return done(std::size_t{0});
    if (deps_.intake.holds()) return done(core::fail(not_now("the partition takes no events now")));
    auto result = std::make_unique<LaneResult>();
    lines_.clear();
    for (const CrossingEvent& event : *events) {
        const auto tenant = deps_.tenant_of(event.tenant);
        if (!tenant) {
            return done(core::fail(not_now("the partition does not know the tenant \"" +
                                           std::string(event.tenant) + "\" yet")));
        }
        if (!event.trace.empty())
            result->traces.push_back({static_cast<std::uint32_t>(result->emitted_depths.size()),
                                      std::string(event.trace)});
        result->emitted_depths.push_back(event.depth);
        result->emitted_tenants.push_back(*tenant);
        lines_.append(event.event).append("\n");
    }
    result->emitted = deps_.intake.database->pools().acquire(lines_.size());
    std::copy(lines_.begin(), lines_.end(), result->emitted.data());
    result->emitted.set_size(lines_.size());
    const auto answer = std::make_shared<Done>(std::move(done));
    result->when_durable.emplace_back([post = deps_.post, answer, count = events->size()] {
        post([answer, count] { (*answer)(count); });
    });
    if (!deps_.intake.submit(result->shard, result))
        (*answer)(core::fail(not_now("the partition has more to do than it can")));
}

}  // namespace millrace::runtime::crossing
