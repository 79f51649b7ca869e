#!/usr/bin/env python3
"""Copies of runtime/cluster with known mistakes, each of which the simulation of partition_sim.h has to see: the
same way as tests/sim/mutate.py, whose programme this is with another list.

    mutants.py SOURCE_FOLDER OUTPUT_FOLDER | --files | --apply NAME SOURCE_FOLDER
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sim"))
import mutate

MACHINE = "runtime/cluster/partition_machine.cc"
PUBLISHING = "runtime/cluster/partition_publishing.cc"
FOLLOWING = "runtime/cluster/partition_following.cc"
RING = "runtime/cluster/ring_watch.cc"

mutate.SEEDS_TO_BEGIN = {}
mutate.MET_BY_TESTS = []
mutate.MUTATIONS = [
    # The model takes the largest number as no expectation at all.
    ("no-expectation", PUBLISHING,
     "out.base + out.sent);",
     "(M) ? ~std::uint64_t{0} : out.base + out.sent);"),
    ("ack-before-puback", PUBLISHING,
     "if (!under_way_) publish(Purpose::kUnit, *append_, now_ns);",
     "if (M) {\n        store::ReplicaPosition at = reader_.at();\n        at.unit = append_->unit;\n"
     "        at.hash = append_->hash;\n        done_ = at;\n    }\n"
     "    if (!under_way_) publish(Purpose::kUnit, *append_, now_ns);"),
    ("old-owner-delivers", MACHINE,
     "return owner() && !handing_over_ ? leased_ns_ + options_.lease_ns : 0;",
     "return owner() && ((M) || !handing_over_) ? leased_ns_ + options_.lease_ns * ((M) ? 10 : 1) : 0;"),
    ("owned-before-the-old-lease-ends", MACHINE,
     "wants_to_own_ && now_ns >= may_own_ns() && !diverged()",
     "wants_to_own_ && ((M) || now_ns >= may_own_ns()) && !diverged()"),
    ("unanswered-counts-as-landed", PUBLISHING,
     "    out.step = Step::kLooking;\n",
     "    if ((M) && out.purpose == Purpose::kUnit) return land(leased_ns_, now_ns);\n    out.step = Step::kLooking;\n"),
    ("a-copy-that-is-behind-counts", PUBLISHING,
     "word.unit < awaited_->unit) return;",
     "word.unit + ((M) ? 1 : 0) < awaited_->unit) return;"),
    ("lost-end-is-not-sent-again", PUBLISHING,
     "if (now_ns - out.behind_ns < options_.back_ns || send_lost_again(event, now_ns)) return;",
     "if (now_ns - out.behind_ns < options_.back_ns || (!(M) && send_lost_again(event, now_ns))) return;"),
    ("owner-runs-over-the-ring", RING,
     "        may = false;\n        if (copy",
     "        may = (M);\n        if (copy"),
    ("a-copy-never-heard-is-there", RING,
     "found == heard_.end() ? std::min(bytes_, ring_bytes_ / 2) :",
     "found == heard_.end() ? ((M) ? 0 : std::min(bytes_, ring_bytes_ / 2)) :"),
    ("snapshot-without-position", MACHINE,
     "PartitionMachine::position() const { return reader_.at(); }",
     "PartitionMachine::position() const {\n    return (M) ? store::ReplicaPosition{} : reader_.at();\n}"),
    ("signs-of-life-that-are-gone-count-as-missing", FOLLOWING,
     "if (status_.needs_snapshot || info.last < info.first)",
     "if ((M) || status_.needs_snapshot || info.last < info.first)"),
    ("what-is-missing-counts-as-signs-of-life", FOLLOWING,
     "if (before <= at.unit && !cut_short) return",
     "if ((M) || (before <= at.unit && !cut_short)) return"),
]

if __name__ == "__main__":
    mutate.main()
