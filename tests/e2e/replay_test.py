#!/usr/bin/env python3
"""Goal: a replay delivers exactly the chosen past events to exactly the chosen handlers, marked as a
replay, can be cancelled and goes on after a restart. Method: counting handlers in kv."""
import json
import time
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

    def test_it_begins_only_with_as_many_as_are_expected(self):
        pattern = self.unique("expect.")
        self.load(pattern, 30)
        subscription = self.counting(pattern, self.unique("k"))
        body = {"pattern": pattern, "subscriptionIds": [subscription], "expect": 29}
        refused = self.server.post("/v2/replays", body)
        self.assert_error(refused, 409, "CONFLICT", "30 events")
        self.assertEqual([r for r in self.server.get("/v2/replays").json()["items"]
                          if r["request"].get("pattern") == pattern], [])
        self.assertEqual(self.server.post("/v2/replays", {**body, "expect": 30}).status, 202)
        self.assert_error(self.server.post("/v2/replays", {**body, "expect": -1}), 400, "VALIDATION_ERROR", "expect")

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
        self.assertGreaterEqual(self.server.metric("millrace_replay_deliveries_total", result="completed"), 500)

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

    def test_an_event_is_not_brought_before_its_time(self):
        pattern, key = self.unique("rs."), self.unique("k")
        self.load(pattern, 3)
        subscription = self.counting(pattern, key)
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
        for due in (later, soon):
            self.server.send_event(pattern, {"n": 1000}, scheduledAt=due)
        request = {"pattern": pattern, "subscriptionIds": [subscription]}
        state = self.finished(self.start(request))
        self.assertEqual((state["matched"], state["delivered"], state["notDue"]), (3, 3, 2), state)
        count = self.kv(key + "count")
        # The one whose time has come is delivered by itself, and from then on replayed like any other.
        harness.wait_until("the event that is due", lambda: count() == 4)
        state = self.finished(self.start(request))
        self.assertEqual((state["matched"], state["delivered"], state["notDue"]), (4, 4, 1), state)
        dry = self.finished(self.start(dict(request, dryRun=True)))
        self.assertEqual((dry["matched"], dry["notDue"]), (4, 1), dry)

    def test_what_a_replay_did_is_shown_as_the_replays(self):
        pattern = self.unique("ro.")
        script = self.server.create_script(
            "return function(e, ctx) if ctx.replay then sdk.log.info('again') error('replayed') end return 'first' end")
        subscription = self.server.subscribe(pattern, script, retry={"maxRetries": 1, "initialDelayMs": 1, "jitter": False})
        event, = self.load(pattern, 1)
        self.server.wait_executions(1, subscriptionId=subscription)
        request = {"pattern": pattern, "subscriptionIds": [subscription]}
        first = self.start(request)
        self.finished(first)

        def shown():
            return self.server.executions(eventId=event, subscriptionId=subscription)[0]

        def replayed(run, replay, attempts):
            self.assertEqual((run["replayId"], run["status"], len(run["attempts"])), (replay, "dead", attempts), run)
            self.assertIn("replayed", run["attempts"][0]["error"])
            self.assertEqual((run["result"], len(run["logs"])), (None, 1))
        harness.wait_until("the replay's retry", lambda: shown()["replays"][0]["status"] == "dead")
        letter, = self.server.get(f"/v2/dlq?pattern={pattern}").json()["items"]
        self.assertEqual(letter["replayId"], first)
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        harness.wait_until("the letter's attempt", lambda: len(shown()["replays"][0]["attempts"]) == 3)
        second = self.start(request)
        self.finished(second)
        harness.wait_until("the second replay's retry", lambda: shown()["replays"][-1]["status"] == "dead")
        by_id = self.server.get("/v2/executions/" + shown()["id"]).json()
        traced, = self.server.get(f"/v2/events/{event}/trace").json()["deliveries"]
        for one in (shown(), by_id, traced):
            self.assertEqual((one["status"], one["result"], len(one["attempts"])), ("completed", "first", 1), one)
            self.assertNotIn("replayId", one)
            self.assertEqual(len(one["replays"]), 2)
            replayed(one["replays"][0], first, 3)
            replayed(one["replays"][1], second, 2)
        self.assertEqual(len(self.server.executions(status="completed", subscriptionId=subscription)), 1)
        self.assertEqual(self.server.executions(status="dead", subscriptionId=subscription), [])
        # A handler that the event was never delivered to but by a replay shows what that one did.
        other = self.server.subscribe(pattern, script, retry={"maxRetries": 0})
        third = self.start(dict(request, subscriptionIds=[other]))
        self.finished(third)
        one, = self.server.executions(eventId=event, subscriptionId=other)
        replayed(one, third, 1)
        self.assertEqual([run["replayId"] for run in one["replays"]], [third])

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

    def test_it_takes_what_a_list_takes(self):
        pattern = self.unique("rl.")
        began = time.time()
        for n in range(12):
            self.assertEqual(self.server.post("/v2/events", {
                "pattern": pattern + ("a", "b")[n % 2], "payload": {"n": n},
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began - 3600 * n)),
                "source": {"type": ("task", "external")[n % 2], "id": f"src{n % 3}"},
                "metadata": {"correlationId": f"co{n % 4}", "causationId": f"ca{n % 5}",
                             "context": {"type": "client", "id": f"cx{n % 6}"}}}).status, 202)
        script = self.server.create_script("return function(e) end")
        subscription = self.server.subscribe({"type": "wildcard", "value": pattern + "*"}, script)
        queries = [{"pattern": pattern + "a"}, {"pattern": pattern[:-1] + "*a"}, {"patternPrefix": pattern},
                   {"sourceType": "task"}, {"sourceId": "src1"}, {"correlationId": "co2"}, {"causationId": "ca3"},
                   {"contextId": "cx5"}, {"eventTimeFrom": "-5h"}, {"eventTimeFrom": "8h", "eventTimeTo": "3h"},
                   {"filter": "$.n > 7"}, {"from": "1h"}, {"from": "-2d", "to": "now"}, {"to": "1h"},
                   {"sourceType": "external", "correlationId": "co1", "eventTimeTo": "2h"}]
        sums = []
        for query in queries:
            query = dict({"patternPrefix": pattern}, **query)
            listed = self.server.get("/v2/events?limit=1000&" + "&".join(f"{k}={quote(v)}" for k, v in query.items()))
            self.assertEqual(listed.status, 200, listed)
            state = self.finished(self.start(dict(query, subscriptionIds=[subscription])))
            self.assertEqual((state["status"], state["delivered"]), ("completed", len(listed.json()["items"])), query)
            sums.append(state["delivered"])
        self.assertGreater(len(set(sums)), 5, sums)
        for bad in ({"sourceType": "foo"}, {"eventTimeFrom": "soon"}, {"eventTimeFrom": "1h", "eventTimeTo": "2h"},
                    {"from": "1h", "to": "2h"}, {"pattern": "a**b"}, {"sourceIds": "x"}):
            reply = self.server.post("/v2/replays", dict(bad, subscriptionIds="all"))
            self.assert_error(reply, 400, "VALIDATION_ERROR")
            self.assertEqual(reply.json()["error"]["details"]["field"], next(iter(bad)), reply)

    def test_lists_page_the_newest_first(self):
        pattern = self.unique("rg.")
        self.counting(pattern, pattern)
        made = [self.start({"pattern": pattern, "subscriptionIds": "all"}) for _ in range(5)]
        for replay in made:
            self.finished(replay)
        seen, cursor = [], ""
        while True:
            page = self.server.get("/v2/replays?limit=2" + (f"&cursor={quote(cursor)}" if cursor else "")).json()
            seen += [one["id"] for one in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
        self.assertEqual(seen[:5], made[::-1])
        self.assertEqual(len(seen), len(set(seen)))
        self.assert_error(self.server.get("/v2/replays?cursor=nope"), 400, "VALIDATION_ERROR", "cursor")
        one = self.status(made[0])
        self.assertEqual([r["shard"] for r in one["range"]], [0, 1])
        self.assertEqual([p["offset"] for p in one["position"]], [r["to"] for r in one["range"]])
        entries = [e["entry"] for e in self.server.get(f"/v2/audit?kind=replay&id={made[0]}").json()["items"]]
        self.assertEqual([e["action"] for e in entries], ["start"])

    def test_so_many_events_a_second_whoever_gets_them(self):
        pattern = self.unique("rw.")
        script = self.server.create_script("return function(e, ctx) return ctx.replay.id end")
        for _ in range(3):
            self.server.subscribe(pattern, script)
        self.load(pattern, 20)
        began = time.monotonic()
        state = self.finished(self.start({"pattern": pattern, "subscriptionIds": "all", "pace": "20"}))
        self.assertEqual(state["delivered"], 60, state)
        self.assertLess(time.monotonic() - began, 2.5, "20 a second are 20 events")

    def test_times_as_fast_as_it_was(self):
        pattern, key = self.unique("rt."), self.unique("k")
        subscription = self.counting(pattern, key)
        began = harness.time.monotonic()
        for _ in range(4):
            self.load(pattern, 1)
            harness.time.sleep(0.2)
        self.load(pattern, 1)
        took = harness.time.monotonic() - began
        seconds = {}
        for pace in ("original", "4x"):
            began = harness.time.monotonic()
            state = self.finished(self.start({"pattern": pattern, "subscriptionIds": [subscription], "pace": pace}))
            seconds[pace] = harness.time.monotonic() - began
            self.assertEqual(state["delivered"], 5, state)
        self.assertGreater(seconds["original"], took * 0.8, seconds)
        self.assertLess(seconds["original"], took * 2, seconds)
        self.assertGreater(seconds["4x"], took * 0.2, seconds)
        self.assertLess(seconds["4x"], took * 0.6, seconds)
        self.assert_error(self.server.post("/v2/replays", {"pace": "0x"}), 400, "VALIDATION_ERROR", "pace")

    def test_a_tenant_has_so_many_at_once(self):
        pattern = self.unique("rm.")
        self.counting(pattern, pattern)
        self.load(pattern, 50)
        running = [self.start({"pattern": pattern, "subscriptionIds": "all", "pace": 1}) for _ in range(8)]
        reply = self.server.post("/v2/replays", {"pattern": pattern, "subscriptionIds": "all", "pace": 1})
        self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED", "8 replays")
        self.assertIn("retry-after", reply.headers)
        for replay in running:
            self.assertEqual(self.server.request("DELETE", f"/v2/replays/{replay}").status, 200)
        for replay in running:
            self.assertEqual(self.finished(replay)["status"], "cancelled")
        self.assertEqual(self.finished(self.start({"pattern": pattern, "subscriptionIds": "all"}))["delivered"], 50)


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
        self.assertEqual((state["matched"], state["delivered"]), (600, 600), state)
        reader = server.create_script(
            "return function() local c = 0 for n = 0, 599 do if sdk.kv.get('s' .. n) then c = c + 1 end end "
            "return {c, sdk.kv.get('n')} end", type="api")
        seen = server.post("/v2/script/run", {"scriptId": reader, "query": {}, "body": {}}).json()["result"]
        self.assertEqual(seen, [600, 600])

    def test_its_effects_count_once_whatever_kills_it(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        # Blocks of one event, and of many; every tenth fails once and is retried by itself.
        singles, batches = 400, 40
        for n in range(singles):
            self.assertEqual(server.post("/v2/events?ids=0&durability=os", {"pattern": "once", "payload": {"n": n}}).status, 202)
        for _ in range(batches):
            body = [{"pattern": "once", "payload": {"n": n}} for n in range(100)]
            self.assertEqual(server.post("/v2/events?ids=0&durability=os", body).status, 202)
        count = singles + batches * 100
        script = server.create_script(
            "return function(e, ctx) sdk.kv.incr('n:' .. ctx.replay.id) "
            "if e.payload.n % 10 == 0 and ctx.attempt == 1 then error('once') end end")
        subscription = server.subscribe("once", script, retry={"maxRetries": 3, "initialDelayMs": 20, "jitter": False})
        replays = [server.post("/v2/replays", {"pattern": "once", "subscriptionIds": [subscription], "pace": pace}).json()["id"]
                   for pace in ("instant", 1500)]
        for _ in range(4):
            harness.time.sleep(0.25)
            server.kill()
            server.start()
        reader = server.create_script("return function(r) return sdk.kv.get('n:' .. r.query.id) end", type="api")
        for replay in replays:
            state = harness.wait_until("the end", lambda: (
                lambda s: s if s["status"] == "completed" else None)(server.get(f"/v2/replays/{replay}").json()), 60)
            self.assertEqual((state["scanned"], state["matched"], state["delivered"], state["failed"]),
                             (count, count, count * 9 // 10, count // 10), state)

            def counted():
                run = server.post("/v2/script/run", {"scriptId": reader, "query": {"id": replay}, "body": {}})
                return run.json()["result"] == count
            harness.wait_until("the retries", counted, 30)
        harness.time.sleep(0.2)
        self.assertTrue(counted())

    def test_a_cancelled_replay_does_not_come_back(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        body = [{"pattern": "rc", "payload": {"n": n}} for n in range(300)]
        self.assertEqual(server.post("/v2/events?ids=0", body).status, 202)
        # The delivery under way outlasts the kill: only the answer's own write can say that it is cancelled.
        script = server.create_script("return function(e) while true do end end", timeoutMs=30000)
        subscription = server.subscribe("rc", script)
        replay = server.post("/v2/replays", {"pattern": "rc", "subscriptionIds": [subscription]}).json()["id"]
        harness.wait_until("its deliveries", lambda: server.get(f"/v2/replays/{replay}").json()["matched"] > 0)
        self.assertEqual(server.request("DELETE", f"/v2/replays/{replay}").status, 200)
        server.kill()
        server.start()
        self.assertEqual(server.get(f"/v2/replays/{replay}").json()["status"], "cancelled")


class DryRuns(harness.ServerCase):
    """What a version of a handler would have done, compared, without anything being done."""

    def setUp(self):
        self.pattern, self.script, self.handler = self.unique("dry."), self.unique("scr"), self.unique("sub")

    def push(self, body):
        """The next version of the script; returns its number."""
        source = f"return function(e, ctx) {body} end"
        if self.server.get(f"/v2/scripts/{self.script}").status == 404:
            self.server.create_script(source, id=self.script)
            self.server.subscribe(self.pattern, self.script, id=self.handler, retry={"maxRetries": 0})
            return 1
        reply = self.server.request("PUT", f"/v2/scripts/{self.script}", {"source": source})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["version"]

    def load(self, count):
        body = [{"eventId": f"{self.pattern}-{n}", "pattern": self.pattern, "payload": {"n": n}} for n in range(count)]
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        self.server.wait_executions(count, ("completed", "dead"), subscriptionId=self.handler)

    def dry(self, status="completed", **body):
        body = {"dryRun": True, "pattern": self.pattern, **body}
        reply = self.server.post("/v2/replays", body)
        self.assertEqual(reply.status, 202, reply)
        replay = reply.json()["id"]

        def ended():
            state = self.server.get(f"/v2/replays/{replay}").json()
            return state if state["status"] != "running" else None
        state = harness.wait_until("the dry run", ended)
        self.assertEqual(state["status"], status, state)
        page = self.server.get(f"/v2/replays/{replay}/diff?limit=1000")
        self.assertEqual(page.status, 200, page)
        return state["diff"], page.json()["items"], replay

    def state_of_everything(self):
        """All that a dry run must leave alone; replays and the audit log are its own."""
        out = {}
        for path in ("/v2/events?limit=1000", "/v2/executions?limit=1000", "/v2/dlq?limit=1000",
                     "/v2/retries?limit=1000", "/v2/scripts", "/v2/subscriptions"):
            out[path] = self.server.get(path).body
        # The run below is an execution too, of this helper.
        out["/v2/executions?limit=1000"] = [e for e in json.loads(out["/v2/executions?limit=1000"])["items"]
                                            if e["eventId"] is not None]
        keys = self.server.create_script("return function() return sdk.kv.list('', 1000) end", type="api",
                                         id=self.unique("reader"))
        out["kv"] = self.server.post("/v2/script/run", {"scriptId": keys, "query": {}, "body": {}}).json()["result"]
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{keys}").status, 200)
        return out

    def test_the_same_version_is_as_recorded(self):
        key = self.unique("k")
        self.push(f"sdk.kv.incr('{key}') sdk.events.emit('{self.pattern}.out', {{n = e.payload.n}}) "
                  f"if e.payload.n % 10 == 3 then error('three') end return {{n = e.payload.n, so_far = sdk.kv.get('{key}')}}")
        self.server.request("PATCH", f"/v2/subscriptions/{self.handler}", {"filter": "$.n >= 0"})
        body = [{"eventId": f"{self.pattern}-{n}", "pattern": self.pattern, "partitionKey": "one", "payload": {"n": n}}
                for n in range(100)]
        first = harness.time.time()
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        self.server.wait_executions(100, ("completed", "dead"), subscriptionId=self.handler)
        before = self.state_of_everything()
        diff, items, _ = self.dry(**{"from": harness.time.strftime("%Y-%m-%dT%H:%M:%SZ", harness.time.gmtime(first))})
        self.assertEqual((diff["compared"], diff["different"]), (100, 0), items[:3])
        self.assertEqual(self.state_of_everything(), before)

    def test_another_version_against_the_recorded(self):
        self.push(f"sdk.events.emit('{self.pattern}.out', {{n = e.payload.n}}) return e.payload.n")
        self.load(40)
        self.push(f"if e.payload.n == 7 then error('seven') end "
                  f"if e.payload.n == 8 then return 'eight' end "
                  f"sdk.events.emit('{self.pattern}.out', {{n = e.payload.n == 9 and 0 or e.payload.n}}) "
                  f"if e.payload.n == 10 then sdk.events.emit('{self.pattern}.more', {{}}) end return e.payload.n")
        before = self.state_of_everything()
        diff, items, replay = self.dry(scriptId=self.script)
        self.assertEqual((diff["compared"], diff["different"]), (40, 4), items)
        found = {i["eventId"].rsplit("-", 1)[1]: i for i in items}
        self.assertEqual({n: i["differs"] for n, i in found.items()},
                         {"7": ["status", "error", "result", "emitted"], "8": ["result", "emitted"],
                          "9": ["emitted"], "10": ["emitted"]})
        self.assertEqual((found["7"]["now"]["status"], found["7"]["against"]["status"]), ("failed", "completed"))
        self.assertIn("seven", found["7"]["now"]["error"])
        self.assertEqual((found["8"]["now"]["result"], found["8"]["against"]["result"]), ("eight", 8))
        self.assertEqual((found["9"]["now"]["emitted"], found["9"]["against"]["emitted"]),
                         ([{"pattern": self.pattern + ".out", "payload": {"n": 0}}],
                          [{"pattern": self.pattern + ".out", "payload": {"n": 9}}]))
        self.assertEqual([len(found["10"][side]["emitted"]) for side in ("now", "against")], [2, 1])
        self.assertEqual((found["9"]["now"]["scriptVersion"], found["9"]["against"]["scriptVersion"]), (2, 1))
        # An old version is still there to run: it does what was recorded.
        diff, items, _ = self.dry(scriptId=self.script, scriptVersion=1)
        self.assertEqual((diff["compared"], diff["different"]), (40, 0), items)
        self.assertEqual(self.state_of_everything(), before)
        # Pages.
        one = self.server.get(f"/v2/replays/{replay}/diff?limit=3").json()
        two = self.server.get(f"/v2/replays/{replay}/diff?limit=3&cursor={one['next']}").json()
        self.assertEqual([i["eventId"] for i in one["items"] + two["items"]], [i["eventId"] for i in
                         self.server.get(f"/v2/replays/{replay}/diff").json()["items"]])
        self.assertIsNone(two["next"])

    def test_two_versions_and_their_kv(self):
        key = self.unique("k")
        self.push(f"sdk.kv.set('{key}', e.payload.n) sdk.kv.incr('{key}sum', e.payload.n)")
        self.push(f"sdk.kv.set('{key}', e.payload.n) sdk.kv.incr('{key}sum', e.payload.n == 5 and 50 or e.payload.n) "
                  f"if e.payload.n == 6 then sdk.kv.delete('{key}x') end")
        self.load(20)
        before = self.state_of_everything()
        diff, items, _ = self.dry(scriptId=self.script, scriptVersion=2, against=1, kv="empty")
        self.assertEqual((diff["compared"], diff["different"], diff["kv"]), (20, 2, 2), items)
        found = {i["eventId"].rsplit("-", 1)[1]: i for i in items}
        self.assertEqual(found["5"]["differs"], ["kv"])
        self.assertEqual(found["5"]["now"]["kv"][1], {"op": "incr", "key": key + "sum", "by": 50})
        self.assertEqual(found["5"]["against"]["kv"][1], {"op": "incr", "key": key + "sum", "by": 5})
        self.assertEqual(found["6"]["now"]["kv"][2], {"op": "delete", "key": key + "x"})
        self.assertEqual(self.state_of_everything(), before)

    def test_what_kv_a_shadow_run_finds(self):
        key = self.unique("k")
        self.push(f"return sdk.kv.incr('{key}') or sdk.kv.get('{key}')")
        self.load(10)
        middle = self.server.get(f"/v2/events/{self.pattern}-0").json()["receivedAt"]
        results = lambda **body: sorted(i["now"]["result"] for i in self.dry(scriptId=self.script, against=2, **body)[1])
        self.push("return 0")
        self.assertEqual(results(scriptVersion=1, kv="empty"), list(range(1, 11)))
        self.assertEqual(results(scriptVersion=1, kv="now"), list(range(11, 21)))
        self.assertEqual(results(scriptVersion=1, kv="then", **{"from": middle}), list(range(1, 11)))

    def test_a_handler_that_never_ends(self):
        self.push("return 1")
        self.load(2)
        self.server.request("PUT", f"/v2/scripts/{self.script}",
                            {"source": "return function(e) while true do end end", "timeoutMs": 100})
        diff, items, _ = self.dry(scriptId=self.script)
        self.assertEqual((diff["different"], [i["now"]["status"] for i in items]), (2, ["timeout"] * 2))
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_nothing_was_recorded(self):
        body = [{"pattern": self.pattern, "payload": {"n": n}} for n in range(5)]
        self.server.post("/v2/events", body)
        self.push("return 1")
        diff, items, _ = self.dry(scriptId=self.script)
        self.assertEqual((diff["compared"], diff["missing"]), (5, 5), items)
        self.assertEqual([i["against"] for i in items], [None] * 5)

    def test_what_is_refused(self):
        self.push("return 1")
        refuse = lambda mention, **body: self.assert_error(
            self.server.post("/v2/replays", {"dryRun": True, **body}), 400, "VALIDATION_ERROR", mention)
        refuse("scriptId", scriptVersion=1)
        refuse("no version 9", scriptId=self.script, scriptVersion=9)
        refuse("against", scriptId=self.script, against="yesterday")
        refuse("no script", scriptId="nobody")
        refuse("kv", scriptId=self.script, kv="then", **{"from": "2001-01-01T00:00:00Z"})
        self.assert_error(self.server.post("/v2/replays", {"scriptId": self.script}), 400, "VALIDATION_ERROR", "dryRun")
        real = self.server.post("/v2/replays", {"pattern": self.pattern, "subscriptionIds": "all"}).json()["id"]
        self.assert_error(self.server.get(f"/v2/replays/{real}/diff"), 409, "CONFLICT")

    def test_the_command_line(self):
        def cli(*args):
            done = self.server.cli(*args)
            return done.returncode, done.stdout, done.stderr
        self.push("return e.payload.n")
        self.load(12)
        code, out, err = cli("replay", "diff", "--script", self.script)
        self.assertEqual(code, 0, out + err)
        self.assertIn("compared 12, different 0", out)
        self.server.send_event(self.pattern, scheduledAt="2100-01-01T00:00:00Z")
        code, out, err = cli("replay", "diff", "--script", self.script)
        self.assertIn("1 left out: their scheduledAt has not come yet", err)
        for arguments, said in ((("some-id", "--script", self.script), "excludes"), (("--against", "best"), "recorded"),
                                (("--limit", "0"), "--limit")):
            code, out, err = cli("replay", "diff", *arguments)
            self.assertEqual((code, out), (2, ""), arguments)
            self.assertIn(said, err)
        self.push("return e.payload.n == 4 and 'four' or e.payload.n")
        code, out, err = cli("replay", "diff", "--script", self.script, "--pattern", self.pattern)
        self.assertEqual(code, 1, out + err)
        self.assertIn("different 1", out)
        self.assertIn(self.pattern + "-4", out)
        code, out, err = cli("-o", "json", "replay", "diff", "--script", self.script, "--version", "2", "--against", "1")
        self.assertEqual(code, 1, err)
        shown = json.loads(out)
        self.assertEqual([i["now"]["result"] for i in shown["diff"]["items"]], ["four"])
        code, out, err = cli("-o", "json", "replay", "diff", shown["replay"]["id"])
        self.assertEqual(json.loads(out)["diff"], shown["diff"])

    def test_a_dry_run_begins_anew_after_a_restart(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        script = server.create_script("return function(e) local s = 0 for i = 1, 3000000 do s = s + i % 3 end return 1 end")
        server.subscribe("slow.e", script, id="slow", active=False)
        server.post("/v2/events?ids=0", [{"pattern": "slow.e", "payload": {"n": n}} for n in range(300)])
        server.request("PATCH", "/v2/subscriptions/slow", {"active": True})
        replay = server.post("/v2/replays", {"dryRun": True, "pattern": "slow.e", "scriptId": script}).json()["id"]
        state = lambda: server.get(f"/v2/replays/{replay}").json()
        server.kill()
        server.start()
        self.assertIn(state()["status"], ("running", "completed"))
        harness.wait_until("its end", lambda: state()["status"] == "completed", 60)
        self.assertEqual((state()["diff"]["compared"], state()["diff"]["missing"]), (300, 300), state())
        self.assertEqual(len(server.get(f"/v2/replays/{replay}/diff?limit=1000").json()["items"]), 300)


if __name__ == "__main__":
    unittest.main()
