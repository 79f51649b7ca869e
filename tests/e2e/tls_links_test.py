#!/usr/bin/env python3
"""Goal: links speak TLS with their peers and with nobody else: what goes out by it comes back in; another authority's
certificate, another name's and one that is over are said in lastError. Method: Debian's nats-server, mosquitto, redis-server,
rabbitmq-server and PostgreSQL with certificates made here (each where it is installed), and a server that has nothing but
a certificate that is over."""
import os
import shutil
import socket
import ssl
import tempfile
import threading
import unittest

import amqp_peer
import certificates
import harness
import mosquitto_peer
import nats_peer
import postgres_peer
import redis_peer
from links_test import LinkCase


class HandshakeServer:
    """Shakes hands with whoever comes, and hangs up."""

    def __init__(self, pair):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            try:
                raw.settimeout(10)
                self.context.wrap_socket(raw, server_side=True).close()
            except OSError:
                raw.close()


class TlsLinks(LinkCase):
    ARGS = ("--set", "http_client.allow=127.0.0.1,::1")

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-tls-links-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        authority = certificates.Authority(cls.folder)
        cls.pair = authority.issue("peer", "DNS:localhost")
        cls.over = authority.issue("over", "DNS:localhost", days=-1)
        cls.ca = cls.text(authority.file)
        cls.another = cls.text(certificates.Authority(cls.folder, "another").file)
        super().setUpClass()

    @staticmethod
    def text(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def fails(self, expected, **body):
        id = self.create(**body)
        reason = self.wait_state(id, "retrying")["lastError"]["message"]
        self.assertRegex(reason, expected)
        self.assertRegex(self.order(id, "test")["error"], expected)
        self.server.request("DELETE", "/v2/links/" + id)

    def round_trip(self, type, reads, writes):
        """An event goes to the peer and comes back from it."""
        there, back = self.unique("tls.there"), self.unique("tls.back")
        source = self.create(direction="in", type=type, config={**reads, "format": "payload", "pattern": back})
        self.wait_state(source, "running")
        sink = self.create(direction="out", type=type, config=writes)
        self.assertTrue(self.order(sink, "test")["success"])
        made = self.server.post("/v2/subscriptions", {"pattern": there, "executor": {"type": "link", "linkId": sink}})
        self.assertEqual(made.status, 201, made)
        self.server.send_event(there, {"n": 7, "long": "x" * 200_000 if type != "postgres-notify" else "x"})
        harness.wait_until("it to be back", lambda: self.count(back) == 1)
        self.assertEqual(self.server.all_events(back)[0]["payload"]["payload"]["n"], 7)

    def check(self, type, port, over, reads, writes):
        """`over`: the port where a certificate is over; localhost's is the name that they are for."""
        tls = {"host": "localhost", "port": port, "tls": True, "ca": self.ca}
        self.round_trip(type, {**tls, **reads}, {**tls, **writes})
        for config, expected in (
                ({**tls, "ca": self.another}, "TLS with localhost:.*unable to get local issuer certificate"),
                ({**tls, "ca": ""}, "TLS with localhost:.*unable to get local issuer certificate"),
                ({**tls, "host": "127.0.0.1"}, "TLS with 127.0.0.1:.*IP address mismatch"),
                ({**tls, "port": over}, "TLS with localhost:.*certificate has expired")):
            with self.subTest(expected):
                self.fails(expected, direction="in", type=type, config={**config, **reads})

    def over_port(self):
        server = HandshakeServer(self.over)
        self.addCleanup(server.listener.close)
        return server.port

    def start(self, peer):
        self.addCleanup(peer.close)
        return peer.start()

    @unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed")
    def test_nats(self):
        def serve(pair):
            return self.start(nats_peer.Nats("--tls", "--tlscert", pair[0], "--tlskey", pair[1], jetstream=False))
        good = serve(self.pair)
        self.check("nats", good.port, serve(self.over).port, {"subject": "tls.>"}, {"subject": "tls.a"})
        self.fails("wants TLS", direction="in", type="nats",
                   config={"host": "localhost", "port": good.port, "subject": "a"})
        plain = self.start(nats_peer.Nats(jetstream=False))
        self.fails("does not speak TLS", direction="in", type="nats",
                   config={"host": "localhost", "port": plain.port, "subject": "a", "tls": True})

    @unittest.skipUnless(mosquitto_peer.BINARY, "mosquitto is not installed")
    def test_mqtt(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        peer = self.start(mosquitto_peer.Mosquitto(f"listener {port} 127.0.0.1", f"certfile {self.pair[0]}",
                                                   f"keyfile {self.pair[1]}"))
        self.check("mqtt", port, self.over_port(), {"topic": "tls/#"}, {"topic": "tls/a", "qos": 2})
        self.fails("TLS with localhost:.* failed: wrong version number", direction="in", type="mqtt",
                   config={"host": "localhost", "port": self.silent_answer(b"220 hello\r\n"), "topic": "a", "tls": True})
        self.assertIsNone(peer.process.poll())

    def silent_answer(self, words):
        """Somebody who says something else."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            while True:
                try:
                    with listener.accept()[0] as connection:
                        connection.sendall(words)
                        connection.recv(4096)
                except OSError:
                    return
        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]

    @unittest.skipUnless(redis_peer.BINARY, "redis-server is not installed")
    def test_redis(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.start(redis_peer.Redis("--tls-port", str(port), "--tls-cert-file", self.pair[0], "--tls-key-file", self.pair[1],
                                    "--tls-auth-clients", "no"))
        self.check("redis", port, self.over_port(), {"stream": "s"}, {"stream": "s"})

    @unittest.skipUnless(amqp_peer.BINARY, "rabbitmq-server is not installed")
    def test_amqp(self):
        port = amqp_peer.free_port()
        for path in self.pair:
            os.chmod(path, 0o644)
        peer = self.start(amqp_peer.Rabbit(f"listeners.ssl.1 = 127.0.0.1:{port}", f"ssl_options.certfile = {self.pair[0]}",
                                           f"ssl_options.keyfile = {self.pair[1]}", "ssl_options.verify = verify_none"))
        client = peer.client()
        client.declare("tls")
        client.close()
        self.check("amqp", port, self.over_port(), {"queue": "tls"}, {"routingKey": "tls"})

    def test_kafka_as_far_as_a_server_that_is_none_goes(self):
        good = HandshakeServer(self.pair)
        self.addCleanup(good.listener.close)
        for host, port, ca, expected in (
                ("localhost", self.over_port(), self.ca, "certificate verify failed"),
                ("localhost", good.port, self.another, "certificate verify failed"),
                ("127.0.0.1", good.port, self.ca, "certificate verify failed"),
                ("localhost", good.port, self.ca, "Receive failed|Disconnected")):
            self.fails(expected, direction="in", type="kafka",
                       config={"brokers": f"{host}:{port}", "topic": "t", "tls": True, "ca": ca})

    @unittest.skipUnless(os.path.exists(postgres_peer.BINARIES), "PostgreSQL is not installed")
    def test_postgres(self):
        peer = postgres_peer.Postgres(tls=self.pair)
        self.addCleanup(peer.stop)
        harness.wait_until("PostgreSQL", peer.answers)
        for name, host in (("named", "localhost"), ("address", "127.0.0.1")):
            made = self.server.post("/v2/secrets", {"id": "db." + name, "value": peer.conninfo(host=host)})
            self.assertEqual(made.status, 201, made)
        good = {"connection": "named", "channel": "tls", "ca": self.ca}
        self.round_trip("postgres-notify", good, good)
        self.fails("certificate verify failed", direction="in", type="postgres-notify",
                   config={**good, "ca": self.another})
        self.fails("does not match host name", direction="in", type="postgres-notify",
                   config={**good, "connection": "address"})
        peer.show_another(self.over)
        self.fails("certificate verify failed", direction="in", type="postgres-notify", config=good)

    def test_what_is_no_certificate_is_refused_at_once(self):
        for config, field in (({"tls": True, "ca": "text"}, "config.ca"), ({"ca": self.ca}, "config.ca"),
                              ({"tls": "yes"}, "config.tls")):
            for type, more in (("redis", {"stream": "s"}), ("nats", {"subject": "s"}), ("mqtt", {"topic": "t"}),
                               ("amqp", {"queue": "q"})):
                self.assert_error(self.server.post("/v2/links", {
                    "direction": "in", "type": type, "config": {"host": "localhost", **more, **config}}),
                    400, "VALIDATION_ERROR", field)


if __name__ == "__main__":
    harness.main()
