#!/usr/bin/env python3
"""How long a server takes until it is ready, in milliseconds, on an empty data folder: the middle of
five starts. The arguments run the program; DATA in them stands for a folder of its own.

    tools/packaging/start_time.py millrace serve --listen 127.0.0.1:0 --socket "" --data DATA
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

# A server refuses names that it does not know.
environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
took = []
for _ in range(5):
    folder = tempfile.mkdtemp(prefix="millrace-start-")
    began = time.monotonic()
    server = subprocess.Popen([word.replace("DATA", folder + "/data") for word in sys.argv[1:]],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    if not server.stdout.readline():
        sys.exit("the server did not start")
    took.append(time.monotonic() - began)
    server.terminate()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
print(round(sorted(took)[2] * 1000))
