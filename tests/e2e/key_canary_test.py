#!/usr/bin/env python3
"""Goal: with partition_by = "key" a version of a script is tried on a part of the keys of all partitions, its figures are the
sum of what all have counted, and it is given up for that sum, everywhere at once. Method: handlers that say which version
they are; as few runs in each partition that none of them alone would decide."""
import unittest

import harness
import key_case


class KeyCanaryTest(key_case.KeyCase):
    def make(self, name, *sources):
        self.script(name, sources[0])
        for source in sources[1:]:
            self.put(f"/v2/scripts/{name}", {"source": source})
        self.post("b", "/v2/subscriptions", {"id": name, "name": name, "pattern": name, "retry": {"maxRetries": 0},
                                             "executor": {"type": "script", "scriptId": name}})

    def put(self, path, body):
        reply = self.cluster["c"].request("PUT", path, body)
        self.assertEqual(reply.status, 200, reply)

    def events(self, name, count, first=0):
        return [{"eventId": f"{name}-{n}", "pattern": name, "partitionKey": f"k{n}", "payload": {"n": n}}
                for n in range(first, first + count)]

    def canary(self, name, node="a"):
        return self.get(node, f"/v2/scripts/{name}/canary")

    def versions(self, name, count):
        """By event id, when `count` have ended."""
        def ended():
            found = self.items("a", f"/v2/executions?subscriptionId={name}")
            done = {e["eventId"]: e["scriptVersion"] for e in found if e["status"] in ("completed", "dead")}
            return done if len(done) >= count else None
        return harness.wait_until(f"{count} executions of {name}", ended, 90)

    def partitions_of(self, name, count):
        return [p for p in range(key_case.PARTITIONS)
                if self.get("a", f"/v2/events?pattern={name}&partition={p}&count=1")["count"] > count]

    def test_a_part_of_the_keys_of_all_partitions(self):
        self.make("part", "return function() return 1 end", "return function() return 2 end")
        told = self.post("a", "/v2/scripts/part/canary", {"version": 2, "percent": 30})
        self.assertEqual((told["mode"], told["state"]), ("canary", "running"))
        self.send("b", self.events("part", 240))
        ran = self.versions("part", 240)
        tried = [e for e, version in ran.items() if version == 2]
        self.assertTrue(30 <= len(tried) <= 120, len(tried))
        self.assertEqual(sorted(set(ran.values())), [1, 2])
        self.assertGreater(len(self.partitions_of("part", 10)), 3)
        for node in "abc":
            told = harness.wait_until("the sum", lambda node=node: (
                lambda t: t if t["candidate"]["runs"] + t["baseline"]["runs"] == 240 else None)(self.canary("part", node)))
            self.assertEqual(told["candidate"]["runs"], len(tried))
            self.assertNotIn("missing", told)
        done = self.post("c", "/v2/scripts/part/canary", {"version": 2, "percent": 100})
        self.assertEqual(done["version"], 2)
        self.assertEqual(self.cluster["a"].request("GET", "/v2/scripts/part/canary").status, 404)
        # It is answered when it is so everywhere.
        self.send("a", self.events("part", 60, 240))
        ran = self.versions("part", 300)
        self.assertEqual({ran[f"part-{n}"] for n in range(240, 300)}, {2})

    def test_it_is_given_up_for_what_all_have_counted(self):
        self.make("bad", "return function() return 1 end", "return function() error('no') end")
        self.post("b", "/v2/scripts/bad/canary",
                  {"version": 2, "percent": 50, "rollbackOn": {"errorRate": 0.2, "minRuns": 40}})
        self.send("a", self.events("bad", 120))
        counted = [self.get("a", f"/v2/events?pattern=bad&partition={p}&count=1")["count"]
                   for p in range(key_case.PARTITIONS)]
        self.assertLess(max(counted), 40, "one partition alone would decide")
        told = harness.wait_until("the rollback", lambda: (
            lambda t: t if t["state"] == "rolledBack" else None)(self.canary("bad", "c")))
        self.assertIn("fails", told["reason"])
        harness.wait_until("the version", lambda: self.get("b", "/v2/scripts/bad")["version"] == 3)
        harness.wait_until("all to go by it", lambda: self.all_run("bad", 3), 30)

    def all_run(self, name, version):
        """Whether one event for each of many keys runs that version everywhere."""
        self.asked = getattr(self, "asked", 1000) + 60
        events = self.events(name, 60, self.asked)
        self.send("c", events)

        def ended():
            found = {e["eventId"]: e["scriptVersion"] for e in self.items("a", f"/v2/executions?subscriptionId={name}")
                     if e["status"] in ("completed", "dead")}
            return {found[e["eventId"]] for e in events} if all(e["eventId"] in found for e in events) else None
        return harness.wait_until("60 executions", ended, 60) == {version}

    def test_in_the_shadow_it_does_nothing_anywhere(self):
        self.make("shade", "return function(e) sdk.kv.incr('shade') return 1 end",
                  "return function(e) sdk.kv.incr('shade', 2) return 1 end")
        self.post("a", "/v2/scripts/shade/canary", {"version": 2, "percent": 0, "rollbackOn": {"minRuns": 10}})
        sent = 0

        def given_up():
            nonlocal sent
            self.send("b", self.events("shade", 30, sent))
            sent += 30
            return self.canary("shade")["state"] == "rolledBack"
        harness.wait_until("the rollback", given_up, 60)
        self.assertGreaterEqual(self.canary("shade")["different"], 10)
        # It was the newest one: of what came before it was tried nothing is doubled.
        self.wait_total("shade", sent)

    def test_its_figures_outlive_their_owner(self):
        self.make("kept", "return function() return 1 end", "return function() return 2 end")
        self.post("a", "/v2/scripts/kept/canary", {"version": 2, "percent": 50, "rollbackOn": {"minRuns": 1000}})
        self.send("a", self.events("kept", 120))
        self.versions("kept", 120)

        def whole(node):
            told = self.canary("kept", node)
            runs = told["candidate"]["runs"] + told["baseline"]["runs"]
            return told if runs == 120 and "missing" not in told else None
        before = harness.wait_until("the sum", lambda: whole("b"))
        dead = self.cluster["a"]
        dead.kill()
        self.cluster.wait_ready("bc")
        after = harness.wait_until("the sum again", lambda: whole("b"), 60)
        self.assertEqual(after, before)
        dead.start()
        self.cluster.wait_ready()
        ended = self.cluster["a"].request("DELETE", "/v2/scripts/kept/canary")
        self.assertEqual((ended.status, ended.json()["version"]), (200, 3), ended)


if __name__ == "__main__":
    unittest.main()
