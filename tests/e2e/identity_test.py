#!/usr/bin/env python3
"""Goal: (tenant, source, eventId) is taken once, whatever else the event says: other partition keys lead to
other shards, and the answer is still the first one's place.
Method: a server with four shards; one id with many keys one after the other, in one batch, from many
connections at once, over sockets, from handlers; a kill in between."""
import collections
import threading
import unittest

import harness

KEYS = ("a", "b", "c", "d", "e", None)


class Identity(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(shards=4)
        cls.server.start()

    def event(self, pattern, event_id, key, **members):
        return {"pattern": pattern, "eventId": event_id, "payload": {"key": key},
                **({"partitionKey": key} if key else {}), **members}

    def send(self, events, atomic=False):
        reply = self.server.post("/v2/events" + ("?atomic=1" if atomic else ""), events)
        self.assertEqual(reply.status, 202, reply)
        return [(e["shard"], e["offset"], e["duplicate"]) for e in reply.json()["events"]]

    def stored(self, pattern):
        return collections.Counter(e["eventId"] for e in self.server.all_events(pattern))

    def test_one_after_the_other(self):
        pattern = self.unique("one.")
        ids = [self.unique("i") for _ in range(8)]
        first = {}
        for key in KEYS:
            for event_id in ids:
                (shard, offset, duplicate), = self.send([self.event(pattern, event_id, key)])
                self.assertEqual(duplicate, event_id in first)
                self.assertEqual(first.setdefault(event_id, (shard, offset)), (shard, offset))
        self.assertEqual(self.stored(pattern), {i: 1 for i in ids})
        self.server.kill()
        self.server.start()
        for key in reversed(KEYS):
            for event_id in ids:
                (shard, offset, duplicate), = self.send([self.event(pattern, event_id, key)])
                self.assertEqual((shard, offset, duplicate), (*first[event_id], True))
        self.assertEqual(self.stored(pattern), {i: 1 for i in ids})

    def test_sources_and_ids_without_a_key_first(self):
        pattern = self.unique("first.")
        for source in ("s1", "s2"):
            told = set()
            for key in (None, *KEYS):
                place, = self.send([self.event(pattern, "same", key, source={"type": "external", "id": source})])
                told.add(place[:2])
            self.assertEqual(len(told), 1)
        self.assertEqual(self.stored(pattern), {"same": 2})

    def test_in_one_batch(self):
        self.in_one_batch(False)

    def test_in_one_batch_that_is_all_or_none(self):
        self.in_one_batch(True)

    def in_one_batch(self, atomic):
        pattern = self.unique("batch.")
        ids = [self.unique("b") for _ in range(50)]
        batch = [self.event(pattern, i, key) for key in KEYS for i in ids]
        places = self.send(batch, atomic)
        by_id = collections.defaultdict(set)
        for i, place in enumerate(places):
            by_id[ids[i % len(ids)]].add(place[:2])
        self.assertTrue(all(len(p) == 1 for p in by_id.values()), by_id)
        self.assertEqual(sum(not p[2] for p in places), len(ids))
        self.assertEqual(self.stored(pattern), {i: 1 for i in ids})
        self.assertEqual(self.send(batch, atomic), [(*p[:2], True) for p in places])

    def test_from_many_at_once(self):
        pattern = self.unique("many.")
        ids = [self.unique("m") for _ in range(120)]
        told = collections.defaultdict(list)
        lock = threading.Lock()

        def sender(number):
            order = ids[number * 17 % len(ids):] + ids[:number * 17 % len(ids)]
            if number % 2:
                order = order[::-1]
            for at in range(0, len(order), 12):
                events = [self.event(pattern, i, KEYS[(number + k) % len(KEYS)])
                          for k, i in enumerate(order[at:at + 12])]
                places = self.send(events, number % 4 < 2)
                with lock:
                    for event, place in zip(events, places):
                        told[event["eventId"]].append(place)
        threads = [threading.Thread(target=sender, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({i: len(p) for i, p in told.items()}, {i: 8 for i in ids})
        for event_id, places in told.items():
            self.assertEqual(len({p[:2] for p in places}), 1, (event_id, places))
            self.assertEqual(sum(not p[2] for p in places), 1, (event_id, places))
        self.assertEqual(self.stored(pattern), {i: 1 for i in ids})

    def test_order_of_a_key_stays_while_some_of_it_ask(self):
        pattern = self.unique("order.")
        client = harness.LineClient(self.server)
        self.addCleanup(client.close)
        count = 600
        for n in range(count):
            event = self.event(pattern, f"{pattern}{n}", "k", payload={"n": n})
            if n % 3 == 0:
                del event["eventId"]  # nothing to ask for
            client.send(event)
        client.read_until_ack(count)
        events = sorted(self.server.all_events(pattern), key=lambda e: e["offset"])
        self.assertEqual({e["shard"] for e in events}, {events[0]["shard"]})
        self.assertEqual([e["payload"]["n"] for e in events], list(range(count)))

    def test_what_handlers_emit(self):
        pattern, derived = self.unique("cause."), self.unique("derived.")
        script = self.server.create_script(
            f"return function(e) sdk.events.emit('{derived}', {{}}, {{partitionKey = e.payload.to}}) end")
        subscription = self.server.subscribe(pattern, script)
        for n in range(40):
            self.server.send_event(pattern, {"to": f"to-{n % 7}"}, eventId=f"{pattern}{n}", partitionKey=f"k{n % 5}")
        self.server.wait_executions(40, subscriptionId=subscription)
        harness.wait_until("what was emitted", lambda: len(self.server.all_events(derived)) == 40)
        replay = self.server.post("/v2/replays", {"pattern": pattern, "subscriptionIds": [subscription]}).json()["id"]
        harness.wait_until("the replay", lambda: self.server.get(f"/v2/replays/{replay}").json()["status"] == "completed")
        self.assertEqual(len(self.server.all_events(derived)), 40)


if __name__ == "__main__":
    unittest.main()
