"""Debian's rabbitmq-server, started here on ports of its own, and the shortest client that can talk to it."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import harness

BINARY = os.environ.get("MILLRACE_RABBITMQ_SERVER") or "/usr/lib/rabbitmq/bin/rabbitmq-server"
BINARY = BINARY if os.path.exists(BINARY) else None
EPMD = shutil.which("epmd")  # Erlang's directory of nodes: one of our own, which ends with us

# (class, method)
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41)
CLOSE, CLOSE_OK, CHANNEL_OPEN, CHANNEL_CLOSE = (10, 50), (10, 51), (20, 10), (20, 40)
EXCHANGE_DECLARE, QUEUE_DECLARE, QUEUE_BIND, QUEUE_PURGE, QUEUE_DELETE = (40, 10), (50, 10), (50, 20), (50, 30), (50, 40)
QOS, CONSUME, PUBLISH, DELIVER, GET, GET_OK, GET_EMPTY = (60, 10), (60, 20), (60, 40), (60, 60), (60, 70), (60, 71), (60, 72)
ACK, CONFIRM_SELECT = (60, 80), (85, 10)
# A message's properties: the flag, and how it is written.
PROPERTIES = (("content_type", 15, "s"), ("content_encoding", 14, "s"), ("headers", 13, "F"), ("delivery_mode", 12, "b"),
              ("priority", 11, "b"), ("correlation_id", 10, "s"), ("reply_to", 9, "s"), ("expiration", 8, "s"),
              ("message_id", 7, "s"), ("timestamp", 6, "q"), ("type", 5, "s"), ("user_id", 4, "s"), ("app_id", 3, "s"))


def short(text):
    text = text.encode() if isinstance(text, str) else text
    return bytes([len(text)]) + text


def long(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(text)) + text


def table(entries):
    """Texts and numbers."""
    return long(b"".join(short(k) + (b"S" + long(v) if isinstance(v, str) else b"I" + struct.pack(">i", v))
                         for k, v in entries.items()))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def short(self):
        return self.take(self.number("B")).decode()

    def value(self):
        kind = self.take(1)
        if kind == b"S":
            return self.take(self.number("I")).decode()
        return self.number({b"I": "i", b"t": "?", b"l": "q", b"T": "Q", b"b": "b", b"s": "h"}[kind])

    def table(self):
        inner, out = Reader(self.take(self.number("I"))), {}
        while inner.at < len(inner.data):
            key = inner.short()
            out[key] = inner.value()
        return out


class Client:
    def __init__(self, port, user="guest", password="guest"):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.published = 0
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(START)
        self.method(0, START_OK, table({}) + short("PLAIN") + long(f"\0{user}\0{password}") + short("en_US"))
        self.expect(TUNE)
        self.method(0, TUNE_OK, struct.pack(">HIH", 8, 131072, 0))
        self.call(0, OPEN, short("/") + b"\0\0", OPEN_OK)
        self.call(1, CHANNEL_OPEN, short(""))
        self.call(1, CONFIRM_SELECT, b"\0")

    def frame(self, kind, channel, body):
        return struct.pack(">BHI", kind, channel, len(body)) + body + b"\xce"

    def method(self, channel, what, body):
        self.socket.sendall(self.frame(1, channel, struct.pack(">HH", *what) + body))

    def read(self):
        """The next frame: (kind, method or None, Reader)."""
        head = self.file.read(7)
        if len(head) < 7:
            raise OSError("closed")
        kind, _, size = struct.unpack(">BHI", head)
        body = Reader(self.file.read(size + 1)[:-1])
        what = (body.number("H"), body.number("H")) if kind == 1 else None
        if what in (CLOSE, CHANNEL_CLOSE):
            raise OSError(f"{body.number('H')} {body.short()}")
        return kind, what, body

    def expect(self, *whats):
        while True:
            kind, what, body = self.read()
            if kind == 1 and what in whats:
                return what, body

    def call(self, channel, what, body, answer=None):
        self.method(channel, what, body)
        return self.expect(answer or (what[0], what[1] + 1))[1]

    def declare(self, queue, **arguments):
        self.call(1, QUEUE_DECLARE, b"\0\0" + short(queue) + b"\x02" + table(arguments))  # durable

    def length(self, queue):
        body = self.call(1, QUEUE_DECLARE, b"\0\0" + short(queue) + b"\x01" + table({}))  # passive
        body.short()
        return body.number("I")

    def delete(self, queue):
        self.call(1, QUEUE_DELETE, b"\0\0" + short(queue) + b"\0")

    def exchange(self, name, kind="topic"):
        self.call(1, EXCHANGE_DECLARE, b"\0\0" + short(name) + short(kind) + b"\x02" + table({}))

    def bind(self, queue, exchange, key):
        self.call(1, QUEUE_BIND, b"\0\0" + short(queue) + short(exchange) + short(key) + b"\0" + table({}))

    @staticmethod
    def header(size, properties):
        flags, values = 0, b""
        for name, bit, form in PROPERTIES:
            if name not in properties:
                continue
            flags |= 1 << bit
            value = properties[name]
            values += {"s": short, "F": table, "b": lambda v: bytes([v]),
                       "q": lambda v: struct.pack(">Q", v)}[form](value)
        return struct.pack(">HHQH", 60, 0, size, flags) + values

    def add(self, key, messages, exchange=""):
        """Texts, or (text, properties); all confirmed."""
        out = []
        for one in messages:
            text, properties = one if isinstance(one, tuple) else (one, {})
            text = text.encode() if isinstance(text, str) else text
            out.append(self.frame(1, 1, struct.pack(">HHH", *PUBLISH, 0) + short(exchange) + short(key) + b"\0"))
            out.append(self.frame(2, 1, self.header(len(text), {"delivery_mode": 2, **properties})))
            out += [self.frame(3, 1, text[at:at + 100_000]) for at in range(0, len(text), 100_000)]
        self.socket.sendall(b"".join(out))
        # The broker confirms them in any order.
        left = set(range(self.published + 1, self.published + len(messages) + 1))
        self.published += len(messages)
        while left:
            body = self.expect(ACK)[1]
            tag, several = body.number("Q"), body.number("B")
            left = {t for t in left if t > tag} if several else left - {tag}

    def take_all(self, queue):
        """What is in it, as (text, properties), and it is empty."""
        out = []
        while True:
            self.method(1, GET, b"\0\0" + short(queue) + b"\x01")  # no acknowledgement
            what, _ = self.expect(GET_OK, GET_EMPTY)
            if what == GET_EMPTY:
                return out
            out.append(self.content())

    def hold(self, queue):
        """Takes one and does not acknowledge it."""
        self.method(1, GET, b"\0\0" + short(queue) + b"\0")
        self.expect(GET_OK)
        return self.content()

    def consume(self, queue, count):
        """So many, acknowledged: quicker than take_all."""
        self.call(1, CONSUME, b"\0\0" + short(queue) + short("") + b"\x02" + table({}))  # no acknowledgement
        out = []
        while len(out) < count:
            kind, what, _ = self.read()
            if kind == 1 and what == DELIVER:
                out.append(self.content())
        return out

    def content(self):
        _, _, body = self.read()
        body.take(4)
        size, flags, properties, text = body.number("Q"), body.number("H"), {}, b""
        for name, bit, form in PROPERTIES:
            if flags & 1 << bit:
                properties[name] = {"s": body.short, "F": body.table, "b": lambda: body.number("B"),
                                    "q": lambda: body.number("Q")}[form]()
        while len(text) < size:
            text += self.read()[2].data
        return text, properties

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Rabbit:
    def __init__(self, *lines):
        self.folder = tempfile.mkdtemp(prefix="millrace-rabbit-")
        self.port, self.epmd_port, self.dist_port = free_port(), free_port(), free_port()
        self.process = self.epmd = None
        with open(os.path.join(self.folder, "rabbitmq.conf"), "w", encoding="utf-8") as conf:
            conf.write("\n".join((f"listeners.tcp.1 = 127.0.0.1:{self.port}", "disk_free_limit.absolute = 50MB",
                                  "log.console = false", *lines, "")))
        self.env = {**os.environ, "HOME": self.folder, "ERL_EPMD_PORT": str(self.epmd_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
                    "RUNNING_UNDER_SYSTEMD": "1", "RABBITMQ_NODENAME": f"millrace{self.port}@localhost",
                    "RABBITMQ_DIST_PORT": str(self.dist_port), "RABBITMQ_MNESIA_BASE": self.folder + "/mnesia",
                    "RABBITMQ_LOG_BASE": self.folder + "/log", "RABBITMQ_CONFIG_FILE": self.folder + "/rabbitmq.conf",
                    "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder + "/plugins", "RABBITMQ_PID_FILE": self.folder + "/pid",
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"}

    def start(self):
        if not self.epmd:
            self.epmd = subprocess.Popen([EPMD, "-port", str(self.epmd_port), "-address", "127.0.0.1"])
        log = open(os.path.join(self.folder, "out"), "ab")
        self.process = subprocess.Popen([BINARY], stdout=log, stderr=log, env=self.env, cwd=self.folder)
        log.close()
        harness.wait_until("rabbitmq-server", lambda: self.process.poll() is not None or self.answers(), 300)
        assert self.process.poll() is None, "rabbitmq-server has ended"
        return self

    def answers(self):
        try:
            self.client().close()
            return True
        except (OSError, struct.error, IndexError):
            return False

    def client(self):
        return Client(self.port)

    def control(self, *words):
        return subprocess.run([os.path.join(os.path.dirname(BINARY), "rabbitmqctl"), *words], env=self.env,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True).stdout.decode()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        for process in (self.process, self.epmd):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
