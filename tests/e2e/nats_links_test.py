#!/usr/bin/env python3
"""Goal: links of NATS read each message of a stream into the log once and send each event at least once,
whoever is killed meanwhile; a stream that went back, is gone or does not keep its messages stops the source;
what is told to a subject comes once or never, and a gap says so. Method: Debian's nats-server where it is
installed (else all is skipped), and a client of a hundred lines (nats_peer)."""
import base64
import json
import os
import shutil
import time
import unittest

import harness
import nats_peer
from links_test import LinkCase, ROUNDS, tearDownModule  # noqa: F401 (the module's end)

EACH = int(os.environ.get("MILLRACE_LINK_ENTRIES", "1500"))  # of a round


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed (tools/setup links)")
class NatsCase(LinkCase):
    @classmethod
    def setUpClass(cls):
        cls.nats = nats_peer.Nats().start()
        cls.addClassCleanup(cls.nats.close)
        super().setUpClass()

    def setUp(self):
        self.client = self.nats.client()
        self.addCleanup(lambda: self.client.close())

    def config(self, **config):
        return {"host": "127.0.0.1", "port": self.nats.port, **config}

    def source(self, **config):
        return self.create(direction="in", type="nats", config=self.config(**config))

    def stream(self, **config):
        name = self.unique("S").replace(".", "-")
        self.client.create(name, name + ".>", **config)
        return name

    def add(self, stream, pattern, numbers):
        self.client.add(stream + ".a", [self.envelope(pattern, n) for n in numbers])

    def no_lag(self, id):
        return harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))


class Documents(NatsCase):
    def refused(self, member, direction="in", **config):
        reply = self.server.post("/v2/links", {"direction": direction, "type": "nats", "config": {
            "host": "127.0.0.1", **config}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", member)

    def test_bad_configs_name_the_member(self):
        self.refused("config.stream")
        self.refused("config.stream", stream="a.b")
        self.refused("config.subject", subject="a b")
        self.refused("config.subject", subject="a..b")
        self.refused("config.from", subject="a", **{"from": "start"})
        self.refused("config.from", stream="S", **{"from": "7-0"})
        self.refused("config.token", subject="a", token="plain")
        self.refused("config.format", subject="a", format="fields", pattern="p")
        self.refused("config.subject", direction="out", stream="S")
        self.refused("config.subject", direction="out", subject="a.*")
        self.refused("config.database", subject="a", database=1)

    def test_documents_are_shown_as_they_are(self):
        id = self.create(direction="in", type="nats", config={"host": "h.invalid", "stream": "S", "subject": "a.>"})
        self.assertEqual(self.link(id)["config"], {
            "host": "h.invalid", "port": 4222, "tls": False, "stream": "S", "subject": "a.>", "from": "start",
            "format": "envelope"})
        put = self.server.request("PUT", "/v2/links/" + id, self.link(id))
        self.assertEqual(put.status, 200, put)
        for other in ({"stream": "T"}, {"subject": None}):
            self.assertEqual(self.server.request("PATCH", "/v2/links/" + id, {"config": other}).status, 400)
        self.order(id, "reset", {"to": "17"})
        self.assertIn("h.invalid", self.wait_state(id, "retrying")["reason"])


class Streams(NatsCase):
    def test_messages_become_events_in_their_order(self):
        pattern, stream = self.unique("nats.a"), self.stream()
        id = self.source(stream=stream)
        self.assertTrue(self.order(id, "test")["success"])
        self.add(stream, pattern, range(3_000))
        self.wait_numbers(pattern, 3_000)
        status = self.no_lag(id)
        self.assertEqual((status["taken"], status["lagUnit"], status["position"]["seq"]), (3_000, "messages", 3_000))
        self.add(stream, pattern, range(3_000, 3_001))
        self.wait_numbers(pattern, 3_001)
        self.assertEqual((status["gaps"], status["duplicates"], status["state"]), (0, 0, "running"))

    def test_a_stream_that_comes_later_is_waited_for(self):
        pattern, stream = self.unique("nats.late"), self.unique("L").replace(".", "-")
        id = self.source(stream=stream)
        self.assertIn("no stream", self.wait_state(id, "waiting")["reason"])
        self.assertFalse(self.order(id, "test")["success"])
        self.client.create(stream, stream + ".>")
        self.add(stream, pattern, range(3))
        self.wait_numbers(pattern, 3)

    def test_forms_and_poison(self):
        pattern, stream = self.unique("nats.b"), self.stream()
        poison = b"\x00\xffnot json"
        self.client.add(stream + ".x.y", ['{"n":0}', poison, '{"n":1}'])
        id = self.source(stream=stream, format="payload", pattern=pattern + ".{subject}")
        self.wait_numbers(f"{pattern}.{stream}.x.y", 2)
        harness.wait_until("a letter", lambda: self.status(id)["rejected"] == 1)
        letter = next(l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id)
        self.assertEqual(base64.b64decode(letter["event"]["x-link"]["base64"]), poison)
        self.assertEqual(self.status(id)["taken"], 2)
        system = self.source(stream=stream, format="text", pattern="{subject}", **{"from": "1"})
        self.client.add(stream + ".z", ["hello"])
        harness.wait_until("a text", lambda: self.count(stream + ".z") == 1)
        self.assertEqual(self.server.all_events(stream + ".z")[0]["payload"], {"text": "hello"})
        self.assertEqual(self.status(system)["rejected"], 1)  # no UTF-8
        late = self.unique("nats.late")
        id = self.source(stream=stream, format="payload", pattern=late, **{"from": "end"})
        self.wait_state(id, "running")
        self.client.add(stream + ".z", ['{"n":0}'])
        self.wait_numbers(late, 1)

    def test_a_subject_filters_and_what_is_others_is_no_gap(self):
        pattern, stream = self.unique("nats.c"), self.stream(max_msgs=100)
        id = self.source(stream=stream, subject=stream + ".mine.*")
        self.client.add(stream + ".mine.1", [self.envelope(pattern, 0)])
        self.wait_numbers(pattern, 1)
        self.client.add(stream + ".theirs", ["x"] * 400)
        self.client.add(stream + ".mine.2", [self.envelope(pattern, 1)])
        self.wait_numbers(pattern, 2)
        harness.wait_until("the rest to be seen", lambda: self.status(id)["position"].get("seq") == 402)
        self.client.add(stream + ".theirs", ["x"] * 300)
        harness.wait_until("them to be seen", lambda: self.status(id)["position"].get("seen") == 702)
        self.order(id, "pause")
        self.wait_state(id, "paused")
        self.order(id, "resume")
        self.client.add(stream + ".mine.2", [self.envelope(pattern, 2)])
        self.wait_numbers(pattern, 3)
        status = self.status(id)
        self.assertEqual((status["gaps"], status["rejected"], status["taken"]), (0, 0, 3))

    def test_a_stream_that_went_back_stops_until_it_is_reset(self):
        pattern, stream = self.unique("nats.d"), self.stream()
        id = self.source(stream=stream)
        self.add(stream, pattern, range(10))
        self.wait_numbers(pattern, 10)
        self.client.api("STREAM.DELETE." + stream)
        self.assertIn("gone", self.wait_state(id, "stopped")["reason"])
        self.client.create(stream, stream + ".>")
        self.add(stream, pattern, range(10, 12))
        self.order(id, "resume")
        # For a moment it is still stopped for the reason of before.
        harness.wait_until("the new reason", lambda: "made anew" in (self.status(id)["reason"] or ""))
        self.assertEqual(self.status(id)["state"], "stopped")
        self.assertEqual(self.count(pattern), 10)
        self.order(id, "reset", {"to": "start"})
        self.wait_numbers(pattern, 12)  # its numbers 1 and 2 are others than those of before

    def test_one_that_went_back_and_was_filled_again_stops_too(self):
        nats = nats_peer.Nats().start()
        self.addCleanup(nats.close)
        pattern, store = self.unique("nats.again"), os.path.join(nats.folder, "store")

        def add(numbers):
            client = nats.client()
            client.add("again.a", [self.envelope(pattern, n) for n in numbers])
            client.close()
        client = nats.client()
        client.create("again", "again.>")
        client.close()
        add(range(5))
        nats.kill()
        shutil.copytree(store, store + "-old")
        nats.start()
        id = self.create(direction="in", type="nats", config={
            "host": "127.0.0.1", "port": nats.port, "stream": "again"})
        add(range(5, 10))
        self.wait_numbers(pattern, 10)
        nats.kill()
        nats.start()  # the same messages: nothing is wrong
        add(range(10, 12))
        self.wait_numbers(pattern, 12)
        nats.kill()
        shutil.rmtree(store)
        shutil.copytree(store + "-old", store)
        nats.start()
        add(range(100, 120))  # beyond the number that was read
        self.assertIn("filled again", self.wait_state(id, "stopped")["reason"])
        self.assertEqual(self.count(pattern), 12)
        self.order(id, "reset", {"to": "start"})
        harness.wait_until("the others", lambda: self.count(pattern) == 32)

    def test_what_was_dropped_unread_is_told(self):
        pattern, stream = self.unique("nats.e"), self.stream()
        id = self.source(stream=stream)
        self.add(stream, pattern, range(5))
        self.wait_numbers(pattern, 5)
        self.order(id, "pause")
        self.wait_state(id, "paused")
        self.add(stream, pattern, range(5, 20))
        self.client.api("STREAM.PURGE." + stream, seq=17)
        self.order(id, "resume")
        harness.wait_until("the rest", lambda: self.count(pattern) == 9)
        gap = [e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id]
        self.assertEqual([g["payload"]["missed"] for g in gap], [11])
        self.assertEqual((self.status(id)["missed"], self.status(id)["gaps"]), (11, 1))

    def test_a_queue_of_work_is_not_read(self):
        stream = self.stream(retention="workqueue")
        self.assertIn("retention", self.wait_state(self.source(stream=stream), "stopped")["reason"])

    def test_a_server_without_jetstream_and_one_without_the_stream(self):
        plain = nats_peer.Nats(jetstream=False).start()
        self.addCleanup(plain.close)
        for port, words in ((plain.port, "no JetStream"), (self.nats.port, "no stream called")):
            id = self.create(direction="out", type="nats", config={
                "host": "127.0.0.1", "port": port, "stream": "none", "subject": "a"})
            self.assertIn(words, self.wait_state(id, "retrying")["reason"])
            self.assertIn(words, self.order(id, "test")["error"])
        id = self.create(direction="in", type="nats", config={"host": "127.0.0.1", "port": plain.port, "stream": "S"})
        self.assertIn("no JetStream", self.wait_state(id, "retrying")["reason"])


class Secrets(LinkCase):
    @unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed (tools/setup links)")
    def test_user_and_token_are_secrets(self):
        for args, login, config in (
                (("--user", "u", "--pass", "pw-of-nats"), {"user": "u", "pass": "pw-of-nats"},
                 {"user": "u", "password": "{{secrets.nats-pw}}"}),
                (("--auth", "pw-of-nats"), {"auth_token": "pw-of-nats"}, {"token": "{{secrets.nats-pw}}"})):
            nats = nats_peer.Nats(*args, **login).start()
            self.addCleanup(nats.close)
            self.server.post("/v2/secrets", {"id": "nats-pw", "value": "pw-of-nats"})
            client = nats.client()
            client.create("S", "s.>")
            client.close()
            place = {"host": "127.0.0.1", "port": nats.port, "stream": "S"}
            refused = self.create(direction="in", type="nats", config=place)
            self.assertIn("Authorization Violation", self.wait_state(refused, "retrying")["reason"])
            good = self.create(direction="in", type="nats", config={**place, **config})
            self.wait_state(good, "running")
            self.assertNotIn("pw-of-nats", json.dumps(self.link(good)))


class Subjects(NatsCase):
    def test_what_is_told_becomes_events_and_a_gap_is_told(self):
        pattern, subject = self.unique("core.a"), self.unique("c")
        id = self.source(subject=subject + ".>")
        self.wait_state(id, "running")
        self.assertTrue(self.order(id, "test")["success"])
        self.client.publish(subject + ".x", *(self.envelope(pattern, n) for n in range(50)))
        self.client.publish(subject, self.envelope(pattern, 99))  # another subject
        self.wait_numbers(pattern, 50)
        self.server.kill()
        self.server.start()
        self.wait_state(id, "running")
        self.client.publish(subject + ".y", self.envelope(pattern, 50))
        self.wait_numbers(pattern, 51)
        gap = [e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id]
        self.assertEqual([g["payload"]["missed"] for g in gap], [None])
        self.assertEqual(self.status(id)["gaps"], 1)
        self.assert_error(self.server.post(f"/v2/links/{id}/reset", {"to": "end"}), 400, "VALIDATION_ERROR", "to")

    def test_deliveries_are_told(self):
        pattern, subject = self.unique("core.b"), self.unique("told")
        self.client.subscribe(subject + ".>")
        id = self.create(direction="out", type="nats", config=self.config(subject=subject + ".{pattern}"))
        self.assertTrue(self.order(id, "test")["success"])
        made = self.server.post("/v2/subscriptions", {"pattern": pattern, "executor": {"type": "link", "linkId": id}})
        self.assertEqual(made.status, 201, made)
        for n in range(20):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("all sent", lambda: self.status(id)["sent"] == 20)
        self.client.flush()
        told = [(s, json.loads(t)) for s, _, t in self.client.messages]
        self.assertEqual(sorted(e["payload"]["n"] for _, e in told), list(range(20)))
        self.assertEqual({s for s, _ in told}, {f"{subject}.{pattern}"})


    def test_a_trace_comes_and_goes_in_headers(self):
        pattern, subject = self.unique("core.t"), self.unique("traced")
        id = self.source(subject=subject)
        self.wait_state(id, "running")
        self.client.subscribe(subject + ".out")
        out = self.create(direction="out", type="nats", config=self.config(subject=subject + ".out"))
        made = self.server.post("/v2/subscriptions", {"pattern": pattern, "executor": {"type": "link", "linkId": out}})
        self.assertEqual(made.status, 201, made)
        parent = "00-12345678901234567890123456789012-1234567890123456-01"
        self.client.publish_with({"Traceparent": parent, "tracestate": "foo=1"}, subject, self.envelope(pattern, 0))
        self.client.publish_with({"traceparent": "00-" + parent}, subject, self.envelope(pattern, 1))
        self.wait_numbers(pattern, 2)
        events = {e["payload"]["n"]: e for e in self.server.all_events(pattern)}
        self.assertEqual((events[0]["traceparent"], events[0]["tracestate"]), (parent, "foo=1"))
        self.assertNotIn("traceparent", events[1])
        harness.wait_until("both sent", lambda: self.status(out)["sent"] == 2)
        self.client.flush()
        headers = {json.loads(text)["payload"]["n"]: headers for _, headers, text in self.client.messages}
        self.assertRegex(headers[0], "traceparent: 00-12345678901234567890123456789012-[0-9a-f]{16}-01\r\n")
        self.assertNotIn("1234567890123456-01", headers[0])
        self.assertIn("tracestate: foo=1\r\n", headers[0])
        self.assertNotIn("trace", headers[1])


class SinkCase(NatsCase):
    def sink(self, pattern, retries=0, **config):
        id = self.create(direction="out", type="nats", config=self.config(**config))
        made = self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}, "ordering": "none",
            "retry": {"maxRetries": retries, "initialDelayMs": 100, "maxDelayMs": 500}})
        self.assertEqual(made.status, 201, made)
        return id


class Sinks(SinkCase):
    def test_deliveries_become_messages_of_a_stream(self):
        pattern, stream = self.unique("out.a"), self.stream()
        id = self.sink(pattern + ".*", stream=stream, subject=stream + ".{pattern}")
        self.assertTrue(self.order(id, "test")["success"])
        for n in range(20):
            self.server.send_event(f"{pattern}.{n % 2}", {"n": n})
        harness.wait_until("all sent", lambda: self.status(id)["sent"] == 20)
        messages = self.client.read_stream(stream)
        events = [json.loads(text) for _, _, text in messages]
        self.assertEqual(sorted(e["payload"]["n"] for e in events), list(range(20)))
        for (subject, headers, _), event in zip(messages, events):
            self.assertEqual(subject, f"{stream}.{event['pattern']}")
            self.assertIn(f"Nats-Msg-Id: {event['source']['type']}/{event['source']['id']}/{event['eventId']}\r\n"
                          if "source" in event else f"/{event['eventId']}\r\n", headers)

    def test_what_does_not_fit_fails_alone(self):
        pattern, stream = self.unique("out.b"), self.stream(max_msg_size=2_000)
        id = self.sink(pattern + "*", stream=stream, subject=stream + ".{pattern}")
        self.server.send_event(pattern, {"n": 0, "x": "y" * 5_000})
        self.server.send_event(pattern + " blank", {"n": 1})
        self.server.send_event(pattern, {"n": 2})
        harness.wait_until("one", lambda: self.status(id)["sent"] == 1 and self.status(id)["failed"] == 2)
        letters = harness.wait_until("letters", lambda: [
            l for l in self.server.items("/v2/dlq") if l["event"]["pattern"].startswith(pattern)][1:] and [
            l for l in self.server.items("/v2/dlq") if l["event"]["pattern"].startswith(pattern)])
        errors = " ".join(l["error"] for l in letters)
        self.assertIn("message size exceeds maximum", errors)
        self.assertIn("makes no subject", errors)
        self.assertEqual(self.client.state(stream)["messages"], 1)


class Crashes(SinkCase):
    def produce(self, stream, pattern, until):
        """A producer that goes on from what the stream has: its numbers are the messages'."""
        def added():
            try:
                client = self.nats.client()
            except (OSError, IndexError):
                return False
            try:
                begin = client.state(stream)["last_seq"]
                client.add(stream + ".a", [self.envelope(pattern, n) for n in range(begin, until)])
                return True
            except (OSError, ValueError):
                return False
            finally:
                client.close()
        harness.wait_until("nats-server to take messages", added, 120)

    def test_each_message_comes_once_whoever_is_killed(self):
        pattern, stream = self.unique("crash.nats"), self.stream()
        id = self.source(stream=stream)
        n = 0
        for round in range(ROUNDS):
            n += EACH
            self.produce(stream, pattern, n)
            if round % 2:
                self.nats.kill()
                self.nats.start()
            else:
                self.server.kill()
                self.server.start()
        self.wait_numbers(pattern, n, 180)
        status = self.no_lag(id)
        self.assertEqual((status["taken"], status["gaps"], status["rejected"]), (n, 0, 0))

    def test_each_event_arrives_whoever_is_killed(self):
        pattern, stream = self.unique("crash.sink"), self.stream()
        self.sink(pattern, retries=100, stream=stream, subject=stream + ".out")
        n = 0
        for round in range(ROUNDS):
            body = "\n".join(self.envelope(pattern, i) for i in range(n, n + EACH))
            reply = self.server.post("/v2/events", body.encode(), content_type="application/x-ndjson")
            self.assertEqual(reply.status, 202, reply)
            n += EACH
            if round % 2:
                self.nats.kill()
                time.sleep(0.3)
                self.nats.start()
            else:
                self.server.kill()
                self.server.start()
        client = self.nats.client()
        self.addCleanup(client.close)

        def arrived():
            return [json.loads(text) for _, _, text in client.read_stream(stream)]
        harness.wait_until("all events", lambda: client.state(stream)["messages"] >= n and
                           len({e["eventId"] for e in arrived()}) >= n, 180)
        self.assertEqual({e["payload"]["n"] for e in arrived()}, set(range(n)))
        self.assertEqual(self.server.items("/v2/dlq"), [])


if __name__ == "__main__":
    harness.main()
