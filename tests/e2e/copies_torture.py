#!/usr/bin/env python3
"""Goal: with rings so small that whoever is away for a moment is run over, copies fill themselves, always and without a
person: after each harm all of them are in sync again; and all that cluster_torture.py looks for.
Method: that one, with streams of a few hundred KiB; folders of copies are lost too. Takes as long as it is told.

    tests/e2e/copies_torture.py --minutes 5 [--seed N] [--log-bytes 262144] [--ack replicated-fsync]
"""
import argparse
import os
import random
import re
import shutil
import sys

import cluster_torture
import harness


class Torture(cluster_torture.Torture):
    def begin(self):
        super().begin()
        client = self.cluster.nats.client()
        for partition in range(self.cluster.partitions):
            stream = "MR-%s-P%02d" % (self.cluster.name, partition)
            config = client.api("STREAM.INFO." + stream)["config"]
            config["max_bytes"] = self.options.log_bytes
            client.api("STREAM.UPDATE." + stream, **config)
        client.close()
        ready = self.cluster.wait_ready

        def ready_and_in_sync(*args, **more):
            ready(*args, **more)
            self.wait_in_sync()
        self.cluster.wait_ready = ready_and_in_sync

    def wait_in_sync(self):
        def all_are():
            reply = next(n for n in self.cluster.nodes.values() if n.process).request("GET", "/v2/cluster")
            return reply.status == 200 and all(c["inSync"] and c["role"] in ("owner", "standby")
                                               for p in reply.json()["partitions"] for c in p["copies"])
        try:
            harness.wait_until("all copies to be in sync", all_are, 120)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.cluster.view()}\n" + "\n".join(n.log()[-3000:] for n in self.cluster.nodes.values()))

    def kill_process(self):
        return self.lose_folder() if self.random.random() < 0.5 else super().kill_process()

    def lose_folder(self):
        """Of one copy, while another one is up to date."""
        partition = self.random.choice(self.cluster.view()["partitions"])
        names = [c["node"] for c in partition["copies"] if c["node"] != partition["owner"]]
        others = [c for c in partition["copies"] if c["role"] in ("owner", "standby")]
        if not names or len(others) < 2:
            return "nothing"
        node = self.cluster[self.random.choice(names)]
        node.kill()
        shutil.rmtree(os.path.join(node.data, "p%02d" % partition["partition"]))
        node.start()
        return f"folder of {partition['partition']} on {node.name}"

    def judge(self, senders):
        logs = ""
        for node in self.cluster.nodes.values():
            with open(node.log_path, errors="replace") as file:
                logs += file.read()
        rounds = re.findall(r"whole, in (\d+) round", logs)
        reasons = re.findall(r'a copy was not filled.*?"reason":"([^"]*)"', logs)
        print(f"copies filled: {len(rounds)} ({sum(int(r) > 1 for r in rounds)} in more than one round), not filled: "
              f"{len(reasons)}; for example {sorted(set(reasons))[:5]}", flush=True)
        super().judge(senders)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--patience", type=float, default=120)
    parser.add_argument("--log-bytes", type=int, default=256 << 10)
    parser.add_argument("--ack", default="replicated", choices=["replicated", "replicated-fsync"])
    parser.add_argument("--by", default="tenant", choices=["tenant", "key"], help="cluster.partition_by")
    options = parser.parse_args()
    return cluster_torture.run_to_the_end(Torture, options)


if __name__ == "__main__":
    sys.exit(main())
