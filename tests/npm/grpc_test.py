#!/usr/bin/env python3
"""Goal: @grpc/grpc-js publishes and subscribes, comes back without a gap over a crash, and one of its readers that
sleeps holds up nobody.
Method: `npm ci` of the locked packages into a folder that goes again, and grpc_judge.mjs beside the built binary.
Slow and needs a registry: not among the tests of tools/test.

    MILLRACE_BINARY=build/release/tools/millrace tests/npm/grpc_test.py
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402

PROTO = os.path.join(HERE, "..", "..", "tools", "clients", "proto")


class Grpc(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="millrace-npm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        for name in ("package.json", "package-lock.json", "grpc_judge.mjs"):
            shutil.copy(os.path.join(HERE, name), cls.folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                       cwd=cls.folder, check=True, timeout=300)

    def judge(self, what, *args):
        done = subprocess.run(["node", "grpc_judge.mjs", what, self.server.ready["http"], PROTO, *map(str, args)],
                              cwd=self.folder, capture_output=True, encoding="utf-8", timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_it_follows_what_it_publishes(self):
        pattern = self.unique("js.")
        found = self.judge("follow", pattern, 2000)
        self.assertEqual(found["indices"], list(range(2000)))
        self.assertEqual({o["duplicate"] for o in found["outcomes"]}, {False})
        self.assertEqual([e["n"] for e in found["events"]], list(range(2000)))
        self.assertEqual([e["n"] for e in found["again"]], list(range(1000, 2000)))

    def test_it_goes_on_behind_a_crash(self):
        pattern = self.unique("crash.")
        for n in range(6):
            self.server.send_event(pattern, {"n": n}, partitionKey="k")
        first = self.judge("resume", pattern, 3, "beginning")["events"]
        self.server.kill()
        self.server.start()
        rest = self.judge("resume", pattern, 3, first[-1]["position"])["events"]
        self.assertEqual([e["n"] for e in first + rest], list(range(6)))

    def test_mistakes(self):
        self.assertEqual(self.judge("mistakes", self.unique()), {
            "filter": "INVALID_ARGUMENT", "deadline": "DEADLINE_EXCEEDED", "large": "RESOURCE_EXHAUSTED", "gzip": 1})

    def test_who_sleeps_holds_up_nobody(self):
        found = self.judge("asleep", self.unique("sleep."), 3000)
        self.assertEqual(found["awake"], list(range(3000)))
        self.assertEqual(found["late"], list(range(3000)))


if __name__ == "__main__":
    harness.main()
