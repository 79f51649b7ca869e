"""Goal: any node of a cluster speaks gRPC, WebSockets and GraphQL of all a tenant's events, however partitions are
cut: what is published anywhere is there once and acknowledged when it is, a stream goes on where it was when nodes
die, a reader that sleeps holds nobody up, and what is wrong is said as a single server says it.
Method: the clients of grpc_test, web_socket_test and graphql_test at the nodes of a cluster, cut in both ways."""
import collections
import http.client
import json
import socket
import threading
import types
import unittest
import urllib.parse

import cluster_nodes
import harness
import nats_peer
from graphql_test import FOLLOW, Events, Socket
from grpc_test import (CHECK, DENIED, INVALID, OK, PUBLISH, REFLECT, SUBSCRIBE, UNAUTHENTICATED, UNAVAILABLE,
                       UNIMPLEMENTED, ack, ask, event, publish, told)
from h2 import WINDOW, Connection, frame, pb, unpb
from web_socket_test import Client

PARTITIONS = 6
UNKNOWN = 2
FAIL = "return function(event, ctx) error('as told') end"


def place(node):
    """A node as the clients of single servers know one."""
    host, port = node.http.split(":")
    connect = lambda: socket.create_connection((host, int(port)), timeout=30)
    return types.SimpleNamespace(host=host, port=int(port), ready={"http": node.http}, raw_connection=connect)


class Faces:
    partition_by = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster_nodes.Cluster(partitions=PARTITIONS, partition_by=cls.partition_by)
        try:
            cls.cluster.start().init()
            first = cls.cluster["a"]
            cls.admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = cls.admin
            first.ok("POST", "/v2/tenants", {"id": "acme"})
            cls.key = first.ok("POST", "/v2/keys", {"name": "acme", "role": "admin", "tenantId": "acme"})["key"]
            cls.viewer = first.ok("POST", "/v2/keys", {"name": "look", "role": "viewer", "tenantId": "acme"})["key"]
            for node in cls.cluster.nodes.values():
                node.api_key = cls.key
        except BaseException:
            cls.cluster.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    # ---- gRPC

    def connect(self, name, **options):
        connection = Connection(place(self.cluster[name]), **options)
        self.addCleanup(connection.close)
        return connection

    def call(self, name, path, messages=None, key=None, end=True, connection=None, **options):
        fields = [("authorization", "Bearer " + (key or self.key))] if key != "" else []
        connection = connection or self.connect(name, **options)
        return connection.call(path, fields, messages, end)

    def publish(self, name, ids, pattern, size=250, payload=None):
        """Each message is acknowledged before the next: its events are durable. Where an owner is lost, as on a slow
        machine any may be, what has no Ack goes again, as clients are told."""
        call, index = self.call(name, PUBLISH, end=False), 0
        left = [ids[at:at + size] for at in range(0, len(ids), size)]
        while left:
            part = left[0]
            call.say(publish(*(event(pattern, payload or {"n": one}, id=one, partition_key="k" + one[-2:])
                               for one in part)))
            answer = call.next(60)
            if answer is None:
                self.assertIn(call.status()[0], (UNKNOWN, UNAVAILABLE), call.trailers)
                call, index = self.call(name, PUBLISH, end=False), 0
                continue
            first, _, outcomes = ack(answer)
            self.assertEqual(first, index)
            index += len(part)
            self.assertEqual(len(outcomes), len(part))
            self.assertLessEqual({o["code"] for o in outcomes}, {"", "UNAVAILABLE"})
            self.assertEqual({o["id"] for o in outcomes if not o["code"]} - set(part), set())
            left[0] = [one for one, o in zip(part, outcomes) if o["code"]]
            if not left[0]:
                left.pop(0)
        call.end()
        self.assertEqual(call.status()[0], OK)

    def follow(self, name, pattern, **options):
        connection = options.pop("connection", None)
        return self.call(name, SUBSCRIBE, [ask(pattern, **options)], connection=connection).begun()

    def take(self, call, count, seen, seconds=60):
        """The position behind the last of so many."""
        position = None
        for _ in range(count):
            data = call.next(seconds)
            self.assertIsNotNone(data, (len(seen), call.trailers))
            one = told(data)
            position = one["position"]
            if one["id"]:
                seen.append(one["id"])
        return position

    def test_1_ten_thousand_at_all_nodes_are_there_once(self):
        ids = [f"pub-{n}" for n in range(10_000)]
        failures = []

        def send(name, part):
            try:
                self.publish(name, part, "pub.all")
            except BaseException as error:
                failures.append(error)
                raise
        threads = [threading.Thread(target=send, args=(name, ids[at::3])) for at, name in enumerate("abc")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(failures, [])
        counted = self.cluster["b"].request("GET", "/v2/events?pattern=pub.all&count=1").json()
        self.assertEqual(counted["count"], 10_000)
        again = self.call("c", PUBLISH, [publish(*(event("pub.all", {}, id=one, partition_key="k" + one[-2:])
                                                    for one in ids[:100]))])
        self.assertEqual(again.status()[0], OK)
        self.assertEqual([o["duplicate"] for o in ack(again.messages[0])[2]], [True] * 100)
        seen = []
        self.take(self.follow("a", "pub.all", after="beginning"), 10_000, seen)
        self.assertEqual(sorted(seen), sorted(ids))

    def test_2_events_of_a_key_keep_their_order(self):
        call = self.call("b", PUBLISH, end=False)
        for n in range(300):
            call.say(publish(event("order.kept", {"n": n}, id=f"ord-{n}", partition_key="one")))
        for _ in range(300):
            self.assertEqual([o["code"] for o in ack(call.next())[2]], [""])
        seen = []
        self.take(self.follow("c", "order.kept", after="beginning"), 300, seen)
        self.assertEqual(seen, [f"ord-{n}" for n in range(300)])

    def test_3_a_reader_that_sleeps_holds_nobody_up(self):
        sleeper = self.connect("b", window=1000, gives_room=False)
        asleep = self.follow("b", "deep.sleep", connection=sleeper, after="beginning")
        ids = [f"sleep-{n}" for n in range(4_000)]
        awake = self.follow("b", "deep.sleep", after="beginning")
        self.publish("a", ids, "deep.sleep", payload={"text": "x" * 500})
        seen = []
        self.take(awake, 4_000, seen)
        self.assertEqual(sorted(seen), sorted(ids))
        sleeper.gives_room = True
        grant = (1 << 24).to_bytes(4, "big")
        sleeper.send(frame(WINDOW, stream=asleep.stream, payload=grant))
        late = []
        self.take(asleep, 4_000, late)
        self.assertEqual(sorted(late), sorted(ids))

    def test_4_what_is_wrong_is_said(self):
        def ends(call):
            code, words = call.status()
            return code, urllib.parse.unquote(words)
        one = [publish(event("x.y", {}))]
        self.assertEqual(ends(self.call("a", PUBLISH, one, key="mk_nobody"))[0], UNAUTHENTICATED)
        self.assertEqual(ends(self.call("a", SUBSCRIBE, [ask("x.*")], key=""))[0], UNAUTHENTICATED)
        code, words = ends(self.call("b", PUBLISH, [publish(event("x.y", {}))], key=self.viewer))
        self.assertEqual((code, "events:write" in words), (DENIED, True), words)
        self.assertEqual(ends(self.call("b", "/millrace.v2.Events/Nothing", []))[0], UNIMPLEMENTED)
        for name, options in (("a", {"after": "m1-2"}), ("b", {"filter": "$.n >="}), ("c", {"after": "soon"})):
            code, words = ends(self.call(name, SUBSCRIBE, [ask("x.*", **options)]))
            self.assertEqual(code, INVALID, words)
        call = self.call("c", PUBLISH, [publish(event("ok.one", {}, id="good"), event("", {}), event("ok.one", "[1"))])
        self.assertEqual(call.status()[0], OK)
        outcomes = ack(call.messages[0])[2]
        self.assertEqual([o["code"] for o in outcomes], ["", "VALIDATION_ERROR", "VALIDATION_ERROR"], outcomes)
        empty = self.call("c", PUBLISH, [publish()])
        self.assertEqual((empty.status()[0], ack(empty.messages[0])[2]), (OK, []))

    def test_5_health_and_reflection(self):
        for name, key in (("a", ""), ("b", "mk_nobody")):
            call = self.call(name, CHECK, [pb((1, "millrace.v2.Events"))], key=key)
            self.assertEqual(call.status()[0], OK)
            self.assertEqual(unpb(call.messages[0])[1], [1])
        call = self.call("c", REFLECT, [pb((7, "*"))])
        self.assertEqual(call.status()[0], OK)
        self.assertIn(b"millrace.v2.Events", call.messages[0])

    # ---- WebSockets

    def socket(self, name, query, key=None, cls=Client, **headers):
        client = cls(place(self.cluster[name]), query, Authorization="Bearer " + (key or self.key), **headers)
        self.addCleanup(client.close)
        return client

    def test_6_a_web_socket_goes_on_at_another_node(self):
        ids = [f"ws-{n}" for n in range(200)]
        self.publish("a", ids, "ws.it")
        client = self.socket("a", "?pattern=ws.*&from=beginning")
        self.assertEqual(client.status, 101)
        seen = [client.message() for _ in range(120)]
        other = self.socket("b", "?pattern=ws.*&from=" + seen[-1]["id"])
        self.assertEqual(other.status, 101)
        seen += [other.message() for _ in range(80)]
        self.assertEqual(sorted(one["event"]["eventId"] for one in seen), sorted(ids))
        other.send(0x89, b"hello")
        while True:
            opcode, payload = other.frame()
            if opcode == 10:
                break
        self.assertEqual(payload, b"hello")
        other.send(0x81, b"{}")
        while True:
            opcode, payload = other.frame()
            if opcode == 8:
                break
        self.assertEqual(int.from_bytes(payload[:2], "big"), 1003)
        self.assertEqual(self.socket("c", "?pattern=ws.*&from=m1").status, 400)
        self.assertEqual(self.socket("c", "?pattern=ws.*", key="mk_nobody").status, 401)
        self.assertEqual(self.socket("c", "", Sec_WebSocket_Version="12").status, 400)

    # ---- GraphQL

    def ask_graphql(self, name, query, key=None, **variables):
        reply = self.cluster[name].request("POST", "/v2/graphql", {"query": query, "variables": variables}, key=key)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def data(self, name, query, **variables):
        answer = self.ask_graphql(name, query, **variables)
        self.assertNotIn("errors", answer)
        return answer["data"]

    def test_7_queries_are_of_all_partitions(self):
        ids = [f"gq-{n}" for n in range(150)]
        self.publish("b", ids, "gq.it")
        items, cursor = [], None
        while True:
            page = self.data("c", "query($c:String){events(pattern:\"gq.it\",limit:40,cursor:$c){items{eventId}next}}",
                             **({"c": cursor} if cursor else {}))["events"]
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                break
        self.assertEqual(sorted(one["eventId"] for one in items), sorted(ids))
        both = self.data("a", "{a:event(id:\"gq-7\"){payload position} b:event(id:\"no\"){shard} position __typename}")
        self.assertEqual(both["a"]["payload"], {"n": "gq-7"})
        self.assertIsNone(both["b"])
        # Whoever lists first follows from there.
        behind = self.socket("a", "", cls=Socket)
        behind.follow("1", FOLLOW, p="gq.more", a=both["position"])
        self.publish("c", [f"more-{n}" for n in range(20)], "gq.more")
        self.assertEqual(sorted(behind.data()["events"]["payload"]["n"] for _ in range(20)),
                         sorted(f"more-{n}" for n in range(20)))
        last = self.data("a", "{events(pattern:\"gq.more\",limit:1){items{eventId position}}}")["events"]["items"][0]
        after = self.socket("b", "", cls=Socket)
        after.follow("1", FOLLOW, p="gq.more", a=last["position"])
        self.publish("c", ["last-1"], "gq.more")
        self.assertEqual(after.data()["events"]["payload"], {"n": "last-1"})
        refused = self.ask_graphql("b", "{events(limit:100000){next}}")
        self.assertIn("limit", refused["errors"][0]["message"])
        self.assertEqual(self.cluster["a"].request("POST", "/v2/graphql", {"query": "{"}).status, 200)

    def test_8_subscriptions_go_on_where_they_were(self):
        ids = [f"sub-{n}" for n in range(100)]
        self.publish("a", ids, "sub.it")
        client = self.socket("b", "", cls=Socket)
        client.follow("1", FOLLOW, p="sub.it", a="beginning")
        client.follow("2", FOLLOW, p="sub.it", a="nonsense")
        client.follow("q", "{events(pattern:\"sub.it\",limit:1){items{eventId}}}")
        first, others = [], {}
        while len(first) < 60 or len(others) < 2:
            message = client.message()
            if message["id"] == "1":
                first.append(message["payload"]["data"]["events"])
            elif message["id"] == "2" or message["type"] == "next":
                others[message["id"]] = message
        self.assertEqual(others["2"]["type"], "error")
        self.assertIn("data", others["q"]["payload"])
        first = first[:60]
        stream = Events(place(self.cluster["c"]), FOLLOW, headers={"Authorization": "Bearer " + self.key},
                        p="sub.it", a=first[-1]["position"])
        self.addCleanup(stream.close)
        rest, where = [], None
        while len(first) + len(rest) < 100:
            name, where, data = stream.next()
            self.assertEqual(name, "next")
            rest.append(data["data"]["events"])
        self.assertEqual(sorted(one["payload"]["n"] for one in first + rest), sorted(ids))
        self.assertEqual(where, rest[-1]["position"])

    def test_90_letters_and_executions_are_told(self):
        node = self.cluster["a"]
        node.ok("POST", "/v2/scripts", {"id": "fail", "name": "fail", "type": "event", "source": FAIL})
        self.cluster["b"].ok("POST", "/v2/subscriptions", {
            "id": "fail", "name": "fail", "pattern": "fail.it", "retry": {"maxRetries": 0},
            "executor": {"type": "script", "scriptId": "fail"}})
        client = self.socket("c", "", cls=Socket)
        client.follow("l", "subscription($a:String){deadLetters(after:$a){subscriptionId position}}", a="beginning")
        client.follow("e", "subscription($a:String){executions(pattern:\"fail.it\",after:$a){subscriptionId status}}",
                      a="beginning")
        self.publish("b", [f"fail-{n}" for n in range(30)], "fail.it")
        counts = collections.Counter()
        while counts["l"] < 30 or counts["e"] < 30:
            message = client.message()
            self.assertEqual(message["type"], "next", message)
            counts[message["id"]] += 1
        listed = self.data("b", "{deadLetters(limit:50){items{id}} executions(limit:50){items{id}}}")
        self.assertEqual(len(listed["deadLetters"]["items"]), 30)
        self.assertGreaterEqual(len(listed["executions"]["items"]), 30)
        one = listed["deadLetters"]["items"][0]["id"]
        self.assertEqual(self.data("c", "query($i:ID!){deadLetter(id:$i){subscriptionId}}", i=one)["deadLetter"],
                         {"subscriptionId": "fail"})

    # ---- keys

    def make_key(self, name, **members):
        return self.cluster["a"].ok("POST", "/v2/keys", {"name": name, "tenantId": "acme", **members}, key=self.admin)

    def test_91_what_is_open_ends_with_its_key(self):
        made = self.make_key("short", role="viewer")
        field = {"headers": {"Authorization": "Bearer " + made["key"]}}
        plain = http.client.HTTPConnection(self.cluster["a"].http, timeout=30)
        self.addCleanup(plain.close)
        plain.request("GET", "/v2/events/stream?pattern=short.*&from=beginning", **field)
        stream = plain.getresponse()
        socket_ = self.socket("b", "?pattern=short.*&from=beginning", key=made["key"])
        calls = self.call("c", SUBSCRIBE, [ask("short.*", after="beginning")], key=made["key"]).begun()
        graph = self.socket("a", "", key=made["key"], cls=Socket)
        graph.follow("1", FOLLOW, p="short.it", a="beginning")
        over_http = Events(place(self.cluster["b"]), FOLLOW, p="short.it", a="beginning", **field)
        self.addCleanup(over_http.close)
        stays = self.follow("b", "short.*", after="beginning")
        self.publish("c", ["short-1"], "short.it")
        self.assertEqual(socket_.message()["event"]["eventId"], "short-1")
        self.assertEqual(graph.data()["events"]["payload"], {"n": "short-1"})
        self.assertEqual(over_http.next()[2]["data"]["events"]["payload"], {"n": "short-1"})
        seen = []
        self.take(calls, 1, seen)
        self.take(stays, 1, seen)
        self.cluster["c"].ok("DELETE", "/v2/keys/" + made["id"], key=self.admin)
        # Each in its words, and by itself.
        told_by = [line.decode().strip() for line in stream]
        self.assertIn("event: error", told_by)
        self.assertIn("UNAUTHORIZED", told_by[told_by.index("event: error") + 1])
        self.assertEqual(socket_.message()["error"]["code"], "UNAUTHORIZED")
        self.assertEqual(socket_.close_code(), 1008)
        self.assertEqual(calls.status()[0], UNAUTHENTICATED)
        ended = graph.message()
        self.assertEqual((ended["type"], ended["payload"][0]["extensions"]["code"]), ("error", "UNAUTHORIZED"))
        graph.follow("2", FOLLOW, p="short.it")
        self.assertEqual(graph.close_code(), 4403)
        while (last := over_http.next()) is not None:
            self.assertNotIn("short-2", json.dumps(last))
        self.publish("c", ["short-2"], "short.it")
        self.take(stays, 1, seen)
        self.assertEqual(seen, ["short-1", "short-1", "short-2"])

    def test_92_a_key_that_gives_less_ends_what_it_gave_more_for(self):
        made = self.make_key("narrow", role="viewer")
        before = self.socket("a", "?pattern=narrow.*", key=made["key"])
        self.assertEqual(before.status, 101)
        self.cluster["b"].ok("PATCH", "/v2/keys/" + made["id"], {"patterns": ["narrow.some"]}, key=self.admin)
        self.assertEqual(before.message()["error"]["code"], "UNAUTHORIZED")
        self.assertEqual(before.close_code(), 1008)
        after = self.socket("a", "?pattern=narrow.*&from=beginning", key=made["key"])
        self.publish("c", ["narrow-1"], "narrow.some")
        self.assertEqual(after.message()["event"]["eventId"], "narrow-1")
        self.cluster["a"].ok("DELETE", "/v2/keys/" + made["id"], key=self.admin)
        self.assertEqual(after.close_code(), 1008)

    def test_93_a_stream_takes_the_scope_of_what_it_follows(self):
        kinds = {"deadLetters": "{deadLetters(after:\"beginning\"){subscriptionId}}",
                 "executions": "{executions(after:\"beginning\"){subscriptionId}}",
                 "events": "{events(after:\"beginning\"){payload}}"}
        for scope, kind in (("dlq:read", "deadLetters"), ("executions:read", "executions"), ("events:read", "events")):
            key = self.make_key(kind, scopes=["api:read", scope])["key"]
            client = self.socket("b", "", key=key, cls=Socket)
            for name, fields in kinds.items():
                client.follow(name, "subscription" + fields)
            refused, told_of = {}, set()
            while len(refused) < 2 or not told_of:
                message = client.message()
                if message["type"] == "error":
                    refused[message["id"]] = message["payload"][0]["extensions"]["code"]
                else:
                    self.assertEqual(message["type"], "next", message)
                    told_of.add(message["id"])
            self.assertEqual(told_of, {kind})
            self.assertEqual(refused, {name: "FORBIDDEN" for name in kinds if name != kind})
            # What a client says of a stream itself counts for nothing.
            for forged in ("deadLetters", "executions"):
                for name in "abc":
                    status = self.stream_status(name, key, {"Millrace-Stream": forged,
                                                            "Millrace-Cluster-Token": "x" * 32})
                    self.assertEqual(status, 200 if kind == "events" else 403, (kind, forged))

    def stream_status(self, name, key, headers):
        connection = http.client.HTTPConnection(self.cluster[name].http, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/v2/events/stream", headers={"Authorization": "Bearer " + key, **headers})
        return connection.getresponse().status

    # ---- what breaks

    def test_99_streams_go_on_when_a_node_dies(self):
        ids = [f"die-{n}" for n in range(10_000)]
        stays = self.follow("c", "die.on", after="beginning")
        falls = self.follow("b", "die.on", after="beginning")
        before = []
        self.publish("a", ids[:4000], "die.on")
        position = self.take(falls, 2500, before)
        self.cluster["b"].kill()
        # Until somebody owns again nothing is acknowledged, and what may have been taken is sent again.
        left = ids[4000:]
        while left:
            part = left[:250]
            try:
                events = (event("die.on", {"n": one}, id=one, partition_key="k" + one[-2:]) for one in part)
                call = self.call("a", PUBLISH, [publish(*events)])
                call.status(60)
                good = {o["id"] for data in call.messages for o in ack(data)[2] if not o["code"]}
            except (OSError, AssertionError):
                good = set()
            left = [one for one in left if one not in good]
        seen = []
        self.take(stays, 10_000, seen, seconds=90)
        self.assertEqual(sorted(seen), sorted(ids))
        after = self.follow("c", "die.on", after=position)
        self.take(after, 7_500, before, seconds=90)
        self.assertEqual(sorted(before), sorted(ids))


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class ByKey(Faces, unittest.TestCase):
    partition_by = "key"


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
class ByTenant(Faces, unittest.TestCase):
    partition_by = "tenant"


if __name__ == "__main__":
    unittest.main()
