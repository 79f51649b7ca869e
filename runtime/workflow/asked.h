// What: steps that the code of a run asks for (a workflow that is a script), as JSON: the members
//       that a definition has for a step, but values as they are, without templates. They are
//       written into the journal before they begin; the definition of such a run grows by them.
// Threads: pure. Lifetime: values. Limits: kStepsMax steps of a run, kStepIdBytesMax of an id.
// Failure: kValidation that names the member.
#pragma once

#include "core/result.h"
#include "runtime/workflow/definition.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::workflow {

// In place of an action's name: what is done stands in the code.
inline constexpr std::string_view kInCode = "*";

// That of a run before its code has asked for anything.
Definition code_definition(std::string_view id, std::string_view name, std::uint32_t version);

struct Asked {
    std::size_t steps = 0;          // how many more there are
    std::vector<std::string> left;  // ids of those that nobody waits for any more
};
std::string write_asked(std::span<const std::string> steps, std::span<const std::string> left);
core::Result<Asked> read_asked(std::string_view json);

// The definition has them too then; if one is wrong, none of them.
core::Status grow(Definition& definition, std::string_view asked);

// Appends what was asked for, as people read it: step "charge:1".
void append_asked_text(const Step& step, std::string& out);

}  // namespace millrace::runtime::workflow
