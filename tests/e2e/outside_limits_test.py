#!/usr/bin/env python3
"""Goal: what lies outside can neither hold the server up nor fill it: receivers that drip, stream
without an end or redirect inwards, commands that write a lot or have many children, handlers that call
in a loop. Method: raw sockets that answer as badly as they can."""
import json
import os
import socket
import stat
import tempfile
import threading
import time
import unittest

import harness

ONCE = {"maxRetries": 0}
CROWD = """#!/usr/bin/python3
import resource, subprocess, sys, time
print(resource.getrlimit(resource.RLIMIT_NPROC)[0], flush=True)
for _ in range(200):
    subprocess.Popen(["/bin/sleep", "611"])
time.sleep(600)
"""
FLOOD = """#!/usr/bin/python3
import os
block = b"x" * (1 << 20)
for _ in range(300):
    os.write(1, block)
"""


class Bad:
    """Answers each connection by a function of its own; the path says which."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                got = connection.recv(65536)
                if not got:
                    return
                head += got
            path = head.split(b" ")[1].decode()
            self.seen.append(path)
            getattr(self, path.strip("/").split("?")[0])(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def drip(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    def drip_head(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            connection.sendall(b"y")
            time.sleep(0.05)

    def endless(self, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"z" * 0x10000 + b"\r\n"
        while True:
            connection.sendall(chunk)

    def inwards(self, connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n")

    def silent(self, connection):
        connection.recv(1)
        time.sleep(30)

    def no_http(self, connection):
        connection.sendall(b"SSH-2.0-nothing\r\n" * 1000)


class Limits(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.bad = Bad()
        cls.folder = tempfile.mkdtemp(prefix="millrace-limits-")
        os.chmod(cls.folder, 0o755)
        cls.paths = {}
        for name, text in (("crowd", CROWD), ("flood", FLOOD)):
            cls.paths[name] = os.path.join(cls.folder, name)
            with open(cls.paths[name], "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(cls.paths[name], stat.S_IRWXU | 0o055)
        cls.ARGS = ("--set", "http_client.allow=127.0.0.1",
                    "--set", "executors.command.allow=" + ",".join(cls.paths.values()))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.bad.socket.close()
        for path in cls.paths.values():
            os.unlink(path)
        os.rmdir(cls.folder)

    def deliver(self, executor, status="dead"):
        pattern = self.unique("bad.")
        reply = self.server.post("/v2/subscriptions", {"name": "b", "pattern": pattern, "retry": ONCE, "executor": executor})
        self.assertEqual(reply.status, 201, reply)
        self.server.send_event(pattern)
        return self.server.wait_executions(1, statuses=(status,), subscriptionId=reply.json()["id"])[0]

    def webhook(self, path, status="dead", timeout_ms=500):
        return self.deliver({"type": "webhook", "url": self.bad.url + path, "timeoutMs": timeout_ms}, status)

    def test_receivers_that_drip_or_say_nothing(self):
        for path in ("/drip_head", "/silent"):
            began = time.monotonic()
            self.assertIn("TIMEOUT", self.webhook(path)["attempts"][0]["error"])
            self.assertLess(time.monotonic() - began, 5)
        done = self.webhook("/drip")
        self.assertIn("TIMEOUT", done["attempts"][0]["error"])

    def test_an_answer_without_an_end_is_cut(self):
        memory = self.server_memory()
        done = self.webhook("/endless", "completed", 15_000)
        self.assertEqual(done["result"]["status"], 200)
        self.assertLessEqual(len(done["result"]["body"]), 4096)
        self.assertLess(self.server_memory() - memory, 32 << 20)

    def server_memory(self):
        with open(f"/proc/{self.server.ready['pid']}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_a_redirect_inwards_is_not_followed(self):
        self.assertIn("HTTP 302", self.webhook("/inwards")["attempts"][0]["error"])
        result = self.lua("local ok, e = pcall(sdk.http.get, '%s/inwards', {follow = 3}) return {ok, e.code}" % self.bad.url)
        self.assertEqual(result, [False, "BLOCKED"])

    def test_what_is_no_http(self):
        self.assertTrue(self.webhook("/no_http")["attempts"][0]["error"].startswith("CONNECT"))

    def lua(self, body, status=200, **members):
        script = self.server.create_script("return function() %s end" % body, type="api", **members)
        reply = self.server.post("/v2/script/run", {"scriptId": script})
        self.assertEqual(reply.status, status, reply)
        return reply.json().get("result")

    def test_scripts_are_told_by_codes(self):
        for path, code in (("/drip", "TIMEOUT"), ("/endless", "TOO_LARGE"), ("/silent", "TIMEOUT"), ("/no_http", "CONNECT")):
            self.assertEqual(self.lua("local ok, e = pcall(sdk.http.get, '%s%s', {timeoutMs = 400}) return {ok, e.code}"
                                      % (self.bad.url, path)), [False, code])

    def test_calls_in_a_loop_come_to_an_end(self):
        pattern, beside = self.unique("loop."), self.unique("beside.")
        loop = self.server.create_script("return function() while true do pcall(sdk.http.get, '%s/inwards') end end" % self.bad.url,
                                         timeoutMs=600)
        one = self.server.subscribe(pattern, loop, retry=ONCE)
        other = self.server.subscribe(beside, self.server.create_script("return function() return 1 end"))
        before = len(self.bad.seen)
        self.server.send_event(pattern)
        self.server.send_event(beside)
        dead = self.server.wait_executions(1, statuses=("dead",), subscriptionId=one)[0]
        self.assertIn("600 ms", dead["attempts"][0]["error"])
        self.assertLessEqual(len(self.bad.seen) - before, 20, "calls of an invocation")
        self.server.wait_executions(1, subscriptionId=other)

    def test_an_origin_that_says_nothing_holds_up_no_other(self):
        quiet, other = Bad(), Bad()
        script = self.server.create_script("return function() return sdk.http.get('%s/silent').status end" % quiet.url,
                                           timeoutMs=6000)
        for _ in range(2):  # 1,000 runs of a subscription wait at once
            pattern = self.unique("quiet.")
            self.server.subscribe(pattern, script, retry=ONCE)
            reply = self.server.post("/v2/events", [{"pattern": pattern, "payload": {}} for _ in range(600)])
            self.assertEqual(reply.status, 202, reply)
        harness.wait_until("as many calls as there may be", lambda: len(quiet.seen) >= 64)
        self.assertEqual(self.lua("return sdk.http.get('%s/inwards').status" % other.url, timeoutMs=3000), 302)
        self.assertEqual(len(quiet.seen), 64, "of one tenant to one origin")
        for bad in (quiet, other):
            bad.socket.close()

    def test_a_command_with_many_children_is_stopped_with_them(self):
        dead = self.deliver({"type": "command", "command": self.paths["crowd"], "timeoutMs": 2000})
        self.assertIn("stopped after 2000 ms", dead["attempts"][0]["error"])

        def sleepers():
            count = 0
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                        count += file.read().startswith("/bin/sleep\x00611\x00")
                except OSError:
                    pass
            return count
        harness.wait_until("the end of them all", lambda: sleepers() == 0)

    def test_a_command_that_writes_a_lot(self):
        memory = self.server_memory()
        done = self.deliver({"type": "command", "command": self.paths["flood"], "timeoutMs": 30_000}, "completed")
        self.assertLessEqual(len(json.dumps(done["result"])), (64 << 10) + 64)
        self.assertLess(self.server_memory() - memory, 32 << 20)


if __name__ == "__main__":
    unittest.main()
