#!/usr/bin/env python3
"""Events a second that one partition takes in, replicated: three nats-servers, an owner and two standbys, all on this
machine, NDJSON batches of 1,000 with ids of the server's, straight to the owner's process; and one server alone with
the same clients, in turns with it.

Question: what does `replicated` cost where nothing but the partition is in the way? In events a second, and in
microseconds of a core an event (which a busy machine moves less), of owner, standbys and nats-servers each.

    bench/partition.py [--seconds 5] [--rounds 3] [--connections 4] [--standbys 2]
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import bench_common as common
import harness
import nats_cluster
from partition_host import Host, make_seal_key


def cpu_seconds(pids):
    """Of processes, all threads."""
    total = 0.0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rsplit(")", 1)[1].split()
        total += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    return total


def load(address, options):
    out = subprocess.run([common.LOADGEN, "--address", address, "--mode", "http-batch", "--connections",
                          str(options.connections), "--batch", "1000", "--query", "?ids=0", "--warmup", "1",
                          "--seconds", str(options.seconds)], capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(out.stdout + out.stderr)
    return json.loads(out.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--standbys", type=int, default=2)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="millrace-bench-partition-")
    nats = nats_cluster.NatsCluster().start()
    alone = harness.Server(shards=1)
    hosts = []
    try:
        nats.create("MR-t-P07", "mr.t.p.07", log_bytes=4 << 30)
        key = make_seal_key(folder)
        hosts = [Host(folder, name, nats.urls(), key).start() for name in "abc"[:1 + options.standbys]]
        for host in hosts:
            host.wait_role("standby")
        hosts[0].own()
        alone.start()
        said = {"replicated": [], "alone": []}
        for _ in range(options.rounds):
            for name, address in (("replicated", hosts[0].status["http"]), ("alone", alone.ready["http"])):
                groups = {"owner": [hosts[0].process.pid], "standbys": [h.process.pid for h in hosts[1:]],
                          "nats": [m.process.pid for m in nats.members]}
                if name == "alone":
                    groups = {"server": [alone.process.pid]}
                before = {group: cpu_seconds(pids) for group, pids in groups.items()}
                one = load(address, options)
                one["cpuUsPerEvent"] = {group: round((cpu_seconds(pids) - before[group]) * 1e6 / one["eventsAll"], 2)
                                        for group, pids in groups.items()}
                said[name].append(one)
                print(f"{name}: {json.dumps(one)}")
            print("lag of the standbys: %s messages" % [h.status["appended"] - h.status["applied"] for h in hosts[1:]])
        for name, all_of in said.items():
            rates = [r["eventsPerSecond"] for r in all_of]
            print(f"{name}: median {statistics.median(rates):,.0f} events/s ({min(rates):,.0f} to {max(rates):,.0f})")
    finally:
        for host in hosts:
            host.kill()
        if alone.process:
            alone.kill()
        nats.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
