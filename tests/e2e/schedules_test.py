#!/usr/bin/env python3
"""Goal: schedules keep their times as API.md says: each due time is one event and one line of the
ledger, whatever happens in between. Method: schedules of a second, read back from the log and the
ledger; kill -9 around due times."""
import http.client
import json
import os
import signal
import stat
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import harness
from sink import Sink

EVERY_SECOND = "* * * * * *"


class ScheduleCase(harness.ServerCase):
    def create(self, status=201, **body):
        reply = self.server.post("/v2/schedules", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def refuse(self, field, mentions=None, **body):
        reply = self.server.post("/v2/schedules", {"event": {"pattern": "x"}, **body})
        error = self.assert_error(reply, 400, "VALIDATION_ERROR", mentions)
        self.assertEqual(error["details"].get("field"), field, reply)
        return error

    def schedule(self, schedule_id):
        return self.server.get(f"/v2/schedules/{schedule_id}").json()

    def runs(self, schedule_id):
        return self.server.items(f"/v2/schedules/{schedule_id}/runs")

    def wait_runs(self, schedule_id, count, **wanted):
        def enough():
            rows = [r for r in self.runs(schedule_id)
                    if all(r[k] == v for k, v in wanted.items())]
            return rows if len(rows) >= count else None
        return harness.wait_until(f"{count} runs {wanted} of {schedule_id}", enough)

    def remove(self, schedule_id):
        self.assertEqual(self.server.request("DELETE", f"/v2/schedules/{schedule_id}").status, 200)


class Documents(ScheduleCase):
    def test_create_read_change_list_remove(self):
        name = self.unique("s")
        reply = self.server.post("/v2/schedules", {
            "id": name, "cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin",
            "event": {"pattern": "report.due", "payload": {"kind": "daily"}}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.headers["location"], f"/v2/schedules/{name}")
        made = reply.json()
        self.assertEqual((made["type"], made["overlap"], made["active"]), ("cron", "skip", True))
        self.assertEqual(made["catchUp"], {"mode": "one", "windowMs": 86400000, "max": 100})
        self.assertEqual(made["dst"], {"gap": "run", "overlap": "first"})
        self.assertTrue(made["nextRunAt"])
        got = self.server.get(f"/v2/schedules/{name}")
        tag = got.headers["etag"]
        patched = self.server.request("PATCH", f"/v2/schedules/{name}", {"jitterMs": 5},
                                      headers={"If-Match": tag})
        self.assertEqual((patched.status, patched.json()["jitterMs"]), (200, 5), patched)
        self.assertEqual(patched.json()["event"]["payload"], {"kind": "daily"})
        again = self.server.request("PATCH", f"/v2/schedules/{name}", {"jitterMs": 6},
                                    headers={"If-Match": tag})
        self.assert_error(again, 409, "CONFLICT")
        sent_back = self.server.request("PUT", f"/v2/schedules/{name}", self.schedule(name))
        self.assertEqual(sent_back.status, 200, sent_back)
        self.assertIn(name, [s["id"] for s in self.server.items("/v2/schedules")])
        audit = self.server.get(f"/v2/audit?kind=schedule&id={name}").json()["items"]
        self.assertEqual([a["entry"]["action"] for a in audit], ["update", "update", "create"])
        self.remove(name)
        self.assert_error(self.server.get(f"/v2/schedules/{name}"), 404, "NOT_FOUND")

    def test_names_of_the_older_documents_are_taken(self):
        made = self.create(event_type="report.generate", event_data={"report_type": "daily"},
                           schedule_type="cron", cron_expression="0 9 * * *",
                           next_run_at="2026-01-01T00:00:00Z")
        self.assertEqual(made["cron"], "0 9 * * *")
        self.assertEqual(made["event"],
                         {"pattern": "report.generate", "payload": {"report_type": "daily"}})
        self.remove(made["id"])

    def test_what_cannot_be_kept_is_refused(self):
        self.refuse("timezone", "tzdata", cron="0 0 * * *", timezone="Nowhere/City")
        self.refuse("timezone", cron="0 0 * * *", timezone="../../etc/passwd")
        self.refuse("cron", "names no time", cron="0 0 30 2 *")
        error = self.refuse("cron", "hour", cron="0 24 * * *")
        self.assertEqual(error["details"]["position"], 2)
        self.refuse("cron", "required")
        self.refuse("intervalMs", type="interval", intervalMs=999)
        self.refuse("at", "required", type="once")
        self.refuse("intervalMs", "belongs to", type="cron", cron="@daily", intervalMs=5000)
        self.refuse("overlap", cron="@daily", overlap="maybe")
        self.refuse("endAt", cron="@daily", startAt="2030-01-01T00:00:00Z",
                    endAt="2029-01-01T00:00:00Z")
        self.refuse("event.pattern", cron="@daily", event={"payload": {}})
        self.refuse("event.eventId", cron="@daily", event={"pattern": "x", "eventId": "1"})
        self.refuse("executor", cron="@daily", executor={"type": "script", "scriptId": "s"})
        script = self.server.create_script("return function() end", type="scheduled")
        self.refuse("payload", "executor", cron="@daily", payload={"a": 1},
                    executor={"type": "script", "scriptId": script})
        self.refuse("payload", "pattern", cron="@daily", payload={"a": 1}, event={"pattern": "x"})
        self.refuse("wrong", cron="@daily", wrong=1)
        reply = self.server.post("/v2/schedules", {"cron": "@daily", "executor": {
            "type": "script", "scriptId": "nobody"}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "nobody")
        self.assert_error(self.server.get("/v2/schedules?wrong=1"), 400, "VALIDATION_ERROR")

    def test_many_at_once(self):
        name = self.unique("bulk")
        good = [{"id": f"{name}-{i}", "cron": "0 0 1 1 *", "event": {"pattern": "x"}} for i in range(500)]
        bad = [{"id": f"{name}-bad", "cron": "61 * * * *", "event": {"pattern": "x"}}, dict(good[0])]
        body = {"schedules": good + bad}
        dry = self.server.post("/v2/schedules/bulk", {**body, "dryRun": True})
        self.assertEqual((dry.status, dry.json()["created"], dry.json()["count"]), (200, 0, 500), dry)
        self.assertEqual([s for s in self.server.items("/v2/schedules") if s["id"].startswith(name)], [])
        self.assert_error(self.server.post("/v2/schedules/bulk", {**body, "expect": 501}), 409, "CONFLICT", "expect")
        reply = self.server.post("/v2/schedules/bulk", body)
        self.assertEqual((reply.status, reply.json()["created"]), (201, 500), reply)
        self.assertEqual(reply.json()["ids"], [s["id"] for s in good])
        rejected = reply.json()["rejected"]
        self.assertEqual([(r["index"], r["error"]["code"], r["error"]["details"]["field"]) for r in rejected],
                         [(500, "VALIDATION_ERROR", "cron"), (501, "CONFLICT", "id")])
        audit = self.server.get(f"/v2/audit?kind=schedule&id={name}-7").json()["items"]
        self.assertEqual([a["entry"]["action"] for a in audit], ["create"])
        self.assertTrue(self.server.get("/v2/audit/verify").json()["valid"])
        self.server.kill()
        self.server.start()
        kept = [s["id"] for s in self.server.items("/v2/schedules") if s["id"].startswith(name)]
        self.assertEqual(sorted(kept), sorted(s["id"] for s in good))
        for body, member in (({"schedules": {}}, "schedules"), ({}, "schedules"),
                             ({"schedules": [good[0]] * 1001}, "schedules"), ({"schedules": [], "x": 1}, "x")):
            self.assert_error(self.server.post("/v2/schedules/bulk", body), 400, "VALIDATION_ERROR", member)
        self.assert_error(self.server.post("/v2/schedules/bulk", {"schedules": bad[:1]}), 400, "VALIDATION_ERROR")
        for schedule_id in kept:
            self.remove(schedule_id)

    def test_the_preview_goes_over_changes_of_the_clock(self):
        def preview(cron, start, n):
            made = self.create(cron=cron, timezone="America/New_York", event={"pattern": "x"})
            query = urllib.parse.urlencode({"n": n, "from": start})
            reply = self.server.get(f"/v2/schedules/{made['id']}/preview?{query}")
            self.remove(made["id"])
            return [item["local"] for item in reply.json()["items"]]
        self.assertEqual(preview("30 2 * * *", "2026-03-08T00:00:00Z", 2),
                         ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"])
        self.assertEqual(preview("30 1 * * *", "2026-11-01T00:00:00Z", 2),
                         ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"])
        made = self.create(cron="@daily", event={"pattern": "x"})
        reply = self.server.get(f"/v2/schedules/{made['id']}/preview?n=1001")
        self.assert_error(reply, 400, "VALIDATION_ERROR", "n")


class Firing(ScheduleCase):
    def test_each_second_is_one_event_and_one_line(self):
        pattern = self.unique("tick")
        made = self.create(cron=EVERY_SECOND, event={
            "pattern": pattern, "payload": {"a": [1]}, "metadata": {"correlationId": "c-1"}})
        rows = self.wait_runs(made["id"], 3, status="fired")
        events = {e["eventId"]: e for e in self.server.all_events(pattern)}
        for row in rows:
            event = events[row["eventId"]]
            self.assertEqual(event["timestamp"], row["dueAt"])
            self.assertEqual(event["payload"], {"a": [1]})
            self.assertEqual(event["metadata"], {"correlationId": "c-1"})
            self.assertEqual(event["x-schedule"]["scheduledAt"], row["dueAt"])
            self.assertGreaterEqual(row["lateMs"], 0)
        self.assertEqual(len({r["dueAt"] for r in rows}), len(rows))
        self.assertEqual([r["seq"] for r in rows], sorted((r["seq"] for r in rows), reverse=True))
        self.remove(made["id"])

    def test_a_script_sees_what_it_stands_for(self):
        script = self.server.create_script(
            "return function(event, ctx) return {ctx.eventName, ctx.eventData.scheduledAt, "
            "ctx.eventData.periodicity, event.payload.scheduleId} end", type="scheduled")
        made = self.create(cron=EVERY_SECOND, executor={"type": "script", "scriptId": script})
        done = self.server.wait_executions(1, scriptId=script)[0]
        self.assertEqual(done["subscriptionId"], f"schedule:{made['id']}")
        name, scheduled_at, periodicity, schedule_id = done["result"]
        self.assertEqual((name, periodicity, schedule_id),
                         ("ScheduledTask", EVERY_SECOND, made["id"]))
        self.assertTrue(scheduled_at.endswith(":%s.000Z" % scheduled_at[17:19]))
        reply = self.server.request("DELETE", f"/v2/scripts/{script}")
        self.assert_error(reply, 409, "CONFLICT")
        self.remove(made["id"])
        reply = self.server.get(f"/v2/subscriptions/schedule:{made['id']}")
        self.assert_error(reply, 404, "NOT_FOUND")

    def test_paused_and_inactive_ones_are_passed_over_and_told(self):
        made = self.create(cron=EVERY_SECOND, active=False, event={"pattern": self.unique()})
        self.wait_runs(made["id"], 1, status="skipped", rule="inactive")
        self.server.request("PATCH", f"/v2/schedules/{made['id']}", {"active": True})
        self.wait_runs(made["id"], 1, status="fired")
        paused = self.server.post(f"/v2/schedules/{made['id']}/pause", None)
        self.assertEqual((paused.status, paused.json()["paused"]), (200, True), paused)
        self.wait_runs(made["id"], 1, status="skipped", rule="paused")
        fired = len([r for r in self.runs(made["id"]) if r["status"] == "fired"])
        self.assertEqual(self.server.post(f"/v2/schedules/{made['id']}/resume", {}).status, 200)
        self.wait_runs(made["id"], fired + 1, status="fired")
        self.remove(made["id"])

    def test_trigger_and_backfill(self):
        pattern = self.unique("hour")
        made = self.create(cron="0 * * * *", event={"pattern": pattern})
        path = f"/v2/schedules/{made['id']}"
        reply = self.server.post(path + "/trigger", None)
        self.assertEqual(reply.status, 202, reply)
        event = self.server.get(f"/v2/events/{reply.json()['eventId']}")
        self.assertEqual((event.status, event.json()["pattern"]), (200, pattern), event)
        span = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T05:00:00Z"}
        dry = self.server.post(path + "/backfill", {**span, "dryRun": True})
        self.assertEqual((dry.status, dry.json()["count"]), (200, 5), dry)
        reply = self.server.post(path + "/backfill", {**span, "expect": 4})
        self.assert_error(reply, 409, "CONFLICT")
        reply = self.server.post(path + "/backfill", {**span, "expect": 5})
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 5), reply)
        rows = self.wait_runs(made["id"], 5, rule="backfill")
        self.assertEqual(sorted(r["dueAt"] for r in rows),
                         [f"2026-01-01T0{h}:00:00.000Z" for h in range(5)])
        self.assertEqual(len(self.server.all_events(pattern)), 6)
        told = self.server.get(f"/v2/audit?kind=schedule&id={made['id']}").json()["items"]
        self.assertEqual([row["action"] for row in told], ["backfill", "trigger", "create"])
        self.assertEqual(told[0]["entry"]["count"], 5)
        self.assert_error(self.server.post(path + "/backfill", {"from": "2026-01-01T00:00:00Z"}),
                          400, "VALIDATION_ERROR", "to")
        self.assertEqual(self.schedule(made["id"])["runs"], 6)
        self.remove(made["id"])

    def test_a_run_that_goes_on_makes_the_next_wait_or_go(self):
        script = self.server.create_script("return function() sdk.sleep(2200) end")
        executor = {"type": "script", "scriptId": script}
        skip = self.create(cron=EVERY_SECOND, executor=executor)
        queue = self.create(cron=EVERY_SECOND, executor=executor, overlap="queue1", maxRuns=2)
        allow = self.create(cron=EVERY_SECOND, executor=executor, overlap="allow", maxRuns=2)
        self.wait_runs(skip["id"], 1, status="skipped", rule="overlap:skip")
        self.wait_runs(queue["id"], 1, status="skipped", rule="overlap:queue1")
        self.wait_runs(queue["id"], 1, status="fired", rule="overlap:queue1")
        self.wait_runs(allow["id"], 2, status="fired")
        self.assertTrue(self.schedule(allow["id"])["ended"])
        self.assertEqual(self.schedule(allow["id"])["nextRunAt"], None)
        self.wait_runs(skip["id"], 2, status="fired")
        for one in (skip, queue, allow):
            self.remove(one["id"])

    def test_a_failure_pauses_if_asked_to(self):
        script = self.server.create_script("return function() error('no') end")
        pattern = self.unique("fail")
        self.server.subscribe(pattern, script, retry={"maxRetries": 0})
        made = self.create(cron=EVERY_SECOND, pauseOnFailure=True, event={"pattern": pattern})
        harness.wait_until("the pause", lambda: self.schedule(made["id"])["paused"])
        self.assertIn("failed", self.schedule(made["id"])["pauseReason"])
        self.remove(made["id"])

    def test_once_and_in_the_past_is_at_once(self):
        made = self.create(type="once", at="2024-01-01T02:00:00Z", event={"pattern": "once"})
        row = self.wait_runs(made["id"], 1, status="fired")[0]
        self.assertEqual(row["dueAt"], "2024-01-01T02:00:00.000Z")
        event = self.server.get(f"/v2/events/{row['eventId']}").json()
        self.assertIs(event["x-schedule"]["late"], True)
        self.assertTrue(self.schedule(made["id"])["ended"])

    def test_an_interval_begins_when_it_is_told_to(self):
        made = self.create(schedule_type="interval", interval_ms=3600000, event_type="health.check",
                           next_run_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        row = self.wait_runs(made["id"], 1, status="fired")[0]
        self.assertEqual(row["rule"], None)
        self.remove(made["id"])


class OwnBusiness(ScheduleCase):
    """What other deliveries are doing is no business of a schedule's."""

    def slow_neighbour(self, count):
        script = self.server.create_script("return function() sdk.sleep(25000) end",
                                           timeoutMs=30000)
        pattern = self.unique("slow")
        self.server.subscribe(pattern, script)
        for _ in range(count):
            self.server.send_event(pattern)

    def test_a_slow_handler_beside_it_costs_no_tick(self):
        done = self.server.create_script("return function() end", type="scheduled")
        self.slow_neighbour(8)
        made = self.create(cron=EVERY_SECOND, executor={"type": "script", "scriptId": done})
        rows = self.wait_runs(made["id"], 5, status="fired")
        self.assertEqual([r["rule"] for r in self.runs(made["id"]) if r["status"] == "skipped"], [])
        self.assertGreaterEqual(len(rows), 5)
        self.remove(made["id"])

    def test_after_a_crash_with_a_backlog_schedules_fire(self):
        made = self.create(cron=EVERY_SECOND, event={"pattern": self.unique("tick")})
        self.wait_runs(made["id"], 1, status="fired")
        burn = self.server.create_script("return function() local t = sdk.time.now() "
                                         "while sdk.time.now() - t < 0.2 do end end")
        pattern = self.unique("backlog")
        self.server.subscribe(pattern, burn)
        for _ in range(100):
            self.server.send_event(pattern)
        self.server.kill()
        self.server.start()
        began = time.monotonic()
        before = len(self.runs(made["id"]))
        self.wait_runs(made["id"], before + 2)
        self.assertLess(time.monotonic() - began, 4)
        skipped = [r for r in self.runs(made["id"]) if r["status"] == "skipped"]
        self.assertEqual([r for r in skipped if r["rule"].startswith("overlap")], [])
        self.remove(made["id"])

    def test_cancel_ends_the_earlier_run(self):
        script = self.server.create_script(
            "return function(event, ctx) ctx.fail('silent', 'never') end", type="scheduled")
        made = self.create(cron=EVERY_SECOND, overlap="cancel",
                           executor={"type": "script", "scriptId": script})
        rows = self.wait_runs(made["id"], 4, status="fired")
        self.server.post(f"/v2/schedules/{made['id']}/pause", None)

        def only_the_last_waits():
            open_runs = [e for e in self.server.executions(scriptId=script, limit=1000)
                         if e["status"] == "retrying"]
            return len(open_runs) <= 1
        harness.wait_until("the earlier runs' end", only_the_last_waits)
        self.assertGreaterEqual(len(rows), 4)
        self.remove(made["id"])

    def test_a_start_counts_that_ends_right_behind_its_ready_line(self):
        pattern = self.unique("boot")
        made = self.create(cron="@reboot", event={"pattern": pattern}, overlap="allow")
        self.server.kill()
        for _ in range(2):
            self.server.start()
            self.server.kill()
        self.server.start()
        self.wait_runs(made["id"], 3, status="fired")
        self.remove(made["id"])


class Targets(ScheduleCase):
    """What a due time may set going: each kind of executor runs, and its run is the schedule's."""

    @classmethod
    def setUpClass(cls):
        cls.sink = Sink()
        folder = tempfile.mkdtemp(prefix="millrace-schedules-")
        os.chmod(folder, 0o755)
        cls.program = os.path.join(folder, "told")
        with open(cls.program, "w") as file:
            file.write("#!/bin/sh\necho \"{\\\"argument\\\": \\\"$1\\\"}\"\n")
        os.chmod(cls.program, stat.S_IRWXU | 0o055)
        cls.ARGS = ("--set", "http_client.allow=127.0.0.1", "--set", f"executors.command.allow={cls.program}")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.sink.close()
        os.unlink(cls.program)
        os.rmdir(os.path.dirname(cls.program))

    def once(self, **members):
        return self.create(type="once", at="2024-01-01T02:00:00Z", **members)

    def run_of(self, made, status="completed"):
        return self.server.wait_executions(1, statuses=(status,), subscriptionId=f"schedule:{made['id']}")[0]

    def test_a_webhook(self):
        made = self.once(executor={"type": "webhook", "url": self.sink.url + "/due"})
        self.run_of(made)
        request = self.sink.of("/due")[0]
        body = json.loads(request.body)
        self.assertEqual(body["type"], f"schedule.{made['id']}")
        self.assertEqual(body["data"]["scheduledAt"], "2024-01-01T02:00:00.000Z")
        self.assertTrue(request.headers["webhook-id"])
        self.remove(made["id"])

    def test_a_command(self):
        made = self.once(executor={"type": "command", "command": self.program, "args": ["{{payload.scheduleId}}"]})
        self.assertEqual(self.run_of(made)["result"], {"argument": made["id"]})
        self.remove(made["id"])

    def test_a_workflow(self):
        step = self.server.create_script("return function(e) return {seen = e.scheduleId} end")
        workflow = self.unique("w")
        reply = self.server.post("/v2/workflows", {"id": workflow, "steps": [
            {"id": "one", "type": "action", "action": step}]})
        self.assertEqual(reply.status, 201, reply)
        made = self.once(executor={"type": "workflow", "workflowId": workflow})

        def ended():
            runs = self.server.get(f"/v2/workflow-runs?workflowId={workflow}").json()["items"]
            return [r for r in runs if r["status"] == "completed"]
        run = harness.wait_until("its run", ended)[0]
        steps = self.server.get(f"/v2/workflow-runs/{run['runId']}").json()["steps"]
        self.assertIn(made["id"], json.dumps(steps))
        self.remove(made["id"])

    def test_a_script_and_an_event_that_somebody_wants(self):
        scheduled = self.server.create_script("return function(event, ctx) return ctx.eventName end", type="scheduled")
        made = self.once(executor={"type": "script", "scriptId": scheduled})
        self.assertEqual(self.run_of(made)["result"], "ScheduledTask")
        self.remove(made["id"])
        pattern = self.unique("wanted")
        script = self.server.create_script("return function(event) return event.payload.n end")
        self.server.subscribe(pattern, script)
        self.once(event={"pattern": pattern, "payload": {"n": 7}})
        self.assertEqual(self.server.wait_executions(1, scriptId=script)[0]["result"], 7)

    def test_a_failed_run_is_tried_again_with_backoff(self):
        script = self.server.create_script(
            "return function(event, ctx) if ctx.attempt < 2 then error('not yet') end return ctx.attempt end",
            type="scheduled")
        made = self.create(cron="0 0 1 1 *", executor={"type": "script", "scriptId": script})
        self.server.request("PATCH", f"/v2/subscriptions/schedule:{made['id']}",
                            {"retry": {"maxRetries": 2, "initialDelayMs": 100, "maxDelayMs": 200}})
        self.server.post(f"/v2/schedules/{made['id']}/trigger", None)
        self.assertEqual(self.run_of(made)["result"], 2)
        self.remove(made["id"])

    def test_one_that_makes_an_event_instead_has_no_subscription_any_more(self):
        script = self.server.create_script("return function() end", type="scheduled")
        made = self.create(cron="@daily", executor={"type": "script", "scriptId": script})
        own = f"/v2/subscriptions/schedule:{made['id']}"
        self.assertEqual(self.server.get(own).status, 200)
        changed = self.server.request("PATCH", f"/v2/schedules/{made['id']}", {
            "executor": None, "event": {"pattern": "instead"}})
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual((changed.json()["event"], changed.json().get("executor")), ({"pattern": "instead"}, None))
        self.assertEqual(self.server.get(own).status, 404)
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{script}").status, 200)
        self.remove(made["id"])

    def test_one_is_removed_with_its_subscription_by_a_version(self):
        script = self.server.create_script("return function() end", type="scheduled")
        made = self.create(cron="@daily", executor={"type": "script", "scriptId": script})
        path = f"/v2/schedules/{made['id']}"
        tag = self.server.get(path).headers["etag"]
        reply = self.server.request("DELETE", path, headers={"If-Match": tag})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.server.get(f"/v2/subscriptions/schedule:{made['id']}").status, 404)


class DueSecond(ScheduleCase):
    def ledger_seconds(self, schedule_id):
        """Each second that a line of the ledger tells of, in their order."""
        def second(text):
            return int(time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")))
        seconds = []
        for row in self.runs(schedule_id):
            first, last = second(row["dueAt"]), second(row.get("until") or row["dueAt"])
            self.assertEqual(row.get("count", 1), last - first + 1, row)
            seconds += range(first, last + 1)
        return sorted(seconds)

    def test_changes_in_the_due_second_neither_lose_nor_double_a_time(self):
        pattern = self.unique("edit")
        made = self.create(cron=EVERY_SECOND, overlap="allow", event={"pattern": pattern})
        path = f"/v2/schedules/{made['id']}"
        changes, ends = 0, time.monotonic() + 4
        while time.monotonic() < ends:
            reply = self.server.request("PATCH", path, {"name": f"n{changes}", "jitterMs": changes % 3})
            self.assertEqual(reply.status, 200, reply)
            changes += 1
        self.assertGreater(changes, 20)
        self.server.post(path + "/pause", None)
        seconds = self.ledger_seconds(made["id"])
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))), "each second once")
        self.assertGreaterEqual(len(seconds), 3)
        fired = [r["eventId"] for r in self.runs(made["id"]) if r["status"] == "fired"]
        self.assertEqual(sorted(fired), sorted(e["eventId"] for e in self.server.all_events(pattern)))
        self.remove(made["id"])

    def test_a_server_that_stood_still_accounts_for_each_second(self):
        pattern = self.unique("stop")
        made = self.create(cron=EVERY_SECOND, overlap="allow", event={"pattern": pattern})
        self.wait_runs(made["id"], 1, status="fired")
        self.server.signal(signal.SIGSTOP)
        time.sleep(12)
        self.server.signal(signal.SIGCONT)
        self.wait_runs(made["id"], 1, status="skipped", rule="catchUp:one")
        self.wait_runs(made["id"], 1, status="fired", rule="catchUp:one")
        self.wait_runs(made["id"], 3, status="fired")
        self.server.post(f"/v2/schedules/{made['id']}/pause", None)
        seconds = self.ledger_seconds(made["id"])
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))), "each second once")
        self.assertGreaterEqual(len(seconds), 12)
        self.remove(made["id"])


class CommandLine(ScheduleCase):
    def cli(self, *args):
        done = subprocess.run([harness.BINARY, *args, "--server", f"http://{self.server.ready['http']}"],
                              capture_output=True, text=True, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_verb_of_it(self):
        name = self.unique("cli")
        self.assertIn(name, self.cli("schedule", "create", "--id", name, "--every", "2h", "--pattern", "a.b"))
        self.assertIn(name, self.cli("schedule:list"))
        self.assertIn("Z", self.cli("schedule", "preview", name, "-n", "2"))
        self.assertIn("fired", self.cli("schedule", "trigger", name))
        self.assertIn("trigger", self.cli("schedule", "runs", name))
        self.assertIn("paused", self.cli("schedule", "pause", name))
        self.assertTrue(self.schedule(name)["paused"])
        self.assertIn("resumed", self.cli("schedule", "resume", name))
        self.assertFalse(self.schedule(name)["paused"])
        backfilled = self.cli("schedule", "backfill", name, "--from", "2h", "--to", "1h", "--overlap", "allow")
        self.assertIn("backfills", backfilled)
        self.cli("schedule", "remove", name)
        self.assertEqual(self.server.get(f"/v2/schedules/{name}").status, 404)

    def test_a_schedule_of_the_older_documents(self):
        made = self.cli("schedule:create", "--output", "json", "--body", json.dumps({
            "event_type": "report.generate", "event_data": {"report_type": "daily_summary"},
            "schedule_type": "cron", "cron_expression": "0 9 * * *"}))
        self.assertEqual(json.loads(made)["cron"], "0 9 * * *")
        self.cli("schedule", "remove", json.loads(made)["id"])


class Crash(ScheduleCase):
    def test_each_time_comes_once_however_the_process_ends(self):
        pattern = self.unique("crash")
        made = self.create(cron=EVERY_SECOND, event={
            "pattern": pattern, "partitionKey": "k"})
        later = self.create(cron="0 0 1 1 *", event={"pattern": pattern})
        for count in (1, 2):
            self.wait_runs(made["id"], count, status="fired")
            self.server.kill()
            self.server.start()
        self.wait_runs(made["id"], 4, status="fired")
        self.server.post(f"/v2/schedules/{made['id']}/pause", None)
        events = self.server.all_events(pattern)
        times = [e["timestamp"] for e in events]
        self.assertEqual(len(times), len(set(times)), "a time came twice")
        rows = self.runs(made["id"])
        seconds = sorted(int(time.mktime(time.strptime(r["dueAt"], "%Y-%m-%dT%H:%M:%S.000Z")))
                         for r in rows)
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))),
                         "every time has its line")
        fired = {r["eventId"] for r in rows if r["status"] == "fired"}
        self.assertEqual(fired, {e["eventId"] for e in events})
        self.assertEqual(self.schedule(later["id"])["nextRunAt"][5:], "01-01T00:00:00.000Z")


class TogetherWithTheSubscription(unittest.TestCase):
    """What a document owns comes, changes and goes in its commit."""

    def setUp(self):
        self.server = harness.Server(shards=1).start()
        self.addCleanup(self.server.close)
        self.script = self.server.create_script("return 1")

    def dies_behind_its_first_commit(self, method, path, body=None):
        self.server.stop()
        self.server.env = harness.clean_environment({"MILLRACE_CRASH_AT": "documents_written:1"})
        self.server.start()
        with self.assertRaises((ConnectionError, http.client.HTTPException)):
            self.server.request(method, path, body)
        self.server.wait()
        self.server.env = harness.clean_environment()
        self.server.start()

    def subscriptions(self):
        return [s["id"] for s in self.server.get("/v2/subscriptions").json()["items"]]

    def test_a_crash_finds_both_or_neither(self):
        executor = {"type": "script", "scriptId": self.script}
        for path, own, body in (
                ("/v2/schedules", "schedule:a", {"id": "a", "cron": "0 0 1 1 *", "executor": executor}),
                ("/v2/hooks", "hook:a", {"id": "a", "entity": "thing", "on": "afterCreate", "scriptId": self.script})):
            self.dies_behind_its_first_commit("POST", path, body)
            self.assertEqual(self.server.get(f"{path}/a").status, 200)
            self.assertEqual(self.subscriptions(), [own])
            self.dies_behind_its_first_commit("DELETE", f"{path}/a")
            self.assertEqual(self.server.get(f"{path}/a").status, 404)
            self.assertEqual(self.subscriptions(), [])
            again = harness.wait_until("its id is free", lambda: self.server.post(path, body).status == 201)
            self.assertTrue(again)
            self.assertEqual(self.server.request("DELETE", f"{path}/a").status, 200)

    def test_one_that_an_older_program_left_behind_is_swept(self):
        executor = {"type": "script", "scriptId": self.script}
        self.assertEqual(self.server.post("/v2/schedules", {
            "id": "c", "cron": "0 0 1 1 *", "executor": executor}).status, 201)
        for name, pattern in (("schedule:gone", "schedule.gone"), ("hook:gone", "entity.thing.created"),
                              ("schedule:mine", "schedule.mine")):
            made = self.server.post("/v2/subscriptions", {
                "id": name, "name": "mine" if "mine" in name else name.replace(":", " "), "executor": executor,
                "pattern": {"type": "exact", "value": pattern}, "ordering": "none"})
            self.assertEqual(made.status, 201, made)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.subscriptions(), ["schedule:c", "schedule:mine"])
        self.assertEqual(self.server.log().count("whose document is gone is removed"), 2)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.subscriptions(), ["schedule:c", "schedule:mine"])
        self.assertEqual(self.server.log().count("whose document is gone is removed"), 2)

    def test_one_that_is_changed_to_own_none(self):
        made = self.server.post("/v2/schedules", {
            "id": "b", "cron": "0 0 1 1 *", "executor": {"type": "script", "scriptId": self.script}})
        self.assertEqual(made.status, 201, made)
        self.dies_behind_its_first_commit("PATCH", "/v2/schedules/b", {"executor": None, "event": {"pattern": "x"}})
        self.assertEqual(self.server.get("/v2/schedules/b").json()["event"], {"pattern": "x"})
        self.assertEqual(self.subscriptions(), [])


if __name__ == "__main__":
    unittest.main()
