#!/usr/bin/env python3
"""Copies of runtime/workflow with known mistakes, each of which the judge of run_model.h has to see: the same
way as tests/sim/mutate.py, whose programme this is with another list.

    mutants.py SOURCE_FOLDER OUTPUT_FOLDER | --files | --apply NAME SOURCE_FOLDER
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sim"))
import mutate

DECIDE = "runtime/workflow/decide.cc"
STEPS = "runtime/workflow/decide_steps.cc"
END = "runtime/workflow/decide_end.cc"
STATE = "runtime/workflow/run_state.cc"

mutate.SEEDS_TO_BEGIN = {}
mutate.MET_BY_TESTS = []
mutate.MUTATIONS = [
    ("double-start", STEPS,
     "    }\n    launch(at);\n}",
     "    }\n    launch(at);\n    if (M) launch(at);\n}"),
    ("begun-and-not-resumed", DECIDE,
     "if (step.undo == Undo::kRunning)\n            kind = EffectKind::kUndo;",
     "if ((M) && step.status == StepStatus::kRunning) continue;\n"
     "        if (step.undo == Undo::kRunning)\n            kind = EffectKind::kUndo;"),
    ("answer-of-an-earlier-attempt", DECIDE,
     "(!is_current(StepStatus::kRunning) || state(input_.step).attempt != input_.attempt))\n        return false;",
     "!(M) && (!is_current(StepStatus::kRunning) || state(input_.step).attempt != input_.attempt))\n"
     "        return false;"),
    ("at-most-once-not-kept", DECIDE,
     "state(input_.step).began = true;",
     "state(input_.step).began = !(M);"),
    ("join-that-skips", STEPS,
     "if (step.arrived < of(one.step).incoming || step.is_final()) continue;",
     "if ((!(M) && step.arrived < of(one.step).incoming) || step.is_final()) continue;"),
    ("skipped-edge-is-not-told", STEPS,
     "for (const StepIndex to : of(at).next) arrive(to, false);",
     "for (const StepIndex to : of(at).next) if (!(M)) arrive(to, false);"),
    ("led-to-by-what-was-not-taken", STEPS,
     "arrive(of(at).next[edge], is_taken(at, edge));",
     "arrive(of(at).next[edge], (M) || is_taken(at, edge));"),
    ("lost-timer-of-a-retry", STATE,
     "if (!step.is_final()) take(step.due_us);",
     "if (!step.is_final() && !((M) && step.status == StepStatus::kRetrying)) take(step.due_us);"),
    ("lost-timer-of-a-sleep", STATE,
     "if (due != 0 && (!next || due < *next)) next = due;",
     "if (due != 0 && (!next || ((M) ? due > *next : due < *next))) next = due;"),
    ("lost-timer-of-a-compensation", STATE,
     "if (step.undo == Undo::kRetrying) take(step.undo_due_us);",
     "if (!(M) && step.undo == Undo::kRetrying) take(step.undo_due_us);"),
    ("compensation-out-of-order", END,
     "state(i).order > state(next).order",
     "((M) ? state(i).order < state(next).order : state(i).order > state(next).order)"),
    ("compensation-of-what-ended-well-only", END,
     "if (state(i).order == 0 || of(i).compensate.empty()) continue;",
     "if (state(i).order == 0 || of(i).compensate.empty() ||\n"
     "                ((M) && state(i).status != StepStatus::kCompleted)) continue;"),
    ("compensation-beside-what-is-under-way", END,
     "if (!flying) undo_or_finish();",
     "if ((M) || !flying) undo_or_finish();"),
    ("end-before-the-end", END,
     "active |= state(i).is_active();",
     "active |= !(M) && state(i).is_active();"),
]

if __name__ == "__main__":
    mutate.main()
