#!/usr/bin/env python3
"""Goal: a script of type workflow runs as a workflow: steps once whatever dies, waits, signals,
branches, children, compensation, control; and code that does not take its way again is stopped.
Method: steps that count in kv; kill -9 in the middle of each kind of wait."""
import json
import time
import unittest

import harness
import sink
from workflows_test import WorkflowCase

ORDER = """
return function(event, wf)
    local id = event.payload.id
    local stock = wf.step('reserve', function(step)
        sdk.kv.incr('%(n)s.reserve:' .. id)
        sdk.events.emit('%(n)s.reserved', {id = id, key = step.key})
        sdk.sleep(30)
        return {shelf = 7}
    end, {compensate = function(step) sdk.kv.incr('%(n)s.back:' .. id) end})
    wf.sleep(60)
    local paid = wf.waitEvent('%(n)s.paid', {
        match = {{field = '$.payload.id', operator = 'equals', value = id}}, timeoutMs = 20000})
    local go = wf.signal('go')
    wf.all{
        function() wf.step('mail', function()
            sdk.sleep(20)
            sdk.kv.incr('%(n)s.mail:' .. id)
        end) end,
        function() wf.step('ship', function() sdk.kv.incr('%(n)s.ship:' .. id) return 1 end) end,
    }
    return {id = id, shelf = stock.shelf, paid = paid.sum, by = go.by, uuid = wf.uuid()}
end
"""


class Case(WorkflowCase):
    def code(self, name, source, status=201, **more):
        reply = self.server.post("/v2/scripts", {"id": name, "name": name, "type": "workflow",
                                                 "source": source, **more})
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def change(self, name, source):
        reply = self.server.request("PUT", f"/v2/scripts/{name}", {"source": source})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["version"]

    def wait_run(self, run_id, check, what):
        def there():
            run = self.run_of(run_id)
            return run if check(run) else None
        return harness.wait_until(f"{run_id}: {what}", there)

    def wait_step(self, run_id, step, status):
        return self.wait_run(run_id, lambda run: any(
            s["id"] == step and s["status"] == status for s in run["steps"]), (step, status))


class Runs(Case):
    def test_an_order_goes_its_way_by_an_event_and_once(self):
        n = self.unique("o")
        self.code(n, ORDER % {"n": n})
        made = self.server.post("/v2/subscriptions", {
            "id": n, "name": n, "pattern": n + ".created",
            "executor": {"type": "workflow", "workflowId": n}})
        self.assertEqual(made.status, 201, made)
        event = {"eventId": n + "-1", "pattern": n + ".created", "payload": {"id": "x"}}
        for _ in range(2):
            self.assertEqual(self.server.post("/v2/events", event).status, 202)
        runs = harness.wait_until("the run", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={n}&eventId={n}-1"))
        self.assertEqual(len(runs), 1, runs)
        run = runs[0]["runId"]
        self.wait_step(run, f"event:{n}.paid:1", "waiting")
        self.server.send_event(n + ".paid", {"id": "y", "sum": 1})
        self.server.send_event(n + ".paid", {"id": "x", "sum": 12})
        self.wait_step(run, "signal:go:1", "waiting")
        self.order(run, "signal", name="go", payload={"by": "me"})
        done = self.wait_status(run, "completed", "failed", "paused")
        self.assertEqual(done["status"], "completed", done)
        out = done["output"]
        self.assertEqual((out["shelf"], out["paid"], out["by"]), (7, 12, "me"))
        self.assertEqual(len(out["uuid"]), 36)
        self.assertEqual(self.kv(n), {f"{n}.reserve:x": 1, f"{n}.mail:x": 1, f"{n}.ship:x": 1})
        self.assertEqual([s["id"] for s in done["steps"]],
                         ["reserve:1", "sleep:1", f"event:{n}.paid:1", "signal:go:1", "mail:1",
                          "ship:1"])
        history = self.server.get(f"/v2/workflow-runs/{run}/history").json()["items"]
        kinds = [h["kind"] for h in history]
        self.assertEqual(kinds[:3], ["start", "asked", "step_ended"])
        self.assertEqual(kinds[-1], "returned")
        patterns = {e["pattern"] for e in self.server.items("/v2/events?patternPrefix=workflow.")}
        self.assertTrue({"workflow.started", "workflow.step.started", "workflow.step.completed",
                         "workflow.completed"} <= patterns, patterns)

    def test_a_failure_is_raised_tried_again_and_undone(self):
        n = self.unique("f")
        self.code(n, """return function(event, wf)
            wf.step('take', function() sdk.kv.incr('%(n)s.take') return 5 end,
                    {compensate = function(s) sdk.kv.set('%(n)s.back', s.output) end})
            local ok, why = pcall(wf.step, 'soft', function()
                sdk.kv.incr('%(n)s.lost')
                error({code = 'NOPE', message = 'not today', fatal = true})
            end)
            wf.step('hard', function(step)
                error('attempt ' .. step.attempt .. ' after ' .. why.code)
            end, {retry = {maxAttempts = 2, initialDelayMs = 20}})
        end""" % {"n": n})
        run = self.execute(n)
        self.assertEqual(run["status"], "compensated", run)
        self.assertIn("attempt 2 after NOPE", run["error"]["message"])
        self.assertEqual({s["id"]: s["status"] for s in run["steps"]},
                         {"take:1": "compensated", "soft:1": "failed", "hard:1": "failed"})
        self.assertEqual(self.kv(n), {n + ".take": 1, n + ".back": 5})

    def test_a_race_a_call_and_an_action(self):
        n = self.unique("r")
        self.server.create_script(
            "return function(e) sdk.kv.incr('%s.act') return {twice = e.n * 2} end" % n,
            id=n + ".twice", name=n + ".twice")
        self.code(n + "-child", "return function(e, wf) return wf.input.n + 1 end")
        made = self.server.post("/v2/workflows", {"id": n + "-json", "steps": [
            {"id": "a", "type": "action", "action": n + ".twice", "input": "{{input}}"}]})
        self.assertEqual(made.status, 201, made)
        self.code(n, """return function(event, wf)
            local value, which = wf.race{
                function() return wf.signal('never') end,
                function() wf.sleep(30) return 'time' end}
            local one = wf.call('%(n)s-child', {n = 1})
            local two = wf.call('%(n)s-json', {n = 4})
            local act = wf.step('act', {action = '%(n)s.twice', input = {n = 10, t = '{{x}}'}})
            local ok, why = pcall(wf.call, '%(n)s-none', {})
            return {value, which, one, two.twice, act.twice, why.code}
        end""" % {"n": n})
        run = self.execute(n)
        self.assertEqual((run["status"], run.get("output")),
                         ("completed", ["time", 2, 2, 8, 20, "UNRESOLVED"]), run)
        self.assertEqual(next(s["status"] for s in run["steps"] if s["id"] == "signal:never:1"),
                         "cancelled")

    def test_events_that_came_early_count_and_each_once(self):
        n = self.unique("w")
        self.code(n, """return function(event, wf)
            wf.step('ask', function()
                for i = 1, 3 do sdk.events.emit('%(n)s.tick', {i = i}) end
            end)
            wf.sleep(200)
            local seen = {}
            for i = 1, 3 do seen[i] = wf.waitEvent('%(n)s.tick').i end
            local more = wf.waitEvent('%(n)s.tick', 100)
            table.sort(seen)
            return {seen = seen, more = more == nil}
        end""" % {"n": n})
        run = self.execute(n)
        self.assertEqual(run.get("output"), {"seen": [1, 2, 3], "more": True}, run)

    def test_what_is_not_deterministic_is_refused_with_the_line(self):
        n = self.unique("d")
        for i, (code, call) in enumerate([("sdk.kv.set('%s', 1)" % n, "sdk.kv"),
                                          ("sdk.http.get('http://x/')", "sdk.http"),
                                          ("sdk.events.emit('x', {})", "sdk.events.emit"),
                                          ("sdk.time.now()", "sdk.time.now"),
                                          ("math.random()", "math.random")]):
            self.code(f"{n}{i}", "return function(event, wf)\n" + code + "\nend")
            run = self.execute(f"{n}{i}")
            self.assertEqual(run["status"], "failed", run)
            self.assertIn(f":2: {call} is not deterministic", run["error"]["message"])
        self.assertEqual(self.kv(n), {})

    def test_continue_as_new_begins_anew_with_what_is_left(self):
        n = self.unique("c")
        self.code(n, """return function(event, wf)
            local round = wf.input.round or 1
            wf.step('count', function() sdk.kv.incr('%(n)s') sdk.events.emit('%(n)s', {r = round}) end)
            local go = wf.signal('go')
            if round < 3 then wf.continueAsNew({round = round + 1}) end
            return {round = round, go = go}
        end""" % {"n": n})
        run = self.execute(n, wait=0, status=202, input={})["runId"]
        for i in range(3):
            self.order(run, "signal", name="go", payload=i)
        done = self.wait_status(run, "completed", "failed")
        self.assertEqual(done.get("output"), {"round": 3, "go": 2}, done)
        self.assertEqual(self.kv(n), {n: 3})
        self.assertEqual(sorted(e["payload"]["r"] for e in self.server.all_events(n)), [1, 2, 3])
        self.assertEqual(len(done["steps"]), 2)
        self.assertEqual(done["steps"][0]["iteration"], 3)

    def test_a_schedule_begins_runs(self):
        n = self.unique("s")
        self.code(n, "return function(e, wf) return wf.step('a', function() return 1 end) end")
        made = self.server.post("/v2/schedules", {
            "id": n, "type": "interval", "intervalMs": 1000,
            "executor": {"type": "workflow", "workflowId": n}})
        self.assertEqual(made.status, 201, made)
        harness.wait_until("a run of the schedule", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={n}&status=completed"))
        self.assertEqual(self.server.request("DELETE", f"/v2/schedules/{n}").status, 200)

    def test_more_runs_than_have_a_place_all_end(self):
        n = self.unique("m")
        self.code(n, """return function(e, wf)
            for i = 1, 3 do wf.step('s', function() sdk.sleep(5) sdk.kv.incr('%s') end) end
        end""" % n)
        runs = [self.execute(n, wait=0, status=202)["runId"] for _ in range(60)]
        for run in runs:
            self.wait_status(run, "completed")
        self.assertEqual(self.kv(n), {n: 180})

    def test_a_workflow_is_no_handler(self):
        n = self.unique("h")
        self.code(n, "return function(e, wf) return 1 end")
        reply = self.server.post("/v2/script/run", {"scriptId": n})
        self.assertIn("is a workflow", reply.body.decode())

    def test_what_a_run_is_made_of_is_not_on_the_disk_in_clear(self):
        n = self.unique("k")
        self.code(n, """return function(e, wf)
            return wf.step('a', function() return {echo = wf.input.secret} end)
        end""")
        run = self.execute(n, input={"secret": "MARKER-77ab-do-not-store"})
        self.assertEqual(run["output"], {"echo": "MARKER-77ab-do-not-store"}, run)
        self.server.stop()
        found = []
        for folder, _, files in __import__("os").walk(self.server.data):
            for file in files:
                with open(f"{folder}/{file}", "rb") as content:
                    if b"MARKER-77ab-do-not-store" in content.read():
                        found.append(file)
        self.server.start()
        self.assertEqual(found, [])


class Control(Case):
    def test_pause_resume_cancel_terminate(self):
        n = self.unique("p")
        self.code(n, """return function(e, wf)
            wf.step('a', function() return 1 end,
                    {compensate = function() sdk.kv.incr('%s') end})
            wf.signal('go')
            return wf.step('b', function() return 2 end)
        end""" % n)
        run = self.execute(n, wait=0, status=202)["runId"]
        self.wait_step(run, "signal:go:1", "waiting")
        self.assertEqual(self.order(run, "pause")["status"], "paused")
        self.order(run, "signal", name="go")
        time.sleep(0.2)
        self.assertEqual(len(self.run_of(run)["steps"]), 2)
        self.order(run, "resume")
        self.assertEqual(self.wait_status(run, "completed")["output"], 2)
        self.order(run, "cancel", status=409)
        other = self.execute(n, wait=0, status=202)["runId"]
        self.wait_step(other, "signal:go:1", "waiting")
        self.order(other, "cancel")
        self.wait_status(other, "compensated")
        self.assertEqual(self.kv(n), {n: 1})
        third = self.execute(n, wait=0, status=202)["runId"]
        self.wait_step(third, "signal:go:1", "waiting")
        self.order(third, "terminate")
        self.wait_status(third, "cancelled")
        self.assertEqual(self.kv(n), {n: 1})

    def test_runs_stay_with_their_version_and_take_one_that_fits(self):
        n = self.unique("v")
        source = """return function(e, wf)
            wf.step('a', function() return 1 end)
            wf.signal('go')
            return '%s'
        end"""
        self.code(n, source % "one")
        runs = [self.execute(n, wait=0, status=202)["runId"] for _ in range(3)]
        for run in runs:
            self.wait_step(run, "signal:go:1", "waiting")
        two = self.change(n, source % "two")
        three = self.change(n, (source % "three").replace("'a'", "'other'"))
        self.order(runs[0], "signal", name="go")
        self.assertEqual(self.wait_status(runs[0], "completed")["output"], "one")
        told = self.order(runs[1], "rehearse", version=three)
        self.assertEqual((told["fits"], told["index"], told["expected"], told["found"]),
                         (False, 0, 'step "a:1"', 'step "other:1"'), told)
        self.order(runs[1], "pause")
        refused = self.server.post(f"/v2/workflow-runs/{runs[1]}/resume", {"version": three})
        self.assert_error(refused, 409, "CONFLICT", 'expected step "a:1", found step "other:1"')
        self.order(runs[1], "resume")
        # A version is there for others as long as a run has begun with it, or it is the newest.
        self.assertEqual(self.change(n, source % "four"), three + 1)
        self.assertTrue(self.order(runs[1], "rehearse", version=three + 1)["fits"])
        self.order(runs[1], "pause")
        self.order(runs[1], "resume", version=three + 1)
        self.order(runs[1], "signal", name="go")
        done = self.wait_status(runs[1], "completed")
        self.assertEqual((done["output"], done["version"]), ("four", three + 1))
        # A run outlives its script.
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{n}").status, 200)
        self.server.stop()
        self.server.start()
        self.order(runs[2], "signal", name="go")
        self.assertEqual(self.wait_status(runs[2], "completed")["output"], "one")
        self.assertEqual(two, 2)

    def test_code_that_takes_another_way_pauses_its_run(self):
        # next() goes by the hash table, and what has no place there is what the code depends on.
        n = self.unique("x")
        self.code(n, """
        local seen = {}
        return function(e, wf)
            local name = tostring(seen)  -- a place in memory
            wf.step(name, function() return 1 end)
            wf.signal('go')
        end""")
        run = self.execute(n, wait=0, status=202)["runId"]
        paused = self.wait_status(run, "paused", "completed", "failed")
        self.assertEqual((paused["status"], paused["code"]), ("paused", "NON_DETERMINISTIC"),
                         paused)
        self.assertRegex(paused["pauseReason"],
                         r'NON_DETERMINISTIC at 0: expected step "table: 0x\w+:1", found step')
        self.order(run, "resume")
        self.wait_status(run, "paused")
        self.order(run, "cancel")
        self.wait_status(run, "cancelled")


class Crashes(Case):
    def kill(self):
        self.server.kill()
        self.server.start()

    def test_kill_9_in_the_middle_of_each_kind_of_wait(self):
        n = self.unique("z")
        self.code(n, ORDER.replace("wf.sleep(60)", "wf.sleep(700)")
                  .replace("sdk.sleep(30)", "sdk.sleep(400)")
                  .replace("sdk.sleep(20)", "sdk.sleep(400)") % {"n": n})
        made = self.server.post("/v2/subscriptions", {
            "id": n, "name": n, "pattern": n + ".created",
            "executor": {"type": "workflow", "workflowId": n}})
        self.assertEqual(made.status, 201, made)
        self.server.post("/v2/events", {"eventId": n, "pattern": n + ".created",
                                        "payload": {"id": "x"}})
        runs = harness.wait_until("the run", lambda: self.server.items(
            f"/v2/workflow-runs?workflowId={n}"))
        run = runs[0]["runId"]
        self.wait_step(run, "reserve:1", "running")
        self.kill()  # in a step
        self.wait_step(run, "sleep:1", "waiting")
        self.kill()  # asleep
        self.wait_step(run, f"event:{n}.paid:1", "waiting")
        self.kill()  # waiting for an event
        self.server.send_event(n + ".paid", {"id": "x", "sum": 3})
        self.wait_step(run, "signal:go:1", "waiting")
        self.kill()  # waiting for a signal
        self.order(run, "signal", name="go", payload={"by": "z"})
        self.wait_step(run, "mail:1", "running")
        self.kill()  # in one branch of two
        done = self.wait_status(run, "completed", "failed", "paused", "compensated")
        self.assertEqual(done["status"], "completed", done)
        self.assertEqual((done["output"]["paid"], done["output"]["by"]), (3, "z"))
        self.assertEqual(self.kv(n), {f"{n}.reserve:x": 1, f"{n}.mail:x": 1, f"{n}.ship:x": 1})
        self.assertEqual(len(self.server.all_events(n + ".reserved")), 1)
        again = self.server.post("/v2/events", {"eventId": n, "pattern": n + ".created",
                                                "payload": {"id": "x"}})
        self.assertEqual(again.status, 202)
        self.assertEqual(len(self.server.items(f"/v2/workflow-runs?workflowId={n}")), 1)

    def test_kill_9_while_many_are_under_way(self):
        n = self.unique("q")
        self.code(n, """return function(event, wf)
            local id = wf.input.id
            for i = 1, 3 do
                wf.step('s', function()
                    sdk.kv.incr('%(n)s:' .. id .. ':' .. i)
                    sdk.events.emit('%(n)s', {id = id, i = i})
                end)
                wf.all{function() wf.sleep(10) end, function() wf.sleep(5) end}
            end
            return id
        end""" % {"n": n})
        runs = []
        for round in range(3):
            for i in range(15):
                runs.append(self.execute(n, wait=0, status=202,
                                         input={"id": f"{round}-{i}"})["runId"])
            time.sleep(0.05)
            self.kill()
        for run in runs:
            done = self.wait_status(run, "completed", "failed", "paused")
            self.assertEqual(done["status"], "completed", done)
        counts = self.kv(n)
        self.assertEqual((len(counts), set(counts.values())), (45 * 3, {1}))
        self.assertEqual(len(self.server.all_events(n)), 45 * 3)


class AtMostOnce(Case, sink.SinkCase):
    ARGS = sink.SinkCase.ARGS

    def test_a_call_that_was_interrupted_is_not_made_again_unless_asked_for(self):
        n = self.unique("a")
        self.sink.answers[f"/{n}"] = lambda request: (time.sleep(1), (200, {}, b"{}"))[1]
        self.code(n, """return function(e, wf)
            local ok, why = pcall(wf.step, 'call', function()
                return sdk.http.post('%s/%s', {body = '{}'}).status
            end, {atMostOnce = wf.input.once})
            return ok and 'made' or why.code
        end""" % (self.sink.url, n))
        of = lambda: self.sink.of("/" + n)
        once = self.execute(n, wait=0, status=202, input={"once": True})["runId"]
        harness.wait_until("the call", of)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.wait_status(once, "completed", "failed")["output"], "INTERRUPTED")
        self.assertEqual(len(of()), 1)
        twice = self.execute(n, wait=0, status=202, input={"once": False})["runId"]
        harness.wait_until("the call", lambda: len(of()) == 2)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.wait_status(twice, "completed", "failed")["output"], "made")
        self.assertEqual(len(of()), 3)
        keys = [r.headers.get("idempotency-key") for r in of()]
        self.assertEqual(keys[1], keys[2])


class CommandLine(Case):
    def cli(self, *args, code=0):
        done = self.server.cli(*args)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        return done.stdout

    def test_execute_status_history_signal_cancel(self):
        n = self.unique("cli")
        self.code(n, """return function(e, wf)
            local a = wf.step('a', function() return wf.input.n end)
            return {n = a, go = wf.signal('go').x}
        end""")
        begun = json.loads(self.cli("-o", "json", "workflow", "execute", n, "--run-id", n,
                                    "--input", '{"n":4}'))
        self.assertEqual(begun["runId"], n)
        self.wait_step(n, "signal:go:1", "waiting")
        self.assertIn("signal:go:1", self.cli("workflow", "status", n))
        self.cli("workflow", "signal", n, "go", "--payload", '{"x":2}')
        self.assertEqual(self.wait_status(n, "completed")["output"], {"n": 4, "go": 2})
        told = self.cli("workflow", "history", n)
        for word in ("asked", "step_ended", "signal", "returned", "a:1"):
            self.assertIn(word, told)
        self.cli("workflow", "cancel", n, code=1)


if __name__ == "__main__":
    harness.main()
