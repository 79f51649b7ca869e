#!/usr/bin/env python3
"""Goal: whatever is killed, stopped or started again of three nodes and three nats-servers, nothing that was
acknowledged is missing, every event counts once, each key's events are handled in their order, and in the end all
copies have one history.
Method: senders of several tenants with a ledger of their own; every few seconds one of: a node killed with all its
processes, or two; a node stopped for a while (as a virtual machine is), or ended and started; a partition's process
killed; a nats-server killed, or two (then none leads), or one along with a node; a partition moved, a node drained. What
was harmed is there again before the next. In the end every event is looked for in the log. With --by key each batch is
cut up among all partitions, and each event makes a handler emit one with another key, which crosses to that key's
partition and is counted there. Takes as long as it is told.

    tests/e2e/cluster_torture.py --minutes 5 [--seed N] [--pause 0] [--by key]
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
    sdk.events.emit("passed.on", {n = event.payload.n}, {partitionKey = "t" .. event.payload.n % 11})
end
"""
PASSED = "return function(event, ctx) sdk.kv.incr('passed') end"


class Endless(cluster_nodes.Sender):
    """One tenant's events for as long as it is told, numbered: what is below `next` was acknowledged."""

    def __init__(self, nodes, key, tenant, pause):
        super().__init__(nodes, key, tenant, [])
        self.next, self.pause = 0, pause
        self.waits = []  # (from, to) of batches that took more than half a second

    def next_batch(self):
        return [{"eventId": f"{self.name}-{n}", "pattern": "github.push", "partitionKey": f"k{n % 17}",
                 "payload": {"n": n}} for n in range(self.next, self.next + 40)]

    def run(self):
        try:
            while not self.ended.is_set():
                begun = time.monotonic()
                self.send(self.next_batch())
                ended = time.monotonic()
                if ended - begun > 0.5:
                    self.waits.append((begun, ended))
                self.next += len(self.acked)
                self.acked.clear()
                time.sleep(self.pause)
        except Exception as error:  # told in the end
            self.failures.append(repr(error))


class Torture:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.cluster = cluster_nodes.Cluster(partition_by=options.by, more=["--set", "cluster.ack=" + options.ack])
        self.done = {}
        self.waits = {}      # by what was done: the longest wait of a client
        self.takeovers = []  # seconds from a node's death until others own all

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
            for name, source, pattern in (("count", COUNT, "github.push"), ("passed", PASSED, "passed.on")):
                first.ok("POST", "/v2/scripts", {"id": name, "name": name, "type": "event", "source": source}, key)
                first.ok("POST", "/v2/subscriptions", {"id": name, "name": name, "pattern": pattern,
                                                       "executor": {"type": "script", "scriptId": name}}, key)

    # ---- what is done to it
    def any_node(self):
        return self.random.choice(list(self.cluster.nodes.values()))

    def owners(self, of):
        """As one that lives and is not this one sees them."""
        node = next(n for n in self.cluster.nodes.values() if n.process and n is not of)
        try:
            return [p["owner"] for p in node.request("GET", "/v2/cluster").json()["partitions"]]
        except (OSError, KeyError, ValueError):
            return [None]

    def owning_node(self):
        """One that has something to lose: whoever comes back owns nothing for a while."""
        owners = [o for o in self.owners(None) if o]
        return self.cluster[self.random.choice(owners)] if owners else self.any_node()

    def kill_node(self):
        node = self.owning_node()
        owned = node.name in self.owners(node)
        node.kill()
        at = time.monotonic()
        until = at + self.random.choice([0, 1, 4, 12])
        while time.monotonic() < until:
            if owned and not {None, node.name} & set(self.owners(node)):
                self.takeovers.append(time.monotonic() - at)
                break
            time.sleep(0.05)
        node.start()
        return node.name

    def kill_two_nodes(self):
        two = self.random.sample(list(self.cluster.nodes.values()), 2)
        for node in two:
            node.kill()
        time.sleep(self.random.uniform(0, 8))
        for node in two:
            node.start()
        return "".join(n.name for n in two)

    def stop_node(self):
        node = self.owning_node()
        node.pause()
        time.sleep(self.random.uniform(0.5, 12))
        node.go_on()
        return node.name

    def restart_node(self):
        node = self.any_node()
        code = node.stop()
        if code != 0:
            raise AssertionError(f"node {node.name} ended with {code}: {node.log()[-2000:]}")
        node.start()
        return node.name

    def kill_process(self):
        node = self.any_node()
        children = subprocess.run(["pgrep", "-P", str(node.process.pid)], capture_output=True, text=True).stdout.split()
        if children:
            os.kill(int(self.random.choice(children)), signal.SIGKILL)
        return node.name

    def kill_nats(self, count=1):
        members = self.random.sample(self.cluster.nats.members, count)
        for member in members:
            member.kill()
        time.sleep(self.random.uniform(0, 10))
        for member in members:
            member.start()
        return "".join(m.name for m in members)

    def kill_two_nats(self):
        return self.kill_nats(2)

    def kill_node_and_nats(self):
        member = self.random.choice(self.cluster.nats.members)
        member.kill()
        node = self.kill_node()
        member.start()
        return node + member.name

    def stop_node_and_kill_nats(self):
        member = self.random.choice(self.cluster.nats.members)
        member.kill()
        node = self.stop_node()
        member.start()
        return node + member.name

    def move(self):
        partition = self.random.choice(self.cluster.view()["partitions"])
        to = self.random.choice(sorted(self.cluster.nodes))
        self.cluster["a"].request("POST", f"/v2/cluster/partitions/{partition['partition']}/move", {"to": to})
        return f"{partition['partition']} to {to}"

    def drain(self):
        node = self.any_node()
        other = next(n for n in self.cluster.nodes.values() if n is not node)
        other.request("POST", f"/v2/cluster/nodes/{node.name}/drain")
        until = time.monotonic() + self.random.uniform(2, 20)
        while time.monotonic() < until and any(p["owner"] == node.name for p in self.cluster.view(other.name)["partitions"]):
            time.sleep(0.1)
        # Until somebody has taken it: nothing may stay drained.
        harness.wait_until("the node to be taken back", lambda: other.request(
            "DELETE", f"/v2/cluster/nodes/{node.name}/drain").status == 202, 60)
        return node.name

    def run(self):
        self.begin()
        senders = [Endless(self.cluster.nodes.values(), self.keys[t], t, self.options.pause) for t in TENANTS]
        for sender in senders:
            sender.start()
        harms = [self.kill_node, self.kill_node, self.kill_two_nodes, self.stop_node, self.restart_node,
                 self.kill_process, self.kill_nats, self.kill_two_nats, self.kill_node_and_nats,
                 self.stop_node_and_kill_nats, self.move, self.move, self.drain]
        until = time.monotonic() + self.options.minutes * 60
        while time.monotonic() < until:
            harm = self.random.choice(harms)
            name = harm.__name__
            begun = time.monotonic()
            what = harm()
            self.done[name] = self.done.get(name, 0) + 1
            try:
                self.cluster.wait_ready(seconds=self.options.patience)
            except AssertionError as error:
                raise AssertionError(f"after {name} {what}: {error}")
            marks = [s.next for s in senders]
            harness.wait_until(f"each tenant's events to go on after {name} {what}", lambda m=marks: all(
                s.next > mark or s.failures for s, mark in zip(senders, m)), self.options.patience)
            time.sleep(self.random.uniform(0.5, 3))
            waits = [to - at for s in senders for at, to in list(s.waits) if to >= begun]
            self.waits.setdefault(name, []).append(max(waits, default=0.0))
            print(f"{name} {what}: {sum(s.next for s in senders)} acknowledged, longest wait "
                  f"{max(waits, default=0):.1f} s", flush=True)
            self.tell_diverged()
            dead = [s.failures for s in senders if s.failures]
            if dead:
                raise AssertionError(str(dead))
        for sender in senders:
            sender.ended.set()
            sender.join()
        self.judge(senders)

    def tell_diverged(self):
        """With the reason, while it is known; `verify` judges in the end."""
        for partition in self.cluster.view()["partitions"]:
            for copy in partition["copies"]:
                if copy["role"] == "diverged":
                    print(f"diverged: {partition['partition']} on {copy['node']}: {copy}", flush=True)

    def count_in_log(self, tenant, want):
        """How often each number below `want` stands in the log, and what else does."""
        cursor, seen, others = "", bytearray(want), 0
        while True:
            reply = self.cluster["a"].request("GET", "/v2/events?pattern=github.push&limit=1000" +
                                              (f"&cursor={cursor}" if cursor else ""), key=self.keys[tenant])
            if reply.status == 503:
                time.sleep(0.2)
                continue
            assert reply.status == 200, reply
            page = reply.json()
            for event in page["items"]:
                number = event["payload"]["n"]
                if number < want:
                    seen[number] = min(seen[number] + 1, 255)
                else:
                    others += 1
            cursor = page["next"]
            if not cursor:
                return seen, others

    def read_counters(self, tenant):
        """Of all partitions together, or None while one of them can not be asked."""
        sums = {"count": 0, "passed": 0, "disorder": 0}
        for name in sums:
            reply = self.cluster["a"].request("GET", f"/v2/kv?prefix={name}&limit=1000", key=self.keys[tenant])
            if reply.status != 200 or reply.json().get("missing"):
                return None
            sums[name] = sum(item["value"] for item in reply.json()["items"])
        return sums

    def judge(self, senders):
        failures = [f for s in senders for f in s.failures]
        for tenant, sender in zip(TENANTS, senders):
            # The batch that was on its way in the end is settled: it is sent once more.
            sender.ended.clear()
            sender.send(sender.next_batch())
            want = sender.next + len(sender.acked)

            def counted():
                got = self.read_counters(tenant)
                return got and min(got["count"], got["passed"]) >= want
            try:
                harness.wait_until(f"{tenant} to have counted {want}", counted, 300)
            except AssertionError as error:
                failures.append(str(error))
            got = self.read_counters(tenant)
            if got != {"count": want, "passed": want, "disorder": 0}:
                failures.append(f"{tenant}: {got}, acknowledged {want}")
            seen, others = self.count_in_log(tenant, want)
            missing = seen.count(0)
            once = seen.count(1)
            if once != want or others:
                failures.append(f"{tenant}: of {want} acknowledged {once} stand in the log once, {missing} are missing (the "
                                f"first {[n for n in range(want) if not seen[n]][:100]}), {others} were never acknowledged")
            print(f"{tenant}: {want} acknowledged, {once} once in the log, {missing} missing; counted {got}", flush=True)
        verified = self.cluster["a"].cli("cluster", "verify", "--seconds", "60")
        print(verified.stdout, flush=True)
        if verified.returncode != 0:
            failures.append("verify: " + verified.stdout + verified.stderr)
            for node in self.cluster.nodes.values():
                with open(node.log_path, errors="replace") as file:
                    print("".join(line for line in file if "diverged" in line or "stream" in line), flush=True)
        for name, waits in sorted(self.waits.items()):
            waits.sort()
            print(f"{name}: {len(waits)} times, clients waited at most {waits[len(waits) // 2]:.1f} s in the middle, "
                  f"{waits[-1]:.1f} s the longest")
        self.takeovers.sort()
        if self.takeovers:
            print(f"after a node's death all owned again: {len(self.takeovers)} times, "
                  f"{self.takeovers[len(self.takeovers) // 2]:.1f} s in the middle, {self.takeovers[-1]:.1f} s the longest")
        print(f"{self.done}; {sum(s.next + len(s.acked) for s in senders)} acknowledged", flush=True)
        if failures:
            raise AssertionError("\n".join(failures))
        print("nothing is missing, nothing counts twice, each key in its order, one history")


def run_to_the_end(torture_class, options):
    """The exit code: 1 if something that was promised does not hold."""
    print(f"seed {options.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its nodes end with it
    torture = torture_class(options)
    try:
        torture.run()
    except AssertionError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    finally:
        torture.cluster.close()
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--pause", type=float, default=0.1, help="seconds between two batches of 40 of a tenant")
    parser.add_argument("--patience", type=float, default=120, help="seconds until everything is owned and works again")
    parser.add_argument("--ack", default="replicated", choices=["replicated", "replicated-fsync"])
    parser.add_argument("--by", default="tenant", choices=["tenant", "key"], help="cluster.partition_by")
    options = parser.parse_args()
    return run_to_the_end(Torture, options)


if __name__ == "__main__":
    sys.exit(main())
