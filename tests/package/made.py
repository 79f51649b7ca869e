"""What the suites here begin with: root, a folder that is gone at the end, and tools/package on the built
program."""
import os
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BINARY = os.path.abspath(os.environ.get(
    "MILLRACE_BINARY", os.path.join(ROOT, "build", "release", "tools", "millrace")))


class Suite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.getuid() != 0:
            raise AssertionError("root is needed: what is made is tried in a root of its own")
        cls.folder = tempfile.mkdtemp(prefix="millrace-package-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)

    @classmethod
    def make(cls, kind, *options, version=None):
        """The paths that tools/package prints."""
        environment = dict(os.environ, **({"MILLRACE_PACKAGE_VERSION": version} if version else {}))
        made = subprocess.run([os.path.join(ROOT, "tools", "package"), kind, "--binary", BINARY, "--out", cls.folder,
                               *options], env=environment, stdout=subprocess.PIPE, timeout=1200)
        if made.returncode != 0:
            raise AssertionError("tools/package failed; what it said is above")
        return made.stdout.decode().split()
