#!/usr/bin/env python3
"""Goal: what the process asks of the system and of its settings is told clearly: open files, memory,
threads, the data folder, names in the environment, signals.
Method: servers of their own under limits of their own."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import BINARY, Server, wait_until


def limited(*limits):
    def apply():
        for which, soft, hard in limits:
            resource.setrlimit(which, (soft, hard))
    return apply


def run_serve(args, env=None, preexec=None, seconds=60):
    """A start that is to fail: exit code and what it said."""
    ended = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--socket", "", *args],
                           env=harness.clean_environment(env), preexec_fn=preexec,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)
    return ended.returncode, ended.stderr.decode(errors="replace")


class OwnServer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-start-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def serve(self, server, extra=()):
        self.addCleanup(server.close)
        return server.start(extra)


class OpenFiles(OwnServer):
    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        server = self.serve(Server(preexec=limited((resource.RLIMIT_NOFILE, 256, 2048))))
        with open(f"/proc/{server.process.pid}/limits") as file:
            line = [l for l in file if l.startswith("Max open files")][0].split()
        self.assertEqual(line[3:5], ["2048", "2048"])
        server.stop()

    def test_idle_connections_never_take_the_stores_files(self):
        server = self.serve(Server(preexec=limited((resource.RLIMIT_NOFILE, 256, 256)), shards=1))
        held = []
        try:
            for _ in range(300):
                connection = socket.create_connection((server.host, server.port), timeout=10)
                held.append(connection)
            # The store goes on: the oldest idle connections made room, the newest is served.
            self.assertEqual(server.process.poll(), None)
            body = b'{"pattern":"a","payload":{}}'
            held[-1].sendall(b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                            b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            held[-1].settimeout(30)
            self.assertTrue(held[-1].recv(100).startswith(b"HTTP/1.1 202"))
            open_files = len(os.listdir(f"/proc/{server.process.pid}/fd"))
            self.assertLess(open_files, 256 - 20)
        finally:
            for connection in held:
                connection.close()
        self.assertIn("ulimit", server.log())
        server.stop()

    def test_too_few_are_refused(self):
        for files in (16, 64):
            code, said = run_serve(["--data", self.path("d")],
                                   preexec=limited((resource.RLIMIT_NOFILE, files, files)))
            self.assertEqual(code, 1, said)
            self.assertIn("ulimit -n", said)


class Refusals(OwnServer):
    def assert_a_line(self, code, said):
        self.assertEqual(code, 1, said)
        for word in ("terminate", "impossible state", "what():", "Assertion"):
            self.assertNotIn(word, said)
        self.assertIn("can't", said)

    # Whatever is refused first, a thread, a map or a page: a line and exit 1, or it works.
    @unittest.skipIf(harness.SANITIZED, "a sanitizer's own tables are larger")
    def test_little_address_space(self):
        refused = 0
        for megabytes in (150, 200, 250, 300, 350, 400, 450, 500, 600, 700):
            bytes_max = megabytes << 20
            data = self.path(f"d{megabytes}")
            process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--socket", "", "--data", data],
                env=harness.clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=limited((resource.RLIMIT_AS, bytes_max, bytes_max)))
            ready = process.stdout.readline()
            if ready:
                process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
            if ready:
                self.assertEqual(process.returncode, 0, said)
                continue
            refused += 1
            self.assert_a_line(process.returncode, said.decode(errors="replace"))
        self.assertGreater(refused, 0)

    def test_few_threads(self):
        if os.getuid() != 0:
            user = os.getuid()
        else:
            user = 54321  # root has no such limit
            os.chmod(self.folder, 0o777)
        for threads in (1, 4, 8, 12):
            def apply():
                resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
                if os.getuid() != user:
                    os.setgid(user)
                    os.setuid(user)
            try:
                code, said = run_serve(["--data", self.path(f"t{threads}"), "--lanes", "8"],
                                       preexec=apply)
            except PermissionError:
                self.assertNotEqual(os.getuid(), user)  # the build folder is closed to others
                return
            self.assert_a_line(code, said)
            self.assertIn("thread", said)


class DataFolders(OwnServer):
    def test_others_files_are_refused(self):
        with open(self.path("passwd"), "w") as file:
            file.write("x")
        code, said = run_serve(["--data", self.folder])
        self.assertEqual(code, 1)
        self.assertIn("passwd", said)
        self.assertEqual(os.listdir(self.folder), ["passwd"])


class Environment(OwnServer):
    def test_names_of_others_warn_and_the_clients_are_silent(self):
        server = Server(env={"MILLRACE_SERVER": "http://x", "MILLRACE_URL": "http://x",
                             "MILLRACE_API_KEY": "k", "MILLRACE_COLOUR": "blue"})
        self.serve(server)
        said = server.log()
        self.assertIn("MILLRACE_COLOUR", said)
        self.assertNotIn("MILLRACE_URL", said)
        server.stop()

    def test_a_wrong_key_of_a_section_is_refused(self):
        code, said = run_serve(["--data", self.path("d")], env={"MILLRACE_HTTP_LISTNE": "x"})
        self.assertEqual(code, 2)
        self.assertIn("MILLRACE_HTTP_LISTEN", said)

    def test_dead_keys_are_gone(self):
        code, said = run_serve(["--data", self.path("d"), "--set", "http.request_timeout=1s"])
        self.assertEqual(code, 2)
        self.assertIn("http.request_timeout", said)

    def test_a_batch_over_the_setting_is_refused(self):
        server = self.serve(Server(["--set", "events.batch_events_max=3"]))
        lines = "".join('{"pattern":"a"}\n' for _ in range(4))
        reply = server.post("/v2/events", lines, content_type="application/x-ndjson")
        self.assertEqual(reply.status, 413, reply)
        self.assertIn("events.batch_events_max 3", reply.json()["error"]["message"])
        reply = server.post("/v2/events", lines[:-16], content_type="application/x-ndjson")
        self.assertEqual(reply.status, 202, reply)
        # Each refused entry is told in the answer, so that they count as well.
        for three in ("{\n" * 3, '{"pattern":"a"}\n{\n5\n'):
            for sent, status in ((three, {202, 400}), (three + "5\n", {413})):
                reply = server.post("/v2/events", sent, content_type="application/x-ndjson")
                self.assertIn(reply.status, status, (sent, reply))
        for sent, status in (("[5,5,5]", {202, 400}), ("[5,5,5,5]", {413})):
            reply = server.post("/v2/events", sent, content_type="application/cloudevents-batch+json")
            self.assertIn(reply.status, status, (sent, reply))
        server.stop()

    # A lane that may hold one delivery only: the others wait in the log, none is lost.
    def test_a_short_queue_loses_nothing(self):
        server = self.serve(Server(env={"EVENT_BUFFER_SIZE": "1"}))
        script = server.create_script("return function(e) sdk.kv.incr('n') end")
        server.subscribe("a", script)
        for _ in range(20):
            lines = "".join('{"pattern":"a"}\n' for _ in range(50))
            self.assertEqual(server.post("/v2/events?ids=0", lines,
                                         content_type="application/x-ndjson").status, 202)
        wait_until("all of them", lambda: server.metric("script_events_processed_total") == 1000)
        server.stop()

    def test_the_backend_can_be_chosen(self):
        server = self.serve(Server(["--set", "io.backend=epoll"]))
        server.send_event("a")
        server.stop()


class Signals(OwnServer):
    def test_none_ends_it_without_a_drain(self):
        server = self.serve(Server())
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGPIPE):
            server.signal(number)
        wait_until("the reload", lambda: "reload" in server.log())
        server.send_event("a")
        server.signal(signal.SIGQUIT)
        self.assertEqual(server.wait(), 0)
        self.assertIn("stopped", server.log())

    def test_hangup_reads_the_configuration_again(self):
        config = self.path("millrace.toml")
        with open(config, "w") as file:
            file.write("[log]\nlevel = \"info\"\n")
        server = self.serve(Server(["--config", config]))
        with open(config, "w") as file:
            file.write("[log]\nlevel = \"warn\"\n[http]\nbody_bytes_max = \"1MiB\"\n")
        server.signal(signal.SIGHUP)
        wait_until("what it would change", lambda: "http.body_bytes_max" in server.log())
        with open(config, "w") as file:
            file.write("[http]\nnonsense = 1\n")
        server.signal(signal.SIGHUP)
        wait_until("the refusal", lambda: "nonsense" in server.log())
        server.send_event("a")
        server.stop()
        self.assertNotIn("\"stopped\"", server.log(), "only warnings are logged by now")


class Lines(OwnServer):
    def test_a_recovery_is_told_and_a_clean_start_says_nothing(self):
        server = self.serve(Server())
        server.stop()
        server.start()
        self.assertNotIn("recovered", server.log())
        pid = server.process.pid
        server.send_event("a")
        server.kill()
        server.start()
        lines = [json.loads(l) for l in server.log().splitlines() if "recovered" in l]
        self.assertEqual([l["process"] for l in lines], [str(pid)])
        server.stop()

    def test_text_for_people(self):
        server = self.serve(Server(["--set", "log.format=text"]))
        server.stop()
        self.assertRegex(server.log(), r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info  stopped$")


if __name__ == "__main__":
    harness.main()
