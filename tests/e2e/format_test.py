#!/usr/bin/env python3
"""Goal: a data folder of an older format opens, nothing of it is lost, every reader says what it said
before, and a start that is killed while it brings the folder up to date goes on the next time.
Method: tests/data/store/format_4*.tar.xz, folders that `--make` filled with binaries of that format and
left by kill -9, with what the API answered then beside it (facts.json). Only the last of those binaries
kept places of subscriptions that are behind, held rows, redrives and rows of gone events."""
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import harness

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "store")
HISTORY = "store.kv_history=3660d"
SLOW = 120
PAUSED, HELD, AGAIN = 40, 6, 5
GONE = ["--set", "retention.every=100ms", "--set", "retention.rules=gone.*=100ms"]
# Far enough away for whoever reads this.
SOME_DAY = "2099-01-01T00:00:00Z"


def check(reply, status=(200, 201, 202)):
    assert reply.status in status, reply
    return reply.json()


def fill(server):
    """One of everything that a folder can hold."""
    script = server.create_script
    subscribe = server.subscribe
    script("return function(e) return sdk.kv.get(e.body.key) or sdk.json.null end", type="api", id="read")
    script("return function(e) sdk.kv.set(e.body.key, e.body.value) end", type="api", id="write")
    script("return function(e) sdk.kv.incr('count') sdk.kv.set('last', e.payload) return e.payload.n * 2 end",
           id="counter")
    subscribe("plain.e", "counter", id="plain")
    for n in range(40):
        server.send_event("plain.e", {"n": n, "text": "kept as it came \u00e4"}, eventId=f"plain-{n}",
                          source={"type": "external", "id": f"shop-{n % 3}"},
                          metadata={"correlationId": f"corr-{n % 5}"}, partitionKey=f"key-{n % 7}")
    server.wait_executions(40, subscriptionId="plain")
    # Ids that count no more, in a block that stays.
    check(server.post("/v2/events", [{"pattern": "gone.e" if n % 2 else "stay.e", "payload": {"n": n},
                                      "eventId": f"gone-{n}"} for n in range(4)]))
    server.send_event("stay.e", {}, eventId="stay")
    harness.wait_until("gone events", lambda: not server.items("/v2/events?pattern=gone.e"))
    # A dead letter.
    script("return function(e, ctx) if not sdk.kv.get('mended') then ctx.fail('fatal', 'no such order') end end",
           id="broken")
    subscribe("dead.e", "broken", id="dead")
    for n in range(3):
        server.send_event("dead.e", {"n": n}, eventId=f"dead-{n}")
    harness.wait_until("dead letters", lambda: len(server.items("/v2/dlq")) == 3)
    # What waits for a time.
    subscribe("some.day", "counter", id="some-day")
    for n in range(4):
        server.send_event("some.day", {"n": n}, eventId=f"day-{n}", scheduledAt=SOME_DAY)
    # A key whose first event fails until the gate is open; the others are parked behind it.
    script("return function(e) local p = e.payload if p.n == 0 and not sdk.kv.get('gate') then error('shut') end\n"
           "sdk.kv.set(e.partitionKey, (sdk.kv.get(e.partitionKey) or '') .. p.n .. ',') end", id="gate")
    subscribe("gate.e", "gate", id="gate", retry={"maxRetries": 100, "initialDelayMs": 1500, "maxDelayMs": 1500,
                                                  "backoffFactor": 1, "jitter": False})
    for n in range(6):
        for key in ("left", "right", "middle"):
            server.send_event("gate.e", {"n": n}, eventId=f"{key}-{n}", partitionKey=key)
    harness.wait_until("parked rows", lambda: len(server.items("/v2/retries")) == 4 + 18)
    # Replays: one that is over, one dry with differences.
    for body in ({"subscriptionIds": ["plain"]}, {"subscriptionIds": ["plain"], "dryRun": True}):
        if body.get("dryRun"):
            server.request("PUT", "/v2/scripts/counter", {"source": "return function(e) return e.payload.n * 3 end"})
        replay = check(server.post("/v2/replays", {"pattern": "plain.e", **body}))["id"]
        harness.wait_until("a replay", lambda: server.get(f"/v2/replays/{replay}").json()["status"] == "completed")
    fill_behind(server)
    # Deliveries in the middle of which the process ends.
    script("return function() local n = 0 for i = 1, 4e6 do n = n + i % 7 end sdk.kv.incr('slow') end", id="slow")
    subscribe("slow.e", "slow", id="slow")


def fill_behind(server):
    """What waits for its subscription, and what was asked for again."""
    subscribe = server.subscribe
    control = lambda id, verb: check(server.post(f"/v2/subscriptions/{id}/{verb}", {}))
    count = lambda name: server.create_script(
        "return function(e) sdk.kv.incr('%s:' .. e.payload.n) sdk.kv.incr('%s') end" % (name, name), id=name)
    shut = lambda name: server.create_script(
        "return function(e) if not sdk.kv.get('%s open') then error('shut') end\n"
        "sdk.kv.incr('%s:' .. e.payload.n) sdk.kv.incr('%s') end" % (name, name, name), id=name)
    for name, pattern in (("paused", "pause.e"), ("switched", "pause.e")):
        subscribe(pattern, count(name), id=name)
    control("paused", "pause")
    for n in range(PAUSED):
        server.send_event("pause.e", {"n": n}, eventId=f"pause-{n}", partitionKey=f"key-{n % 5}")
    subscribe("held.e", shut("held"), id="held", retry={"maxRetries": 100, "initialDelayMs": 400, "maxDelayMs": 400,
                                                        "backoffFactor": 1, "jitter": False})
    for n in range(HELD):
        server.send_event("held.e", {"n": n}, eventId=f"held-{n}", partitionKey=f"key-{n % 2}")
    retries = lambda: [r for r in server.items("/v2/retries") if r["subscriptionId"] == "held"]
    harness.wait_until("retries", lambda: len(retries()) == HELD)
    check(server.request("PATCH", "/v2/subscriptions/held", {"active": False}))
    subscribe("again.e", shut("again"), id="again", retry={"maxRetries": 0})
    for n in range(AGAIN):
        server.send_event("again.e", {"n": n}, eventId=f"again-{n}")
    harness.wait_until("dead letters", lambda: len(server.items("/v2/dlq?subscriptionId=again")) == AGAIN)
    check(server.post("/v2/dlq/replay", {"subscriptionId": "again", "ratePerSecond": 2}))
    control("again", "pause")
    time.sleep(AGAIN / 2)  # rows fall due, and are held


def facts(server):
    """What does not change by itself."""
    get = lambda path: server.get(path).json()
    items = lambda path: get(path)["items"]
    out = {"kv": {i["key"]: i["value"] for i in items("/v2/kv?limit=1000") if i["key"] != "slow"}}
    place = [e for e in items("/v2/events?pattern=plain.e&limit=1000") if e["eventId"] == "plain-20"][0]
    at = f"{place['shard']}:{place['offset']}"
    out["kv then"] = {i["key"]: i["value"] for i in items(f"/v2/kv?limit=1000&at={at}")}
    out["events"] = sorted([(e["eventId"], e["shard"], e["offset"], e["receivedAt"], json.dumps(e["payload"]))
                            for e in items("/v2/events?limit=1000") if not e["pattern"].startswith(("system.", "slow."))])
    out["executions"] = sorted(
        (e["id"], e["eventId"], e["status"], e["scriptVersion"], len(e["attempts"]), json.dumps(e.get("result")))
        for s in ("plain", "dead", "some-day") for e in items(f"/v2/executions?limit=1000&subscriptionId={s}"))
    out["dead letters"] = items("/v2/dlq")
    out["waiting"] = sorted((r["eventId"], r["subscriptionId"]) for r in items("/v2/retries"))
    out["audit"] = items("/v2/audit?limit=1000")
    out["replays"] = items("/v2/replays")
    out["differences"] = [d for r in out["replays"] if r["dryRun"]
                          for d in items(f"/v2/replays/{r['id']}/diff?limit=100")]
    out["documents"] = [items(p) for p in ("/v2/scripts", "/v2/subscriptions", "/v2/scripts/counter/versions")]
    # As it comes back from a file.
    return json.loads(json.dumps(out))


def without(value, names):
    if isinstance(value, list):
        return [without(v, names) for v in value]
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return value


class Folder:
    """An unpacked copy of a stored folder."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="millrace-format-")
        with tarfile.open(os.path.join(DATA, name)) as tar:
            tar.extractall(self.folder)
        self.data = os.path.join(self.folder, "data")
        with open(os.path.join(self.folder, "facts.json")) as file:
            self.facts = json.load(file)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def format(self):
        with open(os.path.join(self.data, "FORMAT")) as file:
            return file.read()


class FourthFormat(unittest.TestCase):
    FOLDER = "format_4.tar.xz"
    NEWER = ("range", "paused")  # members that its binary did not tell

    def setUp(self):
        self.folder = Folder(self.FOLDER)
        self.addCleanup(self.folder.close)
        self.maxDiff = 4000

    def verify(self):
        done = subprocess.run([harness.BINARY, "verify", "-o", "json", self.folder.data], capture_output=True,
                              timeout=60, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        return {k: report[k] for k in ("events", "outcomes", "retries", "deadLetters", "kvValues")}

    def server(self, env=None):
        server = harness.Server(args=["--set", HISTORY], data=self.folder.data, env=env)
        self.addCleanup(server.close)
        return server

    def expect_same(self, server):
        now = facts(server)
        # A row of the audit log says more than it did: what it said stands in `entry`.
        now["audit"] = [{"at": row["at"], "entry": row["entry"]} for row in now["audit"]]
        for name, then in self.folder.facts.items():
            self.assertEqual(without(now[name], self.NEWER), without(then, self.NEWER), name)

    def expect_it_goes_on(self, server):
        value = lambda key: check(server.post("/v2/script/run", {"scriptId": "read", "body": {"key": key}}))["result"]
        repeat = check(server.post("/v2/events", {"eventId": "plain-7", "pattern": "plain.e", "payload": {"n": 0},
                                                  "source": {"type": "external", "id": "shop-1"},
                                                  "partitionKey": "key-0"}))["events"][0]
        self.assertTrue(repeat["duplicate"], repeat)
        for key in ("gate", "mended"):
            check(server.post("/v2/script/run", {"scriptId": "write", "body": {"key": key, "value": True}}))
        for key in ("left", "right", "middle"):
            harness.wait_until(f"the order of {key}", lambda: len(value(key) or "") >= 12)
            self.assertEqual(value(key), "0,1,2,3,4,5,", key)
        harness.wait_until("what was under way", lambda: value("slow") == SLOW, 60)
        self.expect_what_was_behind_goes_on(server)
        check(server.post("/v2/dlq/replay", {"pattern": "dead.e"}))
        harness.wait_until("the dead letters' end", lambda: not server.items("/v2/dlq"))
        harness.wait_until("only some day", lambda: len(server.items("/v2/retries")) == 4)
        server.send_event("plain.e", {"n": 1}, eventId="new")
        harness.wait_until("a new delivery", lambda: server.items("/v2/executions?eventId=new"))
        self.assertEqual(value("slow"), SLOW)

    def expect_what_was_behind_goes_on(self, server):
        pass

    def test_it_opens_and_goes_on(self):
        before = self.verify()
        self.assertIn("format 4", self.folder.format())
        server = self.server().start()
        self.expect_same(server)
        self.assertIn("older format", server.log())
        self.assertIn("format 5", self.folder.format())
        self.expect_it_goes_on(server)
        server.kill()
        server.start()
        self.assertEqual(len(server.items("/v2/retries")), 4)
        server.stop()
        self.assertGreaterEqual(self.verify()["events"], before["events"])


class LateFourthFormat(FourthFormat):
    FOLDER = "format_4_late.tar.xz"
    NEWER = ()

    def expect_what_was_behind_goes_on(self, server):
        for n in range(4):
            again = check(server.post("/v2/events", {"eventId": f"gone-{n}", "pattern": "new.e",
                                                     "payload": {}}))["events"][0]
            self.assertEqual(again["duplicate"], n % 2 == 0, again)
        for name in ("held", "again"):
            check(server.post("/v2/script/run", {"scriptId": "write", "body": {"key": f"{name} open", "value": True}}))
        for name in ("paused", "again"):
            check(server.post(f"/v2/subscriptions/{name}/resume", {}))
        check(server.request("PATCH", "/v2/subscriptions/held", {"active": True}))
        for name, count in (("paused", PAUSED), ("switched", PAUSED), ("held", HELD), ("again", AGAIN)):
            values = lambda: {i["key"]: i["value"] for i in server.items(f"/v2/kv?prefix={name}:")}
            harness.wait_until(f"{name}, once each",
                               lambda: values() == {f"{name}:{n}": 1 for n in range(count)})

    def test_a_start_that_was_killed_goes_on(self):
        before = self.verify()
        points = [("migration_batch", n) for n in range(1, 6)] + [("migration_copied", 1)]
        for point, n in points + 5 * [("migration_dropped", 1)]:  # one family fewer each time
            server = self.server(env={"MILLRACE_CRASH_AT": f"{point}:{n}"})
            with self.assertRaises(AssertionError, msg=f"{point}:{n}"):
                server.start()
            self.assertIn("format 4", self.folder.format())
            self.assertEqual(self.verify(), before, f"{point}:{n}")
        server = self.server().start()
        self.expect_same(server)
        self.expect_it_goes_on(server)


def make(target):
    server = harness.Server(args=["--set", HISTORY, "--set", "engine.lanes=2", *GONE])
    server.start()
    try:
        fill(server)
        told = facts(server)
        check(server.post("/v2/events?ids=0", [{"pattern": "slow.e", "payload": {"n": n}} for n in range(SLOW)]))
        time.sleep(1.5)
        server.kill()
        with open(os.path.join(server.folder, "facts.json"), "w") as file:
            json.dump(told, file)
        for name in ("ballast", "rocks/LOG"):
            os.unlink(os.path.join(server.data, name))
        shutil.rmtree(os.path.join(server.data, "regex"), True)
        with tarfile.open(target, "w:xz", preset=9) as tar:
            tar.add(server.data, "data")
            tar.add(os.path.join(server.folder, "facts.json"), "facts.json")
    finally:
        server.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2])
    else:
        unittest.main()
