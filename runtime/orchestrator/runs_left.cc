#include "runtime/orchestrator/runs_left.h"

#include "runtime/orchestrator/run_rows.h"
#include "store/rows/registry_store.h"

#include <string>
#include <utility>

namespace millrace::runtime {

core::Result<std::size_t> count_runs_left(store::RegistryStore& rows, core::TenantId tenant,
                                          std::string_view workflow_id, std::uint32_t version) {
    constexpr std::size_t kMarksAtOnce = 1'000;
    std::size_t runs = 0;
    std::string after;
    for (bool more = true; more;) {
        auto active = rows.list(kRunActiveKind, tenant_prefix(tenant), after, kMarksAtOnce);
        if (!active) return core::fail(std::move(active.error()));
        more = active->size() == kMarksAtOnce;
        for (const auto& row : *active) {
            after = row.id;
            const auto mark = read_mark(row.json);
            if (!mark || mark->workflow_id != workflow_id) continue;
            if (version != 0) {
                const RunName run = run_of_row(row.id);
                auto head = rows.get(kRunHeadKind, run_row_id(run));
                if (!head || !*head) continue;
                const auto read = read_head(run, (*head)->json);
                if (read && read->version != version) continue;
            }
            ++runs;
        }
    }
    return runs;
}

}  // namespace millrace::runtime
