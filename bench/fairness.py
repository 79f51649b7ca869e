#!/usr/bin/env python3
"""What a tenant with a million waiting events costs another tenant's deliveries.

Question: a tenant sends an event now and then; its handler emits one in answer, which its client sees on a
stream. How long from the request to there, calm, and while a million events of another tenant run through a
handler that takes some 30 us each? On one server, in turns: calm, the other tenant's subscription is paused;
loaded, it has resumed and is topped up to --waiting before. p50 and p99 of each turn, their medians, of the
ratios of neighbouring turns too, and the ratio over all events of a side. Budget: p99 x 1.2. Client and server
share the machine; the load keeps the lanes busy all the time, and on two hyperthreads that alone costs the
other threads something: --burn measures it, one busy process beside the calm server.

A turn that ran out of waiting events says so ("dry") and is left out of the ratios. No turn begins later than
--seconds after the start.

    bench/fairness.py [--waiting 1000000] [--events 300] [--turns 5] [--seconds 150] [--burn] [--set key=value]...
"""
import argparse
import http.client
import itertools
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
        return self.ask("POST", "/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "script", "scriptId": script["id"]}})["id"]


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


class Run:
    """One server, the two tenants, and what is asked of them."""

    def __init__(self, address, options):
        self.options = options
        self.admin, self.floods, self.quick = tenants(address)
        self.flood = self.floods.handler("flood", WORKS)
        self.quick.handler("ask", ANSWERS)
        self.answers = Answers(address, self.quick.key)
        self.numbers = itertools.count()
        self.batch = [{"pattern": "flood", "payload": {"n": n}} for n in range(BATCH)]
        for _ in range(50):  # warm
            self.send_one()
        self.pause(True)

    def send_one(self):
        n = next(self.numbers)
        at = time.perf_counter()
        self.quick.ask("POST", "/v2/events", {"pattern": "ask", "payload": {"n": n}})
        return n, at

    def waiting(self):
        return self.admin.ask("GET", "/v2/stats")["deliveries"]["waiting"]

    def pause(self, yes):
        self.floods.ask("POST", f"/v2/subscriptions/{self.flood}/" + ("pause" if yes else "resume"))

    def settle(self):
        """Until nothing moves: what was under way has ended, what was sent has been passed over."""
        seen, calm = self.waiting(), 0
        deadline = time.monotonic() + 10
        while calm < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.waiting()
            calm = calm + 1 if now == seen else 0
            seen = now

    def top_up(self):
        for _ in range(2 * self.options.waiting // BATCH):
            if self.waiting() >= self.options.waiting:
                return
            self.floods.ask("POST", "/v2/events?ids=0", self.batch)

    def turn(self, side):
        if side == "loaded":
            self.top_up()
            self.settle()
            self.pause(False)
            time.sleep(0.5)
        sent = {}
        for _ in range(self.options.events):
            n, at = self.send_one()
            sent[n] = at
            time.sleep(GAP_SECONDS)
        left = self.waiting()
        deadline = time.monotonic() + 20
        while any(n not in self.answers.came for n in sent) and time.monotonic() < deadline:
            time.sleep(0.01)
        if side == "loaded":
            self.pause(True)
            self.settle()
        took = sorted(1000 * (self.answers.came[n] - at) for n, at in sent.items() if n in self.answers.came)
        return {"took": took, "p50": statistics.median(took), "p99": at_share(took, 0.99), "max": took[-1],
                "missing": len(sent) - len(took), "dry": side == "loaded" and left < BATCH}


def at_share(took, share):
    return took[min(len(took) - 1, int(len(took) * share))]


def turns_of(run, options, sides, began):
    for turn in range(options.turns):
        one = {}
        for side in sides if turn % 2 == 0 else reversed(sides):
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if side == "burn" else None
            try:
                one[side] = run.turn(side)
            finally:
                if burner:
                    burner.kill()
                    burner.wait()
            shown = {k: round(v, 2) if isinstance(v, float) else v for k, v in one[side].items() if k != "took"}
            print(json.dumps({"side": side, **shown}), file=sys.stderr, flush=True)
        yield one
        if time.monotonic() - began > options.seconds:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--burn", action="store_true", help="also: calm beside a busy process")
    parser.add_argument("--set", action="append", default=[], help="of the server, as store.linger=10ms: outcomes of "
                        "the backlog then share fewer syncs, behind which the other tenant's events wait")
    options = parser.parse_args()
    sides = ["calm", "loaded"] + (["burn"] if options.burn else [])
    began = time.monotonic()
    with common.millrace(*(part for one in options.set for part in ("--set", one))) as ready:
        seen = list(turns_of(Run(ready["http"], options), options, sides, began))
    good = [one for one in seen if not any(one[side]["dry"] for side in sides)]
    out = {"turns": len(seen), "dry": len(seen) - len(good),
           "missing": sum(one[side]["missing"] for one in seen for side in sides)}
    pooled = {side: sorted(t for one in good for t in one[side]["took"]) for side in sides}
    for side in sides if good else []:
        out[side] = {what: round(statistics.median(one[side][what] for one in good), 2)
                     for what in ("p50", "p99", "max")}
    for side in sides[1:] if good else []:
        out[side]["ratio"] = {what: round(statistics.median(
            one[side][what] / one["calm"][what] for one in good), 2) for what in ("p50", "p99")}
        out[side]["ratioOfAll"] = {
            name: round(at_share(pooled[side], share) / at_share(pooled["calm"], share), 2)
            for name, share in (("p50", 0.5), ("p99", 0.99))}
    print(json.dumps(out))
    return 0 if good and out["missing"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
