#!/usr/bin/env python3
"""Many keys and tenants.

Question: how long does a start take with N keys and M tenants, and what does a keyed request cost then
beside one of a server that has a handful? Budget: start <= 1 s; look-up flat (within the noise).

    bench/keys.py [--keys 100000] [--tenants 10000] [--rounds 5] [--seconds 4]

Keys are made over HTTP, sixteen at a time: with fsync that takes minutes.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bench_common as common


def serve(data):
    began = time.monotonic()
    process = subprocess.Popen(
        [common.MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0", "--data", data],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=common.clean_environment())
    ready = json.loads(process.stdout.readline())
    return process, ready["http"], (time.monotonic() - began) * 1000


def first_key(data):
    done = subprocess.run([common.MILLRACE, "key", "create", "--bootstrap", "--data", data, "--output", "json"],
                          capture_output=True, env=common.clean_environment(), check=True)
    return json.loads(done.stdout)["key"]


class Client:
    def __init__(self, address, key):
        self.connection = http.client.HTTPConnection(address)
        self.key = key

    def ask(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"X-API-Key": self.key, "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, (method, path, answer.status, text[:300])
        return json.loads(text)


def fill(address, admin, keys, tenants):
    """Each worker makes its part; the keys are spread over the tenants."""
    workers = 16
    names = [f"t{n:06d}" for n in range(tenants)]

    def make_tenants(part):
        client = Client(address, admin)
        for name in names[part::workers]:
            client.ask("POST", "/v2/tenants", {"id": name})

    def make_keys(part):
        client = Client(address, admin)
        sample = None
        for n in range(part, keys, workers):
            made = client.ask("POST", "/v2/keys", {"tenantId": names[n % tenants], "role": "publisher", "name": f"k{n}"})
            sample = sample or made["key"]
        return sample

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(make_tenants, range(workers)))
        return [key for key in pool.map(make_keys, range(workers)) if key]


def requests_a_second(address, keys, seconds):
    """Single requests by turns with different keys: the reader's memory of the last ones does not help."""
    client = Client(address, keys[0])
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        client.key = keys[count % len(keys)]
        client.ask("GET", "/v2/me")
        count += 1
    return count / seconds


def measure(data, keys, tenants, rounds, seconds):
    admin = first_key(data)
    process, address, _ = serve(data)
    try:
        began = time.monotonic()
        sample = fill(address, admin, keys, tenants)
        print(f"made {keys} keys and {tenants} tenants in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        common.end(process)
    starts = []
    for _ in range(rounds):
        process, address, took_ms = serve(data)
        starts.append(took_ms)
        if len(starts) < rounds:
            common.end(process)
    try:
        rate = requests_a_second(address, sample, seconds)
    finally:
        common.end(process)
    return statistics.median(starts), rate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    options = parser.parse_args()
    for keys, tenants in ((16, 4), (options.keys, options.tenants)):
        with tempfile.TemporaryDirectory(prefix="millrace-keys-") as folder:
            start_ms, rate = measure(os.path.join(folder, "data"), keys, tenants, options.rounds, options.seconds)
        print(f"{keys} keys, {tenants} tenants: start {start_ms:.0f} ms, {rate:.0f} keyed requests/s", flush=True)


if __name__ == "__main__":
    main()
