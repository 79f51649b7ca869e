#!/usr/bin/env python3
"""By hand: a million messages of a stream of NATS become a million events, and a million events a million
messages, while the server and nats-server are killed in turn every two seconds.

    tests/e2e/nats_proof.py [--entries 1000000] [--every 2] [--peer-turn 2] [--only in|out]

Each number has to be there once (out: at least once), the lag zero, nothing a letter and no gap.
"""
import argparse
import json
import sys
import threading
import time

import harness
import nats_peer

PATTERN = "proof.entry"


class Proof:
    def __init__(self, options):
        self.options = options
        self.nats = nats_peer.Nats().start()
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.kills = [0, 0]
        client = self.nats.client()
        client.create("IN", "in.>")
        client.create("OUT", "out.>")
        client.close()

    def close(self):
        self.server.close()
        self.nats.close()

    def patiently(self, what, call, seconds=120):
        """Until it succeeds: whoever is asked may be dead just now."""
        def tried():
            try:
                return (call(),)
            except (OSError, ValueError, IndexError, KeyError, AssertionError, harness.http.client.HTTPException):
                return None
        return harness.wait_until(what, tried, seconds)[0]

    def link(self, **body):
        config = {"host": "127.0.0.1", "port": self.nats.port, **body.pop("config")}
        reply = self.server.post("/v2/links", {"type": "nats", "config": config, **body})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def status(self, id):
        return self.patiently("a status", lambda: self.server.get("/v2/links/" + id).json()["status"])

    @staticmethod
    def event(n):
        return json.dumps({"pattern": PATTERN, "payload": {"n": n, "note": "x" * 60}})

    def kill_server(self):
        self.server.kill()
        self.server.start()

    def kill_peer(self):
        self.nats.kill()
        self.nats.start()

    def kill_until(self, done, server=True, peer=True):
        """One of the two every so many seconds: each so many times it is the peer."""
        begin = time.monotonic()
        for turn in range(100_000):
            time.sleep(self.options.every)
            if done():
                break
            which = turn % self.options.peer_turn == self.options.peer_turn - 1 if server and peer else peer
            (self.kill_server, self.kill_peer)[which]()
            self.kills[which] += 1
            if turn % 10 == 9:
                print(f"  {time.monotonic() - begin:.0f} s: {self.kills} kills, {self.produced:,} given", flush=True)

    # ---- in

    def produce_messages(self):
        def go_on():
            client = self.nats.client()
            try:
                begin = client.state("IN")["last_seq"]
                while begin < self.options.entries:
                    end = min(begin + 2_000, self.options.entries)
                    # Its numbers are the events': whatever it has not taken is given again.
                    client.publish("in.a", *(self.event(n) for n in range(begin, end)))
                    self.produced = begin = client.state("IN")["last_seq"]
            finally:
                client.close()
        self.patiently("nats-server to take messages", go_on, 3_600)

    def prove_in(self):
        id = self.link(direction="in", config={"stream": "IN"})
        thread = threading.Thread(target=self.produce_messages, daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and
                        self.status(id)["taken"] >= self.options.entries)
        thread.join()
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id), 60)
        seen, repeated = self.count_events()
        good = (seen == set(range(self.options.entries)) and repeated == 0 and status["gaps"] == 0 and
                status["rejected"] == 0 and status["taken"] == self.options.entries)
        print(f"in: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, lag {status['lag']}, "
              f"{status['gaps']} gaps, {status['rejected']} letters, kills of us and it {self.kills}: "
              f"{'good' if good else 'BROKEN'}", flush=True)
        return good

    def count_events(self, pattern=PATTERN):
        """Which numbers are there, and how many of them once more."""
        seen, repeated = set(), 0
        for event in self.pages(pattern):
            n = event["payload"]["n"]
            repeated += n in seen
            seen.add(n)
        return seen, repeated

    def pages(self, pattern):
        cursor = ""
        while cursor is not None:
            page = self.server.get(f"/v2/events?pattern={pattern}&limit=1000" +
                                   (f"&cursor={cursor}" if cursor else "")).json()
            yield from page["items"]
            cursor = page["next"] or None

    # ---- out

    def produce_events(self, prefix="e"):
        while self.produced < self.options.entries:
            begin = self.produced
            end = min(begin + 2_000, self.options.entries)
            lines = [json.dumps({"eventId": f"{prefix}{n}", "pattern": "proof.out", "payload": {"n": n}})
                     for n in range(begin, end)]

            def post():
                reply = self.server.post("/v2/events?ids=0", "\n".join(lines), content_type="application/x-ndjson")
                if reply.status != 202:
                    raise OSError(reply)
                return True
            self.patiently("the server to take events", post)
            self.produced = end

    def subscribe(self, id):
        made = self.server.post("/v2/subscriptions", {
            "pattern": "proof.out", "executor": {"type": "link", "linkId": id}, "ordering": "none",
            "retry": {"maxRetries": 100, "initialDelayMs": 100, "maxDelayMs": 1000}})
        assert made.status == 201, made
        return made.json()["id"]

    def prove_out(self):
        self.produced, self.kills = 0, [0, 0]
        id = self.link(direction="out", config={"stream": "OUT", "subject": "out.a"})
        self.subscribe(id)

        def messages():
            def ask():
                client = self.nats.client()
                try:
                    return client.state("OUT")["messages"]
                finally:
                    client.close()
            return self.patiently("nats-server", ask)
        thread = threading.Thread(target=self.produce_events, daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and messages() >= self.options.entries)
        thread.join()
        time.sleep(5)
        client = self.nats.client()
        numbers = [json.loads(text)["payload"]["n"] for _, _, text in client.read_stream("OUT")]
        client.close()
        letters = len(self.server.items("/v2/dlq"))
        good = set(numbers) == set(range(self.options.entries)) and letters == 0
        print(f"out: {len(set(numbers)):,} of {self.options.entries:,}, {len(numbers) - len(set(numbers))} more than once, "
              f"{letters} letters, kills of us and it {self.kills}: {'good' if good else 'BROKEN'}", flush=True)
        return good


def main(make, doc, add=None):
    """What all proofs of links take, and what `add` adds to the parser; ends the process."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--peer-turn", type=int, default=2, help="each so many times it is the peer that is killed")
    parser.add_argument("--only", choices=("in", "out"))
    if add:
        add(parser)
    options = parser.parse_args()
    proof = make(options)
    try:
        good = all([options.only == "out" or proof.prove_in(), options.only == "in" or proof.prove_out()])
    finally:
        proof.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main(Proof, __doc__)
