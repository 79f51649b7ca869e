#!/usr/bin/env python3
"""Endpoint calls, hooks before a change, and many schedules.

Question: how many trivial endpoint calls a second, and with which latency at half of that; what does a hook
before a change add to a write; how late do schedules fire when there are many? Unit: calls/s, ms, us, ms.
Budget: >= 50,000 calls/s, p99 <= 2 ms at half load; <= 100 us a hook; p99 <= 20 ms with 1,000,000 schedules.

    bench/entities.py [--seconds 5] [--connections 16] [--depth 32] [--schedules 100000] [--durability fsync]

The client is this script: pipelined requests over a few connections, answers counted, not parsed. Schedules are
made over HTTP by the same means; all are due within one minute.
"""
import argparse
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def serve(data, durability):
    process = subprocess.Popen(
        [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0", "--data", data,
         "--durability", durability],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=common.clean_environment())
    return process, json.loads(process.stdout.readline())["http"]


def call(http, method, path, body=None):
    request = urllib.request.Request(f"http://{http}{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.loads(reply.read() or b"{}")


def request_bytes(http, method, path, body=b""):
    head = f"{method} {path} HTTP/1.1\r\nHost: {http}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Client:
    """Requests over several connections, `depth` on the way in each; open loop when `rate` is given."""

    def __init__(self, http, connections):
        host, port = http.rsplit(":", 1)
        self.sockets = [socket.create_connection((host, int(port))) for _ in range(connections)]
        for one in self.sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.setblocking(False)

    def run(self, make, seconds, depth, rate=0.0):
        """(answers a second, latencies in s); latencies count from when a request was meant to be sent."""
        selector = selectors.DefaultSelector()
        waiting = {}
        for one in self.sockets:
            selector.register(one, selectors.EVENT_READ)
            waiting[one] = []
        began = time.perf_counter()
        ends, sent, done, refused, latencies = began + seconds, 0, 0, 0, []
        while True:
            now = time.perf_counter()
            if now >= ends and not any(waiting.values()):
                break
            if now >= ends + 10:
                raise RuntimeError("answers are missing")
            for one in self.sockets:
                room = depth - len(waiting[one])
                if now >= ends or room <= 0:
                    continue
                if rate:
                    room = min(room, int((now - began) * rate) - sent)
                if room <= 0:
                    continue
                text = b"".join(make() for _ in range(room))
                while text:
                    try:
                        text = text[one.send(text):]
                    except BlockingIOError:
                        pass
                for _ in range(room):
                    waiting[one].append(began + sent / rate if rate else now)
                    sent += 1
            for key, _ in selector.select(0.0005):
                data = key.fileobj.recv(1 << 20)
                now = time.perf_counter()
                count = data.count(b"HTTP/1.1 ")
                refused += count - data.count(b"HTTP/1.1 2")
                for _ in range(count):
                    latencies.append(now - waiting[key.fileobj].pop(0))
                done += count
        selector.close()
        if refused:
            raise RuntimeError(f"{refused} of {done} answers were no success")
        return done / (time.perf_counter() - began), latencies


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def script(http, source, kind):
    return call(http, "POST", "/v2/scripts", {"name": "bench", "type": kind, "source": source})["id"]


def bench_endpoints(http, options):
    call(http, "POST", "/v2/endpoints", {
        "method": "GET", "route": "bench", "auth": "none",
        "scriptId": script(http, "return function() return true end", "endpoint")})
    one = request_bytes(http, "GET", "/v2/endpoint/get/bench")
    client = Client(http, options.connections)
    client.run(lambda: one, 1, options.depth)
    full, _ = client.run(lambda: one, options.seconds, options.depth)
    _, latencies = client.run(lambda: one, options.seconds, options.depth, full / 2)
    print(f"endpoint calls: {full:,.0f}/s; at half of it p50 {percentile(latencies, 0.5) * 1e3:.2f} ms, "
          f"p99 {percentile(latencies, 0.99) * 1e3:.2f} ms")


def bench_hooks(http, options):
    number = [0]

    def write(kind):
        def make():
            number[0] += 1
            return request_bytes(http, "PUT", f"/v2/entities/{kind}/{number[0]}",
                                 b'{"total":12.5,"customer":{"name":"Ann","tier":2},"tags":["a","b"]}')
        return make
    call(http, "POST", "/v2/hooks", {
        "entity": "hooked", "on": "beforeCreate",
        "scriptId": script(http, "return function(e, ctx) local d = ctx.eventData.doc d.total = d.total + 1 end",
                           "hook")})
    client = Client(http, options.connections)
    medians = {"plain": [], "hooked": []}
    rates = {"plain": [], "hooked": []}
    for _ in range(3):
        for kind in medians:
            rate, latencies = client.run(write(kind), options.seconds / 2, options.depth)
            rates[kind].append(rate)
            medians[kind].append(1e6 / rate)
    plain, hooked = (statistics.median(medians[k]) for k in ("plain", "hooked"))
    print(f"entity writes: {statistics.median(rates['plain']):,.0f}/s, with a hook before them "
          f"{statistics.median(rates['hooked']):,.0f}/s: {hooked - plain:.0f} us more a write")


def bench_schedules(http, options):
    if not options.schedules:
        return
    first = int(time.time()) + 60 + options.schedules // 1000  # they are made first
    number = [0]

    def make():
        number[0] += 1
        ms = (number[0] * 60_000 // options.schedules) % 60_000
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(first + ms // 1000)) + f".{ms % 1000:03}Z"
        body = json.dumps({"id": f"s{number[0]}", "at": at, "event": {"pattern": "bench.due"}}).encode()
        return request_bytes(http, "POST", "/v2/schedules", body)
    client = Client(http, options.connections)
    while number[0] < options.schedules:
        client.run(make, min(5, options.seconds), 4)
    print(f"schedules: {number[0]:,} made, {first - time.time():.0f} s before the first is due")
    time.sleep(max(0, first + 70 - time.time()))
    late = []
    for i in range(1, number[0] + 1, max(1, number[0] // 2000)):
        for row in call(http, "GET", f"/v2/schedules/s{i}/runs")["items"]:
            late.append(row["lateMs"])
    print(f"lateness of {len(late)} of {number[0]:,} schedules, all due within a minute: "
          f"p50 {percentile(late, 0.5):.0f} ms, p99 {percentile(late, 0.99):.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--depth", type=int, default=32)
    parser.add_argument("--schedules", type=int, default=0)
    parser.add_argument("--durability", default="fsync")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as data:
        process, http = serve(data, options.durability)
        try:
            bench_endpoints(http, options)
            bench_hooks(http, options)
            bench_schedules(http, options)
        finally:
            common.end(process)


if __name__ == "__main__":
    main()
