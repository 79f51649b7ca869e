#!/usr/bin/env python3
"""Goal: the server takes the documents that the package graphql takes, its schema is one for it, and the
clients graphql-ws and graphql-sse follow it and come back without a gap.
Method: `npm ci` of the locked packages into a folder that goes again, and graphql_judge.mjs beside the
built binary. Slow and needs a registry: not among the tests of tools/test.

    MILLRACE_BINARY=build/release/tools/millrace tests/npm/graphql_test.py
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402

DOCUMENTS = int(os.environ.get("MILLRACE_DOCUMENTS", "5000"))
SEED = int(os.environ.get("MILLRACE_SEED", "1"))


class Graphql(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="millrace-npm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        for name in ("package.json", "package-lock.json", "graphql_judge.mjs"):
            shutil.copy(os.path.join(HERE, name), cls.folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                       cwd=cls.folder, check=True, timeout=300)

    def judge(self, *args):
        done = subprocess.run(["node", "graphql_judge.mjs", args[0], self.server.ready["http"], *map(str, args[1:])],
                              cwd=self.folder, capture_output=True, encoding="utf-8", timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_documents_are_taken_by_both_or_by_neither(self):
        found = self.judge("documents", DOCUMENTS, SEED)
        print(f"schema of {found['lines']} lines; {found['taken']} documents taken, {found['refused']} refused")
        self.assertEqual(found["wrong"], [])
        self.assertEqual(found["differ"], [])
        self.assertGreater(found["taken"], DOCUMENTS / 100)

    def test_clients_follow(self):
        for kind in ("sockets", "events"):
            pattern = self.unique(kind + ".")
            for n in range(4):
                self.server.send_event(pattern, {"n": n})
            found = self.judge(kind, pattern)
            self.assertEqual(found["events"], [0, 1, 2, 3])
            self.assertIn("position", found["query"])
            self.assertIn("color", found["mistake"])

    def test_a_sleeper_leaves_the_others_their_pace(self):
        found = self.judge("fanout", 1000)
        print(json.dumps(found))
        for name in ("awake", "oneAsleep"):
            self.assertEqual(found[name]["got"], found[name]["of"])
        self.assertLess(found["oneAsleep"]["p99"], 1.5 * found["awake"]["p99"] + 10)


if __name__ == "__main__":
    unittest.main()
