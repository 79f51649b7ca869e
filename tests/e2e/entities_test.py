#!/usr/bin/env python3
"""Goal: entities are documents with a version as API.md says: one of two writers wins, every change
is one event, and what was is found again. Method: the calls of the contract against a server of
their own; kill -9 around writes."""
import json
import threading
import time
import unittest
import urllib.parse

import harness


class EntityCase(harness.ServerCase):
    def create(self, kind, status=201, **body):
        reply = self.server.post(f"/v2/entities/{kind}", body)
        self.assertEqual(reply.status, status, reply)
        return reply.json()

    def call(self, method, kind, entity_id, body=None, **options):
        return self.server.request(method, f"/v2/entities/{kind}/{entity_id}", body, **options)

    def read(self, kind, entity_id, query=""):
        reply = self.server.get(f"/v2/entities/{kind}/{entity_id}{query}")
        self.assertEqual(reply.status, 200, reply)
        return reply.json()

    def events(self, kind, count):
        def enough():
            found = self.server.items(f"/v2/events?patternPrefix=entity.{kind}.&order=asc")
            return found if len(found) >= count else None
        found = harness.wait_until(f"{count} events of {kind}", enough)
        self.assertEqual(len(found), count)
        return found


class Documents(EntityCase):
    def test_a_life_of_one(self):
        kind = self.unique("order")
        reply = self.server.post(f"/v2/entities/{kind}", {"id": "o1", "total": 5, "a": {"x": 1}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply.headers["location"], f"/v2/entities/{kind}/o1")
        self.assertEqual(reply.headers["etag"], '"1"')
        made = reply.json()
        self.assertEqual((made["id"], made["total"], made["version"]), ("o1", 5, 1))
        self.assertEqual(made["createdAt"], made["updatedAt"])
        self.assertEqual(self.read(kind, "o1"), made)

        patched = self.call("PATCH", kind, "o1", {"total": 6, "a": {"y": 2}}).json()
        self.assertEqual((patched["total"], patched["a"], patched["version"]),
                         (6, {"x": 1, "y": 2}, 2))
        put = self.call("PUT", kind, "o1", {"total": 7}).json()
        self.assertEqual((put["total"], put["version"], "a" in put), (7, 3, False))
        self.assertEqual(put["createdAt"], made["createdAt"])
        sent_back = self.call("PUT", kind, "o1", put)
        self.assertEqual((sent_back.status, sent_back.json()), (200, put))
        self.assertEqual(self.call("DELETE", kind, "o1").status, 200)
        self.assert_error(self.server.get(f"/v2/entities/{kind}/o1"), 404, "NOT_FOUND")
        self.assert_error(self.call("DELETE", kind, "o1"), 404, "NOT_FOUND")

        told = self.events(kind, 4)
        self.assertEqual([e["pattern"].rsplit(".", 1)[1] for e in told],
                         ["created", "updated", "updated", "deleted"])
        second = told[1]["payload"]
        self.assertEqual(second["payload"], {"total": 6, "a": {"y": 2}})
        self.assertEqual(second["beforeUpdateDoc"], made)
        self.assertEqual(second["doc"], patched)
        self.assertEqual(told[2]["payload"]["payload"], {"total": 7, "a": None})
        self.assertEqual(told[3]["payload"]["doc"], put)

    def test_what_says_the_same_changes_nothing(self):
        kind = self.unique("same")
        made = self.create(kind, id="o", total=1.50, tags=["a"])
        for method, body in (("PATCH", {"total": 1.5}), ("PATCH", {}),
                             ("PUT", {"tags": ["a"], "total": 1.5})):
            reply = self.call(method, kind, "o", body)
            self.assertEqual((reply.status, reply.json()), (200, made))
        self.events(kind, 1)

    def test_numbers_stay_digit_for_digit(self):
        kind = self.unique("digits")
        body = '{"id":"n","a":12345678901234567890123,"b":1.10,"c":1e400}'
        self.assertEqual(self.server.post(f"/v2/entities/{kind}", body).status, 201)
        got = self.server.get(f"/v2/entities/{kind}/n").body.decode()
        self.assertIn('"a":12345678901234567890123,"b":1.10,"c":1e400', got)

    def test_put_makes_what_is_not_there(self):
        kind = self.unique("put")
        reply = self.call("PUT", kind, "p", {"a": 1})
        self.assertEqual((reply.status, reply.json()["version"]), (201, 1))
        self.assert_error(self.call("PUT", kind, "q", {"a": 1}, headers={"If-Match": '"1"'}),
                          409, "CONFLICT")
        self.assert_error(self.call("PATCH", kind, "q", {"a": 1}), 404, "NOT_FOUND")
        self.assert_error(self.server.post(f"/v2/entities/{kind}", {"id": "p"}), 409, "CONFLICT")

    def test_put_of_what_must_not_be_there_overwrites_nothing(self):
        kind = self.unique("new")
        only_new = {"If-None-Match": "*"}
        self.assertEqual(self.call("PUT", kind, "p", {"a": 1}, headers=only_new).status, 201)
        self.assert_error(self.call("PUT", kind, "p", {"a": 2}, headers=only_new), 409, "CONFLICT")
        self.assertEqual(self.read(kind, "p")["a"], 1)

    def test_of_two_writers_on_one_version_one_wins(self):
        kind = self.unique("race")
        self.create(kind, id="o", n=0)
        answers = []

        def write(number):
            answers.append(self.call("PATCH", kind, "o", {"n": number},
                                     headers={"If-Match": '"1"'}).status)
        threads = [threading.Thread(target=write, args=(i + 1,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [200] + [409] * 7)
        now = self.read(kind, "o")
        self.assertEqual(now["version"], 2)
        stale = self.call("PUT", kind, "o", {"n": 9, "version": 1})
        self.assert_error(stale, 409, "CONFLICT", "version")
        self.assertEqual(self.call("PUT", kind, "o", {"n": 9, "version": 2}).status, 200)
        self.assertEqual(self.call("DELETE", kind, "o", headers={"If-Match": '"2"'}).status, 409)
        self.assertEqual(self.call("DELETE", kind, "o", headers={"If-Match": '"3"'}).status, 200)

    def test_writers_without_a_version_follow_each_other(self):
        kind = self.unique("many")
        self.create(kind, id="o")
        threads = [threading.Thread(target=self.call, args=("PATCH", kind, "o", {f"m{i}": i}))
                   for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        now = self.read(kind, "o")
        self.assertEqual(now["version"], 17)
        self.assertEqual(sorted(k for k in now if k[0] == "m"), sorted(f"m{i}" for i in range(16)))

    def test_bad_input_is_named(self):
        kind = self.unique("bad")
        self.create(kind, id="o")
        for path, body, status, code, mentions in (
                (f"/v2/entities/{kind}", [1], 400, "VALIDATION_ERROR", "an object"),
                (f"/v2/entities/{kind}", '{"a":1,"a":2}', 400, "VALIDATION_ERROR", None),
                (f"/v2/entities/{kind}", '{"a":', 400, "VALIDATION_ERROR", None),
                (f"/v2/entities/{kind}", {"version": 1}, 400, "VALIDATION_ERROR", "version"),
                (f"/v2/entities/{kind}", {"id": "a/b"}, 400, "VALIDATION_ERROR", "id"),
                ("/v2/entities/no.dots", {}, 400, "VALIDATION_ERROR", "type"),
                (f"/v2/entities/{kind}", {"a": "x" * 300_000}, 413, "PAYLOAD_TOO_LARGE", "262144"),
                (f"/v2/entities/{kind}?wait=no", {}, 400, "VALIDATION_ERROR", "wait"),
                (f"/v2/entities/{kind}?what=1", {}, 400, "VALIDATION_ERROR", "what")):
            self.assert_error(self.server.post(path, body), status, code, mentions)
        deep = "{}"
        for _ in range(40):
            deep = '{"a":' + deep + "}"
        self.assert_error(self.server.post(f"/v2/entities/{kind}", deep), 400, "VALIDATION_ERROR")
        self.assert_error(self.call("PUT", kind, "o", {"id": "p"}), 400, "VALIDATION_ERROR", "id")
        self.assert_error(self.server.get(f"/v2/entities/{kind}?filter=%24.a%20%3D%3D"), 400,
                          "VALIDATION_ERROR")
        self.assert_error(self.server.get(f"/v2/entities/{kind}?asOf=soon"), 400,
                          "VALIDATION_ERROR", "asOf")


class Lists(EntityCase):
    def test_pages_and_filters(self):
        kind = self.unique("list")
        for i in range(25):
            self.create(kind, id=f"e{i:02}", n=i, who={"name": "ann" if i % 2 else "bob"})
        first = self.server.get(f"/v2/entities/{kind}?limit=10").json()
        self.assertEqual([e["id"] for e in first["items"]], [f"e{i:02}" for i in range(10)])
        rest = self.server.get(f"/v2/entities/{kind}?limit=100&cursor={first['next']}").json()
        self.assertEqual((len(rest["items"]), rest["next"]), (15, None))
        for text in ("$.n >= 20 && $.who.name == 'ann'",
                     '{"n":{"gte":20},"who.name":"ann"}',
                     '[{"field":"$.n","operator":"gte","value":20},'
                     '{"field":"$.payload.who.name","operator":"equals","value":"ann"}]'):
            found = self.server.items(f"/v2/entities/{kind}?filter={urllib.parse.quote(text)}")
            self.assertEqual([e["n"] for e in found], [21, 23], text)
        versions = self.server.items(f"/v2/entities/{kind}?filter="
                                     + urllib.parse.quote("$.version == 1"))
        self.assertEqual(len(versions), 25)
        self.assertEqual(self.server.items(f"/v2/entities/{kind}x"), [])

    def test_as_of_a_moment(self):
        kind = self.unique("past")

        def now():
            time.sleep(0.01)
            moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at := time.time()))
            time.sleep(0.01)
            return f"{moment}.{int(at % 1 * 1e6):06}Z"
        before = now()
        one = self.create(kind, id="a", n=1)
        self.create(kind, id="b", n=1)
        first = now()
        two = self.call("PATCH", kind, "a", {"n": 2}).json()
        self.call("DELETE", kind, "b")
        self.create(kind, id="c", n=3)
        second = now()
        self.call("PATCH", kind, "a", {"n": 3})
        self.create(kind, id="b", n=9)
        self.assert_error(self.server.get(f"/v2/entities/{kind}/a?asOf={before}"), 404, "NOT_FOUND")
        self.assertEqual(self.read(kind, "a", f"?asOf={first}"), one)
        self.assertEqual(self.read(kind, "a", f"?asOf={second}"), two)
        self.assert_error(self.server.get(f"/v2/entities/{kind}/b?asOf={second}"), 404, "NOT_FOUND")

        def at(moment, query=""):
            return [(e["id"], e["n"])
                    for e in self.server.items(f"/v2/entities/{kind}?asOf={moment}{query}")]
        self.assertEqual(at(before), [])
        self.assertEqual(at(first), [("a", 1), ("b", 1)])
        self.assertEqual(at(second), [("a", 2), ("c", 3)])
        self.assertEqual(at(second, "&filter=" + urllib.parse.quote("$.n > 2")), [("c", 3)])


class Retention(harness.ServerCase):
    ARGS = ["--set", "retention.every=100ms", "--set", "retention.rules=entity.*=300ms"]

    def test_a_past_whose_events_are_gone_is_not_made_up(self):
        """Each change's event goes after 300 ms, but for the newest block's: what was there before them
        can't be told any more, and is not told."""
        kind = self.unique("short")
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))

        def change(n):
            reply = self.server.request("PUT", f"/v2/entities/{kind}/a", {"n": n})
            self.assertIn(reply.status, (200, 201), reply)
            return reply.json()["updatedAt"]

        def as_of(moment, one="/a"):
            return self.server.get(f"/v2/entities/{kind}{one}?asOf={moment}")

        def gone_until(last):
            self.server.send_event(self.unique("other."), {})  # the newest block keeps its events
            reply = as_of(start)
            if reply.status == 404:
                return None
            self.assert_error(reply, 410, "GONE", "asOf")
            since = reply.json()["error"]["details"]["historyFrom"]
            return since if since >= last else None
        change(1)
        self.assert_error(as_of(start), 404, "NOT_FOUND")
        last = change(2)
        since = harness.wait_until("both changes' events to go", lambda: gone_until(last))
        self.assert_error(as_of(start, ""), 410, "GONE", "asOf")
        self.assertEqual(as_of(since).json()["n"], 2)
        self.server.kill()
        self.server.start()
        self.assert_error(as_of(start), 410, "GONE", "asOf")
        self.assertEqual(as_of(since).json()["n"], 2)


class Tenants(EntityCase):
    def test_tenants_do_not_see_each_other(self):
        made = self.server.post("/v2/keys", {"name": "root", "role": "admin"}).json()
        self.server.api_key = made["key"]
        keys = {}
        for name in ("left", "right"):
            self.assertEqual(self.server.post("/v2/tenants", {"id": name, "name": name}).status, 201)
            keys[name] = self.server.post("/v2/keys", {
                "name": name, "role": "developer", "tenantId": name}).json()["key"]
        self.server.api_key = keys["left"]
        self.create("order", id="o", side="left")
        self.server.api_key = keys["right"]
        self.assert_error(self.server.get("/v2/entities/order/o"), 404, "NOT_FOUND")
        self.assertEqual(self.server.items("/v2/entities/order"), [])
        self.create("order", id="o", side="right")
        self.server.api_key = keys["left"]
        self.assertEqual(self.read("order", "o")["side"], "left")
        self.server.api_key = None
        self.assert_error(self.server.get("/v2/entities/order/o"), 401, "UNAUTHORIZED")


class Crashes(unittest.TestCase):
    def test_document_event_and_kv_are_there_together_or_not_at_all(self):
        server = harness.Server(shards=2).start()
        try:
            script = server.create_script(
                "local n = 0 return function(e, ctx) local d = ctx.eventData.doc "
                "sdk.kv.set('seen:' .. d.n, d.n) sdk.events.emit('hook.seen', {n = d.n}) end",
                type="hook")
            for on in ("beforeCreate", "beforeUpdate"):
                reply = server.post("/v2/hooks", {"entity": "c", "on": on, "scriptId": script})
                self.assertEqual(reply.status, 201, reply)
            acknowledged, number = 0, 0
            for round_number in range(5):
                ends = time.monotonic() + 0.15 + 0.07 * round_number
                done = threading.Event()
                answered = []

                def write():
                    n = number
                    while not done.is_set():
                        n += 1
                        try:
                            reply = server.request("PUT", "/v2/entities/c/o", {"n": n})
                        except OSError:
                            return
                        if reply.status in (200, 201):
                            answered.append(n)
                writer = threading.Thread(target=write)
                writer.start()
                while time.monotonic() < ends:
                    time.sleep(0.005)
                server.kill()
                done.set()
                writer.join()
                server.start()
                acknowledged = max([acknowledged] + answered)
                row = server.get("/v2/entities/c/o")
                events = server.items("/v2/events?patternPrefix=entity.c.&order=asc")
                told = [e["payload"]["doc"]["n"] for e in events]
                seen = [e["payload"]["n"] for e in server.items("/v2/events?pattern=hook.seen"
                                                                "&order=asc")]
                kept = sorted(int(i["value"]) for i in server.items("/v2/kv?prefix=seen:"))
                if not told:
                    self.assertEqual((row.status, seen, kept), (404, [], []))
                    continue
                self.assertEqual(row.json()["n"], told[-1])
                self.assertEqual(row.json()["version"], len(told))
                self.assertEqual(seen, told)
                self.assertEqual(kept, sorted(told))
                self.assertGreaterEqual(told[-1], acknowledged)
                number = told[-1]
            self.assertGreater(number, 0)
            server.stop()
            server.start()
        finally:
            server.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
