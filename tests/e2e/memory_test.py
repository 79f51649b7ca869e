#!/usr/bin/env python3
"""Goal: a server keeps what it may take of memory: its parts are told their shares, what is too little
is refused, and when next to nothing is left events get 503 with Retry-After until there is room.
What the system refuses while it runs ends it with a line, and nothing acknowledged is lost.
Method: servers with the profile `edge` and small limits; memory is held by lines that never end."""
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
        server = Server(["--profile", "edge", "--set", "socket.connections_max=128"], shards=1)
        self.addCleanup(server.close)
        server.start()
        host, port = server.ready["socket"].rsplit(":", 1)
        held = []
        try:
            for _ in range(60):
                connection = socket.create_connection((host, int(port)), timeout=30)
                held.append(connection)
                connection.sendall(b'{"pattern":"a","payload":"' + b"x" * (1000 << 10))
            wait_until("the shortage", lambda: server.metric("millrace_memory_short_total") >= 1)
            reply = server.post("/v2/events", {"pattern": "a", "payload": {}})
            self.assertEqual(reply.status, 503, reply)
            self.assertTrue(re.fullmatch(r"[1-9]\d*", reply.headers["retry-after"]))
            self.assertIn("memory is short", reply.json()["error"]["message"])
            self.assertEqual(server.get("/v2/stats").json()["memory"]["level"], "short")
            self.assertEqual(server.get("/healthz").status, 200)
        finally:
            for connection in held:
                connection.close()
        wait_until("room again", lambda: server.post("/v2/events", {"pattern": "a", "payload": {}})
                   .status == 202)
        self.assertIn("memory again", server.log())
        server.stop()


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


if __name__ == "__main__":
    unittest.main()
