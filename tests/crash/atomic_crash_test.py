#!/usr/bin/env python3
"""Goal: of a batch that was sent with ?atomic=1 all is there or nothing, over several shards too, whatever
moment the server is killed at; what was acknowledged is there.
Method: a server with four shards under load is killed with SIGKILL, at random moments or at a fault point of
the commit. Batches spread over all shards, single ones and batches larger than a block among them, with
other events between. After the restart this process counts what is there of each. Now and then nothing is
killed: half of what was sent is sent again, as batches of old and new events.

    atomic_crash_test.py --cycles 12 --seed 1
"""
import argparse
import http.client
import json
import random
import sys
import threading
import time

import victim
from victim import harness

SHARDS = 4
POINTS = ["before_commit", "after_commit", "after_publish"]
# Events of a batch, and bytes of each one's text: many small, one home, larger than one block of each home.
SHAPES = [(40, 20), (40, 20), (3, 10), (1, 10), (120, 40_000)]
BATCHES_MAX = 3_000


class Ledger:
    def __init__(self, cycle):
        self.cycle = cycle
        self.pattern = f"atomic.c{cycle}"
        self.batches = []  # [ids, durability asked for, acknowledged]
        self.lock = threading.Lock()

    def make(self, count, durability):
        with self.lock:
            batch = [[f"c{self.cycle}-{len(self.batches)}-{i}" for i in range(count)], durability, False]
            self.batches.append(batch)
            return batch

    def full(self):
        return len(self.batches) >= BATCHES_MAX


def post(server, ledger, seed, shape):
    chance = random.Random(seed)
    count, bytes_each = shape
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        while not ledger.full():
            durability = chance.choice(["fsync", "fsync", "os", "memory"])
            batch = ledger.make(count, durability)
            events = [{"eventId": i, "pattern": ledger.pattern, "payload": {"t": "x" * bytes_each}} for i in batch[0]]
            if chance.random() < 0.2:  # keys choose the homes, some of which get nothing
                events = [dict(e, partitionKey=f"k{chance.randrange(3)}") for e in events]
            connection.request("POST", f"/v2/events?atomic=1&ids=0&durability={durability}", json.dumps(events),
                               {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            if reply.status == 202:
                assert answer["accepted"] + answer["duplicates"] == count, answer
                batch[2] = True
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()


def post_others(server, ledger):
    """Events of their own between the batches."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        for n in range(100_000):
            connection.request("POST", "/v2/events", json.dumps({"pattern": "other", "payload": {"n": n}}),
                               {"Content-Type": "application/json"})
            connection.getresponse().read()
            if ledger.full():
                return
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()


def check(server, ledger):
    """Returns how many batches are there."""
    kept = set()
    for event in server.items(f"/v2/events?pattern={ledger.pattern}"):
        assert event["eventId"] not in kept, f"there twice: {event['eventId']}"
        kept.add(event["eventId"])
    pieces, lost, whole = [], [], 0
    for number, (ids, durability, acknowledged) in enumerate(ledger.batches):
        there = sum(i in kept for i in ids)
        whole += there == len(ids)
        if there not in (0, len(ids)):
            pieces.append((number, there, len(ids), durability))
        if acknowledged and durability != "memory" and there != len(ids):
            lost.append((number, there, len(ids), durability))
    assert not pieces, f"{len(pieces)} of {len(ledger.batches)} batches are there in part: {pieces[:5]}"
    assert not lost, f"{len(lost)} acknowledged batches are missing: {lost[:5]}"
    return whole


def repeat(server, ledger):
    """Old and new events in one batch: what is there is told as a duplicate, the rest is taken."""
    ids = [i for batch in ledger.batches[-20:] for i in batch[0]][:200] + [f"c{ledger.cycle}-new"]
    reply = server.post("/v2/events?atomic=1", [
        {"eventId": i, "pattern": f"{ledger.pattern}.again", "payload": {}} for i in ids])
    assert reply.status == 202, reply
    answer = reply.json()
    assert answer["accepted"] + answer["duplicates"] == len(ids), answer
    assert answer["accepted"] >= 1 and not answer["events"][-1]["duplicate"], answer


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cycles", type=int, default=12)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    chance = random.Random(options.seed)
    server = harness.Server(shards=SHARDS)
    ledgers = []
    try:
        for number in range(options.cycles):
            point = chance.choice([""] * 3 + POINTS)
            ledger = Ledger(number)
            if not victim.start(server, point, chance.randint(2, 60)):
                continue
            threads = [threading.Thread(target=post, args=(server, ledger, chance.random(), shape)) for shape in SHAPES]
            threads.append(threading.Thread(target=post_others, args=(server, ledger)))
            victim.load_until_dead(server, threads, chance.uniform(0.05, 0.8) if not point else 10)
            ledgers.append(ledger)
            victim.start(server)
            whole = check(server, ledger)
            repeat(server, ledger)
            print(f"cycle {number} {point or 'random'}: {len(ledger.batches)} batches sent, {whole} there", flush=True)
            server.kill()
        victim.start(server)
        for ledger in ledgers:
            check(server, ledger)
        server.stop()
    except BaseException:
        print(f"seed {options.seed}; server log:\n{server.log()}", file=sys.stderr)
        raise
    finally:
        server.close()
    print(f"ok: {len(ledgers)} crashes, {sum(len(l.batches) for l in ledgers)} batches, seed {options.seed}")


if __name__ == "__main__":
    main()
