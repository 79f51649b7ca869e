#!/usr/bin/env python3
"""Goal: what the server was trusted with stands nowhere as it was given: in no answer but the one
that may show it, no line of the log, no metric, trace, row of the audit log, execution or dead
letter, and in no file of the data folder.
Method: a secret with a mark of its own in every place that takes one; all of them used, well and
badly; then every list and every document is read, and every byte that was written."""
import hashlib
import hmac
import json
import os
import shutil
import stat
import tempfile
import unittest

import harness
import sink
from keyed import KeyedServer

PROBE = """#!/bin/sh
[ "$TOKEN" = "{mark}" ] && echo '{{"ok":true}}' || exit 3
"""


def marked(place):
    return f"MARK-{place}-" + hashlib.sha256(place.encode()).hexdigest()[:24]


class MarkedSecrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = sink.Sink()
        cls.marks = {place: marked(place) for place in (
            "tenant-secret", "source-secret", "header", "webhook-secret", "command-env", "forged-key",
            "query-key", "bearer", "signature", "signed-body-secret", "forged-edge")}
        cls.server = KeyedServer(("--set", "http_client.allow=127.0.0.1"))
        cls.folder = tempfile.mkdtemp(prefix="millrace-marked-")
        os.chmod(cls.folder, 0o755)
        cls.probe = os.path.join(cls.folder, "probe")
        with open(cls.probe, "w") as file:
            file.write(PROBE.format(mark=cls.marks["command-env"]))
        os.chmod(cls.probe, stat.S_IRWXU | 0o055)
        cls.server.args += ["--set", "executors.command.allow=" + cls.probe]
        try:
            cls.server.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        cls.sink.close()
        shutil.rmtree(cls.folder)

    def made(self, path, body, **options):
        reply = self.server.post(path, body, **options)
        self.assertIn(reply.status, (200, 201, 202), (path, reply))
        return reply.json()

    def plant(self):
        marks, server = self.marks, self.server
        self.made("/v2/secrets", {"name": "word", "value": marks["tenant-secret"]})
        self.made("/v2/secrets", {"name": "env", "value": marks["command-env"]})
        self.made("/v2/secrets", {"name": "head", "value": marks["header"]})
        self.made("/v2/sources", {"id": "src", "scheme": "github", "secrets": [marks["source-secret"]]})
        self.made("/v2/sources", {"id": "own", "scheme": "stripe"})
        self.made("/v2/sources/own/rotate", {"secret": marks["signed-body-secret"]})
        key = self.made("/v2/keys", {"name": "k", "role": "admin"})
        marks["key"] = key["key"]
        rotated = self.made(f"/v2/keys/{key['id']}/rotate", {"overlap": "1h"})
        marks["rotated-key"] = rotated["key"]
        hook = self.made("/v2/subscriptions", {
            "name": "hook", "pattern": "go", "retry": {"maxRetries": 0}, "executor": {
                "type": "webhook", "url": self.sink.url + "/in", "headers": {"X-Token": "{{secrets.head}}"}}})
        marks["webhook-made"] = hook["executor"]["secret"]
        dies = self.made("/v2/subscriptions", {
            "name": "dies", "pattern": "go", "retry": {"maxRetries": 0}, "executor": {
                "type": "webhook", "url": self.sink.url + "/fails", "secret": "whsec_" + "TUFSSy1k" * 4,
                "headers": {"Authorization": "Bearer {{secrets.head}}"}}})
        self.sink.answers["/fails"] = (500, {}, b"no")
        self.assertNotIn("TUFSSy1k" * 4, server.get("/v2/subscriptions/" + dies["id"]).body.decode())
        marks["webhook-secret"] = "TUFSSy1k" * 4
        self.made("/v2/subscriptions", {
            "name": "cmd", "pattern": "go", "retry": {"maxRetries": 0}, "executor": {
                "type": "command", "command": self.probe, "env": {"TOKEN": "{{secrets.env}}"}}})
        marks["edge-token"] = self.made("/v2/edges", {"node": "van"})["token"]
        script = server.create_script("return function() return #sdk.secrets.get('word') end")
        server.subscribe("go", script)

    def use(self):
        marks, server = self.marks, self.server
        event = server.send_event("go", {"n": 1})
        done = server.wait_executions(4, ("completed", "dead"), eventId=event["eventId"])
        self.assertEqual(sorted(one["status"] for one in done), ["completed"] * 3 + ["dead"], done)
        body = b'{"action":"opened"}'
        good = hmac.new(marks["source-secret"].encode(), body, hashlib.sha256).hexdigest()
        head = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d1"}
        sent = server.post("/v2/webhooks/src", body, headers={**head, "X-Hub-Signature-256": "sha256=" + good})
        self.assertEqual(sent.status, 202, sent)
        marks["good-signature"] = good
        refused = server.post("/v2/webhooks/src", body, headers={
            **head, "X-Hub-Signature-256": "sha256=" + marks["signature"]})
        self.assertEqual(refused.status, 401)
        for headers in ({"X-API-Key": marks["forged-key"]}, {"Authorization": "Bearer " + marks["bearer"]},
                        {"X-API-Key": marks["key"][:-1] + "x"}, {"Authorization": "Basic " + marks["bearer"]}):
            self.assertEqual(server.get("/v2/me", headers=headers).status, 401, headers)
        for path in ("/v2/script/run?apiKey=", "/v2/events?apiKey=", "/v2/events/stream?apiKey="):
            reply = server.request("POST" if "run" in path else "GET", path + marks["query-key"],
                                   {} if "run" in path else None, headers={"X-API-Key": ""})
            self.assertIn(reply.status, (400, 401), reply)
            self.assertNotIn(marks["query-key"], reply.body.decode())
        for headers in ({"X-API-Key": marks["key"]}, {"Authorization": "Bearer " + marks["rotated-key"]}):
            self.assertEqual(server.get("/v2/me", headers=headers).status, 200)
        for token in (marks["edge-token"], marks["forged-edge"]):
            sent = server.post("/v2/edges/van/batches", b"none", content_type="application/vnd.millrace.batch",
                               headers={"Authorization": "Bearer " + token})
            self.assertEqual(sent.status, 400 if token == marks["edge-token"] else 401, sent)
        session = server.post("/v2/session", {}, headers={"X-API-Key": marks["key"]})
        self.assertEqual(session.status, 201, session)
        marks["session"] = session.headers["set-cookie"].split("=", 1)[1].split(";")[0]
        client = harness.LineClient(server)
        client.socket.sendall(json.dumps({"hello": {"apiKey": marks["forged-key"]}}).encode() + b"\n")
        client.close()

    def everything_shown(self):
        """What every list and every document of one says, page by page."""
        server, texts = self.server, {}
        paths = server.get("/openapi.json").json()["paths"]
        lists = [path for path, methods in paths.items()
                 if "get" in methods and "{" not in path and "stream" not in path and not path.endswith("/ws")]
        for path in lists + ["/v2/events?limit=1000", "/v2/audit?limit=1000", "/v2/executions?limit=1000",
                             "/v2/dlq?limit=1000"]:
            reply = server.get(path)
            texts[path] = reply.body.decode(errors="replace")
            if reply.status != 200 or "items" not in texts[path][:64]:
                continue
            one = path.split("?")[0] + "/{id}"
            for item in reply.json()["items"]:
                id = item.get("eventId") if path.startswith("/v2/events") else item.get("id")
                if id and (one in paths or path.startswith("/v2/events")):
                    for under in ("", "/trace" if path.startswith("/v2/events") else "/versions", "/deliveries"):
                        texts[f"{path} {id}{under}"] = server.get(
                            f"{path.split('?')[0]}/{id}{under}").body.decode(errors="replace")
        return texts

    def files(self):
        for path, _, names in os.walk(self.server.data):
            for name in names:
                with open(os.path.join(path, name), "rb") as file:
                    yield os.path.join(path, name), file.read()

    def test_what_was_planted_is_found_nowhere(self):
        self.plant()
        self.use()
        server = self.server
        harness.wait_until("what is told of it", lambda: any(
            "signature_failed" in json.dumps(row) for row in server.get("/v2/audit?limit=1000").json()["items"]))
        shown = self.everything_shown()
        self.assertGreater(len(shown), 40)
        server.stop()
        with open(server.log_path, errors="replace") as file:
            log = file.read()
        found = []
        for place, mark in self.marks.items():
            found += [(place, where) for where, text in shown.items() if mark in text]
            if mark in log:
                found.append((place, "the log"))
        for name, content in self.files():
            found += [(place, name) for place, mark in self.marks.items() if mark.encode() in content]
        self.assertEqual(found, [])
        arrived = self.sink.of("/in")[0]
        self.assertEqual(arrived.headers["x-token"], self.marks["header"], "it was really used")


if __name__ == "__main__":
    unittest.main()
