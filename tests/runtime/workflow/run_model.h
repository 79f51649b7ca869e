// What: a run in a small world that breaks: random graphs, random answers, and a process that dies
//       before a commit is durable, behind it, before what follows is begun, and behind that. What
//       is on the disk (journal, effects inside) stays; who was called outside remembers it.
//       Judges what a workflow promises: an effect inside once, a call outside at least once and
//       always under the same key, no step twice at once, none before what leads to it has ended,
//       what was begun undone once and in the order reversed, and an end.
// Threads: one owner. Lifetime: one run. Limits: kTurnsMax turns.
// Failure: wrong() says what is; empty: nothing.
#pragma once

#include "core/random.h"
#include "runtime/workflow/journal.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::workflow {

// A definition of steps of all kinds, each of which leads to later ones only.
std::string random_definition(core::Random& random);

class RunModel {
public:
    static constexpr int kTurnsMax = 4'000;

    RunModel(const std::string& definition_json, std::uint64_t seed);
    void play_to_the_end();
    const std::string& wrong() const { return wrong_; }
    std::size_t deaths() const { return deaths_; }

private:
    struct Doing {
        StepIndex step = 0;
        EffectKind kind = EffectKind::kStart;
        bool operator<(const Doing& other) const {
            return std::pair(step, kind) < std::pair(other.step, other.kind);
        }
        bool operator==(const Doing&) const = default;
    };
    enum class Death : std::uint8_t { kNone, kBeforeCommit, kBehindCommit };

    void fail(const std::string& what);
    bool say(Input input, const std::string& inside = {});
    void begin(const std::vector<Effect>& effects);
    void begin_one(const Effect& effect);
    void die();
    void one_thing();
    void answer(const Doing& doing);
    void signal();
    std::string key_of(const Effect& effect) const;
    const std::string& id(StepIndex step) const { return definition_.steps[step].id; }
    bool taken(StepIndex from, std::size_t edge) const;
    void check_begin(const Effect& effect);
    void check_end();
    void check_edges();
    void check_undone();
    void check_effects();

    Definition definition_;
    core::Random random_;
    std::string wrong_;
    std::size_t deaths_ = 0;
    std::int64_t now_us_ = 1'000'000;

    // The disk.
    std::vector<std::string> journal_;
    std::map<std::string, int> inside_;  // by key: effects that are durable
    // Outside.
    std::map<std::string, int> calls_;
    std::map<std::string, std::string> called_with_;  // by key: the input
    // The process.
    RunState state_;
    std::set<Doing> doing_;

    // What the judge has seen.
    // Whose beginning is on the disk, in the order in which they began: nobody knows of one that it
    // has done nothing.
    std::vector<StepIndex> order_;
    std::set<StepIndex> begun_;
    std::vector<StepIndex> undo_order_;
    std::map<StepIndex, std::int64_t> asleep_;  // until when
    std::size_t signals_sent_ = 0;
};

}  // namespace millrace::runtime::workflow
