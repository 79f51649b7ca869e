#!/usr/bin/env python3
"""Goal: a service manager hears how the server is: that it is ready, reads its settings again, ends,
and lives; it hears nothing more of a server whose threads do not come back.
Method: a socket of the test's own in the place of the manager's ($NOTIFY_SOCKET)."""
import ctypes
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest

import harness
from harness import Server, wait_until

WATCHDOG_SECONDS = 1.5
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


def hold_thread(thread):
    """Stops one thread alone, as a lock that is never released would. Returns what lets it go on."""
    libc = ctypes.CDLL(None, use_errno=True)

    def trace(request):
        if libc.ptrace(request, thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")

    trace(PTRACE_SEIZE)
    trace(PTRACE_INTERRUPT)
    os.waitpid(thread, WALL)
    return lambda: trace(PTRACE_DETACH)


class Manager:
    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        while True:
            try:
                self.heard.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def wait_for(self, word):
        wait_until(word, lambda: any(word in text.split("\n") for text in self.listen()))

    def count(self, word):
        return sum(word in text.split("\n") for text in self.listen())

    def environment(self, watchdog=True):
        told = {"NOTIFY_SOCKET": self.name}
        if watchdog:
            told["WATCHDOG_USEC"] = str(int(WATCHDOG_SECONDS * 1e6))
        return told


class Service(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-service-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.manager = Manager(os.path.join(self.folder, "notify"))
        self.addCleanup(self.manager.socket.close)

    def serve(self, manager=None, watchdog=True):
        server = Server(["--lanes", "1"], shards=1,
                        env=(manager or self.manager).environment(watchdog))
        self.addCleanup(server.close)
        return server.start()

    def test_a_life_in_the_managers_words(self):
        server = self.serve()
        self.manager.wait_for("READY=1")
        self.assertIn(f"STATUS=serving {server.host}:{server.port}", "\n".join(self.manager.heard))
        wait_until("three signs of life", lambda: self.manager.count("WATCHDOG=1") >= 3)
        server.signal(signal.SIGHUP)
        wait_until("the reload's end", lambda: self.manager.count("READY=1") == 2)
        words = [text.split("\n")[0] for text in self.manager.heard if "WATCHDOG" not in text]
        self.assertEqual(words, ["READY=1", "RELOADING=1", "READY=1"])
        reloading = [text for text in self.manager.heard if text.startswith("RELOADING")][0]
        self.assertRegex(reloading, r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        server.stop()
        self.assertEqual(self.manager.count("STOPPING=1"), 1)
        # A drain of 30 s and the closing of the store have their time.
        extended = [text for text in self.manager.heard if text.startswith("EXTEND")][-1]
        self.assertGreater(int(extended.split("\n")[0].split("=")[1]), 30_000_000)

    def test_without_a_watchdog_no_sign_of_life(self):
        manager = Manager(f"@millrace-service-{os.getpid()}")
        self.addCleanup(manager.socket.close)
        server = self.serve(manager, watchdog=False)
        manager.wait_for("READY=1")
        time.sleep(WATCHDOG_SECONDS)  # of nothing: there is no event to wait for
        server.stop()
        self.assertEqual(manager.count("WATCHDOG=1"), 0)

    def test_a_handler_in_its_time_is_no_hang(self):
        server = self.serve()
        server.hang(6 * WATCHDOG_SECONDS)
        before = self.manager.count("WATCHDOG=1")
        wait_until("signs of life beside it", lambda: self.manager.count("WATCHDOG=1") > before + 3)
        self.assertNotIn("does not come back", server.log())
        server.stop()

    def test_a_shard_that_hangs_is_told_and_no_sign_of_life_is_given(self):
        server = self.serve()
        self.manager.wait_for("WATCHDOG=1")
        let_go = hold_thread(self.thread_of(server, "shard-0"))
        try:
            wait_until("the line", lambda: "does not come back" in server.log())
            self.assertIn("shard-0", server.log())
            before = self.manager.count("WATCHDOG=1")
            time.sleep(WATCHDOG_SECONDS)
            self.assertEqual(self.manager.count("WATCHDOG=1"), before)
        finally:
            let_go()
        wait_until("life again", lambda: self.manager.count("WATCHDOG=1") > before)
        server.stop()

    def test_an_end_does_not_wait_for_an_expression_that_is_compiled(self):
        server = self.serve()
        script = server.create_script("return function() end")
        thread = self.thread_of(server, "compiler")
        hold_thread(thread)  # an expression that keeps Hyperscan busy for good
        answers = []
        asker = threading.Thread(target=lambda: answers.append(server.post("/v2/subscriptions", {
            "pattern": "x", "filters": {"a": {"regex": "^.{1,40}z1.{0,30}q$"}},
            "executor": {"type": "script", "scriptId": script}})))
        asker.start()
        self.assertEqual(server.get("/v2/subscriptions").status, 200, "others are answered")
        time.sleep(0.5)  # for the request to be where it waits
        self.assertEqual(answers, [])
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        asker.join(10)
        self.assertEqual([answer.status for answer in answers], [503])
        self.assertIn("shutting down", answers[0].json()["error"]["message"])
        wait_until("the thread's end", lambda: os.waitpid(thread, os.WNOHANG | WALL)[0] == thread)
        self.assertEqual(server.wait(), 0)
        self.assertLess(time.monotonic() - began, 10)
        self.assertIn("stopped", server.log())
        self.assertNotIn("drain timeout", server.log())

    def thread_of(self, server, name):
        tasks = f"/proc/{server.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/comm") as file:
                if file.read().strip() == name:
                    return int(task)
        self.fail(f"no thread {name}")


if __name__ == "__main__":
    harness.main()
