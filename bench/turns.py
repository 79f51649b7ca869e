#!/usr/bin/env python3
"""Two builds of Millrace beside each other, in alternating turns on one machine.

Question: did a change cost anything? Batches of 1000, single POSTs, a replay through a Lua handler,
memory when idle: medians of both builds, and the median of the ratios of neighbouring turns, which a
noisy machine moves less than either. Budget: within 2 % of before.

    bench/turns.py --before OTHER/build/release/tools/millrace [--turns 5] [--seconds 4] [--only batch,single,replay,idle]
"""
import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

READS_TWO_FIELDS = "return function(event) return event.payload.amount, event.pattern end"


def load(ready, mode, **options):
    return common.load(ready["http"], mode, server_pid=ready["process"].pid, **options)


def ask(ready, method, path, body=None):
    return common.request(ready["http"], method, path, body)


def batch(ready, seconds):
    return load(ready, "http-batch", connections=4, batch=1000, warmup=1,
                seconds=seconds)["eventsPerSecond"]


def single(ready, seconds):
    return load(ready, "http-single", connections=64, warmup=1, seconds=seconds)["eventsPerSecond"]


def replay(ready, seconds):
    """Events a second that a replay brings to a handler which reads two fields."""
    del seconds
    load(ready, "http-batch", connections=4, batch=1000, warmup=0, seconds=60, events=2_000_000)
    script = ask(ready, "POST", "/v2/scripts", {"name": "reads", "source": READS_TWO_FIELDS})
    handler = ask(ready, "POST", "/v2/subscriptions",
                  {"name": "reads", "pattern": {"type": "wildcard", "value": "*"},
                   "executor": {"type": "script", "scriptId": script["id"]}})
    began = time.monotonic()
    run = ask(ready, "POST", "/v2/replays", {"subscriptionIds": [handler["id"]]})
    while True:
        progress = ask(ready, "GET", "/v2/replays/" + run["id"])
        if progress["status"] not in ("pending", "running"):
            return progress["delivered"] / (time.monotonic() - began)
        time.sleep(0.01)


def idle(ready, seconds):
    del seconds
    time.sleep(1)
    with open(f"/proc/{ready['process'].pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


WHATS = {"batch": batch, "single": single, "replay": replay, "idle": idle}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the other build's millrace")
    parser.add_argument("--after", default=common.MILLRACE)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", default=",".join(WHATS))
    options = parser.parse_args()
    binaries = {"before": options.before, "after": options.after}
    for what in options.only.split(","):
        seen = {"before": [], "after": []}
        for turn in range(options.turns):
            for side in sorted(binaries, reverse=turn % 2 == 0):
                common.MILLRACE = binaries[side]
                with common.millrace() as ready:
                    seen[side].append(WHATS[what](ready, options.seconds))
        ratios = [a / b for a, b in zip(seen["after"], seen["before"])]
        print(json.dumps({"what": what,
                          "before": round(statistics.median(seen["before"]), 1),
                          "after": round(statistics.median(seen["after"]), 1),
                          "ratio": round(statistics.median(ratios), 3),
                          "ratios": [round(ratio, 3) for ratio in ratios]}), flush=True)


if __name__ == "__main__":
    main()
