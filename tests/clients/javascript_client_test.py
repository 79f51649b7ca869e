"""Goal: the JavaScript client keeps its promises; see javascript_client.test.mjs.
Method: starts a server and runs Node's own test runner against it. Without Node 20 nothing is tested,
and that is said.
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import Server, clean_environment  # noqa: E402


def node():
    path = shutil.which("node")
    if not path:
        return None
    version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    return path if int(version.lstrip("v").split(".")[0] or 0) >= 20 else None


def main():
    path = node()
    if not path:
        print("skipped: Node 20 is not here")
        return 0
    server = Server(["--set", "http_client.allow=127.0.0.1"]).start()
    try:
        return subprocess.run(
            [path, "--test", os.path.join(HERE, "javascript_client.test.mjs")],
            env=clean_environment({"MILLRACE_URL": f"http://127.0.0.1:{server.port}"}),
            timeout=100).returncode
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
