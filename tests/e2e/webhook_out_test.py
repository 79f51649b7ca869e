#!/usr/bin/env python3
"""Goal: webhooks arrive signed, under an id that stays the same over attempts, crashes and
rotations, and a receiver's answer means what the rules say. Method: a receiver of our own that
answers as it is told; the signatures are made again here."""
import base64
import hashlib
import hmac
import json
import time
import unittest

import harness
import sink

FAST = {"maxRetries": 4, "initialDelayMs": 20, "maxDelayMs": 50, "backoffFactor": 1, "jitter": False}


def signature(secret, request):
    key = base64.b64decode(secret[len("whsec_"):])
    text = b".".join([request.headers["webhook-id"].encode(),
                      request.headers["webhook-timestamp"].encode(), request.body])
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


class WebhooksOut(sink.SinkCase):
    def webhook(self, pattern, path=None, retry=FAST, **members):
        body = {"name": "w", "pattern": pattern,
                "executor": {"type": "webhook", "url": self.sink.url + (path or "/" + pattern), **members}}
        if retry:
            body["retry"] = retry
        reply = self.server.post("/v2/subscriptions", body)
        self.assertEqual(reply.status, 201, reply)
        return reply.json()

    def arrived(self, path, count=1):
        def enough():
            found = self.sink.of(path)
            return found if len(found) >= count else None
        return harness.wait_until(f"{count} calls of {path}", enough)

    def test_it_is_signed_and_the_secret_is_shown_once(self):
        pattern = self.unique("sign.")
        made = self.webhook(pattern, retry=None)
        secret = made["executor"]["secret"]
        self.assertTrue(secret.startswith("whsec_"), made)
        self.assertEqual(made["retry"], {"maxRetries": 9, "schedule": "standard-webhooks"})
        shown = self.server.get("/v2/subscriptions/" + made["id"]).body.decode()
        audit = self.server.get("/v2/audit?kind=subscription&id=" + made["id"]).body.decode()
        self.assertNotIn(secret, shown + audit + self.server.log())
        placed = self.server.send_event(pattern, {"n": 1}, timestamp="2026-01-02T03:04:05Z",
                                        metadata={"correlationId": "c"})
        request = self.arrived("/" + pattern)[0]
        self.assertEqual(request.headers["webhook-signature"], signature(secret, request))
        self.assertEqual(request.headers["content-type"], "application/json")
        self.assertEqual(request.headers["millrace-attempt"], "1")
        self.assertRegex(request.headers["traceparent"], "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(json.loads(request.body), {
            "type": pattern, "timestamp": "2026-01-02T03:04:05Z", "data": {"n": 1},
            "id": placed["eventId"], "metadata": {"correlationId": "c"}})
        done = self.server.wait_executions(1, eventId=placed["eventId"])[0]
        self.assertEqual(done["result"]["status"], 204)

    def test_a_secret_is_rotated_with_an_overlap(self):
        pattern = self.unique("rotate.")
        made = self.webhook(pattern)
        first = made["executor"]["secret"]
        call = f"/v2/subscriptions/{made['id']}/rotate-secret"
        turned = self.server.post(call, "")
        self.assertEqual(turned.status, 200, turned)
        second = turned.json()["secret"]
        self.assert_error(self.server.post(call, {}), 409, "CONFLICT")
        self.server.send_event(pattern)
        request = self.arrived("/" + pattern)[0]
        self.assertEqual(request.headers["webhook-signature"],
                         signature(second, request) + " " + signature(first, request))
        self.assertEqual(self.server.post(call, {"force": True}).status, 200)

    def test_it_is_tried_again_under_the_same_id(self):
        pattern = self.unique("again.")
        path = "/" + pattern
        self.sink.answers[path] = [(500, {}, b"no"), (302, {"location": "/elsewhere"}, b""), (200, {}, b"ok")]
        made = self.webhook(pattern)
        self.server.send_event(pattern, {"n": 1})
        requests = self.arrived(path, 3)
        self.assertEqual(len({r.headers["webhook-id"] for r in requests}), 1)
        self.assertEqual([r.headers["millrace-attempt"] for r in requests], ["1", "2", "3"])
        self.assertEqual(len({r.body for r in requests}), 1)
        self.assertEqual(self.sink.of("/elsewhere"), [])
        done = self.server.wait_executions(1, subscriptionId=made["id"])[0]
        self.assertIn("HTTP 500: no", done["attempts"][0]["error"])

    def test_retry_after_is_waited_for(self):
        pattern = self.unique("later.")
        path = "/" + pattern
        self.sink.answers[path] = [(429, {"retry-after": "1"}, b""), (503, {"retry-after": "1"}, b""), (200, {}, b"")]
        made = self.webhook(pattern, retry=dict(FAST, maxRetries=1))
        self.server.send_event(pattern)
        requests = self.arrived(path, 3)
        self.assertGreater(requests[1].at - requests[0].at, 0.95)
        self.assertGreater(requests[2].at - requests[1].at, 0.95)
        self.server.wait_executions(1, subscriptionId=made["id"])

    def test_a_receiver_that_is_gone_pauses_the_subscription(self):
        pattern = self.unique("gone.")
        self.sink.answers["/" + pattern] = (410, {}, b"")
        made = self.webhook(pattern)
        self.server.send_event(pattern)
        self.server.wait_executions(1, statuses=("dead",), subscriptionId=made["id"])
        one = "/v2/subscriptions/" + made["id"]
        harness.wait_until("the pause", lambda: self.server.get(one).json()["paused"])
        self.assertEqual(len(self.sink.of("/" + pattern)), 1)
        self.assertTrue(self.server.all_events("webhook.delivery.paused"))
        self.sink.answers["/" + pattern] = (204, {}, b"")
        self.server.send_event(pattern, {"n": 2})
        self.assertEqual(self.server.post(one + "/resume", "").status, 200)
        self.arrived("/" + pattern, 2)

    def test_what_is_under_way_when_it_is_removed_arrives_and_is_no_dead_letter(self):
        pattern = self.unique("removed.")
        path = "/" + pattern

        def slow(_):
            time.sleep(1)
            return 204, {}, b""
        self.sink.answers[path] = slow
        one = "/v2/subscriptions/" + self.webhook(pattern)["id"]
        self.assertEqual(self.server.post(one + "/pause", "").status, 200)
        for n in range(3):
            self.server.send_event(pattern, {"n": n})
        self.assertEqual(self.server.post(one + "/resume", "").status, 200)
        self.arrived(path, 3)
        gone = self.server.request("DELETE", one)
        self.assertEqual((gone.status, gone.json()["deadLettered"]), (200, 0), gone)
        self.assertEqual(self.server.get("/v2/dlq?pattern=" + pattern).json()["items"], [])

    def test_a_message_can_be_refused_for_good(self):
        pattern = self.unique("abort.")
        self.sink.answers["/" + pattern] = (500, {"webhook-delivery": "abort-message"}, b"")
        made = self.webhook(pattern)
        self.server.send_event(pattern)
        dead = self.server.wait_executions(1, statuses=("dead",), subscriptionId=made["id"])[0]
        self.assertEqual(len(dead["attempts"]), 1)
        self.assertFalse(self.server.get("/v2/subscriptions/" + made["id"]).json()["paused"])

    def test_forms_of_the_body(self):
        pattern = self.unique("forms.")
        for form in ("envelope", "payload", "cloudevent"):
            self.webhook(pattern, f"/{pattern}/{form}", body=form, headers={"X-Own": "a b"})
        event = {"eventId": self.unique("e"), "pattern": pattern, "payload": {"n": 1}}
        self.assertEqual(self.server.post("/v2/events", event).status, 202)
        envelope = self.arrived(f"/{pattern}/envelope")[0]
        self.assertEqual(envelope.headers["x-own"], "a b")
        self.assertEqual(json.loads(envelope.body), event)
        self.assertEqual(json.loads(self.arrived(f"/{pattern}/payload")[0].body), {"n": 1})
        cloud = self.arrived(f"/{pattern}/cloudevent")[0]
        self.assertEqual(cloud.headers["content-type"], "application/cloudevents+json")
        self.assertEqual(json.loads(cloud.body)["id"], event["eventId"])

    def test_secrets_in_fields(self):
        name, pattern = self.unique("token"), self.unique("secret.")
        self.assertEqual(self.server.post("/v2/secrets", {"name": name, "value": "s3cret"}).status, 201)
        self.webhook(pattern, headers={"Authorization": "Bearer {{secrets.%s}}" % name})
        self.server.send_event(pattern)
        self.assertEqual(self.arrived("/" + pattern)[0].headers["authorization"], "Bearer s3cret")

    def test_what_is_blocked_fails(self):
        pattern = self.unique("blocked.")
        reply = self.server.post("/v2/subscriptions", {"name": "b", "pattern": pattern, "retry": {"maxRetries": 0},
                                 "executor": {"type": "webhook", "url": "http://169.254.169.254/latest/"}})
        self.server.send_event(pattern)
        dead = self.server.wait_executions(1, statuses=("dead",), subscriptionId=reply.json()["id"])[0]
        self.assertIn("BLOCKED", dead["attempts"][0]["error"])

    def test_a_test_is_one_call_that_is_kept_nowhere(self):
        pattern = self.unique("try.")
        made = self.webhook(pattern)
        call = f"/v2/subscriptions/{made['id']}/test"
        reply = self.server.post(call, {"event": {"pattern": pattern, "payload": {"n": 9}}})
        self.assertEqual(reply.status, 200, reply)
        self.assertIs(reply.json()["success"], True, reply)
        self.assertEqual(json.loads(self.arrived("/" + pattern)[0].body)["data"], {"n": 9})
        self.assert_error(self.server.post(call, {"event": {"payload": {}}}), 400, "VALIDATION_ERROR", "pattern")
        self.assertEqual(self.server.executions(subscriptionId=made["id"]), [])

    def test_what_came_of_deliveries_is_told(self):
        pattern, all_seen = self.unique("told."), self.unique("all")
        script = self.server.create_script(
            "return function(e) sdk.kv.incr('%s') return e.pattern end" % all_seen)
        told = self.server.subscribe("webhook.delivery.*", script)
        others = self.server.subscribe("*", script)
        self.sink.answers["/" + pattern] = [(500, {}, b""), (200, {}, b"")]
        made = self.webhook(pattern)
        self.server.send_event(pattern)
        def seen():
            own = [e for e in self.server.all_events("webhook.delivery.*")
                   if e["payload"]["subscriptionId"] == made["id"]]
            return own if len(own) >= 2 else None
        events = harness.wait_until("both events", seen)
        self.assertEqual(sorted(e["pattern"] for e in events),
                         ["webhook.delivery.failed", "webhook.delivery.succeeded"])
        self.server.wait_executions(2, subscriptionId=told)
        ran = [e["result"] for e in self.server.executions(subscriptionId=others, limit=1000)]
        self.assertFalse([p for p in ran if p and p.startswith("webhook.delivery.")])

    def test_bad_ones_are_refused_by_name(self):
        def refused(executor, mentions):
            reply = self.server.post("/v2/subscriptions", {"name": "x", "pattern": "x",
                                     "executor": dict({"type": "webhook"}, **executor)})
            self.assert_error(reply, 400, "VALIDATION_ERROR", mentions)
        good = {"url": "http://example.com/"}
        refused({}, "executor.url")
        refused({"url": "ftp://example.com/"}, "executor.url")
        refused({"url": "http://127.0.0.1\\@example.com/"}, "executor.url")
        refused(dict(good, bodyForm="x"), "executor.bodyForm")
        refused(dict(good, body="x"), "executor.body")
        refused(dict(good, headers={"webhook-id": "x"}), "executor.headers.webhook-id")
        refused(dict(good, headers={"a": "b\r\nc: d"}), "executor.headers.a")
        refused(dict(good, headers={"a": "{{payload.x}}"}), "executor.headers.a")
        refused(dict(good, secret="short"), "executor.secret")
        refused(dict(good, concurrency=0), "executor.concurrency")
        refused(dict(good, timeoutMs=1e9), "executor.timeoutMs")
        self.assert_error(self.server.post("/v2/subscriptions", {
            "name": "x", "pattern": "x", "executor": {"type": "mail"}}), 400, "VALIDATION_ERROR", "executor.type")

    def test_a_name_may_have_an_address_that_is_allowed(self):
        pattern = self.unique("name.")
        made = self.webhook(pattern)
        url = self.sink.url.replace("127.0.0.1", "localhost") + "/" + pattern
        patched = self.server.request("PATCH", "/v2/subscriptions/" + made["id"], {"executor": {"url": url}})
        self.assertEqual(patched.status, 200, patched)
        self.assertEqual(patched.json()["executor"]["url"], url)
        self.assertNotIn("secret", patched.json()["executor"])
        self.server.send_event(pattern)
        request = self.arrived("/" + pattern)[0]
        self.assertEqual(request.headers["webhook-signature"],
                         signature(made["executor"]["secret"], request), "a change keeps the secret")

    def test_a_dead_receiver_is_left_alone(self):
        pattern = self.unique("dead.")
        self.sink.answers["/" + pattern] = (500, {}, b"")
        made = self.webhook(pattern, retry={"maxRetries": 0}, concurrency=1)
        for n in range(30):
            self.server.send_event(pattern, {"n": n})
        def webhooks():
            return next(e for e in self.server.get("/v2/executors").json()["items"] if e["type"] == "webhook")
        harness.wait_until("the breaker", lambda: webhooks()["breaker"] == "open")
        self.server.wait_executions(10, statuses=("dead",), subscriptionId=made["id"])
        self.assertEqual(len(self.sink.of("/" + pattern)), 10)
        harness.wait_until("the count of those that wait", lambda: webhooks()["waiting"] == 20)
        neighbour = self.unique("beside.")
        self.webhook(neighbour)
        self.server.send_event(neighbour)
        self.arrived("/" + neighbour)

    def test_executors_are_listed(self):
        listed = {e["type"]: e for e in self.server.get("/v2/executors").json()["items"]}
        self.assertEqual((listed["webhook"]["enabled"], listed["webhook"]["limit"]), (True, 100))


class Crash(unittest.TestCase):
    def test_a_dead_receiver_is_left_alone_after_a_crash(self):
        receiver = sink.Sink()
        server = harness.Server(("--set", "http_client.allow=127.0.0.1"))
        try:
            server.start()
            receiver.answers["/dead"] = (500, {}, b"")
            made = server.post("/v2/subscriptions", {
                "name": "d", "pattern": "dead", "retry": {"maxRetries": 0},
                "executor": {"type": "webhook", "url": receiver.url + "/dead", "concurrency": 1}}).json()
            def breaker():
                return next(e for e in server.get("/v2/executors").json()["items"] if e["type"] == "webhook")["breaker"]
            for n in range(12):
                server.send_event("dead", {"n": n})
            harness.wait_until("the breaker", lambda: breaker() == "open")
            server.wait_executions(10, statuses=("dead",), subscriptionId=made["id"])
            server.kill()
            server.start()
            self.assertEqual(breaker(), "open")
            server.send_event("dead")
            self.assertEqual(len(receiver.of("/dead")), 10)
        finally:
            server.close()
            receiver.close()

    def test_the_id_is_the_same_after_a_crash(self):
        receiver = sink.Sink()
        server = harness.Server(("--set", "http_client.allow=127.0.0.1"))
        try:
            server.start()
            stop = []
            def hold(_):
                harness.wait_until("the end", lambda: stop)
                return 204, {}, b""
            receiver.answers["/crash"] = hold
            server.post("/v2/subscriptions", {"name": "c", "pattern": "crash", "executor": {
                "type": "webhook", "url": receiver.url + "/crash"}})
            server.send_event("crash")
            harness.wait_until("the call", lambda: receiver.of("/crash"))
            server.kill()
            stop.append(True)
            server.start()
            harness.wait_until("the second call", lambda: len(receiver.of("/crash")) >= 2)
            self.assertEqual(len({r.headers["webhook-id"] for r in receiver.of("/crash")}), 1)
        finally:
            server.close()
            receiver.close()


if __name__ == "__main__":
    unittest.main()
