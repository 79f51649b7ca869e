#!/usr/bin/env python3
"""Goal: a subscription's own concurrency, rate and order are kept, whatever its neighbours do, and a
pause that a receiver asked for is there after a crash. Method: a sink that counts who is under way."""
import json
import threading
import time
import unittest

import harness
import sink

FAST = {"maxRetries": 3, "initialDelayMs": 30, "maxDelayMs": 50, "backoffFactor": 1, "jitter": False}


class Limits(sink.SinkCase):
    def webhook(self, pattern, retry=FAST, **members):
        reply = self.server.post("/v2/subscriptions", {
            "name": "w", "pattern": pattern, "retry": retry,
            "executor": {"type": "webhook", "url": self.sink.url + "/" + pattern, **members}})
        self.assertEqual(reply.status, 201, reply)
        return reply.json()

    def send(self, pattern, payloads, keys=None):
        events = [{"pattern": pattern, "payload": p} for p in payloads]
        for event, key in zip(events, keys or []):
            event["partitionKey"] = key
        self.assertEqual(self.server.post("/v2/events", events).status, 202)

    def arrived(self, pattern, count):
        return harness.wait_until(f"{count} calls", lambda: (
            found if len(found := self.sink.of("/" + pattern)) >= count else None))

    def test_no_more_at_once_than_its_concurrency(self):
        pattern = self.unique("many.")
        lock, seen = threading.Lock(), {"now": 0, "most": 0}

        def slow(_):
            with lock:
                seen["now"] += 1
                seen["most"] = max(seen["most"], seen["now"])
            time.sleep(0.05)
            with lock:
                seen["now"] -= 1
            return 204, {}, b""
        self.sink.answers["/" + pattern] = slow
        self.webhook(pattern, concurrency=3)
        self.send(pattern, [{"n": n} for n in range(30)])
        self.arrived(pattern, 30)
        self.assertEqual(seen["most"], 3)

    def test_no_faster_than_its_rate(self):
        pattern, beside = self.unique("rate."), self.unique("beside.")
        self.webhook(pattern, ratePerSecond=10)
        self.webhook(beside)
        self.send(pattern, [{"n": n} for n in range(25)])
        self.send(beside, [{"n": n} for n in range(100)])
        calls = self.arrived(pattern, 25)
        self.assertGreater(calls[24].at - calls[0].at, 1.2, "25 calls at 10 a second")
        neighbours = self.arrived(beside, 100)
        self.assertLess(neighbours[99].at, calls[24].at, "others do not wait for it")

    def test_who_has_a_higher_priority_goes_first(self):
        pattern = self.unique("first.")
        open_now = threading.Event()
        self.sink.answers["/" + pattern] = lambda _: (open_now.wait(30), (204, {}, b""))[1]
        self.webhook(pattern, concurrency=1, body="payload")
        self.send(pattern, [{"n": "begun"}])
        self.arrived(pattern, 1)
        named = [("one", "NORMAL"), ("late", "LOW"), ("two", 0), ("soon", "CRITICAL"), ("next", 10), ("three", None)]
        for name, priority in named:
            members = {} if priority is None else {"priority": priority}
            self.server.send_event(pattern, {"n": name}, **members)

        def waiting():
            return [e["waiting"] for e in self.server.get("/v2/executors").json()["items"] if e["type"] == "webhook"]
        try:
            harness.wait_until("all of them to wait", lambda: waiting() == [len(named)])
        finally:
            open_now.set()
        calls = self.arrived(pattern, 1 + len(named))
        # Where they had waited for a second and were read back from the log, its first one came before the others.
        order = [json.loads(c.body)["n"] for c in calls]
        self.assertEqual([n for n in order if n not in ("begun", "one")], ["soon", "next", "two", "three", "late"], order)

    def test_a_failing_one_holds_its_key_and_no_other(self):
        pattern = self.unique("order.")
        path = "/" + pattern
        failed = []

        def answer(request):
            if b'"bad":true' in request.body.replace(b" ", b"") and len(failed) < 3:
                failed.append(request)
                return 500, {}, b""
            return 204, {}, b""
        self.sink.answers[path] = answer
        self.webhook(pattern, order="key", body="payload", concurrency=10)
        self.send(pattern, [{"k": "a", "n": 0, "bad": True}, {"k": "a", "n": 1}, {"k": "b", "n": 2}, {"k": "a", "n": 3}],
                  ["a", "a", "b", "a"])
        calls = self.arrived(pattern, 7)
        of_a = [c.body for c in calls if b'"a"' in c.body]
        self.assertEqual(len(of_a), 6, of_a)
        self.assertTrue(all(b'"n":0' in body or b'"n": 0' in body for body in of_a[:4]), of_a)
        self.assertTrue(b'1' in of_a[4] and b'3' in of_a[5], of_a)
        of_b = [i for i, c in enumerate(calls) if b'"b"' in c.body]
        self.assertLess(of_b[0], 4, "the other key went on")

    def test_one_of_a_key_at_a_time(self):
        pattern = self.unique("serial.")
        lock, seen = threading.Lock(), {"now": 0, "most": 0}

        def slow(_):
            with lock:
                seen["now"] += 1
                seen["most"] = max(seen["most"], seen["now"])
            time.sleep(0.02)
            with lock:
                seen["now"] -= 1
            return 204, {}, b""
        self.sink.answers["/" + pattern] = slow
        self.webhook(pattern, order="key", body="payload", concurrency=10)
        self.send(pattern, [{"n": n} for n in range(10)], ["k"] * 10)
        calls = self.arrived(pattern, 10)
        self.assertEqual(seen["most"], 1)
        self.assertEqual([c.body.replace(b" ", b"") for c in calls], [b'{"n":%d}' % n for n in range(10)])


class Replays(sink.SinkCase):
    def test_a_replay_has_the_known_ids_or_new_ones(self):
        pattern = self.unique("again.")
        made = self.server.post("/v2/subscriptions", {"name": "w", "pattern": pattern, "retry": FAST, "executor": {
            "type": "webhook", "url": self.sink.url + "/" + pattern}}).json()
        self.server.send_event(pattern, {"n": 1})

        def calls(count):
            return harness.wait_until("the calls", lambda: (
                found if len(found := self.sink.of("/" + pattern)) >= count else None))
        calls(1)
        self.server.wait_executions(1, subscriptionId=made["id"])
        for new_ids in (False, True):
            if new_ids:
                self.sink.answers["/" + pattern] = [(500, {}, b""), (204, {}, b"")]
            reply = self.server.post("/v2/replays", {"from": "-1h", "subscriptionIds": [made["id"]], "newIds": new_ids})
            self.assertEqual(reply.status, 202, reply)
            calls(4 if new_ids else 2)
        ids = [c.headers["webhook-id"] for c in calls(4)]
        self.assertEqual(ids[0], ids[1])
        self.assertNotEqual(ids[0], ids[2])
        self.assertEqual(ids[2], ids[3], "a retry of it")
        self.assert_error(self.server.post("/v2/replays", {"from": "-1h", "subscriptionIds": "all", "newIds": True, "dryRun": True}),
                          400, "VALIDATION_ERROR", "newIds")


class Crash(unittest.TestCase):
    def test_a_pause_that_a_receiver_asked_for_is_there_after_a_crash(self):
        receiver = sink.Sink()
        server = harness.Server(("--set", "http_client.allow=127.0.0.1"))
        try:
            server.start()
            receiver.answers["/gone"] = (410, {}, b"")
            made = server.post("/v2/subscriptions", {"name": "g", "pattern": "gone", "retry": {"maxRetries": 0},
                               "executor": {"type": "webhook", "url": receiver.url + "/gone"}}).json()
            server.send_event("gone", {"n": 1})
            server.wait_executions(1, statuses=("dead",), subscriptionId=made["id"])
            server.kill()
            server.start()
            one = "/v2/subscriptions/" + made["id"]
            harness.wait_until("the pause", lambda: server.get(one).json()["paused"])
            receiver.answers["/gone"] = (204, {}, b"")
            server.send_event("gone", {"n": 2})
            time.sleep(0.3)
            self.assertEqual(len(receiver.of("/gone")), 1)
            self.assertEqual(server.post(one + "/resume", {"from": "here"}).status, 200)
            harness.wait_until("what waited", lambda: len(receiver.of("/gone")) == 2)
        finally:
            server.close()
            receiver.close()


if __name__ == "__main__":
    unittest.main()
