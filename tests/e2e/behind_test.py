#!/usr/bin/env python3
"""Goal: a subscription that is paused, switched off or slow waits alone, loses nothing and gets
nothing twice, over a kill too. Method: counting handlers in kv, one key per event."""
import time
import unittest

import harness

COUNT = "return function(e) sdk.kv.incr('{key}:' .. e.payload.n) sdk.kv.incr('{key}') end"


class Behind(harness.ServerCase):
    def kv(self, prefix):
        return {item["key"]: item["value"] for item in self.server.items(f"/v2/kv?prefix={prefix}")}

    def send(self, pattern, first, count, **members):
        events = [{"pattern": pattern, "payload": {"n": n}, **members} for n in range(first, first + count)]
        reply = self.server.post("/v2/events?ids=0", events)
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, count), reply)

    def counting(self, pattern, key, **members):
        return self.server.subscribe(pattern, self.server.create_script(COUNT.format(key=key)), **members)

    def control(self, subscription, verb, body=None):
        reply = self.server.request("POST", f"/v2/subscriptions/{subscription}/{verb}", body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def patch(self, subscription, **members):
        reply = self.server.request("PATCH", f"/v2/subscriptions/{subscription}", members)
        self.assertEqual(reply.status, 200, reply)

    def wait_count(self, key, count):
        seen = []
        def reached():
            page = self.server.get(f"/v2/kv?prefix={key}&limit=1").json()["items"]
            seen[:] = [item["value"] for item in page if item["key"] == key]
            return seen == [count]
        try:
            harness.wait_until(f"{key} at {count}", reached)
        except AssertionError:
            raise AssertionError(f"{key} is at {seen}, not {count}") from None

    def assert_once_each(self, key, numbers):
        found = {k: v for k, v in self.kv(key + ":").items()}
        self.assertEqual({k: v for k, v in found.items() if v != 1}, {}, "more than once")
        self.assertEqual(set(found), {f"{key}:{n}" for n in numbers})

    def wait_nothing_waits(self):
        harness.wait_until("an empty queue", lambda: self.server.metric("script_event_queue_size") == 0)

    def test_a_paused_one_keeps_its_place(self):
        pattern, key = self.unique("pause."), self.unique("pk")
        subscription = self.counting(pattern, key)
        other_key = self.unique("po")
        self.counting(pattern, other_key)
        self.send(pattern, 0, 50)
        self.wait_count(key, 50)
        self.assertTrue(self.control(subscription, "pause")["paused"])
        self.assertTrue(self.control(subscription, "pause")["paused"])
        self.send(pattern, 50, 500)
        self.wait_count(other_key, 550)
        time.sleep(0.3)
        self.assertEqual(len(self.kv(key + ":")), 50)
        self.assertEqual(self.server.metric("script_event_queue_size"), 500)
        self.assertFalse(self.control(subscription, "resume")["paused"])
        self.wait_count(key, 550)
        self.send(pattern, 550, 100)
        self.wait_count(key, 650)
        self.assert_once_each(key, range(650))
        self.wait_nothing_waits()

    def test_it_may_skip_what_came_meanwhile(self):
        pattern, key = self.unique("skip."), self.unique("sk")
        subscription = self.counting(pattern, key)
        self.control(subscription, "pause")
        self.send(pattern, 0, 100)
        time.sleep(0.2)
        self.control(subscription, "resume", {"from": "skip"})
        time.sleep(0.3)
        self.send(pattern, 100, 20)
        self.wait_count(key, 20)
        self.assert_once_each(key, range(100, 120))
        self.wait_nothing_waits()

    def test_it_may_go_on_from_a_moment(self):
        pattern, key = self.unique("moment."), self.unique("mk")
        subscription = self.counting(pattern, key)
        self.control(subscription, "pause")
        self.send(pattern, 0, 30)
        time.sleep(1.1)
        self.send(pattern, 30, 30)
        self.control(subscription, "resume", {"from": "800ms"})
        self.wait_count(key, 30)
        self.assert_once_each(key, range(30, 60))
        bad = self.server.request("POST", f"/v2/subscriptions/{subscription}/resume", {"from": "soon"})
        self.assert_error(bad, 400, "VALIDATION_ERROR", "from")
        early = self.server.request("POST", f"/v2/subscriptions/{subscription}/resume", {"from": "1h"})
        self.assertEqual(early.status, 200, early)
        replay = early.headers["location"]
        harness.wait_until("the replay", lambda: self.server.get(replay).json()["status"] == "completed")
        self.assertEqual(self.server.get(replay).json()["delivered"], 60)
        self.wait_count(key, 90)
        unknown = self.server.request("POST", f"/v2/subscriptions/{subscription}/resume", {"form": "here"})
        self.assert_error(unknown, 400, "VALIDATION_ERROR", "form")

    def test_what_waits_for_one_that_is_off_waits_on(self):
        pattern, key = self.unique("off."), self.unique("ok")
        script = self.server.create_script(
            f"return function(e) if not sdk.kv.get('{key}go') then error('not yet') end\n"
            f"sdk.kv.incr('{key}:' .. e.payload.n) sdk.kv.incr('{key}') end")
        subscription = self.server.subscribe(pattern, script, retry={
            "maxRetries": 100, "initialDelayMs": 300, "maxDelayMs": 300, "jitter": False})
        self.send(pattern, 0, 6, partitionKey="k")
        self.server.wait_executions(1, ("retrying",), subscriptionId=subscription)
        self.patch(subscription, active=False)
        self.send(pattern, 6, 5)  # it never gets these
        self.server.post("/v2/script/run", {"scriptId": self.server.create_script(
            f"return function() sdk.kv.set('{key}go', true) end", type="api")})
        time.sleep(1)
        self.assertEqual(self.kv(key + ":"), {})
        self.patch(subscription, active=True)
        self.send(pattern, 11, 2)
        self.wait_count(key, 8)
        self.assert_once_each(key, [0, 1, 2, 3, 4, 5, 11, 12])
        self.assertEqual(self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"], [])

    def test_a_deactivated_script_loses_nothing(self):
        pattern, key = self.unique("soff."), self.unique("so")
        source = COUNT.format(key=key)
        script = self.server.create_script(source)
        self.server.subscribe(pattern, script)
        put = lambda enabled: self.assertEqual(200, self.server.request("PUT", f"/v2/scripts/{script}", {
            "name": "t", "type": "event", "source": source, "enabled": enabled}).status)
        put(False)
        self.send(pattern, 0, 300)
        time.sleep(0.5)
        self.assertEqual(self.kv(key + ":"), {})
        put(True)
        self.wait_count(key, 300)
        self.assert_once_each(key, range(300))

    def test_a_slow_one_waits_alone(self):
        pattern, key = self.unique("slow."), self.unique("sl")
        slow_key = self.unique("sw")
        self.counting(pattern, key)
        self.server.subscribe(pattern, self.server.create_script(
            f"return function(e) sdk.sleep(1000) sdk.kv.incr('{slow_key}:' .. e.payload.n)\n"
            f"sdk.kv.incr('{slow_key}') end"))
        for first in range(0, 8000, 1000):
            self.send(pattern, first, 1000)
        self.wait_count(key, 8000)
        self.assertLess(len(self.kv(slow_key + ":")), 8000)
        run = self.server.create_script("return function() return 1 end", type="api")
        self.assertEqual(self.server.post("/v2/script/run", {"scriptId": run}).status, 200)
        self.wait_count(slow_key, 8000)
        self.assert_once_each(slow_key, range(8000))
        self.wait_nothing_waits()

    def test_a_paused_or_removed_one_gets_no_dead_letter_back(self):
        pattern = self.unique("dl.")
        subscription = self.server.subscribe(pattern, self.server.create_script(
            "return function() error('no') end"), retry={"maxRetries": 0})
        self.send(pattern, 0, 2)
        letters = lambda: self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"]
        harness.wait_until("dead letters", lambda: len(letters()) == 2)
        self.control(subscription, "pause")
        one = self.server.post(f"/v2/dlq/{letters()[0]['id']}/replay", {})
        self.assert_error(one, 409, "CONFLICT", "paused")
        many = self.server.post("/v2/dlq/replay", {"subscriptionId": subscription})
        self.assert_error(many, 409, "CONFLICT", "paused")
        self.control(subscription, "resume")
        self.assertEqual(self.server.post(f"/v2/dlq/{letters()[0]['id']}/replay", {}).status, 202)


    def test_what_waits_for_a_removed_one_becomes_dead_letters(self):
        pattern = self.unique("gone.")
        script = self.server.create_script("return function() error('no') end")
        retry = {"maxRetries": 9, "initialDelayMs": 600_000, "jitter": False}
        subscription = self.server.subscribe(pattern, script, retry=retry)
        self.send(pattern, 0, 20, partitionKey="k")
        self.server.wait_executions(1, ("retrying",), subscriptionId=subscription)
        self.control(subscription, "pause")
        self.send(pattern, 20, 300)
        reply = self.server.request("DELETE", f"/v2/subscriptions/{subscription}")
        self.assertEqual((reply.status, reply.json()["deadLettered"]), (200, 320), reply)
        letters = self.server.items(f"/v2/dlq?subscriptionId={subscription}")
        self.assertEqual(len({letter["event"]["eventId"] for letter in letters}), 320)
        self.assertEqual(self.server.get(f"/v2/subscriptions/{subscription}").status, 404)
        self.assert_error(self.server.post(f"/v2/dlq/{letters[0]['id']}/replay", {}), 409, "CONFLICT", "removed")
        self.assertEqual([r for r in self.server.items("/v2/retries") if r["eventType"] == pattern], [])
        self.wait_nothing_waits()

    def test_or_is_dropped_if_that_is_asked_for(self):
        pattern = self.unique("drop.")
        script = self.server.create_script("return function() error('no') end")
        subscription = self.server.subscribe(pattern, script)
        self.control(subscription, "pause")
        self.send(pattern, 0, 100)
        bad = self.server.request("DELETE", f"/v2/subscriptions/{subscription}?waiting=burn")
        self.assert_error(bad, 400, "VALIDATION_ERROR", "waiting")
        reply = self.server.request("DELETE", f"/v2/subscriptions/{subscription}?waiting=discard")
        self.assertEqual((reply.status, reply.json()["discarded"]), (200, 100), reply)
        self.assertEqual(self.server.items(f"/v2/dlq?subscriptionId={subscription}"), [])
        again = self.server.subscribe(pattern, script, id=subscription)
        self.assertEqual(again, subscription)


class OneLog(unittest.TestCase):
    def test_it_goes_on_from_a_moment_though_no_other_log_lets_it_come_back(self):
        server = harness.Server(shards=1).start()
        self.addCleanup(server.close)
        case = Behind()
        case.server = server
        subscription = case.counting("a.b", "moment")
        case.control(subscription, "pause")
        case.send("a.b", 0, 30)
        time.sleep(1.1)
        case.send("a.b", 30, 30)
        case.control(subscription, "resume", {"from": "800ms"})
        case.wait_count("moment", 30)
        case.assert_once_each("moment", range(30, 60))


class OverAKill(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server().start()
        self.addCleanup(self.server.close)

    def test_paused_slow_and_switched_off_ones_go_on(self):
        case = Behind()
        case.server = self.server
        paused = case.counting("a.b", "paused")
        off = case.counting("a.b", "off")
        case.counting("a.b", "live")
        slow = self.server.subscribe("a.b", self.server.create_script(
            "return function(e) sdk.sleep(300) sdk.kv.incr('slow:' .. e.payload.n) sdk.kv.incr('slow') end"))
        case.control(paused, "pause")
        for first in range(0, 4000, 500):
            case.send("a.b", first, 500)
        case.patch(off, active=False)
        self.server.kill()
        self.server.start()
        case.send("a.b", 4000, 500)
        case.wait_count("live", 4500)
        self.server.kill()
        self.server.start()
        self.assertEqual(case.kv("paused"), {})
        case.control(paused, "resume")
        case.patch(off, active=True)
        case.send("a.b", 4500, 250)
        case.wait_count("paused", 4750)
        case.wait_count("slow", 4750)
        case.wait_count("off", 4250)
        case.assert_once_each("paused", range(4750))
        case.assert_once_each("slow", range(4750))
        case.assert_once_each("live", range(4750))
        case.assert_once_each("off", list(range(4000)) + list(range(4500, 4750)))
        self.assertTrue(slow)

    def test_an_accepted_redrive_is_done(self):
        self.server.create_script("return function(e) if not sdk.kv.get('go') then error('no') end\n"
                                  "sdk.kv.incr('done:' .. e.payload.n) end", id="h")
        self.server.subscribe("r", "h", id="s", retry={"maxRetries": 0})
        case = Behind()
        case.server = self.server
        case.send("r", 0, 300)
        harness.wait_until("dead letters", lambda: self.server.metric("script_dlq_entries") == 300)
        go = self.server.create_script("return function() sdk.kv.set('go', true) end", type="api")
        self.assertEqual(self.server.post("/v2/script/run", {"scriptId": go}).status, 200)

        def due():
            """When the dead letters come again; those that end meanwhile have no time any more."""
            return {e["nextRetryAt"] for e in self.server.get("/v2/dlq?limit=1000").json()["items"]} - {None}

        self.assertEqual(due(), set())
        reply = self.server.post("/v2/dlq/replay", {"subscriptionId": "s", "ratePerSecond": 150})
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 300), reply)
        self.assertGreater(len(due()), 50, "a paced redrive has a time for each")
        time.sleep(0.3)
        self.server.kill()
        self.server.start()
        self.assertGreater(len(due()), 50)
        harness.wait_until("no dead letters", lambda: self.server.metric("script_dlq_entries") == 0)
        found = case.kv("done:")
        self.assertEqual((len(found), set(found.values())), (300, {1}))


if __name__ == "__main__":
    harness.main()
