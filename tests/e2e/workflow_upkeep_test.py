#!/usr/bin/env python3
"""Goal: what is stored of runs stays readable and bounded: a run begins with its delivery's outcome or not at
all, keys rotate under load and under kill -9, old runs go, executions and traces show steps, every event that
API.md names is told. Method: servers that die while runs are under way; retention of a second."""
import threading
import time
import unittest

import harness
from workflows_test import WorkflowCase

COUNT = "return function(e) sdk.kv.incr('%s:' .. e.id) return {id = e.id} end"


class Beginnings(WorkflowCase):
    def test_a_run_begins_with_the_outcome_of_its_delivery_whatever_dies(self):
        self.script("count", COUNT % "count")
        self.create(id="w", steps=[{"id": "a", "type": "action", "action": "count"}])
        self.assertEqual(self.server.post("/v2/subscriptions", {
            "id": "s", "pattern": "begin", "executor": {"type": "workflow", "workflowId": "w"}}).status, 201)
        sent = []
        for turn in range(6):
            events = [{"eventId": f"e{turn}-{n}", "pattern": "begin", "payload": {"id": f"e{turn}-{n}"}}
                      for n in range(60)]
            self.assertEqual(self.server.post("/v2/events", events).status, 202)
            sent += [event["eventId"] for event in events]
            time.sleep(0.004 * turn)
            self.server.kill()
            self.server.start()
        done = self.server.wait_executions(len(sent), subscriptionId="s")
        # Two commits would leave deliveries that find their run there already.
        self.assertEqual([e for e in done if e["result"].get("duplicate")], [])
        runs = {e["eventId"]: e["result"]["runId"] for e in done}
        self.assertEqual(sorted(runs), sorted(sent))
        for run in runs.values():
            self.wait_status(run, "completed")
        counts = {}
        for turn in range(6):
            counts.update(self.kv(f"count:e{turn}-"))
        self.assertEqual(set(counts.values()), {1})
        self.assertEqual(len(counts), len(sent))
        self.assertEqual(len(self.server.items("/v2/workflow-runs?workflowId=w")), len(sent))

    def test_executions_and_traces_show_steps(self):
        name = self.unique("look")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name, "next_steps": ["b"]},
                                    {"id": "b", "type": "sleep", "duration": 1}])
        self.server.post("/v2/subscriptions", {"id": name, "pattern": name, "executor": {
            "type": "workflow", "workflowId": name}})
        self.server.post("/v2/events", {"eventId": name, "pattern": name, "payload": {"n": 1}})

        def steps_done():
            found = self.server.items(f"/v2/executions?subscriptionId={name}")
            run = found and found[0].get("workflowRun")
            return found[0] if run and run["status"] == "completed" else None
        execution = harness.wait_until("the run to be shown", steps_done)
        steps = execution["workflowRun"]["steps"]
        self.assertEqual([(s["id"], s["status"]) for s in steps], [("a", "completed"), ("b", "completed")])
        self.assertNotIn("output", steps[0])
        trace = self.server.get(f"/v2/events/{name}/trace").json()
        self.assertEqual(trace["deliveries"][0]["workflowRun"]["steps"], steps)
        caused = [node["event"]["pattern"] for node in trace["caused"]]
        self.assertEqual(caused.count("workflow.step.completed"), 2, caused)

    def test_every_event_of_a_run_is_told(self):
        name = self.unique("told")
        self.counter(name)
        self.script(name + ".bad", "return function(e) error('no') end")
        quick = {"strategy": "fixed", "max_attempts": 2, "initial_delay_ms": 10}
        bad = {"id": "a", "type": "action", "action": name + ".bad", "retry_policy": quick}
        good = {"id": "g", "type": "action", "action": name, "compensate": name}
        nap = {"id": "n", "type": "sleep", "duration": "1h"}
        self.create(id=name + "-c", steps=[good])
        self.create(id=name + "-f", steps=[bad])
        self.create(id=name + "-u", steps=[dict(good, next_steps=["a"]), bad],
                    error_handling={"on_workflow_failure": "compensate"})
        self.create(id=name + "-t", steps=[nap], timeout_ms=50)
        self.create(id=name + "-x", steps=[nap])
        for kind, status in (("c", "completed"), ("f", "failed"), ("u", "compensated"), ("t", "failed")):
            self.assertEqual(self.execute(f"{name}-{kind}", input={"n": 1})["status"], status)
        run = self.execute(name + "-x", wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        self.order(run, "cancel")
        wanted = {f"workflow.{e}" for e in ("started", "completed", "failed", "cancelled", "compensated",
                                            "timeout", "step.started", "step.completed", "step.failed",
                                            "step.retrying")}
        harness.wait_until("all events", lambda: wanted <= {
            e["pattern"] for e in self.server.items("/v2/events?patternPrefix=workflow.")})

    def test_a_failed_run_is_resumed_from_a_step(self):
        name = self.unique("from")
        self.counter(name + ".one")
        self.script(name + ".two", "return function(e) error('not yet') end")
        self.create(id=name, steps=[
            {"id": "one", "type": "action", "action": name + ".one", "next_steps": ["two"]},
            {"id": "two", "type": "action", "action": name + ".two",
             "retry_policy": {"strategy": "none"}}],
            error_handling={"on_workflow_failure": "pause", "on_step_failure": "fail"})
        run = self.execute(name, wait=0, status=202, input={"n": 1})["runId"]
        paused = self.wait_status(run, "paused")
        self.assertIn("two", paused["pauseReason"])
        self.assertEqual(self.server.request("PUT", f"/v2/scripts/{name}.two", {
            "source": COUNT.replace("e.id", "'x'") % (name + ".two")}).status, 200)
        wrong = self.server.post(f"/v2/workflow-runs/{run}/resume", {"fromStep": "none"})
        self.assert_error(wrong, 400, "VALIDATION_ERROR", "fromStep")
        self.order(run, "resume", fromStep="one")
        self.wait_status(run, "completed")
        self.assertEqual(self.kv(name), {name + ".one": 2, name + ".two:x": 1})


class Keys(WorkflowCase):
    def rotate(self, **body):
        reply = self.server.post("/v2/workflow-keys/rotate", body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["version"]

    def versions(self):
        return [key["version"] for key in self.server.get("/v2/workflow-keys").json()["items"]]

    def test_keys_rotate_under_load_and_under_kill_9(self):
        self.script("count", COUNT % "rot")
        self.create(id="r", steps=[{"id": "a", "type": "action", "action": "count", "next_steps": ["w"]},
                                   {"id": "w", "type": "wait", "signal": "go"}])
        self.assertEqual(self.versions(), [1])
        self.assertEqual((self.rotate(dryRun=True), self.versions()), (2, [1]))
        runs = []

        def begin(turn):
            for n in range(40):
                run = f"r{turn}-{n}"
                try:
                    reply = self.server.post("/v2/workflows/r/execute", {"runId": run, "input": {"id": run}})
                except OSError:
                    return
                if reply.status == 202:
                    runs.append(run)
        for turn in range(5):
            worker = threading.Thread(target=begin, args=(turn,))
            worker.start()
            time.sleep(0.02)
            self.rotate()
            time.sleep(0.03 * turn)
            self.server.kill()
            worker.join()
            self.server.start()
        for run in runs:
            self.wait_status(run, "waiting")
        harness.wait_until("the older keys to go", lambda: len(self.versions()) == 1)
        self.assertEqual(self.versions(), [6])
        self.server.stop()
        self.server.start()
        for run in runs:
            self.order(run, "signal", name="go", payload={"n": 1})
        for run in runs:
            self.assertEqual(self.wait_status(run, "completed", "failed")["status"], "completed")
        rows = self.server.items("/v2/audit?kind=workflow_key")
        self.assertEqual(len(rows), 5)


class Retention(WorkflowCase):
    ARGS = ("--set", "executors.workflow.retention=1s")

    def test_old_runs_go_and_what_goes_on_stays(self):
        self.counter("c")
        self.create(id="c", steps=[{"id": "a", "type": "action", "action": "c"}])
        self.create(id="sleeps", steps=[{"id": "n", "type": "sleep", "duration": "1h"}])
        stays = self.execute("sleeps", wait=0, status=202)["runId"]
        runs = [self.execute("c", input={"n": n})["runId"] for n in range(30)]
        harness.wait_until("the old runs to go", lambda: [
            r["runId"] for r in self.server.items("/v2/workflow-runs")] == [stays])
        self.assert_error(self.server.get(f"/v2/workflow-runs/{runs[0]}"), 404, "NOT_FOUND")
        self.assertEqual(self.server.metric("millrace_workflow_runs_removed_total"), 30)
        self.assertEqual(self.server.metric("millrace_workflow_runs_ended_total", status="completed"), 30)
        self.server.stop()
        self.server.start()
        self.assertEqual([r["runId"] for r in self.server.items("/v2/workflow-runs")], [stays])


if __name__ == "__main__":
    unittest.main()
