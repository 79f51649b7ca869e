#!/usr/bin/env python3
"""Three copies of a partition beside three nats-servers, for minutes: anyone of them is killed, stopped for seconds,
started again, handed over, one or two at a time. What was acknowledged stands in the log once, a handler has counted
each event once, all copies end the same, and epochs rise. Not one of the tests: minutes, and all of the machine.

    partition_proof.py [--minutes 5] [--seed 1] [--ack replicated|replicated-fsync]
"""
import argparse
import os
import random
import shutil
import signal
import tempfile
import threading
import time

import harness
import nats_cluster
from partition_host import Host, make_seal_key
from partition_test import STREAM, SUBJECT, Feed, PartitionCase

NODE_TIMEOUT = 5.0


class Supervisor(threading.Thread):
    """What nodes do: whoever has ended is started again, and where no owner is heard of the most advanced is told to own."""

    def __init__(self, hosts):
        super().__init__(daemon=True)
        self.hosts, self.stopping, self.codes = hosts, False, {}
        self.owned = time.monotonic()
        self.start()

    def run(self):
        while not self.stopping:
            time.sleep(0.25)
            now = time.monotonic()
            for host in self.hosts:
                if not host.alive() and not host.held:
                    code = host.process.returncode
                    self.codes[code] = self.codes.get(code, 0) + 1
                    host.start()
            lives = [h for h in self.hosts if h.alive() and now - h.heard_at < 1.5]
            if any(h.role() == "owner" for h in lives):
                self.owned = now
            elif now - self.owned > NODE_TIMEOUT:
                able = [h for h in lives if h.role() in ("standby", "catching-up")]
                if able:
                    try:
                        max(able, key=lambda h: h.status.get("applied", 0)).do("own")
                    except (OSError, ValueError):
                        pass

    def stop(self):
        self.stopping = True
        self.join()


class Trouble:
    def __init__(self, hosts, nats, seed):
        self.hosts, self.nats, self.random = hosts, nats, random.Random(seed)
        self.counts = {}

    def once(self):
        kind = self.random.choice(["kill", "kill", "stop", "hand over", "kill nats", "stop nats", "kill two nats"])
        self.counts[kind] = self.counts.get(kind, 0) + 1
        host, member = self.random.choice(self.hosts), self.random.choice(self.nats.members)
        seconds = self.random.uniform(0.5, 8)
        if kind == "kill":
            owner = next((h for h in self.hosts if h.role() == "owner"), host)
            victim = self.random.choice([owner, host])
            victim.held = True
            victim.kill()
            time.sleep(seconds / 2)
            victim.held = False
        elif kind == "stop":
            process = host.process
            process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            process.send_signal(signal.SIGCONT)
        elif kind == "hand over":
            owner = next((h for h in self.hosts if h.role() == "owner"), None)
            other = next((h for h in self.hosts if h.role() == "standby"), None)
            if owner and other:
                try:
                    owner.do("hand_over", to=other.node)
                except (OSError, ValueError):
                    pass
        elif kind == "stop nats":
            member.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            member.process.send_signal(signal.SIGCONT)
        else:
            several = self.random.sample(self.nats.members, 2 if kind == "kill two nats" else 1)
            for one in several:
                one.kill()
            time.sleep(seconds)
            for one in several:
                one.start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ack", default="replicated")
    options = parser.parse_args()
    case = PartitionCase()
    folder = tempfile.mkdtemp(prefix="millrace-partition-proof-")
    nats = nats_cluster.NatsCluster().start()
    key = make_seal_key(folder)
    hosts = [Host(folder, name, nats.urls(), key) for name in "abc"]
    good = False
    try:
        nats.create(STREAM, SUBJECT)
        for host in hosts:
            host.order["ack"] = options.ack
            host.start()
        for host in hosts:
            host.wait_role("standby")
        hosts[0].own()
        case.counting(hosts[0])
        supervisor, trouble, feed = Supervisor(hosts), Trouble(hosts, nats, options.seed), Feed(hosts)
        end = time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            time.sleep(trouble.random.uniform(1, 6))
            trouble.once()
            print("%4.0f s left, %d acknowledged, %s" % (end - time.monotonic(), len(feed.acked),
                                                         [h.role() for h in hosts]), flush=True)
        before = len(feed.acked)
        harness.wait_until("events when all is calm", lambda: len(feed.acked) > before + 200, 120)
        feed.stop()
        owner = harness.wait_until("an owner", lambda: next((h for h in hosts if h.role() == "owner"), None), 60)
        acked = set(feed.acked)
        count = harness.wait_until("all to be counted",
                                   lambda: case.counted(owner) >= len(acked) and case.counted(owner), 120)
        case.all_even(hosts)
        case.check_ledger(owner, acked, count)
        supervisor.stop()
        for host in hosts:
            host.stop()
            case.verified(host)
        gaps = sorted(feed.gaps)
        print("trouble: %s; ends of processes by code: %s" % (trouble.counts, supervisor.codes))
        print("%d events acknowledged, each in the log once, counted once; %d owners; three copies the same and well; "
              "longest time without an acknowledgement %.1f s" % (len(acked), owner.status["epoch"], gaps[-1]))
        good = True
    finally:
        for host in hosts:
            if host.process:
                if host.alive():
                    host.process.send_signal(signal.SIGCONT)
                host.kill()
        nats.close()
        if good or not os.environ.get("MILLRACE_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print("left in", folder)


if __name__ == "__main__":
    main()
