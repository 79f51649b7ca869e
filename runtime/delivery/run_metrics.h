// What: one lane's counters by event type and script, found without a lock.
// Threads: one lane's (the cells may be read by any). Lifetime: borrows Metrics.
// Limits: Metrics' own bounds on label sets. Failure: none.
#pragma once

#include "core/metrics.h"
#include "runtime/registry/registry_types.h"
#include "store/log/format.h"

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class RunMetrics {
public:
    struct ScriptCells {
        ScriptNumber script;
        core::Counter completed, failed, retrying, dead;
        core::Histogram seconds;
    };
    struct Type {
        std::string name;
        core::Counter completed, failed, unmatched;
        std::vector<ScriptCells> scripts;
    };

    explicit RunMetrics(core::Metrics& metrics)
        : role_(metrics.role()),
          types_([this](std::string_view name) { return make(name); }),
          queue_seconds_(role_.histogram(core::Metric::kQueueSeconds)),
          retry_ok_(role_.counter(core::Metric::kDlqRetries, {"success"})),
          retry_failed_(role_.counter(core::Metric::kDlqRetries, {"failure"})),
          killed_deadline_(role_.counter(core::Metric::kScriptKills, {"deadline"})),
          killed_memory_(role_.counter(core::Metric::kScriptKills, {"memory"})) {}

    // Neighbours in the log mostly are of one type.
    Type* type(std::string_view pattern) {
        if (!last_type_ || last_type_->name != pattern) last_type_ = types_.at(pattern);
        return last_type_;
    }
    const ScriptCells& script(Type& type, ScriptNumber number, std::string_view script_id);
    void count_attempt(Type& type, const Subscription& subscription, store::DeliveryStatus status,
                       std::uint64_t duration_ns);
    void count_queue_time(std::int64_t us) const {
        queue_seconds_.observe_ns(us > 0 ? static_cast<std::uint64_t>(us) * 1000 : 0);
    }
    void count_retry(bool ok) const { (ok ? retry_ok_ : retry_failed_).add(); }
    void count_kill(bool memory) const { (memory ? killed_memory_ : killed_deadline_).add(); }

private:
    Type* make(std::string_view name);

    core::MetricsRole& role_;
    std::deque<Type> storage_;
    core::LabelCache<Type*> types_;
    Type* last_type_ = nullptr;
    core::Histogram queue_seconds_;
    core::Counter retry_ok_, retry_failed_, killed_deadline_, killed_memory_;
};

}  // namespace millrace::runtime
