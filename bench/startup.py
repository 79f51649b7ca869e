#!/usr/bin/env python3
"""How fast the server starts with an empty store, and how much memory it keeps idle.

Question: from exec to the ready line, and resident memory a moment later, before any load and after a
few requests. Budget: < 100 ms, < 64 MiB.

    bench/startup.py [--rounds 9] [--data FOLDER --serve "--shards 1"] [--kill]

With --kill each server is ended with SIGKILL, so that the next one starts behind a crash.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_ms(pid):
    """CPU time of all threads so far: what start-up costs where others keep the machine busy."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as stat:
            total += int(stat.read().split()[0])
    return total / 1e6


def once(extra, data=None, kill=False):
    with tempfile.TemporaryDirectory(prefix="millrace-start-") as folder:
        command = [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0",
                   "--data", data or os.path.join(folder, "data"), *extra]
        with open(os.devnull, "wb") as nothing:
            began = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=nothing,
                                       env=common.clean_environment())
        try:
            ready = json.loads(process.stdout.readline())
            start_ms = (time.monotonic() - began) * 1000
            start_cpu_ms = cpu_ms(process.pid)
            time.sleep(0.5)
            idle = resident_mib(process.pid)
            for n in range(10):
                common.request(ready["http"], "POST", "/v2/events", {"pattern": "a.b", "payload": {"n": n}})
            used = resident_mib(process.pid)
            if kill:
                process.kill()
        finally:
            common.end(process)
            process.stdout.close()
        return start_ms, start_cpu_ms, idle, used


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", help="a folder that is there already, instead of an empty one")
    parser.add_argument("--serve", default="", help="more options for millrace serve")
    parser.add_argument("--kill", action="store_true", help="end each server with SIGKILL")
    options = parser.parse_args()
    runs = [once(options.serve.split(), options.data, options.kill) for _ in range(options.rounds)]
    for name, column, budget in (("start-up, ms", 0, 100), ("CPU until ready, ms", 1, 100),
                                 ("resident idle, MiB", 2, 64),
                                 ("resident after 10 events, MiB", 3, 64)):
        values = [run[column] for run in runs]
        print(f"{name:<32} median {common.median(values):7.1f}  ({min(values):.1f} .. {max(values):.1f})"
              f"  budget {budget}")


if __name__ == "__main__":
    main()
