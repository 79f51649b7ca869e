#!/usr/bin/env python3
"""Goal: health, metrics, drain, configuration and refusals to start are as API.md says.
Method: one process per question where the question is about starting and ending."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness

METRICS = (
    "scripts_events_received_total", "scripts_events_processed_total", "script_events_processed_total",
    "script_event_processing_duration_seconds", "script_event_queue_size", "script_events_dropped_total",
    "script_event_queue_time_seconds", "script_dlq_entries", "script_dlq_pending_retries",
    "script_dlq_retries_total")


class Running(harness.ServerCase):
    def test_health_and_readiness(self):
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertEqual(self.server.get("/readyz").status, 200)

    def test_the_ready_line(self):
        ready = self.server.ready
        self.assertEqual(set(ready) >= {"ready", "http", "socket", "unix", "data", "pid"}, True, ready)
        self.assertEqual(ready["pid"], self.server.process.pid)
        self.assertTrue(os.path.samefile(ready["data"], self.server.data))
        self.assertTrue(os.path.exists(ready["unix"]))

    def test_metric_names(self):
        pattern = self.unique("m.")
        script = self.server.create_script("return function() error('x') end")
        subscription = self.server.subscribe(pattern, script, retry={
            "maxRetries": 1, "initialDelayMs": 1, "jitter": False})
        placed = self.server.send_event(pattern)
        self.server.wait_executions(1, ("dead",), eventId=placed["eventId"])
        reply = self.server.get("/metrics")
        self.assertEqual(reply.status, 200)
        self.assertIn("text/plain", reply.headers["content-type"])
        text = reply.body.decode()
        for name in METRICS:
            self.assertRegex(text, rf"(?m)^# TYPE {name} \w+$", name)
        self.assertRegex(text, r'(?m)^script_event_processing_duration_seconds_bucket\{.*le="\+Inf".*\} \d+$')
        self.assertEqual(self.server.metric("script_events_dropped_total"), 0)
        self.assertGreaterEqual(self.server.metric("script_dlq_retries_total"), 1)
        del subscription

    def test_what_is_counted_is_counted(self):
        before = {name: self.server.metric(name) for name in ("millrace_log_commits_total", "millrace_log_blocks_total",
                  "millrace_log_block_bytes_total", "millrace_log_commit_duration_seconds_count")}
        answers = self.server.metric("millrace_http_requests_total", status="2xx")
        refusals = self.server.metric("millrace_http_requests_total", status="4xx")
        for _ in range(5):
            self.server.send_event("count.me")
        self.assertEqual(self.server.get("/v2/nothing").status, 404)
        for name, value in before.items():
            harness.wait_until(name, lambda: self.server.metric(name) >= value + 5)
        self.assertGreaterEqual(self.server.metric("millrace_http_requests_total", status="2xx"), answers + 5)
        self.assertGreaterEqual(self.server.metric("millrace_http_requests_total", status="4xx"), refusals + 1)

    @unittest.skipIf(harness.SANITIZED, "it is about time")
    def test_an_idle_server_answers_at_once(self):
        script = self.server.create_script("return 1")
        times = []
        for n in range(12):
            time.sleep(0.15)  # longer than an idle thread sleeps
            began = time.monotonic()
            self.server.subscribe(f"idle.{n}", script)
            times.append(time.monotonic() - began)
        self.assertLess(sorted(times)[6], 0.05, times)

    def test_metric_labels_stay_bounded(self):
        body = [{"pattern": f"card.{n}"} for n in range(5000)]
        self.assertEqual(self.server.post("/v2/events?ids=0", body).status, 202)
        lines = [l for l in self.server.get("/metrics").body.decode().splitlines()
                 if l.startswith("scripts_events_received_total{")]
        self.assertLess(len(lines), 3000)
        self.assertGreaterEqual(self.server.metric("scripts_events_received_total"), 5000)

    def test_logs_are_json_lines_on_stderr(self):
        lines = [l for l in self.server.log().splitlines() if l.strip()]
        self.assertTrue(lines)
        for line in lines[-20:]:
            json.loads(line)

    def test_settings_are_told_with_what_has_said_them(self):
        told = {one["key"]: one for one in self.server.get("/v2/config").json()["items"]}
        self.assertEqual((told["http.idle_timeout"]["from"], told["data.dir"]["from"]), ("default", "flag"))
        self.assertTrue(os.path.samefile(told["data.dir"]["value"], self.server.data))

    def test_the_last_lines_of_the_log_can_be_looked_at(self):
        lines = self.server.get("/v2/log").json()["items"]
        written = [json.loads(line) for line in self.server.log().splitlines() if line.strip()]
        self.assertIn(lines[0], written)
        self.assertEqual(lines, sorted(lines, key=lambda line: line["time"], reverse=True))
        self.assertEqual(self.server.get("/v2/log?limit=1").json()["items"], lines[:1])
        levels = {line["level"] for line in self.server.get("/v2/log?level=warn").json()["items"]}
        self.assertLessEqual(levels, {"warn", "error"})
        self.assert_error(self.server.get("/v2/log?level=loud"), 400, "VALIDATION_ERROR")

    def test_head_and_unknown_routes(self):
        self.assert_error(self.server.get("/v2/nothing"), 404, "NOT_FOUND")
        self.assert_error(self.server.request("DELETE", "/v2/events"), 405, "METHOD_NOT_ALLOWED")


class Stopping(unittest.TestCase):
    def start(self, **options):
        server = harness.Server(**options)
        self.addCleanup(server.close)
        return server.start()

    def test_sigterm_answers_what_it_took_and_ends_with_zero(self):
        server = self.start()
        statuses = []

        def post(n):
            try:
                statuses.append(server.post("/v2/events", [{"pattern": "d.e"}] * 500).status)
            except OSError:
                statuses.append(None)  # refused while draining: it was not acknowledged
        threads = [threading.Thread(target=post, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        server.stop()
        for thread in threads:
            thread.join()
        self.assertTrue(set(statuses) <= {202, 503, None}, statuses)
        server.start()
        self.assertGreaterEqual(len(server.all_events("d.e")), 500 * statuses.count(202))

    def test_the_port_is_free_after_the_end(self):
        for _ in range(3):  # somebody else may have been given the port meanwhile
            server = self.start()
            address = (server.host, server.port)
            server.stop()
            try:
                socket.create_connection(address, timeout=2).close()
            except OSError:
                return
        self.fail("the port is still open after three ends")

    def test_idle_connections_do_not_hold_up_the_end(self):
        server = self.start()
        idle = [server.raw_connection() for _ in range(5)]
        line = harness.LineClient(server)
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 10)
        line.close()
        for connection in idle:
            connection.close()

    def test_readiness_is_told_to_the_end(self):
        server = self.start()
        server.hang(3)
        server.signal(signal.SIGTERM)
        ask = server.draining_request
        ready = harness.wait_until("503 and the close", lambda: (
            r := ask("GET", "/readyz")).status == 503 and r.headers.get("connection") == "close" and r)
        self.assertIn("draining", ready.json()["error"]["message"])
        self.assertEqual(ask("GET", "/healthz").status, 200)
        self.assertEqual(ask("GET", "/metrics").status, 200)
        for reply in (ask("POST", "/v2/events", {"pattern": "late"}), ask("GET", "/v2/events"),
                      ask("GET", "/v2/events/stream"), ask("POST", "/v2/scripts", {"name": "late"})):
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (503, "UNAVAILABLE"))
            self.assertIn("retry-after", reply.headers)
        self.assertEqual(server.wait(), 0)
        server.start()
        self.assertEqual(server.get("/readyz").status, 200)
        self.assertEqual(server.get("/v2/events?pattern=late").json()["items"], [])

    def test_open_streams_do_not_hold_up_the_end(self):
        server = self.start()
        stream = server.raw_connection()
        self.addCleanup(stream.close)
        stream.sendall(b"GET /v2/events/stream?from=beginning HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.send_event("streamed")
        seen = b""
        while b"streamed" not in seen:
            seen += stream.recv(65536)
        began = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - began, 10)
        while piece := stream.recv(65536):
            seen += piece
        self.assertTrue(seen.endswith(b"0\r\n\r\n"), "the stream ends, it is not cut")

    def test_a_second_sigterm_ends_at_once(self):
        server = self.start()
        server.hang(25)
        server.signal(signal.SIGTERM)
        # Two signals at once are one to the kernel: the second comes when the first was seen.
        harness.wait_until("the drain", lambda: "draining" in server.log())
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        server.wait(20)
        self.assertLess(time.monotonic() - began, 10)

    def test_sigint_also_drains(self):
        server = self.start()
        server.send_event("x")
        server.signal(signal.SIGINT)
        self.assertEqual(server.wait(), 0)


class Starting(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def serve(self, *args, env=None, data=None, listen="127.0.0.1:0"):
        """Starts a server that is expected to refuse; returns (exit code, stderr)."""
        command = [harness.BINARY, "serve", "--listen", listen, "--socket", "127.0.0.1:0",
                   "--data", data or os.path.join(self.folder.name, "d"), *args]
        try:
            done = subprocess.run(command, capture_output=True, timeout=40, env=harness.clean_environment(env))
        except subprocess.TimeoutExpired as late:
            self.fail(f"it did not refuse: {command}; stderr {late.stderr!r}")
        return done.returncode, done.stderr.decode(errors="replace")

    def test_unknown_options_are_usage_errors(self):
        for args in (("--bogus",), ("--shards", "x"), ("--durability", "maybe"), ("--shards", "65"),
                     ("--lanes", "100000"), ("--listen", "nowhere"), ("--set", "no.such.key=1")):
            code, text = self.serve(*args)
            self.assertIn(code, (1, 2), (args, code, text))
            self.assertNotIn("Aborted", text)
            self.assertTrue(text.strip(), args)

    def test_bad_configuration_names_the_key(self):
        path = os.path.join(self.folder.name, "m.toml")
        for text, mention in (("[retry]\nmax_retries = \"many\"\n", "max_retries"), ("[[[\n", ""),
                              ("[no_such_section]\na = 1\n", "no_such_section")):
            with open(path, "w") as file:
                file.write(text)
            code, error = self.serve("--config", path)
            self.assertIn(code, (1, 2), (text, error))
            self.assertIn(mention, error)
        code, error = self.serve("--config", "/no/such/file.toml")
        self.assertIn(code, (1, 2))
        self.assertIn("/no/such/file.toml", error)

    def test_bad_environment_names_the_variable(self):
        for name, value in (("EVENT_RETRY_MAX_RETRIES", "many"), ("EVENT_RETRY_INITIAL_DELAY", "soon"),
                            ("EVENT_WORKER_COUNT", "-3")):
            code, error = self.serve(env={name: value})
            self.assertIn(code, (1, 2), (name, error))
            self.assertIn(name, error)

    def test_the_event_variables_are_obeyed(self):
        server = harness.Server(env={"EVENT_RETRY_MAX_RETRIES": "7", "EVENT_RETRY_INITIAL_DELAY": "500ms",
                                     "EVENT_RETRY_MAX_DELAY": "1h", "EVENT_RETRY_BACKOFF_FACTOR": "3",
                                     "EVENT_BUFFER_SIZE": "2000", "EVENT_WORKER_COUNT": "2"})
        self.addCleanup(server.close)
        server.start()
        subscription = server.subscribe("a", server.create_script("return function() end"))
        retry = server.get(f"/v2/subscriptions/{subscription}").json()["retry"]
        self.assertEqual((retry["maxRetries"], retry["initialDelayMs"], retry["maxDelayMs"], retry["backoffFactor"]),
                         (7, 500, 3_600_000, 3), retry)

    def test_a_busy_port_is_a_clear_error(self):
        busy = socket.socket()
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        self.addCleanup(busy.close)
        address = "127.0.0.1:%d" % busy.getsockname()[1]
        code, error = self.serve(listen=address)
        self.assertEqual(code, 1, error)
        self.assertIn(address.rsplit(":")[1], error)
        self.assertRegex(error.lower(), "in use|busy")

    def test_two_servers_can_not_share_a_port(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        code, error = self.serve(listen=server.ready["http"])
        self.assertEqual(code, 1, error)

    def test_a_locked_folder_is_a_clear_error(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        code, error = self.serve(data=server.data)
        self.assertEqual(code, 1, error)
        self.assertRegex(error.lower(), "lock|running")
        self.assertEqual(server.get("/healthz").status, 200)

    def test_a_folder_of_a_newer_version_is_left_alone(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        server.send_event("kept", eventId="kept")
        server.stop()
        path = os.path.join(server.data, "FORMAT")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.strip().rsplit(" ", 1)[0] + " 999\n")
        code, error = self.serve(data=server.data)
        self.assertEqual(code, 1, error)
        self.assertIn("999", error)
        self.assertIn("newer", error)
        with open(path, "w") as file:
            file.write(text)
        server.start()
        self.assertEqual(server.get("/v2/events/kept").status, 200)

    def test_a_folder_that_can_not_be_made(self):
        path = os.path.join(self.folder.name, "file")
        open(path, "w").close()
        code, error = self.serve(data=path)
        self.assertEqual(code, 1, error)
        self.assertIn(path, error)

    def test_other_addresses_need_a_key(self):
        code, error = self.serve(listen="0.0.0.0:0")
        self.assertIn(code, (1, 2), error)
        self.assertRegex(error, "key|loopback")

    def test_configuration_file_environment_flags_in_that_order(self):
        path = os.path.join(self.folder.name, "m.toml")
        with open(path, "w") as file:
            file.write("[retry]\nmax_retries = 5\ninitial_delay = \"2s\"\n")
        server = harness.Server(args=["--config", path, "--set", "retry.max_retries=9"],
                                env={"MILLRACE_RETRY_MAX_RETRIES": "8", "MILLRACE_RETRY_INITIAL_DELAY": "3s"})
        self.addCleanup(server.close)
        server.start()
        subscription = server.subscribe("a", server.create_script("return function() end"))
        retry = server.get(f"/v2/subscriptions/{subscription}").json()["retry"]
        self.assertEqual((retry["maxRetries"], retry["initialDelayMs"]), (9, 3000), retry)

    def test_a_repeat_is_synced_when_it_asks_for_more_than_the_first(self):
        server = harness.Server(shards=1)
        self.addCleanup(server.close)
        server.start()
        commits = lambda: server.metric("millrace_log_commits_total")
        event = {"eventId": "weak", "pattern": "weak"}
        first = server.post("/v2/events?durability=memory", event).json()
        self.assertEqual(first["durability"], "memory")
        before = harness.wait_until("the first commit", commits)
        again = server.post("/v2/events?durability=memory", event).json()
        self.assertEqual((again["durability"], again["duplicates"]), ("memory", 1))
        self.assertEqual(commits(), before, "a repeat with the same wish costs nothing")
        strong = server.post("/v2/events?durability=fsync", event).json()
        self.assertEqual((strong["durability"], strong["duplicates"]), ("fsync", 1))
        harness.wait_until("the sync that was promised", lambda: commits() == before + 1)
        server.post("/v2/events?durability=fsync", event)
        self.assertEqual(commits(), before + 1, "once is enough")

    def test_a_folder_keeps_its_shards_on_another_machine(self):
        server = harness.Server(shards=3)
        self.addCleanup(server.close)
        server.start()
        server.send_event("kept", eventId="kept")
        server.stop()
        server.shards = 0  # as it is without --shards: one a core, or what the folder has
        server.start()
        self.assertEqual(server.get("/v2/events/kept").status, 200)
        self.assertEqual(len(server.get("/v2/stats").json()["shards"]), 3)

    def test_what_is_acknowledged_but_not_synced_is_a_gauge(self):
        server = harness.Server(shards=1)
        self.addCleanup(server.close)
        server.start()
        unsynced = lambda: server.metric("millrace_log_unsynced_bytes")
        self.assertIn("# TYPE millrace_log_unsynced_bytes gauge", server.get("/metrics").body.decode())
        seen = []
        for _ in range(50):  # the housekeeper syncs what nobody asked to, a moment later
            server.post("/v2/events?durability=os", {"pattern": "weak", "payload": {"text": "x" * 1000}})
            seen.append(unsynced())
        self.assertGreater(max(seen), 0, "what came at level os is not synced at once")
        server.send_event("strong")
        harness.wait_until("the sync", lambda: unsynced() == 0)

    def test_durability_levels_are_told(self):
        for level in ("os", "memory"):
            server = harness.Server(args=["--durability", level])
            try:
                server.start()
                reply = server.post("/v2/events", {"pattern": "a"})
                self.assertEqual(reply.json()["durability"], level)
            finally:
                server.close()


class Retention(unittest.TestCase):
    def start(self, *settings):
        server = harness.Server(args=sum((["--set", s] for s in settings), []), shards=1)
        self.addCleanup(server.close)
        return server.start()

    def load(self, server, pattern, batches, noise=0):
        for _ in range(batches):
            body = [{"pattern": pattern, "payload": {"text": os.urandom(noise).hex()}} for _ in range(100)]
            self.assertEqual(server.post("/v2/events?ids=0", body).status, 202)

    def stats(self, server):
        return server.get("/v2/stats").json()["retention"]

    def kept(self, server, pattern):
        return len(server.get(f"/v2/events?pattern={pattern}&limit=1000").json()["items"])

    def test_by_age(self):
        server = self.start("retention.age=1s", "retention.every=100ms")
        self.load(server, "old.e", 3)
        harness.wait_until("the old ones go, but for the newest block", lambda: self.stats(server)["eventsDropped"] >= 200)
        self.load(server, "new.e", 1)
        harness.wait_until("all of the old go", lambda: self.kept(server, "old.e") == 0)
        self.assertEqual(server.get("/healthz").status, 200)

    def test_by_bytes_but_never_what_is_needed(self):
        server = self.start("retention.bytes=20000", "retention.every=100ms")
        script = server.create_script("return function() error('no') end", id="failing")
        server.subscribe("late.e", script, retry={"maxRetries": 1, "initialDelayMs": 3_000_000, "jitter": False})
        server.subscribe("dead.e", script, retry={"maxRetries": 0})
        self.load(server, "some.e", 5, 400)
        harness.wait_until("some go", lambda: self.stats(server)["eventsDropped"] > 0)
        server.send_event("late.e", {}, eventId="waits")
        harness.wait_until("a retry", lambda: server.get("/v2/retries").json()["items"])
        self.load(server, "some.e", 20, 400)
        harness.wait_until("what is held back is told", lambda: self.stats(server)["eventsHeldBack"] > 0)
        self.assertEqual(server.get("/v2/events/waits").status, 200)
        self.assertIn("kept beyond the rules", server.log())

    def test_a_dead_letter_keeps_its_event(self):
        server = self.start("retention.age=300ms", "retention.every=100ms")
        script = server.create_script("return function() error('no') end", id="failing")
        server.subscribe("dead.e", script, retry={"maxRetries": 0})
        server.send_event("dead.e", {"n": 7}, eventId="dead")
        letter = harness.wait_until("a dead letter", lambda: server.get("/v2/dlq").json()["items"])[0]
        self.load(server, "some.e", 3)
        harness.wait_until("it is held back", lambda: self.stats(server)["eventsHeldBack"] > 0)
        self.assertEqual(server.get(f"/v2/dlq/{letter['id']}").json()["event"]["payload"], {"n": 7})
        self.assertEqual(server.request("DELETE", f"/v2/dlq/{letter['id']}").status, 200)
        harness.wait_until("then it goes", lambda: server.get("/v2/events/dead").status == 404)

    def test_patterns_have_ages_of_their_own(self):
        server = self.start("retention.age=2s", "retention.every=100ms", "retention.rules=debug.*=300ms audit.*=0")
        for _ in range(3):
            for pattern in ("debug.a", "audit.a", "some.a"):
                self.load(server, pattern, 1)
        self.load(server, "some.late", 1)
        harness.wait_until("debug goes first", lambda: self.kept(server, "debug.a") == 0)
        self.assertEqual(self.kept(server, "some.a"), 300)
        harness.wait_until("then the others", lambda: self.kept(server, "some.a") == 0)
        self.assertEqual(self.kept(server, "audit.a"), 300)
        gone = self.stats(server)
        self.assertGreaterEqual(gone["eventsThinned"] + gone["eventsDropped"], 600)
        self.assertGreater(gone["eventsThinned"], 0)
        server.stop()
        server.start()
        self.assertEqual((self.kept(server, "audit.a"), self.kept(server, "some.a")), (300, 0))

    def test_an_id_counts_while_its_event_is_kept(self):
        server = self.start("retention.age=300ms", "retention.every=100ms")
        script = server.create_script("return function(e) error('no') end", id="failing")
        server.subscribe("dead.e", script, retry={"maxRetries": 0})
        # In one block: the dead letter keeps the block, and of its events only its own.
        def send():
            return server.post("/v2/events", [
                {"eventId": i, "pattern": p, "payload": {}, "partitionKey": "one"}
                for i, p in (("same", "some.e"), ("same", "some.e"), ("dead", "dead.e"))]).json()["events"]
        first = send()
        self.assertEqual([e["duplicate"] for e in first], [False, True, False])
        harness.wait_until("a dead letter", lambda: server.get("/v2/dlq").json()["items"])
        for _ in range(2):
            self.load(server, "last.e", 1)
            server.send_event("last.e", {}, partitionKey="one")
            harness.wait_until("it is gone", lambda: server.get("/v2/events/same").status == 404)
            again = send()
            self.assertEqual([e["duplicate"] for e in again], [False, True, True])
            self.assertEqual(again[2]["offset"], first[2]["offset"])
            self.assertEqual(again[0]["offset"], again[1]["offset"])
            self.assertGreater(again[0]["offset"], first[0]["offset"])
        self.load(server, "last.e", 1)
        server.send_event("last.e", {}, partitionKey="one")
        harness.wait_until("it is gone", lambda: server.get("/v2/events/same").status == 404)
        server.stop()
        server.args = []
        server.start()
        self.assertEqual([e["duplicate"] for e in send()], [False, True, True])
        self.assertEqual([e["duplicate"] for e in send()], [True, True, True])
        self.assertEqual(server.get("/v2/events/same").status, 200)
        self.assertEqual(server.get("/v2/events/dead").status, 200)

    def test_a_dead_letter_keeps_no_other_event(self):
        server = self.start("retention.age=300ms", "retention.every=100ms")
        script = server.create_script("return function() error('no') end", id="failing")
        server.subscribe("dead.e", script, retry={"maxRetries": 0})
        server.send_event("dead.e", {"n": 7}, eventId="dead")
        harness.wait_until("a dead letter", lambda: server.get("/v2/dlq").json()["items"])
        self.load(server, "some.e", 3)
        self.load(server, "last.e", 1)
        harness.wait_until("the others go", lambda: self.kept(server, "some.e") == 0)
        self.assertEqual(server.get("/v2/events/dead").json()["payload"], {"n": 7})

    def test_a_rule_that_is_none_is_refused(self):
        with self.assertRaises(AssertionError) as refused:
            self.start("retention.rules=debug.*:1h")
        self.assertIn("retention.rules", str(refused.exception))


if __name__ == "__main__":
    unittest.main()
