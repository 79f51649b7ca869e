// What: who clients were found to be, remembered for a moment: what they show, and what the
//       partition where the keys are has said of it. While that one is out of reach what it said
//       last counts on for a while.
// Threads: one owner. Lifetime: values.
// Limits: kRemembered who are somebody, kRefusalsRemembered refusals beside them; the oldest leave.
//         Fresh for kFreshNs, of use for kStaleNs. What was shown is kept as a digest.
// Failure: none.
#pragma once

#include "core/clock.h"
#include "runtime/identity/scopes.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace millrace::runtime::node {

// One who was judged: somebody, or a refusal.
struct Judgement {
    std::int64_t at_ns = 0;
    std::string principal;  // as the trusted header says it; empty: refused
    std::string tenant;
    identity::ScopeSet scopes;
    bool has_key = false;  // false: of this machine, while no key exists
    int status = 0;        // of a refusal
    std::string refusal;   // its body
};
using JudgementRef = std::shared_ptr<const Judgement>;

class Judged {
public:
    static constexpr std::size_t kRemembered = 8192;
    static constexpr std::size_t kRefusalsRemembered = 1024;
    static constexpr std::int64_t kFreshNs = 2'000'000'000;
    static constexpr std::int64_t kRefusalFreshNs = 500'000'000;
    static constexpr std::int64_t kStaleNs = 60'000'000'000;

    // Null: it has to be asked.
    JudgementRef fresh(const std::string& shown, std::int64_t now_ns) const;
    // What was said last, where nobody can be asked; null: nothing, or too long ago, or no.
    JudgementRef stale(const std::string& shown, std::int64_t now_ns) const;
    JudgementRef put(const std::string& shown, Judgement&& judgement);
    // Of /v2/me's answer: its header with the principal, or its refusal.
    static Judgement of_answer(int status, std::string_view principal, std::string body,
                               std::int64_t now_ns);
    // A key was changed here: it counts at once, on this node.
    void clear() { known_ = {}, refused_ = {}; }

    // What stands for a text of any length.
    static std::string digest_of(std::string_view shown);

private:
    // Whoever shows nonsense pushes out nobody who is somebody.
    struct Table {
        std::unordered_map<std::string, JudgementRef> rows;
        std::deque<std::string> order;
        void put(const std::string& shown, JudgementRef one, std::size_t most);
        void forget(const std::string& shown);
        JudgementRef find(const std::string& shown) const;
    };
    Table known_, refused_;
};

}  // namespace millrace::runtime::node
