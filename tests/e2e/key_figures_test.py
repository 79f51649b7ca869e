"""Goal: with partition_by = "key" any node tells what all partitions have as one server would: figures add up, lists are
whole and in order, a group of dead letters is one, a trace goes through all partitions, the console and the command line
need name no partition; and where a partition has no owner, figures say which one is not in them and lists are refused.
"""
import collections
import http.client
import json
import re
import time
import unittest

import cluster_nodes
import harness
import nats_peer
import shapes

PARTITIONS = 5
COUNT = """
return function(event, ctx)
    sdk.kv.set("of:" .. event.partitionKey, event.payload.n)
    sdk.kv.incr("count")
end
"""
FAIL = "return function(event, ctx) error('as told') end"
CHAIN = """
return function(event, ctx)
    if event.payload.left == 0 then return end
    for i = 1, 2 do
        sdk.events.emit("chain.step", {left = event.payload.left - 1}, {partitionKey = event.eventId .. "/" .. i})
    end
end
"""
# What the console's pages ask for.
CONSOLE = ["/v2/me", "/v2/stats", "/v2/stats?window=900s&step=5s", "/v2/executors", "/v2/log?limit=200", "/v2/config",
           "/v2/log?level=warn&limit=200", "/v2/dlq/groups", "/v2/dlq/groups?state=open&limit=100", "/v2/dlq?limit=100",
           "/v2/retries?limit=200", "/v2/executions?limit=100", "/v2/events?limit=100", "/v2/subscriptions?limit=500",
           "/v2/scripts?limit=500", "/v2/schedules?limit=500", "/v2/sources?limit=500", "/v2/schemas?limit=500",
           "/v2/endpoints?limit=500", "/v2/keys", "/v2/tenants", "/v2/audit?limit=200", "/v2/audit/verify",
           "/v2/cluster", "/v2/cluster/partitions/0", "/v2/tenants/default/usage", "/v2/kv", "/metrics", "/readyz"]


def batch(name, count, pattern, keys=23):
    return [{"eventId": f"{name}-{i}", "pattern": pattern, "partitionKey": f"k{i % keys}", "payload": {"n": i}}
            for i in range(count)]


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class KeyFiguresTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster_nodes.Cluster(partitions=PARTITIONS, partition_by="key")
        try:
            cls.cluster.start().init()
            # Figures of a server as a whole are the platform's.
            key = cls.cluster["a"].ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = key
        except BaseException:
            cls.cluster.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def get(self, path, node="a"):
        reply = self.cluster[node].request("GET", path)
        self.assertEqual(reply.status, 200, (path, reply))
        return reply.json()

    def each(self, path):
        """What each partition says by itself."""
        with_mark = path + ("&" if "?" in path else "?")
        return [self.get(f"{with_mark}partition={p}", "abc"[p % 3]) for p in range(PARTITIONS)]

    def pages(self, path, limit):
        items, cursor, turn = [], None, 0
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit={limit}" +
                            (f"&cursor={cursor}" if cursor else ""), "abc"[turn % 3])
            self.assertLessEqual(len(page["items"]), limit)
            items += page["items"]
            cursor, turn = page["next"], turn + 1
            if not cursor:
                return items

    def handler(self, name, source, pattern, **retry):
        self.cluster["a"].ok("POST", "/v2/scripts", {"id": name, "name": name, "type": "event", "source": source})
        self.cluster["b"].ok("POST", "/v2/subscriptions", {
            "id": name, "name": name, "pattern": pattern, "retry": {"maxRetries": 0, **retry},
            "executor": {"type": "script", "scriptId": name}})

    def send(self, node, events):
        def taken():
            reply = self.cluster[node].request("POST", "/v2/events", events)
            return reply if reply.status == 202 and not reply.json()["rejected"] else None
        return harness.wait_until("events to be taken", taken, 60).json()

    def test_1_keys_are_one_list(self):
        self.handler("count", COUNT, "shop.counted")
        self.send("a", batch("c", 200, "shop.counted"))

        def counted():
            found = [i["value"] for one in self.each("/v2/kv?prefix=count") for i in one["items"]]
            return sum(found) == 200 or None
        harness.wait_until("all to be counted", counted, 60)
        apart = sorted((item["key"], p, item["value"]) for p, one in enumerate(self.each("/v2/kv?limit=1000"))
                       for item in one["items"])
        for limit in (1, 3, 1000):
            together = self.pages("/v2/kv", limit)
            self.assertEqual([(i["key"], i["partition"], i["value"]) for i in together], apart)
        # A key is in its partition, a counter in each.
        self.assertEqual(len([1 for key, _, _ in apart if key == "of:k3"]), 1)
        self.assertGreater(len([1 for key, _, _ in apart if key == "count"]), 1)
        self.assertEqual(self.cluster["b"].request("GET", "/v2/kv?at=0:3").status, 400)
        self.assertEqual(self.cluster["b"].request("GET", "/v2/kv?cursor=nothing").status, 400)
        self.assertEqual(self.cluster["b"].request("GET", "/v2/kv?limit=0").status, 400)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
        self.assertEqual(len(self.get(f"/v2/kv?limit=1000&at={now}")["items"]), len(apart))

    def test_2_figures_add_up(self):
        self.send("b", batch("f", 100, "shop.nobody"))
        apart = self.each("/v2/stats")
        stats = self.get("/v2/stats", "c")
        self.assertNotIn("missing", stats)
        for name in ("kept", "received", "duplicate"):
            self.assertEqual(stats["events"][name], sum(one["events"][name] for one in apart), name)
        self.assertEqual(stats["subscriptions"], apart[0]["subscriptions"])
        self.assertEqual([one["partition"] for one in stats["shards"]], list(range(PARTITIONS)))
        self.assertEqual(set(stats) - set(apart[0]), set())
        self.assertEqual(stats["lanes"], sum(one["lanes"] for one in apart))

        def busy():
            self.send("a", batch(f"t{time.monotonic_ns()}", 50, "shop.nobody"))
            series = self.get("/v2/stats?window=30s&step=1s", "b")["series"]
            return series if sum(series["receivedPerSecond"]) >= 50 else None
        series = harness.wait_until("rates to be seen", busy, 30)
        self.assertEqual({len(column) for column in series.values()}, {len(series["at"])})
        self.assertNotIn("buckets", series)
        self.assertNotIn("buckets", self.get("/v2/stats?window=30s&step=1s&partition=1")["series"])
        executors = {one["type"]: one for one in self.get("/v2/executors", "c")["items"]}
        limits = [one["limit"] for part in self.each("/v2/executors") for one in part["items"]
                  if one["type"] == "script"]
        self.assertEqual(executors["script"]["limit"], sum(limits))
        log = self.get("/v2/log?limit=50", "b")["items"]
        self.assertEqual([line["time"] for line in log], sorted((line["time"] for line in log), reverse=True))
        self.assertEqual({line["partition"] for line in log} - set(range(PARTITIONS)), set())
        usage = self.get("/v2/tenants/default/usage", "c")["usage"]
        stored = [one["usage"] for one in self.each("/v2/tenants/default/usage")]
        self.assertGreaterEqual(usage["storedBytes"], max(one["storedBytes"] for one in stored))
        self.assertEqual(usage["scripts"], stored[0]["scripts"])

    def test_3_the_stream_of_figures(self):
        for node in "ab":
            connection = http.client.HTTPConnection(self.cluster[node].http, timeout=30)
            connection.request("GET", "/v2/stats/stream", headers={
                "Authorization": "Bearer " + self.cluster[node].api_key, "Accept": "text/event-stream"})
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "text/event-stream"))
            told = []
            while len(told) < 3:
                line = answer.readline()
                self.assertTrue(line)
                if line.startswith(b"data: "):
                    told.append(json.loads(line[6:]))
            connection.close()
            self.assertTrue(all("receivedPerSecond" in one and "missing" not in one for one in told), told)
        refused = self.cluster["a"].request("GET", "/v2/stats/stream", key="none")
        self.assertEqual(refused.status, 401)

    def test_4_a_group_of_dead_letters_is_one(self):
        self.handler("fail", FAIL, "shop.fail")
        self.send("b", batch("d", 60, "shop.fail"))

        def dead():
            groups = self.get("/v2/dlq/groups?subscriptionId=fail", "c")
            return groups if groups["letters"] == 60 else None
        groups = harness.wait_until("all to be dead", dead, 60)
        self.assertEqual((groups["groups"], len(groups["items"])), (1, 1))
        group = groups["items"][0]
        self.assertEqual((group["count"], group["state"], group["subscriptionIds"]), (60, "open", ["fail"]))
        self.assertLessEqual(len(group["sample"]), 5)
        self.assertEqual(self.get("/v2/dlq/groups?subscriptionId=fail&state=resolved")["items"], [])
        apart = self.each("/v2/dlq/groups?subscriptionId=fail")
        self.assertGreater(len([1 for one in apart if one["letters"]]), 1)
        times = [one["items"][0]["lastAt"] for one in apart if one["items"]]
        self.assertEqual(group["lastAt"], max(times))

    def test_5_retries_by_due_time(self):
        self.handler("again", FAIL, "shop.again", maxRetries=3, initialDelayMs=600_000, maxDelayMs=900_000)
        self.send("c", batch("r", 60, "shop.again", keys=60))

        def waiting():
            found = self.pages("/v2/retries", 7)
            return found if len(found) == 60 else None
        found = harness.wait_until("all to wait", waiting, 60)
        self.assertEqual(sorted(one["eventId"] for one in found), sorted(f"r-{i}" for i in range(60)))
        due = [one["dueAt"] for one in found]
        self.assertEqual(due, sorted(due))
        self.assertGreater(len({one["partition"] for one in found}), 1)
        self.cluster["a"].ok("DELETE", "/v2/subscriptions/again?waiting=discard")

    def test_6_what_a_filter_or_a_schema_would_do(self):
        self.send("a", batch("p", 100, "shop.shaped"))
        preview = self.cluster["b"].request("POST", "/v2/subscriptions/preview?events=100000", {
            "pattern": "shop.shaped", "filter": "$.payload.n < 30"})
        self.assertEqual((preview.status, preview.json()["matched"]), (200, 30), preview)
        self.assertEqual(preview.json()["byPattern"], [{"pattern": "shop.shaped", "count": 30}])
        self.assertEqual(len(preview.json()["samples"]), 5)
        check = self.cluster["c"].request("POST", "/v2/schemas/check", {
            "pattern": "shop.shaped", "schema": {"properties": {"n": {"maximum": 89}}}})
        self.assertEqual((check.status, check.json()["scanned"], check.json()["rejected"]), (200, 100, 10), check)
        refused = self.cluster["a"].request("POST", "/v2/subscriptions/preview", {"pattern": 7})
        self.assertEqual(refused.status, 400)
        self.cluster["a"].ok("POST", "/v2/schemas", {
            "id": "narrow", "pattern": "shop.narrow", "mode": "warn", "schema": {
                "type": "object", "properties": {"n": {"maximum": 9}}}})
        self.send("b", batch("n", 50, "shop.narrow"))

        def told():
            found = self.pages("/v2/schemas/narrow/violations", 9)
            return found if len(found) == 40 else None
        found = harness.wait_until("violations to be told", told, 30)
        self.assertEqual([one["at"] for one in found], sorted((one["at"] for one in found), reverse=True))
        self.assertEqual(sorted(one["eventId"] for one in found), sorted(f"n-{i}" for i in range(10, 50)))

    def test_7_a_trace_goes_through_all_partitions(self):
        self.handler("chain", CHAIN, "chain.step")
        self.send("a", {"eventId": "root", "pattern": "chain.step", "partitionKey": "r", "payload": {"left": 4}})

        def whole():
            trace = self.get("/v2/events/root/trace", "b")
            return trace if len(trace["caused"]) == 30 else None
        trace = harness.wait_until("all to have come", whole, 60)
        self.assertEqual((trace["event"]["eventId"], trace["causes"], trace["truncated"]), ("root", [], False))
        self.assertGreater(len({one["partition"] for one in trace["caused"]}), 1)
        known = {"root"}
        for node in trace["caused"]:
            self.assertIn(node["causedBy"], known)
            known.add(node["event"]["eventId"])
        harness.wait_until("all to have run", lambda: all(
            len(one["deliveries"]) == 1 for one in self.get("/v2/events/root/trace")["caused"]), 30)
        last = trace["caused"][-1]
        up = self.get(f"/v2/events/{last['event']['eventId']}/trace", "c")
        self.assertEqual(len(up["causes"]), 4)
        self.assertEqual(up["causes"][-1]["event"]["eventId"], "root")
        self.assertEqual(up["causes"][0]["event"]["eventId"], last["causedBy"])
        self.assertEqual(self.cluster["a"].request("GET", "/v2/events/nobody/trace").status, 404)
        # What went to another partition is in the figures of the one that it came from.
        where = {one["event"]["eventId"]: one["partition"] for one in trace["caused"]} | {
            "root": trace["partition"]}
        went = collections.Counter((where[one["causedBy"]], one["partition"]) for one in trace["caused"])
        self.assertGreater(len(went), 1)
        told = self.outbox("millrace_outbox_events_total", outcome="sent")
        for (of, to), count in went.items():
            self.assertEqual(told.get((of, to), 0) >= count, of != to, (of, to, told))
        harness.wait_until("nothing to wait", lambda: not any(
            sum(self.outbox("millrace_outbox_" + name).values()) for name in ("entries", "oldest_age_seconds")))

    def outbox(self, name, **labels):
        """By partition and where to, of all nodes."""
        found = collections.Counter()
        for node in self.cluster.nodes.values():
            for line in node.request("GET", "/metrics").body.decode().splitlines():
                if line.startswith(name + "{"):
                    has = dict(re.findall(r'(\w+)="([^"]*)"', line))
                    if all(has[label] == value for label, value in labels.items()):
                        found[int(has["partition"]), int(has["to"])] += float(line.split()[-1])
        return found

    def test_8_the_console_and_the_command_line(self):
        for node in "ab":
            for path in CONSOLE:
                reply = self.cluster[node].request("GET", path)
                self.assertEqual(reply.status, 200, (path, reply))
                self.assertEqual(self.misfits(path, reply), [], path)
        for words in (["stats"], ["event", "list"], ["event", "info", "root"], ["dlq", "list"], ["dlq", "groups"],
                      ["kv", "list"], ["retry", "list"], ["execution", "list"], ["tenant", "usage", "default"]):
            done = self.cluster["b"].cli(*words)
            self.assertEqual(done.returncode, 0, (words, done.stdout, done.stderr))

    def misfits(self, path, reply):
        """What of it is not as /openapi.json says."""
        document = shapes.Shapes(self.get("/openapi.json"))
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return document.wrong("GET", path, harness.Reply(reply.status, headers, reply.body))

    def test_81_the_command_line_counts_what_all_partitions_have(self):
        self.send("a", batch("told", 120, "told.it"))
        for node in "abc":
            def same():
                whole = self.get("/v2/stats", node)
                told = json.loads(self.cluster[node].cli("stats", "--output", "json").stdout)
                counts = whole["events"]
                want = {name: counts[name] for name in ("received", "completed", "failed", "unmatched", "dropped")}
                return told["missing"] == [] and {name: told[name] for name in want} == want and told
            told = harness.wait_until("the command line to tell what the API tells", same, 30)
            self.assertGreaterEqual(told["received"], 120)
            self.assertGreaterEqual(told["unmatched"], 120)
            shown = self.cluster[node].cli("stats").stdout
            self.assertNotIn("partitions", shown)

    def test_9_without_an_owner(self):
        for name in "bc":
            self.cluster[name].kill()

        def ownerless():
            told = self.cluster["a"].request("GET", "/v2/cluster").json()
            return [p["partition"] for p in told["partitions"] if not p["owner"]]
        gone = harness.wait_until("partitions without an owner", lambda: ownerless() or None, 60)

        def missing():
            reply = self.cluster["a"].request("GET", "/v2/stats")
            return reply.json() if reply.status == 200 and reply.json().get("missing") else None
        if 0 not in gone:
            told = harness.wait_until("figures without them", missing, 60)
            self.assertLessEqual(set(gone) & set(told["missing"]), set(gone))
            # Node a takes some of them over meanwhile.
            def told_alike():
                there = set((missing() or {}).get("missing", ()))
                return there and there == set(json.loads(
                    self.cluster["a"].cli("stats", "--output", "json").stdout)["missing"])
            harness.wait_until("the command line to say whose are missing", told_alike, 60)
            self.assertIn("did not answer", self.cluster["a"].cli("stats").stdout)
            refused = self.cluster["a"].request("GET", "/v2/kv")
            self.assertEqual((refused.status, refused.json()["error"]["code"]), (503, "UNAVAILABLE"), refused)
            self.assertIn("partition ", refused.json()["error"]["message"])
        for name in "bc":
            self.cluster[name].start()
        self.cluster.wait_ready()
        whole = harness.wait_until("figures of all", lambda: (
            lambda reply: reply.json() if reply.status == 200 and "missing" not in reply.json() else None)(
                self.cluster["a"].request("GET", "/v2/stats")), 60)
        self.assertEqual(len(whole["shards"]), PARTITIONS)


if __name__ == "__main__":
    unittest.main()
