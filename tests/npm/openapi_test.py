#!/usr/bin/env python3
"""Goal: /openapi.json is one for those who check and use such documents: @redocly/cli finds nothing wrong in it,
openapi-typescript makes types of it.
Method: `npx` of two versions into a cache that goes again. Slow and needs a registry: not among the tests of
tools/test.

    MILLRACE_BINARY=build/release/tools/millrace tests/npm/openapi_test.py
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

REDOCLY = "@redocly/cli@2.77.0"
TYPES = "openapi-typescript@7.13.0"
# What its recommended rules ask for beyond the standard, and is not so here by choice.
RULES = {"extends": ["recommended"], "rules": {
    "info-license": "off", "operation-4xx-response": "off", "operation-2xx-response": "off", "no-server-example.com": "off",
    "security-defined": "off", "tag-description": "off", "operation-summary": "error", "operation-operationId-unique": "error"}}


class OpenApi(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="millrace-npm-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        with open(os.path.join(cls.folder, "openapi.json"), "wb") as file:
            file.write(cls.server.get("/openapi.json").body)
        with open(os.path.join(cls.folder, "redocly.yaml"), "w") as file:
            json.dump(RULES, file)

    def npx(self, package, *args):
        return subprocess.run(["npx", "--yes", "--cache", os.path.join(self.folder, "cache"), package, *args], cwd=self.folder,
                              capture_output=True, text=True, timeout=600,
                              env=dict(os.environ, REDOCLY_TELEMETRY="off", NO_UPDATE_NOTIFIER="1"))

    def test_redocly_finds_nothing_wrong(self):
        done = self.npx(REDOCLY, "lint", "openapi.json", "--format=json", "--max-problems=50")
        found = json.loads(done.stdout[done.stdout.index("{"):])
        self.assertEqual(found["totals"]["errors"], 0, [one["message"] for one in found["problems"] if one["severity"] == "error"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_types_are_made_of_it(self):
        done = self.npx(TYPES, "openapi.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("Subscription", "Event", "DeadLetter", "WorkflowRun"):
            self.assertIn(f"{name}: ", done.stdout)


if __name__ == "__main__":
    unittest.main()
