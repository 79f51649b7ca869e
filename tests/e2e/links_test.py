#!/usr/bin/env python3
"""Goal: a link reads each entry of its peer into the log once and sends each event at least once,
whoever is killed meanwhile; what can be no event is a dead letter that can be mended; a source that went
back says so and stands; what is not built is refused. Method: files in a folder of the test, and Debian's
redis-server where it is installed (else those cases are skipped)."""
import base64
import json
import os
import tempfile
import time
import unittest

import harness
import postgres_peer
import redis_peer

FOLDER = tempfile.mkdtemp(prefix="millrace-links-")
ARGS = ("--set", "links.file_allow=" + FOLDER, "--set", "http_client.allow=127.0.0.1")
ROUNDS = int(os.environ.get("MILLRACE_LINK_ROUNDS", "4"))  # of kill -9, each


def tearDownModule():
    for root, _, files in os.walk(FOLDER, topdown=False):
        for name in files:
            os.unlink(os.path.join(root, name))
        os.rmdir(root)


class LinkCase(harness.ServerCase):
    ARGS = ARGS

    def create(self, **body):
        reply = self.server.post("/v2/links", body)
        self.assertEqual(reply.status, 201, reply)
        return reply.json()["id"]

    def link(self, id):
        reply = self.server.get("/v2/links/" + id)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def status(self, id):
        return self.link(id)["status"]

    def order(self, id, verb, body=None):
        reply = self.server.post(f"/v2/links/{id}/{verb}", {} if body is None else body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def wait_state(self, id, state):
        return harness.wait_until(f"{id} to be {state}, is {self.status(id)}",
                                  lambda: self.status(id)["state"] == state and self.status(id))

    def numbers(self, pattern):
        return [e["payload"]["n"] for e in self.server.all_events(pattern)]

    def wait_numbers(self, pattern, count, seconds=60):
        harness.wait_until(f"{count} events {pattern}", lambda: self.count(pattern) >= count, seconds)
        numbers = self.numbers(pattern)
        self.assertEqual(sorted(numbers), list(range(count)))
        return numbers

    def count(self, pattern):
        try:
            return len(self.server.all_events(pattern))
        except OSError:
            return 0

    def envelope(self, pattern, n, **members):
        return json.dumps({"pattern": pattern, "payload": {"n": n}, **members})


class Documents(LinkCase):
    def test_only_files_in_listed_folders(self):
        for path in ("/etc/passwd", FOLDER + "/../passwd", FOLDER + "x/file"):
            reply = self.server.post("/v2/links", {"direction": "in", "type": "file", "config": {"path": path}})
            self.assert_error(reply, 403, "FORBIDDEN", "links.file_allow")

    def test_a_document_has_etag_audit_and_is_listed(self):
        id = self.create(id="doc", direction="in", type="file", config={"path": FOLDER + "/doc"})
        one = self.server.get("/v2/links/doc")
        tag = one.headers["etag"]
        self.assertEqual(self.server.request("PATCH", "/v2/links/doc", {"name": "n"},
                                             headers={"If-Match": "\"1-99\""}).status, 409)
        changed = self.server.request("PATCH", "/v2/links/doc", {"name": "n"}, headers={"If-Match": tag})
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual(changed.json()["name"], "n")
        back = self.server.request("PUT", "/v2/links/doc", self.link(id))
        self.assertEqual(back.status, 200, back)
        self.assertIn("doc", [l["id"] for l in self.server.items("/v2/links?direction=in&type=file")])
        self.assertEqual(self.server.items("/v2/links?direction=out&type=redis"), [])
        paused = self.order(id, "pause")
        self.assertEqual(paused["status"]["state"], "paused")
        self.assertGreaterEqual(paused["status"]["since"], paused["createdAt"])
        self.order(id, "resume")
        self.order(id, "reset", {"to": "end"})
        audit = self.server.get("/v2/audit?kind=link&id=doc").json()["items"]
        actions = [a["entry"]["action"] for a in audit]
        self.assertEqual((actions[0], actions[-1]), ("reset", "create"))
        self.assert_error(self.server.post("/v2/links/doc/reset", {"to": "7-0"}), 400, "VALIDATION_ERROR", "to")
        self.assert_error(self.server.post("/v2/links/doc/reset", {}), 400, "VALIDATION_ERROR", "to")
        self.assert_error(self.server.post("/v2/links/none/pause", {}), 404, "NOT_FOUND")
        self.assertEqual(self.server.request("DELETE", "/v2/links/doc").status, 200)
        self.assert_error(self.server.get("/v2/links/doc"), 404, "NOT_FOUND")

    def test_private_addresses_are_not_called(self):
        id = self.create(direction="in", type="redis", config={"host": "10.0.0.1", "stream": "s"})
        tested = self.order(id, "test")
        self.assertFalse(tested["success"])
        self.assertIn("http_client.allow", tested["error"])


class Files(LinkCase):
    def source(self, name, **config):
        path = os.path.join(FOLDER, name)
        return path, self.create(direction="in", type="file", config={"path": path, **config})

    def append(self, path, *lines):
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def test_lines_become_events_over_a_rotation(self):
        pattern = self.unique("file.a")
        path, id = self.source("rotated.log")
        self.assertIn(self.wait_state(id, "waiting")["reason"], "the file is not there yet")
        self.append(path, *(self.envelope(pattern, n) for n in range(100)))
        self.wait_numbers(pattern, 100)
        os.rename(path, path + ".1")
        self.append(path + ".1", self.envelope(pattern, 100))
        self.append(path, *(self.envelope(pattern, n) for n in range(101, 200)))
        self.wait_numbers(pattern, 200)
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))
        self.assertEqual((status["taken"], status["rejected"], status["lagUnit"]), (200, 0, "bytes"))
        harness.wait_until("figures", lambda: self.server.metric(
            "millrace_link_entries_total", tenant="default", link=id, outcome="taken") == 200)
        event = self.server.all_events(pattern)[0]
        self.assertEqual(event["source"], {"type": "integration", "id": id})

    def test_figures_of_a_link_go_with_it(self):
        page = lambda: self.server.get("/metrics").body.decode()
        path, id = self.source("counted")
        self.append(path, self.envelope(self.unique("file.m"), 0))
        harness.wait_until("figures", lambda: self.server.metric("millrace_link_entries_total", link=id, outcome="taken") == 1)
        self.assertIn(f'millrace_link_up{{tenant="default",link="{id}"}}', page())
        self.assertEqual(self.server.request("DELETE", "/v2/links/" + id).status, 200)
        harness.wait_until("no figures", lambda: f'link="{id}"' not in page())
        # One of that name begins anew.
        again = self.create(id=id, direction="in", type="file", config={"path": path + ".other"})
        harness.wait_until("figures", lambda: f'millrace_link_up{{tenant="default",link="{again}"}}' in page())
        self.assertEqual(self.server.metric("millrace_link_entries_total", link=id, outcome="taken"), 0)

    def test_payloads_and_texts(self):
        pattern = self.unique("file.b")
        path, _ = self.source("payloads", format="payload", pattern=pattern)
        self.append(path, '{"n": 0}', '{"n": 1}')
        self.wait_numbers(pattern, 2)
        texts = self.unique("file.c")
        path, _ = self.source("texts", format="text", pattern=texts)
        self.append(path, 'GET / "x" 200')
        harness.wait_until("a text", lambda: self.count(texts) == 1)
        self.assertEqual(self.server.all_events(texts)[0]["payload"], {"text": 'GET / "x" 200'})

    def test_what_is_no_event_is_a_dead_letter_that_can_be_mended(self):
        pattern = self.unique("file.d")
        path, id = self.source("poison")
        self.append(path, "no json \u00e9", self.envelope(pattern, 0), '{"pattern":""}')
        self.wait_numbers(pattern, 1)
        letters = harness.wait_until("letters", lambda: [
            l for l in self.server.items("/v2/dlq?pattern=system.link.rejected")
            if l["event"]["source"]["id"] == id and len(self.server.items("/v2/dlq")) >= 2])
        letter = next(l for l in letters if "no json" in l["event"]["x-link"].get("text", ""))
        self.assertEqual(base64.b64decode(letter["event"]["x-link"]["base64"]).decode(), "no json \u00e9")
        self.assertIn("link " + id, letter["error"])
        self.assertEqual(self.status(id)["rejected"], 2)
        # As it is it does not come back.
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        harness.wait_until("a failed try", lambda: self.server.get("/v2/dlq/" + letter["id"]).json()["retryCount"] == 1)
        self.assertEqual(self.count(pattern), 1)
        given = {**letter["event"], "pattern": pattern, "payload": {"n": 1}}
        for member in ("receivedAt", "shard", "offset", "rejected", "tenantId"):
            given.pop(member, None)
        edited = self.server.request("PUT", f"/v2/dlq/{letter['id']}/event", given)
        self.assertEqual(edited.status, 200, edited)
        self.assertEqual(self.server.post(f"/v2/dlq/{letter['id']}/replay", {}).status, 202)
        self.wait_numbers(pattern, 2)
        harness.wait_until("no letter", lambda: self.server.get("/v2/dlq/" + letter["id"]).status == 404)

    def test_one_that_was_cut_stops_and_says_why(self):
        pattern = self.unique("file.e")
        path, id = self.source("cut")
        self.append(path, *(self.envelope(pattern, n) for n in range(3)))
        self.wait_numbers(pattern, 3)
        os.truncate(path, 10)
        self.assertIn("was cut", self.wait_state(id, "stopped")["reason"])
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.envelope(pattern, 3) + "\n")
        self.order(id, "reset", {"to": "start"})
        self.wait_numbers(pattern, 4)
        self.wait_state(id, "running")

    def test_paused_it_reads_nothing(self):
        pattern = self.unique("file.f")
        path, id = self.source("paused")
        self.order(id, "pause")
        self.append(path, self.envelope(pattern, 0))
        self.wait_state(id, "paused")
        time.sleep(0.5)
        self.assertEqual(self.count(pattern), 0)
        self.order(id, "resume")
        self.wait_numbers(pattern, 1)

    def test_deliveries_become_lines(self):
        pattern = self.unique("file.g")
        path = os.path.join(FOLDER, "sink")
        id = self.create(direction="out", type="file", config={"path": path})
        made = self.server.post("/v2/subscriptions", {"pattern": pattern, "executor": {"type": "link", "linkId": id}})
        self.assertEqual(made.status, 201, made)
        for n in range(20):
            self.server.send_event(pattern, {"n": n}, partitionKey="k")
        harness.wait_until("lines", lambda: self.status(id)["sent"] == 20)
        with open(path, encoding="utf-8") as file:
            events = [json.loads(line) for line in file]
        self.assertEqual([e["payload"]["n"] for e in events], list(range(20)))
        self.assertTrue(all(e["eventId"] and e["timestamp"] for e in events))
        self.assert_error(self.server.request("DELETE", "/v2/links/" + id), 409, "CONFLICT")
        executors = {e["type"]: e for e in self.server.get("/v2/executors").json()["items"]}
        self.assertTrue(executors["link"]["enabled"])


class Crashes(LinkCase):
    def test_each_line_comes_once_whenever_we_are_killed(self):
        pattern, path = self.unique("crash.file"), os.path.join(FOLDER, "crash.log")
        self.create(id="crash", direction="in", type="file", config={"path": path})
        n = 0
        for round in range(ROUNDS):
            with open(path, "a", encoding="utf-8") as file:
                for _ in range(5_000):
                    key = {"partitionKey": str(n % 7)} if n % 2 else {}
                    file.write(self.envelope(pattern, n, **key) + "\n")
                    n += 1
            if round % 2:
                os.rename(path, f"{path}.{ROUNDS - round}")
            time.sleep(0.05 * (round + 1))
            self.server.kill()
            self.server.start()
        self.wait_numbers(pattern, n)
        self.assertEqual(self.status("crash")["taken"], n)


@unittest.skipUnless(redis_peer.BINARY, "redis-server is not installed (tools/setup links)")
class RedisCase(LinkCase):
    @classmethod
    def setUpClass(cls):
        cls.redis = redis_peer.Redis().start()
        cls.addClassCleanup(cls.redis.close)
        super().setUpClass()

    def source(self, stream, **config):
        return self.create(direction="in", type="redis",
                           config={"host": "127.0.0.1", "port": self.redis.port, "stream": stream, **config})

    def add(self, stream, pattern, numbers):
        """Until the server has said that it has them; by ids of our own, so that a repeat is none."""
        todo = list(numbers)
        while todo:
            part, todo = todo[:500], todo[500:]
            commands = [("XADD", stream, f"{n + 1}-0", "event", self.envelope(pattern, n)) for n in part]
            for command in commands:
                self.add_one(command)

    def add_one(self, command):
        def added():
            try:
                if not self.writer:
                    self.writer = self.redis.client()
                self.writer.call(*command)
                return True
            except redis_peer.Error as error:
                if "equal or smaller" in str(error):
                    return True  # it had taken it before it died
                return False
            except OSError:
                self.writer = None
                return False
        harness.wait_until("redis to take an entry", added)

    writer = None


@unittest.skipUnless(redis_peer.BINARY, "redis-server is not installed (tools/setup links)")
class RedisStreams(RedisCase):
    def test_entries_become_events_in_their_order(self):
        pattern, stream = self.unique("redis.a"), self.unique("s")
        id = self.source(stream)
        self.assertTrue(self.order(id, "test")["success"])
        self.add(stream, pattern, range(50))
        numbers = self.wait_numbers(pattern, 50)
        self.assertEqual(sorted(numbers), list(range(50)))
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))
        self.assertEqual((status["taken"], status["lagUnit"], status["position"]["id"]), (50, "entries", "50-0"))

    def test_forms(self):
        pattern, stream = self.unique("redis.b"), self.unique("s")
        self.redis.call("XADD", stream, "*", "data", '{"n":0}')
        self.redis.call("XADD", stream, "*", "other", "x")
        id = self.source(stream, format="payload", field="data", pattern=pattern)
        self.wait_numbers(pattern, 1)
        harness.wait_until("a letter", lambda: self.status(id)["rejected"] == 1)
        letter = next(l for l in self.server.items("/v2/dlq") if l["event"]["source"]["id"] == id)
        self.assertEqual(letter["event"]["x-link"]["text"], "other: x\n")
        fields = self.unique("redis.c")
        self.source(stream, format="fields", pattern=fields)
        harness.wait_until("both", lambda: self.count(fields) == 2)
        self.assertIn({"other": "x"}, [e["payload"] for e in self.server.all_events(fields)])
        late = self.unique("redis.d")
        id = self.source(stream, format="fields", pattern=late, **{"from": "end"})
        self.wait_state(id, "running")
        self.redis.call("XADD", stream, "*", "n", "new")
        harness.wait_until("the new one", lambda: self.count(late) == 1)

    def test_a_stream_that_went_back_stops_until_it_is_reset(self):
        pattern, stream = self.unique("redis.e"), self.unique("s")
        id = self.source(stream)
        self.add(stream, pattern, range(10))
        self.wait_numbers(pattern, 10)
        self.redis.call("DEL", stream)
        self.assertIn("gone", self.wait_state(id, "stopped")["reason"])
        self.redis.call("XADD", stream, "3-7", "event", self.envelope(pattern, 10))
        self.order(id, "resume")
        # Until it has looked it says what it stopped for before.
        harness.wait_until("its new reason", lambda: "gone back" in (self.status(id)["reason"] or ""))
        self.wait_state(id, "stopped")
        self.assertEqual(self.count(pattern), 10)
        self.order(id, "reset", {"to": "start"})
        self.wait_numbers(pattern, 11)

    def test_what_was_trimmed_unread_is_told(self):
        pattern, stream = self.unique("redis.f"), self.unique("s")
        id = self.source(stream)
        self.add(stream, pattern, range(5))
        self.wait_numbers(pattern, 5)
        self.order(id, "pause")
        self.wait_state(id, "paused")
        self.add(stream, pattern, range(5, 20))
        self.redis.call("XTRIM", stream, "MAXLEN", "4")
        self.order(id, "resume")
        harness.wait_until("the rest", lambda: self.count(pattern) == 9)
        gap = [e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id]
        self.assertEqual([g["payload"]["missed"] for g in gap], [11])
        self.assertEqual((self.status(id)["missed"], self.status(id)["gaps"]), (11, 1))

    def test_a_key_of_another_type_stops(self):
        stream = self.unique("s")
        self.redis.call("SET", stream, "x")
        self.assertIn("WRONGTYPE", self.wait_state(self.source(stream), "stopped")["reason"])

    def test_a_password_is_a_secret(self):
        other = redis_peer.Redis("--requirepass", "pw-of-redis").start()
        self.addCleanup(other.close)
        self.assertEqual(self.server.post("/v2/secrets", {"id": "redis-pw", "value": "pw-of-redis"}).status, 201)
        config = {"host": "127.0.0.1", "port": other.port, "stream": "s"}
        plain = self.server.post("/v2/links", {"direction": "in", "type": "redis",
                                               "config": {**config, "password": "pw-of-redis"}})
        self.assert_error(plain, 400, "VALIDATION_ERROR", "secrets.NAME")
        refused = self.create(direction="in", type="redis", config=config)
        self.assertIn("NOAUTH", self.wait_state(refused, "retrying")["reason"])
        good = self.create(direction="in", type="redis", config={**config, "password": "{{secrets.redis-pw}}"})
        self.wait_state(good, "running")
        self.assertNotIn("pw-of-redis", json.dumps(self.link(good)))


@unittest.skipUnless(redis_peer.BINARY, "redis-server is not installed (tools/setup links)")
class RedisCrashes(RedisCase):
    def test_each_entry_comes_once_whoever_is_killed(self):
        pattern, stream = self.unique("crash.redis"), self.unique("s")
        id = self.source(stream)
        n = 0
        for round in range(ROUNDS):
            self.add(stream, pattern, range(n, n + 1_500))
            n += 1_500
            if round % 2:
                self.redis.kill()
                self.redis.start()
            else:
                self.server.kill()
                self.server.start()
        self.wait_numbers(pattern, n)
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))
        self.assertEqual((status["taken"], status["gaps"]), (n, 0))

    def test_each_event_arrives_whoever_is_killed(self):
        pattern, stream = self.unique("crash.sink"), self.unique("s")
        id = self.create(direction="out", type="redis", config={
            "host": "127.0.0.1", "port": self.redis.port, "stream": stream})
        made = self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}, "ordering": "none",
            "retry": {"maxRetries": 100, "initialDelayMs": 100, "maxDelayMs": 500}})
        self.assertEqual(made.status, 201, made)
        n = 0
        for round in range(ROUNDS):
            body = "\n".join(self.envelope(pattern, i) for i in range(n, n + 1_000))
            reply = self.server.post("/v2/events", body.encode(), content_type="application/x-ndjson")
            self.assertEqual(reply.status, 202, reply)
            n += 1_000
            if round % 2:
                self.redis.kill()
                time.sleep(0.3)
                self.redis.start()
            else:
                self.server.kill()
                self.server.start()

        def arrived():
            entries = self.redis.call("XRANGE", stream, "-", "+")
            return [dict(zip(f[::2], f[1::2])) for _, f in entries]
        harness.wait_until("all events", lambda: len({e["eventId"] for e in arrived()}) >= n, 90)
        entries = arrived()
        events = [json.loads(e["event"]) for e in entries]
        self.assertEqual({e["payload"]["n"] for e in events}, set(range(n)))
        self.assertTrue(all(e["eventId"] == s["eventId"] and s["pattern"] == pattern
                            for e, s in zip(events, entries)))
        self.assertEqual(self.server.items("/v2/dlq"), [])


@unittest.skipUnless(os.path.exists(postgres_peer.BINARIES + "/postgres"), "PostgreSQL is not installed")
class Notifications(LinkCase):
    @classmethod
    def setUpClass(cls):
        cls.postgres = postgres_peer.Postgres()
        cls.addClassCleanup(cls.postgres.stop)
        super().setUpClass()
        harness.wait_until("the database", cls.postgres.answers)
        reply = cls.server.post("/v2/secrets", {"name": "db.main", "value": cls.postgres.conninfo()})
        assert reply.status == 201, reply

    def notify(self, channel, text):
        self.postgres.sql(f"SELECT pg_notify('{channel}', '{text}')")

    def test_what_is_told_becomes_events_and_a_gap_is_told(self):
        pattern = self.unique("pg.a")
        id = self.create(direction="in", type="postgres-notify", config={"connection": "main", "channel": "One"})
        self.wait_state(id, "running")
        self.assertTrue(self.order(id, "test")["success"])
        for n in range(5):
            self.notify("One", self.envelope(pattern, n))
        self.notify("one", self.envelope(pattern, 99))  # another channel
        self.wait_numbers(pattern, 5)
        self.server.kill()
        self.server.start()
        self.wait_state(id, "running")
        self.notify("One", self.envelope(pattern, 5))
        self.wait_numbers(pattern, 6)
        gap = [e for e in self.server.all_events("system.link.gap") if e["payload"]["linkId"] == id]
        self.assertEqual([g["payload"]["missed"] for g in gap], [None])
        self.assertEqual(self.status(id)["gaps"], 1)
        self.assert_error(self.server.post(f"/v2/links/{id}/reset", {"to": "end"}), 400, "VALIDATION_ERROR", "to")

    def test_deliveries_become_notifications(self):
        """Told by the one link, heard by the other."""
        pattern, channel = self.unique("pg.b"), self.unique("c")
        heard = self.unique("pg.heard")
        source = self.create(direction="in", type="postgres-notify", config={
            "connection": "main", "channel": channel, "format": "text", "pattern": heard})
        self.wait_state(source, "running")
        id = self.create(direction="out", type="postgres-notify", config={"connection": "main", "channel": channel})
        made = self.server.post("/v2/subscriptions", {"pattern": pattern, "executor": {"type": "link", "linkId": id}})
        self.assertEqual(made.status, 201, made)
        for n in range(20):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("all", lambda: self.count(heard) == 20)
        told = [json.loads(e["payload"]["text"]) for e in self.server.all_events(heard)]
        self.assertEqual(sorted(e["payload"]["n"] for e in told), list(range(20)))
        # What is heard may be ahead of the sender's own word.
        harness.wait_until("all of them counted", lambda: self.status(id)["sent"] == 20)
        self.postgres.stop_all_connections()
        self.server.send_event(pattern, {"n": 20})
        harness.wait_until("one more", lambda: self.status(id)["sent"] + self.status(id)["failed"] >= 21)

    def test_a_connection_that_nobody_knows(self):
        id = self.create(direction="in", type="postgres-notify", config={"connection": "none", "channel": "c"})
        self.assertIn("db.none", self.wait_state(id, "retrying")["reason"])


if __name__ == "__main__":
    harness.main()
