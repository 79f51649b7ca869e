#!/usr/bin/env python3
"""Goal: the .deb installs on a Debian that has nothing, works at once, is upgraded without a question and
without a loss, and purged without a trace; lintian and systemd find nothing.
Method: tools/package on the built program, twice with rising versions; a debootstrap of its own. Needs
root and the mirrors; minutes.

    MILLRACE_BINARY=build/release/tools/millrace tests/package/deb_test.py
"""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import made  # noqa: E402
from chroot import Chroot  # noqa: E402

# On a machine that does something else beside it, more may be allowed.
FIRST_SUCCESS_SECONDS_MAX = float(os.environ.get("MILLRACE_FIRST_SECONDS", "30"))
EXPOSURE_MAX = 2.0
HANDLER = 'return function(e) sdk.kv.incr("seen") return e.payload.n end'
HOT = 'return function(e) local s = 0 for i = 1, 1000000 do s = s + i % 7 end return s end'
# The service without a service manager: the same program, user and settings.
SERVE = ("setpriv", "--reuid=millrace", "--regid=millrace", "--clear-groups", "millrace", "serve", "--config", "/etc/millrace/millrace.toml",
         "--listen", "127.0.0.1:17070")
CLIENT = ("millrace", "--server", "http://127.0.0.1:17070")


class Package(made.Suite):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first = cls.make("deb")[-1]
        version = os.path.basename(cls.first).split("_")[1]
        cls.second = cls.make("deb", "--no-check", version=version + "+1")[-1]
        cls.chroot = Chroot()
        cls.addClassCleanup(cls.chroot.close)

    def install(self, package):
        shutil.copy(package, self.chroot.path("/srv/millrace.deb"))
        return self.chroot.run("apt-get", "install", "-y", "-q", "/srv/millrace.deb")

    def serve(self):
        self.chroot.run("install", "-d", "-m", "700", "-o", "millrace", "-g", "millrace", "/var/lib/millrace")
        server = self.chroot.start(*SERVE)
        self.assertIn('"ready":true', server.first_line, server.stderr.read() if server.poll() else "")
        return server

    def stop(self, server):
        server.terminate()
        self.assertEqual(server.wait(60), 0, server.stderr.read())

    def client(self, *arguments):
        return self.chroot.run(*CLIENT, *arguments)

    def send_and_wait(self, n):
        self.client("event", "create", "paid", "--payload", json.dumps({"n": n}))
        deadline = time.monotonic() + 20
        while f'"result":{n}' not in self.client("-o", "json", "execution", "list"):
            self.assertLess(time.monotonic(), deadline, "the handler did not run")
            time.sleep(0.05)

    # One test, since each step stands on the one before.
    def test_from_nothing_to_nothing(self):
        self.install_and_use()
        self.look_around()
        self.be_a_service()
        self.upgrade()
        self.remove_and_purge()
        self.assertLessEqual(self.took, FIRST_SUCCESS_SECONDS_MAX)

    def install_and_use(self):
        began = time.monotonic()
        self.chroot.run("apt-get", "update", "-q")
        lists = time.monotonic()
        self.install(self.first)
        installed = time.monotonic()
        server = self.serve()
        self.chroot.write("/srv/paid.lua", HANDLER)
        self.client("handler", "deploy", "/srv/paid.lua", "--pattern", "paid")
        self.send_and_wait(1)
        self.took = time.monotonic() - lists
        print(f"\nlists {lists - began:.1f} s, install {installed - lists:.1f} s, "
              f"to a handled event {self.took:.1f} s", flush=True)
        self.stop(server)

    def look_around(self):
        run = self.chroot.run
        self.assertEqual(run("stat", "-c", "%U %a", "/var/lib/millrace").strip(), "millrace 700")
        self.assertIn("/etc/millrace/millrace.toml", run("dpkg-query", "-W", "-f", "${Conffiles}", "millrace"))
        self.assertIn("good", run("runuser", "-u", "millrace", "--", "millrace", "config", "check", "--config",
                                  "/etc/millrace/millrace.toml"))
        for page in ("man1/millrace.1.gz", "man5/millrace.toml.5.gz", "man7/millrace-events.7.gz"):
            self.assertTrue(self.chroot.exists("/usr/share/man/" + page), page)
        run("bash", "-n", "/usr/share/bash-completion/completions/millrace")
        depends = run("dpkg-query", "-W", "-f", "${Depends}", "millrace")
        for library in ("libssl3", "libc6"):
            self.assertIn(library, depends)
        # What is in the program itself brings its licence, what is not is asked for.
        notices = self.chroot.read("/usr/share/doc/millrace/copyright")
        for library, package in (("librocksdb", "librocksdb-dev"), ("libhyperscan", "libhyperscan-dev"), ("liburing", "liburing-dev")):
            self.assertNotEqual(library in depends, f"==== {package}\n" in notices, library)
        self.service()

    def service(self):
        unit = self.chroot.path("/lib/systemd/system/millrace.service")
        said = self.chroot.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/millrace.service")
        self.assertNotIn("millrace", said)
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode()
        exposure = float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1])
        print(f"systemd-analyze security: {exposure}", flush=True)
        self.assertLess(exposure, EXPOSURE_MAX, said)

    # The unit as systemd runs it: told when it is ready, in its box, with the compiler of handlers, pinned.
    def be_a_service(self):
        folder = "/etc/systemd/system/millrace.service.d"
        for path in (folder, "/etc/credstore"):
            os.makedirs(self.chroot.path(path))
        credential = "/run/credentials/millrace.service/millrace.secrets.key"
        self.chroot.write(folder + "/test.conf",
                          "[Service]\nWatchdogSec=3\nEnvironment=MILLRACE_ENGINE_PIN=true "
                          f"MILLRACE_SECRETS_KEY_FILE={credential}\n")
        shutil.copy(self.chroot.path("/var/lib/millrace/secrets.key"),
                    self.chroot.path("/etc/credstore/millrace.secrets.key"))
        booted = self.chroot.boot()
        booted.wait("the service", lambda: booted.show("ActiveState") == "active")
        self.assertIn("serving 127.0.0.1:7070", booted.show("StatusText"))
        self.chroot.write("/srv/hot.lua", HOT)
        said = booted.ask("millrace", "handler", "deploy", "/srv/hot.lua", "--pattern", "hot")
        said += booted.ask("millrace", "event", "create", "hot", "--payload", "{}")
        booted.wait("the handler: " + said,
                    lambda: "completed" in booted.ask("millrace", "execution", "list", "--limit", "1"))
        process = booted.show("MainPID")
        maps = booted.ask("cat", f"/proc/{process}/maps")
        self.assertRegex(maps, r"(?m)^\S+ r-xp 00000000 00:00 0 *$", "compiled handlers")
        pinned = booted.ask("sh", "-c", f"cd /proc/{process}/task && grep -l shard-0 */comm | cut -d/ -f1")
        allowed = booted.ask("grep", "Cpus_allowed_list", f"/proc/{process}/task/{pinned.strip()}/status")
        self.assertRegex(allowed, r"\s\d+$", "one core")
        booted.ask("systemctl", "reload", "millrace")
        self.assertEqual((booted.show("Result"), booted.show("ActiveState")), ("success", "active"))
        self.assertIn("was read again", booted.ask("journalctl", "-u", "millrace", "--no-pager"))
        # One that does not come back is started again.
        booted.ask("sh", "-c", f"kill -STOP {process}")
        booted.wait("the watchdog", lambda: booted.show("NRestarts") not in ("", "0") and
                    booted.show("ActiveState") == "active")
        self.assertIn("completed", booted.ask("millrace", "execution", "list", "--limit", "1"))
        booted.ask("systemctl", "stop", "millrace")
        self.assertEqual((booted.show("Result"), booted.show("ActiveState")), ("success", "inactive"))
        self.chroot.shut_down(booted)
        shutil.rmtree(self.chroot.path(folder))
        shutil.rmtree(self.chroot.path("/etc/credstore"))

    def upgrade(self):
        settings = self.chroot.read("/etc/millrace/millrace.toml") + "# mine\n"
        self.chroot.write("/etc/millrace/millrace.toml", settings)
        self.install(self.second)
        self.assertIn("+1", self.chroot.run("dpkg-query", "-W", "-f", "${Version}", "millrace"))
        self.assertEqual(self.chroot.read("/etc/millrace/millrace.toml"), settings, "what was changed stays")
        server = self.serve()
        self.assertIn('"result":1', self.client("-o", "json", "execution", "list"))
        self.send_and_wait(2)
        self.stop(server)

    def remove_and_purge(self):
        self.chroot.run("apt-get", "remove", "-y", "-q", "millrace")
        self.assertFalse(self.chroot.exists("/usr/bin/millrace"))
        self.assertTrue(self.chroot.exists("/var/lib/millrace/FORMAT"), "events stay")
        self.assertTrue(self.chroot.exists("/etc/millrace/millrace.toml"), "settings stay")
        self.chroot.run("apt-get", "purge", "-y", "-q", "millrace")
        self.assertFalse(self.chroot.exists("/var/lib/millrace"))
        self.assertFalse(self.chroot.exists("/etc/millrace"))
        # /srv has what the test has put there.
        self.assertEqual(self.chroot.run("find", "/", "(", "-path", "/proc", "-o", "-path", "/dev", "-o", "-path",
                                         "/srv", ")", "-prune", "-o", "-name", "*millrace*", "-print"), "")
        self.install(self.first)
        self.stop(self.serve())


if __name__ == "__main__":
    unittest.main()
