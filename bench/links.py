#!/usr/bin/env python3
"""How fast links are: a file and streams of Redis and NATS read into the log, and streams written by deliveries.

Question: how many entries a second does a source read that are there when it begins, to the last of them
acknowledged by its commit, with a script that reshapes them too; how many deliveries a second does a sink take, and
how many events one that sends the log by itself (mode `stream`)? Unit: entries/s.
Budget: a stream of Redis >= 300,000/s, of NATS >= 200,000/s; into one of NATS >= 100,000/s; beside the peer on
the same cores.

    bench/links.py [--entries 1000000] [--sent 200000] [--only file|script|redis|nats]

By hand; needs redis-server and nats-server (tools/setup bench).
"""
import argparse
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


class Nats:
    """A nats-server with streams in files."""

    def __init__(self, folder):
        self.port = common.free_port()
        binary = os.environ.get("MILLRACE_NATS_SERVER") or shutil.which("nats-server") or "/usr/sbin/nats-server"
        self.process = subprocess.Popen(
            [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", os.path.join(folder, "nats")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        common.wait_for_port(self.port)
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true}\r\nSUB _A.* 1\r\n')

    def create(self, stream):
        body = json.dumps({"name": stream, "subjects": [stream + ".>"], "storage": "file"}).encode()
        self.publish([(b"$JS.API.STREAM.CREATE." + stream.encode(), body)])

    def publish(self, messages):
        """All of them, until each is answered."""
        self.socket.sendall(b"".join(b"PUB %s _A.1 %d\r\n%s\r\n" % (s, len(t), t) for s, t in messages))
        answered = 0
        while answered < len(messages):
            line = self.file.readline()
            if line.startswith(b"MSG"):
                text = self.file.read(int(line.split()[-1]) + 2)
                if b'"error"' in text:
                    raise RuntimeError(text)
                answered += 1
            elif line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")

    def fill(self, stream, entries):
        subject = stream.encode() + b".a"
        for begin in range(0, entries, 500):
            self.publish([(subject, event(n)) for n in range(begin, min(entries, begin + 500))])


class Server(common.Server):
    def __init__(self, folder):
        super().__init__(os.path.join(folder, "data"),
                         settings=("links.file_allow=" + folder, "http_client.allow=127.0.0.1"))

    def measure(self, what, id, member, count, begin, peer=None):
        """Rates are those of the machine as it is; the time that both sides have used is theirs."""
        start = time.monotonic()
        both = (self.process.pid, peer and peer.pid)
        cpu = [common.cpu_seconds(pid) for pid in both]
        begin()
        while True:
            status = self.call("GET", "/v2/links/" + id)["status"]
            if status[member] >= count:
                break
            time.sleep(0.02)
        seconds = time.monotonic() - start
        used = [1e6 * (common.cpu_seconds(pid) - before) / count for pid, before in zip(both, cpu)]
        print(f"{what}: {count / seconds:,.0f}/s ({count:,} in {seconds:.2f} s, {status['state']}, "
              f"{status.get('duplicates', 0)} duplicates; CPU {used[0]:.2f} us each, of the peer {used[1]:.2f})", flush=True)


def measure_file(server, folder, options):
    with open(os.path.join(folder, "events"), "wb") as file:
        for n in range(options.entries):
            file.write(event(n) + b"\n")
    server.measure("a file", "file", "taken", options.entries, lambda: server.call("POST", "/v2/links", {
        "id": "file", "direction": "in", "type": "file", "config": {"path": os.path.join(folder, "events")}}))


def measure_script(server, folder, options):
    script = server.call("POST", "/v2/scripts", {
        "name": "t", "source": "return function(e) return {payload = {n = e.payload.n, customer = e.payload.customer}} end"})
    with open(os.path.join(folder, "events"), "wb") as file:
        for n in range(options.sent):
            file.write(event(n) + b"\n")
    server.measure("a file, reshaped by a script", "file", "taken", options.sent, lambda: server.call(
        "POST", "/v2/links", {"id": "file", "direction": "in", "type": "file", "transformScriptId": script["id"],
                              "config": {"path": os.path.join(folder, "events")}}))


def measure_stream(server, what, kind, config, options, peer):
    """What is in the log already, by itself."""
    pattern = "sent." + kind
    server.measure(what, "log-" + kind, "sent", options.sent, lambda: server.call("POST", "/v2/links", {
        "id": "log-" + kind, "direction": "out", "type": kind, "mode": "stream",
        "config": {**config, "pattern": pattern, "from": "start"}}), peer)


def measure_sink(server, what, kind, config, options, peer):
    server.call("POST", "/v2/links", {"id": "out-" + kind, "direction": "out", "type": kind, "config": config})
    pattern = "sent." + kind
    server.call("POST", "/v2/subscriptions", {"pattern": pattern, "ordering": "none",
                                              "executor": {"type": "link", "linkId": "out-" + kind}})

    def send():
        for begin in range(0, options.sent, 10_000):
            lines = b"\n".join(event(n).replace(b"link.entry", pattern.encode()) for n in range(begin, begin + 10_000))
            server.call("POST", "/v2/events?ids=0", lines, "application/x-ndjson")
    server.measure(what, "out-" + kind, "sent", options.sent, send, peer)


def measure_redis(server, folder, options):
    port = common.free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
                             stdout=subprocess.DEVNULL)
    try:
        common.wait_for_port(port)
        add_all(port, b"in", options.entries)
        config = {"host": "127.0.0.1", "port": port}
        server.measure("a stream of Redis", "redis", "taken", options.entries, lambda: server.call("POST", "/v2/links", {
            "id": "redis", "direction": "in", "type": "redis", "config": {**config, "stream": "in"}}), redis)
        measure_sink(server, "deliveries to a stream of Redis", "redis", {**config, "stream": "out"}, options, redis)
        measure_stream(server, "the log to a stream of Redis", "redis", {**config, "stream": "log"}, options, redis)
    finally:
        common.end(redis)


def measure_nats(server, folder, options):
    nats = Nats(folder)
    try:
        nats.create("in")
        nats.create("out")
        nats.fill("in", options.entries)
        config = {"host": "127.0.0.1", "port": nats.port}
        server.measure("a stream of NATS", "nats", "taken", options.entries, lambda: server.call("POST", "/v2/links", {
            "id": "nats", "direction": "in", "type": "nats", "config": {**config, "stream": "in"}}), nats.process)
        measure_sink(server, "deliveries to a stream of NATS", "nats",
                     {**config, "stream": "out", "subject": "out.a"}, options, nats.process)
        nats.create("log")
        measure_stream(server, "the log to a stream of NATS", "nats",
                       {**config, "stream": "log", "subject": "log.a"}, options, nats.process)
    finally:
        common.end(nats.process)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=200_000)
    parser.add_argument("--only", choices=("file", "script", "redis", "nats"))
    options = parser.parse_args()
    for name, measure in (("file", measure_file), ("script", measure_script), ("redis", measure_redis), ("nats", measure_nats)):
        if options.only not in (None, name):
            continue
        folder = tempfile.mkdtemp(prefix="millrace-links-bench-")
        server = Server(folder)
        try:
            measure(server, folder, options)
        finally:
            server.end()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
