#!/usr/bin/env python3
"""Goal: a version of a script runs for a part of the keys, always the same ones; in the shadow it runs
for nobody and is compared; it is given up by itself when it fails more or does something else, over a
restart too. Method: handlers that say which version they are."""
import subprocess
import unittest

import harness


class Canary(harness.ServerCase):
    def make(self, *sources):
        script = self.server.create_script(sources[0])
        for source in sources[1:]:
            self.server.request("PUT", f"/v2/scripts/{script}", {"source": source})
        pattern = self.unique("c.")
        one = self.server.subscribe(pattern, script, retry={"maxRetries": 0})
        return script, pattern, one

    def canary(self, script, status=200, **body):
        reply = self.server.post(f"/v2/scripts/{script}/canary", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def state(self, script):
        return self.server.get(f"/v2/scripts/{script}/canary").json()

    def send(self, pattern, count, key="k"):
        self.server.post("/v2/events", [{"pattern": pattern, "payload": {"n": n}, "partitionKey": f"{key}{n}"}
                                        for n in range(count)])

    def versions(self, one, count):
        done = self.server.wait_executions(count, statuses=("completed", "dead"), subscriptionId=one)
        return {e["id"]: e["scriptVersion"] for e in done}

    def test_a_part_of_the_keys(self):
        script, pattern, one = self.make("return function() return 1 end", "return function() return 2 end")
        self.assertEqual(self.canary(script, version=2, percent=30)["mode"], "canary")
        self.send(pattern, 200)
        ran = list(self.versions(one, 200).values())
        self.assertTrue(20 <= ran.count(2) <= 110, ran.count(2))
        self.assertEqual(ran.count(1) + ran.count(2), 200)
        told = self.state(script)
        self.assertEqual((told["state"], told["candidate"]["runs"] + told["baseline"]["runs"]), ("running", 200))
        promoted = self.canary(script, version=2, percent=100)
        self.assertEqual(promoted["version"], 2)
        self.assertEqual(self.server.get(f"/v2/scripts/{script}/canary").status, 404)
        self.send(pattern, 20, key="x")
        self.assertEqual(list(self.versions(one, 220).values()).count(1), ran.count(1))

    def test_it_is_given_up_when_it_fails(self):
        script, pattern, one = self.make("return function() return 1 end", "return function() error('no') end")
        self.canary(script, version=2, percent=50, rollbackOn={"errorRate": 0.1, "minRuns": 10})
        self.send(pattern, 300)
        harness.wait_until("the rollback", lambda: self.state(script)["state"] == "rolledBack")
        self.assertIn("fails", self.state(script)["reason"])
        harness.wait_until("the version", lambda: self.server.get(f"/v2/scripts/{script}").json()["version"] == 3)
        self.assertIn("return 1", self.server.get(f"/v2/scripts/{script}").json()["source"])
        self.versions(one, 300)
        event = self.server.send_event(pattern)
        self.assertEqual(self.server.wait_executions(1, eventId=event["eventId"])[0]["result"], 1)

    def test_in_the_shadow_it_does_nothing_and_is_compared(self):
        script, pattern, one = self.make("return function(e) sdk.kv.incr('shadow') return 1 end",
                                         "return function(e) sdk.kv.incr('shadow', 2) return 1 end")
        self.canary(script, version=2, percent=0, rollbackOn={"minRuns": 2})
        def given_up():
            self.server.send_event(pattern)
            return self.state(script)["state"] == "rolledBack"
        harness.wait_until("the rollback", given_up)
        told = self.state(script)
        self.assertIn("something else", told["reason"])
        self.assertGreaterEqual(told["different"], 2)
        count = len(self.server.wait_executions(1, subscriptionId=one))
        harness.wait_until("the counter", lambda: self.server.get("/v2/kv?prefix=shadow").json()["items"][0]["value"]
                           == len(self.server.executions(subscriptionId=one, limit=1000)))
        self.assertGreaterEqual(count, 1)

    def test_an_older_version_is_tried_and_ended_by_hand(self):
        script, pattern, one = self.make("return function() return 1 end", "return function() return 2 end")
        self.canary(script, version=1, percent=99.9)
        ended = self.server.request("DELETE", f"/v2/scripts/{script}/canary")
        self.assertEqual((ended.status, ended.json()["version"]), (200, 2), ended)
        event = self.server.send_event(pattern)
        self.assertEqual(self.server.wait_executions(1, eventId=event["eventId"])[0]["result"], 2)

    def test_bad_ones_are_refused(self):
        script, _, _ = self.make("return function() end")
        self.assert_error(self.server.post(f"/v2/scripts/{script}/canary", {"version": 1, "percent": 5}), 400,
                          "VALIDATION_ERROR", "version")
        self.assert_error(self.server.post(f"/v2/scripts/{script}/canary", {"percent": 5}), 400, "VALIDATION_ERROR",
                          "version")
        self.assert_error(self.server.post(f"/v2/scripts/{script}/canary", {"version": 9}), 400, "VALIDATION_ERROR",
                          "version")
        self.assert_error(self.server.get(f"/v2/scripts/{script}/canary"), 404, "NOT_FOUND")


class Restart(unittest.TestCase):
    def test_its_figures_are_counted_on(self):
        """Too few runs before the crash to give it up, too few after: together they are enough."""
        server = harness.Server().start()
        try:
            script = server.create_script("return function() return 1 end")
            server.request("PUT", f"/v2/scripts/{script}", {"source": "return function() error('no') end"})
            one = server.subscribe("r", script, retry={"maxRetries": 0})
            self.assertEqual(server.post(f"/v2/scripts/{script}/canary", {
                "version": 2, "percent": 50, "rollbackOn": {"minRuns": 20}}).status, 200)

            def state():
                return server.get(f"/v2/scripts/{script}/canary").json()

            def send(count):
                server.post("/v2/events", [{"pattern": "r", "payload": {}} for _ in range(count)])
                return server.wait_executions(count, statuses=("completed", "dead"), subscriptionId=one)
            send(24)
            before = state()
            self.assertTrue(0 < before["candidate"]["runs"] < 20, before)
            server.kill()
            server.start()
            after = state()
            self.assertEqual({k: after[k] for k in ("candidate", "baseline", "state")},
                             {k: before[k] for k in ("candidate", "baseline", "state")})
            server.post("/v2/events", [{"pattern": "r", "payload": {}} for _ in range(60)])
            harness.wait_until("the rollback", lambda: state()["state"] == "rolledBack")
            told = state()
            server.kill()
            server.start()
            self.assertEqual((state()["state"], state()["reason"]), ("rolledBack", told["reason"]))
        finally:
            server.close()

    def test_it_goes_on_after_a_crash(self):
        server = harness.Server().start()
        try:
            script = server.create_script("return function() return 1 end")
            server.request("PUT", f"/v2/scripts/{script}", {"source": "return function() return 2 end"})
            one = server.subscribe("r", script)
            self.assertEqual(server.post(f"/v2/scripts/{script}/canary", {"version": 2, "percent": 0.001}).status, 200)
            server.kill()
            server.start()
            self.assertEqual(server.get(f"/v2/scripts/{script}/canary").json()["percent"], 0.001)
            event = server.send_event("r")
            self.assertEqual(server.wait_executions(1, eventId=event["eventId"])[0]["result"], 1)
            done = subprocess.run([harness.BINARY, "--server", server.ready["http"], "-o", "json", "script", "canary",
                                   script, "--version", "2", "--percent", "100"], capture_output=True,
                                  env=harness.clean_environment())
            self.assertEqual(done.returncode, 0, done)
            event = server.send_event("r")
            self.assertEqual(server.wait_executions(1, eventId=event["eventId"], subscriptionId=one)[0]["result"], 2)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
