"""Goal: three nodes on three nats-servers take events by any of them, and lose nothing that was acknowledged when one
of them dies at once with all its processes; each event is handled with its effects once; partitions move, and a node
is drained, while events come.
"""
import collections
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import cluster_nodes
import harness
import nats_cluster
import nats_peer
import shapes

COUNT = """
return function(event, ctx)
    sdk.kv.incr("count")
    sdk.kv.incr("of:" .. event.pattern)
end
"""
READ = """
return function(event, ctx)
    return { count = sdk.kv.get("count") or 0 }
end
"""


def make_tenants(node, admin, names):
    """A key of each tenant, and a handler that counts what it gets."""
    keys = {}
    for name in names:
        node.ok("POST", "/v2/tenants", {"id": name}, admin)
        keys[name] = node.ok("POST", "/v2/keys", {"name": name, "role": "admin", "tenantId": name}, admin)["key"]
    return keys


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class ClusterTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster_nodes.Cluster()
        try:
            cls.cluster.start().init()
            cls.make_first_key()
        except BaseException:
            cls.cluster.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    @classmethod
    def make_first_key(cls):
        first = cls.cluster["a"]
        cls.admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
        for node in cls.cluster.nodes.values():
            node.api_key = cls.admin
        cls.keys = make_tenants(first, cls.admin, ["acme", "globex", "initech", "umbrella"])
        for key in cls.keys.values():
            first.ok("POST", "/v2/scripts", {"id": "count", "name": "count", "type": "event", "source": COUNT}, key)
            first.ok("POST", "/v2/scripts", {"id": "read", "name": "read", "type": "api", "source": READ}, key)
            first.ok("POST", "/v2/subscriptions", {"id": "count", "name": "count", "pattern": "github.*",
                                                   "executor": {"type": "script", "scriptId": "count"}}, key)

    def events(self, tenant, name, count):
        return [{"eventId": f"{name}-{tenant}-{i}", "pattern": f"github.kind{i % 7}", "partitionKey": f"k{i % 13}",
                 "payload": {"n": i}} for i in range(count)]

    def counted(self, tenant, node="a"):
        reply = self.cluster[node].request("POST", "/v2/script/run", {"scriptId": "read", "query": {}, "body": {}},
                                           self.keys[tenant])
        return reply.json()["result"].get("count", 0) if reply.status == 200 else None

    def test_1_who_is_there(self):
        view = self.cluster.view()
        self.assertEqual([n["node"] for n in view["nodes"]], ["a", "b", "c"])
        self.assertTrue(all(n["live"] for n in view["nodes"]), view)
        self.assertEqual(len(view["partitions"]), 6)
        for partition in view["partitions"]:
            self.assertEqual(sorted(c["role"] for c in partition["copies"]), ["owner", "standby"], partition)
        owned = collections.Counter(p["owner"] for p in view["partitions"])
        self.assertEqual(owned, {"a": 2, "b": 2, "c": 2}, "whoever was quicker")
        shown = self.cluster["b"].cli("cluster", "status")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("standby", shown.stdout)
        metrics = self.cluster["c"].request("GET", "/metrics").body.decode()
        self.assertIn('millrace_cluster_applied{partition="', metrics)
        self.assertRegex(metrics, r'(?m)^millrace_build_info\{partition="\d"')
        self.assertEqual(metrics.count("# TYPE millrace_build_info "), 1)

    def test_1_what_it_answers_fits_what_it_says_of_itself(self):
        node = self.cluster["b"]
        document = node.request("GET", "/openapi.json").json()
        told = shapes.Shapes(document)
        moved = node.request("POST", "/v2/cluster/partitions/0/move", {"to": self.cluster.owner(0)})
        for method, path, reply in (("GET", "/v2/cluster", node.request("GET", "/v2/cluster")),
                                    ("GET", "/v2/cluster/partitions/3", node.request("GET", "/v2/cluster/partitions/3")),
                                    ("POST", "/v2/cluster/partitions/0/move", moved),
                                    ("DELETE", "/v2/cluster/nodes/a/drain", node.request("DELETE", "/v2/cluster/nodes/a/drain"))):
            self.assertIn(reply.status, (200, 202), reply)
            schema = told.answer_of(method, path)["schema"]
            self.assertEqual(shapes.misfits(reply.json(), schema, told.components), [], (method, path, reply))

    def test_2_any_node_takes_any_tenants_events(self):
        for name, node in self.cluster.nodes.items():
            reply = node.request("POST", "/v2/events", self.events("acme", "any-" + name, 10), self.keys["acme"])
            self.assertEqual(reply.status, 202, reply)
            self.assertEqual(reply.json()["durability"], "replicated")
            self.assertIn("epoch", reply.json())
        # The same again by another node: known already.
        again = self.cluster["b"].request("POST", "/v2/events", self.events("acme", "any-a", 10), self.keys["acme"])
        self.assertEqual((again.status, again.json()["duplicates"]), (202, 10), again)
        for name in "abc":
            harness.wait_until("the handler to have counted 30", lambda n=name: self.counted("acme", n) == 30)

    def test_3_nobody_becomes_somebody_else(self):
        node = self.cluster["a"]
        principal = node.request("GET", "/v2/me", headers={"Millrace-Peer": "127.0.0.1"}, key=self.keys["acme"])
        self.assertNotIn("Millrace-Principal", principal.headers)
        self.assertEqual(principal.json()["tenantId"], "acme")
        for headers in ({"Millrace-Principal": "eyJ0ZW5hbnQiOiJkZWZhdWx0In0="},
                        {"Millrace-Cluster-Token": "x", "Millrace-Peer": "127.0.0.1"}):
            reply = node.request("GET", "/v2/events", headers=headers, key="mr_live_wrong")
            self.assertEqual(reply.status, 401, reply)
        # The nodes' own listener wants their token, whatever key is shown.
        inside = cluster_nodes.Node(self.cluster, "x")
        inside.http = self.cluster["a"].advertise
        self.assertEqual(inside.request("GET", "/v2/events", key=self.admin).status, 401)

    def test_4_a_node_dies(self):
        senders = [cluster_nodes.Sender(self.cluster.nodes.values(), self.keys[tenant], "die",
                                        self.events(tenant, "die", 40_000)) for tenant in self.keys]
        before = {tenant: self.counted(tenant) for tenant in self.keys}
        for sender in senders:
            sender.start()
        harness.wait_until("events to come", lambda: all(len(s.acked) > 1000 for s in senders), 60)
        dead = self.cluster["b"]
        at = time.monotonic()
        dead.kill()
        for sender in senders:
            sender.nodes = [n for n in sender.nodes if n is not dead]
        harness.wait_until("the others to own all", lambda: all(
            p["owner"] in ("a", "c") for p in self.cluster.view("a")["partitions"]), 60)
        self.cluster.wait_ready("ac")
        took = time.monotonic() - at
        marks = [len(s.acked) for s in senders]
        harness.wait_until("events to go on", lambda: all(len(s.acked) > m + 1000 or not s.is_alive()
                                                          for s, m in zip(senders, marks)), 60)
        print(f"\n# a node died: all partitions owned again after {took:.1f} s, worst batch "
              f"{max(s.worst for s in senders):.1f} s", flush=True)
        for sender in senders:
            sender.ended.set()
            sender.join()
            self.assertEqual(sender.failures, [])
        self.check_nothing_is_missing(senders, before)
        dead.start()
        self.cluster.wait_ready()
        harness.wait_until("the dead node's copies to have caught up", lambda: all(
            c["role"] in ("owner", "standby") for p in self.cluster.view()["partitions"] for c in p["copies"]), 60)
        verified = self.cluster["a"].cli("cluster", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def check_nothing_is_missing(self, senders, before):
        for tenant, sender in zip(self.keys, senders):
            missing = [i for i in list(sender.acked)[::97]
                       if self.cluster["a"].request("GET", f"/v2/events/{i}", key=self.keys[tenant]).status != 200]
            self.assertEqual(missing, [], tenant)
            # What was sent and not acknowledged may be there: it is sent again, and then all of it counts once.
            body = self.events(tenant, "die", 40_000)[:((len(sender.acked) + 99) // 50) * 50]
            for at in range(0, len(body), 1000):
                self.resend(body[at:at + 1000], self.keys[tenant])
            want = before[tenant] + len(body)
            harness.wait_until(f"{tenant}: the counter to be {want}",
                               lambda t=tenant, w=want: (self.counted(t) or 0) >= w, 120)
            self.assertEqual(self.counted(tenant), want, tenant)

    def resend(self, events, key):
        def taken():
            reply = self.cluster["a"].request("POST", "/v2/events?ids=0", events, key)
            return reply if reply.status == 202 else None
        return harness.wait_until("events to be taken again", taken, 60)

    def test_5_a_partition_moves(self):
        tenant = "acme"
        reply = self.cluster["a"].request("POST", "/v2/events", self.events(tenant, "mv", 1), self.keys[tenant])
        partition = reply.json()["partition"]
        owner = self.cluster.owner(partition)
        target = next(n for n in "abc" if n != owner)
        sender = cluster_nodes.Sender(self.cluster.nodes.values(), self.keys[tenant], "mv",
                                      self.events(tenant, "mv", 20_000), batch=20)
        sender.start()
        harness.wait_until("events to come", lambda: len(sender.acked) > 200, 30)
        moved = self.cluster["c"].cli("cluster", "move", str(partition), "--to", target)
        self.assertEqual(moved.returncode, 0, moved.stderr)
        harness.wait_until("the partition to have moved", lambda: self.cluster.owner(partition) == target, 60)
        mark = len(sender.acked)
        harness.wait_until("events to go on", lambda: len(sender.acked) > mark + 200 or not sender.is_alive(), 30)
        sender.ended.set()
        sender.join()
        self.assertEqual(sender.failures, [])
        print(f"\n# a planned move: worst batch {sender.worst:.2f} s", flush=True)

    def test_6_a_node_is_drained_and_ends(self):
        node = self.cluster["c"]
        drained = self.cluster["a"].cli("cluster", "drain", "c")
        self.assertEqual(drained.returncode, 0, drained.stderr)
        harness.wait_until("node c to own nothing", lambda: all(
            p["owner"] not in (None, "c") for p in self.cluster.view("a")["partitions"]), 90)
        self.assertEqual(node.stop(), 0, node.log())
        reply = self.cluster["a"].request("POST", "/v2/events", self.events("initech", "dr", 5), self.keys["initech"])
        self.assertEqual(reply.status, 202, reply)
        node.start()
        self.cluster.wait_ready()
        self.assertEqual(self.cluster["a"].cli("cluster", "undrain", "c").returncode, 0)

    def test_7_what_a_cluster_does_not_do_is_said(self):
        node = self.cluster["a"]
        reply = node.request("DELETE", "/v2/tenants/acme", {})
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (501, "NOT_SUPPORTED"), reply)
        self.assertEqual(node.request("POST", "/v2/backups", {}).status, 400)
        self.assertEqual(node.request("POST", "/v2/backups?partition=1", {}, self.keys["acme"]).status, 403)
        copied = node.request("POST", "/v2/backups?partition=1", {"path": "b1"}, seconds=60)
        self.assertLess(copied.status, 300, copied)
        self.assertEqual(node.request("POST", "/v2/cluster/partitions/99/move", {"to": "a"}).status, 404)
        self.assertEqual(node.request("POST", "/v2/cluster/partitions/0/move", {"to": "x"}).status, 404)
        self.assertEqual(node.request("POST", "/v2/cluster/partitions/0/heal", {"from": "a"}).status, 409)
        self.assertEqual(node.request("GET", "/v2/cluster", key=self.keys["acme"]).status, 403)
        # Changes of a tenant's keys are the tenant's; figures and logs of a partition are tenant default's.
        made = node.ok("GET", "/v2/audit?partition=0&kind=key", key=self.keys["acme"])["items"]
        self.assertEqual({i["tenantId"] for i in made}, {"acme"})
        for what in ("stats", "executors", "log", "config"):
            self.assertEqual(node.request("GET", f"/v2/{what}?partition=3").status, 200, what)
            self.assertEqual(node.request("GET", f"/v2/{what}?partition=3", key=self.keys["acme"]).status, 403, what)
            self.assertEqual(node.request("GET", f"/v2/{what}?partition=6").status, 400, what)

    def test_8_a_second_node_of_one_name_is_refused(self):
        twin = cluster_nodes.Node(self.cluster, "a")
        twin.data += "-twin"
        twin.log_path += "-twin"
        try:
            twin.start()
            code = twin.process.wait(30)
            self.assertEqual(code, 1)
            self.assertIn("is running already", twin.log())
            self.assertEqual([n["node"] for n in self.cluster.view()["nodes"]], ["a", "b", "c"])
        finally:
            twin.kill()
        self.assertEqual(self.cluster["a"].request("GET", "/readyz").status, 200)

    def test_9_streams_come_through(self):
        owner = self.cluster["a"].request("POST", "/v2/events", self.events("globex", "st", 1), self.keys["globex"])
        self.assertEqual(owner.status, 202)
        for name in "abc":
            connection = http.client.HTTPConnection(self.cluster[name].http, timeout=20)
            connection.request("GET", "/v2/events/stream?pattern=github.*", headers={
                "Authorization": "Bearer " + self.keys["globex"], "Accept": "text/event-stream"})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            self.resend(self.events("globex", "st-" + name, 1), self.keys["globex"])
            seen = b""
            while b"st-" + name.encode() not in seen:
                seen += answer.read1(65536)
            connection.close()


    def test_9_sockets_come_through(self):
        for name in "abc":
            host, port = self.cluster[name].http.split(":")
            with socket.create_connection((host, int(port)), 20) as line:
                line.sendall(f"GET /v2/events/ws?pattern=github.* HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
                             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                             f"Authorization: Bearer {self.keys['initech']}\r\n\r\n".encode())
                seen = b""
                while b"\r\n\r\n" not in seen:
                    seen += line.recv(65536)
                self.assertTrue(seen.startswith(b"HTTP/1.1 101 "), seen)
                self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", seen)
                self.resend(self.events("initech", "ws-" + name, 1), self.keys["initech"])
                while b"ws-" + name.encode() not in seen:
                    seen += line.recv(65536)

    def test_a_nats_is_gone_and_comes_back(self):
        sent = self.cluster["a"].request("POST", "/v2/events", self.events("acme", "ng", 20), self.keys["acme"])
        self.assertEqual(sent.status, 202)
        self.cluster.nats.kill()
        harness.wait_until("the nodes to say that they have no line", lambda: all(
            self.cluster[n].request("GET", "/readyz").status == 503 for n in "abc"))
        # What was on its way when the line broke, and what comes later: neither hangs.
        for _ in range(2):
            refused = self.cluster["b"].request("POST", "/v2/events", self.events("acme", "ng2", 1), self.keys["acme"])
            self.assertEqual(refused.status, 503, refused)
            self.assertIn("Retry-After", refused.headers)
        self.cluster.nats.start()
        self.cluster.wait_ready(seconds=90)
        self.resend(self.events("acme", "ng2", 1), self.keys["acme"])
        for event in self.events("acme", "ng", 20) + self.events("acme", "ng2", 1):
            harness.wait_until(event["eventId"], lambda e=event: self.cluster["c"].request(
                "GET", "/v2/events/" + e["eventId"], key=self.keys["acme"]).status == 200)

    def test_b_what_the_cluster_is_gets_lost_in_nats(self):
        def lost():
            try:
                client = self.cluster.nats.client()
                client.socket.settimeout(5)
                client.request("$JS.API.STREAM.DELETE.MR-t-META")
                client.close()
            except OSError:  # no leader at the moment
                pass
            return self.cluster.view("a").get("metaGone")
        harness.wait_until("the nodes to see it", lost, 90)
        # By what it knows a node even starts.
        self.assertEqual(self.cluster["c"].stop(), 0)
        self.cluster["c"].start()
        self.cluster.wait_ready()
        again = self.cluster["a"].request("POST", "/v2/cluster/init", {"nodes": ["a", "b", "c"]})
        self.assertEqual(again.status, 409, again)
        restored = self.cluster["a"].cli("cluster", "init", "--restore")
        self.assertEqual(restored.returncode, 0, restored.stderr)
        harness.wait_until("META to be there", lambda: not any(self.cluster.view(n)["metaGone"] for n in "abc"))
        self.resend(self.events("globex", "mg", 3), self.keys["globex"])

    def test_c_a_copy_that_somebody_wrote_into_is_found(self):
        node = self.cluster["c"]
        found = harness.wait_until("a standby there", lambda: [
            p["partition"] for p in self.cluster.view("a")["partitions"]
            if any(c["node"] == "c" and c["role"] == "standby" for c in p["copies"])], 60)
        partition = found[0]
        self.assertEqual(node.stop(), 0, node.log())
        inside = os.path.join(node.data, f"p{partition:02}")
        outside = os.path.join(self.cluster.folder, "outside")
        shutil.copytree(inside, outside)

        def offline(*words):
            return subprocess.run([harness.BINARY, *words, "--data", outside], capture_output=True, timeout=60,
                                  encoding="utf-8", env=harness.clean_environment())
        for words in (["serve", "--listen", "127.0.0.1:0"], ["key", "create", "--bootstrap"]):
            refused = offline(*words)
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(f"is a copy of partition {partition} of the cluster 't'", refused.stderr)
        os.remove(os.path.join(outside, "PARTITION"))
        self.assertEqual(offline("key", "create", "--bootstrap").returncode, 0)
        shutil.rmtree(inside)
        shutil.move(outside, inside)
        node.start()

        def copy():
            copies = self.cluster.view("a")["partitions"][partition]["copies"]
            return next(c for c in copies if c["node"] == "c")
        harness.wait_until("the copy to be found", lambda: copy()["role"] == "diverged", 60)
        self.assertIn("outside of the cluster", copy()["error"])
        self.assertEqual(node.stop(), 0, node.log())
        shutil.rmtree(inside)
        node.start()
        harness.wait_until("it to be a copy again", lambda: copy()["role"] == "standby", 60)
        verified = self.cluster["a"].cli("cluster", "verify")
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_d_a_node_that_is_told_otherwise_than_its_cluster_ends(self):
        node = self.cluster["c"]
        self.assertEqual(node.stop(), 0, node.log())
        for setting, words in (("cluster.partitions=7", "is 7 here, and the cluster was made with 6"),
                               ("cluster.partition_by=key", 'is "key" here, and the cluster was made with "tenant"')):
            node.more = ["--set", setting]
            node.start()
            self.assertEqual(node.process.wait(30), 1)
            node.kill()
            self.assertIn(words.replace('"', '\\"'), node.log())
        node.more = []
        node.start()
        self.cluster.wait_ready()

    def test_e_all_keys_are_lost(self):
        made = subprocess.run(
            [harness.BINARY, "key", "create", "--bootstrap", "--node", self.cluster["b"].advertise],
            capture_output=True, timeout=60, encoding="utf-8",
            env=harness.clean_environment({"MILLRACE_CLUSTER_TOKEN": cluster_nodes.TOKEN}))
        self.assertEqual(made.returncode, 0, made.stderr)
        for name in "abc":
            found = self.cluster[name].request("GET", "/v2/tenants", key=made.stdout.strip())
            self.assertEqual(found.status, 200, found)
        told = self.cluster["a"].ok("GET", "/v2/audit?partition=0&kind=key&limit=1")["items"][0]
        self.assertIn("cluster.token", str(told))
        for env, words in (({"MILLRACE_CLUSTER_TOKEN": "0" * 32}, "401"), ({}, "MILLRACE_CLUSTER_TOKEN")):
            refused = subprocess.run(
                [harness.BINARY, "key", "create", "--bootstrap", "--node", self.cluster["b"].advertise],
                capture_output=True, timeout=60, encoding="utf-8", env=harness.clean_environment(env))
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(words, refused.stderr)


class RefusedTest(unittest.TestCase):
    def refusal(self, **change):
        settings = {"cluster.name": "t", "cluster.node": "a", "cluster.nats": "nats://127.0.0.1:1",
                    "cluster.advertise": "127.0.0.1:7999", "cluster.partition_by": "tenant",
                    "cluster.token": cluster_nodes.TOKEN, "secrets.key_file": "/tmp/k", **change}
        words = [w for key, value in settings.items() for w in ("--set", f"{key}={value}")]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([harness.BINARY, "serve", "--listen", "127.0.0.1:0", "--data",
                                   os.path.join(folder, "d"), *words], capture_output=True, encoding="utf-8", timeout=30,
                                  env=harness.clean_environment())
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_what_is_not_said_is_refused(self):
        self.assertIn("can not be changed later", self.refusal(**{"cluster.partition_by": ""}))
        self.assertIn("MILLRACE_CLUSTER_TOKEN", self.refusal(**{"cluster.token": ""}))
        self.assertIn("same key on all", self.refusal(**{"secrets.key_file": ""}))
        self.assertIn("no other copy", self.refusal(**{"cluster.ack": "replicated-fsync", "cluster.replicas": "1"}))

    @unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
    def test_an_old_nats_is_refused(self):
        nats = nats_cluster.NatsCluster(1)
        try:
            nats.members[0].command = [nats_peer.BINARY, "-a", "127.0.0.1", "-p", str(nats.members[0].port)]
            nats.start()
            version = nats.client().info["version"]
            if tuple(int(n) for n in version.split(".")[:3]) >= (2, 9, 22):
                self.skipTest("this nats-server is not old")
            self.assertIn("older than 2.9.22", self.refusal(**{"cluster.nats": nats.urls()}))
        finally:
            nats.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
