#!/usr/bin/env python3
"""How much memory the server keeps idle and of what kind, and whether it stays below what it may take.

Questions: resident memory after the start, split into pages of its own and pages of files (by
/proc/PID/smaps), for the default profile and `edge`; and millions of events with ids of their own,
each handled, in a control group that allows so much (version 1 or 2, where this process may make one;
else by memory.max alone): rate, refusals, the most that was held, whether all were handled and what
`verify` says of the folder. With --unread: clients of event streams that never read, with large events,
beside one that does and somebody who sends.
Budgets: idle 27 MiB, edge 20 MiB; 10 M events in 256 MiB, 2 M in 128 MiB, 1 M with edge in 64 MiB; 1,500
streams that nobody reads, with events of 500 KB, in 256 MiB.
By hand: ten million events take minutes and gigabytes.

    bench/memory.py [--idle] [--bounded EVENTS:MIB[:edge] ...] [--unread CLIENTS:KB:MIB[:edge] ...]
                    [--data-parent /tmp] [--mappings 12]
"""
import argparse
import contextlib
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

BATCH = 1000
SENDERS = 4


def mappings(pid):
    """name -> [resident, of it pages of its own], KiB, summed over the mappings of one name."""
    sums, name = {}, ""
    with open(f"/proc/{pid}/smaps") as file:
        for line in file:
            fields = line.split()
            if "-" in fields[0] and len(fields) >= 5:
                name = fields[5] if len(fields) > 5 else "anonymous"
                row = sums.setdefault(name, [0, 0])
            elif fields[0] == "Rss:":
                row[0] += int(fields[1])
            elif fields[0] == "Anonymous:":  # pages of a file that is still being written are dirty too
                row[1] += int(fields[1])
    return sums


def status_kib(pid, name):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return 0


def show_idle(name, extra, shown):
    with common.millrace(*extra) as ready:
        time.sleep(1.0)
        pid = ready["process"].pid
        sums = mappings(pid)
        resident = sum(r for r, _ in sums.values())
        own = sum(o for _, o in sums.values())
        print(f"{name}: resident {resident / 1024:.1f} MiB, own pages {own / 1024:.1f}, pages of files "
              f"{(resident - own) / 1024:.1f}, most {status_kib(pid, 'VmHWM') / 1024:.1f}, "
              f"{status_kib(pid, 'Threads')} threads")
        for mapping, (r, o) in sorted(sums.items(), key=lambda item: -item[1][0])[:shown]:
            print(f"  {r:8d} KiB, own {o:7d}  {mapping}")


@contextlib.contextmanager
def control_group(mib):
    """A function that puts the calling process into a group of so much memory, and what reads the most
    that it held; (None, None) where no group can be made."""
    for base, limit, most in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
                              ("/sys/fs/cgroup", "memory.max", "memory.peak")):
        folder = os.path.join(base, f"millrace-bench-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError:
            continue
        try:
            with open(os.path.join(folder, limit), "w") as file:
                file.write(str(mib << 20))
        except OSError:
            os.rmdir(folder)
            continue

        def enter():
            with open(os.path.join(folder, "cgroup.procs"), "w") as file:
                file.write(str(os.getpid()))

        def peak():
            with contextlib.suppress(OSError):
                return int(open(os.path.join(folder, most)).read()) >> 20
            return None
        try:
            yield enter, peak
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return
    yield None, None


class Sender(threading.Thread):
    """Batches of events with ids; what is refused is sent again when the server says so."""

    def __init__(self, address, number, batches):
        super().__init__(daemon=True)
        self.address, self.number, self.batches = address, number, batches
        self.refusals = 0
        self.error = None
        with open(common.EVENT_FILE) as file:
            members = json.load(file)
        members["eventId"] = "@"
        self.before, self.after = json.dumps(members, separators=(",", ":")).split('"@"')
        self.pattern = members["pattern"]

    def run(self):
        try:
            for batch in range(self.batches):
                first = (self.number * self.batches + batch) * BATCH
                self.send("\n".join(f'{self.before}"e{first + n}"{self.after}' for n in range(BATCH)))
        except Exception as error:  # told by the main thread
            self.error = error

    def send(self, body):
        connection = getattr(self, "connection", None)
        while True:
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(self.address, timeout=120)
                connection.request("POST", "/v2/events?ids=0", body,
                                   {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                text = answer.read()
            except (ConnectionError, http.client.HTTPException):
                connection = None  # closed with a refusal: the same batch again, ids make it harmless
                self.refusals += 1
                time.sleep(0.1)
                if self.refusals > 10_000:
                    raise
                continue
            if answer.status in (429, 503):
                self.refusals += 1
                connection = None
                time.sleep(float(answer.headers.get("Retry-After", "1")))
                continue
            if answer.status != 202:
                raise RuntimeError(f"{answer.status} {text[:300]!r}")
            # Single entries that found no room are named in the answer; the others are duplicates then.
            if rejected := json.loads(text).get("rejected"):
                self.refusals += len(rejected)
                time.sleep(0.1)
                continue
            self.connection = connection
            return


def start_bounded(folder, mib, profile, enter):
    command = [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "", "--data",
               os.path.join(folder, "data")]
    command += ["--profile", profile] if profile else []
    if enter is None or profile:
        command += ["--set", f"memory.max={mib}MiB"]
    with open(os.path.join(folder, "log"), "wb") as log:
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, preexec_fn=enter,
                                env=common.clean_environment())


def verified(folder):
    done = subprocess.run([common.MILLRACE, "verify", "--data", os.path.join(folder, "data")],
                          env=common.clean_environment(), capture_output=True, text=True)
    return "verify: clean" if done.returncode == 0 else f"verify: {done.returncode} {done.stdout[-300:]}{done.stderr[-300:]}"


def last_of_log(folder):
    with open(os.path.join(folder, "log")) as log:
        return log.read()[-2000:]


def run_unread(clients, kib, mib, profile, parent):
    """Streams that nobody reads; one that is read; one sender."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="millrace-memory-", dir=parent) as folder, \
            control_group(mib) as (enter, peak):
        server = start_bounded(folder, mib, profile, enter)
        asleep = []
        try:
            address = json.loads(server.stdout.readline())["http"]
            host, port = address.rsplit(":", 1)
            text = "x" * (kib << 10)
            sent, longest = 0, 0.0

            def send():
                nonlocal sent, longest
                began = time.monotonic()
                while True:
                    connection = http.client.HTTPConnection(address, timeout=60)
                    connection.request("POST", "/v2/events", json.dumps(
                        {"eventId": f"u{sent}", "pattern": "unread.event", "payload": {"n": sent, "text": text}}),
                        {"Content-Type": "application/json"})
                    status = connection.getresponse().status
                    connection.close()
                    if status == 202:
                        break
                    time.sleep(0.2)
                sent += 1
                longest = max(longest, time.monotonic() - began)

            for _ in range(20):
                send()
            ask = b"GET /v2/events/stream?pattern=unread.event&from=beginning HTTP/1.1\r\nHost: localhost\r\n\r\n"
            # First: of more than 1,024 streams further ones are refused.
            reader = socket.create_connection((host, int(port)), timeout=120)
            reader.sendall(ask)
            for _ in range(clients):
                with contextlib.suppress(OSError):
                    one = socket.create_connection((host, int(port)), timeout=30)
                    one.sendall(ask)
                    asleep.append(one)
            opened = time.monotonic()
            seen, tail = 0, b""
            until = 0.0
            while seen < 40 and server.poll() is None:
                if sent < 40:
                    send()
                piece = reader.recv(1 << 20)
                if not piece:
                    break
                seen += (tail + piece).count(b'"eventId": "u') - tail.count(b'"eventId": "u')
                tail = piece[-16:]
                until = time.monotonic() - opened
            alive = server.poll() is None
            streams = common.metric(address, "millrace_http_connections") if alive else 0
            print(f"{clients:,} streams that nobody reads, {sent} events of {kib} KiB, {mib} MiB"
                  f"{' (' + profile + ')' if profile else ''}: the server "
                  f"{'lives' if alive else 'ended with ' + str(server.returncode)}; {len(asleep):,} connected, a reader had "
                  f"{seen} events after {until:.1f} s, the slowest 202 took {longest:.2f} s; most resident "
                  f"{status_kib(server.pid, 'VmHWM') / 1024:.0f} MiB, most of the group {peak() if peak else '-'} MiB, "
                  f"short of memory {common.metric(address, 'millrace_memory_short_total') if alive else -1:.0f} times, "
                  f"{streams:.0f} connections left", flush=True)
            if not alive:
                print(last_of_log(folder))
        finally:
            for one in asleep:
                one.close()
            common.end(server)
            server.stdout.close()
        print("  " + verified(folder), flush=True)


def run_bounded(events, mib, profile, parent):
    with tempfile.TemporaryDirectory(prefix="millrace-memory-", dir=parent) as folder, \
            control_group(mib) as (enter, peak):
        server = start_bounded(folder, mib, profile, enter)
        try:
            ready = json.loads(server.stdout.readline())
            address = ready["http"]
            senders = [Sender(address, n, events // BATCH // SENDERS) for n in range(SENDERS)]
            script = common.request(address, "POST", "/v2/scripts", {
                "name": "count", "type": "event", "source": "return function(event) return nil end"})["id"]
            common.request(address, "POST", "/v2/subscriptions", {
                "name": "all", "pattern": senders[0].pattern,
                "executor": {"type": "script", "scriptId": script}})
            began = time.monotonic()
            for sender in senders:
                sender.start()
            while any(sender.is_alive() for sender in senders) and server.poll() is None:
                time.sleep(0.2)
            sent = time.monotonic() - began
            if server.poll() is not None:
                print(f"{events:,} events in {mib} MiB: the server ended with {server.returncode}\n"
                      + last_of_log(folder))
                return
            for sender in senders:
                if sender.error:
                    raise sender.error
            wanted = events // BATCH // SENDERS * SENDERS * BATCH
            deadline = time.monotonic() + 600
            while common.metric(address, "script_events_processed_total") < wanted:
                if time.monotonic() > deadline or server.poll() is not None:
                    break
                time.sleep(0.5)
            handled = common.metric(address, "script_events_processed_total")
            print(f"{wanted:,} events in {mib} MiB{' (' + profile + ')' if profile else ''}: "
                  f"{wanted / sent:,.0f}/s, {sum(s.refusals for s in senders)} refusals, "
                  f"{handled:,.0f} handled after {time.monotonic() - began:.0f} s; most resident "
                  f"{status_kib(server.pid, 'VmHWM') / 1024:.0f} MiB, of it now own "
                  f"{status_kib(server.pid, 'RssAnon') / 1024:.0f}, most of the group "
                  f"{peak() if peak else '-'} MiB, short of memory "
                  f"{common.metric(address, 'millrace_memory_short_total'):.0f} times", flush=True)
        finally:
            common.end(server)
            server.stdout.close()
        print("  " + verified(folder), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idle", action="store_true", help="only idle memory")
    parser.add_argument("--bounded", nargs="*", metavar="EVENTS:MIB[:PROFILE]")
    parser.add_argument("--unread", nargs="*", metavar="CLIENTS:KB:MIB[:PROFILE]")
    parser.add_argument("--data-parent", default=None)
    parser.add_argument("--mappings", type=int, default=12, help="so many of the largest are shown")
    options = parser.parse_args()
    if options.idle or (options.bounded is None and options.unread is None):
        show_idle("default", (), options.mappings)
        show_idle("edge", ("--profile", "edge"), options.mappings)
    if options.idle:
        return
    if options.unread is not None:
        for row in options.unread or ["1500:500:256"]:
            clients, kib, mib, profile = (row.split(":") + [""])[:4]
            run_unread(int(clients), int(kib), int(mib), profile, options.data_parent)
        if options.bounded is None:
            return
    for row in options.bounded or ["10000000:256", "2000000:128", "1000000:64:edge"]:
        events, mib, profile = (row.split(":") + [""])[:3]
        run_bounded(int(events), int(mib), profile, options.data_parent)


if __name__ == "__main__":
    main()
