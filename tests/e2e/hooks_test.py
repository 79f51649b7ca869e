#!/usr/bin/env python3
"""Goal: hooks before a change may alter or stop it, and nothing is half done; hooks after it are
told, again and again until they have heard. Method: small scripts on changes of entities, what they
leave in kv and in the log."""
import time
import unittest

import harness


class HookCase(harness.ServerCase):
    def hook(self, kind, on, source, status=201, **members):
        script = self.server.create_script(source, type="hook", timeoutMs=members.pop("timeoutMs", 30000))
        reply = self.server.post("/v2/hooks", {"entity": kind, "on": on, "scriptId": script,
                                               **members})
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def create(self, kind, query="", **body):
        return self.server.post(f"/v2/entities/{kind}{query}", body)

    def kv(self, prefix):
        return {i["key"]: i["value"] for i in self.server.items(f"/v2/kv?prefix={prefix}")}


class Documents(HookCase):
    def test_create_read_change_list_remove(self):
        kind = self.unique("doc")
        made = self.hook(kind, "afterCreate", "return function() end", order=3)
        self.assertEqual((made["entity"], made["on"], made["order"], made["active"]),
                         (kind, "afterCreate", 3, True))
        path = f"/v2/hooks/{made['id']}"
        tag = self.server.get(path).headers["etag"]
        patched = self.server.request("PATCH", path, {"order": 1}, headers={"If-Match": tag})
        self.assertEqual((patched.status, patched.json()["order"]), (200, 1), patched)
        self.assert_error(self.server.request("PATCH", path, {"order": 2}, headers={"If-Match": tag}),
                          409, "CONFLICT")
        self.assertIn(made["id"], [h["id"] for h in self.server.items(f"/v2/hooks?entity={kind}")])
        self.assert_error(self.server.request("DELETE", f"/v2/scripts/{made['scriptId']}"),
                          409, "CONFLICT")
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        self.assert_error(self.server.get(path), 404, "NOT_FOUND")
        self.assert_error(self.server.get(f"/v2/subscriptions/hook:{made['id']}"), 404, "NOT_FOUND")

    def test_bad_input_is_named(self):
        script = self.server.create_script("return function() end", type="hook")
        good = {"entity": "x", "on": "beforeCreate", "scriptId": script}
        for member, value in (("entity", "a.b"), ("on", "during"), ("scriptId", "nobody"),
                              ("order", "first"), ("wrong", 1)):
            self.assert_error(self.server.post("/v2/hooks", {**good, member: value}), 400,
                              "VALIDATION_ERROR", member)


class Before(HookCase):
    def test_it_changes_the_document_in_order(self):
        kind = self.unique("chain")
        self.hook(kind, "beforeCreate", "return function(e, ctx) local d = ctx.eventData.doc "
                  "d.total = d.total * 2 d.by = {'second'} end", order=2)
        self.hook(kind, "beforeCreate", "return function(e, ctx) local d = ctx.eventData.doc "
                  "d.total = d.total + 1 d.who = ctx.eventName end", order=1)
        made = self.create(kind, id="o", total=1, keep=1.50).json()
        self.assertEqual((made["total"], made["by"], made["who"], made["version"]),
                         (4, ["second"], "beforeCreate", 1))
        self.assertEqual(self.server.get(f"/v2/entities/{kind}/o").json(), made)
        self.assertIn(b'"keep":1.5', self.server.get(f"/v2/entities/{kind}/o").body)

    def test_it_sees_what_was_and_the_difference(self):
        kind = self.unique("diff")
        self.hook(kind, "beforeUpdate", "return function(e, ctx) local d = ctx.eventData "
                  "d.doc.was = d.beforeUpdateDoc.n d.doc.changed = d.payload end")
        self.create(kind, id="o", n=1, same=7)
        now = self.server.request("PATCH", f"/v2/entities/{kind}/o", {"n": 2, "same": 7.0}).json()
        self.assertEqual((now["was"], now["changed"]), (1, {"n": 2}))

    def test_an_abort_is_400_and_nothing_is_done(self):
        kind = self.unique("abort")
        self.hook(kind, "beforeCreate", "return function(e, ctx) sdk.kv.set('%s:1', 1) "
                  "sdk.events.emit('%s.emitted', {}) end" % (kind, kind), order=1)
        self.hook(kind, "beforeCreate", "return function(e, ctx) if ctx.eventData.doc.bad then "
                  "pcall(ctx.abort, 'TOO_BAD', 'it is bad', {field = 'bad'}) end end", order=2)
        error = self.assert_error(self.create(kind, id="o", bad=True), 400, "TOO_BAD", "it is bad")
        self.assertEqual(error["details"], {"field": "bad"})
        self.assert_error(self.server.get(f"/v2/entities/{kind}/o"), 404, "NOT_FOUND")
        self.assertEqual(self.kv(f"{kind}:"), {})
        self.assertEqual(self.create(kind, id="o", bad=False).status, 201)
        self.assertEqual(self.kv(f"{kind}:"), {f"{kind}:1": 1})
        self.assertEqual(len(self.server.all_events(f"{kind}.emitted")), 1)

    def test_an_error_or_a_timeout_is_500_and_nothing_is_done(self):
        kind = self.unique("error")
        self.hook(kind, "beforeCreate", "return function(e, ctx) sdk.kv.set('%s:1', 1) "
                  "if ctx.eventData.doc.loop then while true do end end "
                  "if ctx.eventData.doc.sleep then sdk.sleep(20000) end "
                  "error('no luck') end" % kind, timeoutMs=1000)
        error = self.assert_error(self.create(kind, id="o"), 500, "INTERNAL_ERROR", "no luck")
        self.assertTrue(error["details"]["executionId"])
        run = self.server.get(f"/v2/executions/{error['details']['executionId']}").json()
        self.assertEqual(run["status"], "failed")
        for member in ("loop", "sleep"):
            began = time.monotonic()
            reply = self.create(kind, id="o", **{member: True})
            error = self.assert_error(reply, 500, "INTERNAL_ERROR")
            self.assertEqual(error["details"]["reason"], "timeout")
            self.assertLess(time.monotonic() - began, 8)
        self.assert_error(self.server.get(f"/v2/entities/{kind}/o"), 404, "NOT_FOUND")
        self.assertEqual(self.kv(f"{kind}:"), {})

    def test_a_document_that_is_none_any_more(self):
        kind = self.unique("none")
        self.hook(kind, "beforeCreate", "return function(e, ctx) "
                  "if ctx.eventData.doc.gone then ctx.eventData.doc = nil "
                  "else ctx.eventData.doc.id = 'other' end end")
        for body in ({"gone": True}, {"gone": False}):
            self.assert_error(self.create(kind, id="o", **body), 500, "INTERNAL_ERROR", "doc")
        self.assert_error(self.server.get(f"/v2/entities/{kind}/o"), 404, "NOT_FOUND")

    def test_deletes_may_be_stopped(self):
        kind = self.unique("keep")
        self.hook(kind, "beforeDelete", "return function(e, ctx) "
                  "if ctx.eventData.doc.locked then ctx.abort('LOCKED', 'no') end end")
        self.create(kind, id="a", locked=True)
        self.create(kind, id="b", locked=False)
        self.assert_error(self.server.request("DELETE", f"/v2/entities/{kind}/a"), 400, "LOCKED")
        self.assertEqual(self.server.request("DELETE", f"/v2/entities/{kind}/b").status, 200)

    def test_one_that_waits_holds_only_its_entity(self):
        kind = self.unique("wait")
        self.hook(kind, "beforeCreate", "return function(e, ctx) sdk.sleep(ctx.eventData.doc.ms) "
                  "ctx.eventData.doc.slept = true end")
        began = time.monotonic()
        made = self.create(kind, id="slow", ms=300).json()
        self.assertTrue(made["slept"])
        self.assertGreater(time.monotonic() - began, 0.29)

    def test_a_change_that_is_taken_back_is_none(self):
        kind = self.unique("back")
        self.hook(kind, "beforeUpdate", "return function(e, ctx) "
                  "ctx.eventData.doc.n = ctx.eventData.beforeUpdateDoc.n end")
        self.create(kind, id="o", n=1)
        reply = self.server.request("PATCH", f"/v2/entities/{kind}/o", {"n": 2})
        self.assertEqual((reply.status, reply.json()["version"], reply.json()["n"]), (200, 1, 1))


class After(HookCase):
    ENV = {"EVENT_RETRY_INITIAL_DELAY": "200ms"}

    def test_it_is_told_and_waited_for(self):
        kind = self.unique("after")
        hook = self.hook(kind, "afterUpdate", "return function(e, ctx) local d = ctx.eventData "
                         "sdk.kv.set('%s', {d.doc.n, d.beforeUpdateDoc.n, d.payload, ctx.eventName}) "
                         "return 'heard' end" % kind)
        self.create(kind, id="o", n=1)
        reply = self.server.request("PATCH", f"/v2/entities/{kind}/o?wait=hooks", {"n": 2})
        self.assertEqual(reply.status, 200, reply)
        report = reply.json()["hooks"]
        self.assertEqual([(r["hookId"], r["status"], r["result"]) for r in report],
                         [(hook["id"], "completed", "heard")])
        self.assertEqual(self.kv(kind)[kind], [2, 1, {"n": 2}, "afterUpdate"])

    def test_it_is_tried_again_and_never_fails_the_answer(self):
        kind = self.unique("again")
        self.hook(kind, "afterCreate", "return function(e, ctx) "
                  "if ctx.attempt < 2 then error('not yet') end "
                  "sdk.kv.incr('%s') end" % kind)
        reply = self.create(kind, "?wait=hooks", id="o")
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(len(reply.json()["hooks"]), 1)
        harness.wait_until("the second attempt", lambda: self.kv(kind).get(kind) == 1)

    def test_one_hears_the_changes_of_an_entity_in_their_order(self):
        """Though the first attempt for the first change fails, and others' changes come between."""
        kind = self.unique("order")
        self.hook(kind, "afterUpdate", "return function(e, ctx) local d = ctx.eventData.doc "
                  "if d.n == 1 and ctx.attempt < 2 then error('not yet') end "
                  "if d.n == 2 then sdk.sleep(100) end "
                  "local k = '%s:' .. d.id local l = sdk.kv.get(k) or '' "
                  "sdk.kv.set(k, l .. ' ' .. d.n) end" % kind)
        for entity in ("a", "b"):
            self.create(kind, id=entity, n=0)
        self.server.request("PATCH", f"/v2/entities/{kind}/b", {"n": 7})
        for n in (1, 2, 3, 4):
            self.server.request("PATCH", f"/v2/entities/{kind}/a", {"n": n})
        harness.wait_until("all of them", lambda: "4" in self.kv(kind).get(f"{kind}:a", ""))
        self.assertEqual(self.kv(kind), {f"{kind}:a": " 1 2 3 4", f"{kind}:b": " 7"})

    def test_those_beside_each_other_begin_by_order_and_do_not_wait(self):
        kind = self.unique("beside")
        self.hook(kind, "afterCreate", "return function() sdk.kv.incr('%s:late') end" % kind, order=2)
        self.hook(kind, "afterCreate", "return function(e, ctx) if ctx.attempt < 2 then error('no') end "
                  "sdk.kv.set('%s:first', sdk.kv.get('%s:late')) end" % (kind, kind), order=1)
        self.create(kind, "?wait=hooks", id="o")
        harness.wait_until("the second attempt", lambda: f"{kind}:first" in self.kv(kind))
        self.assertEqual(self.kv(kind), {f"{kind}:first": 1, f"{kind}:late": 1})

    def test_one_that_is_removed_hears_nothing(self):
        kind = self.unique("gone")
        hook = self.hook(kind, "afterCreate", "return function() sdk.kv.incr('%s') end" % kind)
        self.create(kind, "?wait=hooks", id="a")
        self.assertEqual(self.server.request("DELETE", f"/v2/hooks/{hook['id']}").status, 200)
        self.assertEqual(self.create(kind, "?wait=hooks", id="b").json()["hooks"], [])
        self.assertEqual(self.kv(kind), {kind: 1})


class Elsewhere(HookCase):
    def test_hooks_of_a_document_that_lives_elsewhere(self):
        kind = self.unique("far")
        first = self.hook(kind, "beforeUpdate", "return function(e, ctx) "
                          "ctx.eventData.doc.seen = ctx.eventData.payload sdk.kv.incr('%s') end" % kind)
        run = {"entity": kind, "on": "beforeUpdate", "doc": {"version": "mine", "n": 2},
               "beforeUpdateDoc": {"version": "mine", "n": 1}}
        reply = self.server.post("/v2/hooks/run", run)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json()["doc"], {"version": "mine", "n": 2, "seen": {"n": 2}})
        self.assertEqual(reply.json()["hooks"], [first["id"]])
        self.assertEqual(self.kv(kind), {kind: 1})
        self.assertEqual(self.server.items(f"/v2/entities/{kind}"), [])
        self.hook(kind, "afterUpdate", "return function(e, ctx) "
                  "sdk.kv.set('%s', ctx.eventData.doc.n) end" % kind)
        told = self.server.post("/v2/hooks/run?wait=hooks", {**run, "on": "afterUpdate"})
        self.assertEqual((told.status, told.json()["hooks"][0]["status"]), (200, "completed"), told)
        self.assertEqual(self.kv(kind), {kind: 2})
        self.assert_error(self.server.post("/v2/hooks/run", {"entity": kind, "on": "beforeUpdate",
                                                             "doc": {}}),
                          400, "VALIDATION_ERROR", "beforeUpdateDoc")


class Loops(HookCase):
    ARGS = ("--set", "http_client.allow=127.0.0.1")

    def test_a_hook_that_writes_its_own_entity_is_cut(self):
        kind = self.unique("loop")
        url = f"http://{self.server.ready['http']}/v2/entities/{kind}/o"
        self.hook(kind, "afterUpdate", "return function(e, ctx) "
                  "local r = sdk.http.patch('%s', {json = {n = ctx.eventData.doc.n + 1}}) "
                  "sdk.kv.set('%s:' .. ctx.eventData.doc.n, r.status) end" % (url, kind))
        self.server.post(f"/v2/entities/{kind}", {"id": "o", "n": 0})
        self.server.request("PATCH", f"/v2/entities/{kind}/o", {"n": 1})

        def dead():
            found = [d for d in self.server.items("/v2/dlq") if "LOOP" in d["error"]]
            return found or None
        self.assertEqual(len(harness.wait_until("a dead letter", dead)), 1)
        self.assertEqual(self.server.get(f"/v2/entities/{kind}/o").json()["n"], 2)

    def test_a_hook_before_that_writes_its_own_entity_does_not_wait_for_itself(self):
        kind = self.unique("self")
        url = f"http://{self.server.ready['http']}/v2/entities/{kind}/o"
        self.hook(kind, "beforeUpdate", "return function(e, ctx) "
                  "ctx.eventData.doc.inner = sdk.http.patch('%s', {json = {x = 1}}).status end" % url)
        self.server.post(f"/v2/entities/{kind}", {"id": "o"})
        began = time.monotonic()
        now = self.server.request("PATCH", f"/v2/entities/{kind}/o", {"n": 1}).json()
        self.assertEqual(now["inner"], 409)
        self.assertLess(time.monotonic() - began, 4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
