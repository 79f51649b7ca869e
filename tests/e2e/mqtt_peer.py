"""A broker of MQTT 5 for tests: sessions that outlive connections, QoS 1 both ways, nothing on a disk. What is not
acknowledged comes again, marked so, when its session does."""
import collections
import socket
import struct
import threading


def varint(number):
    out = b""
    while True:
        low, number = number & 0x7F, number >> 7
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def packet(first, body):
    return bytes([first]) + varint(len(body)) + body


def text(value):
    return struct.pack(">H", len(value)) + value


def matches(filter, topic):
    levels, parts = filter.split("/"), topic.split("/")
    for i, level in enumerate(levels):
        if level == "#":
            return True
        if i >= len(parts) or level not in ("+", parts[i]):
            return False
    return len(levels) == len(parts)


class Session:
    def __init__(self):
        self.filters = set()
        self.waiting = collections.deque()
        self.unacked = collections.OrderedDict()  # packet id: (topic, payload, times sent)
        self.last_id = 0
        self.room = 65535
        self.connection = None

    def push(self):
        while self.connection and self.waiting and len(self.unacked) < self.room:
            topic, payload = self.waiting.popleft()
            while True:
                self.last_id = self.last_id % 65535 + 1
                if self.last_id not in self.unacked:
                    break
            self.unacked[self.last_id] = (topic, payload)
            self.send(self.last_id, False)

    def send(self, id, again):
        topic, payload = self.unacked[id]
        try:
            self.connection.sendall(packet(0x32 | (8 if again else 0),
                                           text(topic.encode()) + struct.pack(">H", id) + b"\0" + payload))
        except OSError:
            self.connection = None


class Broker:
    """`received`: what clients have published; `most_unacked`: of a session, at any time; `again`: sent once more."""

    def __init__(self, room=None):
        self.lock = threading.RLock()
        self.sessions = {}
        self.received = []
        self.again = 0
        self.connections = []
        self.room = room
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        session = None
        try:
            file = connection.makefile("rb")
            while True:
                first = file.read(1)
                if not first:
                    return
                length, shift = 0, 0
                while True:
                    byte = file.read(1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                body = file.read(length)
                with self.lock:
                    session = self.take(connection, session, first[0], body)
        except (OSError, IndexError, struct.error):
            pass
        finally:
            with self.lock:
                if session and session.connection is connection:
                    session.connection = None
            connection.close()

    def take(self, connection, session, first, body):
        kind = first >> 4
        if kind == 1:
            return self.let_in(connection, body)
        if kind == 8:
            id, = struct.unpack_from(">H", body)
            at = 3 + body[2]
            bytes_, = struct.unpack_from(">H", body, at)
            session.filters.add(body[at + 2:at + 2 + bytes_].decode())
            connection.sendall(packet(0x90, struct.pack(">H", id) + b"\0\1"))
            for id in list(session.unacked):
                self.again += 1
                session.send(id, True)
            session.push()
        elif kind == 4:
            session.unacked.pop(struct.unpack_from(">H", body)[0], None)
            session.push()
        elif kind == 3:
            bytes_, = struct.unpack_from(">H", body)
            topic, rest = body[2:2 + bytes_].decode(), body[2 + bytes_:]
            if first & 6:
                connection.sendall(packet(0x40, rest[:2]))
                rest = rest[2:]
            self.received.append((topic, rest[1 + rest[0]:]))
        elif kind == 12:
            connection.sendall(b"\xd0\0")
        return session

    def let_in(self, connection, body):
        clean, at = body[7] & 2, 10
        room, end = 65535, at + 1 + body[at]
        at += 1
        while at < end:
            size = {0x11: 4, 0x21: 2}[body[at]]
            if body[at] == 0x21:
                room, = struct.unpack_from(">H", body, at + 1)
            at += 1 + size
        bytes_, = struct.unpack_from(">H", body, at)
        name = body[at + 2:at + 2 + bytes_].decode()
        known = name in self.sessions and not clean
        if not known:
            self.sessions[name] = Session()
        session = self.sessions[name]
        if session.connection:
            session.connection.close()
        session.connection, session.room = connection, room
        properties = b"" if self.room is None else b"\x21" + struct.pack(">H", self.room)
        connection.sendall(packet(0x20, bytes([1 if known else 0, 0]) + varint(len(properties)) + properties))
        return session

    def publish(self, topic, *payloads):
        with self.lock:
            for session in self.sessions.values():
                if any(matches(filter, topic) for filter in session.filters):
                    session.waiting.extend((topic, payload) for payload in payloads)
                    session.push()

    def unacked(self):
        with self.lock:
            return sum(len(s.unacked) + len(s.waiting) for s in self.sessions.values())

    def forget(self):
        """As a broker that keeps nothing, started anew."""
        with self.lock:
            self.sessions.clear()
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # whoever waits in accept() holds it open
        except OSError:
            pass
        self.listener.close()
        self.forget()
