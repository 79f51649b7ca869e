"""Certificates for tests, made with the openssl program; and clients that speak TLS."""
import json
import os
import socket
import ssl
import subprocess


def openssl(*args, data=b"", check=True, seconds=30):
    done = subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=seconds)
    assert not check or done.returncode == 0, done
    return done


class Authority:
    """Signs certificates; all files live in one folder."""

    def __init__(self, folder, name="root"):
        self.folder = folder
        self.name = name
        self.file = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.file, "-days", "2", "-subj", f"/CN={name}")

    def issue(self, name, sans, days=2):
        """Two files: the certificate with its chain, and the key."""
        path = os.path.join(self.folder, name)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", path + ".key", "-out", path + ".csr", "-subj", f"/CN={name}")
        with open(path + ".ext", "w") as file:
            file.write(f"subjectAltName={sans}\n")
        openssl("x509", "-req", "-in", path + ".csr", "-CA", self.file, "-CAkey", self.key,
                "-CAcreateserial", "-out", path + ".pem", "-days", str(days),
                "-extfile", path + ".ext")
        return path + ".pem", path + ".key"

    def context(self, pair=None, versions=None):
        """A client's, that trusts this authority; `pair`: what it shows of itself."""
        context = ssl.create_default_context(cafile=self.file)
        if pair:
            context.load_cert_chain(*pair)
        if versions:
            context.minimum_version, context.maximum_version = versions
        return context


class TlsConnection:
    """One connection: requests go out as text, answers come back parsed."""

    def __init__(self, address, context, session=None, name="localhost"):
        host, port = address.rsplit(":", 1)
        raw = socket.create_connection((host, int(port)), timeout=20)
        self.socket = context.wrap_socket(raw, server_hostname=name, session=session)
        self.reader = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method, path, body="", headers=()):
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.send(head + "".join(f"{h}\r\n" for h in headers) + "\r\n" + body)
        return self.answer()

    def answer(self):
        status = self.reader.readline()
        assert status, "the server closed the connection"
        headers = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        body = self.reader.read(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, body

    def line(self):
        line = self.reader.readline()
        return json.loads(line) if line else None

    def close(self):
        self.reader.close()
        self.socket.close()
