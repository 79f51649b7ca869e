#!/usr/bin/env python3
"""Goal: a script can be tried on an event, now or past, without anything being done; what it would
do is told and compared with another version; tests of handlers run without a server, and are made
from an execution. Method: kv and the log are looked at before and after."""
import json
import os
import subprocess
import tempfile
import unittest

import harness

SOURCE = """return function(event)
    local n = sdk.kv.get("n") or 0
    sdk.kv.set("n", n + event.payload.by)
    sdk.kv.incr("count")
    sdk.events.emit("made", {n = n + event.payload.by})
    sdk.log.info("counting", {n = n})
    return n
end"""


class Trying(harness.ServerCase):
    def attempt(self, script, status=200, **body):
        reply = self.server.post(f"/v2/scripts/{script}/try", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def test_nothing_is_done_and_all_is_told(self):
        script = self.server.create_script(SOURCE)
        event = {"pattern": "x", "payload": {"by": 2}}
        before = len(self.server.all_events("made"))
        told = self.attempt(script, event=event)
        self.assertEqual((told["status"], told["result"], told["version"]), ("completed", 0, 1))
        self.assertEqual(told["emitted"], [{"pattern": "made", "payload": {"n": 2}}])
        self.assertEqual([(k["op"], k["key"], k["before"], k["after"]) for k in told["kv"]],
                         [("set", "n", None, 2), ("incr", "count", None, 1)])
        self.assertIn(("n", None), [(r["key"], r["before"]) for r in told["reads"]])
        self.assertEqual(told["logs"][0]["text"], "counting")
        self.assertEqual(self.server.get("/v2/kv?prefix=n").json()["items"], [])
        self.assertEqual(len(self.server.all_events("made")), before)
        self.assertEqual(self.server.executions(scriptId=script), [])

    def test_versions_are_compared_and_gone_back_to(self):
        script = self.server.create_script("return function(e) return e.payload.a end")
        placed = self.server.send_event(self.unique("past."), {"a": 1, "b": 2})
        self.server.request("PUT", f"/v2/scripts/{script}", {"source": "return function(e) return e.payload.b end"})
        told = self.attempt(script, eventId=placed["eventId"], compareWith=1)
        self.assertEqual((told["result"], told["compareWith"]["result"], told["differs"]), (2, 1, ["result"]))
        inline = self.attempt(script, eventId=placed["eventId"], compareWith="current",
                              source="return function(e) sdk.kv.set('z', 1) return 2 end")
        self.assertEqual((inline["version"], inline["differs"]), (None, ["kv"]))
        self.assertEqual(self.attempt(script, eventId=placed["eventId"], version=1)["result"], 1)
        self.assertIn("e.payload.a", self.server.get(f"/v2/scripts/{script}?version=1").json()["source"])
        self.assertEqual(self.server.get(f"/v2/scripts/{script}?version=9").status, 404)
        back = self.server.post(f"/v2/scripts/{script}/rollback", {"version": 1})
        self.assertEqual((back.status, back.json()["version"]), (200, 3), back)
        self.assertIn("e.payload.a", back.json()["source"])
        self.assertEqual(self.server.post(f"/v2/scripts/{script}/rollback", {"version": 77}).status, 404)

    def test_calls_are_answered_from_the_list(self):
        script = self.server.create_script("""return function(e)
            local ok, refused = pcall(sdk.http.get, "http://127.0.0.1:1/none")
            sdk.sleep(20000)
            local r = sdk.http.post("https://example.com/a", {json = {n = 1}})
            local sent = sdk.sms.send{to = "x"}
            return {refused.code, r.status, r.json().id, sent.ok}
        end""")
        told = self.attempt(script, event={"pattern": "x"}, calls=[
            {"method": "POST", "url": "https://example.com/a", "status": 201, "body": {"id": 7}},
            {"action": "sms.send", "result": {"ok": True}}])
        self.assertEqual(told["result"], ["BLOCKED", 201, 7, True], told)
        self.assertEqual([(c.get("url"), c.get("action"), c["answered"]) for c in told["calls"]],
                         [("http://127.0.0.1:1/none", None, False), ("https://example.com/a", None, True),
                          (None, "sms.send", True)])

    def test_secrets_are_hidden_and_time_is_bounded(self):
        name = self.unique("s")
        self.server.post("/v2/secrets", {"name": name, "value": "hidden-value-1"})
        script = self.server.create_script("return function() return 'is ' .. sdk.secrets.get('%s') end" % name)
        self.assertEqual(self.attempt(script, event={"pattern": "x"})["result"], "is ****")
        loop = self.server.create_script("return function() while true do end end", timeoutMs=50)
        self.assertEqual(self.attempt(loop, event={"pattern": "x"})["status"], "timeout")

    def test_bad_ones_are_refused(self):
        script = self.server.create_script("return function() end")
        for body, field in (({}, "event"), ({"event": {"pattern": 1}}, "event"), ({"event": {}, "x": 1}, "x"),
                            ({"event": {}, "compareWith": 9}, "compareWith"), ({"event": {}, "calls": [{}]}, "calls"),
                            ({"event": {}, "eventId": "a"}, "event")):
            self.assert_error(self.server.post(f"/v2/scripts/{script}/try", body), 400, "VALIDATION_ERROR", field)
        self.assert_error(self.server.post(f"/v2/scripts/{script}/try", {"eventId": "nope"}), 404, "NOT_FOUND")
        self.assert_error(self.server.post("/v2/scripts/nope/try", {"event": {}}), 404, "NOT_FOUND")
        broken = self.attempt(script, event={"pattern": "x"}, source="return function( end")
        self.assertEqual(broken["status"], "failed")


class Tests(harness.ServerCase):
    def cli(self, *args, code=0):
        done = subprocess.run([harness.BINARY, *args], capture_output=True, timeout=60,
                              env=harness.clean_environment({"MILLRACE_SERVER": self.server.ready["http"]}))
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout.decode()

    def test_a_folder_of_tests(self):
        with tempfile.TemporaryDirectory() as folder:
            def put(name, text):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text if isinstance(text, str) else json.dumps(text))
            put("h.lua", SOURCE)
            test = {"name": "adds", "script": "h.lua", "event": {"pattern": "x", "payload": {"by": 3}},
                    "kv": {"n": 4}, "expect": {"status": "completed", "result": 4,
                                               "emitted": [{"pattern": "made", "payload": {"n": 7}}],
                                               "kv": [{"key": "n", "before": 4, "after": 7}, {"key": "count", "after": 1}],
                                               "calls": []}}
            put("good.json", test)
            self.assertIn("1 passed, 0 failed", self.cli("test", folder))
            put("bad.json", dict(test, expect={"result": 5}))
            told = self.cli("test", folder, code=1)
            self.assertIn("expected 5, got 4", told)
            put("broken.json", "{")
            put("unknown.json", dict(test, nope=1))
            report = json.loads(self.cli("test", folder, "-o", "json", code=1))
            self.assertEqual((report["passed"], report["failed"]), (1, 3))
            self.assertIn("nope", report["tests"][3]["differences"][0])
            self.cli("test", code=2)
            self.cli("test", os.path.join(folder, "none"), code=1)

    def test_a_test_is_made_from_an_execution(self):
        pattern = self.unique("rec.")
        script = self.server.create_script(SOURCE.replace('"made"', '"%s.out"' % pattern))
        one = self.server.subscribe(pattern, script)
        event = self.server.send_event(pattern, {"by": 1})
        execution = self.server.wait_executions(1, eventId=event["eventId"], subscriptionId=one)[0]
        with tempfile.TemporaryDirectory() as folder:
            path = self.cli("test", "--record", execution["id"], folder, "--name", "first").strip()
            self.assertEqual(os.path.basename(path), "first.json")
            self.assertIn("1 passed", self.cli("test", folder))
            with open(path) as file:
                made = json.load(file)
            self.assertEqual(made["event"]["payload"], {"by": 1})
            self.cli("test", "--record", "nope", folder, code=1)

    def test_a_handler_is_deployed_and_tried_by_the_command_line(self):
        name = self.unique("deployed")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name + ".lua")
            for source, version in (("return function(e) return 1 end", 1), ("return function(e) return 2 end", 2)):
                with open(path, "w") as file:
                    file.write(source)
                made = json.loads(self.cli("-o", "json", "handler", "deploy", path, "--pattern", name + ".x"))
                script = self.server.get("/v2/scripts/" + made["executor"]["scriptId"]).json()
                self.assertEqual((made["name"], script["version"]), (name, version))
            handlers = [h for h in self.server.items("/v2/subscriptions") if h["name"] == name]
            self.assertEqual(len(handlers), 1)
            told = json.loads(self.cli("-o", "json", "script", "try", name, "--event", '{"pattern":"x"}',
                                       "--compare-with", "1", code=1))
            self.assertEqual((told["result"], told["differs"]), (2, ["result"]))
            self.cli("script", "try", name, "--event", '{"pattern":"x"}', "--file", path)
            self.cli("script", "rollback", name, "--version", "1")
            self.assertEqual(json.loads(self.cli("-o", "json", "script", "try", name, "--event", "{}"))["result"], 1)

    def test_a_file_is_run_here(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "h.lua")
            with open(path, "w") as file:
                file.write(SOURCE)
            told = json.loads(self.cli("script", "run", path, "--event", '{"pattern":"x","payload":{"by":1}}', "-o", "json"))
            self.assertEqual((told["status"], told["result"]), ("completed", 0))
            with open(path, "w") as file:
                file.write("return function() error('no') end")
            self.cli("script", "run", path, "--event", '{"pattern":"x"}', code=1)


if __name__ == "__main__":
    unittest.main()
