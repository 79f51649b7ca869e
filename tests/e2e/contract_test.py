#!/usr/bin/env python3
"""Goal: what one door takes every other door takes and every list can show; what is asked with a
mistake is refused, never answered with something else. Method: the built binary from outside, the
same value through each door, the same question of each list."""
import http.client
import json
import threading
import unittest
from urllib.parse import quote

import harness

CONTROLS = ["a\u0000b", "a\nb", "a\u001f", "\u007f"]


class Contract(harness.ServerCase):
    def refused_ids(self):
        return CONTROLS + [".", ".."]

    def test_every_door_refuses_the_same_ids(self):
        for bad in self.refused_ids():
            event = {"eventId": bad, "pattern": "door.id"}
            error = self.assert_error(self.server.post("/v2/events", event), 400, "VALIDATION_ERROR")
            self.assertEqual(error["details"]["field"], "eventId", bad)
            lines = harness.LineClient(self.server)
            lines.send(event)
            self.assertIn("eventId", lines.read()["reject"]["error"]["message"])
            lines.close()
            cloud = {"specversion": "1.0", "id": bad, "source": "/s", "type": "door.id"}
            reply = self.server.post("/v2/events", cloud, content_type="application/cloudevents+json")
            self.assertEqual(reply.status, 400, (bad, reply))

    def test_every_door_refuses_the_same_patterns(self):
        for bad in CONTROLS:
            self.assertEqual(self.server.post("/v2/events", {"pattern": bad}).status, 400, bad)
            lines = harness.LineClient(self.server)
            lines.send({"pattern": bad})
            self.assertIn("reject", lines.read())
            lines.close()
            cloud = {"specversion": "1.0", "id": "c", "source": "/s", "type": bad}
            reply = self.server.post("/v2/events", cloud, content_type="application/cloudevents+json")
            self.assertEqual(reply.status, 400, (bad, reply))

    def test_every_id_that_is_taken_can_be_read(self):
        for good in ("stream", "...", "a/b", "a b+c%20d", "trace", "\u00e9\u4e16", "?x=1&y=2", "#"):
            self.assertEqual(self.server.post("/v2/events", {"eventId": good, "pattern": "door.read"}).status, 202)
            path = "/v2/events/" + "".join(f"%{byte:02X}" for byte in good.encode())
            reply = self.server.get(path)
            self.assertEqual(reply.status, 200, (good, reply))
            self.assertEqual(reply.json()["eventId"], good)

    def test_a_mistake_in_a_query_is_refused_by_every_call(self):
        script = self.server.create_script("return 1")
        calls = [("GET", "/v2/events"), ("GET", "/v2/events/stream"), ("POST", "/v2/events"),
                 ("GET", "/v2/events/x"), ("GET", "/v2/scripts"), ("GET", f"/v2/scripts/{script}"),
                 ("POST", "/v2/scripts"), ("DELETE", f"/v2/scripts/{script}"), ("GET", "/v2/kv"),
                 ("POST", "/v2/script/run"), ("POST", "/v2/subscriptions/match"), ("GET", "/v2/dlq"),
                 ("GET", "/v2/replays"), ("GET", "/v2/executions"), ("GET", "/v2/stats"),
                 ("GET", "/v2/secrets"), ("GET", "/v2/audit"), ("GET", "/readyz"), ("GET", "/metrics")]
        for method, path in calls:
            for query, mentions in (("atomc=1", "atomc"), ("pattern=100%", "pattern"),
                                    ("%zz=1", "%zz"), ("limit=%0", "limit"), ("x=%00", "x")):
                body = {"pattern": "q.x"} if method == "POST" else None
                reply = self.server.request(method, f"{path}?{query}", body)
                self.assert_error(reply, 400, "VALIDATION_ERROR", mentions)
        self.assertEqual(self.server.get(f"/v2/scripts/{script}").status, 200, "nothing was done")
        self.assertEqual(self.server.all_events("q.x"), [])

    def test_kv_is_listed_whatever_its_keys_are(self):
        script = self.server.create_script("""
            for i = 1, 9 do sdk.kv.set("odd\\0" .. i, i) sdk.kv.set("odd\\255" .. i, i) end
            return true""", type="api")
        run = self.server.post("/v2/script/run", {"scriptId": script, "query": {}, "body": {}})
        self.assertEqual(run.status, 200, run)
        values, cursor = [], ""
        for _ in range(30):
            page = self.server.get("/v2/kv?prefix=odd&limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
            values += [item["value"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
            self.assertEqual(quote(cursor), cursor, "it can stand in a path as it is")
        self.assertIsNone(cursor)
        self.assertEqual(sorted(values), sorted(list(range(1, 10)) * 2))

    def test_wildcards_and_times_in_lists(self):
        for n in range(3):
            self.server.send_event(f"wild.{n}.end", {"n": n}, timestamp=f"2020-01-0{n + 1}T00:00:00Z")
        self.server.send_event("wild.other", {"n": 9})

        def numbers(query):
            return sorted(e["payload"]["n"] for e in self.server.items("/v2/events?" + query))
        self.assertEqual(numbers("pattern=wild.*"), [0, 1, 2, 9])
        self.assertEqual(numbers("pattern=wild.*.end"), [0, 1, 2])
        self.assertEqual(numbers("pattern=*.end&from=-1h"), [0, 1, 2])
        self.assertEqual(numbers("pattern=wild.*&to=1h"), [])
        self.assertEqual(numbers("patternPrefix=wild.&eventTimeFrom=2020-01-02T00:00:00Z"
                                 "&eventTimeTo=2020-01-03T00:00:00Z"), [1])

    def test_many_long_lists_at_once_are_all_answered(self):
        events = [{"pattern": "crowd", "payload": {"n": n, "text": "x" * 100}} for n in range(1000)]
        for _ in range(30):
            self.assertEqual(self.server.post("/v2/events?ids=0", events).status, 202)
        statuses = []

        def ask():
            reply = self.server.get("/v2/events?pattern=crowd&limit=1000&filter=" + quote("$.n == 1"))
            statuses.append((reply.status, len(reply.json()["items"])))
        threads = [threading.Thread(target=ask) for _ in range(80)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({status for status, _ in statuses}, {200})
        self.assertEqual({count for _, count in statuses}, {30})

    def open_stream(self, path, last_id):
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers={"Last-Event-ID": last_id} if last_id else {})
        return connection.getresponse()

    def next_message(self, reply):
        fields = {}
        for line in iter(reply.readline, b""):
            line = line.decode().rstrip("\n")
            if not line and "data" in fields:
                return fields
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()
        self.fail("the stream ended")

    def test_a_position_beyond_the_end_is_told_and_then_live(self):
        reply = self.open_stream("/v2/events/stream?pattern=beyond", "0-999999")
        self.assertEqual(reply.status, 200)
        told = self.next_message(reply)
        self.assertEqual(told["event"], "reset")
        self.assertIn("beyond the end", json.loads(told["data"])["reason"])
        self.server.send_event("beyond", {"n": 1})
        message = self.next_message(reply)
        self.assertEqual(json.loads(message["data"])["payload"], {"n": 1})
        self.assert_error(self.server.get("/v2/events/stream?from=0-999999"), 400,
                          "VALIDATION_ERROR", "beyond the end")

    def test_backups_stay_below_their_folder(self):
        for path in ("/tmp/millrace-elsewhere", self.server.data, self.server.data + "/backups/../x",
                     self.server.data + "/backups"):
            self.assert_error(self.server.post("/v2/backups", {"path": path}), 400,
                              "VALIDATION_ERROR", "backup.dir")
        path = self.server.data + "/backups/one"
        self.assertEqual(self.server.post("/v2/backups", {"path": path}).status, 201)

    def test_who_asks_and_what_runs(self):
        me = self.server.get("/v2/me").json()
        self.assertEqual((me["tenantId"], me["role"]), ("default", "admin"))
        script = self.server.get("/v2/executors").json()["items"][0]
        self.assertEqual(script["type"], "script")
        self.assertTrue(script["enabled"])


if __name__ == "__main__":
    unittest.main()
