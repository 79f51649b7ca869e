#!/usr/bin/env python3
"""Goal: links of MQTT 5 read what a broker keeps for them into the log at least once, and once where a message says
its eventId, over kill -9 of the server: a message is acknowledged when its event is on the disk. A session that the broker has lost is a gap.
With QoS 2 each comes once whatever it says. Sinks deliver with QoS 1, or 2: then each arrives once, whatever cuts the line. Method: a broker of the test's (mqtt_peer), and Debian's mosquitto where it is
installed (else those cases are skipped)."""
import base64
import json
import time
import unittest

import bad_line
import harness
import mosquitto_peer
import mqtt_peer
from links_test import LinkCase, ROUNDS, tearDownModule  # noqa: F401 (the module's end)


class MqttCase(LinkCase):
    def setUp(self):
        self.broker = mqtt_peer.Broker()
        self.addCleanup(self.broker.close)

    def mqtt(self, direction, **config):
        return self.create(direction=direction, type="mqtt", config={
            "host": "127.0.0.1", "port": self.broker.port, **config})

    def source(self, **config):
        id = self.mqtt("in", **config)
        self.wait_state(id, "running")
        return id

    def all_acked(self):
        harness.wait_until("all to be acknowledged", lambda: self.broker.unacked() == 0)


class Sources(MqttCase):
    def test_messages_become_events_in_their_order(self):
        pattern = self.unique("mqtt.a")
        id = self.source(topic="shop/+/sold")
        self.assertTrue(self.order(id, "test")["success"])
        self.broker.publish("shop/1/sold", *[self.envelope(pattern, n).encode() for n in range(3000)])
        self.broker.publish("shop/1/other", self.envelope(pattern, 7).encode())
        self.wait_numbers(pattern, 3000)
        self.all_acked()
        status = self.status(id)
        self.assertEqual((status["taken"], status["gaps"], status["lag"], self.broker.again), (3000, 0, None, 0))

    def test_forms_and_poison(self):
        pattern, poison = self.unique("mqtt.b"), b"\x00\xffnot json"
        id = self.source(topic="b/#", format="payload", pattern=pattern + ".{subject}")
        self.broker.publish("b/x", b'{"n":0}', poison, b'{"n":1}')
        self.wait_numbers(pattern + ".b.x", 2)
        harness.wait_until("a letter", lambda: self.status(id)["rejected"] == 1)
        letter = next(l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id)
        self.assertEqual(base64.b64decode(letter["event"]["x-link"]["base64"]), poison)
        self.all_acked()

    def test_each_comes_whoever_is_killed(self):
        pattern = self.unique("mqtt.c")
        id, n = self.source(topic="c"), 0
        for _ in range(ROUNDS):
            texts = [json.dumps({"eventId": f"{pattern}-{i}", "pattern": pattern, "payload": {"n": i}}).encode()
                     for i in range(n, n + 2000)]
            n += 2000
            self.broker.publish("c", *texts)
            self.server.kill()
            self.server.start()
        self.wait_numbers(pattern, n, 120)  # each once
        self.all_acked()
        self.assertEqual(self.status(id)["rejected"], 0)

    def test_a_session_that_the_broker_has_lost_is_a_gap(self):
        pattern = self.unique("mqtt.d")
        id = self.source(topic="d")
        self.broker.publish("d", self.envelope(pattern, 0).encode())
        self.wait_numbers(pattern, 1)
        self.broker.forget()
        gap = harness.wait_until("a gap", lambda: [
            e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id])
        self.assertIsNone(gap[0]["payload"]["missed"])
        self.wait_state(id, "running")
        self.broker.publish("d", self.envelope(pattern, 1).encode())
        self.wait_numbers(pattern, 2)

    def test_two_links_do_not_share_a_client_id(self):
        body = {"direction": "in", "type": "mqtt", "config": {
            "host": "127.0.0.1", "port": self.broker.port, "topic": "twin", "clientId": self.unique("twin")}}
        first = self.create(**body)
        self.assert_error(self.server.post("/v2/links", body), 409, "CONFLICT", f'knows link "{first}" already')

    def test_a_broker_that_is_gone_is_tried_again(self):
        id = self.source(topic="e")
        self.broker.close()
        self.assertIn("127.0.0.1", self.wait_state(id, "retrying")["reason"])


class Sinks(MqttCase):
    def deliver(self, **config):
        pattern = self.unique("mqtt.out")
        id = self.mqtt("out", **config)
        reply = self.server.post("/v2/subscriptions", {"pattern": pattern, "executor": {"type": "link", "linkId": id}})
        self.assertEqual(reply.status, 201, reply)
        return id, pattern

    def test_deliveries_become_messages(self):
        id, pattern = self.deliver(topic="out/{pattern}")
        for n in range(200):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("all of them", lambda: len(self.broker.received) >= 200)
        self.assertEqual({topic for topic, _ in self.broker.received}, {"out/" + pattern.replace(".", "/")})
        self.assertEqual(sorted(json.loads(text)["payload"]["n"] for _, text in self.broker.received), list(range(200)))
        harness.wait_until("none under way", lambda: self.status(id)["pending"] == 0)
        harness.wait_until("all of them counted",
                           lambda: (self.status(id)["sent"], self.status(id)["failed"]) == (200, 0))

    def test_a_broker_that_takes_few_at_once_gets_all(self):
        self.broker.room = 3
        id, pattern = self.deliver(topic="few")
        for n in range(100):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("all of them", lambda: len(self.broker.received) >= 100)
        harness.wait_until("none under way", lambda: self.status(id)["pending"] == 0)


@unittest.skipUnless(mosquitto_peer.BINARY, "no mosquitto")
class Real(LinkCase):
    """Against mosquitto, which takes its protocol more seriously than ours does."""

    def setUp(self):
        self.broker = mosquitto_peer.Mosquitto().start()
        self.addCleanup(self.broker.close)

    def source(self, **config):
        id = self.create(direction="in", type="mqtt", config={
            "host": "127.0.0.1", "port": self.broker.port, "format": "payload", **config})
        self.wait_state(id, "running")
        return id

    def publish(self, topic, numbers, qos):
        client = self.broker.client()
        client.publish(topic, *[b'{"n":%d}' % n for n in numbers], qos=qos)
        client.close()

    def test_each_of_qos_2_comes_once_whoever_is_killed(self):
        pattern, n = self.unique("mqtt.real"), 0
        id = self.source(topic="r/#", qos=2, pattern=pattern)
        for _ in range(ROUNDS):
            self.publish("r/a", range(n, n + 3000), 2)
            n += 3000
            self.server.kill()
            self.server.start()
        self.wait_numbers(pattern, n, 120)
        status = harness.wait_until("all to be taken", lambda: self.status(id)["taken"] == n and self.status(id))
        self.assertEqual((status["gaps"], status["rejected"], status["duplicates"]), (0, 0, 0))
        # All of it was released: what follows has the same packet ids.
        harness.wait_until("nothing unreleased", lambda: "received" not in self.status(id)["position"])
        self.publish("r/a", range(n, n + 100), 2)
        self.wait_numbers(pattern, n + 100)

    def test_each_of_qos_2_comes_once_whatever_shards_its_events_are_at_home_in(self):
        pattern, n = self.unique("mqtt.homes"), 0
        self.source(topic="h/#", qos=2, format="envelope")
        client = self.broker.client("homes")
        for _ in range(ROUNDS):
            client.publish("h/a", *[json.dumps({"pattern": pattern, "partitionKey": f"k{i % 7}", "payload": {"n": i}}).encode()
                                    for i in range(n, n + 3000)], qos=2)
            n += 3000
            self.server.kill()
            self.server.start()
        client.close()
        self.wait_numbers(pattern, n, 120)

    def test_a_session_outlives_the_broker_and_us(self):
        pattern = self.unique("mqtt.stay")
        id = self.source(topic="s", qos=1, pattern=pattern)
        self.publish("s", range(100), 1)
        self.wait_numbers(pattern, 100)
        self.order(id, "pause")
        self.publish("s", range(100, 500), 1)
        self.broker.stop()
        self.broker.start()
        self.order(id, "resume")
        self.wait_numbers(pattern, 500)
        self.assertEqual(self.status(id)["gaps"], 0)

    def test_a_stream_passes_what_makes_no_topic(self):
        reader, marker = self.broker.client("passed"), self.unique("mqtt.end")
        reader.subscribe("pass/#")
        prefix = self.unique("mqtt.pass")
        id = self.create(direction="out", type="mqtt", mode="stream", config={
            "host": "127.0.0.1", "port": self.broker.port, "topic": "pass/{pattern}", "pattern": "*"})
        for n, last in enumerate(("a", "no+topic", "no#topic", "b")):
            self.server.send_event(f"{prefix}.{last}", {"n": n})
        self.server.send_event(marker)
        got = [topic for topic, _ in reader.messages(3)]
        self.assertEqual(sorted(got), sorted("pass/" + name.replace(".", "/") for name in
                                             (prefix + ".a", prefix + ".b", marker)))
        letters = harness.wait_until("letters", lambda: len(found := [
            l for l in self.server.items("/v2/dlq") if l["error"].startswith(f"link {id}: ")]) == 2 and found)
        for letter in letters:
            self.assertIn("makes no topic", letter["error"])
        harness.wait_until("counts", lambda: (self.status(id)["sent"], self.status(id)["failed"]) == (3, 2))
        reader.close()
        self.server.request("DELETE", "/v2/links/" + id)

    def test_a_link_that_was_removed_leaves_its_successor_nothing(self):
        old, new = self.unique("mqtt.old"), self.unique("mqtt.new")

        def make(topic, pattern):
            return self.create(id="successor", direction="in", type="mqtt", config={
                "host": "127.0.0.1", "port": self.broker.port, "format": "payload", "topic": topic, "pattern": pattern})
        id = make("gone/#", old)
        self.wait_state(id, "running")
        self.assertEqual(self.server.request("DELETE", "/v2/links/" + id).status, 200)
        self.publish("gone/a", range(3), 1)
        id = make("here/#", new)
        self.wait_state(id, "running")
        self.publish("gone/a", range(3), 1)
        self.publish("here/a", range(2), 1)
        self.wait_numbers(new, 2)
        self.assertEqual(self.count(old), 0)

    def test_sinks(self):
        reader = self.broker.client("reader")
        reader.subscribe("out/#")
        id = self.create(direction="out", type="mqtt", config={
            "host": "127.0.0.1", "port": self.broker.port, "topic": "out/{pattern}"})
        pattern = self.unique("mqtt.to")
        self.assertEqual(self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}}).status, 201)
        for n in range(50):
            self.server.send_event(pattern, {"n": n})
        got = reader.messages(50)
        reader.close()
        self.assertEqual({topic for topic, _ in got}, {"out/" + pattern.replace(".", "/")})
        self.assertEqual(sorted(json.loads(text)["payload"]["n"] for _, text in got), list(range(50)))

    def arrived(self, reader, topic):
        """The numbers of all that has been sent to it."""
        client = self.broker.client("marker")
        client.publish(topic, b"end")
        client.close()
        numbers = []
        while (text := reader.messages(1)[0][1]) != b"end":
            numbers.append(json.loads(text)["payload"]["n"])
        return sorted(numbers)

    def send_numbers(self, pattern, numbers):
        lines = [json.dumps({"pattern": pattern, "payload": {"n": n}}) for n in numbers]
        reply = self.server.post("/v2/events?ids=0", "\n".join(lines), content_type="application/x-ndjson")
        self.assertEqual(reply.status, 202, reply)

    def test_of_sinks_with_qos_2_each_arrives_once_whatever_cuts_the_line(self):
        line = bad_line.BadLine(("127.0.0.1", self.broker.port), rate=2_000_000, delay=0.005, cut=0.4)
        self.addCleanup(line.close)
        config = {"host": "127.0.0.1", "port": int(line.address.rsplit(":", 1)[1]), "qos": 2}
        for mode in ("executor", "stream"):
            with self.subTest(mode):
                pattern, topic = self.unique("mqtt.once"), "once/" + mode
                reader = self.broker.client("reader-" + mode)
                reader.subscribe(topic, 2 if mode == "stream" else 1)
                more = {"pattern": pattern} if mode == "stream" else {}
                id = self.create(direction="out", type="mqtt", mode=mode, config={**config, "topic": topic, **more})
                if mode == "executor":
                    self.assertEqual(self.server.post("/v2/subscriptions", {
                        "pattern": pattern, "executor": {"type": "link", "linkId": id}, "ordering": "none",
                        "retry": {"maxRetries": 100, "initialDelayMs": 50, "maxDelayMs": 200}}).status, 201)
                cuts, count = line.cuts, 0
                while line.cuts < cuts + 2 * ROUNDS:
                    self.send_numbers(pattern, range(count, count + 200))
                    count += 200
                    time.sleep(0.02)
                harness.wait_until("all to be sent", lambda: self.status(id)["sent"] >= count and
                                   self.status(id)["pending"] == 0, 60)
                self.assertEqual(self.arrived(reader, topic), list(range(count)))
                reader.close()

    def test_a_stream(self):
        reader = self.broker.client("follower")
        reader.subscribe("log/#")
        pattern = self.unique("mqtt.log")
        id = self.create(direction="out", type="mqtt", mode="stream", config={
            "host": "127.0.0.1", "port": self.broker.port, "topic": "log/{pattern}", "pattern": pattern})
        for n in range(20):
            self.server.send_event(pattern, {"n": n})
        got = reader.messages(20)
        self.assertEqual(sorted(json.loads(text)["payload"]["n"] for _, text in got), list(range(20)))
        self.server.kill()
        self.server.start()
        self.server.send_event(pattern, {"n": 20})
        # What was not on the disk as sent comes again; nothing is left out.
        while json.loads(reader.messages(1)[0][1])["payload"]["n"] != 20:
            pass
        reader.close()
        self.wait_state(id, "running")


if __name__ == "__main__":
    unittest.main()
