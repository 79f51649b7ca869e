#!/usr/bin/env python3
"""Goal: what handlers kept can be seen as it was, and the audit log says who changed what.
Method: the built binary; values written one after the other with the moments between kept."""
import datetime
import json
import unittest
from urllib.parse import quote

import harness


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Past(harness.ServerCase):
    def kv(self, prefix, at=None, **query):
        query = {"prefix": prefix, **({"at": at} if at else {}), **query}
        reply = self.server.get("/v2/kv?" + "&".join(f"{k}={quote(str(v))}" for k, v in query.items()))
        self.assertEqual(reply.status, 200, reply)
        return {i["key"]: i["value"] for i in reply.json()["items"]}

    def cli(self, *args):
        done = self.server.cli(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_kv_as_it_was(self):
        key, pattern = self.unique("k"), self.unique("p.")
        script = self.server.create_script(
            f"return function(e) sdk.kv.set('{key}last', e.payload) sdk.kv.incr('{key}n') "
            f"if e.payload.n == 3 then sdk.kv.delete('{key}last') end end")
        subscription = self.server.subscribe(pattern, script)
        start, moments, places = now(), [], []
        for n in range(1, 6):
            place = self.server.send_event(pattern, {"n": n}, partitionKey=pattern)
            self.server.wait_executions(n, subscriptionId=subscription)
            moments.append(now())
            places.append(f"{place['shard']}:{place['offset']}")
        expected = [{f"{key}last": {"n": n}, f"{key}n": n} for n in range(1, 6)]
        del expected[2][f"{key}last"]
        self.assertEqual([self.kv(key, at) for at in moments], expected)
        self.assertEqual(self.kv(key, start), {})
        self.assertEqual(self.kv(key), expected[-1])
        self.assertEqual([self.kv(key, at) for at in places], [{}] + expected[:-1])
        pages = self.server.get(f"/v2/kv?prefix={key}&at={quote(moments[0])}&limit=1").json()
        self.assertEqual([i["key"] for i in pages["items"]], [key + "last"])
        rest = self.server.get(f"/v2/kv?prefix={key}&at={quote(moments[0])}&limit=1&cursor={pages['next']}").json()
        self.assertEqual(([i["key"] for i in rest["items"]], rest["next"]), ([key + "n"], None))
        shown = json.loads(self.cli("-o", "json", "kv", "list", key, "--at", moments[1]))
        self.assertEqual({i["key"]: i["value"] for i in shown["items"]}, expected[1])
        self.assertIn(key + "n", self.cli("kv", "list", key))
        self.assert_error(self.server.get("/v2/kv?at=2001-01-01T00:00:00Z"), 400, "VALIDATION_ERROR", "history")
        self.assert_error(self.server.get("/v2/kv?at=99:1"), 400, "VALIDATION_ERROR", "at")
        self.server.kill()
        self.server.start()
        self.assertEqual([self.kv(key, at) for at in moments], expected)

    def test_audit(self):
        name = self.unique("au")
        before = now()
        self.server.create_script("return function() end", id=name)
        self.server.request("PUT", f"/v2/scripts/{name}", {"source": "return function() return 1 end"})
        self.server.subscribe(name, name, id=name + "s", priority=1)
        self.server.request("PATCH", f"/v2/subscriptions/{name}s", {"priority": 7})
        replay = self.server.post("/v2/replays", {"pattern": name, "subscriptionIds": "all"}).json()["id"]
        self.server.request("DELETE", f"/v2/subscriptions/{name}s")
        items = lambda query: [i["entry"] for i in self.server.get("/v2/audit?" + query).json()["items"]]
        self.assertEqual([(e["action"], e["version"], e["by"]) for e in items(f"kind=script&id={name}")],
                         [("update", 2, "loopback"), ("create", 1, "loopback")])
        rows = lambda query: self.server.get("/v2/audit?" + query).json()["items"]
        changed = rows(f"kind=script&id={name}")[0]
        self.assertEqual((changed["before"]["version"], changed["after"]["sourceBytes"], changed["outcome"]),
                         (1, len("return function() return 1 end"), "success"))
        self.assertNotEqual(changed["before"]["sourceSha256"], changed["after"]["sourceSha256"])
        self.assertNotIn("source", changed["after"])
        refused = self.server.request("PUT", f"/v2/scripts/{name}", {"source": "return 1"},
                                      headers={"If-Match": '"0-0"'})
        self.assertEqual(refused.status, 409, refused)
        self.assertEqual([(r["action"], r["outcome"], r["entry"]["what"]) for r in rows(f"kind=request&id={name}")],
                         [("refuse", "conflict", "PUT /v2/scripts/{id}")])
        subs = items(f"kind=subscription&id={name}s")
        self.assertEqual([e["action"] for e in subs], ["delete", "update", "create"])
        self.assertEqual([e["document"]["priority"] for e in subs[1:]], [7, 1])
        self.assertEqual([(e["action"], e["request"]) for e in items(f"kind=replay&id={replay}")],
                         [("start", {"pattern": name, "subscriptionIds": "all"})])
        self.server.post("/v2/dlq/replay", {"pattern": name, "ratePerSecond": 5})
        letters = items("kind=dead_letter&limit=1")
        self.assertEqual([(e["action"], e["count"], e["request"]["pattern"]) for e in letters], [("replay", 0, name)])
        self.assertEqual(items(f"kind=script&id={name}&to={quote(before)}"), [])
        self.assertEqual(len(items(f"kind=script&id={name}&from={quote(before)}")), 2)
        page = self.server.get(f"/v2/audit?kind=script&id={name}&limit=1").json()
        rest = self.server.get(f"/v2/audit?kind=script&id={name}&limit=1&cursor={page['next']}").json()
        self.assertEqual([p["items"][0]["entry"]["version"] for p in (page, rest)], [2, 1])
        self.assertIn("loopback", self.cli("audit", "list", "--kind", "script", "--id", name))


if __name__ == "__main__":
    unittest.main()
