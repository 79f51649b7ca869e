#!/usr/bin/env python3
"""Goal: rules that know states and rules that are scripts hold at every entrance, in every mode and
over a restart; what is refused changes nothing, and what a check tells is what would have been.
Method: a state machine of orders and small scripts, against the built binary with one shard and more."""
import threading
import unittest

import harness

MACHINE = {"null": ["draft"], "draft": ["sent", "void"], "sent": ["paid"], "paid": []}
TRANSITION = {"transition": {"key": "$.id", "field": "$.status", "allowed": MACHINE}}


class RuleCase(harness.ServerCase):
    def schema(self, pattern, rules, **members):
        name = self.unique("sch")
        reply = self.server.post("/v2/schemas", {"id": name, "pattern": pattern, "schema": {}, "rules": rules, **members})
        self.assertEqual(reply.status, 201, reply)
        return name

    def send(self, pattern, order, status, **members):
        return self.server.post("/v2/events", {"pattern": pattern, "payload": {"id": order, "status": status}, **members})

    def statuses(self, pattern):
        return [e["payload"]["status"] for e in self.server.all_events(pattern)]

    def keyword(self, reply, status=400):
        self.assertEqual(reply.status, status, reply)
        return reply.json()["error"]["details"]["errors"][0]["keyword"]


class Transitions(RuleCase):
    def test_a_key_goes_from_state_to_state_and_no_other_way(self):
        pattern = self.unique("order.")
        name = self.schema(pattern, [TRANSITION])
        self.assertEqual(self.server.get(f"/v2/schemas/{name}").json()["rules"], [TRANSITION])
        reply = self.send(pattern, "o1", "paid")
        error = self.assert_error(reply, 400, "VALIDATION_ERROR", "can not begin as paid")
        self.assertEqual((error["details"]["errors"][0]["keyword"], error["details"]["errors"][0]["pointer"]),
                         ("transition", "/status"))
        self.assertEqual(self.send(pattern, "o1", "draft").status, 202)
        self.assert_error(self.send(pattern, "o1", "paid"), 400, "VALIDATION_ERROR", "allowed: sent, void")
        self.assertEqual(self.send(pattern, "o1", "sent").status, 202, "the refused one changed nothing")
        self.assertEqual(self.send(pattern, "o1", "paid").status, 202)
        self.assert_error(self.send(pattern, "o1", "sent"), 400, "VALIDATION_ERROR", "allowed: none")
        self.assertEqual(self.send(pattern, "o2", "draft").status, 202, "another key has a state of its own")
        self.assertEqual(self.server.post("/v2/events", {"pattern": pattern, "payload": {"id": "o1"}}).status, 202,
                         "without the field it makes no step")
        self.assertEqual(self.keyword(self.server.post("/v2/events", {"pattern": pattern, "payload": {"status": "draft"}})),
                         "transition", "whose state it would be is not said")

    def test_a_duplicate_is_one_and_makes_no_step(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        self.assertEqual(self.send(pattern, "o1", "draft", eventId=pattern + "1").status, 202)
        self.assertEqual(self.send(pattern, "o1", "sent", eventId=pattern + "2").status, 202)
        again = self.send(pattern, "o1", "draft", eventId=pattern + "1")
        self.assertEqual((again.status, again.json()["duplicates"]), (202, 1), again)
        self.assertEqual(self.send(pattern, "o1", "paid").status, 202)

    def test_a_batch_sees_its_own_steps_and_an_atomic_one_is_all_or_none(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        body = [{"pattern": pattern, "payload": {"id": "o1", "status": s}, "partitionKey": k}
                for s, k in (("draft", "a"), ("paid", "b"), ("sent", "c"), ("paid", "d"))]
        reply = self.server.post("/v2/events", body)
        self.assertEqual((reply.json()["accepted"], [r["index"] for r in reply.json()["rejected"]]), (3, [1]), reply)
        bad = [{"pattern": pattern, "payload": {"id": "o2", "status": s}} for s in ("draft", "sent", "draft")]
        reply = self.server.post("/v2/events?atomic=1", bad)
        self.assertEqual(reply.status, 400, reply)
        good = [{"pattern": pattern, "payload": {"id": "o2", "status": s}, "partitionKey": s, "eventId": pattern + s}
                for s in ("draft", "sent", "paid")]
        reply = self.server.post("/v2/events?atomic=1", good)
        self.assertEqual((reply.status, reply.json()["accepted"]), (202, 3), reply)
        reply = self.server.post("/v2/events?atomic=1", good)
        self.assertEqual((reply.status, reply.json()["duplicates"]), (202, 3), reply)

    def test_lines_and_levels_of_durability(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        client = harness.LineClient(self.server)
        self.addCleanup(client.close)
        client.send(*({"pattern": pattern, "payload": {"id": "o1", "status": s}} for s in ("draft", "paid", "sent")))
        rejects, _ = client.read_until_ack(3)
        self.assertEqual([r["line"] for r in rejects], [2])
        self.assertEqual(rejects[0]["error"]["details"]["errors"][0]["keyword"], "transition")
        for level, state in (("memory", "draft"), ("os", "sent"), ("fsync", "paid")):
            reply = self.server.post(f"/v2/events?durability={level}",
                                     {"pattern": pattern, "payload": {"id": "o2", "status": state}})
            self.assertEqual(reply.status, 202, (level, reply))

    def test_modes(self):
        pattern = self.unique("order.")
        name = self.schema(pattern, [TRANSITION], mode="dead-letter")
        event = self.unique("e")
        self.assertEqual(self.send(pattern, "o1", "paid", eventId=event).status, 202)
        self.assertEqual(self.statuses(pattern), [])
        shown = self.server.get(f"/v2/events/{event}").json()
        self.assertEqual(shown["rejected"]["errors"][0]["keyword"], "transition")
        letter = [l for l in self.server.items("/v2/dlq") if l["eventId"] == event][0]
        self.assertIn("can not begin as paid", letter["error"])
        for state in ("draft", "sent"):
            self.assertEqual(self.send(pattern, "o1", state).status, 202)
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        harness.wait_until("it is in", lambda: "paid" in self.statuses(pattern))
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "reject"})
        self.assertEqual(self.keyword(self.send(pattern, "o1", "sent")), "transition", "what came back made its step")
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "warn"})
        self.assertEqual(self.send(pattern, "o1", "draft").status, 202)
        outcomes = [v["outcome"] for v in self.server.get(f"/v2/schemas/{name}/violations").json()["items"]]
        self.assertEqual(outcomes[0], "warned")
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "off"})
        self.assertEqual(self.send(pattern, "o9", "paid").status, 202)

    def emitter(self, pattern):
        """What it emits of its event's steps, one after the other; answers what was refused."""
        begin = self.unique("begin.")
        script = self.server.create_script(
            f"return function(e) local no = {{}} for _, s in ipairs(e.payload.steps) do "
            f"local ok, why = pcall(sdk.events.emit, '{pattern}', {{id = e.payload.id, status = s}}) "
            f"if not ok then no[#no + 1] = why end end return no end")
        self.server.subscribe(begin, script)

        def emit(order, *steps):
            event = self.server.send_event(begin, {"id": order, "steps": steps})["eventId"]
            return harness.wait_until("the run", lambda: [
                x for x in self.server.items(f"/v2/executions?eventId={event}") if x["status"] == "completed"])[0]["result"]
        return emit

    def letters(self, pattern):
        return [l for l in self.server.items("/v2/dlq") if l["eventType"] == pattern]

    def test_an_emit_that_is_no_step_raises(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        emit = self.emitter(pattern)
        self.assertIn("can not begin as paid", emit("o1", "paid")[0])
        self.assertFalse(emit("o1", "draft"))
        harness.wait_until("draft", lambda: self.statuses(pattern) == ["draft"])
        refused = emit("o1", "draft", "sent")
        self.assertIn("can not go from draft to draft", refused[0])
        self.assertEqual(len(refused), 1)
        harness.wait_until("sent", lambda: sorted(self.statuses(pattern)) == ["draft", "sent"])
        self.assertFalse(emit("o2", "draft"), "another key has a state of its own")
        self.assertEqual(self.letters(pattern), [])

    def test_a_second_step_of_one_key_is_judged_when_it_is_taken_in(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        emit = self.emitter(pattern)
        self.assertFalse(emit("o1", "draft", "sent"))
        harness.wait_until("both", lambda: sorted(self.statuses(pattern)) == ["draft", "sent"])
        self.assertFalse(emit("o2", "draft", "paid"))
        letter = harness.wait_until("its letter", lambda: self.letters(pattern))[0]
        self.assertIn("can not go from draft to paid", letter["error"])

    def test_steps_that_follow_each_other_closely_are_never_refused(self):
        pattern, begin = self.unique("order."), self.unique("begin.")
        self.schema(pattern, [TRANSITION])
        script = self.server.create_script(
            f"return function(e) sdk.events.emit('{pattern}', e.payload, {{partitionKey = e.payload.id}}) end")
        self.server.subscribe(begin, script)
        orders = [f"o{n}" for n in range(200)]
        for status in ("draft", "sent", "paid"):
            reply = self.server.post("/v2/events", [
                {"pattern": begin, "partitionKey": o, "payload": {"id": o, "status": status}} for o in orders])
            self.assertEqual(reply.status, 202, reply)
        harness.wait_until("all of them", lambda: len(self.statuses(pattern)) == 600)
        self.assertEqual(self.letters(pattern) + self.letters(begin), [])

    def test_webhooks_and_cloud_events(self):
        pattern, source = self.unique("order."), self.unique("src")
        self.schema(pattern, [TRANSITION])
        self.server.post("/v2/sources", {"id": source, "scheme": "none", "pattern": pattern})
        self.assertEqual(self.keyword(self.server.post(f"/v2/webhooks/{source}", {"id": "o1", "status": "sent"})), "transition")
        self.assertEqual(self.server.post(f"/v2/webhooks/{source}", {"id": "o1", "status": "draft"}).status, 202)
        outcomes = [d["outcome"] for d in self.server.items(f"/v2/sources/{source}/deliveries")]
        self.assertEqual(outcomes, ["accepted", "refused"])
        cloud = {"specversion": "1.0", "id": pattern, "source": "/s", "type": pattern, "data": {"id": "o1", "status": "draft"}}
        reply = self.server.post("/v2/events", cloud, content_type="application/cloudevents+json")
        self.assertEqual(self.keyword(reply), "transition")

    def test_of_many_who_try_the_same_step_one_makes_it(self):
        pattern = self.unique("order.")
        self.schema(pattern, [TRANSITION])
        for state in ("draft", "sent", "paid"):
            taken = []

            def send(n, state=state, taken=taken):
                for key in range(5):
                    reply = self.server.post("/v2/events", {
                        "pattern": pattern, "partitionKey": str(n), "payload": {"id": key, "status": state}})
                    if reply.status == 202:
                        taken.append(key)
            threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(sorted(taken), list(range(5)), state)

    def test_without_a_beginning_any_state_that_is_named_may_be_first(self):
        pattern = self.unique("lamp.")
        self.schema(pattern, [{"transition": {"key": "$.id", "field": "$.status", "allowed": {"on": ["off"], "off": ["on"]}},
                               "message": "a lamp is on or off"}])
        self.assertEqual(self.send(pattern, 1, "off").status, 202)
        self.assert_error(self.send(pattern, 1, "off"), 400, "VALIDATION_ERROR", "a lamp is on or off")
        self.assertEqual(self.send(pattern, 2, "broken").status, 400)
        self.assertEqual(self.send(pattern, 1, "on").status, 202)

    def test_a_check_goes_the_logs_way(self):
        pattern = self.unique("past.")
        for order, state in (("a", "draft"), ("a", "sent"), ("a", "draft"), ("a", "paid"), ("b", "paid")):
            self.assertEqual(self.send(pattern, order, state).status, 202)
        seen = self.server.post("/v2/schemas/check", {"rules": [TRANSITION], "pattern": pattern}).json()
        self.assertEqual((seen["scanned"], seen["rejected"], seen["complete"]), (5, 2, True))
        self.assertEqual(seen["byPointer"][0]["keyword"], "transition")
        name = self.schema(pattern, [TRANSITION])
        self.assertEqual(self.send(pattern, "a", "draft").status, 202, "its states begin with it")
        tried = self.server.post(f"/v2/schemas/{name}/validate", {"payload": {"id": "a", "status": "paid"}}).json()
        self.assertEqual((tried["valid"], tried["errors"][0]["keyword"]), (False, "transition"))
        tried = self.server.post(f"/v2/schemas/{name}/validate", {"payload": {"id": "a", "status": "sent"}}).json()
        self.assertTrue(tried["valid"], tried)

    def test_bad_ones_are_refused_by_place(self):
        for rule, field in (({"transition": {"key": "id", "field": "$.s", "allowed": {"a": ["b"]}}}, "rules[0].transition.key"),
                            ({"transition": {"key": "$.id", "field": "$.s"}}, "rules[0].transition.allowed"),
                            ({"transition": {"key": "$.id", "field": "$.s", "allowed": {}}}, "rules[0].transition.allowed"),
                            ({"transition": {"key": "$.id", "field": "$.s", "allowed": {"a": "b"}}}, "rules[0].transition.allowed.a"),
                            ({"transition": {"key": "$.id", "field": "$.s", "allowed": {"a": [{}]}}}, "rules[0].transition.allowed.a"),
                            ({"transition": {"key": "$.id", "field": "$.s", "allowed": {"a": []}, "x": 1}}, "rules[0].transition.x"),
                            ({"scriptId": "nobody"}, "rules[0].scriptId"),
                            ({"assert": "$.a == 1", "scriptId": "x"}, "rules[0].assert")):
            reply = self.server.post("/v2/schemas", {"pattern": "p", "schema": {}, "rules": [rule]})
            self.assertEqual((reply.status, reply.json()["error"]["details"].get("field")), (400, field), reply)


class Scripts(RuleCase):
    def script(self, source, **members):
        return self.server.create_script(source, **members)

    def judged(self, source, payload=None, rule=None):
        pattern = self.unique("by.")
        self.schema(pattern, [{"scriptId": self.script(source), **(rule or {})}])
        return self.server.post("/v2/events", {"pattern": pattern, "payload": payload or {}})

    def test_true_and_nil_let_in_false_and_words_do_not(self):
        self.assertEqual(self.judged("return function() return true end").status, 202)
        self.assertEqual(self.judged("return function() end").status, 202)
        self.assertEqual(self.keyword(self.judged("return function() return false end")), "script")
        reply = self.judged("return function(e, ctx) return 'no ' .. e.payload.what .. ' for ' .. ctx.tenantId end", {"what": "tea"})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "no tea for default")
        reply = self.judged("return function() return false end", rule={"message": "ask the kitchen"})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "ask the kitchen")

    def test_what_goes_wrong_refuses_in_clear_words(self):
        for source, words in (("return function() error('broken') end", "broken"),
                              ("return function() while true do end end", "took longer than"),
                              ("return function() while true do pcall(error) end end", "took longer than"),
                              ("return function() sdk.kv.set('a', 1) end", "may not"),
                              ("return function() sdk.events.emit('a', {}) end", "emit"),
                              ("return function() sdk.http.get('http://127.0.0.1:1') end", "http"),
                              ("return function() sdk.sleep(1) end", "wait"),
                              ("return function() return {} end", "neither true, false nor a text")):
            reply = self.judged(source)
            self.assertEqual(self.keyword(reply), "script", source)
            self.assertIn(words, reply.json()["error"]["message"], source)
        self.assertEqual(self.server.post("/v2/events", {"pattern": self.unique(), "payload": {}}).status, 202)

    def test_an_emit_that_a_script_refuses_raises(self):
        pattern, begin = self.unique("by."), self.unique("begin.")
        self.schema(pattern, [{"scriptId": self.script("return function(e) return e.payload.n < 3 end")}])
        script = self.server.create_script(
            f"return function(e) sdk.events.emit('{pattern}', {{n = 1}}) "
            f"local ok, why = pcall(sdk.events.emit, '{pattern}', {{n = 4}}) return why end")
        self.server.subscribe(begin, script)
        event = self.server.send_event(begin)["eventId"]
        run = harness.wait_until("the run", lambda: [
            x for x in self.server.items(f"/v2/executions?eventId={event}") if x["status"] == "completed"])[0]
        self.assertIn("refuses it", run["result"])
        harness.wait_until("the other", lambda: [e["payload"]["n"] for e in self.server.all_events(pattern)] == [1])
        self.assertEqual([l for l in self.server.items("/v2/dlq") if l["eventType"] == pattern], [])

    def test_a_handler_that_burns_behind_such_an_emit_is_stopped(self):
        pattern, begin = self.unique("by."), self.unique("begin.")
        self.schema(pattern, [{"scriptId": self.script("return function(e) return true end")}])
        script = self.server.create_script(
            f"return function(e) sdk.events.emit('{pattern}', {{n = 1}}) while true do end end", timeoutMs=100)
        self.server.subscribe(begin, script, retry={"maxRetries": 0})
        self.server.send_event(begin)
        letter = harness.wait_until("its letter", lambda: [l for l in self.server.items("/v2/dlq") if l["eventType"] == begin])
        self.assertIn("deadline", letter[0]["error"])

    def test_one_that_burns_is_not_asked_for_each_of_a_batch(self):
        pattern = self.unique("burn.")
        self.schema(pattern, [{"scriptId": self.script("return function() while true do end end")}])
        reply = self.server.post("/v2/events", [{"pattern": pattern, "payload": {}} for _ in range(1000)])
        self.assertEqual((reply.status, len(reply.json()["rejected"])), (400, 1000))

    def test_it_is_asked_last_and_reads_kv(self):
        pattern = self.unique("last.")
        fills = self.script(f"return function() sdk.kv.set('{pattern}', 'closed') end")
        script = self.script(f"return function() if sdk.kv.get('{pattern}') == 'closed' then return 'closed' end end")
        self.schema(pattern, [{"scriptId": script}, TRANSITION, {"assert": "$.id != 'x'"}])
        self.assertEqual(self.send(pattern, "a", "draft").status, 202)
        self.server.post("/v2/script/run", {"scriptId": fills})
        self.assertEqual(self.keyword(self.send(pattern, "x", "draft")), "assert")
        self.assertEqual(self.keyword(self.send(pattern, "b", "paid")), "transition")
        self.assertEqual(self.keyword(self.send(pattern, "b", "draft")), "script")
        self.server.post("/v2/script/run", {"scriptId": self.script(f"return function() sdk.kv.delete('{pattern}') end")})
        self.assertEqual(self.send(pattern, "b", "draft").status, 202, "what a script refused made no step")

    def test_versions_switches_and_users(self):
        pattern, script = self.unique("v."), self.script("return function() return 'first' end", id=self.unique("scr"))
        name = self.schema(pattern, [{"scriptId": script}])
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{script}").status, 409)
        self.server.request("PUT", f"/v2/scripts/{script}", {"source": "return function() return 'second' end"})
        self.assertIn("second", self.server.post("/v2/events", {"pattern": pattern}).json()["error"]["message"])
        self.server.request("PATCH", f"/v2/scripts/{script}", {"enabled": False})
        self.assertEqual(self.server.post("/v2/events", {"pattern": pattern}).status, 202)
        self.server.request("PATCH", f"/v2/scripts/{script}", {"enabled": True})
        tried = self.server.post(f"/v2/schemas/{name}/validate", {"payload": {}}).json()
        self.assertEqual((tried["valid"], tried["errors"][0]["message"]), (False, "second"))
        self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "dead-letter"})
        event = self.unique("e")
        self.assertEqual(self.server.post("/v2/events", {"pattern": pattern, "eventId": event}).status, 202)
        letter = [l for l in self.server.items("/v2/dlq") if l["eventId"] == event][0]
        self.server.post(f"/v2/dlq/{letter['id']}/replay", {})
        harness.wait_until("it is told again", lambda: [
            l for l in self.server.items("/v2/dlq") if l["eventId"] == event and l["retryCount"] == 1])
        self.server.request("PUT", f"/v2/scripts/{script}", {"source": "return function() return true end"})
        self.server.post(f"/v2/dlq/{letter['id']}/replay", {})
        harness.wait_until("it is in", lambda: event in [e["eventId"] for e in self.server.all_events(pattern)])
        self.assertEqual(self.server.request("DELETE", f"/v2/schemas/{name}").status, 200)
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{script}").status, 200)

    def test_a_check_asks_them_too(self):
        pattern = self.unique("past.")
        for n in range(5):
            self.server.send_event(pattern, {"n": n})
        script = self.script("return function(e) if e.payload.n > 2 then return 'too many' end end")
        seen = self.server.post("/v2/schemas/check", {"rules": [{"scriptId": script}], "pattern": pattern, "from": "-1h"}).json()
        self.assertEqual((seen["scanned"], seen["rejected"]), (5, 2), seen)
        self.assertEqual((seen["byPointer"][0]["keyword"], seen["byPointer"][0]["message"]), ("script", "too many"))
        self.assert_error(self.server.post("/v2/schemas/check", {"rules": [{"scriptId": "none"}]}), 400,
                          "VALIDATION_ERROR", "no script has that id")


class References(RuleCase):
    def test_a_schema_may_refer_to_another_as_it_was_when_it_was_registered(self):
        address, pattern = self.unique("addr"), self.unique("ref.")
        self.server.post("/v2/schemas", {"id": address, "pattern": address, "schema": {
            "$id": f"https://example.com/{address}.json", "required": ["city"], "$defs": {"zip": {"pattern": "^[0-9]+$"}}}})
        name = self.unique("sch")
        whole = {"properties": {"home": {"$ref": address}, "work": {"$ref": f"https://example.com/{address}.json"},
                                "zip": {"$ref": f"millrace:{address}#/$defs/zip"}}}
        reply = self.server.post("/v2/schemas", {"id": name, "pattern": pattern, "schema": whole})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual({(r["id"], r["version"]) for r in reply.json()["references"]}, {(address, 1)})
        for payload, pointer in (({"home": {}}, "/home"), ({"work": {}}, "/work"), ({"zip": "x"}, "/zip")):
            reply = self.server.post("/v2/events", {"pattern": pattern, "payload": payload})
            self.assertEqual(reply.json()["error"]["details"]["errors"][0]["pointer"], pointer)
        changed = self.server.request("PATCH", f"/v2/schemas/{address}", {"schema": {"required": ["street"]}, "compatibility": "none"})
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual(self.server.post("/v2/events", {"pattern": pattern, "payload": {"home": {"city": "x"}}}).status, 202)
        self.assertEqual(self.server.request("DELETE", f"/v2/schemas/{address}").status, 200)
        self.assertEqual(self.server.post("/v2/events", {"pattern": pattern, "payload": {"home": {}}}).status, 400)
        self.assertEqual(self.server.request("PATCH", f"/v2/schemas/{name}", {"mode": "warn"}).status, 200)
        self.assert_error(self.server.request("PATCH", f"/v2/schemas/{name}", {"schema": whole}), 400, "VALIDATION_ERROR", address)

    def test_loops_and_strangers(self):
        one, two = self.unique("one"), self.unique("two")
        self.assertEqual(self.server.post("/v2/schemas", {"id": one, "pattern": one, "schema": {}}).status, 201)
        node = {"properties": {"next": {"$ref": one}}}
        self.assertEqual(self.server.post("/v2/schemas", {"id": two, "pattern": two, "schema": node}).status, 201)
        reply = self.server.request("PATCH", f"/v2/schemas/{one}", {"schema": {"properties": {"next": {"$ref": two}}, "maxProperties": 1},
                                                                    "compatibility": "none"})
        self.assertEqual(reply.status, 200, reply)
        deep = {"next": {"next": {"next": {"a": 1, "b": 2}}}}
        self.assertEqual(self.server.post("/v2/events", {"pattern": one, "payload": deep}).status, 202)
        self.assertEqual(self.server.post("/v2/events", {"pattern": one, "payload": {"next": {"next": {"a": 1, "b": 2}}}}).status, 400)
        self.assertEqual(self.server.request("PATCH", f"/v2/schemas/{one}", {"schema": {"$ref": one}, "compatibility": "none"}).status, 400)
        self.assert_error(self.server.post("/v2/schemas", {"pattern": "x", "schema": {"$ref": "nobody"}}), 400,
                          "VALIDATION_ERROR", "nobody")
        shown = self.server.get(f"/v2/schemas/{two}").json()
        self.assertEqual(self.server.request("PUT", f"/v2/schemas/{two}", shown).status, 200)
        seen = self.server.post("/v2/schemas/check", {"schema": {"$ref": two}, "pattern": one})
        self.assertEqual(seen.status, 200, seen)


class AfterARestart(unittest.TestCase):
    def test_states_and_references_are_kept(self):
        for shards in (1, 3):
            server = harness.Server(shards=shards)
            self.addCleanup(server.close)
            server.start()
            server.post("/v2/schemas", {"id": "part", "pattern": "part", "schema": {"required": ["id"]}})
            reply = server.post("/v2/schemas", {"id": "orders", "pattern": "order", "schema": {"$ref": "part"}, "rules": [TRANSITION]})
            self.assertEqual(reply.status, 201, reply)
            send = lambda id, s, k: server.post("/v2/events", {"pattern": "order", "partitionKey": k,
                                                               "payload": {"id": id, "status": s}}).status
            for n in range(20):
                self.assertEqual([send(n, "draft", str(n)), send(n, "sent", str(-n))], [202, 202])
            server.kill()
            server.start()
            for n in range(20):
                self.assertEqual([send(n, "draft", "x"), send(n, "paid", "y"), send(n, "paid", "z")], [400, 202, 400])
            self.assertEqual(server.post("/v2/events", {"pattern": "order", "payload": {}}).status, 400)
            server.close()


if __name__ == "__main__":
    unittest.main()
