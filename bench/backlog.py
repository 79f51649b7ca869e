#!/usr/bin/env python3
"""How much memory the server takes while events wait behind a handler that is far too slow.

Question: resident memory at every tenth of the load, with everything waiting in the log; whether the
slow handler goes on meanwhile, and whether nothing is dropped. Budget: flat memory, that is, no
growth between the second tenth and the last of more than 10 %. Run by hand: ten million events take
minutes and gigabytes.

    bench/backlog.py [--events 10000000] [--data-parent /tmp]
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
from startup import resident_mib

BATCH = 1000
SLOW = "return function(e) local s = 0 for i = 1, 3000000 do s = s + i % 7 end return s end"


class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(*address.split(":"), timeout=120)

    def call(self, method, path, body=None, kind="application/json"):
        if isinstance(body, dict):
            body = json.dumps(body)
        self.connection.request(method, path, body=body, headers={"Content-Type": kind})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise SystemExit(f"{method} {path}: {reply.status} {text[:300]}")
        return text

    def metric(self, name):
        total = 0.0
        for line in self.call("GET", "/metrics").decode().splitlines():
            if line.startswith(name) and line[len(name):][:1] in ("{", " "):
                total += float(line.rsplit(" ", 1)[1])
        return total


def folder_mib(folder):
    return sum(os.path.getsize(os.path.join(path, name))
               for path, _, names in os.walk(folder) for name in names) / 2**20


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--events", type=int, default=10_000_000)
    arguments.add_argument("--data-parent", default=None)
    options = arguments.parse_args()
    with open(common.EVENT_FILE) as file:
        event = json.dumps(json.load(file), separators=(",", ":"))
    members = json.loads(event)
    members.pop("eventId", None)
    line = json.dumps(members, separators=(",", ":")) + "\n"
    body = (line * BATCH).encode()
    with tempfile.TemporaryDirectory(prefix="millrace-backlog-", dir=options.data_parent) as folder:
        server = subprocess.Popen(
            [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0",
             "--data", folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=common.clean_environment())
        try:
            ready = json.loads(server.stdout.readline())
            client = Client(ready["http"])
            client.call("POST", "/v2/scripts", {"id": "slow", "source": SLOW})
            client.call("POST", "/v2/subscriptions", {
                "pattern": members["pattern"], "executor": {"type": "script", "scriptId": "slow"}})
            print(f"{len(line)} bytes an event; resident {resident_mib(server.pid):.0f} MiB before")
            print("    events   waiting   handled  resident MiB   data MiB  events/s")
            began = time.monotonic()
            for tenth in range(10):
                for _ in range(options.events // 10 // BATCH):
                    client.call("POST", "/v2/events?ids=0", body, "application/x-ndjson")
                sent = (tenth + 1) * (options.events // 10)
                print(f"{sent:10d}{client.metric('script_event_queue_size'):10.0f}"
                      f"{client.metric('script_events_processed_total'):10.0f}"
                      f"{resident_mib(server.pid):14.0f}{folder_mib(folder):11.0f}"
                      f"{sent / (time.monotonic() - began):10.0f}", flush=True)
            time.sleep(5)
            print(f"5 s later: {client.metric('script_events_processed_total'):.0f} handled, "
                  f"{client.metric('script_event_queue_size'):.0f} wait, "
                  f"{client.metric('script_events_dropped_total'):.0f} dropped, "
                  f"resident {resident_mib(server.pid):.0f} MiB")
            began = time.monotonic()
            common.end(server)
            print(f"drained and ended with {server.returncode} in {time.monotonic() - began:.1f} s")
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


if __name__ == "__main__":
    main()
