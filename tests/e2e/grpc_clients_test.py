#!/usr/bin/env python3
"""Goal: clients and a protobuf that are not ours understand our gRPC: what reflection tells makes their message
classes, and these say and read what we do.
Method: Debian's python3-grpcio and python3-protobuf where they are installed (else those cases are skipped); the
.proto against protoc."""
import importlib.util
import os
import shutil
import subprocess
import sys
import threading
import unittest

import harness

DEBIANS = "/usr/bin/python3"  # its packages are found by this one, whatever comes first in the path
HAVE = importlib.util.find_spec("grpc") and importlib.util.find_spec("google.protobuf")
if HAVE:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
elif __name__ == "__main__" and os.path.exists(DEBIANS) and not os.environ.get("MILLRACE_GRPC_AGAIN"):
    os.execve(DEBIANS, [DEBIANS, *sys.argv], {**os.environ, "MILLRACE_GRPC_AGAIN": "1"})

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "clients", "proto")


class Described:
    """Message classes, made of what the server says of itself."""

    def __init__(self, channel):
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool()
        self.factory = message_factory.MessageFactory(self.pool)
        # The one that describes reflection comes from its file: somebody has to begin.
        self.add_file("grpc/reflection/v1/reflection.proto")

    def add_file(self, name):
        out = subprocess.run(["protoc", f"-I{PROTO}", "--descriptor_set_out=/dev/stdout", name], capture_output=True,
                             check=True, cwd=PROTO).stdout
        for file in descriptor_pb2.FileDescriptorSet.FromString(out).file:
            self.pool.Add(file)

    def type(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def reflect(self, **asked):
        request = self.type("grpc.reflection.v1.ServerReflectionRequest")(**asked)
        call = self.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self.type("grpc.reflection.v1.ServerReflectionResponse").FromString)
        (answer,) = call(iter([request]), timeout=20)
        return answer

    def learn(self, symbol):
        for data in self.reflect(file_containing_symbol=symbol).file_descriptor_response.file_descriptor_proto:
            self.pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
        service = self.pool.FindServiceByName(symbol)
        return {method.name: (self.factory.GetPrototype(method.input_type), self.factory.GetPrototype(method.output_type))
                for method in service.methods}


@unittest.skipUnless(HAVE, "python3-grpcio is not installed (tools/setup test)")
class Clients(harness.ServerCase):
    def setUp(self):
        self.channel = grpc.insecure_channel(f"{self.server.host}:{self.server.port}")
        self.addCleanup(self.channel.close)
        self.described = Described(self.channel)
        self.methods = self.described.learn("millrace.v2.Events")

    def call(self, name, compression=None):
        asks, answers = self.methods[name]
        kind = self.channel.stream_stream if name == "Publish" else self.channel.unary_stream
        return kind(f"/millrace.v2.Events/{name}", request_serializer=lambda message: message.SerializeToString(),
                    response_deserializer=answers.FromString), asks

    def publish(self, requests, **options):
        call, asks = self.call("Publish")
        return list(call((asks(events=events) for events in requests), timeout=60, **options))

    def test_what_is_published_is_subscribed(self):
        pattern = self.unique("client.")
        events = [[{"pattern": pattern, "payload": f'{{"n":{n}}}', "event_id": f"{pattern}-{n}", "priority": -n,
                    "metadata": {"correlation_id": "c", "context": {"type": "user", "id": "u"}}}] for n in range(50)]
        acks = self.publish(events)
        self.assertEqual([ack.index for ack in acks], list(range(50)))
        self.assertEqual({(ack.durability, ack.outcomes[0].duplicate) for ack in acks}, {("fsync", False)})
        self.assertEqual({o.duplicate for ack in self.publish(events) for o in ack.outcomes}, {True})
        call, asks = self.call("Subscribe")
        stream = call(asks(pattern=pattern, after="beginning"), timeout=60)
        told = [next(stream) for _ in range(50)]
        self.assertEqual(sorted(event.event_id for event in told), sorted(f"{pattern}-{n}" for n in range(50)))
        for event in told:
            n = int(event.event_id.rsplit("-", 1)[1])
            self.assertEqual((event.payload, event.priority, event.metadata.context.id), (f'{{"n":{n}}}', -n, "u"))
            self.assertEqual(event.ByteSize(), len(event.SerializeToString()))
            self.assertFalse(event.UnknownFields())
        stream.cancel()
        rest = call(asks(pattern=pattern, after=told[29].position, json=True), timeout=60)
        again = [next(rest) for _ in range(20)]
        self.assertTrue(all(event.json and not event.payload for event in again))
        rest.cancel()

    def test_errors_are_its_statuses(self):
        call, asks = self.call("Subscribe")
        with self.assertRaises(grpc.RpcError) as met:
            next(call(asks(filter="$.n >"), timeout=20))
        self.assertEqual(met.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("filter", met.exception.details())
        with self.assertRaises(grpc.RpcError) as met:
            next(call(asks(pattern="nothing.comes"), timeout=0.3))
        self.assertEqual(met.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        (ack,) = self.publish([[{"pattern": "a", "payload": "[]"}, {"pattern": "a", "payload": "{}"}]])
        self.assertEqual([o.error.code for o in ack.outcomes], ["VALIDATION_ERROR", ""])
        self.assertEqual(ack.outcomes[0].error.field, "payload")

    def test_compressed(self):
        pattern = self.unique("zip.")
        acks = self.publish([[{"pattern": pattern, "payload": '{"pad":"' + "x" * 20000 + '"}'}]] * 20,
                            compression=grpc.Compression.Gzip)
        self.assertEqual(len(acks), 20)
        self.assertEqual(self.server.metric("scripts_events_received_total", event_type=pattern), 20)

    def test_more_than_windows_hold_in_both_directions(self):
        pattern = self.unique("much.")
        call, asks = self.call("Subscribe")
        stream = call(asks(pattern=pattern), timeout=120)
        stream.initial_metadata()
        got = []
        reader = threading.Thread(target=lambda: [got.append(len(next(stream).payload)) for _ in range(300)])
        reader.start()
        big = '{"pad":"' + "y" * 50000 + '"}'
        self.assertEqual(len(self.publish([[{"pattern": pattern, "payload": big}]] * 300)), 300)
        reader.join(60)
        self.assertEqual(got, [len(big)] * 300)
        stream.cancel()

    def test_health(self):
        methods = self.described.learn("grpc.health.v1.Health")
        asks, answers = methods["Check"]
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check", lambda m: m.SerializeToString(), answers.FromString)
        self.assertEqual(check(asks(service="millrace.v2.Events"), timeout=20).status, 1)

    def test_services_are_listed(self):
        names = [service.name for service in self.described.reflect(list_services="*").list_services_response.service]
        self.assertIn("millrace.v2.Events", names)

    def test_a_server_that_comes_again_is_found_again(self):
        pattern = self.unique("again.")
        self.publish([[{"pattern": pattern, "payload": '{"n":0}'}]])
        address = self.server.ready["http"]
        self.server.kill()
        listen = self.server.command

        def command(extra=()):
            made = listen(extra)
            made[made.index("--listen") + 1] = address
            return made
        self.server.command = command
        self.server.start()
        sent = [[{"pattern": pattern, "payload": '{"n":1}', "event_id": pattern}]]

        def again():
            try:
                return self.publish(sent, wait_for_ready=True)
            except grpc.RpcError as error:  # of the connection that was there before
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                return None
        self.assertEqual(len(harness.wait_until("an Ack", again)), 1)
        self.assertEqual(len(self.server.all_events(pattern)), 2)


class Files(unittest.TestCase):
    @unittest.skipUnless(shutil.which("protoc"), "protobuf-compiler is not installed (tools/setup test)")
    def test_descriptors_are_those_of_the_files(self):
        subprocess.run([sys.executable, os.path.join(PROTO, "generate.py"), "--check"], check=True)

    def test_the_help_has_the_file(self):
        said = subprocess.run([harness.BINARY, "help", "grpc"], capture_output=True, text=True, check=True).stdout
        with open(os.path.join(PROTO, "millrace", "v2", "events.proto")) as file:
            text = file.read()
        page = "".join(line[4:] if line.startswith("    ") else line for line in said.splitlines(True))
        self.assertIn(text, page)


if __name__ == "__main__":
    harness.main()
