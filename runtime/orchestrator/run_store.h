// What: a run as it stands in the store: its head, its journal opened, and the state that follows.
// Threads: any; reads only. Lifetime: borrows all it is made of.
// Limits: those of a run. Failure: kNotFound; what does not read or open is an Error.
#pragma once

#include "core/result.h"
#include "runtime/orchestrator/code_book.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/orchestrator/run_rows.h"
#include "runtime/orchestrator/workflow_table.h"
#include "runtime/workflow/journal.h"
#include "store/database.h"

#include <string>
#include <vector>

namespace millrace::runtime {

struct StoredRun {
    RunHead head;
    WorkflowRef workflow;
    std::string key;
    std::vector<std::string> journal;
    workflow::RunState state;
};

class RunStore {
public:
    RunStore(store::Database& database, const RunKeys& keys, const WorkflowTable& workflows)
        : database_(database), keys_(keys), workflows_(workflows), codes_(database) {}

    const CodeBook& codes() const { return codes_; }
    bool exists(const RunName& run) const;
    core::Result<RunHead> head(const RunName& run) const;
    // How many its journal has at most, whatever they say.
    std::size_t entries(const RunName& run) const;
    // Without what follows from the journal.
    core::Result<StoredRun> read(const RunName& run) const;
    // `see`: each entry as it is played. `difference`: filled in when the program would have
    // decided otherwise than the journal says.
    core::Result<StoredRun> load(const RunName& run, const workflow::SeeEntry& see = {},
                                 workflow::Difference* difference = nullptr) const;

private:
    store::Database& database_;
    const RunKeys& keys_;
    const WorkflowTable& workflows_;
    CodeBook codes_;
};

// {"runId","workflowId","version","status",...,"steps":[...]}
std::string run_view(const StoredRun& run);
// The same without steps, input and output: what the head knows.
std::string head_view(const RunHead& head);
// {"runId","workflowId","version","status","steps":[{"id","status","attempt",...}]}: how far it has
// come, without what it is made of.
std::string progress_view(const StoredRun& run);

}  // namespace millrace::runtime
