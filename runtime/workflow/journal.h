// What: the inputs of a run as JSON texts, one after the other: all that is stored of it. Steps are
//       named by their ids, so that a journal can be played against another version.
// Threads: pure. Lifetime: values. Limits: those of a run.
//       Beside each input stands in short what followed from it (outline()). A later program that
//       would decide otherwise does not go on with what an earlier one has begun.
// Failure: a text that does not read is an Error. play() stops at the first entry that another
//       version would not have met, or from which something else follows now, and says which one.
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

// What an input led to, in a few words that no other decision has: the run's status, what is begun,
// and a digest of where each step stands.
std::string outline(const Definition& definition, const RunState& state,
                    const std::vector<Effect>& effects);

// `then`: its outline; empty: none is kept.
std::string write_input(const Definition& definition, const Input& input,
                        std::string_view then = {});
// A step that the definition does not have is kNotFound.
core::Result<Input> read_input(const Definition& definition, std::string_view json);

// Where a journal and a program part.
struct Difference {
    std::size_t index = 0;  // of the entry
    std::string expected;   // as the journal says
    std::string found;
    bool operator==(const Difference&) const = default;
};

// What an input looked like and what followed from it, for whoever asks for the history.
using SeeEntry = std::function<void(std::size_t index, const Input&, const std::vector<Effect>&,
                                    const RunState&)>;
// What followed is compared where the same version of the definition wrote it. `difference`: filled
// in with an error that is one.
core::Result<RunState> play(const Definition& definition, std::span<const std::string> entries,
                            const SeeEntry& see = {}, Difference* difference = nullptr);

std::string_view input_kind_text(InputKind kind);

}  // namespace millrace::runtime::workflow
