#!/usr/bin/env python3
"""Goal: no acknowledged event is ever lost, none is there twice, effects count exactly once, whatever
moment the server is killed at.
Method: a real server under load is killed with SIGKILL, at random moments or at a named fault point
(core/fault.h); this process is the outside ledger of what was sent and what was acknowledged. After
each restart on the same folder the ledger is compared with the log, the handler's counter, the
dead-letter queue.

    crash_test.py --mode random --cycles 10 --seed 1
    crash_test.py --mode points
"""
import argparse
import collections
import http.client
import json
import random
import sys
import threading
import time

import victim
from victim import harness

# The points of the identity runs are reached in store_crash_test.cc, retention's in retention_crash_test.py.
POINTS = ["before_commit", "after_commit", "after_publish", "mark_written"]
EVENTS_PER_CYCLE_MAX = 30000
FAIL_EVERY = 200
DRAIN_SECONDS = 150
RETRY = {"maxRetries": 1, "initialDelayMs": 50, "maxDelayMs": 50, "backoffFactor": 1, "jitter": False}
HANDLER = """return function(event)
  sdk.kv.incr('cycle' .. event.payload.cycle)
  if event.payload.fail then error('as asked') end
end"""


class Ledger:
    """What one cycle sent, by id, and which of it was acknowledged."""

    def __init__(self, cycle):
        self.cycle = cycle
        self.pattern = f"crash.c{cycle}"
        self.sent = {}                                # id -> event
        self.order = collections.defaultdict(list)    # partition key -> ids as sent
        self.acked = {}                               # id -> (shard, offset) or None
        self.lock = threading.Lock()
        self.serial = 0

    def make(self, key):
        with self.lock:
            self.serial += 1
            event_id = f"c{self.cycle}-{self.serial}"
            event = {"eventId": event_id, "pattern": self.pattern, "partitionKey": key,
                     "payload": {"cycle": self.cycle, "n": self.serial, "fail": self.serial % FAIL_EVERY == 0,
                                 "text": "x" * (self.serial * 7 % 300)}}
            self.sent[event_id] = event
            self.order[key].append(event_id)
            return event

    def full(self):
        return self.serial >= EVENTS_PER_CYCLE_MAX


def post_batches(server, ledger, key, size):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        while not ledger.full():
            batch = [ledger.make(key) for _ in range(size)]
            body = batch[0] if size == 1 else batch
            connection.request("POST", "/v2/events", json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            if reply.status != 202:
                continue
            with ledger.lock:
                for placed in answer["events"]:
                    ledger.acked[placed["eventId"]] = (placed["shard"], placed["offset"])
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()


def send_lines(server, ledger, key):
    try:
        client = harness.LineClient(server)
        sent = []
        while not ledger.full():
            batch = [ledger.make(key) for _ in range(20)]
            client.send(*batch)
            sent += [event["eventId"] for event in batch]
            while True:
                answer = client.read()
                if answer is None:
                    return
                count = answer.get("ack", 0)
                with ledger.lock:
                    for event_id in sent[:count]:
                        ledger.acked.setdefault(event_id, None)
                if count >= len(sent):
                    break
    except (OSError, ValueError, AssertionError):
        pass


def clients(server, ledger):
    threads = [threading.Thread(target=post_batches, args=(server, ledger, f"k{i}", size))
               for i, size in enumerate((1, 1, 10, 100))]
    return threads + [threading.Thread(target=send_lines, args=(server, ledger, "lines"))]


def check_log(server, ledger):
    """Every acknowledged event once, byte for byte, where the ack said, in order of its key."""
    kept = server.items(f"/v2/events?pattern={ledger.pattern}&order=asc")
    by_id = collections.defaultdict(list)
    for event in kept:
        by_id[event["eventId"]].append(event)
    twice = [i for i, found in by_id.items() if len(found) > 1]
    assert not twice, f"in the log twice: {twice[:5]}"
    missing = [i for i in ledger.acked if i not in by_id]
    assert not missing, f"{len(missing)} acknowledged events are missing, e.g. {missing[:5]}"
    for event_id, (event,) in by_id.items():
        assert event_id in ledger.sent, f"never sent: {event_id}"
        assert event["payload"] == ledger.sent[event_id]["payload"], f"changed: {event_id}"
        place = ledger.acked.get(event_id)
        assert place in (None, (event["shard"], event["offset"])), f"{event_id} moved from {place}"
    for key, ids in ledger.order.items():
        offsets = [by_id[i][0]["offset"] for i in ids if i in ledger.acked]
        shards = {by_id[i][0]["shard"] for i in ids if i in ledger.acked}
        assert len(shards) <= 1, f"key {key} is on shards {shards}"
        assert offsets == sorted(offsets), f"key {key} is out of order"
    return by_id


def check_repeats(server, ledger, by_id):
    """A request that was not answered may be repeated: what is there is told as a duplicate."""
    again = list(by_id)[:500]
    reply = server.post("/v2/events", [ledger.sent[i] for i in again]) if again else None
    if reply:
        for placed in reply.json()["events"]:
            first = by_id[placed["eventId"]][0]
            assert placed["duplicate"], f"not known as a duplicate: {placed}"
            assert (placed["shard"], placed["offset"]) == (first["shard"], first["offset"]), placed


def check_effects(server, ledger, by_id, counter):
    """The handler's counter: one per event, and one more per retry of a failing one would be two; a
    failed attempt takes no effect, so that failing events never count."""
    failing = [i for i in by_id if ledger.sent[i]["payload"]["fail"]]
    expected = len(by_id) - len(failing)
    read = lambda: counter(ledger.cycle)
    harness.wait_until(f"cycle {ledger.cycle}: {expected} effects (has {read()})", lambda: read() >= expected,
                       DRAIN_SECONDS)
    harness.wait_until(f"cycle {ledger.cycle}: {len(failing)} dead letters",
                       lambda: len(dead_letters(server, ledger.pattern)) >= len(failing), DRAIN_SECONDS)
    assert read() == expected, f"effects: {read()} instead of {expected}"
    letters = [letter["event"]["eventId"] for letter in dead_letters(server, ledger.pattern)]
    twice = [i for i, count in collections.Counter(letters).items() if count > 1]
    assert not twice, (f"{len(twice)} deliveries are in the dead-letter queue twice, e.g. "
                       f"{[l for l in dead_letters(server, ledger.pattern) if l['event']['eventId'] == twice[0]]}")
    assert sorted(letters) == sorted(failing), f"dead letters: {len(letters)} instead of {len(failing)}"


def dead_letters(server, pattern):
    return server.items(f"/v2/dlq?pattern={pattern}")


def prepare(server):
    script = server.create_script(HANDLER, id="counter")
    server.subscribe({"type": "prefix", "value": "crash."}, script, id="all", retry=RETRY)
    reader = server.create_script("return function(event) return sdk.kv.get('cycle' .. event.body.cycle) or 0 end",
                                  id="reader", type="api")

    def counter(cycle):
        return server.post("/v2/script/run", {"scriptId": reader, "query": {}, "body": {"cycle": cycle}}).json()["result"]
    return counter


def run(cycles, seed):
    """`cycles` is a list of (fault point or "", pass, seconds until killed at the latest)."""
    server = harness.Server()
    ledgers = []
    counter = None
    hit = 0
    try:
        for number, (point, passes, seconds) in enumerate(cycles):
            ledger = Ledger(number)
            if not victim.start(server, point, passes):
                hit += 1  # nothing was sent, what was kept must stay
                continue
            counter = counter or prepare(server)
            by_itself = victim.load_until_dead(server, clients(server, ledger), seconds)
            hit += by_itself
            ledgers.append(ledger)
            victim.start(server)
            by_id = check_log(server, ledger)
            check_repeats(server, ledger, by_id)
            check_effects(server, ledger, by_id, counter)
            print(f"cycle {number} {point or 'random'}: sent {len(ledger.sent)}, acknowledged {len(ledger.acked)}, "
                  f"kept {len(by_id)}, ended {'at the point' if by_itself else 'by the clock'}", flush=True)
            server.kill()
        # Nothing that a later crash did has touched what an earlier cycle had.
        victim.start(server)
        for ledger in ledgers:
            check_log(server, ledger)
        server.stop()
        return hit
    except BaseException:
        print(f"seed {seed}; server log:\n{server.log()}", file=sys.stderr)
        raise
    finally:
        server.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mode", choices=("random", "points"), default="random")
    arguments.add_argument("--cycles", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    chance = random.Random(options.seed)
    if options.mode == "random":
        cycles = [("", 0, chance.uniform(0.02, 1.0)) for _ in range(options.cycles)]
    else:
        # The mark is written once at the start already: the second pass is the first one under load.
        cycles = [(point, chance.randint(2, 5 if point == "mark_written" else 30), 10) for point in POINTS]
    hit = run(cycles, options.seed)
    print(f"ok: {len(cycles)} crashes, {hit} at a fault point, seed {options.seed}")


if __name__ == "__main__":
    main()
