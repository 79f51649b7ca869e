#!/usr/bin/env python3
"""Goal: a day's work from the shell: files in and out, dead letters, replays, secrets, contexts,
settings and pages, each verb on a real server.
Method: the built binary as a child process; what it says and what the server then has."""
import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness


def cli(*args, code=0, stdin=None, env=None):
    done = subprocess.run([harness.BINARY, *args], capture_output=True, timeout=120, input=stdin,
                          env=harness.clean_environment(env))
    if done.returncode != code:
        raise AssertionError((args, done.returncode, done.stdout, done.stderr))
    return done.stdout.decode(), done.stderr.decode()


class Shell(harness.ServerCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-shell-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.env = {"MILLRACE_CONTEXTS_FILE": os.path.join(self.folder, "contexts.json")}

    def cli(self, *args, env=None, **options):
        return cli(*args, env={"MILLRACE_SERVER": self.server.ready["http"], **self.env, **(env or {})},
                   **options)

    def json(self, *args, **options):
        return json.loads(self.cli("-o", "json", *args, **options)[0])

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def lines(self, pattern, count, start=0):
        return "".join(json.dumps({"eventId": f"{pattern}-{n}", "pattern": pattern, "payload": {"n": n}}) + "\n"
                       for n in range(start, start + count))

    def test_files_of_every_kind_load_in_one_go(self):
        pattern = self.unique("load.")
        plain = self.write("a.ndjson", self.lines(pattern, 10))
        packed = self.write("b.ndjson.gz", gzip.compress(self.lines(pattern, 20, 10).encode()))
        done = self.json("event", "load", plain, packed, "-", stdin=self.lines(pattern, 5, 30).encode())
        self.assertEqual((done["accepted"], done["duplicates"], done["rejected"]), (35, 0, 0))
        self.assertEqual(self.json("event", "count", pattern)["count"], 35)
        cut = self.write("c.gz", gzip.compress(self.lines(pattern, 5000, 100).encode())[:-200])
        self.assertIn("ends too early", self.cli("event", "load", cut, code=1)[1])

    def test_mistakes_are_told_by_the_files_lines_and_bytes(self):
        pattern = self.unique("bad.")
        good = self.lines(pattern, 3)
        broken = '{"pattern":"%s","payload":{"a":}}\n' % pattern
        path = self.write("x.ndjson", good + broken + self.lines(pattern, 2, 50))
        done = self.json("event", "load", path, "--batch", "2", code=1)
        self.assertEqual((done["accepted"], done["rejected"]), (5, 1))
        reject = done["rejects"][0]
        self.assertEqual((reject["line"], reject["byte"]), (4, len(good) + broken.index("}")), reject)

    def test_what_is_exported_or_listed_loads_into_another_server(self):
        pattern = self.unique("move.")
        self.cli("event", "load", "-", stdin=self.lines(pattern, 1200).encode())
        exported = self.cli("event", "export", pattern, "--from", "1h", "--to", "now")[0]
        self.assertEqual(len(exported.splitlines()), 1200)
        tail = self.cli("-o", "json", "event", "tail", pattern, "--from", "1h", "-n", "7")[0]
        other = harness.Server()
        self.addCleanup(other.close)
        other.start()
        env = {"MILLRACE_SERVER": other.ready["http"], **self.env}
        cli("event", "load", self.write("e.gz", gzip.compress(exported.encode())), env=env)
        loaded = json.loads(cli("-o", "json", "event", "load", "-", stdin=tail.encode(), env=env)[0])
        self.assertEqual((loaded["accepted"], loaded["duplicates"], loaded["rejected"]), (0, 7, 0))
        event = other.get(f"/v2/events/{pattern}-7").json()
        self.assertEqual(event["payload"], {"n": 7})
        self.assertNotEqual(event["receivedAt"], self.server.get(f"/v2/events/{pattern}-7").json()["receivedAt"])

    def test_a_list_says_how_much_it_has_searched(self):
        pattern = self.unique("much.")
        self.server.send_event(pattern)
        page = self.server.get(f"/v2/events?pattern={pattern}").json()
        self.assertEqual((page["next"], page["searched"]), (None, 1), page)
        self.assertGreaterEqual(page["scanned"], 1)

    def dead_letters(self, pattern, count):
        script = self.server.create_script("if sdk.events.current().payload.bad then error('bad day') end")
        handler = self.server.subscribe(pattern, script, name=pattern, retry={"maxRetries": 0})
        for n in range(count):
            self.server.send_event(pattern, {"bad": True, "n": n})
        harness.wait_until("dead letters", lambda: len(
            self.json("dlq", "list", "--handler", pattern)["items"]) == count)
        return script, handler

    def test_dead_letters_are_followed_to_their_result(self):
        pattern = self.unique("dlq.")
        script, _ = self.dead_letters(pattern, 4)
        self.assertIn("4 dead letters", self.cli("dlq", "replay", "--handler", pattern, "--dry-run")[0])
        again = self.json("dlq", "replay", "--handler", pattern, "--wait", code=1)
        self.assertEqual((again["delivered"], again["failed"]), (0, 4), again)
        self.assertIn("bad day", again["error"])
        self.server.request("PUT", f"/v2/scripts/{script}", {"name": "t", "type": "event", "source": "return 1"})
        one = self.json("dlq", "list", "--handler", pattern)["items"][0]["id"]
        self.assertEqual(self.json("dlq", "replay", one, "--wait")["delivered"], 1)
        done = self.json("dlq", "replay", "--handler", pattern, "--wait")
        self.assertEqual((done["delivered"], done["failed"]), (3, 0), done)
        self.assertEqual(self.json("dlq", "list", "--handler", pattern)["items"], [])

    def test_letters_go_in_portions_until_too_many_fail_again(self):
        pattern = self.unique("dlqparts.")
        script, _ = self.dead_letters(pattern, 25)
        stopped = self.json("dlq", "replay", "--handler", pattern, "--stop-at", "50", code=1)
        self.assertEqual((stopped["delivered"], stopped["failed"], stopped["left"]), (0, 10, 15), stopped)
        self.assertIn("bad day", stopped["error"])
        self.server.request("PUT", f"/v2/scripts/{script}", {"name": "t", "type": "event", "source": "return 1"})
        done = self.json("dlq", "replay", "--handler", pattern, "--stop-at", "0")
        self.assertEqual((done["delivered"], done["failed"], done["left"]), (25, 0, 0), done)
        self.assertEqual(self.json("dlq", "list", "--handler", pattern)["items"], [])
        for wrong in (["--stop-at", "101"], ["--stop-at", "5", "--rate", "5"]):
            self.cli("dlq", "replay", "--handler", pattern, *wrong, code=2)

    def test_words_of_other_programs_are_understood_or_corrected(self):
        pattern = self.unique("words.")
        self.server.send_event(pattern, eventId=pattern)
        self.assertIn(pattern, self.cli("event", "ls", pattern)[0])
        self.assertEqual(self.json("event", "get", pattern), self.json("event", "info", pattern))
        self.assertEqual(self.json("events:ls", pattern)["items"][0]["eventId"], pattern)
        self.cli("handler", "add", "--name", pattern, "--pattern", pattern,
                 "--executor", '{"type":"webhook","url":"https://shop.example/in"}')
        self.assertEqual(self.json("handler", "describe", pattern)["name"], pattern)
        self.cli("handler", "rm", pattern)
        self.cli("handler", "show", pattern, code=1)
        self.assertIn("did you mean --from?", self.cli("event", "list", "--since", "1h", code=2)[1])
        self.assertIn("did you mean --source-id?", self.cli("event", "list", "--source", "x", code=2)[1])
        self.assertIn("unknown command 'event frobnicate'", self.cli("event", "frobnicate", code=2)[1])

    def test_documents_of_every_kind_are_shown(self):
        name = self.unique("shown").replace(".", "-")
        script = self.server.create_script("return 1", id=name + "-s", type="endpoint")
        made = {
            "/v2/sources": {"id": name, "scheme": "github"},
            "/v2/schedules": {"id": name, "type": "cron", "cron": "0 3 * * *", "event": {"pattern": "a.b"}},
            "/v2/endpoints": {"id": name, "method": "GET", "route": name, "scriptId": script},
            "/v2/schemas": {"id": name, "pattern": name, "schema": {"type": "object"}},
            "/v2/workflows": {"id": name, "steps": [{"id": "a", "type": "wait", "signal": "go"}]},
        }
        for path, body in made.items():
            self.assertEqual(self.server.post(path, body).status, 201, path)
            noun = path.split("/")[-1]
            shown = self.json(noun if noun != "workflows" else "workflow", "show", name)
            self.assertEqual(shown["id"], name)
        self.assertNotIn("secret\"", json.dumps(self.json("source", "show", name)))

    def test_a_handler_is_previewed_before_it_is_saved(self):
        pattern = self.unique("preview.")
        for n in range(6):
            self.server.send_event(pattern, {"n": n, "paid": n != 5}, eventId=f"{pattern}-{n}")
        told = self.json("handler", "preview", "--pattern", pattern,
                         "--filter", "$.payload.n >= 3 && $.payload.paid == true")
        self.assertEqual(told["matched"], 2)
        self.assertEqual([s["eventId"] for s in told["samples"]], [f"{pattern}-4", f"{pattern}-3"])
        self.assertEqual([(m["condition"], m["count"]) for m in told["nearMisses"]],
                         [("$.payload.n >= 3", 3), ("$.payload.paid == true", 1)])
        script = self.server.create_script("return 1")
        self.server.subscribe(pattern, script, name=pattern, filter="$.payload.n < 2")
        against = self.json("handler", "preview", pattern, "--filter", "$.payload.n >= 1")
        self.assertEqual((against["matched"], against["gained"], against["lost"]), (5, 4, 1), against)
        self.assertEqual([s["eventId"] for s in against["lostSamples"]], [f"{pattern}-0"])
        text = self.cli("handler", "preview", pattern, "--filter", "!($.payload.n == 1)")
        self.assertIn("5 of the last", text[0])
        self.assertIn("no condition of it has an index", text[1])
        self.cli("handler", "preview", code=2)

    def test_a_backup_may_be_a_name(self):
        name = self.unique("backup").replace(".", "-")
        made = self.json("backup", name)
        self.assertTrue(made["path"].endswith("/backups/" + name), made)
        self.assertIn("well:", cli("verify", made["path"])[0])
        self.assertIn("exists", self.cli("backup", name, code=1)[1])
        self.assertIn("a name alone", self.cli("backup", self.folder, code=1)[1])

    def test_a_corrected_event_is_delivered(self):
        pattern = self.unique("dlqedit.")
        self.dead_letters(pattern, 1)
        letter = self.json("dlq", "list", "--handler", pattern)["items"][0]
        event = dict(letter["event"], payload={"n": 0})
        shown = self.json("dlq", "edit", letter["id"], "-", stdin=json.dumps(event).encode())
        self.assertEqual(shown["event"]["payload"], {"n": 0})
        self.assertEqual(self.json("dlq", "replay", letter["id"], "--wait")["delivered"], 1)

    def test_all_of_them_only_when_it_was_meant(self):
        pattern = self.unique("all.")
        self.dead_letters(pattern, 2)
        group = [g for g in self.json("dlq", "groups", "--handler", pattern)["items"]][0]
        self.assertEqual(group["count"], 2)
        self.assertEqual(self.json("dlq", "mark", group["fingerprint"], "acknowledged")["state"], "acknowledged")
        for verb in ("replay", "purge"):
            self.assertIn("--yes", self.cli("dlq", verb, "--all", code=2)[1])
        self.assertEqual(len(self.json("dlq", "list", "--handler", pattern)["items"]), 2)
        self.cli("dlq", "purge", "--fingerprint", group["fingerprint"], "--handler", pattern, "--yes")
        self.assertEqual(self.json("dlq", "list", "--handler", pattern)["items"], [])

    def test_replays_are_listed(self):
        pattern = self.unique("rep.")
        script = self.server.create_script("return 1")
        self.server.subscribe(pattern, script, name=pattern)
        self.server.send_event(pattern)
        self.cli("replay", "start", "--pattern", pattern, code=2)
        state = self.json("replay", "start", "--pattern", pattern, "--handler", pattern, "--wait")
        self.assertEqual(state["delivered"], 1)
        self.assertIn(state["id"], [r["id"] for r in self.json("replay", "list")["items"]])
        self.assertIn(state["id"], self.cli("replay", "list")[0])

    def test_secrets(self):
        name = self.unique("secret_").replace(".", "_")
        self.cli("secret", "set", name, stdin=b"first\n")
        self.cli("secret", "set", name, "second")
        script = self.server.create_script(f"return sdk.secrets.get('{name}')", type="api", permissions=["secrets"])
        self.assertEqual(self.json("script", "run", script)["result"], "second")
        listed = self.cli("secret", "list")[0] + self.cli("secret", "versions", name)[0]
        self.assertIn(name, listed)
        self.assertNotIn("second", listed)
        self.cli("secret", "remove", name)
        self.cli("secret", "remove", name, code=1)

    def test_health_console_and_openapi(self):
        self.assertEqual(self.cli("health")[0], "ready\n")
        self.cli("health", code=1, env={"MILLRACE_SERVER": "127.0.0.1:1"})
        url = self.cli("console")[0].strip()
        self.assertEqual(url, f"http://{self.server.ready['http']}/")
        self.assertTrue(json.loads(self.cli("openapi")[0])["openapi"].startswith("3.1"))

    def test_a_context_is_a_server_by_a_name(self):
        cli("context", "add", "here", "--server", self.server.ready["http"], env=self.env)
        self.assertEqual(cli("health", env=self.env)[0], "ready\n")
        self.assertEqual(os.stat(self.env["MILLRACE_CONTEXTS_FILE"]).st_mode & 0o777, 0o600)
        cli("context", "use", "--none", env=self.env)
        cli("--context", "there", "health", code=1, env=self.env)
        cli("--context", "here", "health", env=self.env)

    def test_the_process_and_its_disk_are_measured(self):
        text = self.server.get("/metrics").body.decode()
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
                     "process_max_fds", "process_start_time_seconds", "millrace_disk_free_bytes",
                     "millrace_disk_reserve_bytes", "millrace_disk_short_total", "millrace_recovered"):
            self.assertRegex(text, rf"(?m)^# TYPE {name} \w+$")
            self.assertRegex(text, rf"(?m)^{name} \S+$")
        self.assertRegex(text, r'(?m)^millrace_build_info\{version="[^"]+",io="(io_uring|epoll)"\} 1$')
        resident = self.server.metric("process_resident_memory_bytes")
        self.assertTrue(5 << 20 < resident < 4 << 30, resident)
        self.assertEqual(self.server.metric("millrace_recovered"), 0)


class Offline(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-shell-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.data = os.path.join(self.folder, "data")

    def test_settings_are_checked_and_their_origins_told(self):
        path = os.path.join(self.folder, "m.toml")
        with open(path, "w") as file:
            file.write('[retention]\nbytes = "10GB"\n')
        shown = json.loads(cli("config", "show", "--config", path, "--data", self.data, "-o", "json",
                               env={"MILLRACE_ENGINE_LANES": "2"})[0])["items"]
        origin = {one["key"]: (one["value"], one["from"]) for one in shown}
        self.assertEqual(origin["retention.bytes"], ("10000000000", path))
        self.assertEqual(origin["engine.lanes"], ("2", "environment"))
        self.assertEqual(origin["data.dir"], (self.data, "flag"))
        self.assertEqual(origin["http.idle_timeout"][1], "default")
        cli("config", "check", "--config", path, "--data", self.data)
        self.assertFalse(os.path.exists(self.data), "nothing is made")

    def test_settings_that_a_start_would_refuse(self):
        other = os.path.join(self.folder, "other")
        os.makedirs(other)
        open(os.path.join(other, "letter.txt"), "w").close()
        node = os.path.join(self.folder, "node")
        os.makedirs(os.path.join(node, "p01"))
        open(os.path.join(node, "node.lock"), "w").close()
        for args, why in ((("--data", other), "letter.txt"),
                          (("--data", node), "cluster's node"),
                          (("--data", os.path.join(node, "p01")), "cluster's node"),
                          (("--set", "cluster.name=a"), "cluster."),
                          (("--set", "hub.url=nowhere"), "hub.url"),
                          (("--set", "hub.url=https://hub.example"), "hub.node"),
                          (("--set", "otlp.endpoint=nowhere"), "otlp.endpoint"),
                          (("--set", "links.file_allow=logs"), "links.file_allow"),
                          (("--set", "engine.drain_timeout=30"), "unit"),
                          (("--set", "retention.rules=a.*:1h"), "retention.rules"),
                          (("--set", "http.listen=nowhere"), "nowhere")):
            said = cli("config", "check", *args, code=1)[1]
            self.assertIn(why, said, args)
            self.assertNotEqual(subprocess.run(
                [harness.BINARY, "serve", "--data", self.data, *args], capture_output=True, timeout=60,
                env=harness.clean_environment()).returncode, 0, args)

    def test_pages(self):
        topics = cli("help")[0].split("topics:")[1].split("\n")[0].split()
        for topic in ("events", "patterns", "filters", "lua", "retries", "errors", "coming-from"):
            self.assertIn(topic, topics)
        for topic in topics:
            self.assertTrue(cli("help", topic)[0].startswith("# "), topic)
        self.assertIn("did you mean", cli("help", "filter", code=2)[1])

    def test_the_page_of_errors_has_every_code(self):
        server = harness.Server()
        self.addCleanup(server.close)
        server.start()
        text = server.get("/openapi.json").body.decode()
        codes = set(json.loads(re.search(r'"code":\{"type":"string","enum":(\[[^]]*\])', text)[1]))
        self.assertEqual(codes, set(re.findall(r"^\| `([A-Z_]+)` \|", cli("help", "errors")[0], re.M)))

    def test_bash_completes(self):
        script = cli("completion", "bash")[0]
        for line, wanted in (("millrace ev", "event"), ("millrace event exp", "export"),
                             ("millrace event export --pattern-p", "--pattern-prefix"),
                             ("millrace -o json dlq rep", "replay"), ("millrace ser", "serve")):
            words = line.split(" ")
            asked = script + ("\nCOMP_WORDS=(%s); COMP_CWORD=%d; _millrace; echo \"${COMPREPLY[@]}\"\n"
                              % (" ".join(words), len(words) - 1))
            done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, timeout=60)
            self.assertIn(wanted, done.stdout.split(), (line, done.stdout, done.stderr))

    def completes(self, shell, words):
        """What that shell offers behind these words."""
        path = os.path.join(self.folder, shell)
        with open(path, "w") as file:
            file.write(cli("completion", shell)[0])
        asked = {"fish": f"source {path}; complete -C '{' '.join(words)}'",
                 "zsh": "compadd() { shift; print -rl -- \"$@\" }; compdef() {}; _files() {}; source %s; "
                        "words=(%s); CURRENT=%d; _millrace" % (path, " ".join(words), len(words))}[shell]
        done = subprocess.run([shell, *(["-f"] if shell == "zsh" else []), "-c", asked], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def test_zsh_and_fish_complete(self):
        there = [shell for shell in ("zsh", "fish") if shutil.which(shell)]
        if not there:
            self.skipTest("neither zsh nor fish is installed")
        for shell in there:
            for words, wanted in ((("millrace", "ev"), "event"), (("millrace", "event", "exp"), "export"),
                                  (("millrace", "event", "export", "--pattern-p"), "--pattern-prefix"),
                                  (("millrace", "ser"), "serve")):
                self.assertIn(wanted, self.completes(shell, words), (shell, words))

    def test_two_runs_of_bench_are_compared(self):
        def run(name, rate):
            load = {"eventsPerSecond": rate, "p50Us": 10, "p99Us": 20}
            path = os.path.join(self.folder, name)
            with open(path, "w") as file:
                json.dump({"single": load, "batch": load, "deliveredPerSecond": rate}, file)
            return path
        slow, quick = run("slow", 1000.5), run("quick", 2000.5)
        self.assertFalse(json.loads(cli("bench", "compare", slow, quick, "-o", "json")[0])["worse"])
        cli("bench", "compare", quick, slow, code=1)
        cli("bench", "compare", quick, code=2)


if __name__ == "__main__":
    unittest.main()
