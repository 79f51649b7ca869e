#!/usr/bin/env python3
"""Goal: the NDJSON socket, TCP and Unix, acknowledges what is durable and names what is wrong.
Method: a plain line client; what was acknowledged is read back over HTTP."""
import json
import signal
import threading
import unittest

import harness


class LineSocket(harness.ServerCase):
    def client(self, unix=False):
        client = harness.LineClient(self.server, unix)
        self.addCleanup(client.close)
        return client

    def test_acks_count_durable_lines(self):
        for unix in (False, True):
            with self.subTest(unix=unix):
                client = self.client(unix)
                ids = [self.unique("line") for _ in range(100)]
                client.send(*({"eventId": i, "pattern": "s.l"} for i in ids))
                rejects, ack = client.read_until_ack(100)
                self.assertEqual(rejects, [])
                self.assertEqual((ack["ack"], ack["durability"]), (100, "fsync"))
                for event_id in (ids[0], ids[99]):
                    self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 200)

    def test_hello_is_taken_and_not_counted_as_an_event(self):
        client = self.client()
        event_id = self.unique("hello")
        client.send({"hello": {"acks": "batch"}}, {"eventId": event_id, "pattern": "s.h"})
        rejects, _ = client.read_until_ack(1)
        self.assertEqual(rejects, [])
        self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 200)

    def test_no_acks_when_asked_for_none(self):
        client = self.client()
        event_id = self.unique("quiet")
        client.send({"hello": {"acks": "none"}}, {"eventId": event_id, "pattern": "s.q"},
                    b'{"broken":')
        answer = client.read()
        while "reject" not in answer:  # rejects are still told
            self.assertNotIn("ack", answer)
            answer = client.read()
        harness.wait_until("the event", lambda: self.server.get(f"/v2/events/{event_id}").status == 200)

    def test_rejects_name_the_line_and_the_connection_lives_on(self):
        client = self.client()
        good = [self.unique("rj") for _ in range(2)]
        client.send({"eventId": good[0], "pattern": "s.r"}, b'{"pattern":', {"payload": {}},
                    {"eventId": good[1], "pattern": "s.r"})
        rejects, _ = client.read_until_ack(4)
        self.assertEqual([r["line"] for r in rejects], [2, 3])
        for reject in rejects:
            self.assertEqual(reject["error"]["code"], "VALIDATION_ERROR")
        self.assertIn("pattern", rejects[1]["error"]["message"])
        # Bytes count from the line's beginning, wherever it stood among the others.
        place = rejects[0]["error"]["details"]["position"]
        self.assertLessEqual(place, len(b'{"pattern":'), rejects[0])
        self.assertIn(f"at byte {place}", rejects[0]["error"]["message"])
        for event_id in good:
            self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 200)

    def test_each_of_many_bad_lines_tells_its_own_place(self):
        kinds = [b'{"pattern": 5}', b'{"eventId": "somewhat longer", "pattern": 5}', b'{"pattern": "s.b", "nope": 1}']
        places = []
        for kind in kinds:  # each alone
            client = self.client()
            client.send(kind)
            places.append(client.read_until_ack(1)[0][0]["error"]["details"]["position"])
        client, count = self.client(), 30_000
        sender = threading.Thread(target=client.send, args=[kinds[i % 3] for i in range(count)])
        sender.start()
        rejects, _ = client.read_until_ack(count)
        sender.join()
        told = [(r["line"], r["error"]["details"]["position"]) for r in rejects]
        self.assertEqual(told, [(i + 1, places[i % 3]) for i in range(count)])

    def test_a_line_over_the_limit_is_skipped(self):
        client = self.client()
        event_id = self.unique("over")
        client.send(b'{"pattern":"s.o","payload":{"t":"' + b"x" * (3 << 20) + b'"}}',
                    {"eventId": event_id, "pattern": "s.o"})
        rejects, _ = client.read_until_ack(2)
        self.assertEqual([r["line"] for r in rejects], [1])
        self.assertEqual(rejects[0]["error"]["code"], "PAYLOAD_TOO_LARGE")
        self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 200)

    def test_lines_in_small_pieces(self):
        client = self.client()
        text = json.dumps({"eventId": self.unique("pc"), "pattern": "s.p", "payload": {"t": "\u00e9"}})
        for byte in (text + "\r\n").encode():
            client.socket.sendall(bytes([byte]))
        rejects, ack = client.read_until_ack(1)
        self.assertEqual((rejects, ack["ack"]), ([], 1))

    def test_duplicates_are_acknowledged_and_not_logged_again(self):
        client = self.client()
        event_id = self.unique("sd")
        client.send(*[{"eventId": event_id, "pattern": "s.d"}] * 5)
        rejects, _ = client.read_until_ack(5)
        self.assertEqual(rejects, [])
        items = self.server.get("/v2/events?pattern=s.d&limit=100").json()["items"]
        self.assertEqual([e["eventId"] for e in items], [event_id])

    def test_an_ack_tells_how_many_lines_were_known(self):
        client = self.client()
        known = {"eventId": self.unique("kn"), "pattern": "s.k"}
        client.send(known)
        _, ack = client.read_until_ack(1)
        self.assertEqual(ack, {"ack": 1, "durability": "fsync"})
        client.send(known, {"eventId": self.unique("kn"), "pattern": "s.k"}, b'{"broken":', known)
        rejects, ack = client.read_until_ack(5)
        self.assertEqual([r["line"] for r in rejects], [4])
        self.assertEqual(ack, {"ack": 5, "durability": "fsync", "duplicates": 2})

    def test_a_line_at_the_limit_may_end_with_crlf(self):
        client = self.client()
        event = '{"eventId":"%s","pattern":"s.crlf","payload":{"t":"%%s"}}' % self.unique("crlf")
        whole = event % ("x" * ((1 << 20) - len(event) + 2))
        self.assertEqual(len(whole), 1 << 20)
        over = '{"pattern":"s.crlf","payload":{"t":"' + "x" * (1 << 20) + '"}}'
        for end in (b"\r\n", b"\n"):
            client.send(whole.encode() + end[:-1])
        client.send(over.encode() + b"\r")
        rejects, ack = client.read_until_ack(3)
        self.assertEqual([r["line"] for r in rejects], [3])
        self.assertEqual(ack["duplicates"], 1)

    def test_what_is_refused_is_told_before_an_ack_covers_it(self):
        client = self.client()
        client.send({"pattern": "s.c"}, *[{"pattern": ""}, {"pattern": "s.c"}] * 200)
        refused = set()
        while True:
            answer = client.read()
            if "reject" in answer:
                refused.add(answer["reject"]["line"])
                continue
            self.assertLessEqual({n for n in range(2, answer["ack"] + 1, 2)}, refused)
            if answer["ack"] == 401:
                break

    def test_a_half_line_at_the_end_is_no_event(self):
        client = harness.LineClient(self.server)
        whole, half = self.unique("whole"), self.unique("half")
        client.send({"eventId": whole, "pattern": "s.e"})
        client.read_until_ack(1)
        client.socket.sendall(json.dumps({"eventId": half, "pattern": "s.e"})[:-5].encode())
        client.close()
        self.assertEqual(self.server.get(f"/v2/events/{whole}").status, 200)
        self.assertEqual(self.server.get(f"/v2/events/{half}").status, 404)

    def test_many_lines_through_many_connections(self):
        clients = [self.client(unix=n % 2 == 0) for n in range(8)]
        name = self.unique("many.")
        for client in clients:
            client.send(*({"eventId": f"{name}-{id(client)}-{n}", "pattern": name} for n in range(500)))
        for client in clients:
            rejects, _ = client.read_until_ack(500)
            self.assertEqual(rejects, [])
        seen, cursor = 0, ""
        while cursor is not None:
            body = self.server.get(f"/v2/events?pattern={name}&limit=1000" +
                                   (f"&cursor={cursor}" if cursor else "")).json()
            seen += len(body["items"])
            cursor = body["next"] or None
        self.assertEqual(seen, 4000)


class Draining(unittest.TestCase):
    """SIGTERM in the middle of a stream of lines."""

    def setUp(self):
        self.server = harness.Server()
        self.addCleanup(self.server.close)
        self.server.start()

    def send_until_refused(self, client, name, sent):
        try:
            while True:
                client.send(*({"eventId": f"{name}-{sent[0] + n}", "pattern": "drain.line"} for n in range(200)))
                sent[0] += 200
        except OSError:
            pass  # the server has closed

    def run_drain(self, unix):
        client = harness.LineClient(self.server, unix)
        sent = [0]
        sender = threading.Thread(target=self.send_until_refused, args=(client, f"u{unix}", sent))
        sender.start()
        acked, refused = client.read()["ack"], set()
        self.server.signal(signal.SIGTERM)
        try:
            while answer := client.read():
                if reject := answer.get("reject"):
                    self.assertEqual(reject["error"]["code"], "UNAVAILABLE", "what was read and came too late")
                    refused.add(reject["line"])
                else:
                    self.assertGreater(answer["ack"], acked)
                    acked = answer["ack"]
        except ConnectionResetError:
            self.fail("the socket was cut: an acknowledgement may be lost")
        self.assertEqual(self.server.wait(), 0)
        self.assertNotIn("draining: ", self.server.log(), "all came to their end by themselves")
        sender.join()
        client.close()
        self.assertLessEqual(acked, sent[0] + 200)
        self.assertLessEqual(refused, set(range(1, acked + 1)), "every line that was read has its answer")
        return acked, refused

    def test_what_is_acknowledged_in_a_drain_is_kept_and_nothing_else(self):
        for unix in (False, True):
            with self.subTest(unix=unix):
                acked, refused = self.run_drain(unix)
                self.server.start()
                kept = [e["eventId"] for e in self.server.all_events("drain.line")
                        if e["eventId"].startswith(f"u{unix}-")]
                taken = [n - 1 for n in range(1, acked + 1) if n not in refused]
                self.assertEqual(sorted(kept), sorted(f"u{unix}-{n}" for n in taken))

    def refuses_connections(self):
        try:
            harness.LineClient(self.server).close()
        except OSError:
            return True
        return False

    def test_no_new_connections_and_idle_ones_end(self):
        idle = harness.LineClient(self.server)
        self.addCleanup(idle.close)
        self.server.hang(3)
        self.server.signal(signal.SIGTERM)
        self.assertIsNone(idle.read(), "an idle connection ends at once, not with the process")
        harness.wait_until("503", lambda: self.server.draining_request("GET", "/readyz").status == 503)
        # Each shard closes its own listener: the one that had the idle connection may be the first.
        harness.wait_until("no listener", self.refuses_connections)
        self.assertEqual(self.server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
