#!/usr/bin/env python3
"""Events a second that three nodes take in, replicated, beside three nats-servers on this machine, and what one server
without a cluster takes in from the same clients.

Question: what does `replicated` cost? NDJSON batches of 1,000 with ids of the server's, a load generator a tenant, each
at another node than the next; the tenants' partitions are wherever the cluster has put them, so that some requests go
on to another node. Clients, nodes and nats-servers share the machine.

    bench/cluster.py [--seconds 8] [--tenants 4] [--connections 2] [--partitions 6] [--batch 1000]
                     [--partition-by tenant|key]
"""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import bench_common as common
import cluster_nodes
import harness


def load(addresses, keys, options):
    """One load generator a key, at the addresses in turn, all at once."""
    running = [subprocess.Popen(
        [common.LOADGEN, "--address", addresses[i % len(addresses)], "--mode", "http-batch", "--connections",
         str(options.connections), "--batch", str(options.batch), "--in-flight", str(options.in_flight),
         "--query", f"?ids=0&apiKey={key}", "--warmup", "2", "--seconds", str(options.seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for i, key in enumerate(keys)]
    said = []
    for one in running:
        out, err = one.communicate()
        if one.returncode != 0:
            raise RuntimeError(out + err)
        said.append(json.loads(out))
    return said


def tell(name, said):
    rate = sum(s["eventsPerSecond"] for s in said)
    worst = max(s["p99us"] for s in said)
    print(f"{name:<44} {rate:>12,.0f} events/s   p99 of a batch {worst / 1000:,.1f} ms", flush=True)
    return rate


def keys_of(ask, tenants):
    admin = ask("POST", "/v2/keys", {"name": "first", "role": "admin"}, None)["key"]
    keys = []
    for i in range(tenants):
        ask("POST", "/v2/tenants", {"id": f"t{i}"}, admin)
        keys.append(ask("POST", "/v2/keys", {"name": f"t{i}", "role": "admin", "tenantId": f"t{i}"}, admin)["key"])
    return keys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--tenants", type=int, default=4)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--in-flight", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=6)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--partition-by", choices=["tenant", "key"], default="tenant",
                        help="key: each node cuts every batch up for all partitions")
    options = parser.parse_args()
    server = harness.Server(["--set", "auth.query_keys=all"], shards=1).start()
    try:
        def ask(method, path, body, key):
            reply = server.request(method, path, body, headers={"X-API-Key": key} if key else None)
            assert reply.status < 300, reply
            return reply.json()
        alone = tell("one server, fsync", load([server.ready["http"]], keys_of(ask, options.tenants), options))
    finally:
        server.close()
    cluster = cluster_nodes.Cluster(partitions=options.partitions, replicas=options.replicas,
                                    partition_by=options.partition_by,
                                    more=["--set", "auth.query_keys=all"])
    try:
        cluster.start().init()
        first = cluster["a"]
        keys = keys_of(lambda method, path, body, key: first.ok(method, path, body, key), options.tenants)
        for key in keys:
            first.ok("POST", "/v2/events", {"pattern": "warm.up"}, key)
        said = load([node.http for node in cluster.nodes.values()], keys, options)
        rate = tell("three nodes, replicated", said)
        print(f"of the one server's: {rate / alone:.2f}")
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
