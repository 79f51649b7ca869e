#!/usr/bin/env python3
"""Goal: a replay delivers exactly the chosen past events to exactly the chosen handlers, marked as a
replay, can be cancelled and goes on after a restart. Method: counting handlers in kv."""
import unittest
from urllib.parse import quote

import harness


class Replays(harness.ServerCase):
    def kv(self, key):
        script = self.server.create_script(
            f"return function() local v = sdk.kv.get('{key}') if v == nil then return 0 end return v end", type="api")
        return lambda: self.server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": {}}).json()["result"]

    def start(self, body):
        reply = self.server.post("/v2/replays", body)
        self.assertEqual(reply.status, 202, reply)
        return reply.json()["id"]

    def status(self, replay):
        reply = self.server.get(f"/v2/replays/{replay}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def finished(self, replay, seconds=60):
        def done():
            state = self.status(replay)
            return state if state["status"] not in ("running", "pending", "queued", "starting") else None
        return harness.wait_until(f"replay {replay}", done, seconds)

    def load(self, pattern, count):
        body = [{"pattern": pattern, "payload": {"n": n}} for n in range(count)]
        reply = self.server.post("/v2/events", body)
        self.assertEqual(reply.status, 202, reply)
        return [e["eventId"] for e in reply.json()["events"]]

    def counting(self, pattern, key, extra=""):
        script = self.server.create_script(
            f"return function(e, ctx) sdk.kv.incr('{key}', e.payload.n) sdk.kv.incr('{key}count') {extra} end")
        return self.server.subscribe(pattern, script)

    def test_a_pattern_to_one_new_handler(self):
        pattern, old, new = self.unique("rp."), self.unique("k"), self.unique("k")
        self.counting(pattern, old)
        self.load(pattern, 500)
        old_count = self.kv(old + "count")
        harness.wait_until("the live ones", lambda: old_count() == 500)
        marked = f"if ctx.replay and ctx.replay.id then sdk.kv.incr('{new}marked') end"
        subscription = self.counting(pattern, new, marked)
        state = self.finished(self.start({"pattern": pattern, "subscriptionIds": [subscription]}))
        self.assertEqual((state["status"], state["matched"], state["delivered"], state["failed"]),
                         ("completed", 500, 500, 0), state)
        self.assertGreaterEqual(state["scanned"], 500)
        self.assertEqual(self.kv(new)(), sum(range(500)))
        self.assertEqual(self.kv(new + "marked")(), 500)
        self.assertEqual(old_count(), 500, "the other handler must not see the replay")

    def test_filter_and_time_range(self):
        pattern, key = self.unique("rf."), self.unique("k")
        ids = self.load(pattern, 100)
        first = self.server.get(f"/v2/events/{ids[0]}").json()["receivedAt"]
        subscription = self.counting(pattern, key)
        body = {"pattern": pattern, "filter": "$.n >= 90", "from": first, "subscriptionIds": [subscription]}
        state = self.finished(self.start(body))
        self.assertEqual((state["matched"], state["delivered"]), (10, 10), state)
        self.assertEqual(self.kv(key)(), sum(range(90, 100)))
        empty = self.finished(self.start(dict(body, **{"from": "2019-01-01T00:00:00Z",
                                                       "to": "2020-01-01T00:00:00Z"})))
        self.assertEqual((empty["status"], empty["matched"]), ("completed", 0), empty)

    def test_a_dry_run_delivers_nothing(self):
        pattern, key = self.unique("rd."), self.unique("k")
        self.load(pattern, 50)
        subscription = self.counting(pattern, key)
        state = self.finished(self.start({"pattern": pattern, "subscriptionIds": [subscription], "dryRun": True}))
        self.assertEqual((state["matched"], state["delivered"]), (50, 0), state)
        self.assertEqual(self.kv(key + "count")(), 0)

    def test_failures_are_counted(self):
        pattern = self.unique("rx.")
        self.load(pattern, 10)
        script = self.server.create_script("return function(e) if e.payload.n % 2 == 0 then error('even') end end")
        subscription = self.server.subscribe(pattern, script, retry={"maxRetries": 0})
        state = self.finished(self.start({"pattern": pattern, "subscriptionIds": [subscription]}))
        self.assertEqual((state["delivered"], state["failed"]), (5, 5), state)

    def test_pace_and_cancel(self):
        pattern, key = self.unique("rc."), self.unique("k")
        self.load(pattern, 1000)
        subscription = self.counting(pattern, key)
        replay = self.start({"pattern": pattern, "subscriptionIds": [subscription], "pace": "20"})
        count = self.kv(key + "count")
        harness.wait_until("the first ones", lambda: count() >= 2)
        reply = self.server.request("DELETE", f"/v2/replays/{replay}")
        self.assertEqual(reply.status // 100, 2, reply)
        state = self.finished(replay)
        self.assertEqual(state["status"], "cancelled", state)
        self.assertLess(count(), 1000)

    def test_bad_ones_are_refused(self):
        self.assert_error(self.server.get("/v2/replays/nope"), 404, "NOT_FOUND")
        for body in ({"from": "yesterday"}, {"from": "2120-01-01T00:00:00Z"}, {"filter": "$.a >"}, {"pace": "fast"}, {"subscriptionIds": 5}):
            self.assert_error(self.server.post("/v2/replays", body), 400, "VALIDATION_ERROR")
        reply = self.server.post("/v2/replays", {"subscriptionIds": ["no-such-subscription"]})
        self.assertIn(reply.status, (400, 404), reply)


class ReplayRestart(unittest.TestCase):
    def test_a_replay_goes_on_after_a_kill(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        body = [{"pattern": "rr", "payload": {"n": n}} for n in range(600)]
        self.assertEqual(server.post("/v2/events?ids=0", body).status, 202)
        script = server.create_script("return function(e) sdk.kv.incr('n') sdk.kv.set('s' .. e.payload.n, 1) end")
        subscription = server.subscribe("rr", script)
        replay = server.post("/v2/replays", {"pattern": "rr", "subscriptionIds": [subscription], "pace": "200"}).json()["id"]
        harness.wait_until("a part of it", lambda: server.get(f"/v2/replays/{replay}").json()["delivered"] >= 50)
        server.kill()
        server.start()
        state = harness.wait_until("the end", lambda: (
            lambda s: s if s["status"] == "completed" else None)(server.get(f"/v2/replays/{replay}").json()), 60)
        self.assertGreaterEqual(state["delivered"], 600)
        reader = server.create_script(
            "return function() local c = 0 for n = 0, 599 do if sdk.kv.get('s' .. n) then c = c + 1 end end return c end",
            type="api")
        seen = server.post("/v2/script/run", {"scriptId": reader, "query": {}, "body": {}}).json()["result"]
        self.assertEqual(seen, 600)


if __name__ == "__main__":
    unittest.main()
