#!/usr/bin/env python3
"""Goal: what goes wrong beside the way of a run is neither lost nor done twice: waits that can not be, events
that come right behind the one that begins, children of runs that give up, beginnings anew, versions that are
refused, signals beyond every bound, steps of which at most one may begin, places that others hold.
Method: runs of each kind, kill -9 in the middle, a receiver that counts."""
import datetime
import os
import threading
import time
import unittest

import harness
from keyed import KeyedCase
from workflows_test import WorkflowCase


class Waits(WorkflowCase):
    ARGS = ("--set", "executors.workflow.limit=1")

    def test_a_filter_that_turns_out_to_be_none_fails_its_step(self):
        name = self.unique("none")
        self.create(id=name, steps=[{
            "id": "w", "type": "wait", "event": name, "match": [
                {"field": "$.payload.id", "operator": "regex", "value": "{{input.id}}"}]}])
        run = self.execute(name, input={"id": "("})
        self.assertEqual((run["status"], run["code"]), ("failed", "TEMPLATE"), run)
        self.assertIn("match", run["error"]["message"])

    def test_a_wait_since_now_leaves_out_what_came_before_it(self):
        name = self.unique("since")
        steps = lambda since: [{"id": "n", "type": "wait", "signal": "go", "next_steps": ["w"]},
                               {"id": "w", "type": "wait", "event": name, "since": since}]
        self.create(id=name + "-now", steps=steps("now"))
        self.create(id=name + "-run", steps=steps("run"))
        code = self.server.post("/v2/scripts", {
            "id": name + "-lua", "name": name + "-lua", "type": "workflow", "source":
            "return function(event, wf) wf.signal('go') return wf.waitEvent('%s', {since = 'now'}) end" % name})
        self.assertEqual(code.status, 201, code)
        runs = {kind: self.execute(name + kind, wait=0, status=202)["runId"] for kind in ("-now", "-run", "-lua")}
        self.server.send_event(name, {"n": 1})
        for run in runs.values():
            self.order(run, "signal", name="go")
        self.assertEqual(self.wait_status(runs["-run"], "completed")["output"], {"n": 1})
        for kind in ("-now", "-lua"):
            harness.wait_until("it to wait for it", lambda: len([
                s for s in self.run_of(runs[kind])["steps"] if s["startedAt"]]) == 2)
        self.server.kill()
        self.server.start()
        self.server.send_event(name, {"n": 2})
        for kind in ("-now", "-lua"):
            self.assertEqual(self.wait_status(runs[kind], "completed")["output"], {"n": 2})

    def test_an_event_right_behind_the_one_that_begins_a_run_counts(self):
        name = self.unique("behind")
        self.create(id=name, steps=[{
            "id": "w", "type": "wait", "event": name + ".*", "timeout": "20s", "match": [
                {"field": "$.payload.id", "operator": "equals", "value": "{{event.payload.id}}"}]}])
        made = self.server.post("/v2/subscriptions", {
            "id": name, "pattern": name + ".made", "executor": {"type": "workflow", "workflowId": name}})
        self.assertEqual(made.status, 201, made)
        for kinds in (["paid"], ["made", "sent"]):  # of one request none is before another in time
            events = [{"eventId": f"{name}{kind}{n}", "pattern": f"{name}.{kind}", "payload": {"id": n, "is": kind}}
                      for n in range(20) for kind in kinds]
            self.assertEqual(self.server.post("/v2/events", events).status, 202)
        for n in range(20):
            run = harness.wait_until("the run", lambda: self.server.items(
                f"/v2/workflow-runs?workflowId={name}&eventId={name}made{n}"))[0]["runId"]
            done = self.wait_status(run, "completed", "failed")
            # Neither the event itself nor one before it.
            self.assertEqual(done["output"], {"id": n, "is": "sent"}, done)

    def test_who_waits_hears_of_events_while_others_hold_all_places(self):
        name = self.unique("place")
        self.script(name + ".long", "return function(e) sdk.sleep(25000) end")
        self.create(id=name + "-long", steps=[{"id": "a", "type": "action", "action": name + ".long"}])
        self.create(id=name, steps=[{"id": "w", "type": "wait", "event": name}])
        waits = [self.execute(name, wait=0, status=202)["runId"] for _ in range(5)]
        for run in waits:
            self.wait_status(run, "waiting")
        holds = [self.execute(name + "-long", wait=0, status=202)["runId"] for _ in range(2)]
        self.server.kill()
        self.server.start()
        self.server.send_event(name, {"n": 1})
        for run in waits:
            self.wait_status(run, "completed")
        self.assertEqual([self.run_of(run)["status"] for run in holds], ["running"] * 2)
        for run in holds:
            self.order(run, "terminate")


    def test_whoever_only_waits_takes_no_place(self):
        name = self.unique("idle")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        self.create(id=name + "-par", steps=[
            {"id": "p", "type": "parallel", "branches": ["s", "w"], "next_steps": ["e"]},
            {"id": "s", "type": "sleep", "duration": "1h"}, {"id": "w", "type": "wait", "signal": "never"},
            {"id": "e", "type": "action", "action": name}])
        self.create(id=name + "-up", steps=[{"id": "c", "type": "workflow", "workflow_id": name + "-par"}])
        runs = [self.execute(name + kind, wait=0, status=202)["runId"] for kind in ("-par", "-up", "-par", "-up")]
        for turn in range(2):
            self.assertEqual(self.execute(name, input={"n": 1})["status"], "completed")
            waiting = lambda: [r for r in self.server.items(f"/v2/workflow-runs?workflowId={name}-par")
                               if r["status"] == "waiting"]
            harness.wait_until("all to wait", lambda: len(waiting()) == 4)
            if turn == 0:
                self.server.kill()
                self.server.start()
        for run in runs:
            self.order(run, "cancel")
            self.wait_status(run, "cancelled")
        harness.wait_until("the children to be cancelled", lambda: not waiting())
        self.assertEqual(self.kv(name), {name: 2})

    def test_a_receiver_that_is_left_alone_holds_no_place(self):
        name = self.unique("alone")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        self.create(id=name + "-dead", actions={"call": {
            "type": "webhook", "url": "http://127.0.0.1:9/none", "timeoutMs": 1000}},
            steps=[{"id": "a", "type": "action", "action": "call",
                    "retry_policy": {"strategy": "fixed", "max_attempts": 20, "initial_delay_ms": 10}}])
        dead = self.execute(name + "-dead", wait=0, status=202)["runId"]
        harness.wait_until("it to be left alone", lambda: self.step(self.run_of(dead), "a")["attempt"] >= 10)
        self.assertEqual(self.execute(name, input={"n": 1}, wait=20000)["status"], "completed")
        self.assertIsNone(self.run_of(dead)["endedAt"])
        self.order(dead, "terminate")

    def test_what_a_step_emits_is_held_against_schemas_in_the_call(self):
        name = self.unique("typed")
        made = self.server.post("/v2/schemas", {"id": name, "pattern": name, "mode": "reject", "schema": {
            "type": "object", "required": ["id"]}})
        self.assertEqual(made.status, 201, made)
        self.script(name, "return function(e) sdk.events.emit('%s', e.wrong and {} or {id = 1}) end" % name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name,
                                     "retry_policy": {"strategy": "none"}}])
        self.assertEqual(self.execute(name, input={"wrong": False})["status"], "completed")
        run = self.execute(name, input={"wrong": True})
        self.assertEqual(run["status"], "failed", run)
        self.assertIn("emit", run["error"]["message"])
        self.assertEqual([e["payload"] for e in self.server.all_events(name)], [{"id": 1}])

    def test_an_error_of_a_step_tells_no_secret(self):
        name = self.unique("word")
        self.assertEqual(self.server.post("/v2/secrets", {"id": name, "value": "open-sesame-77"}).status, 201)
        self.script(name, "return function(e) error('it was ' .. sdk.secrets.get('%s')) end" % name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name,
                                     "retry_policy": {"strategy": "none"}}])
        run = self.execute(name)
        self.assertIn("it was ****", run["error"]["message"])
        self.assertNotIn("sesame", str(run))


class Suspended(KeyedCase):
    def test_a_run_of_a_suspended_tenant_stands_until_it_is_active_again(self):
        self.assertEqual(self.server.post("/v2/tenants", {"id": "owes"}).status, 201)
        key = self.make_key(tenantId="owes", role="admin")["key"]
        ask = lambda method, path, body=None: self.ask(key, method, path, body)
        made = ask("POST", "/v2/scripts", {"id": "s", "source": "return function() sdk.kv.incr('n') end"})
        self.assertEqual(made.status, 201, made)
        made = ask("POST", "/v2/workflows", {"id": "w", "steps": [
            {"id": "a", "type": "action", "action": "s", "next_steps": ["n"]},
            {"id": "n", "type": "sleep", "duration": 1000, "next_steps": ["b", "c"]},
            {"id": "b", "type": "action", "action": "s"},
            {"id": "c", "type": "workflow", "workflow_id": "v"}]})
        self.assertEqual(made.status, 201, made)
        made = ask("POST", "/v2/workflows", {"id": "v", "steps": [{"id": "a", "type": "action", "action": "s"}]})
        self.assertEqual(made.status, 201, made)
        for turn, restarts in enumerate((False, True)):
            begun = ask("POST", "/v2/workflows/w/execute", {"runId": f"r{turn}"})
            self.assertEqual(begun.status, 202, begun)
            run = lambda: ask("GET", f"/v2/workflow-runs/r{turn}").json()
            harness.wait_until("it to sleep", lambda: run()["status"] == "waiting")
            self.server.request("PATCH", "/v2/tenants/owes", {"status": "suspended", "reason": "unpaid"})
            time.sleep(1.5)
            if restarts:
                self.server.kill()
                self.server.start()
            active_at = time.time()
            self.server.request("PATCH", "/v2/tenants/owes", {"status": "active"})
            done = harness.wait_until("the run to end", lambda: run() if run()["endedAt"] else None)
            self.assertEqual(done["status"], "completed", done)
            begun_at = datetime.datetime.fromisoformat(done["steps"][2]["startedAt"].replace("Z", "+00:00"))
            self.assertGreaterEqual(begun_at.timestamp(), active_at - 0.001)
        kv = {i["key"]: i["value"] for i in ask("GET", "/v2/kv").json()["items"]}
        self.assertEqual(kv, {"n": 6})


class Children(WorkflowCase):
    def children_of(self, run):
        return [r for r in self.server.items("/v2/workflow-runs") if r["parentRunId"] == run]

    def test_each_attempt_begins_a_run_of_its_own_and_ends_it(self):
        name = self.unique("try")
        self.create(id=name, steps=[{"id": "n", "type": "sleep", "duration": "1h"}])
        self.create(id=name + "-up", steps=[{
            "id": "c", "type": "workflow", "workflow_id": name, "timeout": "200ms",
            "retry_policy": {"strategy": "fixed", "max_attempts": 2, "initial_delay_ms": 10}}])
        run = self.execute(name + "-up")
        self.assertEqual((run["status"], run["code"], self.step(run, "c")["attempt"]), ("failed", "TIMEOUT", 2))
        children = self.children_of(run["runId"])
        self.assertEqual(len(children), 2, children)
        for child in children:
            self.wait_status(child["runId"], "cancelled")

    def test_the_second_attempt_of_a_call_may_do_what_the_first_has_not(self):
        name = self.unique("again")
        self.script(name + ".slow", "return function(e) sdk.sleep(e.ms) return {ms = e.ms} end")
        self.create(id=name + "-slow", steps=[
            {"id": "w", "type": "wait", "signal": "go", "next_steps": ["a"]},
            {"id": "a", "type": "action", "action": name + ".slow", "input": {"ms": 1}}])
        self.create(id=name + "-up", steps=[{
            "id": "c", "type": "workflow", "workflow_id": name + "-slow", "timeout": "2s",
            "retry_policy": {"strategy": "fixed", "max_attempts": 2, "initial_delay_ms": 10}}])
        run = self.execute(name + "-up", wait=0, status=202)["runId"]
        second = harness.wait_until("a second run", lambda: (lambda c: c if len(c) == 2 else None)(
            self.children_of(run)))
        goes_on = [c["runId"] for c in second if c["status"] not in ("cancelled", "completed")]
        self.assertEqual(len(goes_on), 1, second)
        self.order(goes_on[0], "signal", name="go")
        done = self.wait_status(run, "completed", "failed")
        self.assertEqual((done["status"], done["output"]), ("completed", {"ms": 1}), done)

    def test_children_of_a_run_that_is_ended_are_cancelled_whatever_dies(self):
        name = self.unique("left")
        self.create(id=name, steps=[{"id": "n", "type": "sleep", "duration": "1h"}])
        self.create(id=name + "-up", steps=[
            {"id": "p", "type": "parallel", "branches": ["c", "d"]},
            {"id": "c", "type": "workflow", "workflow_id": name},
            {"id": "d", "type": "workflow", "workflow_id": name}])
        for turn, verb in enumerate(("cancel", "terminate", "cancel", "terminate")):
            runs = [self.execute(name + "-up", wait=0, status=202, runId=f"{name}-{turn}-{n}")["runId"]
                    for n in range(20)]
            if turn % 2 == 0:
                for run in runs:
                    harness.wait_until("both children", lambda: len(self.children_of(run)) == 2)

            def give(mine):
                for run in mine:
                    try:
                        self.server.post(f"/v2/workflow-runs/{run}/{verb}", {})
                    except OSError:
                        return
            workers = [threading.Thread(target=give, args=(runs[w::2],)) for w in range(2)]
            for worker in workers:
                worker.start()
            time.sleep(0.005 * (turn + 1))
            self.server.kill()
            for worker in workers:
                worker.join()
            self.server.start()
            for run in runs:
                if self.run_of(run)["endedAt"] is None:
                    self.server.post(f"/v2/workflow-runs/{run}/{verb}", {})
                self.wait_status(run, "cancelled")
            harness.wait_until("no child to be left", lambda: not [
                r for r in self.server.items(f"/v2/workflow-runs?workflowId={name}") if r["endedAt"] is None])


class Anew(WorkflowCase):
    def test_a_run_that_begins_anew_goes_on_whatever_dies(self):
        name = self.unique("anew")
        reply = self.server.post("/v2/scripts", {
            "id": name, "name": name, "type": "workflow", "source": """return function(event, wf)
                local round = wf.input.round or 1
                wf.step('count', function() sdk.kv.incr('%s:' .. wf.runId .. ':' .. round) end)
                if round < 40 then wf.continueAsNew({round = round + 1}) end
                return round
            end""" % name})
        self.assertEqual(reply.status, 201, reply)
        runs = []
        for turn in range(8):
            runs += [self.execute(name, wait=0, status=202, input={}, runId=f"{name}-{turn}-{n}")["runId"]
                     for n in range(10)]
            time.sleep(0.01 * turn)
            self.server.kill()
            self.server.start()
        for run in runs:
            self.assertEqual(self.wait_status(run, "completed", "failed")["output"], 40)
            self.assertEqual(self.kv(f"{name}:{run}:"), {f"{name}:{run}:{n}": 1 for n in range(1, 41)})


class Orders(WorkflowCase):
    def test_a_version_that_is_refused_changes_nothing(self):
        name = self.unique("refused")
        nap = {"id": "n", "type": "sleep", "duration": "1h", "next_steps": ["m"]}
        later = {"id": "m", "type": "sleep", "duration": "1h"}
        self.create(id=name, steps=[nap, later])
        run = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        self.create(id=name, steps=[dict(nap, name="other"), later])
        self.order(run, "pause")
        # Nothing has begun there, so that there is nothing to be done again.
        refused = self.server.post(f"/v2/workflow-runs/{run}/resume", {"version": 2, "fromStep": "m"})
        self.assert_error(refused, 409, "CONFLICT", "resume")
        wrong = self.server.post(f"/v2/workflow-runs/{run}/resume", {"version": 2, "fromStep": "none"})
        self.assert_error(wrong, 400, "VALIDATION_ERROR", "fromStep")
        for _ in range(2):
            self.assertEqual((self.run_of(run)["version"], self.run_of(run)["status"]), (1, "paused"))
            self.server.kill()
            self.server.start()
        self.assertEqual(self.order(run, "resume", version=2)["version"], 2)
        self.server.kill()
        self.server.start()
        self.assertEqual((self.run_of(run)["version"], self.run_of(run)["status"]), (2, "waiting"))
        told = [(row["entry"]["action"]) for row in self.server.items("/v2/audit?kind=workflow_run")
                if row["entry"]["id"] == run]
        self.assertEqual(sorted(told), ["pause", "resume"])

    def test_a_version_its_resume_and_its_audit_are_one_whatever_dies(self):
        name = self.unique("one")
        nap = {"id": "n", "type": "wait", "event": name + ".go", "next_steps": ["m"]}
        self.create(id=name, steps=[nap, {"id": "m", "type": "sleep", "duration": "1h"}])
        self.create(id=name, steps=[dict(nap, name="other"), {"id": "m", "type": "sleep", "duration": "2h"}])
        for turn in range(4):
            runs = [self.execute(name, wait=0, status=202, version=1, runId=f"{name}-{turn}-{n}")["runId"]
                    for n in range(30)]
            for run in runs:
                self.wait_status(run, "waiting")
                self.order(run, "pause")

            def give(mine):
                for run in mine:
                    try:
                        self.server.post(f"/v2/workflow-runs/{run}/resume", {"version": 2})
                    except OSError:
                        return
            workers = [threading.Thread(target=give, args=(runs[w::2],)) for w in range(2)]
            for worker in workers:
                worker.start()
            time.sleep(0.01 * (turn + 1))
            self.server.kill()
            for worker in workers:
                worker.join()
            self.server.start()
            told = {row["entry"]["id"] for row in self.server.items("/v2/audit?kind=workflow_run")
                    if row["entry"]["action"] == "resume" and row["entry"]["id"].startswith(f"{name}-{turn}-")}
            shown = {run: (self.run_of(run)["version"], self.run_of(run)["status"]) for run in runs}
            self.assertEqual(shown, {run: (2, "waiting") if run in told else (1, "paused") for run in runs})

    def test_signals_are_bounded_by_what_a_run_may_hold(self):
        name = self.unique("big")
        self.create(id=name, steps=[{"id": "w", "type": "wait", "signal": "go"}])
        run = self.execute(name, wait=0, status=202)["runId"]
        self.wait_status(run, "waiting")
        big = "x" * (1 << 20)
        one = self.server.post(f"/v2/workflow-runs/{run}/signal", {"name": "other", "payload": big})
        self.assert_error(one, 413, "PAYLOAD_TOO_LARGE", "payload")
        answers = [self.server.post(f"/v2/workflow-runs/{run}/signal",
                                    {"name": "other", "payload": big[:1 << 19]}).status for _ in range(40)]
        self.assertEqual(set(answers), {200, 413})
        self.assertLessEqual(answers.count(200), 32)
        self.assertLessEqual(self.run_of(run)["bytes"], 16 << 20)
        self.order(run, "terminate")

    def test_a_run_that_waits_for_its_place_is_ended_before_it_does_anything(self):
        name = self.unique("queue")
        self.counter(name)
        self.script(name + ".long", "return function(e) sdk.sleep(25000) end")
        self.create(id=name + "-long", steps=[{"id": "a", "type": "action", "action": name + ".long"}])
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name}])
        holds = [self.execute(name + "-long", wait=0, status=202)["runId"] for _ in range(20)]
        for run in holds:
            self.wait_status(run, "running")
        run = self.execute(name, wait=0, status=202)["runId"]
        self.order(run, "terminate")
        self.assertEqual(self.run_of(run)["status"], "cancelled")
        for hold in holds:
            self.order(hold, "terminate")
        self.assertEqual(self.execute(name, input={"n": 1})["status"], "completed")
        self.assertEqual(self.kv(name), {name: 1})


class Unread(WorkflowCase):
    """A start with another key of secrets: nothing that older runs are made of opens."""

    def test_runs_that_do_not_open_can_be_ended_and_others_are_sealed(self):
        name = self.unique("unread")
        self.counter(name + ".s")
        self.create(id=name, steps=[{"id": "w", "type": "wait", "event": name + ".go", "timeout": "1h"}])
        self.create(id=name + "-by", steps=[{"id": "a", "type": "action", "action": name + ".s"}])
        self.assertEqual(self.server.post("/v2/subscriptions", {
            "id": name, "pattern": name, "executor": {"type": "workflow", "workflowId": name + "-by"}}).status, 201)
        ends, stays = [self.execute(name, wait=0, status=202)["runId"] for _ in range(2)]
        for run in (ends, stays):
            self.wait_status(run, "waiting")
        key = os.path.join(self.server.data, "secrets.key")
        self.server.stop()
        os.rename(key, key + ".right")
        self.server.start()
        self.assertEqual(self.server.get(f"/v2/workflow-runs/{ends}").status, 500)
        self.assertEqual(self.server.post(f"/v2/workflow-runs/{ends}/cancel", {}).status, 500)
        self.assertEqual(self.order(ends, "terminate")["status"], "cancelled")
        self.assertEqual(self.order(ends, "terminate", status=409)["error"]["code"], "CONFLICT")
        self.server.send_event(name, {"secret": "MARKER-77aa-do-not-store"})
        by = harness.wait_until("a run by an event", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={name}-by&status=completed"))[0]["runId"]
        self.assertEqual(self.run_of(by)["output"]["done"], name + ".s")
        self.server.stop()
        os.replace(key + ".right", key)
        self.server.start()
        self.server.send_event(name + ".go", {"n": 1})
        self.assertEqual(self.wait_status(stays, "completed")["output"], {"n": 1})
        statuses = {r["runId"]: r["status"] for r in self.server.items(f"/v2/workflow-runs?workflowId={name}")}
        self.assertEqual(statuses, {ends: "cancelled", stays: "completed"})
        told = [row["entry"]["action"] for row in self.server.items("/v2/audit?kind=workflow_run")
                if row["entry"]["id"] == ends]
        self.assertEqual(told, ["terminate"])


class AtMostOnce(WorkflowCase):
    def test_a_step_that_was_only_held_up_is_not_interrupted(self):
        name = self.unique("held")
        self.counter(name)
        self.create(id=name, steps=[{"id": "a", "type": "action", "action": name, "at_most_once": True}])
        off = self.server.request("PATCH", f"/v2/scripts/{name}", {"enabled": False})
        self.assertEqual(off.status, 200, off)
        run = self.execute(name, wait=0, status=202, input={"n": 1})["runId"]
        self.wait_status(run, "running")
        time.sleep(1.5)  # held up, and asked again
        on = self.server.request("PATCH", f"/v2/scripts/{name}", {"enabled": True})
        self.assertEqual(on.status, 200, on)
        self.assertEqual(self.wait_status(run, "completed", "failed")["status"], "completed")
        self.assertEqual(self.kv(name), {name: 1})


if __name__ == "__main__":
    unittest.main()
