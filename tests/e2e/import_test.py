#!/usr/bin/env python3
"""Goal: what the older scheduler and its workflow triggers held becomes schedules and handlers, once,
and what can not be taken is told. Method: `millrace import legacy` with a file, first dry, then for
good, then again."""
import json
import os
import subprocess
import tempfile
import unittest

import harness

FILE = {
    "tasks": [
        {"id": "nightly", "name": "Nightly backup", "command": "/usr/local/bin/backup.sh",
         "args": ["--full"], "cron_expression": "0 2 * * *", "timezone": "Europe/Berlin",
         "timeout_ms": 300000, "enabled": False},
        {"id": "health", "event_type": "health.check", "interval_ms": 60000,
         "event_data": {"deep": True}},
        {"id": "never", "command": "/bin/true"},
        {"id": "odd", "command": "/bin/true", "cron": "0 0 * * *", "priority_class": 3},
        {"id": "wrong", "event_type": "x", "cron_expression": "61 * * * *"},
    ],
    "triggers": [{"id": "t1", "workflow_id": "nobody", "event_type": "order.created"}],
}


MODULES = {"events": {
    "processing": {"maxConcurrentEvents": 100, "retryDelayMs": 1000, "maxRetries": 3},
    "scheduling": {"checkIntervalMs": 10000, "timezone": "UTC"},
    "executors": {"webhook": {"enabled": True, "maxConcurrency": 100},
                  "command": {"enabled": True, "maxConcurrency": 10, "defaultTimeoutMs": 30000},
                  "workflow": {"enabled": True, "maxConcurrency": 20, "checkpointEnabled": True}}}}


class Legacy(harness.ServerCase):
    ARGS = ("--set", "executors.command.allow=/usr/local/bin/backup.sh")

    def run_import(self, *arguments, content=FILE):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(content, file)
        try:
            done = subprocess.run(
                [harness.BINARY, "--server", f"http://{self.server.ready['http']}",
                 "--output", "json", "import", "legacy", file.name, *arguments],
                capture_output=True, text=True, env=harness.clean_environment(),
                stdin=subprocess.DEVNULL)
        finally:
            os.unlink(file.name)
        self.assertTrue(done.stdout, done.stderr)
        report = json.loads(done.stdout)
        return done.returncode, report, {i["what"]: i for i in report["items"]}

    def test_dry_then_for_good_then_again(self):
        code, report, items = self.run_import()
        self.assertEqual((code, report["applied"]), (1, False))
        self.assertEqual(items["task nightly"]["state"], "new")
        self.assertIn("no time", items["task never"]["problem"])
        self.assertIn("priority_class", items["task odd"]["problem"])
        self.assertEqual(self.server.items("/v2/schedules"), [])

        code, report, items = self.run_import("--apply")
        self.assertEqual((code, report["applied"]), (1, True))
        self.assertEqual(items["task nightly"]["state"], "created")
        self.assertIn("refused", items["task wrong"]["problem"])
        made = self.server.get("/v2/schedules/legacy-task-nightly").json()
        self.assertEqual((made["cron"], made["timezone"], made["active"], made["executor"]["args"]),
                         ("0 2 * * *", "Europe/Berlin", False, ["--full"]))
        health = self.server.get("/v2/schedules/legacy-task-health").json()
        self.assertEqual((health["intervalMs"], health["event"]),
                         (60000, {"pattern": "health.check", "payload": {"deep": True}}))

        _, report, items = self.run_import("--apply")
        self.assertEqual(items["task nightly"]["state"], "there already")
        self.assertEqual(self.server.get("/v2/schedules/legacy-task-nightly").json(), made)

    def test_numbers_of_modules_json_are_told_as_settings(self):
        code, report, items = self.run_import(content=MODULES)
        self.assertEqual((code, report["notTaken"]), (0, 0), report)
        settings = [i["setting"] for i in report["items"] if "setting" in i]
        self.assertEqual(settings, [
            'retry.initial_delay = "1000ms"', "retry.max_retries = 3", "executors.webhook.enabled = true",
            "executors.webhook.limit = 100", "executors.command.enabled = true", "executors.command.limit = 10",
            "executors.workflow.enabled = true", "executors.workflow.limit = 20"])
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("\n".join(settings) + "\n")
            file.flush()
            subprocess.run([harness.BINARY, "config", "check", "--config", file.name], check=True, capture_output=True,
                           env=harness.clean_environment())
        code, report, items = self.run_import(content={"events": {"scheduling": {"timezone": "Asia/Tokyo"}, "a": 1}})
        self.assertEqual((code, report["notTaken"]), (1, 2), report)
        self.assertIn("each schedule", items["setting events.scheduling.timezone"]["problem"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
