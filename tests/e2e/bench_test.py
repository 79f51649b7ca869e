#!/usr/bin/env python3
"""Goal: `millrace bench` measures a server of its own or one that runs, says the truth, leaves nothing behind.
Method: short runs of the built binary; its figures against what the server itself counted."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import harness


def bench(*arguments):
    return subprocess.run([harness.BINARY, "bench", *arguments], capture_output=True, text=True, timeout=240,
                          env=harness.clean_environment())


class OwnServer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def test_programs_get_every_figure_and_nothing_is_left(self):
        run = bench("--data", self.folder, "--seconds", "0.5", "--connections", "8", "--batch", "50", "-o", "json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        found = json.loads(run.stdout)
        for part, events_a_request in (("single", 1), ("batch", 50)):
            figures = found[part]
            self.assertEqual(figures["failed"], 0)
            self.assertGreater(figures["requests"], 0)
            self.assertEqual(figures["events"], figures["requests"] * events_a_request)
            self.assertAlmostEqual(figures["eventsPerSecond"], figures["events"] / figures["seconds"], delta=1)
            self.assertTrue(0 < figures["p50Us"] <= figures["p99Us"] <= figures["maxUs"], figures)
        self.assertGreater(found["disk"]["syncsPerSecond"], 0)
        self.assertLessEqual(found["deliveredPerSecond"], found["batch"]["eventsPerSecond"] * 1.01)
        self.assertEqual((found["durability"], found["cores"]), ("fsync", os.cpu_count()))
        self.assertEqual(os.listdir(self.folder), [])

    def test_people_get_a_table(self):
        run = bench("--data", self.folder, "--seconds", "0.2", "--durability", "memory")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        for words in ("one event a request, 64 connections", "the disk alone", "durability memory"):
            self.assertIn(words, run.stdout)

    def test_events_may_have_partition_keys(self):
        run = bench("--data", self.folder, "--seconds", "0.3", "--keys", "7", "-o", "json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        found = json.loads(run.stdout)
        self.assertEqual((found["single"]["failed"], found["batch"]["failed"]), (0, 0))
        self.assertGreater(found["batch"]["events"], 0)

    def test_failures_are_told(self):
        run = bench("--data", os.path.join(harness.BINARY, "none"))
        self.assertEqual(run.returncode, 1)
        self.assertIn("no folder can be made", run.stderr)
        run = bench("--server", "127.0.0.1:1", "--seconds", "0.2")
        self.assertEqual(run.returncode, 1)
        self.assertIn("error:", run.stderr)
        for usage in (("--batch", "1"), ("--durability", "hope"), ("--nope",)):
            self.assertEqual(bench(*usage).returncode, 2)


class RunningServer(harness.ServerCase):
    def test_it_counts_what_the_server_counts_and_takes_its_handler_away(self):
        before = self.server.metric("scripts_events_received_total")
        run = bench("--server", self.server.ready["http"], "--seconds", "0.3", "--batch", "20", "-o", "json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        found = json.loads(run.stdout)
        taken = self.server.metric("scripts_events_received_total") - before
        self.assertEqual(taken, found["single"]["events"] + found["batch"]["events"])
        self.assertNotIn("disk", found)
        self.assertEqual(self.server.get("/v2/subscriptions").json()["items"], [])
        self.assertEqual(self.server.get("/v2/scripts").json()["items"], [])


if __name__ == "__main__":
    unittest.main()
