#!/usr/bin/env python3
"""Goal: manual pages say what the program's own pages say, and roff takes none of it for its own.
Method: pages made of short texts; every page of the repository through groff, where it is installed."""
import glob
import os
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools", "packaging"))
sys.dont_write_bytecode = True
import man_pages  # noqa: E402


def body(markdown):
    page = man_pages.topic_page("t", "# Title\n" + markdown, "2026-01-01", "1.0")
    return page.split('.SH "DESCRIPTION"\n')[1].split('.SH "SEE ALSO"')[0]


class Markdown(unittest.TestCase):
    def test_what_roff_would_take_for_its_own(self):
        self.assertEqual(body("a-b \\n `c-d`"), ".PP\na\\-b \\en \\fBc\\-d\\fP\n")
        self.assertEqual(body("    .dot\n    'quote"),
                         ".PP\n.RS 4\n.nf\n\\&.dot\n\\&'quote\n.fi\n.RE\n")
        long = "word " * 19 + "word .dot"
        self.assertIn("\n\\&.dot", body(long))

    def test_a_table_is_a_list_with_the_heads_of_its_further_columns(self):
        page = body("| name | is | else |\n|---|---|---|\n| `a|b` | one | |\n| c | two. | x |\n")
        self.assertIn(".TP\n\\fBa|b\\fP\none.\n", page)
        self.assertIn(".TP\nc\ntwo. Else: x.\n", page)

    def test_code_keeps_its_lines(self):
        page = body("```lua\nif a then\n    b()\nend\n```\nafter")
        self.assertIn(".nf\nif a then\n    b()\nend\n.fi", page)
        self.assertTrue(page.endswith(".PP\nafter\n"))

    def test_commands_are_read_from_help(self):
        self.assertEqual(man_pages.commands_of("Usage\n\nSubcommands:\n  event, events\n"
                                               "           Events\n           and more\n"
                                               "  dlq      Letters\n\nRun: x\n  no   no"),
                         [("event, events", "Events and more"), ("dlq", "Letters")])


class Pages(unittest.TestCase):
    def test_groff_has_nothing_to_say(self):
        if not shutil.which("man"):
            self.skipTest("man-db is not installed")
        for path in glob.glob(os.path.join(ROOT, "tools", "help", "*.md")):
            with open(path) as file:
                page = man_pages.topic_page("t", file.read(), "2026-01-01", "1.0")
            ran = subprocess.run(["man", "--warnings", "-l", "-P", "cat", "-"], input=page.encode(),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8"))
            self.assertEqual(ran.stderr, b"", path)
            self.assertGreater(len(ran.stdout), 500, path)


if __name__ == "__main__":
    unittest.main()
