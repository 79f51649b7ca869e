"""Goal: with partition_by = "key" one tenant's events live in all partitions: any node takes a batch and cuts it up, a
list is whole and in order whatever comes in between, a stream goes on where it was, what is registered is in force
everywhere when it is answered, what handlers emit gets to the partition of its key once, and a node's death loses
nothing that was acknowledged.
"""
import collections
import gzip
import http.client
import json
import threading
import unittest

import cluster_nodes
import harness
import nats_peer

PARTITIONS = 6
COUNT = """
return function(event, ctx)
    sdk.kv.incr("count")
    sdk.kv.incr("key:" .. event.partitionKey)
end
"""
PASS_ON = """
return function(event, ctx)
    sdk.events.emit("passed.on", {of = event.eventId}, {partitionKey = event.payload.to})
end
"""
FAIL = "return function(event, ctx) error('as told') end"


def batch(name, count, pattern="shop.order", keys=17):
    return [{"eventId": f"{name}-{i}", "pattern": pattern, "partitionKey": f"k{i % keys}",
             "payload": {"n": i, "to": f"t{i % 11}"}} for i in range(count)]


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class KeyClusterTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster_nodes.Cluster(partitions=PARTITIONS, partition_by="key")
        try:
            cls.cluster.start().init()
            first = cls.cluster["a"]
            cls.admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = cls.admin
            first.ok("POST", "/v2/tenants", {"id": "acme"})
            cls.key = first.ok("POST", "/v2/keys", {"name": "acme", "role": "admin", "tenantId": "acme"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = cls.key
        except BaseException:
            cls.cluster.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def handler(self, name, source, pattern):
        """In force everywhere when it is answered."""
        self.cluster["a"].ok("POST", "/v2/scripts", {"id": name, "name": name, "type": "event", "source": source})
        self.cluster["b"].ok("POST", "/v2/subscriptions", {
            "id": name, "name": name, "pattern": pattern, "retry": {"maxRetries": 0},
            "executor": {"type": "script", "scriptId": name}})

    def kv(self, node="a"):
        """Each partition's kv."""
        found = []
        for partition in range(PARTITIONS):
            reply = self.cluster[node].request("GET", f"/v2/kv?partition={partition}&limit=1000")
            if reply.status != 200:
                return None
            found.append({item["key"]: item["value"] for item in reply.json()["items"]})
        return found

    def total(self, key):
        found = self.kv()
        return None if found is None else sum(int(one.get(key, 0)) for one in found)

    def listed(self, query, node="b", limit=37, between=None):
        items, cursor = [], ""
        while True:
            reply = self.cluster[node].request("GET", f"/v2/events?limit={limit}&{query}" +
                                               (f"&cursor={cursor}" if cursor else ""))
            self.assertEqual(reply.status, 200, reply)
            page = reply.json()
            self.assertLessEqual(len(page["items"]), limit)
            items += page["items"]
            if not page["next"]:
                return items
            cursor = page["next"]
            if between:
                between()

    def send(self, node, events, path="/v2/events", **more):
        def taken():
            reply = self.cluster[node].request("POST", path, events, **more)
            return reply if reply.status == 202 and not reply.json()["rejected"] else None
        return harness.wait_until("events to be taken", taken, 60).json()

    def test_1_a_batch_goes_where_its_keys_are(self):
        for node in "abc":
            answer = self.send(node, batch("s-" + node, 100))
            self.assertEqual(answer["accepted"] + answer["duplicates"], 100)
            self.assertEqual(len(answer["events"]), 100)
            self.assertEqual([e["eventId"] for e in answer["events"]], [f"s-{node}-{i}" for i in range(100)])
            self.assertGreater(len(answer["partitions"]), 1)
            self.assertEqual(answer["durability"], "replicated")
        again = self.send("c", batch("s-a", 100))
        self.assertEqual((again["accepted"], again["duplicates"]), (0, 100))
        # Lines, compressed; what does not read is told by its number.
        lines = [json.dumps(e) for e in batch("nd", 20)]
        lines.insert(7, "{broken")
        reply = self.cluster["b"].request("POST", "/v2/events", gzip.compress("\n".join(lines).encode()), headers={
            "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual((reply.json()["accepted"], [r["index"] for r in reply.json()["rejected"]]), (20, [7]))
        cloud = [{"specversion": "1.0", "id": f"ce-{i}", "source": "/s", "type": "cloud.made", "partitionkey": f"k{i}"}
                 for i in range(12)]
        taken = self.send("a", json.dumps(cloud).encode(), headers={"Content-Type": "application/cloudevents-batch+json"})
        self.assertEqual(taken["accepted"] + taken["duplicates"], 12)
        # One without an id gets one, by which it is found.
        one = self.send("c", {"pattern": "shop.single"})
        found = self.cluster["a"].request("GET", "/v2/events/" + one["events"][0]["eventId"])
        self.assertEqual(found.status, 200, found)
        refused = self.cluster["a"].request("POST", "/v2/events?atomic=1", batch("at", 40))
        self.assertEqual((refused.status, refused.json()["error"]["code"]), (501, "NOT_SUPPORTED"), refused)
        whole = self.cluster["a"].request("POST", "/v2/events?atomic=1", batch("at", 40, keys=1))
        self.assertEqual((whole.status, whole.json()["accepted"]), (202, 40), whole)

    def test_2_by_id_and_in_lists(self):
        sent = []
        for i in range(5):
            sent += [e["eventId"] for e in self.send("abc"[i % 3], batch(f"l{i}", 60, pattern="list.it"))["events"]]
        for i in (0, 99, 299):
            for node in "abc":
                found = self.cluster[node].request("GET", "/v2/events/" + sent[i])
                self.assertEqual((found.status, found.json()["eventId"]), (200, sent[i]))
        self.assertEqual(self.cluster["a"].request("GET", "/v2/events/nobody").status, 404)
        made = iter(range(100))
        newest = self.listed("pattern=list.it", between=lambda: self.send("a", batch(f"later{next(made)}", 6, pattern="list.it")))
        self.assertEqual(sorted(e["eventId"] for e in newest), sorted(sent))
        # Their ends are told as far as they are not zero.
        times = [e["receivedAt"].rstrip("Z").ljust(26, "0") for e in newest]
        self.assertEqual(times, sorted(times, reverse=True))
        oldest = self.listed("pattern=list.it&order=asc", node="c", limit=50)[:300]
        self.assertEqual([e["eventId"] for e in oldest], [e["eventId"] for e in newest][::-1])
        counted = self.cluster["b"].request("GET", "/v2/events?pattern=list.it&count=1").json()
        self.assertEqual(counted["count"], 300 + 6 * next(made))

    def test_3_what_is_registered_is_in_force_everywhere(self):
        self.handler("count", COUNT, "shop.counted")
        sent = batch("c", 340, pattern="shop.counted")
        self.send("c", sent)
        harness.wait_until("all to be counted", lambda: self.total("count") == 340, 60)
        by_key = collections.Counter(e["partitionKey"] for e in sent)
        found = self.kv("c")
        for key, count in by_key.items():
            # Of a key all is in one partition.
            self.assertEqual([int(one["key:" + key]) for one in found if "key:" + key in one], [count], key)
        self.assertGreater(sum(1 for one in found if "count" in one), 1)
        runs, cursor = [], ""
        while cursor is not None:
            page = self.cluster["b"].request(
                "GET", "/v2/executions?scriptId=count&limit=100" + (f"&cursor={cursor}" if cursor else "")).json()
            runs += [e["eventId"] for e in page["items"]]
            cursor = page["next"]
        self.assertEqual(sorted(runs), sorted(e["eventId"] for e in sent))
        # Paused is paused everywhere, and goes on where it was.
        self.cluster["c"].ok("POST", "/v2/subscriptions/count/pause", {})
        self.send("a", batch("paused", 60, pattern="shop.counted"))
        self.assertEqual(self.total("count"), 340)
        refused = self.cluster["a"].request("POST", "/v2/subscriptions/count/resume", {"from": "elsewhere"})
        self.assertEqual(refused.status, 400, refused)
        self.cluster["a"].ok("POST", "/v2/subscriptions/count/resume", {})
        harness.wait_until("the others to be counted", lambda: self.total("count") == 400, 60)
        # Gone is gone everywhere.
        self.cluster["a"].ok("DELETE", "/v2/subscriptions/count")
        self.send("b", batch("after", 60, pattern="shop.counted"))
        self.assertEqual(self.total("count"), 400)

    def test_4_what_handlers_emit_gets_to_its_key_once(self):
        self.handler("pass", PASS_ON, "shop.pass")
        self.handler("passed", COUNT, "passed.on")
        before = self.total("count") or 0
        self.send("a", batch("p", 220, pattern="shop.pass"))
        harness.wait_until("all to have come", lambda: self.total("count") == before + 220, 60)
        found = self.kv()
        for i in range(11):
            self.assertEqual(sum(1 for one in found if f"key:t{i}" in one), 1)
        self.assertEqual(len(self.listed("pattern=passed.on")), 220)

    def test_5_dead_letters_are_one_list(self):
        self.handler("fail", FAIL, "shop.fail")
        sent = batch("f", 40, pattern="shop.fail")
        self.send("b", sent)

        def letters():
            found, cursor = [], ""
            while True:
                page = self.cluster["c"].request(
                    "GET", "/v2/dlq?subscriptionId=fail&limit=7" + (f"&cursor={cursor}" if cursor else "")).json()
                found += page["items"]
                if not page["next"]:
                    return found
                cursor = page["next"]
        harness.wait_until("all to be dead", lambda: len(letters()) == 40, 60)
        found = letters()
        self.assertEqual(sorted(letter["eventId"] for letter in found), sorted(e["eventId"] for e in sent))
        one = self.cluster["a"].request("GET", "/v2/dlq/" + found[0]["id"])
        self.assertEqual((one.status, one.json()["eventId"]), (200, found[0]["eventId"]))
        self.assertLess(self.cluster["b"].request("DELETE", "/v2/dlq/" + found[0]["id"]).status, 300)
        self.assertEqual(self.cluster["a"].request("GET", "/v2/dlq/" + found[0]["id"]).status, 404)
        self.assertEqual(len(letters()), 39)

    def read_stream(self, node, last, until, seen):
        connection = http.client.HTTPConnection(self.cluster[node].http, timeout=30)
        headers = {"Authorization": "Bearer " + self.key, "Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        connection.request("GET", "/v2/events/stream?pattern=stream.it", headers=headers)
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200, answer.read(300) if answer.status != 200 else "")
        text = b""
        while not until(seen):
            text += answer.read1(65536)
            while b"\n\n" in text:
                message, text = text.split(b"\n\n", 1)
                for line in message.split(b"\n"):
                    if line.startswith(b"id: "):
                        last = line[4:].decode()
                    elif line.startswith(b"data: "):
                        seen.append(json.loads(line[6:])["eventId"])
                if until(seen):
                    break
            if not last:
                continue
            self.began.set()
        connection.close()
        return last

    def test_6_a_stream_goes_on_where_it_was(self):
        seen, place = [], []
        self.began = threading.Event()
        reader = threading.Thread(target=lambda: place.append(
            self.read_stream("a", None, lambda s: len(s) >= 70, seen)), daemon=True)
        reader.start()
        self.assertTrue(self.began.wait(30))
        self.send("b", batch("st1", 100, pattern="stream.it"))
        reader.join(30)
        self.assertEqual(len(seen), 70)
        self.send("c", batch("st2", 50, pattern="stream.it"))
        self.read_stream("c", place[0], lambda s: len(s) >= 150, seen)
        want = [f"st1-{i}" for i in range(100)] + [f"st2-{i}" for i in range(50)]
        self.assertEqual(sorted(seen), sorted(want))

    def test_7_a_node_dies(self):
        self.handler("live", COUNT, "live.on")
        before = self.total("count") or 0
        events = [dict(e, pattern="live.on") for e in batch("die", 12_000)]
        sender = Sender(self.cluster.nodes.values(), self.key, "die", events, batch=100)
        sender.start()
        harness.wait_until("events to come", lambda: len(sender.acked) > 1000, 60)
        dead = self.cluster["b"]
        dead.kill()
        sender.nodes = [n for n in sender.nodes if n is not dead]
        harness.wait_until("the others to own all", lambda: all(
            p["owner"] in ("a", "c") for p in self.cluster["a"].ok("GET", "/v2/cluster", key=self.admin)["partitions"]), 60)
        self.cluster.wait_ready("ac")
        harness.wait_until("all to be taken", lambda: not sender.is_alive(), 180)
        self.assertEqual(sender.failures, [])
        self.assertEqual(len(sender.acked), 12_000)
        harness.wait_until("each to be counted", lambda: (self.total("count") or 0) >= before + 12_000, 120)
        self.assertEqual(self.total("count"), before + 12_000)
        counted = self.cluster["a"].request("GET", "/v2/events?pattern=live.on&count=1").json()
        self.assertEqual(counted["count"], 12_000)
        dead.start()
        self.cluster.wait_ready()

    def test_8_what_is_not_there_is_said(self):
        node = self.cluster["a"]
        states = {"transition": {"key": "$.id", "field": "$.status", "allowed": {"null": ["draft"], "draft": []}}}
        reply = node.request("POST", "/v2/schemas", {"id": "sch", "pattern": "s.*", "schema": {}, "rules": [states]})
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (501, "NOT_SUPPORTED"), reply)
        self.assertEqual(node.request("GET", "/v2/stats").status, 200)
        self.assertEqual(node.request("GET", "/v2/stats?partition=2").status, 200)


class Sender(cluster_nodes.Sender):
    """What was refused of a batch is sent again, until none is."""

    def send(self, events):
        left = {e["eventId"]: e for e in events}
        turn = self.sent
        self.sent += 1
        while left and not self.ended.is_set():
            node = self.nodes[turn % len(self.nodes)]
            turn += 1
            body = list(left.values())
            try:
                reply = node.request("POST", "/v2/events?ids=0", body, self.key, seconds=15)
            except OSError:
                continue
            if reply.status not in (202, 503):
                raise AssertionError(f"{reply.status} {reply.body[:300]}")
            if reply.status == 503:
                self.ended.wait(0.05)
                continue
            refused = {r["index"] for r in reply.json()["rejected"]}
            for index, event in enumerate(body):
                if index not in refused:
                    self.acked[event["eventId"]] = left.pop(event["eventId"])
            if refused:
                self.ended.wait(0.05)


if __name__ == "__main__":
    unittest.main()
