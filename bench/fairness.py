#!/usr/bin/env python3
"""What a tenant with a million waiting events costs another tenant's deliveries.

Question: a tenant sends an event now and then; its handler emits one in answer, which its client sees on a
stream. How long from the request to there, calm, and while a million events of another tenant wait for a
handler that takes some 30 us each? p50 and p99 of both, and the median of the ratios of neighbouring turns
(calm and loaded take turns, each with a server of its own). Budget: p99 x 1.2. Client and server share the
machine; the load keeps a lane busy all the time, and on two hyperthreads that alone costs the other threads
something: --burn measures it, one busy process beside a calm server.

    bench/fairness.py [--waiting 1000000] [--events 500] [--turns 3] [--burn]
"""
import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

WORKS = "return function() local n = 0 for i = 1, 20000 do n = n + i % 7 end return nil end"
ANSWERS = "return function(event) sdk.events.emit('answer', {n = event.payload.n}) end"
BATCH = 10_000
GAP_SECONDS = 0.01


class Client:
    def __init__(self, address, key=None):
        self.key = key
        self.connection = http.client.HTTPConnection(address, timeout=60)

    def ask(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["X-API-Key"] = self.key
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data)

    def handler(self, pattern, source):
        script = self.ask("POST", "/v2/scripts", {"source": source})
        self.ask("POST", "/v2/subscriptions",
                 {"pattern": pattern, "executor": {"type": "script", "scriptId": script["id"]}})


class Answers:
    """When each answer came on the stream."""

    def __init__(self, address, key):
        self.came = {}
        self.connection = http.client.HTTPConnection(address, timeout=60)
        self.connection.request("GET", "/v2/events/stream?pattern=answer", headers={"X-API-Key": key})
        self.stream = self.connection.getresponse()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while line := self.stream.readline():
                if line.startswith(b"data:"):
                    now = time.perf_counter()
                    self.came[json.loads(line[5:])["payload"]["n"]] = now
        except (OSError, ValueError, AttributeError, KeyError, http.client.HTTPException):
            pass


def tenants(address):
    root = Client(address).ask("POST", "/v2/keys", {"name": "root", "role": "admin"})["key"]
    admin = Client(address, root)
    clients = []
    for name in ("floods", "quick"):
        admin.ask("POST", "/v2/tenants", {"id": name})
        clients.append(Client(address, admin.ask(
            "POST", "/v2/keys", {"name": name, "role": "admin", "tenantId": name})["key"]))
    return (admin, *clients)


def measure(options, loaded):
    with common.millrace() as ready:
        admin, floods, quick = tenants(ready["http"])
        floods.handler("flood", WORKS)
        quick.handler("ask", ANSWERS)
        answers = Answers(ready["http"], quick.key)
        for n in range(20):  # warm
            quick.ask("POST", "/v2/events", {"pattern": "ask", "payload": {"n": -1 - n}})
        time.sleep(0.5)
        if loaded:
            batch = [{"pattern": "flood", "payload": {"n": n}} for n in range(BATCH)]
            for _ in range(options.waiting // BATCH):
                floods.ask("POST", "/v2/events?ids=0", batch)
            time.sleep(1)
        sent = {}
        for n in range(options.events):
            sent[n] = time.perf_counter()
            quick.ask("POST", "/v2/events", {"pattern": "ask", "payload": {"n": n}})
            time.sleep(GAP_SECONDS)
        deadline = time.monotonic() + 60
        while len([n for n in sent if n in answers.came]) < len(sent) and time.monotonic() < deadline:
            time.sleep(0.01)
        left = admin.ask("GET", "/v2/stats")["deliveries"]["waiting"] if loaded else 0
        took = sorted(1000 * (answers.came[n] - at) for n, at in sent.items() if n in answers.came)
        missing = len(sent) - len(took)
        return {"p50": statistics.median(took), "p99": took[int(len(took) * 0.99)], "max": took[-1],
                "missing": missing, "left": left}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--burn", action="store_true", help="also: calm beside a busy process")
    options = parser.parse_args()
    sides = ["calm", "loaded"] + (["burn"] if options.burn else [])
    seen = {side: [] for side in sides}
    for turn in range(options.turns):
        for side in sides if turn % 2 == 0 else reversed(sides):
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if side == "burn" else None
            try:
                seen[side].append(measure(options, side == "loaded"))
            finally:
                if burner:
                    burner.kill()
                    burner.wait()
            print(json.dumps({"side": side, **seen[side][-1]}), file=sys.stderr, flush=True)
    out = {}
    for side in sides:
        out[side] = {what: round(statistics.median(one[what] for one in seen[side]), 2)
                     for what in ("p50", "p99", "max")}
    for side in sides[1:]:
        out[side]["ratio"] = {what: round(statistics.median(
            a[what] / b[what] for a, b in zip(seen[side], seen["calm"])), 2) for what in ("p50", "p99")}
    print(json.dumps(out))


if __name__ == "__main__":
    main()
