#!/usr/bin/env python3
"""What handlers cost on the whole server, and what reaching outside does.

Question: events a second through a handler that reads two fields, increments a key or emits an event, from
the first one sent to the last one handled, all durable, and how many a core of its lane makes; signed
webhooks a second to a receiver on this machine (nginx where it is installed, else one of our own in Python,
which is the slower side), commands a second, CPU and memory of an await that is parked; how far a dead and
a slow receiver beside move the others' p99; and how long the neighbours of a handler that is stopped wait
beyond its own time. Budget, two cores, client and receiver included: 5 M/s a core for two fields, 1 M/s for
an increment, 500,000/s for an emit; 15,000 webhooks/s, 500 commands/s, 50 us and 16 KiB an await; 10 % of
the p99; 50 ms.

    bench/outside.py [--what handlers,webhooks,neighbours,commands,awaits,kills] [--events 60000] [--folder /tmp]
"""
import argparse
import contextlib
import datetime
import json
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
        began, cpu = time.monotonic(), common.cpu_seconds(ready["pid"])
        send(ready["http"], "hook", options.events)
        settled(ready, "script_events_processed_total", options.events, {"event_type": "hook", "status": "completed"})
        took = time.monotonic() - began
        cpu = common.cpu_seconds(ready["pid"]) - cpu
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
            memory, cpu = memory_bytes(ready["pid"]), common.cpu_seconds(ready["pid"])
            began = time.monotonic()
            for part in range(10):
                send(ready["http"], f"park{part}", count // 10)
            time.sleep(ms / 1000 * 0.6)
            most = memory_bytes(ready["pid"]) - memory
            # Nobody asks before they have ended: an answer costs the server as much as many awaits.
            time.sleep(max(0.0, began + ms / 1000 + 3 - time.monotonic()))
            for part in range(10):
                settled(ready, "script_events_processed_total", count // 10, {"event_type": f"park{part}"})
            cost[wait] = (most, common.cpu_seconds(ready["pid"]) - cpu)
    print(f"awaits, {count:,} parked on one lane: {(cost[ms][0] - cost[0][0]) / count / 1024:.1f} KiB and "
          f"{(cost[ms][1] - cost[0][1]) / count * 1e6:.1f} us of CPU each")


def lane_seconds(pid):
    """CPU of the lanes' threads."""
    total = 0.0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/stat") as file:
                name, rest = file.read().split("(", 1)[1].rsplit(") ", 1)
            if name.startswith("lane"):
                fields = rest.split()
                total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


HANDLERS = {
    "two fields": "return function(e) local p = e.payload return p.amount > 1e9 and p.currency == 'ZZZ' end",
    "one increment": "return function(e) sdk.kv.incr('n') end",
    "one emit": "return function(e) sdk.events.emit('seen', {n = 1}) end",
}


def handlers(options):
    """Batches by the load generator: the client is no Python."""
    count = options.events * 20
    for name, source in HANDLERS.items():
        with common.millrace(folder=options.folder) as ready:
            script = common.request(ready["http"], "POST", "/v2/scripts", {"name": "h", "type": "event", "source": source})["id"]
            subscribe(ready, "svc00.invoice.created", {"type": "script", "scriptId": script})
            began, lane = time.monotonic(), lane_seconds(ready["pid"])
            common.load(ready["http"], "http-batch", batch=1000, connections=4, warmup=0, patterns=1, events=count,
                        seconds=120)
            sent = time.monotonic() - began
            settled(ready, "script_events_processed_total", count,
                    {"event_type": "svc00.invoice.created", "status": "completed"})
            took, lane = time.monotonic() - began, lane_seconds(ready["pid"]) - lane
        print(f"handler, {name}: {count / took:,.0f}/s (taken in at {count / sent:,.0f}/s), "
              f"{count / max(lane, 0.01):,.0f}/s a core of its lane, {lane / count * 1e9:.0f} ns each", flush=True)


class Timed(ThreadingHTTPServer):
    """Answers each POST after `wait` seconds; keeps how long it took to get there."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, wait=0.0):
        self.took = []
        timed = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                timed.took.append(time.time() - json.loads(body)["data"]["sent"])
                if wait:
                    time.sleep(wait)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *args):
        pass


def p99(values):
    return sorted(values)[int(len(values) * 0.99)] if values else float("nan")


def neighbours(options, rounds=5, seconds=4, rate=200):
    """One receiver alone, and the same beside one that refuses connections and one that answers after 5 s."""
    figures = {False: [], True: []}
    for _ in range(rounds):
        for beside in figures:
            good, slow = Timed(), Timed(wait=5)
            with common.millrace("--set", "http_client.allow=127.0.0.1", folder=options.folder) as ready:
                subscribe(ready, "good", {"type": "webhook", "url": good.url})
                subscribe(ready, "dead", {"type": "webhook", "url": f"http://127.0.0.1:{common.free_port()}/"})
                subscribe(ready, "slow", {"type": "webhook", "url": slow.url})
                began = time.monotonic()
                for n in range(int(seconds * rate)):
                    time.sleep(max(0.0, began + n / rate - time.monotonic()))
                    events = [{"pattern": "good", "payload": {"sent": time.time()}}]
                    if beside:
                        events += [{"pattern": p, "payload": {"sent": time.time()}} for p in ("dead", "slow")]
                    common.request(ready["http"], "POST", "/v2/events", events)
                settled(ready, "script_events_processed_total", seconds * rate, {"event_type": "good", "status": "completed"})
            figures[beside].append(p99(good.took[rate:]))  # the first second warms up
            for server in (good, slow):
                server.shutdown()
                server.server_close()
    alone, beside = common.median(figures[False]), common.median(figures[True])
    print(f"webhooks, one receiver at {rate}/s: p99 {alone * 1e3:.2f} ms alone, {beside * 1e3:.2f} ms beside a dead and a "
          f"slow one: {beside / alone - 1:+.1%} (rounds: {', '.join(f'{b / a - 1:+.0%}' for a, b in zip(*figures.values()))})",
          flush=True)


def micros(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6


def kills(options, seconds=5, rate=200, own_ms=20):
    """How long deliveries wait that come while a handler beside is stopped, all on one lane."""
    waits = {}
    for stopped in (False, True):
        with common.millrace("--lanes", "1", folder=options.folder) as ready:
            def script(source, **members):
                return common.request(ready["http"], "POST", "/v2/scripts",
                                      {"name": "k", "type": "event", "source": source, **members})["id"]
            subscribe(ready, "beside", {"type": "script", "scriptId": script("return function(e) return e.payload.n end")})
            subscribe(ready, "loops", {"type": "script", "scriptId": script("return function() while true do end end",
                                                                           timeoutMs=own_ms)})
            began, ids = time.monotonic(), {}
            for n in range(seconds * rate):
                time.sleep(max(0.0, began + n / rate - time.monotonic()))
                events = [{"pattern": "beside", "payload": {"n": n}}]
                if stopped and n % 50 == 25:
                    events.insert(0, {"pattern": "loops", "payload": {}})
                answer = common.request(ready["http"], "POST", "/v2/events", events)
                ids[answer["events"][-1]["eventId"]] = time.time() * 1e6
            settled(ready, "script_events_processed_total", seconds * rate, {"event_type": "beside", "status": "completed"})
            cursor, found = "", []
            subscription = next(s["id"] for s in common.request(ready["http"], "GET", "/v2/subscriptions")["items"]
                                if s["name"] == "beside")
            while cursor is not None:
                page = common.request(ready["http"], "GET", f"/v2/executions?limit=1000&subscriptionId={subscription}"
                                      + (f"&cursor={cursor}" if cursor else ""))
                for one in page["items"]:
                    found.append((micros(one["attempts"][0]["at"]) - ids[one["eventId"]]) / 1e3)
                cursor = page["next"]
            waits[stopped] = max(found)
    print(f"a handler that is stopped after {own_ms} ms, ten times: its neighbours wait at most {waits[True]:.1f} ms, "
          f"{waits[True] - own_ms:.1f} ms of it beyond its time; without it {waits[False]:.1f} ms", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", default="handlers,webhooks,neighbours,commands,awaits,kills")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--folder")
    options = parser.parse_args()
    for name in options.what.split(","):
        {"handlers": handlers, "webhooks": webhooks, "neighbours": neighbours, "commands": commands,
         "awaits": awaits, "kills": kills}[name](options)


if __name__ == "__main__":
    main()
