"""Goal: with partition_by = "key" a workflow that is registered once begins runs wherever its events are, a run that
the API begins is where its id says, all of them are one list and are found, signalled and ended by any node, what
they emit gets to the partition of its key once, and a node's death loses no run and doubles no effect.
"""
import threading
import unittest

import harness
import key_case

COUNT = "return function(e, ctx) sdk.kv.incr('%s') end"
STEP = """
return function(e, ctx)
    sdk.kv.incr('%s')
    sdk.events.emit('%s', {n = e.n}, {partitionKey = 'to-' .. (e.n %% 13)})
    return {n = e.n}
end
"""


class KeyWorkflows(key_case.KeyCase):
    def workflow(self, id, steps, node="a", **more):
        return self.post(node, "/v2/workflows", {"id": id, "name": id, "steps": steps, **more})

    def begun_by(self, pattern, workflow, node="b"):
        self.post(node, "/v2/subscriptions", {
            "id": workflow, "name": workflow, "pattern": pattern,
            "executor": {"type": "workflow", "workflowId": workflow}})

    def counted(self, pattern, key, node="c"):
        self.script(key, COUNT % key)
        self.post(node, "/v2/subscriptions", {"id": key, "name": key, "pattern": pattern,
                                              "executor": {"type": "script", "scriptId": key}})

    def run_of(self, id, node="a"):
        return self.get(node, "/v2/workflow-runs/" + id)

    def wait_status(self, id, wanted, node="a", seconds=30):
        return harness.wait_until(f"{id} to be {wanted}", lambda: self.run_of(id, node)["status"] == wanted and
                                  self.run_of(id, node), seconds)

    def test_1_events_of_all_keys_begin_runs_where_they_are(self):
        self.script("w1.step", STEP % ("w1.done", "w1.passed"))
        self.workflow("w1", [{"id": "s", "type": "action", "action": "w1.step"}])
        for node in "bc":
            self.assertEqual(self.get(node, "/v2/workflows/w1")["version"], 1)
        self.counted("w1.passed", "w1.count")
        self.begun_by("w1.begin", "w1")
        self.send("c", [{"eventId": f"w1-{n}", "pattern": "w1.begin", "partitionKey": f"k{n % 17}", "payload": {"n": n}}
                        for n in range(120)])
        self.wait_total("w1.count", 120)
        self.assertEqual(self.total("w1.done"), 120)
        self.assertGreater(sum(1 for one in self.kv("w1.done") if one), 1)
        for node in "abc":
            runs = harness.wait_until("all runs to have ended", lambda: len(self.items(
                node, "/v2/workflow-runs?workflowId=w1&status=completed")) == 120 and self.items(
                node, "/v2/workflow-runs?workflowId=w1"), 60)
            self.assertEqual(sorted(r["eventId"] for r in runs), sorted(f"w1-{n}" for n in range(120)))
            times = [r["startedAt"].rstrip("Z").ljust(26, "0") for r in runs]
            self.assertEqual(times, sorted(times, reverse=True))
        for run in runs[::40]:
            for node in "abc":
                self.assertEqual(self.run_of(run["runId"], node)["status"], "completed")
            self.assertGreater(len(self.get("b", f"/v2/workflow-runs/{run['runId']}/history")["items"]), 1)
        self.assertEqual(len(self.items("a", "/v2/events?pattern=w1.passed")), 120)
        one = self.items("b", "/v2/workflow-runs?eventId=w1-7")
        self.assertEqual([r["eventId"] for r in one], ["w1-7"])

    def test_2_a_run_of_the_api_is_where_its_id_says(self):
        self.script("w2.step", "return function(e, ctx) sdk.kv.incr('w2.done') return {twice = 2 * e.n} end")
        self.workflow("w2", [{"id": "s", "type": "action", "action": "w2.step"}], node="b")
        for n in range(24):
            begun = self.post("abc"[n % 3], "/v2/workflows/w2/execute", {"runId": f"w2-{n}", "input": {"n": n}})
            self.assertEqual((begun["runId"], begun["duplicate"]), (f"w2-{n}", False))
        again = self.post("c", "/v2/workflows/w2/execute", {"runId": "w2-3", "input": {"n": 3}})
        self.assertEqual((again["runId"], again["duplicate"]), ("w2-3", True))
        self.wait_total("w2.done", 24)
        self.assertGreater(sum(1 for one in self.kv("w2.done") if one), 1)
        made = self.post("a", "/v2/workflows/w2/execute?wait=20000", {"input": {"n": 4}})
        self.assertEqual((made["status"], made["output"]), ("completed", {"twice": 8}))
        self.assertEqual(self.run_of(made["runId"], "c")["status"], "completed")
        self.assertEqual(len(self.items("c", "/v2/workflow-runs?workflowId=w2", limit=5)), 25)
        for node in "abc":
            self.assertEqual(self.cluster[node].request("GET", "/v2/workflow-runs/nobody").status, 404)
        reply = self.cluster["a"].request("POST", "/v2/workflows/none/execute", {})
        self.assertEqual(reply.status, 404, reply)
        reply = self.cluster["a"].request("POST", "/v2/workflows/w2/execute", {"runId": 7})
        self.assertEqual(reply.status, 400, reply)

    def test_3_signals_and_events_reach_it(self):
        self.workflow("w3", [{"id": "w", "type": "wait", "signal": "go", "next_steps": ["p"]},
                             {"id": "p", "type": "wait", "event": "w3.paid", "timeout": "60s"}])
        self.begun_by("w3.begin", "w3")
        self.send("a", [{"eventId": f"w3-{n}", "pattern": "w3.begin", "partitionKey": f"order-{n}"} for n in range(8)])
        runs = harness.wait_until("runs to wait", lambda: len(self.items(
            "b", "/v2/workflow-runs?workflowId=w3&status=waiting")) == 8 and
            self.items("b", "/v2/workflow-runs?workflowId=w3"), 30)
        for i, run in enumerate(runs):
            self.post("abc"[i % 3], f"/v2/workflow-runs/{run['runId']}/signal", {"name": "go"}, status=(200,))
        # What has the key of the run's own event is in its partition.
        self.send("c", [{"eventId": f"w3-paid-{n}", "pattern": "w3.paid", "partitionKey": f"order-{n}"}
                        for n in range(8)])
        harness.wait_until("all to end", lambda: len(self.items(
            "c", "/v2/workflow-runs?workflowId=w3&status=completed")) == 8, 60)
        # Of one that the API began: what has its id as the key.
        self.post("b", "/v2/workflows/w3/execute", {"runId": "w3-api"})
        self.wait_status("w3-api", "waiting", "c")
        self.post("c", "/v2/workflow-runs/w3-api/signal", {"name": "go"}, status=(200,))
        self.send("a", [{"eventId": "w3-api-paid", "pattern": "w3.paid", "partitionKey": "w3-api"}])
        self.wait_status("w3-api", "completed", "b")
        self.post("a", "/v2/workflows/w3/execute", {"runId": "w3-off"})
        self.wait_status("w3-off", "waiting")
        self.assertEqual(self.post("c", "/v2/workflow-runs/w3-off/cancel", {}, status=(200,))["status"], "cancelled")
        for verb in ("cancel", "signal"):
            reply = self.cluster["b"].request("POST", f"/v2/workflow-runs/nobody/{verb}", {"name": "go"})
            self.assertEqual(reply.status, 404 if verb == "signal" else reply.status, reply)

    def test_4_versions_and_children(self):
        self.script("w4.leaf", "return function(e, ctx) sdk.kv.incr('w4.leaf') return {n = e.n} end")
        self.workflow("w4.child", [{"id": "s", "type": "action", "action": "w4.leaf"}])
        self.workflow("w4", [{"id": "c", "type": "workflow", "workflow_id": "w4.child", "input": {"n": "{{input.n}}"}}])
        done = self.post("b", "/v2/workflows/w4/execute?wait=20000", {"input": {"n": 5}}, status=(200,))
        self.assertEqual(done["status"], "completed", done)
        self.workflow("w4", [{"id": "d", "type": "sleep", "duration": 10}], node="c", version=2)
        for n in range(6):
            done = self.post("abc"[n % 3], "/v2/workflows/w4/execute?wait=20000", {"runId": f"w4-{n}"}, status=(200,))
            self.assertEqual((done["status"], done["version"]), ("completed", 2), done)
        self.cluster["a"].ok("DELETE", "/v2/workflows/w4")
        for node in "abc":
            self.assertEqual(self.cluster[node].request("GET", "/v2/workflows/w4").status, 404)
            self.assertEqual(self.cluster[node].request("POST", "/v2/workflows/w4/execute",
                                                        {"runId": "w4-late-" + node}).status, 404)

    def test_5_keys_are_rotated_everywhere(self):
        before = self.get("a", "/v2/workflow-keys")["items"]
        self.assertGreater(len(before), 0)
        rotated = self.post("b", "/v2/workflow-keys/rotate", {})
        self.assertGreater(rotated["version"], 0)
        self.post("c", "/v2/workflows/w2/execute?wait=20000", {"runId": "w5-late", "input": {"n": 1}}, status=(200,))
        self.assertEqual(self.run_of("w2-3", "b")["status"], "completed", "what the older key has wrapped is read")

    def test_6_a_node_dies_with_runs_under_way(self):
        self.script("w6.step", STEP % ("w6.done", "w6.passed"))
        self.workflow("w6", [{"id": "s", "type": "action", "action": "w6.step", "next_steps": ["z"]},
                             {"id": "z", "type": "sleep", "duration": 200, "next_steps": ["t"]},
                             {"id": "t", "type": "action", "action": "w6.step", "input": {"n": "{{input.n}}"}}])
        self.counted("w6.passed", "w6.count")
        self.begun_by("w6.begin", "w6")
        count = 1_500
        sent = [{"eventId": f"w6-{n}", "pattern": "w6.begin", "partitionKey": f"k{n % 37}", "payload": {"n": n}}
                for n in range(count)]
        alive = ["a", "c"]

        def feed():
            for at in range(0, count, 50):
                self.send(alive[at // 50 % 2], sent[at:at + 50])
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        harness.wait_until("runs to go on", lambda: (self.total("w6.count") or 0) > 300, 60)
        dead = self.cluster["b"]
        dead.kill()
        self.cluster.wait_ready("ac")
        feeder.join(120)
        self.assertFalse(feeder.is_alive())
        self.wait_total("w6.count", 2 * count, "c", 180)
        self.assertEqual(self.total("w6.done"), 2 * count)
        harness.wait_until("all runs to have ended", lambda: len(self.items(
            "c", "/v2/workflow-runs?workflowId=w6&status=completed", limit=500)) == count, 60)
        dead.start()
        self.cluster.wait_ready()


if __name__ == "__main__":
    unittest.main()
