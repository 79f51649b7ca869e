#!/usr/bin/env python3
"""Goal: links of AMQP read each message of a queue into the log at least once, once where it has a message-id, and
send each event at least once, whoever is killed meanwhile; what no queue takes fails; why a broker ends something
is told. Method: Debian's rabbitmq-server where it is installed (else all is skipped), and a client of two hundred
lines (amqp_peer)."""
import base64
import json
import os
import time
import unittest

import amqp_peer
import harness
from links_test import LinkCase, ROUNDS, tearDownModule  # noqa: F401 (the module's end)

EACH = int(os.environ.get("MILLRACE_LINK_ENTRIES", "1000"))  # of a round


@unittest.skipUnless(amqp_peer.BINARY and amqp_peer.EPMD, "rabbitmq-server is not installed (tools/setup links)")
class AmqpCase(LinkCase):
    @classmethod
    def setUpClass(cls):
        cls.rabbit = amqp_peer.Rabbit().start()
        cls.addClassCleanup(cls.rabbit.close)
        super().setUpClass()

    def setUp(self):
        self.client = self.rabbit.client()
        self.addCleanup(lambda: self.client.close())

    def config(self, **config):
        return {"host": "127.0.0.1", "port": self.rabbit.port, **config}

    def source(self, **config):
        return self.create(direction="in", type="amqp", config=self.config(**config))

    def queue(self):
        name = self.unique("q")
        self.client.declare(name)
        return name

    def add(self, queue, pattern, numbers):
        self.client.add(queue, [(self.envelope(pattern, n), {"message_id": f"{pattern}-{n}"}) for n in numbers])

    def no_lag(self, id):
        return harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))

    def kill_rabbit(self):
        self.client.close()
        self.rabbit.kill()
        self.rabbit.start()
        self.client = self.rabbit.client()


class Sources(AmqpCase):
    def test_messages_become_events_and_are_acknowledged(self):
        pattern, queue = self.unique("amqp.a"), self.queue()
        self.add(queue, pattern, range(500))
        id = self.source(queue=queue)
        self.assertTrue(self.order(id, "test")["success"])
        self.wait_numbers(pattern, 500)
        self.add(queue, pattern, range(500, 501))
        self.wait_numbers(pattern, 501)
        status = self.no_lag(id)
        self.assertEqual((status["taken"], status["state"], status["lagUnit"]), (501, "running", "messages"))
        self.order(id, "pause")
        self.wait_state(id, "paused")
        harness.wait_until("nothing left", lambda: self.client.length(queue) == 0)
        self.kill_rabbit()
        self.assertEqual(self.client.length(queue), 0)
        self.assert_error(self.server.post(f"/v2/links/{id}/reset", {"to": "end"}), 400, "VALIDATION_ERROR", "to")

    def test_forms_traces_and_poison(self):
        pattern, queue = self.unique("amqp.b"), self.queue()
        poison = b"\x00\xffnot json"
        parent = "00-12345678901234567890123456789012-1234567890123456-01"
        exchange = self.unique("x")
        self.client.exchange(exchange)
        self.client.bind(queue, exchange, "#")
        self.client.add("shop.de", [('{"n":0}', {"headers": {"traceparent": parent, "n": 7}, "timestamp": 1_700_000_000}),
                                    poison, "", '{"n":1}'], exchange)
        id = self.source(queue=queue, format="payload", pattern=pattern + ".{subject}")
        self.wait_numbers(pattern + ".shop.de", 2)
        event = next(e for e in self.server.all_events(pattern + ".shop.de") if e["payload"]["n"] == 0)
        self.assertEqual((event["traceparent"], event["timestamp"][:19]), (parent, "2023-11-14T22:13:20"))
        harness.wait_until("letters", lambda: self.status(id)["rejected"] == 2)
        letters = [l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id]
        self.assertEqual(sorted(base64.b64decode(l["event"]["x-link"]["base64"]) for l in letters), [b"", poison])
        harness.wait_until("all acknowledged", lambda: self.no_lag(id))
        self.client.add("shop.de", [json.dumps({"x": "y" * 1_500_000}), '{"n":0}'], exchange)
        harness.wait_until("a letter", lambda: self.status(id)["rejected"] == 3)

    def test_what_comes_again_is_a_duplicate_where_it_has_an_id(self):
        pattern, queue = self.unique("amqp.c"), self.queue()
        id = self.source(queue=queue)
        for _ in range(2):
            self.add(queue, pattern, range(10))
        harness.wait_until("duplicates", lambda: self.status(id)["duplicates"] == 10)
        self.assertEqual(self.count(pattern), 10)
        again, queue = self.unique("amqp.again"), self.queue()
        self.client.add(queue, ['{"n":0}', '{"n":1}'])
        other = self.rabbit.client()
        other.hold(queue)
        other.close()
        self.source(queue=queue, format="payload", pattern=again)
        self.wait_numbers(again, 2)
        self.assertEqual({e["payload"]["n"]: e.get("x-link") for e in self.server.all_events(again)},
                         {0: {"redelivered": True}, 1: None})
        careless, queue = self.unique("amqp.d"), self.queue()
        self.source(queue=queue, ignoreMessageIds=True)
        self.client.add(queue, [(self.envelope(careless, n), {"message_id": "1"}) for n in range(10)])
        self.client.add(queue, [self.envelope(careless, n) for n in range(10, 20)])
        self.wait_numbers(careless, 20)

    def test_a_queue_that_is_not_there_and_one_that_is_taken_away(self):
        queue = self.unique("late")
        id = self.source(queue=queue)
        self.assertIn("NOT_FOUND", self.wait_state(id, "retrying")["reason"])
        self.assertIn("NOT_FOUND", self.order(id, "test")["error"])
        self.client.declare(queue)
        self.wait_state(id, "running")
        self.client.delete(queue)
        harness.wait_until("it to be told", lambda: self.status(id)["state"] == "retrying")
        self.assertRegex(self.status(id)["lastError"]["message"], "queue is gone|NOT_FOUND")
        self.client.declare(queue)
        pattern = self.unique("amqp.e")
        self.add(queue, pattern, range(3))
        self.wait_numbers(pattern, 3)

    def test_only_addresses_that_may_be_called_are(self):
        id = self.create(direction="in", type="amqp", config={"host": "10.0.0.1", "queue": "q"})
        tested = self.order(id, "test")
        self.assertFalse(tested["success"])
        self.assertIn("http_client.allow", tested["error"])

    def test_each_message_once_over_kills_of_both(self):
        pattern, queue = self.unique("amqp.f"), self.queue()
        id = self.source(queue=queue)
        for turn in range(ROUNDS):
            self.add(queue, pattern, range(turn * EACH, (turn + 1) * EACH))
            if turn % 2 == 0:
                self.server.kill()
                self.server.start()
            else:
                self.kill_rabbit()
        self.wait_numbers(pattern, ROUNDS * EACH)
        status = self.no_lag(id)
        self.assertEqual((status["taken"] - status["duplicates"] <= ROUNDS * EACH, status["rejected"]), (True, 0))
        self.assertEqual(self.client.length(queue), 0)


class Secrets(AmqpCase):
    def test_a_password_is_a_secret(self):
        self.rabbit.control("add_user", "shop", "pw-of-amqp")
        self.rabbit.control("set_permissions", "shop", "", "", ".*")  # reads alone
        queue = self.queue()
        self.server.post("/v2/secrets", {"id": "amqp-pw", "value": "pw-of-amqp"})
        self.server.post("/v2/secrets", {"id": "amqp-no", "value": "another"})
        bad = self.source(queue=queue, user="shop", password="{{secrets.amqp-no}}")
        self.assertIn("ACCESS_REFUSED", self.wait_state(bad, "retrying")["reason"])
        good = self.source(queue=queue, user="shop", password="{{secrets.amqp-pw}}")
        self.wait_state(good, "running")
        self.assertNotIn("pw-of-amqp", json.dumps(self.link(good)))


class Sinks(AmqpCase):
    def sink(self, pattern, retries=0, **config):
        id = self.create(direction="out", type="amqp", config=self.config(**config))
        made = self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}, "ordering": "none",
            "retry": {"maxRetries": retries, "initialDelayMs": 100, "maxDelayMs": 500}})
        self.assertEqual(made.status, 201, made)
        return id

    def test_deliveries_become_messages(self):
        pattern, queue, exchange = self.unique("amqp.out"), self.queue(), self.unique("x")
        self.client.exchange(exchange)
        self.client.bind(queue, exchange, f"to.{pattern}.*")
        id = self.sink(pattern + ".*", exchange=exchange, routingKey="to.{pattern}")
        self.assertTrue(self.order(id, "test")["success"])
        for n in range(20):
            self.server.send_event(f"{pattern}.{n % 2}", {"n": n})
        harness.wait_until("all sent", lambda: self.status(id)["sent"] == 20)
        found = self.client.take_all(queue)
        self.assertEqual(sorted(json.loads(text)["payload"]["n"] for text, _ in found), list(range(20)))
        for text, properties in found:
            event = json.loads(text)
            self.assertEqual((properties["message_id"], properties["type"], properties["delivery_mode"]),
                             (event["eventId"], event["pattern"], 2))

    def test_what_no_queue_takes_fails_alone(self):
        pattern = self.unique("amqp.lost")
        id = self.sink(pattern + ".*", routingKey="{pattern}")
        self.client.declare(f"{pattern}.1")
        for n in range(4):
            self.server.send_event(f"{pattern}.{n % 2}", {"n": n})
        harness.wait_until("both", lambda: (self.status(id)["sent"], self.status(id)["failed"]) == (2, 2))
        self.assertIn("NO_ROUTE", self.status(id)["lastError"]["message"])
        self.assertEqual(self.client.length(f"{pattern}.1"), 2)

    def test_an_exchange_that_is_not_there(self):
        id = self.create(direction="out", type="amqp", config=self.config(exchange="none", routingKey="k"))
        self.assertIn("NOT_FOUND", self.wait_state(id, "retrying")["reason"])

    def test_each_event_at_least_once_over_kills_of_both(self):
        pattern, queue = self.unique("amqp.kills"), self.queue()
        self.sink(pattern, retries=100, routingKey=queue)
        for turn in range(ROUNDS):
            lines = [json.dumps({"pattern": pattern, "payload": {"n": turn * EACH + i}}) for i in range(EACH)]
            reply = self.server.post("/v2/events?ids=0", "\n".join(lines), content_type="application/x-ndjson")
            self.assertEqual(reply.status, 202, reply)
            time.sleep(0.1)
            if turn % 2 == 0:
                self.server.kill()
                self.server.start()
            else:
                self.kill_rabbit()
        seen = set()

        def all_there():
            seen.update(json.loads(text)["payload"]["n"] for text, _ in self.client.take_all(queue))
            return len(seen) == ROUNDS * EACH
        harness.wait_until("all of them", all_there, 120)
        self.assertEqual([l for l in self.server.items("/v2/dlq") if l["eventType"] == pattern], [])


if __name__ == "__main__":
    harness.main()
