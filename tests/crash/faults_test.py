#!/usr/bin/env python3
"""Goal: whatever the disk does, the server serves what was sent or says that it can't; it never serves wrong data
and never acknowledges what is lost.
Method: the real binary on a disk that fails. Syncs and writes fail through fault_shim.so (FAULT_SHIM names it);
bits are flipped in files of a stopped folder; a small tmpfs is filled (where no mount is allowed: statvfs() is told
to say so)."""
import base64
import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
import harness  # noqa: E402

SHIM = os.environ.get("FAULT_SHIM", "")
FLIPS_PER_FILE = 2
MIB = 1 << 20


class Ledger:
    """What was sent, by id, and what of it was acknowledged."""

    def __init__(self, prefix="e"):
        self.prefix = prefix
        self.sent = {}
        self.acked = {}

    def make(self):
        event = {"eventId": f"{self.prefix}{len(self.sent)}", "pattern": "fault.thing",
                 "payload": {"n": len(self.sent), "text": os.urandom(60).hex()}}
        self.sent[event["eventId"]] = event
        return event

    def post(self, server, count=20):
        """The reply's status; 0 when there was none."""
        try:
            reply = server.post("/v2/events", [self.make() for _ in range(count)])
        except (OSError, http.client.HTTPException):
            return 0, None
        if reply.status == 202:
            for placed in reply.json()["events"]:
                self.acked[placed["eventId"]] = (placed["shard"], placed["offset"])
        return reply.status, reply


def listing(server):
    """All events of the log, or None when the server says that it can't."""
    events, cursor = [], None
    while True:
        reply = server.get("/v2/events?limit=1000&order=asc" + (f"&cursor={cursor}" if cursor else ""))
        if reply.status != 200:
            assert reply.status >= 500, reply
            return None
        events += reply.json()["items"]
        cursor = reply.json().get("next")
        if not cursor:
            return events


def check_kept(ledger, events):
    """Nothing wrong, nothing twice, nothing acknowledged missing."""
    by_id = {}
    for event in events:
        sent = ledger.sent.get(event["eventId"])
        assert sent is not None, f"never sent: {event}"
        assert event["eventId"] not in by_id, f"twice: {event['eventId']}"
        assert event["payload"] == sent["payload"], f"WRONG DATA: {event}"
        by_id[event["eventId"]] = event
    missing = [i for i in ledger.acked if i not in by_id]
    assert not missing, f"{len(missing)} acknowledged events are missing, e.g. {missing[:3]}"


class FaultCase(unittest.TestCase):
    def server(self, args=(), shim=None, data=None):
        env = dict(shim or {}, LD_PRELOAD=SHIM) if shim else {}
        server = harness.Server(args=args, data=data)
        server.env = harness.clean_environment(env)
        self.addCleanup(server.close)
        return server

    def scratch(self):
        folder = tempfile.mkdtemp(prefix="millrace-fault-")
        self.addCleanup(shutil.rmtree, folder, True)
        return folder


class FailingSync(FaultCase):
    """After one failed sync or write nothing is acknowledged; the process ends and says why."""

    def run_fault(self, name):
        trigger = os.path.join(self.scratch(), "now")
        server = self.server(shim={name: trigger}).start()
        ledger = Ledger()
        for _ in range(5):
            self.assertEqual(ledger.post(server)[0], 202)
        statuses = []
        clients = [threading.Thread(target=lambda: [statuses.append(ledger_of.post(server)[0]) for _ in range(20)])
                   for ledger_of in [Ledger(f"c{i}-") for i in range(3)]]
        open(trigger, "w").close()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertNotIn(202, statuses, "acknowledged although the disk failed")
        self.assertTrue(set(statuses) <= {0, 503}, statuses)
        code = server.process.wait(harness.STOP_SECONDS)
        self.assertEqual(code, 70, server.log())
        self.assertIn("the store has failed", server.log())
        self.assertIn("nothing is acknowledged any more", server.log())
        os.unlink(trigger)
        server.start()
        kept = [event for event in listing(server) if event["eventId"].startswith("e")]
        check_kept(ledger, kept)
        self.assertEqual(Ledger("after").post(server)[0], 202)
        server.stop()

    def test_a_failed_sync_ends_all_acknowledgements(self):
        self.run_fault("FAULT_SYNC")

    def test_a_sync_without_space_ends_all_acknowledgements(self):
        self.run_fault("FAULT_SYNC_FULL")

    def test_a_write_without_space_ends_all_acknowledgements(self):
        self.run_fault("FAULT_WRITE")


class StandingDisk(FaultCase):
    """While nothing is written, only those are answered that were promised no write."""

    def test_the_levels_of_durability_wait_for_what_they_promise(self):
        stall = os.path.join(self.scratch(), "stall")
        server = self.server(shim={"FAULT_STALL": stall}).start()
        server.send_event("level", eventId="before")
        answers = {}

        def post(event_id, level):
            reply = server.post(f"/v2/events?durability={level}", {"eventId": event_id, "pattern": "level"})
            answers[event_id] = (reply.status, reply.json()["durability"], reply.json()["duplicates"])
        open(stall, "w").close()
        post("m0", "memory")
        waiting = [threading.Thread(target=post, args=(level, level)) for level in ("os", "fsync")]
        for client in waiting:
            client.start()
        for n in range(1, 20):
            post(f"m{n}", "memory")
        self.assertEqual(set(answers), {f"m{n}" for n in range(20)}, "answered before it was written")
        self.assertEqual(set(answers.values()), {(202, "memory", 0)})
        # A repeat that asks for more gets more, though its first one is on the way already.
        waiting.append(threading.Thread(target=post, args=("m0", "fsync")))
        waiting[-1].start()
        os.unlink(stall)
        for client in waiting:
            client.join(60)
        self.assertEqual((answers["os"], answers["fsync"]), ((202, "os", 0), (202, "fsync", 0)))
        self.assertEqual(answers["m0"], (202, "fsync", 1))
        harness.wait_until("all of them", lambda: len(listing(server)) == 23)
        server.stop()
        server.start()
        self.assertEqual(len(listing(server)), 23, "a clean stop keeps what was taken")
        server.stop()


class SlowCopy(FaultCase):
    """A backup that takes its time keeps nobody from looking."""

    def test_looks_are_answered_while_a_backup_stands_still(self):
        hold = os.path.join(self.scratch(), "hold")
        server = self.server(shim={"FAULT_HOLD": hold}).start()
        script = server.create_script("return function() end")
        subscription = server.subscribe("slow.copy", script)
        event = server.send_event("slow.copy", {"n": 1})["eventId"]
        server.wait_executions(1, subscriptionId=subscription)
        target = os.path.join(server.data, "backups", "copy")
        answers = []
        open(hold, "w").close()
        backup = threading.Thread(target=lambda: answers.append(server.post("/v2/backups", {"path": target})))
        backup.start()
        harness.wait_until("the backup's last file", lambda: os.path.exists(os.path.join(target + ".part", "FORMAT")))
        trace = server.get(f"/v2/events/{event}/trace", timeout=20)
        self.assertEqual((trace.status, len(trace.json()["deliveries"])), (200, 1), trace)
        preview = server.post("/v2/subscriptions/preview?events=10", {"pattern": "slow.copy"}, timeout=20)
        self.assertEqual(preview.status, 200, preview)
        for path in ("/v2/kv", "/v2/dlq?pattern=slow.copy", "/v2/executions?status=completed"):
            self.assertEqual(server.get(path, timeout=20).status, 200, path)
        self.assertEqual((answers, os.path.exists(target)), ([], False), "the backup was not held")
        os.unlink(hold)
        backup.join(60)
        self.assertEqual([answer.status for answer in answers], [201], answers)
        server.stop()


    def test_an_end_does_not_wait_for_a_copy_that_stands_still(self):
        hold = os.path.join(self.scratch(), "hold")
        server = self.server(args=("--set", "engine.drain_timeout=2s"), shim={"FAULT_HOLD": hold}).start()
        server.send_event("kept", eventId="before")
        target = os.path.join(server.data, "backups", "copy")

        def ask():
            try:
                server.post("/v2/backups", {"path": target})
            except (OSError, http.client.HTTPException):
                pass  # cut off by the end
        open(hold, "w").close()
        backup = threading.Thread(target=ask)
        backup.start()
        harness.wait_until("the backup's last file", lambda: os.path.exists(os.path.join(target + ".part", "FORMAT")))
        server.stop()
        backup.join(60)
        os.unlink(hold)
        server.start()
        self.assertEqual([e["eventId"] for e in server.all_events("kept")], ["before"])
        again = server.post("/v2/backups", {"path": target})
        self.assertEqual(again.status, 409, again)
        self.assertIn(".part", again.json()["error"]["message"])
        server.stop()


class DamagedFiles(FaultCase):
    """A flipped bit is refused at the start or found when it is read; a missing WAL is noticed."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-fault-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.data = os.path.join(cls.folder, "data")
        cls.ledger = Ledger()
        server = harness.Server(data=cls.data)
        server.start()
        for _ in range(30):
            assert cls.ledger.post(server)[0] == 202
        # A backup flushes: what was sent so far is in SST and blob files then.
        reply = server.post("/v2/backups", {"path": os.path.join(cls.folder, "data", "backups", "backup")})
        assert reply.status in (200, 201, 202), reply
        harness.wait_until("a table file", lambda: cls.files("sst"))
        for _ in range(10):
            assert cls.ledger.post(server)[0] == 202
        server.stop()
        server.close()

    @classmethod
    def files(cls, kind):
        patterns = {"sst": r"\.sst$", "blob": r"\.blob$", "wal": r"\.log$", "manifest": r"MANIFEST-", "current": r"CURRENT$",
                    "options": r"OPTIONS-", "identity": r"IDENTITY$", "mark": r"/hwm$", "format": r"/FORMAT$",
                    "run": r"\.run$"}
        found = []
        for root, _, names in os.walk(cls.data):
            found += [os.path.join(root, name) for name in names]
        return sorted(os.path.relpath(path, cls.data) for path in found
                      if re.search(patterns[kind], path) and os.path.getsize(path) > 0)

    def copy(self):
        copy = os.path.join(self.scratch(), "data")
        shutil.copytree(self.data, copy)
        return copy

    def outcome(self, data):
        """'refused', 'found' (an error when it is read) or 'whole'; anything else fails."""
        server = self.server(data=data)
        try:
            server.start()
        except AssertionError as error:
            # Refused, with a reason; not crashed.
            self.assertIn("exit code 1;", str(error))
            self.assertIn("can't start", server.log())
            return "refused"
        try:
            events = listing(server)
            if events is None:
                return "found"
            check_kept(self.ledger, events)
            return "whole"
        finally:
            server.kill()

    def flip(self, kind, must_be_noticed):
        chance = random.Random(f"flip {kind}")
        files = self.files(kind)
        self.assertTrue(files, f"no {kind} file to damage")
        results = []
        for name in files[-3:]:
            for _ in range(FLIPS_PER_FILE):
                data = self.copy()
                path = os.path.join(data, name)
                # The mark has two slots of a page; the one in force is worth hitting.
                with open(path, "r+b") as file:
                    at = chance.randrange(os.path.getsize(path))
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ (1 << chance.randrange(8))]))
                outcome = self.outcome(data)
                results.append((name, at, outcome))
                shutil.rmtree(os.path.dirname(data))
        print(kind, results, flush=True)
        if must_be_noticed:
            self.assertTrue(any(outcome != "whole" for _, _, outcome in results), results)

    def test_wal(self):
        self.flip("wal", must_be_noticed=True)

    def test_blob(self):
        self.flip("blob", must_be_noticed=True)

    def test_sst(self):
        self.flip("sst", must_be_noticed=False)  # a flipped bit may lie in a table that nobody reads

    def test_manifest(self):
        self.flip("manifest", must_be_noticed=True)

    def test_current(self):
        self.flip("current", must_be_noticed=True)

    def test_options_and_identity(self):
        self.flip("options", must_be_noticed=False)
        self.flip("identity", must_be_noticed=False)

    def test_mark_and_format(self):
        self.flip("mark", must_be_noticed=False)  # the other slot may be the one in force
        self.flip("format", must_be_noticed=False)

    def test_a_missing_wal_is_noticed(self):
        data = self.copy()
        wals = self.files("wal")
        self.assertTrue(wals)
        for name in wals:
            os.unlink(os.path.join(data, name))
        self.assertEqual(self.outcome(data), "refused")

    def test_a_loss_that_is_accepted_is_told_audited_and_asked_for_once(self):
        data = self.copy()
        for name in self.files("wal"):
            os.unlink(os.path.join(data, name))
        self.assertEqual(self.outcome(data), "refused")
        server = self.server(args=("--accept-loss",), data=data).start()
        self.assertIn("started although something is missing", server.log())
        entries = [row["entry"] for row in server.get("/v2/audit?limit=100").json()["items"]]
        losses = [entry["missing"] for entry in entries if entry["action"] == "acceptLoss"]
        self.assertTrue(any("lost: " in loss for loss in losses), losses)
        self.assertEqual(Ledger("after").post(server)[0], 202)
        server.stop()
        again = self.server(data=data).start()
        self.assertNotIn("something is missing", again.log())
        self.assertEqual(sum(e["eventId"].startswith("after") for e in listing(again)), 20)
        again.stop()

    def test_an_unhurt_copy_is_whole(self):
        self.assertEqual(self.outcome(self.copy()), "whole")


class DamagedRuns(FaultCase):
    """Identity runs are made from the log: a flipped bit in one costs a restart at most, and never lets an event in
    twice. The folder's log is long enough for a run."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-fault-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.data = os.path.join(cls.folder, "data")
        cls.ledger = Ledger()
        server = harness.Server(data=cls.data, shards=1)
        server.start()
        for _ in range(20):
            assert cls.ledger.post(server)[0] == 202
        # Text that does not compress, until the log behind the first event is 64 MB.
        for n in range(90):
            noise = base64.b64encode(os.urandom(600_000)).decode()
            reply = server.post("/v2/events", {"eventId": f"noise{n}", "pattern": "noise", "payload": {"text": noise}})
            assert reply.status == 202, reply
        harness.wait_until("an identity run", cls.runs)
        server.stop()
        server.close()

    @classmethod
    def runs(cls):
        folder = os.path.join(cls.data, "ids")
        return sorted(name for name in os.listdir(folder) if name.endswith(".run"))

    def repeat_all(self, server):
        """Every event once more: True when all were told as what they are, False when the server stopped for it."""
        for event in self.ledger.sent.values():
            try:
                reply = server.post("/v2/events", event)
            except (OSError, http.client.HTTPException):
                return False
            if reply.status == 503:
                return False
            self.assertEqual(reply.status, 202, reply)
            told = reply.json()["events"][0]
            self.assertTrue(told.get("duplicate"), f"TAKEN TWICE: {event['eventId']} {told}")
            self.assertEqual((told["shard"], told["offset"]), self.ledger.acked[event["eventId"]])
        return True

    def flip(self, place):
        """Flips bits of a run in `place` (a function of its size) and repeats every event."""
        chance = random.Random(f"run {place.__name__}")
        stops = 0
        for _ in range(4):
            data = os.path.join(self.scratch(), "data")
            shutil.copytree(self.data, data)
            path = os.path.join(data, "ids", self.runs()[0])
            at = place(os.path.getsize(path), chance)
            with open(path, "r+b") as file:
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ (1 << chance.randrange(8))]))
            server = harness.Server(data=data, shards=1)
            self.addCleanup(server.close)
            server.start()
            if not self.repeat_all(server):
                stops += 1
                self.assertEqual(server.process.wait(harness.STOP_SECONDS), 70, server.log())
                self.assertIn("identity run", server.log())
                server.start()
                self.assertTrue(self.repeat_all(server), "still refused after the restart")
            server.kill()
            shutil.rmtree(os.path.dirname(data))
        return stops

    def test_header(self):
        def header(_, chance):
            return chance.randrange(72)
        self.assertEqual(self.flip(header), 0, "a start makes such a run anew")

    def test_page(self):
        def page(size, chance):
            return 4096 + chance.randrange(min(size - 4096 - 1, 170 * 24))
        self.assertGreater(self.flip(page), 0, "nobody noticed")

    def test_filter(self):
        def bloom(size, chance):
            return size - 1 - chance.randrange(64)
        self.assertEqual(self.flip(bloom), 0, "a start makes such a run anew")


class FullDisk(FaultCase):
    """Events are refused in time, with a reason; the rest goes on; nothing acknowledged is lost."""
    RESERVE = 48 * MIB
    ARGS = ("--set", f"store.reserve_bytes={RESERVE}")

    def mount(self, mib):
        """A tmpfs of this size, or None where mounts are refused."""
        folder = self.scratch()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "millrace", folder],
                              capture_output=True) if shutil.which("mount") else None
        if done is None or done.returncode != 0:
            return None
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    def refused(self, server):
        status, reply = Ledger("refused").post(server, 1)
        if status != 503:
            return None
        self.assertEqual(reply.json()["error"]["code"], "UNAVAILABLE")
        self.assertIn("disk is nearly full", reply.json()["error"]["message"])
        self.assertIn("retry-after", {name.lower() for name in reply.headers})
        ready = server.get("/readyz")
        if ready.status != 503:  # the store has given something back between the two
            return False
        self.assertIn("read-only", ready.body.decode())
        return True

    def fill_and_empty(self, server, fill, empty):
        ledger = Ledger()
        self.assertEqual(ledger.post(server)[0], 202)
        fill()
        harness.wait_until("events to be refused", lambda: self.refused(server))
        # The rest goes on. An event of refused() may have been taken before the guard looked.
        check_kept(ledger, [e for e in listing(server) if e["eventId"].startswith("e")])
        self.assertEqual(server.get("/healthz").status, 200)
        empty()
        harness.wait_until("events to be taken again", lambda: ledger.post(server)[0] == 202)
        self.assertEqual(server.get("/readyz").status, 200)
        server.kill()
        server.start()
        check_kept(ledger, [e for e in listing(server) if e["eventId"].startswith("e")])
        server.stop()

    def test_events_are_refused_in_time_and_taken_again(self):
        folder = self.mount(256)
        if folder is None:
            free = os.path.join(self.scratch(), "free")
            server = self.server(self.ARGS, shim={"FAULT_FREE": free}).start()
            return self.fill_and_empty(server, lambda: open(free, "w").write(str(40 * MIB)), lambda: os.unlink(free))
        server = self.server(self.ARGS, data=os.path.join(folder, "data")).start()
        filler = os.path.join(folder, "filler")

        def fill():
            # The ballast is given up at the mark: leave less than the reserve behind it, and more than
            # what the store needs to go on at all.
            room = os.statvfs(folder)
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - 40 * MIB)
            harness.wait_until("the ballast to be given up", lambda: not os.path.exists(
                os.path.join(folder, "data", "ballast")))
            room = os.statvfs(folder)
            with open(filler, "r+b") as file:
                file.seek(0, 2)
                more = room.f_bavail * room.f_frsize - 40 * MIB
                if more > 0:
                    os.posix_fallocate(file.fileno(), file.tell(), more)
        self.fill_and_empty(server, fill, lambda: os.unlink(filler))

    def test_what_is_in_memory_has_room_to_be_written_whatever_the_reserve(self):
        free, flush_held = (os.path.join(self.scratch(), name) for name in ("free", "flush_held"))
        server = self.server(self.ARGS, shim={"FAULT_FREE": free, "FAULT_FLUSH": flush_held}).start()
        with open(free, "w") as file:
            file.write(str(400 * MIB))
        ledger = Ledger()
        for _ in range(42):
            events = [{**ledger.make(), "payload": {"text": os.urandom(300_000).hex()}} for _ in range(2)]
            self.assertEqual(server.post("/v2/events", events).status, 202)
        # More than the reserve is free, and less than what waits in memory: nothing is taken until that is written.
        with open(flush_held, "w"):
            pass
        with open(free, "w") as file:
            file.write(str(89 * MIB))
        harness.wait_until("events to be refused", lambda: server.post("/v2/events", [ledger.make()]).status == 503)
        harness.wait_until("that to be told", lambda: "the disk is short of room" in server.log())
        refused = server.post("/v2/events", [ledger.make()])
        self.assertEqual(refused.status, 503, "for as long as it is not written")
        self.assertIn("the disk is nearly full", refused.json()["error"]["message"])
        os.unlink(flush_held)
        harness.wait_until("events to be taken again", lambda: server.post("/v2/events", [ledger.make()]).status == 202)
        server.stop()

    def test_a_start_tells_of_little_room(self):
        free = os.path.join(self.scratch(), "free")
        server = self.server(self.ARGS, shim={"FAULT_FREE": free})
        for mib, said in ((60, "the disk has little room"), (40, "the disk is short of room")):
            with open(free, "w") as file:
                file.write(str(mib * MIB))
            server.start()
            self.assertIn(said, server.log())
            server.stop()
        with open(free, "w") as file:
            file.write(str(16 * MIB))
        with self.assertRaisesRegex(AssertionError, "exit code 1"):
            server.start()
        self.assertIn("16 MiB are free on its disk", server.log())

    def test_a_disk_that_is_full_at_once_loses_nothing(self):
        """No time for the guard: the server may end, but what was acknowledged is there when there is room."""
        folder = self.mount(256)
        if folder is None:
            return self.test_events_are_refused_in_time_and_taken_again()
        server = self.server(self.ARGS, data=os.path.join(folder, "data")).start()
        ledger = Ledger()
        stop = threading.Event()

        def load():
            while not stop.is_set() and ledger.post(server, 200)[0] in (202, 503):
                pass
        client = threading.Thread(target=load)
        client.start()
        harness.wait_until("some events", lambda: len(ledger.acked) > 2000)
        filler = os.path.join(folder, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * MIB):  # beside the server's own writes: until nothing goes in any more
                    pass
            except OSError:
                pass
        ballast = os.path.join(folder, "data", "ballast")
        harness.wait_until("an end or a refusal", lambda: server.process.poll() is not None or
                           not os.path.exists(ballast))
        stop.set()
        client.join()
        os.unlink(filler)
        if server.process.poll() is not None:
            self.assertEqual(server.process.returncode, 70, server.log())
            server.start()
        harness.wait_until("events to be taken again", lambda: Ledger("after").post(server)[0] == 202)
        check_kept(ledger, [e for e in listing(server) if e["eventId"].startswith("e")])
        server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
