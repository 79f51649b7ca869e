#!/usr/bin/env python3
"""Goal: what one tenant burns, or has waiting, does not hold up another's runs and deliveries; who
asks for more than its quota is told which and when to come again.
Method: two tenants with keys of their own on one server with one lane; the clock of this machine."""
import statistics
import threading
import time
import unittest

import harness
from keyed import KeyedCase

BURNS = "return function() while true do end end"
QUICK = "return function() return 1 end"


class Fairness(KeyedCase):
    ARGS = ("--lanes", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {}
        for tenant in ("alpha", "beta", "gamma"):
            assert cls.server.post("/v2/tenants", {"id": tenant}).status == 201
            made = cls.server.post("/v2/keys", {"tenantId": tenant, "role": "admin", "name": tenant})
            cls.keys[tenant] = made.json()["key"]

    def call(self, tenant, method, path, body=None, **options):
        return self.server.request(method, path, body, headers={"X-API-Key": self.keys[tenant]}, **options)

    def made(self, tenant, path, body):
        reply = self.call(tenant, "POST", path, body)
        self.assertIn(reply.status, (200, 201, 202), (path, reply))
        return reply.json()

    def run_aside(self, tenant, script):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            self.call(tenant, "POST", "/v2/script/run", {"scriptId": script})))
        thread.start()
        self.addCleanup(thread.join)
        return answers

    def test_a_run_that_burns_holds_up_nobody_elses(self):
        burns = self.made("alpha", "/v2/scripts", {"source": BURNS, "timeoutMs": 3000})["id"]
        quick = self.made("beta", "/v2/scripts", {"source": QUICK})["id"]
        self.made("beta", "/v2/script/run", {"scriptId": quick})
        answers = [self.run_aside("alpha", burns) for _ in range(3)]
        time.sleep(0.3)
        took = []
        for _ in range(10):
            began = time.monotonic()
            self.assertEqual(self.made("beta", "/v2/script/run", {"scriptId": quick})["result"], 1)
            took.append(time.monotonic() - began)
        self.assertEqual([a for a in answers if a], [], "all of them still burn or wait")
        self.assertLess(max(took), 0.25, took)

    def test_of_a_backlog_next_to_nothing_runs_before_anothers_delivery(self):
        """Counted, not timed: how many of the 200,000 deliveries that wait begin between the other tenant's
        event and its delivery. Right behind the flood, while it is put aside, and later."""
        works = self.made("alpha", "/v2/scripts", {
            "source": "return function() local n = 0 for i = 1, 20000 do n = n + i % 7 end return n end"})["id"]
        self.made("alpha", "/v2/subscriptions", {"pattern": "flood", "executor": {"type": "script", "scriptId": works}})
        quick = self.made("beta", "/v2/scripts", {"source": QUICK})["id"]
        mine = self.made("beta", "/v2/subscriptions", {
            "pattern": "one", "executor": {"type": "script", "scriptId": quick}})["id"]
        batch = [{"pattern": "flood", "payload": {"n": n}} for n in range(10_000)]
        for _ in range(20):
            self.made("alpha", "/v2/events?ids=0", batch)
        sent = []
        for _ in range(20):
            event = self.made("beta", "/v2/events", {"pattern": "one", "payload": {}})["events"][0]
            done = harness.wait_until("its delivery", lambda: self.call(
                "beta", "GET", f"/v2/executions?eventId={event['eventId']}").json()["items"], 60)
            came = self.call("beta", "GET", f"/v2/events/{event['eventId']}").json()["receivedAt"]
            sent.append((came, done[0]["attempts"][0]["at"]))
        left = self.server.get("/v2/stats").json()["deliveries"]["waiting"]
        self.assertGreater(left, 0, "the flood still waits: else this says nothing")
        between = []
        for came, began in sent:
            count, cursor = 0, ""
            while cursor is not None and count < 5000:
                page = self.call("alpha", "GET", f"/v2/executions?from={came}&to={began}&limit=1000{cursor}").json()
                count += len(page["items"])
                cursor = f"&cursor={page['next']}" if page["next"] else None
            between.append(count)
        # What begins while the other's event is on its way to the disk counts, too.
        self.assertLess(max(between), 5000, between)
        self.assertLess(statistics.median(between), 1000, between)
        self.assertEqual(self.call("beta", "GET", f"/v2/subscriptions/{mine}").status, 200)

    def test_quotas_say_what_is_full_and_when_to_come_again(self):
        self.assertEqual(self.server.request("PATCH", "/v2/tenants/gamma", {"quotas": {
            "schedules": 1, "subscriptionsPerScript": 1, "runningExecutions": 2, "subscriptions": 3}}).status, 200)

        def refused(reply, quota, most):
            error = self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED", quota)
            self.assertEqual(error["details"]["violatedPolicies"], [quota])
            self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
            self.assertIn(f'"{quota}";q={most}', reply.headers["ratelimit-policy"])
            self.assertIn(quota, reply.headers["ratelimit"])

        timing = {"type": "interval", "intervalMs": 86400000, "event": {"pattern": "tick"}}
        self.made("gamma", "/v2/schedules", timing)
        refused(self.call("gamma", "POST", "/v2/schedules", timing), "schedules", 1)
        one, other = (self.made("gamma", "/v2/scripts", {"source": QUICK})["id"] for _ in range(2))
        of = lambda script: {"pattern": "p", "executor": {"type": "script", "scriptId": script}}
        first = self.made("gamma", "/v2/subscriptions", of(one))
        refused(self.call("gamma", "POST", "/v2/subscriptions", of(one)), "subscriptionsPerScript", 1)
        second = self.made("gamma", "/v2/subscriptions", of(other))
        moved = self.call("gamma", "PATCH", "/v2/subscriptions/" + second["id"], {"executor": of(one)["executor"]})
        refused(moved, "subscriptionsPerScript", 1)
        kept = self.call("gamma", "PATCH", "/v2/subscriptions/" + first["id"], {"name": "still mine"})
        self.assertEqual(kept.status, 200, kept)
        usage = lambda: self.call("gamma", "GET", "/v2/tenants/gamma/usage").json()
        self.assertNotIn("entities", usage()["usage"])
        for kind, name in (("order", "a"), ("person", "b"), ("order", "c")):
            self.made("gamma", f"/v2/entities/{kind}", {"id": name})
        self.assertEqual(self.server.request("PATCH", "/v2/tenants/gamma", {"quotas": {"entities": 4}}).status, 200)
        self.made("gamma", "/v2/entities/person", {"id": "d"})
        refused(self.call("gamma", "POST", "/v2/entities/order", {"id": "e"}), "entities", 4)
        refused(self.call("gamma", "PUT", "/v2/entities/order/e", {"n": 1}), "entities", 4)
        self.assertEqual(self.call("gamma", "PUT", "/v2/entities/order/a", {"n": 1}).status, 200)
        self.assertEqual(self.call("gamma", "POST", "/v2/entities/order", {"id": "a"}).status, 409)
        self.assertEqual(usage()["usage"]["entities"], 4)
        self.assertEqual(self.call("gamma", "DELETE", "/v2/entities/order/a").status, 200)
        self.made("gamma", "/v2/entities/order", {"id": "e"})
        self.assertEqual(usage()["usage"]["entities"], 4)
        burns = self.made("gamma", "/v2/scripts", {"source": BURNS, "timeoutMs": 3000})["id"]
        for _ in range(2):
            self.run_aside("gamma", burns)
        harness.wait_until("both", lambda: usage()["usage"]["runningExecutions"] == 2)
        refused(self.call("gamma", "POST", "/v2/script/run", {"scriptId": one}), "runningExecutions", 2)
        shown = usage()
        self.assertEqual((shown["usage"]["schedules"], shown["usage"]["subscriptions"]), (1, 2))
        self.assertEqual(shown["quotas"]["runningExecutions"], 2)


if __name__ == "__main__":
    unittest.main()
