"""Goal: the server does for the console what a browser needs to be safe: files with their policy and
tags, a cookie for a key that only the server's own pages can use, figures with a past, dead letters by
what went wrong.
Method: real servers, one without keys and one with.
"""
import gzip
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from harness import BINARY, Server, ServerCase, clean_environment, wait_until  # noqa: E402
from keyed import KeyedCase  # noqa: E402

FAILS = 'return function(event) error("no such customer " .. event.payload.kind) end'


class FilesTest(ServerCase):
    def test_the_page_is_there_with_its_policy(self):
        page = self.server.get("/")
        self.assertEqual((page.status, page.headers["content-type"]),
                         (200, "text/html; charset=utf-8"))
        self.assertIn(b"<title>Millrace</title>", page.body)
        policy = page.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'",
                     "require-trusted-types-for 'script'"):
            self.assertIn(rule, policy)
        self.assertEqual(page.headers["x-content-type-options"], "nosniff")
        self.assertEqual(page.headers["cache-control"], "no-cache")

    def test_what_it_loads_is_there_for_ever_and_not_sent_twice(self):
        page = self.server.get("/").body.decode()
        script = page.split('type="module" src="')[1].split('"')[0]
        packed = self.server.get(script, headers={"Accept-Encoding": "gzip"})
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertIn("immutable", packed.headers["cache-control"])
        plain = self.server.get(script)
        self.assertNotIn("content-encoding", plain.headers)
        self.assertGreater(len(plain.body), len(packed.body))
        known = self.server.get(script, headers={"If-None-Match": packed.headers["etag"]})
        self.assertEqual((known.status, known.body), (304, b""))

    def test_the_pages_of_help_are_there(self):
        listed = self.server.get("/console/help.txt")
        self.assertEqual((listed.status, listed.headers["content-type"]), (200, "text/plain; charset=utf-8"))
        topics = dict(line.split("\t") for line in listed.body.decode().splitlines())
        said = subprocess.run([BINARY, "help"], capture_output=True, text=True, env=clean_environment()).stdout
        self.assertEqual(list(topics), said.split("topics:")[1].split("\n")[0].split())
        for topic, title in topics.items():
            page = self.server.get(f"/console/help-{topic}.md", headers={"Accept-Encoding": "gzip"})
            self.assertNotIn("content-encoding", page.headers)
            self.assertTrue(page.body.decode().startswith(f"# {title}\n"), topic)
            known = self.server.get(f"/console/help-{topic}.md", headers={"If-None-Match": page.headers["etag"]})
            self.assertEqual((known.status, known.body), (304, b""))

    def test_nothing_else_is_there(self):
        for path in ("/console/none.js", "/console/..%2f..%2fetc%2fpasswd", "/console/"):
            self.assertIn(self.server.get(path).status, (400, 404), path)
        self.assertEqual(self.server.request("HEAD", "/").status, 200)
        self.assertEqual(self.server.post("/", {}).status, 405)


class FolderTest(unittest.TestCase):
    def test_a_developers_folder_goes_before_what_is_built_in(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        server = Server(["--set", "console.dir=" + folder + "/dist"])
        self.addCleanup(server.close)
        server.start()
        built_in = server.get("/").body
        os.mkdir(folder + "/dist")
        with open(folder + "/secret.txt", "w", encoding="ascii") as out:
            out.write("hidden")
        for n in range(2):  # read at each request
            with open(folder + "/dist/index.html", "w", encoding="ascii") as out:
                out.write(f"<p>{n}")
            page = server.get("/")
            self.assertEqual((page.body.decode(), page.headers["content-type"]), (f"<p>{n}", "text/html; charset=utf-8"))
            self.assertIn("default-src 'none'", page.headers["content-security-policy"])
            self.assertEqual(page.headers["cache-control"], "no-cache")
        with open(folder + "/dist/a.js.gz", "wb") as out:
            out.write(gzip.compress(b"let a = 1"))
        self.assertEqual(server.get("/console/a.js").body, b"let a = 1")
        packed = server.get("/console/a.js", headers={"Accept-Encoding": "gzip"})
        self.assertEqual((packed.headers["content-encoding"], gzip.decompress(packed.body)), ("gzip", b"let a = 1"))
        for path in ("/console/../secret.txt", "/console/..%2fsecret.txt", "/console/..", "/console/."):
            self.assertNotIn(b"hidden", server.get(path).body)
        self.assertEqual(server.get("/console/help.txt").status, 200)
        os.remove(folder + "/dist/index.html")
        self.assertEqual(server.get("/").body, built_in)


class OffTest(ServerCase):
    ARGS = ["--set", "console.enabled=false"]

    def test_it_can_be_off(self):
        self.assertEqual(self.server.get("/").status, 404)
        self.assertEqual(self.server.get("/v2/stats").status, 200)


class FiguresTest(ServerCase):
    def test_the_last_minutes_are_there_when_somebody_looks(self):
        for _ in range(5):
            self.server.send_event("figures")

        def told():
            reply = self.server.get("/v2/stats?window=60s&step=1s")
            self.assertEqual(reply.status, 200, reply)
            series = reply.json()["series"]
            return series if sum(series["receivedPerSecond"]) >= 4.5 else None
        series = wait_until("the events in the series", told)
        self.assertEqual({len(column) for column in series.values()}, {len(series["at"])})
        self.assertEqual(series["at"], sorted(series["at"]))

    def test_steps_hold_what_fell_into_them(self):
        wait_until("some seconds", lambda: len(self.server.get(
            "/v2/stats?window=60s&step=1s").json()["series"]["at"]) >= 5)
        coarse = self.server.get("/v2/stats?window=60s&step=3s").json()
        self.assertEqual(coarse["stepSeconds"], 3)
        gaps = [b - a for a, b in zip(coarse["series"]["at"], coarse["series"]["at"][1:])]
        self.assertTrue(all(2 <= gap <= 4 for gap in gaps), gaps)

    def test_a_bad_window_is_named(self):
        for query in ("window=2h", "window=x", "step=0s", "window=60s&step=1ms",
                      "window=60000"):
            reply = self.server.get("/v2/stats?" + query)
            self.assertEqual(reply.status, 400, query)
            self.assertIn(reply.json()["error"]["details"]["field"], ("window", "step"))

    def test_each_second_is_told(self):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=10)
        connection.request("GET", "/v2/stats/stream")
        answer = connection.getresponse()
        self.assertEqual(answer.getheader("content-type"), "text/event-stream")
        begun = time.monotonic()
        seen = []
        while len(seen) < 3:
            line = answer.readline()
            if line.startswith(b"data: "):
                seen.append(json.loads(line[6:]))
        connection.close()
        self.assertLess(time.monotonic() - begun, 8)
        self.assertIn("receivedPerSecond", seen[0])
        self.assertLess(seen[0]["at"], seen[-1]["at"])


class GroupsTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        script = cls.server.create_script(FAILS, id="fails")
        cls.server.subscribe("dead.*", script, id="sub", retry={"maxRetries": 0})

    def setUp(self):
        self.die("b", "a", "a")

    def die(self, *kinds):
        before = len(self.server.items("/v2/dlq"))
        for kind in kinds:
            self.server.send_event("dead.letter", {"kind": kind})
        wait_until("the dead letters",
                   lambda: len(self.server.items("/v2/dlq")) == before + len(kinds))

    def tearDown(self):
        for group in self.groups()["items"]:
            self.patch(group["fingerprint"], {"state": "open"})

    def groups(self, query=""):
        reply = self.server.get("/v2/dlq/groups" + query)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def patch(self, fingerprint, body):
        return self.server.request("PATCH", f"/v2/dlq/groups/{fingerprint}", body)

    def test_letters_are_told_by_what_went_wrong(self):
        told = self.groups()
        self.assertEqual(sum(group["count"] for group in told["items"]), told["letters"])
        self.assertEqual(len(told["items"]), 2)
        counts = [group["count"] for group in told["items"]]
        self.assertEqual(counts, sorted(counts, reverse=True))
        group = told["items"][0]
        self.assertEqual((group["subscriptionIds"], group["eventTypes"], group["state"]),
                         (["sub"], ["dead.letter"], "open"))
        of_it = self.server.items(f"/v2/dlq?errorFingerprint={group['fingerprint']}")
        self.assertEqual(len(of_it), group["count"])

    def test_a_state_is_kept_and_audited(self):
        fingerprint = self.groups()["items"][0]["fingerprint"]
        self.assertEqual(self.patch(fingerprint, {"state": "acknowledged"}).status, 200)
        self.assertEqual([group["fingerprint"] for group in
                          self.groups("?state=acknowledged")["items"]], [fingerprint])
        line = self.server.items("/v2/audit?kind=dlq_group")[0]
        self.assertEqual((line["target"]["id"], line["entry"]["state"]),
                         (fingerprint, "acknowledged"))
        self.assertEqual(self.patch(fingerprint, {"state": "open"}).status, 200)
        self.assertEqual(self.groups("?state=acknowledged")["items"], [])

    def test_what_was_resolved_and_comes_again_is_open(self):
        group = next(g for g in self.groups()["items"] if "customer a" in g["error"])
        self.assertEqual(self.patch(group["fingerprint"], {"state": "resolved"}).status, 200)
        self.assertEqual([g["fingerprint"] for g in self.groups("?state=resolved")["items"]],
                         [group["fingerprint"]])
        self.die("a")
        again = next(g for g in self.groups()["items"] if "customer a" in g["error"])
        self.assertEqual((again["cameAgain"], again["state"]), (True, "open"))

    def test_bad_states_and_groups_are_refused(self):
        fingerprint = self.groups()["items"][0]["fingerprint"]
        for body in ({"state": "done"}, {}, {"state": "open", "x": 1}):
            self.assertEqual(self.patch(fingerprint, body).status, 400, body)
        self.assertEqual(self.patch("nobody", {"state": "resolved"}).status, 404)
        self.assertEqual(self.server.get("/v2/dlq/groups?state=x").status, 400)

    def test_all_of_a_group_are_counted_before_they_go(self):
        group = self.groups()["items"][0]
        ask = {"errorFingerprint": group["fingerprint"], "dryRun": True}
        dry = self.server.post("/v2/dlq/replay", ask)
        self.assertEqual((dry.status, dry.json()["count"]), (200, group["count"]))
        self.assertEqual(len(dry.json()["sample"]), min(10, group["count"]))
        wrong = self.server.post("/v2/dlq/replay", {"errorFingerprint": group["fingerprint"],
                                                    "expect": group["count"] + 1})
        self.assertEqual(wrong.status, 409, wrong)
        self.assertIn("expect", wrong.json()["error"]["message"])


    def test_a_rehearsal_does_nothing_and_tells_what_would_be(self):
        group = self.groups()["items"][0]
        told = self.server.post("/v2/dlq/rehearse",
                                {"errorFingerprint": group["fingerprint"], "sample": 2}).json()
        self.assertEqual((told["sampled"], told["failed"], told["passRate"]), (2, 2, 0))
        self.assertTrue(told["items"][0]["sameError"])
        mended = self.server.post("/v2/dlq/rehearse", {
            "scriptId": "fails", "source": "return function() return 1 end"}).json()
        self.assertEqual((mended["passRate"], mended["failed"]), (1, 0))
        self.assertEqual(self.groups()["items"][0]["count"], group["count"])
        for bad in ({"sample": 0}, {"source": "return 1"}, {"nothing": 1}):
            self.assertEqual(self.server.post("/v2/dlq/rehearse", bad).status, 400, bad)


class SessionTest(KeyedCase):
    def raw(self, method, path, headers):
        """Without the key that the harness shows."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), body

    def sign_in(self, key=None):
        status, headers, body = self.raw("POST", "/v2/session",
                                         {"X-API-Key": key or self.server.api_key})
        self.assertEqual(status, 201, body)
        return headers["set-cookie"]

    def test_the_page_needs_no_key_and_the_rest_does(self):
        self.assertEqual(self.raw("GET", "/", {})[0], 200)
        self.assertEqual(self.raw("GET", "/v2/me", {})[0], 401)

    def test_a_key_is_traded_for_a_cookie_that_no_script_reads(self):
        cookie = self.sign_in()
        for part in ("HttpOnly", "SameSite=Strict", "Path=/",
                     f"millrace_session_{self.server.port}="):
            self.assertIn(part, cookie)
        self.assertNotIn(self.server.api_key, cookie)
        pair = cookie.split(";")[0]
        self.assertEqual(self.raw("GET", "/v2/me", {"Cookie": "x=1; " + pair})[0], 200)

    def test_another_sites_page_gets_nothing_by_it(self):
        pair = self.sign_in().split(";")[0]
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"},
                        {"Host": "evil.example"}):
            self.assertIn(self.raw("GET", "/v2/me", {"Cookie": pair, **headers})[0], (401, 403))

    def test_a_cookie_of_another_port_is_none(self):
        value = self.sign_in().split(";")[0].split("=", 1)[1]
        self.assertEqual(self.raw("GET", "/v2/me", {"Cookie": f"millrace_session_1={value}"})[0],
                         401)

    def test_it_ends_when_it_is_given_back(self):
        pair = self.sign_in().split(";")[0]
        status, headers, _ = self.raw("DELETE", "/v2/session", {"Cookie": pair})
        self.assertEqual(status, 200)
        self.assertIn("Max-Age=0", headers["set-cookie"])
        self.assertEqual(self.raw("GET", "/v2/me", {"Cookie": pair})[0], 401)

    def test_it_ends_with_its_key(self):
        key = self.make_key(role="viewer")
        pair = self.sign_in(key["key"]).split(";")[0]
        self.assertEqual(self.raw("GET", "/v2/me", {"Cookie": pair})[0], 200)
        self.assertEqual(self.server.request("DELETE", f"/v2/keys/{key['id']}").status, 200)
        self.assertEqual(self.raw("GET", "/v2/me", {"Cookie": pair})[0], 401)

    def test_a_session_has_the_rights_of_its_key(self):
        key = self.make_key(role="viewer")
        pair = self.sign_in(key["key"]).split(";")[0]
        self.assertEqual(self.raw("DELETE", "/v2/scripts/x", {"Cookie": pair})[0], 403)

    def test_a_portal_lets_one_in_once_with_what_was_said(self):
        made = self.server.post("/v2/portal", {"tenantId": "default", "ttl": "5m",
                                               "scopes": ["api:read", "events:read"]})
        self.assertEqual(made.status, 201, made)
        self.assertNotIn("key", made.json()["key"])
        address = made.json()["url"]
        self.assertEqual(self.raw("HEAD", address, {})[0], 204)
        status, headers, _ = self.raw("GET", address, {})
        self.assertEqual((status, headers["location"]), (303, "/"))
        pair = headers["set-cookie"].split(";")[0]
        self.assertEqual(self.raw("GET", "/v2/events", {"Cookie": pair})[0], 200)
        self.assertEqual(self.raw("GET", "/v2/scripts", {"Cookie": pair})[0], 403)
        self.assertEqual(self.raw("GET", address, {})[0], 404)

    def test_a_portal_gives_nothing_that_its_maker_lacks(self):
        key = self.make_key(role="viewer")
        self.assertEqual(self.ask(key["key"], "POST", "/v2/portal", {
            "tenantId": "default", "scopes": ["events:read"]}).status, 403)
        for body in ({"scopes": ["events:read"]}, {"tenantId": "default"},
                     {"tenantId": "default", "scopes": ["events:read"], "ttl": "2d"},
                     {"tenantId": "default", "scopes": ["no:such"]}):
            self.assertEqual(self.server.post("/v2/portal", body).status, 400, body)

    def test_a_session_is_not_traded_for_another(self):
        pair = self.sign_in().split(";")[0]
        self.assertEqual(self.raw("POST", "/v2/session", {"Cookie": pair})[0], 400)


if __name__ == "__main__":
    unittest.main()
