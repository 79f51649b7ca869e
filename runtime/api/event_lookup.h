// What: an event by its id, the same way for every call. An id is unique within its source: with
//       ?sourceType= and ?sourceId= that one is meant, without them the newest, and the answer
//       names the others' sources.
// Threads: any. Lifetime: none. Limits: kSourcesMax sources of one id are looked at, newest first.
// Failure: an id that is not there (any more) is an empty optional.
#pragma once

#include "core/result.h"
#include "runtime/api/call.h"
#include "store/log/log_reader.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::api {

inline constexpr std::size_t kSourcesMax = 100;

// Empty members: any.
struct SourceChoice {
    std::string type;
    std::string id;
};
// `sourceType` and `sourceId` of a call, checked.
core::Result<SourceChoice> source_choice(const Call& call);

struct FoundEvent {
    store::OwnedEvent event;
    std::vector<SourceChoice> others;  // not when the source was chosen
    bool stands_in = false;            // for the one of that id, which did not fit a schema
};
// By the pattern that it was sent with.
bool may_see(const identity::Principal& principal, const FoundEvent& found);

core::Result<std::optional<FoundEvent>> find_event(store::Database& database, core::TenantId tenant,
                                                   std::string_view event_id,
                                                   const SourceChoice& choice);

// Adds ,"otherSources":[...] to an object that is open, when there are some.
void append_other_sources(std::string& object, const std::vector<SourceChoice>& others);

// The event that caused this one, by its causationId. Where several sources have used that id it is
// the one that the event's derived id proves, else the newest that was there before it.
core::Result<std::optional<store::OwnedEvent>> cause_of(store::Database& database,
                                                        const store::StoredEvent& effect);

}  // namespace millrace::runtime::api
