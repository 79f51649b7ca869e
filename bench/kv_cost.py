#!/usr/bin/env python3
"""What keeping kv's past costs handlers that write much of it.

Question: events per second through a handler that writes kv at each event, with store.kv_history at its
default and switched off, in turns; from the first event to the last one handled. Budget: 15 %.

    bench/kv_cost.py [--rounds 5] [--events 400000] [--folder /tmp]
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common
from smoothness import written_bytes

# The load generator counts in the id's last digits: 4096 keys.
KEY = "local k = string.sub(e.eventId, -3) "
HANDLERS = {
    "one counter": "return function(e) sdk.kv.incr('n') end",
    "a value a key": f"return function(e) {KEY} sdk.kv.set(k, {{amount = e.payload.amount, at = e.timestamp}}) end",
    "read, change, write": f"return function(e) {KEY} local v = sdk.kv.get(k) or {{sum = 0, last = ''}} "
                           "sdk.kv.set(k, {sum = v.sum + e.payload.amount, last = e.eventId}) end",
}


def once(options, source, history):
    with common.millrace("--set", f"store.kv_history={history}", folder=options.folder) as ready:
        script = common.request(ready["http"], "POST", "/v2/scripts", {
            "name": "kv", "type": "event", "source": source})["id"]
        common.request(ready["http"], "POST", "/v2/subscriptions", {
            "name": "kv", "pattern": "svc00.invoice.created", "executor": {"type": "script", "scriptId": script}})
        began = time.monotonic()
        common.load(ready["http"], "http-batch", batch=1000, connections=4, warmup=0, patterns=1,
                    events=options.events, seconds=60)
        while common.metric(ready["http"], "script_event_queue_size") > 0:
            time.sleep(0.005)
        took = time.monotonic() - began
        failed = common.request(ready["http"], "GET", "/v2/dlq")["items"]
        waiting = common.request(ready["http"], "GET", "/v2/retries")["items"]
        if failed or waiting:
            raise SystemExit(f"the handler failed: {(failed or waiting)[0]}")
        return options.events / took, written_bytes(ready["pid"]) / options.events


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--folder")
    options = parser.parse_args()
    for name, source in HANDLERS.items():
        rates = {"0": [], "1d": []}
        written = {"0": [], "1d": []}
        for _ in range(options.rounds):
            for history in rates:
                rate, bytes_each = once(options, source, history)
                rates[history].append(rate)
                written[history].append(bytes_each)
        without, kept = common.median(rates["0"]), common.median(rates["1d"])
        print(f"{name:<28} without {without:>9,.0f}/s ({common.spread(rates['0'])}), with {kept:>9,.0f}/s "
              f"({common.spread(rates['1d'])}): {without / kept - 1:+.1%} dearer; bytes written an event "
              f"{common.median(written['0']):.0f} and {common.median(written['1d']):.0f}", flush=True)


if __name__ == "__main__":
    main()
