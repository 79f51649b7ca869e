// What: what templates and conditions of a run see: event, input, steps by id, and `data`, the
//       payload with each output that is an object laid over it, in the order in which steps follow
//       each other (of those side by side, that of the definition).
// Threads: one owner. Lifetime: borrows definition and state; texts are parsed when asked for.
// Limits: those of a run. Failure: what is missing is an error that says where.
#pragma once

#include "runtime/workflow/run_state.h"
#include "runtime/workflow/template.h"

#include <memory>
#include <string>
#include <unordered_map>

namespace millrace::runtime::workflow {

class RunData final : public Scope {
public:
    RunData(const Definition& definition, const RunState& state)
        : definition_(definition), state_(state) {}

    core::Result<std::string> look_up(const TemplatePath& path) override;
    // `data` as one object.
    const std::string& data();
    // What conditions look into: data, and steps, event, input beside it.
    std::string filter_payload();

private:
    core::JsonElement parsed(const std::string& text);
    std::string steps_json() const;
    std::string payload() const;

    const Definition& definition_;
    const RunState& state_;
    std::unordered_map<const std::string*, std::unique_ptr<core::JsonDom>> parsed_;
    std::unordered_map<const std::string*, core::JsonElement> roots_;
    std::string data_;
    std::string payload_;
};

}  // namespace millrace::runtime::workflow
