#include "tests/sim/workflow_graph.h"

#include "tests/sim/documents.h"

#include <set>

namespace millrace::sim {

namespace {

constexpr std::string_view kDo =
    "return function(e) sdk.kv.incr('did:' .. e.run .. ':' .. e.step) return {x = 1} end";
// It reaches for the outside, so that it is begun when its cause is durable.
constexpr std::string_view kDoSlowly =
    "return function(e) sdk.sleep(3) sdk.kv.incr('did:' .. e.run .. ':' .. e.step) end";
constexpr std::string_view kFail = "return function(e) error('no luck') end";
constexpr std::string_view kUndo =
    "return function(e) sdk.kv.incr('undid:' .. e.run .. ':' .. e.step) end";
constexpr std::string_view kCode =
    "return function(event, wf) local round = wf.input.round or 1 "
    "wf.step('r' .. round, function() sdk.kv.incr('did:' .. wf.runId .. ':r' .. round) end) "
    "wf.race{function() wf.sleep(5) end, function() wf.signal('go') end} "
    "if round < 3 then wf.continueAsNew({round = round + 1}) end return round end";

std::string acts(const std::string& id, std::string_view action) {
    const std::string input = R"({"run":"{{run.id}}","step":")" + id + R"("})";
    return R"("type":"action","action":")" + std::string(action) + R"(","input":)" + input +
           R"(,"compensate":{"action":"undo","input":)" + input + "}";
}

// What a step is; a parallel one brings its branches along, as steps behind it.
std::string kind_of(core::Random& random, const std::string& id, std::string& branches) {
    switch (random.below(10)) {
        case 0: return R"("type":"sleep","duration":)" + std::to_string(1 + random.below(30));
        case 1: return R"("type":"wait","signal":"go","timeout":20,"on_failure":"continue")";
        case 2: return R"("type":"wait","event":"wf.go","timeout":30,"on_failure":"continue")";
        case 3: return R"("type":"workflow","workflow_id":"child","on_failure":"continue")";
        case 4:
            return R"("type":"workflow","workflow_id":"child","timeout":15,"on_failure":)"
                   R"("continue","retry_policy":{"strategy":"fixed","max_attempts":2,)"
                   R"("initial_delay_ms":5})";
        case 5: {
            for (const char* const branch : {"a", "b"}) {
                branches += R"(,{"id":")" + id + branch + R"(",)" +
                            acts(id + branch, random.below(2) == 0 ? "do" : "slow") + "}";
            }
            return R"("type":"parallel","join":)" + std::to_string(1 + random.below(2)) +
                   R"(,"branches":[")" + id + R"(a",")" + id + R"(b"])";
        }
        case 6:
        case 7: return acts(id, "slow");
        default: return acts(id, "do");
    }
}

}  // namespace

std::vector<std::string> workflow_scripts() {
    return {script_document("do", kDo, "event"), script_document("slow", kDoSlowly, "event"),
            script_document("fail", kFail, "event"), script_document("undo", kUndo, "event"),
            script_document("code", kCode, "workflow")};
}

// Each step leads to later ones, and each is led to by one or two.
std::string random_workflow(core::Random& random, const std::string& id) {
    const std::size_t count = 2 + random.below(5);
    std::vector<std::set<std::size_t>> next(count);
    for (std::size_t to = 1; to < count; ++to) {
        next[random.below(to)].insert(to);
        if (random.below(3) == 0) next[random.below(to)].insert(to);
    }
    std::string steps;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string step = "s" + std::to_string(i);
        std::string branches;
        const bool fails = i + 1 == count && random.below(3) == 0;
        const std::string kind = fails ? acts(step, "fail") : kind_of(random, step, branches);
        std::string leads_to;
        for (const std::size_t to : next[i])
            leads_to += (leads_to.empty() ? "\"s" : ",\"s") + std::to_string(to) + "\"";
        if (!steps.empty()) steps += ',';
        steps.append(R"({"id":")").append(step).append(R"(",)").append(kind);
        steps.append(R"(,"next_steps":[)").append(leads_to).append("]}").append(branches);
    }
    const char* const ends[] = {"fail", "compensate", "pause"};
    return R"({"id":")" + id + R"(","steps":[)" + steps +
           R"(],"error_handling":{"on_step_failure":"retry","on_workflow_failure":")" +
           ends[random.below(3)] +
           R"(","retry_policy":{"strategy":"fixed","max_attempts":2,"initial_delay_ms":5}}})";
}

std::string child_workflow() {
    return R"({"id":"child","steps":[{"id":"s0",)" + acts("s0", "do") +
           R"(,"next_steps":["s1"]},{"id":"s1","type":"sleep","duration":10,)"
           R"("next_steps":["s2"]},{"id":"s2",)" +
           acts("s2", "slow") + "}]}";
}

}  // namespace millrace::sim
