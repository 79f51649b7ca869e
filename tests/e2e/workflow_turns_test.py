#!/usr/bin/env python3
"""Goal: runs get their turn whatever there are of them: more than fit into memory wait for a place, a start
finds thousands that sleep or wait and does not wait for them; steps that reach nothing outside share a commit,
and no effect is lost or doubled when the process dies; an order and its line of the audit log are one.
Method: small limits, kill -9, a receiver that counts what came."""
import json
import subprocess
import threading
import time
import unittest

import harness
import sink
from workflows_test import WorkflowCase

COUNT = "return function(e) sdk.kv.incr('%s:' .. e.id) return {id = e.id} end"


class Crowds(WorkflowCase):
    ARGS = ("--set", "executors.workflow.limit=200")

    def begin(self, name, count):
        self.assertEqual(self.server.post("/v2/subscriptions", {
            "id": name, "pattern": name, "executor": {"type": "workflow", "workflowId": name}}).status, 201)
        for first in range(0, count, 1000):
            events = [{"eventId": f"{name}-{n}", "pattern": name, "payload": {"id": str(n)}}
                      for n in range(first, min(count, first + 1000))]
            self.assertEqual(self.server.post("/v2/events", events).status, 202)

    def test_more_wait_for_a_place_than_fit_into_memory(self):
        name = self.unique("crowd")
        self.script(name, COUNT % name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        count = 6000
        before = self.server.metric("millrace_workflow_runs_ended_total", status="completed") or 0
        off = self.server.request("PATCH", f"/v2/scripts/{name}", {"enabled": False})
        self.assertEqual(off.status, 200, off)
        self.begin(name, count)
        waiting = lambda: next(e["waiting"] for e in self.server.get("/v2/executors").json()["items"]
                               if e["type"] == "workflow")
        harness.wait_until("the crowd", lambda: waiting() >= count - 200, 60)
        on = self.server.request("PATCH", f"/v2/scripts/{name}", {"enabled": True})
        self.assertEqual(on.status, 200, on)
        ended = lambda: self.server.metric("millrace_workflow_runs_ended_total", status="completed") or 0
        harness.wait_until("all runs to end", lambda: ended() - before == count, 120)
        # An end is counted a moment before it is durable.
        effects = lambda: {item["key"]: item["value"] for item in self.server.items(f"/v2/kv?prefix={name}:")}
        found = harness.wait_until("all effects", lambda: (lambda of: of if len(of) == count else None)(effects()))
        self.assertEqual(set(found.values()), {1})

    def test_a_start_finds_all_that_sleep_and_wait(self):
        name = self.unique("many")
        self.script(name, COUNT % name)
        count = 1500
        self.create(id=name, steps=[
            {"id": "n", "type": "sleep", "until": "{{event.payload.at | default \"2020-01-01T00:00:00Z\"}}",
             "next_steps": ["w"]},
            {"id": "w", "type": "wait", "event": name + ".go", "match": [
                {"field": "$.payload.id", "operator": "equals", "value": "{{event.payload.id}}"}],
             "next_steps": ["a"]},
            {"id": "a", "type": "action", "action": name, "input": {"id": "{{event.payload.id}}"}}])
        self.begin(name, count)
        self.create(id=name + "-s", steps=[
            {"id": "n", "type": "sleep", "duration": "3s", "next_steps": ["a"]},
            {"id": "a", "type": "action", "action": name, "input": {"id": "s{{event.payload.id}}"}}])
        self.begin(name + "-s", count)
        sleeping = lambda: self.server.metric("millrace_workflow_runs_sleeping")
        harness.wait_until("all to wait", lambda: sleeping() >= count, 60)
        self.server.kill()
        self.server.start()
        # One that waits hears what comes while the others are still looked for.
        run = next(r["runId"] for r in self.server.items(f"/v2/workflow-runs?eventId={name}-7"))
        self.server.post("/v2/events", [{"pattern": name + ".go", "payload": {"id": str(n)}}
                                        for n in range(0, count, 100)] + [
                                       {"pattern": name + ".go", "payload": {"id": "7"}}])
        self.wait_status(run, "completed")
        harness.wait_until("those that slept", lambda: len(self.server.items(
            f"/v2/workflow-runs?workflowId={name}-s&status=completed")) >= count, 60)
        values = harness.wait_until("effects", lambda: (lambda kv: kv if len(kv) == 16 else None)({
            item["key"]: item["value"] for n in [7, *range(0, count, 100)]
            for item in self.server.get(f"/v2/kv?prefix={name}:{n}&limit=1000").json()["items"]
            if item["key"] == f"{name}:{n}"}))
        self.assertEqual(set(values.values()), {1})


class Ahead(sink.SinkCase, WorkflowCase):
    def commits(self):
        return self.server.metric("millrace_log_commits_total")

    def test_a_run_of_scripts_is_one_commit(self):
        name = self.unique("one")
        self.script(name, COUNT % name)
        self.create(id=name, steps=[
            {"id": f"s{n}", "type": "action", "action": name, "input": {"id": str(n)},
             **({"next_steps": [f"s{n + 1}"]} if n < 9 else {})} for n in range(10)])
        self.execute(name)
        before, runs = self.commits(), 20
        for _ in range(runs):
            self.assertEqual(self.execute(name)["status"], "completed")
        # Ten steps, each a commit, would be some 200.
        self.assertLess(self.commits() - before, 5 * runs)
        self.assertEqual(self.kv(name + ":"), {f"{name}:{n}": runs + 1 for n in range(10)})

    def test_a_script_that_calls_out_calls_once_and_after_what_it_follows_from(self):
        name = self.unique("out")
        self.script(name, COUNT % name)
        url = f"{self.sink.url}/{name}"
        self.script(name + ".call", "return function(e) sdk.kv.incr('%s.called') "
                    "return {status = sdk.http.post('%s', {json = {n = 1}}).status} end" % (name, url))
        step = {"type": "action", "action": name, "input": {"id": "a"}}
        self.create(id=name, steps=[
            dict(step, id="a", next_steps=["b"]),
            {"id": "b", "type": "action", "action": name + ".call", "next_steps": ["c"]},
            dict(step, id="c")])
        for turn in (1, 2, 3):
            run = self.execute(name)
            self.assertEqual(run["status"], "completed", run)
            self.assertEqual(self.step(run, "b")["output"], {"status": 204})
            calls = self.sink.of(f"/{name}")
            self.assertEqual(len(calls), turn)
            self.assertIn(run["runId"] + ":b:1", calls[-1].headers["idempotency-key"])
        self.assertEqual(self.kv(name), {name + ":a": 6, name + ".called": 3})

    def test_effects_are_there_once_whatever_dies(self):
        name = self.unique("die")
        self.script(name, "return function(e) sdk.kv.incr('%s:' .. e.id) "
                    "sdk.events.emit('%s.done', {id = e.id}) return {id = e.id} end" % (name, name))
        self.create(id=name, steps=[
            {"id": f"s{n}", "type": "action", "action": name, "input": {"id": "{{run.id}}-%d" % n},
             **({"next_steps": [f"s{n + 1}"]} if n < 4 else {})} for n in range(5)])
        begun = []

        def work(turn):
            for n in range(200):
                run = f"{name}-{turn}-{n}"
                try:
                    reply = self.server.post(f"/v2/workflows/{name}/execute", {"runId": run})
                except OSError:
                    return
                if reply.status == 202:
                    begun.append(run)
        for turn in range(6):
            workers = [threading.Thread(target=work, args=(f"{turn}{w}",)) for w in range(3)]
            for worker in workers:
                worker.start()
            harness.wait_until("some runs", lambda: len(begun) >= 20 * (turn + 1))
            self.server.kill()
            for worker in workers:
                worker.join()
            self.server.start()
        self.assertGreater(len(begun), 0)
        for run in begun:
            self.wait_status(run, "completed")
            self.assertEqual(self.kv(f"{name}:{run}-"), {f"{name}:{run}-{n}": 1 for n in range(5)})
        told = [e["payload"]["id"] for e in self.server.all_events(name + ".done")]
        self.assertEqual(len(told), len(set(told)))
        self.assertLessEqual({f"{run}-{n}" for run in begun for n in range(5)}, set(told))

    def test_a_run_that_is_cancelled_between_its_steps_ends(self):
        name = self.unique("stop")
        self.script(name, COUNT % name)
        self.script(name + ".slow", "return function(e) sdk.sleep(200) return {id = e.id} end")
        self.create(id=name, steps=[
            {"id": "a", "type": "action", "action": name, "input": {"id": "a"}, "next_steps": ["b"]},
            {"id": "b", "type": "action", "action": name + ".slow", "input": {"id": "b"},
             "next_steps": ["c"]},
            {"id": "c", "type": "action", "action": name, "input": {"id": "c"}}])
        run = self.execute(name, wait=0, status=202)["runId"]
        harness.wait_until("the second step", lambda: self.run_of(run)["steps"][1]["status"] == "running")
        self.order(run, "cancel")
        self.wait_status(run, "cancelled")
        time.sleep(0.4)
        self.assertEqual(self.kv(name), {name + ":a": 1})


class Orders(WorkflowCase):
    def test_an_order_and_its_line_of_the_audit_log_are_one(self):
        name = self.unique("audit")
        self.create(id=name, steps=[{"id": "n", "type": "sleep", "duration": "1h"}])
        cancelled = 0
        for turn in range(4):
            runs = [self.execute(name, wait=0, status=202, runId=f"{name}-{turn}-{n}")["runId"]
                    for n in range(60)]

            def work(mine):
                for run in mine:
                    try:
                        self.server.post(f"/v2/workflow-runs/{run}/cancel", {"reason": "no more"})
                    except OSError:
                        return
            workers = [threading.Thread(target=work, args=(runs[w::3],)) for w in range(3)]
            for worker in workers:
                worker.start()
            time.sleep(0.02 * (turn + 1))
            self.server.kill()
            for worker in workers:
                worker.join()
            self.server.start()
            ended = {r["runId"] for r in self.server.items(
                f"/v2/workflow-runs?workflowId={name}&status=cancelled")}
            rows = self.server.items("/v2/audit?kind=workflow_run")
            told = [row["entry"]["id"] for row in rows
                    if row["entry"]["action"] == "cancel" and row["entry"]["id"].startswith(name)]
            self.assertEqual(sorted(told), sorted(ended))
            cancelled = len(ended)
        self.assertGreater(cancelled, 0)
        row = self.server.items("/v2/audit?kind=workflow_run")[0]
        self.assertEqual((row["actor"]["type"], row["via"]), ("local", "http"))
        self.assertEqual(self.server.get("/v2/audit/verify").json()["valid"], True)

    def cli(self, *args, code=0):
        done = subprocess.run(
            [harness.BINARY, *args], capture_output=True, timeout=60,
            env=harness.clean_environment({"MILLRACE_SERVER": self.server.ready["http"]}))
        self.assertEqual(done.returncode, code, done)
        return done.stdout.decode()

    def test_a_version_is_rehearsed_from_the_command_line(self):
        name = self.unique("reh")
        self.counter(name)
        first = {"id": "a", "type": "action", "action": name, "next_steps": ["n"]}
        nap = {"id": "n", "type": "sleep", "duration": "1h"}
        self.create(id=name, steps=[first, nap])
        run = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        self.create(id=name, steps=[first, dict(nap, next_steps=["m"]), dict(nap, id="m")])
        self.create(id=name, steps=[dict(first, id="other"), nap])
        self.assertIn("the same way", self.cli("workflow", "rehearse", run, "--version", "2"))
        self.assertIn("does not fit", self.cli("workflow", "rehearse", run, "--version", "3", code=1))

    def test_a_run_id_is_one_run_of_one_workflow(self):
        name = self.unique("id")
        nap = {"id": "n", "type": "sleep", "duration": "1h"}
        self.create(id=name, steps=[nap])
        self.create(id=name + "-b", steps=[nap])
        self.execute(name, wait=0, status=202, runId=name)
        self.assertTrue(self.execute(name, wait=0, status=202, runId=name)["duplicate"])
        for status in ("waiting", "cancelled"):
            self.wait_status(name, status)
            other = self.server.post(f"/v2/workflows/{name}-b/execute", {"runId": name})
            error = self.assert_error(other, 409, "CONFLICT", name)
            self.assertEqual(error["details"]["field"], "runId")
            if status == "waiting":
                self.order(name, "cancel")

    def test_the_key_turns_from_the_command_line(self):
        cli = self.cli
        self.create(id=self.unique("key"), steps=[{"id": "n", "type": "sleep", "duration": "1h"}])
        self.assertIn("would make version 2", cli("workflow", "rotate-key", "--dry-run"))
        self.assertEqual(json.loads(cli("-o", "json", "workflow", "rotate-key")), {"version": 2})
        self.assertIn("wraps", cli("workflow", "keys"))
        self.assertIn("rotate-key", cli("completion", "bash"))


class Code(WorkflowCase):
    ARGS = ("--set", "executors.workflow.retention=1s")

    def test_code_goes_when_no_run_needs_it(self):
        name = self.unique("code")
        source = "return function(event, wf) wf.signal('go') return %d end"
        reply = self.server.post("/v2/scripts", {"id": name, "name": name, "type": "workflow",
                                                 "source": source % 1})
        self.assertEqual(reply.status, 201, reply)
        first = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(first, "waiting")
        second = self.server.request("PUT", f"/v2/scripts/{name}", {"source": source % 2}).json()
        self.assertEqual(second["version"], 2)
        last = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(last, "waiting")

        def fits(version):
            reply = self.server.post(f"/v2/workflow-runs/{last}/rehearse", {"version": version})
            return reply.status
        time.sleep(3)
        self.assertEqual(fits(1), 200)  # a run is pinned to it
        self.order(first, "signal", name="go")
        harness.wait_until("the old version to go", lambda: fits(1) == 404, 30)
        self.assertEqual(fits(2), 200)
        self.server.stop()
        self.server.start()
        self.order(last, "signal", name="go")
        self.assertEqual(self.wait_status(last, "completed")["output"], 2)


if __name__ == "__main__":
    unittest.main()
