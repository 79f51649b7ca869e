#!/usr/bin/env python3
"""Goal: who may call an endpoint is asked in one order (is there one, who are you, how often, then it
runs), and a caller that goes away changes nothing of what its call does. Method: a server with keys,
asked from outside with and without them; sockets that are closed while the script is at work."""
import json
import socket
import time
import unittest

import harness
from keyed import KeyedCase

RUNS = "return function(event, ctx) sdk.kv.incr('%s') return {ctx.authenticated, ctx.apiKey or 'nobody', " \
       "ctx.requestUser and ctx.requestUser.role or 'none'} end"


class Order(KeyedCase):
    def endpoint(self, **members):
        name = self.unique("o")
        script = self.server.create_script(RUNS % name, type="endpoint")
        made = self.server.post("/v2/endpoints", {"method": "POST", "route": name, "scriptId": script, **members})
        self.assertEqual(made.status, 201, made)
        return name

    def anybody(self, path, body=None, **headers):
        key, self.server.api_key = self.server.api_key, None
        try:
            return self.server.post(path, body or {}, headers=headers)
        finally:
            self.server.api_key = key

    def runs(self, name):
        return sum(i["value"] for i in self.server.items(f"/v2/kv?prefix={name}"))

    def test_what_is_not_there_is_404_for_whoever_asks(self):
        self.assert_error(self.anybody("/v2/endpoint/post/nowhere"), 404, "NOT_FOUND")
        self.assert_error(self.server.post("/v2/endpoint/post/nowhere", {}), 404, "NOT_FOUND")

    def test_what_is_there_asks_who_it_is_before_anything_else(self):
        name = self.endpoint(rate=0.01)
        for _ in range(3):
            reply = self.anybody(f"/v2/endpoint/post/{name}", {"a": 1}, **{"Idempotency-Key": "k"})
            self.assert_error(reply, 401, "UNAUTHORIZED")
            self.assertIn("www-authenticate", reply.headers)
        self.assertEqual(self.runs(name), 0)
        reply = self.server.post(f"/v2/endpoint/post/{name}", {"a": 1})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json()[0], True)
        self.assert_error(self.server.post(f"/v2/endpoint/post/{name}", {"a": 1}), 429, "RATE_LIMIT_EXCEEDED")
        self.assertEqual(self.runs(name), 1)

    def test_a_key_that_is_none_is_401_where_one_is_asked_for(self):
        name = self.endpoint()
        self.assert_error(self.anybody(f"/v2/endpoint/post/{name}", **{"X-API-Key": "mr_live_nonsense"}),
                          401, "UNAUTHORIZED")
        self.assertEqual(self.runs(name), 0)

    def test_who_need_not_say_is_nobody(self):
        optional, none = self.endpoint(auth="optional"), self.endpoint(auth="none")
        self.assertEqual(self.anybody(f"/v2/endpoint/post/{optional}").json(), [False, "nobody", "none"])
        known = self.server.post(f"/v2/endpoint/post/{optional}", {}).json()
        self.assertEqual((known[0], known[2]), (True, "admin"))
        self.assertEqual(self.anybody(f"/v2/endpoint/post/{none}").json()[0], False)
        self.assertEqual(self.server.post(f"/v2/endpoint/post/{none}", {}).json()[0], False)

    def test_an_api_run_asks_who_before_it_says_what_is_there(self):
        self.assert_error(self.anybody("/v2/script/run", {"scriptId": "nobody"}), 401, "UNAUTHORIZED")
        self.assert_error(self.server.post("/v2/script/run", {"scriptId": "nobody"}), 404, "NOT_FOUND")
        script = self.server.create_script("return function() return 1 end", allow={"roles": ["operator"]})
        developer = self.make_key(name="d", role="developer")["key"]
        operator = self.make_key(name="o", role="operator")["key"]
        self.assert_error(self.ask(developer, "POST", "/v2/script/run", {"scriptId": script}), 403, "FORBIDDEN")
        self.assertEqual(self.ask(operator, "POST", "/v2/script/run", {"scriptId": script}).status, 200)


class Gone(harness.ServerCase):
    def send_and_leave(self, path, body, **headers):
        text = json.dumps(body)
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                 f"Content-Length: {len(text)}"] + [f"{k}: {v}" for k, v in headers.items()]
        connection = self.server.raw_connection()
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        return connection

    def leave(self, connection):
        # With a reset, as a process that dies leaves it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    def kv(self, key):
        return {i["key"]: i["value"] for i in self.server.items(f"/v2/kv?prefix={key}")}

    def test_what_a_call_does_is_done_though_its_caller_is_gone(self):
        name = self.unique("g")
        script = self.server.create_script(
            f"return function() sdk.kv.incr('{name}:began') sdk.sleep(300) "
            f"sdk.events.emit('{name}', {{}}) return {{n = sdk.kv.incr('{name}:done')}} end", type="endpoint")
        self.server.post("/v2/endpoints", {"method": "POST", "route": name, "scriptId": script})
        path = f"/v2/endpoint/post/{name}"
        connection = self.send_and_leave(path, {}, **{"Idempotency-Key": "once"})
        time.sleep(0.1)
        self.leave(connection)
        harness.wait_until("its effects", lambda: self.kv(name).get(f"{name}:done"))
        self.assertEqual(self.kv(name), {f"{name}:began": 1, f"{name}:done": 1})
        harness.wait_until("its event", lambda: self.server.all_events(name))
        again = self.server.post(path, {}, headers={"Idempotency-Key": "once"})
        self.assertEqual((again.json(), again.headers.get("idempotency-replayed")), ({"n": 1}, "true"))

    def test_a_second_call_with_the_key_while_the_first_runs_is_told_so(self):
        name = self.unique("g")
        script = self.server.create_script(
            f"return function() sdk.sleep(400) return sdk.kv.incr('{name}') end", type="endpoint")
        self.server.post("/v2/endpoints", {"method": "POST", "route": name, "scriptId": script})
        path = f"/v2/endpoint/post/{name}"
        first = self.send_and_leave(path, {}, **{"Idempotency-Key": "k"})
        time.sleep(0.1)
        reply = self.server.post(path, {}, headers={"Idempotency-Key": "k"})
        self.assert_error(reply, 409, "CONFLICT", "has not")
        self.assertIn("retry-after", reply.headers)
        self.assertTrue(first.recv(4096).startswith(b"HTTP/1.1 200"))
        first.close()
        self.assertEqual(self.kv(name), {name: 1})

    def test_a_change_with_a_hook_before_it_is_made_though_its_caller_is_gone(self):
        kind = self.unique("g")
        script = self.server.create_script(
            "return function(e, ctx) sdk.sleep(300) ctx.eventData.doc.asked = true end", type="hook")
        self.server.post("/v2/hooks", {"entity": kind, "on": "beforeCreate", "scriptId": script})
        connection = self.send_and_leave(f"/v2/entities/{kind}", {"id": "o"})
        time.sleep(0.1)
        self.leave(connection)
        made = harness.wait_until("the entity", lambda: self.server.get(f"/v2/entities/{kind}/o").status == 200
                                  and self.server.get(f"/v2/entities/{kind}/o").json())
        self.assertEqual((made["asked"], made["version"]), (True, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
