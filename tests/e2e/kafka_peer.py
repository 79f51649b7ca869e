"""A cluster of Kafka in memory (tests/support/kafka_mock.c, librdkafka's mock: Debian has no broker), and what is said to it."""
import os
import subprocess

BINARY = os.environ.get("MILLRACE_KAFKA_MOCK") or os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build/release/tests/support/kafka_mock")

FETCH, PRODUCE = 1, 0  # APIs
NOT_LEADER, TOO_LARGE, OUT_OF_ORDER = 6, 10, 45  # errors


class Kafka:
    def __init__(self):
        self.process = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.brokers = self.process.stdout.readline().decode().strip()

    def say(self, command, body=b""):
        """The lines of the answer, but for the last."""
        self.process.stdin.write(command.encode() + b"\n" + body)
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise OSError("the mock has ended")
            if line == b"ok\n":
                return lines
            if line.startswith(b"failed "):
                raise OSError(line.decode().strip())
            if command.startswith("read "):
                partition, offset, size = (int(word) for word in line.split())
                key, headers, text = self.process.stdout.read(size + 1)[:-1].split(b"\t", 2)
                lines.append((partition, offset, key.decode(), headers.decode(), text))
            else:
                lines.append(line.decode().split())

    def topic(self, name, partitions=2):
        self.say(f"topic {name} {partitions}")

    def put(self, topic, partition, texts, key="", trace=""):
        texts = [text if isinstance(text, bytes) else text.encode() for text in texts]
        head = f"{key}\t{trace}\t".encode()
        self.say(f"put {topic} {partition} {len(texts)}", b"".join(head + text + b"\n" for text in texts))

    def read(self, topic):
        """All that is in it, as (partition, offset, key, headers, text)."""
        return self.say("read " + topic)

    def bounds(self, topic):
        return {int(p): (int(first), int(end)) for p, first, end in self.say("bounds " + topic)}

    def errors(self, api, code, count):
        self.say(f"errors {api} {code} {count}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
