#!/usr/bin/env python3
"""Many schedules: how late they are, and what the others cost the one that is due.

Question: by the ledger, how late are schedules when there are 1,000,000 of them, all due within a minute; is a
due time dearer when there are more of them (the same 1,000 a second, beside few and beside all); what do they
cost while nothing is due, how long do they take to make, and how long to start with? Unit: ms, us of CPU, s, MiB.
Budget: p99 <= 20 ms; the same CPU a due time whatever their number; a start with 1,000,000 in 4 s of CPU.

    bench/schedules.py [--schedules 1000000] [--minute 60] [--rate 1000] [--seconds 15] [--data FOLDER]

By hand: with 1,000,000 it takes some ten minutes and 3 GiB. They are made by POST /v2/schedules/bulk.
"""
import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common

FAR = {"cron": "0 0 1 1 *"}


class Server:
    def __init__(self, data):
        self.data = data
        self.start()

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0", "--data", self.data],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=common.clean_environment())
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server did not start")
        self.start_seconds = time.monotonic() - began
        host, port = json.loads(line)["http"].rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=120)

    def stop(self):
        self.connection.close()
        common.end(self.process)
        self.process.stdout.close()

    def call(self, method, path, body=None):
        self.connection.request(method, path, None if body is None else json.dumps(body),
                                {"Content-Type": "application/json"} if body is not None else {})
        reply = self.connection.getresponse()
        data = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]}")
        return json.loads(data)

    def make(self, schedules):
        """Returns how many a second."""
        began = time.monotonic()
        for at in range(0, len(schedules), 1000):
            made = self.call("POST", "/v2/schedules/bulk", {"schedules": schedules[at:at + 1000]})
            if made["rejected"]:
                raise RuntimeError(str(made["rejected"][0]))
        return len(schedules) / (time.monotonic() - began)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_of_threads(self):
        """By name: what each thread has used, in s."""
        out = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{task}/comm") as file:
                    name = file.read().strip()
                with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as file:
                    out[name] = out.get(name, 0) + int(file.read().split()[0]) / 1e9
            except OSError:
                pass
        return out

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS:"))

    def lateness(self, ids, most=2000):
        late, missing = [], 0
        for schedule_id in ids[::max(1, len(ids) // most)]:
            rows = self.call("GET", f"/v2/schedules/{schedule_id}/runs")["items"]
            late += [row["lateMs"] for row in rows if row["status"] == "fired"]
            missing += not rows
        late.sort()
        return late, missing


def at_text(moment):
    seconds = int(moment)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(moment % 1 * 1e6):06}Z"


def due(prefix, count, first, rate):
    return [{"id": f"{prefix}-{i}", "at": at_text(first + i / rate), "event": {"pattern": "bench.due"}}
            for i in range(count)]


def percentiles(late):
    at = lambda share: late[min(len(late) - 1, int(len(late) * share))]
    return f"p50 {at(0.5)} ms, p99 {at(0.99)} ms, max {late[-1]} ms"


def idle(server, seconds):
    before = server.cpu_seconds()
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds * 100


def one_rate(server, prefix, options):
    """So many a second, whatever else there is."""
    count = int(options.rate * options.seconds)
    first = time.time() + 5 + count / 20_000
    schedules = due(prefix, count, first, options.rate)
    server.make(schedules)
    if time.time() > first - 1:
        raise RuntimeError("making them took too long: lower --rate or --seconds")
    time.sleep(first - 1 - time.time())
    before, threads = server.cpu_seconds(), server.cpu_of_threads()
    time.sleep(options.seconds + 2)
    used = server.cpu_seconds() - before
    after = server.cpu_of_threads()
    late, missing = server.lateness([s["id"] for s in schedules])
    by_thread = {name: round((after[name] - threads.get(name, 0)) / count * 1e6, 1) for name in after}
    busiest = dict(sorted(by_thread.items(), key=lambda item: -item[1])[:6])
    print(f"  {options.rate:,.0f} due a second: {percentiles(late)}; {used / count * 1e6:.0f} us of CPU each "
          f"{busiest}" + (f"; {missing} MISSING" if missing else ""), flush=True)


def all_in_a_minute(server, count, options):
    first = time.time() + 30 + count / 8_000
    schedules = due("all", count, first, count / options.minute)
    rate = server.make(schedules)
    print(f"made {count:,}: {rate:,.0f}/s; {server.resident_mib():,.0f} MiB resident", flush=True)
    if time.time() > first - 2:
        raise RuntimeError("making them took too long: fewer of them")
    time.sleep(first - 2 - time.time())
    before = server.cpu_seconds()
    time.sleep(options.minute + 7)
    used = server.cpu_seconds() - before
    late, missing = server.lateness([s["id"] for s in schedules])
    print(f"{count:,} due within {options.minute} s: {percentiles(late)}; {used / count * 1e6:.0f} us of CPU each"
          + (f"; {missing} of the sample MISSING" if missing else ""), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1_000_000)
    parser.add_argument("--minute", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--data", help="where; a temporary folder unless said")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="millrace-schedules-", dir=options.data) as folder:
        server = Server(os.path.join(folder, "data"))
        try:
            print("beside none:", flush=True)
            one_rate(server, "few", options)
            far = [{"id": f"far-{i}", **FAR, "event": {"pattern": "bench.far"}} for i in range(options.schedules)]
            print(f"made {len(far):,} that are not due: {server.make(far):,.0f}/s; "
                  f"{server.resident_mib():,.0f} MiB resident", flush=True)
            print(f"beside {len(far):,}:", flush=True)
            one_rate(server, "many", options)
            print(f"  nothing due: {idle(server, 10):.1f} % of a core", flush=True)
            server.stop()
            server.start()
            print(f"start with them: {server.start_seconds:.1f} s, {server.cpu_seconds():.1f} s of CPU, "
                  f"{server.resident_mib():,.0f} MiB resident", flush=True)
            all_in_a_minute(server, options.schedules, options)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
