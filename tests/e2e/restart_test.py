#!/usr/bin/env python3
"""Goal: nothing that was acknowledged is lost, and nothing stays undone, across SIGTERM and kill -9.
Method: load, stop in the middle, start on the same folder, compare with what was acknowledged."""
import http.client
import json
import signal
import threading
import unittest

import harness

RETRY = {"maxRetries": 3, "initialDelayMs": 50, "maxDelayMs": 100, "backoffFactor": 1, "jitter": False}


class Restart(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.server.start()

    def count_kv(self, key):
        script = self.server.create_script(
            f"return function() return sdk.kv.get('{key}') or 0 end", type="api")
        return lambda: self.server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": {}}).json()["result"]

    def test_script_runs_stay_readable(self):
        script = self.server.create_script("return 7", type="api")
        run = self.server.post("/v2/script/run", {"scriptId": script}).json()["executionId"]
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.get(f"/v2/executions/{run}").json()["result"], 7)
        self.assertEqual([e["id"] for e in self.server.executions(scriptId=script)], [run])

    def test_sigterm_keeps_everything(self):
        script = self.server.create_script("return function(e) sdk.kv.incr('sum', e.payload.n) return 7 end", id="adder")
        subscription = self.server.subscribe("k.e", script, id="sub", priority=4, filter="$.n >= 0")
        placed = self.server.send_event("k.e", {"n": 5}, eventId="first")
        done = self.server.wait_executions(1, eventId="first")[0]
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.get("/v2/events/first").json()["offset"], placed["offset"])
        self.assertEqual(self.server.get(f"/v2/subscriptions/{subscription}").json()["priority"], 4)
        self.assertEqual(self.server.get(f"/v2/scripts/{script}").status, 200)
        again = self.server.get(f"/v2/executions/{done['id']}")
        self.assertEqual(again.json()["result"], 7, again)
        body = self.server.post("/v2/events", {"eventId": "first", "pattern": "k.e", "payload": {"n": 5}}).json()
        self.assertEqual(body["duplicates"], 1, body)
        self.assertEqual(body["events"][0]["offset"], placed["offset"])
        self.server.send_event("k.e", {"n": 6})
        value = self.count_kv("sum")
        harness.wait_until("the sum", lambda: value() == 11)
        self.assertEqual(len(self.server.executions(eventId="first")), 1)

    def load_until_killed(self, number):
        """Single and batch posts from three threads; returns every id that was acknowledged."""
        acknowledged = [[] for _ in range(3)]

        def post(slot):
            connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
            n = 0
            try:
                while True:
                    size = 1 if slot == 0 else 50
                    ids = [f"k-{slot}-{n + i}" for i in range(size)]
                    body = json.dumps([{"eventId": i, "pattern": "crash.e", "payload": {"n": 1}} for i in ids])
                    connection.request("POST", "/v2/events?ids=0", body, {"Content-Type": "application/json"})
                    reply = connection.getresponse()
                    reply.read()
                    if reply.status == 202:
                        acknowledged[slot] += ids
                        n += size
            except (OSError, http.client.HTTPException):
                pass
        threads = [threading.Thread(target=post, args=(slot,)) for slot in range(3)]
        for thread in threads:
            thread.start()
        harness.wait_until("some load", lambda: sum(map(len, acknowledged)) > 3000)
        self.server.signal(number)
        for thread in threads:
            thread.join()
        return sum(acknowledged, [])

    def all_ids(self, pattern):
        seen, cursor = [], ""
        while cursor is not None:
            body = self.server.get(f"/v2/events?pattern={pattern}&limit=1000" + (f"&cursor={cursor}" if cursor else "")).json()
            seen += [e["eventId"] for e in body["items"]]
            cursor = body["next"] or None
        return seen

    def crash_and_compare(self, number):
        script = self.server.create_script("return function(e) sdk.kv.incr('n') end")
        self.server.subscribe("crash.e", script)
        acknowledged = self.load_until_killed(number)
        self.server.wait()
        self.server.start()
        kept = self.all_ids("crash.e")
        self.assertEqual(len(kept), len(set(kept)), "an event is in the log twice")
        self.assertEqual(set(acknowledged) - set(kept), set(), "acknowledged events are missing")
        # Repeating the unanswered requests is safe: ids that are known answer as duplicates.
        reply = self.server.post("/v2/events", [
            {"eventId": i, "pattern": "crash.e", "payload": {"n": 1}} for i in kept[:1000]])
        self.assertEqual(reply.json()["duplicates"], min(1000, len(kept)), reply)
        value = self.count_kv("n")
        # kv writes commit with the cursor: every event counts exactly once.
        harness.wait_until("every event handled once", lambda: value() >= len(kept), 60)
        self.assertEqual(value(), len(kept))

    def test_kill_in_the_middle_of_load(self):
        self.crash_and_compare(signal.SIGKILL)

    def test_sigterm_in_the_middle_of_load(self):
        self.crash_and_compare(signal.SIGTERM)

    def test_retries_and_dead_letters_survive_a_kill(self):
        script = self.server.create_script("return function() error('no') end", id="failing")
        self.server.subscribe("r.late", script, retry={"maxRetries": 2, "initialDelayMs": 3_000_000, "jitter": False})
        self.server.subscribe("r.dead", script, id="dead", retry={"maxRetries": 0})
        self.server.subscribe("r.soon", script, id="soon", retry={"maxRetries": 1, "initialDelayMs": 1500, "jitter": False})
        self.server.send_event("r.late", {}, eventId="late")
        self.server.send_event("r.dead", {}, eventId="dead")
        self.server.send_event("r.soon", {}, eventId="soon")
        harness.wait_until("a dead letter", lambda: self.server.get("/v2/dlq").json()["items"])
        harness.wait_until("two retries", lambda: len(self.server.get("/v2/retries").json()["items"]) == 2)
        self.server.kill()
        self.server.start()
        self.assertIn("late", [r["eventId"] for r in self.server.get("/v2/retries").json()["items"]])
        letters = self.server.get("/v2/dlq?subscriptionId=dead").json()["items"]
        self.assertEqual(len(letters), 1)
        done = self.server.wait_executions(1, ("dead",), eventId="soon")[0]
        self.assertEqual(len(done["attempts"]), 2)

    def test_unhandled_events_are_handled_after_a_kill(self):
        script = self.server.create_script(
            "return function(e) local s = 0 for i = 1, 300000 do s = s + i % 3 end sdk.kv.incr('h') end")
        self.server.subscribe("u.e", script)
        body = [{"pattern": "u.e", "payload": {"n": n}} for n in range(3000)]
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        self.server.kill()
        self.server.start()
        value = self.count_kv("h")
        harness.wait_until("all handled once", lambda: value() >= 3000, 120)
        self.assertEqual(value(), 3000)


if __name__ == "__main__":
    unittest.main()
