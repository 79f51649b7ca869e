#!/usr/bin/env python3
"""Goal: whoever copies the lines of README.md gets what they promise.
Method: the lines of the quick start and of the four uses are run by a shell, in their order, in a folder of
their own, against one server; what builds, installs, runs for minutes or never ends is left out by its name.
"""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md")
LEFT_OUT = ("tools/", "sudo ", "podman ", "alias ", "millrace bench", "millrace torture", "millrace health && man", "millrace stats --watch")


def blocks(text):
    """Each indented block, with the line of text before it."""
    before, block, found = "", [], []
    for line in text.split("\n") + [""]:
        if line.startswith("    "):
            block.append(line[4:])
        elif block and not line.strip():
            continue
        else:
            if block:
                found.append((before, block))
            block = []
            before = line
    return found


def runs(line):
    command = re.sub(r"\s+#.*$", "", line).strip()
    return command if command and not command.startswith(("#",) + LEFT_OUT) else ""


class Readme(harness.ServerCase):
    ARGS = ["--set", "links.file_allow=/tmp"]

    def test_its_lines_do_what_they_say(self):
        with open(README) as file:
            text = file.read()
        start = text.split("## Quick start")[1].split("## What it does")[0]
        lines = [command for _, block in blocks(start) for command in map(runs, block) if command]
        self.assertGreater(len(lines), 20)
        folder = tempfile.mkdtemp(prefix="millrace-readme-")
        self.addCleanup(shutil.rmtree, folder, True)
        os.symlink(os.path.abspath(harness.BINARY), os.path.join(folder, "millrace"))
        address = self.server.ready["http"]
        environment = harness.clean_environment({
            "MILLRACE_SERVER": address, "MILLRACE_CONTEXTS_FILE": os.path.join(folder, "contexts.json"),
            "PATH": folder + os.pathsep + os.environ["PATH"]})
        for line in lines:
            command = line.replace("localhost:7070", address)
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=120)
            # What is compared may differ: that is what it is for.
            well = (0, 1) if line.startswith("millrace replay diff") else (0,)
            self.assertIn(done.returncode, well, (line, done.stdout, done.stderr))
            self.assertNotIn("error:", done.stderr, line)


if __name__ == "__main__":
    unittest.main()
