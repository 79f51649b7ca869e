#!/usr/bin/env python3
"""Endpoint calls: how many a second, and how long each takes at half of that.

Question: a script that returns a value behind a route (it changes nothing, and is answered when it has run): calls
a second with as much on the way as they may be, latency at half load from the intended time of sending; the same
for a script that writes kv, and for writes of entities with and without a hook before them, all of it durable
before the answer. Unit: calls/s, ms.
Budget: >= 50,000 trivial calls/s, p99 <= 2 ms at half of what it does; <= 100 us for a hook before a change.

    bench/endpoints.py [--seconds 5] [--connections 8] [--in-flight 24] [--durability fsync] [--lanes N]
                       [--only trivial|kv|entity]

A tenant's calls may wait 256 at once: connections times in-flight stay below. The load generator shares the
machine with the server; its CPU is shown beside the server's.
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

WAITING_MAX = 256
HOOK = "return function(e, ctx) local d = ctx.eventData.doc d.total = d.total + 1 end"
BODY = '{"total":12.5,"customer":{"name":"Ann","tier":2},"tags":["a","b"]}'


def script(http, source, kind):
    return common.request(http, "POST", "/v2/scripts", {"name": "bench", "type": kind, "source": source})["id"]


def endpoint(http, route, source):
    common.request(http, "POST", "/v2/endpoints", {"method": "GET", "route": route, "auth": "none",
                                                   "scriptId": script(http, source, "endpoint")})


def measure(ready, name, options, **call):
    def run(**more):
        return common.load(ready["http"], "http-call", connections=options.connections, in_flight=options.in_flight,
                           seconds=options.seconds, server_pid=ready["process"].pid, **call, **more)
    full = run()
    half = run(rate=full["eventsPerSecond"] / 2)
    cpu = full["serverCpuSeconds"] / max(1, full["events"]) * 1e6
    print(f"{name}: {full['eventsPerSecond']:,.0f}/s ({cpu:.0f} us of CPU each; the client used "
          f"{full['clientCpuSeconds'] / options.seconds * 100:.0f} % of a core); at half of it p50 "
          f"{half['p50us'] / 1e3:.2f} ms, p99 {half['p99us'] / 1e3:.2f} ms, p99.9 {half['p999us'] / 1e3:.2f} ms",
          flush=True)
    return full["eventsPerSecond"]


def entities(ready, options):
    http = ready["http"]
    common.request(http, "POST", "/v2/hooks", {"entity": "hooked", "on": "beforeCreate",
                                               "scriptId": script(http, HOOK, "hook")})
    rates = {kind: [] for kind in ("plain", "hooked")}
    for _ in range(3):
        for kind in rates:
            rates[kind].append(measure(ready, f"entity writes, {kind}", options, method="PUT",
                                       path="/v2/entities/%s/{id}" % kind, body=BODY))
    plain, hooked = (common.median(rates[kind]) for kind in ("plain", "hooked"))
    print(f"a hook before a change: {1e6 / hooked - 1e6 / plain:.0f} us more a write")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=24)
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--lanes", type=int, default=0)
    parser.add_argument("--only", choices=("trivial", "kv", "entity"))
    options = parser.parse_args()
    if options.connections * options.in_flight > WAITING_MAX:
        parser.error(f"more than {WAITING_MAX} on the way would be refused with 429")
    more = ("--lanes", str(options.lanes)) if options.lanes else ()
    wants = lambda name: options.only in (None, name)
    with common.millrace("--durability", options.durability, *more) as ready:
        endpoint(ready["http"], "trivial", "return function() return true end")
        endpoint(ready["http"], "kv", "return function() return sdk.kv.incr('bench') end")
        if wants("trivial"):
            measure(ready, "health, for comparison", options, path="/healthz")
            measure(ready, "trivial endpoint", options, path="/v2/endpoint/get/trivial")
        if wants("kv"):
            measure(ready, "endpoint that counts in kv", options, path="/v2/endpoint/get/kv")
        if wants("entity"):
            entities(ready, options)


if __name__ == "__main__":
    main()
