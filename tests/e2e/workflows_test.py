#!/usr/bin/env python3
"""Goal: workflows run as API.md says: the source document's sample verbatim, conditions, branches,
retries, compensation, waits, signals, control, one run an event, and each step's effect once however
often the process dies. Method: scripts as actions that count in kv; kill -9 while runs are under way."""
import json
import subprocess
import time
import unittest

import harness
import sink

SAMPLE = {
    "id": "order-processing", "name": "Order Processing Workflow", "version": 1,
    "steps": [
        {"id": "validate-order", "name": "Validate Order", "type": "action",
         "action": "order.validate", "next_steps": ["check-inventory"]},
        {"id": "check-inventory", "name": "Check Inventory", "type": "condition",
         "conditions": [{"field": "inventory.available", "operator": "gte",
                         "value": "{{steps.validate-order.quantity}}"}],
         "next_steps": ["process-payment", "notify-backorder"]},
        {"id": "process-payment", "name": "Process Payment", "type": "action",
         "action": "payment.process",
         "retry_policy": {"strategy": "exponential", "max_attempts": 3}},
    ],
    "error_handling": {"on_step_failure": "retry", "on_workflow_failure": "compensate"},
}

COUNT = "return function(e, ctx) sdk.kv.incr('%s') return {done = '%s', got = e.n} end"


class WorkflowCase(harness.ServerCase):
    def script(self, name, source):
        reply = self.server.post("/v2/scripts", {"id": name, "name": name, "type": "event",
                                                 "source": source})
        self.assertEqual(reply.status, 201, reply)

    def counter(self, name):
        self.script(name, COUNT % (name, name))

    def create(self, status=201, **body):
        reply = self.server.post("/v2/workflows", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def execute(self, workflow, wait=10000, status=200, **body):
        path = f"/v2/workflows/{workflow}/execute" + (f"?wait={wait}" if wait else "")
        reply = self.server.post(path, body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def run_of(self, run_id):
        reply = self.server.get(f"/v2/workflow-runs/{run_id}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def wait_status(self, run_id, *wanted):
        def there():
            run = self.run_of(run_id)
            return run if run["status"] in wanted else None
        return harness.wait_until(f"{run_id} to be {wanted}", there)

    def order(self, run_id, verb, status=200, **body):
        reply = self.server.post(f"/v2/workflow-runs/{run_id}/{verb}", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def kv(self, prefix):
        items = self.server.get(f"/v2/kv?prefix={prefix}&limit=1000").json()["items"]
        return {item["key"]: item["value"] for item in items}

    def step(self, run, step_id):
        return next(s for s in run["steps"] if s["id"] == step_id)


class Definitions(WorkflowCase):
    def test_the_sample_of_the_source_document_is_taken_and_its_missing_step_warned_of(self):
        made = self.create(**SAMPLE)
        self.assertEqual((made["id"], made["version"]), ("order-processing", 1))
        self.assertIn("notify-backorder", made["warnings"][0])
        strict = self.server.post("/v2/workflows?strict=1", dict(SAMPLE, id="strict"))
        error = self.assert_error(strict, 400, "VALIDATION_ERROR", "notify-backorder")
        self.assertEqual(error["details"]["field"], "steps[1].next_steps[1]")
        again = self.server.post("/v2/workflows", SAMPLE)
        self.assertEqual(again.status, 200, again)
        other = dict(SAMPLE, name="Other")
        self.assert_error(self.server.post("/v2/workflows", other), 409, "CONFLICT", "version")
        two = self.server.post("/v2/workflows", dict(other, version=2))
        self.assertEqual(two.status, 201, two)
        one = self.server.get("/v2/workflows/order-processing?version=1").json()
        self.assertEqual(one["name"], "Order Processing Workflow")
        self.assertEqual(self.server.get("/v2/workflows/order-processing").json()["version"], 2)
        versions = self.server.get("/v2/workflows/order-processing/versions").json()["items"]
        self.assertEqual([v["version"] for v in versions], [2, 1])
        self.assertIn("order-processing",
                      [w["id"] for w in self.server.items("/v2/workflows")])

    def test_what_is_wrong_is_told_with_its_place(self):
        step = {"id": "a", "type": "action", "action": "x"}
        for body, field in [
                ({"id": "w", "steps": []}, "steps"),
                ({"id": "", "steps": [step]}, "id"),
                ({"id": "w", "steps": [dict(step, next_steps=["a"])]}, "steps[0].next_steps"),
                ({"id": "w", "steps": [step, dict(step, id="b")]}, "steps[1].id"),
                ({"id": "w", "steps": [dict(step, input="{{steps.z.q}}")]}, "steps[0].input"),
                ({"id": "w", "steps": [dict(step, tries=2)]}, "steps[0].tries"),
                ({"id": "w", "steps": [step], "actions": {"x": {"type": "webhook"}}},
                 "actions.x.url")]:
            error = self.assert_error(self.server.post("/v2/workflows", body), 400,
                                      "VALIDATION_ERROR")
            self.assertEqual(error["details"].get("field"), field, error)

    def test_a_workflow_goes_when_no_run_is_under_way(self):
        name = self.unique("gone")
        self.create(id=name, steps=[{"id": "s", "type": "sleep", "duration": "1h"}])
        run = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        refused = self.server.request("DELETE", f"/v2/workflows/{name}")
        self.assert_error(refused, 409, "CONFLICT", "1 runs")
        self.order(run, "terminate")
        self.assertEqual(self.server.request("DELETE", f"/v2/workflows/{name}").status, 200)
        self.assert_error(self.server.get(f"/v2/workflows/{name}"), 404, "NOT_FOUND")


class Runs(WorkflowCase):
    def test_the_sample_runs_by_an_event_and_once(self):
        self.script("order.validate",
                    "return function(e) return {quantity = e.inventory.available - 1} end")
        self.script("payment.process",
                    "return function(e) sdk.kv.incr('paid') return {paid = e.quantity} end")
        self.create(**SAMPLE)
        made = self.server.post("/v2/subscriptions", {
            "id": "orders", "event_type": "order.created",
            "executor": {"type": "workflow", "workflow_id": "order-processing"}})
        self.assertEqual(made.status, 201, made)
        event = {"eventId": "order-1", "pattern": "order.created",
                 "payload": {"inventory": {"available": 5}}}
        for _ in range(2):
            self.assertEqual(self.server.post("/v2/events", event).status, 202)

        def done():
            runs = self.server.items("/v2/workflow-runs?eventId=order-1&status=completed")
            return runs or None
        runs = harness.wait_until("the run of order-1", done)
        self.assertEqual(len(runs), 1)
        run = self.run_of(runs[0]["runId"])
        self.assertEqual(run["output"], {"paid": 4})
        self.assertEqual([s["status"] for s in run["steps"]], ["completed"] * 3)
        self.assertEqual(self.kv("paid"), {"paid": 1})
        history = self.server.get(f"/v2/workflow-runs/{run['runId']}/history").json()["items"]
        self.assertEqual([h["kind"] for h in history], ["start", "step_ended", "step_ended"])
        patterns = {e["pattern"] for e in self.server.items(
            "/v2/events?patternPrefix=workflow.")}
        self.assertTrue({"workflow.started", "workflow.step.started", "workflow.step.completed",
                         "workflow.completed"} <= patterns, patterns)

    def test_input_reaches_the_steps_and_the_same_run_id_is_one_run(self):
        name = self.unique("in")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name,
                                     "input": {"n": "{{input.n}}", "t": "n={{input.n}}"}}])
        run = self.execute(name, input={"n": 7}, runId=name + "-1")
        self.assertEqual((run["status"], run["output"]), ("completed", {"done": name, "got": 7}))
        self.assertEqual(self.step(run, "a")["input"], {"n": 7, "t": "n=7"})
        again = self.execute(name, wait=0, status=202, input={"n": 8}, runId=name + "-1")
        self.assertEqual(again, {"runId": name + "-1", "duplicate": True})
        self.assertEqual(self.kv(name), {name: 1})

    def test_branches_run_side_by_side_and_join(self):
        name = self.unique("par")
        for branch in "abc":
            self.script(f"{name}.{branch}", f"return function(e) sdk.sleep(50) return {{v='{branch}'}} end")
        self.create(id=name, steps=[
            {"id": "p", "type": "parallel", "branches": ["a", "b", "c"], "next_steps": ["z"]},
            *({"id": b, "type": "action", "action": f"{name}.{b}"} for b in "abc"),
            {"id": "z", "type": "condition", "conditions": "$.payload.v == 'c'"}])
        run = self.execute(name)
        self.assertEqual(run["status"], "completed", run)
        self.assertEqual(self.step(run, "p")["output"],
                         {"a": {"v": "a"}, "b": {"v": "b"}, "c": {"v": "c"}})
        self.assertEqual(self.step(run, "z")["output"], True)

    def test_what_fails_is_tried_again_and_then_undone(self):
        name = self.unique("undo")
        self.counter(name + ".take")
        self.script(name + ".fail", f"return function(e) error('no luck') end")
        self.script(name + ".back",
                    f"return function(e) sdk.kv.incr('{name}.back') "
                    f"sdk.kv.set('{name}.of', e.output.done) end")
        self.create(id=name, steps=[
            {"id": "take", "type": "action", "action": name + ".take",
             "compensate": name + ".back", "next_steps": ["fail"]},
            {"id": "fail", "type": "action", "action": name + ".fail",
             "retry_policy": {"strategy": "fixed", "max_attempts": 2, "initial_delay_ms": 20}}],
            error_handling={"on_workflow_failure": "compensate"})
        run = self.execute(name)
        self.assertEqual(run["status"], "compensated", run)
        self.assertEqual(self.step(run, "fail")["attempt"], 2)
        self.assertIn("no luck", run["error"]["message"])
        self.assertEqual(self.kv(name), {name + ".take": 1, name + ".back": 1,
                                         name + ".of": name + ".take"})

    def test_an_event_that_came_early_is_not_lost(self):
        name = self.unique("wait")
        self.script(name, "return function(e) sdk.events.emit('%s.paid', {id = e.id}) end" % name)
        self.create(id=name, steps=[
            {"id": "ask", "type": "action", "action": name, "next_steps": ["rest"]},
            {"id": "rest", "type": "sleep", "duration": 300, "next_steps": ["paid"]},
            {"id": "paid", "type": "wait", "event": name + ".paid", "timeout": "10s",
             "match": [{"field": "$.payload.id", "operator": "equals", "value": "{{input.id}}"}]}])
        run = self.execute(name, input={"id": 4711})
        self.assertEqual((run["status"], run["output"]), ("completed", {"id": 4711}), run)

    def test_signals_pause_resume_cancel(self):
        name = self.unique("ctl")
        self.counter(name)
        self.create(id=name, steps=[
            {"id": "w", "type": "wait", "signal": "go", "next_steps": ["a"]},
            {"id": "a", "type": "action", "action": name}])
        run = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        self.assertEqual(self.order(run, "pause")["status"], "paused")
        self.order(run, "signal", name="go", payload={"n": 3})
        time.sleep(0.2)
        self.assertEqual(self.kv(name), {})
        self.order(run, "resume")
        done = self.wait_status(run, "completed")
        self.assertEqual(done["output"], {"done": name, "got": 3})
        self.assert_error(self.server.post(f"/v2/workflow-runs/{run}/cancel", {}), 409, "CONFLICT")
        other = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(other, "waiting")
        self.order(other, "cancel")
        self.wait_status(other, "cancelled")
        self.assert_error(self.server.post("/v2/workflow-runs/none/cancel", {}), 404, "NOT_FOUND")

    def test_a_version_is_rehearsed_before_a_run_takes_it(self):
        name = self.unique("ver")
        self.counter(name)
        steps = [{"id": "w", "type": "wait", "signal": "go", "next_steps": ["a"]},
                 {"id": "a", "type": "action", "action": name}]
        self.create(id=name, version=1, steps=steps)
        more = [steps[0], dict(steps[1], next_steps=["b"]), dict(steps[1], id="b")]
        self.create(id=name, version=2, steps=more)
        run = self.execute(name, wait=0, status=202, version=1)["runId"]
        self.wait_status(run, "waiting")
        told = self.order(run, "rehearse", version=2)
        self.assertEqual((told["fits"], told["status"]), (True, "waiting"))
        self.order(run, "pause")
        self.order(run, "resume", version=2)
        self.order(run, "signal", name="go")
        done = self.wait_status(run, "completed")
        self.assertEqual((done["version"], self.kv(name)), (2, {name: 2}))

    def test_a_workflow_begins_another_and_gets_its_output(self):
        name = self.unique("child")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        self.create(id=name + "-up", steps=[
            {"id": "c", "type": "workflow", "workflow_id": name, "input": {"n": 5},
             "next_steps": ["d"]},
            {"id": "d", "type": "condition", "conditions": [
                {"field": "got", "operator": "equals", "value": 5}]}])
        run = self.execute(name + "-up")
        self.assertEqual(run["status"], "completed", run)
        self.assertEqual(self.step(run, "c")["output"], {"done": name, "got": 5})
        self.assertEqual(self.step(run, "d")["output"], True)

    def test_a_schedule_begins_runs(self):
        name = self.unique("sched")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        made = self.server.post("/v2/schedules", {
            "id": name, "type": "interval", "intervalMs": 1000,
            "executor": {"type": "workflow", "workflowId": name}})
        self.assertEqual(made.status, 201, made)
        harness.wait_until("a run of the schedule", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={name}&status=completed"))
        self.assertEqual(self.server.request("DELETE", f"/v2/schedules/{name}").status, 200)

    def test_an_endpoint_begins_runs(self):
        name = self.unique("ep")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        for path, body in [
                ("/v2/subscriptions", {"id": name, "pattern": name, "executor": {
                    "type": "workflow", "workflowId": name}}),
                ("/v2/scripts", {"id": name + ".ep", "name": name + ".ep", "type": "endpoint", "source":
                    "return function(e) sdk.events.emit('%s', {n = 4}) return {taken = true} end" % name}),
                ("/v2/endpoints", {"id": name, "name": name, "method": "POST", "route": name,
                                   "scriptId": name + ".ep"})]:
            self.assertEqual(self.server.post(path, body).status, 201)
        reply = self.server.post(f"/v2/endpoint/post/{name}", {})
        self.assertEqual((reply.status, reply.json()), (200, {"taken": True}))
        run = harness.wait_until("the run", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={name}&status=completed"))[0]
        self.assertEqual(self.run_of(run["runId"])["output"]["got"], 4)

    def test_more_runs_than_have_a_place_all_end(self):
        name = self.unique("many")
        self.script(name, f"return function(e) sdk.sleep(20) sdk.kv.incr('{name}') end")
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        runs = [self.execute(name, wait=0, status=202)["runId"] for _ in range(100)]
        for run in runs:
            self.wait_status(run, "completed")
        self.assertEqual(self.kv(name), {name: 100})
        listed = {e["type"]: e for e in self.server.get("/v2/executors").json()["items"]}
        self.assertEqual(listed["workflow"]["limit"], 20)

    def test_an_action_that_is_nowhere_fails_for_good(self):
        name = self.unique("lost")
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": "no.such"}])
        run = self.execute(name)
        self.assertEqual((run["status"], run["code"]), ("failed", "UNRESOLVED"), run)
        self.assertEqual(self.step(run, "a")["attempt"], 1)

    def test_what_a_run_is_made_of_is_not_on_the_disk_in_clear(self):
        name = self.unique("seal")
        self.script(name, "return function(e) return {echo = e.secret} end")
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        self.execute(name, input={"secret": "MARKER-5d1f-do-not-store"})
        self.server.stop()
        found = []
        for folder, _, files in __import__("os").walk(self.server.data):
            for file in files:
                with open(f"{folder}/{file}", "rb") as content:
                    if b"MARKER-5d1f-do-not-store" in content.read():
                        found.append(file)
        self.server.start()
        self.assertEqual(found, [])


class Outside(WorkflowCase, sink.SinkCase):
    ARGS = sink.SinkCase.ARGS + ("--set", "executors.command.allow=/bin/cat")

    def test_actions_of_the_definition_call_webhooks_and_commands(self):
        name = self.unique("out")
        self.sink.answers[f"/{name}"] = [(503, {}, b""), (200, {"content-type": "application/json"},
                                                          b'{"charged":3}')]
        self.create(id=name, actions={
            "pay": {"type": "webhook", "url": self.sink.url + "/" + name, "body": "payload"},
            "keep": {"type": "command", "command": "/bin/cat"}},
            steps=[{"id": "pay", "type": "action", "action": "pay", "next_steps": ["keep"],
                    "retry_policy": {"strategy": "fixed", "initial_delay_ms": 20}},
                   {"id": "keep", "type": "action", "action": "keep",
                    "input": {"sum": "{{steps.pay | default null}}"}}])
        run = self.execute(name, input={"amount": 3}, runId=name)
        self.assertEqual(run["status"], "completed", run)
        calls = self.sink.of("/" + name)
        self.assertEqual([json.loads(c.body) for c in calls], [{"amount": 3}] * 2)
        self.assertEqual({c.headers["webhook-id"] for c in calls}, {f"{name}:pay:1"})
        self.assertEqual([c.headers["millrace-attempt"] for c in calls], ["1", "2"])
        self.assertIn("sum", self.step(run, "keep")["output"]["payload"])

    def test_actions_of_the_tenant_are_called_by_name(self):
        name = self.unique("act")
        self.sink.answers[f"/{name}"] = (200, {"content-type": "application/json"}, b'{"sent":1}')
        made = self.server.post("/v2/actions", {"name": name, "executor": {
            "type": "webhook", "url": self.sink.url + "/" + name}})
        self.assertEqual(made.status, 201, made)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name,
                                     "input": {"to": "{{input.to}}"}}])
        run = self.execute(name, input={"to": "me"})
        self.assertEqual(run["status"], "completed", run)
        self.assertEqual([json.loads(r.body) for r in self.sink.requests if r.path == f"/{name}"],
                         [{"to": "me"}])

    def test_an_interrupted_call_is_made_again_under_the_same_id(self):
        name = self.unique("key")
        self.sink.answers[f"/{name}"] = lambda request: (time.sleep(1), (200, {}, b"{}"))[1]
        self.create(id=name, actions={"call": {"type": "webhook", "url": self.sink.url + "/" + name}},
                    steps=[{"id": "a", "type": "action", "action": "call"}])
        run = self.execute(name, wait=0, status=202)["runId"]
        of = lambda: self.sink.of("/" + name)
        harness.wait_until("the call", of)
        self.server.kill()
        self.server.start()
        self.wait_status(run, "completed")
        self.assertEqual({r.headers["webhook-id"] for r in of()}, {f"{run}:a:1"})
        self.assertEqual(len(of()), 2)

    def test_once_at_most_is_not_begun_again(self):
        name = self.unique("once")
        self.sink.answers[f"/{name}"] = lambda request: (time.sleep(1), (200, {}, b"{}"))[1]
        self.create(id=name, actions={"call": {"type": "webhook", "url": self.sink.url + "/" + name}},
                    steps=[{"id": "a", "type": "action", "action": "call", "at_most_once": True}])
        run = self.execute(name, wait=0, status=202)["runId"]
        of = lambda: self.sink.of("/" + name)
        harness.wait_until("the call", of)
        self.server.kill()
        self.server.start()
        done = self.wait_status(run, "failed", "completed")
        self.assertEqual((done["status"], done["code"], len(of())), ("failed", "INTERRUPTED", 1))


class CommandLine(WorkflowCase):
    def cli(self, *args, code=0, stdin=None):
        done = subprocess.run(
            [harness.BINARY, *args], capture_output=True, timeout=60, input=stdin,
            env=harness.clean_environment({"MILLRACE_SERVER": self.server.ready["http"]}))
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout.decode()

    def test_create_list_execute_status_history_cancel_signal_resume(self):
        name = self.unique("cli")
        self.counter(name)
        definition = {"id": name, "steps": [
            {"id": "w", "type": "wait", "signal": "go", "next_steps": ["a"]},
            {"id": "a", "type": "action", "action": name, "next_steps": ["nowhere"]}]}
        told = self.cli("workflow:create", "-", stdin=json.dumps(definition).encode())
        self.assertIn(f"created {name}  version 1", told)
        self.assertIn("nowhere", told)
        self.assertIn(name, self.cli("workflow", "list"))
        begun = json.loads(self.cli("-o", "json", "workflow", "execute", name, "--run-id", name))
        self.assertEqual(begun["runId"], name)
        self.wait_status(name, "waiting")
        self.assertIn("waiting", self.cli("workflow", "status", name))
        self.cli("workflow", "pause", name)
        self.cli("workflow", "signal", name, "go", "--payload", '{"n":2}')
        self.assertIn("paused", self.cli("workflow", "runs", "--workflow", name))
        self.cli("workflow", "resume", name)
        self.wait_status(name, "completed")
        self.assertIn("signal", self.cli("workflow", "history", name))
        self.cli("workflow", "cancel", name, code=1)
        self.cli("workflow", "remove", name)


class Crashes(WorkflowCase):
    def test_kill_9_while_runs_are_under_way(self):
        """Each step's effect inside happens once; what had ended is not done again."""
        for step in ("one", "two", "three"):
            self.script(step, "return function(e) sdk.kv.incr('%s:' .. e.id) return {%s = e.id} end"
                        % (step, step))
        self.create(id="thrice", steps=[
            {"id": "one", "type": "action", "action": "one", "next_steps": ["nap"]},
            {"id": "nap", "type": "sleep", "duration": 30, "next_steps": ["p"]},
            {"id": "p", "type": "parallel", "branches": ["two", "three"]},
            {"id": "two", "type": "action", "action": "two"},
            {"id": "three", "type": "action", "action": "three"}])
        begun = []
        for turn in range(5):
            for i in range(40):
                run_id = f"k{turn}-{i}"
                try:
                    reply = self.server.post("/v2/workflows/thrice/execute",
                                             {"runId": run_id, "input": {"id": run_id}})
                except OSError:
                    break
                if reply.status == 202:
                    begun.append(run_id)
            time.sleep(0.02 * turn)
            self.server.kill()
            self.server.start()
        for run_id in begun:
            run = self.wait_status(run_id, "completed", "failed")
            self.assertEqual(run["status"], "completed", run)
        for step in ("one", "two", "three"):
            counts = {}
            for run_id in begun:
                counts.update(self.kv(f"{step}:{run_id}"))
            wrong = {k: v for k, v in counts.items() if v != 1}
            self.assertEqual(wrong, {})
            self.assertEqual(len(counts), len(begun))


if __name__ == "__main__":
    unittest.main()
