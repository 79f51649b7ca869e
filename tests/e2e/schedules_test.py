#!/usr/bin/env python3
"""Goal: schedules keep their times as API.md says: each due time is one event and one line of the
ledger, whatever happens in between. Method: schedules of a second, read back from the log and the
ledger; kill -9 around due times."""
import json
import time
import unittest
import urllib.parse

import harness

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
        self.refuse("wrong", cron="@daily", wrong=1)
        reply = self.server.post("/v2/schedules", {"cron": "@daily", "executor": {
            "type": "script", "scriptId": "nobody"}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "nobody")
        self.assert_error(self.server.get("/v2/schedules?wrong=1"), 400, "VALIDATION_ERROR")

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


if __name__ == "__main__":
    unittest.main()
