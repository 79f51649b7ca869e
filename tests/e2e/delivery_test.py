#!/usr/bin/env python3
"""Goal: handlers run once per match with their effects, failures are retried, dead-lettered and
replayed. Method: counting handlers in kv and the executions that the server reports."""
import json
import time
import unittest

import harness

FAST_RETRY = {"maxRetries": 2, "initialDelayMs": 20, "maxDelayMs": 100, "backoffFactor": 2, "jitter": False}


class Deliveries(harness.ServerCase):
    def kv(self, key):
        if not hasattr(type(self), "reader"):
            type(self).reader = self.server.create_script(
                "return function(e) local v = sdk.kv.get(e.body.key)\n"
                "if v == nil then return sdk.json.null end return v end", type="api")
        reply = self.server.post("/v2/script/run", {"scriptId": self.reader, "query": {}, "body": {"key": key}})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["result"]

    def handler(self, source, pattern, **members):
        return self.server.subscribe(pattern, self.server.create_script(source), **members)

    def test_an_execution_is_recorded(self):
        pattern = self.unique("ex.")
        subscription = self.handler(
            "return function(event, ctx) sdk.log.warn('seen', {n = event.payload.n})\n"
            "return {n = event.payload.n, a = ctx.attempt, s = ctx.subscriptionId, t = ctx.tenantId} end", pattern)
        placed = self.server.send_event(pattern, {"n": 4})
        item = self.server.wait_executions(1, eventId=placed["eventId"])[0]
        self.assertEqual((item["eventId"], item["subscriptionId"], item["status"]),
                         (placed["eventId"], subscription, "completed"))
        self.assertEqual(item["result"], {"n": 4, "a": 1, "s": subscription, "t": "default"})
        self.assertEqual(len(item["attempts"]), 1)
        self.assertGreaterEqual(item["attempts"][0]["durationUs"], 0)
        self.assertIn("seen", str(item["logs"]))
        one = self.server.get(f"/v2/executions/{item['id']}")
        self.assertEqual(one.status, 200, one)
        self.assertEqual(one.json()["result"], item["result"])
        self.assert_error(self.server.get("/v2/executions/nope"), 404, "NOT_FOUND")

    def test_a_handler_may_wait(self):
        pattern, key = self.unique("wait."), self.unique("k")
        subscription = self.handler(
            f"return function(e) sdk.kv.set('{key}' .. e.payload.n, e.payload.n)\n"
            "for i = 1, 3 do sdk.sleep(5) end\n"
            f"return sdk.kv.get('{key}' .. e.payload.n) end", pattern)
        for n in range(40):
            self.server.send_event(pattern, {"n": n}, partitionKey=f"k{n % 7}")
        items = self.server.wait_executions(40, subscriptionId=subscription)
        self.assertEqual(sorted(e["result"] for e in items), list(range(40)))
        self.assertEqual([self.kv(f"{key}{n}") for n in range(40)], list(range(40)))
        reply = self.server.post("/v2/script/run", {"scriptId": self.server.create_script(
            "return function(e) sdk.sleep(1) return 'done' end", type="api")})
        self.assertEqual((reply.status, reply.json()["result"]), (200, "done"), reply)

    def test_what_goes_wrong_is_on_the_log(self):
        pattern = self.unique("log.")
        subscription = self.handler(f"return function() error('nothing works {pattern}') end", pattern,
                                    retry={**FAST_RETRY, "maxRetries": 1})
        time.sleep(1.2)  # so many lines a second, and other tests fail too
        self.server.send_event(pattern)
        self.server.wait_executions(1, ("dead",), subscriptionId=subscription)
        told = lambda: [line for line in self.server.log().splitlines() if pattern in line]
        harness.wait_until("two lines", lambda: len(told()) >= 2)
        lines = [json.loads(line) for line in told()]
        self.assertEqual([(line["attempt"], line["subscription"]) for line in lines],
                         [(1, subscription), (2, subscription)], lines)
        self.assertIn("tried again", lines[0]["message"])
        self.assertIn("dead letter", lines[1]["message"])

    def test_failed_deliveries_are_found_as_failed(self):
        pattern = self.unique("sf.")
        subscription = self.handler("return function(e) if e.payload.bad then error('no') end end", pattern,
                                    retry={"maxRetries": 0})
        waiting = self.handler("return function() error('later') end", pattern,
                               retry={"maxRetries": 1, "initialDelayMs": 3_000_000})
        bad = self.server.send_event(pattern, {"bad": True})
        self.server.send_event(pattern, {})
        self.server.wait_executions(1, ("dead",), subscriptionId=subscription)
        self.server.wait_executions(2, ("retrying",), subscriptionId=waiting)
        found = self.server.executions(status="failed", subscriptionId=subscription)
        self.assertEqual([e["eventId"] for e in found], [bad["eventId"]])
        self.assertEqual(len(self.server.executions(status="failed", subscriptionId=waiting)), 2)
        self.assertEqual(self.server.executions(status="failed", eventId=bad["eventId"]).__len__(), 2)
        self.assertEqual(self.server.executions(status="completed", subscriptionId=waiting), [])

    def test_what_waits_is_waiting(self):
        pattern = self.unique("wt.")
        subscription = self.handler("return function() error('no') end", pattern,
                                    retry={"maxRetries": 1, "initialDelayMs": 3_000_000})
        for n in range(4):
            self.server.send_event(pattern, {"n": n}, partitionKey="one")
        later = self.server.send_event(pattern, {}, scheduledAt="2099-01-01T00:00:00Z")
        self.server.wait_executions(4, ("waiting",), subscriptionId=subscription)
        items = self.server.executions(status="waiting", subscriptionId=subscription)
        self.assertEqual(len(items), 4)
        self.assertIn(later["eventId"], [e["eventId"] for e in items])
        for item in items:
            self.assertEqual((item["attempts"], item["scriptVersion"], item["result"]), ([], None, None))
        self.assertEqual(len(self.server.executions(status="retrying", subscriptionId=subscription)), 1)

    def test_every_event_is_handled_once(self):
        pattern, key = self.unique("once."), self.unique("k")
        self.handler(f"return function(e) sdk.kv.incr('{key}', e.payload.n) end", pattern)
        for start in range(0, 2000, 200):
            body = [{"pattern": pattern, "payload": {"n": n}} for n in range(start, start + 200)]
            self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        harness.wait_until("the sum", lambda: self.kv(key) == sum(range(2000)))

    def test_several_subscriptions_each_get_the_event(self):
        pattern = self.unique("fan.")
        ids = {self.handler("return function() return 1 end", pattern) for _ in range(5)}
        placed = self.server.send_event(pattern)
        done = self.server.wait_executions(5, eventId=placed["eventId"])
        self.assertEqual({e["subscriptionId"] for e in done}, ids)

    def test_emitted_events_carry_cause_and_correlation(self):
        pattern, out = self.unique("em."), self.unique("out.")
        self.handler(f"return function(e) sdk.events.emit('{out}', {{n = e.payload.n + 1}}) end", pattern)
        placed = self.server.send_event(pattern, {"n": 1}, metadata={"correlationId": "corr-7"})
        items = harness.wait_until("the emitted event", lambda: self.server.get(
            f"/v2/events?pattern={out}").json()["items"])
        self.assertEqual(len(items), 1)
        self.assertEqual(items[0]["payload"], {"n": 2})
        self.assertEqual(items[0]["metadata"]["correlationId"], "corr-7")
        self.assertEqual(items[0]["metadata"]["causationId"], placed["eventId"])
        found = self.server.get(f"/v2/events?causationId={placed['eventId']}").json()["items"]
        self.assertEqual([e["eventId"] for e in found], [items[0]["eventId"]])

    def test_one_id_of_two_sources_causes_two_events(self):
        pattern, same = self.unique("src."), self.unique("id")
        script = self.server.create_script(
            f"return function(e) return sdk.events.emit('{pattern}.out', {{of = e.source.id}}) end")
        subscription = self.server.subscribe(pattern, script)
        sources = [{"type": "external", "id": "shop"}, {"type": "task", "id": "shop"},
                   {"type": "external", "id": "web"}, None]
        for source in sources:
            self.server.send_event(pattern, {}, eventId=same, **({"source": source} if source else {}))
        items = self.server.wait_executions(4, subscriptionId=subscription)
        emitted = harness.wait_until("what they cause", lambda: (
            lambda found: found if len(found) == 4 else None)(self.server.all_events(f"{pattern}.out")))
        self.assertEqual(sorted(e["payload"]["of"] for e in emitted), ["shop", "shop", "unknown", "web"])
        self.assertEqual({e["eventId"] for e in emitted}, {e["result"] for e in items})
        # Delivered again, they are the same events.
        reply = self.server.post("/v2/replays", {"pattern": pattern, "subscriptionIds": [subscription]})
        harness.wait_until("the replay", lambda: self.server.get(
            f"/v2/replays/{reply.json()['id']}").json()["status"] == "completed")
        self.assertEqual(len(self.server.all_events(f"{pattern}.out")), 4)

        newest = self.server.get(f"/v2/events/{same}").json()
        self.assertEqual(newest["source"], {"type": "external", "id": "unknown"})
        self.assertEqual(sorted(s["id"] for s in newest["otherSources"]), ["shop", "shop", "web"])
        web = self.server.get(f"/v2/events/{same}?sourceType=external&sourceId=web").json()
        self.assertEqual((web["source"]["id"], "otherSources" in web), ("web", False))
        self.assert_error(self.server.get(f"/v2/events/{same}?sourceId=none"), 404, "NOT_FOUND")
        trace = self.server.get(f"/v2/events/{same}/trace?sourceId=web").json()
        self.assertEqual([c["event"]["payload"]["of"] for c in trace["caused"]], ["web"])
        one = next(e for e in emitted if e["payload"]["of"] == "web")
        trace = self.server.get(f"/v2/events/{one['eventId']}/trace").json()
        self.assertEqual([c["event"]["source"]["id"] for c in trace["causes"]], ["web"])
        found = self.server.executions(eventId=same, sourceId="web")
        self.assertEqual([e["result"] for e in found], [one["eventId"]])

    def test_a_chain_of_emits_is_handled(self):
        a, b, key = self.unique("c1."), self.unique("c2."), self.unique("k")
        self.handler(f"return function(e) sdk.events.emit('{b}', {{n = e.payload.n}}) end", a)
        self.handler(f"return function(e) sdk.kv.incr('{key}', e.payload.n) end", b)
        for n in range(50):
            self.server.send_event(a, {"n": n})
        harness.wait_until("the chain", lambda: self.kv(key) == sum(range(50)))

    def test_a_failed_attempt_has_no_effects(self):
        pattern, out, key = self.unique("fx."), self.unique("fo."), self.unique("k")
        self.handler(
            f"return function(e, ctx) sdk.kv.incr('{key}') sdk.events.emit('{out}', {{a = ctx.attempt}})\n"
            "if ctx.attempt < 3 then error('not yet') end return 'done' end", pattern, retry=FAST_RETRY)
        placed = self.server.send_event(pattern)
        done = self.server.wait_executions(1, eventId=placed["eventId"])[0]
        self.assertEqual(len(done["attempts"]), 3, done)
        self.assertIn("not yet", done["attempts"][0]["error"])
        self.assertEqual(self.kv(key), 1)
        items = self.server.get(f"/v2/events?pattern={out}").json()["items"]
        self.assertEqual([e["payload"]["a"] for e in items], [3])

    def test_exhausted_retries_become_a_dead_letter_with_an_alert(self):
        pattern = self.unique("dead.")
        subscription = self.handler("return function() error('always') end", pattern, retry=FAST_RETRY)
        placed = self.server.send_event(pattern, {"keep": [1, 2]})
        done = self.server.wait_executions(1, ("dead",), eventId=placed["eventId"])[0]
        self.assertEqual(len(done["attempts"]), 3)
        items = self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"]
        self.assertEqual(len(items), 1)
        entry = self.server.get(f"/v2/dlq/{items[0]['id']}").json()
        self.assertEqual((entry["subscriptionId"], entry["eventType"]), (subscription, pattern))
        self.assertEqual(entry["event"]["payload"], {"keep": [1, 2]})
        self.assertEqual(entry["event"]["eventId"], placed["eventId"])
        self.assertIn("always", str(entry["error"]))
        self.assertEqual((entry["retryCount"], entry["maxRetries"]), (2, 2))
        self.assertEqual(len(entry["attempts"]), 3)
        self.assertTrue(entry["errorFingerprint"])
        self.assertTrue(entry["createdAt"])
        alerts = self.server.get("/v2/events?pattern=system.dlq.added&limit=1000").json()["items"]
        self.assertTrue(any(subscription in str(a) for a in alerts), alerts)
        self.assertGreaterEqual(self.server.metric("script_dlq_entries"), 1)

    def test_dead_letters_are_replayed_and_leave_when_they_succeed(self):
        pattern, key = self.unique("heal."), self.unique("k")
        script = self.server.create_script("return function() error('broken') end")
        subscription = self.server.subscribe(pattern, script, retry=dict(FAST_RETRY, maxRetries=0))
        for n in range(5):
            self.server.send_event(pattern, {"n": n})
        listed = lambda: self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"]
        entries = harness.wait_until("5 dead letters", lambda: len(listed()) == 5 and listed())
        again = self.server.post(f"/v2/dlq/{entries[0]['id']}/replay", {})
        self.assertEqual(again.status, 202, again)
        back = harness.wait_until("it to come back with its history", lambda: next(
            (e for e in map(lambda i: self.server.get(f"/v2/dlq/{i['id']}").json(), listed())
             if e.get("event", {}).get("eventId") == entries[0]["event"]["eventId"] and len(e["attempts"]) >= 2),
            None))
        self.assertIn("broken", str(back["error"]))
        self.server.request("PUT", f"/v2/scripts/{script}", {
            "name": "t", "type": "event",
            "source": f"return function(e) sdk.kv.incr('{key}', e.payload.n) end"})
        error = self.assert_error(self.server.post("/v2/dlq/replay", b""), 400, "VALIDATION_ERROR", "{}")
        self.assertIn("subscriptionId", error["message"])
        would = self.server.post("/v2/dlq/replay", {"subscriptionId": subscription, "dryRun": True})
        self.assertEqual((would.status, would.json()["count"], would.json()["dryRun"]), (200, 5, True), would)
        other = self.server.post("/v2/dlq/replay", {"subscriptionId": subscription, "expect": 4})
        self.assert_error(other, 409, "CONFLICT", "expect")
        self.assertEqual(len(listed()), 5, "nothing was done")
        reply = self.server.post("/v2/dlq/replay", {"subscriptionId": subscription, "expect": 5})
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 5), reply)
        harness.wait_until("an empty queue", lambda: not listed())
        self.assertEqual(self.kv(key), sum(range(5)))

    def test_dead_letters_are_selected_as_events_are(self):
        root = self.unique("kind")
        subscription = self.handler("return function() error('x') end", root + ".*",
                                    retry=dict(FAST_RETRY, maxRetries=0))
        for name in ("a.paid", "b.paid", "b.sent"):
            self.server.send_event(f"{root}.{name}")
        listed = lambda query: self.server.get("/v2/dlq?" + query).json()["items"]
        harness.wait_until("3 dead letters", lambda: len(listed(f"subscriptionId={subscription}")) == 3)
        groups = lambda query: self.server.get("/v2/dlq/groups?" + query).json()["letters"]
        would = lambda **of: self.server.post("/v2/dlq/replay", dict(of, dryRun=True)).json()["count"]
        tried = lambda **of: self.server.post("/v2/dlq/rehearse", of).json()["sampled"]
        for pattern, count in ((f"{root}.*", 3), (f"{root}.*.paid", 2), (f"{root}.b.*", 2),
                               (f"{root}.b.sent", 1), (f"{root}.b", 0), (f"{root}.*.gone", 0)):
            self.assertEqual(len(listed("pattern=" + pattern)), count, pattern)
            self.assertEqual((groups("pattern=" + pattern), would(pattern=pattern), tried(pattern=pattern)),
                             (count, count, count), pattern)
        for times, count in (({"from": "1h"}, 3), ({"to": "-1h"}, 0), ({"from": "-2d", "to": "1h"}, 0)):
            query = "".join(f"&{name}={value}" for name, value in times.items())
            self.assertEqual(len(listed(f"pattern={root}.*{query}")), count, times)
            self.assertEqual((would(pattern=root + ".*", **times), tried(pattern=root + ".*", **times)),
                             (count, count), times)
        for path in ("/v2/dlq", "/v2/dlq/groups"):
            self.assert_error(self.server.get(path + "?pattern=a**b"), 400, "VALIDATION_ERROR", "star")
        for path in ("/v2/dlq/replay", "/v2/dlq/rehearse"):
            self.assert_error(self.server.post(path, {"pattern": "a**b"}), 400, "VALIDATION_ERROR", "star")
            self.assert_error(self.server.post(path, {"from": "soon"}), 400, "VALIDATION_ERROR", "from")
        one = listed(f"pattern={root}.b.sent")[0]["id"]
        self.assert_error(self.server.post(f"/v2/dlq/{one}/replay", {"rate": 1}), 400, "VALIDATION_ERROR", "rate")

    def test_dead_letters_can_be_deleted_and_unknown_ones_are_404(self):
        pattern = self.unique("del.")
        subscription = self.handler("return function() error('x') end", pattern, retry=dict(FAST_RETRY, maxRetries=0))
        self.server.send_event(pattern)
        listed = lambda: self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"]
        entry = harness.wait_until("a dead letter", listed)[0]
        self.assertEqual(self.server.request("DELETE", f"/v2/dlq/{entry['id']}").status // 100, 2)
        self.assertEqual(listed(), [])
        self.assert_error(self.server.get(f"/v2/dlq/{entry['id']}"), 404, "NOT_FOUND")
        self.assert_error(self.server.post("/v2/dlq/nope/replay", {}), 404, "NOT_FOUND")
        self.assert_error(self.server.request("DELETE", "/v2/dlq/nope"), 404, "NOT_FOUND")

    def test_fatal_goes_to_the_dead_letters_at_once(self):
        pattern = self.unique("fatal.")
        subscription = self.handler("return function(e, ctx) ctx.fail('fatal', 'poison') end", pattern)
        placed = self.server.send_event(pattern)
        done = self.server.wait_executions(1, ("dead",), eventId=placed["eventId"])[0]
        self.assertEqual(len(done["attempts"]), 1)
        entry = self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"][0]
        self.assertIn("poison", str(entry["error"]))

    def test_waiting_retries_are_listed_by_due_time(self):
        pattern = self.unique("wait.")
        late = self.handler("return function() error('x') end", pattern,
                            retry={"maxRetries": 1, "initialDelayMs": 3_000_000, "jitter": False})
        soon = self.handler("return function() error('x') end", pattern,
                            retry={"maxRetries": 1, "initialDelayMs": 1_000_000, "jitter": False})
        self.server.send_event(pattern)

        def waiting():
            items = [r for r in self.server.get("/v2/retries?limit=1000").json()["items"]
                     if r["subscriptionId"] in (late, soon)]
            return items if len(items) == 2 else None
        items = harness.wait_until("two retries", waiting)
        self.assertEqual([r["subscriptionId"] for r in items], [soon, late])
        self.assertGreaterEqual(self.server.metric("script_dlq_pending_retries"), 2)
        states = self.server.wait_executions(2, ("retrying",))
        self.assertTrue({late, soon} <= {e["subscriptionId"] for e in states})

    def test_order_is_kept_per_partition_key(self):
        pattern, key = self.unique("order."), self.unique("k")
        self.handler(
            f"return function(e) local k = '{key}' .. e.partitionKey local last = sdk.kv.get(k) or -1\n"
            f"if e.payload.n ~= last + 1 then sdk.kv.incr('{key}bad') end sdk.kv.set(k, e.payload.n)\n"
            f"sdk.kv.incr('{key}done') end", pattern)
        for n in range(100):
            body = [{"pattern": pattern, "partitionKey": f"p{p}", "payload": {"n": n}} for p in range(10)]
            self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        harness.wait_until("all handled", lambda: self.kv(key + "done") == 1000)
        self.assertIsNone(self.kv(key + "bad"))

    def test_a_slow_handler_loses_nothing_and_holds_up_nobody_else(self):
        slow, fast = self.unique("slow."), self.unique("fast.")
        key = self.unique("k")
        self.handler(f"return function(e) local t = sdk.time.now() local s = 0\n"
                     f"for i = 1, 200000 do s = s + i % 7 end sdk.kv.incr('{key}s') end", slow)
        self.handler(f"return function(e) sdk.kv.incr('{key}f') end", fast)
        body = [{"pattern": slow, "payload": {"n": n}} for n in range(5000)]
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        self.server.send_event(fast)
        harness.wait_until("the fast one", lambda: self.kv(key + "f") == 1)
        harness.wait_until("the slow ones", lambda: self.kv(key + "s") == 5000, 120)
        self.assertEqual(self.server.metric("script_events_dropped_total"), 0)

    def test_counters_add_up(self):
        pattern = self.unique("cnt.")
        name = "scripts_events_processed_total"
        before = {s: self.server.metric(name, status=s) for s in ("completed", "unmatched")}
        received = self.server.metric("scripts_events_received_total")
        self.handler("return function() end", pattern)
        for _ in range(20):
            self.server.send_event(pattern)
            self.server.send_event(pattern + "other")
        harness.wait_until("20 completed", lambda: self.server.metric(name, status="completed") >= before["completed"] + 20)
        harness.wait_until("20 unmatched", lambda: self.server.metric(name, status="unmatched") >= before["unmatched"] + 20)
        self.assertGreaterEqual(self.server.metric("scripts_events_received_total"), received + 40)
        self.assertEqual(self.server.metric("script_events_processed_total", event_type=pattern, status="completed"), 20)
        self.assertGreaterEqual(self.server.metric("script_event_processing_duration_seconds_count", event_type=pattern), 20)


if __name__ == "__main__":
    unittest.main()
