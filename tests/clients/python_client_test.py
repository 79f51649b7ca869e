"""Goal: the Python client keeps its promises: nothing sent twice becomes two events, streams go on
where they were, each code is a class, and a webhook of this server is believed.
Method: a real server; where the server must fail, one of a few lines that fails as told.
"""
import http.server
import json
import os
import re
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
CLIENTS = os.path.join(HERE, "..", "..", "tools", "clients")
sys.path.insert(0, os.path.join(CLIENTS, "python"))

from harness import Server, ServerCase, wait_until  # noqa: E402
from sink import Sink  # noqa: E402
import millrace_client as mc  # noqa: E402
from millrace_client.parts import send_in_parts  # noqa: E402


class Failing:
    """Answers each POST as the list says, then 202; keeps the bodies."""

    def __init__(self, statuses):
        self.bodies = []
        failing = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                failing.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status = statuses.pop(0) if statuses else 202
                if status == 0:
                    self.close_connection = True
                    return
                body = b'{"success":true,"accepted":1,"events":[],"rejected":[]}' if status == 202 \
                    else b'{"error":{"code":"UNAVAILABLE","message":"later","details":{}}}'
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class PartsTest(unittest.TestCase):
    """Against the batches that are sent, no server: what it answers is given."""

    def refused(self, index, status):
        return {"index": index, "error": {"code": "UNAVAILABLE", "message": "no", "statusCode": status, "details": {}}}

    def answer(self, offsets, rejected):
        return {"success": True, "accepted": len(offsets), "duplicates": 0, "rejected": rejected,
                "events": [{"eventId": f"e{n}", "shard": 0, "offset": n, "duplicate": False} for n in offsets]}

    def send(self, events, answers):
        sent = []

        def send_once(batch):
            sent.append(batch)
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return send_in_parts(events, send_once, 2, lambda turn: None), sent

    def test_what_a_cluster_can_not_take_at_the_moment_is_sent_again_by_itself(self):
        got, sent = self.send([0, 1, 2, 3, 4], [
            self.answer([0, 3], [self.refused(1, 503), self.refused(2, 400), self.refused(4, 503)]),
            self.answer([4], [self.refused(0, 503)]), self.answer([1], [])])
        self.assertEqual(sent, [[0, 1, 2, 3, 4], [1, 4], [1]])
        self.assertEqual((got["accepted"], [e["offset"] for e in got["events"]], [r["index"] for r in got["rejected"]]),
                         (4, [0, 1, 3, 4], [2]))

    def test_what_was_taken_is_told_though_the_rest_goes_on_being_refused(self):
        got, sent = self.send([0, 1], [self.answer([0], [self.refused(1, 503)]), mc.Unavailable("later", status=503)])
        self.assertEqual((got["accepted"], len(got["events"]), [r["index"] for r in got["rejected"]]), (1, 1, [1]))
        self.assertEqual(sent, [[0, 1], [1]])


class RetryTest(unittest.TestCase):
    def client(self, statuses):
        failing = Failing(statuses)
        self.addCleanup(failing.close)
        client = mc.Client(failing.url, api_key="mr_live_secret", backoff=(0.01, 0.02))
        self.addCleanup(client.close)
        return failing, client

    def test_what_is_sent_again_has_the_same_id(self):
        failing, client = self.client([503, 500])
        client.send({"pattern": "a"})
        ids = {json.loads(body)["eventId"] for body in failing.bodies}
        self.assertEqual((len(failing.bodies), len(ids)), (3, 1))

    def test_two_retries_are_the_most(self):
        failing, client = self.client([503] * 9)
        with self.assertRaises(mc.Unavailable) as caught:
            client.send({"pattern": "a"})
        self.assertEqual((len(failing.bodies), caught.exception.retry_after), (3, 0.0))

    def test_a_call_of_unknown_end_is_not_made_twice(self):
        failing, client = self.client([500])
        with self.assertRaises(mc.Unavailable):
            client.call("POST", "/v2/scripts", {"source": ""})
        self.assertEqual(len(failing.bodies), 1)

    def test_no_answer_is_told_as_that(self):
        client = mc.Client("http://127.0.0.1:9", retries=0)
        with self.assertRaises(mc.ConnectionFailed):
            client.send({"pattern": "a"})

    def test_the_key_is_in_no_text(self):
        _, client = self.client([])
        self.assertNotIn("secret", repr(client) + str(client))


class ClientTest(ServerCase):
    ARGS = ["--set", "http_client.allow=127.0.0.1"]

    def setUp(self):
        self.client = mc.Client(f"http://127.0.0.1:{self.server.port}", backoff=(0.05, 0.2))
        self.addCleanup(self.client.close)

    def test_events_go_in_and_are_found(self):
        answer = self.client.send([{"pattern": "py.one", "payload": {"n": n}} for n in range(5)])
        self.assertEqual(answer["accepted"], 5)
        event = self.client.event(answer["events"][3]["eventId"])
        self.assertEqual(event["payload"], {"n": 3})
        again = self.client.send({"pattern": "py.one", "eventId": event["eventId"]})
        self.assertTrue(again["events"][0]["duplicate"])

    def test_a_list_goes_over_its_pages(self):
        self.client.send([{"pattern": "py.pages", "payload": {"n": n}} for n in range(7)])
        found = list(self.client.list("/v2/events", pattern="py.pages", limit=3, order="asc"))
        self.assertEqual(sorted(event["payload"]["n"] for event in found), list(range(7)))

    def test_a_batcher_tells_of_each_and_waits_for_room(self):
        with self.client.batcher(events_max=50, pending_max=100) as batch:
            futures = [batch.push({"pattern": "py.batch", "payload": {"n": n}})
                       for n in range(1000)]
            bad = batch.push({"pattern": "py.batch", "unknown": 1})
        self.assertEqual(len({future.result()["eventId"] for future in futures}), 1000)
        with self.assertRaises(mc.ValidationError) as caught:
            bad.result()
        self.assertIn("unknown", str(caught.exception))
        with self.assertRaises(RuntimeError):
            batch.push({"pattern": "py.batch"})

    def test_each_code_is_a_class(self):
        with self.assertRaises(mc.NotFound) as caught:
            self.client.call("GET", "/v2/scripts/none")
        self.assertEqual((caught.exception.status, caught.exception.code), (404, "NOT_FOUND"))
        with self.assertRaises(mc.ValidationError) as caught:
            self.client.call("GET", "/v2/events", query={"limit": 0})
        self.assertEqual(caught.exception.details.get("field"), "limit")
        with self.assertRaises(mc.MethodNotAllowed):
            self.client.call("PATCH", "/v2/events")
        # All that the server may say, in both languages.
        told = self.client.call("GET", "/openapi.json")["components"]["schemas"]["ErrorBody"]
        codes = set(told["properties"]["code"]["enum"])
        self.assertEqual(codes, set(mc.errors.BY_CODE))
        with open(os.path.join(CLIENTS, "javascript", "src", "errors.js"), encoding="utf-8") as file:
            listed = file.read().split("const BY_CODE")[1].split("};")[0]
        self.assertEqual(codes, set(re.findall(r"([A-Z_]+):", listed)))

    def test_a_webhook_of_the_server_is_believed(self):
        sink = Sink()
        self.addCleanup(sink.close)
        made = self.client.call("POST", "/v2/subscriptions", {
            "name": "hook", "pattern": "py.hook",
            "executor": {"type": "webhook", "url": sink.url}})
        secret = made["executor"]["secret"]
        self.client.send({"pattern": "py.hook", "payload": {"a": 1}})
        call = wait_until("the webhook", lambda: sink.requests and sink.requests[0])
        self.assertTrue(mc.verify_webhook(secret, call.headers, call.body))
        for body, options in ((call.body + b" ", {}), (call.body, {"now": 1})):
            with self.assertRaises(mc.SignatureError):
                mc.verify_webhook(secret, call.headers, body, **options)


class StreamTest(unittest.TestCase):
    def test_a_stream_goes_on_over_a_restart(self):
        server = Server().start()
        self.addCleanup(server.close)
        client = mc.Client(f"http://127.0.0.1:{server.port}", backoff=(0.05, 0.2), retries=0)
        client.send([{"pattern": "s", "payload": {"n": n}} for n in range(3)])
        stream = client.stream(pattern="s", from_="beginning")
        seen = [next(stream).event["payload"]["n"] for _ in range(3)]
        port = server.port
        client.close()
        server.stop()
        server.args += ["--set", f"http.listen=127.0.0.1:{port}"]
        server.start()
        with mc.Client(f"http://127.0.0.1:{server.port}") as other:
            other.send({"pattern": "s", "payload": {"n": 3}})
        self.assertEqual(server.port, port)
        seen.append(next(stream).event["payload"]["n"])
        stream.close()
        self.assertEqual(sorted(seen), [0, 1, 2, 3])

    def test_a_refusal_is_no_reason_to_come_back(self):
        server = Server().start()
        self.addCleanup(server.close)
        client = mc.Client(f"http://127.0.0.1:{server.port}")
        with self.assertRaises(mc.ValidationError):
            next(client.stream(filter="$.a =="))


if __name__ == "__main__":
    unittest.main()
