"""Goal: with partition_by = "key" an order is given to all partitions as one: a replay has one id and one progress, what
is expected is held against the sum before anything begins, dead letters of all go back at once, and each is delivered
exactly as counted, also where a node dies in the middle. Where a partition has no owner nothing begins."""
import json
import unittest

import cluster_nodes
import harness
import nats_peer

PARTITIONS = 6
COUNT = """
return function(event, ctx)
    sdk.kv.incr("count")
    if ctx.replay then sdk.kv.incr("again:" .. ctx.replay.id) end
end
"""
FAIL = "return function(event, ctx) error('as told') end"


def batch(name, count, pattern, keys=37):
    return [{"eventId": f"{name}-{i}", "pattern": pattern, "partitionKey": f"k{i % keys}", "payload": {"n": i}}
            for i in range(count)]


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class KeyOrdersTest(unittest.TestCase):
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
        self.cluster["a"].ok("POST", "/v2/scripts", {"id": name, "name": name, "type": "event", "source": source})
        self.cluster["b"].ok("POST", "/v2/subscriptions", {
            "id": name, "name": name, "pattern": pattern, "retry": {"maxRetries": 0},
            "executor": {"type": "script", "scriptId": name}})

    def total(self, key, node="a"):
        """Of all partitions' kv; None where one does not answer."""
        total = 0
        for partition in range(PARTITIONS):
            reply = self.cluster[node].request("GET", f"/v2/kv?partition={partition}&prefix={key}&limit=1000")
            if reply.status != 200:
                return None
            total += sum(int(item["value"]) for item in reply.json()["items"] if item["key"] == key)
        return total

    def send(self, events, node="b"):
        left = events
        def taken():
            nonlocal left
            reply = self.cluster[node].request("POST", "/v2/events", left)
            if reply.status == 503:
                return False
            self.assertEqual(reply.status, 202, reply)
            left = [left[r["index"]] for r in reply.json()["rejected"]]
            return not left
        harness.wait_until("events to be taken", taken, 60)

    def replay(self, id, node="c"):
        reply = self.cluster[node].request("GET", "/v2/replays/" + id)
        return reply.json() if reply.status == 200 else {"status": reply.status}

    def ended(self, id, node="c", seconds=60):
        harness.wait_until("the replay to end", lambda: self.replay(id, node)["status"] in
                           ("completed", "failed", "cancelled"), seconds)
        return self.replay(id, node)

    def listed(self, node="a"):
        return {r["id"]: r for r in self.cluster[node].ok("GET", "/v2/replays?limit=100")["items"]}

    def test_1_a_replay_is_one(self):
        self.handler("count", COUNT, "rp.it")
        self.send(batch("rp", 300, "rp.it"))
        harness.wait_until("all to be counted", lambda: self.total("count") == 300, 60)
        order = {"id": "mine", "from": "-1h", "pattern": "rp.it", "subscriptionIds": ["count"], "expect": 299}
        refused = self.cluster["b"].request("POST", "/v2/replays", order)
        self.assertEqual((refused.status, refused.json()["error"]["details"]["field"]), (409, "expect"), refused)
        self.assertIn("300 events would be replayed; nothing was begun", refused.json()["error"]["message"])
        self.assertEqual(self.listed(), {})
        order["expect"] = 300
        begun = self.cluster["b"].request("POST", "/v2/replays", order)
        self.assertEqual((begun.status, begun.json()["id"]), (202, "mine"), begun)
        self.assertEqual(begun.headers.get("Location"), "/v2/replays/mine")
        self.assertNotIn("partition", begun.json())
        end = self.ended("mine")
        self.assertEqual((end["status"], end["matched"], end["delivered"], end["failed"]), ("completed", 300, 300, 0), end)
        self.assertEqual({p["partition"] for p in end["position"]}, set(range(PARTITIONS)))
        self.assertEqual(end["request"], order)
        self.assertEqual(self.total("count"), 600)
        self.assertEqual(self.total("again:mine"), 300)
        # Said again it is no second one; said otherwise it is refused.
        again = self.cluster["c"].request("POST", "/v2/replays", order)
        self.assertEqual((again.status, again.json()), (202, {"id": "mine", "status": "completed"}), again)
        other = self.cluster["c"].request("POST", "/v2/replays", dict(order, pattern="rp.other"))
        self.assertEqual(other.status, 409, other)
        self.assertEqual(self.total("count"), 600)
        ended = self.cluster["a"].request("DELETE", "/v2/replays/mine")
        self.assertEqual(ended.status, 409, ended)
        self.assertEqual(self.cluster["a"].request("GET", "/v2/replays/nobodys").status, 404)
        bad = self.cluster["a"].request("POST", "/v2/replays", {"from": "-1h"})
        self.assertEqual((bad.status, bad.json()["error"]["details"]["field"]), (400, "subscriptionIds"), bad)
        lines = self.cluster["a"].ok("GET", "/v2/audit?kind=replay")["items"]
        self.assertEqual([line["entry"]["id"] for line in lines], ["mine"])

    def test_1b_what_goes_to_other_partitions_is_no_difference(self):
        self.handler("cross", """return function(event, ctx)
            sdk.events.emit("cr.out", {n = event.payload.n}, {partitionKey = "o" .. (event.payload.n % 13)})
        end""", "cr.in")
        self.send(batch("cr", 60, "cr.in"))
        harness.wait_until("all to be emitted", lambda: self.cluster["a"].request(
            "GET", "/v2/events?pattern=cr.out&count=1").json().get("count") == 60, 60)
        id = self.cluster["b"].ok("POST", "/v2/replays", {
            "from": "-1h", "pattern": "cr.in", "subscriptionIds": ["cross"], "dryRun": True})["id"]
        end = self.ended(id)
        self.assertEqual((end["status"], end["diff"]["compared"], end["diff"]["different"]), ("completed", 60, 0), end)
        # A trial finds an event wherever it is.
        for i in range(6):
            tried = self.cluster["c"].ok("POST", "/v2/scripts/cross/try", {"eventId": f"cr-{i}"})
            self.assertEqual(len(tried["emitted"]), 1, tried)
        missing = self.cluster["c"].request("POST", "/v2/scripts/cross/try", {"eventId": "cr-no"})
        self.assertEqual(missing.status, 404, missing)

    def test_2_several_are_a_list_and_can_be_cancelled(self):
        ids = []
        for i in range(3):
            ids.append(self.cluster["abc"[i]].ok("POST", "/v2/replays", {
                "from": "-1h", "pattern": "rp.it", "subscriptionIds": ["count"], "pace": 30})["id"])
        self.assertEqual(len(set(ids)), 3)
        running = self.listed("b")
        self.assertEqual({running[i]["status"] for i in ids}, {"running"})
        self.assertEqual(list(running)[:3], ids[::-1])
        paged, cursor = [], ""
        while cursor is not None:
            page = self.cluster["c"].ok("GET", "/v2/replays?limit=1" + (f"&cursor={cursor}" if cursor else ""))
            paged += [r["id"] for r in page["items"]]
            cursor = page["next"]
        self.assertEqual(paged, list(running))
        for i in ids:
            gone = self.cluster["a"].request("DELETE", "/v2/replays/" + i)
            self.assertEqual((gone.status, gone.json()["status"]), (200, "cancelled"), gone)
            self.assertLess(gone.json()["delivered"], 300)
        self.assertEqual(self.cluster["b"].request("DELETE", "/v2/replays/" + ids[0]).status, 200)
        for i in ids:
            harness.wait_until("what is told to be what was done", lambda: self.total("again:" + i) ==
                               self.replay(i)["delivered"], 30)

    def test_3_a_dry_run_compares_in_all(self):
        id = self.cluster["a"].ok("POST", "/v2/replays", {
            "from": "-1h", "pattern": "rp.it", "subscriptionIds": ["count"], "dryRun": True})["id"]
        end = self.ended(id)
        self.assertEqual((end["status"], end["dryRun"], end["diff"]["compared"]), ("completed", True, 300), end)
        found, cursor = [], ""
        while cursor is not None:
            page = self.cluster["b"].ok("GET", f"/v2/replays/{id}/diff?limit=7" + (f"&cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page["next"]
        self.assertEqual(len(found), end["diff"]["different"])

    def letters(self):
        return self.cluster["c"].ok("POST", "/v2/dlq/replay", {"subscriptionId": "fail", "dryRun": True})["count"]

    def test_4_dead_letters_go_back_at_once(self):
        self.handler("fail", FAIL, "dl.it")
        self.send(batch("dl", 90, "dl.it"))
        harness.wait_until("all to be dead", lambda: self.letters() == 90, 60)
        node = self.cluster["b"]
        would = node.ok("POST", "/v2/dlq/replay", {"subscriptionId": "fail", "dryRun": True})
        self.assertEqual((would["success"], would["dryRun"], len(would["sample"])), (True, True, 10))
        refused = node.request("POST", "/v2/dlq/replay", {"subscriptionId": "fail", "expect": 15})
        self.assertEqual((refused.status, refused.json()["error"]["details"]["field"]), (409, "expect"), refused)
        self.assertIn("90 dead letters would be replayed; nothing was done", refused.json()["error"]["message"])
        # A mark is everywhere.
        first = node.ok("GET", "/v2/dlq/" + would["sample"][0])
        path = "/v2/dlq/groups/" + first["errorFingerprint"]
        marked = node.request("PATCH", path, {"state": "acknowledged"})
        self.assertEqual((marked.status, marked.json()["state"]), (200, "acknowledged"), marked)
        states = set()
        for partition in range(PARTITIONS):
            for group in node.ok("GET", f"/v2/dlq/groups?partition={partition}")["items"]:
                states.add((group["state"], group["stateAt"]))
        self.assertEqual(states, {("acknowledged", marked.json()["stateAt"])})
        self.assertEqual(node.request("PATCH", "/v2/dlq/groups/none", {"state": "ignored"}).status, 404)
        # What would become of them, with what they would run.
        rehearsed = node.ok("POST", "/v2/dlq/rehearse", {"scriptId": "fail", "sample": 30, "source": COUNT})
        self.assertEqual((rehearsed["sampled"], rehearsed["passed"], rehearsed["passRate"]), (30, 30, 1), rehearsed)
        rehearsed = node.ok("POST", "/v2/dlq/rehearse", {"subscriptionId": "fail"})
        self.assertEqual((rehearsed["sampled"], rehearsed["failed"]), (20, 20), rehearsed)
        # Some by their ids, wherever they are; one that nobody has is none.
        before = self.total("count")
        self.cluster["a"].ok("PUT", "/v2/scripts/fail", {"id": "fail", "name": "fail", "type": "event", "source": COUNT})
        none = node.request("POST", "/v2/dlq/replay", {"ids": would["sample"] + ["nobodys"]})
        self.assertEqual(none.status, 404, none)
        some = node.request("POST", "/v2/dlq/replay", {"ids": would["sample"]})
        self.assertEqual((some.status, some.json()), (202, {"success": True, "accepted": 10}), some)
        harness.wait_until("ten to be gone", lambda: self.letters() == 80, 60)
        rest = self.cluster["c"].request("POST", "/v2/dlq/replay", {
            "subscriptionId": "fail", "expect": 80, "ratePerSecond": 400})
        self.assertEqual((rest.status, rest.json()), (202, {"success": True, "accepted": 80}), rest)
        harness.wait_until("all to be gone", lambda: self.letters() == 0, 60)
        self.assertEqual(self.total("count"), before + 90)
        totals = [line["entry"].get("total") for line in node.ok("GET", "/v2/audit?kind=dead_letter")["items"]]
        self.assertEqual(totals, [80, 10])

    def test_5_the_command_line_does_too(self):
        before = self.total("count")
        done = self.cluster["b"].cli("-o", "json", "replay", "start", "--handler", "count", "--from", "1h",
                                     "--pattern", "rp.it", "--wait", "--yes")
        self.assertEqual(done.returncode, 0, done)
        told = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((told["status"], told["delivered"]), ("completed", 300))
        self.assertEqual(self.total("count"), before + 300)
        listed = self.cluster["a"].cli("-o", "json", "replay", "list")
        self.assertIn(told["id"], listed.stdout)
        shown = self.cluster["c"].cli("-o", "json", "replay", "status", told["id"])
        self.assertEqual(json.loads(shown.stdout)["delivered"], 300)
        slow = self.cluster["a"].ok("POST", "/v2/replays", {
            "from": "-1h", "pattern": "rp.it", "subscriptionIds": ["count"], "pace": 10})["id"]
        self.assertEqual(self.cluster["b"].cli("replay", "cancel", slow).returncode, 0)
        self.assertEqual(self.ended(slow)["status"], "cancelled")
        self.handler("cli", FAIL, "cli.it")
        self.send(batch("cli", 40, "cli.it"))
        count = lambda: self.cluster["a"].ok("POST", "/v2/dlq/replay", {"subscriptionId": "cli", "dryRun": True})["count"]
        harness.wait_until("all to be dead", lambda: count() == 40, 60)
        self.cluster["a"].ok("PUT", "/v2/scripts/cli", {"id": "cli", "name": "cli", "type": "event", "source": COUNT})
        done = self.cluster["c"].cli("-o", "json", "dlq", "replay", "--handler", "cli", "--wait", "--yes")
        self.assertEqual((done.returncode, json.loads(done.stdout)["delivered"]), (0, 40), done)
        self.assertEqual(count(), 0)

    def test_6_a_subscription_goes_on_from_another_place(self):
        self.handler("place", COUNT, "place.it")
        self.send(batch("place", 60, "place.it"))
        harness.wait_until("all to be there", lambda: self.subscription_total("place") == 60, 60)
        node = self.cluster["c"]
        node.ok("POST", "/v2/subscriptions/place/pause", {})
        self.send(batch("later", 60, "place.it"))
        # What came while it was paused is passed over.
        node.ok("POST", "/v2/subscriptions/place/resume", {"from": "skip"})
        self.send(batch("last", 30, "place.it"))
        harness.wait_until("what came later to be there", lambda: self.subscription_total("place") == 90, 60)
        # All of it again.
        again = node.request("POST", "/v2/subscriptions/place/resume", {"from": "-1h"})
        self.assertEqual((again.status, again.json()["id"]), (200, "place"), again)
        id = again.headers["Location"].rsplit("/", 1)[1]
        self.assertEqual(self.ended(id)["delivered"], 150)
        bad = node.request("POST", "/v2/subscriptions/place/resume", {"from": "m1!2"})
        self.assertEqual(bad.status, 400, bad)

    def test_6b_a_removal_tells_what_waited_in_all(self):
        for how, counts in (("dead-letter", (60, 0)), ("discard", (0, 60))):
            name = "gone-" + how
            self.handler(name, COUNT, name + ".it")
            self.cluster["a"].ok("POST", f"/v2/subscriptions/{name}/pause", {})
            self.send(batch(name, 60, name + ".it"))
            gone = self.cluster["c"].request("DELETE", f"/v2/subscriptions/{name}?waiting={how}")
            self.assertEqual((gone.status, gone.json()), (200, {
                "success": True, "deadLettered": counts[0], "discarded": counts[1]}), gone)
            self.assertEqual(self.cluster["b"].request("GET", "/v2/subscriptions/" + name).status, 404)

    def subscription_total(self, id):
        found, cursor = 0, ""
        while cursor is not None:
            page = self.cluster["b"].ok("GET", f"/v2/executions?subscriptionId={id}&status=completed&limit=500" +
                                        (f"&cursor={cursor}" if cursor else ""))
            found += len(page["items"])
            cursor = page["next"]
        return found

    def test_7_a_node_dies_in_the_middle(self):
        self.handler("many", COUNT, "many.it")
        for i in range(6):
            self.send(batch(f"many{i}", 500, "many.it"))
        self.assertEqual(self.cluster["a"].ok("GET", "/v2/events?pattern=many.it&count=1")["count"], 3000)
        harness.wait_until("the first time to be over", lambda: self.subscription_total("many") == 3000, 60)
        before = self.total("count")
        order = {"id": "torn", "from": "-1h", "pattern": "many.it", "subscriptionIds": ["many"], "expect": 3000, "pace": 600}
        self.assertEqual(self.cluster["a"].ok("POST", "/v2/replays", order)["id"], "torn")
        harness.wait_until("some to be delivered", lambda: self.replay("torn", "a").get("delivered", 0) > 100, 30)
        dead = self.cluster["b"]
        dead.kill()
        # Said again meanwhile: nothing is begun twice.
        harness.wait_until("the order to be known again", lambda: self.cluster["c"].request(
            "POST", "/v2/replays", order).status == 202, 60)
        end = self.ended("torn", "a", 120)
        self.assertEqual((end["status"], end["matched"], end["delivered"], end["failed"]), ("completed", 3000, 3000, 0), end)
        self.assertEqual(self.total("again:torn"), 3000)
        self.assertEqual(self.total("count"), before + 3000)
        dead.start()
        self.cluster.wait_ready()

    def test_8_without_an_owner_nothing_begins(self):
        partitions = self.cluster["a"].ok("GET", "/v2/cluster", key=self.admin)["partitions"]
        copies = [{c["node"] for c in p["copies"]} for p in partitions]
        gone = next(pair for pair in copies if "a" not in pair)
        orphans = [p for p, nodes in enumerate(copies) if nodes == gone]
        for name in gone:
            self.cluster[name].kill()
        node = self.cluster["a"]
        def refused(method, path, body):
            def said():
                reply = node.request(method, path, body)
                named = any(b"nobody owns partition %d at" % p in reply.body for p in orphans)
                return reply if reply.status == 503 and named else None
            return harness.wait_until(f"{path} to be refused", said, 60).json()["error"]["message"]
        said = refused("POST", "/v2/replays", {"id": "orphan", "from": "-1h", "subscriptionIds": ["count"]})
        self.assertIn("nothing was done", said)
        refused("POST", "/v2/dlq/replay", {"subscriptionId": "fail"})
        for name in gone:
            self.cluster[name].start()
        self.cluster.wait_ready()
        self.assertEqual(node.request("GET", "/v2/replays/orphan").status, 404)


if __name__ == "__main__":
    unittest.main()
