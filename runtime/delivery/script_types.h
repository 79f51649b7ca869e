// What: what goes into a handler's run and what comes out of it.
// Threads: values, used on the lane's thread.
// Lifetime: the views of an input must live until invoke returns; the views of a result live in the
//       VM until its next invoke, so the lane copies what it keeps.
// Limits: lua_limits.h. Failure: InvocationResult::status.
#pragma once

#include "core/limits.h"
#include "runtime/delivery/script_host.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::runtime {

struct WorkflowTurn;

struct EventInput {
    enum class Kind : std::uint8_t {
        kEvent,  // `text` is an envelope; what the sender left out is filled from the members below
        kValue,  // `text` is any JSON value shown as it is: {query, body} of an API run
        // As kValue; ctx.eventData is made of plain tables, and what stands there as `doc` when the
        // run has ended is in its effects. Such a run may ctx.abort().
        kDocument,
    };
    Kind kind = Kind::kEvent;
    std::string_view text;      // validated JSON; the views show slices of it
    std::string_view event_id;  // the server's; empty: read from the text
    std::string_view pattern;   // empty: read from the text
    // `text` from the payload's first byte on, to its end or further; empty: found on first touch.
    std::string_view payload;
    std::string_view tenant_id;
    std::string_view version_fill = "1.0";  // when the text has none
    std::string_view source_fill = R"({"type":"external","id":"unknown"})";  // raw JSON, likewise
    std::int64_t received_at_us = 0;  // also the timestamp when the text has none
};

// A text that is made when a handler asks for it: writes at most `bytes_max` bytes, returns how
// many.
struct LuaLazyText {
    std::size_t (*write)(const void* self, char* out, std::size_t bytes_max) = nullptr;
    const void* self = nullptr;
};

struct InvocationContext {
    std::string_view subscription_id;
    std::string_view script_id;
    std::string_view execution_id;  // empty: made by the next one
    LuaLazyText execution_id_lazy;
    std::string_view tenant_id;
    std::string_view event_name;    // the event's pattern, or the name of an endpoint
    std::string_view request_user;  // raw JSON object {id, name, role}; empty: nil in Lua
    std::string_view api_key_id;    // empty: nil in Lua
    std::string_view event_data;    // raw JSON for ctx.eventData; empty: nil in Lua
    bool authenticated = false;     // of a call: somebody with a key, or of this machine
    bool may_subscribe = false;     // of an endpoint
    std::string_view replay_json;   // raw JSON object {"id":...}; empty when this is no replay
    std::string_view cause_id;      // emitted ids derive from it; empty: the event's id
    std::uint64_t subscription_number = 0;  // ...and from this
    std::int64_t started_at_us = 0;         // for ctx.deadline; 0: when it is first read
    std::uint32_t script_version = 1;
    std::uint32_t attempt = 1;
    std::uint32_t causation_depth = 0;                   // of the event being handled
    std::uint32_t timeout_ms = 0;                        // 0: the script's own
    std::size_t event_bytes_max = core::kEventBytesMax;  // of an emitted event, as of any
    WorkflowTurn* workflow = nullptr;                    // the script is one, and this its turn
};

enum class InvocationStatus : std::uint8_t {
    kCompleted,
    kFailed,   // uncaught error or ctx.fail("fail"): retried
    kSilent,   // ctx.fail("silent"): does not count
    kFatal,    // ctx.fail("fatal"): to the dead-letter queue at once
    kTimeout,  // stopped at its deadline; the VM is poisoned
    kMemory,   // went over its memory cap; the VM is poisoned
};
constexpr std::string_view invocation_status_text(InvocationStatus status) {
    constexpr std::string_view kTexts[] = {"completed", "failed",  "silent",
                                           "fatal",     "timeout", "memory"};
    return kTexts[static_cast<std::size_t>(status)];
}

enum class LuaLogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };
constexpr std::string_view lua_log_level_text(LuaLogLevel level) {
    constexpr std::string_view kTexts[] = {"debug", "info", "warn", "error"};
    return kTexts[static_cast<std::size_t>(level)];
}

struct LuaLogLine {
    LuaLogLevel level = LuaLogLevel::kInfo;
    std::string_view text;         // valid UTF-8
    std::string_view fields_json;  // an object, or empty
    std::int64_t at_us = 0;
    bool cut = false;  // text or fields were longer
};

// The members that it was made from are kept for those who show it (dry runs).
struct EmittedEvent {
    std::string_view envelope;  // the finished event, one line of JSON that ingest takes
    std::string_view event_id;  // derived: see lua_emit.h
    std::string_view pattern;
    std::string_view payload;          // JSON text of an object, on one line
    std::string_view partition_key;    // empty: none
    std::string_view version;          // empty: "1.0"
    std::string_view correlation_id;   // empty: the cause's
    std::string_view context_json;     // metadata.context as JSON text; empty: the cause's
    std::int64_t scheduled_at_us = 0;  // 0: at once
    std::int32_t priority = 0;
    std::uint32_t causation_depth = 1;
};

struct KvOp {
    enum class Kind : std::uint8_t { kSet, kDelete, kIncrement };
    Kind kind = Kind::kSet;
    KvSpace space = KvSpace::kKv;
    std::string_view key;            // namespace '\0' name
    std::string_view value_json;     // kSet
    std::int64_t delta = 0;          // kIncrement: add to the committed number, 0 when absent
    std::string_view delta_text;     // ...instead: a decimal that is no whole number of 64 bits
    std::int64_t expires_at_us = 0;  // 0: never; kIncrement: 0 keeps what the entry has
};

struct InvocationResult {
    InvocationStatus status = InvocationStatus::kCompleted;
    std::string_view result_json;      // empty when the handler returned nothing or nil
    std::string_view error;            // message, then the traceback's lines; empty when completed
    std::span<const LuaLogLine> logs;  // also of a failed run
    std::uint32_t logs_cut = 0;        // lines beyond the cap
    std::uint32_t logs_shortened = 0;  // lines that are there in part
    std::span<const EmittedEvent> emitted;  // empty unless completed
    std::span<const KvOp> kv_ops;           // likewise, in the order they were made

    bool completed() const { return status == InvocationStatus::kCompleted; }
};

}  // namespace millrace::runtime
