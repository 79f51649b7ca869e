// What: one attempt of a webhook as an HTTP call: body, headers, signature. A pure function of the
//       event, the subscription and the moment.
// Threads: any. Lifetime: values.
// Limits: executor_specs.h.
// Failure: a secret that a template names and nobody has; a URL that is none once it is filled.
#pragma once

#include "core/result.h"
#include "runtime/courier/http_port.h"
#include "runtime/executors/event_body.h"
#include "runtime/registry/registry_types.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::runtime {

using FindSecret = std::function<bool(std::string_view name, std::string& value)>;

struct Reshaped;  // webhook_transform.h

// What goes out, to whom, for the how manieth time.
struct OutgoingAttempt {
    const Subscription* subscription = nullptr;
    const OutgoingEvent* event = nullptr;
    std::string_view delivery_id;
    std::uint32_t attempt = 1;
    std::int64_t now_us = 0;
    const Reshaped* reshaped = nullptr;  // what a transform made of it; null: it is sent as it is
    std::string_view replay{};           // what the replay that it is of is called; empty: none
    double sample = 1.0;                 // TraceRule's
    std::string_view epoch{};            // of the partition's owner; empty: there is no cluster
};

core::Result<courier::HttpCall> make_webhook_call(const OutgoingAttempt& attempt,
                                                  const FindSecret& find_secret);

}  // namespace millrace::runtime
