// What: a dead letter as clients see it, with its ETag: one that changed meanwhile has another.
// Threads: the API thread. Lifetime: none. Limits: none.
// Failure: 404 for a letter that is not there, or is somebody else's.
#pragma once

#include "runtime/api/call.h"
#include "runtime/delivery/letter_edit.h"
#include "store/rows/dead_letters.h"

#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

core::Result<store::OwnedDeadLetter> find_dead_letter(Call& call, std::string_view id);
// Without its quotes: when it last changed, and how often its event was edited.
std::string dead_letter_etag(const store::DeadLetter& row, const std::optional<LetterEdit>& edit);
core::Result<ApiResponse> dead_letter_response(Call& call, const store::DeadLetter& row);
// The letter that an event `system.dlq.added` announces, as it is now. False: it announces none, or
// one of an event that is not this caller's to see.
bool append_letter_told(std::string& out, Services& services, const store::StoredEvent& event,
                        const identity::Principal& who);

}  // namespace millrace::runtime::api
