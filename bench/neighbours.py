#!/usr/bin/env python3
"""What slow subscriptions cost the quick ones beside them, on one lane.

Question: 100 quick subscriptions (each event matches one of them) under a steady rate; beside them nobody,
or one whose handler waits a second an event, or one whose handler burns 50 ms of CPU an event, both of
which match every event. Deliveries of the quick ones a second while the load lasts, how long after its end
they were through, what `POST /v2/script/run` takes meanwhile, resident memory, events dropped. Budget: the waiting one costs nothing; the burning one its fair
share of the lane; a run answers within 250 ms; nothing dropped.

    bench/neighbours.py [--rate 200000] [--seconds 6] [--turns 3]
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common
from startup import resident_mib

WAITS = "return function() sdk.sleep(1000) end"
BURNS = "return function() local s = 0 for i = 1, 15000000 do s = s + i % 7 end return s end"
CASES = {"alone": [], "waiting": [WAITS], "burning": [BURNS], "both": [WAITS, BURNS]}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default=",".join(CASES))
    return parser.parse_args()


def subscribe(address, source):
    script = common.request(address, "POST", "/v2/scripts", {"name": "slow", "source": source})["id"]
    common.request(address, "POST", "/v2/subscriptions", {
        "name": "slow", "pattern": {"type": "wildcard", "value": "*"}, "executor": {"type": "script", "scriptId": script}})


def handled(address, script):
    for line in common.request(address, "GET", "/metrics").decode().splitlines():
        if line.startswith("script_events_processed_total{") and script in line:
            yield float(line.rsplit(" ", 1)[1])


def quick_script(address):
    for script in common.request(address, "GET", "/v2/scripts?limit=1000")["items"]:
        if script["name"] == "trivial":
            return script["id"]
    raise RuntimeError("no script named trivial")


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


class Runs(threading.Thread):
    """Calls a script again and again; how long each took, in ms."""

    def __init__(self, address, script):
        super().__init__(daemon=True)
        self.address, self.script, self.took, self.ended = address, script, [], False

    def run(self):
        while not self.ended:
            began = time.monotonic()
            common.request(self.address, "POST", "/v2/script/run", {"scriptId": self.script})
            self.took.append((time.monotonic() - began) * 1000)
            time.sleep(0.05)


def drain(address, script, events):
    """Milliseconds from the load's end until the quick ones have handled everything."""
    began = time.monotonic()
    while sum(handled(address, script)) < events and time.monotonic() - began < 20:
        time.sleep(0.005)
    return (time.monotonic() - began) * 1000


def once(options, slow):
    with common.millrace("--shards", "1", "--lanes", "1") as ready:
        address = ready["http"]
        common.subscribe_hundred(address)
        # The metrics' labels are bounded: the quick ones get theirs first.
        common.load(address, "http-batch", connections=1, batch=200, patterns=100, warmup=0, seconds=10, events=2000)
        for source in slow:
            subscribe(address, source)
        script = quick_script(address)
        api = common.request(address, "POST", "/v2/scripts", {
            "name": "api", "type": "api", "source": "return function() return 1 end"})["id"]
        runs = Runs(address, api)
        runs.start()
        before, began = sum(handled(address, script)), time.monotonic()
        report = common.load(address, "http-batch", connections=4, batch=200, patterns=100, warmup=0,
                             rate=options.rate, seconds=options.seconds, server_pid=ready["process"].pid)
        done, took = sum(handled(address, script)) - before, time.monotonic() - began
        left = drain(address, script, before + report["eventsAll"])
        runs.ended = True
        runs.join()
        return {"taken/s": report["eventsPerSecond"], "quick/s": done / took,
                "ingest p99 ms": report["p99us"] / 1000, "drain ms": left,
                "run p50 ms": percentile(runs.took, 0.5), "run max ms": max(runs.took),
                "resident MiB": resident_mib(ready["process"].pid),
                "dropped": common.metric(address, "script_events_dropped_total")}


def main():
    options = parse()
    seen = {case: [] for case in options.only.split(",")}
    for _ in range(options.turns):
        for case in seen:
            seen[case].append(once(options, CASES[case]))
            print(case, {k: round(v, 1) for k, v in seen[case][-1].items()}, file=sys.stderr, flush=True)
    base = None
    for case, rows in seen.items():
        middle = {k: common.median([r[k] for r in rows]) for k in rows[0]}
        base = base or middle
        print(f"{case:8} " + "  ".join(f"{k} {v:,.1f}" for k, v in middle.items())
              + f"  quick/alone {middle['quick/s'] / base['quick/s']:.3f}")


if __name__ == "__main__":
    main()
