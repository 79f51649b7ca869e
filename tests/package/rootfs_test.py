#!/usr/bin/env python3
"""Goal: the container's file system holds what the server needs and no shell; it works as user 65532 with
its root read-only, and the image is one that others read.
Method: tools/package on the built program; namespaces of its own instead of a container engine. Needs root.

    MILLRACE_BINARY=build/release/tools/millrace tests/package/rootfs_test.py
"""
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made  # noqa: E402

UID = 65532
# The root read-only, the data folder a mount of its own, as container engines do it.
ENTER = """
mount --bind "$1" "$1" && mount --bind "$2" "$1/var/lib/millrace" &&
mount -o remount,bind,ro "$1" && mount -t proc proc "$1/proc" || exit 99
root="$1"; shift 2
exec chroot --userspec=65532:65532 "$root" "$@"
"""


class Rootfs(made.Suite):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tar, cls.image = cls.make("rootfs")[-2:]
        cls.root = os.path.join(cls.folder, "root")
        os.mkdir(cls.root)
        subprocess.run(["tar", "-C", cls.root, "-xzpf", cls.tar, "--numeric-owner"], check=True)
        cls.data = os.path.join(cls.folder, "data")
        os.mkdir(cls.data)
        os.chown(cls.data, UID, UID)

    def enter(self, *command):
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "sh", self.root,
                self.data, *command]

    def run_inside(self, *command):
        return subprocess.run(self.enter(*command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60)

    def test_no_shell_and_nothing_that_runs_but_the_program(self):
        programs = []
        for folder, _, files in os.walk(self.root):
            for name in files:
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                self.assertFalse(mode & (stat.S_ISUID | stat.S_ISGID), path)
                if stat.S_ISREG(mode) and mode & 0o111 and ".so" not in name:
                    programs.append(os.path.relpath(path, self.root))
        self.assertEqual(programs, ["usr/bin/millrace"])
        for shell in ("bin/sh", "bin/bash", "usr/bin/sh"):
            self.assertFalse(os.path.lexists(os.path.join(self.root, shell)), shell)

    def test_serves_and_handles_as_nobody_on_a_root_that_it_can_not_write(self):
        server = subprocess.Popen(
            self.enter("/usr/bin/millrace", "serve", "--config", "/etc/millrace/millrace.toml", "--listen",
                       "127.0.0.1:17171", "--data", "/var/lib/millrace/data"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            ready = server.stdout.readline().decode()
            self.assertIn('"ready":true', ready, "" if ready else server.stderr.read())
            client = ("/usr/bin/millrace", "--server", "http://127.0.0.1:17171")
            # As a container engine asks for its health, in the container.
            self.assertEqual(self.run_inside(*client, "health").returncode, 0)
            said = self.run_inside(*client, "event", "create", "a", "--payload", "{}")
            self.assertEqual(said.returncode, 0, said.stdout)
            # A zone needs tzdata.
            said = self.run_inside(*client, "schedule", "create", "--name", "z", "--cron", "0 3 * * *",
                                   "--timezone", "Europe/Berlin", "--pattern", "a")
            self.assertEqual(said.returncode, 0, said.stdout)
            self.assertEqual(os.stat(os.path.join(self.data, "data")).st_uid, UID)
        finally:
            os.kill(self.child_of(server.pid), signal.SIGTERM)
            self.assertEqual(server.wait(60), 0, server.stderr.read())

    def child_of(self, pid):
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return int(file.read().split()[0])

    def test_everything_in_it_brings_its_licence(self):
        def notice(package):
            path = os.path.join(self.root, "usr/share/doc", package, "copyright")
            self.assertGreater(os.path.getsize(path), 200, package)
            with open(path) as file:
                return file.read()
        libraries = [os.path.join(folder, name) for folder, _, files in os.walk(self.root) for name in files if ".so" in name]
        self.assertTrue(libraries)
        for path in libraries:
            inside = "/" + os.path.relpath(path, self.root)
            owner = subprocess.run(["dpkg", "-S", os.path.realpath(inside)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
            if owner:
                notice(owner.split(":")[0])
        own = notice("millrace")
        for part in ("LuaJIT", "llhttp", "CLI11", "concurrentqueue", "expected", "toml++", "the console"):
            self.assertIn(f"==== {part}\n", own)
        for package in ("tzdata", "ca-certificates"):
            notice(package)

    def test_the_root_is_read_only_and_a_wrong_folder_is_told(self):
        ran = self.run_inside("/usr/bin/millrace", "serve", "--listen", "127.0.0.1:0", "--data", "/other")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn(b"Read-only file system", ran.stdout)

    def test_the_image_is_what_others_read(self):
        with tarfile.open(self.image) as tar:
            read = {entry.name: tar.extractfile(entry).read() for entry in tar.getmembers()}
        self.assertEqual(json.loads(read["oci-layout"]), {"imageLayoutVersion": "1.0.0"})

        def blob(told):
            data = read["blobs/sha256/" + told["digest"].split(":")[1]]
            self.assertEqual((len(data), "sha256:" + hashlib.sha256(data).hexdigest()),
                             (told["size"], told["digest"]))
            return data
        manifest = json.loads(blob(json.loads(read["index.json"])["manifests"][0]))
        config = json.loads(blob(manifest["config"]))
        self.assertEqual(config["config"]["User"], f"{UID}:{UID}")
        with open(self.tar, "rb") as file:
            self.assertEqual(blob(manifest["layers"][0]), file.read())
        data = os.stat(os.path.join(self.root, "var/lib/millrace"))
        self.assertEqual((data.st_uid, data.st_mode & 0o777), (UID, 0o700))
        self.assertEqual(os.stat(os.path.join(self.root, "usr/bin/millrace")).st_uid, 0)


if __name__ == "__main__":
    unittest.main()
