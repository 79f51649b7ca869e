"""`millrace torture`: servers of the binary itself are killed under load, a verdict is printed, nothing is left."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness


class TortureTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def torture(self, *arguments):
        return subprocess.run([harness.BINARY, "torture", "--data", self.folder, *arguments], capture_output=True,
                              text=True, timeout=240, env=harness.clean_environment())

    def test_a_short_run_keeps_every_promise_and_leaves_nothing(self):
        run = self.torture("--seconds", "5", "--seed", "7", "--output", "json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        verdict = json.loads(run.stdout)
        self.assertTrue(verdict["ok"], verdict)
        self.assertTrue(verdict["verified"], verdict)
        self.assertGreaterEqual(verdict["kills"], 1)
        self.assertGreater(verdict["acknowledged"], 0)
        self.assertEqual([verdict[k] for k in ("lost", "twice", "changed", "outOfOrder", "unknownAgain",
                                               "effectsMissing", "effectsExtra", "unanswered")], [0] * 8)
        self.assertEqual(os.listdir(self.folder), [])

    def test_people_get_a_table_and_the_verdict_in_words(self):
        run = self.torture("--seconds", "1")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("every promise was kept", run.stdout)
        self.assertIn("acknowledged and lost", run.stdout)

    def test_a_folder_that_can_not_be_used_is_told(self):
        run = subprocess.run([harness.BINARY, "torture", "--data", os.path.join(harness.BINARY, "none")],
                             capture_output=True, text=True, timeout=60, env=harness.clean_environment())
        self.assertEqual(run.returncode, 1)
        self.assertIn("no folder can be made", run.stderr)
        self.assertIn("Not a directory", run.stderr)

    def test_a_server_that_can_not_begin_breaks_no_promise(self):
        # Without room for one more file the server refuses to start.
        limit = ["prlimit", "--nofile=8"]
        run = subprocess.run([*limit, harness.BINARY, "torture", "--data", self.folder, "--seconds", "1"],
                             capture_output=True, text=True, timeout=60, env=harness.clean_environment())
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        self.assertIn("could not begin: the server refused to start", run.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_signal_ends_it_and_no_promise_is_called_broken(self):
        for number, output in ((signal.SIGINT, "json"), (signal.SIGTERM, "table")):
            run = subprocess.Popen([harness.BINARY, "torture", "--data", self.folder, "--minutes", "30",
                                    "--output", output], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True, env=harness.clean_environment())
            harness.wait_until("its folder", lambda: any(os.listdir(os.path.join(self.folder, name))
                                                         for name in os.listdir(self.folder)))
            os.killpg(run.pid, number)  # as a terminal does it
            out, err = run.communicate(timeout=120)
            self.assertEqual(run.returncode, 1, out + err)
            self.assertIn("stopped", out)
            self.assertNotIn("BROKEN", out)
            if output == "json":
                self.assertTrue(json.loads(out)["stopped"])
            self.assertEqual(os.listdir(self.folder), [])

    def test_usage_is_2(self):
        self.assertEqual(self.torture("--minutes", "never").returncode, 2)


if __name__ == "__main__":
    unittest.main()
