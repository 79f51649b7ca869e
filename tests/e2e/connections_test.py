#!/usr/bin/env python3
"""Goal: more connections than there is room for never keep out who has something to ask.
Method: one shard with room for a few, silent connections, streams that stay."""
import unittest

import harness

ROOM = ("--set", "http.connections_max=4", "--set", "socket.connections_max=2", "--set", "socket.idle_timeout=60s")


class Connections(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server(ROOM, shards=1)
        self.addCleanup(self.server.close)
        self.server.start()

    def connect(self):
        connection = self.server.raw_connection()
        self.addCleanup(connection.close)
        return connection

    def test_silent_ones_make_room(self):
        silent = [self.connect() for _ in range(40)]
        for path in ("/healthz", "/v2/scripts", "/metrics"):
            self.assertEqual(self.server.get(path).status, 200, path)
        self.server.send_event("room.made")
        self.assertEqual(silent[0].recv(10), b"", "the oldest went")

    def test_where_all_are_at_work_there_is_503_and_health(self):
        streams = [self.connect() for _ in range(4)]
        for stream in streams:
            stream.sendall(b"GET /v2/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(stream.recv(4096).startswith(b"HTTP/1.1 200 "))
        reply = self.server.get("/v2/scripts")
        self.assertEqual(reply.status, 503, reply)
        self.assertEqual(reply.json()["error"]["code"], "UNAVAILABLE")
        self.assertIn("http.connections_max", reply.json()["error"]["message"])
        self.assertGreater(int(reply.headers["retry-after"]), 0)
        self.assertEqual(self.server.get("/healthz").status, 200)
        self.assertEqual(self.server.get("/readyz").status, 200)
        self.assertGreaterEqual(self.server.metric("millrace_connections_refused_total", face="http"), 1)
        self.assertIn("turned away", self.server.log())
        streams[0].close()
        harness.wait_until("room", lambda: self.server.get("/v2/scripts").status == 200)

    def test_line_sockets_make_room(self):
        clients = [harness.LineClient(self.server) for _ in range(5)]
        for client in clients:
            self.addCleanup(client.close)
        clients[-1].send({"pattern": "room.made"})
        self.assertEqual(clients[-1].read_until_ack(1)[1]["ack"], 1)
        self.assertIsNone(clients[0].read())


if __name__ == "__main__":
    unittest.main()
