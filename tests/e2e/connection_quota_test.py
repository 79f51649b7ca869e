"""How many connections and streams a key and its tenant may have at once, and what becomes of lines
that come faster than their key may send."""
import http.client
import json

import harness
from harness import LineClient, wait_until
from keyed import KeyedCase


class Connections(KeyedCase):
    def connect(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=20)
        self.addCleanup(connection.close)
        return connection

    def ask_on(self, connection, key, path="/v2/me"):
        connection.request("GET", path, headers={"X-API-Key": key["key"]})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body

    def assert_quota(self, answer, name, most):
        status, headers, body = answer
        self.assertEqual(status, 429, body)
        details = json.loads(body)["error"]["details"]
        self.assertEqual(details["violatedPolicies"], [name])
        self.assertEqual(details["limit"], most)
        self.assertGreaterEqual(int(headers["retry-after"]), 1)

    def test_of_a_key_and_free_again_when_they_end(self):
        key = self.make_key(name="few", role="viewer", quotas={"connections": 2})
        held = [self.connect() for _ in range(2)]
        for connection in held * 3:  # the same connection counts once
            self.assertEqual(self.ask_on(connection, key)[0], 200)
        third = self.connect()
        self.assert_quota(self.ask_on(third, key), "connections", 2)
        other = self.make_key(name="other", role="viewer")
        self.assertEqual(self.ask_on(third, other)[0], 200, "another key has its own")
        held[0].close()
        wait_until("room for one", lambda: self.ask_on(third, key)[0] == 200)
        # A connection that shows another key counts for that one.
        self.assertEqual(self.ask_on(held[1], other)[0], 200)
        fourth = self.connect()
        self.assertEqual(self.ask_on(fourth, key)[0], 200)

    def test_of_a_tenant_over_all_its_keys_and_both_faces(self):
        reply = self.server.post("/v2/tenants", {"id": "small", "name": "small",
                                                 "quotas": {"connections": 2, "streams": 1}})
        self.assertEqual(reply.status, 201, reply)
        keys = [self.make_key(name=f"k{i}", role="developer", tenantId="small") for i in range(2)]
        held = self.connect()
        self.assertEqual(self.ask_on(held, keys[0])[0], 200)
        lines = LineClient(self.server)
        lines.send({"hello": {"apiKey": keys[1]["key"]}}, {"pattern": "quota.a"})
        lines.read_until_ack(1)
        self.assert_quota(self.ask_on(self.connect(), keys[1]), "connections", 2)
        refused = LineClient(self.server)
        refused.send({"hello": {"apiKey": keys[0]["key"]}}, {"pattern": "quota.b"})
        error = refused.read()["error"]
        self.assertEqual((error["code"], error["details"]["violatedPolicies"]),
                         ("RATE_LIMIT_EXCEEDED", ["connections"]))
        refused.close()
        lines.close()
        wait_until("room for one", lambda: self.ask_on(self.connect(), keys[1])[0] == 200)

    def test_streams_of_a_key(self):
        key = self.make_key(name="streams", role="viewer", quotas={"streams": 1})
        first = self.server.raw_connection()
        ask = (f"GET /v2/events/stream HTTP/1.1\r\nHost: a\r\nX-API-Key: {key['key']}\r\n\r\n").encode()
        first.sendall(ask)
        self.assertIn(b" 200 ", first.recv(4096))
        second = self.connect()
        second.request("GET", "/v2/events/stream", headers={"X-API-Key": key["key"]})
        answer = second.getresponse()
        self.assertEqual(answer.status, 429)
        self.assertEqual(json.loads(answer.read())["error"]["details"]["violatedPolicies"],
                         ["streams"])
        first.close()


class Lines(KeyedCase):
    def test_of_lines_that_come_at_once_those_are_taken_that_fit(self):
        key = self.make_key(name="slow", role="publisher", quotas={"eventsPerSecond": 10})
        client = LineClient(self.server)
        client.send({"hello": {"apiKey": key["key"]}},
                    *({"pattern": "quota.lines", "payload": {"n": n}} for n in range(100)))
        rejects, _ = client.read_until_ack(100)
        self.assertLess(len(rejects), 100)
        self.assertGreaterEqual(len(rejects), 50)
        taken = len(self.server.all_events("quota.lines"))
        self.assertEqual(taken, 100 - len(rejects))
        self.assertGreaterEqual(taken, 10)
        for reject in rejects:
            self.assertEqual(reject["error"]["code"], "RATE_LIMIT_EXCEEDED")
            self.assertEqual(reject["error"]["details"]["violatedPolicies"], ["eventsPerSecond"])
        self.assertEqual(len({r["line"] for r in rejects}), len(rejects))
        client.close()


if __name__ == "__main__":
    harness.main()
