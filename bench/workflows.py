#!/usr/bin/env python3
"""Workflows of three steps, each an action that is a script: how long one takes, and how many end.

Question: how long from the request until a run has ended, alone (p50, p99), and runs a second with
CLIENTS at once; an fsync a step, the client included. Budget: p50 <= 2 ms, p99 <= 10 ms; 10,000 runs
a second in parallel (docs: PRODUCT C5).

    bench/workflows.py [--runs 2000] [--seconds 10] [--clients 64] [--limit 20]
"""
import argparse
import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

STEPS = [{"id": f"s{i}", "type": "action", "action": "step", **({"next_steps": [f"s{i + 1}"]} if i < 3 else {})}
         for i in (1, 2, 3)]


def connect(ready):
    host, port = ready["http"].rsplit(":", 1)
    return http.client.HTTPConnection(host, int(port), timeout=60)


def execute(connection, wait):
    connection.request("POST", f"/v2/workflows/three/execute?wait={wait}", '{"input":{"n":1}}',
                       {"Content-Type": "application/json"})
    reply = connection.getresponse()
    body = json.loads(reply.read())
    if reply.status != 200 or body["status"] != "completed":
        raise SystemExit(f"a run did not end well: {reply.status} {body}")


def alone(ready, runs):
    connection, times = connect(ready), []
    for i in range(runs + 100):
        began = time.perf_counter()
        execute(connection, 10_000)
        if i >= 100:
            times.append(time.perf_counter() - began)
    times.sort()
    return {"p50Ms": times[len(times) // 2] * 1000, "p99Ms": times[len(times) * 99 // 100] * 1000}


def parallel(ready, clients, seconds):
    until, counts = time.monotonic() + seconds, [0] * clients

    def work(number):
        connection = connect(ready)
        while time.monotonic() < until:
            execute(connection, 30_000)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"runsPerSecond": sum(counts) / (time.monotonic() - began), "clients": clients}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    with common.millrace("--set", f"executors.workflow.limit={options.limit}") as ready:
        common.request(ready["http"], "POST", "/v2/scripts",
                       {"id": "step", "name": "step", "source": "return function(e) return {n = e.n} end"})
        common.request(ready["http"], "POST", "/v2/workflows", {"id": "three", "steps": STEPS})
        print(json.dumps({"alone": alone(ready, options.runs)}))
        print(json.dumps({"parallel": parallel(ready, options.clients, options.seconds)}))


if __name__ == "__main__":
    main()
