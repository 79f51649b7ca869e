#!/usr/bin/env python3
"""Goal: events of one partition key reach a handler in their order, also when one of them fails and
waits for its retry; other keys go on meanwhile.
Method: handlers that write down what they see in kv; failing on demand; a kill in between."""
import random
import unittest

import harness

RETRY = {"maxRetries": 3, "initialDelayMs": 60, "maxDelayMs": 200, "backoffFactor": 2, "jitter": False}


class Order(harness.ServerCase):
    def setUp(self):
        self.key = self.unique("k")
        self.pattern = self.unique("key.")
        self.reader = self.server.create_script(
            "return function(e) return sdk.kv.get(e.body.key) or sdk.json.null end", type="api")

    def kv(self, key):
        reply = self.server.post("/v2/script/run", {"scriptId": self.reader, "body": {"key": key}})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["result"]

    def recorder(self, failing, **members):
        """Appends n to the key's list; `failing` is Lua that may raise first."""
        script = self.server.create_script(
            "return function(e, ctx) local p = e.payload\n" + failing + "\n"
            f"local k = '{self.key}' .. (e.partitionKey or '')\n"
            "sdk.kv.set(k, (sdk.kv.get(k) or '') .. p.n .. ',') end")
        return self.server.subscribe(self.pattern, script, **{"retry": RETRY, **members})

    def send(self, numbers, keys=("a",)):
        body = [{"pattern": self.pattern, "partitionKey": key, "payload": {"n": n}}
                for n in numbers for key in keys]
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)

    def text(self, numbers):
        return "".join(f"{n}," for n in numbers)

    def seen(self, key, numbers):
        want = self.text(numbers)
        harness.wait_until(f"{key}: {want}", lambda: len(self.kv(self.key + key) or "") >= len(want))
        self.assertEqual(self.kv(self.key + key), want)

    def test_later_events_of_a_key_wait_for_its_retry(self):
        self.recorder("if p.n == 3 and e.partitionKey == 'a' and ctx.attempt < 3 then error('x') end")
        self.send(range(10), ("a", "b"))
        self.seen("b", range(10))
        self.seen("a", range(10))

    def test_other_keys_do_not_wait(self):
        self.recorder("if e.partitionKey == 'a' then error('x') end",
                      retry={"maxRetries": 1, "initialDelayMs": 600_000, "jitter": False})
        self.send(range(5), ("a", "b", "c"))
        self.seen("b", range(5))
        self.seen("c", range(5))
        self.assertIsNone(self.kv(self.key + "a"))
        self.assertGreaterEqual(self.server.metric("millrace_keys_waiting"), 1)

    def test_events_that_come_while_the_key_waits_are_behind_those_that_wait(self):
        self.recorder("if p.n == 0 and ctx.attempt < 4 then error('x') end")
        for n in range(60):
            self.send([n])
        self.seen("a", range(60))

    def test_a_dead_letter_lets_the_next_one_go(self):
        subscription = self.recorder("if p.n % 3 == 0 then error('x') end",
                                     retry=dict(RETRY, maxRetries=1, initialDelayMs=20))
        self.send(range(10))
        self.seen("a", [n for n in range(10) if n % 3])
        dead = harness.wait_until("four dead letters", lambda: len(items := self.server.get(
            f"/v2/dlq?subscriptionId={subscription}").json()["items"]) == 4 and items)
        self.assertEqual(sorted(d["event"]["payload"]["n"] for d in dead), [0, 3, 6, 9])

    def test_each_event_is_handled_once_and_counted_once(self):
        name = "scripts_events_processed_total"
        subscription = self.recorder("if p.n == 0 and ctx.attempt < 3 then error('x') end")
        self.send(range(20))
        self.seen("a", range(20))
        done = self.server.wait_executions(20, subscriptionId=subscription)
        self.assertEqual(len(done), 20)
        self.assertEqual(sorted(len(e["attempts"]) for e in done), [1] * 19 + [3])
        for status, count in (("completed", 19), ("failed", 1)):
            harness.wait_until(f"{count} {status}", lambda: self.server.metric(
                name, event_type=self.pattern, status=status) == count)
        harness.wait_until("no key waits", lambda: self.server.get("/v2/retries").json()["items"] == [] or
                           all(r["eventType"] != self.pattern for r in self.server.get("/v2/retries").json()["items"]))

    def test_what_waits_is_listed(self):
        self.recorder("error('x')", retry={"maxRetries": 1, "initialDelayMs": 600_000, "jitter": False})
        self.send(range(3))

        def waiting():
            items = [r for r in self.server.get("/v2/retries?limit=1000").json()["items"]
                     if r["eventType"] == self.pattern]
            return items if len(items) == 3 else None
        items = harness.wait_until("three that wait", waiting)
        self.assertEqual([r["attempt"] for r in items], [1, 0, 0])
        self.assertEqual([r["parked"] for r in items], [False, True, True])
        self.assertIsNotNone(items[0]["dueAt"])
        self.assertEqual([r["dueAt"] for r in items[1:]], [None, None])

    def test_a_subscription_may_do_without(self):
        subscription = self.recorder(
            "if p.n == 0 then error('x') end", ordering="none",
            retry={"maxRetries": 1, "initialDelayMs": 600_000, "jitter": False})
        self.assertEqual(self.server.get(f"/v2/subscriptions/{subscription}").json()["ordering"], "none")
        self.send(range(5))
        self.seen("a", range(1, 5))
        reply = self.server.request("PATCH", f"/v2/subscriptions/{subscription}", {"ordering": "sometimes"})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "ordering")

    def test_events_without_a_key_do_not_wait(self):
        self.recorder("if p.n == 0 then error('x') end",
                      retry={"maxRetries": 1, "initialDelayMs": 600_000, "jitter": False})
        for n in range(5):
            self.server.send_event(self.pattern, {"n": n})
        harness.wait_until("four", lambda: len(self.kv(self.key) or "") == 8)

    def test_many_parked_behind_one_key_are_all_handled(self):
        """More than one drain takes at a time, with failures in between and events that come meanwhile."""
        self.recorder("if p.n % 100 == 0 and ctx.attempt < 3 then error('x') end",
                      retry=dict(RETRY, initialDelayMs=5))
        for first in range(0, 1200, 50):
            self.send(range(first, first + 50))
        self.seen("a", range(1200))

    def test_a_scheduled_event_waits_for_its_key_too(self):
        import datetime
        self.recorder("if p.n == 0 and ctx.attempt < 3 then error('x') end",
                      retry={"maxRetries": 3, "initialDelayMs": 1500, "maxDelayMs": 1500, "jitter": False})
        at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)).isoformat()
        self.server.send_event(self.pattern, {"n": 1}, partitionKey="a", scheduledAt=at)
        self.send([0])
        self.send([2])
        self.seen("a", [0, 1, 2])

    def test_a_removed_subscription_leaves_nothing_behind(self):
        subscription = self.recorder("error('x')", retry=dict(RETRY, maxRetries=50))
        self.send(range(5))
        harness.wait_until("a wait", lambda: any(
            r["eventType"] == self.pattern for r in self.server.get("/v2/retries").json()["items"]))
        self.assertEqual(self.server.request("DELETE", f"/v2/subscriptions/{subscription}").status, 200)
        harness.wait_until("no retry", lambda: all(
            r["eventType"] != self.pattern for r in self.server.get("/v2/retries").json()["items"]))


class AfterARestart(unittest.TestCase):
    def test_order_holds_across_a_kill(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        reader = server.create_script("return function(e) return sdk.kv.get('seen') or '' end", type="api")
        script = server.create_script(
            "return function(e, ctx) local p = e.payload\n"
            "if p.n == 0 and ctx.attempt < 3 then error('x') end\n"
            "sdk.kv.set('seen', (sdk.kv.get('seen') or '') .. p.n .. ',') end")
        server.subscribe("key.r", script, retry={"maxRetries": 5, "initialDelayMs": 1500,
                                                 "maxDelayMs": 1500, "jitter": False})
        for n in range(10):
            server.send_event("key.r", {"n": n}, partitionKey="a")
        harness.wait_until("ten that wait", lambda: len(server.get("/v2/retries").json()["items"]) == 10)
        server.kill()
        server.start()
        for n in range(10, 20):
            server.send_event("key.r", {"n": n}, partitionKey="a")
        want = "".join(f"{n}," for n in range(20))
        seen = lambda: server.post("/v2/script/run", {"scriptId": reader}).json()["result"]
        harness.wait_until("all", lambda: len(seen()) >= len(want))
        self.assertEqual(seen(), want)

    def test_many_keys_many_failures_and_kills(self):
        server = harness.Server(args=["--lanes", "3"])
        self.addCleanup(server.close)
        server.start()
        reader = server.create_script(
            "return function(e) local o = {} for i, k in ipairs(e.body) do o[i] = sdk.kv.get(k) or '' end return o end",
            type="api")
        script = server.create_script(
            "return function(e, ctx) local p, k = e.payload, 'seen' .. e.partitionKey\n"
            "if ctx.attempt <= p.fail then error('x') end\n"
            "sdk.kv.set(k, (sdk.kv.get(k) or '') .. p.n .. ',') end")
        server.subscribe("key.many", script, retry={"maxRetries": 6, "initialDelayMs": 3, "maxDelayMs": 30})
        dice = random.Random(7)
        keys, count = 40, 30
        for n in range(count):
            server.post("/v2/events?ids=0", [
                {"pattern": "key.many", "partitionKey": f"k{k}",
                 "payload": {"n": n, "fail": dice.choice((0, 0, 0, 0, 1, 1, 2, 4))}} for k in range(keys)])
            if n in (10, 20):
                server.kill()
                server.start()
        want = "".join(f"{n}," for n in range(count))

        def in_order():
            seen = server.post("/v2/script/run", {
                "scriptId": reader, "body": [f"seenk{k}" for k in range(keys)]}).json()["result"]
            for k, text in enumerate(seen):
                self.assertTrue(want.startswith(text), f"key k{k}: {text}")
            return all(text == want for text in seen)
        harness.wait_until("every key in order", in_order, 60)
        self.assertEqual(server.metric("millrace_keys_waiting"), 0)
        self.assertEqual(server.metric("script_dlq_pending_retries"), 0)


class Waiting(unittest.TestCase):
    def test_what_is_parked_or_has_a_time_is_counted_as_waiting(self):
        server = harness.Server().start()
        self.addCleanup(server.close)
        server.create_script("return function(e) if e.payload.n == 0 and not sdk.kv.get('gate') then error('shut') end end",
                             id="gate")
        server.subscribe("gate.e", "gate", id="gate", retry={"maxRetries": 100, "initialDelayMs": 500,
                                                             "maxDelayMs": 500, "backoffFactor": 1, "jitter": False})
        for n in range(20):
            server.send_event("gate.e", {"n": n}, partitionKey="k")
        for n in range(3):
            server.send_event("gate.e", {"n": n + 1}, partitionKey="later", scheduledAt="2099-01-01T00:00:00Z")

        def counts():
            stats = server.get("/v2/stats").json()["deliveries"]
            return (server.metric("script_event_queue_size"), server.metric("script_dlq_pending_retries"),
                    stats["waiting"], stats["retries"])
        harness.wait_until("parked ones", lambda: counts() == (23, 4, 23, 4))
        by_status = lambda status: len(server.items(f"/v2/executions?status={status}"))
        self.assertEqual((by_status("waiting"), by_status("retrying")), (22, 1))
        parked = server.items("/v2/executions?status=waiting")[0]
        self.assertEqual((parked["attempts"], parked["scriptVersion"]), ([], None))
        server.kill()
        server.start()
        harness.wait_until("the same after a kill", lambda: counts() == (23, 4, 23, 4))
        opens = server.create_script("return function() sdk.kv.set('gate', true) end", type="api")
        self.assertEqual(server.post("/v2/script/run", {"scriptId": opens}).status, 200)
        harness.wait_until("only what has a time", lambda: counts() == (3, 3, 3, 3))


if __name__ == "__main__":
    unittest.main()
