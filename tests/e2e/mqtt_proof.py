#!/usr/bin/env python3
"""By hand: a million messages of Debian's mosquitto become a million events, each once, and a million events as many
messages.

    tests/e2e/mqtt_proof.py [--entries 1000000] [--every 2] [--peer-turn 2] [--only in|out] [--qos 1|2]
                            [--kill us|peer|both] [--ahead 50000] [--tap]

In, QoS 2, without ids of their own: server and mosquitto are killed in turn, or one of them. Killed alone, the server has each
message once. A mosquitto that is killed comes back as it last wrote itself down, a second before at most: what it had taken from publishers since it has
not (at the end that is published again, as another message), and what we had acknowledged since it hands over again. No receiver can tell
that from another message: such repeats are counted, and with --tap it is said how many of them had been acknowledged before,
as it stands on the wire. In, QoS 1, with ids: server and mosquitto
are killed in turn; mosquitto writes down what it has once a second, and what it has acknowledged and forgotten is published
again by the one who published it, as clients of MQTT do. Out, QoS 2: every two seconds the line between them is cut, and each arrives
once. Out, QoS 1: the server is killed and the line is cut, in turn, and each arrives at least once.
"""
import collections
import json
import socket
import threading
import time

import bad_line
import harness
import mosquitto_peer
import nats_proof

TAP_BYTES = 1 << 16
CHUNK = 5_000


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


class Tap:
    """A line to mosquitto that notes what passes: which message came under which packet id, which ids were acknowledged."""

    def __init__(self, port):
        self.port = port
        self.times = {}  # of a text: each time that it came, [text, whether we have acknowledged that]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port), 10)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            under = {}  # packet id: its message; a later connection's messages come again
            for one, other, look in ((far, near, self.from_broker), (near, far, self.from_us)):
                threading.Thread(target=self.pass_on, args=(one, other, look, under), daemon=True).start()

    def pass_on(self, one, other, look, under):
        rest = b""
        try:
            while data := one.recv(TAP_BYTES):
                other.sendall(data)
                rest += data
                at = 0
                while True:
                    size, shift, head = 0, 0, at + 1
                    while head < len(rest):
                        byte = rest[head]
                        size |= (byte & 0x7F) << shift
                        shift += 7
                        head += 1
                        if byte < 0x80:
                            break
                    else:
                        break
                    if head + size > len(rest):
                        break
                    look(under, rest[at], rest[head:head + size])
                    at = head + size
                rest = rest[at:]
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def from_broker(self, under, first, body):
        if first >> 4 == 3 and first & 6:
            at = 2 + int.from_bytes(body[:2], "big")
            message = [body[at + 3 + body[at + 2]:], False]
            under.setdefault(body[at:at + 2], collections.deque()).append(message)
            self.times.setdefault(message[0], []).append(message)

    def from_us(self, under, first, body):
        if first >> 4 in (4, 5) and under.get(body[:2]):
            under[body[:2]].popleft()[1] = True  # each has an answer, in the order in which they came

    def acknowledged_before(self, text):
        """It came, we acknowledged it, and it came once more."""
        return any(acknowledged for _, acknowledged in self.times.get(text, [])[:-1])

    def acknowledged(self, text):
        return any(acknowledged for _, acknowledged in self.times.get(text, []))

    def close(self):
        self.listener.close()


class Proof(nats_proof.Proof):
    def __init__(self, options):
        self.options = options
        self.nats = mosquitto_peer.Mosquitto().start()  # the peer that is killed
        self.tap = Tap(self.nats.port) if options.tap else None
        self.line = bad_line.BadLine(("127.0.0.1", self.nats.port), rate=50_000_000, delay=0)
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.again = 0
        self.kills = [0, 0]

    def close(self):
        self.line.close()
        if self.tap:
            self.tap.close()
        super().close()

    def link(self, **body):
        port = self.tap.address if self.tap else self.nats.port
        config = {"host": "127.0.0.1", "port": port, **body.pop("config")}
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
        """Each at most once: whoever's answer is lost is none that is published again here."""
        broken = 0
        while self.produced < self.options.entries:
            end = min(self.produced + CHUNK, self.options.entries)
            while self.produced - self.completed(id) > self.options.ahead + broken:
                time.sleep(0.05)
            try:
                self.publish(2, range(self.produced, end), lambda n: b'{"n":%d,"try":0}' % n)
            except OSError:
                if "peer" not in self.killed:
                    raise
                broken += end - self.produced
                time.sleep(0.2)
            self.produced = end

    def completed(self, id):
        """So many messages mosquitto does not hold any more: they are taken and released."""
        status = self.status(id)
        ranges = [str(ids).split("-") for ids in status["position"].get("received", [])]
        return status["taken"] - sum(int(ids[-1]) - int(ids[0]) + 1 for ids in ranges)

    def stands_still(self, id, seconds):
        """What is taken has been so much for so long."""
        if self.taken_at[0] != (taken := self.status(id)["taken"]):
            self.taken_at = (taken, time.monotonic())
        return time.monotonic() - self.taken_at[1] >= seconds

    def read_tries(self, pattern):
        """Of each message, which is a number and the try that it was published in, how many events."""
        return collections.Counter((event["payload"]["n"], event["payload"]["try"]) for event in self.pages(pattern))

    def prove_in_once(self):
        """Exactly once where the broker keeps its session."""
        self.produced, self.kills, self.again, self.taken_at = 0, [0, 0], 0, (-1, 0)
        self.killed = {"us": {"us"}, "peer": {"peer"}, "both": {"us", "peer"}}[self.options.kill]
        numbers = range(self.options.entries)
        id = self.link(direction="in", config={"topic": "q2/#", "qos": 2, "format": "payload", "pattern": "proof.q2"})
        harness.wait_until("the session to be written down", lambda: time.sleep(1.5) or True)
        begin = time.monotonic()
        thread = threading.Thread(target=self.produce_once, args=(id,), daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and
                        (self.status(id)["taken"] >= self.options.entries or
                         "peer" in self.killed and self.stands_still(id, 2 * self.options.every)),
                        server="us" in self.killed, peer="peer" in self.killed)
        thread.join()
        took = time.monotonic() - begin
        for round in range(1, 100):
            harness.wait_until("nothing to be on its way", lambda: self.stands_still(id, 4), 600)
            tries = self.read_tries("proof.q2")
            missing = sorted(set(numbers) - {n for n, _ in tries})
            if not missing or "peer" not in self.killed:
                break
            self.again += len(missing)
            if self.tap:
                swallowed = sum(self.tap.acknowledged(b'{"n":%d,"try":%d}' % (n, round - 1)) for n in missing)
                print(f"  {len(missing):,} missing, of which {swallowed:,} had been acknowledged", flush=True)
            for at in range(0, len(missing), CHUNK):
                self.publish(2, missing[at:at + CHUNK], lambda n: b'{"n":%d,"try":%d}' % (n, round))
        status = self.status(id)
        twice = [key for key, count in tries.items() if count > 1]
        good = not missing and status["rejected"] == 0 and (not twice or "peer" in self.killed)
        words = f"{len(tries):,} messages of {len(numbers) - len(missing):,} of {len(numbers):,} numbers; {len(twice):,} more than once"
        if self.tap:
            known = sum(self.tap.acknowledged_before(b'{"n":%d,"try":%d}' % key) for key in twice)
            good &= known == len(twice)
            words += f" ({known:,} of these we had acknowledged when they came again)"
        print(f"in, QoS 2: {words}; {self.again:,} that mosquitto had lost published again, {status['gaps']} gaps, "
              f"{status['rejected']} letters, kills of us and mosquitto {self.kills}, {took:.0f} s: "
              f"{'good' if good else 'BROKEN'}", flush=True)
        return good

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
        return self.both(lambda qos: self.prove_in_once() if qos == 2 else self.prove_in_at_least_once())

    def prove_in_at_least_once(self):
        self.produced, self.kills, self.again = 0, [0, 0], 0
        id = self.link(direction="in", config={"topic": "q1/#", "qos": 1})
        begin = time.monotonic()
        thread = threading.Thread(target=self.produce_at_least_once, args=(id,), daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and
                        self.status(id)["taken"] >= self.options.entries)
        thread.join()
        took = time.monotonic() - begin
        status = self.status(id)
        seen, repeated = self.count_events("proof.q1")
        good = seen == set(range(self.options.entries)) and repeated == 0 and status["rejected"] == 0
        print(f"in, QoS 1: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, {status['gaps']} gaps, "
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


def add_options(parser):
    parser.add_argument("--qos", type=int, choices=(1, 2))
    parser.add_argument("--kill", choices=("us", "peer", "both"), default="both", help="in, QoS 2")
    parser.add_argument("--ahead", type=int, default=10 * CHUNK, help="in, QoS 2: so many messages may be in mosquitto. Beyond "
                        "65,535 it gives packet ids twice; and it hears nothing before it has handed over again all that is in flight: "
                        "of 150,000 that takes it longer than two seconds, and nothing goes on")
    parser.add_argument("--tap", action="store_true", help="in: note what passes, and hold repeats against it")


if __name__ == "__main__":
    nats_proof.main(Proof, __doc__, add_options)
