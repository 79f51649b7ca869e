#!/usr/bin/env python3
"""Goal: a script reshapes what a webhook sends: body and headers, signed as they go out; nil sends
nothing; an error fails the attempt with a code; the same bytes on each attempt. Method: a sink."""
import json
import time
import unittest

import harness
import sink
from webhook_out_test import FAST, signature


class Transform(sink.SinkCase):
    def webhook(self, source, retry=FAST, **members):
        pattern = self.unique("t.")
        script = self.server.create_script(source)
        reply = self.server.post("/v2/subscriptions", {
            "name": "t", "pattern": pattern, "retry": retry,
            "executor": {"type": "webhook", "url": self.sink.url + "/" + pattern, "transformScriptId": script, **members}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json()["executor"]["transformScriptId"], script)
        return pattern, script, reply.json()

    def arrived(self, pattern, count=1):
        return harness.wait_until(f"{count} calls", lambda: (
            found if len(found := self.sink.of("/" + pattern)) >= count else None))

    def test_what_it_returns_is_sent_and_signed(self):
        pattern, _, made = self.webhook(
            "return function(e, ctx) return {body = {text = e.payload.name .. '!', by = ctx.eventName}, "
            "headers = {['x-kind'] = 'chat'}} end", headers={"X-Kind": "event", "X-Other": "1"})
        self.server.send_event(pattern, {"name": "ann"})
        request = self.arrived(pattern)[0]
        self.assertEqual(json.loads(request.body), {"text": "ann!", "by": pattern})
        self.assertEqual((request.headers["x-kind"], request.headers["x-other"]), ("chat", "1"))
        self.assertEqual(request.headers["webhook-signature"], signature(made["executor"]["secret"], request))
        self.assertEqual(request.headers["content-type"], "application/json")

    def test_each_attempt_sends_the_same_bytes(self):
        pattern, _, _ = self.webhook(
            "return function() return {body = {sdk.crypto.uuid(), sdk.time.now()}} end")
        self.sink.answers["/" + pattern] = [(500, {}, b""), (500, {}, b""), (204, {}, b"")]
        self.server.send_event(pattern)
        self.assertEqual(len({r.body for r in self.arrived(pattern, 3)}), 1)

    def test_nil_sends_nothing_and_the_delivery_is_done(self):
        pattern, _, made = self.webhook("return function(e) if e.payload.n > 1 then return {body = e.payload} end end")
        self.server.post("/v2/events", [{"pattern": pattern, "payload": {"n": n}} for n in (1, 2)])
        done = self.server.wait_executions(2, subscriptionId=made["id"])
        self.assertIn({"skipped": True}, [e["result"] for e in done])
        self.assertEqual([json.loads(r.body) for r in self.sink.of("/" + pattern)], [{"n": 2}])

    def test_an_error_fails_the_attempt_by_its_code(self):
        pattern, script, made = self.webhook("return function(e) error('no ' .. e.payload.n) end", retry={"maxRetries": 1,
                                             "initialDelayMs": 20, "jitter": False})
        self.server.send_event(pattern, {"n": 7})
        dead = self.server.wait_executions(1, statuses=("dead",), subscriptionId=made["id"])[0]
        self.assertEqual(len(dead["attempts"]), 2)
        self.assertIn("TRANSFORM_FAILED: ", dead["attempts"][0]["error"])
        self.assertIn("no 7", dead["attempts"][0]["error"])
        self.assertEqual(self.sink.of("/" + pattern), [])
        letter = self.server.get(f"/v2/dlq?subscriptionId={made['id']}").json()["items"][0]
        self.server.request("PUT", f"/v2/scripts/{script}", {"source": "return function() return {body = 'ok'} end"})
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", "").status, 202)
        self.assertEqual(self.arrived(pattern)[0].body, b"ok")

    def test_it_may_not_act_or_wait(self):
        for source in ("sdk.kv.set('a', 1)", "sdk.events.emit('a', {})", "sdk.sleep(1)"):
            pattern, _, made = self.webhook("return function() %s return {body = 1} end" % source, retry={"maxRetries": 0})
            self.server.send_event(pattern)
            dead = self.server.wait_executions(1, statuses=("dead",), subscriptionId=made["id"])[0]
            self.assertIn("TRANSFORM_FAILED: ", dead["attempts"][0]["error"])
            self.assertEqual(self.sink.of("/" + pattern), [])

    def test_while_it_is_deactivated_deliveries_wait(self):
        pattern, script, made = self.webhook("return function(e) return {body = e.payload} end")
        self.server.request("PATCH", f"/v2/scripts/{script}", {"enabled": False})
        self.server.send_event(pattern, {"n": 1})
        time.sleep(0.3)
        self.assertEqual(self.sink.of("/" + pattern), [])
        self.server.request("PATCH", f"/v2/scripts/{script}", {"enabled": True})
        self.assertEqual(json.loads(self.arrived(pattern)[0].body), {"n": 1})

    def test_it_is_needed_while_a_subscription_has_it(self):
        _, script, made = self.webhook("return function() end")
        self.assert_error(self.server.request("DELETE", "/v2/scripts/" + script), 409, "CONFLICT")
        one = "/v2/subscriptions/" + made["id"]
        patched = self.server.request("PATCH", one, {"executor": {"transformScriptId": None}})
        self.assertEqual(patched.status, 200, patched)
        self.assertNotIn("transformScriptId", patched.json()["executor"])
        self.assertEqual(self.server.request("DELETE", "/v2/scripts/" + script).status, 200)
        unknown = self.server.post("/v2/subscriptions", {"name": "x", "pattern": "x", "executor": {
            "type": "webhook", "url": "http://example.com/", "transformScriptId": "nobody"}})
        self.assert_error(unknown, 400, "VALIDATION_ERROR", "transformScriptId")

    def test_a_test_call_shows_what_would_be_sent(self):
        pattern, _, made = self.webhook("return function(e) if e.payload.n then return {body = {n = e.payload.n}} end end")
        call = f"/v2/subscriptions/{made['id']}/test"
        reply = self.server.post(call, {"event": {"pattern": pattern, "payload": {"n": 4}}})
        self.assertIs(reply.json()["success"], True, reply)
        self.assertEqual(json.loads(self.arrived(pattern)[0].body), {"n": 4})
        skipped = self.server.post(call, {"event": {"pattern": pattern, "payload": {}}})
        self.assertEqual(skipped.json()["response"], {"skipped": True}, skipped)

    def test_secrets_that_it_sends_are_not_shown(self):
        name = self.unique("s")
        self.assertEqual(self.server.post("/v2/secrets", {"name": name, "value": "tr4nsform-s3cret"}).status, 201)
        pattern, _, made = self.webhook(
            "return function() sdk.log.info(sdk.secrets.get('%s')) "
            "return {body = 'x', headers = {authorization = sdk.secrets.get('%s')}} end" % (name, name))
        self.server.send_event(pattern)
        self.assertEqual(self.arrived(pattern)[0].headers["authorization"], "tr4nsform-s3cret")
        done = self.server.wait_executions(1, subscriptionId=made["id"])[0]
        self.assertEqual(done["logs"][0]["text"], "****", done)
        self.assertNotIn("tr4nsform-s3cret", self.server.log())


if __name__ == "__main__":
    unittest.main()
