"""A mosquitto of Debian's, started here on a port of its own with a folder of its own, and the shortest client that can
publish to it. What it has in memory alone it loses when it is killed: it writes its sessions down when it is told to
(SIGUSR1), every `autosave_interval` and when it ends by itself."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import harness
from mqtt_peer import packet, text

BINARY = os.environ.get("MILLRACE_MOSQUITTO") or shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")


class Client:
    def __init__(self, port, name="test"):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(packet(0x10, text(b"MQTT") + b"\5\2" + struct.pack(">H", 60) + b"\0" + text(name.encode())))
        kind, body = self.read()
        if kind != 2 or body[1] != 0:
            raise OSError(f"refused: {body}")
        self.room = 200  # messages under way
        self.qos = 1

    def read(self):
        first = self.file.read(1)
        if not first:
            raise OSError("closed")
        length, shift = 0, 0
        while True:
            byte = self.file.read(1)
            if not byte:
                raise OSError("closed")
            length |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80:
                break
        return first[0] >> 4, self.file.read(length)

    def publish(self, topic, *payloads, qos=1):
        """Until the broker has answered for all of them."""
        begun = done = 0
        while done < len(payloads):
            burst = b""
            while begun < len(payloads) and begun - done < self.room:
                id = struct.pack(">H", begun % 60_000 + 1)
                burst += packet(0x30 | qos << 1, text(topic.encode()) + id + b"\0" + payloads[begun])
                begun += 1
            if burst:
                self.socket.sendall(burst)
            kind, body = self.read()
            if kind == 5:
                self.socket.sendall(packet(0x62, body[:2]))
            elif kind in (4, 7):
                done += 1

    def subscribe(self, filter, qos=1):
        self.socket.sendall(packet(0x82, b"\0\1\0" + text(filter.encode()) + bytes([qos])))
        kind, body = self.read()
        if kind != 9 or body[-1] >= 0x80:
            raise OSError(f"refused: {body}")
        self.qos = qos

    def messages(self, count):
        """So many of QoS 1, or 2, as (topic, payload)."""
        out = []
        while len(out) < count:
            kind, body = self.read()
            if kind == 6:
                self.socket.sendall(packet(0x70, body[:2]))
            if kind != 3:
                continue
            bytes_, = struct.unpack_from(">H", body)
            self.socket.sendall(packet(0x50 if self.qos == 2 else 0x40, body[2 + bytes_:4 + bytes_]))
            out.append((body[2:2 + bytes_].decode(), body[5 + bytes_ + body[4 + bytes_]:]))
        return out

    def close(self):
        self.file.close()
        self.socket.close()


class Mosquitto:
    def __init__(self, *lines):
        self.folder = tempfile.mkdtemp(prefix="millrace-mosquitto-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None
        with open(self.folder + "/conf", "w", encoding="utf-8") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
                       f"persistence_location {self.folder}/\nautosave_interval 1\nmax_queued_messages 0\n"
                       "max_inflight_messages 1000\nlog_dest none\nset_tcp_nodelay true\n"
                       + ("user root\n" if os.geteuid() == 0 else "") + "".join(line + "\n" for line in lines))

    def start(self):
        self.process = subprocess.Popen([BINARY, "-c", self.folder + "/conf"], stderr=subprocess.DEVNULL)
        harness.wait_until("mosquitto to listen", self.listens)
        return self

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def client(self, name="test"):
        return Client(self.port, name)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """It writes down what it has."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)
