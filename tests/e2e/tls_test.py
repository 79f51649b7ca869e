"""TLS on both faces: versions, ciphers, protocols, sessions, certificates of clients as keys, files
that are read again, and clients that get the handshake wrong or never end it."""
import os
import shutil
import signal
import socket
import ssl
import tempfile
import time
import unittest

import harness
from certificates import Authority, TlsConnection, openssl
from harness import Server, wait_until
from keyed import KeyedServer

V12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
V13 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)
EVENT = '{"pattern":"tls.test","payload":{}}'


class TlsCase(unittest.TestCase):
    KIND = Server
    SETTINGS = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-tls-")
        cls.root = Authority(cls.folder)
        cls.pair = cls.root.issue("server", "DNS:localhost,IP:127.0.0.1")
        cls.cert, cls.key = cls.copy_pair(cls.pair)
        cls.server = cls.KIND(["--set", f"tls.cert={cls.cert}", "--set", f"tls.key={cls.key}",
                               *(s.format(folder=cls.folder) for s in cls.SETTINGS)])
        try:
            cls.server.start()
        except BaseException:
            cls.server.close()
            raise

    @classmethod
    def copy_pair(cls, pair):
        """To where the server reads: a reload finds others there."""
        to = [os.path.join(cls.folder, name) for name in ("in-use.pem", "in-use.key")]
        for source, target in zip(pair, to):
            shutil.copyfile(source, target + ".new")
            os.rename(target + ".new", target)
        return to

    @classmethod
    def tearDownClass(cls):
        alive = cls.server.process.poll() is None
        log = "" if alive else cls.server.log()
        cls.server.close()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert alive, "the server died during the tests; log:\n" + log

    def connect(self, pair=None, versions=None, session=None, context=None, face="http"):
        connection = TlsConnection(self.server.ready[face],
                                   context or self.root.context(pair, versions), session)
        self.addCleanup(connection.close)
        return connection

    def raw(self, face="http"):
        host, port = self.server.ready[face].rsplit(":", 1)
        raw = socket.create_connection((host, int(port)), timeout=20)
        self.addCleanup(raw.close)
        return raw

    def s_client(self, *args, data=b"", check=False):
        done = openssl("s_client", "-connect", self.server.ready["http"], "-CAfile",
                       self.root.file, "-servername", "localhost", *args, data=data, check=check)
        return (done.stdout + done.stderr).decode(errors="replace")


class Rules(TlsCase):
    def test_events_come_in_by_both_faces(self):
        connection = self.connect()
        for _ in range(3):
            status, _, body = connection.request("POST", "/v2/events", EVENT)
            self.assertEqual(status, 202, body)
        lines = self.connect(face="socket")
        lines.send(EVENT + "\n" + EVENT + "\n")
        while lines.line()["ack"] < 2:
            pass
        status, _, body = connection.request("GET", "/v2/events?pattern=tls.test")
        self.assertEqual(status, 200)
        self.assertGreaterEqual(body.count(b'"tls.test"'), 5)

    def test_large_bodies_and_answers(self):
        connection = self.connect()
        batch = "[" + ",".join([EVENT] * 20_000) + "]"
        status, _, body = connection.request("POST", "/v2/events", batch)
        self.assertEqual(status, 202)
        self.assertEqual(body.count(b'"eventId"'), 20_000)

    def test_the_unix_socket_stays_as_it_is(self):
        client = harness.LineClient(self.server, unix=True)
        client.send({"pattern": "tls.unix"})
        client.read_until_ack(1)
        client.close()

    def test_versions(self):
        for versions, name in ((V12, "TLSv1.2"), (V13, "TLSv1.3")):
            self.assertEqual(self.connect(versions=versions).socket.version(), name)
        for old in ("-tls1", "-tls1_1"):
            said = self.s_client(old, "-cipher", "ALL:@SECLEVEL=0")
            self.assertRegex(said, "Cipher is \\(NONE\\)|Cipher    : 0000", said)

    def test_ciphers(self):
        for weak in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "NULL", "aNULL"):
            said = self.s_client("-tls1_2", "-cipher", weak + ":@SECLEVEL=0")
            self.assertRegex(said, "(?i)Cipher is \\(NONE\\)|no cipher|error setting cipher", weak)
        said = self.s_client("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", check=True)
        self.assertIn("Secure Renegotiation IS supported", said)
        self.assertIn("Compression: NONE", said)

    def test_protocols(self):
        context = self.root.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.assertEqual(self.connect(context=context).socket.selected_alpn_protocol(), "http/1.1")
        context = self.root.context()
        context.set_alpn_protocols(["h2"])
        self.assertEqual(self.connect(context=context).socket.selected_alpn_protocol(), "h2")
        context.set_alpn_protocols(["spdy/3"])
        with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
            self.connect(context=context)
        context = self.root.context()
        context.set_alpn_protocols(["http/1.1"])
        with self.assertRaises(ssl.SSLError):  # a browser on the socket of lines
            self.connect(context=context, face="socket")

    def test_sessions_come_back_on_every_shard(self):
        for versions in (V12, V13):
            context = self.root.context(versions=versions)
            first = self.connect(context=context)
            first.request("GET", "/healthz")
            self.assertFalse(first.socket.session_reused)
            session = first.socket.session
            self.assertTrue(session.has_ticket)
            again = [self.connect(context=context, session=session) for _ in range(12)]
            for connection in again:
                self.assertEqual(connection.request("GET", "/healthz")[0], 200)
            self.assertTrue(all(c.socket.session_reused for c in again), versions)

    def test_renegotiation_is_refused(self):
        said = self.s_client("-tls1_2", data=b"R\n")
        self.assertRegex(said, "(?i)no.renegotiation")

    def test_plain_http_is_told(self):
        raw = self.raw()
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
        self.assertIn(b"this port speaks TLS", answer)
        raw = self.raw("socket")
        raw.sendall(EVENT.encode() + b"\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
        self.assertIn(b"this port speaks TLS", answer)

    def test_the_end_is_said(self):
        connection = self.connect()
        connection.request("GET", "/healthz", headers=["Connection: close"])
        self.assertEqual(connection.socket.recv(1), b"")  # close_notify: no ragged end
        connection = self.connect()
        connection.socket.suppress_ragged_eofs = False
        connection.request("GET", "/healthz")
        raw = connection.socket.unwrap()  # ours is answered by theirs
        raw.close()

    def test_a_truncated_request_is_none(self):
        before = self.server_count()
        connection = self.connect()
        connection.send("POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                        "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                        f"{len(EVENT):x}\r\n{EVENT}\r\n")
        connection.socket.shutdown(socket.SHUT_RDWR)  # below TLS: no close_notify
        time.sleep(0.2)
        self.assertEqual(self.server_count(), before)

    def server_count(self):
        body = self.connect().request("GET", "/v2/stats")[2]
        self.assertTrue(body)
        metrics = self.connect().request("GET", "/metrics")[2].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in metrics.splitlines()
                   if line.startswith("scripts_events_received_total"))


class Broken(TlsCase):
    SETTINGS = ("--set", "tls.handshake_timeout=1s")

    def first_flight(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = self.root.context()
        client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return incoming, outgoing.read(), client, outgoing

    def test_a_handshake_cut_at_every_byte_leaves_nothing(self):
        hello = self.first_flight()[1]
        for place in range(0, len(hello), 3):
            raw = self.raw()
            raw.sendall(hello[:place])
            raw.close()
        self.assertEqual(self.connect().request("GET", "/healthz")[0], 200)

    def test_a_handshake_in_single_bytes_is_whole(self):
        incoming, hello, client, outgoing = self.first_flight()
        raw = self.raw()
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(hello)):
            raw.sendall(hello[at:at + 1])
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(raw.recv(65536))
        client.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        rest = outgoing.read()
        for at in range(len(rest)):
            raw.sendall(rest[at:at + 1])
        while True:
            try:
                answer = client.read(4096)
                break
            except ssl.SSLWantReadError:
                incoming.write(raw.recv(65536))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)

    def test_half_handshakes_end_in_time_and_nobody_else_feels_them(self):
        hello = self.first_flight()[1]
        held = []
        for i in range(500):
            raw = self.raw()
            raw.sendall(hello[:i % 100])
            held.append(raw)
        began = time.monotonic()
        self.assertEqual(self.connect().request("POST", "/v2/events", EVENT)[0], 202)
        self.assertLess(time.monotonic() - began, 1.5)
        for raw in held:
            raw.settimeout(10)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        self.assertLess(time.monotonic() - began, 8)

    def test_dripping_bytes_is_no_way_around_it(self):
        hello = self.first_flight()[1]
        raw = self.raw()
        began = time.monotonic()
        try:
            for byte in hello:
                raw.sendall(bytes([byte]))
                time.sleep(0.05)
                if time.monotonic() - began > 5:
                    self.fail("a handshake of five seconds")
        except (BrokenPipeError, ConnectionResetError):
            pass

    def test_garbage_is_an_alert_or_an_end(self):
        for start in (b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x80\x2e\x01\x03\x01" + b"\0" * 50,
                      b"\x17\x03\x03\x00\x05hello", b"\x00" * 100, b"\x15\x03\x03\x00\x02\x01\x00"):
            raw = self.raw()
            try:
                raw.sendall(start)
                while raw.recv(4096):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        self.assertEqual(self.connect().request("GET", "/healthz")[0], 200)


class Reload(TlsCase):
    def serial(self):
        return self.connect(context=self.trusting_all()).socket.getpeercert(True)

    def trusting_all(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def test_new_files_count_for_new_connections_and_old_ones_live_on(self):
        before = self.serial()
        old = [self.connect() for _ in range(8)]
        lines = self.connect(face="socket")
        lines.send(EVENT + "\n")
        lines.line()
        other = self.root.issue("server2", "DNS:localhost")
        self.copy_pair(other)
        self.server.signal(signal.SIGHUP)
        wait_until("the new certificate", lambda: self.serial() != before)
        for connection in old:
            self.assertEqual(connection.request("POST", "/v2/events", EVENT)[0], 202)
        lines.send(EVENT + "\n")
        self.assertEqual(lines.line()["ack"], 2)
        # Files that do not belong together: one line, and all stays as it is.
        now = self.serial()
        shutil.copyfile(self.pair[1], self.key)
        self.server.signal(signal.SIGHUP)
        wait_until("the refusal", lambda: "is not the key of the certificate" in self.server.log())
        errors = [l for l in self.server.log().splitlines() if '"level":"error"' in l]
        self.assertEqual(len(errors), 1, errors)
        self.assertIn("tls.key", errors[0])
        self.assertEqual(self.serial(), now)
        self.assertEqual(old[0].request("GET", "/healthz")[0], 200)
        self.copy_pair(self.pair)
        self.server.signal(signal.SIGHUP)
        wait_until("the first certificate again", lambda: self.serial() == before)

    def test_what_can_not_be_reloaded_is_one_line(self):
        self.server.signal(signal.SIGHUP)
        wait_until("the reload", lambda: "configuration was read again" in self.server.log())


class StartErrors(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-tls-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.root = Authority(self.folder)
        self.cert, self.key = self.root.issue("server", "DNS:localhost")

    def refused(self, *settings):
        server = Server([a for s in settings for a in ("--set", s)])
        self.addCleanup(server.close)
        with self.assertRaises(AssertionError) as raised:
            server.start()
        self.assertIn("no ready line", str(raised.exception))
        return str(raised.exception)

    def test_each_names_its_setting(self):
        other = self.root.issue("other", "DNS:other")[1]
        cert, key = f"tls.cert={self.cert}", f"tls.key={self.key}"
        self.assertIn("tls.key", self.refused(cert))
        self.assertIn("tls.cert", self.refused(key))
        self.assertIn("not the key of", self.refused(cert, f"tls.key={other}"))
        self.assertIn("tls.key: can't read", self.refused(cert, f"tls.key={self.folder}/none"))
        self.assertIn("tls.cert: holds no", self.refused(f"tls.cert={self.key}", key))
        self.assertIn("tls.client_ca", self.refused(cert, key, "tls.client_auth=required"))
        self.assertIn("tls.client_ca", self.refused(
            cert, key, "tls.client_auth=optional", f"tls.client_ca={self.key}"))
        self.assertIn("tls.client_auth", self.refused(
            "tls.client_auth=required", f"tls.client_ca={self.root.file}"))

    def test_outside_loopback_a_key_must_exist(self):
        said = self.refused(f"tls.cert={self.cert}", f"tls.key={self.key}",
                            "http.listen=0.0.0.0:0")
        self.assertIn("no API key exists", said)


class Identities(TlsCase):
    KIND = KeyedServer
    SETTINGS = ("--set", "tls.client_ca={folder}/root.pem", "--set", "tls.client_auth=optional")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sensor = cls.root.issue("sensor", "DNS:Sensor-1.example,URI:spiffe://plant/7")

    def admin(self, method, path, body=None):
        import json
        connection = TlsConnection(self.server.ready["http"], self.root.context())
        try:
            status, _, answer = connection.request(
                method, path, json.dumps(body) if body is not None else "",
                [f"X-API-Key: {self.server.api_key}"])
            return status, json.loads(answer) if answer else None
        finally:
            connection.close()

    def test_a_certificate_stands_for_its_key(self):
        nobody = self.connect(self.sensor)
        self.assertEqual(nobody.request("GET", "/v2/me")[0], 401)
        status, key = self.admin("POST", "/v2/keys", {
            "name": "sensor", "role": "publisher",
            "clientCertSans": ["URI:spiffe://plant/7", "DNS:SENSOR-1.example"]})
        self.assertEqual(status, 201, key)
        self.assertEqual(key["clientCertSans"], ["URI:spiffe://plant/7", "DNS:sensor-1.example"])
        for versions in (V12, V13):
            connection = self.connect(self.sensor, versions)
            status, _, body = connection.request("GET", "/v2/me")
            self.assertEqual(status, 200, body)
            self.assertIn(key["id"].encode(), body)
            self.assertEqual(connection.request("POST", "/v2/events", EVENT)[0], 202)
            self.assertEqual(connection.request("GET", "/v2/scripts")[0], 403)
        lines = self.connect(self.sensor, face="socket")
        lines.send(EVENT + "\n")
        self.assertEqual(lines.line()["ack"], 1)
        # A key that is shown goes before; a bad one is not made good by the certificate.
        shown = self.connect(self.sensor)
        status, _, body = shown.request("GET", "/v2/me",
                                        headers=[f"X-API-Key: {self.server.api_key}"])
        self.assertIn(self.server.admin["id"].encode(), body)
        self.assertEqual(shown.request("GET", "/v2/me", headers=["X-API-Key: mr_live_x"])[0], 401)
        # Nobody else has it.
        status, error = self.admin("POST", "/v2/keys", {
            "name": "twin", "role": "viewer", "clientCertSans": ["DNS:sensor-1.example"]})
        self.assertEqual((status, error["error"]["details"]["field"]), (409, "clientCertSans"))
        status, error = self.admin("POST", "/v2/keys", {
            "name": "bad", "role": "viewer", "clientCertSans": ["sensor-1.example"]})
        self.assertEqual((status, error["error"]["details"]["field"]), (400, "clientCertSans"))
        # Taken from the key, and with the key gone: at once, on connections that are there too.
        status, _ = self.admin("PATCH", f"/v2/keys/{key['id']}",
                               {"clientCertSans": ["DNS:other.example"]})
        self.assertEqual(status, 200)
        self.assertEqual(connection.request("GET", "/v2/me")[0], 401)
        self.admin("PATCH", f"/v2/keys/{key['id']}", {"clientCertSans": ["URI:spiffe://plant/7"]})
        self.assertEqual(connection.request("GET", "/v2/me")[0], 200)
        self.admin("DELETE", f"/v2/keys/{key['id']}")
        self.assertEqual(connection.request("GET", "/v2/me")[0], 401)

    def test_a_session_over_tls_is_of_this_host_alone(self):
        connection = self.connect()
        status, headers, body = connection.request("POST", "/v2/session",
                                                   headers=[f"X-API-Key: {self.server.api_key}"])
        self.assertEqual(status, 201, body)
        pair, *said = headers["set-cookie"].split("; ")
        self.assertTrue(pair.startswith("__Host-millrace_session_443="), pair)
        self.assertTrue({"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(said), said)
        ask = lambda *lines: connection.request("GET", "/v2/me", headers=lines)[0]
        self.assertEqual(ask("Cookie: " + pair), 200)
        self.assertEqual(ask("Cookie: " + pair.removeprefix("__Host-")), 401)
        self.assertEqual(ask("Cookie: " + pair, "Sec-Fetch-Site: cross-site"), 403)

    def test_a_page_of_another_site_does_not_come_by_a_certificate(self):
        status, key = self.admin("POST", "/v2/keys", {
            "name": "browser", "role": "publisher", "clientCertSans": ["URI:spiffe://plant/7"]})
        self.assertEqual(status, 201, key)
        connection = self.connect(self.sensor)
        ask = lambda *lines: connection.request("GET", "/v2/me", headers=lines)[0]
        self.assertEqual(ask(), 200)
        self.assertEqual(ask("Origin: https://localhost", "Sec-Fetch-Site: same-origin"), 200)
        for line in ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site"):
            self.assertEqual(ask(line), 403, line)
            self.assertEqual(ask(line, f"X-API-Key: {self.server.api_key}"), 200, line)
        self.admin("DELETE", f"/v2/keys/{key['id']}")

    def test_who_runs_the_server_says_whose_name_it_is(self):
        status, tenant = self.admin("POST", "/v2/tenants", {"id": "acme", "name": "acme"})
        self.assertEqual(status, 201, tenant)
        status, key = self.admin("POST", "/v2/keys", {"name": "boss", "role": "admin",
                                                      "tenantId": "acme"})
        self.assertEqual(status, 201, key)
        connection = self.connect()
        status, _, body = connection.request(
            "POST", "/v2/keys", '{"name":"x","role":"viewer","clientCertSans":["DNS:a.example"]}',
            [f"X-API-Key: {key['key']}"])
        self.assertEqual(status, 403, body)
        self.assertIn(b"clientCertSans", body)

    def test_a_foreign_certificate_ends_the_handshake(self):
        folder = os.path.join(self.folder, "foreign")
        os.mkdir(folder)
        foreign = Authority(folder, "foreign").issue("sensor", "DNS:sensor-1.example")
        with self.assertRaises((ssl.SSLError, ConnectionError, AssertionError)):
            self.connect(foreign).request("GET", "/v2/me")


class Required(TlsCase):
    SETTINGS = ("--set", "tls.client_ca={folder}/root.pem", "--set", "tls.client_auth=required")

    def test_without_a_certificate_nobody_gets_in(self):
        for versions in (V12, V13):
            with self.assertRaises((ssl.SSLError, ConnectionError, AssertionError)):
                self.connect(versions=versions).request("GET", "/healthz")
            mine = self.root.issue("me", "DNS:me.example")
            self.assertEqual(self.connect(mine, versions).request("GET", "/healthz")[0], 200)


if __name__ == "__main__":
    harness.main()
