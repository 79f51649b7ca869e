#!/usr/bin/env python3
"""Goal: the event of a dead letter can be corrected before it is delivered again: what says which
event it is stays, the rest is checked as if it came in, the log keeps what came, the audit log says
who changed what, and it lasts over a crash. Method: handlers that fail until the event is right."""
import unittest

import harness

PICKY = ("return function(e) if e.payload.good ~= true then error('not good') end "
         "return {n = e.payload.n, id = e.eventId, m = e.metadata and e.metadata.correlationId} end")
ONCE = {"maxRetries": 0}


class Letters(harness.ServerCase):
    def letter_of(self, subscription):
        def there():
            found = self.server.get(f"/v2/dlq?subscriptionId={subscription}").json()["items"]
            return found[0] if found else None
        return harness.wait_until("the dead letter", there)

    def dead(self, source=PICKY, payload=None, **members):
        pattern = self.unique("edit.")
        one = self.server.subscribe(pattern, self.server.create_script(source), retry=ONCE)
        placed = self.server.send_event(pattern, payload or {"n": 1}, **members)
        return pattern, one, placed, self.letter_of(one)

    def edit(self, letter, event, **headers):
        return self.server.request("PUT", f"/v2/dlq/{letter['id']}/event", event, headers=headers)

    def replay(self, letter):
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", "").status, 202)

    def gone(self, letter):
        harness.wait_until("the letter to leave",
                           lambda: self.server.get("/v2/dlq/" + letter["id"]).status == 404)

    def test_the_corrected_event_is_delivered_and_the_log_keeps_what_came(self):
        pattern, one, placed, letter = self.dead(partitionKey="k")
        shown = self.server.get("/v2/dlq/" + letter["id"])
        event = dict(shown.json()["event"], payload={"n": 2, "good": True})
        event["metadata"] = {"correlationId": "c"}
        reply = self.edit(letter, event, **{"If-Match": shown.headers["etag"]})
        self.assertEqual(reply.status, 200, reply)
        now = reply.json()
        self.assertEqual(now["event"]["payload"], {"n": 2, "good": True})
        self.assertEqual(now["edited"]["count"], 1)
        self.assertEqual(now["edited"]["original"]["payload"], {"n": 1})
        self.assertNotEqual(reply.headers["etag"], shown.headers["etag"])
        self.assertEqual(self.letter_of(one)["event"]["payload"], {"n": 2, "good": True})
        kept = self.server.get("/v2/events/" + placed["eventId"]).json()
        self.assertEqual(kept["payload"], {"n": 1}, "the log says what came")
        self.replay(letter)
        self.gone(letter)
        done = self.server.wait_executions(1, subscriptionId=one)[0]
        self.assertEqual(done["result"], {"n": 2, "id": placed["eventId"], "m": "c"})
        rows = self.server.get(f"/v2/audit?kind=dead_letter&id={letter['id']}").json()["items"]
        edits = [r for r in rows if r["action"] == "edit"]
        self.assertEqual(len(edits), 1, rows)
        self.assertEqual(edits[0]["before"]["payload"], {"n": 1})
        self.assertEqual(edits[0]["entry"]["after"]["payload"], {"n": 2, "good": True})

    def test_a_later_edit_of_an_older_state_is_refused(self):
        _, _, _, letter = self.dead()
        shown = self.server.get("/v2/dlq/" + letter["id"])
        etag = shown.headers["etag"]
        event = dict(shown.json()["event"], payload={"n": 3})
        self.assertEqual(self.edit(letter, event, **{"If-Match": etag}).status, 200)
        self.assert_error(self.edit(letter, event, **{"If-Match": etag}), 409, "CONFLICT")
        twice = self.edit(letter, dict(event, payload={"n": 4}))
        self.assertEqual(twice.json()["edited"]["count"], 2, twice)
        self.assertEqual(twice.json()["edited"]["original"]["payload"], {"n": 1})

    def test_an_edit_that_does_not_help_stays_with_the_letter(self):
        _, one, _, letter = self.dead()
        event = dict(letter["event"], payload={"n": 5, "good": False})
        self.assertEqual(self.edit(letter, event).status, 200)
        self.replay(letter)
        tried = harness.wait_until("the second attempt", lambda: next(
            (e for e in [self.letter_of(one)] if len(e["attempts"]) == 2), None))
        self.assertEqual(tried["event"]["payload"], {"n": 5, "good": False})
        self.assertEqual(tried["edited"]["count"], 1)
        self.assertEqual(self.edit(letter, dict(event, payload={"n": 6, "good": True})).status, 200)
        self.replay(letter)
        self.gone(letter)

    def test_one_that_is_on_its_way_is_not_edited(self):
        slow = "return function(e) if sdk.kv.get('%s') then sdk.sleep(1500) end error('no') end"
        flag = self.unique("flag")
        _, one, _, letter = self.dead(slow % flag)
        setter = self.server.create_script("return function() sdk.kv.set('%s', 1) end" % flag, type="api")
        self.assertEqual(self.server.post("/v2/script/run", {"scriptId": setter}).status, 200)
        self.replay(letter)
        self.assert_error(self.edit(letter, letter["event"]), 409, "CONFLICT", "on its way back")
        harness.wait_until("its end", lambda: len(self.letter_of(one)["attempts"]) == 2)
        harness.wait_until("the edit", lambda: self.edit(letter, letter["event"]).status == 200)

    def test_what_says_which_event_it_is_stays(self):
        _, _, placed, letter = self.dead(partitionKey="k", eventId=self.unique("e"))
        event = letter["event"]
        for member, value in (("eventId", "other"), ("pattern", "other"), ("partitionKey", "other"),
                              ("source", {"type": "task", "id": "x"}), ("tenantId", "other")):
            reply = self.edit(letter, dict(event, **{member: value}))
            self.assert_error(reply, 400, "VALIDATION_ERROR", member)
            self.assertEqual(reply.json()["error"]["details"]["field"], member)
        only = {"payload": {"n": 9}}
        kept = self.edit(letter, only)
        self.assertEqual(kept.status, 200, kept)
        self.assertEqual({k: kept.json()["event"].get(k) for k in ("eventId", "pattern", "partitionKey")},
                         {k: event.get(k) for k in ("eventId", "pattern", "partitionKey")})

    def test_bad_ones_are_refused_by_name(self):
        _, _, _, letter = self.dead()
        for body, mentions in ((b"", None), (b"{", None), (b"[]", None), ({"payload": 1}, "payload"),
                               ({"what": 1}, "what"), ({"payload": {}, "timestamp": "soon"}, "timestamp"),
                               (b'{"payload":{}} x', None), (b'{"p\\u0061ttern":"other"}', None)):
            self.assert_error(self.edit(letter, body), 400, "VALIDATION_ERROR", mentions)
        large = self.edit(letter, {"payload": {"x": "y" * (1 << 20)}})
        self.assert_error(large, 413, "PAYLOAD_TOO_LARGE")
        self.assertNotIn("edited", self.server.get("/v2/dlq/" + letter["id"]).json())
        self.assert_error(self.server.request("PUT", "/v2/dlq/none/event", {}), 404, "NOT_FOUND")

    def test_what_a_replay_of_one_would_pass_over_is_refused(self):
        _, _, _, letter = self.dead()
        for body, names in (({"ratePerSecond": 1}, "ratePerSecond"), ({"event": {}}, "event"), (b"[]", "body")):
            self.assert_error(self.server.post(f"/v2/dlq/{letter['id']}/replay", body), 400, "VALIDATION_ERROR", names)
        self.assertEqual(self.server.get("/v2/dlq/" + letter["id"]).status, 200)

    def test_it_has_to_fit_its_schema(self):
        pattern, _, _, letter = self.dead()
        made = self.server.post("/v2/schemas", {"pattern": pattern, "schema": {
            "type": "object", "properties": {"n": {"type": "integer"}}}})
        self.assertEqual(made.status, 201, made)
        self.assert_error(self.edit(letter, {"payload": {"n": "x"}}), 400, "VALIDATION_ERROR")
        self.assertEqual(self.edit(letter, {"payload": {"n": 2}}).status, 200)

    def test_an_event_that_no_schema_let_in_is_corrected(self):
        pattern, event_id = self.unique("misfit."), self.unique("e")
        made = self.server.post("/v2/schemas", {"pattern": pattern, "mode": "dead-letter", "schema": {
            "type": "object", "required": ["amount"]}})
        self.assertEqual(made.status, 201, made)
        self.server.send_event(pattern, {"n": 1}, eventId=event_id)
        letter = harness.wait_until("the letter", lambda: next(
            (e for e in self.server.get("/v2/dlq?limit=1000").json()["items"] if e["eventId"] == event_id), None))
        self.assert_error(self.edit(letter, {"payload": {"n": 2}}), 400, "VALIDATION_ERROR", "amount")
        self.assertEqual(self.edit(letter, {"payload": {"amount": 2}}).status, 200)
        self.replay(letter)
        self.gone(letter)
        self.assertEqual(self.server.get("/v2/events/" + event_id).json()["payload"], {"amount": 2})

    def test_a_removed_letter_takes_its_edit_along(self):
        _, _, _, letter = self.dead()
        self.assertEqual(self.edit(letter, {"payload": {"n": 2}}).status, 200)
        self.assertEqual(self.server.request("DELETE", "/v2/dlq/" + letter["id"]).status, 200)
        self.assert_error(self.edit(letter, {"payload": {"n": 2}}), 404, "NOT_FOUND")


class Restart(unittest.TestCase):
    def test_an_edit_outlives_a_crash(self):
        server = harness.Server().start()
        try:
            one = server.subscribe("r", server.create_script(PICKY), retry=ONCE)
            server.send_event("r", {"n": 1})
            letter = harness.wait_until("the letter", lambda: (server.get("/v2/dlq").json()["items"] or [None])[0])
            path = f"/v2/dlq/{letter['id']}/event"
            self.assertEqual(server.request("PUT", path, {"payload": {"n": 7, "good": True}}).status, 200)
            server.kill()
            server.start()
            self.assertEqual(server.get("/v2/dlq").json()["items"][0]["event"]["payload"]["n"], 7)
            self.assertEqual(server.post(f"/v2/dlq/{letter['id']}/replay", "").status, 202)
            self.assertEqual(server.wait_executions(1, subscriptionId=one)[0]["result"]["n"], 7)
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main()
