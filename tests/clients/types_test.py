"""Goal: the types of both clients are those of the server that is built.
Method: tools/clients/generate.py makes them anew of its /openapi.json; they are compared, and Python's are read.
"""
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.join(HERE, "..", "..", "tools", "clients")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
sys.path.insert(0, os.path.join(CLIENTS, "python"))

from harness import ServerCase  # noqa: E402


class TypesTest(ServerCase):
    def test_they_are_made_of_what_the_server_says(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, os.path.join(CLIENTS, "generate.py"), folder], check=True,
                           input=self.server.get("/openapi.json").body)
            for path in ("javascript/src/api.d.ts", "python/millrace_client/api.py"):
                with open(os.path.join(folder, path)) as made, open(os.path.join(CLIENTS, path)) as kept:
                    self.assertEqual(kept.read(), made.read(), "millrace openapi | tools/clients/generate.py")

    def test_python_reads_them(self):
        from millrace_client import api
        self.assertEqual(set(api.__all__), set(self.server.get("/openapi.json").json()["components"]["schemas"]))
        self.assertIn("eventId", api.Event.__annotations__)
        self.assertTrue({"id", "pattern"} <= set(api.Subscription.__annotations__))


if __name__ == "__main__":
    unittest.main()
