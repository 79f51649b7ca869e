#!/usr/bin/env python3
"""Whether writes stay smooth while flushes, compaction, identity merges and retention go on.

Question: p99 of ingest in windows of 10 s at half of what the server takes, for ten minutes, beside
the same load on a fresh server without retention. Budget: no window above 5 times the quiet value.

    bench/smoothness.py [--seconds 600] [--window 10] [--keep-bytes 500000000] [--folder /tmp]

Open loop: latency counts from when a request should have been sent. Batches of 1000 events with ids of
the client, 100 subscriptions of which one matches, a Lua handler. What went on is counted: events let
go by retention, bytes written by the process (kernel's count) beside the bytes of text taken.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common
from startup import resident_mib

TIMES_QUIET = 5


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--window", type=float, default=10)
    parser.add_argument("--quiet-windows", type=int, default=3)
    parser.add_argument("--keep-bytes", type=int, default=500_000_000, help="retention.bytes")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rate", type=float, help="events per second; otherwise half of what it takes")
    parser.add_argument("--serve", default="", help="more options for millrace serve")
    parser.add_argument("--folder", help="where the data is kept")
    return parser.parse_args()


def written_bytes(pid):
    with open(f"/proc/{pid}/io") as file:
        for line in file:
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return 0


def window(options, ready, rate, seconds):
    return common.load(ready["http"], "http-batch", batch=1000, connections=options.connections, rate=rate,
                       seconds=seconds, warmup=0.3, server_pid=ready["pid"])


def show(name, report, more=""):
    print(f"{name:>8} {report['eventsPerSecond']:>10,.0f} {report['p50us'] / 1000:>8.2f} "
          f"{report['p99us'] / 1000:>8.2f} {report['maxUs'] / 1000:>8.2f} {more}", flush=True)


def main():
    options = parse()
    serve = options.serve.split()
    print(f"{'window':>8} {'events/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    with common.millrace(*serve, folder=options.folder) as ready:
        common.subscribe_hundred(ready["http"])
        rate = options.rate
        if not rate:
            full = common.load(ready["http"], "http-batch", batch=1000, connections=options.connections,
                               seconds=5, warmup=1, server_pid=ready["pid"])
            show("full", full)
            rate = full["eventsPerSecond"] / 2
    with common.millrace(*serve, folder=options.folder) as ready:
        common.subscribe_hundred(ready["http"])
        quiet = []
        for n in range(options.quiet_windows):
            report = window(options, ready, rate, options.window)
            show(f"quiet {n}", report)
            quiet.append(report["p99us"])
    quiet_us = common.median(quiet)
    keeping = ["--set", f"retention.bytes={options.keep_bytes}", "--set", "retention.every=5s"]
    p99s, events, text_bytes = [], 0, 0
    event_bytes = os.path.getsize(common.EVENT_FILE)
    with common.millrace(*keeping, *serve, folder=options.folder) as ready:
        common.subscribe_hundred(ready["http"])
        began, written = time.monotonic(), written_bytes(ready["pid"])
        while time.monotonic() - began < options.seconds:
            report = window(options, ready, rate, options.window)
            kept = common.request(ready["http"], "GET", "/v2/stats")["retention"]
            p99s.append(report["p99us"])
            events += report["events"]
            show(f"{time.monotonic() - began:.0f} s", report,
                 f"let go {kept['eventsDropped'] / 1e6:.1f} M, held back {kept['eventsHeldBack']}, "
                 f"resident {resident_mib(ready['pid']):.0f} MiB")
        text_bytes = events * event_bytes
        written = written_bytes(ready["pid"]) - written
    worst = max(p99s)
    above = sum(p99 > TIMES_QUIET * quiet_us for p99 in p99s)
    print(f"{rate:,.0f} events/s, {len(p99s)} windows: p99 quiet {quiet_us / 1000:.2f} ms, median "
          f"{common.median(p99s) / 1000:.2f}, worst {worst / 1000:.2f} = {worst / quiet_us:.1f}x; above "
          f"{TIMES_QUIET}x: {above}; {events / 1e6:.1f} M events, {text_bytes / 1e9:.1f} GB of text, "
          f"{written / 1e9:.1f} GB written")
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
