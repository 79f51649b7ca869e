#!/usr/bin/env python3
"""Goal: sdk.db.query asks a PostgreSQL of ours with parameters and no text splicing, in time and in
bounds, and a failure has its code; the example of the source documents (a payment, a phone number,
an SMS) runs. Method: Debian's server, started here on a port of its own; skipped where there is none."""
import json
import os
import re
import time
import unittest

import harness
import sink
from postgres_peer import BINARIES, Postgres


@unittest.skipUnless(os.path.exists(BINARIES + "/postgres"), "PostgreSQL is not installed")
class Database(sink.SinkCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        cls.server.post("/v2/secrets", {"name": "db.default", "value": cls.postgres.conninfo()})
        def answers():
            reply = cls.run_lua("return sdk.db.query('SELECT 1 AS one')")
            return reply.status == 200
        harness.wait_until("the database", answers)

    @classmethod
    def run_lua(cls, body, **members):
        script = cls.server.create_script("return function(event) %s end" % body, type="api", **members)
        return cls.server.post("/v2/script/run", {"scriptId": script})

    def result(self, body):
        reply = self.run_lua(body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["result"]

    def test_values_of_every_kind(self):
        self.assertEqual(self.result("""
            local rows = sdk.db.query([[SELECT 1::int4 AS i, 9007199254740993::int8 AS big, 1.50::numeric AS n,
                'a"b'::text AS t, true AS yes, NULL::int AS none, '{"a":[1]}'::jsonb AS j, 'NaN'::float8 AS nan,
                $1::text AS p, $2::int + 1 AS q, $3::jsonb AS o, $4::text IS NULL AS missing]],
                {"x'; DROP TABLE y; --", 41, {k = {1, 2}}, sdk.json.null})
            return rows[1]"""),
            {"i": 1, "big": 9007199254740993, "n": 1.5, "t": 'a"b', "yes": True, "none": None, "j": {"a": [1]},
             "nan": "NaN", "p": "x'; DROP TABLE y; --", "q": 42, "o": {"k": [1, 2]}, "missing": True})
        self.assertEqual(self.result("return #sdk.db.query('SELECT generate_series(1, 1000)')"), 1000)
        self.assertEqual(self.result("return sdk.db.query('SELECT 1 WHERE false')"), [])

    def test_the_example_of_the_sources(self):
        """003: Send SMS on payment received."""
        self.result("sdk.db.query('CREATE TABLE IF NOT EXISTS users (id int primary key, phone text)')")
        self.result("sdk.db.query('INSERT INTO users VALUES ($1, $2) ON CONFLICT DO NOTHING', {7, '+49170'})")
        self.server.post("/v2/actions", {"name": "sms.send", "executor": {"type": "webhook", "url": self.sink.url + "/sms"}})
        pattern = self.unique("PaymentReceived.")
        script = self.server.create_script("""
            local event = sdk.events.current().payload
            if event.amount > 10000 then
                local user = sdk.db.query("SELECT phone FROM users WHERE id = $1", {event.userID})
                sdk.sms.send{to = user.phone, message = "Payment of " .. event.amount .. " received"}
                sdk.log.info("SMS sent for high-value payment", {userID = event.userID, amount = event.amount})
            end""")
        one = self.server.subscribe(pattern, script)
        events = [self.server.send_event(pattern, {"amount": amount, "userID": 7}) for amount in (10, 20000)]
        for event in events:
            done = self.server.wait_executions(1, eventId=event["eventId"], subscriptionId=one)[0]
        self.assertEqual(done["logs"][0]["fields"], {"userID": 7, "amount": 20000})
        sent = self.sink.of("/sms")
        self.assertEqual([json.loads(r.body) for r in sent], [{"to": "+49170", "message": "Payment of 20000 received"}])

    def failure(self, body):
        return self.result("local ok, e = pcall(function() %s end) return {ok, e.code, e.message}" % body)

    def test_failures_have_their_codes(self):
        ok, code, message = self.failure("sdk.db.query('SELECT * FROM no_such_table')")
        self.assertEqual((ok, code), (False, "42P01"))
        self.assertIn("no_such_table", message)
        self.assertEqual(self.failure("sdk.db.query('SELECT $1::int', {'x'})")[1], "22P02")
        self.assertEqual(self.failure("sdk.db.query('SELECT 1; SELECT 2')")[1], "42601", "one statement")
        self.assertEqual(self.failure("sdk.db.query('SELECT 1', nil, {connection = 'nope'})")[1], "NOT_FOUND")
        self.assertEqual(self.failure("sdk.db.query('SELECT generate_series(1, 20000)')")[1], "TOO_LARGE")
        self.assertEqual(self.failure("sdk.db.query([[SELECT repeat('x', 2000000)]])")[1], "TOO_LARGE")
        self.assertEqual(self.failure("sdk.db.query('COPY (SELECT 1) TO STDOUT')")[1], "INVALID")
        for name, value, expected in (
                ("far", self.postgres.conninfo(host="10.1.2.3"), "BLOCKED"),
                ("socket", self.postgres.conninfo(host="/tmp"), "INVALID"),
                ("file", self.postgres.conninfo(passfile="/etc/passwd"), "INVALID"),
                ("wrong", self.postgres.conninfo(password="no"), "CONNECT"),
                ("closed", self.postgres.conninfo(port=1), "CONNECT"),
                ("text", "this is = no conninfo =", "INVALID")):
            self.server.post("/v2/secrets", {"name": "db." + name, "value": value})
            told = self.failure("sdk.db.query('SELECT 1', {}, {connection = '%s'})" % name)
            self.assertEqual(told[1], expected, (name, told))
            self.assertNotIn("pw-of-the-test", told[2])

    def test_no_transaction_is_left_open_for_the_next_query(self):
        self.result("sdk.db.query('CREATE TABLE IF NOT EXISTS kept (n int)')")
        for open_one in ("BEGIN", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE"):
            told = self.failure("sdk.db.query('%s')" % open_one)
            self.assertEqual(told[1], "INVALID", told)
        for n in range(20):
            self.result("sdk.db.query('INSERT INTO kept VALUES ($1)', {%d})" % n)
        self.assertEqual(self.postgres.ask("SELECT count(*) FROM kept"), "20", "others see them")
        self.assertEqual(self.result("return sdk.db.query('SELECT count(*) AS n FROM kept').n"), 20)

    def test_one_row_that_is_far_too_large_is_not_kept(self):
        def peak():
            with open(f"/proc/{self.server.process.pid}/status") as file:
                return int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) >> 10
        self.result("sdk.db.query('SELECT 1')")
        before = peak()
        told = self.failure("sdk.db.query([[SELECT repeat('x', 250000000)]])")
        self.assertEqual(told[1], "TOO_LARGE", told)
        self.assertLess(peak() - before, 60, "MiB: however quick the sender is, libpq is given 4")
        self.assertEqual(self.result("return sdk.db.query('SELECT 2 AS n').n"), 2)

    def test_time_is_bounded_and_others_go_on(self):
        began = time.monotonic()
        reply = self.run_lua("return sdk.db.query('SELECT pg_sleep(30)')", timeoutMs=300)
        self.assertEqual(reply.status, 500, reply)
        self.assertLess(time.monotonic() - began, 10)
        pattern = self.unique("many.")
        script = self.server.create_script("return function(e) return sdk.db.query('SELECT $1::int AS n', {e.payload.n}).n end")
        one = self.server.subscribe(pattern, script)
        for n in range(100):
            self.server.send_event(pattern, {"n": n})
        done = self.server.wait_executions(100, subscriptionId=one)
        self.assertEqual(sorted(e["result"] for e in done), list(range(100)))
        # PostgreSQL takes a moment to see that the one that was given up is gone.
        harness.wait_until("8 connections, and the one that asks", lambda: self.result(
            "return sdk.db.query([[SELECT count(*) AS n FROM pg_stat_activity WHERE "
            "application_name = 'millrace']]).n") <= 9)


if __name__ == "__main__":
    unittest.main()
