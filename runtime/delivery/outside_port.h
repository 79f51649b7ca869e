// What: what a run asks of the world by a name and waits for: an action, a query of a database. One
//       question goes out, one answer comes back, as JSON. A test gives a fake.
// Threads: ask() and cancel() any; answered() whoever knows the answer, the asker's own thread too,
//          also before ask() has returned. Lifetime: a receiver outlives the port's threads.
// Limits: the port's own. Failure: an answer with a code. Every question that was taken is answered
//         once, unless it was cancelled; an answer that is on its way may still come.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

struct OutsideAsk {
    core::TenantId tenant;
    std::string name;        // of the action, or of the connection
    std::string text;        // a query's SQL
    std::string input_json;  // an action's input; a query's parameters, an array
    std::string key;         // what a receiver knows repeats by: the same over all attempts
    std::int64_t timeout_ms = 10'000;
    // W3C Trace Context, of the run that asks; empty: none.
    std::string traceparent{};
    std::string tracestate{};
};

struct OutsideAnswer {
    std::string code;  // empty: it went well; else NOT_FOUND, FAILED, TIMEOUT, ...
    std::string message;
    std::string json;  // empty: nothing came back
    int status = 0;    // HTTP's, or an exit code, where there is one
    // Of what answers may take together, its part: given back with the answer.
    std::shared_ptr<void> held{};
};

class OutsideReceiver {
public:
    virtual void answered(std::uint64_t ticket, OutsideAnswer&& answer) = 0;

protected:
    ~OutsideReceiver() = default;
};

class OutsidePort {
public:
    virtual ~OutsidePort() = default;
    // False: too many wait; nothing is answered. Tickets are the receiver's own.
    virtual bool ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) = 0;
    virtual void cancel(OutsideReceiver& receiver, std::uint64_t ticket) = 0;
};

}  // namespace millrace::runtime
