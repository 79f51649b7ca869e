#!/usr/bin/env python3
"""Workflows of three steps, each an action that is a script: how long one takes, and how many end.

Questions: how long from the request until a run has ended, alone (p50, p99); runs a second with CLIENTS at
once, and begun by events; an fsync a step, the client included. How much memory a run that sleeps takes
after a start, and how long a start takes with many runs that have ended. Budget: p50 <= 2 ms, p99 <= 10 ms;
10,000 runs a second in parallel; 1 KiB a sleeping run; 1 s for a start with a million.

    bench/workflows.py [alone|clients|events|sleeping|stored ...] [--runs N] [--seconds 10] [--clients 64]
                       [--limit 20] [--events 100000] [--sleepers 100000] [--stored 1000000]
"""
import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

STEPS = [{"id": f"s{i}", "type": "action", "action": "step", **({"next_steps": [f"s{i + 1}"]} if i < 3 else {})}
         for i in (1, 2, 3)]
ENDED = "millrace_workflow_runs_ended_total"
COMPLETED = 'millrace_workflow_runs_ended_total{status="completed"}'
BATCH = 1000


class Own:
    """A server on a folder that outlives it."""

    def __init__(self, folder, *args):
        command = [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0", "--data", folder, *args]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=common.clean_environment())
        line = self.process.stdout.readline()
        self.start_seconds = time.monotonic() - began
        if not line:
            raise SystemExit("millrace did not start")
        self.address = json.loads(line)["http"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        common.end(self.process)
        self.process.stdout.close()

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def connect(address):
    host, port = address.rsplit(":", 1)
    return http.client.HTTPConnection(host, int(port), timeout=120)


def ask(connection, method, path, body=None):
    connection.request(method, path, body if body is None or isinstance(body, str) else json.dumps(body),
                       {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read()


def metric(connection, name):
    text = ask(connection, "GET", "/metrics")[1].decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def make(connection, steps):
    for path, body in [
            ("/v2/scripts", {"id": "step", "name": "step", "source": "return function(e) return {n = e.n} end"}),
            ("/v2/workflows", {"id": "w", "steps": steps}),
            ("/v2/subscriptions", {"id": "s", "pattern": "begin", "executor": {"type": "workflow", "workflowId": "w"}})]:
        status, reply = ask(connection, "POST", path, body)
        if status not in (200, 201, 409):
            raise SystemExit(f"{path}: {status} {reply}")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(connection, count):
    """Events of a batch each; answers when all are durable."""
    for first in range(0, count, BATCH):
        events = [{"pattern": "begin", "payload": {"n": n}} for n in range(first, min(count, first + BATCH))]
        status, reply = ask(connection, "POST", "/v2/events", events)
        if status != 202:
            raise SystemExit(f"events: {status} {reply[:200]}")


def wait_for(connection, name, count, seconds=1200):
    until = time.monotonic() + seconds
    while metric(connection, name) < count:
        if time.monotonic() > until:
            raise SystemExit(f"{name} is {metric(connection, name)} of {count}")
        time.sleep(0.05)


def execute(connection, wait):
    status, reply = ask(connection, "POST", f"/v2/workflows/w/execute?wait={wait}", '{"input":{"n":1}}')
    body = json.loads(reply)
    if status != 200 or body["status"] != "completed":
        raise SystemExit(f"a run did not end well: {status} {body}")


def alone(address, runs):
    connection, times = connect(address), []
    for i in range(runs + 100):
        began = time.perf_counter()
        execute(connection, 10_000)
        if i >= 100:
            times.append(time.perf_counter() - began)
    times.sort()
    return {"p50Ms": times[len(times) // 2] * 1000, "p99Ms": times[len(times) * 99 // 100] * 1000}


def clients(address, pid, count, seconds):
    """By the load generator: a Python client costs more than what it asks for."""
    connection = connect(address)
    completed, used = metric(connection, COMPLETED), cpu_seconds(pid)
    report = common.load(address, "http-call", method="POST", path="/v2/workflows/w/execute?wait=30000",
                         body='{"input":{"n":1}}', connections=count, seconds=seconds, warmup=1)
    used = cpu_seconds(pid) - used
    completed = metric(connection, COMPLETED) - completed
    return {"runsPerSecond": report["eventsPerSecond"], "clients": count, "p50Ms": report["p50us"] / 1000,
            "p99Ms": report["p99us"] / 1000, "serverCpuUsEach": used / completed * 1e6,
            "clientCpuUsEach": report["clientCpuSeconds"] / report["events"] * 1e6, "completed": completed}


def events(address, pid, count):
    connection = connect(address)
    before, used = metric(connection, COMPLETED), cpu_seconds(pid)
    began = time.monotonic()
    send(connection, count)
    sent = time.monotonic() - began
    wait_for(connection, COMPLETED, before + count)
    return {"runsPerSecond": count / (time.monotonic() - began), "events": count, "sentSeconds": sent,
            "serverCpuUsEach": (cpu_seconds(pid) - used) / count * 1e6}


def sleeping(folder, args, count):
    def resident():
        with Own(folder, *args) as server:
            time.sleep(3)
            return server.resident_kib(), server.start_seconds

    with Own(folder, *args) as server:
        make(connect(server.address), [{"id": "n", "type": "sleep", "duration": "24h"}])
    empty, _ = resident()
    with Own(folder, *args) as server:
        connection = connect(server.address)
        send(connection, count)
        wait_for(connection, "millrace_workflow_runs_sleeping", count)
    full, start = resident()
    return {"sleepers": count, "bytesEach": (full - empty) * 1024 / count, "startSeconds": start}


def stored(folder, args, count):
    with Own(folder, *args) as server:
        connection = connect(server.address)
        make(connection, [{"id": "c", "type": "condition", "conditions": "$.payload.n >= 0"}])
        began = time.monotonic()
        send(connection, count)
        wait_for(connection, ENDED, count)
        took = time.monotonic() - began
    starts = []
    for _ in range(3):
        with Own(folder, *args) as server:
            starts.append(server.start_seconds)
            status, reply = ask(connect(server.address), "GET", "/v2/workflow-runs?limit=1")
            if status != 200 or not json.loads(reply)["items"]:
                raise SystemExit(f"no run is listed: {status} {reply[:200]}")
    return {"stored": count, "begunPerSecond": count / took, "startSeconds": starts}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", default=["alone", "clients"])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--sleepers", type=int, default=100_000)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where data goes; a temporary folder if not given")
    options = parser.parse_args()
    args = ("--set", f"executors.workflow.limit={options.limit}")
    for what in options.what:
        with tempfile.TemporaryDirectory(prefix="millrace-bench-", dir=options.folder) as folder:
            if what in ("sleeping", "stored"):
                told = sleeping(folder, args, options.sleepers) if what == "sleeping" else \
                    stored(folder, args, options.stored)
            else:
                with Own(folder, *args) as server:
                    make(connect(server.address), STEPS)
                    told = {"alone": lambda: alone(server.address, options.runs),
                            "clients": lambda: clients(server.address, server.process.pid, options.clients,
                                                       options.seconds),
                            "events": lambda: events(server.address, server.process.pid, options.events)}[what]()
        print(json.dumps({what: told, "limit": options.limit}), flush=True)


if __name__ == "__main__":
    main()
