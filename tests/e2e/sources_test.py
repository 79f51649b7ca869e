#!/usr/bin/env python3
"""Goal: what the documents that Millrace was asked for by show as examples runs, in Lua and over /v2:
the high-value payment, the cache that is emptied, the order's webhook, the welcome of a user, the
nightly backup command, the webhook of user actions. Method: each as it is written there, as far as
another language allows; receivers and a script of our own for what lies outside. (The payment with
its look-up in PostgreSQL is database_test.py's.)"""
import json
import os
import stat
import tempfile
import time
import unittest

import harness
import sink

BACKUP = """#!/bin/sh
echo "{\\"ran\\":\\"$1\\",\\"event\\":\\"$MILLRACE_PATTERN\\"}"
"""


class Examples(sink.SinkCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="millrace-sources-")
        os.chmod(folder, 0o755)
        cls.backup = os.path.join(folder, "backup.sh")
        with open(cls.backup, "w", encoding="utf-8") as file:
            file.write(BACKUP)
        os.chmod(cls.backup, stat.S_IRWXU | 0o055)
        cls.ARGS = (*sink.SinkCase.ARGS, "--set", "executors.command.allow=" + cls.backup)
        super().setUpClass()
        cls.addClassCleanup(os.rmdir, folder)
        cls.addClassCleanup(os.unlink, cls.backup)

    def run_api(self, source):
        script = self.server.create_script(source, type="api")
        reply = self.server.post("/v2/script/run", {"scriptId": script})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["result"]

    def test_a_text_message_for_a_high_value_payment(self):
        self.server.post("/v2/actions", {"name": "sms.send", "executor": {
            "type": "webhook", "url": self.sink.url + "/sms"}})
        script = self.server.create_script("""
            local event = sdk.events.current().payload
            if event.amount > 10000 then
                sdk.sms.send{to = event.phone, message = "Payment of " .. event.amount .. " received"}
                sdk.log.info("SMS sent for high-value payment", {userID = event.userID, amount = event.amount})
            end""")
        one = self.server.subscribe("payment.received", script, filter="$.payload.amount > 0")
        for amount in (9_000, 12_500):
            self.server.send_event("payment.received", {"amount": amount, "userID": 7, "phone": "+49170"})
        done = self.server.wait_executions(2, subscriptionId=one)
        self.assertEqual([e["logs"][0]["fields"] for e in done if e["logs"]], [{"userID": 7, "amount": 12500}])
        self.assertEqual([json.loads(r.body) for r in self.sink.of("/sms")],
                         [{"to": "+49170", "message": "Payment of 12500 received"}])

    def test_a_cache_is_emptied_when_an_entity_changes(self):
        self.run_api("return function() sdk.cache.set('category:5', {name = 'old'}) "
                     "sdk.cache.set('categories:list', {5}) sdk.cache.set('category:6', {name = 'other'}) end")
        script = self.server.create_script("""
            local category = sdk.events.current().payload
            sdk.cache.delete("category:" .. category.id)
            sdk.cache.delete("categories:list")""")
        one = self.server.subscribe("category.updated", script)
        self.server.send_event("category.updated", {"id": 5})
        self.server.wait_executions(1, subscriptionId=one)
        left = self.run_api("return function() return {sdk.cache.get('category:5') == nil, "
                            "sdk.cache.get('categories:list') == nil, sdk.cache.get('category:6').name} end")
        self.assertEqual(left, [True, True, "other"])

    def test_a_call_when_an_order_is_complete(self):
        script = self.server.create_script("""
            local order = sdk.events.current().payload
            sdk.http.post("%s/notify", {body = {
                orderID = order.id,
                status = order.status,
                total = order.total
            }})""" % self.sink.url)
        one = self.server.subscribe("order.completed", script)
        self.server.send_event("order.completed", {"id": "o-1", "status": "paid", "total": 12.5, "items": []})
        self.server.wait_executions(1, subscriptionId=one)
        calls = self.sink.of("/notify")
        self.assertEqual([json.loads(c.body) for c in calls], [{"orderID": "o-1", "status": "paid", "total": 12.5}])
        self.assertEqual(calls[0].headers["content-type"], "application/json")
        self.assertTrue(calls[0].headers["idempotency-key"])

    def test_a_user_is_welcomed(self):
        script = self.server.create_script(
            "sdk.log.info('User created', { email = sdk.events.current().payload.email })", name="User Welcome")
        one = self.server.subscribe("user.created", script)
        self.server.send_event("user.created", {"email": "a@example.com"})
        done = self.server.wait_executions(1, subscriptionId=one)
        self.assertEqual(len(done), 1)
        self.assertEqual((done[0]["status"], done[0]["scriptId"]), ("completed", script))
        self.assertEqual((done[0]["logs"][0]["text"], done[0]["logs"][0]["fields"]),
                         ("User created", {"email": "a@example.com"}))

    def test_a_backup_is_run_by_its_time(self):
        """A time that is past fires at once, and is late."""
        reply = self.server.post("/v2/subscriptions", {"name": "backup", "pattern": "backup.daily", "executor": {
            "type": "command", "command": self.backup, "args": ["--full"], "timeoutMs": 300_000}})
        self.assertEqual(reply.status, 201, reply)
        self.server.send_event("backup.daily", {}, scheduledAt="2024-01-01T02:00:00Z")
        done = self.server.wait_executions(1, subscriptionId=reply.json()["id"])[0]
        self.assertEqual(done["result"], {"ran": "--full", "event": "backup.daily"})
        made = self.server.post("/v2/schedules", {
            "name": "backup.daily", "type": "once", "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60)),
            "event": {"pattern": "backup.daily", "payload": {}}})
        self.assertEqual(made.status, 201, made)
        self.server.wait_executions(2, subscriptionId=reply.json()["id"])

    def test_user_actions_go_to_a_webhook(self):
        """max_attempts 3 of the document are two retries."""
        path = "/user-actions"
        self.sink.answers[path] = [(500, {}, b""), (502, {}, b""), (204, {}, b"")]
        reply = self.server.post("/v2/subscriptions", {
            "name": "user actions", "pattern": "user.*", "filter": "$.payload.userId == '123'",
            "executor": {"type": "webhook", "url": self.sink.url + path},
            "retry": {"maxRetries": 2, "initialDelayMs": 20, "backoffFactor": 2, "jitter": False}})
        self.assertEqual(reply.status, 201, reply)
        self.server.send_event("user.signup", {"userId": "123", "email": "user@example.com"}, priority="NORMAL")
        done = self.server.wait_executions(1, subscriptionId=reply.json()["id"])[0]
        self.assertEqual(len(done["attempts"]), 3)
        bodies = [json.loads(r.body) for r in self.sink.of(path)]
        self.assertEqual(bodies[0]["data"], {"userId": "123", "email": "user@example.com"})
        self.assertEqual((bodies[0]["type"], bodies[1], bodies[2]), ("user.signup", bodies[0], bodies[0]))


if __name__ == "__main__":
    unittest.main()
