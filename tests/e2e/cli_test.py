#!/usr/bin/env python3
"""Goal: the command line drives the real server: every verb, both outputs, the exit codes.
Method: the built binary as a child process, its JSON output compared with the HTTP interface."""
import json
import os
import subprocess
import tempfile
import unittest

import harness


class CommandLine(harness.ServerCase):
    def cli(self, *args, code=0, stdin=None, env=None, stderr=False):
        done = subprocess.run([harness.BINARY, *args], capture_output=True, timeout=60, input=stdin,
                              env=harness.clean_environment({"MILLRACE_SERVER": self.server.ready["http"], **(env or {})}))
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        self.assertNotIn(b"\x1b", done.stdout + done.stderr, "no colours in a pipe")
        return (done.stderr if stderr else done.stdout).decode()

    def json(self, *args, **options):
        return json.loads(self.cli("-o", "json", *args, **options))

    def file(self, text, suffix):
        file = tempfile.NamedTemporaryFile("w", suffix=suffix, delete=False)
        self.addCleanup(os.unlink, file.name)
        file.write(text)
        file.close()
        return file.name

    def test_events(self):
        pattern = self.unique("cli.")
        created = self.json("event", "create", pattern, "--payload", '{"n":1}', "--id", pattern + "id")
        self.assertEqual(created["accepted"], 1)
        self.assertIn("duplicate", self.cli("event:create", pattern, "--id", pattern + "id"))
        self.assertEqual(self.json("event", "list", "--pattern", pattern)["items"][0]["payload"], {"n": 1})
        self.assertIn(pattern, self.cli("event", "list", "--pattern", pattern, "--from", "1h"))
        self.assertEqual(self.json("event", "info", pattern + "id")["pattern"], pattern)
        self.cli("event", "info", "nope", code=1)
        tail = self.cli("-o", "json", "event", "tail", "--pattern", pattern, "--from", "1h", "-n", "1")
        self.assertEqual(json.loads(tail)["eventId"], pattern + "id")

    def test_bulk_load(self):
        pattern = self.unique("bulk.")
        lines = "".join(json.dumps({"eventId": f"{pattern}-{n}", "pattern": pattern, "payload": {"n": n}}) + "\n"
                        for n in range(3500))
        done = self.json("event", "create", "--file", self.file(lines, ".ndjson"))
        self.assertEqual((done["accepted"], done["rejected"]), (3500, 0))
        again = self.json("event", "create", "--file", "-", "--batch", "100", stdin=lines.encode())
        self.assertEqual((again["accepted"], again["duplicates"]), (0, 3500))
        broken = self.json("event", "create", "--file", self.file('{"pattern":"a"}\n{"x":1}\n', ".ndjson"), code=1)
        self.assertEqual((broken["accepted"], broken["rejected"], broken["rejects"][0]["line"]), (1, 1, 2))

    def test_handlers_scripts_and_executions(self):
        pattern = self.unique("h.")
        path = self.file("return function(e) sdk.log.info('logged') return e.payload.n end", ".lua")
        script = self.json("script", "push", path, "--id", pattern + "s")
        self.assertEqual(script["id"], pattern + "s")
        version = script["version"]
        self.assertGreater(self.json("script", "push", path, "--id", pattern + "s")["version"], version)
        self.assertIn(pattern + "s", self.cli("script", "list"))
        handler = self.json("handler", "register", "--pattern", pattern, "--script", pattern + "s",
                            "--filter", "$.n > 1", "--max-retries", "0")["id"]
        self.assertIn(handler, self.cli("handler:list"))
        hit, miss = (json.dumps({"pattern": pattern, "payload": {"n": n}}) for n in (2, 1))
        self.cli("handler", "test", handler, "--event", hit)
        self.cli("handler", "test", handler, "--event", miss, code=1)
        self.cli("event", "create", pattern, "--payload", '{"n":5}', "--id", pattern + "e")
        done = self.server.wait_executions(1, eventId=pattern + "e")[0]
        self.assertIn("completed", self.cli("execution", "list", "--event", pattern + "e"))
        self.assertEqual(self.json("execution", "show", done["id"])["result"], 5)
        self.assertIn("logged", self.cli("script", "logs", pattern + "s"))
        self.cli("handler", "remove", handler)
        self.cli("handler", "remove", handler, code=1)

    def test_script_run(self):
        path = self.file("return function(e) return {sum = e.body.a + 1} end", ".lua")
        script = self.json("script", "push", path, "--type", "api")["id"]
        self.assertEqual(self.json("script", "run", script, "--body", '{"a":1}')["result"], {"sum": 2})
        self.cli("script", "run", "nope", code=1)
        name = self.unique("named ")
        named = self.json("script", "push", path, "--type", "api", "--name", name)["id"]
        self.assertNotEqual(named, name)
        self.assertEqual(self.json("script", "run", name, "--body", '{"a":2}')["result"], {"sum": 3})
        self.assertEqual(self.json("script", "logs", name)["items"][0]["scriptId"], named)
        other = self.json("script", "push", path, "--type", "api", "--name", name)["id"]
        for id_of_two in (named, other):
            self.assertIn(id_of_two, self.cli("script", "run", name, code=1, stderr=True))
        self.assertEqual(self.json("script", "run", other, "--body", '{"a":3}')["result"], {"sum": 4})
        bad = self.file("return function(", ".lua")
        self.cli("script", "push", bad, code=1)

    def test_dead_letters_and_replay(self):
        pattern = self.unique("dl.")
        path = self.file("return function() error('bad day') end", ".lua")
        handler = self.json("handler", "register", "--pattern", pattern, "--lua", path, "--max-retries", "0")["id"]
        for n in range(3):
            self.cli("event", "create", pattern, "--payload", json.dumps({"n": n}))
        items = harness.wait_until("3 dead letters", lambda: (
            lambda i: i if len(i) == 3 else None)(self.json("dlq", "list", "--handler", handler)["items"]))
        self.assertIn("bad day", self.cli("dlq", "list", "--handler", handler))
        self.assertEqual(self.json("dlq", "show", items[0]["id"])["eventType"], pattern)
        self.cli("dlq", "replay", items[0]["id"])
        self.cli("dlq", "replay", code=2)
        harness.wait_until("3 again", lambda: len(self.json("dlq", "list", "--handler", handler)["items"]) == 3)
        self.cli("dlq", "purge", "--handler", handler)
        self.assertEqual(self.json("dlq", "list", "--handler", handler)["items"], [])
        good = self.file("return function(e, ctx) return ctx.replay ~= nil end", ".lua")
        other = self.json("handler", "register", "--pattern", pattern, "--lua", good)["id"]
        state = self.json("replay", "start", "--pattern", pattern, "--handler", other, "--wait")
        self.assertEqual((state["delivered"], state["failed"]), (3, 0))
        started = self.json("replay", "start", "--pattern", pattern, "--handler", other, "--pace", "1")
        self.json("replay", "status", started["id"])
        self.cli("replay", "cancel", started["id"])
        self.cli("retry", "list")

    def test_stats(self):
        self.cli("event", "create", "stat.me")
        stats = self.json("stats")
        self.assertTrue(stats["ready"])
        self.assertGreaterEqual(stats["received"], 1)
        self.assertEqual(stats["dropped"], 0)
        self.assertIn("received", self.cli("stats"))

    def test_usage(self):
        for args in ((), ("event",), ("event", "cancel", "x"), ("schedule", "list"), ("event", "list", "--nope")):
            self.cli(*args, code=2)
        self.cli("--help")
        self.cli("event", "list", code=1, env={"MILLRACE_SERVER": "127.0.0.1:1"})


if __name__ == "__main__":
    unittest.main()
