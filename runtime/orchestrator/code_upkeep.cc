#include "runtime/orchestrator/code_upkeep.h"

#include "store/rows/registry_store.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

bool CodeUpkeep::work(std::int64_t now_us) {
    if (stage_ == Stage::kWaits) {
        const bool due = next_us_ != 0 && now_us >= next_us_;
        if (due || next_us_ == 0) {
            const std::int64_t every_us = deps_.every_us > 0 ? deps_.every_us : kEveryUsMax;
            next_us_ = now_us + std::clamp(every_us, kEveryUsMin, kEveryUsMax);
        }
        if (!due) return false;
        deps_.codes->watch();
        walked_to_.clear();
        stage_ = Stage::kCodes;
    }
    if (stage_ == Stage::kCodes)
        find_older();
    else
        look_at_heads();
    return stage_ != Stage::kWaits;
}

void CodeUpkeep::find_older() {
    auto rows = deps_.database->registry().list(kRunCodeKind, {}, walked_to_, kCodesPerTurn);
    if (!rows) return give_up();
    for (const store::RegistryDocument& row : *rows) {
        walked_to_ = row.id;
        auto name = CodeBook::name_of(row.id);
        if (name && !deps_.is_newest(*name)) unused_.emplace(row.id, std::move(*name));
    }
    if (rows->size() == kCodesPerTurn) return;
    deps_.visit_in_memory([this](const RunHead& head) { forget(head); });
    walked_to_.clear();
    stage_ = Stage::kHeads;
    if (unused_.empty()) end();
}

void CodeUpkeep::forget(const RunHead& head) { unused_.erase(CodeBook::row_id_of(head)); }

// Those of one tenant after the other, for as long as something of it looks unused.
void CodeUpkeep::look_at_heads() {
    const auto first = unused_.lower_bound(walked_to_.substr(0, walked_to_.find('/')));
    if (first == unused_.end()) return end();
    const core::TenantId tenant = first->second.tenant;
    const std::string prefix = tenant_prefix(tenant);
    auto rows = deps_.database->registry().list(
        kRunHeadKind, prefix, walked_to_.starts_with(prefix) ? walked_to_ : std::string(),
        kRowsPerTurn);
    if (!rows) return give_up();
    bool all_read = true;
    for (const store::RegistryDocument& row : *rows) {
        walked_to_ = row.id;
        if (row.json.find(R"("codeMadeUs")") == std::string::npos) continue;
        const auto head = read_head(run_of_row(row.id), row.json);
        all_read &= head.has_value();
        if (head) forget(*head);
    }
    if (!all_read)
        std::erase_if(unused_, [&](const auto& one) { return one.second.tenant == tenant; });
    if (rows->size() < kRowsPerTurn) walked_to_ = tenant_prefix(core::TenantId(tenant.value + 1));
}

// The next walk looks again.
void CodeUpkeep::give_up() {
    unused_.clear();
    end();
}

// Runs begin on this thread: none is pinned to one of them between the look and the erasure.
void CodeUpkeep::end() {
    stage_ = Stage::kWaits;
    for (const auto& [row, name] : unused_) {
        if (deps_.codes->was_kept(row) || deps_.is_newest(name)) continue;
        deps_.codes->leaves(row);
        ++removed_;
        deps_.erase(name, [codes = deps_.codes, row = row] { codes->has_left(row); });
    }
    unused_.clear();
    deps_.codes->watch_no_more();
}

}  // namespace millrace::runtime
