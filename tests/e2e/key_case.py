"""A cluster with partition_by = "key", a tenant in it, and what its tests ask of it."""
import unittest

import cluster_nodes
import harness
import nats_peer

PARTITIONS = 6


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class KeyCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster_nodes.Cluster(partitions=PARTITIONS, partition_by="key")
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.start().init()
        first = cls.cluster["a"]
        cls.admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
        for node in cls.cluster.nodes.values():
            node.api_key = cls.admin
        first.ok("POST", "/v2/tenants", {"id": "acme"})
        cls.key = first.ok("POST", "/v2/keys", {"name": "acme", "role": "admin", "tenantId": "acme"})["key"]
        for node in cls.cluster.nodes.values():
            node.api_key = cls.key

    def post(self, node, path, body, status=(200, 201, 202)):
        """Said again while nobody owns: what is made twice is told as there already."""
        def answered():
            reply = self.cluster[node].request("POST", path, body)
            return None if reply.status == 503 else reply
        reply = harness.wait_until("POST " + path, answered, 60)
        self.assertIn(reply.status, status, (path, reply))
        return reply.json()

    def get(self, node, path):
        def answered():
            reply = self.cluster[node].request("GET", path)
            return None if reply.status == 503 else reply
        reply = harness.wait_until("GET " + path, answered, 60)
        self.assertEqual(reply.status, 200, (path, reply))
        return reply.json()

    def items(self, node, path, limit=37):
        """All pages of a list."""
        found, cursor = [], ""
        while cursor is not None:
            more = "&" if "?" in path else "?"
            page = self.get(node, f"{path}{more}limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            self.assertLessEqual(len(page["items"]), limit)
            found += page["items"]
            cursor = page["next"]
        return found

    def script(self, name, source, node="a"):
        self.post(node, "/v2/scripts", {"id": name, "name": name, "type": "event", "source": source})

    def send(self, node, events):
        """What was refused is sent again, until none is."""
        left = list(events)

        def taken():
            nonlocal left
            try:
                reply = self.cluster[node].request("POST", "/v2/events", left)
            except OSError:
                return False
            if reply.status != 202:
                assert reply.status == 503, reply
                return False
            left = [left[r["index"]] for r in reply.json()["rejected"]]
            return not left
        harness.wait_until("events to be taken", taken, 60)

    def kv(self, key, node="a"):
        """Of each partition; "" where there is none. Nothing: somebody did not answer."""
        found = []
        for partition in range(PARTITIONS):
            reply = self.cluster[node].request("GET", f"/v2/kv?partition={partition}&limit=1000")
            if reply.status != 200:
                return None
            found.append({item["key"]: item["value"] for item in reply.json()["items"]}.get(key, ""))
        return found

    def total(self, key, node="a"):
        found = self.kv(key, node)
        return None if found is None else sum(int(one or 0) for one in found)

    def wait_total(self, key, count, node="a", seconds=90):
        """Not one more than that, either."""
        harness.wait_until(f"{key} to be {count}", lambda: (self.total(key, node) or 0) >= count, seconds)
        self.assertEqual(self.total(key, node), count)
