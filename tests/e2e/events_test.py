#!/usr/bin/env python3
"""Goal: POST and GET of events are what API.md says, in every form. Method: one server, real HTTP."""
import json
import unittest

import harness


class Events(harness.ServerCase):
    def accepted(self, reply, count=1):
        self.assertEqual(reply.status, 202, reply)
        body = reply.json()
        self.assertIs(body["success"], True)
        self.assertEqual(body["accepted"], count, body)
        self.assertEqual(body["durability"], "fsync")
        return body

    def test_one_object(self):
        body = self.accepted(self.server.post("/v2/events", {"pattern": "a.b", "payload": {"x": 1}}))
        self.assertEqual(body["duplicates"], 0)
        self.assertEqual(body["rejected"], [])
        self.assertEqual(len(body["events"]), 1)
        entry = body["events"][0]
        self.assertEqual(set(entry) >= {"eventId", "shard", "offset", "duplicate"}, True, entry)
        self.assertIs(entry["duplicate"], False)

    def test_the_full_envelope_comes_back_as_it_was_sent(self):
        event = {
            "eventId": self.unique("full"), "pattern": "invoice.created", "version": "1.2",
            "source": {"type": "workflow", "id": "billing"},
            "timestamp": "2026-01-02T03:04:05.678Z",
            "payload": {"amount": 12.5, "text": "h\u00e9 \U0001F600", "list": [1, None, {"a": []}]},
            "metadata": {"correlationId": "c1", "causationId": "k1",
                         "context": {"type": "client", "id": "cl9"}, "extra": True},
            "partitionKey": "p", "priority": 3, "x-note": {"free": "form"}}
        placed = self.accepted(self.server.post("/v2/events", event))["events"][0]
        self.assertEqual(placed["eventId"], event["eventId"])
        reply = self.server.get(f"/v2/events/{event['eventId']}")
        self.assertEqual(reply.status, 200, reply)
        got = reply.json()
        for name, value in event.items():
            self.assertEqual(got[name], value, name)
        self.assertEqual(got["tenantId"], "default")
        self.assertEqual((got["shard"], got["offset"]), (placed["shard"], placed["offset"]))
        self.assertRegex(got["receivedAt"], r"^\d{4}-\d\d-\d\dT")

    def test_missing_members_are_filled_in(self):
        placed = self.server.send_event("fill.me")
        got = self.server.get(f"/v2/events/{placed['eventId']}").json()
        for name in ("eventId", "version", "source", "timestamp"):
            self.assertTrue(got.get(name), (name, got))
        self.assertIn(got["source"]["type"], ("workflow", "task", "integration", "external"))

    def test_array_and_ndjson_keep_the_order_of_input(self):
        ids = [self.unique("ord") for _ in range(50)]
        events = [{"eventId": i, "pattern": "o.p", "payload": {}} for i in ids]
        for body, kind in ((json.dumps(events), "application/json"),
                           ("\n".join(json.dumps(e) for e in
                                      [dict(e, eventId=e["eventId"] + "n") for e in events]) + "\n",
                            "application/x-ndjson")):
            answer = self.accepted(self.server.post("/v2/events", body, content_type=kind), 50)
            want = ids if kind == "application/json" else [i + "n" for i in ids]
            self.assertEqual([e["eventId"] for e in answer["events"]], want)

    def test_ndjson_forms(self):
        kind = "application/x-ndjson"
        text = '{"pattern":"a.b"}\r\n\n{"pattern":"c.d","payload":{}}'
        self.accepted(self.server.post("/v2/events", text, content_type=kind), 2)
        self.accepted(self.server.post("/v2/events", text, content_type=kind + "; charset=utf-8"), 2)

    def test_ids_can_be_left_out(self):
        body = self.accepted(self.server.post("/v2/events?ids=0", [{"pattern": "a.b"}] * 3), 3)
        self.assertFalse(body.get("events"), body)

    def test_bad_entries_are_rejected_and_the_others_taken(self):
        entries = [{"pattern": "ok.a"}, {"payload": {}}, {"pattern": "ok.b"},
                   {"pattern": "x", "payload": 5}, {"pattern": "x", "surprise": 1}, 7,
                   {"pattern": "x", "timestamp": "yesterday"},
                   {"pattern": "x", "source": {"type": "alien", "id": "1"}}]
        body = self.accepted(self.server.post("/v2/events", entries), 2)
        self.assertEqual([r["index"] for r in body["rejected"]], [1, 3, 4, 5, 6, 7], body)
        for entry in body["rejected"]:
            error = entry["error"]
            self.assertEqual(error["code"], "VALIDATION_ERROR", entry)
            self.assertEqual(error["statusCode"], 400)
        by_index = {r["index"]: r["error"]["message"] for r in body["rejected"]}
        self.assertIn("pattern", by_index[1])
        self.assertIn("payload", by_index[3])
        self.assertIn("surprise", by_index[4])
        self.assertIn("timestamp", by_index[6])
        self.assertIn("source", by_index[7])

    def test_ndjson_with_a_broken_line_takes_the_others(self):
        text = '{"pattern":"a.b"}\n{"pattern":\n{"pattern":"c.d"}\n'
        body = self.accepted(
            self.server.post("/v2/events", text, content_type="application/x-ndjson"), 2)
        self.assertEqual([r["index"] for r in body["rejected"]], [1])

    def test_none_accepted_is_400(self):
        reply = self.server.post("/v2/events", [{"payload": {}}, {"nope": 1}])
        self.assertEqual(reply.status, 400, reply)
        body = reply.json()
        self.assertEqual([r["index"] for r in body["rejected"]], [0, 1], body)
        single = self.server.post("/v2/events", {"payload": {}})
        self.assertEqual(single.status, 400, single)
        self.assertIn("pattern", single.body.decode())

    def test_an_empty_array_holds_no_event(self):
        # The contract: 400 when none was taken. An empty CloudEvents batch is another matter, see there.
        for body in ("[]", " [ ] ", "", "\n\n"):
            with self.subTest(body=body):
                self.assert_error(self.server.post("/v2/events", body), 400, "VALIDATION_ERROR")
        for body in ("", "\n \n"):
            with self.subTest(ndjson=body):
                self.assert_error(self.server.post("/v2/events", body, content_type="application/x-ndjson"),
                                  400, "VALIDATION_ERROR")

    def test_atomic_takes_all_or_none(self):
        good, other = self.unique("at"), self.unique("at")
        mixed = [{"eventId": good, "pattern": "at.a"}, {"payload": {}}]
        reply = self.server.post("/v2/events?atomic=1", mixed)
        self.assertEqual(reply.status, 400, reply)
        self.assertIn("nothing was taken: entry 1: ", reply.json()["error"]["message"])
        worse = self.server.post("/v2/events?atomic=1", [*mixed, {"payload": 1}]).json()["error"]["message"]
        self.assertIn("nothing was taken: 2 entries are refused; the first, entry 1: ", worse)
        self.assertEqual(self.server.get(f"/v2/events/{good}").status, 404)
        self.accepted(self.server.post("/v2/events?atomic=1", [
            {"eventId": good, "pattern": "at.a"}, {"eventId": other, "pattern": "at.b"}]), 2)
        self.assertEqual(self.server.get(f"/v2/events/{other}").status, 200)

    def test_duplicates_answer_with_the_first_position(self):
        event = {"eventId": self.unique("dup"), "pattern": "d.u", "payload": {"n": 1}}
        first = self.accepted(self.server.post("/v2/events", event))["events"][0]
        again = self.server.post("/v2/events", dict(event, payload={"n": 2}))
        self.assertEqual(again.status, 202, again)
        body = again.json()
        self.assertEqual((body["accepted"], body["duplicates"]), (0, 1), body)
        entry = body["events"][0]
        self.assertIs(entry["duplicate"], True)
        self.assertEqual((entry["shard"], entry["offset"]), (first["shard"], first["offset"]))
        self.assertEqual(self.server.get(f"/v2/events/{event['eventId']}").json()["payload"], {"n": 1})

    def test_duplicates_inside_one_batch(self):
        event = {"eventId": self.unique("dup"), "pattern": "d.u"}
        body = self.server.post("/v2/events", [event, event, event]).json()
        self.assertEqual((body["accepted"], body["duplicates"]), (1, 2), body)
        self.assertEqual([e["duplicate"] for e in body["events"]], [False, True, True])

    def test_the_same_id_from_another_source_is_another_event(self):
        event = {"eventId": self.unique("src"), "pattern": "d.u"}
        one = dict(event, source={"type": "task", "id": "1"})
        two = dict(event, source={"type": "task", "id": "2"})
        self.accepted(self.server.post("/v2/events", one))
        body = self.accepted(self.server.post("/v2/events", two))
        self.assertIs(body["events"][0]["duplicate"], False)

    def test_unknown_event_is_404(self):
        self.assert_error(self.server.get("/v2/events/no-such-event"), 404, "NOT_FOUND")

    def test_ids_with_odd_characters(self):
        for event_id in ("a/b c?d&e=%25#f", "\u00e9\u4e2d\U0001F600", "x" * 256):
            event_id = event_id if len(event_id) == 256 else event_id + self.unique()
            self.accepted(self.server.post("/v2/events", {"eventId": event_id, "pattern": "odd"}))
            path = "/v2/events/" + "".join(f"%{b:02X}" for b in event_id.encode())
            reply = self.server.get(path)
            self.assertEqual(reply.status, 200, (event_id, reply))
            self.assertEqual(reply.json()["eventId"], event_id)

    def test_big_events_come_back_whole(self):
        event = {"eventId": self.unique("big"), "pattern": "big.one",
                 "payload": {"text": "\u00e9" * 100_000}}
        self.accepted(self.server.post("/v2/events", event))
        got = self.server.get(f"/v2/events/{event['eventId']}").json()
        self.assertEqual(got["payload"], event["payload"])

    def test_a_batch_larger_than_a_block(self):
        events = [{"eventId": self.unique("blk"), "pattern": "blk", "payload": {"n": n, "t": "x" * 300}}
                  for n in range(9000)]
        body = self.accepted(self.server.post("/v2/events", events), 9000)
        self.assertEqual([e["eventId"] for e in body["events"]], [e["eventId"] for e in events])
        for n in (0, 4095, 4096, 8999):
            got = self.server.get(f"/v2/events/{events[n]['eventId']}").json()
            self.assertEqual(got["payload"]["n"], n)


class CloudEvents(harness.ServerCase):
    def event(self, **members):
        return {"specversion": "1.0", "id": self.unique("ce"), "source": "/orders",
                "type": "order.placed", "time": "2026-03-04T05:06:07Z", "data": {"total": 7},
                "datacontenttype": "application/json", **members}

    def stored(self, event_id, query=""):
        reply = self.server.get(f"/v2/events/{event_id}{query}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def test_structured(self):
        event = self.event(correlationid="c7", causationid="k7", partitionkey="p7", customext="e")
        reply = self.server.post("/v2/events", event, content_type="application/cloudevents+json")
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(reply.json()["events"][0]["eventId"], event["id"])
        got = self.stored(event["id"])
        self.assertEqual(got["pattern"], "order.placed")
        self.assertEqual(got["payload"], {"total": 7})
        self.assertEqual(got["timestamp"], "2026-03-04T05:06:07Z")
        self.assertEqual(got["metadata"]["correlationId"], "c7")
        self.assertEqual(got["metadata"]["causationId"], "k7")
        self.assertEqual(got["partitionKey"], "p7")
        back = self.stored(event["id"], "?as=cloudevent")
        for name in ("specversion", "id", "source", "type", "time", "data", "customext",
                     "correlationid", "partitionkey"):
            self.assertEqual(back[name], event[name], (name, back))

    def test_batch(self):
        events = [self.event() for _ in range(3)]
        reply = self.server.post("/v2/events", events,
                                 content_type="application/cloudevents-batch+json; charset=utf-8")
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual([e["eventId"] for e in reply.json()["events"]], [e["id"] for e in events])

    def test_an_empty_batch_is_taken(self):
        # The JSON format of CloudEvents 1.0, section 4.3: valid in a request.
        for body in ("[]", " [ ] "):
            reply = self.server.post("/v2/events", body, content_type="application/cloudevents-batch+json")
            self.assertEqual(reply.status, 202, reply)
            self.assertEqual((reply.json()["accepted"], reply.json()["events"]), (0, []))
        for body in ("", "{}", "[", "[1]"):
            with self.subTest(body=body):
                reply = self.server.post("/v2/events", body, content_type="application/cloudevents-batch+json")
                self.assertEqual(reply.status, 400, reply)

    def test_binary_mode(self):
        event_id = self.unique("ceb")
        reply = self.server.post("/v2/events", {"n": 3}, headers={
            "ce-specversion": "1.0", "ce-id": event_id, "ce-source": "/s%20x", "ce-type": "bin.mode",
            "ce-time": "2026-03-04T05:06:07Z", "ce-correlationid": "c9", "ce-other": "kept"})
        self.assertEqual(reply.status, 202, reply)
        got = self.stored(event_id)
        self.assertEqual((got["pattern"], got["payload"]), ("bin.mode", {"n": 3}))
        self.assertEqual(got["metadata"]["correlationId"], "c9")
        back = self.stored(event_id, "?as=cloudevent")
        self.assertEqual(back["other"], "kept", back)

    def test_native_events_as_cloudevents(self):
        placed = self.server.send_event("to.ce", {"a": 1}, source={"type": "task", "id": "t9"})
        back = self.stored(placed["eventId"], "?as=cloudevent")
        self.assertEqual((back["specversion"], back["id"], back["type"], back["data"]),
                         ("1.0", placed["eventId"], "to.ce", {"a": 1}))
        self.assertIn("t9", back["source"])

    def test_what_only_envelopes_know_goes_out_and_comes_back(self):
        sent = {"eventId": self.unique("x"), "pattern": "to.ce", "priority": 7, "scheduledAt": "2020-01-01T00:00:00Z",
                "x-team": "core", "x-deep": {"a": [1, "\"q\""]}, "metadata": {"context": {"type": "user", "id": "u"}}}
        self.assertEqual(self.server.post("/v2/events", sent).status, 202)
        event = self.stored(sent["eventId"], "?as=cloudevent")
        self.assertEqual((event["priority"], event["scheduledat"], event["xteam"]), (7, sent["scheduledAt"], "core"))
        event["id"] = self.unique("x")
        reply = self.server.post("/v2/events", event, content_type="application/cloudevents+json")
        self.assertEqual(reply.status, 202, reply)
        back = self.stored(event["id"])
        for member in ("priority", "scheduledAt", "x-team", "x-deep"):
            self.assertEqual(back[member], sent[member], member)
        self.assertEqual(back["metadata"]["context"], sent["metadata"]["context"])

    def test_escapes_mean_what_they_say(self):
        event_id = self.unique("esc")
        text = ('{"specversion":"1\\u002e0","id":"%s","source":"s","type":"esc.aped","datacontenttype":"application\\/json",'
                '"time":"2018-04-05T17:31:00\\u002B02:00","data":{}}' % event_id)
        reply = self.server.post("/v2/events", text, content_type="application/cloudevents+json")
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.stored(event_id)["timestamp"], "2018-04-05T17:31:00+02:00")

    def test_bad_attributes_are_told_by_their_place(self):
        for member in ('"data_base64":"***"', '"data_base64":"AAE"', '"data_base64":"AA EC"', '"ext":2147483648'):
            text = '{"specversion":"1.0","id":"1","source":"s","type":"t",%s}' % member
            reply = self.server.post("/v2/events", text, content_type="application/cloudevents+json")
            error = self.assert_error(reply, 400, "VALIDATION_ERROR", member[1:member.index('"', 1)])
            self.assertGreaterEqual(error["details"]["position"], text.index(member), (member, reply))
        headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
        for body, place in ((b"hello", 0), (b'{"a":tru}', 5), (b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", None)):
            reply = self.server.post("/v2/events", body, headers=headers)
            error = self.assert_error(reply, 400, "VALIDATION_ERROR")
            self.assertNotIn("x-ce", error["message"])
            if place is not None:
                self.assertEqual(error["details"]["position"], place, reply)
            else:
                self.assertIn("64", error["message"])
        many = b"{" + b",".join(b'"k%d":1' % n for n in range(10_001)) + b"}"
        reply = self.server.post("/v2/events", many, headers=headers)
        self.assert_error(reply, 400, "VALIDATION_ERROR", "10000")

    def test_missing_required_attributes_are_named(self):
        for name in ("id", "source", "type", "specversion"):
            event = self.event()
            del event[name]
            reply = self.server.post("/v2/events", event,
                                     content_type="application/cloudevents+json")
            self.assertEqual(reply.status, 400, (name, reply))
            self.assertIn(name, reply.body.decode())

    def test_duplicates_across_modes(self):
        event = self.event()
        kind = "application/cloudevents+json"
        self.assertEqual(self.server.post("/v2/events", event, content_type=kind).status, 202)
        again = self.server.post("/v2/events", [event],
                                 content_type="application/cloudevents-batch+json")
        self.assertEqual(again.json()["duplicates"], 1, again)


if __name__ == "__main__":
    unittest.main()
