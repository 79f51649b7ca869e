#!/usr/bin/env python3
"""Goal: the packages of others believe what the server sends, and the server believes what they sign.
Method: `npm ci` of the locked packages into a folder that goes again, a receiver made of them
(judge.mjs) beside the built binary. Slow and needs a registry: not among the tests of tools/test.

    MILLRACE_BINARY=build/release/tools/millrace tests/npm/judges_test.py
"""
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import harness  # noqa: E402


class Judge:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-npm-")
        for name in ("package.json", "package-lock.json", "judge.mjs"):
            shutil.copy(os.path.join(HERE, name), self.folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                       cwd=self.folder, check=True, timeout=300)
        self.process = subprocess.Popen(["node", "judge.mjs"], cwd=self.folder, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def call(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST" if body is not None else "GET", path, json.dumps(body) if body is not None else None)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Judges(harness.ServerCase):
    ARGS = ("--set", "http_client.allow=127.0.0.1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.judge = Judge()
        cls.addClassCleanup(cls.judge.close)

    def of(self, path):
        return [r for r in self.judge.call("/results") if r["path"] == path]

    def webhook(self, path, **members):
        reply = self.server.post("/v2/subscriptions", {
            "name": "j", "pattern": "judged." + path, "retry": {"maxRetries": 0},
            "executor": {"type": "webhook", "url": f"{self.judge.url}/{path}", **members}})
        self.assertEqual(reply.status, 201, reply)
        return reply.json()

    def test_signatures_are_believed(self):
        for path in ("standard", "svix"):
            made = self.webhook(path)
            self.judge.call("/secrets", {path: made["executor"]["secret"]})
            self.server.send_event("judged." + path, {"text": "gr\u00fcn \U0001f600", "n": 1.50})
            self.server.wait_executions(1, statuses=("completed", "dead"), subscriptionId=made["id"])
            found = self.of("/" + path)
            self.assertEqual(found[0].get("error"), None)
            self.assertEqual(found[0]["event"]["data"], {"text": "gr\u00fcn \U0001f600", "n": 1.5})
            turned = self.server.post(f"/v2/subscriptions/{made['id']}/rotate-secret", "")
            for secret in (made["executor"]["secret"], turned.json()["secret"]):  # both sign for a day
                self.judge.call("/secrets", {path: secret})
                seen = len(self.of("/" + path))
                self.server.send_event("judged." + path, {})
                harness.wait_until("the call", lambda: len(self.of("/" + path)) > seen)
                self.assertEqual(self.of("/" + path)[-1].get("error"), None)

    def test_cloud_events_are_read(self):
        self.webhook("cloudevents", body="cloudevent")
        placed = self.server.send_event("judged.cloudevents", {"a": [1, None]})
        harness.wait_until("the call", lambda: self.of("/cloudevents"))
        event = self.of("/cloudevents")[0]["event"]
        self.assertEqual((event["id"], event["type"], event["data"], event["specversion"]),
                         (placed["eventId"], "judged.cloudevents", {"a": [1, None]}, "1.0"))

    def test_what_they_sign_is_believed(self):
        for kind, secret in (("github", "It's a Secret to Everybody"), ("stripe", "whsec_of_the_test_0123456789")):
            made = self.server.post("/v2/sources", {"id": kind, "scheme": kind, "secrets": [secret]})
            self.assertEqual(made.status, 201, made)
            text = json.dumps({"id": "evt_1", "type": "charge.succeeded", "action": "opened"})
            headers = self.judge.call("/sign", {"kind": kind, "text": text, "secret": secret})
            headers.update({"Content-Type": "application/json", "X-GitHub-Event": "issues",
                            "X-GitHub-Delivery": "d-1"})
            taken = self.server.request("POST", f"/v2/webhooks/{kind}", text.encode(), headers=headers)
            self.assertEqual(taken.status, 202, taken)
            forged = self.server.request("POST", f"/v2/webhooks/{kind}", text.replace("1", "2").encode(), headers=headers)
            self.assertEqual(forged.status, 401, forged)


if __name__ == "__main__":
    unittest.main()
