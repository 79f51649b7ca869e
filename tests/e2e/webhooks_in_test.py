#!/usr/bin/env python3
"""Goal: what a sender signed becomes an event with nothing of the user's in between; a redelivery is
a duplicate; what is not signed right is refused without a reason and told to the source's owner.
Method: the senders' own schemes, made here from their documentation, against the built binary."""
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import harness


def code(secret, text):
    return hmac.new(secret.encode() if isinstance(secret, str) else secret, text, hashlib.sha256)


def github(secret, body, event="issues", delivery="d-1"):
    return {"X-Hub-Signature-256": "sha256=" + code(secret, body).hexdigest(),
            "X-GitHub-Event": event, "X-GitHub-Delivery": delivery}


def stripe(secret, body, at=None):
    at = int(time.time()) if at is None else at
    return {"Stripe-Signature": f"t={at},v1=" + code(secret, f"{at}.".encode() + body).hexdigest()}


def standard(secret, body, message="msg_1", at=None):
    at = int(time.time()) if at is None else at
    key = base64.b64decode(secret[len("whsec_"):])
    digest = code(key, f"{message}.{at}.".encode() + body).digest()
    return {"webhook-id": message, "webhook-timestamp": str(at),
            "webhook-signature": "v1," + base64.b64encode(digest).decode()}


class SenderKey:
    """An Ed25519 key of a sender's own (v1a): what it signs, and what its receiver is given."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "sender.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.file],
                       check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.file, "-pubout", "-outform", "DER"],
                             check=True, capture_output=True).stdout
        self.public = "whpk_" + base64.b64encode(der[-32:]).decode()

    def sign(self, body, message, at=None):
        at = int(time.time()) if at is None else at
        with tempfile.NamedTemporaryFile() as text:
            text.write(f"{message}.{at}.".encode() + body)
            text.flush()
            code = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.file,
                                   "-in", text.name], check=True, capture_output=True).stdout
        return {"webhook-id": message, "webhook-timestamp": str(at),
                "webhook-signature": "v1a," + base64.b64encode(code).decode()}


def slack(secret, body):
    at = int(time.time())
    return {"X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": "v0=" + code(secret, f"v0:{at}:".encode() + body).hexdigest()}


class WebhooksIn(harness.ServerCase):
    def source(self, scheme, **members):
        name = self.unique("src")
        reply = self.server.post("/v2/sources", {"id": name, "scheme": scheme, **members})
        self.assertEqual(reply.status, 201, reply)
        return name, reply.json()

    def send(self, source, body, headers, content_type="application/json"):
        return self.server.post(f"/v2/webhooks/{source}", body,
                                headers={**headers, "Content-Type": content_type})

    def last(self, source):
        return self.server.get(f"/v2/sources/{source}/deliveries").json()["items"][0]

    def event(self, reply):
        self.assertEqual(reply.status, 202, reply)
        return self.server.get("/v2/events/" + reply.json()["events"][0]["eventId"]).json()

    def test_github(self):
        name, made = self.source("github", secrets=["It's a Secret to Everybody"])
        self.assertNotIn("Everybody", json.dumps(made))
        body = b'{"action": "opened", "issue": {"number": 1.10}}'
        headers = github("It's a Secret to Everybody", body, delivery=name)
        first = self.send(name, body, headers)
        event = self.event(first)
        self.assertEqual(event["pattern"], f"webhook.{name}.issues.opened")
        self.assertEqual(event["eventId"], name)
        self.assertEqual(event["payload"]["issue"]["number"], 1.10)
        self.assertEqual(event["source"], {"type": "external", "id": name})
        self.assertEqual(event["x-webhook"]["scheme"], "github")
        self.assertIs(first.json()["events"][0]["duplicate"], False)
        again = self.send(name, body, headers)
        self.assertEqual(again.status, 202)
        self.assertIs(again.json()["events"][0]["duplicate"], True)
        form = b"payload=" + urllib.parse.quote(body.decode()).encode()
        reply = self.send(name, form, github("It's a Secret to Everybody", form, delivery=name + "f"),
                          "application/x-www-form-urlencoded")
        self.assertEqual(self.event(reply)["payload"]["action"], "opened")
        outcomes = [d["outcome"] for d in self.server.get(f"/v2/sources/{name}/deliveries").json()["items"]]
        self.assertEqual(outcomes, ["accepted", "duplicate", "accepted"])

    def test_refusals_have_one_answer_and_many_reasons(self):
        name, _ = self.source("github", secrets=["right"])
        body = b"{}"
        seen = set()
        for headers, reason in (({}, "missing"), (github("wrong", body), "no signature fits"),
                                ({"X-Hub-Signature-256": "sha1=aa"}, "malformed")):
            reply = self.send(name, body, headers)
            error = self.assert_error(reply, 401, "UNAUTHORIZED")
            seen.add(error["message"])
            told = self.last(name)
            self.assertEqual((told["outcome"], told["status"]), ("refused", 401))
            self.assertIn(reason, told["reason"])
        self.assertEqual(len(seen), 1)
        self.assert_error(self.send("no-such", body, {}), 404, "NOT_FOUND")

    def test_times_both_ways(self):
        name, _ = self.source("stripe", secrets=["whsec_x"], tolerance="10s")
        body = json.dumps({"id": name, "type": "invoice.paid"}).encode()
        event = self.event(self.send(name, body, stripe("whsec_x", body)))
        self.assertEqual(event["pattern"], f"webhook.{name}.invoice.paid")
        now = int(time.time())
        for at in (now - 60, now + 60):
            self.assertEqual(self.send(name, body, stripe("whsec_x", body, at)).status, 401)
            self.assertIn("tolerance", self.last(name)["reason"])

    def test_standard_webhooks_with_a_secret_of_the_server(self):
        name, made = self.source("standard-webhooks")
        secret = made["secret"]
        self.assertTrue(secret.startswith("whsec_"))
        body = b'{"type":"user.created","data":{}}'
        self.assertEqual(self.event(self.send(name, body, standard(secret, body, name)))["eventId"], name)
        shown = self.server.get(f"/v2/sources/{name}").json()
        self.assertEqual(shown["secrets"], ["****" + secret[-4:]])
        self.assertNotIn(secret[-8:], json.dumps(shown))

        rotated = self.server.post(f"/v2/sources/{name}/rotate", {"overlap": "1h"}).json()
        fresh = rotated["secret"]
        self.assertEqual(len(rotated["secrets"]), 2)
        self.assertEqual(rotated["expiring"][0]["secret"], "****" + secret[-4:])
        for i, key in enumerate((secret, fresh)):
            self.assertEqual(self.send(name, body, standard(key, body, f"{name}-{i}")).status, 202)
        self.server.post(f"/v2/sources/{name}/rotate", {"overlap": "0"})
        self.assertEqual(self.send(name, body, standard(secret, body, f"{name}-3")).status, 401)
        self.assertEqual(self.send(name, body, standard(fresh, body, f"{name}-4")).status, 401)
        audit = self.server.get(f"/v2/audit?kind=source&id={name}").body.decode()
        for text in (secret, fresh):
            self.assertNotIn(text[-8:], audit)
            self.assertNotIn(text[-8:], self.server.log())

    def test_standard_webhooks_of_a_sender_with_a_key_of_its_own(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        sender = SenderKey(folder)
        name, _ = self.source("standard-webhooks", secrets=[sender.public])
        body = b'{"type":"user.created","data":{}}'
        headers = sender.sign(body, name)
        self.assertEqual(self.event(self.send(name, body, headers))["eventId"], name)
        self.assertTrue(self.send(name, body, headers).json()["events"][0]["duplicate"])
        self.assertEqual(self.send(name, body + b" ", sender.sign(body, name + "-2")).status, 401)
        self.assertEqual(self.send(name, body, sender.sign(body, name + "-3", at=1000)).status, 401)
        both = sender.sign(body, name + "-4")
        both["webhook-signature"] = "v1,AAAA " + both["webhook-signature"]
        self.assertEqual(self.send(name, body, both).status, 202)
        reply = self.server.post("/v2/sources", {"scheme": "standard-webhooks",
                                                 "secrets": ["whpk_AAAA"]})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "public key")

    def test_slack(self):
        name, _ = self.source("slack", secrets=["8f742231b10e8888"])
        body = b'{"type":"url_verification","challenge":"3eZbrw1aB"}'
        reply = self.send(name, body, slack("8f742231b10e8888", body))
        self.assertEqual((reply.status, reply.json()), (200, {"challenge": "3eZbrw1aB"}))
        self.assertEqual(self.send(name, body, {}).status, 401)
        body = json.dumps({"type": "event_callback", "event_id": name, "event": {"type": "message"}}).encode()
        event = self.event(self.send(name, body, slack("8f742231b10e8888", body)))
        self.assertEqual(event["pattern"], f"webhook.{name}.message")

    def test_shopify_and_hmac(self):
        name, _ = self.source("shopify", secrets=["hush"])
        body = b'{"id":1}'
        signed = base64.b64encode(code("hush", body).digest()).decode()
        event = self.event(self.send(name, body, {"X-Shopify-Hmac-SHA256": signed,
                                                  "X-Shopify-Topic": "orders/create",
                                                  "X-Shopify-Event-Id": name}))
        self.assertEqual((event["pattern"], event["eventId"]), (f"webhook.{name}.orders.create", name))
        name, _ = self.source("hmac", secrets=["hush"], pattern="own.{kind}", idFrom="$.ref",
                              kindFrom="header:X-Kind",
                              hmac={"header": "X-Code", "prefix": "h=", "template": "{timestamp}|{body}",
                                    "timestampHeader": "X-Time"})
        body = json.dumps({"ref": name}).encode()
        at = str(int(time.time()))
        event = self.event(self.send(name, body, {
            "X-Time": at, "X-Kind": "paid", "X-Code": "h=" + code("hush", f"{at}|".encode() + body).hexdigest()}))
        self.assertEqual((event["pattern"], event["eventId"]), ("own.paid", name))

    def test_bodies_that_are_no_object_and_none(self):
        name, _ = self.source("none")
        self.assertEqual(self.event(self.send(name, b"[1,2]", {}))["payload"], {"data": [1, 2]})
        self.assertEqual(self.event(self.send(name, b"hello", {}, "text/plain"))["payload"], {"data": "hello"})
        evil = b'{"a":1},"pattern":"system.x"'
        self.assert_error(self.send(name, evil, {}), 400, "VALIDATION_ERROR")
        self.assert_error(self.send(name, b'{"a":1,"a":2}', {}), 400, "VALIDATION_ERROR")
        self.assertEqual(self.last(name)["outcome"], "refused")

    def test_handshake(self):
        name, _ = self.source("none")
        reply = self.server.request("OPTIONS", f"/v2/webhooks/{name}",
                                    headers={"WebHook-Request-Origin": "eventgrid.example",
                                             "WebHook-Request-Rate": "120"})
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["webhook-allowed-origin"], "eventgrid.example")
        self.assertEqual(reply.headers["webhook-allowed-rate"], "*")

    def test_transform(self):
        script = self.server.create_script("""
            return function(e)
              if e.payload.skip then return nil end
              if e.payload.bad then error('no') end
              return {pattern = 'shaped.' .. e.payload.kind, payload = {n = e.payload.n + 1}, partitionKey = 'k'}
            end""")
        name, _ = self.source("github", secrets=["s"], transformScriptId=script)
        body = b'{"kind":"a","n":1}'
        event = self.event(self.send(name, body, github("s", body, delivery=name)))
        self.assertEqual((event["pattern"], event["payload"], event["eventId"]), ("shaped.a", {"n": 2}, name))
        again = self.send(name, body, github("s", body, delivery=name))
        self.assertIs(again.json()["events"][0]["duplicate"], True)
        body = b'{"skip":true}'
        reply = self.send(name, body, github("s", body, delivery=name + "2"))
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 0))
        self.assertEqual(self.last(name)["outcome"], "dropped")
        body = b'{"bad":true}'
        self.assert_error(self.send(name, body, github("s", body, delivery=name + "3")), 500, "INTERNAL_ERROR")
        self.assertIn("no", self.last(name)["reason"])
        tried = self.server.post(f"/v2/sources/{name}/test", {"body": '{"kind":"b","n":4}', "sign": True}).json()
        self.assertIs(tried["verified"], True)
        self.assertEqual(tried["transformed"]["payload"], {"n": 5})
        self.assert_error(self.server.request("DELETE", f"/v2/scripts/{script}"), 409, "CONFLICT")

    def test_documents(self):
        for body, field in (({"scheme": "hub"}, "scheme"), ({"scheme": "hmac", "secrets": ["x"]}, "hmac"),
                            ({"scheme": "none", "secrets": ["x"]}, "secrets"),
                            ({"scheme": "github", "secrets": []}, "secrets"),
                            ({"scheme": "standard-webhooks", "secrets": ["whsec_-"]}, "secrets"),
                            ({"scheme": "none", "pattern": "system.x"}, "pattern"),
                            ({"scheme": "none", "tolerance": "1y"}, "tolerance"),
                            ({"scheme": "none", "idFrom": "id"}, "idFrom"),
                            ({"scheme": "none", "what": 1}, "what")):
            reply = self.server.post("/v2/sources", body)
            self.assertEqual(reply.status, 400, (body, reply))
            self.assertIn(field, reply.body.decode())
        name, _ = self.source("github", secrets=["first-secret-text"])
        path = f"/v2/sources/{name}"
        etag = self.server.get(path).headers["etag"]
        changed = self.server.request("PATCH", path, {"pattern": "gh.{kind}"}, headers={"If-Match": etag})
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual(self.server.request("PATCH", path, {"active": False}, headers={"If-Match": etag}).status, 409)
        body = b"{}"
        event = self.event(self.send(name, body, github("first-secret-text", body, "push", name)))
        self.assertEqual(event["pattern"], "gh.push")
        self.server.request("PATCH", path, {"active": False})
        self.assertEqual(self.send(name, body, github("first-secret-text", body)).status, 401)
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        self.assertEqual(self.server.get(path).status, 404)


class AfterARestart(unittest.TestCase):
    def test_secrets_are_kept_and_the_command_line_knows_sources(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()

        def cli(*args):
            done = server.cli(*args)
            return done.returncode, done.stdout + done.stderr

        status, text = cli("source", "add", "gh", "--scheme", "github", "--secret", "a-long-secret-text")
        self.assertEqual(status, 0, text)
        self.assertIn("/v2/webhooks/gh", text)
        self.assertIn("webhook.gh.*", cli("source", "list")[1])
        server.stop()
        server.start()
        body = b'{"a":1}'
        reply = server.post("/v2/webhooks/gh", body, headers=github("a-long-secret-text", body))
        self.assertEqual(reply.status, 202, reply)
        status, text = cli("source", "test", "gh", "--body", '{"action":"x"}')
        self.assertEqual((status, text.split()[0]), (0, "verified"), text)
        self.assertIn("accepted", cli("source", "deliveries", "gh")[1])
        status, text = cli("source", "rotate", "gh", "--overlap", "1h")
        self.assertIn("secret: ", text)
        self.assertEqual(cli("source", "remove", "gh")[0], 0)


if __name__ == "__main__":
    unittest.main()
