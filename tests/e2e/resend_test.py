#!/usr/bin/env python3
"""Goal: an event that the server named is a duplicate when it is sent again, however it comes: what
`event export` has written is loaded into the same server as nothing new, into another one as new.
Method: two shards, events with and without keys and sources; everything is sent once more."""
import json
import subprocess
import unittest

import harness
from keyed import KeyedCase


def events(pattern, count):
    """Without ids: every other one has a key, every third a source."""
    out = []
    for n in range(count):
        event = {"pattern": pattern, "payload": {"n": n}}
        if n % 2:
            event["partitionKey"] = f"k{n % 7}"
        if n % 3 == 0:
            event["source"] = {"type": "integration", "id": f"s{n % 2}"}
        out.append(event)
    return out


class Resend(KeyedCase):
    COUNT = 3000

    def cli(self, *args, key=None, stdin=None, server=None):
        done = subprocess.run(
            [harness.BINARY, "-o", "json", *args], capture_output=True, timeout=60, input=stdin,
            env=harness.clean_environment({"MILLRACE_SERVER": (server or self.server).ready["http"],
                                           "MILLRACE_API_KEY": self.server.api_key if key is None else key}))
        self.assertEqual(done.returncode, 0, (args, done.stdout, done.stderr))
        return done.stdout

    def sent(self, count=20, key=None):
        """The events of a pattern of their own, as the server tells them."""
        pattern = self.unique("named.")
        headers = {"X-API-Key": key or self.server.api_key}
        made = self.server.post("/v2/events", events(pattern, count), headers=headers).json()
        self.assertEqual(made["accepted"], count)
        told = [json.loads(line) for line in self.cli(
            "event", "export", "--pattern", pattern, key=key).splitlines()]
        self.assertEqual(len(told), count)
        return pattern, told

    def count(self, pattern, key=None):
        return json.loads(self.cli("event", "count", "--pattern", pattern, key=key))["count"]

    def test_an_export_is_loaded_as_nothing_new(self):
        pattern = self.unique("export.")
        self.assertEqual(self.server.post("/v2/events?ids=0", events(pattern, self.COUNT)).json()["accepted"], self.COUNT)
        exported = self.cli("event", "export", "--pattern", pattern)
        for _ in range(2):
            loaded = json.loads(self.cli("event", "load", "-", stdin=exported))
            self.assertEqual((loaded["accepted"], loaded["duplicates"], loaded["rejected"]), (0, self.COUNT, 0))
        self.assertEqual(self.count(pattern), self.COUNT)
        other = harness.Server()
        self.addCleanup(other.close)
        other.start()
        for new, old in ((self.COUNT, 0), (0, self.COUNT)):
            loaded = json.loads(self.cli("event", "load", "-", stdin=exported, server=other, key=""))
            self.assertEqual((loaded["accepted"], loaded["duplicates"]), (new, old))

    def test_it_is_told_where_the_first_one_stands(self):
        pattern, told = self.sent()
        for query in ("", "?atomic=1"):
            reply = self.server.post("/v2/events" + query, told).json()
            self.assertEqual((reply["accepted"], reply["duplicates"]), (0, len(told)), query)
            for event, answer in zip(told, reply["events"]):
                first = self.server.get(f"/v2/events/{event['eventId']}").json()
                self.assertEqual((answer["eventId"], answer["shard"], answer["offset"], answer["duplicate"]),
                                 (event["eventId"], first["shard"], first["offset"], True))
        one = self.server.post("/v2/events", told[0]).json()
        self.assertEqual((one["accepted"], one["duplicates"]), (0, 1))
        self.assertEqual(self.count(pattern), len(told))

    def test_among_new_ones_of_a_batch_that_is_all_or_none(self):
        pattern, told = self.sent()
        mixed = told + [{"pattern": pattern, "eventId": f"{pattern}-{n}", "partitionKey": f"k{n}", "payload": {}}
                        for n in range(10)]
        for new in (10, 0):
            reply = self.server.post("/v2/events?atomic=1", mixed).json()
            self.assertEqual((reply["accepted"], reply["duplicates"]), (new, len(mixed) - new))
        self.assertEqual(self.count(pattern), len(mixed))

    def test_by_lines(self):
        pattern, told = self.sent()
        client = harness.LineClient(self.server)
        client.send({"hello": {"apiKey": self.server.api_key}}, *told)
        rejects, _ = client.read_until_ack(len(told))
        self.assertEqual(rejects, [])
        client.close()
        self.assertEqual(self.count(pattern), len(told))

    def test_another_source_or_tenant_is_another_event(self):
        pattern, told = self.sent()
        moved = [dict(event, source={"type": "task", "id": "elsewhere"}) for event in told]
        for new in (len(told), 0):
            self.assertEqual(self.server.post("/v2/events", moved).json()["accepted"], new)
        self.assertEqual(self.count(pattern), 2 * len(told))
        self.assertEqual(self.server.post("/v2/tenants", {"id": "resends"}).status, 201)
        key = self.make_key(tenantId="resends", role="admin", name="resends")["key"]
        for new in (len(told), 0):
            reply = self.ask(key, "POST", "/v2/events", told).json()
            self.assertEqual((reply["accepted"], reply["duplicates"]), (new, len(told) - new))

    def test_it_makes_no_second_step(self):
        pattern = self.unique("steps.")
        rule = {"transition": {"key": "$.id", "field": "$.status",
                               "allowed": {"null": ["draft"], "draft": ["sent"], "sent": ["paid"], "paid": []}}}
        made = self.server.post("/v2/schemas", {"id": pattern, "pattern": pattern, "schema": {}, "rules": [rule]})
        self.assertEqual(made.status, 201, made)
        step = lambda status: self.server.send_event(pattern, {"id": "o1", "status": status})
        step("draft")
        step("sent")
        exported = self.cli("event", "export", "--pattern", pattern)
        loaded = json.loads(self.cli("event", "load", "-", stdin=exported))
        self.assertEqual((loaded["accepted"], loaded["duplicates"], loaded["rejected"]), (0, 2, 0))
        step("paid")

    def test_after_a_restart(self):
        pattern, told = self.sent()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.post("/v2/events", told).json()["duplicates"], len(told))
        self.assertEqual(self.count(pattern), len(told))


if __name__ == "__main__":
    unittest.main()
