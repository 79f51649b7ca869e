#!/usr/bin/env python3
"""Goal: the demo on real GitHub webhooks ends by itself with every number in agreement.
Method: runs tools/demo; the npm package is kept in the build folder between runs."""
import os
import subprocess
import sys
import unittest

import harness

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Demo(unittest.TestCase):
    def test_every_number_agrees(self):
        done = subprocess.run(
            [sys.executable, os.path.join(ROOT, "tools", "demo"), "--binary", harness.BINARY],
            capture_output=True, text=True, timeout=550, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("every number agrees", done.stdout)
        self.assertNotIn("DIFFERENT", done.stdout)


if __name__ == "__main__":
    unittest.main()
