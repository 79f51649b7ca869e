// What: a script's run that waits, for a time or for answers, and what it needs to go on or to
//       begin again.
// Threads: its lane's. Lifetime: as long as the executor waits for it; the lane outlives it.
// Limits: those of the run (script_limits.h); how many there are says the executor's window.
// Failure: none of its own.
#pragma once

#include "runtime/courier/http_port.h"
#include "runtime/delivery/executor.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/executors/call_record.h"
#include "runtime/executors/script_context.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// The lane as one run sees it: what it emits has the same cause after a wait.
class WaitingRunHost final : public LuaHost {
public:
    void keep(LuaHost& lane) {
        lane_ = &lane;
        const EmitCause cause = lane.emit_cause();
        key_ = cause.key;
        event_id_ = cause.event_id;
        correlation_id_ = cause.correlation_id;
        context_json_ = cause.context_json;
    }
    EmitCause emit_cause() override {
        return {key_, event_id_, correlation_id_, context_json_, {}, lane_->wall_us()};
    }
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override {
        return lane_->kv_get(space, key, value_json);
    }
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override {
        return lane_->kv_list(space, prefix, visitor);
    }
    bool secret(std::string_view name, std::string& value) override {
        return lane_->secret(name, value);
    }
    bool takes_event(std::string_view pattern, std::string_view envelope,
                     std::string& why) override {
        return lane_->takes_event(pattern, envelope, why);
    }
    bool hide_secrets(std::string& text) override { return lane_->hide_secrets(text); }
    std::int64_t wall_us() override { return lane_->wall_us(); }
    std::int64_t monotonic_ns() override { return lane_->monotonic_ns(); }
    std::uint64_t random() override { return lane_->random(); }

private:
    LuaHost* lane_ = nullptr;
    CauseKey key_;
    std::string event_id_, correlation_id_, context_json_;
};

// A run that waits, and what it needs to go on or to begin again.
struct WaitingRun {
    std::shared_ptr<const Script> script;
    EventInput event;
    InvocationContext context;
    WaitingRunHost host;
    std::string event_id, execution_id, replay_json;  // what event and context point to
    std::string delivery_id;                          // what its calls are named by
    std::string traceparent, tracestate;              // what they are told; empty: nothing
    ContextTexts texts;
    std::int64_t ends_at_ns = 0;  // of its time, its waits included
    LuaVm* vm = nullptr;          // null: it has to begin again
    std::uint64_t run = 0;
    std::int64_t wake_at_ns = 0;
    std::uint32_t kv_changed = 0;      // how often it was made again for that
    std::uint32_t begun_again = 0;     // since its state was lost
    std::vector<std::uint64_t> calls;  // of those under way, their tickets in their order
    std::vector<courier::HttpAnswer> call_answers;
    std::optional<OutsideAnswer> reply;  // to what it asked
    bool asks = false;                   // an action: its call is among those
    std::int64_t began_ns = 0;
    bool tried = false;            // it is a version that is not the newest
    std::size_t calls_left = 0;    // that have not been answered
    std::uint32_t calls_made = 0;  // by this run, over all its waits
    AttemptResult answer;
    bool answered = false;  // and the port has not taken it yet
    CallRecord record;      // of a script that asks for it
};

}  // namespace millrace::runtime
