#!/usr/bin/env python3
"""Goal: secrets are read by handlers after every restart and stand nowhere as they are: not on
disk, not in a backup, not in answers, audit or log. Method: the bytes of the folders."""
import json
import os
import stat
import subprocess
import tempfile
import unittest

import harness
import sink

VALUE = "a-very-secret-value-0123456789"


def holds(folder, text):
    found = []
    for path, _, files in os.walk(folder):
        for name in files:
            with open(os.path.join(path, name), "rb") as file:
                if text.encode() in file.read():
                    found.append(os.path.join(path, name))
    return found


class Secrets(unittest.TestCase):
    def read(self, server):
        script = server.create_script("return function() return sdk.secrets.get('token') end", type="api")
        return server.post("/v2/script/run", {"scriptId": script}).json()["result"]

    def test_they_stand_nowhere_as_they_are(self):
        server = harness.Server().start()
        other = None
        try:
            self.assertEqual(server.post("/v2/secrets", {"name": "token", "value": VALUE}).status, 201)
            made = server.post("/v2/subscriptions", {"name": "w", "pattern": "w", "executor": {
                "type": "webhook", "url": "https://example.com/"}}).json()
            secret = made["executor"]["secret"]
            self.assertEqual(self.read(server), VALUE)
            backup = server.post("/v2/backups", {"path": os.path.join(server.data, "backups", "b")})
            self.assertIn(backup.status, (200, 201), backup)
            server.stop()
            for text in (VALUE, secret, secret[len("whsec_"):]):
                self.assertEqual(holds(server.data, text), [])
            self.assertNotIn(VALUE, server.log())
            key = os.path.join(server.data, "secrets.key")
            self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
            server.start()
            self.assertEqual(self.read(server), VALUE)
            listed = server.get("/v2/secrets").body.decode() + server.get("/v2/audit").body.decode()
            self.assertNotIn(VALUE, listed)
            server.stop()

            copy = os.path.join(server.folder, "restored")
            done = subprocess.run([harness.BINARY, "restore", os.path.join(server.data, "backups", "b"),
                                   "--data", copy], capture_output=True, env=harness.clean_environment())
            self.assertEqual(done.returncode, 0, done)
            other = harness.Server(data=copy).start()
            self.assertEqual(self.read(other), VALUE)
        finally:
            server.close()
            if other:
                other.close()

    def test_what_is_printed_is_hidden(self):
        """A script or a command that prints a secret: it stands in no record and in no log."""
        server = harness.Server(("--set", "executors.command.allow=/bin/sh")).start()
        try:
            self.assertEqual(server.post("/v2/secrets", {"name": "token", "value": VALUE}).status, 201)
            script = server.create_script("""return function(event)
                local token = sdk.secrets.get("token")
                sdk.log.warn("using " .. token, {token = token})
                if event.payload.fail then error("bad token " .. token) end
                return {token = token, quoted = sdk.json.encode({token})}
            end""")
            server.post("/v2/subscriptions", {"id": "s", "name": "s", "pattern": "s", "retry": {"maxRetries": 0},
                                              "executor": {"type": "script", "scriptId": script}})
            server.post("/v2/subscriptions", {
                "id": "c", "name": "c", "pattern": "c", "retry": {"maxRetries": 0},
                "executor": {"type": "command", "command": "/bin/sh", "env": {"T": "{{secrets.token}}"},
                             "args": ["-c", "echo $T; echo $T >&2; exit {{payload.code}}"]}})
            for pattern, payload in (("s", {}), ("s", {"fail": True}), ("c", {"code": 0}), ("c", {"code": 1})):
                server.send_event(pattern, payload)
            server.wait_executions(2, statuses=("dead",))
            server.wait_executions(2)
            told = server.get("/v2/executions").json()["items"]
            told += [server.get("/v2/executions/" + one["id"]).json() for one in told]
            told += server.get("/v2/dlq").json()["items"]
            self.assertNotIn(VALUE, json.dumps(told))
            self.assertIn("****", json.dumps(told))
            run = server.post("/v2/script/run", {"scriptId": server.create_script(
                "return function() sdk.log.info(sdk.secrets.get('token')) return sdk.secrets.get('token') end",
                type="api")}).json()
            self.assertEqual(run["result"], VALUE, "who asks for it is answered")
            self.assertNotIn(VALUE, json.dumps(run["logs"]))
            self.assertNotIn(VALUE, server.get("/v2/executions/" + run["executionId"]).body.decode())
            self.assertNotIn(VALUE, server.log())
        finally:
            server.close()

    def test_a_key_of_ones_own(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "key")
            server = harness.Server(("--set", "secrets.key_file=" + path))
            try:
                with self.assertRaisesRegex(AssertionError, "secrets.key_file"):
                    server.start()
                with open(path, "w") as file:
                    file.write("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
                server.start()
                self.assertEqual(server.post("/v2/secrets", {"name": "token", "value": VALUE}).status, 201)
                server.stop()
                self.assertFalse(os.path.exists(os.path.join(server.data, "secrets.key")))
                with open(path, "w") as file:
                    file.write("H" * 43 + "=\n")
                server.start()
                self.assertIsNone(self.read(server), "another key opens nothing")
                ready = server.get("/readyz").json()
                self.assertEqual(ready["details"]["setAside"]["items"][0]["kind"], "secret")
            finally:
                server.close()


class AnotherKey(unittest.TestCase):
    """A start with another key of secrets: a webhook that signs with one of its own does not read."""

    def test_what_waits_and_what_comes_meanwhile_is_delivered_with_the_right_one(self):
        receiver = sink.Sink()
        self.addCleanup(receiver.close)
        receiver.answers["/w"] = (503, {}, b"")
        server = harness.Server(("--set", "http_client.allow=127.0.0.1"))
        self.addCleanup(server.close)
        server.start()
        made = server.post("/v2/subscriptions", {
            "id": "w", "name": "w", "pattern": "w", "executor": {"type": "webhook", "url": receiver.url + "/w"},
            "retry": {"maxRetries": 50, "initialDelayMs": 3000, "maxDelayMs": 3000, "backoffFactor": 1}})
        self.assertEqual(made.status, 201, made)
        for n in range(3):
            server.send_event("w", {"n": n})
        harness.wait_until("three that wait", lambda: server.metric("script_dlq_pending_retries") == 3)
        server.stop()

        key = os.path.join(server.data, "secrets.key")
        os.rename(key, key + ".right")
        server.start()
        ready = server.get("/readyz").json()
        self.assertIn("subscription", [row["kind"] for row in ready["details"]["setAside"]["items"]])
        self.assertEqual(server.get("/v2/subscriptions/w").status, 404)
        for n in range(3, 6):
            server.send_event("w", {"n": n})
        server.stop()

        os.replace(key + ".right", key)
        receiver.answers["/w"] = (204, {}, b"")
        tried = len(receiver.of("/w"))
        server.start()
        self.assertNotIn("setAside", server.get("/readyz").json().get("details") or {})
        arrived = harness.wait_until("all six", lambda: len(receiver.of("/w")) >= tried + 6 and receiver.of("/w"))
        self.assertEqual(sorted(json.loads(r.body)["data"]["n"] for r in arrived[tried:]), list(range(6)))


if __name__ == "__main__":
    unittest.main()
