#!/usr/bin/env python3
"""Goal: three copies of a partition on a cluster of nats-server: what was acknowledged is in all of them, whoever is
killed; one owns it at a time; a copy that is another cluster's, or whose stream is another one, says so and loses
nothing. Method: Debian's nats-server, three of them (else all is skipped), and `millrace partition` without a node."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import harness
import nats_cluster
import nats_peer
from partition_host import Host, make_seal_key

STREAM, SUBJECT = "MR-t-P07", "mr.t.p.07"


def wait_until(what, check, seconds=60):
    """Longer than elsewhere: an owner that is stopped keeps a request, NATS takes 10 s for a leader, and machines are busy."""
    return harness.wait_until(what, check, seconds)


class Feed(threading.Thread):
    """Events with ids of its own to whoever owns the partition; what was acknowledged is remembered."""

    def __init__(self, hosts):
        super().__init__(daemon=True)
        self.hosts, self.acked, self.number, self.stopping = hosts, [], 0, False
        self.gaps = []  # seconds between two acknowledgements
        self.last = None
        self.start()

    def run(self):
        while not self.stopping:
            events = [{"eventId": "e%07d" % (self.number + i), "pattern": "count.me", "source": {"type": "external", "id": "t"},
                       "payload": {"n": self.number + i}} for i in range(20)]
            self.send(events)
            self.number += 20

    def send(self, events):
        """Until somebody has taken them: ids make that safe."""
        while not self.stopping:
            for host in self.hosts:
                if host.role() != "owner" or "http" not in host.status:
                    continue
                try:
                    status, body = host.request("POST", "/v2/events", events, 8)
                except (OSError, ValueError, KeyError):
                    continue
                if status == 202 or status == 200:
                    now = time.monotonic()
                    if self.last is not None:
                        self.gaps.append(now - self.last)
                    self.last = now
                    self.acked += [e["eventId"] for e in events]
                    return
            time.sleep(0.01)

    def stop(self):
        self.stopping = True
        self.join(30)


@unittest.skipUnless(nats_peer.BINARY, "nats-server is not installed (tools/setup links)")
class PartitionCase(unittest.TestCase):
    def setUp(self):
        self.nats = nats_cluster.NatsCluster().start()
        self.addCleanup(self.nats.close)
        self.folder = tempfile.mkdtemp(prefix="millrace-partition-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.key = make_seal_key(self.folder)
        self.nats.create(STREAM, SUBJECT, **self.stream_config())
        self.hosts = []

    def stream_config(self):
        return {}

    def host(self, node, **more):
        host = Host(self.folder, node, self.nats.urls(), self.key, **more)
        self.hosts.append(host)
        self.addCleanup(lambda: host.process and host.kill())
        return host.start()

    def three(self):
        hosts = [self.host(name) for name in "abc"]
        for host in hosts:
            host.wait_role("standby")
        return hosts

    def counting(self, owner):
        """A handler that counts distinct events."""
        script = {"id": "count", "source": "return function(e) sdk.kv.incr('seen') end"}
        status, body = owner.request("POST", "/v2/scripts", script)
        self.assertIn(status, (200, 201), body)
        status, body = owner.request("POST", "/v2/subscriptions", {"id": "count", "pattern": "count.*", "executor": {"type": "script", "scriptId": "count"}})
        self.assertIn(status, (200, 201), body)

    def all_even(self, hosts):
        def even():
            states = [(h.status.get("unit"), h.status.get("hash")) for h in hosts if h.alive()]
            return len(set(states)) == 1 and states[0]
        return wait_until("all copies to be the same", even, 60)

    def ids_in(self, folder):
        out = subprocess.run([harness.BINARY, "inspect", "--data", folder, "--events", "1000000"], capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stderr)
        return set(re.findall(r'"(e\d{7})"', out.stdout))

    def verified(self, host):
        out = subprocess.run([harness.BINARY, "verify", "--data", host.dir], capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)

    def kv_count(self, owner, wanted):
        return wait_until(f"{wanted} to be counted", lambda: self.counted(owner) == wanted and wanted, 60)

    def counted(self, owner):
        status, body = owner.request("GET", "/v2/kv?prefix=seen")
        items = json.loads(body).get("items") if status == 200 else None
        return items[0]["value"] if items else 0

    def check_ledger(self, owner, acked, count):
        """Each acknowledged event stands in the log once, and was counted once."""
        seen, cursor = [], ""
        while True:
            status, body = owner.request("GET", "/v2/events?limit=1000&pattern=count.me" + cursor)
            self.assertEqual(status, 200, body)
            page = json.loads(body)
            seen += [e["eventId"] for e in page["items"]]
            if not page.get("next"):
                break
            cursor = "&cursor=" + urllib.parse.quote(page["next"])
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(acked - set(seen), set())
        if count is not None:
            self.assertEqual(count, len(seen))


class Following(PartitionCase):
    def test_copies_are_the_same_and_any_can_own(self):
        a, b, c = self.three()
        a.own()
        self.counting(a)
        feed = Feed([a, b, c])
        wait_until("events", lambda: len(feed.acked) >= 400)
        feed.stop()
        self.kv_count(a, len(set(feed.acked)))
        self.all_even([a, b, c])
        a.stop()
        b.own()
        self.kv_count(b, len(set(feed.acked)))
        self.assertEqual(b.status["epoch"], 2)
        for host in (b, c):
            host.stop()
        for host in (a, b, c):
            self.verified(host)

    def test_it_is_handed_over_in_less_than_a_second_of_no_owner(self):
        a, b, c = self.three()
        a.own()
        feed = Feed([a, b, c])
        wait_until("events", lambda: len(feed.acked) >= 200)
        a.do("hand_over", to="b")
        self.assertEqual(a.process.wait(60), 75)
        b.wait_role("owner")
        before = len(feed.acked)
        wait_until("events of the new owner", lambda: len(feed.acked) > before + 200)
        feed.stop()
        print("longest time without an acknowledgement, handed over: %.3f s" % max(feed.gaps))


class Killed(PartitionCase):
    def test_nothing_acknowledged_is_missing_when_owners_are_killed(self):
        hosts = self.three()
        hosts[0].own()
        self.counting(hosts[0])
        feed = Feed(hosts)
        times = []
        for turn in range(4):
            before = len(feed.acked)
            wait_until("events", lambda: len(feed.acked) > before + 300)
            owner = next(h for h in hosts if h.role() == "owner")
            owner.kill()
            began = time.monotonic()
            others = [h for h in hosts if h is not owner]
            best = max(others, key=lambda h: h.status.get("applied", 0))
            best.own()
            times.append(time.monotonic() - began)
            owner.start()
        before = len(feed.acked)
        wait_until("events", lambda: len(feed.acked) > before + 100)
        feed.stop()
        print("from the word to own to serving: %s s" % ["%.3f" % t for t in times])
        acked = set(feed.acked)
        owner = next(h for h in hosts if h.role() == "owner")
        # What was sent and not acknowledged may be there too.
        count = wait_until("all to be counted", lambda: self.counted(owner) >= len(acked) and self.counted(owner), 60)
        self.assertLessEqual(count, feed.number + 20)
        self.all_even(hosts)
        self.check_ledger(owner, acked, count)
        for host in hosts:
            host.stop()
            self.verified(host)

    def test_nats_restored_from_the_past_gets_its_end_again(self):
        hosts = self.three()
        hosts[0].own()
        self.counting(hosts[0])
        feed = Feed(hosts)
        wait_until("events", lambda: len(feed.acked) > 200)
        self.nats.kill()
        past = os.path.join(self.folder, "past")
        shutil.copytree(self.nats.folder, past)
        self.nats.start()
        before = len(feed.acked)
        wait_until("events behind the copy", lambda: len(feed.acked) > before + 200, 90)
        self.nats.kill()
        for member in self.nats.members:
            shutil.rmtree(os.path.join(self.nats.folder, member.name))
            shutil.copytree(os.path.join(past, member.name), os.path.join(self.nats.folder, member.name))
        self.nats.start()
        before = len(feed.acked)
        wait_until("events after it", lambda: len(feed.acked) > before + 100, 120)
        feed.stop()
        self.assertEqual(hosts[0].role(), "owner")
        acked = set(feed.acked)
        count = wait_until("all to be counted", lambda: self.counted(hosts[0]) >= len(acked) and self.counted(hosts[0]), 60)
        self.check_ledger(hosts[0], acked, count)
        self.all_even(hosts)
        # One that reads all of it for the first time reads the same.
        hosts[2].stop()
        shutil.rmtree(hosts[2].dir)
        os.makedirs(hosts[2].dir)
        hosts[2].start()
        self.all_even(hosts)

    def test_an_owner_that_was_stopped_for_a_while_is_none_any_more(self):
        hosts = self.three()
        a, b, c = hosts
        a.own()
        self.counting(a)
        feed = Feed(hosts)
        wait_until("events", lambda: len(feed.acked) > 200)
        a.process.send_signal(signal.SIGSTOP)
        a.status = {}  # what it said last
        b.own()
        before = len(feed.acked)
        wait_until("events of the new owner", lambda: len(feed.acked) > before + 100)
        a.process.send_signal(signal.SIGCONT)
        self.assertEqual(a.process.wait(60), 75)
        a.start()
        feed.stop()
        acked = set(feed.acked)
        count = wait_until("all to be counted", lambda: self.counted(b) >= len(acked) and self.counted(b), 60)
        self.check_ledger(b, acked, count)
        self.all_even(hosts)

    def test_the_leader_of_the_stream_is_killed_again_and_again(self):
        hosts = self.three()
        hosts[0].own()
        self.counting(hosts[0])
        feed = Feed(hosts)
        for turn in range(3):
            before = len(feed.acked)
            wait_until("events", lambda: len(feed.acked) > before + 200, 60)
            leader = wait_until("a leader", lambda: self.nats.leader(STREAM))
            leader.kill()
            before = len(feed.acked)
            wait_until("events without it", lambda: len(feed.acked) > before + 100, 60)
            leader.start()
        feed.stop()
        print("longest time without an acknowledgement, leaders of NATS killed: %.3f s" % max(feed.gaps))
        acked = set(feed.acked)
        owner = hosts[0]
        self.assertEqual(owner.role(), "owner")
        count = wait_until("all to be counted", lambda: self.counted(owner) >= len(acked) and self.counted(owner), 60)
        self.check_ledger(owner, acked, count)
        self.all_even(hosts)

    def test_all_of_nats_is_killed_at_once(self):
        hosts = self.three()
        hosts[0].own()
        self.counting(hosts[0])
        feed = Feed(hosts)
        wait_until("events", lambda: len(feed.acked) > 300)
        self.nats.kill()
        time.sleep(4)
        self.nats.start()
        before = len(feed.acked)
        wait_until("events again", lambda: len(feed.acked) > before + 100, 90)
        feed.stop()
        acked = set(feed.acked)
        owner = hosts[0]
        count = wait_until("all to be counted", lambda: self.counted(owner) >= len(acked) and self.counted(owner), 60)
        self.check_ledger(owner, acked, count)
        self.all_even(hosts)


class Refused(PartitionCase):
    def test_a_stream_that_was_made_anew_is_told_and_healed_by_a_person(self):
        a, b, c = self.three()
        a.own()
        feed = Feed([a, b, c])
        wait_until("events", lambda: len(feed.acked) >= 100)
        feed.stop()
        self.all_even([a, b, c])
        client = self.nats.client()
        client.api("STREAM.DELETE." + STREAM)
        client.close()
        self.nats.create(STREAM, SUBJECT)
        self.assertEqual(a.process.wait(60), 76)
        b.wait_role("diverged", 60)
        c.wait_role("diverged", 60)
        b.do("heal")
        b.wait_role("owner")
        wait_until("the other copy to go on", lambda: c.role() == "standby", 60)
        status, body = b.request("GET", "/v2/events?limit=1000&pattern=count.me")
        self.assertEqual(len(json.loads(body)["items"]), len(feed.acked))

    def test_when_a_person_heals_a_copy_others_that_have_more_are_kept_aside_and_filled(self):
        a, b, c = self.three()
        a.own()
        feed = Feed([a, b, c])
        wait_until("events", lambda: len(feed.acked) >= 100)
        c.stop()
        less = len(feed.acked)
        wait_until("more events", lambda: len(feed.acked) >= less + 200)
        feed.stop()
        self.all_even([a, b])
        b.stop()
        client = self.nats.client()
        client.api("STREAM.DELETE." + STREAM)
        client.close()
        self.nats.create(STREAM, SUBJECT)
        self.assertEqual(a.process.wait(60), 76)
        c.start()
        c.wait_role("diverged")
        c.do("heal")
        c.wait_role("owner")
        b.start()
        self.assertEqual(b.process.wait(90), 75)
        aside = [f for f in os.listdir(os.path.dirname(b.dir)) if ".aside-" in f]
        self.assertEqual(len(aside), 1)
        kept = self.ids_in(os.path.join(os.path.dirname(b.dir), aside[0]))
        self.assertEqual(set(feed.acked) - kept, set())
        b.start()
        wait_until("to need a snapshot", lambda: b.status.get("needsSnapshot"))
        b.do("fill", **{"from": "unix:" + c.dir + ".copy"})
        self.assertEqual(b.process.wait(60), 75)
        b.start()
        b.wait_role("standby")
        self.all_even([b, c])

    def test_another_clusters_folder_is_refused(self):
        a = self.host("a")
        a.wait_role("standby")
        a.own()
        a.stop()
        a.order["hashSeed"] = "1"
        a.start()
        self.assertEqual(a.process.wait(60), 1)
        wait_until("the reason", lambda: "another hash seed" in a.status.get("error", ""))

    def test_without_a_key_for_secrets_it_does_not_start(self):
        a = Host(self.folder, "a", self.nats.urls(), self.key)
        a.order["config"] = '[http]\nlisten = "127.0.0.1:0"\n'
        a.start()
        self.assertEqual(a.process.wait(60), 1)
        wait_until("the reason", lambda: "secrets.key_file" in a.status.get("error", ""))


class OnTwoDisks(PartitionCase):
    def test_with_replicated_fsync_nothing_is_acknowledged_without_a_standby(self):
        hosts = [Host(self.folder, name, self.nats.urls(), self.key) for name in "abc"]
        for host in hosts:
            host.order["ack"] = "replicated-fsync"
            self.addCleanup(lambda host=host: host.process and host.kill())
            host.start()
        a, b, c = hosts
        for host in hosts:
            host.wait_role("standby")
        a.own()
        feed = Feed(hosts)
        wait_until("events", lambda: len(feed.acked) > 200)
        b.kill()
        before = len(feed.acked)
        wait_until("events with one standby", lambda: len(feed.acked) > before + 100)
        c.kill()
        time.sleep(1)
        before = len(feed.acked)
        time.sleep(3)
        self.assertLessEqual(len(feed.acked), before)
        self.assertEqual(a.role(), "owner")
        b.start()
        wait_until("events again", lambda: len(feed.acked) > before + 100)
        # The owner's disk is lost, and what the last standby had is all that was acknowledged.
        feed.stop()
        a.kill()
        shutil.rmtree(a.dir)
        c.start()  # what an owner writes when it begins needs a second disk too
        b.own()
        self.check_ledger(b, set(feed.acked), None)


class TooFarBehind(PartitionCase):
    """A ring of 256 KiB: whoever is away for a moment is run over."""

    def stream_config(self):
        return {"log_bytes": 256 << 10}

    def run_over(self, c, feed):
        """c's place is not in the ring any more."""
        at = c.status["applied"]
        c.stop()
        wait_until("the ring to go over it", lambda: self.nats.client().state(STREAM)["first_seq"] > at + 50
                           and len(feed.acked), 120)

    def fill(self, host, giver, seconds=180):
        """As a node does: says from where again and again, and starts the process that has ended."""
        said = [0.0]

        def filled():
            if not host.alive():
                host.start()
            if host.role() == "standby":
                return True
            if host.status.get("needsSnapshot") and time.monotonic() - said[0] > 0.3:
                said[0] = time.monotonic()
                try:
                    host.do("fill", **{"from": "unix:" + giver.dir + ".copy"})
                except OSError:
                    pass
            return None
        return wait_until(f"{host.node} to fill itself (is {host.status}; log {host.log()[-1500:]})", filled, seconds)

    def check_acked(self, owner, acked):
        self.check_ledger(owner, set(acked), None)

    def test_a_copy_that_the_ring_has_gone_over_fills_itself_from_a_standby(self):
        a, b, c = self.three()
        a.own()
        feed = Feed([a])
        self.run_over(c, feed)
        feed.stop()
        c.start()
        wait_until("to be told that it is too far behind", lambda: c.status.get("needsSnapshot"))
        self.assertIn("needs a snapshot", c.status["error"])
        self.assertEqual(c.role(), "catching-up")
        c.do("own")  # it has not what it takes
        time.sleep(0.5)
        self.assertEqual(a.role(), "owner")
        self.fill(c, b)
        self.all_even([a, b, c])
        self.assertIn("a copy was filled", c.log())
        self.assertFalse([f for f in os.listdir(os.path.dirname(c.dir)) if f.endswith((".fill", ".old"))])
        a.stop()
        c.own()
        self.check_acked(c, feed.acked)
        c.stop()
        self.verified(c)

    def test_a_lost_folder_is_filled_by_the_owner_while_it_works_and_either_is_killed(self):
        a, b, c = self.three()
        a.own()
        feed = Feed([a, b])
        self.run_over(c, feed)
        shutil.rmtree(c.dir)
        os.makedirs(c.dir)
        for turn in range(6):
            if not c.alive():
                c.start()
            giver = next((h for h in (a, b) if h.role() == "owner"), a)
            try:
                c.do("fill", **{"from": "unix:" + giver.dir + ".copy"})
            except OSError:
                pass
            time.sleep(0.1 * turn)
            harmed = giver if turn == 3 else c
            harmed.kill()
            if turn == 3:  # the owner changes in the midst of it
                b.own()
                a.start()
        before = len(feed.acked)
        wait_until("events", lambda: len(feed.acked) > before + 100)
        self.fill(c, b)
        feed.stop()
        self.all_even([a, b, c])
        b.stop()
        c.own()
        self.check_acked(c, feed.acked)

    def test_an_owner_waits_for_a_copy_in_sync_and_says_for_whom(self):
        a, b, c = self.three()
        for host in (a, b, c):
            host.do("in_sync", nodes=[n for n in "abc" if n != host.node])
        a.own()
        c.process.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: c.alive() and c.process.send_signal(signal.SIGCONT))
        feed = Feed([a])
        wait_until("the owner to wait for it", lambda: a.status.get("waitsFor") == ["c"], 60)
        state = self.nats.client().state(STREAM)
        self.assertLess(state["bytes"], 256 << 10)
        before = len(feed.acked)
        time.sleep(1)
        self.assertLessEqual(len(feed.acked), before)
        # META puts it out of sync: the ring may go over it.
        a.do("in_sync", nodes=["b"])
        wait_until("events again", lambda: len(feed.acked) > before + 1000, 60)
        c.process.send_signal(signal.SIGCONT)
        self.fill(c, b)
        feed.stop()
        self.all_even([a, b, c])


if __name__ == "__main__":
    unittest.main()
