#!/usr/bin/env python3
"""Fan-out to many subscribers of which one sleeps: how long from an event's request to each of the others?

Question: 1,000 subscriptions of one pattern over gRPC, GraphQL (a WebSocket) or Server-Sent Events; --rate events a
second. p50 and p99 of the deliveries, in turns on one server: all awake, and beside one more that follows 20 MB of
history and reads nothing of it. Budget: the others' p99 is unchanged. Client and server share the machine, and the
client reads with one thread: at a high rate it is the client that is measured.

    bench/fanout.py [--face grpc|graphql|sse] [--subscribers 1000] [--connections 20] [--rate 5] [--seconds 8] [--turns 5]
"""
import argparse
import base64
import http.client
import json
import os
import re
import selectors
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import bench_common as common
import h2

SENT_AT = re.compile(rb'"t": ?(\d+)')
BACKLOG = 20_000
PAD = "x" * 1000


def frame_to_server(text):
    data = text.encode()
    head = bytes([0x80 | 126]) + struct.pack(">H", len(data)) if len(data) > 125 else bytes([0x80 | len(data)])
    return b"\x81" + head + b"\0\0\0\0" + data


class Grpc:
    def __init__(self, address, streams, pattern, after=""):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        window = 0 if after else 1 << 30
        settings = struct.pack(">HIHI", 1, 0, 4, window)
        self.socket.sendall(h2.PREFACE + h2.frame(h2.SETTINGS, payload=settings))
        self.socket.recv(4096)  # its settings
        out = h2.frame(h2.SETTINGS, h2.ACK)
        out += h2.frame(h2.WINDOW, payload=struct.pack(">I", 1 << 30))
        head = h2.encode_headers([(":method", "POST"), (":scheme", "http"), (":path", "/millrace.v2.Events/Subscribe"),
                                  (":authority", address), ("content-type", "application/grpc"), ("te", "trailers")])
        ask = h2.message(h2.pb((1, pattern), (4, after)))
        for stream in range(1, 2 * streams, 2):
            out += h2.frame(h2.HEADERS, h2.END_HEADERS, stream, head) + h2.frame(h2.DATA, h2.END_STREAM, stream, ask)
        self.socket.sendall(out)

    def alive(self):
        self.socket.sendall(h2.frame(h2.PING, payload=b"12345678"))


class Graphql:
    def __init__(self, address, streams, pattern, after=""):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET /v2/graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
                             f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(4096)
        assert b" 101 " in answer, answer
        self.socket.sendall(frame_to_server('{"type":"connection_init"}'))
        query = "subscription($p:String,$a:String){events(pattern:$p,after:$a){payload}}"
        for number in range(streams):
            self.socket.sendall(frame_to_server(json.dumps(
                {"id": str(number), "type": "subscribe",
                 "payload": {"query": query, "variables": {"p": pattern, "a": after or None}}})))

    def alive(self):
        self.socket.sendall(b"\x8a\x80\0\0\0\0")


class Sse:
    """A connection is one stream: as many connections as subscribers."""

    def __init__(self, address, streams, pattern, after=""):
        assert streams == 1, "--connections must be --subscribers"
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.sendall((f"GET /v2/events/stream?pattern={pattern}&from={after or 'now'} HTTP/1.1\r\n"
                             f"Host: {address}\r\n\r\n").encode())

    def alive(self):
        pass


FACES = {"grpc": Grpc, "graphql": Graphql, "sse": Sse}


class Readers:
    def __init__(self, clients):
        self.selector = selectors.DefaultSelector()
        self.clients = clients
        for client in clients:
            client.socket.setblocking(False)
            client.tail = b""
            self.selector.register(client.socket, selectors.EVENT_READ, client)
        self.delays = []

    def read(self, seconds):
        for key, _ in self.selector.select(seconds):
            client = key.data
            data = client.socket.recv(1 << 18)
            if not data:
                raise RuntimeError("the server closed a subscriber's connection")
            now = time.monotonic_ns()
            data = client.tail + data
            last = 0
            for found in SENT_AT.finditer(data):
                if found.end() == len(data):
                    break  # it may go on
                self.delays.append((now - int(found[1])) / 1e6)
                last = found.end()
            client.tail = data[max(last, len(data) - 64):]


def turn(readers, post, options):
    """Delays in ms of all deliveries of a turn."""
    readers.delays = []
    count = max(1, int(options.rate * options.seconds))
    begin = time.monotonic()
    for n in range(count):
        due = begin + n / options.rate
        while (left := due - time.monotonic()) > 0:
            readers.read(left)
        post.request("POST", "/v2/events", json.dumps({"pattern": "fan.live", "payload": {"t": time.monotonic_ns()}}),
                     {"Content-Type": "application/json"})
        answer = post.getresponse()
        answer.read()
        assert answer.status == 202, answer.status
    deadline = time.monotonic() + 20
    wanted = count * options.subscribers
    while len(readers.delays) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(readers.delays)} of {wanted} deliveries came")
        readers.read(0.1)
    for client in readers.clients:
        client.alive()
    return sorted(readers.delays)


def settle(readers, post, options):
    """Until one event reaches everybody: all are subscribed."""
    deadline = time.monotonic() + 60
    while True:
        readers.delays = []
        post.request("POST", "/v2/events", json.dumps({"pattern": "fan.live", "payload": {"t": time.monotonic_ns()}}),
                     {"Content-Type": "application/json"})
        post.getresponse().read()
        until = time.monotonic() + 3
        while time.monotonic() < until and len(readers.delays) < options.subscribers:
            readers.read(0.05)
        if len(readers.delays) == options.subscribers:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(readers.delays)} are subscribed")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--face", choices=FACES, default="grpc")
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--rate", type=float, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    face = FACES[options.face]
    if face is Sse:
        options.connections = options.subscribers
    with common.millrace() as server:
        address = server["http"]
        post = http.client.HTTPConnection(address, timeout=60)
        for _ in range(BACKLOG // 1000):
            body = "".join(json.dumps({"pattern": "fan.backlog", "payload": {"pad": PAD}}) + "\n" for _ in range(1000))
            post.request("POST", "/v2/events?ids=0", body, {"Content-Type": "application/x-ndjson"})
            post.getresponse().read()
        each = options.subscribers // options.connections
        options.subscribers = each * options.connections
        readers = Readers([face(address, each, "fan.live") for _ in range(options.connections)])
        settle(readers, post, options)
        sides = {"awake": [], "asleep": []}
        for number in range(2 * options.turns):
            side = "asleep" if number % 2 else "awake"
            sleeper = face(address, 1, "fan.backlog", "beginning") if side == "asleep" else None
            if sleeper:
                time.sleep(1)  # its window is full
            delays = turn(readers, post, options)
            sides[side].append(delays)
            if sleeper:
                sleeper.socket.close()
            at = lambda part: delays[min(len(delays) - 1, int(len(delays) * part))]
            print(f"{side:7} {len(delays)} deliveries  p50 {at(.5):6.2f} ms  p99 {at(.99):6.2f} ms", flush=True)
        p99 = {side: [d[int(len(d) * .99)] for d in all_delays] for side, all_delays in sides.items()}
        p50 = {side: statistics.median(d[len(d) // 2] for d in all_delays) for side, all_delays in sides.items()}
        ratios = [asleep / awake for awake, asleep in zip(p99["awake"], p99["asleep"])]
        print(f"{options.face}: {options.subscribers} subscribers, {options.rate:g} events/s: awake p50 {p50['awake']:.2f}, "
              f"p99 {statistics.median(p99['awake']):.2f} ms; one asleep p50 {p50['asleep']:.2f}, "
              f"p99 {statistics.median(p99['asleep']):.2f} ms; p99 of neighbouring turns x {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
