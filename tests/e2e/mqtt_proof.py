#!/usr/bin/env python3
"""By hand: a million messages of Debian's mosquitto, QoS 2 and without ids of their own, become a million events, each
once, while the server is killed every two seconds; then as many of QoS 1 that say their ids, while server and mosquitto are
killed in turn. mosquitto writes down what it has once a second: what it has acknowledged and forgotten is published again
by the one who published it, as clients of MQTT do.

    tests/e2e/mqtt_proof.py [--entries 1000000] [--every 2] [--only 2|1]
"""
import argparse
import json
import sys
import threading
import time

import harness
import mosquitto_peer

CHUNK = 5_000


class Proof:
    def __init__(self, options):
        self.options = options
        self.broker = mosquitto_peer.Mosquitto().start()
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.again = 0
        self.kills = [0, 0]

    def close(self):
        self.server.close()
        self.broker.close()

    def patiently(self, what, call, seconds=120):
        def tried():
            try:
                return (call(),)
            except (OSError, ValueError, IndexError, KeyError, AssertionError, harness.http.client.HTTPException):
                return None
        return harness.wait_until(what, tried, seconds)[0]

    def link(self, qos, **config):
        reply = self.server.post("/v2/links", {"direction": "in", "type": "mqtt", "config": {
            "host": "127.0.0.1", "port": self.broker.port, "topic": f"q{qos}/#", "qos": qos, **config}})
        assert reply.status == 201, reply
        id = reply.json()["id"]
        harness.wait_until("the link", lambda: self.status(id)["state"] == "running")
        return id

    def status(self, id):
        return self.patiently("a status", lambda: self.server.get("/v2/links/" + id).json()["status"])

    def publish(self, qos, numbers, text):
        """Nobody knows of a message whose answer was lost: with QoS 2 that may not happen here."""
        client = self.broker.client(f"publisher{qos}")
        client.publish(f"q{qos}/a", *[text(n) for n in numbers], qos=qos)
        client.close()

    def kill_until(self, victims, done):
        begin = time.monotonic()
        for turn in range(100_000):
            time.sleep(self.options.every)
            if done():
                return
            victim = victims[turn % len(victims)]
            victim.kill()
            victim.start()
            self.kills[(self.server, self.broker).index(victim)] += 1
            if turn % 10 == 9:
                print(f"  {time.monotonic() - begin:.0f} s: {self.kills} kills, {self.produced:,} given", flush=True)

    def numbers(self, pattern):
        cursor, seen, repeated = "", set(), 0
        while cursor is not None:
            page = self.server.get(f"/v2/events?pattern={pattern}&limit=1000" +
                                   (f"&cursor={cursor}" if cursor else "")).json()
            for event in page["items"]:
                repeated += event["payload"]["n"] in seen
                seen.add(event["payload"]["n"])
            cursor = page["next"] or None
        return seen, repeated

    def run(self, name, victims, produce, done, id, pattern):
        self.produced, self.kills, self.again = 0, [0, 0], 0
        begin = time.monotonic()
        thread = threading.Thread(target=produce, daemon=True)
        thread.start()
        self.kill_until(victims, lambda: self.produced >= self.options.entries and done())
        thread.join()
        took = time.monotonic() - begin
        status = self.status(id)
        seen, repeated = self.numbers(pattern)
        good = seen == set(range(self.options.entries)) and repeated == 0 and status["rejected"] == 0
        print(f"{name}: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, {status['gaps']} gaps, "
              f"{status['rejected']} letters, {self.again} published again, kills of us and mosquitto {self.kills}, "
              f"{took:.0f} s: {'good' if good else 'BROKEN'}", flush=True)
        return good

    def prove_once(self):
        pattern = "proof.two"
        id = self.link(2, format="payload", pattern=pattern)

        def produce():
            while self.produced < self.options.entries:
                end = min(self.produced + CHUNK, self.options.entries)
                # Not so far ahead that mosquitto holds all of it.
                self.patiently("it to be taken", lambda: self.produced - self.status(id)["taken"] < 20 * CHUNK or
                               1 // 0, 600)
                self.publish(2, range(self.produced, end), lambda n: b'{"n":%d}' % n)
                self.produced = end
        return self.run("QoS 2", (self.server,), produce,
                        lambda: self.status(id)["taken"] >= self.options.entries, id, pattern)

    def prove_at_least_once(self):
        pattern = "proof.one"
        id = self.link(1)

        def text(n):
            return json.dumps({"eventId": f"{pattern}-{n}", "pattern": pattern, "payload": {"n": n}}).encode()

        def produce():
            while self.produced < self.options.entries:
                numbers = range(self.produced, min(self.produced + CHUNK, self.options.entries))
                before = self.status(id)["taken"]

                def arrive():
                    self.patiently("mosquitto to take messages", lambda: self.publish(1, numbers, text), 600)
                    give_up = time.monotonic() + 10
                    while time.monotonic() < give_up:
                        if self.status(id)["taken"] + self.status(id)["duplicates"] >= before + len(numbers) and \
                                self.has_all(pattern, numbers):
                            return True
                        time.sleep(0.05)
                    self.again += 1
                    return False
                while not arrive():
                    pass
                self.produced = numbers[-1] + 1
        return self.run("QoS 1", (self.server, self.broker), produce, lambda: True, id, pattern)

    def has_all(self, pattern, numbers):
        def ask():
            reply = self.server.get(f"/v2/events/{pattern}-{numbers[-1]}")
            missing = [n for n in numbers if self.server.get(f"/v2/events/{pattern}-{n}").status != 200] \
                if reply.status == 200 else [numbers[-1]]
            return (not missing,)
        return self.patiently("the server", ask)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--every", type=float, default=2)
    parser.add_argument("--only", choices=("1", "2"))
    options = parser.parse_args()
    proof = Proof(options)
    try:
        good = all([options.only == "1" or proof.prove_once(), options.only == "2" or proof.prove_at_least_once()])
    finally:
        proof.close()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
