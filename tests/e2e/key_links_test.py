"""Goal: with partition_by = "key" a source is read in one partition and its events are where their keys are, each
once, whoever is killed; a sink sends what each partition has, a stream too, in each key's order; what a link is at is
told by any node as one, and pause, resume and reset hold everywhere.
"""
import collections
import json
import threading
import unittest

import harness
import key_case
import nats_peer

COUNT = "return function(e, ctx) sdk.kv.incr('%s') end"


class KeyLinks(key_case.KeyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.nats = nats_peer.Nats().start()
        cls.addClassCleanup(cls.nats.close)

    def setUp(self):
        self.client = self.nats.client()
        self.addCleanup(self.client.close)

    def link(self, id, direction, node="a", mode=None, **config):
        body = {"id": id, "name": id, "direction": direction, "type": "nats",
                "config": {"host": "127.0.0.1", "port": self.nats.port, **config}}
        if mode:
            body["mode"] = mode
        return self.post(node, "/v2/links", body)

    def status(self, id, node="a"):
        return self.get(node, "/v2/links/" + id)["status"]

    def wait_state(self, id, state, node="a"):
        return harness.wait_until(f"{id} to be {state}", lambda: self.status(id, node)["state"] == state and
                                  self.status(id, node), 60)

    def envelopes(self, name, pattern, numbers, keys=17):
        return [json.dumps({"eventId": f"{name}-{n}", "pattern": pattern, "partitionKey": f"k{n % keys}",
                            "payload": {"n": n}}) for n in numbers]

    def counted(self, pattern, key):
        self.script(key, COUNT % key)
        self.post("b", "/v2/subscriptions", {"id": key, "name": key, "pattern": pattern,
                                             "executor": {"type": "script", "scriptId": key}})

    def arrived(self, stream):
        return [json.loads(text) for _, _, text in self.client.read_stream(stream)]

    def test_1_a_source_is_read_once_and_its_events_are_where_their_keys_are(self):
        self.client.create("IN1", "in1.>")
        self.counted("in1.made", "in1.count")
        self.client.add("in1.a", self.envelopes("in1", "in1.made", range(500)))
        self.link("in1", "in", stream="IN1")
        self.wait_total("in1.count", 500)
        self.assertGreater(sum(1 for one in self.kv("in1.count") if one), 2)
        for node in "abc":
            status = harness.wait_until("no lag", lambda: self.status("in1", node)["lag"] == 0 and
                                        self.status("in1", node), 30)
            self.assertEqual((status["state"], status["taken"], status["rejected"]), ("running", 500, 0))
            self.assertEqual([x["status"]["taken"] for x in self.items(node, "/v2/links") if x["id"] == "in1"], [500])
        self.assertEqual(len(self.items("c", "/v2/events?pattern=in1.made", limit=200)), 500)
        self.assertEqual(self.client.state("IN1")["consumer_count"], 1)
        # Read again, all of it is there.
        self.post("c", "/v2/links/in1/reset", {"to": "start"})
        harness.wait_until("it to be read again", lambda: self.status("in1", "b")["taken"] == 1_000, 60)
        self.assertEqual(self.total("in1.count"), 500)
        self.post("b", "/v2/links/in1/pause", {})
        self.wait_state("in1", "paused", "c")
        self.client.add("in1.a", self.envelopes("in1", "in1.made", range(500, 520)))
        self.assertEqual(self.total("in1.count"), 500)
        self.post("c", "/v2/links/in1/resume", {})
        self.wait_total("in1.count", 520)
        self.assertTrue(self.post("b", "/v2/links/in1/test", {})["success"])

    def test_2_a_sink_sends_what_each_partition_has(self):
        self.client.create("OUT2", "out2.>")
        self.link("out2", "out", stream="OUT2", subject="out2.{pattern}")
        self.post("c", "/v2/subscriptions", {"id": "out2", "name": "out2", "pattern": "made2",
                                             "executor": {"type": "link", "linkId": "out2"}})
        self.send("b", [{"eventId": f"o2-{n}", "pattern": "made2", "partitionKey": f"k{n % 23}", "payload": {"n": n}}
                        for n in range(300)])
        harness.wait_until("all to have been sent", lambda: self.status("out2", "c")["sent"] == 300, 60)
        status = self.status("out2", "b")
        self.assertEqual((status["state"], status["failed"], status["pending"]), ("running", 0, 0))
        self.assertEqual([p["partition"] for p in status["partitions"]], list(range(key_case.PARTITIONS)))
        self.assertEqual(sorted(e["eventId"] for e in self.arrived("OUT2")), sorted(f"o2-{n}" for n in range(300)))

    def test_3_a_stream_sends_each_partitions_log_in_each_keys_order(self):
        self.client.create("OUT3", "out3.>")
        self.send("a", [{"eventId": f"early-{n}", "pattern": "made3", "partitionKey": f"k{n}"} for n in range(20)])
        self.link("out3", "out", mode="stream", stream="OUT3", subject="out3.a", pattern="made3")
        self.wait_state("out3", "running")
        for n in range(0, 400, 40):
            self.send("abc"[n % 3], [{"eventId": f"o3-{i}", "pattern": "made3", "partitionKey": f"k{i % 19}",
                                      "payload": {"n": i}} for i in range(n, n + 40)])
        harness.wait_until("all to have been sent", lambda: self.client.state("OUT3")["messages"] >= 400, 60)
        harness.wait_until("no lag", lambda: self.status("out3", "c")["lag"] == 0, 30)
        events = self.arrived("OUT3")
        self.assertEqual(len(events), 400, "from: end")
        by_key = collections.defaultdict(list)
        for event in events:
            by_key[event["partitionKey"]].append(event["payload"]["n"])
        for key, numbers in by_key.items():
            self.assertEqual(numbers, sorted(numbers), key)
        self.post("b", "/v2/links/out3/reset", {"to": "start"})
        # Of what it had already the peer keeps one.
        harness.wait_until("all of before too", lambda: self.client.state("OUT3")["messages"] == 420, 60)

    def test_4_what_stopped_goes_on_when_any_node_is_told(self):
        self.client.create("IN4", "in4.>")
        self.client.add("in4.a", self.envelopes("in4", "in4.made", range(10)))
        self.link("in4", "in", stream="IN4")
        harness.wait_until("all", lambda: self.status("in4")["taken"] == 10, 60)
        self.client.api("STREAM.DELETE.IN4")
        self.assertIn("gone", self.wait_state("in4", "stopped", "b")["reason"])
        self.client.create("IN4", "in4.>")
        self.client.add("in4.a", self.envelopes("in4b", "in4.made", range(3)))
        self.post("c", "/v2/links/in4/reset", {"to": "start"})
        self.wait_state("in4", "running", "b")
        harness.wait_until("the new ones", lambda: len(self.items("a", "/v2/events?pattern=in4.made")) == 13, 60)
        self.cluster["b"].ok("DELETE", "/v2/links/in4")
        for node in "abc":
            self.assertEqual(self.cluster[node].request("GET", "/v2/links/in4").status, 404)

    def test_5_nodes_die_and_nothing_is_missing(self):
        self.client.create("IN5", "in5.>")
        self.client.create("OUT5", "out5.>")
        self.counted("in5.made", "in5.count")
        self.link("out5", "out", mode="stream", stream="OUT5", subject="out5.a", pattern="in5.made")
        self.link("in5", "in", stream="IN5")
        count = 8_000

        def feed():
            for at in range(0, count, 200):
                self.client.add("in5.a", self.envelopes("in5", "in5.made", range(at, at + 200), keys=41))
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        for name in "bc":
            before = self.total("in5.count") or 0
            harness.wait_until("events to come", lambda: (self.total("in5.count") or 0) > before + 300, 60)
            dead = self.cluster[name]
            dead.kill()
            self.cluster.wait_ready([n for n in "abc" if n != name])
            dead.start()
            self.cluster.wait_ready()
        feeder.join(120)
        self.wait_total("in5.count", count, seconds=180)
        self.assertEqual(self.get("b", "/v2/events?pattern=in5.made&count=1")["count"], count)
        harness.wait_until("no lag", lambda: (self.status("in5")["lag"], self.status("out5")["lag"]) == (0, 0), 120)

        def all_there():
            return len({e["eventId"] for e in self.arrived("OUT5")}) == count
        harness.wait_until("each to have arrived", all_there, 60)


if __name__ == "__main__":
    unittest.main()
