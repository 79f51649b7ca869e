// What: an event of a dead letter as somebody has corrected it: a row beside the letter, which
//       takes the event's place when the letter is delivered again. The log keeps the event as it
//       came.
// Threads: any. Lifetime: values.
// Limits: those of an event. Failure: a row that does not read is an Error: the letter waits.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

// Rows of the registry's family.
inline constexpr std::string_view kLetterEditKind = "dead_letter_edit";

struct LetterEdit {
    std::int64_t at_us = 0;
    std::string by;
    std::uint32_t count = 0;  // how often it was edited
    std::string event;        // the whole envelope
};

std::string letter_edit_id(const store::DeadLetterKey& letter);
std::string letter_edit_document(const LetterEdit& edit);
core::Result<std::optional<LetterEdit>> find_letter_edit(store::Database& database,
                                                         const store::DeadLetterKey& letter);

// What may not be changed of an event: it says which event it is, and in which order it comes. The
// others are taken from `edited`, which may be an event as the server shows it. An error names the
// member. Both are objects.
struct ShownMembers {
    std::string_view event_id;
    std::string_view tenant_id;
};
core::Result<std::string> merge_letter_edit(std::string_view original, std::string_view edited,
                                            const ShownMembers& shown);

// The event with another text; all that the server knows of it stays.
store::OwnedEvent with_text(store::Database& database, const store::OwnedEvent& event,
                            std::string_view text);

}  // namespace millrace::runtime
