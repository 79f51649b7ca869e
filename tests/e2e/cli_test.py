#!/usr/bin/env python3
"""Goal: the command line drives the real server: every verb, both outputs, the exit codes.
Method: the built binary as a child process, its JSON output compared with the HTTP interface."""
import http.server
import json
import os
import subprocess
import tempfile
import threading
import unittest

import harness


class CommandLine(harness.ServerCase):
    def cli(self, *args, code=0, stdin=None, env=None, stderr=False):
        done = self.server.cli(*args, env=env, stdin=stdin)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        self.assertNotIn("\x1b", done.stdout + done.stderr, "no colours in a pipe")
        return done.stderr if stderr else done.stdout

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
        again = self.json("event", "create", "--file", "-", "--batch", "100", stdin=lines)
        self.assertEqual((again["accepted"], again["duplicates"]), (0, 3500))
        broken = self.json("event", "create", "--file", self.file('{"pattern":"a"}\n{"x":1}\n', ".ndjson"), code=1)
        self.assertEqual((broken["accepted"], broken["rejected"], broken["rejects"][0]["line"]), (1, 1, 2))

    def test_what_a_cluster_can_not_take_at_the_moment_is_loaded_again_by_itself(self):
        """Of a batch that is cut up by key; under the id that a line without one was given."""
        def refused(index, status, **more):
            return {"index": index, "error": {"code": "UNAVAILABLE", "message": "no", "statusCode": status, "details": {}}, **more}
        answers = [(2, [refused(1, 503, eventId="made-7"), refused(2, 400), refused(3, 503)]),
                   (1, [refused(1, 503)]), (1, [])]
        bodies = []

        class Cut(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                accepted, rejected = answers.pop(0)
                body = json.dumps({"success": True, "accepted": accepted, "duplicates": 0, "rejected": rejected}).encode()
                self.send_response(202)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        cut = http.server.HTTPServer(("127.0.0.1", 0), Cut)
        threading.Thread(target=cut.serve_forever, daemon=True).start()
        self.addCleanup(cut.server_close)
        self.addCleanup(cut.shutdown)
        lines = ['{"pattern":"a","n":0}', ' {"pattern":"a","n":1}', '{"pattern":"a","n":2}',
                 '{"eventId":"own","pattern":"a","n":3}', '{"pattern":"a","n":4}']
        path = self.file("\n".join(lines) + "\n", ".ndjson")
        done = self.json("event", "create", "--file", path, "--server", f"http://127.0.0.1:{cut.server_address[1]}", code=1)
        self.assertEqual((done["accepted"], done["rejected"], [r["line"] for r in done["rejects"]]), (4, 1, [3]))
        self.assertEqual([body.splitlines() for body in bodies],
                         [lines, ['{"eventId":"made-7","pattern":"a","n":1}', lines[3]], [lines[3]]])

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
        handler = self.json("script", "push", self.file(
            "return function(e, ctx) return {e.pattern, e.payload.n} end", ".lua"))["id"]
        event = '{"pattern":"a.b","payload":{"n":7}}'
        for given in (self.file(event, ".json"), event):
            self.assertEqual(self.json("script", "run", handler, "--event", given)["result"], ["a.b", 7])
        self.cli("script", "run", handler, "--event", event, "--body", "{}", code=2)
        name = self.unique("named ")
        named = self.json("script", "push", path, "--type", "api", "--name", name)["id"]
        self.assertNotEqual(named, name)
        self.assertEqual(self.json("script", "run", name, "--body", '{"a":2}')["result"], {"sum": 3})
        self.assertEqual(self.json("script", "logs", name)["items"][0]["scriptId"], named)
        again = self.json("script", "push", path, "--name", name)
        self.assertEqual((again["id"], again["version"], again["type"]), (named, 2, "api"))
        other = self.server.create_script("return function(e) return {sum = e.body.a + 1} end", type="api", name=name)
        for id_of_two in (named, other):
            self.assertIn(id_of_two, self.cli("script", "run", name, code=1, stderr=True))
        self.assertEqual(self.json("script", "run", other, "--body", '{"a":3}')["result"], {"sum": 4})
        self.cli("script", "push", path, "--name", name, code=1)
        self.assertIn("e.body.a", self.cli("script", "show", other))
        self.cli("script", "remove", other)
        self.assertEqual(self.json("script", "show", name)["id"], named)
        bad = self.file("return function(", ".lua")
        self.cli("script", "push", bad, code=1)

    def test_handlers_are_deployed_and_changed_by_name(self):
        name = self.unique("deployed ")
        pattern = self.unique("dep.")
        first = self.file("return function(e) return 'first' end", ".lua")
        second = self.file("return function(e) return 'second' end", ".lua")
        handler = self.json("handler", "deploy", "--name", name, "--pattern", pattern, "--lua", first)
        again = self.json("handler", "deploy", "--name", name, "--lua", second)
        self.assertEqual(again["id"], handler["id"])
        self.assertEqual(again["executor"], handler["executor"])
        self.cli("event", "create", pattern, "--id", pattern + "1")
        self.assertEqual(self.server.wait_executions(1, eventId=pattern + "1")[0]["result"], "second")
        self.assertFalse(self.json("handler", "disable", name)["active"])
        self.assertTrue(self.json("handler", "enable", handler["id"][:-1])["active"])
        changed = self.json("handler", "update", name, "--filter", "$.n > 1", "--max-retries", "7")
        self.assertEqual((changed["filter"], changed["retry"]["maxRetries"]), ("$.n > 1", 7))
        self.assertEqual(self.json("handler", "show", name)["filter"], "$.n > 1")
        self.cli("handler", "update", name, code=2)
        self.cli("handler", "show", "nobody of that name", code=1)
        self.cli("handler", "remove", name)
        self.cli("handler", "show", name, code=1)

    def test_count_and_export_and_load_again(self):
        pattern = self.unique("exp.")
        number = "100000000000000000001"
        lines = "".join('{"eventId":"%s-%d","pattern":"%s","payload":{"n":%d,"big":%s,"r":1.10}}\n'
                        % (pattern, n, pattern, n, number) for n in range(2500))
        self.cli("event", "create", "--file", "-", stdin=lines)
        self.assertEqual(self.cli("event", "count", "--pattern", pattern).strip(), "2500")
        self.assertEqual(self.json("event", "count", "--pattern", pattern, "--filter", "$.n < 7")["count"], 7)
        exported = self.cli("event", "export", "--pattern", pattern)
        self.assertEqual(len(exported.splitlines()), 2500)
        self.assertIn('"big":%s,"r":1.10' % number, exported)
        loaded = self.json("event", "create", "--file", "-", stdin=exported)
        self.assertEqual((loaded["accepted"], loaded["duplicates"], loaded["rejected"]), (0, 2500, 0))
        self.assertIn(number, self.cli("event", "list", "--pattern", pattern, "--limit", "1"))
        self.assertEqual(self.cli("event", "export", "--pattern", pattern, "--to", "1h"), "")

    def test_a_rare_event_is_found_behind_many(self):
        pattern = self.unique("rare.")
        self.cli("event", "create", pattern, "--payload", '{"rare":"%s"}' % pattern)
        for n in range(300):
            self.server.send_event(pattern, {"n": n})
        page = self.server.get(f"/v2/events?pattern={pattern}&filter=$.rare=='{pattern}'".replace("'", "%27")).json()
        self.assertEqual(len(page["items"]), 1)
        self.assertGreaterEqual(page["scanned"], 301)

    def test_a_tail_outlives_a_restart_and_tells_when_the_server_is_gone(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        port = server.port
        server.send_event("t", {"n": 1})
        tail = subprocess.Popen([harness.BINARY, "-o", "json", "event", "tail", "--pattern", "t", "--from", "1h"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=harness.clean_environment({"MILLRACE_URL": f"127.0.0.1:{port}"}))
        self.assertEqual(json.loads(tail.stdout.readline())["payload"], {"n": 1})
        server.stop()
        server.start(["--set", f"http.listen=127.0.0.1:{port}"])
        server.send_event("t", {"n": 2})
        self.assertEqual(json.loads(tail.stdout.readline())["payload"], {"n": 2})
        server.stop()
        out, err = tail.communicate(timeout=60)
        self.assertEqual((tail.returncode, out), (1, b""), err)
        self.assertIn(b"server", err)

    def test_errors_are_shown_line_by_line(self):
        pattern = self.unique("lines.")
        path = self.file("return function() error('first line\\n\\tsecond line') end", ".lua")
        handler = self.json("handler", "register", "--pattern", pattern, "--lua", path, "--max-retries", "0")["id"]
        self.cli("event", "create", pattern)
        harness.wait_until("a dead letter", lambda: self.json("dlq", "list", "--handler", handler)["items"])
        shown = self.cli("dlq", "list", "--handler", handler)
        self.assertNotIn("\\x0a", shown)
        self.assertIn("second line", shown)

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
        for args in ((), ("event",), ("event", "revoke", "x"), ("nothing", "list"), ("event", "list", "--nope")):
            self.cli(*args, code=2)
        self.cli("--help")
        self.cli("event", "list", code=1, env={"MILLRACE_SERVER": "127.0.0.1:1"})


if __name__ == "__main__":
    unittest.main()
