#!/usr/bin/env python3
"""Goal: every quota that a tenant can have is held: what goes beyond is refused with the quota's name,
what it bounds and when to come again, and nothing of it is there.
Method: a tenant of its own for each, with the smallest quota; the list of names is the source's."""
import hashlib
import hmac
import http.client
import json
import os
import re
import threading
import unittest

import harness
from keyed import KeyedCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUICK = "return function() return 1 end"
BURNS = "return function() while true do end end"


def known_quotas():
    with open(os.path.join(ROOT, "runtime", "identity", "quotas.h")) as source:
        return set(re.findall(r'X\(k\w+, "(\w+)"\)', source.read()))


class Quotas(KeyedCase):
    def test_every_quota_is_tried_here(self):
        with open(os.path.abspath(__file__)) as source:
            text = source.read()
        self.assertGreater(len(known_quotas()), 10)
        for quota in known_quotas():
            self.assertIn(f'"{quota}"', text)

    def tenant(self, quota, most):
        """A tenant that may have so much; what asks as its admin."""
        made = self.server.post("/v2/tenants", {"id": quota.lower(), "quotas": {quota: most}})
        self.assertEqual(made.status, 201, made)
        key = self.make_key(tenantId=quota.lower(), role="admin", name=quota)["key"]
        self.most, self.quota, self.key = most, quota, key
        return lambda method, path, body=None: self.ask(key, method, path, body)

    def made(self, reply):
        self.assertIn(reply.status, (200, 201, 202), reply)
        return reply.json()

    def refused(self, reply):
        error = self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED", self.quota)
        self.assertEqual(error["details"]["violatedPolicies"], [self.quota])
        self.assertEqual(error["details"]["limit"], self.most)
        self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
        self.assertIn(f'"{self.quota}";q={self.most}', reply.headers["ratelimit-policy"])
        self.assertIn(self.quota, reply.headers["ratelimit"])

    def usage(self, ask):
        return self.made(ask("GET", f"/v2/tenants/{self.quota.lower()}/usage"))["usage"]

    def twice(self, quota, path, body, other=None):
        ask = self.tenant(quota, 1)
        self.made(ask("POST", path, body))
        self.refused(ask("POST", path, other or body))
        self.assertEqual(self.usage(ask)[quota], 1)
        return ask

    def test_events_per_second(self):
        ask = self.tenant("eventsPerSecond", 5)
        self.refused(ask("POST", "/v2/events", [{"pattern": "quota.e", "payload": {}}] * 6))
        self.assertEqual(ask("GET", "/v2/events?pattern=quota.e").json()["items"], [])
        self.made(ask("POST", "/v2/events", [{"pattern": "quota.e", "payload": {}}] * 5))

    def test_bytes_per_second(self):
        ask = self.tenant("bytesPerSecond", 200)
        self.refused(ask("POST", "/v2/events", {"pattern": "quota.b", "payload": {"text": "x" * 200}}))
        self.made(ask("POST", "/v2/events", {"pattern": "quota.b", "payload": {}}))

    def test_connections(self):
        self.tenant("connections", 1)
        held = [http.client.HTTPConnection(self.server.host, self.server.port, timeout=20) for _ in range(2)]
        for connection, status in zip(held, (200, 429)):
            self.addCleanup(connection.close)
            connection.request("GET", "/v2/me", headers={"X-API-Key": self.key})
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, status, body)
        self.assertEqual(json.loads(body)["error"]["details"]["violatedPolicies"], ["connections"])

    def test_entities(self):
        ask = self.tenant("entities", 1)
        self.made(ask("POST", "/v2/entities/thing", {"n": 1}))
        self.refused(ask("POST", "/v2/entities/thing", {"n": 2}))

    def test_workflows(self):
        step = {"id": "s", "type": "sleep", "duration": 1}
        self.twice("workflows", "/v2/workflows", {"id": "one", "steps": [step]}, {"id": "two", "steps": [step]})

    def test_replays(self):
        ask = self.tenant("replays", 1)
        script = self.made(ask("POST", "/v2/scripts", {"source": QUICK}))["id"]
        subscription = self.made(ask("POST", "/v2/subscriptions", {
            "pattern": "quota.r", "executor": {"type": "script", "scriptId": script}}))["id"]
        self.made(ask("POST", "/v2/events", [{"pattern": "quota.r", "payload": {}}] * 50))
        slow = {"subscriptionIds": [subscription], "pace": 1}
        first = self.made(ask("POST", "/v2/replays", slow))["id"]
        self.refused(ask("POST", "/v2/replays", slow))
        self.assertEqual(ask("DELETE", f"/v2/replays/{first}").status, 200)
        harness.wait_until("room again", lambda: ask("POST", "/v2/replays", slow).status == 202)

    def test_running_executions(self):
        ask = self.tenant("runningExecutions", 1)
        script = self.made(ask("POST", "/v2/scripts", {"source": BURNS, "timeoutMs": 2000}))["id"]
        run = threading.Thread(target=lambda: ask("POST", "/v2/script/run", {"scriptId": script}))
        run.start()
        self.addCleanup(run.join)
        harness.wait_until("it runs", lambda: self.usage(ask)["runningExecutions"] == 1)
        self.refused(ask("POST", "/v2/script/run", {"scriptId": script}))

    def test_schedules(self):
        self.twice("schedules", "/v2/schedules",
                   {"type": "interval", "intervalMs": 86400000, "event": {"pattern": "tick"}})

    def test_links(self):
        self.twice("links", "/v2/links", {"direction": "in", "type": "redis", "config": {"host": "10.0.0.1", "stream": "s"}})

    def test_scripts(self):
        self.twice("scripts", "/v2/scripts", {"source": QUICK})

    def test_workflows(self):
        steps = [{"id": "only", "type": "sleep", "duration": 1}]
        ask = self.tenant("workflows", 1)
        for name, check in (("one", self.made), ("two", self.refused)):
            check(ask("POST", "/v2/workflows", {"id": name, "name": name, "steps": steps}))

    def test_subscriptions_and_of_a_script(self):
        for quota in ("subscriptions", "subscriptionsPerScript"):
            ask = self.tenant(quota, 1)
            script = self.made(ask("POST", "/v2/scripts", {"source": QUICK}))["id"]
            of = {"pattern": "p", "executor": {"type": "script", "scriptId": script}}
            self.made(ask("POST", "/v2/subscriptions", of))
            self.refused(ask("POST", "/v2/subscriptions", of))
            self.assertEqual(len(ask("GET", "/v2/subscriptions").json()["items"]), 1)

    def test_streams(self):
        ask = self.tenant("streams", 1)
        held = self.server.raw_connection()
        self.addCleanup(held.close)
        held.sendall(f"GET /v2/events/stream HTTP/1.1\r\nHost: a\r\nX-API-Key: {self.key}\r\n\r\n".encode())
        self.assertIn(b" 200 ", held.recv(4096))
        self.refused(ask("GET", "/v2/events/stream"))
        self.assertEqual(self.usage(ask)["streams"], 1)

    def test_stored_bytes(self):
        ask = self.tenant("storedBytes", 20000)
        event = {"pattern": "quota.s", "payload": {"text": "x" * 5000}}
        for _ in range(3):
            self.made(ask("POST", "/v2/events", event))
        self.refused(ask("POST", "/v2/events", event))
        shown = self.usage(ask)["storedBytes"]
        self.assertTrue(15000 < shown <= 20000, shown)  # what tells of refusals counts, too
        small = {"pattern": "quota.s", "payload": {}}
        self.made(ask("POST", "/v2/events", small))
        self.assertEqual(len(ask("GET", "/v2/events?pattern=quota.s").json()["items"]), 4)
        # Of a batch, and of lines, the same; another tenant has its own.
        self.refused(ask("POST", "/v2/events", [event, event]))
        lines = harness.LineClient(self.server)
        lines.send({"hello": {"apiKey": self.key}}, event, small)
        rejects, _ = lines.read_until_ack(2)
        lines.close()
        self.assertEqual([r["line"] for r in rejects], [1], rejects)
        self.assertEqual(rejects[0]["error"]["details"]["violatedPolicies"], ["storedBytes"])
        self.assertEqual(self.server.post("/v2/events", event).status, 202)
        self.server.stop()
        self.server.start()
        self.assertGreater(self.usage(ask)["storedBytes"], shown)
        self.refused(ask("POST", "/v2/events", event))


class WithoutAKey(KeyedCase):
    """What is done in a tenant's name is the tenant's: no way in goes round its quotas."""

    def setUp(self):
        for tenant, quotas in (("hooked", {"storedBytes": 1500}), ("fast", {"eventsPerSecond": 2})):
            if self.server.get(f"/v2/tenants/{tenant}").status == 404:
                self.server.post("/v2/tenants", {"id": tenant, "quotas": quotas})
        self.keys = {tenant: self.make_key(tenantId=tenant, role="admin", name=tenant)["key"]
                     for tenant in ("hooked", "fast")}

    def hook(self, source, body):
        digest = hmac.new(b"it's a secret", body, hashlib.sha256).hexdigest()
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=20)
        try:
            connection.request("POST", f"/v2/webhooks/{source}", body, {
                "X-Hub-Signature-256": "sha256=" + digest, "X-GitHub-Event": "push",
                "X-GitHub-Delivery": digest, "Content-Type": "application/json"})
            answer = connection.getresponse()
            return harness.Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def refused(self, reply, quota):
        error = self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED", quota)
        self.assertEqual(error["details"]["violatedPolicies"], [quota])
        self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)

    def test_webhooks(self):
        for tenant, quota, most in (("hooked", "storedBytes", 3), ("fast", "eventsPerSecond", 20)):
            made = self.ask(self.keys[tenant], "POST", "/v2/sources", {
                "id": tenant, "scheme": "github", "secrets": ["it's a secret"]})
            self.assertEqual(made.status, 201, made)
            for n in range(most + 1):
                reply = self.hook(tenant, json.dumps({"n": n, "text": "x" * 500}).encode())
                if reply.status != 202:
                    break
            self.refused(reply, quota)

    def test_events_that_handlers_emit(self):
        ask = lambda method, path, body=None: self.ask(self.keys["hooked"], method, path, body)
        script = ask("POST", "/v2/scripts", {"type": "endpoint", "source": """
            return function(event)
                local ok, why = pcall(sdk.events.emit, 'quota.emitted', {text = string.rep('x', 2000)})
                return {ok = ok, why = tostring(why)}
            end"""})
        self.assertEqual(script.status, 201, script)
        result = ask("POST", "/v2/script/run", {"scriptId": script.json()["id"]}).json()["result"]
        self.assertIs(result["ok"], False)
        self.assertIn("storedBytes", result["why"])
        self.assertEqual(ask("GET", "/v2/events?pattern=quota.emitted").json()["items"], [])


class LocalMode(unittest.TestCase):
    """While no key exists everybody is the tenant `default`, with its quotas."""

    def server(self, *settings):
        server = harness.Server([part for one in settings for part in ("--set", one)], shards=1)
        self.addCleanup(server.close)
        return server.start()

    def test_events_and_bytes_a_second(self):
        server = self.server("quota.events_per_second=5", "quota.bytes_per_second=2000")
        event = {"pattern": "quota.local", "payload": {}}
        for body, quota in (([event] * 6, "eventsPerSecond"),
                            ({**event, "payload": "x" * 3000}, "bytesPerSecond")):
            reply = server.post("/v2/events", body)
            self.assertEqual(reply.status, 429, reply)
            self.assertEqual(reply.json()["error"]["details"]["violatedPolicies"], [quota])
            self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
        self.assertEqual(server.post("/v2/events", [event] * 5).status, 202)
        server.stop()


class Retention(KeyedCase):
    ARGS = ("--set", "retention.every=100ms", "--set", "retention.age=1s",
            "--set", "quota.stored_bytes=2500")

    def test_stored_bytes_come_down_with_what_leaves(self):
        key = self.make_key(role="admin", name="full")["key"]
        event = {"pattern": "quota.r", "payload": {"text": "x" * 700}}
        usage = lambda: self.ask(key, "GET", "/v2/tenants/default/usage").json()["usage"]["storedBytes"]
        for _ in range(3):
            self.assertEqual(self.ask(key, "POST", "/v2/events", event).status, 202)
        reply = self.ask(key, "POST", "/v2/events", event)
        self.assertEqual(reply.status, 429, reply)
        self.assertGreater(usage(), 2100)

        def let_in():
            # The newest block of a shard always stays: small ones push the large ones out.
            self.ask(key, "POST", "/v2/events", {"pattern": "quota.r", "payload": {}})
            return self.ask(key, "POST", "/v2/events", event).status == 202
        harness.wait_until("room again", let_in, 20)


if __name__ == "__main__":
    harness.main()
