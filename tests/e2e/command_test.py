#!/usr/bin/env python3
"""Goal: commands run without a shell, from the list alone, with what they may see, and what they
leave behind is stopped with them. Method: scripts that tell what they find."""
import json
import os
import stat
import tempfile
import unittest

import harness

ONCE = {"maxRetries": 0}
PROBE = """#!/usr/bin/python3
import json, os, sys
print(json.dumps({"args": sys.argv[1:], "env": dict(os.environ), "stdin": json.load(sys.stdin),
    "uid": os.getuid(), "leader": os.getsid(0) == os.getpid(), "cwd": os.getcwd(),
    "privs": [l.split()[1] for l in open("/proc/self/status") if l.startswith("NoNewPrivs")]}))
"""
STUBBORN = """#!/bin/bash
trap '' TERM
sleep 600 &
echo "$$ $!"
while true; do sleep 0.1; done
"""
NOISY = """#!/usr/bin/python3
import sys
sys.stdout.write("x" * 5000000)
"""


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="millrace-commands-")
        os.chmod(cls.folder, 0o755)
        cls.paths = {}
        for name, text in (("probe", PROBE), ("stubborn", STUBBORN), ("noisy", NOISY)):
            cls.paths[name] = os.path.join(cls.folder, name)
            with open(cls.paths[name], "w") as file:
                file.write(text)
            os.chmod(cls.paths[name], stat.S_IRWXU | 0o055)
        allow = ",".join([*cls.paths.values(), "/bin/sh", "/bin/echo"])
        cls.server = harness.Server(("--set", "executors.command.allow=" + allow)).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        for path in cls.paths.values():
            os.unlink(path)
        os.rmdir(cls.folder)

    unique = harness.ServerCase.unique
    assert_error = harness.ServerCase.assert_error

    def run_one(self, command, payload=None, args=(), status="completed", retry=ONCE, **members):
        pattern = self.unique("cmd.")
        reply = self.server.post("/v2/subscriptions", {
            "name": "c", "pattern": pattern, "retry": retry,
            "executor": {"type": "command", "command": command, "args": list(args), **members}})
        self.assertEqual(reply.status, 201, reply)
        placed = self.server.send_event(pattern, payload)
        return self.server.wait_executions(1, statuses=(status,), eventId=placed["eventId"])[0]

    def error_of(self, *args, **members):
        return self.run_one(*args, status="dead", **members)["attempts"][0]["error"]

    def test_what_a_command_sees(self):
        os.environ["A_SECRET_OF_THE_SERVER"] = "no"
        done = self.run_one(self.paths["probe"], {"id": "a b; $(id) 'x'", "n": 7, "list": [{"k": "v"}]},
                            ["{{payload.id}}", "n={{ payload.n }}", "{{payload.list}}", "{{payload.list[0].k}}",
                             "{{payload.none | default 'none'}}"], env={"OWN": "<{{payload.n}}>"}, cwd="/usr")
        seen = done["result"]
        self.assertEqual(seen["args"], ["a b; $(id) 'x'", "n=7", '[{"k":"v"}]', "v", "none"])
        self.assertEqual(seen["stdin"]["eventId"], done["eventId"])
        self.assertEqual(seen["stdin"]["payload"]["n"], 7)
        self.assertEqual(seen["env"]["OWN"], "<7>")
        self.assertEqual(seen["env"]["MILLRACE_EVENT_ID"], done["eventId"])
        self.assertEqual(seen["env"]["MILLRACE_ATTEMPT"], "1")
        self.assertTrue(seen["env"]["MILLRACE_DELIVERY_ID"].startswith("dv_"))
        self.assertEqual(set(seen["env"]) - {"LC_CTYPE"}, {
            "OWN", "PATH", "LANG", "MILLRACE_DELIVERY_ID", "MILLRACE_EVENT_ID", "MILLRACE_PATTERN",
            "MILLRACE_TENANT", "MILLRACE_ATTEMPT"})
        self.assertNotEqual(seen["uid"], 0, "never root")
        self.assertEqual((seen["leader"], seen["cwd"], seen["privs"]), (True, "/usr", ["1"]))

    def test_only_what_is_listed_runs(self):
        self.assertIn("executors.command.allow", self.error_of("/bin/ls"))
        self.assertIn("executors.command.allow", self.error_of("/bin/../bin/echo"))

    def test_exit_codes(self):
        self.assertEqual(self.run_one("/bin/echo", args=["plain", "text"])["result"], "plain text")
        self.assertIn("exit code 3: oops", self.error_of("/bin/sh", args=["-c", "echo oops >&2; exit 3"]))
        often = {"maxRetries": 1, "initialDelayMs": 10}
        self.assertEqual(len(self.run_one("/bin/sh", args=["-c", "exit 65"], status="dead",
                                          retry=often)["attempts"]), 1)
        self.assertEqual(len(self.run_one("/bin/sh", args=["-c", "exit 1"], status="dead",
                                          retry=often)["attempts"]), 2)

    def test_templates_stay_in_their_element(self):
        self.assertIn("option", self.error_of("/bin/echo", {"x": "-n"}, ["{{payload.x}}"]))
        self.assertEqual(self.run_one("/bin/echo", {"x": "-n"}, ["{{payload.x}}"], allowDash=True).get("result"), None)
        self.assertIn("zero byte", self.error_of("/bin/echo", {"x": "a\0b"}, ["{{payload.x}}"]))
        self.assertIn("no such member", self.error_of("/bin/echo", {}, ["{{payload.x}}"]))
        self.assertEqual(self.run_one("/bin/echo", {"x": "{{payload.y}}"}, ["{{payload.x}}"])["result"],
                         "{{payload.y}}")

    def test_the_whole_group_is_stopped(self):
        dead = self.run_one(self.paths["stubborn"], status="dead", timeoutMs=300)
        self.assertIn("stopped after 300 ms", dead["attempts"][0]["error"])
        def sleepers():
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline") as file:
                        line = file.read()
                except OSError:
                    continue
                if line.startswith(("sleep\x00600\x00", "/bin/bash\x00/dev/fd/3\x00")):
                    found.append(pid)
            return found
        harness.wait_until("the end of the group", lambda: not sleepers())

    def test_what_is_too_much_is_read_and_dropped(self):
        self.assertEqual(self.run_one(self.paths["noisy"])["status"], "completed")

    def test_a_test_is_one_run_that_is_kept_nowhere(self):
        made = self.server.post("/v2/subscriptions", {"name": "t", "pattern": self.unique("t."), "executor": {
            "type": "command", "command": "/bin/echo", "args": ["{{payload.n}}"]}}).json()
        call = f"/v2/subscriptions/{made['id']}/test"
        reply = self.server.post(call, {"event": {"pattern": "any", "payload": {"n": 4}}})
        self.assertEqual((reply.status, reply.json()["success"], reply.json()["response"]), (200, True, 4), reply)
        self.assert_error(self.server.post(call, ""), 400, "VALIDATION_ERROR", "payload.n")
        self.assertEqual(self.server.executions(subscriptionId=made["id"]), [])

    def test_executors_and_events(self):
        listed = {e["type"]: e for e in self.server.get("/v2/executors").json()["items"]}
        self.assertEqual((listed["command"]["enabled"], listed["command"]["limit"]), (True, 10))
        self.run_one("/bin/echo", args=["told"])
        harness.wait_until("the event", lambda: self.server.all_events("command.succeeded"))

    def test_bad_ones_are_refused_by_name(self):
        def refused(executor, mentions):
            self.assert_error(self.server.post("/v2/subscriptions", {
                "name": "x", "pattern": "x", "executor": dict({"type": "command"}, **executor)}),
                400, "VALIDATION_ERROR", mentions)
        refused({}, "executor.command")
        refused({"command": "echo"}, "executor.command")
        refused({"command": "/bin/echo", "shell": True}, "executor.shell")
        refused({"command": "/bin/echo", "args": "x"}, "executor.args")
        refused({"command": "/bin/echo", "env": {"LD_PRELOAD": "x"}}, "executor.env.LD_PRELOAD")
        refused({"command": "/bin/echo", "cwd": "tmp"}, "executor.cwd")


if __name__ == "__main__":
    unittest.main()
