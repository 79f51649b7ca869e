// What: what is stored of a run: a head (who, which version, how far, in clear), a row for each
//       input of its journal (sealed), a mark while it has not ended, and a row that puts runs in
//       the order of their beginnings. Rows of the registry's family:
//           workflow_run      tenant/run                 head, JSON
//           workflow_journal  tenant/run/number          {"sealed":"..."}, or the input itself; of
//                                                        several in one commit an array of them
//                                                        under the number of the first
//           workflow_active   tenant/run                 {"due":us,"busy":bool,"waits":bool}
//           workflow_order    tenant/time, turned/run    {}
//           workflow_ended    time of its end/tenant/run what goes with it when it is old
//           workflow_left     tenant/run                 {}: its parent does not wait for it any
//                                                        more; it is to be cancelled
//       A journal is sealed with a key of the run's own, which stands in the head, wrapped by the
//       tenant's (run_keys.h); an entry is bound to tenant, workflow, run, step and number (several
//       together to their steps and the first number), and to nothing that a rotation changes.
// Threads: pure. Lifetime: values.
// Limits: kRunIdBytesMax. Failure: a row that does not read, or does not open, is an Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/workflow/journal.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kRunIdBytesMax = 80;
inline constexpr std::string_view kRunHeadKind = "workflow_run";
inline constexpr std::string_view kRunJournalKind = "workflow_journal";
inline constexpr std::string_view kRunActiveKind = "workflow_active";
inline constexpr std::string_view kRunOrderKind = "workflow_order";
inline constexpr std::string_view kRunEndedKind = "workflow_ended";
inline constexpr std::string_view kRunLeftKind = "workflow_left";

struct RunName {
    core::TenantId tenant;
    std::string id;
    auto operator<=>(const RunName&) const = default;
};
// Ids of runs share long beginnings, so that a tree of them compares most of each.
struct RunNameHash {
    std::size_t operator()(const RunName& run) const;
};

struct RunParent {
    std::string run_id;  // empty: none
    std::string step;
    std::uint32_t iteration = 0;
    std::uint32_t attempt = 0;
};

struct RunHead {
    RunName run;
    std::string workflow_id;
    std::uint32_t version = 0;
    workflow::RunStatus status = workflow::RunStatus::kPending;
    std::int64_t started_us = 0;
    std::int64_t updated_us = 0;
    std::int64_t ended_us = 0;
    std::uint32_t depth = 0;  // handlers between it and a client
    std::string event_id;
    std::string correlation_id;
    std::string subscription_id;
    std::string code;  // of a failure
    std::string key;   // wrapped
    // Of a run whose steps a script asks for: when that was first made; -1: it has a definition.
    std::int64_t code_made_us = -1;
    // Its journal can not be played as it was written: it waits for a program that can.
    std::optional<workflow::Difference> differs;
    RunParent parent;
    std::vector<std::uint64_t> log_ends;  // by shard, when it began: waits read from there
};

// What is kept of a run while it has not ended.
struct RunMark {
    std::int64_t due_us = 0;  // 0: time alone does not make it go on
    bool busy = true;         // to be taken up at once
    bool waits = false;       // for something else than time: a start looks at it at once
    bool differs = false;     // see RunHead; looked at again at each start
    std::string workflow_id;
    bool operator==(const RunMark&) const = default;
};

std::string run_row_id(const RunName& run);
RunName run_of_row(std::string_view row_id);
std::string tenant_prefix(core::TenantId tenant);
std::string order_row_id(const RunHead& head);
std::string journal_prefix(const RunName& run);

void put_head(store::RowBatch& rows, const RunHead& head);
core::Result<RunHead> read_head(const RunName& run, std::string_view json);
void put_mark(store::RowBatch& rows, const RunName& run, const RunMark& mark);
core::Result<RunMark> read_mark(std::string_view json);
void put_order(store::RowBatch& rows, const RunHead& head);
// What retention finds it by, and needs to know to remove all of it.
void put_ended(store::RowBatch& rows, const RunHead& head, std::size_t entries);
std::int64_t ended_us_of(std::string_view row_id);
core::Status erase_ended(store::RowBatch& rows, std::string_view row_id, std::string_view json);

// Sealed, if there is a key.
void put_entry(store::RowBatch& rows, const RunHead& head, const std::string& key,
               std::uint32_t number, std::string_view step, std::string_view input);
core::Result<std::string> open_entry(const RunHead& head, const std::string& key,
                                     std::uint32_t number, std::string_view json);
// Those of one commit as one row; `steps`: of each in order, with commas between them.
void put_entries(store::RowBatch& rows, const RunHead& head, const std::string& key,
                 std::uint32_t first, std::string_view steps, std::span<const std::string> inputs);
// What a row holds, behind those before it.
core::Status open_entries(const RunHead& head, const std::string& key, std::string_view json,
                          std::vector<std::string>& journal);

}  // namespace millrace::runtime
