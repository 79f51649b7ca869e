// What: the scripts that runs are pinned to: a workflow that is a script. A version of it is kept
//       as a row of its own with the first run that begins with it, so that runs outlive changes
//       and the removal of the script, and the registry's bound on versions: workflow_code
//       tenant/script/version-made  {"source","name",...} Each run has a Workflow of its own, which
//       grows by what its code asks for. A version that no run is pinned to any more goes
//       (code_upkeep.h).
// Threads: any. Lifetime: borrows the database; what it gives is shared.
// Limits: one entry for each version that had a run since the start.
// Failure: an Error when the row is not there or does not read.
#pragma once

#include "core/result.h"
#include "runtime/orchestrator/run_rows.h"
#include "runtime/registry/document_kinds.h"
#include "store/database.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kRunCodeKind = "workflow_code";

class CodeBook {
public:
    explicit CodeBook(store::Database& database) : database_(database) {}

    struct Name {
        core::TenantId tenant;
        std::string script_id;
        std::uint32_t version = 0;
        std::int64_t made_us = 0;
        std::string row;
    };
    static std::optional<Name> name_of(std::string_view row_id);
    // Of the version that a run is pinned to.
    static std::string row_id_of(const RunHead& head);

    // For a run that begins. Null: the script is none of the type workflow, or switched off, or is
    // on its way out.
    std::shared_ptr<Workflow> begin(const Script& script) const;
    // For one that goes on with what it began with.
    core::Result<std::shared_ptr<Workflow>> find(const RunHead& head) const;
    // Of a version that runs have been pinned to, the one that was made last; null: none.
    ScriptRef version(core::TenantId tenant, std::string_view script_id,
                      std::uint32_t version) const;
    // Into the rows that a run begins with, unless it is there.
    void keep(store::RowBatch& rows, const Script& code) const;

    // Of those that are looked at for whether anybody needs them: from now on what runs are pinned
    // to is noted.
    void watch() const;
    void watch_no_more() const;
    bool was_kept(const std::string& row_id) const;
    // Nobody is pinned to it from now on; has_left(): the row is gone.
    void leaves(const std::string& row_id) const;
    void has_left(const std::string& row_id) const;

private:
    // By the numbers that executors know them by: those of scripts are others.
    ScriptRef numbered(const std::string& row_id, const Script& script) const;
    core::Result<ScriptRef> load(const std::string& row_id, core::TenantId tenant) const;
    bool is_leaving(const std::string& row_id) const;

    store::Database& database_;
    mutable std::mutex mutex_;  // held for a look
    mutable std::map<std::string, ScriptRef> codes_;
    mutable std::uint32_t last_number_ = 0;
    mutable bool watches_ = false;
    mutable std::set<std::string> kept_;
    mutable std::set<std::string> leaving_;
};

// Grows by all that the journal of a run says its code has asked for.
core::Status grow_by_journal(workflow::Definition& definition,
                             const std::vector<std::string>& journal);

}  // namespace millrace::runtime
