#!/usr/bin/env python3
"""Goal: whatever is killed, stopped or started again of three nodes and three nats-servers, nothing that was
acknowledged is missing, every event counts once, each key's events are handled in their order, and in the end all
copies have one history.
Method: senders of several tenants with a ledger of their own; every few seconds one of: a node killed with all its
processes, a node stopped for a while (as a virtual machine is), a partition's process killed, a nats-server killed, a
partition moved. What was harmed is there again before the next. Takes as long as it is told.

    tests/e2e/cluster_torture.py --minutes 5 [--seed N]
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

import cluster_nodes
import harness

TENANTS = ["acme", "globex", "initech", "umbrella"]
COUNT = """
return function(event, ctx)
    sdk.kv.incr("count")
    local key = "last:" .. event.partitionKey
    local last = sdk.kv.get(key) or -1
    if event.payload.n <= last then sdk.kv.incr("disorder") end
    sdk.kv.set(key, event.payload.n)
end
"""
READ = """
return function(event, ctx)
    return { count = sdk.kv.get("count") or 0, disorder = sdk.kv.get("disorder") or 0 }
end
"""


class Endless(cluster_nodes.Sender):
    def __init__(self, nodes, key, tenant):
        super().__init__(nodes, key, tenant, [])
        self.next = 0
        self.gaps = []

    def run(self):
        try:
            while not self.ended.is_set():
                batch = [{"eventId": f"{self.name}-{n}", "pattern": "github.push", "partitionKey": f"k{n % 17}",
                          "payload": {"n": n}} for n in range(self.next, self.next + 40)]
                begun = time.monotonic()
                self.send(batch)
                if time.monotonic() - begun > 1:
                    self.gaps.append(time.monotonic() - begun)
                if batch[0]["eventId"] in self.acked:
                    self.next += len(batch)
        except Exception as error:  # told in the end
            self.failures.append(repr(error))


class Torture:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.cluster = cluster_nodes.Cluster(more=["--set", "cluster.ack=" + options.ack])
        self.done = {}

    def begin(self):
        self.cluster.start().init()
        first = self.cluster["a"]
        admin = first.ok("POST", "/v2/keys", {"name": "first", "role": "admin"})["key"]
        for node in self.cluster.nodes.values():
            node.api_key = admin
        self.keys = {}
        for tenant in TENANTS:
            first.ok("POST", "/v2/tenants", {"id": tenant})
            key = first.ok("POST", "/v2/keys", {"name": tenant, "role": "admin", "tenantId": tenant})["key"]
            self.keys[tenant] = key
            first.ok("POST", "/v2/scripts", {"id": "count", "name": "count", "type": "event", "source": COUNT}, key)
            first.ok("POST", "/v2/scripts", {"id": "read", "name": "read", "type": "api", "source": READ}, key)
            first.ok("POST", "/v2/subscriptions", {"id": "count", "name": "count", "pattern": "github.push",
                                                   "executor": {"type": "script", "scriptId": "count"}}, key)

    # ---- what is done to it
    def kill_node(self):
        node = self.random.choice(list(self.cluster.nodes.values()))
        node.kill()
        time.sleep(self.random.uniform(0, 12))
        node.start()
        return node.name

    def stop_node(self):
        node = self.random.choice(list(self.cluster.nodes.values()))
        node.pause()
        time.sleep(self.random.uniform(0.5, 12))
        node.go_on()
        return node.name

    def kill_process(self):
        node = self.random.choice(list(self.cluster.nodes.values()))
        children = subprocess.run(["pgrep", "-P", str(node.process.pid)], capture_output=True, text=True).stdout.split()
        if children:
            os.kill(int(self.random.choice(children)), signal.SIGKILL)
        return node.name

    def kill_nats(self):
        member = self.random.choice(self.cluster.nats.members)
        member.kill()
        time.sleep(self.random.uniform(0, 10))
        member.start()
        return member.name

    def move(self):
        view = self.cluster.view()
        partition = self.random.choice(view["partitions"])
        to = self.random.choice(sorted(self.cluster.nodes))
        self.cluster["a"].request("POST", f"/v2/cluster/partitions/{partition['partition']}/move", {"to": to})
        return f"{partition['partition']} to {to}"

    def run(self):
        self.begin()
        senders = [Endless(self.cluster.nodes.values(), self.keys[t], t) for t in TENANTS]
        for sender in senders:
            sender.start()
        until = time.monotonic() + self.options.minutes * 60
        while time.monotonic() < until:
            harm = self.random.choice([self.kill_node, self.stop_node, self.kill_process, self.kill_nats, self.move])
            name = harm.__name__
            what = harm()
            self.done[name] = self.done.get(name, 0) + 1
            try:
                self.cluster.wait_ready(seconds=90)
            except AssertionError as error:
                raise AssertionError(f"after {name} {what}: {error}")
            print(f"{name} {what}: {sum(len(s.acked) for s in senders)} acknowledged", flush=True)
            time.sleep(self.random.uniform(0.5, 4))
        for sender in senders:
            sender.ended.set()
            sender.join()
        self.judge(senders)

    def judge(self, senders):
        failures = [f for s in senders for f in s.failures]
        for tenant, sender in zip(TENANTS, senders):
            # The batch that was on its way in the end is settled: it is sent once more.
            last = [{"eventId": f"{tenant}-{n}", "pattern": "github.push", "partitionKey": f"k{n % 17}",
                     "payload": {"n": n}} for n in range(sender.next, sender.next + 40)]
            sender.ended.clear()
            sender.send(last)
            want = len(sender.acked)

            def read():
                reply = self.cluster["a"].request("POST", "/v2/script/run", {"scriptId": "read", "query": {}, "body": {}},
                                                  self.keys[tenant])
                return reply.json()["result"] if reply.status == 200 else None
            try:
                harness.wait_until(f"{tenant} to have counted {want}", lambda: (read() or {}).get("count", 0) >= want, 120)
            except AssertionError as error:
                failures.append(str(error))
            got = read()
            if got != {"count": want, "disorder": 0}:
                failures.append(f"{tenant}: {got}, acknowledged {want}")
            missing = [i for i in list(sender.acked)[::211]
                       if self.cluster["a"].request("GET", f"/v2/events/{i}", key=self.keys[tenant]).status != 200]
            if missing:
                failures.append(f"{tenant}: missing {missing[:5]}")
        verified = self.cluster["a"].cli("cluster", "verify", "--seconds", "60")
        print(verified.stdout, flush=True)
        if verified.returncode != 0:
            failures.append("verify: " + verified.stdout + verified.stderr)
        gaps = sorted(g for s in senders for g in s.gaps)
        print(f"{self.done}; {sum(len(s.acked) for s in senders)} acknowledged; batches that took longer than 1 s: "
              f"{len(gaps)}, the longest {gaps[-1] if gaps else 0:.1f} s", flush=True)
        if failures:
            raise AssertionError("\n".join(failures))
        print("nothing is missing, nothing counts twice, each key in its order, one history")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--ack", default="replicated", choices=["replicated", "replicated-fsync"])
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    torture = Torture(options)
    try:
        torture.run()
    except AssertionError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        torture.cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
