#!/usr/bin/env python3
"""What does TLS cost? Single POSTs over kept connections, beside the same without TLS, alternating
(goal: 0.7 of it or more); new handshakes a second beside nginx with the same certificate; memory of
idle connections (goal: 200 MiB for 20,000, plain and TLS); and what clients with slow heads, slow
bodies and unread answers do to the p99 of others (goal: less than twice).

usage: bench/tls.py [--parts keep-alive,handshakes,idle,slow] [--rounds 5] [--seconds 5]
                    [--connections 64] [--idle 20000] [--slow 500]
nginx comes with `tools/setup bench`; without it its column stays empty."""
import argparse
import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time

from bench_common import LOADGEN, end, free_port, millrace, wait_for_port


def make_certificate(folder):
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=localhost"], check=True, capture_output=True)
    return cert, key


def load(address, *options):
    done = subprocess.run([LOADGEN, "--address", address, "--mode", "http-single", *options],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"loadgen failed: {done.stdout} {done.stderr}")
    return json.loads(done.stdout)


def keep_alive(options, secure):
    common = ["--connections", str(options.connections), "--seconds", str(options.seconds)]
    runs = {"plain": [], "tls": []}
    with millrace() as plain, millrace(*secure) as tls:
        for _ in range(options.rounds):
            for name, server, more in (("plain", plain, ()), ("tls", tls, ("--tls",))):
                runs[name].append(load(server["http"], *common, *more, "--server-pid",
                                       str(server["process"].pid)))
    plain, tls = (statistics.median(run["eventsPerSecond"] for run in runs[k])
                  for k in ("plain", "tls"))
    print(f"single POSTs, {options.connections} connections: plain {plain:,.0f}/s, "
          f"TLS {tls:,.0f}/s, {tls / plain:.2f} of it")
    for side in ("server", "client"):
        spent = [statistics.median(run[side + "CpuSeconds"] / max(1, run["events"]) * 1e6
                                   for run in runs[k]) for k in ("plain", "tls")]
        print(f"CPU of the {side} for one: plain {spent[0]:.1f} us, TLS {spent[1]:.1f} us, "
              f"{spent[0] / spent[1]:.2f} of its pace")


def handshakes_a_second(port, seconds):
    """openssl's own client, new sessions only; what it counts is real time."""
    done = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time",
                           str(seconds)], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if "connections in" in line and "real seconds" in line:
            return int(line.split()[0]) / seconds
    raise RuntimeError(f"openssl s_time said nothing: {done.stdout} {done.stderr}")


def start_nginx(folder, cert, key):
    port = free_port()
    path = os.path.join(folder, "nginx.conf")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(path, "w") as file:
        file.write(f"daemon off; worker_processes 1; pid {folder}/nginx.pid; "
                   f"error_log {folder}/error.log; events {{ worker_connections 4096; }} "
                   f"http {{ access_log off; {temporary} server {{ "
                   f"listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; "
                   f"ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; "
                   f"location / {{ return 202; }} }} }}\n")
    process = subprocess.Popen(["nginx", "-c", path, "-p", folder, "-e", f"{folder}/error.log"])
    wait_for_port(port)
    return process, port


def handshakes(options, secure, folder, cert, key):
    nginx, nginx_port = (start_nginx(folder, cert, key) if shutil.which("nginx")
                         else (None, None))
    ours, theirs = [], []
    try:
        with millrace("--shards", "1", *secure) as server:
            port = int(server["http"].rsplit(":", 1)[1])
            for _ in range(options.rounds):
                ours.append(handshakes_a_second(port, options.seconds))
                if nginx:
                    theirs.append(handshakes_a_second(nginx_port, options.seconds))
    finally:
        if nginx:
            end(nginx)
    text = f"new handshakes: {statistics.median(ours):,.0f}/s"
    if theirs:
        text += (f", nginx {statistics.median(theirs):,.0f}/s, "
                 f"{statistics.median(ours) / statistics.median(theirs):.2f} of it")
    print(text)


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def hold_idle(address, count, context):
    host, port = address.rsplit(":", 1)
    held = []
    for i in range(count):
        # Each source address has so many ports to one place.
        raw = socket.create_connection((host, int(port)), timeout=30,
                                       source_address=(f"127.0.{i // 20000 + 1}.1", 0))
        if context:
            raw = context.wrap_socket(raw)
        held.append(raw)
    return held


def idle(options, secure):
    import resource
    limit = options.idle + 4096
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < limit:
        print(f"idle connections: the limit of open files, {hard}, is below {limit}")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, extra, client in (("plain", (), None), ("TLS", secure, context)):
        with millrace("--shards", "1", "--set", f"http.connections_max={options.idle + 100}",
                      "--set", "http.idle_timeout=1h", *extra) as server:
            pid = server["process"].pid
            hold_idle(server["http"], 200, client)
            before = resident_bytes(pid)
            held = hold_idle(server["http"], options.idle, client)
            time.sleep(2)
            used = resident_bytes(pid) - before
            print(f"{len(held):,} idle connections, {name}: {used / 2**20:.0f} MiB, "
                  f"{used / len(held):,.0f} bytes each")
            for one in held:
                one.close()


class SlowClients:
    """So many clients of one kind, each at its slow work until it is stopped."""

    HEAD = b"POST /v2/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"

    def __init__(self, address, kind, count, context):
        host, port = address.rsplit(":", 1)
        self.kind = kind
        self.stop = threading.Event()
        self.sockets = []
        for _ in range(count):
            raw = socket.create_connection((host, int(port)), timeout=30)
            if kind == "unread":
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            if context:
                raw = context.wrap_socket(raw)
            if kind == "body":
                raw.sendall(self.HEAD + b"Content-Length: 100000\r\n\r\n")
            elif kind == "unread":
                raw.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            self.sockets.append(raw)
        self.thread = threading.Thread(target=self.drip, daemon=True)
        self.thread.start()

    def drip(self):
        piece = {"head": self.HEAD, "body": b" " * 4096, "unread": b""}[self.kind]
        for at in range(len(piece)):
            for one in self.sockets:
                try:
                    one.sendall(piece[at:at + 1])
                except OSError:
                    pass  # the server has had enough of it
            if self.stop.wait(1):
                return

    def close(self):
        self.stop.set()
        self.thread.join(30)
        for one in self.sockets:
            one.close()


def slow(options, secure):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, extra, client, flag in (("plain", (), None, ()), ("TLS", secure, context, ("--tls",))):
        with millrace(*extra) as server:
            common = ["--connections", "16", "--rate", "5000", "--seconds", str(options.seconds),
                      *flag]
            alone = load(server["http"], *common)["p99us"]
            for kind in ("head", "body", "unread"):
                clients = SlowClients(server["http"], kind, options.slow, client)
                try:
                    beside = load(server["http"], *common)["p99us"]
                finally:
                    clients.close()
                print(f"p99 beside {options.slow} clients with a slow {kind}, {name}: "
                      f"{beside:g} us, alone {alone:g} us, {beside / alone:.2f} times")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", default="keep-alive,handshakes,idle,slow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--idle", type=int, default=20_000)
    parser.add_argument("--slow", type=int, default=500)
    options = parser.parse_args()
    parts = options.parts.split(",")
    folder = tempfile.mkdtemp(prefix="millrace-tls-bench-")
    try:
        cert, key = make_certificate(folder)
        secure = ("--set", f"tls.cert={cert}", "--set", f"tls.key={key}")
        if "keep-alive" in parts:
            keep_alive(options, secure)
        if "handshakes" in parts:
            handshakes(options, secure, folder, cert, key)
        if "idle" in parts:
            idle(options, secure)
        if "slow" in parts:
            slow(options, secure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
