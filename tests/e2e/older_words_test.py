#!/usr/bin/env python3
"""Goal: events, handlers and schedules as the older document writes them work as it says, under our
names; what is said in both spellings is refused by both names. Method: its samples, sent as they are."""
import json
import unittest

import harness

SIGNUP = {"name": "user.signup", "type": "user.action", "priority": "normal", "data": {"userId": "123", "email": "user@example.com"},
          "trigger_type": "api"}
BACKUP = {"name": "backup.daily", "type": "system.maintenance", "scheduled_at": "2024-01-01T02:00:00Z", "trigger_type": "scheduled"}


class OlderWords(harness.ServerCase):
    def event(self, reply):
        self.assertEqual(reply.status, 202, reply)
        return self.server.get(f"/v2/events/{reply.json()['events'][0]['eventId']}").json()

    def test_events(self):
        seen = self.event(self.server.post("/v2/events", SIGNUP))
        self.assertEqual((seen["pattern"], seen["payload"], seen["metadata"]["class"], seen["metadata"]["triggerType"], seen["priority"]),
                         ("user.signup", SIGNUP["data"], "user.action", "api", "NORMAL"))
        self.assertNotIn("name", seen)
        seen = self.event(self.server.post("/v2/events", BACKUP))
        self.assertEqual((seen["pattern"], seen["scheduledAt"]), ("backup.daily", BACKUP["scheduled_at"]))
        seen = self.event(self.server.post("/v2/events", {"event_type": "report.generate", "event_data": {"report_type": "daily"}}))
        self.assertEqual((seen["pattern"], seen["payload"]), ("report.generate", {"report_type": "daily"}))

    def test_batches_of_both_kinds(self):
        both = {"event_type": "a", "pattern": "b"}
        for body, content_type in ((json.dumps([{"pattern": "x.ours"}, SIGNUP, both, {"patern": "x"}]), "application/json"),
                                   ("\n".join(json.dumps(e) for e in ({"pattern": "x.ours"}, SIGNUP, both, {"patern": "x"})),
                                    "application/x-ndjson")):
            reply = self.server.post("/v2/events", body, content_type=content_type)
            self.assertEqual((reply.status, reply.json()["accepted"]), (202, 2), reply)
            rejected = {r["index"]: r["error"] for r in reply.json()["rejected"]}
            self.assertEqual(sorted(rejected), [2, 3], reply)
            self.assertIn("event_type and pattern", rejected[2]["message"])
            self.assertIn("patern", rejected[3]["message"])

    def test_both_spellings_are_refused_by_both_names(self):
        for path, body, words in (
                ("/v2/events", {"event_type": "a", "pattern": "b"}, "event_type and pattern"),
                ("/v2/events", {"data": {}, "event_data": {}, "name": "a"}, "data and event_data"),
                ("/v2/subscriptions", {"event_type": "a", "pattern": "b"}, "pattern and event_type"),
                ("/v2/subscriptions", {"pattern": "b", "retry": {}, "retry_policy": {}}, "retry_policy and retry"),
                ("/v2/subscriptions", {"pattern": "b", "executor_type": "script", "executor": {}}, "executor_type and executor"),
                ("/v2/schedules", {"cron": "@daily", "cron_expression": "@daily"}, "cron_expression and cron")):
            self.assert_error(self.server.post(path, body), 400, "VALIDATION_ERROR", words)
        self.assert_error(self.server.post("/v2/events", {"pattern": "a", "type": "b"}), 400, "VALIDATION_ERROR", "type is no member")

    def test_a_handler_hears_its_type_as_pattern_and_as_class(self):
        script = self.server.create_script("return function(e) return e.pattern end")
        reply = self.server.post("/v2/subscriptions", {
            "event_type": "user.action", "executor_type": "script", "configuration": {"script_id": script},
            "retry_policy": {"strategy": "exponential", "max_attempts": 3, "initial_delay_ms": 1000}})
        self.assertEqual(reply.status, 201, reply)
        made = reply.json()
        self.assertEqual(made["executor"], {"type": "script", "scriptId": script})
        self.assertEqual((made["retry"]["maxRetries"], made["retry"]["initialDelayMs"]), (2, 1000))
        for event in (SIGNUP, {"pattern": "user.action"}):
            sent = self.event(self.server.post("/v2/events", event))
            runs = harness.wait_until("its run", lambda: self.server.items(f"/v2/executions?eventId={sent['eventId']}&subscriptionId={made['id']}"))
            self.assertEqual(runs[0]["result"], sent["pattern"])
        other = self.event(self.server.post("/v2/events", {"pattern": "user.signup"}))
        self.server.send_event("user.action")
        self.assertEqual(self.server.items(f"/v2/executions?eventId={other['eventId']}"), [])


class Commands(harness.ServerCase):
    ARGS = ("--set", "executors.command.allow=/bin/true")

    def test_the_backup(self):
        reply = self.server.post("/v2/subscriptions", {
            "event_type": "system.maintenance", "executor_type": "command",
            "configuration": {"command": "/bin/true", "args": ["--full"], "timeout_ms": 300000}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json()["executor"]["timeoutMs"], 300000)
        sent = self.server.post("/v2/events", BACKUP).json()["events"][0]["eventId"]
        runs = harness.wait_until("its run", lambda: [x for x in self.server.items(f"/v2/executions?eventId={sent}") if x["status"] == "completed"])
        self.assertEqual(runs[0]["subscriptionId"], reply.json()["id"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
