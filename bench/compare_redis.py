#!/usr/bin/env python3
"""Millrace beside Redis, both syncing to disk before they answer, in one run on one machine.

Question: how many durable events per second, and how does that compare with the peer?
 (a) batches: NDJSON of 1000 events by HTTP, every event with a client's own eventId (deduplication
     on), 100 subscriptions of which one matches each event, one trivial Lua handler;
     beside XADD of the same 345 bytes pipelined by 100 and by 1000, appendfsync always.
 (b) singles: one event per POST, 64 connections; beside XADD unpipelined, 64 and 50 connections;
     and, as the goal, what wrk gets from nginx's static `return 202`.
Rounds alternate between the servers; medians are compared. The load generator is ours for both sides
(redis-benchmark costs more CPU, which on a shared machine would be to Redis's disadvantage; --check
runs it too, and the better of the two counts for Redis).

    bench/compare_redis.py [--rounds 3] [--seconds 3] [--connections 4] [--check]
"""
import argparse
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--connections", type=int, default=8, help="of the batch load")
    parser.add_argument("--in-flight", type=int, default=1, help="batches on the way per connection")
    parser.add_argument("--check", action="store_true", help="redis-benchmark as well")
    parser.add_argument("--only", choices=("batch", "single"))
    parser.add_argument("--folder", help="where both keep their data (one file system for both)")
    parser.add_argument("--serve", default="", help="more options for millrace serve")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def redis_benchmark(port, pipeline, connections, count):
    event = open(common.EVENT_FILE).read().strip()
    done = subprocess.run(["redis-benchmark", "-p", str(port), "-P", str(pipeline), "-c", str(connections),
                           "-n", str(count), "--csv", "XADD", "s", "*", "d", event],
                          capture_output=True, text=True, timeout=120)
    last = done.stdout.strip().splitlines()[-1].split('","')
    return float(last[1].strip('"'))


class Case:
    def __init__(self, name):
        self.name = name
        self.rates = []
        self.reports = []

    def add(self, report):
        self.rates.append(report["eventsPerSecond"])
        self.reports.append(report)

    def median(self):
        return common.median(self.rates)

    def line(self, base):
        reports = self.reports
        text = f"{self.name:<52} {self.median():>12,.0f}  {common.spread(self.rates):>26}"
        text += f"  {self.median() / base:>6.2f}x" if base else "        "
        if reports:
            middle = sorted(reports, key=lambda r: r["eventsPerSecond"])[len(reports) // 2]
            text += f"  p50 {middle['p50us'] / 1000:7.2f} ms  p99 {middle['p99us'] / 1000:7.2f} ms"
            if "serverCpuSeconds" in middle:
                each = [r["serverCpuSeconds"] * 1e6 / max(1, r["events"]) for r in reports]
                text += (f"  server cpu {common.median(each):5.2f} us/event"
                         f" ({middle['serverCpuSeconds']:.2f} s, client"
                         f" {middle['clientCpuSeconds']:.2f} s of {middle['seconds']:.1f} s)")
        return text


def wait_handled(ready, seconds=120):
    """All taken events have had their handler; returns the seconds it took after the load."""
    began = time.monotonic()
    while common.metric(ready["http"], "script_event_queue_size") > 0:
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.05)
    return time.monotonic() - began


def run_batch(options, results):
    ours = Case("millrace: NDJSON x1000 by HTTP, 100 subs, Lua")
    peers = {100: Case("redis: XADD pipelined by 100"), 1000: Case("redis: XADD pipelined by 1000")}
    lags = []
    for _ in range(options.rounds):
        with common.millrace(*options.serve.split(), folder=options.folder) as ready:
            common.subscribe_hundred(ready["http"])
            ours.add(common.load(ready["http"], "http-batch", batch=1000, connections=options.connections,
                                 in_flight=options.in_flight, seconds=options.seconds,
                                 warmup=options.warmup, server_pid=ready["pid"]))
            lags.append(wait_handled(ready))
        with common.redis(options.folder) as (port, pid):
            for pipeline, case in peers.items():
                case.add(common.load(f"127.0.0.1:{port}", "redis", batch=pipeline, connections=50,
                                     seconds=options.seconds, warmup=options.warmup, server_pid=pid))
            if options.check:
                rate = redis_benchmark(port, 100, 50, 300_000)
                print(f"# redis-benchmark -P 100 -c 50: {rate:,.0f}/s", file=sys.stderr)
                peers[100].rates[-1] = max(peers[100].rates[-1], rate)
    results["batch"] = (ours, list(peers.values()), lags)


def run_single(options, results):
    ours = Case("millrace: one event per POST, 64 connections")
    peers = {64: Case("redis: XADD unpipelined, 64 connections"), 50: Case("redis: XADD unpipelined, 50 connections")}
    goal = Case("goal: nginx return 202, wrk -c64")
    with common.nginx() as nginx_port:
        for _ in range(options.rounds):
            with common.millrace(*options.serve.split(), folder=options.folder) as ready:
                common.subscribe_hundred(ready["http"])
                ours.add(common.load(ready["http"], "http-single", connections=64, seconds=options.seconds,
                                     warmup=options.warmup, server_pid=ready["pid"]))
            with common.redis(options.folder) as (port, pid):
                for connections, case in peers.items():
                    case.add(common.load(f"127.0.0.1:{port}", "redis", batch=1, connections=connections,
                                         seconds=options.seconds, warmup=options.warmup, server_pid=pid))
            if nginx_port:
                goal.rates.append(common.wrk_rate(nginx_port, seconds=max(1, int(options.seconds))))
    results["single"] = (ours, list(peers.values()) + ([goal] if goal.rates else []), [])


def main():
    options = parse()
    results = {}
    if options.only != "single":
        run_batch(options, results)
    if options.only != "batch":
        run_single(options, results)
    summary = {"load": os.getloadavg()[0]}
    print(f"{'what':<52} {'events/s':>12}  {'min .. max':>26}  {'ours / it':>7}")
    for kind, (ours, peers, lags) in results.items():
        print(ours.line(None))
        for peer in peers:
            text = peer.line(None)
            print(text[:94] + f"{ours.median() / peer.median():>6.2f}x" + text[100:])
            summary[f"{kind}: millrace / {peer.name}"] = round(ours.median() / peer.median(), 3)
        if lags:
            shown = ", ".join("never" if lag is None else f"{lag:.2f} s" for lag in lags)
            print(f"  the handler was through after the load's end within: {shown}")
    if options.json:
        print(json.dumps(summary))


if __name__ == "__main__":
    main()
