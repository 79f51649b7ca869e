#!/usr/bin/env python3
"""By hand: a million messages of Debian's mosquitto become a million events, each once, and a million events as many
messages.

    tests/e2e/mqtt_proof.py [--entries 1000000] [--every 2] [--peer-turn 2] [--only in|out] [--qos 1|2]

In, QoS 2, without ids of their own: the server is killed every two seconds. In, QoS 1, with ids: server and mosquitto
are killed in turn; mosquitto writes down what it has once a second, and what it has acknowledged and forgotten is published
again by the one who published it, as clients of MQTT do. Out, QoS 2: every two seconds the line between them is cut, and each arrives
once. Out, QoS 1: the server is killed and the line is cut, in turn, and each arrives at least once.
"""
import json
import threading
import time

import bad_line
import harness
import mosquitto_peer
import nats_proof

CHUNK = 5_000
AHEAD = 20 * CHUNK  # not so far that mosquitto holds all of it


class Reader:
    """All that arrives at a topic: which numbers, and how many of them once more."""

    def __init__(self, broker, topic):
        self.client = broker.client("reader-" + topic)
        self.client.subscribe(topic, 1)
        self.seen, self.repeated = set(), 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                n = json.loads(self.client.messages(1)[0][1])["payload"]["n"]
            except (OSError, ValueError):
                return
            self.repeated += n in self.seen
            self.seen.add(n)


class Proof(nats_proof.Proof):
    def __init__(self, options):
        self.options = options
        self.nats = mosquitto_peer.Mosquitto().start()  # the peer that is killed
        self.line = bad_line.BadLine(("127.0.0.1", self.nats.port), rate=50_000_000, delay=0)
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.again = 0
        self.kills = [0, 0]

    def close(self):
        self.line.close()
        super().close()

    def link(self, **body):
        config = {"host": "127.0.0.1", "port": self.nats.port, **body.pop("config")}
        reply = self.server.post("/v2/links", {"type": "mqtt", "config": config, **body})
        assert reply.status == 201, reply
        id = reply.json()["id"]
        harness.wait_until("the link", lambda: self.status(id)["state"] == "running")
        return id

    def both(self, prove):
        return all([prove(qos) for qos in (2, 1) if self.options.qos in (None, qos)])

    # ---- in

    def publish(self, qos, numbers, text):
        """Nobody knows of a message whose answer was lost: with QoS 2 that may not happen here."""
        client = self.nats.client(f"publisher{qos}")
        client.publish(f"q{qos}/a", *[text(n) for n in numbers], qos=qos)
        client.close()

    def produce_once(self, id):
        while self.produced < self.options.entries:
            end = min(self.produced + CHUNK, self.options.entries)
            while self.produced - self.status(id)["taken"] > AHEAD:
                time.sleep(0.05)
            self.publish(2, range(self.produced, end), lambda n: b'{"n":%d}' % n)
            self.produced = end

    def produce_at_least_once(self, id):
        def text(n):
            return json.dumps({"eventId": f"q1-{n}", "pattern": "proof.q1", "payload": {"n": n}}).encode()

        def there():
            """So many different ones: the counts are of the commits of what they count."""
            status = self.status(id)
            return status["taken"] - status["duplicates"]
        while self.produced < self.options.entries:
            numbers = range(self.produced, min(self.produced + CHUNK, self.options.entries))
            while True:
                self.patiently("mosquitto to take messages", lambda: self.publish(1, numbers, text), 600)
                give_up = time.monotonic() + 10
                while there() < numbers[-1] + 1 and time.monotonic() < give_up:
                    time.sleep(0.02)
                if there() >= numbers[-1] + 1:
                    break
                self.again += 1
            self.produced = numbers[-1] + 1

    def prove_in(self):
        return self.both(self.prove_in_by)

    def prove_in_by(self, qos):
        self.produced, self.kills, self.again = 0, [0, 0], 0
        pattern = f"proof.q{qos}"
        more = {"format": "payload", "pattern": pattern} if qos == 2 else {}
        id = self.link(direction="in", config={"topic": f"q{qos}/#", "qos": qos, **more})
        begin = time.monotonic()
        produce = self.produce_once if qos == 2 else self.produce_at_least_once
        thread = threading.Thread(target=produce, args=(id,), daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and
                        self.status(id)["taken"] >= self.options.entries, peer=qos == 1)
        thread.join()
        took = time.monotonic() - begin
        status = self.status(id)
        seen, repeated = self.count_events(pattern)
        good = seen == set(range(self.options.entries)) and repeated == 0 and status["rejected"] == 0
        print(f"in, QoS {qos}: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, {status['gaps']} gaps, "
              f"{status['rejected']} letters, {self.again} times published again, kills of us and mosquitto {self.kills}, "
              f"{took:.0f} s: {'good' if good else 'BROKEN'}", flush=True)
        return good

    # ---- out

    def prove_out(self):
        return self.both(self.prove_out_by)

    def kill_peer(self):
        """In: mosquitto; out: the line to it."""
        if self.cuts_line:
            self.line.cut_now()
        else:
            super().kill_peer()
    cuts_line = False

    def prove_out_by(self, qos):
        self.produced, self.kills, self.cuts_line = 0, [0, 0], True
        topic = f"out{qos}"
        reader = Reader(self.nats, topic)
        id = self.link(direction="out", config={"topic": topic, "qos": qos, "port": int(self.line.address.rsplit(":", 1)[1])})
        subscription = self.subscribe(id)
        begin = time.monotonic()
        thread = threading.Thread(target=self.produce_events, args=(f"q{qos}-",), daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and len(reader.seen) >= self.options.entries,
                        server=qos == 1)
        thread.join()
        took = time.monotonic() - begin
        time.sleep(3)
        letters = len(self.server.items("/v2/dlq"))
        good = reader.seen == set(range(self.options.entries)) and letters == 0 and (qos == 1 or reader.repeated == 0)
        print(f"out, QoS {qos}: {len(reader.seen):,} of {self.options.entries:,}, {reader.repeated} more than once, "
              f"{letters} letters, kills of us and cuts {self.kills}, {took:.0f} s: {'good' if good else 'BROKEN'}", flush=True)
        self.server.request("DELETE", "/v2/subscriptions/" + subscription)
        return good


if __name__ == "__main__":
    nats_proof.main(Proof, __doc__, lambda parser: parser.add_argument("--qos", type=int, choices=(1, 2)))
