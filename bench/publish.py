#!/usr/bin/env python3
"""Events a second by gRPC's Publish beside POST /v2/events, the same client for both.

Question: what does Publish take in, durable, in calls of 1,000 events (as fields, and as JSON) and of one, beside
POST with the same events as NDJSON? Calls and requests of one event go 64 at a time. h2load (package
nghttp2-client) is the client, HTTP/2 and HTTP/1.1, in turns on one server; it and the server share the machine. Ids
are the server's.

    bench/publish.py [--seconds 5] [--turns 3] [--clients 8]
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import bench_common as common
import h2

PUBLISH = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def load(address, path, body, options, *args):
    """Requests a second that were answered well."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        said = subprocess.run(
            ["h2load", "-D", str(options.seconds), "-c", str(options.clients), "-d", file.name, *args,
             f"http://{address}{path}"], capture_output=True, text=True, check=True).stdout
    done = re.search(r"finished in [^,]+, ([\d.]+) req/s", said)
    failed = re.search(r"(\d+) failed, (\d+) errored", said)
    if int(failed[1]) + int(failed[2]) > options.clients * 64:
        raise RuntimeError(said)
    return float(done[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    with open(common.EVENT_FILE, encoding="utf-8") as file:
        event = json.load(file)
    event = {"pattern": event["pattern"], "payload": event["payload"]}  # the same bytes of each, for every side
    line = json.dumps(event, separators=(",", ":"))
    typed = h2.pb((2, event["pattern"]), (6, json.dumps(event["payload"], separators=(",", ":"))))
    as_json = h2.pb((12, line))
    message = lambda one, count: h2.message(h2.pb(*[(1, one)] * count))
    sides = {
        "gRPC, 1,000 events as fields": ("/millrace.v2.Events/Publish", message(typed, 1000), 1000, [*PUBLISH, "-m", "2"]),
        "gRPC, 1,000 events as JSON": ("/millrace.v2.Events/Publish", message(as_json, 1000), 1000, [*PUBLISH, "-m", "2"]),
        "POST, 1,000 lines": ("/v2/events", (line + "\n").encode() * 1000, 1000,
                              ["--h1", "-H", "content-type: application/x-ndjson"]),
        "gRPC, a call an event": ("/millrace.v2.Events/Publish", message(typed, 1), 1, [*PUBLISH, "-m", "8"]),
        "gRPC, a call of 64 messages": ("/millrace.v2.Events/Publish", message(typed, 1) * 64, 64, [*PUBLISH, "-m", "1"]),
        "POST, an event": ("/v2/events", line.encode(), 1, ["--h1", "-c", "64", "-H", "content-type: application/json"]),
    }
    figures = {name: [] for name in sides}
    with common.millrace() as server:
        for _ in range(options.turns):
            for name, (path, body, events, args) in sides.items():
                figures[name].append(load(server["http"], path, body, options, *args) * events)
        text = json.dumps(common.metric(server["http"], "scripts_events_received_total"))
    for name, rates in figures.items():
        print(f"{name:30} {statistics.median(rates):12,.0f} events/s ({min(rates):,.0f} to {max(rates):,.0f})")
    print("events in the log:", text)


if __name__ == "__main__":
    main()
