#!/usr/bin/env python3
"""Goal: whatever a client sends, it gets a clear error, the server goes on and accepts nothing wrong.
Method: raw sockets for broken HTTP, the JSONTestSuite's names for broken JSON, and a health check
after every case."""
import gzip
import json
import socket
import struct
import time
import unittest

import harness

BROKEN_JSON = [
    b'', b' ', b'{', b'}', b'[', b'{"pattern"', b'{"pattern":', b'{"pattern":"a"', b'{"pattern":"a",}',
    b'{"pattern":"a"}}', b'{"pattern":"a"} x', b'{pattern:"a"}', b"{'pattern':'a'}", b'{"pattern":"a\x00b"}',
    b'{"pattern":"a\nb"}', b'{"pattern":"\\x41"}', b'{"pattern":"\\u12"}', b'{"pattern":"\\ud800"}',
    b'{"pattern":"a","payload":{"n":01}}', b'{"pattern":"a","payload":{"n":1.}}',
    b'{"pattern":"a","payload":{"n":.5}}', b'{"pattern":"a","payload":{"n":+1}}',
    b'{"pattern":"a","payload":{"n":1e}}', b'{"pattern":"a","payload":{"n":NaN}}',
    b'{"pattern":"a","payload":{"n":Infinity}}', b'{"pattern":"a","payload":{"n":0x10}}',
    b'{"pattern":"a","payload":{"n":truee}}', b'{"pattern":"a","payload":{"n":nul}}',
    b'{"pattern":"a","payload":{"n":[1,]}}', b'{"pattern":"a","payload":{"n":[1 2]}}',
    b'{"pattern":"a","payload":{"n":1,,"m":2}}', b'{"pattern":"a" "payload":{}}', b'{"pattern":"a";"p":1}',
    b'{"pattern":"\xff\xfe"}', b'{"pattern":"a","payload":{"t":"\xc0\xaf"}}',
    b'{"pattern":"a","payload":{"t":"\xed\xa0\x80"}}', b'{"pattern":"a","payload":{"t":"\xf5\x80\x80\x80"}}',
    b'{"pattern":"a","payload":{"t":"\xe2\x82"}}', b'\xef\xbb\xbf', b'/* c */{"pattern":"a"}', b'"a"', b'5',
    b'null', b'true', b'\x00', b'\xff' * 100,
]


class BadInput(harness.ServerCase):
    def tearDown(self):
        self.assertEqual(self.server.get("/healthz").status, 200)

    def raw(self, data, read=True):
        with self.server.raw_connection() as connection:
            try:
                connection.sendall(data)
                if not read:
                    return b""
                out = b""
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        return out
                    out += piece
                    head, mark, body = out.partition(b"\r\n\r\n")
                    for line in head.split(b"\r\n"):
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length" and mark and len(body) >= int(value):
                            return out
            except (ConnectionResetError, BrokenPipeError):
                return out if read else b""

    def status_of(self, data):
        answer = self.raw(data)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), (data[:100], answer[:200]))
        return int(answer.split()[1])

    def test_malformed_http(self):
        for data in (b"\r\n\r\nGARBAGE\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\n b: folded\r\n\r\n",
                     b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
                     b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                     b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                     b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 64 + b"\r\n\r\n"):
            status = self.status_of(data + b"\r\n\r\n")
            self.assertIn(status, (400, 405, 411, 501, 505), data)

    def test_header_and_uri_bombs(self):
        self.assertIn(self.status_of(b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"), (400, 414, 431))
        many = b"".join(b"X-%d: y\r\n" % n for n in range(20_000))
        self.assertIn(self.status_of(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + many + b"\r\n"), (400, 431))
        self.assertIn(self.status_of(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 300_000 + b"\r\n\r\n"), (400, 431))

    def test_error_bodies_of_the_http_layer(self):
        answer = self.raw(b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n")
        body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        self.assertIs(body["success"], False)
        self.assertEqual(body["error"]["statusCode"], 400)
        host = b"Host: localhost\r\n"
        for data, status, code in (
                (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + host, 414, "URI_TOO_LONG"),
                (b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 300_000 + b"\r\n", 431, "HEADERS_TOO_LARGE"),
                (b"POST /v2/events HTTP/1.1\r\n" + host + b"Content-Length: 2\r\nExpect: tea\r\n", 417, "EXPECTATION_FAILED"),
                (b"POST /v2/events HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip\r\n", 501, "NOT_SUPPORTED"),
                (b"GET / HTTP/2.0\r\n" + host, 505, "HTTP_VERSION_NOT_SUPPORTED")):
            answer = self.raw(data + b"\r\n")
            error = json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]
            self.assertEqual((int(answer.split()[1]), error["statusCode"], error["code"]), (status, status, code), data[:60])

    def test_chunked_pipelined_and_expect(self):
        body = b'{"pattern":"chunk.ed"}'
        chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
        head = b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.assertEqual(self.status_of(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks), 202)
        one = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        last = head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with self.server.raw_connection() as connection:
            connection.sendall(one * 20 + last)
            out = b""
            while piece := connection.recv(65536):
                out += piece
        self.assertEqual(out.count(b"HTTP/1.1 202"), 21)
        with self.server.raw_connection() as connection:
            connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 100"))
            connection.sendall(body)
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 202"))

    def test_broken_json_is_never_accepted(self):
        for text in BROKEN_JSON:
            for kind in ("application/json", "application/x-ndjson", "application/cloudevents+json"):
                reply = self.server.post("/v2/events", text, content_type=kind)
                self.assertEqual(reply.status, 400, (text, kind, reply))
                self.assertIs(reply.json()["success"], False)

    def test_good_json_that_looks_odd_is_accepted(self):
        for text in (b' \r\n\t{"pattern":"a"}\n ', b'{"pattern":"\\u0061"}', b'{"pattern":"a","payload":{"n":-0.0e-10}}',
                     b'{"pattern":"a","payload":{"":{"":[]}}}', b'{"pattern":"a","payload":{"t":"\xf0\x9f\x98\x80\\ud83d\\ude00"}}',
                     b'{"pattern":"a","payload":{"n":123456789012345678901234567890}}'):
            reply = self.server.post("/v2/events", text)
            self.assertEqual(reply.status, 202, (text, reply))

    def test_duplicate_keys_are_refused(self):
        for text in (b'{"pattern":"a","pattern":"b"}', b'{"pattern":"a","source":{"type":"task","type":"task","id":"1"}}'):
            self.assert_error(self.server.post("/v2/events", text), 400, "VALIDATION_ERROR")

    def test_numbers_out_of_range(self):
        for text in (b'{"pattern":"a","priority":99999999999999}', b'{"pattern":"a","priority":1e999}',
                     b'{"pattern":"a","priority":1.5}'):
            self.assertEqual(self.server.post("/v2/events", text).status, 400, text)
        # In a payload every JSON number is legal, and its digits are kept as they came.
        text = b'{"eventId":"huge","pattern":"a","payload":{"n":1e999,"m":1.00}}'
        self.assertEqual(self.server.post("/v2/events", text).status, 202)
        self.assertIn(b'{"n":1e999,"m":1.00}', self.server.get("/v2/events/huge").body)

    def test_nesting_bombs(self):
        for depth in (65, 1000, 100_000):
            text = b'{"pattern":"a","payload":{"d":' + b"[" * depth + b"]" * depth + b"}}"
            self.assertEqual(self.server.post("/v2/events", text).status, 400, depth)
        text = b'{"a":' * 50_000
        self.assertEqual(self.server.post("/v2/subscriptions", text).status, 400)
        nested = "(" * 20_000 + "$.a == 1" + ")" * 20_000
        reply = self.server.post("/v2/subscriptions", {"name": "n", "pattern": "p", "filter": nested,
                                                       "executor": {"type": "script", "scriptId": "x"}})
        self.assertEqual(reply.status, 400)

    def test_size_bombs(self):
        big = b'{"pattern":"a","payload":{"t":"' + b"x" * (2 << 20) + b'"}}'
        reply = self.server.post("/v2/events", big)
        self.assertIn(reply.status, (400, 413), reply)
        self.assertIn("PAYLOAD_TOO_LARGE", reply.body.decode())
        with self.server.raw_connection() as connection:
            connection.sendall(b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 413"))

    def test_names_that_are_too_long_are_named(self):
        for member in ("eventId", "pattern", "partitionKey"):
            event = {"pattern": "a", member: "x" * 300}
            self.assert_error(self.server.post("/v2/events", event), 400, "VALIDATION_ERROR", member)

    def test_wrong_types_are_named(self):
        for member, value in (("pattern", 5), ("pattern", ""), ("eventId", 5), ("eventId", ""), ("source", "x"), ("payload", []),
                              ("metadata", 1), ("timestamp", 5), ("timestamp", "2026-13-01T00:00:00Z"),
                              ("metadata", {"context": {"type": "odd", "id": "x"}}), ("tenantId", "another")):
            reply = self.server.post("/v2/events", {"pattern": "a", member: value})
            self.assertIn(reply.status, (400, 403), (member, value, reply))
            self.assertIn("context" if "context" in str(value) else member, reply.body.decode())

    def test_unknown_content_types(self):
        for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "application/cloudevents+avro"):
            reply = self.server.post("/v2/events", b'{"pattern":"a"}', content_type=kind)
            self.assert_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE")

    def test_compressed_bodies_are_refused_clearly(self):
        for coding in ("br", "compress", "deflate", "br, gzip", "gzip, gzip", "zstd, gzip"):
            reply = self.server.post("/v2/events", b'{"pattern":"a"}', headers={"Content-Encoding": coding})
            self.assert_error(reply, 415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding")
        reply = self.server.post("/v2/events", b'{"pattern":"a"}', headers={"Content-Encoding": "gzip"})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "gzip")
        bomb = gzip.compress(b'{"pattern":"a","payload":{"t":"' + b"x" * (64 << 20) + b'"}}')
        reply = self.server.post("/v2/events", bomb, headers={"Content-Encoding": "gzip"})
        self.assert_error(reply, 413, "PAYLOAD_TOO_LARGE", "http.body_bytes_max")

    def test_compressed_bodies_are_what_they_hold(self):
        event_id = self.unique("gz")
        body = gzip.compress(json.dumps({"eventId": event_id, "pattern": "zip.ped"}).encode())
        reply = self.server.post("/v2/events", body, headers={"Content-Encoding": "gzip"})
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.server.get(f"/v2/events/{event_id}").json()["pattern"], "zip.ped")
        binary = {"ce-specversion": "1.0", "ce-id": event_id + "b", "ce-source": "/s", "ce-type": "zip.ped",
                  "Content-Encoding": "gzip"}
        reply = self.server.post("/v2/events", gzip.compress(b'{"a":1}'), headers=binary)
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(self.server.get(f"/v2/events/{event_id}b").json()["payload"], {"a": 1})
        reply = self.server.post("/v2/subscriptions/match", gzip.compress(b'{"event":{"pattern":"a"}}'),
                                 headers={"Content-Encoding": "gzip"})
        self.assertEqual(reply.status, 200, reply)

    def test_clients_that_vanish(self):
        before = self.server.get("/v2/events?pattern=vanish&limit=1000").json()["items"]
        body = b'{"pattern":"vanish"}'
        head = b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        for cut in range(1, len(head + body)):
            connection = self.server.raw_connection()
            connection.sendall((head + body)[:cut])
            if cut % 2:  # a reset instead of an orderly end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        after = self.server.get("/v2/events?pattern=vanish&limit=1000").json()["items"]
        self.assertEqual(len(after), len(before), "a truncated body was taken")

    def test_slow_clients_are_told_and_hold_up_nobody(self):
        """Half a head, half a body and half a chunk, and then nothing: 408 after ten seconds."""
        head = b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow = []
        for start in (b"GET /healthz HT", head, head + b"Content-Length: 100\r\n\r\n{\"pattern\":\"slow.body\"",
                      head + b"Transfer-Encoding: chunked\r\n\r\n10\r\n{\"patt"):
            connection = self.server.raw_connection()
            connection.sendall(start)
            slow.append(connection)
        began = time.monotonic()
        for _ in range(20):
            self.server.send_event("beside.slow.ones")
        self.assertLess(time.monotonic() - began, 5)
        for connection in slow:
            answer = b""
            while piece := connection.recv(65536):  # until the server closes
                answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 408"), answer[:200])
            self.assertIs(json.loads(answer.split(b"\r\n\r\n", 1)[1])["success"], False)
            connection.close()
        self.assertEqual(self.server.get("/v2/events?pattern=slow.body").json()["items"], [])

    def test_clients_that_do_not_read(self):
        connections = []
        for _ in range(20):
            connection = self.server.raw_connection()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.setblocking(False)
            try:
                for _ in range(200):
                    connection.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            except (BlockingIOError, ConnectionError):
                pass
            connections.append(connection)
        self.server.send_event("still.alive")
        for connection in connections:
            connection.close()

    def test_bad_bodies_of_every_resource(self):
        for path in ("/v2/scripts", "/v2/subscriptions", "/v2/subscriptions/match", "/v2/script/run", "/v2/replays", "/v2/dlq/replay"):
            for text in (b"", b"{", b"[]", b"5", b'"x"', b"\xff\xfe"):
                reply = self.server.post(path, text)
                self.assertEqual(reply.status, 400, (path, text, reply))
                self.assertEqual(reply.json()["error"]["code"], "VALIDATION_ERROR", (path, text))
            for text, place in ((b'{"event":1,}', 11), (b'{"event":1 "b":2}', 11), (b'{"event":"b', 9),
                                (b'{"event":"\xff"}', 10), (b'{"event":1', 10)):
                error = self.assert_error(self.server.post(path, text), 400, "VALIDATION_ERROR")
                self.assertEqual(error["details"].get("position"), place, (path, text, error))

    def test_an_event_to_match_that_is_none(self):
        error = self.assert_error(self.server.post("/v2/subscriptions/match", {"event": 5}), 400, "VALIDATION_ERROR")
        self.assertEqual(error["details"], {"field": "event"})

    def test_bad_paths(self):
        for path in ("/v2/events/%zz", "/v2/events/%", "/v2/events/%00", "//", "/v2/../../etc/passwd", "/%2e%2e/"):
            reply = self.server.get(path)
            self.assertIn(reply.status, (400, 404), (path, reply))


if __name__ == "__main__":
    unittest.main()
