#!/usr/bin/env python3
"""Goal: every pattern kind and filter form of API.md matches what it says, live. Method: a table of
(subscription, events that match, events that do not), asked of /match and proven by deliveries."""
import threading
import time
import unittest
import urllib.parse

import harness

PATTERNS = [
    ("invoice.created", ["invoice.created"], ["invoice.created.x", "invoice.create", "Invoice.created"]),
    ({"type": "exact", "value": "a.*"}, ["a.*"], ["a.b"]),
    ({"type": "prefix", "value": "invoice."}, ["invoice.a", "invoice.a.b"], ["invoice", "xinvoice.a"]),
    ({"type": "suffix", "value": ".failed"}, ["job.failed", "a.b.failed"], ["failed", "job.failed.x"]),
    ({"type": "wildcard", "value": "order.*.paid"}, ["order.1.paid"], ["order.paid", "order.1.paid.x"]),
    ({"type": "regex", "value": "^svc[0-9]+\\.(up|down)$"}, ["svc1.up", "svc22.down"],
     ["svc.up", "svc1.sideways", "asvc1.up"]),
]

# (subscription members, payloads that match, payloads that do not)
FILTERS = [
    ({"filters": {"email": "a@b", "amount": {"gt": 10}}},
     [{"email": "a@b", "amount": 11}], [{"email": "a@b", "amount": 10}, {"amount": 11}, {}]),
    ({"filters": {"user.name": "x"}}, [{"user": {"name": "x"}}], [{"user": {"name": "y"}}]),
    ({"filters": [{"field": "$.payload.amount", "operator": "gt", "value": 1}]},
     [{"amount": 1.5}, {"amount": 2}], [{"amount": 1}, {"amount": "2"}, {}]),
    ({"filters": [{"field": "$.amount", "operator": "equals", "value": 5}]},
     [{"amount": 5}, {"amount": 5.0}, {"amount": 5e0}], [{"amount": "5"}, {"amount": 6}]),
    ({"filters": [{"field": "$.a", "operator": "notEquals", "value": 1}]}, [{"a": 2}], [{"a": 1}, {}]),
    ({"filters": [{"field": "$.a", "operator": "gte", "value": 3},
                  {"field": "$.a", "operator": "lt", "value": 5}]},
     [{"a": 3}, {"a": 4.9}], [{"a": 5}, {"a": 2}]),
    ({"filters": [{"field": "$.a", "operator": "lte", "value": 3}]}, [{"a": 3}], [{"a": 3.01}]),
    ({"filters": [{"field": "$.a", "operator": "in", "value": [1, "x", None]}]},
     [{"a": 1}, {"a": "x"}, {"a": None}], [{"a": 2}, {}]),
    ({"filters": [{"field": "$.a", "operator": "notIn", "value": [1, 2]}]}, [{"a": 3}], [{"a": 1}, {}]),
    ({"filters": [{"field": "$.a", "operator": "contains", "value": "ell"}]},
     [{"a": "hello"}], [{"a": "help"}, {"a": 5}]),
    ({"filters": [{"field": "$.a", "operator": "prefix", "value": "he"}]}, [{"a": "hello"}], [{"a": "oh"}]),
    ({"filters": [{"field": "$.a", "operator": "suffix", "value": "lo"}]}, [{"a": "hello"}], [{"a": "lox"}]),
    ({"filters": [{"field": "$.a", "operator": "wildcard", "value": "h*o"}]}, [{"a": "hello"}], [{"a": "hell"}]),
    ({"filters": [{"field": "$.a", "operator": "regex", "value": "^h[a-z]+o$"}]},
     [{"a": "hello"}], [{"a": "hello\n"}, {"a": "h1o"}]),
    ({"filters": [{"field": "$.a", "operator": "exists", "value": True}]}, [{"a": None}, {"a": 0}], [{}]),
    ({"filters": [{"field": "$.a", "operator": "exists", "value": False}]}, [{}], [{"a": None}]),
    ({"filters": [{"field": "$.a", "operator": "equalsIgnoreCase", "value": "HeLLo"}]},
     [{"a": "hello"}], [{"a": "hell"}]),
    ({"filters": [{"field": "$.ip", "operator": "cidr", "value": "10.0.0.0/8"}]},
     [{"ip": "10.1.2.3"}], [{"ip": "11.0.0.1"}, {"ip": "x"}]),
    ({"filters": [{"field": "$.a", "operator": "between", "value": [2, 4]}]},
     [{"a": 2}, {"a": 3}, {"a": 4}], [{"a": 1.9}, {"a": 4.1}]),
    ({"filter": "$.tenantID == '123' && $.amount > 100"},
     [{"tenantID": "123", "amount": 101}], [{"tenantID": "123", "amount": 100}, {"amount": 101}]),
    ({"filter": "$.a == 1 || !($.b in ['x', \"y\"])"},
     [{"a": 1, "b": "x"}, {"a": 2, "b": "z"}, {}], [{"a": 2, "b": "x"}]),
    ({"filter": "exists($.a) && $.s startsWith 'ab' && $.s endsWith 'yz' && $.s contains 'mm'"},
     [{"a": 0, "s": "ab mm yz"}], [{"s": "ab mm yz"}, {"a": 0, "s": "ab yz"}]),
    ({"filter": "$.s matches '^a+$' && $['k.k'] != null"},
     [{"s": "aaa", "k.k": 1}], [{"s": "aab", "k.k": 1}, {"s": "aaa"}]),
    ({"filter": "$.items[*].sku == 'A1' && $.items[0].n >= 2"},
     [{"items": [{"sku": "B", "n": 2}, {"sku": "A1", "n": 0}]}],
     [{"items": [{"sku": "A1", "n": 1}]}, {"items": []}]),
    ({"filter": "$.ok == true && $.no == false && $.nil == null"},
     [{"ok": True, "no": False, "nil": None}], [{"ok": True, "no": False}, {"ok": 1, "no": False, "nil": None}]),
    ({"filters": {"payload": {"amount": [{"numeric": [">", 100]}], "kind": ["a", {"prefix": "b"}]}},
      "form": "event-pattern"},
     [{"amount": 101, "kind": "a"}, {"amount": 101, "kind": "bcd"}],
     [{"amount": 100, "kind": "a"}, {"amount": 101, "kind": "c"}, {"amount": 101}]),
]


class Subscriptions(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.script = cls.server.create_script("return function() return 1 end")

    def matched(self, event):
        reply = self.server.post("/v2/subscriptions/match", {"event": event})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["matched"]

    def test_pattern_kinds(self):
        for pattern, hits, misses in PATTERNS:
            subscription = self.server.subscribe(pattern, self.script)
            for name in hits:
                self.assertIn(subscription, self.matched({"pattern": name, "payload": {}}), (pattern, name))
            for name in misses:
                self.assertNotIn(subscription, self.matched({"pattern": name, "payload": {}}), (pattern, name))

    def subscribe_filter(self, pattern, members):
        members = dict(members)
        form = members.pop("form", None)
        if form:
            members["filters"] = {"form": form, **members["filters"]}
        reply = self.server.post("/v2/subscriptions", {
            "name": "f", "pattern": pattern, "executor": {"type": "script", "scriptId": self.script},
            **members})
        self.assertEqual(reply.status, 201, (members, reply))
        return reply.json()["id"]

    def test_filter_forms(self):
        for members, hits, misses in FILTERS:
            pattern = self.unique("fl.")
            subscription = self.subscribe_filter(pattern, members)
            for payload in hits:
                self.assertEqual(self.matched({"pattern": pattern, "payload": payload}),
                                 [subscription], (members, payload))
            for payload in misses:
                self.assertEqual(self.matched({"pattern": pattern, "payload": payload}), [],
                                 (members, payload))

    def test_real_deliveries_agree_with_match(self):
        expected = {}
        for members, hits, misses in FILTERS:
            pattern = self.unique("dl.")
            subscription = self.subscribe_filter(pattern, members)
            expected[subscription] = [self.server.send_event(pattern, p)["eventId"] for p in hits]
            for payload in misses:
                self.server.send_event(pattern, payload)
        for subscription, events in expected.items():
            done = self.server.wait_executions(len(events), subscriptionId=subscription)
            self.assertEqual(sorted(e["eventId"] for e in done), sorted(events))

    def test_envelope_fields_and_payload_shorthand(self):
        pattern = self.unique("env.")
        subscription = self.subscribe_filter(pattern, {
            "filter": "$.source.id == 'billing' && $.metadata.correlationId startsWith 'c' && $.payload.n == $.n"
            if False else "$.source.id == 'billing' && $.metadata.correlationId startsWith 'c' && $.n == 4"})
        event = {"pattern": pattern, "source": {"type": "task", "id": "billing"}, "payload": {"n": 4},
                 "metadata": {"correlationId": "c1"}}
        self.assertEqual(self.matched(event), [subscription])
        self.assertEqual(self.matched(dict(event, source={"type": "task", "id": "x"})), [])

    def test_filters_see_what_the_server_fills_in(self):
        pattern = self.unique("fill.")
        members = {"filter": "$.version == '1.0' && $.source.type == 'external' && $.source.id == 'unknown'"
                             " && exists($.timestamp) && $.tenantId == 'default'"}
        subscription = self.subscribe_filter(pattern, members)
        self.assertEqual(self.matched({"pattern": pattern}), [subscription])
        self.assertEqual(self.matched({"pattern": pattern, "version": "2"}), [])
        self.server.post("/v2/events", {"pattern": pattern, "version": "2"})
        event = self.server.send_event(pattern)["eventId"]
        done = self.server.wait_executions(1, subscriptionId=subscription)
        self.assertEqual([e["eventId"] for e in done], [event])
        listed = self.server.get("/v2/events?" + urllib.parse.urlencode(
            {"pattern": pattern, "filter": members["filter"]})).json()
        self.assertEqual([e["eventId"] for e in listed["items"]], [event])

    def test_bad_filters_are_400_and_say_where(self):
        for members in ({"filter": "$.a >"}, {"filter": "$.a == 'x"}, {"filter": "a b c"},
                        {"filter": "$.a === 1"}, {"filters": [{"field": "$.a", "operator": "like", "value": 1}]},
                        {"filters": [{"operator": "gt", "value": 1}]}, {"filters": {"a": {"gtt": 1}}},
                        {"filters": [{"field": "$.a", "operator": "regex", "value": "("}]},
                        {"filters": [{"field": "$.a", "operator": "cidr", "value": "10.0.0.0/99"}]},
                        {"filters": 5}):
            reply = self.server.post("/v2/subscriptions", {
                "name": "b", "pattern": "b", "executor": {"type": "script", "scriptId": self.script}, **members})
            self.assert_error(reply, 400, "VALIDATION_ERROR")
        reply = self.server.post("/v2/subscriptions", {
            "name": "b", "pattern": "b", "filter": "$.a > 1 && && $.b",
            "executor": {"type": "script", "scriptId": self.script}})
        error = self.assert_error(reply, 400, "VALIDATION_ERROR")
        self.assertRegex(error["message"] + str(error["details"]), r"\d")

    def test_bad_subscriptions_are_400(self):
        base = {"name": "b", "pattern": "b", "executor": {"type": "script", "scriptId": self.script}}
        for member, value in (("pattern", {"type": "regex", "value": "("}), ("pattern", {"type": "odd", "value": "x"}),
                              ("pattern", 5), ("executor", {"type": "teleport"}), ("executor", None),
                              ("retry", {"maxRetries": -1}), ("retry", {"backoffFactor": "x"}),
                              ("priority", "high")):
            body = dict(base, **{member: value})
            if value is None:
                del body[member]
            self.assert_error(self.server.post("/v2/subscriptions", body), 400, "VALIDATION_ERROR")

    def test_read_list_patch_delete(self):
        pattern = self.unique("crud.")
        subscription = self.server.subscribe(pattern, self.script, id=self.unique("sub"), priority=5)
        got = self.server.get(f"/v2/subscriptions/{subscription}").json()
        self.assertEqual((got["id"], got["priority"], got["active"]), (subscription, 5, True))
        self.assertEqual(got["retry"]["maxRetries"], 3)
        self.assertEqual(got["retry"]["initialDelayMs"], 60000)
        listed, cursor = [], ""
        while cursor is not None:
            body = self.server.get("/v2/subscriptions?limit=20" + (f"&cursor={cursor}" if cursor else "")).json()
            listed += [s["id"] for s in body["items"]]
            cursor = body["next"] or None
        self.assertEqual(listed.count(subscription), 1)
        event = {"pattern": pattern, "payload": {"n": 1}}
        self.assertEqual(self.matched(event), [subscription])
        path = f"/v2/subscriptions/{subscription}"
        reply = self.server.request("PATCH", path, {"filter": "$.n == 2"})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.matched(event), [])
        self.assertEqual(self.matched({"pattern": pattern, "payload": {"n": 2}}), [subscription])
        self.assertEqual(self.server.request("PATCH", path, {"filter": None}).status, 200)
        self.assertEqual(self.matched(event), [subscription])
        self.assertEqual(self.server.request("PATCH", path, {"active": False}).status, 200)
        self.assertEqual(self.matched(event), [])
        self.assertEqual(self.server.request("DELETE", path).status // 100, 2)
        self.assert_error(self.server.get(path), 404, "NOT_FOUND")

    def test_changes_take_effect_at_once_for_real_events(self):
        pattern = self.unique("live.")
        for n in range(10):
            subscription = self.server.subscribe(pattern, self.script)
            placed = self.server.send_event(pattern)
            done = self.server.wait_executions(1, eventId=placed["eventId"])
            self.assertEqual([e["subscriptionId"] for e in done], [subscription], n)
            self.server.request("DELETE", f"/v2/subscriptions/{subscription}")

    def test_explain_says_why_not(self):
        pattern = self.unique("ex.")
        subscription = self.subscribe_filter(pattern, {"filter": "$.amount > 100 && $.kind == 'a'"})
        reply = self.server.post(f"/v2/subscriptions/match?explain=1&subscriptionId={subscription}",
                                 {"event": {"pattern": pattern, "payload": {"amount": 7, "kind": "a"}}})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json()["matched"], [])
        text = reply.body.decode()
        self.assertIn("amount", text)
        self.assertIn("7", text)

    def test_others_are_answered_while_an_expression_is_compiled(self):
        made = {}

        def make():
            pattern = {"type": "regex", "value": "^.{1,60}" + self.unique("z") + ".{0,60}q$"}
            made["began"] = time.monotonic()
            made["reply"] = self.server.post("/v2/subscriptions", {
                "pattern": pattern, "executor": {"type": "script", "scriptId": script}})
            made["ended"] = time.monotonic()
        script = self.server.create_script("return 1")
        maker = threading.Thread(target=make)
        maker.start()
        asked = []
        while maker.is_alive():
            began = time.monotonic()
            self.assertEqual(self.server.get("/v2/subscriptions?limit=1").status, 200)
            asked.append((began, time.monotonic()))
        maker.join()
        self.assertEqual(made["reply"].status, 201, made["reply"])
        during = [1 for began, ended in asked if made["began"] < began and ended < made["ended"]]
        self.assertGreater(len(during), 3, (asked, made))


if __name__ == "__main__":
    unittest.main()
