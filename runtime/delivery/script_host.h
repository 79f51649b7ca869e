// What: everything a script can reach that is not pure computation, as one interface. Production
//       acts, a shadow run records, a test plays back. Writes never come here: they are collected
//       in the InvocationResult and take effect with the delivery's commit.
// Threads: called on the thread that runs the script, during LuaVm::invoke only.
// Lifetime: outlives the invoke call it is passed to.
// Limits: kv values and lists are bounded by lua_limits.h before they are asked for.
// Failure: by return value; a host never throws and never blocks for long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

enum class KvSpace : std::uint8_t { kKv, kCache };

enum class KvAnswer : std::uint8_t {
    kFound,
    kAbsent,
    kUnavailable,  // raises in the script: the delivery fails and is tried again
};

// (tenant, source, eventId) of a cause in 128 bits: script_emit.h. All zero: not known.
struct CauseKey {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const CauseKey&) const = default;
};

// What an emitted event takes over from the event that caused it.
struct EmitCause {
    CauseKey key;                     // the emitted event's id derives from it
    std::string_view event_id;        // becomes metadata.causationId
    std::string_view correlation_id;  // unescaped; empty: the cause's own id begins the chain
    std::string_view context_json;    // raw JSON of metadata.context; empty: none
    std::string_view source_id;       // the script's id; source.type is "task"
    std::int64_t now_us = 0;          // becomes timestamp
};

class LuaHost {
public:
    // Sees one entry of a list; returns false to stop.
    class KvVisitor {
    public:
        virtual bool entry(std::string_view key, std::string_view value_json) = 0;

    protected:
        ~KvVisitor() = default;
    };

    virtual ~LuaHost() = default;

    // The committed value of a key, as JSON text, appended to `value_json`. Keys are
    // `namespace '\0' name`, the namespace empty for the common room; expired ones are absent.
    virtual KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) = 0;
    // Committed entries whose key begins with `prefix`, in key order.
    virtual KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) = 0;
    // Appends the secret's text; false when there is none of that name.
    virtual bool secret(std::string_view name, std::string& value) = 0;
    // Puts "****" where a secret stands in a text that people will see. False: there was none.
    virtual bool hide_secrets(std::string&) { return false; }
    // Of the run that is going on; what is left empty the VM fills in. Asked at the first emit.
    virtual EmitCause emit_cause() { return {}; }
    // Whether ingest would take this event (a whole envelope), as far as schemas say; else `why`
    // says why not.
    virtual bool takes_event(std::string_view /*pattern*/, std::string_view /*envelope*/,
                             std::string& /*why*/) {
        return true;
    }
    virtual std::int64_t wall_us() = 0;
    virtual std::int64_t monotonic_ns() = 0;
    virtual std::uint64_t random() = 0;
};

}  // namespace millrace::runtime
