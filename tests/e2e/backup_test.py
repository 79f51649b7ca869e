#!/usr/bin/env python3
"""Goal: a backup made under load, restored elsewhere, holds every event that was acknowledged when
it was asked for; damage in a folder is found; a folder of the first format still opens.
Method: the built binary, an outside list of what was acknowledged, flipped bytes, a kept folder."""
import http.client
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import unittest

import harness

DATA = os.path.join(os.path.dirname(__file__), "..", "data", "store")


def cli(*args, server=None):
    env = {"MILLRACE_SERVER": server.ready["http"]} if server else {}
    done = subprocess.run([harness.BINARY, *args], capture_output=True, timeout=120,
                          env=harness.clean_environment(env))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Loader(threading.Thread):
    """Posts batches until told to stop; `acknowledged` holds the ids that were answered with 202."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.server, self.prefix = server, name
        self.acknowledged, self.stopping = [], False

    def run(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        batch = 0
        while not self.stopping:
            ids = [f"{self.prefix}-{batch}-{i}" for i in range(100)]
            body = json.dumps([{"eventId": i, "pattern": "b.e", "payload": {"n": 1, "text": "x" * 200}} for i in ids])
            connection.request("POST", "/v2/events?ids=0", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            if reply.status != 202:
                return
            self.acknowledged += ids
            batch += 1
        connection.close()


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-backup-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = harness.Server(["--set", "backup.dir=/"])
        self.addCleanup(self.server.close)
        self.server.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def serve(self, data):
        server = harness.Server(data=data)
        self.addCleanup(server.close)
        return server.start()

    def all_ids(self, server, pattern):
        seen, cursor = [], ""
        while cursor is not None:
            body = server.get(f"/v2/events?pattern={pattern}&limit=1000" + (f"&cursor={cursor}" if cursor else "")).json()
            seen += [e["eventId"] for e in body["items"]]
            cursor = body["next"] or None
        return seen

    def count(self, server):
        script = server.create_script("return function() return sdk.kv.get('n') or 0 end", type="api")
        return lambda: server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": {}}).json()["result"]

    def test_under_load_then_restored_and_served(self):
        script = self.server.create_script("return function(e) sdk.kv.incr('n') end")
        self.server.subscribe("b.e", script)
        loaders = [Loader(self.server, f"l{n}") for n in range(2)]
        for loader in loaders:
            loader.start()
        harness.wait_until("some load", lambda: sum(len(l.acknowledged) for l in loaders) > 5000)
        before = sum((list(l.acknowledged) for l in loaders), [])
        code, out, err = cli("-o", "json", "backup", self.path("saved"), server=self.server)
        self.assertEqual(code, 0, err)
        report = json.loads(out)
        self.assertGreaterEqual(sum(report["ends"]), len(before))
        taken = sum(len(l.acknowledged) for l in loaders)
        harness.wait_until("load goes on", lambda: sum(len(l.acknowledged) for l in loaders) > taken + 2000)
        for loader in loaders:
            loader.stopping = True
        for loader in loaders:
            loader.join()
        self.assertIn("backup", [e["entry"]["kind"] for e in self.server.get("/v2/audit").json()["items"]])

        code, out, err = cli("verify", self.path("saved"))
        self.assertEqual(code, 0, out + err)
        code, out, err = cli("restore", self.path("saved"), "--data", self.path("data"))
        self.assertEqual(code, 0, err)
        code, out, err = cli("verify", "-o", "json", self.path("data"))
        self.assertEqual(code, 0, out + err)
        checked = json.loads(out)
        self.assertTrue(checked["ok"])
        code, out, err = cli("inspect", "-o", "json", self.path("data"))
        self.assertEqual(code, 0, err)
        seen = json.loads(out)
        self.assertEqual((seen["events"], seen["documents"]["subscription"]), (checked["events"], 1))
        code, out, err = cli("inspect", self.path("data"), "--events", "3")
        self.assertEqual([json.loads(line)["event"]["pattern"] for line in out.splitlines()], ["b.e"] * 3)

        other = self.serve(self.path("data"))
        kept = self.all_ids(other, "b.e")
        self.assertEqual(set(before) - set(kept), set(), "acknowledged before the backup, but not in it")
        self.assertEqual(len(kept), len(set(kept)))
        value = self.count(other)
        harness.wait_until("what was not handled yet is handled, once", lambda: value() >= len(kept))
        self.assertEqual(value(), len(kept))
        reply = other.post("/v2/events", [{"eventId": i, "pattern": "b.e", "payload": {}} for i in before[:500]]).json()
        self.assertEqual(reply["duplicates"], 500)

    def test_what_is_refused(self):
        self.server.send_event("b.e")
        code, _, err = cli("backup", self.path("saved"), server=self.server)
        self.assertEqual(code, 0, err)
        code, _, err = cli("backup", self.path("saved"), server=self.server)
        self.assertEqual(code, 1)
        self.assertIn("exists", err)
        os.mkdir(self.path("other.part"))
        code, _, err = cli("backup", self.path("other"), server=self.server)
        self.assertEqual(code, 1)
        self.assertIn("other.part", err)
        self.assertTrue(os.path.isdir(self.path("other.part")), "nothing is removed")
        for path in ("re/lative", "..", ".", ""):
            reply = self.server.post("/v2/backups", {"path": path})
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (400, "VALIDATION_ERROR"), path)
        code, _, err = cli("restore", self.path("saved"), "--data", self.folder)
        self.assertEqual(code, 1)
        self.assertIn("not empty", err)
        code, _, err = cli("restore", self.folder, "--data", self.path("new"))
        self.assertEqual(code, 1)
        for verb in ("verify", "inspect"):
            code, _, err = cli(verb, self.server.data)
            self.assertEqual(code, 1, verb)
            self.assertIn("locked", err)
        # Its files change under the copy.
        code, _, err = cli("restore", self.server.data, "--data", self.path("new"))
        self.assertEqual(code, 1)
        self.assertIn("of a running server", err)
        self.assertFalse(os.path.exists(self.path("new")))
        open(self.path("file"), "w").close()
        for target in (self.path("file/below"), "/proc/below"):
            code, _, err = cli("backup", target, server=self.server)
            self.assertEqual(code, 1)
            self.assertIn("choose a folder that can be written", err)
            self.assertIn('"field":"path"', err)
        code, _, err = cli("restore", self.path("saved"), "--data", self.path("file"))
        self.assertEqual(code, 1)
        self.assertIn("no folder", err)

    def test_verbs_without_a_server_say_what_is_wrong(self):
        self.server.send_event("b.e")
        self.assertEqual(cli("backup", self.path("saved"), server=self.server)[0], 0)
        self.assertEqual(cli("verify")[0], 2)
        for verb in ("verify", "inspect"):
            code, _, err = cli(verb, self.path("nothing"))
            self.assertEqual(code, 1)
            self.assertIn("there is no such folder", err)
            code, _, err = cli(verb, self.folder)
            self.assertEqual(code, 1)
            self.assertIn("no Millrace data folder", err)
        inspect = ("inspect", self.path("saved"))
        for more, said in ((("--documents", "nonsense"), "script_version"), (("--shard", "0"), "--events"),
                           (("--offset", "1"), "--events"), (("--events", "1", "--shard", "-3"), "--shard"),
                           (("--events", "1", "--documents", "script"), "excludes")):
            code, _, err = cli(*inspect, *more)
            self.assertEqual(code, 2, more)
            self.assertIn(said, err)
        code, out, err = cli(*inspect, "--events", "1", "--offset", "99")
        self.assertEqual((code, out), (0, ""))
        self.assertIn("no events from offset 99", err)

    def test_a_copy_that_finds_no_room_leaves_none_behind(self):
        self.server.send_event("b.e")
        self.assertEqual(cli("backup", self.path("saved"), server=self.server)[0], 0)
        small = self.path("small")
        os.mkdir(small)
        mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "millrace", small]
        if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
            self.skipTest("no mount is allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", small], check=False)
        with open(os.path.join(small, "fill"), "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        code, _, err = cli("backup", os.path.join(small, "copy"), server=self.server)
        self.assertEqual(code, 1)
        self.assertIn("No space left on device; what was copied is removed again", err)
        code, _, err = cli("restore", self.path("saved"), "--data", os.path.join(small, "data"))
        self.assertEqual(code, 1)
        self.assertIn("No space left on device", err)
        os.unlink(os.path.join(small, "fill"))
        self.assertFalse(os.path.exists(os.path.join(small, "copy.part")))
        code, _, err = cli("restore", self.path("saved"), "--data", os.path.join(small, "data"))
        self.assertEqual(code, 0, err)
        self.assertEqual(cli("verify", os.path.join(small, "data"))[0], 0)

    def test_a_flipped_byte_is_found(self):
        for n in range(20):
            self.server.post("/v2/events", [{"pattern": "b.e", "payload": {"text": "y" * 500, "n": i}} for i in range(100)])
        self.assertEqual(cli("backup", self.path("saved"), server=self.server)[0], 0)
        rocks = os.path.join(self.path("saved"), "rocks")
        found = 0
        for name in sorted(os.listdir(rocks)):
            if not name.endswith((".blob", ".sst")):
                continue
            path = os.path.join(rocks, name)
            with open(path, "r+b") as file:
                size = os.path.getsize(path)
                file.seek(size // 2)
                byte = file.read(1)
                # The backup's files may be links to the server's own: a copy is damaged, not them.
                copy = self.path("copy")
                shutil.rmtree(copy, True)
                shutil.copytree(self.path("saved"), copy)
            with open(os.path.join(copy, "rocks", name), "r+b") as file:
                file.seek(size // 2)
                file.write(bytes([byte[0] ^ 0x10]))
            code, out, err = cli("verify", copy)
            self.assertEqual(code, 1, (name, out, err))
            found += 1
        self.assertGreater(found, 2)
        self.assertEqual(cli("verify", self.path("saved"))[0], 0)


class FirstFormat(unittest.TestCase):
    """tests/data/store/format_1.tar.xz was written by the first version of the store."""

    def test_it_opens_and_goes_on(self):
        folder = tempfile.mkdtemp(prefix="millrace-format-")
        self.addCleanup(shutil.rmtree, folder, True)
        with tarfile.open(os.path.join(DATA, "format_1.tar.xz")) as tar:
            tar.extractall(folder)
        data = os.path.join(folder, "data")
        code, out, err = cli("verify", "-o", "json", data)
        self.assertEqual(code, 0, out + err)
        report = json.loads(out)
        self.assertEqual((report["events"], report["deadLetters"], report["retries"]), (1004, 1, 1))
        server = harness.Server(data=data)
        self.addCleanup(server.close)
        server.start()
        event = server.get("/v2/events/old-3-4").json()
        self.assertEqual((event["payload"]["n"], event["payload"]["text"], event["metadata"]["correlationId"]),
                         (79, "kept as it came \u00e4", "corr-3"))
        reply = server.post("/v2/events", {"eventId": "old-3-4", "pattern": "old.e", "payload": {"n": 79}}).json()
        self.assertTrue(reply["events"][0]["duplicate"])
        self.assertEqual(reply["events"][0]["offset"], event["offset"])
        done = server.get("/v2/executions?eventId=old-3-4").json()["items"]
        self.assertEqual([(e["status"], e["result"], e["scriptVersion"]) for e in done], [("completed", 158, 2)])
        self.assertEqual([d["event"]["eventId"] for d in server.get("/v2/dlq?pattern=old.dead").json()["items"]], ["old-dead"])
        self.assertEqual([v["version"] for v in server.get("/v2/scripts/counter/versions").json()["items"]], [2, 1])
        script = server.create_script("return function() return sdk.kv.get('count') end", type="api")
        value = lambda: server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": {}}).json()["result"]
        self.assertEqual(value(), 500)
        server.send_event("old.e", {"n": 1})
        harness.wait_until("a new event is counted on", lambda: value() == 501)
        server.stop()
        self.assertEqual(cli("verify", data)[0], 0)


if __name__ == "__main__":
    unittest.main()
