"""Keys: who gets in on every face, what a key may do, and how it comes and goes."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import graphql_test
import web_socket_test
from harness import BINARY, LineClient, Server, clean_environment, main, wait_until
from keyed import KeyedCase, KeyedServer, bootstrap

KEY_FORM = re.compile(r"^mr_live_[0-9A-Za-z]{49}$")


class Faces(KeyedCase):
    def test_the_first_key_is_an_admin_who_may_make_tenants(self):
        admin = self.server.admin
        self.assertRegex(admin["key"], KEY_FORM)
        self.assertEqual(admin["prefix"], admin["key"][:12])
        self.assertEqual(admin["last4"], admin["key"][-4:])
        self.assertEqual(admin["tenantId"], "default")
        me = self.server.get("/v2/me").json()
        self.assertEqual((me["tenantId"], me["mode"], me["role"], me["keyId"], me["scopes"]),
                         ("default", "key", "admin", admin["id"], ["*"]))
        self.assertNotIn("key", self.server.get(f"/v2/keys/{admin['id']}").json())

    def test_every_wrong_credential_is_one_and_the_same_401(self):
        good = self.server.api_key
        other = self.make_key(name="other")["key"]
        texts = set()
        wrong = [
            [], [("X-API-Key", "")], [("X-API-Key", "x")], [("X-API-Key", good[:-1])],
            [("X-API-Key", good + "0")], [("X-API-Key", good[:-1] + ("a" if good[-1] != "a" else "b"))],
            [("Authorization", good)], [("Authorization", "Basic " + good)],
            [("Authorization", "Bearer")], [("Authorization", "Bearer " + good.lower())],
            [("X-API-Key", good), ("Authorization", "Bearer " + good)],
            [("X-API-Key", good), ("X-API-Key", good)], [("X-API-Key", good), ("X-API-Key", other)],
        ]
        for headers in wrong:
            for method, path, body in (("GET", "/v2/events", ""), ("POST", "/v2/events", "{}"),
                                       ("GET", "/v2/none", ""), ("GET", "/metrics", ""),
                                       ("GET", "/v2/events/stream", "")):
                lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in headers]
                if body:
                    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
                with self.server.raw_connection() as connection:
                    connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
                    answer = b""
                    while chunk := connection.recv(65536):
                        answer += chunk
                head, _, text = answer.decode().partition("\r\n\r\n")
                self.assertIn(" 401 ", head.splitlines()[0], (headers, path, answer))
                self.assertIn("\nwww-authenticate: bearer", head.lower(), (headers, path))
                texts.add(json.loads(text)["error"]["message"])
        self.assertEqual(len(texts), 1, texts)

    def test_probes_need_no_key_and_the_rest_does(self):
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/openapi.json", 401),
                             ("/v2/me", 401), ("/metrics", 401)):
            reply = self.server.request("GET", path, headers={"X-API-Key": "none"})
            self.assertEqual(reply.status, status, path)

    def test_both_headers_are_places_for_a_key(self):
        key = self.server.api_key
        for headers in ({"Authorization": "Bearer " + key}, {"authorization": "bearer " + key},
                        {"x-api-key": key}):
            self.assertEqual(self.server.get("/v2/me", headers=headers).status, 200, headers)

    def test_the_query_is_a_place_only_for_streams_and_script_runs(self):
        key = self.server.api_key
        script = self.server.create_script("return function() return 7 end")
        bare = {"X-Other": "1"}
        raw = Server.request
        self.server.api_key = None
        try:
            run = raw(self.server, "POST", f"/v2/script/run?apiKey={key}", {"scriptId": script},
                      headers=bare)
            self.assertEqual(run.json().get("result"), 7, run)
            for path in ("/v2/events", "/v2/me"):
                self.assert_error(raw(self.server, "GET", f"{path}?apiKey={key}"), 401,
                                  "UNAUTHORIZED")
        finally:
            self.server.api_key = key
        twice = self.server.post(f"/v2/script/run?apiKey={key}", {"scriptId": script})
        self.assert_error(twice, 401, "UNAUTHORIZED")
        self.assertNotIn(key, self.server.log())

    def stream_ends(self, change):
        pattern = self.unique()
        key = self.make_key(role="viewer")
        connection = self.server.raw_connection()
        connection.sendall(f"GET /v2/events/stream?pattern={pattern}&apiKey={key['key']} HTTP/1.1\r\n"
                           "Host: localhost\r\n\r\n".encode())
        reader = connection.makefile("rb")
        self.assertIn(b" 200 ", reader.readline())
        self.server.send_event(pattern, {"n": 1})
        wait_until("the event", lambda: b'"n": 1' in reader.readline())
        change(f"/v2/keys/{key['id']}")
        self.server.send_event(pattern, {"n": 2})
        rest = b""
        while b"UNAUTHORIZED" not in rest:
            line = reader.readline()
            self.assertTrue(line, rest)
            rest += line
        self.assertNotIn(b'"n": 2', rest)
        reader.close()
        connection.close()

    def test_a_stream_lasts_as_long_as_its_key_gives_the_same(self):
        self.stream_ends(lambda path: self.server.request("DELETE", path))
        self.stream_ends(lambda path: self.server.request("PATCH", path, {"role": "publisher"}))
        self.stream_ends(lambda path: self.server.post(path + "/rotate", {"overlap": "0"}))

    def test_a_socket_is_closed_by_its_protocol_when_its_key_goes(self):
        pattern = self.unique()
        for path, code in (("/v2/events/ws", 1008), ("/v2/graphql", 4403)):
            key = self.make_key(role="viewer")
            if code == 1008:
                client = web_socket_test.Client(self.server, f"?pattern={pattern}&apiKey={key['key']}")
            else:
                client = graphql_test.Socket(self.server, "?apiKey=" + key["key"])
                client.follow("1", graphql_test.FOLLOW, p=pattern)
                client.say(type="ping")
                client.message()
            self.server.request("DELETE", f"/v2/keys/{key['id']}")
            self.assertIn("UNAUTHORIZED", json.dumps(client.message()), path)
            self.assertEqual(client.close_code(), code, path)
            client.close()

    def test_no_method_is_a_way_around(self):
        for method in ("HEAD", "OPTIONS", "GET", "PUT", "PATCH", "DELETE", "POST"):
            for path in ("/v2/events", "/v2/keys", "/v2/none", "*"):  # / is the console, for all
                if path == "*" and method != "OPTIONS":
                    continue
                reply = self.server.request(method, path, headers={"X-API-Key": "nobody"})
                self.assertEqual(reply.status, 401, (method, path, reply))

    def test_a_line_socket_says_hello_with_a_key(self):
        for hello in (None, {"hello": {}}, {"hello": {"apiKey": "x"}}):
            client = LineClient(self.server, unix=True)
            client.send(*([hello] if hello else []), {"pattern": "a", "payload": {}})
            self.assertEqual(client.read()["error"]["code"], "UNAUTHORIZED")
            self.assertIsNone(client.read())
            client.close()
        viewer = self.make_key(role="viewer")["key"]
        client = LineClient(self.server)
        client.send({"hello": {"apiKey": viewer}})
        self.assertEqual(client.read()["error"]["code"], "FORBIDDEN")
        client.close()
        publisher = self.make_key(role="publisher")
        pattern = self.unique()
        client = LineClient(self.server)
        client.send({"hello": {"apiKey": publisher["key"]}}, {"pattern": pattern, "payload": {}})
        client.read_until_ack(1)
        self.server.request("DELETE", f"/v2/keys/{publisher['id']}")
        client.send({"pattern": pattern, "payload": {}})
        rejects, _ = client.read_until_ack(2)
        self.assertEqual(rejects[0]["error"]["code"], "UNAUTHORIZED")
        client.close()
        self.assertEqual(len(self.server.all_events(pattern)), 1)


class Rights(KeyedCase):
    def test_roles_open_what_they_name(self):
        script = {"source": "return function() end", "name": "x"}
        event = {"pattern": "roles.test", "payload": {}}
        calls = {"read": ("GET", "/v2/events", None), "send": ("POST", "/v2/events", event),
                 "write": ("POST", "/v2/scripts", script), "audit": ("GET", "/v2/audit", None),
                 "keys": ("POST", "/v2/keys", {"name": "k"}),
                 "tenants": ("GET", "/v2/tenants", None), "metrics": ("GET", "/metrics", None)}
        may = {"viewer": {"read", "metrics"}, "publisher": {"send"},
               "developer": {"read", "send", "write", "metrics"},
               "operator": {"read", "audit", "metrics"},
               "admin": {"read", "send", "write", "audit", "keys", "metrics"}}
        for role, open_to in may.items():
            key = self.make_key(role=role)["key"]
            for name, call in calls.items():
                reply = self.ask(key, *call)
                if name in open_to:
                    self.assertLess(reply.status, 300, (role, name, reply))
                else:
                    self.assert_error(reply, 403, "FORBIDDEN", "scope")

    def test_scopes_of_its_own_take_the_place_of_the_roles(self):
        key = self.make_key(role="admin", scopes=["events:write"])
        self.assertEqual(key["scopes"], ["events:write"])
        self.assertEqual(self.ask(key["key"], "GET", "/v2/events").status, 403)
        bad = self.server.post("/v2/keys", {"scopes": ["events:fly"]})
        self.assert_error(bad, 400, "VALIDATION_ERROR", "scopes")
        none = self.server.post("/v2/keys", {"role": "viewer", "scopes": []})
        self.assert_error(none, 400, "VALIDATION_ERROR", "scopes is empty")
        changed = self.server.request("PATCH", f"/v2/keys/{key['id']}", {"role": "viewer", "scopes": None})
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual(self.ask(key["key"], "GET", "/v2/events").status, 200)
        self.assertEqual(self.ask(key["key"], "POST", "/v2/events", {"pattern": "a"}).status, 403)

    def test_no_key_grants_what_its_maker_lacks(self):
        maker = self.make_key(role="viewer", scopes=["keys:write", "keys:read", "events:write"],
                              patterns=["invoice.*"])["key"]
        ask = lambda **body: self.ask(maker, "POST", "/v2/keys", body)
        self.assert_error(ask(role="admin"), 403, "FORBIDDEN", "scopes")
        self.assert_error(ask(scopes=["events:read"], patterns=["invoice.*"]), 403, "FORBIDDEN")
        self.assert_error(ask(scopes=["events:write"]), 403, "FORBIDDEN", "patterns")
        self.assert_error(ask(scopes=["events:write"], patterns=["*"]), 403, "FORBIDDEN")
        self.assertEqual(ask(scopes=["events:write"], patterns=["invoice.paid"]).status, 201)
        strong = self.make_key(role="admin")
        path = f"/v2/keys/{strong['id']}"
        self.assert_error(self.ask(maker, "POST", path + "/rotate", {}), 403, "FORBIDDEN")
        self.assert_error(self.ask(maker, "PATCH", path, {"name": "mine"}), 403, "FORBIDDEN")
        self.assert_error(self.ask(maker, "DELETE", path), 403, "FORBIDDEN")
        admin = self.make_key(role="admin")["key"]
        self.assert_error(self.ask(admin, "POST", "/v2/keys", {"scopes": ["tenants:write"]}), 403,
                          "FORBIDDEN")

    def test_patterns_bound_what_is_sent_and_seen(self):
        room = self.unique()
        key = self.make_key(role="developer", patterns=[room + ".*"])["key"]
        send = lambda pattern: self.ask(key, "POST", "/v2/events", {"pattern": pattern, "payload": {}})
        self.assertEqual(send(room + ".a").status, 202)
        self.assert_error(send(self.unique()), 403, "FORBIDDEN", "pattern")
        hidden = self.server.send_event(self.unique())["eventId"]
        self.assertEqual(self.ask(key, "GET", f"/v2/events/{hidden}").status, 404)
        seen = self.ask(key, "GET", "/v2/events?limit=1000").json()["items"]
        self.assertEqual({e["pattern"] for e in seen}, {room + ".a"})

    def test_patterns_bound_what_became_of_events_too(self):
        room = self.unique()
        key = self.make_key(role="admin", patterns=[room + ".seen"])["key"]
        fails = self.server.create_script("return function() error('no') end")
        retry = lambda count: {"maxRetries": count, "initialDelayMs": 3600000}
        dies = self.server.subscribe(room + ".*", fails, retry=retry(0))
        self.server.subscribe(room + ".*", fails, retry=retry(5))
        hidden = self.server.send_event(room + ".hidden")["eventId"]
        seen = self.server.send_event(room + ".seen")["eventId"]
        of_room = lambda path: [row for row in self.server.items(path)
                                if row["eventId"] in (hidden, seen)]
        wait_until("what comes of them", lambda: len(of_room("/v2/dlq")) == 2 and
                   len(of_room("/v2/retries")) == 2 and len(of_room("/v2/executions")) == 4)
        ids = lambda path: [row["eventId"] for row in self.ask(key, "GET", path).json()["items"]]
        self.assertEqual(ids("/v2/dlq"), [seen])
        self.assertEqual(ids("/v2/retries"), [seen])
        # Runs that a call asked for belong to no event.
        self.assertEqual([id for id in ids("/v2/executions") if id], [seen, seen])
        self.assertEqual(ids(f"/v2/executions?eventId={hidden}"), [])
        groups = self.ask(key, "GET", f"/v2/dlq/groups?subscriptionId={dies}").json()
        self.assertEqual((groups["letters"], groups["items"][0]["eventTypes"]), (1, [room + ".seen"]))
        for path, write in (("/v2/dlq", True), ("/v2/executions", False)):
            of = {row["eventId"]: row["id"] for row in of_room(path)}
            self.assertEqual(self.ask(key, "GET", f"{path}/{of[seen]}").status, 200)
            self.assertEqual(self.ask(key, "GET", f"{path}/{of[hidden]}").status, 404)
            if not write:
                continue
            for method, call in (("DELETE", ""), ("POST", "/replay")):
                self.assertEqual(self.ask(key, method, f"{path}/{of[hidden]}{call}").status, 404)
            chosen = self.ask(key, "POST", "/v2/dlq/replay", {"ids": [of[hidden]]})
            self.assert_error(chosen, 404, "NOT_FOUND")
        found = self.ask(key, "POST", "/v2/graphql", {"query": "{deadLetters{items{eventId}}}"})
        self.assertEqual(found.json()["data"]["deadLetters"]["items"], [{"eventId": seen}], found)
        would = self.ask(key, "POST", "/v2/dlq/replay", {"subscriptionId": dies, "dryRun": True})
        self.assertEqual(would.json()["count"], 1, would)

    def test_patterns_bound_what_is_delivered_again_and_what_looks_into_the_log(self):
        room = self.unique()
        key = self.make_key(role="admin", patterns=[room + ".seen"])["key"]
        script = self.server.create_script("return function() return 1 end")
        subscription = self.server.subscribe(room + ".*", script)
        self.server.send_event(room + ".hidden")
        seen = self.server.send_event(room + ".seen")["eventId"]
        self.server.wait_executions(2, subscriptionId=subscription)

        def replay(who, **more):
            asked = {"patternPrefix": room, "subscriptionIds": [subscription], **more}
            reply = self.ask(who, "POST", "/v2/replays", asked)
            self.assertEqual(reply.status, 202, reply)
            path = "/v2/replays/" + reply.json()["id"]
            ended = lambda: self.server.get(path).json()["status"] == "completed"
            wait_until("the replay", ended)
            return path, self.server.get(path).json()
        done = replay(key)[1]
        self.assertEqual((done["matched"], done["delivered"]), (1, 1), done)
        self.assertEqual(replay(self.server.api_key)[1]["delivered"], 2)
        self.server.request("PATCH", f"/v2/scripts/{script}", {"source": "return function() return 2 end"})
        path, dry = replay(self.server.api_key, dryRun=True)
        self.assertEqual(dry["diff"]["different"], 2, dry)
        ids = lambda who: [row["eventId"] for row in self.ask(who, "GET", path + "/diff").json()["items"]]
        self.assertEqual((len(ids(self.server.api_key)), ids(key)), (2, [seen]))

        preview = lambda who: self.ask(who, "POST", "/v2/subscriptions/preview", {"pattern": room + ".*"}).json()
        self.assertEqual((preview(self.server.api_key)["matched"], preview(key)["matched"]), (2, 1))
        asked = {"schema": {"required": ["none"]}, "pattern": room + ".*"}
        check = lambda who: self.ask(who, "POST", "/v2/schemas/check", asked).json()
        self.assertEqual((check(self.server.api_key)["rejected"], check(key)["rejected"]), (2, 1))

    def test_patterns_bound_what_documents_send_and_hear(self):
        room = self.unique()
        key = self.make_key(role="admin", patterns=[room + ".*"])["key"]
        ask = lambda method, path, body: self.ask(key, method, path, body)
        script = self.server.create_script("return function() end")
        runs = {"executor": {"type": "script", "scriptId": script}}
        for pattern in ("*", room + "x.*", {"type": "prefix", "value": room}, {"type": "suffix", "value": ".a"},
                        {"type": "regex", "value": room + ".a"}):
            self.assert_error(ask("POST", "/v2/subscriptions", {"pattern": pattern, **runs}), 403, "FORBIDDEN",
                              "pattern")
        made = ask("POST", "/v2/subscriptions", {"pattern": {"type": "prefix", "value": room + ".a"}, **runs})
        self.assertEqual(made.status, 201, made)
        path = "/v2/subscriptions/" + made.json()["id"]
        self.assert_error(ask("PATCH", path, {"pattern": "*"}), 403, "FORBIDDEN", "pattern")
        self.assertEqual(ask("PATCH", path, {"priority": 1}).status, 200)

        due = {"type": "once", "at": "2100-01-01T00:00:00Z"}
        says = lambda pattern: {**due, "event": {"pattern": pattern, "payload": {}}}
        self.assert_error(ask("POST", "/v2/schedules", says(room)), 403, "FORBIDDEN", "event")
        made = ask("POST", "/v2/schedules", says(room + ".due"))
        self.assertEqual(made.status, 201, made)
        path = "/v2/schedules/" + made.json()["id"]
        self.assert_error(ask("PATCH", path, {"event": {"pattern": room, "payload": {}}}), 403, "FORBIDDEN")
        self.assertEqual(self.server.request("DELETE", path).status, 200)

        source = lambda pattern: {"id": self.unique("src"), "scheme": "none", "pattern": pattern}
        self.assert_error(ask("POST", "/v2/sources", source("x." + room)), 403, "FORBIDDEN", "pattern")
        self.assert_error(ask("POST", "/v2/sources", source(room + "{kind}")), 403, "FORBIDDEN", "pattern")
        self.assertEqual(ask("POST", "/v2/sources", source(room + ".{kind}")).status, 201)
        link = lambda **config: {"direction": "in", "type": "redis", "config": {
            "host": "127.0.0.1", "port": 1, "stream": "s", **config}}
        self.assert_error(ask("POST", "/v2/links", link(format="payload", pattern="x." + room)), 403, "FORBIDDEN")
        self.assert_error(ask("POST", "/v2/links", link(format="envelope")), 403, "FORBIDDEN")
        made = ask("POST", "/v2/links", link(format="payload", pattern=room + ".in"))
        self.assertEqual(made.status, 201, made)
        path = "/v2/links/" + made.json()["id"]
        wider = link(format="payload", pattern=room)["config"]
        self.assert_error(ask("PATCH", path, {"config": wider}), 403, "FORBIDDEN")
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        # A stream hears by itself; without a pattern everything.
        stream = lambda **config: {"direction": "out", "mode": "stream", "type": "redis", "config": {
            "host": "127.0.0.1", "port": 1, "stream": "s", **config}}
        for wider in ({}, {"pattern": "*"}, {"pattern": room + "*"}, {"pattern": "x." + room}):
            self.assert_error(ask("POST", "/v2/links", stream(**wider)), 403, "FORBIDDEN", "config.pattern")
        made = ask("POST", "/v2/links", stream(pattern=room + ".paid"))
        self.assertEqual(made.status, 201, made)
        path = "/v2/links/" + made.json()["id"]
        for wider in (None, "*", {"type": "prefix", "value": room}, {"type": "regex", "value": room}):
            self.assert_error(ask("PATCH", path, {"config": {"pattern": wider}}), 403, "FORBIDDEN", "config.pattern")
        self.assertEqual(ask("PATCH", path, {"config": {"pattern": {"type": "prefix", "value": room + ".paid"}}}).status, 200)
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        # With an edge's token anything can be sent.
        self.assert_error(ask("POST", "/v2/edges", {"node": self.unique("edge")}), 403, "FORBIDDEN", "node")
        edge = self.server.post("/v2/edges", {"node": self.unique("edge")})
        self.assertEqual(edge.status, 201, edge)
        path = "/v2/edges/" + edge.json()["id"]
        self.assert_error(ask("POST", path + "/rotate", {}), 403, "FORBIDDEN", "node")
        self.assertEqual(self.server.request("DELETE", path).status, 200)
        # Whoever vouches for a webhook by his key is bound by it.
        for pattern, status in ((room + ".in", 202), ("x." + room, 403)):
            made = self.server.post("/v2/sources", source(pattern))
            self.assertEqual(made.status, 201, made)
            self.assertEqual(ask("POST", "/v2/webhooks/" + made.json()["id"], {"n": 1}).status, status, pattern)

    def test_patterns_bound_runs_of_workflows(self):
        room = self.unique()
        key = self.make_key(role="admin", patterns=[room + ".seen"])["key"]
        flow = {"id": self.unique("flow"), "steps": [{"id": "one", "type": "sleep", "duration": "1h"}]}
        made = self.server.post("/v2/workflows", flow)
        self.assertEqual(made.status, 201, made)
        runs = {"executor": {"type": "workflow", "workflowId": flow["id"]}}
        for name in ("hidden", "seen"):
            made = self.server.post("/v2/subscriptions", {"pattern": f"{room}.{name}", **runs})
            self.assertEqual(made.status, 201, made)
        of = {name: self.server.send_event(f"{room}.{name}")["eventId"] for name in ("hidden", "seen")}
        path = "/v2/workflow-runs?workflowId=" + flow["id"]
        wait_until("the runs", lambda: len(self.server.items(path)) == 2)
        run_of = {run["eventId"]: run["runId"] for run in self.server.items(path)}
        listed = self.ask(key, "GET", path).json()["items"]
        self.assertEqual([run["eventId"] for run in listed], [of["seen"]])
        for name, found in (("seen", 200), ("hidden", 404)):
            run = "/v2/workflow-runs/" + run_of[of[name]]
            for call in ("", "/history"):
                self.assertEqual(self.ask(key, "GET", run + call).status, found, (name, call))
            self.assertEqual(self.ask(key, "POST", run + "/cancel", {}).status, found, name)

    def test_what_is_the_servers_own_nobody_else_says(self):
        for forged in ("system.security.key_created", "system.dlq.added", "system.maintenance"):
            self.nobody_says(forged)

    def nobody_says(self, forged):
        sent = self.server.post("/v2/events", {"pattern": forged, "payload": {"n": "forged"}})
        self.assert_error(sent, 400, "VALIDATION_ERROR", "server's own")
        sent = self.server.post("/v2/events", json.dumps({"pattern": forged, "payload": {"n": "forged"}}) + "\n" +
                                json.dumps({"pattern": self.unique()}), content_type="application/x-ndjson").json()
        self.assertEqual((sent["accepted"], sent["rejected"][0]["index"], sent["rejected"][0]["error"]["details"]["field"]),
                         (1, 0, "pattern"), sent)
        emits = self.server.create_script(f"return function() sdk.events.emit('{forged}', {{}}) end")
        run = self.server.post("/v2/script/run", {"scriptId": emits})
        self.assertGreaterEqual(run.status, 400, run)
        self.assertIn("server's own", run.json()["error"]["message"])
        due = {"type": "once", "at": "2100-01-01T00:00:00Z", "event": {"pattern": forged, "payload": {}}}
        self.assert_error(self.server.post("/v2/schedules", due), 400, "VALIDATION_ERROR", "server's own")
        script = self.server.create_script(f"return function() return {{pattern = '{forged}'}} end")
        source = {"id": self.unique("src"), "scheme": "none", "transformScriptId": script}
        self.assertEqual(self.server.post("/v2/sources", source).status, 201)
        sent = self.server.post("/v2/webhooks/" + source["id"], {"n": "forged"})
        self.assert_error(sent, 400, "VALIDATION_ERROR", "server's own")
        for source in ({"id": self.unique("src"), "scheme": "none", "pattern": forged},
                       {"direction": "in", "type": "nats", "config": {"host": "h", "subject": "s", "format": "text", "pattern": forged}}):
            path = "/v2/sources" if "scheme" in source else "/v2/links"
            self.assert_error(self.server.post(path, source), 400, "VALIDATION_ERROR", "server's own")
        found = self.server.items("/v2/events?pattern=" + forged)
        self.assertFalse([event for event in found if event["payload"].get("n")], found)

    def test_addresses_bound_where_it_comes_from(self):
        elsewhere = self.make_key(ips=["192.0.2.0/24"])["key"]
        self.assert_error(self.ask(elsewhere, "GET", "/v2/me"), 403, "FORBIDDEN", "address")
        here = self.make_key(ips=["192.0.2.0/24", "127.0.0.0/8"])
        self.assertEqual(self.ask(here["key"], "GET", "/v2/me").status, 200)
        used = self.server.get(f"/v2/keys/{here['id']}").json()
        self.assertEqual(used["lastUsedIp"], "127.0.0.1")
        self.assertIsNotNone(used["lastUsedAt"])
        self.assert_error(self.server.post("/v2/keys", {"ips": ["home"]}), 400, "VALIDATION_ERROR")

    def test_a_script_says_who_may_run_it(self):
        publisher = self.make_key(role="developer", user="ada")
        source = ("return function(e, ctx) local u = ctx.requestUser "
                  "return u.id .. '/' .. u.user .. '/' .. u.role end")
        script = self.server.create_script(source, allow={"keys": [publisher["id"]], "roles": []})
        run = lambda key: self.ask(key, "POST", "/v2/script/run", {"scriptId": script})
        self.assertEqual(run(publisher["key"]).json()["result"], publisher["id"] + "/ada/developer")
        self.assert_error(run(self.make_key(role="developer")["key"]), 403, "FORBIDDEN")
        self.server.request("PATCH", f"/v2/scripts/{script}", {"allow": {"roles": ["operator"]}})
        self.assertEqual(run(self.make_key(role="operator", user="bob")["key"]).status, 200)
        bad = self.server.post("/v2/scripts", {"source": source, "allow": {"roles": ["king"]}})
        self.assert_error(bad, 400, "VALIDATION_ERROR", "allow.roles")


class SecurityEvents(KeyedCase):
    def test_who_was_refused_and_what_became_of_keys_is_in_the_log(self):
        key = self.make_key(role="viewer")
        self.server.get("/v2/events", headers={"X-API-Key": "nobody"})
        self.ask(key["key"], "POST", "/v2/scripts", {})
        self.server.post(f"/v2/keys/{key['id']}/rotate", {})
        self.server.request("DELETE", f"/v2/keys/{key['id']}")
        kinds = ("auth_failed", "forbidden", "key_created", "key_rotated", "key_revoked")
        found = lambda: {event["pattern"].rsplit(".", 1)[1]: event for event in
                         self.server.items("/v2/events?patternPrefix=system.security.")}
        events = wait_until("the events", lambda: len(found()) == len(kinds) and found())
        self.assertEqual(set(events), set(kinds))
        self.assertEqual(events["forbidden"]["payload"]["keyId"], key["id"])
        self.assertEqual(events["auth_failed"]["payload"],
                         {"ip": "127.0.0.1", "what": "GET /v2/events"})
        self.assertEqual(events["key_revoked"]["payload"],
                         {"keyId": key["id"], "by": self.server.admin["id"]})
        for _ in range(100):
            self.server.get("/v2/me", headers={"X-API-Key": "nobody"})
        count = len(self.server.items("/v2/events?pattern=system.security.auth_failed"))
        self.assertLess(count, 60)


class ComingAndGoing(KeyedCase):
    def test_rotation_keeps_the_old_text_for_a_while(self):
        key = self.make_key(role="viewer")
        path = f"/v2/keys/{key['id']}/rotate"
        second = self.server.post(path, {"overlap": "1h"}).json()
        self.assertRegex(second["key"], KEY_FORM)
        self.assertEqual(second["id"], key["id"])
        for text in (key["key"], second["key"]):
            self.assertEqual(self.ask(text, "GET", "/v2/me").status, 200)
        third = self.server.post(path, {"overlap": "0"}).json()
        for text, status in ((key["key"], 401), (second["key"], 401), (third["key"], 200)):
            self.assertEqual(self.ask(text, "GET", "/v2/me").status, status)
        default = self.server.request("POST", path)
        self.assertEqual(default.status, 200, default)
        self.assertEqual(self.ask(third["key"], "GET", "/v2/me").status, 200)
        for bad in ("soon", -1, "9999d"):
            self.assert_error(self.server.post(path, {"overlap": bad}), 400, "VALIDATION_ERROR")
        self.assert_error(self.server.post("/v2/keys/none/rotate", {}), 404, "NOT_FOUND")

    def test_one_that_has_expired_or_was_revoked_is_nobody(self):
        expired = self.make_key(expiresAt="2020-01-01T00:00:00Z")["key"]
        self.assert_error(self.ask(expired, "GET", "/v2/me"), 401, "UNAUTHORIZED")
        key = self.make_key()
        self.assertEqual(self.ask(key["key"], "GET", "/v2/me").status, 200)
        self.assertEqual(self.server.request("DELETE", f"/v2/keys/{key['id']}").status, 200)
        self.assert_error(self.ask(key["key"], "GET", "/v2/me"), 401, "UNAUTHORIZED")
        self.assert_error(self.server.get(f"/v2/keys/{key['id']}"), 404, "NOT_FOUND")

    def test_what_the_server_makes_is_not_told_to_it(self):
        for member in ("key", "hash", "prefix", "last4", "lastUsedAt", "nonsense"):
            self.assert_error(self.server.post("/v2/keys", {member: "x"}), 400, "VALIDATION_ERROR")
        self.assert_error(self.server.post("/v2/keys", {"role": "king"}), 400, "VALIDATION_ERROR", "role")
        key = self.make_key(name="a")
        etag = self.server.get(f"/v2/keys/{key['id']}").headers["etag"]
        change = lambda tag: self.server.request("PATCH", f"/v2/keys/{key['id']}", {"name": "b"},
                                                 headers={"If-Match": tag})
        self.assertEqual(change(etag).json()["name"], "b")
        self.assert_error(change(etag), 409, "CONFLICT")

    def test_when_it_was_used_outlives_a_restart(self):
        key = self.make_key(name="used")
        self.assertIsNone(self.server.get(f"/v2/keys/{key['id']}").json()["lastUsedAt"])
        self.ask(key["key"], "GET", "/v2/me")
        used = lambda: self.server.get(f"/v2/keys/{key['id']}").json()["lastUsedAt"]
        before = used()
        self.assertIsNotNone(before)
        self.server.stop()
        self.server.start()
        self.assertEqual(used(), before)

    def test_the_audit_log_has_it_without_the_secret_and_is_whole(self):
        key = self.make_key(name="audited")
        self.server.post(f"/v2/keys/{key['id']}/rotate", {})
        self.server.request("DELETE", f"/v2/keys/{key['id']}")
        rows = self.server.items(f"/v2/audit?kind=key&id={key['id']}")
        self.assertEqual([row["action"] for row in rows], ["delete", "rotate", "create"])
        self.assertEqual(rows[-1]["actor"]["id"], self.server.admin["id"])
        self.assertEqual(rows[-1]["ip"], "127.0.0.1")
        self.assertEqual(rows[-1]["target"], {"type": "key", "id": key["id"]})
        self.assertEqual(rows[0]["before"]["name"], "audited")
        self.assertEqual(rows[0]["prevHash"], rows[1]["hash"])
        self.assertNotIn(key["key"], json.dumps(rows))
        verdict = self.server.get("/v2/audit/verify").json()
        self.assertTrue(verdict["valid"], verdict)
        self.assertGreaterEqual(verdict["checked"], 3)
        self.assertEqual(verdict["head"], self.server.get("/v2/audit?limit=1").json()["items"][0]["hash"])

    def test_the_command_line_does_all_of_it(self):
        def run(*arguments, key=None):
            return subprocess.run(
                [BINARY, "--server", f"http://{self.server.host}:{self.server.port}", *arguments],
                env=clean_environment({"MILLRACE_API_KEY": key or self.server.api_key}),
                capture_output=True, text=True)
        made = json.loads(run("key", "create", "--name", "cli", "--role", "viewer", "-o", "json").stdout)
        self.assertRegex(made["key"], KEY_FORM)
        self.assertEqual(run("stats", key=made["key"]).returncode, 0)
        self.assertIn(made["id"], run("key", "list").stdout)
        rotated = json.loads(run("key", "rotate", made["id"], "--overlap", "0", "-o", "json").stdout)
        self.assertEqual(run("stats", key=made["key"]).returncode, 1)
        self.assertEqual(run("stats", key=rotated["key"]).returncode, 0)
        self.assertEqual(run("key:revoke", made["id"]).returncode, 0)
        self.assertEqual(run("stats", key=rotated["key"]).returncode, 1)
        self.assertEqual(run("tenant", "create", "cli-tenant").returncode, 0)
        self.assertIn("cli-tenant", run("tenant", "list").stdout)
        self.assertEqual(run("audit", "verify").returncode, 0)


class Limits(KeyedCase):
    def test_a_key_that_sends_too_much_is_told_when_to_come_back(self):
        key = self.make_key(role="publisher", quotas={"eventsPerSecond": 5})["key"]
        batch = [{"pattern": "limits.a", "payload": {}}] * 5
        self.assertEqual(self.ask(key, "POST", "/v2/events", batch).status, 202)
        refused = self.ask(key, "POST", "/v2/events", batch)
        error = self.assert_error(refused, 429, "RATE_LIMIT_EXCEEDED", "eventsPerSecond")
        self.assertEqual(error["details"]["violatedPolicies"], ["eventsPerSecond"])
        self.assertGreaterEqual(int(refused.headers["retry-after"]), 1)
        self.assertEqual(refused.headers["ratelimit-policy"], '"eventsPerSecond";q=5;w=1')
        self.assertIn('"eventsPerSecond";r=0;t=', refused.headers["ratelimit"])
        self.assertEqual(len(self.server.all_events("limits.a")), 5)

    def test_counted_things_end_at_their_number(self):
        self.server.request("PATCH", "/v2/tenants/default", {"quotas": {"scripts": 1, "streams": 5}})
        self.server.create_script("return function() end")
        refused = self.server.post("/v2/scripts", {"source": "return function() end"})
        error = self.assert_error(refused, 429, "RATE_LIMIT_EXCEEDED", "scripts")
        self.assertEqual(error["details"]["violatedPolicies"], ["scripts"])
        self.server.request("PATCH", "/v2/tenants/default", {"quotas": {"scripts": None}})
        self.server.create_script("return function() end")


    def test_replays_at_once_end_at_their_number(self):
        pattern = self.unique()
        script = self.server.create_script("return function() end")
        subscription = self.server.subscribe(pattern, script)
        for _ in range(200):
            self.server.send_event(pattern)
        self.server.request("PATCH", "/v2/tenants/default", {"quotas": {"replays": 1}})
        start = lambda: self.server.post("/v2/replays", {"subscriptionIds": [subscription], "pace": 1})
        first = start()
        self.assertEqual(first.status, 202, first)
        self.assert_error(start(), 429, "RATE_LIMIT_EXCEEDED", "replays")
        self.server.request("DELETE", f"/v2/replays/{first.json()['id']}")
        self.assertEqual(wait_until("room", lambda: start().status == 202), True)


class Marked(KeyedCase):
    """Secrets that are easy to find: nothing that the server answers or logs holds one."""

    def test_no_answer_and_no_line_of_the_log_holds_a_secret(self):
        value = "MARKED-secret-value"
        self.server.post("/v2/secrets", {"id": "word", "value": value})
        self.server.request("PUT", "/v2/secrets/word", {"value": value + "2"})
        self.server.request("PATCH", "/v2/secrets/word", {"value": value, "nonsense": value})
        key = self.make_key(role="developer")
        marked = [self.server.api_key, key["key"], value]
        rotated = self.server.post(f"/v2/keys/{key['id']}/rotate", {}).json()["key"]
        marked.append(rotated)
        script = self.server.create_script("return function() error('no') end")
        self.server.subscribe("marked", script, retry={"maxRetries": 0})
        self.ask(rotated, "POST", "/v2/events", {"pattern": "marked", "payload": {}})
        wait_until("the failure", lambda: self.server.get("/v2/dlq").json()["items"])
        answers = []
        for bad in (f"/v2/events?apiKey={rotated}", f"/v2/me?apiKey={rotated}&x=1", f"/v2/x?apiKey={rotated}"):
            answers.append(self.server.get(bad))
        answers.append(self.server.request("POST", "/v2/script/run", {"scriptId": script, "query": {}},
                                           headers={"Authorization": "Bearer " + rotated + "x"}))
        answers.append(self.server.post("/v2/secrets", {"value": value, "nonsense": 1}))
        for path, methods in self.server.get("/openapi.json").json()["paths"].items():
            if "get" in methods and not path.endswith("/stream"):
                path = path.replace("{id}", {"secrets": "word", "keys": key["id"], "scripts": script}.get(
                    path.split("/")[-2], "none")).replace("{version}", "1")
                answers.append(self.server.get(path))
        self.server.stop()
        with open(self.server.log_path) as log:
            texts = [answer.body.decode() + str(answer.headers) for answer in answers] + [log.read()]
        self.server.start()
        for text in texts:
            for secret in marked:
                self.assertNotIn(secret, text)


class LocalModeEnds(unittest.TestCase):
    def test_with_the_first_key_and_for_good(self):
        server = Server()
        try:
            server.start()
            self.assertEqual(server.get("/v2/me").json()["mode"], "local")
            made = server.post("/v2/keys", {"name": "first", "role": "admin"}).json()
            self.assertEqual(server.get("/v2/me").status, 401)
            show = {"X-API-Key": made["key"]}
            self.assertEqual(server.get("/v2/tenants", headers=show).status, 200)
            self.assertEqual(server.request("DELETE", f"/v2/keys/{made['id']}", headers=show).status, 200)
            self.assertEqual(server.get("/v2/me", headers=show).status, 401)
            self.assertEqual(server.get("/v2/me").status, 401)
            server.stop()
            with open(server.log_path) as log:
                self.assertNotIn(made["key"], log.read())
            for folder, _, files in os.walk(server.data):
                for name in files:
                    with open(os.path.join(folder, name), "rb") as file:
                        self.assertNotIn(made["key"].encode(), file.read(), name)
            again = bootstrap(server.data)
            server.start()
            self.assertEqual(server.get("/v2/me").status, 401)
            self.assertEqual(server.get("/v2/me", headers={"X-API-Key": again["key"]}).status, 200)
        finally:
            server.close()

    def test_the_first_key_is_made_where_it_was_asked_for_and_nowhere_else(self):
        with tempfile.TemporaryDirectory() as folder:
            def create(*args):
                return subprocess.run([BINARY, "key", "create", "--bootstrap", *args], cwd=folder,
                                      env=clean_environment(), capture_output=True, text=True, timeout=60)

            # A server that isn't there: no folder is made in its place.
            refused = create("--server", "http://127.0.0.1:1")
            self.assertEqual((refused.returncode, refused.stdout), (1, ""), refused)
            self.assertIn("can't be reached", refused.stderr)
            # A node of a cluster: a key in one copy is a key that comes and goes with the owner.
            copy = os.path.join(folder, "node", "p00")
            os.makedirs(copy)
            open(os.path.join(folder, "node", "node.lock"), "w").close()
            for path in (os.path.dirname(copy), copy):
                refused = create("--data", path)
                self.assertEqual((refused.returncode, refused.stdout), (1, ""), refused)
                self.assertIn("cluster", refused.stderr)
            self.assertEqual(sorted(os.listdir(folder)), ["node"])
            self.assertEqual(os.listdir(copy), [])
            server = Server()
            try:
                server.start()
                made = create("--server", f"http://127.0.0.1:{server.port}")
                self.assertEqual(made.returncode, 0, made)
                self.assertEqual(server.get("/v2/me", headers={"X-API-Key": made.stdout.strip()}).status, 200)
                self.assertEqual(sorted(os.listdir(folder)), ["node"])
            finally:
                server.close()

    def test_beyond_loopback_it_listens_only_with_a_key(self):
        server = KeyedServer()
        try:
            refused = subprocess.run(
                [BINARY, "serve", "--listen", "0.0.0.0:0", "--socket", "", "--data", server.data],
                env=clean_environment(), capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn("key", refused.stderr)
            server.admin = bootstrap(server.data)
            server.api_key = server.admin["key"]
            server.command = lambda extra=(): [BINARY, "serve", "--listen", "0.0.0.0:0", "--socket",
                                               "0.0.0.0:0", "--data", server.data]
            server.start()
            server.host = "127.0.0.1"
            self.assertEqual(server.get("/v2/me").status, 200)
            self.assertEqual(server.get("/v2/me", headers={"X-API-Key": "x"}).status, 401)
        finally:
            server.close()


if __name__ == "__main__":
    main()
