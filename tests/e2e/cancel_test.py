#!/usr/bin/env python3
"""Goal: a cancelled event is delivered no more: one that is scheduled, one that waits for its retry,
behind its key, in the log of a paused subscription; that holds over kill -9, and the answer counts.
Method: handlers that count in kv; deliveries that are made to wait."""
import json
import subprocess
import time
import unittest

import harness

SLOW = {"maxRetries": 3, "initialDelayMs": 3_600_000, "maxDelayMs": 3_600_000, "jitter": False}
COUNT = "return function(e) sdk.kv.incr('ran:' .. e.pattern) return 1 end"
FAIL = "return function(e) sdk.log.info('once') error('no') end"


class Cancel(harness.ServerCase):
    def ran(self, pattern):
        items = self.server.get("/v2/kv?prefix=ran:" + pattern).json()["items"]
        return items[0]["value"] if items else 0

    def cancel(self, event_id, status=200, query=""):
        reply = self.server.request("DELETE", f"/v2/events/{event_id}{query}")
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def later(self, seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

    def test_a_scheduled_event_does_not_come(self):
        pattern = self.unique("later.")
        script = self.server.create_script(COUNT)
        for _ in range(2):
            self.server.subscribe(pattern, script)
        event = self.server.send_event(pattern, scheduledAt=self.later(3))
        harness.wait_until("that it waits", lambda: len(self.server.executions(eventId=event["eventId"])) == 2)
        told = self.cancel(event["eventId"])
        self.assertEqual((told["cancelled"], told["success"], told["offset"]), (2, True, event["offset"]))
        self.assertFalse([r for r in self.server.items("/v2/retries") if r["eventId"] == event["eventId"]])
        ended = self.server.executions(eventId=event["eventId"])
        self.assertEqual([e["status"] for e in ended], ["failed", "failed"])
        self.assertIn("cancelled", ended[0]["attempts"][0]["error"])
        self.assertIn("cancelled already", self.cancel(event["eventId"], 409)["error"]["message"])
        audit = self.server.get("/v2/audit?kind=event&id=" + event["eventId"]).json()["items"]
        self.assertEqual(audit[0]["action"], "cancel", audit)
        self.assertEqual(self.server.get("/v2/events/" + event["eventId"]).status, 200, "it stays in the log")
        marker = self.server.send_event(pattern, scheduledAt=self.later(4))
        self.server.wait_executions(2, eventId=marker["eventId"])
        self.assertEqual(self.ran(pattern), 2)

    def test_a_retry_is_not_made_and_its_key_goes_on(self):
        pattern = self.unique("retry.")
        script = self.server.create_script(
            "return function(e) if e.payload.bad then error('no') end sdk.kv.incr('ran:' .. e.pattern) end")
        self.server.subscribe(pattern, script, retry=SLOW)
        bad = self.server.send_event(pattern, {"bad": True}, partitionKey="k")
        harness.wait_until("the retry", lambda: any(r["eventId"] == bad["eventId"] for r in self.server.items("/v2/retries")))
        parked = [self.server.send_event(pattern, {"n": n}, partitionKey="k") for n in range(3)]
        harness.wait_until("the parked", lambda: len([r for r in self.server.items("/v2/retries") if r["parked"]]) >= 3)
        self.assertEqual(self.cancel(parked[1]["eventId"])["cancelled"], 1)
        self.assertEqual(self.cancel(bad["eventId"])["cancelled"], 1)
        self.server.wait_executions(1, eventId=parked[2]["eventId"])
        self.assertEqual(self.ran(pattern), 2)
        self.assertEqual(self.server.executions(eventId=parked[1]["eventId"])[0]["status"], "failed")
        self.assertEqual(self.server.executions(eventId=bad["eventId"])[0]["status"], "failed")
        self.assertFalse([d for d in self.server.items("/v2/dlq") if d["eventType"] == pattern])

    def test_what_waits_for_a_paused_subscription(self):
        pattern = self.unique("paused.")
        script = self.server.create_script(COUNT)
        one = self.server.subscribe(pattern, script)
        self.server.post(f"/v2/subscriptions/{one}/pause", "")
        events = [self.server.send_event(pattern, {"n": n}) for n in range(3)]
        self.assertEqual(self.cancel(events[1]["eventId"])["cancelled"], 1)
        self.server.post(f"/v2/subscriptions/{one}/resume", "")
        self.server.wait_executions(1, eventId=events[2]["eventId"])
        harness.wait_until("the others", lambda: self.ran(pattern) == 2)
        self.assertEqual(self.server.executions(eventId=events[1]["eventId"])[0]["status"], "failed")

    def test_nothing_to_cancel_is_said(self):
        pattern = self.unique("done.")
        script = self.server.create_script(COUNT)
        self.server.subscribe(pattern, script)
        event = self.server.send_event(pattern)
        self.server.wait_executions(1, eventId=event["eventId"])
        self.assert_error(self.server.request("DELETE", "/v2/events/" + event["eventId"]), 409, "CONFLICT",
                          "no delivery")
        self.assert_error(self.server.request("DELETE", "/v2/events/nope"), 404, "NOT_FOUND")

    def test_a_scheduled_event_that_nobody_wants_is_cancelled_all_the_same(self):
        nobody = self.server.send_event(self.unique("nobody."), scheduledAt=self.later(3600))
        self.assertEqual(self.cancel(nobody["eventId"])["cancelled"], 0)
        self.assertIn("cancelled already", self.cancel(nobody["eventId"], 409)["error"]["message"])

    def test_which_source_is_meant(self):
        pattern, name = self.unique("src."), self.unique("e")
        script = self.server.create_script(COUNT)
        self.server.subscribe(pattern, script)
        for source in ("a", "b"):
            self.server.send_event(pattern, eventId=name, source={"type": "task", "id": source},
                                   scheduledAt=self.later(3600))
        self.cancel(name, query="?sourceType=task&sourceId=a")
        self.cancel(name, 409, query="?sourceType=task&sourceId=a")
        self.cancel(name, query="?sourceType=task&sourceId=b")

    def test_by_the_command_line(self):
        pattern = self.unique("cli.")
        self.server.subscribe(pattern, self.server.create_script(COUNT))
        event = self.server.send_event(pattern, scheduledAt=self.later(3600))
        call = [harness.BINARY, "--server", self.server.ready["http"], "-o", "json", "event", "cancel", event["eventId"]]
        done = subprocess.run(call, capture_output=True, env=harness.clean_environment())
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(json.loads(done.stdout)["cancelled"], 1)
        again = subprocess.run(call, capture_output=True, env=harness.clean_environment())
        self.assertEqual(again.returncode, 1, again)


class Crash(unittest.TestCase):
    def test_it_stays_cancelled(self):
        server = harness.Server().start()
        try:
            script = server.create_script(COUNT)
            one = server.subscribe("p", script)
            server.subscribe("s", script)
            server.post(f"/v2/subscriptions/{one}/pause", "")
            waits = server.send_event("p")
            comes = server.send_event("s", scheduledAt=time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4)))
            for event in (waits, comes):
                self.assertEqual(server.request("DELETE", "/v2/events/" + event["eventId"]).status, 200)
            server.kill()
            server.start()
            server.post(f"/v2/subscriptions/{one}/resume", "")
            for event in (waits, comes):
                self.assertEqual(server.wait_executions(1, statuses=("failed",), eventId=event["eventId"])[0]["status"],
                                 "failed")
            after = server.send_event("p")
            server.wait_executions(1, eventId=after["eventId"])
            server.stop()
            server.start()  # what nobody waits for any more is forgotten
            self.assertEqual(server.get("/v2/kv?prefix=ran:").json()["items"][0]["value"], 1)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
