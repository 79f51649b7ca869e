#!/usr/bin/env python3
"""Goal: endpoints answer as API.md says: routes, methods, what a script sees, what a caller gets,
and nothing is answered that is not durable. Method: small scripts behind routes, called as curl
would; kill -9 right behind an answer."""
import json
import threading
import unittest

import harness

ECHO = "return function(event, ctx) return event end"


class Endpoints(harness.ServerCase):
    def endpoint(self, source, method="POST", route=None, script=None, **body):
        script = script or self.server.create_script(source, type="endpoint")
        route = route or self.unique("r")
        reply = self.server.post("/v2/endpoints", {
            "name": "n", "method": method, "route": route, "scriptId": script, **body})
        self.assertEqual(reply.status, 201, reply)
        return reply.json()

    def call(self, method, route, body=None, **options):
        return self.server.request(method, f"/v2/endpoint/{method.lower()}/{route}", body, **options)

    def test_create_read_change_list_remove(self):
        made = self.endpoint(ECHO, "get", "/docs/:id", code=self.unique("code"), auth="none")
        self.assertEqual((made["method"], made["route"], made["id"]),
                         ("GET", "docs/:id", made["code"]))
        path = f"/v2/endpoints/{made['id']}"
        tag = self.server.get(path).headers["etag"]
        patched = self.server.request("PATCH", path, {"rate": 5, "cors": True},
                                      headers={"If-Match": tag})
        self.assertEqual((patched.status, patched.json()["rate"]), (200, 5), patched)
        self.assert_error(self.server.request("PATCH", path, {"rate": 6}, headers={"If-Match": tag}),
                          409, "CONFLICT")
        self.assertIn(made["id"], [e["id"] for e in self.server.items("/v2/endpoints")])
        script = self.server.request("DELETE", f"/v2/scripts/{made['scriptId']}")
        self.assert_error(script, 409, "CONFLICT")
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        self.assert_error(self.call("GET", "docs/1"), 404, "NOT_FOUND")

    def test_a_script_may_subscribe_and_gets_what_it_has_asked_for(self):
        pattern = self.unique("wished")
        made = self.endpoint(
            "return function(event, ctx) "
            "if ctx.eventName ~= 'EndpointRequest' then sdk.kv.incr('%s') return event.payload.n end "
            "sdk.events.subscribe('%s.*', event.query.filter or {n = {gt = 1}}) return 'asked' end"
            % (pattern, pattern), "GET")
        for _ in range(2):
            self.assertEqual(self.call("GET", made["route"]).json(), "asked")
        found = [s for s in self.server.items("/v2/subscriptions")
                 if s["executor"].get("scriptId") == made["scriptId"]]
        self.assertEqual(len(found), 1)
        for n in (1, 2):
            self.server.send_event(pattern + ".x", {"n": n})
        done = self.server.wait_executions(1, subscriptionId=found[0]["id"])
        self.assertEqual([e["result"] for e in done], [2])
        bad = self.call("GET", made["route"] + "?filter=%24.n+%3D%3D")
        self.assert_error(bad, 500, "INTERNAL_ERROR", "subscribe")
        other = self.server.create_script("return function() sdk.events.subscribe('x') end")
        run = self.server.post("/v2/script/run", {"scriptId": other})
        self.assert_error(run, 500, "INTERNAL_ERROR", "only endpoint scripts")

    def test_two_that_no_path_tells_apart_clash(self):
        name = self.unique("c")
        first = self.endpoint(ECHO, "GET", f"{name}/:id")
        body = {"method": "GET", "route": f"{name}/:other", "scriptId": first["scriptId"]}
        self.assert_error(self.server.post("/v2/endpoints", body), 409, "CONFLICT", "route")
        self.assertEqual(self.server.post("/v2/endpoints", {**body, "method": "PUT"}).status, 201)
        for route in ("a//b", "", "a/*/b", ":id/:id", "a b", "x/:"):
            self.assert_error(self.server.post("/v2/endpoints", {**body, "route": route}),
                              400, "VALIDATION_ERROR", "route")
        for member, value in (("method", "TRACE"), ("auth", "maybe"), ("rate", -1), ("wrong", 1),
                              ("scriptId", "nobody")):
            self.assert_error(self.server.post("/v2/endpoints", {**body, member: value}),
                              400, "VALIDATION_ERROR", member)

    def test_words_before_parameters_before_the_rest(self):
        name = self.unique("p")
        for route in (f"{name}/new", f"{name}/:id", f"{name}/*"):
            self.endpoint(f"return function(e) return {{'{route}', e.params}} end", "GET", route)
        self.assertEqual(self.call("GET", f"{name}/new").json()[0], f"{name}/new")
        self.assertEqual(self.call("GET", f"{name}/7%20x").json(), [f"{name}/:id", {"id": "7 x"}])
        self.assertEqual(self.call("GET", f"{name}/7/x").json(), [f"{name}/*", {"*": "7/x"}])

    def test_the_method_of_the_path_is_the_request_s(self):
        made = self.endpoint(ECHO, "POST")
        reply = self.server.get(f"/v2/endpoint/post/{made['route']}")
        self.assert_error(reply, 405, "METHOD_NOT_ALLOWED")
        self.assertIn("POST", reply.headers["allow"])
        self.assert_error(self.server.get(f"/v2/endpoint/get/{made['route']}"), 404, "NOT_FOUND")
        self.assertEqual(self.server.post(f"/v2/endpoint/PoSt/{made['route']}", {}).status, 200)
        get = self.endpoint(ECHO, "GET")
        head = self.server.request("HEAD", f"/v2/endpoint/get/{get['route']}")
        self.assertEqual((head.status, head.body), (200, b""), head)

    def test_a_script_sees_the_call(self):
        made = self.endpoint("return function(event, ctx) local d = ctx.eventData "
                             "return {d, ctx.eventName, ctx.authenticated, event.body.a} end",
                             "POST", self.unique("r") + "/:id", code=self.unique("code"))
        route = made["route"].replace(":id", "42")
        reply = self.call("POST", route + "?q=1&q=2&r=%C3%A9&apiKey=secret", {"a": [1]},
                          headers={"X-One": "1", "X-API-Key": "secret"})
        self.assertEqual(reply.status, 200, reply)
        data, name, authenticated, seen = reply.json()
        self.assertEqual((name, authenticated, seen), ("EndpointRequest", True, [1]))
        self.assertEqual(data["endpoint"], {
            "_id": made["id"], "endpointCode": made["code"], "endpointName": "n",
            "routeName": made["route"], "url": f"/v2/endpoint/post/{route}", "method": "POST"})
        self.assertEqual(data["query"], {"q": ["1", "2"], "r": "\u00e9"})
        self.assertEqual((data["params"], data["body"]), ({"id": "42"}, {"a": [1]}))
        self.assertEqual(data["rawBody"], '{"a": [1]}')
        self.assertEqual(data["headers"]["x-one"], "1")
        self.assertNotIn("secret", json.dumps(data))

    def test_bodies_are_read_by_their_type(self):
        made = self.endpoint("return function(e) return {e.body} end")
        form = self.call("POST", made["route"], "a=1&b=x+y&a=2",
                         content_type="application/x-www-form-urlencoded")
        self.assertEqual(form.json(), [{"a": ["1", "2"], "b": "x y"}])
        text = self.call("POST", made["route"], "h\u00e9", content_type="text/plain")
        self.assertEqual(text.json(), ["h\u00e9"])
        self.assert_error(self.call("POST", made["route"], "{bad"), 400, "VALIDATION_ERROR")

    def test_what_a_script_returns_is_the_answer(self):
        nothing = self.endpoint("return function() end")
        reply = self.call("POST", nothing["route"], {})
        self.assertEqual((reply.status, reply.body), (204, b""), reply)
        said = self.endpoint("return function() return sdk.http.respond{status = 201, "
                             "headers = {['X-A'] = 'b', ['Content-Type'] = 'text/csv'}, "
                             "body = 'a,b'} end")
        reply = self.call("POST", said["route"], {})
        self.assertEqual((reply.status, reply.body), (201, b"a,b"), reply)
        self.assertEqual((reply.headers["x-a"], reply.headers["content-type"]), ("b", "text/csv"))
        table = self.endpoint("return function() sdk.http.respond{status = 404, body = {a = 1}} "
                              "return 'not this' end")
        reply = self.call("POST", table["route"], {})
        self.assertEqual((reply.status, reply.json()), (404, {"a": 1}), reply)

    def test_a_failure_is_never_a_200_and_does_nothing(self):
        key = self.unique("k")
        for source in (f"return function() sdk.kv.set('{key}', 1) error('broken here') end",
                       f"return function() sdk.kv.set('{key}', 1) "
                       "sdk.http.respond{status = 200, headers = {['Content-Length'] = '9'}} end"):
            made = self.endpoint(source)
            reply = self.call("POST", made["route"], {})
            error = self.assert_error(reply, 500, "INTERNAL_ERROR")
            self.assertEqual(error["details"]["reason"], "failed")
            run = self.server.get(f"/v2/executions/{error['details']['executionId']}").json()
            self.assertEqual(run["status"], "failed")
        self.assertEqual(self.server.get(f"/v2/kv?prefix={key}").json()["items"], [])
        slow = self.endpoint("return function() while true do end end", timeoutMs=100)
        error = self.assert_error(self.call("POST", slow["route"], {}), 500, "INTERNAL_ERROR")
        self.assertEqual(error["details"]["reason"], "timeout")

    def test_each_answered_call_is_on_record_whatever_it_has_done(self):
        made = self.endpoint("return function(event) if event.query.n == '3' then sdk.kv.incr('rec') end "
                             "return tonumber(event.query.n) end", "GET")
        for n in range(1, 6):
            self.assertEqual(self.call("GET", f"{made['route']}?n={n}").json(), n)
            newest = self.server.items(f"/v2/executions?scriptId={made['scriptId']}")
            self.assertEqual([e["result"] for e in newest], list(range(n, 0, -1)))
            one = self.server.get(f"/v2/executions/{newest[0]['id']}")
            self.assertEqual(one.json(), newest[0])
        self.server.stop()
        self.server.start()
        after = self.server.items(f"/v2/executions?scriptId={made['scriptId']}")
        self.assertEqual([e["result"] for e in after], [5, 4, 3, 2, 1])

    def test_a_key_makes_a_call_happen_once(self):
        name = self.unique("i")
        made = self.endpoint(f"return function(e) sdk.http.respond{{status = 201, headers = "
                             f"{{['X-N'] = '1'}}, body = {{n = sdk.kv.incr('{name}')}}}} end")
        headers = {"Idempotency-Key": "key-1"}
        first = self.call("POST", made["route"], {"a": 1}, headers=headers)
        again = self.call("POST", made["route"], {"a": 1}, headers=headers)
        self.assertEqual((first.status, first.json()), (201, {"n": 1}), first)
        self.assertEqual((again.status, again.json()), (201, {"n": 1}), again)
        self.assertEqual((again.headers["x-n"], again.headers["idempotency-replayed"]), ("1", "true"))
        other = self.call("POST", made["route"], {"a": 2}, headers=headers)
        self.assert_error(other, 409, "CONFLICT", "Idempotency-Key")
        fresh = self.call("POST", made["route"], {"a": 1}, headers={"Idempotency-Key": "key-2"})
        self.assertEqual(fresh.json(), {"n": 2})

    def test_calls_beyond_the_rate_are_told_when_to_come_back(self):
        made = self.endpoint("return function() return 1 end", rate=0.01)
        self.assertEqual(self.call("POST", made["route"], {}).status, 200)
        reply = self.call("POST", made["route"], {})
        self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED")
        self.assertGreater(int(reply.headers["retry-after"]), 1)

    def test_a_disabled_script_is_not_there(self):
        made = self.endpoint("return function() return 1 end")
        self.server.request("PATCH", f"/v2/scripts/{made['scriptId']}", {"enabled": False})
        self.assert_error(self.call("POST", made["route"], {}), 404, "NOT_FOUND")

    def test_a_browser_may_ask_first(self):
        made = self.endpoint(ECHO, cors={"origins": ["https://shop.example"]})
        path = f"/v2/endpoint/post/{made['route']}"
        reply = self.server.request("OPTIONS", path)
        self.assertEqual((reply.status, reply.headers["allow"]), (204, "POST, OPTIONS"), reply)

    def test_the_command_line(self):
        script = self.server.create_script("return function() return 'cli' end", type="endpoint")
        route = self.unique("cli")
        def cli(*args):
            return harness.subprocess.run(
                [harness.BINARY, *args, "--server", f"http://127.0.0.1:{self.server.port}",
                 "--output", "json"], capture_output=True, text=True, check=True,
                env=harness.clean_environment()).stdout
        made = json.loads(cli("endpoint", "create", "POST", route, "--script", script))
        self.assertEqual(self.call("POST", route, {}).json(), "cli")
        self.assertIn(made["id"], cli("endpoint", "list"))
        cli("endpoint", "remove", made["id"])
        self.assertEqual(self.call("POST", route, {}).status, 404)
        made = json.loads(cli("schedule", "create", "--cron", "0 9 * * *", "--pattern", "a.b"))
        self.assertEqual(len(json.loads(cli("schedule", "preview", made["id"], "-n", "3"))["items"]), 3)
        self.assertIn("sd_", cli("schedule", "trigger", made["id"]))
        self.assertIn("trigger", cli("schedule", "runs", made["id"]))
        cli("schedule:pause", made["id"])
        cli("schedule", "resume", made["id"])
        self.assertIn('"count":2', cli("schedule", "backfill", made["id"], "--from",
                                       "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z",
                                       "--dry-run").replace(" ", ""))
        cli("schedule", "remove", made["id"])


class Durable(harness.ServerCase):
    def test_what_was_answered_is_there_after_a_crash(self):
        script = self.server.create_script("return function() return sdk.kv.incr('n') end",
                                           type="endpoint")
        self.server.post("/v2/endpoints", {"method": "POST", "route": "count", "scriptId": script})
        answered = []

        def caller(number):
            try:
                for i in range(1000):
                    reply = self.server.post("/v2/endpoint/post/count", {},
                                             headers={"Idempotency-Key": f"{number}-{i}"})
                    answered.append((f"{number}-{i}", reply.json()))
            except (OSError, harness.http.client.HTTPException, ValueError):
                pass
        callers = [threading.Thread(target=caller, args=(n,)) for n in range(4)]
        for one in callers:
            one.start()
        harness.wait_until("some answers", lambda: len(answered) > 40)
        self.server.kill()
        for one in callers:
            one.join()
        self.server.start()
        count = self.server.get("/v2/kv?prefix=n").json()["items"][0]["value"]
        self.assertGreaterEqual(count, len(answered))
        key, value = answered[-1]
        again = self.server.post("/v2/endpoint/post/count", {}, headers={"Idempotency-Key": key})
        self.assertEqual((again.json(), again.headers["idempotency-replayed"]), (value, "true"))


if __name__ == "__main__":
    unittest.main()
