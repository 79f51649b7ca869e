#!/usr/bin/env python3
"""Goal: gRPC takes events in and follows them as the other faces do, with their rights, quotas and positions;
what is no HTTP/2, or too much of it, ends its connection with the protocol's error and nothing else.
Method: a client of its own that sends frames by hand (h2); the events are looked at over REST."""
import gzip
import json
import signal
import ssl
import struct
import tempfile
import time
import unittest

import h2
import harness
from certificates import Authority
from h2 import Connection, frame, pb, unpb
from harness import wait_until
from keyed import KeyedCase

PUBLISH = "/millrace.v2.Events/Publish"
SUBSCRIBE = "/millrace.v2.Events/Subscribe"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
OK, CANCELLED, INVALID, DEADLINE, NOT_FOUND, DENIED, EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = (
    0, 1, 3, 4, 5, 7, 8, 12, 14, 16)


def event(pattern, payload=None, id="", **more):
    """An Event of the wire: the members that tests send."""
    numbers = {"version": 3, "timestamp": 5, "metadata": 7, "partition_key": 8, "priority": 9, "scheduled_at": 10,
               "tenant_id": 11, "source": 4}
    fields = [(1, id)] if id else []
    fields += [(2, pattern)] if pattern else []
    if payload is not None:
        fields.append((6, payload if isinstance(payload, str) else json.dumps(payload)))
    return pb(*fields, *((numbers[name], value) for name, value in more.items()))


def publish(*events):
    return pb(*((1, one) for one in events))


def outcome(data):
    fields = unpb(data)
    error = unpb(fields[5][0]) if 5 in fields else {}
    return {"id": fields.get(1, [b""])[0].decode(), "shard": fields.get(2, [0])[0], "offset": fields.get(3, [0])[0],
            "duplicate": bool(fields.get(4, [0])[0]), "code": error.get(1, [b""])[0].decode(),
            "message": error.get(2, [b""])[0].decode(), "field": error.get(3, [b""])[0].decode(),
            "retry": error.get(4, [0])[0]}


def ack(data):
    """(index, durability, outcomes)"""
    fields = unpb(data)
    return fields.get(1, [0])[0], fields.get(2, [b""])[0].decode(), [outcome(one) for one in fields.get(3, [])]


def told(data):
    fields = unpb(data)
    text = lambda number: fields.get(number, [b""])[0].decode()
    return {"id": text(1), "pattern": text(2), "payload": json.loads(text(6)) if 6 in fields else None, "json": text(12),
            "shard": fields.get(21, [0])[0], "offset": fields.get(22, [0])[0], "position": text(25), "fields": fields}


def ask(pattern="", after="", filter="", prefix="", whole=0):
    return pb((1, pattern), (2, prefix), (3, filter), (4, after), (5, whole))


class GrpcCase:
    """What the cases do, with whatever server they have."""

    def connect(self, **options):
        connection = Connection(self.server, **options)
        self.addCleanup(connection.close)
        return connection

    def follow(self, pattern, connection=None, **options):
        connection = connection or self.connect()
        return connection.call(SUBSCRIBE, messages=[ask(pattern, **options)]).begun()

    def acks(self, call):
        """All that come until its end, which is a good one."""
        self.assertEqual(call.status()[0], OK, call.status())
        return [ack(data) for data in call.messages]

    def one_ack(self, *events, **options):
        (answer,) = self.acks(self.connect().call(PUBLISH, messages=[publish(*events)], **options))
        return answer[2]


class Publish(GrpcCase, harness.ServerCase):
    def test_an_event_is_durable_when_it_is_acknowledged(self):
        pattern = self.unique("pub.")
        call = self.connect().call(PUBLISH, messages=[publish(event(pattern, {"n": 1}, id="first"))], end=False)
        index, durability, (one,) = ack(call.next())
        self.assertEqual((index, durability), (0, "fsync"))
        self.assertEqual((one["id"], one["duplicate"], one["code"]), ("first", False, ""))
        self.server.kill()
        self.server.start()
        (found,) = self.server.all_events(pattern)
        self.assertEqual((found["eventId"], found["shard"], found["offset"]), ("first", one["shard"], one["offset"]))
        again = self.one_ack(event(pattern, {"n": 1}, id="first"))
        self.assertEqual([(o["duplicate"], o["offset"]) for o in again], [(True, one["offset"])])

    def test_over_crashes_nothing_acknowledged_is_lost_and_nothing_is_there_twice(self):
        pattern = self.unique("kill.")
        names = [f"{pattern}-{n}" for n in range(400)]
        acked = set()
        for taken in (40, 120):
            call = self.connect().call(PUBLISH, end=False)
            for name in names:
                call.say(publish(event(pattern, {}, id=name)))
            acked |= {ack(call.next())[2][0]["id"] for _ in range(taken)}
            self.server.kill()
            self.server.start()
            kept = [e["eventId"] for e in self.server.all_events(pattern)]
            self.assertEqual(len(kept), len(set(kept)))
            self.assertLessEqual(acked, set(kept))
        again = self.one_ack(*(event(pattern, {}, id=name) for name in names))
        self.assertLessEqual(acked, {o["id"] for o in again if o["duplicate"]})
        self.assertEqual(sorted(e["eventId"] for e in self.server.all_events(pattern)), sorted(names))

    def test_every_member_arrives_as_by_rest(self):
        pattern = self.unique("all.")
        (one,) = self.one_ack(event(
            pattern, '{"text":\r\n "gr\u00fcn\\n", "big": 12345678901234567890}', version="2.1",
            source=pb((1, "integration"), (2, "s-1")), timestamp="2026-01-02T03:04:05Z",
            metadata=pb((1, "corr"), (2, "cause"), (3, pb((1, "user"), (2, "u")))),
            partition_key="key", priority=(1 << 64) - 3, tenant_id="default"))
        found = self.server.get("/v2/events/" + one["id"]).json()
        wanted = {"pattern": pattern, "version": "2.1", "source": {"type": "integration", "id": "s-1"},
                  "timestamp": "2026-01-02T03:04:05Z", "partitionKey": "key", "priority": -3, "tenantId": "default",
                  "metadata": {"correlationId": "corr", "causationId": "cause", "context": {"type": "user", "id": "u"}}}
        self.assertEqual({name: found.get(name) for name in wanted}, wanted)
        self.assertEqual(found["payload"], {"text": "gr\u00fcn\n", "big": 12345678901234567890})

    def test_an_event_as_json_is_that_of_the_rest_call(self):
        pattern = self.unique("json.")
        text = json.dumps({"pattern": pattern, "payload": {"a": [1]}, "priority": 3}, indent=1)
        one, other = self.one_ack(pb((12, text)), pb((12, json.dumps({"pattern": pattern, "color": 1}))))
        found = self.server.get("/v2/events/" + one["id"]).json()
        self.assertEqual((found["payload"], found["priority"]), ({"a": [1]}, 3))
        two = self.one_ack(pb((12, '{"pattern":"%s"}{}' % pattern)), pb((12, '{"pattern":"%s"' % pattern)), event(pattern, {}))
        self.assertEqual([o["code"] for o in two], ["VALIDATION_ERROR", "VALIDATION_ERROR", ""])
        posted = self.server.post("/v2/events", {"pattern": pattern, "color": 1}).json()["error"]
        self.assertEqual((other["code"], other["message"]), (posted["code"], posted["message"]))

    def test_what_is_no_event_is_told_and_the_others_are_taken(self):
        pattern = self.unique("bad.")
        forged = '{}}\n{"pattern":"' + pattern + '","payload":{"forged":true}'
        outcomes = self.one_ack(
            event(pattern, {"n": 0}), event(""), event(pattern, "[1]"), event(pattern, forged), event(pattern, {"n": 1}),
            event(pattern, '{"a":1}, "pattern":"other"'), event(pattern, '{"a":"line\nend"}'), event(pattern, "{"),
            pb((12, "7")), event(pattern, {}, timestamp="yesterday"), event(pattern, {"n": 2}))
        self.assertEqual([o["code"] for o in outcomes],
                         ["", "VALIDATION_ERROR", "VALIDATION_ERROR", "VALIDATION_ERROR", ""] + ["VALIDATION_ERROR"] * 5
                         + [""])
        self.assertEqual([o["field"] for o in outcomes if o["code"]][:5], ["pattern", "payload", "payload", "payload",
                                                                          "payload"])
        self.assertEqual(sorted(e["payload"]["n"] for e in self.server.all_events(pattern)), [0, 1, 2])

    def test_acks_come_in_the_order_of_messages_and_count_events(self):
        pattern = self.unique("order.")
        call = self.connect().call(PUBLISH, end=False)
        for size in (1, 3, 0, 2):
            call.say(publish(*(event(pattern, {"n": n}) for n in range(size))))
        call.end()
        acks = self.acks(call)
        self.assertEqual([(index, len(outcomes)) for index, _, outcomes in acks], [(0, 1), (1, 3), (4, 0), (4, 2)])
        self.assertEqual(len(self.server.all_events(pattern)), 6)
        self.assertEqual(self.acks(self.connect().call(PUBLISH)), [], "a call without messages")

    def test_however_the_bytes_are_cut(self):
        pattern = self.unique("cut.")
        call = self.connect().call(PUBLISH, end=False)
        data = h2.message(publish(event(pattern, {"n": 1}))) + h2.message(publish(event(pattern, {"n": 2})))
        for byte in data[:-1]:
            call.raw(bytes([byte]))
        call.raw(data[-1:] + data, h2.END_STREAM)
        self.assertEqual(len(self.acks(call)), 4)
        self.assertEqual(len(self.server.all_events(pattern)), 4)

    def test_thousands_of_messages_go_through_the_window(self):
        pattern = self.unique("many.")
        connection = self.connect()
        connection.ping()  # and knows the server's window
        call = connection.call(PUBLISH, end=False)
        pad = "x" * 900
        count = 4000
        for n in range(count):
            data = publish(event(pattern, {"n": n, "pad": pad}))
            connection.until("room", lambda: min(call.room, connection.room) > len(data) + 5)
            call.say(data)
        call.end()
        acks = self.acks(call)
        self.assertEqual([index for index, _, _ in acks], list(range(count)))
        self.assertEqual(self.server.metric("scripts_events_received_total", event_type=pattern), count)

    def test_compressed_messages(self):
        pattern = self.unique("gz.")
        call = self.connect().call(PUBLISH, fields=[("grpc-encoding", "gzip")], end=False)
        call.say(gzip.compress(publish(event(pattern, {"n": 1}))), compressed=1)
        call.say(publish(event(pattern, {"n": 2})))
        call.end()
        self.assertEqual(len(self.acks(call)), 2)
        self.assertIn("gzip", call.headers["grpc-accept-encoding"])
        other = self.connect().call(PUBLISH, fields=[("grpc-encoding", "br")])
        self.assertEqual(other.status()[0], UNIMPLEMENTED)
        self.assertIn("gzip", other.trailers["grpc-accept-encoding"])
        bomb = self.connect().call(PUBLISH, fields=[("grpc-encoding", "gzip")], end=False)
        bomb.say(gzip.compress(b"\0" * (5 << 20)), compressed=1)
        self.assertEqual(bomb.status()[0], EXHAUSTED)

    def test_messages_that_are_none(self):
        def ends(data, fields=()):
            call = self.connect().call(PUBLISH, fields=fields, end=False)
            call.raw(data, h2.END_STREAM)
            return call.status()[0]
        self.assertEqual(ends(b"\2\0\0\0\0"), INVALID)
        self.assertEqual(ends(h2.message(b"\xff\xff\xff")), INVALID)
        self.assertEqual(ends(h2.message(pb((1, b"\x0a\x05abc")))), INVALID)
        self.assertEqual(ends(h2.message(pb((1, pb((2, b"\xff")))))), INVALID)
        self.assertEqual(ends(b"\0\0\0\0\7abc"), INVALID)
        self.assertEqual(ends(b"\0\xff\xff\xff\xff"), EXHAUSTED)
        self.assertEqual(ends(h2.message(b"x", compressed=1)), INVALID)
        self.assertEqual(ends(h2.message(b"x", compressed=1), [("grpc-encoding", "gzip")]), INVALID)
        # What came before it is acknowledged.
        pattern = self.unique("before.")
        call = self.connect().call(PUBLISH, end=False)
        call.raw(h2.message(publish(event(pattern, {}))) + h2.message(b"\xff"))
        self.assertEqual(call.status()[0], INVALID)
        self.assertEqual(len(call.messages), 1)
        self.assertEqual(len(self.server.all_events(pattern)), 1)

    def test_a_deadline_ends_the_call(self):
        pattern = self.unique("late.")
        call = self.connect().call(PUBLISH, fields=[("grpc-timeout", "300m")], messages=[publish(event(pattern, {}))],
                                   end=False)
        self.assertEqual(call.status(), (DEADLINE, "the call's deadline has passed"))
        follows = self.connect().call(SUBSCRIBE, fields=[("grpc-timeout", "200000u")], messages=[ask(pattern)])
        self.assertEqual(follows.status()[0], DEADLINE)
        self.assertEqual(self.connect().call(PUBLISH, fields=[("grpc-timeout", "soon")]).status()[0], INVALID)

    def test_a_trace_comes_with_the_call(self):
        pattern = self.unique("trace.")
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        (one,) = self.one_ack(event(pattern, {}), fields=[("traceparent", trace)])
        found = self.server.get("/v2/events/" + one["id"]).json()
        self.assertIn("0af7651916cd43dd8448eb211c80319c", found["traceparent"])

    def test_what_is_no_call(self):
        connection = self.connect()
        self.assertEqual(connection.call("/millrace.v2.Events/Nothing").status()[0], UNIMPLEMENTED)
        self.assertEqual(connection.call("/no.such.Service/Publish").status()[0], UNIMPLEMENTED)
        for options, status in (({"kind": "application/json"}, "415"), ({"kind": "application/grpc-web"}, "415"),
                                ({"method": "GET"}, "405")):
            call = connection.call(PUBLISH, **options)
            connection.until("an answer", lambda: call.done)
            self.assertEqual(call.headers[":status"], status)
        self.assertEqual(self.server.get("/healthz").status, 200, "HTTP/1.1 on the same port")


class Subscribe(GrpcCase, harness.ServerCase):
    def numbers(self, call, count):
        return [told(call.next())["payload"]["n"] for _ in range(count)]

    def test_from_history_through_to_live(self):
        pattern = self.unique("sub.")
        sent = [self.server.send_event(pattern, {"n": n}) for n in range(3)]
        call = self.follow(pattern, after="beginning")
        first = told(call.next())
        self.assertEqual((first["id"], first["shard"], first["offset"], first["payload"]),
                         (sent[0]["eventId"], sent[0]["shard"], sent[0]["offset"], {"n": 0}))
        self.assertEqual(self.numbers(call, 2), [1, 2])
        self.server.send_event(pattern, {"n": 3})
        self.assertEqual(self.numbers(call, 1), [3])

    def test_it_goes_on_at_a_position(self):
        pattern = self.unique("after.")
        for n in range(6):
            self.server.send_event(pattern, {"n": n})
        call = self.follow(pattern, after="beginning")
        position = [told(call.next())["position"] for _ in range(3)][-1]
        self.assertEqual(self.numbers(self.follow(pattern, after=position), 3), [3, 4, 5])
        now = self.follow(pattern)
        self.server.send_event(pattern, {"n": 6})
        self.assertEqual(self.numbers(now, 1), [6])

    def test_patterns_filters_and_forms(self):
        room = self.unique("form.")
        call = self.follow("", prefix=room, filter="$.n >= 2", after="beginning", whole=1)
        for n in range(4):
            self.server.send_event(f"{room}.x{n}", {"n": n}, partitionKey="one")
        for n in (2, 3):
            whole = told(call.next())
            self.assertEqual((whole["id"], json.loads(whole["json"])["payload"]), ("", {"n": n}))
            self.assertTrue(whole["position"])

    def test_every_member_is_told(self):
        pattern = self.unique("members.")
        sent = {"version": "3", "source": {"type": "task", "id": "s"}, "priority": -7, "partitionKey": "k",
                "timestamp": "2026-01-02T03:04:05Z",
                "metadata": {"correlationId": "c", "causationId": "d", "context": {"type": "client", "id": "e"}}}
        self.server.send_event(pattern, {"a": {"b": [1, "\u00fc"]}}, **sent)
        one = told(self.follow(pattern, after="beginning").next())
        fields = one["fields"]
        self.assertEqual(one["payload"], {"a": {"b": [1, "\u00fc"]}})
        text = lambda number, of=fields: of[number][0].decode()
        self.assertEqual([text(3), text(5), text(8), text(11)], ["3", "2026-01-02T03:04:05Z", "k", "default"])
        self.assertEqual({k: v[0] for k, v in unpb(fields[4][0]).items()}, {1: b"task", 2: b"s"})
        metadata = unpb(fields[7][0])
        self.assertEqual([text(1, metadata), text(2, metadata)], ["c", "d"])
        self.assertEqual({k: v[0] for k, v in unpb(metadata[3][0]).items()}, {1: b"client", 2: b"e"})
        self.assertEqual(fields[9][0], (1 << 64) - 7)
        self.assertTrue(text(20))

    def test_mistakes(self):
        connection = self.connect()
        call = lambda *messages: connection.call(SUBSCRIBE, messages=messages).status()
        self.assertEqual(call(ask("a", filter="$.n >"))[0], INVALID)
        code, words = call(ask("a", after="soon"))
        self.assertEqual((code, words.startswith("after: ")), (INVALID, True), words)
        self.assertEqual(call(ask("a", after="0-999999999"))[0], INVALID)
        self.assertEqual(call()[0], INVALID)
        self.assertEqual(call(ask("a"), ask("b"))[0], INVALID)
        self.assertEqual(call(b"\xff")[0], INVALID)

    def test_many_calls_on_one_connection(self):
        pattern = self.unique("mux.")
        connection = self.connect()
        follows = [self.follow(pattern, connection) for _ in range(20)]
        sends = connection.call(PUBLISH, messages=[publish(event(pattern, {"n": n})) for n in range(5)])
        self.assertEqual(len(self.acks(sends)), 5)
        for call in follows:
            self.assertEqual(self.numbers(call, 5), [0, 1, 2, 3, 4])
        for call in follows[::2]:
            call.cancel()
        self.server.send_event(pattern, {"n": 5})
        for call in follows[1::2]:
            self.assertEqual(self.numbers(call, 1), [5])

    def test_a_call_that_was_cancelled_is_gone(self):
        before = self.server.metric("millrace_grpc_calls_open")
        connection = self.connect()
        call = self.follow(self.unique(), connection)
        wait_until("the call", lambda: self.server.metric("millrace_grpc_calls_open") == before + 1)
        call.cancel()
        wait_until("its end", lambda: self.server.metric("millrace_grpc_calls_open") == before)
        cancelled = lambda: self.server.metric("millrace_grpc_calls_total", method="millrace.v2.Events/Subscribe",
                                               status="CANCELLED")
        wait_until("the count", cancelled)
        other = self.follow(self.unique())
        other.connection.close()
        wait_until("the end of both", lambda: self.server.metric("millrace_grpc_calls_open") == before)

    def test_who_sleeps_holds_up_nobody_and_misses_nothing(self):
        pattern = self.unique("sleep.")
        sleeper = self.follow(pattern, self.connect(window=20_000, gives_room=False))
        pad = "x" * 2000
        awake = self.follow(pattern)
        count = 2000
        for at in range(0, count, 100):
            self.one_ack(*(event(pattern, {"n": n, "pad": pad}, partition_key="one") for n in range(at, at + 100)))
        self.assertEqual(self.numbers(awake, count), list(range(count)))
        sleeper.connection.ping()
        got = len(sleeper.messages)
        self.assertLess(got, 15, "no more than the window has room for")
        sleeper.connection.gives_room = True
        sleeper.connection.send(frame(h2.WINDOW, stream=sleeper.stream, payload=struct.pack(">I", 1 << 20)))
        self.assertEqual(self.numbers(sleeper, count), list(range(count)))

    def test_a_crash_between_makes_no_gap_and_no_repeat(self):
        pattern = self.unique("crash.")
        seen, position, sent = [], "beginning", 0
        for _ in range(3):
            call = self.follow(pattern, after=position)
            for _ in range(5):
                self.one_ack(event(pattern, {"n": sent}, id=f"{pattern}-{sent}"))
                sent += 1
            for _ in range(4):
                one = told(call.next())
                seen.append(one["payload"]["n"])
                position = one["position"]
            self.server.kill()
            self.server.start()
        call = self.follow(pattern, after=position)
        seen += self.numbers(call, sent - len(seen))
        self.assertEqual(sorted(seen), list(range(sent)))
        self.server.send_event(pattern, {"n": sent})
        self.assertEqual(self.numbers(call, 1), [sent])


class Rights(GrpcCase, KeyedCase):
    def status(self, path, key=None, messages=(), **options):
        fields = [("authorization", f"Bearer {key}")] if key else []
        return self.connect().call(path, fields=fields, messages=messages, **options).status()

    def test_who_may_what(self):
        publisher = self.make_key(role="publisher")["key"]
        viewer = self.make_key(role="viewer")["key"]
        for path in (PUBLISH, SUBSCRIBE, REFLECT, "/no.such.Service/M"):
            self.assertEqual(self.status(path)[0], UNAUTHENTICATED, path)
            self.assertEqual(self.status(path, "mr_nobody")[0], UNAUTHENTICATED, path)
        self.assertEqual(self.status(CHECK, messages=[b""])[0], OK)
        one = [publish(event(self.unique(), {}))]
        self.assertEqual(self.status(PUBLISH, viewer, one)[0], DENIED)
        self.assertEqual(self.status(PUBLISH, publisher, one)[0], OK)
        self.assertEqual(self.status(SUBSCRIBE, publisher, [ask("a")])[0], DENIED)
        by_header = self.connect().call(PUBLISH, fields=[("x-api-key", publisher)], messages=one)
        self.assertEqual(by_header.status()[0], OK)
        both = [("x-api-key", publisher), ("authorization", f"Bearer {publisher}")]
        self.assertEqual(self.connect().call(PUBLISH, fields=both, messages=one).status()[0], UNAUTHENTICATED)

    def test_patterns_and_tenants(self):
        room = self.unique("room")
        key = self.make_key(role="developer", patterns=[room + ".*"])["key"]
        field = [("x-api-key", key)]
        outcomes = self.one_ack(event(room + ".a", {}), event("other", {}), fields=field)
        self.assertEqual([o["code"] for o in outcomes], ["", "FORBIDDEN"])
        follows = self.connect().call(SUBSCRIBE, fields=field, messages=[ask("", after="beginning")]).begun()
        self.server.send_event(self.unique())
        self.server.send_event(room + ".b")
        self.assertEqual([told(follows.next())["pattern"] for _ in range(2)], [room + ".a", room + ".b"])
        self.assertEqual(self.server.post("/v2/tenants", {"id": "grpc-other"}).status, 201)
        theirs = self.make_key(tenantId="grpc-other", role="admin")["key"]
        other = self.connect().call(SUBSCRIBE, fields=[("x-api-key", theirs)], messages=[ask("", prefix="mi", after="beginning")])
        self.server.send_event("mineral")
        self.one_ack(event("mine", {}), fields=[("x-api-key", theirs)])
        self.assertEqual(told(other.next())["pattern"], "mine")
        (foreign,) = self.one_ack(event("x", {}, tenant_id="grpc-other"), fields=field[:0] + [("x-api-key", key)])
        self.assertNotEqual(foreign["code"], "")

    def test_calls_last_as_long_as_their_key(self):
        made = self.make_key(role="admin")
        field = [("x-api-key", made["key"])]
        pattern = self.unique("held.")
        follows = self.connect().call(SUBSCRIBE, fields=field, messages=[ask(pattern)]).begun()
        sends = self.connect().call(PUBLISH, fields=field, messages=[publish(event(pattern, {"n": 1}))], end=False)
        self.assertEqual(ack(sends.next())[2][0]["code"], "")
        self.assertEqual(told(follows.next())["payload"], {"n": 1})
        self.assertEqual(self.server.request("DELETE", f"/v2/keys/{made['id']}").status, 200)
        sends.say(publish(event(pattern, {"n": 2})))
        self.assertEqual(sends.status()[0], UNAUTHENTICATED)
        self.server.send_event(pattern, {"n": 3})
        self.assertEqual(follows.status()[0], UNAUTHENTICATED)
        self.assertEqual([e["payload"]["n"] for e in self.server.all_events(pattern)], [3, 1])

    def test_quotas(self):
        key = self.make_key(role="publisher", quotas={"eventsPerSecond": 5})["key"]
        pattern = self.unique("quota.")
        outcomes = self.one_ack(*(event(pattern, {}) for _ in range(8)), fields=[("x-api-key", key)])
        self.assertEqual([o["code"] for o in outcomes], [""] * 5 + ["RATE_LIMIT_EXCEEDED"] * 3)
        self.assertGreaterEqual(outcomes[-1]["retry"], 1)
        self.assertEqual(len(self.server.all_events(pattern)), 5)
        viewer = self.make_key(role="viewer", quotas={"streams": 1})["key"]
        open_one = lambda: self.connect().call(SUBSCRIBE, fields=[("x-api-key", viewer)], messages=[ask("a")])
        first = open_one().begun()
        self.assertEqual(open_one().status()[0], EXHAUSTED)
        first.cancel()
        wait_until("room for another", lambda: open_one().begun().headers.get("grpc-status") is None)


class Attacks(GrpcCase, harness.ServerCase):
    def ended(self, why):
        return self.server.metric("millrace_http2_connections_ended_total", why=why)

    def ends(self, data, error, why, connection=None):
        """The connection ends with a GOAWAY of this error, which is counted; others go on."""
        before = self.ended(why)
        connection = connection or self.connect()
        try:
            connection.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was quick
        goaway = connection.until_closed()
        self.assertIsNotNone(goaway)
        self.assertEqual(goaway[1], error, goaway)
        wait_until("the count", lambda: self.ended(why) == before + 1)
        self.assertEqual(self.connect().call(CHECK, messages=[b""]).status()[0], OK)

    def test_rapid_reset(self):
        connection = self.connect()
        head = connection.head(SUBSCRIBE)
        data = b"".join(frame(h2.HEADERS, h2.END_HEADERS, s, head) + frame(h2.RST, 0, s, struct.pack(">I", h2.CANCEL))
                        for s in range(1, 6001, 2))
        self.ends(data, h2.ENHANCE_YOUR_CALM, "flood", connection)

    def test_floods_of_frames_that_bring_nothing(self):
        self.ends(frame(h2.PING, payload=b"12345678") * 5000, h2.ENHANCE_YOUR_CALM, "flood")
        self.ends(frame(h2.SETTINGS) * 5000, h2.ENHANCE_YOUR_CALM, "flood")
        self.ends(frame(h2.PRIORITY, 0, 3, b"\0\0\0\0\x10") * 5000, h2.ENHANCE_YOUR_CALM, "flood")
        connection = self.connect()
        call = connection.call(PUBLISH, end=False)
        self.ends(frame(h2.DATA, 0, call.stream) * 5000, h2.ENHANCE_YOUR_CALM, "flood", connection)

    def test_headers_without_an_end(self):
        connection = self.connect()
        start = frame(h2.HEADERS, 0, 1, connection.head(PUBLISH))
        more = frame(h2.CONTINUATION, 0, 1, h2.encode_headers([("x-a", "b")]))
        self.ends(start + more * 5000, h2.ENHANCE_YOUR_CALM, "headers", connection)
        connection = self.connect()
        start = frame(h2.HEADERS, 0, 1, connection.head(PUBLISH))
        big = b"".join(frame(h2.CONTINUATION, 0, 1, h2.encode_headers([(f"x-{n}", "v" * 8000)] * 2)) for n in range(40))
        self.ends(start + big, h2.ENHANCE_YOUR_CALM, "headers", connection)

    def test_headers_that_are_too_large(self):
        connection = self.connect()
        long = [("x-long", "v" * 9000), ("x-longer", "v" * 9000)]
        block = connection.head(PUBLISH, long)
        call = connection.calls[1] = h2.Call(connection, 1)
        connection.send(frame(h2.HEADERS, h2.END_STREAM, 1, block[:16000])
                        + frame(h2.CONTINUATION, h2.END_HEADERS, 1, block[16000:]))
        self.assertEqual(call.status()[0], EXHAUSTED)
        connection.last = 1
        self.assertEqual(connection.call(CHECK, messages=[b""]).status()[0], OK, "the connection lives on")
        many = connection.call(PUBLISH, fields=[(f"x-{n}", "") for n in range(70)])
        self.assertEqual(many.status()[0], EXHAUSTED)

    def test_more_streams_than_there_may_be(self):
        connection = self.connect()
        connection.ping()
        most = connection.settings[3]
        calls = [connection.call(PUBLISH, end=False) for _ in range(most)]
        connection.until("all heads", lambda: all(call.headers for call in calls))
        connection.call(PUBLISH, end=False)
        self.assertEqual(connection.until_closed()[1], h2.PROTOCOL_ERROR)

    def test_what_is_no_http2(self):
        for data in (frame(h2.HEADERS, h2.END_HEADERS, 0, b"\0\1a\1b"), frame(h2.DATA, 0, 1, b"x"),
                     frame(h2.HEADERS, h2.END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), frame(h2.WINDOW, 0, 0, b"\0\0\0\0"),
                     frame(h2.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"), frame(h2.PUSH, h2.END_HEADERS, 1, b"\0\0\0\2"),
                     frame(h2.PING, 0, 0, b"123")):
            connection = self.connect()
            connection.send(data)
            goaway = connection.until_closed()
            self.assertIsNotNone(goaway, data)
            self.assertNotEqual(goaway[1], h2.NO_ERROR, data)
        wait_until("the count", lambda: self.ended("protocol") >= 7)
        raw = self.server.raw_connection()
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        self.assertTrue(raw.recv(1000))
        while raw.recv(1000):
            pass
        raw.close()
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_half_message_and_a_dead_client_leave_nothing(self):
        before = self.server.metric("millrace_grpc_calls_open")
        for _ in range(5):
            call = self.connect().call(PUBLISH, end=False)
            call.raw(b"\0\0\x0f\xff\xff" + b"x" * 30000)
            call.connection.ping()
            call.connection.close()
        wait_until("their end", lambda: self.server.metric("millrace_grpc_calls_open") == before)

    def test_answers_that_nobody_reads_end_the_call(self):
        for path, message, count in ((REFLECT, pb((4, "millrace.v2.Events")), 4000), (PUBLISH, publish(*[b""] * 10_000), 10)):
            connection = self.connect(window=0, gives_room=False)
            connection.ping()  # and knows the server's window
            call = connection.call(path, end=False)
            for _ in range(count):
                call.say(message)
            connection.until("its end", lambda: call.done)
            self.assertEqual(call.reset, h2.ENHANCE_YOUR_CALM)


class Others(GrpcCase, harness.ServerCase):
    def test_health(self):
        connection = self.connect()
        check = lambda service: connection.call(CHECK, messages=[pb((1, service)) if service else b""])
        for service in ("", "millrace.v2.Events", "grpc.health.v1.Health"):
            call = check(service)
            self.assertEqual(call.status()[0], OK)
            self.assertEqual([unpb(m) for m in call.messages], [{1: [1]}])
        self.assertEqual(check("nobody").status()[0], NOT_FOUND)
        watch = connection.call(WATCH, messages=[pb((1, "nobody"))])
        self.assertEqual(unpb(watch.next()), {1: [3]})

    def test_reflection(self):
        for version in ("v1", "v1alpha"):
            path = REFLECT.replace("v1", version)
            ask_for = lambda *field: unpb(self.connect().call(path, messages=[pb(field)]).next())
            services = [unpb(s)[1][0].decode() for s in unpb(ask_for(7, "*")[6][0])[1]]
            self.assertEqual(services, ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection", "millrace.v2.Events"])
            for symbol in ("millrace.v2.Events", "millrace.v2.Events.Publish", "millrace.v2.Ack",
                           "millrace.v2.Event.payload"):
                (descriptor,) = unpb(ask_for(4, symbol)[4][0])[1]
                self.assertIn(b"millrace/v2/events.proto", descriptor)
            self.assertIn(4, ask_for(3, "grpc/health/v1/health.proto"))
            self.assertEqual(unpb(ask_for(4, "no.such.Symbol")[7][0])[1], [NOT_FOUND])
            self.assertEqual(unpb(ask_for(3, "no.proto")[7][0])[1], [NOT_FOUND])


class Ends(GrpcCase, unittest.TestCase):
    def serve(self, *args):
        self.server = harness.Server(args)
        self.addCleanup(self.server.close)
        self.server.start()

    def test_a_drain_answers_what_was_taken_and_says_why_it_ends(self):
        self.serve()
        follows = self.follow("drain.*")
        watch = self.connect().call(WATCH, messages=[b""])
        self.assertEqual(unpb(watch.next()), {1: [1]})
        sends = self.connect().call(PUBLISH, messages=[publish(event("drain.a", {"n": 1}))], end=False)
        self.assertEqual(ack(sends.next())[2][0]["code"], "")
        self.server.signal(signal.SIGTERM)
        self.assertEqual(follows.status()[0], UNAVAILABLE)
        self.assertEqual(unpb(watch.next()), {1: [2]})
        self.assertEqual(watch.status()[0], UNAVAILABLE)
        self.assertEqual(sends.status()[0], UNAVAILABLE)
        self.assertEqual(sends.connection.until_closed()[1], h2.NO_ERROR)
        self.assertEqual(self.server.wait(), 0)

    def test_an_idle_connection_is_told_to_go(self):
        self.serve("--set", "http.idle_timeout=1s")
        connection = self.connect()
        self.assertEqual(connection.call(CHECK, messages=[b""]).status()[0], OK)
        self.assertEqual(connection.until_closed()[1:], (h2.NO_ERROR, "idle"))

    def test_tls_takes_who_speaks_h2_alone(self):
        with tempfile.TemporaryDirectory(prefix="millrace-grpc-") as folder:
            root = Authority(folder)
            cert, key = root.issue("server", "DNS:localhost,IP:127.0.0.1")
            self.serve("--set", f"tls.cert={cert}", "--set", f"tls.key={key}")

            def wrap(protocols):
                context = root.context()
                context.set_alpn_protocols(protocols)
                return lambda raw: context.wrap_socket(raw, server_hostname="localhost")
            connection = self.connect(wrap=wrap(["h2"]))
            self.assertEqual(connection.socket.selected_alpn_protocol(), "h2")
            call = connection.call(PUBLISH, messages=[publish(event("tls.a", {"pad": "x" * 50000}))] * 3)
            self.assertEqual(len(self.acks(call)), 3)
            follows = self.follow("tls.a", self.connect(wrap=wrap(["h2"])), after="beginning")
            self.assertEqual(told(follows.next())["pattern"], "tls.a")
            both = wrap(["h2", "http/1.1"])(self.server.raw_connection())
            self.addCleanup(both.close)
            self.assertEqual(both.selected_alpn_protocol(), "http/1.1")


if __name__ == "__main__":
    harness.main()
