#!/usr/bin/env python3
"""Goal: an edge's events are at its hub, each once, whoever is killed meanwhile and however often it is
sent; what two edges call by one name is two events; a copy of an edge is refused; a hub that has gone
back gets again what it has lost. Method: real servers on loopback, and batches laid out by hand."""
import base64
import json
import os
import shutil
import struct
import time
import unittest

import bad_line
import harness

BAD_EVENTS = int(os.environ.get("MILLRACE_EDGE_EVENTS", "1000"))  # of each edge, over a bad line
ROUNDS = int(os.environ.get("MILLRACE_EDGE_ROUNDS", "4"))  # of kill -9, of each side


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def literal_block(raw):
    """One LZ4 block that repeats nothing."""
    if len(raw) < 15:
        return bytes([len(raw) << 4]) + raw
    out, rest = b"\xf0", len(raw) - 15
    while rest >= 255:
        out, rest = out + b"\xff", rest - 255
    return out + bytes([rest]) + raw


def batch(first, events, incarnation=1, shard=0, before=0, after=0):
    """Events (texts) behind one offset that is skipped, so that their hash is the sender's word."""
    raw = struct.pack("<QQ", first, first + 1)
    for text in events:
        raw += struct.pack("<qIBBH", 1_700_000_000_000_000, len(text), 0, 0, 0) + text
    to = first + 1 + len(events)
    head = struct.pack("<QQQQQQQIIII", incarnation, first, to, to, before, after, 0, shard, len(events), 1, len(raw))
    rest = head + literal_block(raw)
    return b"MRB1" + struct.pack("<I", crc32c(rest)) + rest


class Hub(harness.Server):
    """Comes back where it was."""
    listen = None

    def command(self, extra=()):
        command = super().command(extra)
        if self.listen:
            command[command.index("--listen") + 1] = self.listen
        return command

    def start(self, extra=()):
        super().start(extra)
        self.listen = f"{self.host}:{self.port}"
        return self

    def enroll(self, node):
        reply = self.post("/v2/edges", {"node": node})
        assert reply.status == 201, reply
        return reply.json()["token"]

    def edge(self, node):
        reply = self.get("/v2/edges/" + node)
        assert reply.status == 200, reply
        return reply.json()["status"]

    def numbers(self, pattern):
        try:
            return [e["payload"]["n"] for e in self.all_events(pattern)]
        except OSError:
            return []


class EdgeCase(unittest.TestCase):
    def setUp(self):
        self.servers = []
        self.hub = self.run_server(Hub())

    def tearDown(self):
        for server in self.servers:
            server.close()

    def run_server(self, server):
        self.servers.append(server)
        return server.start()

    def run_edge(self, node, token=None, data=None, shards=1, hub=None, **settings):
        token = token or self.hub.enroll(node)
        args = ["--set", f"hub.url=http://{hub or self.hub.listen}", "--set", "hub.node=" + node]
        for name, value in settings.items():
            args += ["--set", f"{name if '.' in name else 'hub.' + name}={value}"]
        server = harness.Server(args, env={"MILLRACE_HUB_TOKEN": token}, shards=shards, data=data)
        server.token = token
        return self.run_server(server)

    def wait_numbers(self, pattern, count, seconds=120):
        """All of them are there, once."""
        harness.wait_until(f"{count} events {pattern} at the hub",
                           lambda: len(set(self.hub.numbers(pattern))) >= count, seconds)
        self.assertEqual(sorted(self.hub.numbers(pattern)), list(range(count)))

    def send(self, edge, pattern, numbers, **members):
        lines = "\n".join(json.dumps({"pattern": pattern, "payload": {"n": n}, **members}) for n in numbers)
        reply = edge.post("/v2/events", lines, content_type="application/x-ndjson")
        self.assertEqual(reply.status, 202, reply)


class Forwarding(EdgeCase):
    def test_a_trace_goes_on_at_the_hub(self):
        edge = self.run_edge("traced")
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        reply = edge.request("POST", "/v2/events", {"pattern": "sold", "payload": {"n": 0}},
                             headers={"traceparent": parent, "tracestate": "shop=1"})
        self.assertEqual(reply.status, 202, reply)
        self.wait_numbers("sold", 1)
        event = self.hub.all_events("sold")[0]
        self.assertEqual((event["traceparent"], event["tracestate"]), (parent, "shop=1"))

    def test_events_are_the_edges_own_at_the_hub(self):
        edge = self.run_edge("shop-1", shards=2)
        made = edge.send_event("sold", {"n": 0})["eventId"]
        edge.send_event("sold", {"n": 1}, eventId="e1", source={"type": "task", "id": "till"})
        self.send(edge, "sold", range(2, 2000))
        self.wait_numbers("sold", 2000)
        there = {e["payload"]["n"]: e for e in self.hub.all_events("sold")}
        here = {e["payload"]["n"]: e for e in edge.all_events("sold")}
        self.assertEqual(there[0]["eventId"], "shop-1:" + made)
        self.assertEqual(there[0]["source"], {"type": "external", "id": "shop-1/unknown"})
        self.assertEqual((there[1]["eventId"], there[1]["source"]["id"]), ("e1", "shop-1/till"))
        for n in (0, 1, 1999):
            self.assertEqual(there[n]["x-edge"], {"node": "shop-1", "shard": here[n]["shard"],
                                                  "offset": here[n]["offset"], "receivedAt": here[n]["receivedAt"]})
            self.assertEqual(there[n]["timestamp"], here[n]["timestamp"])
        harness.wait_until("no lag", lambda: self.hub.edge("shop-1")["lag"] == 0)
        status = self.hub.edge("shop-1")
        self.assertEqual((status["taken"], status["duplicates"], status["rejected"]), (2000, 0, 0))
        self.assertEqual(self.hub.metric("millrace_edge_events_total", edge="shop-1", outcome="taken"), 2000)
        self.assertEqual(edge.metric("millrace_hub_events_total", outcome="sent"), 2000)
        self.assertEqual(edge.metric("millrace_hub_up"), 1)
        listed = self.hub.cli("edge", "list")
        self.assertIn("shop-1", listed.stdout)
        self.assertNotIn(edge.token, edge.cli("config", "show").stdout + edge.log())

    def test_two_edges_may_mean_two_events_by_one_id(self):
        for node in ("a", "b"):
            self.run_edge(node).send_event("twice", {"n": "ab".index(node)}, eventId="same")
        self.wait_numbers("twice", 2)

    def test_what_the_server_itself_tells_stays_at_the_edge(self):
        edge = self.run_edge("quiet")
        script = edge.create_script("return function() error('no') end")
        edge.subscribe("fails", script, retry={"maxRetries": 0})
        edge.send_event("fails", {"n": 0})
        harness.wait_until("a dead letter", lambda: edge.all_events("system.dlq.added"))
        edge.send_event("after", {"n": 0})
        self.wait_numbers("after", 1)
        self.assertEqual(self.hub.all_events("system.dlq.added"), [])
        self.assertEqual(self.hub.numbers("fails"), [0])
        self.assertGreaterEqual(self.hub.edge("quiet")["skipped"], 1)

    def test_events_wait_while_the_hub_is_away(self):
        edge = self.run_edge("away")
        self.hub.kill()
        self.send(edge, "late", range(500))
        harness.wait_until("lag", lambda: edge.metric("millrace_hub_lag") >= 500)
        self.assertEqual(edge.metric("millrace_hub_up"), 0)
        self.hub.start()
        self.wait_numbers("late", 500)

    def test_each_once_over_kills_of_both(self):
        edge = self.run_edge("killed", shards=2)
        sent = 0
        for round_ in range(2 * ROUNDS):
            for _ in range(8):
                self.send(edge, "kill", range(sent, sent + 500))
                sent += 500
            (self.hub if round_ % 2 else edge).kill()
            (self.hub if round_ % 2 else edge).start()
        self.wait_numbers("kill", sent)
        harness.wait_until("no lag", lambda: self.hub.edge("killed")["lag"] == 0)
        self.assertEqual(len(self.hub.all_events("kill")), sent)

    def test_keyed_events_keep_their_order(self):
        edge = self.run_edge("ordered")
        self.send(edge, "step", range(1000), partitionKey="k")
        self.wait_numbers("step", 1000)
        self.assertEqual(self.hub.numbers("step"), list(range(1000))[::-1])

    def test_a_copy_of_an_edge_is_refused(self):
        edge = self.run_edge("card")
        edge.send_event("card", {"n": 0})
        self.wait_numbers("card", 1)
        edge.stop()
        copy = edge.data + "-copy"
        shutil.copytree(edge.data, copy)
        edge.start()
        edge.send_event("card", {"n": 1})
        self.wait_numbers("card", 2)
        other = self.run_edge("card", token=edge.token, data=copy)
        other.send_event("card", {"n": 77})
        harness.wait_until("it is told", lambda: "cloned" in other.log() or "copy" in other.log())
        edge.send_event("card", {"n": 2})
        self.wait_numbers("card", 3)

    def test_a_hub_that_went_back_gets_it_again(self):
        edge = self.run_edge("back")
        self.send(edge, "back", range(100))
        self.wait_numbers("back", 100)
        harness.wait_until("no lag", lambda: self.hub.edge("back")["lag"] == 0)
        self.hub.stop()
        shutil.copytree(self.hub.data, self.hub.data + "-old")
        self.hub.start()
        self.send(edge, "back", range(100, 200))
        self.wait_numbers("back", 200)
        self.hub.stop()
        shutil.rmtree(self.hub.data)
        os.rename(self.hub.data + "-old", self.hub.data)
        self.hub.start()
        self.send(edge, "back", range(200, 300))
        self.wait_numbers("back", 300)

    def handler(self, pattern, **members):
        reply = self.hub.post("/v2/subscriptions", {"pattern": pattern, "edges": "*", **members, "executor": {
            "type": "script", "scriptId": self.hub.create_script("return function() end")}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.json()["edges"], "*")
        return reply.json()["id"]

    def test_only_what_the_hub_wants_crosses(self):
        one = self.handler("temp", filter="$.payload.c > 90")
        self.handler("alarm.*")
        edge = self.run_edge("picky")
        for first in range(0, 10_000, 1000):
            lines = "\n".join(json.dumps({"pattern": "temp", "payload": {"n": n, "c": 99 if n % 20 == 0 else 20}})
                              for n in range(first, first + 1000))
            self.assertEqual(edge.post("/v2/events", lines, content_type="application/x-ndjson").status, 202)
        edge.send_event("alarm.fire", {"n": 0})
        edge.send_event("log", {"n": 0})
        harness.wait_until("the alarm", lambda: self.hub.numbers("alarm.fire") == [0])
        harness.wait_until("500 hot ones", lambda: len(self.hub.numbers("temp")) >= 500)
        self.assertEqual(sorted(self.hub.numbers("temp")), list(range(0, 10_000, 20)))
        self.assertEqual(self.hub.numbers("log"), [])
        runs = self.hub.edge("picky")["shards"][0]["skips"]
        self.assertEqual((len(runs), runs[0]["from"]), (1, 0))
        # The filter goes: from now on all of it crosses.
        self.assertEqual(self.hub.request("PATCH", "/v2/subscriptions/" + one, {"filter": None}).status, 200)
        harness.wait_until("the edge knows", lambda: (edge.send_event("temp", {"n": -1, "c": 1}),
                                                      -1 in self.hub.numbers("temp"))[1], 60)
        self.assertEqual(len(self.hub.edge("picky")["shards"][0]["skips"]), 2)
        self.assertEqual(self.hub.post("/v2/subscriptions", {"pattern": "x", "edges": "some", "executor": {
            "type": "webhook", "url": "https://example.com/"}}).status, 400)

    def test_what_was_left_out_is_asked_for(self):
        one = self.handler("temp", filter="$.payload.n < 10")
        edge = self.run_edge("later")
        self.send(edge, "temp", range(100))
        harness.wait_until("the few", lambda: len(self.hub.numbers("temp")) == 10)
        harness.wait_until("the rest to be looked at", lambda: self.hub.edge("later")["shards"][0]["to"] >= 100 or
                           edge.metric("millrace_hub_lag") == 0)
        # All of it is wanted by now.
        self.assertEqual(self.hub.request("PATCH", "/v2/subscriptions/" + one, {"filter": None}).status, 200)
        harness.wait_until("the edge knows", lambda: (edge.send_event("temp", {"n": 1000}),
                                                      1000 in self.hub.numbers("temp"))[1], 60)
        self.assertEqual(self.hub.post("/v2/edges/later/backfill", {"to": 5}).status, 400)
        asked = self.hub.request("POST", "/v2/edges/later/backfill")
        self.assertEqual(asked.status, 202, asked)
        self.assertGreaterEqual(len(asked.json()["backfills"]), 1)
        self.assertEqual(self.hub.get("/v2/audit?kind=edge&id=later").json()["items"][0]["entry"]["action"], "backfill")
        self.hub.kill()
        self.hub.start()
        harness.wait_until("all of them", lambda: set(range(100)) <= set(self.hub.numbers("temp")), 90)
        numbers = [n for n in self.hub.numbers("temp") if n < 1000]
        self.assertEqual(sorted(numbers), list(range(100)))
        harness.wait_until("it to be done", lambda: all(b["done"] for b in self.hub.edge("later")["backfills"]))
        self.assertEqual(self.hub.edge("later")["duplicates"], 0)
        self.assertEqual(self.hub.cli("edge", "backfill", "later").returncode, 0)

    def test_alarms_go_first(self):
        edge = self.run_edge("alarms", first="alarm.*,door", rate=20_000)
        harness.wait_until("the hub", lambda: edge.metric("millrace_hub_up") == 1)
        for n in range(12):
            edge.send_event("bulk", {"n": n, "x": os.urandom(15_000).hex()})
        for n in range(3):
            edge.send_event("alarm.fire", {"n": n})
        harness.wait_until("the alarms", lambda: len(self.hub.numbers("alarm.fire")) == 3)
        self.assertLess(len(self.hub.numbers("bulk")), 12)
        edge.kill()
        edge.start()
        self.wait_numbers("bulk", 12)
        self.wait_numbers("alarm.fire", 3)
        status = self.hub.edge("alarms")
        self.assertEqual((status["taken"], status["duplicates"], len(status["shards"])), (15, 0, 2))
        self.assertEqual([s["first"] for s in status["shards"]], [False, True])

    def test_most_bytes_are_saved_where_little_is_wanted(self):
        lines = ["\n".join(json.dumps({"pattern": "reading", "payload": {
            "n": n, "hot": n % 20 == 0, "blob": os.urandom(60).hex()}}) for n in range(first, first + 1000))
            for first in range(0, 20_000, 1000)]
        sent = {}
        for node, wanted in (("whole", 20_000), ("part", 1000)):
            if node == "part":
                self.handler("reading", filter="$.payload.hot == true")
            edge = self.run_edge(node)
            for body in lines:
                self.assertEqual(edge.post("/v2/events", body, content_type="application/x-ndjson").status, 202)
            harness.wait_until(f"{node}: {wanted}", lambda: self.hub.edge(node)["taken"] >= wanted, 60)
            sent[node] = edge.metric("millrace_hub_bytes_total")
        self.assertLess(sent["part"], 0.1 * sent["whole"], sent)

    def full_edge(self, on_full):
        """One whose log has grown beyond what it may keep while the hub was away: 200 events."""
        edge = self.run_edge("full", on_full=on_full, **{"retention.bytes": 50_000, "retention.every": "100ms"})
        harness.wait_until("the hub", lambda: edge.metric("millrace_hub_up") == 1)
        self.hub.kill()
        for n in range(200):
            edge.send_event("full", {"n": n, "x": os.urandom(1000).hex()})
        return edge

    def test_what_was_not_sent_is_kept(self):
        edge = self.full_edge("refuse")
        time.sleep(1)
        self.assertEqual(len(edge.all_events("full")), 200)
        self.hub.start()
        self.wait_numbers("full", 200)
        harness.wait_until("retention", lambda: len(edge.all_events("full")) < 200)
        self.assertEqual(edge.metric("millrace_hub_events_total", outcome="dropped"), 0)

    def test_or_dropped_and_counted(self):
        edge = self.full_edge("drop")
        harness.wait_until("retention", lambda: len(edge.all_events("full")) < 150)
        self.hub.start()
        harness.wait_until("what was left", lambda: 199 in self.hub.numbers("full"))
        dropped = edge.metric("millrace_hub_events_total", outcome="dropped")
        self.assertGreater(dropped, 0)
        self.assertEqual(len(self.hub.numbers("full")) + dropped, 200)

    def test_a_rate_is_kept(self):
        edge = self.run_edge("slow", rate=20_000)
        began = time.monotonic()
        blob = os.urandom(30_000).hex()
        for n in range(8):  # however they are put together, the last batch waits for others
            edge.send_event("blob", {"n": n, "x": os.urandom(15_000).hex() + blob[:10]})
        self.wait_numbers("blob", 8)
        self.assertGreater(time.monotonic() - began, 2)

    def test_what_does_not_fit_is_told_at_the_start(self):
        for node, token, hub, word in (("n", "mredge_x", "x/path", "hub.url"), ("a/b", "mredge_x", None, "hub.node"),
                                       ("n", "no", None, "hub.token")):
            with self.assertRaises(AssertionError) as told:
                self.run_edge(node, token=token, hub=hub)
            self.assertIn(word, str(told.exception))


class OverABadLine(EdgeCase):
    """Slow, late and cut every few seconds, with kill -9 of all; each event is at the hub once."""

    def test_each_once(self):
        self.line = bad_line.BadLine((self.hub.host, self.hub.port), rate=20_000, delay=0.3, cut=4)
        self.addCleanup(self.line.close)
        edges = [self.run_edge(f"van-{i}", hub=self.line.address) for i in range(5)]
        for part in range(4):
            numbers = range(part * BAD_EVENTS // 4, (part + 1) * BAD_EVENTS // 4)
            for edge in edges:
                self.send(edge, "moved", numbers)
            victim = [edges[0], self.hub, edges[3], self.hub][part]
            victim.kill()
            victim.start()
        harness.wait_until("all to be taken", lambda: all(
            self.hub.edge(f"van-{i}")["taken"] >= BAD_EVENTS for i in range(5)), 900)
        harness.wait_until("all of them", lambda: len(self.hub.numbers("moved")) >= 5 * BAD_EVENTS, 60)
        by_node = {}
        for event in self.hub.all_events("moved"):
            by_node.setdefault(event["x-edge"]["node"], []).append(event["payload"]["n"])
        self.assertEqual({node: sorted(n) for node, n in by_node.items()},
                         {f"van-{i}": list(range(BAD_EVENTS)) for i in range(5)})
        self.assertGreater(self.line.cuts, 0)


class Batches(EdgeCase):
    """By hand: what a batch means, whoever sends it."""

    def post(self, token, body, node="n"):
        return self.hub.post(f"/v2/edges/{node}/batches", body, content_type="application/vnd.millrace.batch",
                             headers={"Authorization": "Bearer " + token})

    def taken(self, token, body, node="n"):
        reply = self.post(token, body, node)
        self.assertEqual(reply.status, 200, reply)
        answer = reply.json()
        return answer["to"], answer["events"]

    def test_each_offset_counts_once(self):
        token = self.hub.enroll("n")
        texts = [json.dumps({"eventId": f"e{n}", "pattern": "b", "payload": {"n": n}}).encode() for n in range(4)]
        self.assertEqual(self.taken(token, batch(0, texts[:2], after=7)), (3, 2))
        self.assertEqual(self.taken(token, batch(0, texts[:2], after=7)), (3, 0))
        self.assertEqual(self.taken(token, batch(1, texts[2:], after=9)), (3, 0))
        self.assertEqual(self.taken(token, batch(9, texts[2:], after=9)), (3, 0))
        cloned = self.post(token, batch(3, texts[2:], before=8, after=9))
        self.assertEqual((cloned.status, cloned.json()["error"]["details"]["reason"]), (409, "cloned"))
        self.assertEqual(self.taken(token, batch(3, texts[2:], before=7, after=9)), (6, 2))
        # Another folder begins anew; what it says again is known by its ids.
        self.assertEqual(self.taken(token, batch(0, texts[:2], incarnation=2, after=5)), (3, 2))
        harness.wait_until("the duplicates", lambda: self.hub.edge("n")["duplicates"] == 2)
        self.assertEqual(sorted(self.hub.numbers("b")), [0, 1, 2, 3])
        self.hub.kill()
        self.hub.start()
        self.assertEqual(self.taken(token, batch(3, texts[2:], before=7, after=9)), (6, 0))
        self.assertEqual([(s["incarnation"][-1], s["to"]) for s in self.hub.edge("n")["shards"]], [("1", 6), ("2", 3)])

    def test_the_token_is_needed_and_nothing_else(self):
        token = self.hub.enroll("n")
        self.hub.enroll("m")
        good = batch(0, [b'{"pattern":"b","eventId":"e","payload":{"n":0}}'])
        for reply in (self.post("mredge_0", good), self.post(token, good, node="m"), self.post(token, good, node="x"),
                      self.hub.get("/v2/edges/n/filters")):
            self.assertEqual(reply.status, 401, reply)
        admin = self.hub.post("/v2/keys", {"name": "a", "role": "admin"}).json()["key"]
        self.assertEqual(self.taken(token, good), (2, 1))
        self.assertEqual(self.hub.get("/v2/edges").status, 401)
        self.hub.api_key = admin
        self.assertEqual(self.hub.request("DELETE", "/v2/edges/n").status, 200)
        self.assertEqual(self.post(token, good).status, 401)
        self.assertEqual(self.hub.get("/v2/edges/n").status, 404)
        # Before a byte of its body, and it is told.
        head = ("POST /v2/edges/m/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer mredge_0\r\n"
                "Content-Type: application/vnd.millrace.batch\r\nContent-Length: 1000000\r\n\r\n")
        with self.hub.raw_connection() as connection:
            connection.sendall(head.encode())
            self.assertIn(b" 401 ", connection.recv(65536).split(b"\r\n")[0])
        told = "/v2/events?pattern=system.security.auth_failed"
        harness.wait_until("the security event", lambda: "POST /v2/edges/m/batches" in
                           {event["payload"]["what"] for event in self.hub.items(told)})

    def test_what_a_schema_refuses_and_no_stand_in_can_hold_keeps_its_bytes(self):
        schema = self.hub.post("/v2/schemas", {"id": "deep", "pattern": "deep", "schema": {"type": "object", "required": ["n"]}})
        self.assertEqual(schema.status, 201, schema)
        payload = {"x": 0}
        for _ in range(61):
            payload = {"x": payload}  # as deep as an event may be
        token = self.hub.enroll("n")
        text = json.dumps({"eventId": "d", "pattern": "deep", "payload": payload}).encode()
        self.assertEqual(self.taken(token, batch(0, [text])), (2, 1))
        letter = harness.wait_until("a letter", lambda: self.hub.items("/v2/dlq"))[0]
        event = json.loads(base64.b64decode(letter["event"]["x-rejected"]["base64"]))
        self.assertEqual((event["eventId"], event["payload"], event["x-edge"]["node"]), ("d", payload, "n"))
        # It comes in whole when it fits.
        self.assertEqual(self.hub.request("PATCH", "/v2/schemas/deep", {"mode": "off"}).status, 200)
        self.assertEqual(self.hub.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        back = harness.wait_until("the event", lambda: self.hub.all_events("deep"))
        self.assertEqual((back[0]["payload"], back[0]["source"]["id"]), (payload, "n/unknown"))

    def test_a_token_is_rotated_and_a_name_changed(self):
        old = self.hub.enroll("n")
        rotated = self.hub.post("/v2/edges/n/rotate", {"overlap": "1h"})
        self.assertEqual(rotated.status, 200, rotated)
        new = rotated.json()["token"]
        self.assertNotEqual(old, new)
        self.assertNotIn("token", self.hub.get("/v2/edges/n").json())
        good = batch(0, [b'{"pattern":"b","eventId":"e","payload":{"n":0}}'])
        self.assertEqual(self.taken(old, good), (2, 1))
        self.assertEqual(self.taken(new, good), (2, 0))
        self.hub.kill()
        self.hub.start()
        self.assertEqual(self.taken(old, good), (2, 0))
        last = self.hub.cli("edge", "rotate", "n", "--overlap", "0").stdout.strip()
        for token in (old, new):
            self.assertEqual(self.post(token, good).status, 401)
        self.assertEqual(self.taken(last, good), (2, 0))
        changed = self.hub.request("PATCH", "/v2/edges/n", {"name": "by the door"})
        self.assertEqual((changed.status, changed.json()["name"]), (200, "by the door"), changed)
        self.assertEqual(self.hub.request("PATCH", "/v2/edges/n", {"node": "m"}).status, 400)
        self.assertEqual(self.taken(last, good), (2, 0))

    def test_from_a_shell(self):
        enrolled = self.hub.cli("edge", "enroll", "till-7", "--name", "by the door")
        token = enrolled.stdout.strip()
        self.assertTrue(token.startswith("mredge_"), enrolled)
        self.assertEqual(self.taken(token, batch(0, [b'{"pattern":"b","payload":{}}']), node="till-7"), (2, 1))
        self.assertIn("till-7", self.hub.cli("edge", "list").stdout)
        shown = json.loads(self.hub.cli("edge", "show", "till-7", "-o", "json").stdout)
        self.assertEqual((shown["name"], shown["status"]["taken"]), ("by the door", 1))
        self.assertNotIn("token", shown)
        self.assertEqual(self.hub.cli("edge", "enroll", "till-7").returncode, 1)
        figures = lambda: [line for line in self.hub.get("/metrics").body.decode().splitlines() if 'edge="till-7"' in line]
        self.assertEqual(len(figures()), 5, figures())
        self.assertEqual(self.hub.cli("edge", "remove", "till-7", "--yes").returncode, 0)
        self.assertEqual(figures(), [])
        self.assertIn("no edges", self.hub.cli("edge", "list").stdout + self.hub.cli("edge", "list").stderr)

    def test_what_is_no_batch_is_refused_and_what_is_no_event_is_a_letter(self):
        token = self.hub.enroll("n")
        for body in (b"", b"x", b"MRB1" + bytes(76), batch(0, [b"{}"])[:-1], batch(0, [b"{}"]) + b"x"):
            self.assertEqual(self.post(token, body).status, 400, body)
        self.assertEqual(self.taken(token, batch(0, [b"{}", b'{"pattern":"b","payload":{"n":0}}'])), (3, 2))
        self.assertEqual(self.hub.edge("n")["rejected"], 1)
        letters = harness.wait_until("a letter", lambda: self.hub.items("/v2/dlq"))
        self.assertEqual(len(letters), 1)
        self.assertIn("edge n", json.dumps(letters[0]))


if __name__ == "__main__":
    unittest.main()
