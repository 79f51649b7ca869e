#!/usr/bin/env python3
"""By hand: a million messages of a topic of Kafka become a million events, and a million events as many messages,
while the server is killed and all connections to the brokers are cut, in turn, every two seconds.

    tests/e2e/kafka_proof.py [--entries 1000000] [--every 2] [--only in|out]

The brokers are librdkafka's mock, in memory (kafka_mock.c): they themselves are not killed, and keep 5 MiB of a
partition, so that no more is given than is read. Each number has to be there once (out: at least once), the lag
zero, nothing a letter and no gap.
"""
import os
import sys
import threading
import time

import harness
import kafka_peer
import nats_proof

PARTITIONS = 4
AHEAD = 60_000  # given and not read: what the mock keeps


class Proof(nats_proof.Proof):
    def __init__(self, options):
        if not os.path.exists(kafka_peer.BINARY):
            sys.exit("kafka_mock is not built")
        self.options = options
        self.kafka = kafka_peer.Kafka()
        self.kafka.topic("in", PARTITIONS)
        self.kafka.topic("out", PARTITIONS)
        self.kafka_lock = threading.Lock()
        self.server = harness.Server(("--set", "http_client.allow=127.0.0.1")).start()
        self.produced = 0
        self.kills = [0, 0]

    def close(self):
        self.server.close()
        self.kafka.close()

    def link(self, **body):
        config = {"brokers": self.kafka.brokers, **body.pop("config")}
        reply = self.server.post("/v2/links", {"type": "kafka", "config": config, **body})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def kill_peer(self):
        """All connections to the brokers."""
        with self.kafka_lock:
            self.kafka.say("down")
            time.sleep(0.3)
            self.kafka.say("up")

    def produce_messages(self, id):
        while self.produced < self.options.entries:
            if self.produced - self.status(id).get("taken", 0) > AHEAD:
                time.sleep(0.05)
                continue
            end = min(self.produced + 2_000, self.options.entries)
            partition = self.produced // 2_000 % PARTITIONS
            with self.kafka_lock:
                self.kafka.put("in", partition, [self.event(n) for n in range(self.produced, end)])
            self.produced = end

    def prove_in(self):
        id = self.link(direction="in", config={"topic": "in"})
        thread = threading.Thread(target=self.produce_messages, args=(id,), daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and
                        self.status(id)["taken"] >= self.options.entries)
        thread.join()
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id), 60)
        seen, repeated = self.count_events()
        good = (seen == set(range(self.options.entries)) and repeated == 0 and status["gaps"] == 0 and
                status["rejected"] == 0 and status["taken"] == self.options.entries)
        print(f"in: {len(seen):,} of {self.options.entries:,} once, {repeated} twice, lag {status['lag']}, "
              f"{status['gaps']} gaps, {status['rejected']} letters, kills of us and cuts {self.kills}: "
              f"{'good' if good else 'BROKEN'}", flush=True)
        return good

    def prove_out(self):
        self.produced, self.kills = 0, [0, 0]
        id = self.link(direction="out", config={"topic": "out"})
        self.subscribe(id)
        self.kafka.say("follow out")

        def followed():
            with self.kafka_lock:
                return [int(word) for word in self.kafka.say("followed")[0]]
        thread = threading.Thread(target=self.produce_events, daemon=True)
        thread.start()
        self.kill_until(lambda: self.produced >= self.options.entries and followed()[1] >= self.options.entries)
        thread.join()
        time.sleep(2)
        messages, numbers = followed()
        letters = len(self.server.items("/v2/dlq"))
        good = numbers == self.options.entries and letters == 0
        print(f"out: {numbers:,} of {self.options.entries:,}, {messages - numbers} more than once, "
              f"{letters} letters, kills of us and cuts {self.kills}: {'good' if good else 'BROKEN'}", flush=True)
        return good


if __name__ == "__main__":
    nats_proof.main(Proof, __doc__)
