#!/usr/bin/env python3
"""Goal: with no key ever created a local client may everything and a web page nothing.
Method: requests as browsers make them, over HTTP, streams and the line socket."""
import json
import re
import socket
import unittest

import harness

JSON = {"Content-Type": "application/json"}


class LocalMode(harness.ServerCase):
    ARGS = ("--set", "http.hosts=millrace.test")

    def ask(self, method, path, headers, body=None):
        connection = harness.http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": f"localhost:{self.server.port}", **headers}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return harness.Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def send(self, event_id, headers):
        body = json.dumps({"eventId": event_id, "pattern": "local.mode"}).encode()
        return self.ask("POST", "/v2/events", headers, body)

    def test_a_foreign_host_is_refused_everywhere(self):
        for host in ("evil.example", f"evil.example:{self.server.port}", "localhost.evil.example", "192.168.0.1"):
            for method, path in (("GET", "/healthz"), ("GET", "/metrics"), ("GET", "/v2/events"), ("GET", "/nowhere"),
                                 ("GET", "/v2/events/stream"), ("OPTIONS", "/v2/events"), ("DELETE", "/v2/scripts/x")):
                reply = self.ask(method, path, {"Host": host})
                self.assert_error(reply, 403, "FORBIDDEN", "Host")
            event_id = self.unique("host")
            self.assert_error(self.send(event_id, {**JSON, "Host": host}), 403, "FORBIDDEN")
            self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 404)

    def test_its_own_names_are_taken(self):
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]", f"[::1]:{self.server.port}", "millrace.test:80"):
            self.assertEqual(self.send(self.unique("own"), {**JSON, "Host": host}).status, 202, host)

    def test_the_target_wins_over_the_host_header(self):
        with self.server.raw_connection() as connection:
            connection.sendall(b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 403 "))

    def test_pages_of_other_sites_are_refused(self):
        own = f"http://localhost:{self.server.port}"
        for headers, status in (({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
                                ({"Sec-Fetch-Site": "same-origin"}, 202), ({"Sec-Fetch-Site": "none"}, 202),
                                ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
                                ({"Origin": "http://localhost:1"}, 403), ({"Origin": own}, 202)):
            event_id = self.unique("page")
            self.assertEqual(self.send(event_id, {**JSON, **headers}).status, status, headers)
            found = 404 if status == 403 else 200
            self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, found, headers)

    def test_a_page_names_the_type_of_what_it_sends(self):
        own = f"http://localhost:{self.server.port}"
        self.assert_error(self.send(self.unique("type"), {"Origin": own}), 415, "UNSUPPORTED_MEDIA_TYPE")
        self.assertEqual(self.send(self.unique("type"), {}).status, 202)

    def test_a_refusal_without_a_body_keeps_the_connection(self):
        with self.server.raw_connection() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n"
                               b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            out = b""
            while piece := connection.recv(65536):
                out += piece
        self.assertEqual(re.findall(rb"HTTP/1\.1 (\d+) ", out), [b"403", b"200"])

    def test_the_whole_server_has_options_and_streams_have_heads(self):
        with self.server.raw_connection() as connection:
            connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               b"HEAD /v2/events/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
                               b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            out = b""
            while piece := connection.recv(65536):
                out += piece
        self.assertEqual([line.split()[1] for line in out.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")],
                         [b"204", b"200", b"200"])

    def test_the_line_socket_speaks_no_http(self):
        event_id = self.unique("lines")
        event = json.dumps({"eventId": event_id, "pattern": "local.lines"})
        host, port = self.server.ready["socket"].rsplit(":", 1)
        for first in ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "[1]\n", '"hello"\n', '{"pattern":\n', "\n"):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(first.encode())
                try:
                    connection.sendall(event.encode() + b"\n")
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # closed already
                answer = connection.makefile("rb").read()
            self.assertIn("first line", json.loads(answer)["error"]["message"], first)
        self.assertEqual(self.server.get(f"/v2/events/{event_id}").status, 404)


if __name__ == "__main__":
    unittest.main()
