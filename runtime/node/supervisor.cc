#include "runtime/node/supervisor.h"

#include "core/json_dom.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::node {

core::Result<ChildReport> read_child_report(std::string_view line) {
    core::JsonDom dom;
    auto root = dom.parse(line);
    core::JsonElement member;
    std::string_view text;
    const auto wrong = [&](std::string_view what) {
        return core::fail(core::ErrorCode::kValidation,
                          "a partition says something that does not "
                          "read: " +
                              std::string(what));
    };
    if (!root || !root->is_object()) return wrong("no JSON object");
    ChildReport out;
    if (!root->find("role", member) || !member.get(text)) return wrong("role");
    // It could not start, and says why.
    const auto role = text == "failed" ? std::optional(Role::kDown) : parse_role(text);
    if (!role) return wrong("role");
    out.status.role = *role;
    for (const auto& [name, to] :
         {std::pair{"epoch", &out.status.epoch}, std::pair{"appended", &out.status.appended},
          std::pair{"applied", &out.status.applied}, std::pair{"fsynced", &out.status.fsynced},
          std::pair{"unit", &out.status.unit}}) {
        if (root->find(name, member) && !member.get(*to)) return wrong(name);
    }
    if (root->find("http", member) && member.get(text)) out.http = text;
    if (root->find("audited", member) && member.get(text)) out.audited = text;
    if (root->find("hash", member) && member.get(text)) out.status.hash = text;
    if (root->find("error", member) && member.get(text)) out.status.error = text;
    if (root->find("needsSnapshot", member)) (void)member.get(out.status.needs_snapshot);
    for (const auto& [name, to] :
         {std::pair{"waitsFor", &out.status.waits_for}, std::pair{"near", &out.status.near}}) {
        core::JsonArray nodes;
        if (!root->find(name, member) || !member.get(nodes)) continue;
        for (const core::JsonElement node : nodes) {
            if (node.get(text)) to->emplace_back(text);
        }
    }
    return out;
}

void Supervisor::want(const std::set<std::size_t>& partitions) {
    if (stopping_) return;
    for (auto& [p, slot] : slots_) {
        const bool wanted = partitions.contains(p);
        if (slot.wanted && !wanted && slot.child) end(*slot.child);
        slot.wanted = wanted;
    }
    for (const std::size_t p : partitions) slots_.try_emplace(p);
}

void Supervisor::order(std::size_t partition, const std::string& line) {
    const auto found = slots_.find(partition);
    if (found == slots_.end() || !found->second.child) return;
    Slot& slot = found->second;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    std::erase_if(slot.ordered,
                  [now_ns](const auto& one) { return now_ns - one.second >= kOrderAgainNs; });
    if (slot.ordered.emplace(line, now_ns).second) slot.child->tell(line);
}

void Supervisor::start(std::size_t partition, Slot& slot) {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (now_ns < slot.again_ns) return;
    auto child = ChildProcess::spawn(deps_.command);
    if (!child) {
        deps_.log->error("cluster: a partition's process does not start",
                         {{"partition", static_cast<std::int64_t>(partition)},
                          {"error", child.error().message}});
        slot.again_ns = now_ns + slot.back_off_ns;
        return;
    }
    slot.child = std::move(*child);
    slot.started_ns = now_ns;
    slot.ordered.clear();
    slot.report = {};
    slot.child->tell(deps_.settings(partition));
}

bool Supervisor::read(std::size_t partition, Slot& slot) {
    bool changed = false;
    std::string line;
    while (slot.child->next(line)) {
        auto report = read_child_report(line);
        if (!report) {
            deps_.log->warn("cluster: " + report.error().message,
                            {{"partition", static_cast<std::int64_t>(partition)}});
            continue;
        }
        const PartitionStatus& before = slot.report.status;
        if (before.role != report->status.role || before.epoch != report->status.epoch) {
            deps_.log->info("cluster: a partition has another role",
                            {{"partition", static_cast<std::int64_t>(partition)},
                             {"role", role_text(report->status.role)},
                             {"epoch", static_cast<std::int64_t>(report->status.epoch)}});
        }
        slot.report = std::move(*report);
        changed = true;
    }
    return changed;
}

bool Supervisor::look_for_end(std::size_t partition, Slot& slot) {
    const auto code = slot.child->over();
    if (!code) return false;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    slot.child.reset();
    std::string why = std::move(slot.report.status.error);
    slot.report = {};
    slot.report.status.error = why;
    if (!slot.wanted || stopping_) return true;
    if (*code == kExitFenced || *code == 0) {
        slot.again_ns = now_ns;
        slot.back_off_ns = kBackOffNs;
        return true;
    }
    if (now_ns - slot.started_ns > kQuietNs) slot.back_off_ns = kBackOffNs;
    slot.again_ns = now_ns + slot.back_off_ns;
    slot.back_off_ns = std::min(slot.back_off_ns * 2, kBackOffMaxNs);
    deps_.log->warn(
        "cluster: a partition's process has ended; it is started again",
        {{"partition", static_cast<std::int64_t>(partition)}, {"exitCode", *code}, {"error", why}});
    return true;
}

bool Supervisor::turn() {
    bool changed = false;
    for (auto it = slots_.begin(); it != slots_.end();) {
        auto& [p, slot] = *it;
        if (!slot.child && slot.wanted && !stopping_) start(p, slot);
        if (slot.child) {
            changed |= read(p, slot);
            changed |= look_for_end(p, slot);
        }
        if (!slot.child && (!slot.wanted || stopping_)) {
            it = slots_.erase(it);
            changed = true;
        } else {
            ++it;
        }
    }
    return changed;
}

void Supervisor::append_waits(std::vector<pollfd>& fds) const {
    for (const auto& [p, slot] : slots_) {
        if (slot.child) slot.child->append_waits(fds);
    }
}

std::map<std::size_t, PartitionStatus> Supervisor::statuses() const {
    std::map<std::size_t, PartitionStatus> out;
    for (const auto& [p, slot] : slots_) {
        if (slot.wanted) out[p] = slot.report.status;
    }
    return out;
}

std::string Supervisor::address(std::size_t partition) const {
    const auto found = slots_.find(partition);
    if (found == slots_.end() || found->second.report.status.role != Role::kOwner) return {};
    return found->second.report.http;
}

std::string Supervisor::audited(std::size_t partition) const {
    const auto found = slots_.find(partition);
    return found == slots_.end() ? std::string() : found->second.report.audited;
}

void Supervisor::stop() {
    stopping_ = true;
    for (auto& [p, slot] : slots_) {
        if (slot.child) end(*slot.child);
    }
}

// An owner says in the log that it goes: nobody has to wait for its silence.
void Supervisor::end(ChildProcess& child) {
    child.tell(R"({"do":"stop"})");
    child.let_end();
}

void Supervisor::hurry() {
    for (auto& [p, slot] : slots_) {
        if (slot.child) slot.child->kill();
    }
}

}  // namespace millrace::runtime::node
