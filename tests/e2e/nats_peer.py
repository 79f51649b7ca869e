"""A nats-server of Debian's, started here on a port of its own, and the shortest client that can talk to it."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

import harness

BINARY = os.environ.get("MILLRACE_NATS_SERVER") or shutil.which("nats-server") or shutil.which("/usr/sbin/nats-server")


class Client:
    """Messages that come for others than a request are kept in `messages`."""

    def __init__(self, port, **login):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.info = json.loads(self.file.readline().split(b" ", 1)[1])
        if self.info.get("tls_required"):
            self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
            self.file = self.socket.makefile("rb")
        self.messages = []
        self.asked = 0
        connect = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, **login}
        self.socket.sendall(b"CONNECT " + json.dumps(connect).encode() + b"\r\nSUB _INBOX.t.* 1\r\n")
        self.flush()

    def read(self):
        """The next frame: (verb, words, headers, text)."""
        line = self.file.readline()
        if not line:
            raise OSError("closed")
        words = line.split()
        verb = words[0].decode()
        if verb == "-ERR":
            raise OSError(line.decode())
        if verb == "PING":
            self.socket.sendall(b"PONG\r\n")
        if verb not in ("MSG", "HMSG"):
            return verb, words, b"", b""
        body = self.file.read(int(words[-1]) + 2)[:-2]
        headers = int(words[-2]) if verb == "HMSG" else 0
        return verb, words, body[:headers], body[headers:]

    def read_until(self, done):
        while True:
            verb, words, headers, text = self.read()
            if done(verb, words):
                return headers, text
            if verb in ("MSG", "HMSG"):
                self.messages.append((words[1].decode(), headers.decode(), text))

    def flush(self):
        self.socket.sendall(b"PING\r\n")
        self.read_until(lambda verb, words: verb == "PONG")

    def subscribe(self, subject, sid=2):
        self.socket.sendall(b"SUB %s %d\r\n" % (subject.encode(), sid))
        self.flush()

    @staticmethod
    def bytes_of(subject, text, reply=""):
        text = text if isinstance(text, bytes) else text.encode()
        return b"PUB %s %s %d\r\n%s\r\n" % (subject.encode(), reply.encode(), len(text), text)

    def publish_with(self, headers, subject, text):
        head = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        body = head.encode() + text.encode()
        self.socket.sendall(b"HPUB %s %d %d\r\n%s\r\n" % (subject.encode(), len(head), len(body), body))
        self.flush()

    def publish(self, subject, *texts):
        self.socket.sendall(b"".join(self.bytes_of(subject, text) for text in texts))
        self.flush()

    def request(self, subject, text=""):
        return self.requests(subject, [text])[0]

    def requests(self, subject, texts):
        """All of them on their way at once; their answers in their order."""
        replies = [f"_INBOX.t.{self.asked + i}" for i in range(len(texts))]
        self.asked += len(texts)
        self.socket.sendall(b"".join(self.bytes_of(subject, t, r) for t, r in zip(texts, replies)))
        answers = {}
        while len(answers) < len(texts):
            verb, words, headers, text = self.read()
            if verb in ("MSG", "HMSG") and words[1].startswith(b"_INBOX.t."):
                answers[words[1].decode()] = text
            elif verb in ("MSG", "HMSG"):
                self.messages.append((words[1].decode(), headers.decode(), text))
        return [answers[r] for r in replies]

    def api(self, what, **body):
        answer = json.loads(self.request("$JS.API." + what, json.dumps(body) if body else ""))
        if "error" in answer:
            raise OSError(answer["error"]["description"])
        return answer

    def create(self, stream, *subjects, **config):
        return self.api("STREAM.CREATE." + stream, name=stream, subjects=list(subjects), storage="file",
                        retention=config.pop("retention", "limits"), discard="old", num_replicas=1,
                        max_consumers=-1, **{"max_msgs": -1, "max_bytes": -1, "max_age": 0, **config})

    def add(self, subject, texts):
        """Into a stream; all acknowledged."""
        for begin in range(0, len(texts), 500):
            for answer in self.requests(subject, texts[begin:begin + 500]):
                if b'"seq"' not in answer:
                    raise OSError(answer.decode() or "no stream takes the subject")

    def state(self, stream):
        return self.api("STREAM.INFO." + stream)["state"]

    def read_stream(self, stream):
        """All that is in it, as (headers, text): by an ordered consumer of the moment."""
        state = self.state(stream)
        if state["messages"] == 0:
            return []
        inbox = "deliver.%s.%d" % (stream, self.asked)
        self.subscribe(inbox, 7)
        self.messages.clear()
        self.api("CONSUMER.CREATE." + stream, stream_name=stream, config={
            "deliver_subject": inbox, "ack_policy": "none", "deliver_policy": "all", "replay_policy": "instant"})
        while len(self.messages) < state["messages"]:
            verb, words, headers, text = self.read()
            if verb in ("MSG", "HMSG") and words[2] == b"7":
                self.messages.append((words[1].decode(), headers.decode(), text))
        self.socket.sendall(b"UNSUB 7\r\n")
        return list(self.messages)

    def close(self):
        self.file.close()
        self.socket.close()


class Nats:
    def __init__(self, *args, jetstream=True, **login):
        self.folder = tempfile.mkdtemp(prefix="millrace-nats-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.args = ("-js", "-sd", os.path.join(self.folder, "store"), *args) if jetstream else args
        self.login = login
        self.process = None

    def start(self):
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            [BINARY, "-a", "127.0.0.1", "-p", str(self.port), *self.args], stdout=log, stderr=log)
        log.close()
        harness.wait_until("nats-server", self.answers)
        return self

    def answers(self):
        try:
            self.client().close()
            return True
        except (OSError, IndexError):
            return False

    def client(self):
        return Client(self.port, **self.login)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
