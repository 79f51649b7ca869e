// What: what a schema with all its rules says of an event that is not taken in: of a try, or of the
//       log as it is.
// Threads: one. Lifetime: borrows what it asks.
// Limits: those of schemas and rules. Failure: none: it fits, or why not.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "runtime/registry/rule_runner.h"
#include "runtime/schema/contract.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime::api {

class SchemaTrial {
public:
    // The state that a step leaves.
    using StateOf = std::function<std::string(const schema::Transition&, const schema::Step&)>;
    struct Deps {
        std::shared_ptr<const schema::Contract> contract;
        std::vector<schema::SchemaRule> rules;
        store::KvStore* kv = nullptr;
        RuleRunner* scripts = nullptr;  // null: they say nothing
        StateOf state_of = {};          // null: transitions are not asked
    };
    explicit SchemaTrial(Deps deps) : deps_(std::move(deps)) {}

    // `envelope` has its defaults filled in. `now_us`: when reference data is looked at.
    std::vector<schema::Failure> judge(const core::Envelope& envelope, core::TenantId tenant,
                                       std::int64_t received_at_us, std::int64_t now_us);
    // The steps that the event makes which was judged last.
    const std::vector<schema::Step>& steps() const { return steps_; }

private:
    Deps deps_;
    core::JsonDom dom_;
    std::vector<schema::Step> steps_;
};

}  // namespace millrace::runtime::api
