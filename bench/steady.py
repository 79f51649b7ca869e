#!/usr/bin/env python3
"""Does anything grow while everything stays the same?

Question: descriptors, threads and anonymous memory of a server under single events at a steady rate, with
retention and with subscriptions that come and go, minute by minute. Budget: flat, or a bound that it
reaches (ARCHITECTURE.md): the medians of the last two quarters of the run differ by less than 5 %.

    bench/steady.py [--seconds 600] [--rate 20000] [--keep-bytes 100000000] [--window 10]
"""
import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def look(pid):
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(fields["Threads"]),
            "anonymousMiB": round(int(fields["RssAnon"].split()[0]) / 1024, 1)}


def churn(ready, ended):
    """Twenty subscriptions a second come, half of them with a regex, and go again."""
    script = common.request(ready["http"], "POST", "/v2/scripts",
                            {"name": "churn", "source": "return function() return nil end"})["id"]
    kept = []
    for n in itertools.count():
        if ended.wait(0.05):
            return
        pattern = {"type": "regex", "value": f"^churn{n}\\..*"} if n % 2 else f"churn{n}.*"
        kept.append(common.request(ready["http"], "POST", "/v2/subscriptions",
                                   {"name": f"churn{n}", "pattern": pattern,
                                    "executor": {"type": "script", "scriptId": script}})["id"])
        if len(kept) > 100:
            common.request(ready["http"], "DELETE", "/v2/subscriptions/" + kept.pop(0))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--keep-bytes", type=int, default=100_000_000)
    parser.add_argument("--window", type=float, default=10)
    options = parser.parse_args()
    with common.millrace("--set", f"retention.bytes={options.keep_bytes}") as ready:
        pid = ready["process"].pid
        common.subscribe_hundred(ready["http"])
        ended = threading.Event()
        thread = threading.Thread(target=churn, args=(ready, ended))
        thread.start()
        load = subprocess.Popen(
            [common.LOADGEN, "--address", ready["http"], "--mode", "http-single", "--connections", "64",
             "--rate", str(options.rate), "--seconds", str(options.seconds)],
            stdout=subprocess.PIPE, text=True)
        rows = []
        while load.poll() is None:
            time.sleep(options.window)
            rows.append(look(pid))
            print(json.dumps(rows[-1]), flush=True)
        ended.set()
        thread.join()
        print(load.stdout.read().strip())
        load.stdout.close()
    quarter = max(1, len(rows) // 4)
    for what in rows[0]:
        third = statistics.median(row[what] for row in rows[2 * quarter:3 * quarter])
        last = statistics.median(row[what] for row in rows[3 * quarter:])
        print(f"{what}: third quarter {third}, last {last}, ratio {last / max(third, 1):.3f}")


if __name__ == "__main__":
    main()
