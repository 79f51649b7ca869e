// What: a stored event as API clients see it: the bytes as sent, then what the server filled in and
//       where the event stands.
// Threads: any. Lifetime: none. Limits: none.
// Failure: none; an event that came with a tenantId keeps its own.
#pragma once

#include "core/event_parser.h"
#include "core/ids.h"
#include "runtime/event/tenant_names.h"
#include "runtime/identity/principal.h"
#include "store/database.h"
#include "store/log/event_block.h"

#include <string>
#include <string_view>

namespace millrace::runtime::api {

// The envelope as sent; its views live as long as event and parser.
core::Envelope envelope_of(core::EventParser& parser, const store::StoredEvent& event);

// Whether the patterns of its key let a principal see an event.
bool may_see(const identity::Principal& principal, const store::StoredEvent& event);
// Of the event at a place; of one that is gone nobody knows whose business it was.
bool may_see(const identity::Principal& principal, store::Database& database,
             core::LogPosition position);

// The client's id, or the one that the server made.
std::string event_id_of(const store::StoredEvent& event, const store::Hasher& hasher);

void append_event(std::string& out, const store::StoredEvent& event, const store::Hasher& hasher);
// The event for which this one stands (event/misfit.h), and in "rejected" why it did not come in;
// any other event as it is.
void append_as_sent(std::string& out, const store::StoredEvent& event, const store::Hasher& hasher);
// Its pattern; views as of envelope_of().
std::string_view pattern_as_sent(core::EventParser& parser, const store::StoredEvent& event);
// In the JSON format of CloudEvents 1.0.
void append_event_as_cloud_event(std::string& out, const store::StoredEvent& event,
                                 const store::Hasher& hasher);

}  // namespace millrace::runtime::api
