#!/usr/bin/env python3
"""How quick the console is in a browser.

Questions: the first paint of a load that has nothing in a cache, on loopback, ms (the middle of seven);
and a live tail that gets so many events a second: how many arrive, whether the heap grows, how long
frames take.
Budgets: first paint 300 ms; 10,000 events/s for 60 s without growth, frames below 50 ms.
By hand: needs Debian's chromium, Node 20 and `npm ci` in tools/console.

    bench/console.py [--rate 10000] [--seconds 60]
"""
import argparse
import http.client
import os
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bench_common as common  # noqa: E402

BATCHES = 20  # a second


def send(address, rate, stop):
    """Batches at even times; one that is late is followed by the next at once."""
    size = rate // BATCHES
    body = "".join('{"pattern":"tail.%d","payload":{"n":%d,"who":"somebody"}}\n' % (n % 7, n) for n in range(size))
    connection = http.client.HTTPConnection(address, timeout=30)
    due = time.monotonic()
    while not stop.is_set():
        connection.request("POST", "/v2/events?ids=0", body, {"Content-Type": "application/x-ndjson"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:
            raise RuntimeError(f"{answer.status} to a batch")
        due += 1 / BATCHES
        time.sleep(max(0, due - time.monotonic()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    modules = os.path.join(HERE, "..", "tools", "console", "node_modules")
    chromium = shutil.which("chromium")
    if not chromium or not os.path.isdir(os.path.join(modules, "playwright-core")):
        sys.exit("chromium and `npm ci` in tools/console are needed")
    with common.millrace() as ready:
        environment = dict(os.environ, CONSOLE_URL="http://" + ready["http"], CONSOLE_MODULES=modules,
                           CONSOLE_SECONDS=str(options.seconds), CHROMIUM=chromium)
        browser = subprocess.Popen(["node", os.path.join(HERE, "console.mjs")], env=environment,
                                   stdout=subprocess.PIPE, text=True)
        stop = threading.Event()
        sender = threading.Thread(target=send, args=(ready["http"], options.rate, stop), daemon=True)
        for line in browser.stdout:
            if line.strip() == "send":
                sender.start()
            else:
                print(line, end="", flush=True)
        stop.set()
        sys.exit(browser.wait())


if __name__ == "__main__":
    main()
