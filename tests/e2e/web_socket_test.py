#!/usr/bin/env python3
"""Goal: the stream of events over a WebSocket: from history through to live, resumable, with the
closes and pings that RFC 6455 asks for.
Method: a client of its own over a raw socket, so that broken frames can be sent as well."""
import base64
import hashlib
import json
import os
import struct
import unittest

import harness

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Client:
    def __init__(self, server, query="", path="/v2/events/ws", **headers):
        self.socket = server.raw_connection()
        self.key = base64.b64encode(os.urandom(16))
        fields = {"Host": server.ready["http"], "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": self.key.decode()}
        fields.update({k.replace("_", "-"): v for k, v in headers.items()})
        head = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
        self.socket.sendall(f"GET {path}{query} HTTP/1.1\r\n{head}\r\n".encode())
        self.reader = self.socket.makefile("rb")
        self.status = int(self.reader.readline().split()[1])
        self.headers = {}
        for line in iter(self.reader.readline, b"\r\n"):
            if not line:
                break
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def send(self, first, payload=b"", mask=b"\x01\x02\x03\x04", length=None):
        length = len(payload) if length is None else length
        frame = bytes([first, (0x80 if mask else 0) | length])
        if mask:
            frame += mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        else:
            frame += payload
        self.socket.sendall(frame)

    def frame(self):
        """(opcode, payload); None at the end."""
        head = self.reader.read(2)
        if len(head) < 2:
            return None
        length = head[1] & 127
        if length == 126:
            length = struct.unpack(">H", self.reader.read(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.reader.read(8))[0]
        return head[0] & 15, self.reader.read(length)

    def message(self):
        while True:
            opcode, payload = self.frame()
            if opcode == 1:
                return json.loads(payload)

    def close_code(self):
        """Reads to the end; the code of the close frame."""
        code = None
        while (frame := self.frame()) is not None:
            if frame[0] == 8 and code is None:
                code = struct.unpack(">H", frame[1][:2])[0]
        return code

    def close(self):
        self.reader.close()
        self.socket.close()


class WebSocket(harness.ServerCase):
    def client(self, query="", **headers):
        client = Client(self.server, query, **headers)
        self.addCleanup(client.close)
        return client

    def test_from_history_to_live_and_again(self):
        pattern = self.unique("ws.")
        for n in range(3):
            self.server.send_event(pattern, {"n": n, "text": "line\nend" * 30})
        client = self.client(f"?pattern={pattern}&from=beginning")
        self.assertEqual(client.status, 101)
        digest = hashlib.sha1(client.key + GUID).digest()
        self.assertEqual(client.headers["sec-websocket-accept"], base64.b64encode(digest).decode())
        self.assertEqual(client.headers["connection"].lower(), "upgrade")
        seen = [client.message() for _ in range(3)]
        self.assertEqual([m["event"]["payload"]["n"] for m in seen], [0, 1, 2])
        self.server.send_event(pattern, {"n": 3})
        self.assertEqual(client.message()["event"]["payload"]["n"], 3)
        again = self.client(f"?pattern={pattern}", Last_Event_ID=seen[1]["id"])
        self.assertEqual([again.message()["event"]["payload"]["n"] for _ in range(2)], [2, 3])
        filtered = self.client(f"?pattern={pattern}&from=beginning&filter=%24.n%20%3E%202")
        self.assertEqual(filtered.message()["event"]["payload"]["n"], 3)

    def test_pings_and_closes(self):
        client = self.client()
        client.send(0x89, b"are you there")
        self.assertEqual(client.frame(), (10, b"are you there"))
        client.send(0x8A, b"unasked")
        client.send(0x88, struct.pack(">H", 1000))
        self.assertEqual(client.close_code(), 1000)

    def test_what_is_wrong_is_closed_with_its_code(self):
        for code, send in ((1003, lambda c: c.send(0x81, b"hello")),
                           (1002, lambda c: c.send(0x81, b"hello", mask=b"")),
                           (1002, lambda c: c.send(0xC1, b"x")),
                           (1007, lambda c: c.send(0x81, b"\xff")),
                           (1009, lambda c: c.socket.sendall(b"\x82\xff" + b"\xff" * 8 + b"mask")),
                           (1002, lambda c: c.send(0x80, b"x"))):
            client = self.client()
            send(client)
            self.assertEqual(client.close_code(), code)
        fragments = self.client()
        fragments.send(0x01, b"he")
        fragments.send(0x89, b"!")
        self.assertEqual(fragments.frame(), (10, b"!"))
        fragments.send(0x80, b"llo")
        self.assertEqual(fragments.close_code(), 1003)

    def test_handshakes_that_are_none(self):
        for headers in ({"Upgrade": None}, {"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Key": "short"},
                        {"Connection": "keep-alive"}):
            client = self.client(**headers)
            self.assertEqual(client.status, 400, headers)
            self.assertEqual(client.headers["sec-websocket-version"], "13")
        self.assertEqual(self.client("?from=nonsense").status, 400)
        self.assertEqual(self.client("?what=1").status, 400)
        self.assertEqual(self.client(Origin="http://evil.example").status, 403)


class AtTheEnd(unittest.TestCase):
    def test_a_drain_says_going_away(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        client = Client(server)
        self.addCleanup(client.close)
        client.send(0x89, b"1")
        client.frame()
        server.stop()
        self.assertEqual(client.close_code(), 1001)


if __name__ == "__main__":
    unittest.main()
