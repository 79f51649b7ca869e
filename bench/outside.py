#!/usr/bin/env python3
"""What reaching outside costs: webhooks, commands, awaits.

Question: signed webhooks a second to a receiver on this machine (nginx where it is installed, else one
of our own in Python, which is the slower side), commands a second, and CPU and memory of an await that is
parked; each from the first event to the last delivery. Budget, two cores, client and receiver included:
15,000 webhooks/s, 500 commands/s, 50 us and 16 KiB an await.

    bench/outside.py [--what webhooks,commands,awaits] [--events 60000] [--folder /tmp]
"""
import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def receiver():
    """Answers every POST with 204. Yields its port and what it is."""
    if not shutil.which("nginx"):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], "python"
        server.shutdown()
        return
    port = common.free_port()
    folder = tempfile.mkdtemp(prefix="millrace-nginx-")
    with open(os.path.join(folder, "conf"), "w") as conf:
        conf.write(f"daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1;"
                   "events { worker_connections 1024; } http { access_log off; keepalive_requests 1000000;"
                   f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
                   f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;"
                   f"server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }} }}")
    process = subprocess.Popen(["nginx", "-p", folder, "-c", os.path.join(folder, "conf")])
    try:
        common.wait_for_port(port)
        yield port, "nginx"
    finally:
        common.end(process)
        shutil.rmtree(folder, ignore_errors=True)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def send(http, pattern, count, batch=1000):
    for begin in range(0, count, batch):
        common.request(http, "POST", "/v2/events", [
            {"pattern": pattern, "payload": {"n": n, "text": "x" * 100}} for n in range(begin, min(begin + batch, count))])


def metric(ready, name, labels):
    total = 0.0
    for line in common.request(ready["http"], "GET", "/metrics").decode().splitlines():
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def settled(ready, name, count, labels, seconds=300):
    deadline = time.monotonic() + seconds
    while (seen := metric(ready, name, labels)) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} stays at {seen} of {count}")
        time.sleep(0.02)


def subscribe(ready, pattern, executor):
    common.request(ready["http"], "POST", "/v2/subscriptions", {
        "name": pattern, "pattern": pattern, "executor": executor, "retry": {"maxRetries": 0}})


def webhooks(options):
    with receiver() as (port, kind), common.millrace(
            "--set", "http_client.allow=127.0.0.1", "--set", "executors.webhook.limit=256",
            folder=options.folder) as ready:
        subscribe(ready, "hook", {"type": "webhook", "url": f"http://127.0.0.1:{port}/", "concurrency": 64})
        began, cpu = time.monotonic(), cpu_seconds(ready["pid"])
        send(ready["http"], "hook", options.events)
        settled(ready, "script_events_processed_total", options.events, {"event_type": "hook", "status": "completed"})
        took = time.monotonic() - began
        cpu = cpu_seconds(ready["pid"]) - cpu
    print(f"webhooks, signed, to {kind}: {options.events / took:,.0f}/s, {cpu / options.events * 1e6:.1f} us of CPU each")


def commands(options):
    count = max(options.events // 30, 500)
    with common.millrace("--set", "executors.command.allow=/bin/true", folder=options.folder) as ready:
        subscribe(ready, "run", {"type": "command", "command": "/bin/true"})
        began = time.monotonic()
        send(ready["http"], "run", count)
        settled(ready, "script_events_processed_total", count, {"event_type": "run", "status": "completed"})
        print(f"commands: {count / (time.monotonic() - began):,.0f}/s")


def awaits(options, count=10_000, ms=8_000):
    """Parked on one lane: what they cost beside the same handler without the wait."""
    source = "return function(e) local n = e.payload.n sdk.sleep(%d) return n end"
    cost = {}
    for wait in (0, ms):
        with common.millrace("--lanes", "1", folder=options.folder) as ready:
            script = common.request(ready["http"], "POST", "/v2/scripts", {
                "name": "a", "type": "event", "source": source % wait})["id"]
            for part in range(10):  # 1,000 of a subscription wait at a time
                subscribe(ready, f"park{part}", {"type": "script", "scriptId": script})
            send(ready["http"], "park0", 1)
            settled(ready, "script_events_processed_total", 1, {"event_type": "park0"}, 60)
            memory, cpu = memory_bytes(ready["pid"]), cpu_seconds(ready["pid"])
            for part in range(10):
                send(ready["http"], f"park{part}", count // 10)
            time.sleep(ms / 1000 * 0.6)
            most = memory_bytes(ready["pid"]) - memory
            for part in range(10):
                settled(ready, "script_events_processed_total", count // 10, {"event_type": f"park{part}"})
            cost[wait] = (most, cpu_seconds(ready["pid"]) - cpu)
    print(f"awaits, {count:,} parked on one lane: {(cost[ms][0] - cost[0][0]) / count / 1024:.1f} KiB and "
          f"{(cost[ms][1] - cost[0][1]) / count * 1e6:.1f} us of CPU each")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", default="webhooks,commands,awaits")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--folder")
    options = parser.parse_args()
    for name in options.what.split(","):
        {"webhooks": webhooks, "commands": commands, "awaits": awaits}[name](options)


if __name__ == "__main__":
    main()
