#!/usr/bin/env python3
"""By hand, as root: five edges and their hub, each in a network namespace of its own, over lines that are slow, late, lossy
and cut, while one of them is killed every few seconds: each event of each edge is at the hub once, in the order of its log.
Then as many with nobody killed, and as many again, of which the hub wants one in twenty: what that saves, in bytes of the lines.

    tests/e2e/edges_proof.py [--events 200000] [--rate 250000] [--delay 0.1] [--loss 0.02] [--cut 20] [--every 5]

`rate` is bytes a second of each line and way, `delay` seconds one way, `loss` a part of 1, `cut` seconds between cuts of 2 s.
"""
import argparse
import json
import os
import sys
import time

import harness
import keyed
import packet_line

EDGES = 5


class InNamespace(harness.Server):
    def __init__(self, namespace, listen, args, **options):
        super().__init__(args, shards=1, preexec=namespace.enter, **options)
        self.namespace, self.listen = namespace, listen

    def command(self, extra=()):
        command = super().command(extra)
        command[command.index("--listen") + 1] = self.listen
        return command

    def start(self, extra=()):
        super().start(extra)
        self.listen = f"{self.listen.rsplit(':', 1)[0]}:{self.port}"
        return self

    def request(self, *args, **options):
        with self.namespace:
            return super().request(*args, **options)


class Proof:
    def __init__(self, options):
        self.options = options
        self.kills = [0, 0]
        self.namespaces, self.servers = [], []
        self.lines = packet_line.Lines()

    def begin(self):
        options = self.options
        mark = str(os.getpid() % 10_000)
        hub = self.namespace("mrh" + mark)
        nodes = [self.namespace(f"mre{mark}-{i}") for i in range(EDGES)]
        cut = (options.cut, 2.0) if options.cut else None
        for i, node in enumerate(nodes):
            ours, theirs = f"10.77.{i}.1", f"10.77.{i}.2"
            self.lines.add(packet_line.Line(hub.tun(f"t{i}", ours, theirs), node.tun("t", theirs, ours),
                                            options.rate, options.delay, options.loss, cut, seed=i))
        self.hub = InNamespace(hub, "0.0.0.0:0", [])
        self.servers.append(self.hub)
        self.hub.api_key = keyed.bootstrap(self.hub.data)["key"]
        self.hub.start()
        self.lines.start()
        self.edges = []
        for i, node in enumerate(nodes):
            reply = self.hub.post("/v2/edges", {"node": f"van-{i}"})
            assert reply.status == 201, reply
            edge = InNamespace(node, "127.0.0.1:0", [
                "--set", f"hub.url=http://10.77.{i}.1:{self.hub.port}", "--set", f"hub.node=van-{i}"],
                env={"MILLRACE_HUB_TOKEN": reply.json()["token"]})
            self.servers.append(edge)
            self.edges.append(edge.start())

    def namespace(self, name):
        self.namespaces.append(packet_line.Namespace(name))
        return self.namespaces[-1]

    def close(self):
        for server in self.servers:
            server.close()
        if self.lines.thread:
            self.lines.close()
        for namespace in self.namespaces:
            namespace.close()

    def patiently(self, what, call, seconds=120):
        def tried():
            try:
                return (call(),)
            except (OSError, ValueError, KeyError, AssertionError, harness.http.client.HTTPException):
                return None
        return harness.wait_until(what, tried, seconds)[0]

    def send(self, pattern, begin, end):
        """As many of each edge, from its own files as it were: taken there at once."""
        for edge in self.edges:
            for first in range(begin, end, 5_000):
                lines = "\n".join(json.dumps({"pattern": pattern, "payload": {
                    "n": n, "c": 95 if n % 20 == 0 else n % 90, "note": f"{n * 2654435761 % 2**32:08x}"}})
                    for n in range(first, min(first + 5_000, end)))
                reply = edge.post("/v2/events", lines, content_type="application/x-ndjson")
                assert reply.status == 202, reply

    def arrived(self):
        return [self.patiently("the hub", lambda i=i: self.hub.get(f"/v2/edges/van-{i}").json()["status"])
                for i in range(EDGES)]

    def by_node(self, pattern):
        cursor, seen = "", {}
        while cursor is not None:
            page = self.patiently("a page", lambda: self.hub.get(
                f"/v2/events?pattern={pattern}&limit=1000" + (f"&cursor={cursor}" if cursor else "")).json())
            for event in page["items"]:
                seen.setdefault(event["x-edge"]["node"], []).append(event["payload"]["n"])
            cursor = page["next"] or None
        return seen

    def all_there(self, pattern, wanted, name):
        seen = self.by_node(pattern)
        good = True
        for i in range(EDGES):
            numbers = seen.get(f"van-{i}", [])
            once = numbers in (list(wanted), list(reversed(wanted)))  # and in their order
            good &= once
            if not once:
                print(f"  van-{i}: {len(numbers)} events, {len(set(numbers))} different, {len(wanted)} wanted")
        print(f"{name}: {sum(len(n) for n in seen.values()):,} events of {EDGES} edges, each once: "
              f"{'yes' if good else 'NO'}", flush=True)
        return good

    def run(self, pattern, count, kills):
        """Until the hub has looked at all of it. Bytes of the lines, and seconds."""
        before = [edge["to"] for edge in (status["shards"][0] if status["shards"] else {"to": 0}
                                          for status in self.arrived())]
        bytes_before, begin = self.lines.totals()["bytes"], time.monotonic()
        self.send(pattern, 0, count)
        victims = [self.hub, *self.edges]
        turn, last = 0, time.monotonic()
        while True:
            time.sleep(0.5)
            shards = [status["shards"] for status in self.arrived()]
            if all(s and s[0]["to"] >= b + count for s, b in zip(shards, before)):
                break
            if time.monotonic() - begin > self.options.limit:
                print(f"  not done in {self.options.limit} s: {[s and s[0]['to'] for s in shards]}")
                return None
            if kills and time.monotonic() - last > self.options.every:
                victim = victims[0] if turn % 2 == 0 else victims[1 + turn // 2 % EDGES]
                victim.kill()
                victim.start()
                self.kills[turn % 2] += 1
                turn, last = turn + 1, time.monotonic()
        return self.lines.totals()["bytes"] - bytes_before, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000, help="of all edges together")
    parser.add_argument("--rate", type=float, default=250_000)
    parser.add_argument("--delay", type=float, default=0.1)
    parser.add_argument("--loss", type=float, default=0.02)
    parser.add_argument("--cut", type=float, default=20)
    parser.add_argument("--every", type=float, default=5)
    parser.add_argument("--limit", type=float, default=1_800, help="seconds, of each part")
    options = parser.parse_args()
    if not packet_line.can():
        sys.exit("needs root and /dev/net/tun")
    count = options.events // EDGES
    proof, good = Proof(options), False
    try:
        proof.begin()
        whole = proof.run("moved", count, True)
        good = whole is not None and proof.all_there("moved", range(count), "all")
        totals = proof.lines.totals()
        if whole:
            print(f"  {whole[1]:.0f} s, {whole[0]:,} bytes on the lines ({whole[0] / count / EDGES:.1f} an event), "
                  f"kills of hub and edges {proof.kills}; {totals['packets']:,} packets, {totals['lost']:,} lost, "
                  f"{totals['cuts']} cuts", flush=True)
        plain = proof.run("plain", count, False) if good else None
        good = good and plain is not None and proof.all_there("plain", range(count), "nobody killed")
        proof.hub.subscribe("picked", proof.hub.create_script("return function() end"), edges="*",
                            filter="$.payload.c > 90")
        time.sleep(45)  # by then each edge has asked again what is wanted
        some = proof.run("picked", count, False) if good else None
        good = good and some is not None and proof.all_there("picked", range(0, count, 20), "one in twenty")
        if some:
            saved = 1 - some[0] / plain[0]
            print(f"  {some[1]:.0f} s and {some[0]:,} bytes beside {plain[1]:.0f} s and {plain[0]:,} of all: "
                  f"{saved:.1%} saved", flush=True)
            good &= saved >= 0.9
    finally:
        proof.close()
    print("good" if good else "BROKEN")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
