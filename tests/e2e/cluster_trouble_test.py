"""Goal: what an operator may meet in a cluster is told and costs nothing that was acknowledged: one id sent to several
nodes at once, an owner that stands still inside a webhook, a target that dies during a move, a nats-server that has
lost its disk, a stream that somebody deleted; what people ask of the cluster is in the audit log; edges report to any
node. Method: three nodes on three nats-servers, a partition for each tenant that matters.
"""
import os
import shutil
import threading
import time
import unittest

import cluster_nodes
import cluster_test
import harness
import nats_peer
import sink


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class Trouble(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = sink.Sink()
        cls.cluster = cluster_nodes.Cluster(partitions=3)
        try:
            cls.cluster.start()
            cls.bad_init = harness.wait_until("NATS to have said that there is no cluster", lambda: next((
                r for r in [cls.cluster["a"].request("POST", "/v2/cluster/init", {"nodes": list("abc"), "more": 1})]
                if r.status != 503), None), 60)
            cls.cluster.init()
            first = cls.cluster["a"]
            cls.admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = cls.admin
            cls.keys = cluster_test.make_tenants(first, cls.admin, ["acme"])
            cls.key = cls.keys["acme"]
            first.ok("POST", "/v2/scripts", {"id": "count", "name": "count", "type": "event",
                                             "source": cluster_test.COUNT}, cls.key)
            first.ok("POST", "/v2/scripts", {"id": "read", "name": "read", "type": "api",
                                             "source": cluster_test.READ}, cls.key)
            first.ok("POST", "/v2/subscriptions", {"id": "count", "name": "count", "pattern": "count.*",
                                                   "executor": {"type": "script", "scriptId": "count"}}, cls.key)
            reply = first.request("POST", "/v2/events", {"pattern": "first", "payload": {}}, cls.key)
            cls.partition = reply.json()["partition"]
        except BaseException:
            cls.cluster.close()
            cls.sink.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()
        cls.sink.close()

    def counted(self):
        reply = self.cluster["a"].request("POST", "/v2/script/run", {"scriptId": "read", "query": {}, "body": {}},
                                          self.key)
        return reply.json()["result"].get("count", 0) if reply.status == 200 else None

    def audited(self, action, ident):
        """Who has asked for it, of the newest."""
        items = self.cluster["b"].ok("GET", f"/v2/audit?id={ident}&limit=100", key=self.admin)["items"]
        return next((i for i in items if i["action"] == action), None)

    def move(self, partition, to):
        moved = self.cluster["b"].request("POST", f"/v2/cluster/partitions/{partition}/move", {"to": to},
                                          headers={"User-Agent": "the-test"})
        self.assertEqual(moved.status, 202, moved)
        harness.wait_until(f"partition {partition} to be with {to}",
                           lambda: self.cluster.owner(partition, "b") == to, 60)
        return moved.json()["id"]

    # ---- what people ask of a cluster

    def test_0_a_making_that_says_more_than_is_known_is_refused(self):
        self.assertEqual(self.bad_init.status, 400, self.bad_init)
        self.assertIn("expected", self.bad_init.json()["error"]["message"])

    def test_1_orders_are_in_the_audit_log(self):
        made = harness.wait_until("the making", lambda: self.audited("init", self.cluster.name), 30)
        self.assertEqual(made["actor"]["type"], "local")
        owner = self.cluster.owner(self.partition)
        other = next(c["node"] for c in self.cluster.view()["partitions"][self.partition]["copies"]
                     if c["node"] != owner)
        ident = self.move(self.partition, other)
        moved = harness.wait_until("the move", lambda: self.audited("move", self.partition), 30)
        self.assertEqual((moved["entry"]["order"], moved["entry"]["to"]), (ident, other), moved)
        self.assertEqual((moved["actor"]["type"], moved["actor"]["role"]), ("key", "admin"), moved)
        self.assertEqual((moved["ip"], moved["userAgent"], moved["via"]), ("127.0.0.1", "the-test", "http"), moved)
        self.assertEqual(moved["target"], {"type": "partition", "id": str(self.partition)})
        for verb in ("drain", "undrain"):
            self.assertEqual(self.cluster["c"].cli("cluster", verb, "c").returncode, 0)
            self.assertTrue(harness.wait_until(verb, lambda v=verb: self.audited(v, "c"), 30))
        # Once each, however often it was said to the one who writes it.
        items = self.cluster["b"].ok("GET", "/v2/audit?limit=1000", key=self.admin)["items"]
        orders = [i["entry"]["order"] for i in items if "order" in i["entry"]]
        self.assertEqual(len(orders), len(set(orders)))
        self.assertTrue(self.cluster["b"].ok("GET", "/v2/audit/verify", key=self.admin)["valid"])
        # What was refused has changed nothing.
        self.assertEqual(self.cluster["a"].request("POST", "/v2/cluster/partitions/0/move", {"to": "x"}).status, 404)
        self.assertIsNone(self.audited("heal", "0"))

    def test_2_an_edge_reports_to_any_node(self):
        enrolled = self.cluster["a"].request("POST", "/v2/edges", {"node": "shop-1"}, self.key)
        self.assertEqual(enrolled.status, 201, enrolled)
        token = enrolled.json()["token"]
        self.assertTrue(token.endswith(".acme"), token)
        edge = harness.Server(["--set", "hub.url=http://" + self.cluster["c"].http, "--set", "hub.node=shop-1"],
                              env={"MILLRACE_HUB_TOKEN": token}, shards=1)
        edge.start()
        try:
            count = 300
            for n in range(count):
                edge.send_event("sold", {"n": n})
                if n == count // 2:
                    owner = self.cluster.owner(self.partition)
                    self.move(self.partition, next(
                        c["node"] for c in self.cluster.view()["partitions"][self.partition]["copies"]
                        if c["node"] != owner))

            def numbers():
                reply = self.cluster["b"].request("GET", "/v2/events?pattern=sold&limit=1000", key=self.key)
                return [e["payload"]["n"] for e in reply.json()["items"]] if reply.status == 200 else []
            harness.wait_until("all of them", lambda: len(set(numbers())) == count, 60)
            self.assertEqual(sorted(numbers()), list(range(count)))
            status = self.cluster["a"].ok("GET", "/v2/edges/shop-1", key=self.key)["status"]
            self.assertEqual(status["taken"] + status["duplicates"] >= count, True, status)
        finally:
            edge.close()
        wrong = self.cluster["a"].request("GET", "/v2/edges/shop-1/filters", key="mredge_00.acme")
        self.assertEqual(wrong.status, 401, wrong)

    # ---- what clients do

    def test_3_one_id_is_sent_to_all_nodes_at_once(self):
        before = self.counted()
        for turn in range(20):
            start = threading.Barrier(3)
            replies = []

            def send(node, ident):
                start.wait()
                replies.append(node.request("POST", "/v2/events", {"eventId": ident, "pattern": "count.same",
                                                                   "payload": {"n": 1}}, self.key))
            threads = [threading.Thread(target=send, args=(node, f"same-{turn}"))
                       for node in self.cluster.nodes.values()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual([r.status for r in replies], [202, 202, 202], replies)
            self.assertEqual(sum(r.json()["duplicates"] for r in replies), 2, replies)
        harness.wait_until("each to have counted once", lambda: (self.counted() or 0) >= before + 20, 60)
        self.assertEqual(self.counted(), before + 20)

    # ---- what breaks

    def test_4_an_owner_stands_still_inside_a_webhook(self):
        let_go = threading.Event()
        self.sink.answers["/slow"] = lambda _: (let_go.wait(40), (204, {}, b""))[1]
        self.cluster["a"].ok("POST", "/v2/subscriptions", {
            "id": "hook", "name": "hook", "pattern": "hook.me",
            "executor": {"type": "webhook", "url": self.sink.url + "/slow", "timeoutMs": 30000}}, self.key)
        owner = self.cluster[self.cluster.owner(self.partition)]
        other = next(n for n in self.cluster.nodes.values() if n is not owner)
        sent = other.request("POST", "/v2/events", {"eventId": "hook-1", "pattern": "hook.me", "payload": {}}, self.key)
        self.assertEqual(sent.status, 202, sent)
        harness.wait_until("the first call", lambda: len(self.sink.of("/slow")) == 1, 30)
        owner.pause()
        try:
            harness.wait_until("another owner", lambda: self.cluster.owner(self.partition, other.name)
                               not in (None, owner.name), 60)
            harness.wait_until("the second call", lambda: len(self.sink.of("/slow")) == 2, 60)
        finally:
            let_go.set()
            owner.go_on()
        self.cluster.wait_ready()
        calls = self.sink.of("/slow")
        self.assertEqual(calls[0].headers["webhook-id"], calls[1].headers["webhook-id"])
        epochs = [tuple(int(n) for n in c.headers["millrace-epoch"].split(".")) for c in calls]
        self.assertEqual([e[0] for e in epochs], [self.partition] * 2)
        self.assertGreater(epochs[1][1], epochs[0][1])

        def outcomes():
            reply = other.request("GET", "/v2/executions?subscriptionId=hook", key=self.key)
            return [e["status"] for e in reply.json()["items"]] if reply.status == 200 else []
        harness.wait_until("one execution that went well", lambda: outcomes() == ["completed"], 60)
        time.sleep(1)  # the one that was stopped has come to itself
        self.assertEqual(len(self.sink.of("/slow")), 2)
        other.ok("DELETE", "/v2/subscriptions/hook", key=self.key)

    def test_5_the_target_of_a_move_dies(self):
        view = self.cluster.view()["partitions"][self.partition]
        owner = view["owner"]
        # A copy has to be made there first.
        target = self.cluster[next(n for n in "abc" if n not in [c["node"] for c in view["copies"]])]
        other = self.cluster[next(n for n in "abc" if n not in (owner, target.name))]
        moved = other.request("POST", f"/v2/cluster/partitions/{self.partition}/move", {"to": target.name})
        self.assertEqual(moved.status, 202, moved)
        target.kill()
        before = self.counted_by(other)
        # While it is on its way the owner is who it was, and works.
        for n in range(20):
            reply = other.request("POST", "/v2/events", {"eventId": f"mv-{n}", "pattern": "count.mv", "payload": {}},
                                  self.key)
            self.assertEqual(reply.status, 202, reply)
        harness.wait_until("all to have counted", lambda: (self.counted_by(other) or 0) >= before + 20, 60)
        again = other.request("POST", f"/v2/cluster/partitions/{self.partition}/move", {"to": owner})
        self.assertIn(again.status, (202, 409), again)
        target.start()
        harness.wait_until("the move to come to its end", lambda: self.cluster.owner(self.partition, other.name)
                           == target.name, 90)
        self.cluster.wait_ready()
        self.assertEqual(self.counted_by(other), before + 20)
        verified = other.cli("cluster", "verify", "--seconds", "60")
        self.assertEqual(verified.returncode, 0, verified.stdout)

    def counted_by(self, node):
        reply = node.request("POST", "/v2/script/run", {"scriptId": "read", "query": {}, "body": {}}, self.key)
        return reply.json()["result"].get("count", 0) if reply.status == 200 else None

    def test_6_a_nats_server_loses_its_disk(self):
        sender = cluster_nodes.Sender(self.cluster.nodes.values(), self.key, "wiped", [
            {"eventId": f"wiped-{n}", "pattern": "count.wiped", "payload": {}} for n in range(200_000)], batch=20)
        before = self.counted()
        sender.start()
        harness.wait_until("events to come", lambda: len(sender.acked) > 200, 60)
        lost = self.cluster.nats.members[0]
        lost.kill()
        shutil.rmtree(os.path.join(self.cluster.nats.folder, lost.name))
        lost.start()
        mark = len(sender.acked)
        harness.wait_until("events to go on", lambda: len(sender.acked) > mark + 400, 90)
        sender.ended.set()
        sender.join()
        self.assertEqual(sender.failures, [])
        # The batch that was on its way in the end counts too.
        last = [{"eventId": f"wiped-{n}", "pattern": "count.wiped", "payload": {}}
                for n in range(len(sender.acked), len(sender.acked) + 20)]
        harness.wait_until("the last of them", lambda: self.cluster["a"].request(
            "POST", "/v2/events?ids=0", last, self.key).status == 202, 60)
        want = before + len(sender.acked) + len(last)
        harness.wait_until("all to have counted", lambda: (self.counted() or 0) >= want, 120)
        self.assertEqual(self.counted(), want)

    def test_7_a_stream_is_deleted(self):
        """Told, nothing deleted, and a person's word brings it back; that word is in the audit log."""
        sent = self.cluster["a"].request("POST", "/v2/events", {"eventId": "kept", "pattern": "kept", "payload": {}},
                                         self.key)
        self.assertEqual(sent.status, 202, sent)
        stream = f"MR-{self.cluster.name}-P{self.partition:02d}"

        def deleted():
            try:
                client = self.cluster.nats.client()
                client.socket.settimeout(5)
                client.api("STREAM.DELETE." + stream)
                client.close()
            except OSError:  # no leader at the moment
                pass
            copies = self.cluster.view("a")["partitions"][self.partition]["copies"]
            return all(c["role"] == "diverged" for c in copies) and copies
        copies = harness.wait_until("all copies to say so", deleted, 120)
        reply = self.cluster["a"].request("POST", "/v2/events", {"eventId": "not-now", "pattern": "kept", "payload": {}},
                                          self.key)
        self.assertEqual(reply.status, 503, reply)
        self.cluster.nats.create(stream, f"mr.{self.cluster.name}.p.{self.partition:02d}", log_bytes=64 << 20)
        best = max(copies, key=lambda c: c["unit"])["node"]
        healed = self.cluster["a"].cli("cluster", "heal", str(self.partition), "--from", best, "--yes")
        self.assertEqual(healed.returncode, 0, healed.stderr)
        self.cluster.wait_ready(seconds=90)
        there = harness.wait_until("what was acknowledged", lambda: self.cluster["c"].request(
            "GET", "/v2/events/kept", key=self.key).status == 200, 60)
        self.assertTrue(there)
        told = harness.wait_until("the audit log", lambda: self.audited("heal", self.partition), 60)
        self.assertEqual((told["entry"]["from"], told["actor"]["type"]), (best, "key"), told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
