#!/usr/bin/env python3
"""How fast an edge's log gets to its hub, and how few bytes it takes.

Question: how many events a second cross that are there when the edge begins, to the last of them acknowledged
by the hub's commit; how many bytes cross for each? Unit: events/s, bytes an event.
Budget: >= 200,000 events/s on loopback, hub and edge on the same cores; >= 90 % of the bytes saved where the hub
wants 5 % of the events. A log of several shards begins as one of `--shards`.

    bench/edges.py [--events 1000000] [--shards 1]

By hand.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def event(n):
    return json.dumps({"pattern": "reading", "payload": {
        "n": n, "hot": n % 20 == 0, "sensor": "s-%d" % (n % 1000), "note": "%032x" % (n * 0x9E3779B97F4A7C15)}}).encode()


def serve(folder, name, shards, *settings, token=None):
    return common.Server(os.path.join(folder, name), "--shards", str(shards), settings=settings,
                         environment={"MILLRACE_HUB_TOKEN": token} if token else None)


def measure(folder, hub, node, wanted, options):
    """The edge's log is there already, made by a server that is no edge."""
    token = hub.call("POST", "/v2/edges", {"node": node})["token"]
    shutil.copytree(os.path.join(folder, "edge"), os.path.join(folder, node))
    start, hub_cpu = time.monotonic(), hub.cpu_seconds()
    edge = serve(folder, node, options.shards, "hub.url=http://" + hub.address, "hub.node=" + node, token=token)
    try:
        while True:
            status = hub.call("GET", "/v2/edges/" + node)["status"]
            if status["taken"] >= wanted:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - start
        sent = edge.metric("millrace_hub_bytes_total")
        print(f"{node}: {options.events / seconds:,.0f} events/s looked at, {wanted / seconds:,.0f}/s taken "
              f"({wanted:,} in {seconds:.2f} s with the edge's start), {sent / options.events:.1f} bytes an event, "
              f"{status['duplicates']} duplicates; processor: edge {edge.cpu_seconds():.2f} s, "
              f"hub {hub.cpu_seconds() - hub_cpu:.2f} s", flush=True)
        return sent
    finally:
        edge.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=1)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="millrace-edges-bench-")
    hub = serve(folder, "hub", options.shards)
    try:
        first = serve(folder, "edge", options.shards)
        for begin in range(0, options.events, 10_000):
            lines = b"\n".join(event(n) for n in range(begin, min(options.events, begin + 10_000)))
            first.call("POST", "/v2/events?ids=0", lines, "application/x-ndjson")
        first.end()
        whole = measure(folder, hub, "whole", options.events, options)
        script = hub.call("POST", "/v2/scripts", {"name": "s", "type": "event", "source": "return function() end"})["id"]
        hub.call("POST", "/v2/subscriptions", {"pattern": "reading", "filter": "$.payload.hot == true", "edges": "*",
                                               "active": True, "executor": {"type": "script", "scriptId": script}})
        part = measure(folder, hub, "part", (options.events + 19) // 20, options)
        print(f"saved: {100 * (1 - part / whole):.1f} % of the bytes")
    finally:
        hub.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
