#!/usr/bin/env python3
"""Goal: a server keeps what it may take of memory: its parts are told their shares, what is too little
is refused, clients that sleep take no more than their room, and when next to nothing is left events get
503 with Retry-After until there is room.
What the system refuses while it runs ends it with a line, and nothing acknowledged is lost.
Method: servers with the profile `edge` and small limits, and clients that stop in the middle."""
import http.client
import json
import os
import re
import resource
import socket
import subprocess
import tempfile
import unittest

import harness
from harness import BINARY, Server, wait_until

MIB = 1 << 20


def run(*args):
    done = subprocess.run([BINARY, *args], env=harness.clean_environment(), capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout, done.stderr


class Shares(unittest.TestCase):
    def start(self, *args):
        server = Server(["--profile", "edge", *args], shards=1)
        self.addCleanup(server.close)
        return server.start()

    def test_a_profile_is_told_and_what_is_named_stands_above_it(self):
        code, out, said = run("config", "show", "--profile", "edge", "--lanes", "2", "-o", "json")
        self.assertEqual(code, 0, said)
        items = {item["key"]: item for item in json.loads(out)["items"]}
        self.assertEqual((items["profile"]["value"], items["profile"]["from"]), ("edge", "flag"))
        self.assertEqual((items["memory.max"]["value"], items["memory.max"]["from"]),
                         (str(64 * MIB), "profile"))
        self.assertEqual((items["engine.lanes"]["value"], items["engine.lanes"]["from"]), ("2", "flag"))
        self.assertEqual(items["http.listen"]["from"], "default")

    def test_the_shares_are_shown_before_a_start_and_while_it_runs(self):
        code, out, said = run("config", "show", "--memory", "--profile", "edge", "-o", "json")
        self.assertEqual(code, 0, said)
        told = json.loads(out)
        self.assertEqual((told["limitBytes"], told["from"]), (64 * MIB, "memory.max"))
        self.assertEqual(sum(told["shares"].values()), 64 * MIB)
        server = self.start()
        memory = server.get("/v2/stats").json()["memory"]
        self.assertEqual(memory["shares"], told["shares"])
        self.assertEqual((memory["limitBytes"], memory["level"]), (64 * MIB, "calm"))
        self.assertLess(memory["heldBytes"], 32 * MIB)
        self.assertEqual(server.metric("millrace_memory_limit_bytes"), 64 * MIB)
        self.assertIn("memory is shared out", server.log())
        server.stop()

    def test_a_body_beyond_its_share_is_refused_and_the_largest_event_fits(self):
        server = self.start()
        event = {"pattern": "big", "payload": {"text": "x" * (MIB - 200)}}
        self.assertEqual(server.post("/v2/events", event).status, 202)
        reply = server.post("/v2/events", b"[" + b" " * (3 * MIB) + b"]")
        self.assertEqual(reply.status, 413, reply)
        self.assertIn("http.body_bytes_max", reply.json()["error"]["message"])
        server.stop()

    def test_too_little_is_refused_with_what_helps(self):
        with tempfile.TemporaryDirectory(prefix="millrace-memory-") as folder:
            code, _, said = run("serve", "--listen", "127.0.0.1:0", "--socket", "", "--data", folder,
                                "--profile", "edge", "--set", "memory.max=32MiB")
        self.assertEqual(code, 1, said)
        self.assertIn("memory.max", said)
        code, _, said = run("config", "check", "--profile", "edge", "--set", "memory.max=32MiB")
        self.assertEqual(code, 1, said)
        self.assertIn("memory.max", said)

    def test_without_a_limit_nothing_is_shared_out(self):
        server = Server(shards=1)
        self.addCleanup(server.close)
        server.start()
        memory = server.get("/v2/stats").json()["memory"]
        if memory["limitBytes"] is not None:
            self.skipTest("this runs in a control group with a limit")
        self.assertEqual(set(memory), {"heldBytes", "limitBytes"})
        server.stop()


class Shortage(unittest.TestCase):
    def test_events_are_refused_until_there_is_room(self):
        server = Server(["--profile", "edge"], shards=1)
        self.addCleanup(server.close)
        server.start()
        # What is registered has no share.
        scripts, event = [], {"pattern": "a", "payload": {}}
        while (reply := server.post("/v2/events", event)).status == 202:
            made = server.post("/v2/scripts", {"source": "return 1 --" + "x" * (900 << 10)})
            self.assertEqual(made.status, 201, made)
            scripts.append(made.json()["id"])
            self.assertLess(len(scripts), 100)
        self.assertEqual(reply.status, 503, reply)
        self.assertGreaterEqual(server.metric("millrace_memory_short_total"), 1)
        self.assertTrue(re.fullmatch(r"[1-9]\d*", reply.headers["retry-after"]))
        self.assertIn("memory is short", reply.json()["error"]["message"])
        self.assertEqual(server.get("/healthz").status, 200)
        for script in scripts:
            self.assertEqual(server.request("DELETE", f"/v2/scripts/{script}").status, 200)
        wait_until("room again", lambda: server.post("/v2/events", {"pattern": "a", "payload": {}})
                   .status == 202)
        self.assertIn("memory again", server.log())
        server.stop()


class Clients(unittest.TestCase):
    """Clients that sleep in the middle of something take the room that there is for it, and no more."""

    def start(self):
        server = Server(["--profile", "edge"], shards=1)
        self.addCleanup(server.close)
        server.start()
        self.server, self.held = server, []
        self.addCleanup(lambda: [one.close() for one in self.held])
        return server

    def address(self, key):
        host, port = self.server.ready[key].rsplit(":", 1)
        return host, int(port)

    def connect(self, key, text):
        connection = socket.create_connection(self.address(key), timeout=30)
        self.held.append(connection)
        connection.sendall(text)
        return connection

    def check_calm(self):
        server = self.server
        self.assertEqual(server.get("/v2/stats").json()["memory"]["level"], "calm")
        self.assertEqual(server.metric("millrace_memory_short_total"), 0)
        self.assertEqual(server.post("/v2/events", {"pattern": "a", "payload": {}}).status, 202)
        server.stop()

    def test_half_lines(self):
        server = self.start()
        for _ in range(24):
            host = socket.create_connection(self.address("socket"), timeout=30)
            self.held.append(host)
            host.setblocking(False)
            try:
                host.sendall(b'{"pattern":"a","payload":"' + b"x" * (300 << 10))
            except BlockingIOError:
                pass  # it is not read on while there is no room
        self.assertLess(server.get("/v2/stats").json()["memory"]["heldBytes"], 40 * MIB)
        # One that goes on gets through beside them, a large line too.
        sender = socket.create_connection(self.address("socket"), timeout=60)
        self.held.append(sender)
        sender.sendall(b'{"pattern":"a","payload":"' + b"x" * (300 << 10) + b'"}\n{"pattern":"a"}\n')
        told = b""
        while b'"ack":2' not in told:
            more = sender.recv(4096)
            self.assertTrue(more, told)
            told += more
        self.check_calm()

    def test_streams_that_nobody_reads(self):
        server = self.start()
        text = "x" * (300 << 10)
        for n in range(8):
            self.assertEqual(server.post("/v2/events", {"eventId": f"e{n}", "pattern": "big",
                                                        "payload": {"n": n, "text": text}}).status, 202)
        for _ in range(100):
            self.connect("http", b"GET /v2/events/stream?from=beginning&pattern=big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        # Whoever reads is told everything, in its order.
        reader = self.connect("http", b"GET /v2/events/stream?from=beginning&pattern=big HTTP/1.1\r\n"
                                      b"Host: localhost\r\nConnection: close\r\n\r\n")
        reader.settimeout(60)
        got = b""
        while got.count(b'"eventId": "e7"') == 0:
            more = reader.recv(1 << 16)
            self.assertTrue(more, got[-300:])
            got += more
        places = [got.index(b'"eventId": "e%d"' % n) for n in range(8)]
        self.assertEqual(places, sorted(places))
        self.assertLess(server.get("/v2/stats").json()["memory"]["heldBytes"], 45 * MIB)
        self.check_calm()

    def test_half_heads(self):
        self.start()
        for _ in range(600):
            self.connect("http", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 12_000)
        self.assertLess(self.server.get("/v2/stats").json()["memory"]["heldBytes"], 40 * MIB)
        self.check_calm()


class RefusedBySystem(unittest.TestCase):
    def test_the_end_is_a_line_and_what_was_acknowledged_is_there(self):
        server = Server(shards=1)
        self.addCleanup(server.close)
        server.start()
        with open(f"/proc/{server.process.pid}/statm") as file:
            pages = int(file.read().split()[0])
        most = pages * resource.getpagesize() + 20 * MIB
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (most, most))
        body = "".join(json.dumps({"pattern": "a", "payload": {"text": os.urandom(500).hex()}}) + "\n"
                       for _ in range(1000))
        taken = 0
        try:
            for _ in range(400):
                reply = server.post("/v2/events?ids=0", body, content_type="application/x-ndjson")
                self.assertEqual(reply.status, 202, reply)
                taken += 1000
            self.fail("nothing was refused")
        except (ConnectionError, http.client.HTTPException):
            pass
        self.assertEqual(server.wait(), 70)
        said = server.log()
        self.assertIn("out of memory: the system refuses more", said)
        for word in ("terminate", "impossible state", "what():", "Assertion"):
            self.assertNotIn(word, said)
        server.start()
        self.assertGreaterEqual(server.get("/v2/stats").json()["events"]["kept"], taken)
        server.stop()

    def taken_until(self, server, limit, rounds=60):
        """Sends under a limit that the process meets by and by; how many were acknowledged, and whether it lives."""
        body = "".join(json.dumps({"pattern": "a", "payload": {"text": os.urandom(500).hex()}}) + "\n"
                       for _ in range(1000))
        taken, held = 0, []
        resource.prlimit(server.process.pid, *limit)
        try:
            for _ in range(rounds):
                host, port = server.ready["http"].rsplit(":", 1)
                for _ in range(4):
                    held.append(socket.create_connection((host, int(port)), timeout=5))
                reply = server.post("/v2/events?ids=0", body, content_type="application/x-ndjson")
                taken += 1000 if reply.status == 202 else 0
        except (OSError, http.client.HTTPException):
            pass
        for one in held:
            one.close()
        return taken

    def check_clean(self, server, taken):
        """Alive, or ended with a line; either way what was acknowledged is there."""
        if server.process.poll() is not None or not self.answers(server):
            self.assertEqual(server.wait(), 70, server.log())
        else:
            server.stop()
        said = server.log()
        for word in ("terminate", "impossible state", "what():", "Assertion"):
            self.assertNotIn(word, said)
        server.start()
        self.assertGreaterEqual(server.get("/v2/stats").json()["events"]["kept"], taken)
        server.stop()

    @staticmethod
    def answers(server):
        try:
            return server.get("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return server.process.poll() is None

    def test_no_descriptor_while_it_runs(self):
        server = Server(shards=1)
        self.addCleanup(server.close)
        server.start()
        pid = server.process.pid
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        open_now = len(os.listdir(f"/proc/{pid}/fd"))
        taken = self.taken_until(server, (resource.RLIMIT_NOFILE, (open_now + 8, usual[1])))
        if server.process.poll() is None:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        self.assertGreater(taken, 0)
        self.check_clean(server, taken)


if __name__ == "__main__":
    unittest.main()
