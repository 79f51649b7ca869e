"""Goal: with partition_by = "key" an edge's events come over any node and are where their keys are, each once, while
nodes are killed; only what the tenant's subscriptions want of edges crosses.
"""
import json
import unittest

import harness
import key_case

COUNT = "return function(e, ctx) sdk.kv.incr('%s') end"


class KeyEdges(key_case.KeyCase):
    def run_edge(self, name, node="a", shards=2, **settings):
        token = self.post("b", "/v2/edges", {"node": name})["token"]
        args = ["--set", "hub.url=http://" + self.cluster[node].http, "--set", "hub.node=" + name]
        for key, value in settings.items():
            args += ["--set", f"hub.{key}={value}"]
        edge = harness.Server(args, env={"MILLRACE_HUB_TOKEN": token}, shards=shards)
        self.addCleanup(edge.close)
        return edge.start()

    def sell(self, edge, pattern, numbers, keys=29):
        lines = "\n".join(json.dumps({"eventId": f"{pattern}-{n}", "pattern": pattern, "partitionKey": f"k{n % keys}",
                                      "payload": {"n": n}}) for n in numbers)
        reply = edge.post("/v2/events", lines, content_type="application/x-ndjson")
        self.assertEqual(reply.status, 202, reply)

    def count(self, pattern):
        return self.get("c", f"/v2/events?pattern={pattern}&count=1")["count"]

    def test_1_events_of_an_edge_are_where_their_keys_are(self):
        # What is on its way before somebody wants something else: all crosses.
        edge = self.run_edge("till-1")
        self.sell(edge, "sold1", range(400))
        harness.wait_until("all to have come", lambda: self.count("sold1") >= 400, 60)
        events = self.items("b", "/v2/events?pattern=sold1", limit=200)
        self.assertEqual(sorted(e["payload"]["n"] for e in events), list(range(400)))
        self.assertEqual({e["x-edge"]["node"] for e in events}, {"till-1"})
        status = self.get("c", "/v2/edges/till-1")["status"]
        self.assertEqual(status["taken"], 400, status)

    def test_2_each_once_while_nodes_die(self):
        edge = self.run_edge("till-2")
        self.sell(edge, "sold2", range(200))
        harness.wait_until("some to have come", lambda: self.count("sold2") >= 100, 60)
        at = 200
        for name in "bc":
            self.cluster[name].kill()
            self.sell(edge, "sold2", range(at, at + 500))
            at += 500
            self.cluster.wait_ready([n for n in "abc" if n != name])
            self.cluster[name].start()
            self.cluster.wait_ready()
        harness.wait_until("all to have come", lambda: self.count("sold2") >= at, 120)
        events = self.items("a", "/v2/events?pattern=sold2", limit=500)
        self.assertEqual(sorted(e["payload"]["n"] for e in events), list(range(at)))

    def test_3_only_what_is_wanted_crosses(self):
        self.script("sold3", COUNT % "sold3")
        self.post("c", "/v2/subscriptions", {"id": "sold3", "name": "sold3", "pattern": "sold3.*", "edges": "*",
                                             "executor": {"type": "script", "scriptId": "sold3"}})
        edge = self.run_edge("till-3")
        self.sell(edge, "sold3.large", range(60))
        self.sell(edge, "kept3", range(60))
        self.sell(edge, "sold3.small", range(60))
        self.wait_total("sold3", 120)
        self.assertGreater(sum(1 for one in self.kv("sold3") if one), 1)
        self.assertEqual(self.count("kept3"), 0)


if __name__ == "__main__":
    unittest.main()
