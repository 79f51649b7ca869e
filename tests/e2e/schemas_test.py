#!/usr/bin/env python3
"""Goal: what does not fit the schema of its pattern does not come in, by whatever entrance; a schema
that changes stays compatible; what it would refuse can be seen before.
Method: documents and events over HTTP, lines, CloudEvents, webhooks and a handler's emit, against the
built binary."""
import gzip
import json
import os
import subprocess
import tempfile
import unittest

import harness

INVOICE = {"type": "object", "required": ["amount"],
           "properties": {"amount": {"type": "number", "minimum": 0},
                          "lines": {"type": "array", "items": {"required": ["sku"]}}}}


class Schemas(harness.ServerCase):
    def schema(self, pattern, schema=None, **members):
        name = self.unique("sch")
        reply = self.server.post("/v2/schemas", {"id": name, "pattern": pattern,
                                                 "schema": INVOICE if schema is None else schema, **members})
        self.assertEqual(reply.status, 201, reply)
        return name

    def send(self, pattern, payload, **members):
        return self.server.post("/v2/events", {"pattern": pattern, "payload": payload, **members})

    def violations(self, name):
        return self.server.get(f"/v2/schemas/{name}/violations").json()["items"]

    def test_reject_names_pointer_keyword_and_rule(self):
        pattern = self.unique("invoice.")
        name = self.schema(pattern)
        self.assertEqual(self.send(pattern, {"amount": 1}).status, 202)
        self.assertEqual(self.send(pattern + "x", {"amount": -1}).status, 202)
        reply = self.send(pattern, {"amount": -1, "lines": [{"sku": 1}, {}]})
        error = self.assert_error(reply, 400, "VALIDATION_ERROR", "at /amount must be at least 0 (minimum)")
        self.assertIn(name, error["message"])
        self.assertEqual(error["details"]["field"], "payload/amount")
        found = error["details"]["errors"]
        self.assertEqual([(e["pointer"], e["keyword"]) for e in found],
                         [("/amount", "minimum"), ("/lines/1", "required")])
        self.assertEqual(found[0]["schemaPath"], "#/properties/amount/minimum")
        self.assertEqual([v["outcome"] for v in self.violations(name)], ["rejected"])
        self.assertEqual(len(self.server.all_events(pattern)), 1)

    def test_a_batch_takes_the_others(self):
        pattern = self.unique("batch.")
        self.schema(pattern + "*")
        body = [{"pattern": pattern + "a", "payload": {"amount": n}} for n in (1, -1, 2)]
        reply = self.server.post("/v2/events", body)
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 2))
        rejected = reply.json()["rejected"]
        self.assertEqual([r["index"] for r in rejected], [1])
        self.assertEqual(rejected[0]["error"]["details"]["errors"][0]["pointer"], "/amount")

    def test_every_entrance(self):
        pattern = self.unique("all.")
        name = self.schema(pattern)
        client = harness.LineClient(self.server)
        self.addCleanup(client.close)
        client.send({"pattern": pattern, "payload": {}}, {"pattern": pattern, "payload": {"amount": 1}})
        rejects, _ = client.read_until_ack(2)
        self.assertEqual([r["line"] for r in rejects], [1])
        self.assertEqual(rejects[0]["error"]["details"]["errors"][0]["keyword"], "required")
        cloud = {"specversion": "1.0", "id": "1", "source": "/s", "type": pattern, "data": {"amount": "x"}}
        reply = self.server.post("/v2/events", cloud, content_type="application/cloudevents+json")
        self.assert_error(reply, 400, "VALIDATION_ERROR", "/amount")
        source = self.unique("src")
        self.server.post("/v2/sources", {"id": source, "scheme": "none", "pattern": pattern})
        error = self.assert_error(self.server.post(f"/v2/webhooks/{source}", {"amount": -2}), 400,
                                  "VALIDATION_ERROR", "/amount")
        self.assertEqual(error["details"]["errors"][0]["pointer"], "/amount")
        self.assertEqual(len(self.violations(name)), 3)

    def test_an_emit_that_a_schema_refuses_raises_in_the_call(self):
        pattern, cause = self.unique("emitted."), self.unique("cause.")
        name = self.schema(pattern)
        emits = f"sdk.events.emit('{pattern}', {{amount = e.payload.n}})"
        script = self.server.create_script(f"return function(e) {emits} end")
        handler = self.server.subscribe(cause, script, retry={"maxRetries": 0})
        self.server.send_event(cause, {"n": -1})
        self.server.send_event(cause, {"n": 1})
        harness.wait_until("the good one", lambda: self.server.all_events(pattern))
        letters = harness.wait_until("the other one's letter", lambda: [
            l for l in self.server.items("/v2/dlq") if l["subscriptionId"] == handler])
        self.assertIn("emit: payload: does not fit the schema \"" + name, letters[0]["error"])
        self.assertEqual([v["outcome"] for v in self.violations(name)], ["rejected"])
        self.assertEqual(self.server.all_events("system.schema.rejected"), [])

        caught = self.server.create_script(
            f"return function(e) local ok, why = pcall(function() {emits} end) return {{ok, why}} end")
        run = self.server.post("/v2/script/run", {"scriptId": caught, "event": {"payload": {"n": -1}}}).json()
        self.assertFalse(run["result"][0])
        self.assertIn("/amount must be at least 0", run["result"][1])
        waits = self.server.create_script(f"return function(e) sdk.sleep(5) {emits} end")
        reply = self.server.post("/v2/script/run", {"scriptId": waits, "event": {"payload": {"n": -1}}})
        self.assertEqual(reply.status, 500, reply)
        self.assertIn("does not fit", reply.json()["error"]["message"])

    def test_what_a_handler_emits_may_become_a_dead_letter(self):
        pattern, cause = self.unique("emitted."), self.unique("cause.")
        name = self.schema(pattern, mode="dead-letter")
        script = self.server.create_script(
            f"return function(e) sdk.events.emit('{pattern}', {{amount = e.payload.n}}) end")
        self.server.subscribe(cause, script)
        self.server.send_event(cause, {"n": -1})
        harness.wait_until("it", lambda: self.violations(name))
        self.assertEqual(self.violations(name)[0]["outcome"], "dead-lettered")

    def letters_of(self, event):
        return [l for l in self.server.items("/v2/dlq") if l["eventId"] == event]

    def test_what_became_a_dead_letter_is_seen_under_its_id_and_comes_back(self):
        pattern = self.unique("dl.")
        name = self.schema(pattern, mode="dead-letter")
        event = self.unique("e")
        reply = self.send(pattern, {"amount": -1}, eventId=event)
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(reply.json()["events"][0]["eventId"], event)
        self.assertEqual(self.server.all_events(pattern), [])
        shown = self.server.get(f"/v2/events/{event}").json()
        self.assertEqual((shown["eventId"], shown["pattern"], shown["payload"]), (event, pattern, {"amount": -1}))
        self.assertEqual((shown["rejected"]["schemaId"], shown["rejected"]["errors"][0]["keyword"]), (name, "minimum"))
        letter = self.letters_of(event)[0]
        self.assertIn("minimum", letter["error"])
        self.assertEqual((letter["eventType"], letter["event"]["payload"]), (pattern, {"amount": -1}))
        self.assertEqual(self.send(pattern, {"amount": -1}, eventId=event).json()["duplicates"], 1)

        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        letter = harness.wait_until("it is back", lambda: [l for l in self.letters_of(event) if l["retryCount"] == 1])[0]
        self.assertEqual(len(letter["attempts"]), 1)
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "off"})
        self.assertEqual(self.server.post("/v2/dlq/replay", {"pattern": pattern}).json()["accepted"], 1)
        taken = harness.wait_until("it is in", lambda: self.server.all_events(pattern))
        self.assertEqual([(e["eventId"], e["payload"]) for e in taken], [(event, {"amount": -1})])
        harness.wait_until("the letter has left", lambda: not self.letters_of(event))
        self.assertNotIn("rejected", self.server.get(f"/v2/events/{event}").json())
        again = self.send(pattern, {"amount": -1}, eventId=event).json()
        self.assertEqual((again["duplicates"], len(self.server.all_events(pattern))), (1, 1))

    def test_an_event_without_an_id_comes_back_under_the_one_in_the_answer(self):
        pattern = self.unique("dl.")
        name = self.schema(pattern, mode="dead-letter")
        event = self.send(pattern, {"amount": -1}).json()["events"][0]["eventId"]
        self.assertEqual(self.server.get(f"/v2/events/{event}").json()["rejected"]["schemaId"], name)
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "warn"})
        self.server.post(f"/v2/dlq/{self.letters_of(event)[0]['id']}/replay", {})
        harness.wait_until("it is in", lambda: [e["eventId"] for e in self.server.all_events(pattern)] == [event])

    def test_warn(self):
        pattern = self.unique("warn.")
        name = self.schema(pattern, mode="warn")
        self.assertEqual(self.send(pattern, {"amount": -1}).status, 202)
        self.assertEqual(len(self.server.all_events(pattern)), 1)
        self.assertEqual([v["outcome"] for v in self.violations(name)], ["warned"])
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "off"})
        self.assertEqual(self.send(pattern, {"amount": -1}).status, 202)
        self.assertEqual(len(self.violations(name)), 1)

    def test_rules(self):
        pattern = self.unique("rule.")
        self.schema(pattern, {}, rules=[{"assert": "$.total >= 10", "message": "orders from 10 on"}])
        self.assertEqual(self.send(pattern, {"total": 10}).status, 202)
        error = self.assert_error(self.send(pattern, {"total": 9}), 400, "VALIDATION_ERROR", "orders from 10 on")
        self.assertEqual(error["details"]["errors"][0]["keyword"], "assert")
        for rules, where in (([{"assert": "$.a =="}], "rules[0].assert"), ([{"what": 1}], "rules[0]"), ({}, "rules"),
                             ([{"in": {"field": "x", "kv": "c"}}], "rules[0].in.field"),
                             ([{"in": {"field": "$.x"}}], "kv"), ([{"assert": "$.a > $.metadata.b"}], "rules[0].assert")):
            reply = self.server.post("/v2/schemas", {"pattern": "p", "schema": {}, "rules": rules})
            self.assertEqual(reply.status, 400, reply)
            self.assertIn(where, reply.body.decode())

    def test_rules_over_several_members_and_reference_data(self):
        pattern, space = self.unique("rule."), self.unique("cur")
        fills = self.server.create_script(f"return function() sdk.kv.namespace('{space}').set('EUR', true) end")
        self.server.post("/v2/script/run", {"scriptId": fills})
        rules = [{"assert": "$.total >= $.net", "message": "total is net or more"},
                 {"in": {"field": "$.currency", "kv": space}}]
        name = self.schema(pattern, {}, rules=rules)
        self.assertEqual(self.server.get(f"/v2/schemas/{name}").json()["rules"], rules)
        good = {"total": 10, "net": 9, "currency": "EUR"}
        self.assertEqual(self.send(pattern, good).status, 202)
        self.assert_error(self.send(pattern, {**good, "net": 10.01}), 400, "VALIDATION_ERROR", "total is net or more")
        error = self.assert_error(self.send(pattern, {**good, "currency": "NOK"}), 400, "VALIDATION_ERROR", space)
        self.assertEqual([(e["pointer"], e["keyword"]) for e in error["details"]["errors"]], [("/currency", "in")])
        tried = self.server.post(f"/v2/schemas/{name}/validate", {"payload": {**good, "currency": "USD"}}).json()
        self.assertFalse(tried["valid"])
        self.assert_error(self.server.post("/v2/subscriptions", {
            "pattern": "a", "filter": "$.a > $.b", "executor": {"type": "script", "scriptId": fills}}), 400,
            "VALIDATION_ERROR", "comparing two paths")

    def test_validate_and_check(self):
        pattern = self.unique("past.")
        sent = [self.server.send_event(pattern, {"amount": n})["eventId"] for n in (1, -1, -2)]
        name = self.schema(pattern)
        good = self.server.post(f"/v2/schemas/{name}/validate", {"payload": {"amount": 1}}).json()
        self.assertEqual(good, {"valid": True, "errors": []})
        bad = self.server.post(f"/v2/schemas/{name}/validate", {"event": {"pattern": "x", "payload": {}}}).json()
        self.assertEqual((bad["valid"], bad["errors"][0]["keyword"]), (False, "required"))
        self.assertEqual(self.server.post(f"/v2/schemas/{name}/validate", {"amount": 1}).status, 400)
        seen = self.server.post("/v2/schemas/check", {"schema": INVOICE, "pattern": pattern, "from": "-1h"}).json()
        self.assertEqual((seen["scanned"], seen["rejected"], seen["complete"]), (3, 2, True))
        self.assertEqual((seen["byPointer"][0]["pointer"], seen["byPointer"][0]["count"]), ("/amount", 2))
        self.assertIn(seen["byPointer"][0]["eventId"], sent[1:])  # also one that the server has made

    def test_documents_and_compatibility(self):
        for body, field in (({"schema": {}}, "pattern"), ({"pattern": "a"}, "schema"),
                            ({"pattern": "a", "schema": {"type": "strin"}}, "schema/type"),
                            ({"pattern": "a", "schema": {"$ref": "#"}}, "schema"),
                            ({"pattern": "a", "schema": {}, "mode": "hard"}, "mode"),
                            ({"pattern": "a", "schema": {"description": "x" * 70000}}, "schema"),
                            ({"pattern": "a", "schema": {}, "what": 1}, "what")):
            reply = self.server.post("/v2/schemas", body)
            self.assertIn(reply.status, (400, 413), (body, reply))
            self.assertEqual(reply.json()["error"]["details"].get("field"), field, reply)
        made = self.server.post("/v2/schemas", {"pattern": "a.*", "version": "2.1", "schema": INVOICE})
        self.assertEqual(made.status, 201, made)
        shown = made.json()
        self.assertEqual((shown["version"], shown["schemaVersion"], shown["mode"]), (1, "2.1", "reject"))
        path = made.headers["location"]
        narrower = dict(INVOICE, required=["amount", "currency"])
        reply = self.server.request("PATCH", path, {"schema": narrower})
        self.assert_error(reply, 409, "CONFLICT", "/currency is required now")
        wider = {"type": "object", "properties": {"amount": {"type": "number"}, "note": {"type": "string"}}}
        reply = self.server.request("PATCH", path, {"schema": wider})
        self.assertEqual((reply.status, reply.json()["version"]), (200, 2), reply)
        reply = self.server.request("PATCH", path, {"schema": narrower, "compatibility": "none"})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual([v["version"] for v in self.server.get(path + "/versions").json()["items"]], [3, 2, 1])
        reply = self.server.request("PATCH", path, {"version": "2.2"})
        self.assertEqual((reply.status, reply.json()["version"], reply.json()["schemaVersion"]), (200, 4, "2.2"), reply)
        shown = self.server.get(path).json()
        self.assertEqual(self.server.request("PUT", path, shown).json()["schemaVersion"], "2.2")
        self.assertEqual(self.server.request("DELETE", path).status, 200)

    def test_bodies_and_answers_are_compressed(self):
        pattern = self.unique("zip.")
        body = gzip.compress(json.dumps([{"pattern": pattern, "payload": {"n": n}} for n in range(100)]).encode())
        reply = self.server.post("/v2/events", body, headers={"Content-Encoding": "gzip"})
        self.assertEqual(reply.json()["accepted"], 100)
        frame = subprocess.run(["zstd", "-q", "-c"], input=json.dumps({"pattern": pattern}).encode(),
                               capture_output=True).stdout if os.path.exists("/usr/bin/zstd") else None
        if frame:
            reply = self.server.post("/v2/events", frame, headers={"Content-Encoding": "zstd"})
            self.assertEqual(reply.status, 202, reply)
        self.assert_error(self.server.post("/v2/events", b"{}", headers={"Content-Encoding": "br"}), 415,
                          "UNSUPPORTED_MEDIA_TYPE")
        self.assert_error(self.server.post("/v2/events", b"{}", headers={"Content-Encoding": "zstd"}), 400,
                          "VALIDATION_ERROR", "zstd")
        plain = self.server.get(f"/v2/events?pattern={pattern}&limit=90")
        packed = self.server.get(f"/v2/events?pattern={pattern}&limit=90", headers={"Accept-Encoding": "br, gzip"})
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body) * 3, len(plain.body))
        small = self.server.get("/v2/me", headers={"Accept-Encoding": "gzip"})
        self.assertNotIn("content-encoding", small.headers)


class AfterARestart(unittest.TestCase):
    def test_schemas_are_kept_and_the_command_line_knows_them(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()

        def cli(*args):
            done = server.cli(*args)
            return done.returncode, done.stdout + done.stderr

        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(INVOICE, file)
            file.flush()
            self.assertEqual(cli("schema", "push", file.name, "--id", "inv", "--pattern", "invoice.*")[0], 0)
            status, text = cli("schema", "push", file.name, "--id", "inv", "--pattern", "invoice.*", "--mode", "reject")
            self.assertEqual(status, 0, text)
            server.send_event("invoice.old", {"amount": 2})
            status, text = cli("schema", "check", file.name, "--pattern", "invoice.*", "--from", "-1h")
            self.assertEqual(status, 0, text)
        self.assertIn("invoice.*", cli("schema", "list")[1])
        server.stop()
        server.start()
        reply = server.post("/v2/events", {"pattern": "invoice.x", "payload": {"amount": "1"}})
        self.assertEqual(reply.status, 400, reply)
        self.assertEqual(cli("schema", "validate", "inv", '{"amount":1}')[0], 0)
        status, text = cli("schema", "validate", "inv", '{"amount":-1}')
        self.assertEqual(status, 1)
        self.assertIn("/amount", text)
        self.assertEqual(cli("schema", "remove", "inv")[0], 0)


if __name__ == "__main__":
    unittest.main()
