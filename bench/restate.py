#!/usr/bin/env python3
"""Millrace beside Restate, in turns on one machine: durable steps, and a durable handler.

Questions: runs a second of a workflow of three steps with CLIENTS at once, each waiting for its run's end;
how long one takes alone; and the same of one durable handler (here: an event, answered when it is in the log, and
its handler through). Both sync to the disk as they do by default; the load generator is ours for both.
Budget: 30 times Restate's rate of three steps, 20 times its rate of a handler.

    npm install --prefix FOLDER @restatedev/restate-server @restatedev/restate-sdk
    bench/restate.py --npm FOLDER [--rounds 3] [--seconds 5] [--clients 64] [--folder WHERE-DATA-GOES]

Restate's handlers run in Node, as its users write them; ours in the server. What that costs is part of what is
compared. Needs Node 20.
"""
import argparse
import contextlib
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common
import workflows

HANDLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "restate_handler.mjs")
BODY = '{"n":1}'


def post(url, body, seconds=30):
    """Tries again while nobody listens yet."""
    until = time.monotonic() + seconds
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request, timeout=seconds) as reply:
                return json.loads(reply.read())
        except (urllib.error.URLError, ConnectionError) as error:
            if time.monotonic() > until:
                raise RuntimeError(f"{url}: {error}") from error
            time.sleep(0.2)


@contextlib.contextmanager
def restate(npm, folder):
    """A server and its handlers; yields the address of its ingress, and all their process ids."""
    own = tempfile.mkdtemp(prefix="restate-bench-", dir=folder)
    ports = [common.free_port() for _ in range(4)]
    node, ingress, admin, handlers = ports
    program = glob.glob(os.path.join(npm, "node_modules", "@restatedev", "restate-server-linux-*", "bin",
                                     "restate-server"))
    if not program:
        raise SystemExit(f"no restate-server below {npm}: see the head of this file")
    environment = {**os.environ, "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
                   "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}", "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
                   "RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LISTEN_MODE": "tcp", "DO_NOT_TRACK": "1",
                   "RESTATE_LOG_FILTER": "warn"}
    # Modules are looked for beside the file that asks for them.
    handler = os.path.join(own, "handler.mjs")
    shutil.copy(HANDLER, handler)
    os.symlink(os.path.join(os.path.abspath(npm), "node_modules"), os.path.join(own, "node_modules"))
    processes = []
    with open(os.path.join(own, "log"), "wb") as log:
        try:
            processes.append(subprocess.Popen([program[0], "--no-logo", "--base-dir", os.path.join(own, "data")],
                                              env=environment, stdout=log, stderr=log, cwd=own))
            processes.append(subprocess.Popen(["node", handler], stdout=log, stderr=log, cwd=own,
                                              env={**os.environ, "BENCH_PORT": str(handlers), "NODE_ENV": "production",
                                                   "RESTATE_LOGGING": "WARN"}))
            post(f"http://127.0.0.1:{admin}/deployments", {"uri": f"http://127.0.0.1:{handlers}"})
            post(f"http://127.0.0.1:{ingress}/bench/three", json.loads(BODY))
            yield f"127.0.0.1:{ingress}", [process.pid for process in processes]
        finally:
            for process in reversed(processes):
                common.end(process)
            if os.environ.get("BENCH_LOG"):
                shutil.copy(os.path.join(own, "log"), os.environ["BENCH_LOG"])
            shutil.rmtree(own, ignore_errors=True)


def cpu_seconds(pids):
    return sum(common.cpu_seconds(pid) for pid in pids)


def calls(address, path, body, pids, clients, options):
    before = cpu_seconds(pids)
    report = common.load(address, "http-call", method="POST", path=path, body=body, connections=clients,
                         seconds=options.seconds, warmup=options.warmup)
    used = cpu_seconds(pids) - before
    return {"rate": report["eventsPerSecond"], "p50": report["p50us"] / 1000, "p99": report["p99us"] / 1000,
            "cpu": used / (options.seconds + options.warmup) / max(1, report["eventsPerSecond"]) * 1e6}


def of_restate(options):
    with restate(options.npm, options.folder) as (address, pids):
        return {what: calls(address, f"/bench/{path}", BODY, pids, clients, options)
                for what, path, clients in (("three", "three", options.clients), ("three alone", "three", 1),
                                            ("handler", "one", options.clients), ("handler alone", "one", 1))}


def handled(address, pids, clients, options):
    """An event a call; it counts when its handler is through, and all have to be through at the end."""
    out = calls(address, "/v2/events", '{"pattern":"one.called","payload":{"n":1}}', pids, clients, options)
    began = time.monotonic()
    while common.metric(address, "script_event_queue_size") > 0:
        time.sleep(0.01)
    lag = time.monotonic() - began
    out["rate"] *= options.seconds / (options.seconds + lag)
    return out


def of_millrace(options):
    with common.millrace(*options.serve.split(), folder=options.folder) as ready:
        address, pids = ready["http"], [ready["pid"]]
        workflows.make(workflows.connect(address), workflows.STEPS)
        common.request(address, "POST", "/v2/subscriptions", {
            "id": "one", "pattern": "one.called", "executor": {"type": "script", "scriptId": "step"}})
        ended = common.metric(address, workflows.COMPLETED)
        run = {"path": "/v2/workflows/w/execute?wait=30000", "body": '{"input":{"n":1}}', "pids": pids}
        out = {"three": calls(address, clients=options.clients, options=options, **run),
               "three alone": calls(address, clients=1, options=options, **run)}
        out["completed"] = common.metric(address, workflows.COMPLETED) - ended
        out["handler"] = handled(address, pids, options.clients, options)
        out["handler alone"] = handled(address, pids, 1, options)
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--npm", required=True, help="where npm has installed Restate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--serve", default="", help="more options for millrace serve")
    parser.add_argument("--folder", help="where both keep their data (one file system for both)")
    options = parser.parse_args()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(of_millrace(options))
        theirs.append(of_restate(options))
    print(f"{'what':<16}{'millrace/s':>12}{'p50, p99 ms':>16}{'cpu us':>8}"
          f"{'restate/s':>12}{'p50, p99 ms':>16}{'cpu us':>8}{'ratio':>8}")
    for what in ("three", "three alone", "handler", "handler alone"):
        sides = []
        for rounds in (ours, theirs):
            sides.append({name: common.median([one[what][name] for one in rounds]) for name in rounds[0][what]})
        cells = "".join(f"{side['rate']:>12,.0f}{side['p50']:>8.2f},{side['p99']:>7.2f}{side['cpu']:>8.0f}"
                        for side in sides)
        print(f"{what:<16}{cells}{sides[0]['rate'] / max(1, sides[1]['rate']):>8.1f}")


if __name__ == "__main__":
    main()
