#!/usr/bin/env python3
"""Goal: an action is called by its name from Lua and from outside, its templates are filled from the
input on the parsed tree, what comes back is the answer, and a failure has a code. Method: a receiver
of our own; a command beside it."""
import json
import subprocess
import unittest

import harness
import sink


class Actions(sink.SinkCase):
    ARGS = sink.SinkCase.ARGS + ("--set", "executors.command.allow=/bin/sh")

    def action(self, name, status=201, **executor):
        reply = self.server.post("/v2/actions", {"name": name, "executor": executor})
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def run_script(self, source):
        script = self.server.create_script(source, type="api")
        return self.server.post("/v2/script/run", {"scriptId": script})

    def test_a_script_sends_an_sms(self):
        """The example of the source documents, in Lua: an action with a dot in its name."""
        secret = self.unique("token")
        self.server.post("/v2/secrets", {"name": secret, "value": "sms-token-77"})
        made = self.action("sms.send", type="webhook", url=self.sink.url + "/sms",
                           headers={"Authorization": "Bearer {{secrets.%s}}" % secret},
                           body={"recipient": "{{input.to}}", "text": "Dear {{input.to}}: {{ input.message }}",
                                 "n": "{{input.n | default 1}}", "all": "{{input}}", "fixed": [1, True]})
        self.assertEqual(made["id"], "sms.send")
        self.assertNotIn("sms-token-77", self.server.get("/v2/actions/sms.send").body.decode())
        self.sink.answers["/sms"] = (200, {"content-type": "application/json"}, b'{"id":"m1"}')
        pattern = self.unique("payment.")
        script = self.server.create_script("""
            local event = sdk.events.current().payload
            if event.amount > 10000 then
                local sent = sdk.sms.send{to = event.phone, message = "Payment of " .. event.amount .. " received"}
                sdk.log.info("SMS sent for high-value payment", {userID = event.userID, amount = event.amount})
                return sent.id
            end""")
        one = self.server.subscribe(pattern, script)
        self.server.send_event(pattern, {"amount": 5, "phone": "+1"})
        big = self.server.send_event(pattern, {"amount": 20000, "phone": "+49 1\"2", "userID": 7})
        done = self.server.wait_executions(1, eventId=big["eventId"], subscriptionId=one)[0]
        self.assertEqual(done["result"], "m1")
        requests = self.sink.of("/sms")
        self.assertEqual(len(requests), 1)
        self.assertEqual(requests[0].headers["authorization"], "Bearer sms-token-77")
        self.assertTrue(requests[0].headers["idempotency-key"])
        sent = {"to": "+49 1\"2", "message": "Payment of 20000 received"}
        self.assertEqual(json.loads(requests[0].body), {
            "recipient": sent["to"], "text": "Dear %s: %s" % (sent["to"], sent["message"]),
            "n": "1", "all": sent, "fixed": [1, True]})

    def test_failures_have_codes(self):
        self.action("fails", type="webhook", url=self.sink.url + "/fails")
        self.sink.answers["/fails"] = (503, {}, b"busy")
        told = self.run_script("""return function()
            local ok, e = pcall(sdk.actions.call, "fails", {a = 1})
            local ok2, e2 = pcall(sdk.no.such.thing, {})
            return {ok, e.code, e.status, e.message, ok2, e2.code}
        end""").json()
        self.assertEqual(told["result"], [False, "FAILED", 503, "FAILED: HTTP 503: busy", False, "NOT_FOUND"])
        self.action("needs", type="webhook", url=self.sink.url + "/x?to={{input.to}}")
        reply = self.server.post("/v2/actions/needs/call", {"input": {}}).json()
        self.assertEqual((reply["success"], reply["error"]["code"]), (False, "INVALID"))
        self.assertIn("input.to", reply["error"]["message"])

    def test_what_is_filled_in_stays_in_its_place(self):
        self.action("esc", type="webhook", url=self.sink.url + "/esc/{{input.a}}?q={{input.b}}", method="GET",
                    headers={"X-Own": "{{input.h | default none}}"})
        self.sink.answers["/esc/..%2F%3Fx%23"] = (200, {}, b"plain")
        reply = self.server.post("/v2/actions/esc/call", {"input": {"a": "../?x#", "b": "1&c=2"}}).json()
        self.assertEqual((reply["success"], reply["result"], reply["status"]), (True, "plain", 200))
        self.assertEqual(self.sink.of("/esc/..%2F%3Fx%23")[0].path, "/esc/..%2F%3Fx%23?q=1%26c%3D2")
        broken = self.server.post("/v2/actions/esc/call", {"input": {"a": "x", "b": "", "h": "a\r\nb: c"}}).json()
        self.assertEqual(broken["error"]["code"], "INVALID")

    def test_a_command_is_an_action_too(self):
        self.action("say", type="command", command="/bin/sh", args=["-c", "cat; echo >&2 $NAME; exit $CODE"],
                    env={"NAME": "{{input.name}}", "CODE": "{{input.code | default 0}}"})
        told = self.run_script("return function() return sdk.say{name = 'a b', n = 1} end").json()
        self.assertEqual(told["result"], {"name": "a b", "n": 1})
        failed = self.server.post("/v2/actions/say/call", {"input": {"name": "x", "code": 3}}).json()
        self.assertEqual((failed["success"], failed["status"], failed["error"]["message"]), (False, 3, "exit code 3: x"))

    def test_it_is_signed_where_it_has_a_secret(self):
        made = self.action("signed", type="webhook", url=self.sink.url + "/signed", secret="whsec_" + "A" * 43 + "=")
        self.assertTrue(made["executor"]["signed"])
        self.assertNotIn("AAAA", self.server.get("/v2/actions/signed").body.decode())
        patched = self.server.request("PATCH", "/v2/actions/signed", {"executor": {
            "type": "webhook", "url": self.sink.url + "/signed", "timeoutMs": 1000}})
        self.assertTrue(patched.json()["executor"]["signed"], patched)
        self.server.post("/v2/actions/signed/call", {"input": {"a": 1}})
        self.assertTrue(self.sink.of("/signed")[0].headers["webhook-signature"].startswith("v1,"))

    def test_bad_ones_are_refused_by_name(self):
        def refused(body, mentions):
            self.assert_error(self.server.post("/v2/actions", body), 400, "VALIDATION_ERROR", mentions)
        good = {"type": "webhook", "url": "https://example.com/"}
        refused({"name": "x"}, "executor")
        refused({"name": "kv.get", "executor": good}, "name")
        refused({"name": "a b", "executor": good}, "name")
        refused({"executor": good}, "name")
        refused({"name": "x", "executor": {"type": "script", "scriptId": "s"}}, "executor.type")
        refused({"name": "x", "executor": dict(good, url="https://{{input.host}}/")}, "executor.url")
        refused({"name": "x", "executor": dict(good, url="ftp://x/")}, "executor.url")
        refused({"name": "x", "executor": dict(good, method="BREW")}, "executor.method")
        refused({"name": "x", "executor": dict(good, headers={"host": "x"})}, "executor.headers.host")
        refused({"name": "x", "executor": dict(good, nope=1)}, "executor.nope")
        self.action("twice", **good)
        self.action("twice", status=409, **good)

    def test_by_the_command_line(self):
        def cli(*args, code=0):
            done = subprocess.run([harness.BINARY, "--server", self.server.ready["http"], "-o", "json", "action", *args],
                                  capture_output=True, env=harness.clean_environment())
            self.assertEqual(done.returncode, code, done)
            return json.loads(done.stdout) if done.stdout else None
        self.sink.answers["/cli"] = [(200, {}, b"[1]"), (500, {}, b"")]
        cli("create", "cli.one", "--url", self.sink.url + "/cli", "--body", '{"x":"{{input.x}}"}', "--header", "X-A: b")
        self.assertIn("cli.one", [a["id"] for a in cli("list")["items"]])
        self.assertEqual(cli("call", "cli.one", "--input", '{"x":[2]}')["result"], [1])
        self.assertEqual(json.loads(self.sink.of("/cli")[0].body), {"x": [2]})
        cli("call", "cli.one", "--input", '{"x":1}', code=1)
        cli("remove", "cli.one")
        self.assertEqual(self.server.get("/v2/actions/cli.one").status, 404)


if __name__ == "__main__":
    unittest.main()
