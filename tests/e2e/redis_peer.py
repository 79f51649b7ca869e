"""A Redis of Debian's, started here on a port of its own, and the shortest client that can talk to it."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import harness

BINARY = shutil.which("redis-server")


class Error(Exception):
    pass


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")

    @staticmethod
    def bytes_of(words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        return b"".join(out)

    def call(self, *words):
        return self.many([words])[0]

    def many(self, commands):
        self.socket.sendall(b"".join(self.bytes_of(c) for c in commands))
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line:
            raise OSError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Error(rest.decode())
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        count = int(rest)
        if count < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(count)]
        text = self.file.read(count + 2)[:-2]
        return text.decode(errors="replace")

    def close(self):
        self.file.close()
        self.socket.close()


class Redis:
    def __init__(self, *args):
        self.folder = tempfile.mkdtemp(prefix="millrace-redis-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.args = args
        self.process = None

    # What it has answered outlives it: with everysec it also answers while a slow sync holds up
    # the write, and a kill takes that.
    def start(self):
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
             "--appendonly", "yes", "--appendfsync", "always", *self.args], stdout=log, stderr=log)
        log.close()
        harness.wait_until("redis", self.answers)
        return self

    def answers(self):
        try:
            client = Client(self.port)
        except OSError:
            return False
        try:
            client.call("PING")
            return True
        except Error as error:  # LOADING, or it wants a password
            return "NOAUTH" in str(error)
        except OSError:
            return False
        finally:
            client.close()

    def client(self):
        return Client(self.port)

    def call(self, *words):
        client = self.client()
        try:
            return client.call(*words)
        finally:
            client.close()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
