// What: the inputs of a run as JSON texts, one after the other: all that is stored of it. Steps are
//       named by their ids, so that a journal can be played against another version.
// Threads: pure. Lifetime: values. Limits: those of a run.
// Failure: a text that does not read is an Error. play() stops at the first entry that another
//       version would not have met, and says which one.
#pragma once

#include "core/result.h"
#include "runtime/workflow/decide.h"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

std::string write_input(const Definition& definition, const Input& input);
// A step that the definition does not have is kNotFound.
core::Result<Input> read_input(const Definition& definition, std::string_view json);

// What an input looked like and what followed from it, for whoever asks for the history.
using SeeEntry = std::function<void(std::size_t index, const Input&, const std::vector<Effect>&,
                                    const RunState&)>;
core::Result<RunState> play(const Definition& definition, std::span<const std::string> entries,
                            const SeeEntry& see = {});

std::string_view input_kind_text(InputKind kind);

}  // namespace millrace::runtime::workflow
