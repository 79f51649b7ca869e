#!/usr/bin/env python3
"""Goal: scripts are kept, versioned, run and contained as API.md says. Method: small Lua scripts
through POST /v2/script/run and through events; a hostile one must not harm its neighbours."""
import hashlib
import hmac
import unittest

import harness


class Scripts(harness.ServerCase):
    def run_script(self, source, query=None, body=None, status=200, **members):
        script_id = self.server.create_script(source, **{"type": "api", **members})
        reply = self.server.post("/v2/script/run", {
            "scriptId": script_id, "query": query or {}, "body": body or {}})
        self.assertEqual(reply.status, status, reply)
        return reply

    def result(self, source, **options):
        return self.run_script(source, **options).json()["result"]

    def test_create_read_list_replace_delete(self):
        script_id = self.server.create_script("return function() return 1 end", id=self.unique("sc"))
        got = self.server.get(f"/v2/scripts/{script_id}").json()
        self.assertEqual((got["id"], got["type"], got["enabled"]), (script_id, "event", True))
        self.assertEqual(got["source"], "return function() return 1 end")
        version = got["version"]
        listed = self.server.get("/v2/scripts?limit=1000").json()
        self.assertIn(script_id, [s["id"] for s in listed["items"]])
        reply = self.server.request("PUT", f"/v2/scripts/{script_id}", {
            "name": "t2", "type": "event", "source": "return function() return 2 end"})
        self.assertEqual(reply.status, 200, reply)
        self.assertGreater(reply.json()["version"], version)
        self.assertEqual(self.server.request("DELETE", f"/v2/scripts/{script_id}").status // 100, 2)
        self.assert_error(self.server.get(f"/v2/scripts/{script_id}"), 404, "NOT_FOUND")

    def test_the_same_id_twice_is_a_conflict(self):
        script_id = self.server.create_script("return function() end", id=self.unique("sc"))
        reply = self.server.post("/v2/scripts", {"id": script_id, "name": "x", "type": "event",
                                                 "source": "return function() end"})
        self.assert_error(reply, 409, "CONFLICT")

    def test_a_syntax_error_names_the_line(self):
        reply = self.server.post("/v2/scripts", {
            "name": "bad", "type": "event", "source": "local a = 1\nlocal b =\nreturn function( end"})
        error = self.assert_error(reply, 400, "VALIDATION_ERROR")
        self.assertRegex(error["message"] + str(error["details"]), r"\b[23]\b")

    def test_bad_members_are_named(self):
        for member, value in (("type", "wrong"), ("source", 5), ("timeoutMs", -1)):
            body = {"name": "n", "type": "event", "source": "return function() end", member: value}
            self.assert_error(self.server.post("/v2/scripts", body), 400, "VALIDATION_ERROR", member)
        self.assert_error(self.server.post("/v2/scripts", {"name": "n", "type": "event"}),
                          400, "VALIDATION_ERROR", "source")

    def test_bytecode_is_refused(self):
        reply = self.server.post("/v2/scripts", {"name": "n", "type": "event", "source": "\u001bLJ\u0002"})
        self.assert_error(reply, 400, "VALIDATION_ERROR")

    def test_a_run_finds_query_and_body_in_event_data(self):
        self.assertEqual(self.result(
            "return function(event, ctx) return {ctx.eventName, ctx.eventData.query.a, "
            "ctx.eventData.body.b, ctx.authenticated, event.body.b} end",
            query={"a": 1}, body={"b": [2]}), ["ApiRun", 1, [2], True, [2]])

    def test_a_run_that_takes_too_long_says_so(self):
        reply = self.run_script("return function() while true do end end", timeoutMs=50, status=500)
        error = self.assert_error(reply, 500, "INTERNAL_ERROR")
        self.assertEqual(error["details"]["reason"], "timeout")

    def test_run_answers_with_the_result_and_logs(self):
        reply = self.run_script(
            "return function(event, ctx) sdk.log.info('hi', {n = 1})\n"
            "return {sum = event.query.a + event.body.b, id = ctx.scriptId} end",
            query={"a": 2}, body={"b": 3})
        body = reply.json()
        self.assertIs(body["success"], True)
        self.assertEqual(body["result"]["sum"], 5)
        self.assertTrue(body["executionId"])
        self.assertGreaterEqual(body["durationMs"], 0)
        self.assertIn("hi", str(body["logs"]))

    def test_runs_are_kept_as_executions(self):
        good = self.server.create_script("return function(e) sdk.log.info('hi') return {n = e.body.n} end", type="api")
        bad = self.server.create_script("return function(e) error('boom') end", type="api")
        ids = []
        for n in range(5):
            reply = self.server.post("/v2/script/run", {"scriptId": good, "body": {"n": n}})
            ids.append(reply.json()["executionId"])
        failed = self.server.post("/v2/script/run", {"scriptId": bad}).json()["error"]["details"]["executionId"]
        one = self.server.get(f"/v2/executions/{ids[3]}").json()
        self.assertEqual((one["id"], one["scriptId"], one["status"], one["result"], one["eventId"], one["subscriptionId"]),
                         (ids[3], good, "completed", {"n": 3}, None, None))
        self.assertEqual(one["logs"][0]["text"], "hi")
        self.assertEqual(len(one["attempts"]), 1)
        other = self.server.get(f"/v2/executions/{failed}").json()
        self.assertEqual(other["status"], "failed")
        self.assertIn("boom", other["attempts"][0]["error"])
        listed = self.server.get(f"/v2/executions?scriptId={good}").json()
        self.assertEqual([e["id"] for e in listed["items"]], ids[::-1])
        self.assertIsNone(listed["next"])
        self.assertEqual([e["id"] for e in self.server.executions(scriptId=bad, status="failed")], [failed])
        self.assertEqual(self.server.executions(scriptId=bad, status="completed"), [])

    def test_runs_and_deliveries_are_one_list_by_time(self):
        pattern = self.unique("mix.")
        script = self.server.create_script("return function() return 1 end")
        self.server.subscribe(pattern, script)
        want = []
        for n in range(9):
            if n % 3 == 0:
                want.append(self.server.post("/v2/script/run", {"scriptId": script}).json()["executionId"])
            else:
                placed = self.server.send_event(pattern)
                want.append(self.server.wait_executions(1, eventId=placed["eventId"])[0]["id"])
        for limit in (1, 2, 4, 100):
            seen, cursor = [], ""
            while cursor is not None:
                page = self.server.get(f"/v2/executions?scriptId={script}&limit={limit}" +
                                       (f"&cursor={cursor}" if cursor else "")).json()
                self.assertLessEqual(len(page["items"]), limit)
                seen += [e["id"] for e in page["items"]]
                cursor = page["next"]
            self.assertEqual(seen, want[::-1], limit)
        self.assert_error(self.server.get("/v2/executions?cursor=zz"), 400, "VALIDATION_ERROR")

    def test_run_unknown_is_404_and_failing_is_500(self):
        self.assert_error(self.server.post("/v2/script/run", {"scriptId": "no-such"}), 404, "NOT_FOUND")
        self.assert_error(self.server.post("/v2/script/run", {"scriptId": "no-such", "event": {}, "body": 1}),
                          400, "VALIDATION_ERROR", "not both")
        reply = self.run_script("return function() error('kaputt') end", status=500)
        self.assert_error(reply, 500, "INTERNAL_ERROR", "kaputt")

    def test_json_is_exact(self):
        source = ("return function(event) return {n = sdk.json.null, list = event.body.list,"
                  " empty = event.body.empty, deep = event.body.deep, f = 0.1, i = 3} end")
        got = self.result(source, body={"list": [1, None, 3], "empty": [], "deep": {"a": {}}})
        self.assertEqual(got, {"n": None, "list": [1, None, 3], "empty": [], "deep": {"a": {}},
                               "f": 0.1, "i": 3})
        self.assertEqual(self.result(
            "return function() local t = sdk.json.decode('{\"a\":[],\"b\":null,\"c\":1e3}')\n"
            "return sdk.json.encode({t.a, t.b == sdk.json.null, t.c}) end"), '[[],true,1000]')

    def test_crypto_and_time(self):
        got = self.result(
            "return function() return {h = sdk.crypto.sha256('abc'), m = sdk.crypto.hmac('key', 'abc'),"
            " u = sdk.crypto.uuid(), b = sdk.crypto.base64('hi'), x = sdk.crypto.hex('hi'),"
            " now = sdk.time.now(), iso = sdk.time.iso()} end")
        self.assertEqual(got["h"], hashlib.sha256(b"abc").hexdigest())
        self.assertEqual(got["m"], hmac.new(b"key", b"abc", "sha256").hexdigest())
        self.assertRegex(got["u"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual((got["b"], got["x"]), ("aGk=", "6869"))
        self.assertRegex(got["iso"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_kv_between_runs(self):
        key = self.unique("kv")
        self.assertEqual(self.result(
            f"return function() sdk.kv.set('{key}a', {{x = 1}}) sdk.kv.incr('{key}n', 5)\n"
            f"return {{sdk.kv.get('{key}a').x, sdk.kv.incr('{key}n')}} end"), [1, 6])
        self.assertEqual(self.result(
            f"return function() local a = sdk.kv.get('{key}a') sdk.kv.delete('{key}a')\n"
            f"return {{a.x, sdk.kv.get('{key}n'), sdk.kv.get('{key}a') == nil}} end"), [1, 6, True])

    def test_nothing_dangerous_is_in_reach(self):
        source = ("return function() local out = {}\n"
                  "for _, n in ipairs({'ffi','io','debug','package','require','loadfile','dofile',"
                  "'load','loadstring','jit','collectgarbage','newproxy'}) do\n"
                  "  if n ~= 'load' and n ~= 'loadstring' and n ~= 'collectgarbage' and _G[n] ~= nil"
                  " then out[#out + 1] = n end end\n"
                  "if os and os.execute then out[#out + 1] = 'os.execute' end\n"
                  "if os and os.exit then out[#out + 1] = 'os.exit' end\n"
                  "if string.dump then out[#out + 1] = 'string.dump' end\n"
                  "local l = loadstring or load\n"
                  "if l and pcall(function() return assert(l('\\27LJ'))() end) then"
                  " out[#out + 1] = 'bytecode' end\n"
                  "return table.concat(out, ',') end")
        self.assertEqual(self.result(source), "")

    def test_a_deadline_stops_a_compiled_loop_even_under_pcall(self):
        for body in ("while true do end",
                     "while true do pcall(function() while true do end end) end",
                     "local s = 0 for i = 1, 1e15 do s = s + i end return s"):
            reply = self.run_script(f"return function() {body} end", status=500, timeoutMs=300)
            self.assertEqual(reply.json()["error"]["code"], "INTERNAL_ERROR")
        self.assertEqual(self.result("return function() return 'alive' end"), "alive")

    def test_a_memory_cap_stops_a_table_bomb(self):
        for body in ("local t = {} for i = 1, 1e9 do t[i] = {i} end",
                     "local s = 'x' while true do s = s .. s end",
                     "return string.rep('x', 1e9)"):
            self.run_script(f"return function() {body} end", status=500,
                            memoryBytes=16 << 20, timeoutMs=10000)
        self.assertEqual(self.result("return function() return 'alive' end"), "alive")

    def test_scripts_do_not_see_each_others_globals(self):
        name = self.unique("g")
        self.run_script(f"{name} = 7 return function() {name} = 8 return 1 end")
        self.assertIs(self.result(f"return function() return {name} == nil end"), True)

    def test_a_plain_chunk_reads_the_current_event(self):
        pattern = self.unique("plain.")
        script_id = self.server.create_script("local e = sdk.events.current() return e.payload.n * 2")
        subscription = self.server.subscribe(pattern, script_id)
        self.server.send_event(pattern, {"n": 21})
        done = self.server.wait_executions(1, subscriptionId=subscription)[0]
        self.assertEqual(done["result"], 42)

    def test_a_new_version_is_used_at_once(self):
        pattern = self.unique("ver.")
        script_id = self.server.create_script("return function() return 'one' end")
        subscription = self.server.subscribe(pattern, script_id)
        self.server.send_event(pattern)
        self.server.wait_executions(1, subscriptionId=subscription)
        reply = self.server.request("PUT", f"/v2/scripts/{script_id}", {
            "name": "t", "type": "event", "source": "return function(e, ctx) return 'two' end"})
        self.assertEqual(reply.status, 200, reply)
        placed = self.server.send_event(pattern)
        done = self.server.wait_executions(1, eventId=placed["eventId"])[0]
        self.assertEqual((done["result"], done["scriptVersion"]), ("two", reply.json()["version"]))


if __name__ == "__main__":
    unittest.main()
