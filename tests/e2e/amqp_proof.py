#!/usr/bin/env python3
"""By hand: messages of a queue of RabbitMQ become as many events, and events as many messages, while the server and
rabbitmq-server are killed every so many seconds after the one before is there again (which takes rabbitmq-server five
and, with many messages, more: then --peer-turn 5 lets it make some way).

    tests/e2e/amqp_proof.py [--entries 1000000] [--every 2] [--peer-turn 2] [--only in|out]

Each number has to be there once (out: at least once), the queue empty, nothing a letter.
"""
import json
import struct
import threading
import time

import amqp_peer
import harness
import nats_proof


class Proof(nats_proof.Proof):
    def __init__(self, options):
        self.options = options
        self.nats = amqp_peer.Rabbit().start()  # the peer that is killed
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.kills = [0, 0]
        client = self.nats.client()
        client.declare("in")
        client.declare("out")
        client.close()

    def patiently(self, what, call, seconds=120):
        def tried():
            try:
                return call()
            except struct.error as e:
                raise OSError(e) from e
        return super().patiently(what, tried, seconds)

    def link(self, **body):
        config = {"host": "127.0.0.1", "port": self.nats.port, **body.pop("config")}
        reply = self.server.post("/v2/links", {"type": "amqp", "config": config, **body})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def length(self, queue):
        def ask():
            client = self.nats.client()
            try:
                return client.length(queue)
            finally:
                client.close()
        return self.patiently("rabbitmq-server", ask)

    def produce_messages(self):
        def go_on():
            client = self.nats.client()
            try:
                while self.produced < self.options.entries:
                    end = min(self.produced + 2_000, self.options.entries)
                    # What was not confirmed is given again, and is known by its id.
                    client.add("in", [(self.event(n), {"message_id": f"m{n}"}) for n in range(self.produced, end)])
                    self.produced = end
            finally:
                client.close()
        self.patiently("rabbitmq-server to take messages", go_on, 3_600)

    def wait_for_rest(self, queue):
        """Nothing more comes for a while."""
        length, since = -1, time.monotonic()
        while time.monotonic() - since < 5:
            now = self.length(queue)
            if now != length:
                length, since = now, time.monotonic()
            time.sleep(0.5)

    def prove_in(self):
        self.id = self.link(direction="in", config={"queue": "in"})
        thread = threading.Thread(target=self.produce_messages, daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and self.length("in") == 0 and
                        self.status(self.id).get("lag") == 0)
        thread.join()
        status = harness.wait_until("no lag", lambda: self.status(self.id)["lag"] == 0 and self.status(self.id), 60)
        seen, repeated = self.count_events()
        good = seen == set(range(self.options.entries)) and repeated == 0 and status["rejected"] == 0
        print(f"in: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, lag {status['lag']}, "
              f"{status['rejected']} letters, kills of us and it {self.kills}: {'good' if good else 'BROKEN'}", flush=True)
        return good

    def prove_out(self):
        self.produced, self.kills = 0, [0, 0]
        id = self.link(direction="out", config={"routingKey": "out"})
        self.subscribe(id)
        thread = threading.Thread(target=self.produce_events, daemon=True)
        thread.start()
        # What was sent twice is there twice: all are there when nothing is on its way any more.
        self.kill_until(lambda: self.produced >= self.options.entries and self.length("out") >= self.options.entries)
        thread.join()
        self.wait_for_rest("out")
        client = self.nats.client()
        numbers = [json.loads(text)["payload"]["n"] for text, _ in client.consume("out", client.length("out"))]
        client.close()
        letters = len(self.server.items("/v2/dlq"))
        good = set(numbers) == set(range(self.options.entries)) and letters == 0
        print(f"out: {len(set(numbers)):,} of {self.options.entries:,}, {len(numbers) - len(set(numbers))} more than once, "
              f"{letters} letters, kills of us and it {self.kills}: {'good' if good else 'BROKEN'}", flush=True)
        return good


if __name__ == "__main__":
    nats_proof.main(Proof, __doc__)
