#!/usr/bin/env python3
"""Goal: handlers call the outside and wait for the answer; what goes wrong has a code; secrets are
theirs to read. Method: a receiver of our own."""
import json
import unittest

import harness
import sink


class HttpAwait(sink.SinkCase):
    def run_script(self, source, body=None, **members):
        script = self.server.create_script(source, type="api", **members)
        reply = self.server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": body or {}})
        self.assertEqual(reply.status, 200, reply)
        return reply.json()["result"]

    def test_a_response(self):
        self.sink.answers["/r"] = (201, {"X-A": "b", "content-type": "application/json"}, b'{"n":[1,2]}')
        url = self.sink.url + "/r"
        result = self.run_script(
            "return function(e) local r = sdk.http.get('%s?q=1', {headers = {['X-Own'] = 'h'}})\n"
            "return {r.status, r.headers['x-a'], r.body, r.json().n[2], r:json().n[1]} end" % url)
        self.assertEqual(result, [201, "b", '{"n":[1,2]}', 2, 1])
        seen = self.sink.of("/r")[0]
        self.assertEqual((seen.method, seen.path, seen.headers["x-own"]), ("GET", "/r?q=1", "h"))

    def test_methods_and_bodies(self):
        url = self.sink.url + "/m"
        self.run_script(
            "return function() local u = '%s'\n"
            "sdk.http.post(u, {orderID = 'o1', total = 5})\n"
            "sdk.http.put(u, {body = 'plain', headers = {['content-type'] = 'text/plain'}})\n"
            "sdk.http.patch(u, {json = {a = 1}})\n"
            "sdk.http.delete(u)\n"
            "sdk.http.request(u, {method = 'post', body = {b = 2}}) end" % url)
        seen = self.sink.of("/m")
        self.assertEqual([r.method for r in seen], ["POST", "PUT", "PATCH", "DELETE", "POST"])
        self.assertEqual(json.loads(seen[0].body), {"orderID": "o1", "total": 5})
        self.assertEqual(seen[0].headers["content-type"], "application/json")
        self.assertEqual((seen[1].body, seen[1].headers["content-type"]), (b"plain", "text/plain"))
        self.assertEqual([json.loads(seen[i].body) for i in (2, 4)], [{"a": 1}, {"b": 2}])
        keys = [r.headers.get("idempotency-key") for r in seen]
        self.assertEqual(len({k for k in keys if k}), 3)
        self.assertEqual([bool(k) for k in keys], [True, False, True, False, True])

    def test_all_at_once(self):
        self.sink.answers["/a"] = (200, {}, b"A")
        self.sink.answers["/b"] = (404, {}, b"B")
        result = self.run_script(
            "return function() local u = '%s'\n"
            "local r = sdk.http.all{u .. '/a', {url = u .. '/b', method = 'POST', body = 'x'}, 'http://10.0.0.1/'}\n"
            "return {r[1].body, r[2].status, r[3].error.code} end" % self.sink.url)
        self.assertEqual(result, ["A", 404, "BLOCKED"])

    def test_faults_have_codes(self):
        def code(call):
            return self.run_script(
                "return function() local ok, err = pcall(function() return %s end)\n"
                "return {ok, err.code, err.url ~= nil, err.message ~= nil} end" % call)
        def slow(_):
            harness.wait_until("a while", lambda: False, 1) if False else __import__("time").sleep(0.6)
            return 200, {}, b""
        self.sink.answers["/slow"] = slow
        self.sink.answers["/big"] = (200, {}, b"x" * 1_100_000)
        self.assertEqual(code("sdk.http.get('http://169.254.169.254/latest')"), [False, "BLOCKED", True, True])
        self.assertEqual(code("sdk.http.get('http://localhost.:1/')")[:1], [False])
        self.assertEqual(code("sdk.http.get('ftp://127.0.0.1/')"), [False, "BLOCKED", True, True])
        self.assertEqual(code("sdk.http.get('http://127.0.0.1:1/')"), [False, "CONNECT", True, True])
        self.assertEqual(code("sdk.http.get('https://%s/')" % self.sink.url[7:])[1], "TLS")
        self.assertEqual(code("sdk.http.get('%s/slow', {timeoutMs = 50})" % self.sink.url)[1], "TIMEOUT")
        self.assertEqual(code("sdk.http.get('%s/big')" % self.sink.url)[1], "TOO_LARGE")
        self.assertEqual(code("table.sort({3, 1, 2}, function(a, b) sdk.http.get('x') return a < b end)")[1],
                         "AWAIT_NOT_ALLOWED")

    def test_redirects_are_followed_on_demand(self):
        self.sink.answers["/from"] = (302, {"location": "/to"}, b"")
        self.sink.answers["/away"] = (302, {"location": "http://192.168.0.1/"}, b"")
        self.sink.answers["/to"] = (200, {}, b"there")
        url = self.sink.url
        self.assertEqual(self.run_script("return function() return sdk.http.get('%s/from').status end" % url), 302)
        self.assertEqual(self.run_script(
            "return function() return sdk.http.get('%s/from', {follow = 1}).body end" % url), "there")
        self.assertEqual(self.run_script(
            "return function() local ok, e = pcall(sdk.http.get, '%s/away', {follow = 1}) return e.code end" % url),
            "BLOCKED")

    def test_from_a_coroutine_of_its_own(self):
        self.sink.answers["/c"] = (200, {}, b"c")
        self.assertEqual(self.run_script(
            "return function() local out = {}\n"
            "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1)\n"
            "  local r = sdk.http.get('%s/c') sdk.sleep(1) coroutine.yield(r.body .. b) return 'end' end)\n"
            "for i = 1, 3 do local ok, v = coroutine.resume(co, i) out[i] = v end\n"
            "return out end" % self.sink.url), [2, "c2", "end"])

    def test_deliveries_wait_side_by_side_and_keep_their_order(self):
        import time
        pattern, path = self.unique("wait."), "/" + self.unique("w")
        self.sink.answers[path] = lambda _: (time.sleep(0.02), (200, {}, b"1"))[1]
        script = self.server.create_script(
            "return function(e) local r = sdk.http.post('%s', {n = e.payload.n})\n"
            "sdk.kv.incr('%s') return r.status end" % (self.sink.url + path, path))
        subscription = self.server.subscribe(pattern, script)
        for n in range(60):
            self.server.send_event(pattern, {"n": n}, partitionKey=f"k{n % 20}")
        items = self.server.wait_executions(60, subscriptionId=subscription)
        self.assertEqual({e["result"] for e in items}, {200})
        order = [json.loads(r.body)["n"] for r in self.sink.of(path)]
        for key in range(20):
            own = [n for n in order if n % 20 == key]
            self.assertEqual(own, sorted(own))

    def test_what_was_read_of_kv_before_a_wait_still_counts_after_it(self):
        pattern, key = self.unique("race."), self.unique("k")
        script = self.server.create_script(
            "return function(e) local n = sdk.kv.get('%s') or 0\nsdk.sleep(3)\n"
            "sdk.kv.set('%s', n + 1) return n + 1 end" % (key, key))
        subscription = self.server.subscribe(pattern, script)
        self.server.post("/v2/events", [{"pattern": pattern, "payload": {}} for _ in range(25)])
        items = self.server.wait_executions(25, subscriptionId=subscription)
        self.assertEqual(sorted(e["result"] for e in items), list(range(1, 26)))
        self.assertEqual({len(e["attempts"]) for e in items}, {1})

    def test_secrets_and_permissions(self):
        name = self.unique("s")
        self.assertEqual(self.server.post("/v2/secrets", {"name": name, "value": "v1"}).status, 201)
        source = "return function() return sdk.secrets.get('%s') end" % name
        self.assertEqual(self.run_script(source), "v1")
        self.assertEqual(self.server.request("PUT", "/v2/secrets/" + name, {"value": "v2"}).status, 200)
        self.assertEqual(self.run_script(source), "v2")
        self.assertIsNone(self.run_script("return function() return sdk.secrets.get('nobody') end"))
        self.assertIn("permission 'http'", self.run_script(
            "return function() local ok, e = pcall(sdk.http.get, 'http://127.0.0.1/') return tostring(e) end",
            permissions=["kv"]))


if __name__ == "__main__":
    unittest.main()
