#!/usr/bin/env python3
"""Goal: GraphQL asks and follows what the REST calls and the stream of events do: the same filters,
pages, positions, rights and tenants; its WebSockets close with the protocol's codes.
Method: a client of its own over raw sockets (web_socket_test's), HTTP and Server-Sent Events."""
import http.client
import json
import struct
import unittest

import harness
from web_socket_test import Client


class Socket(Client):
    def __init__(self, server, query="", protocol="graphql-transport-ws", init=True, **headers):
        super().__init__(server, query, path="/v2/graphql", Sec_WebSocket_Protocol=protocol, **headers)
        if init and self.status == 101:
            self.say(type="connection_init")
            assert self.message() == {"type": "connection_ack"}

    def say(self, **message):
        payload = json.dumps(message).encode()
        head = bytes([0x80 | 126]) + struct.pack(">H", len(payload)) if len(payload) > 125 else bytes([0x80 | len(payload)])
        self.socket.sendall(b"\x81" + head + b"\0\0\0\0" + payload)

    def follow(self, id, query, **variables):
        self.say(id=id, type="subscribe", payload={"query": query, "variables": variables})

    def data(self):
        """The next result's data."""
        message = self.message()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]


class Events:
    """Server-Sent Events of one operation."""

    def __init__(self, server, query, method="POST", headers=None, **variables):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        body = json.dumps({"query": query, "variables": variables})
        all_headers = {"Accept": "text/event-stream", "Content-Type": "application/json", **(headers or {})}
        self.connection.request(method, "/v2/graphql", body, all_headers)
        self.reply = self.connection.getresponse()

    def next(self):
        """(event, id, data) of the next one; None at the end."""
        fields = {}
        while line := self.reply.readline():
            line = line.decode().rstrip("\n")
            if not line and "event" in fields:
                data = fields.get("data", "")
                return fields["event"], fields.get("id"), json.loads(data) if data else None
            name, _, value = line.partition(": ")
            fields[name] = value
        return None

    def close(self):
        self.reply.close()
        self.connection.close()


FOLLOW = "subscription($p:String,$a:String){events(pattern:$p,after:$a){position payload}}"


class Graphql(harness.ServerCase):
    def ask(self, query, status=200, headers=None, **variables):
        reply = self.server.post("/v2/graphql", {"query": query, "variables": variables}, headers=headers)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def data(self, query, **variables):
        answer = self.ask(query, **variables)
        self.assertNotIn("errors", answer)
        return answer["data"]

    def socket(self, *args, **options):
        client = Socket(self.server, *args, **options)
        self.addCleanup(client.close)
        return client

    def events(self, *args, **options):
        client = Events(self.server, *args, **options)
        self.addCleanup(client.close)
        return client

    # ---- queries

    def test_events_are_those_of_the_rest_call(self):
        pattern = self.unique("gq.")
        sent = [self.server.send_event(pattern, {"n": n, "text": "gr\u00fcn\n"}, metadata={"correlationId": "c"})
                for n in range(5)]
        page = self.data("query($p:String!){events(pattern:$p,order:asc,limit:3){"
                         "items{eventId shard offset payload position metadata{correlationId}} next}}", p=pattern)["events"]
        self.assertEqual([e["eventId"] for e in page["items"]], [s["eventId"] for s in sent[:3]])
        self.assertEqual([(e["shard"], e["offset"]) for e in page["items"]],
                         [(s["shard"], s["offset"]) for s in sent[:3]])
        self.assertEqual(page["items"][0]["payload"], {"n": 0, "text": "gr\u00fcn\n"})
        self.assertEqual(page["items"][0]["metadata"], {"correlationId": "c"})
        rest = self.data("query($p:String,$c:String){events(pattern:$p,order:asc,cursor:$c){items{payload}next}}",
                         p=pattern, c=page["next"])["events"]
        self.assertEqual([e["payload"]["n"] for e in rest["items"]], [3, 4])
        self.assertIsNone(rest["next"])
        found = self.data('query($p:String){events(pattern:$p,filter:"$.n >= 3"){items{payload}}}', p=pattern)
        self.assertEqual([e["payload"]["n"] for e in found["events"]["items"]], [4, 3])
        one = self.data("query($i:ID!){a:event(id:$i){envelope} b:event(id:\"no\"){shard}}", i=sent[1]["eventId"])
        self.assertEqual(one["a"]["envelope"], self.server.get("/v2/events/" + sent[1]["eventId"]).json())
        self.assertIsNone(one["b"])

    def test_a_position_of_a_query_goes_on_behind_it(self):
        pattern = self.unique("gp.")
        for n in range(6):
            self.server.send_event(pattern, {"n": n})
        items = self.data("query($p:String){events(pattern:$p,order:asc){items{position payload}}}", p=pattern)
        at = items["events"]["items"][2]["position"]
        client = self.socket()
        client.follow("1", FOLLOW, p=pattern, a=at)
        self.assertEqual([client.data()["events"]["payload"]["n"] for _ in range(3)], [3, 4, 5])

    def test_mistakes(self):
        answer = self.ask("{events{\n color}}")
        self.assertEqual(answer["errors"][0]["locations"], [{"line": 2, "column": 2}])
        self.assertNotIn("data", answer)
        wants = {"Accept": "application/graphql-response+json"}
        self.ask("{color}", status=400, headers=wants)
        reply = self.server.post("/v2/graphql", {"query": "{position}"}, headers=wants)
        self.assertEqual(reply.headers["content-type"], "application/graphql-response+json")
        half = self.ask('{events(filter:"$.a >"){next} position}')
        self.assertIsNone(half["data"]["events"])
        self.assertTrue(half["data"]["position"])
        self.assertEqual(half["errors"][0]["path"], ["events"])
        self.assertEqual(half["errors"][0]["extensions"]["code"], "VALIDATION_ERROR")
        limit = self.ask("{events(limit:1001){next}}")["errors"][0]
        self.assertEqual(limit["extensions"]["statusCode"], 400)
        self.assertTrue(limit["message"].startswith("argument limit is"), limit)
        deep = self.ask("{a" * 10000)["errors"][0]
        self.assertEqual((deep["extensions"]["limit"], deep["extensions"]["position"]), (64, 128))
        self.assertEqual(self.ask("{" + "position " * 2000 + "}")["errors"][0]["extensions"]["limit"], 2000)
        many = self.ask("{" + " ".join(f"a{n}:position" for n in range(17)) + "}")
        self.assertEqual(many["errors"][0]["extensions"]["limit"], 16)
        self.assertEqual(self.ask("subscription{events{shard}}")["errors"][0]["extensions"]["code"], "VALIDATION_ERROR")
        for body, kind, status in (("{", "application/json", 400), ("{}", "application/json", 400),
                                   ("{position}", "application/graphql", 415),
                                   ('{"query":"{position}","x":1}', "application/json", 400)):
            reply = self.server.post("/v2/graphql", body, content_type=kind)
            self.assertEqual(reply.status, status, reply)
            self.assertFalse(reply.json()["success"])
        self.assertEqual(self.server.post("/v2/graphql", '{"query":"' + "x" * 300000 + '"}').status, 413)

    def test_queries_by_their_parameters(self):
        self.assertIn("position", self.server.get("/v2/graphql?query=%7Bposition%7D").json()["data"])
        self.assertEqual(self.server.get("/v2/graphql").status, 400)
        self.assertEqual(self.server.get("/v2/graphql?what=1").status, 400)
        self.assertEqual(self.server.request("DELETE", "/v2/graphql").status, 405)

    def test_the_schema_tells_of_itself(self):
        schema = self.data("{__schema{queryType{name fields{name}}subscriptionType{name fields{name}}types{name}}}")
        self.assertEqual([f["name"] for f in schema["__schema"]["subscriptionType"]["fields"]],
                         ["events", "deadLetters", "executions"])
        amplified = "{__schema{" + " ".join(
            f"t{n}:types{{fields{{name description args{{name description type{{kind name}}}}}}}}" for n in range(70)) + "}}"
        answer = self.ask(amplified)
        self.assertEqual(answer["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE")

    # ---- subscriptions

    def test_from_history_to_live_and_again(self):
        pattern = self.unique("gs.")
        for n in range(3):
            self.server.send_event(pattern, {"n": n})
        client = self.socket()
        client.follow("a", FOLLOW, p=pattern, a="beginning")
        seen = [client.data()["events"] for _ in range(3)]
        self.assertEqual([e["payload"]["n"] for e in seen], [0, 1, 2])
        self.server.send_event(pattern, {"n": 3})
        self.assertEqual(client.data()["events"]["payload"]["n"], 3)
        again = self.socket()
        again.follow("a", FOLLOW, p=pattern, a=seen[1]["position"])
        self.assertEqual([again.data()["events"]["payload"]["n"] for _ in range(2)], [2, 3])
        now = self.socket()
        now.follow("n", 'subscription($p:String){events(pattern:$p,filter:"$.n > 4"){payload}}', p=pattern)
        now.follow("q", "query{position}")
        self.assertTrue(now.data()["position"])
        self.assertEqual(now.message(), {"id": "q", "type": "complete"})
        for n in (4, 5):
            self.server.send_event(pattern, {"n": n})
        self.assertEqual(now.data()["events"]["payload"], {"n": 5})

    def test_several_on_one_connection(self):
        one, two = self.unique("g1."), self.unique("g2.")
        client = self.socket()
        client.follow("1", FOLLOW, p=one)
        client.follow("2", FOLLOW, p=two)
        client.say(type="ping", payload={"a": 1})
        self.assertEqual(client.message(), {"type": "pong", "payload": {"a": 1}})
        self.server.send_event(one, {})
        self.assertEqual(client.message()["id"], "1")
        client.say(id="1", type="complete")
        client.say(type="ping")
        client.message()
        self.server.send_event(one, {})
        self.server.send_event(two, {})
        self.assertEqual(client.message()["id"], "2")
        client.follow("1", "subscription{events(after:\"nonsense\"){shard}}")  # free again
        failed = client.message()
        self.assertEqual((failed["id"], failed["type"]), ("1", "error"))
        self.assertEqual(failed["payload"][0]["extensions"]["field"], "after")
        client.follow("1", "{color}")
        self.assertEqual(client.message()["payload"][0]["locations"], [{"line": 1, "column": 2}])

    def test_an_operation_too_many_is_refused_alone(self):
        pattern = self.unique("gq.")
        client = self.socket()
        for n in range(64):
            client.follow(str(n), FOLLOW, p=pattern)
        client.follow("more", FOLLOW, p=pattern)
        refused = client.message()
        self.assertEqual((refused["id"], refused["type"]), ("more", "error"))
        self.assertIn("64", refused["payload"][0]["message"])
        self.server.send_event(pattern, {"n": 1})
        self.assertEqual({client.message()["id"] for _ in range(64)}, {str(n) for n in range(64)})
        client.say(id="7", type="complete")
        client.follow("more", "{position}")
        self.assertEqual(client.message()["id"], "more")

    def test_events_are_counted(self):
        pattern = self.unique("gc.")
        for n in range(5):
            self.server.send_event(pattern, {"n": n})
        told = self.ask("query($p:String){eventCount(pattern:$p,filter:\"$.n > 1\",from:\"1h\"){count next scanned searched}"
                        "all:eventCount(pattern:$p){count}}", p=pattern)["data"]
        same = self.server.get(f"/v2/events?pattern={pattern}&count=1&filter=%24.n+%3E+1").json()
        self.assertEqual((told["eventCount"]["count"], told["all"]["count"], told["eventCount"]["next"]), (3, 5, None), told)
        self.assertEqual(same["count"], 3)
        wrong = self.ask("{eventCount(from:\"nonsense\"){count}}")
        self.assertIn("from", wrong["errors"][0]["message"])

    def test_closes_have_their_codes(self):
        subscribe = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW}}
        for code, init, messages in ((4400, True, ["nonsense"]), (4400, True, [{"type": "what"}]),
                                     (4400, True, [{"id": "1", "type": "subscribe"}]),
                                     (4400, True, [{"id": "1", "type": "subscribe", "payload": {"query": 1}}]),
                                     (4401, False, [subscribe]), (4409, True, [subscribe, subscribe]),
                                     (4429, True, [{"type": "connection_init"}])):
            client = self.socket(init=init)
            for message in messages:
                if isinstance(message, str):
                    client.send(0x81, message.encode())
                else:
                    client.say(**message)
            self.assertEqual(client.close_code(), code, messages)
        for protocol in (None, "graphql-ws", "chat"):
            client = self.socket(protocol=protocol, init=False)
            self.assertNotIn("sec-websocket-protocol", client.headers)
            self.assertEqual(client.close_code(), 4406)
        offered = self.socket(protocol="graphql-ws, graphql-transport-ws")
        self.assertEqual(offered.headers["sec-websocket-protocol"], "graphql-transport-ws")
        silent = self.socket(init=False)
        self.assertEqual(silent.close_code(), 4408)
        binary = self.socket()
        binary.send(0x82, b"x")
        self.assertEqual(binary.close_code(), 1003)
        large = self.socket()
        large.socket.sendall(b"\x81\xff" + struct.pack(">Q", 1 << 20) + b"mask")
        self.assertEqual(large.close_code(), 1009)

    def test_server_sent_events(self):
        pattern = self.unique("ge.")
        for n in range(3):
            self.server.send_event(pattern, {"n": n})
        client = self.events(FOLLOW, p=pattern, a="beginning")
        self.assertEqual(client.reply.status, 200)
        self.assertTrue(client.reply.getheader("content-type").startswith("text/event-stream"))
        seen = [client.next() for _ in range(3)]
        self.assertEqual([e[2]["data"]["events"]["payload"]["n"] for e in seen], [0, 1, 2])
        self.assertEqual(seen[1][1], seen[1][2]["data"]["events"]["position"])
        # A client that comes back sends what it sent before, and where it was.
        again = self.events(FOLLOW, p=pattern, a="beginning", headers={"Last-Event-ID": seen[1][1]})
        self.assertEqual(again.next()[2]["data"]["events"]["payload"]["n"], 2)
        query = self.events("{position}")
        self.assertEqual(query.next()[0], "next")
        self.assertEqual(query.next(), ("complete", None, None))
        self.assertIsNone(query.next())
        for wrong in ("{color}", "subscription{events(after:\"nonsense\"){shard}}"):
            failed = self.events(wrong)
            self.assertIn("errors", failed.next()[2])
            self.assertEqual(failed.next()[0], "complete")

    def test_dead_letters_and_executions(self):
        pattern = self.unique("gd.")
        script = self.server.create_script("return function(e) if e.payload.bad then error('no') end return {n=1} end")
        subscription = self.server.subscribe(pattern, script, retry={"maxRetries": 0})
        letters, runs = self.socket(), self.socket()
        letters.follow("l", "subscription($s:ID){deadLetters(subscriptionId:$s){id position error eventType event{payload}}}",
                       s=subscription)
        runs.follow("r", "subscription($s:ID){executions(subscriptionId:$s){id position eventId status result}}",
                    s=subscription)
        for client in (letters, runs):
            client.say(type="ping")
            client.message()
        good = self.server.send_event(pattern, {"bad": False})
        bad = self.server.send_event(pattern, {"bad": True})
        letter = letters.data()["deadLetters"]
        self.assertEqual((letter["eventType"], letter["event"]["payload"]), (pattern, {"bad": True}))
        seen = [runs.data()["executions"] for _ in range(2)]
        self.assertEqual({(e["eventId"], e["status"]) for e in seen},
                         {(good["eventId"], "completed"), (bad["eventId"], "dead")})
        one = self.data("query($d:ID!,$e:ID!,$s:ID){deadLetter(id:$d){error} execution(id:$e){status}"
                        "deadLetters(subscriptionId:$s){items{id}} executions(subscriptionId:$s,status:completed){items{result}}}",
                        d=letter["id"], e=seen[0]["id"], s=subscription)
        self.assertEqual(one["deadLetter"]["error"], letter["error"])
        self.assertEqual(one["execution"]["status"], seen[0]["status"])
        self.assertEqual(one["deadLetters"]["items"], [{"id": letter["id"]}])
        self.assertEqual(one["executions"]["items"], [{"result": {"n": 1}}])
        # From the log, by whoever comes later.
        again = self.socket()
        again.follow("r", "subscription($s:ID,$a:String){executions(subscriptionId:$s,after:$a){eventId}}",
                     s=subscription, a=seen[0]["position"])
        self.assertEqual(again.data()["executions"]["eventId"], seen[1]["eventId"])
        again.follow("l", "subscription($s:ID){deadLetters(subscriptionId:$s,after:\"beginning\"){id}}", s=subscription)
        self.assertEqual(again.data()["deadLetters"]["id"], letter["id"])
        self.assertEqual(self.server.request("DELETE", f"/v2/dlq/{letter['id']}").status, 200)
        gone = self.socket()
        gone.follow("l", "subscription($s:ID){deadLetters(subscriptionId:$s,after:\"beginning\"){id error event{shard}}}",
                    s=subscription)
        self.assertEqual(gone.data()["deadLetters"], {"id": letter["id"], "error": letter["error"], "event": None})

    def test_a_sleeper_disturbs_nobody(self):
        pattern = self.unique("gz.")
        sleeper, reader = self.socket(), self.socket()
        for client in (sleeper, reader):
            client.follow("1", "subscription($p:String){events(pattern:$p){payload}}", p=pattern)
            client.say(type="ping")  # it follows from its message on, which is behind another connection's event else
            client.message()
        for n in range(40):
            self.server.send_event(pattern, {"n": n, "text": "x" * 200_000})
        for n in range(40):
            self.assertEqual(reader.data()["events"]["payload"]["n"], n)
        for n in range(40):  # nothing of it was lost, or held in memory
            self.assertEqual(sleeper.data()["events"]["payload"]["n"], n)


class Rights(unittest.TestCase):
    def test_keys_scopes_and_their_end(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        keys = {}
        for name, members in (("admin", {"role": "admin"}), ("publisher", {"role": "publisher"}),
                              ("viewer", {"role": "viewer", "patterns": ["seen.*"]})):
            made = server.post("/v2/keys", {"name": name, **members},
                               headers={"X-API-Key": keys["admin"]["key"]} if keys else None)
            self.assertEqual(made.status, 201, made)
            keys[name] = made.json()
        self.assertEqual(server.post("/v2/graphql", {"query": "{position}"}).status, 401)
        stranger = Socket(server, init=False)
        self.assertEqual(stranger.status, 401)
        stranger.close()

        def ask(name, query):
            return server.post("/v2/graphql", {"query": query}, headers={"X-API-Key": keys[name]["key"]}).json()
        refused = ask("publisher", "{events{next} __typename}")
        self.assertEqual(refused["errors"][0]["extensions"]["code"], "FORBIDDEN")
        self.assertEqual(refused["data"], {"events": None, "__typename": "Query"})
        publisher = Socket(server, X_API_Key=keys["publisher"]["key"])
        publisher.follow("1", FOLLOW)
        self.assertEqual(publisher.message()["payload"][0]["extensions"]["code"], "FORBIDDEN")
        publisher.close()
        viewer = Socket(server, "?apiKey=" + keys["viewer"]["key"])  # as a browser has to
        viewer.follow("1", FOLLOW)
        viewer.say(type="ping")
        viewer.message()
        server.api_key = keys["admin"]["key"]
        server.send_event("hidden.one", {"n": 1})
        server.send_event("seen.one", {"n": 2})
        self.assertEqual(viewer.data()["events"]["payload"], {"n": 2})
        self.assertEqual(len(ask("viewer", '{events(pattern:"*.one"){items{pattern}}}')["data"]["events"]["items"]), 1)
        # What a stream follows is a front's to say, and here is none.
        for scope, status in (("dlq:read", 403), ("executions:read", 403), ("events:read", 200)):
            key = server.post("/v2/keys", {"name": scope, "scopes": ["api:read", scope]}).json()["key"]
            for kind in ("deadLetters", "executions"):
                connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
                self.addCleanup(connection.close)
                connection.request("GET", "/v2/events/stream", headers={"X-API-Key": key, "Millrace-Stream": kind})
                self.assertEqual(connection.getresponse().status, status, (scope, kind))
        # A key that is no more sees no more.
        self.assertEqual(server.request("DELETE", "/v2/keys/" + keys["viewer"]["id"]).status, 200)
        server.send_event("seen.two", {"n": 3})
        ended = viewer.message()
        self.assertEqual((ended["type"], ended["payload"][0]["extensions"]["code"]), ("error", "UNAUTHORIZED"))
        viewer.follow("2", FOLLOW)
        self.assertEqual(viewer.close_code(), 4403)
        viewer.close()


class OverACrash(unittest.TestCase):
    def test_no_gap_and_no_repeat(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        seen, at = [], "beginning"
        for turn in range(4):
            client = Socket(server)
            client.follow("1", FOLLOW, p="crash.*", a=at)
            for n in range(10):
                server.send_event("crash.now", {"n": turn * 10 + n})
            for _ in range(7):  # some of what was sent has not been read when it dies
                event = client.data()["events"]
                seen.append(event["payload"]["n"])
                at = event["position"]
            client.close()
            server.kill()
            server.start()
        client = Socket(server)
        client.follow("1", FOLLOW, p="crash.*", a=at)
        while len(seen) < 40:
            seen.append(client.data()["events"]["payload"]["n"])
        client.close()
        self.assertEqual(seen, list(range(40)))

    def test_a_drain_says_going_away(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        client = Socket(server)
        self.addCleanup(client.close)
        server.stop()
        self.assertEqual(client.close_code(), 1001)


if __name__ == "__main__":
    unittest.main()
