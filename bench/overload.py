#!/usr/bin/env python3
"""Goodput when more is offered than the server can take.

Question: of what it takes at its best (closed loop), how much does it take when an open loop offers three
times as much? Batches of 100 and single POSTs, without handlers, with a quick one, and with one that burns
some milliseconds an event. Budget: 90 % of capacity. Client and server share the machine.

    bench/overload.py [--times 3] [--seconds 10] [--turns 3]
"""
import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

HANDLERS = {
    "none": None,
    "quick": "return function(event) return nil end",
    "slow": "return function(event) local x = 0 for i = 1, 2e6 do x = x + i % 7 end return x end",
}
MODES = {"batch": ("http-batch", {"connections": 8, "batch": 100}),
         "single": ("http-single", {"connections": 64})}


def once(mode, handler, options):
    kind, shape = MODES[mode]
    with common.millrace() as ready:
        if HANDLERS[handler]:
            script = common.request(ready["http"], "POST", "/v2/scripts",
                                    {"name": handler, "source": HANDLERS[handler]})
            common.request(ready["http"], "POST", "/v2/subscriptions",
                           {"name": handler, "pattern": {"type": "wildcard", "value": "*"},
                            "executor": {"type": "script", "scriptId": script["id"]}})
        pid = ready["process"].pid
        best = common.load(ready["http"], kind, server_pid=pid, warmup=1, seconds=options.seconds / 2,
                           **shape)["eventsPerSecond"]
        offered = common.load(ready["http"], kind, may_refuse=True, server_pid=pid, warmup=1,
                              seconds=options.seconds, rate=int(best * options.times), in_flight=4, **shape)
        return best, offered["eventsPerSecond"] / best


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=float, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    for mode in MODES:
        for handler in HANDLERS:
            turns = [once(mode, handler, options) for _ in range(options.turns)]
            print(json.dumps({"mode": mode, "handler": handler,
                              "capacity": round(statistics.median(best for best, _ in turns)),
                              "goodput": round(statistics.median(share for _, share in turns), 3),
                              "turns": [round(share, 3) for _, share in turns]}), flush=True)


if __name__ == "__main__":
    main()
