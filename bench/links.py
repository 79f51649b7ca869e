#!/usr/bin/env python3
"""How fast links are: a file and a stream of Redis read into the log, and a stream written by deliveries.

Question: how many entries a second does a source read that are there when it begins, to the last of them
acknowledged by its commit; how many deliveries a second does a sink take? Unit: entries/s.
Budget: a stream of Redis >= 300,000/s, beside redis-server on the same cores.

    bench/links.py [--entries 1000000] [--sent 200000]

By hand; needs redis-server (tools/setup links).
"""
import argparse
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def event(n):
    return json.dumps({"pattern": "link.entry", "payload": {
        "n": n, "customer": "c-%d" % (n % 1000), "note": "x" * 160}}).encode()


def add_all(port, stream, entries):
    """Entries into a stream, a thousand commands at once."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for begin in range(0, entries, 1000):
            count = min(1000, entries - begin)
            out = []
            for n in range(begin, begin + count):
                text = event(n)
                out.append(b"*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$5\r\nevent\r\n$%d\r\n%s\r\n"
                           % (len(stream), stream, len(text), text))
            client.sendall(b"".join(out))
            lines = 0
            while lines < 2 * count:
                lines += client.recv(1 << 20).count(b"\n")


class Server:
    def __init__(self, folder):
        self.process = subprocess.Popen(
            [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0",
             "--data", os.path.join(folder, "data"), "--set", "links.file_allow=" + folder,
             "--set", "http_client.allow=127.0.0.1"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=common.clean_environment())
        host, port = json.loads(self.process.stdout.readline())["http"].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=120)

    def call(self, method, path, body=None, kind="application/json"):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300]}")
        return json.loads(text)

    def measure(self, what, id, member, count, begin):
        start = time.monotonic()
        begin()
        while True:
            status = self.call("GET", "/v2/links/" + id)["status"]
            if status[member] >= count:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - start
        print(f"{what}: {count / seconds:,.0f}/s ({count:,} in {seconds:.2f} s, {status['state']}, "
              f"{status.get('duplicates', 0)} duplicates)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=200_000)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="millrace-links-bench-")
    port = common.free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
                             stdout=subprocess.DEVNULL)
    server = Server(folder)
    try:
        common.wait_for_port(port)
        with open(os.path.join(folder, "events"), "wb") as file:
            for n in range(options.entries):
                file.write(event(n) + b"\n")
        server.measure("a file", "file", "taken", options.entries, lambda: server.call("POST", "/v2/links", {
            "id": "file", "direction": "in", "type": "file", "config": {"path": os.path.join(folder, "events")}}))
        add_all(port, b"in", options.entries)
        redis_config = {"host": "127.0.0.1", "port": port}
        server.measure("a stream of Redis", "redis", "taken", options.entries, lambda: server.call("POST", "/v2/links", {
            "id": "redis", "direction": "in", "type": "redis", "config": {**redis_config, "stream": "in"}}))
        server.call("POST", "/v2/links", {"id": "out", "direction": "out", "type": "redis",
                                          "config": {**redis_config, "stream": "out"}})
        server.call("POST", "/v2/subscriptions", {"pattern": "sent.entry", "ordering": "none",
                                                  "executor": {"type": "link", "linkId": "out"}})

        def send():
            for begin in range(0, options.sent, 10_000):
                lines = b"\n".join(event(n).replace(b"link.entry", b"sent.entry") for n in range(begin, begin + 10_000))
                server.call("POST", "/v2/events?ids=0", lines, "application/x-ndjson")
        server.measure("deliveries to a stream", "out", "sent", options.sent, send)
    finally:
        common.end(server.process)
        common.end(redis)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
