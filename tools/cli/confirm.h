// What: asks a person before something big is done. Where nobody can answer (standard input is no
//       terminal), what may go on unasked does, and what may not wants --yes.
// Threads: one. Lifetime: one call. Limits: none.
// Failure: an exit code; it has been printed why nothing is done.
#pragma once

#include "tools/cli/context.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::tools {

enum class Unasked : std::uint8_t { kGoesOn, kNeedsYes };

// `what` says what would happen, with its count: "deliver 12 events to ...".
int confirm(CliContext& context, std::string_view what, bool yes, Unasked unasked);

// -y, --yes.
void add_yes(CLI::App& verb, bool& yes);

// How many events a selection holds, page by page. False after an error has been printed.
bool count_selected(CliContext& context, const Query& selection, std::int64_t& count);

}  // namespace millrace::tools
