"""A client for HTTP/2 and gRPC that sends exactly what it is told, also what no client should: frames by hand,
headers as literals. It reads what a server may answer: HPACK without a dynamic table (which it asks for)."""
import socket
import struct
import time

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 0, 1, 7, 8, 11

# RFC 7541, appendix A: what a server of gRPC says by number.
STATIC = {7: (":path", ""), 8: (":status", "200"), 9: (":status", "204"), 10: (":status", "206"), 11: (":status", "304"),
          12: (":status", "400"), 13: (":status", "404"), 14: (":status", "500"), 31: ("content-type", "")}
# Appendix B: the length of each symbol's code; codes are given out by length, then by symbol.
LENGTHS = {0: 13, 92: 19}
for length, symbols in ((5, "012aceiost"), (6, " %-./3456789=A_bdfghlmnpru"), (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
                        (8, "&*,;XZ"), (10, '!"()?'), (11, "'+|"), (12, "#>"), (13, "$@[]~"), (14, "^}"), (15, "<`{")):
    LENGTHS.update({ord(symbol): length for symbol in symbols})
CODES = {}
_code, _length = 0, 5
for _symbol, _bits in sorted(LENGTHS.items(), key=lambda item: (item[1], item[0])):
    _code <<= _bits - _length
    _length = _bits
    CODES[(_bits, _code)] = _symbol
    _code += 1


def huffman(data):
    out, code, bits = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, bits = code << 1 | byte >> shift & 1, bits + 1
            symbol = CODES.get((bits, code))
            if symbol is not None:
                out.append(symbol)
                code = bits = 0
    assert bits < 8 and code == (1 << bits) - 1, "no Huffman code that is known here"
    return bytes(out)


def number(data, at, prefix):
    mask = (1 << prefix) - 1
    value = data[at] & mask
    at += 1
    if value < mask:
        return value, at
    shift = 0
    while True:
        value += (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def text(data, at):
    size, begin = number(data, at, 7)
    raw = data[begin:begin + size]
    return (huffman(raw) if data[at] & 128 else bytes(raw)).decode(), begin + size


def decode_headers(data):
    out, at = [], 0
    while at < len(data):
        first = data[at]
        if first & 128:
            index, at = number(data, at, 7)
            out.append(STATIC[index])
            continue
        if first & 224 == 32:  # the table's size
            _, at = number(data, at, 5)
            continue
        index, at = number(data, at, 6 if first & 64 else 4)
        if index:
            name = STATIC[index][0]
        else:
            name, at = text(data, at)
        value, at = text(data, at)
        out.append((name, value))
    return dict(out)


def encode_headers(fields):
    out = bytearray()
    for name, value in fields:
        out.append(0)  # literal, never indexed by us
        for part in (name.encode(), value.encode()):
            size = len(part)
            if size < 127:
                out.append(size)
            else:
                out.append(127)
                size -= 127
                while size >= 128:
                    out.append(size & 127 | 128)
                    size >>= 7
                out.append(size)
            out += part
    return bytes(out)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def message(data, compressed=0):
    return bytes([compressed]) + struct.pack(">I", len(data)) + data


class Closed(Exception):
    pass


class Connection:
    """window: what each stream may send us unasked; gives_room: whether more is granted as it comes."""

    def __init__(self, server, window=65535, gives_room=True, wrap=None, seconds=30):
        self.socket = socket.create_connection((server.host, server.port), timeout=seconds)
        if wrap:
            self.socket = wrap(self.socket)
        self.authority = f"{server.host}:{server.port}"
        self.gives_room = gives_room
        self.buffer = b""
        self.last = -1
        self.calls = {}
        self.settings = {}
        self.goaway = None  # (last stream, error, words)
        self.pongs = 0
        self.room = 65535   # what we may send, of the connection
        settings = struct.pack(">HIHI", 1, 0, 4, window)
        self.send(PREFACE + frame(SETTINGS, payload=settings) + frame(WINDOW, payload=struct.pack(">I", 1 << 24)))

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def read_frame(self):
        while True:
            if len(self.buffer) >= 9:
                size = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + size:
                    kind, flags = self.buffer[3], self.buffer[4]
                    stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
                    payload = self.buffer[9:9 + size]
                    self.buffer = self.buffer[9 + size:]
                    return kind, flags, stream, payload
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed()
            self.buffer += data

    def step(self):
        """Takes one frame in; Closed at the end."""
        kind, flags, stream, payload = self.read_frame()
        call = self.calls.get(stream)
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                key, value = struct.unpack_from(">HI", payload, at)
                self.settings[key] = value
            self.send(frame(SETTINGS, ACK))
        elif kind == PING:
            if flags & ACK:
                self.pongs += 1
            else:
                self.send(frame(PING, ACK, payload=payload))
        elif kind == GOAWAY:
            last, error = struct.unpack_from(">II", payload)
            self.goaway = (last, error, payload[8:].decode())
        elif kind == WINDOW:
            more = struct.unpack(">I", payload)[0]
            if stream == 0:
                self.room += more
            elif call:
                call.room += more
        elif kind == HEADERS and call:
            assert flags & END_HEADERS
            fields = decode_headers(payload)
            if call.headers is None:
                call.headers = fields
            if flags & END_STREAM:
                call.trailers = fields
                call.done = True
        elif kind == DATA and call:
            call.take(payload)
            call.done |= bool(flags & END_STREAM)
            if payload and self.gives_room:
                grant = struct.pack(">I", len(payload))
                self.send(frame(WINDOW, stream=stream, payload=grant) + frame(WINDOW, payload=grant))
        elif kind == RST and call:
            call.reset = struct.unpack(">I", payload)[0]
            call.done = True

    def until(self, what, check, seconds=30):
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
            self.step()

    def until_closed(self):
        try:
            while True:
                self.step()
        except Closed:
            return self.goaway

    def ping(self):
        """Everything before it has been taken in."""
        want = self.pongs + 1
        self.send(frame(PING, payload=b"12345678"))
        self.until("a PING's answer", lambda: self.pongs >= want)

    def head(self, path, fields=(), kind="application/grpc", method="POST"):
        return encode_headers([(":method", method), (":scheme", "http"), (":path", path), (":authority", self.authority),
                               ("content-type", kind), ("te", "trailers"), *fields])

    def call(self, path, fields=(), messages=None, end=True, **options):
        """A call, with its messages where there are some; `end`: and nothing behind them."""
        self.last += 2
        call = self.calls[self.last] = Call(self, self.last)
        flags = END_HEADERS | (END_STREAM if messages is None and end else 0)
        self.send(frame(HEADERS, flags, self.last, self.head(path, fields, **options)))
        if messages is not None:
            for data in messages:
                call.say(data)
            if end:
                call.end()
        return call


class Call:
    def __init__(self, connection, stream):
        self.connection, self.stream = connection, stream
        self.headers = self.trailers = self.reset = None
        self.done = False
        self.data = b""
        self.messages = []
        self.room = connection.settings.get(4, 65535)

    def take(self, payload):
        self.data += payload
        while len(self.data) >= 5:
            size = int.from_bytes(self.data[1:5], "big")
            if len(self.data) < 5 + size:
                return
            self.messages.append(self.data[5:5 + size])
            self.data = self.data[5 + size:]

    def raw(self, data, flags=0):
        """In frames of 16 KiB, whatever room there is."""
        for at in range(0, max(len(data), 1), 16384):
            part = data[at:at + 16384]
            last = at + 16384 >= len(data)
            self.connection.send(frame(DATA, flags if last else 0, self.stream, part))
            self.room -= len(part)
            self.connection.room -= len(part)

    def say(self, data, compressed=0):
        self.raw(message(data, compressed))

    def end(self):
        self.connection.send(frame(DATA, END_STREAM, self.stream))

    def cancel(self, error=CANCEL):
        self.connection.send(frame(RST, stream=self.stream, payload=struct.pack(">I", error)))

    def next(self, seconds=30):
        """The next message; None at the call's end."""
        self.connection.until("a message", lambda: self.messages or self.done, seconds)
        return self.messages.pop(0) if self.messages else None

    def begun(self):
        self.connection.until("an answer's head", lambda: self.headers is not None or self.done)
        return self

    def status(self, seconds=30):
        """(grpc-status, grpc-message) of its end; the reset's code where it was reset before."""
        self.connection.until("the call's end", lambda: self.done, seconds)
        if self.trailers is None:
            return ("reset", self.reset)
        return int(self.trailers["grpc-status"]), self.trailers.get("grpc-message", "")


# ---- protobuf, by numbers

def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def pb(*fields):
    """Of (number, value): whole numbers, texts, bytes."""
    out = b""
    for key, value in fields:
        if isinstance(value, int):
            out += varint(key << 3) + varint(value)
            continue
        data = value.encode() if isinstance(value, str) else value
        out += varint(key << 3 | 2) + varint(len(data)) + data
    return out


def unpb(data):
    """{number: [values]}: whole numbers and bytes."""
    out, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        tag = read()
        if tag & 7 == 0:
            out.setdefault(tag >> 3, []).append(read())
        else:
            assert tag & 7 == 2, tag
            size = read()
            out.setdefault(tag >> 3, []).append(data[at:at + size])
            at += size
    return out
