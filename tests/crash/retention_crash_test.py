#!/usr/bin/env python3
"""Goal: whatever moment of a retention pass the server is killed at, what the rules keep is there byte for
byte, what they let go is told as gone and may come again, and the log's chain holds.
Method: a real server with retention.rules under load is killed at a fault point (core/fault.h) or at a
random moment; this process is the ledger. `millrace verify` reads the folder before the next start.

    retention_crash_test.py [--rounds 1] [--seed 1]
"""
import argparse
import http.client
import json
import random
import subprocess
import sys
import threading
import time

import victim
from victim import harness

# Single events go out of blocks that stay, or whole blocks go: a folder for each, as a dead letter holds
# up whole blocks, and then retention.bytes thins before every rule.
THIN = ["retention.every=100ms", "retention.rules=thin.*=150ms"]
DROP = ["retention.every=100ms", "retention.bytes=150000"]
CYCLES = [(THIN, ["thin_gathered", "thin_committed", ""]), (DROP, ["retention_gathered", "retention_committed", ""])]
EVENTS_MAX = 20000
PACE_SECONDS = 0.01  # between requests: passes of retention come while there is load
FAIL_EVERY = 97
KILL_SECONDS = 20
HANDLER = "return function(event) if event.payload.fail then error('as asked') end end"


class Ledger:
    def __init__(self, cycle, fails):
        self.cycle = cycle
        self.fails = fails
        self.sent = {}      # id -> event
        self.places = {}    # id -> (shard, offset), of those that were acknowledged
        self.lock = threading.Lock()

    def make(self, chance, key):
        """Neighbours: no block is without an event that stays."""
        with self.lock:
            batch = []
            for kind in ("keep", "thin"):
                serial = len(self.sent)
                event = {"eventId": f"{kind}-{self.cycle}-{serial}", "pattern": f"{kind}.e", "partitionKey": key,
                         "payload": {"fail": self.fails and kind == "thin" and serial // 2 % FAIL_EVERY == 0,
                                     "text": "x" * chance.randint(0, 400)}}
                self.sent[event["eventId"]] = event
                batch.append(event)
            return batch

    def acknowledged(self, kind):
        return [i for i in self.places if i.startswith(kind)]

    def failing(self):
        return {i for i in self.places if self.sent[i]["payload"]["fail"]}


def post_until_dead(server, ledger, seed):
    chance = random.Random(seed)
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        while len(ledger.sent) < EVENTS_MAX:
            batch = sum((ledger.make(chance, f"k{seed}") for _ in range(chance.randint(1, 30))), [])
            connection.request("POST", "/v2/events", json.dumps(batch), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            time.sleep(PACE_SECONDS)
            if reply.status != 202:
                continue
            with ledger.lock:
                for placed in answer["events"]:
                    ledger.places[placed["eventId"]] = (placed["shard"], placed["offset"])
    except (OSError, http.client.HTTPException, ValueError):
        pass
    finally:
        connection.close()


def verified(server):
    """What `millrace verify` says of the folder that no server has open."""
    done = subprocess.run([harness.BINARY, "verify", "--data", server.data, "--output", "json"],
                          capture_output=True, env=harness.clean_environment(), check=False)
    report = json.loads(done.stdout) if done.stdout else {}
    assert done.returncode == 0 and report["ok"], f"verify: {done.stdout} {done.stderr}"
    return report


def listed(server, kind):
    """Of all cycles: id -> event."""
    events = {}
    for event in server.all_events(f"{kind}.e"):
        assert event["eventId"] not in events, f"twice in the log: {event}"
        events[event["eventId"]] = event
    return events


def check_kept(ledger, found, ids, first_offsets):
    for event_id in ids:
        shard, offset = ledger.places[event_id]
        if offset < first_offsets[shard]:
            assert event_id not in found, f"dropped and there: {event_id}"
            continue
        assert event_id in found, f"acknowledged, to be kept, and not there: {event_id} at {shard}:{offset}"
        event = found[event_id]
        assert event["payload"] == ledger.sent[event_id]["payload"], f"changed: {event_id}"
        assert (event["shard"], event["offset"]) == (shard, offset), f"moved: {event_id}"


def check_thinned(server, ledgers, first_offsets):
    """Past its age everything goes but what a dead letter still needs; what is gone may come again."""
    failing = set().union(*(ledger.failing() for ledger in ledgers))
    sent = {i: e for ledger in ledgers for i, e in ledger.sent.items()}
    places = {i: p for ledger in ledgers for i, p in ledger.places.items()}
    # The newest block of each shard stays: these make a newer one.
    for i in range(8):
        server.send_event("keep.last", {}, partitionKey=f"last{i}")

    def rest():
        there = {i for i in listed(server, "thin") if i in places}
        return (there,) if there <= failing else None
    left, = harness.wait_until("what is past its age to go", rest)
    dropped = {i for i in failing if places[i][1] < first_offsets[places[i][0]]}
    letters = {letter["event"]["eventId"] for letter in server.get("/v2/dlq?limit=1000").json()["items"]}
    assert failing - dropped <= letters, f"without a dead letter: {sorted(failing - dropped - letters)[:5]}"
    assert failing - dropped <= left, f"gone although a dead letter needs it: {sorted(failing - dropped - left)[:5]}"
    thinned = [i for i in places if i.startswith("thin") and i not in left and
               places[i][1] >= first_offsets[places[i][0]]]
    for event_id in thinned[:20]:
        assert server.get(f"/v2/events/{event_id}").status == 404, f"not told as gone: {event_id}"
    again = thinned[-500:]
    if again:
        for placed in server.post("/v2/events", [sent[i] for i in again]).json()["events"]:
            assert not placed["duplicate"], f"the id of an event that is gone counts: {placed}"
            place = (placed["shard"], placed["offset"])
            assert place != places[placed["eventId"]], placed
            for ledger in ledgers:
                if placed["eventId"] in ledger.places:
                    ledger.places[placed["eventId"]] = place
    return len(thinned)


def first_offsets_of(server):
    return [shard["firstOffset"] for shard in verified(server)["shards"]]


def run_cycle(server, ledger, point, passes, rules, seconds):
    server.args = sum((["--set", rule] for rule in rules), [])
    if not victim.start(server, point, passes):
        return True
    if server.get("/v2/scripts/failing").status == 404:
        script = server.create_script(HANDLER, id="failing")
        server.subscribe({"type": "prefix", "value": "thin."}, script, id="all", retry={"maxRetries": 0})
    clients = [threading.Thread(target=post_until_dead, args=(server, ledger, i)) for i in range(3)]
    return victim.load_until_dead(server, clients, seconds)


def run(rules, points, chance):
    server = harness.Server()
    ledgers, hit, thinned = [], 0, 0
    try:
        for number, point in enumerate(points):
            ledger = Ledger(number, fails=rules is THIN)
            by_itself = run_cycle(server, ledger, point, chance.randint(1, 4), rules,
                                  KILL_SECONDS if point else chance.uniform(0.2, 2))
            hit += bool(point) and by_itself
            ledgers.append(ledger)
            first = first_offsets_of(server)
            # First without rules, so that nothing moves while it is looked at.
            server.args = []
            victim.start(server)
            for earlier in ledgers:
                check_kept(earlier, listed(server, "keep"), earlier.acknowledged("keep"), first)
            server.kill()
            server.args = sum((["--set", rule] for rule in THIN), [])
            server.start()
            thinned = check_thinned(server, ledgers, first)
            server.stop()
            assert first_offsets_of(server) >= first
            print(f"cycle {number} {point or 'random'}: acknowledged {len(ledger.places)}, "
                  f"ended {'at the point' if by_itself else 'by the clock'}, thinned by now {thinned}", flush=True)
        return hit
    except BaseException:
        print(f"server log:\n{server.log()}", file=sys.stderr)
        raise
    finally:
        server.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    options = arguments.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    hit = sum(run(rules, points, chance) for _ in range(options.rounds) for rules, points in CYCLES)
    all_points = options.rounds * sum(1 for _, points in CYCLES for point in points if point)
    assert hit == all_points, f"only {hit} of {all_points} fault points were reached"
    print(f"ok: {hit} crashes at a fault point, {options.rounds * len(CYCLES)} at random moments")


if __name__ == "__main__":
    main()
