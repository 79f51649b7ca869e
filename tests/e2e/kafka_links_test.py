#!/usr/bin/env python3
"""Goal: links of Kafka read each message of each partition into the log once and write each event at least once,
whoever is killed or cut off meanwhile; a topic that went back, or is another one, stops the source; order by key
stays. Method: librdkafka's mock cluster, in memory (tests/support/kafka_mock.c; Debian has no broker of Kafka):
its connections are cut, its requests fail as they are told to."""
import base64
import json
import os
import time
import unittest

import harness
import kafka_peer
from links_test import LinkCase, ROUNDS, tearDownModule  # noqa: F401 (the module's end)

EACH = int(os.environ.get("MILLRACE_LINK_ENTRIES", "1500"))  # of a round


@unittest.skipUnless(os.path.exists(kafka_peer.BINARY), "kafka_mock is not built")
class KafkaCase(LinkCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = kafka_peer.Kafka()
        cls.addClassCleanup(cls.kafka.close)
        super().setUpClass()

    def config(self, topic, **config):
        return {"brokers": self.kafka.brokers, "topic": topic, **config}

    def source(self, topic, **config):
        return self.create(direction="in", type="kafka", config=self.config(topic, **config))

    def topic(self, partitions=2):
        name = self.unique("t")
        self.kafka.topic(name, partitions)
        return name

    def add(self, topic, pattern, numbers, partition=0):
        self.kafka.put(topic, partition, [self.envelope(pattern, n) for n in numbers])

    def no_lag(self, id):
        return harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))


class Documents(KafkaCase):
    def refused(self, member, direction="in", **config):
        reply = self.server.post("/v2/links", {"direction": direction, "type": "kafka", "config": {
            "brokers": "127.0.0.1:9092", "topic": "t", **config}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", member)

    def test_bad_configs_name_the_member(self):
        for brokers in ("", "h", "h:0", "h:70000", "h:1,", "a b:1", "x://h:1", "h:1;i:2", "2001:db8::1:9092"):
            self.refused("config.brokers", brokers=brokers)
        for topic in ("", "a b", "..", "t" * 250, "\u00e4"):
            self.refused("config.topic", topic=topic)
        self.refused("config.mechanism", mechanism="GSSAPI")
        self.refused("config.password", password="plain")
        self.refused("config.tls", tls="yes")
        self.refused("config.from", **{"from": "7"})
        self.refused("config.host", host="h")
        self.refused("config.pattern", format="text", pattern="{subject}")

    def test_documents_are_shown_as_they_are(self):
        id = self.create(direction="in", type="kafka", config={
            "brokers": "h.invalid:9092,[::1]:9093", "topic": "t", "user": "u", "password": "{{secrets.kafka}}",
            "mechanism": "SCRAM-SHA-256", "tls": True})
        self.assertEqual(self.link(id)["config"], {
            "brokers": "h.invalid:9092,[::1]:9093", "topic": "t", "user": "u", "password": "{{secrets.kafka}}",
            "mechanism": "SCRAM-SHA-256", "tls": True, "from": "start", "format": "envelope"})
        self.assertEqual(self.server.request("PUT", "/v2/links/" + id, self.link(id)).status, 200)
        changed = {**self.link(id)["config"], "topic": "other"}
        self.assertEqual(self.server.request("PATCH", "/v2/links/" + id, {"config": changed}).status, 400)
        moved = {**self.link(id)["config"], "brokers": "other.invalid:9092"}
        self.assertEqual(self.server.request("PATCH", "/v2/links/" + id, {"config": moved}).status, 200)
        self.assertIn("secret", self.wait_state(id, "retrying")["reason"])

    def test_only_brokers_that_may_be_called_are(self):
        for brokers in ("10.0.0.1:9092", "127.0.0.2:9092"):
            id = self.create(direction="in", type="kafka", config={"brokers": brokers, "topic": "t"})
            tested = self.order(id, "test")
            self.assertFalse(tested["success"])
            self.assertIn("http_client.allow", tested["error"])

    def test_brokers_that_are_not_there_are_tried_again(self):
        id = self.create(direction="in", type="kafka", config={"brokers": "127.0.0.1:1", "topic": "t"})
        self.assertIn("refused", self.wait_state(id, "retrying")["reason"])
        self.assertFalse(self.order(id, "test")["success"])


class Sources(KafkaCase):
    def test_messages_become_events(self):
        pattern, topic = self.unique("kafka.a"), self.topic(3)
        id = self.source(topic)
        self.assertTrue(self.order(id, "test")["success"])
        for partition in range(3):
            texts = [self.envelope(pattern, n) for n in range(partition, 3_000, 3)]
            self.kafka.put(topic, partition, texts, key=f"of-{partition}")
        numbers = self.wait_numbers(pattern, 3_000)
        for partition in range(3):
            mine = [n for n in numbers if n % 3 == partition]
            self.assertEqual(mine, sorted(mine, reverse=True))  # the last one first
        status = self.no_lag(id)
        self.assertEqual((status["taken"], status["lagUnit"]), (3_000, "messages"))
        self.assertEqual([p["next"] for p in status["position"]["partitions"]], [1_000] * 3)
        self.add(topic, pattern, [3_000])
        self.wait_numbers(pattern, 3_001)
        self.assertEqual((status["gaps"], status["duplicates"], status["state"]), (0, 0, "running"))

    def test_forms_keys_traces_and_poison(self):
        pattern, topic = self.unique("kafka.b"), self.topic(1)
        poison = b"\x00\xffnot json"
        parent = "00-12345678901234567890123456789012-1234567890123456-01"
        self.kafka.put(topic, 0, ['{"n":0}'], key="customer-7", trace=parent)
        self.kafka.put(topic, 0, [poison, b""])
        self.kafka.put(topic, 0, ['{"n":1}'])
        id = self.source(topic, format="payload", pattern=pattern)
        self.wait_numbers(pattern, 2)
        events = {e["payload"]["n"]: e for e in self.server.all_events(pattern)}
        self.assertEqual((events[0]["partitionKey"], events[0]["traceparent"]), ("customer-7", parent))
        self.assertNotIn("partitionKey", events[1])
        harness.wait_until("letters", lambda: self.status(id)["rejected"] == 2)
        letters = [l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id]
        self.assertEqual(sorted(base64.b64decode(l["event"]["x-link"]["base64"]) for l in letters), [b"", poison])
        late = self.unique("kafka.late")
        id = self.source(topic, format="text", pattern=late, **{"from": "end"})
        self.wait_state(id, "running")
        self.kafka.put(topic, 0, ["hello"])
        harness.wait_until("a text", lambda: self.count(late) == 1)
        self.assertEqual(self.server.all_events(late)[0]["payload"], {"text": "hello"})

    def test_what_is_too_long_for_an_event_is_a_letter_and_reading_goes_on(self):
        pattern, topic = self.unique("kafka.long"), self.topic(1)
        self.kafka.put(topic, 0, [json.dumps({"x": "y" * 2_500_000}), '{"n":0}'])
        id = self.source(topic, format="payload", pattern=pattern)
        self.wait_numbers(pattern, 1)
        letter = next(l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id)
        self.assertEqual(letter["event"]["x-link"]["bytes"], 2_500_009)

    def test_an_envelope_keeps_its_own_key(self):
        pattern, topic = self.unique("kafka.c"), self.topic(1)
        self.kafka.put(topic, 0, [self.envelope(pattern, 0), self.envelope(pattern, 1, partitionKey="own")], key="k")
        self.source(topic)
        self.wait_numbers(pattern, 2)
        self.assertEqual({e["payload"]["n"]: e["partitionKey"] for e in self.server.all_events(pattern)},
                         {0: "k", 1: "own"})

    def test_a_topic_that_is_another_one_stops_until_it_is_reset(self):
        pattern, topic = self.unique("kafka.d"), self.topic(1)
        other = kafka_peer.Kafka()
        self.addCleanup(other.close)
        id = self.source(topic)
        self.add(topic, pattern, range(10))
        self.wait_numbers(pattern, 10)
        self.no_lag(id)

        def move(kafka):
            config = {**self.link(id)["config"], "brokers": kafka.brokers}
            self.assertEqual(self.server.request("PATCH", "/v2/links/" + id, {"config": config}).status, 200)
        other.topic(topic, 1)
        other.put(topic, 0, [self.envelope(pattern, n) for n in range(10, 15)])
        move(other)
        self.assertIn("gone back", self.wait_state(id, "stopped")["reason"])
        other.put(topic, 0, [self.envelope(pattern, n) for n in range(15, 40)])
        self.order(id, "resume")
        harness.wait_until("another reason", lambda: "filled again" in (self.status(id)["reason"] or ""))
        self.assertEqual(self.count(pattern), 10)
        self.server.kill()
        self.server.start()
        self.assertIn("filled again", self.wait_state(id, "stopped")["reason"])
        move(self.kafka)
        self.order(id, "resume")
        self.add(topic, pattern, [40])
        harness.wait_until("what came later", lambda: self.count(pattern) == 11)
        move(other)
        self.wait_state(id, "stopped")
        self.order(id, "reset", {"to": "start"})
        # Its offsets are others' than those of before: nothing is taken for a duplicate.
        harness.wait_until("the others", lambda: self.count(pattern) == 11 + 30)

    def test_what_was_dropped_unread_is_told(self):
        pattern, topic = self.unique("kafka.e"), self.topic(1)
        id = self.source(topic)
        self.add(topic, pattern, range(5))
        self.wait_numbers(pattern, 5)
        self.no_lag(id)
        self.order(id, "pause")
        self.wait_state(id, "paused")
        # The mock keeps 5 MiB of a partition.
        for begin in range(100, 115):
            self.kafka.put(topic, 0, [json.dumps({"pattern": pattern, "payload": {"n": begin, "x": "y" * 500_000}})])
        first = self.kafka.bounds(topic)[0][0]
        self.assertGreater(first, 5)
        self.order(id, "resume")
        harness.wait_until("the rest", lambda: self.status(id)["taken"] == 5 + 20 - first)
        gap = [e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id]
        self.assertEqual([g["payload"]["missed"] for g in gap], [first - 5])
        self.assertEqual((self.status(id)["missed"], self.status(id)["gaps"]), (first - 5, 1))

    def test_brokers_that_fail_or_change_are_read_on(self):
        pattern, topic = self.unique("kafka.f"), self.topic(2)
        id = self.source(topic)
        self.add(topic, pattern, range(100))
        self.wait_numbers(pattern, 100)
        self.kafka.errors(kafka_peer.FETCH, kafka_peer.NOT_LEADER, 10)
        self.add(topic, pattern, range(100, 200), 1)
        self.wait_numbers(pattern, 200)
        for broker in (1, 2, 1):
            self.kafka.say(f"leader {topic} 0 {broker}")
            count = self.count(pattern)
            self.add(topic, pattern, range(count, count + 100), 0)
            self.wait_numbers(pattern, count + 100)
        self.kafka.say("down")
        self.wait_state(id, "retrying")
        self.kafka.say("up")
        self.add(topic, pattern, range(500, 600))
        self.wait_numbers(pattern, 600)
        status = self.no_lag(id)
        self.assertEqual((status["gaps"], status["rejected"], status["taken"]), (0, 0, 600))

    def test_an_order_to_stop_and_to_begin_anew(self):
        pattern, topic = self.unique("kafka.g"), self.topic(1)
        id = self.source(topic)
        self.add(topic, pattern, range(10))
        self.wait_numbers(pattern, 10)
        self.order(id, "reset", {"to": "start"})
        harness.wait_until("duplicates", lambda: self.status(id)["duplicates"] == 10)
        self.order(id, "reset", {"to": "end"})
        self.no_lag(id)
        self.assertEqual(self.count(pattern), 10)
        self.assert_error(self.server.post(f"/v2/links/{id}/reset", {"to": "7"}), 400, "VALIDATION_ERROR", "to")

    def test_each_message_once_over_kills_of_us_and_cut_connections(self):
        pattern, topic = self.unique("kafka.h"), self.topic(2)
        id = self.source(topic)
        for turn in range(ROUNDS):
            self.add(topic, pattern, range(turn * EACH, (turn + 1) * EACH), turn % 2)
            time.sleep(0.2)
            if turn % 2 == 0:
                self.server.kill()
                self.server.start()
            else:
                self.kafka.say("down")
                time.sleep(0.3)
                self.kafka.say("up")
        self.wait_numbers(pattern, ROUNDS * EACH)
        status = self.no_lag(id)
        self.assertEqual((status["taken"], status["gaps"], status["rejected"]), (ROUNDS * EACH, 0, 0))


class Sinks(KafkaCase):
    def sink(self, pattern, retries=0, **config):
        topic = config.pop("topic", None) or self.topic(4)
        id = self.create(direction="out", type="kafka", config=self.config(topic, **config))
        made = self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}, "ordering": "none",
            "retry": {"maxRetries": retries, "initialDelayMs": 100, "maxDelayMs": 500}})
        self.assertEqual(made.status, 201, made)
        return id, topic

    def test_deliveries_become_messages_in_the_order_of_their_keys(self):
        pattern = self.unique("kafka.out")
        id, topic = self.sink(pattern)
        self.assertTrue(self.order(id, "test")["success"])
        for n in range(60):
            reply = self.server.post("/v2/events", {"pattern": pattern, "partitionKey": f"k{n % 3}", "payload": {"n": n}})
            self.assertEqual(reply.status, 202, reply)
        harness.wait_until("all sent", lambda: self.status(id)["sent"] == 60)
        of_key = {}
        for partition, _, key, headers, text in self.kafka.read(topic):
            event = json.loads(text)
            self.assertEqual(key, event["partitionKey"])
            self.assertIn(f"eventId={event['eventId']};pattern={pattern};", headers)
            of_key.setdefault(key, []).append((partition, event["payload"]["n"]))
        for key, found in of_key.items():
            self.assertEqual(len({partition for partition, _ in found}), 1, key)
            self.assertEqual(len(found), 20)

    def test_a_stream_writes_the_log_in_the_order_of_its_keys(self):
        pattern, topic = self.unique("kafka.stream"), self.topic(4)
        for n in range(300):
            reply = self.server.post("/v2/events", {"pattern": pattern, "partitionKey": f"k{n % 3}", "payload": {"n": n}})
            self.assertEqual(reply.status, 202, reply)
        self.create(direction="out", type="kafka", mode="stream",
                    config=self.config(topic, pattern=pattern, **{"from": "start"}))
        harness.wait_until("all of them", lambda: len(self.kafka.read(topic)) == 300)
        of_key = {}
        for _, _, key, _, text in self.kafka.read(topic):
            of_key.setdefault(key, []).append(json.loads(text)["payload"]["n"])
        self.assertEqual(of_key, {f"k{k}": list(range(k, 300, 3)) for k in range(3)})

    def test_what_the_brokers_refuse_fails_alone(self):
        pattern = self.unique("kafka.large")
        id, topic = self.sink(pattern)
        self.server.send_event(pattern, {"n": 0})
        harness.wait_until("one sent", lambda: self.status(id)["sent"] == 1)
        self.kafka.errors(kafka_peer.PRODUCE, kafka_peer.TOO_LARGE, 1)
        self.server.send_event(pattern, {"n": 1})
        harness.wait_until("one failed", lambda: self.status(id)["failed"] == 1)
        self.assertIn("large", self.status(id)["lastError"]["message"].lower())
        self.server.send_event(pattern, {"n": 2})
        harness.wait_until("another sent", lambda: self.status(id)["sent"] == 2)
        self.assertEqual(sorted(json.loads(m[4])["payload"]["n"] for m in self.kafka.read(topic)), [0, 2])

    def test_what_is_too_large_for_the_topic_holds_up_no_stream(self):
        pattern, topic = self.unique("kafka.huge"), self.topic(1)
        id = self.create(direction="out", type="kafka", mode="stream", config=self.config(topic, pattern=pattern))
        self.server.send_event(pattern, {"n": 0})
        harness.wait_until("one sent", lambda: self.status(id)["sent"] == 1)
        self.kafka.errors(kafka_peer.PRODUCE, kafka_peer.TOO_LARGE, 1)
        huge = self.server.send_event(pattern, {"n": 1})["eventId"]
        letter = harness.wait_until("its letter", lambda: [x for x in self.server.items("/v2/dlq?pattern=system.link.unsent")
                                                           if huge in json.dumps(x)])
        self.assertIn("large", letter[0]["error"].lower())
        self.server.send_event(pattern, {"n": 2})
        harness.wait_until("another sent", lambda: self.status(id)["sent"] == 2)
        self.assertEqual([json.loads(m[4])["payload"]["n"] for m in self.kafka.read(topic)], [0, 2])

    def test_a_producer_that_came_to_its_end_is_followed_by_another(self):
        pattern = self.unique("kafka.fatal")
        id, topic = self.sink(pattern, retries=20)
        for turn in range(3):
            for n in range(turn * 10, turn * 10 + 10):
                self.server.send_event(pattern, {"n": n})
            harness.wait_until("all sent", lambda: self.status(id)["sent"] >= turn * 10 + 10)
            self.kafka.errors(kafka_peer.PRODUCE, kafka_peer.OUT_OF_ORDER, 1)
        self.server.send_event(pattern, {"n": 30})
        harness.wait_until("the last one", lambda: self.status(id)["sent"] >= 31)
        self.assertIn("sequence", self.status(id)["lastError"]["message"])
        self.assertEqual({json.loads(m[4])["payload"]["n"] for m in self.kafka.read(topic)}, set(range(31)))

    def test_a_topic_that_is_not_there(self):
        id = self.create(direction="out", type="kafka", config={"brokers": "127.0.0.1:1", "topic": "none"})
        self.assertIn("refused", self.wait_state(id, "retrying")["reason"])

    def test_each_event_at_least_once_over_kills_of_us_and_cut_connections(self):
        pattern = self.unique("kafka.kills")
        id, topic = self.sink(pattern, retries=100)
        for turn in range(ROUNDS):
            lines = [json.dumps({"pattern": pattern, "payload": {"n": turn * EACH + i}}) for i in range(EACH)]
            reply = self.server.post("/v2/events?ids=0", "\n".join(lines), content_type="application/x-ndjson")
            self.assertEqual(reply.status, 202, reply)
            time.sleep(0.1)
            if turn % 2 == 0:
                self.server.kill()
                self.server.start()
            else:
                self.kafka.say("down")
                time.sleep(0.3)
                self.kafka.say("up")

        def all_there():
            numbers = {json.loads(m[4])["payload"]["n"] for m in self.kafka.read(topic)}
            return numbers == set(range(ROUNDS * EACH))
        harness.wait_until("all of them", all_there, 120)
        self.assertEqual([l for l in self.server.items("/v2/dlq") if l["eventType"] == pattern], [])


if __name__ == "__main__":
    harness.main()
