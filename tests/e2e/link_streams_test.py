#!/usr/bin/env python3
"""Goal: a link's script reshapes what passes, and what it fails for is a dead letter or a failed delivery; a sink in the mode
`stream` sends the log by itself, in its order, at least once over kill -9, and a peer that is gone holds up neither others
nor the log. Method: files in a folder of the test; Debian's redis-server where it is installed."""
import base64
import json
import os
import unittest

import harness
import links_test
import redis_peer
from links_test import FOLDER, ROUNDS, LinkCase, tearDownModule  # noqa: F401 (the module's end)


class FilesCase(LinkCase):
    def script(self, source, **members):
        return self.server.create_script(source, **members)

    def lines(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                return [line.rstrip("\n") for line in file]
        except FileNotFoundError:
            return []

    def numbers_in(self, path):
        return [json.loads(line)["payload"]["n"] for line in self.lines(path)]


class Transforms(FilesCase):
    def test_a_sources_entries_are_reshaped_left_out_or_dead_letters(self):
        pattern, path = self.unique("shape"), os.path.join(FOLDER, self.unique("in"))
        script = self.script("""return function(e)
            if e.payload.n == 1 then return nil end
            if e.payload.n == 2 then error('no two') end
            return {payload = {n = e.payload.n * 10}, metadata = {correlationId = 'c' .. e.payload.n}}
        end""")
        id = self.create(direction="in", type="file", transformScriptId=script,
                         config={"path": path, "format": "payload", "pattern": pattern})
        self.assertEqual(self.link(id)["transformScriptId"], script)
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(json.dumps({"n": n}) + "\n" for n in range(4)))
        harness.wait_until("two", lambda: sorted(self.numbers(pattern)) == [0, 30])
        status = harness.wait_until("a letter", lambda: self.status(id)["rejected"] == 1 and self.status(id))
        self.assertEqual((status["taken"], status["leftOut"]), (2, 1))
        letter = next(l for l in self.server.items("/v2/dlq?pattern=system.link.rejected")
                      if l["event"]["source"]["id"] == id)
        self.assertIn("TRANSFORM_FAILED", letter["error"])
        self.assertIn("no two", letter["error"])
        self.assertEqual(base64.b64decode(letter["event"]["x-link"]["base64"]), b'{"n": 2}')
        self.assertEqual(self.server.all_events(pattern)[0]["source"]["id"], id)
        self.assert_error(self.server.request("DELETE", "/v2/scripts/" + script), 409, "CONFLICT")

    def test_while_the_script_is_off_the_link_waits(self):
        pattern, path = self.unique("shape.off"), os.path.join(FOLDER, self.unique("off"))
        script = self.script("return function(e) return e end")
        id = self.create(direction="in", type="file", transform=script,
                         config={"path": path, "format": "payload", "pattern": pattern})
        self.assertEqual(self.server.request("PATCH", "/v2/scripts/" + script, {"enabled": False}).status, 200)
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"n": 0}\n')
        harness.wait_until("it to wait for its script", lambda: "disabled" in (self.status(id)["reason"] or ""))
        self.assertEqual(self.status(id)["state"], "waiting")
        self.assertEqual(self.count(pattern), 0)
        self.assertEqual(self.server.request("PATCH", "/v2/scripts/" + script, {"enabled": True}).status, 200)
        self.wait_numbers(pattern, 1)

    def test_deliveries_are_reshaped(self):
        pattern, path = self.unique("shape.out"), os.path.join(FOLDER, self.unique("out"))
        script = self.script("""return function(e)
            if e.payload.n == 1 then return nil end
            if e.payload.n == 2 then error('never') end
            return {body = {sum = e.payload.n + 1}}
        end""")
        id = self.create(direction="out", type="file", transformScriptId=script, config={"path": path})
        reply = self.server.post("/v2/subscriptions", {
            "pattern": pattern, "executor": {"type": "link", "linkId": id}, "retry": {"maxRetries": 0}})
        self.assertEqual(reply.status, 201, reply)
        for n in range(4):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("two lines", lambda: sorted(self.lines(path)) == ['{"sum":1}', '{"sum":4}'])
        letter = harness.wait_until("a letter", lambda: [
            l for l in self.server.items("/v2/dlq?pattern=" + pattern)])[0]
        self.assertIn("TRANSFORM_FAILED", letter["error"])

    def test_one_that_burns_holds_up_no_other_link(self):
        burned, free = self.unique("burn"), self.unique("free")
        script = self.script("return function() while true do end end")
        paths = [os.path.join(FOLDER, self.unique("b")) for _ in range(2)]
        for path in paths:
            with open(path, "w", encoding="utf-8") as file:
                file.write("".join('{"n": %d}\n' % n for n in range(3)))
        slow = self.create(direction="in", type="file", transform=script,
                           config={"path": paths[0], "format": "payload", "pattern": burned})
        self.create(direction="in", type="file", config={"path": paths[1], "format": "payload", "pattern": free})
        self.wait_numbers(free, 3, 5)
        harness.wait_until("three letters", lambda: self.status(slow)["rejected"] == 3, 60)
        self.assertEqual(self.count(burned), 0)


class Streams(FilesCase):
    def stream(self, path, **config):
        members = {key: config.pop(key) for key in ("transformScriptId",) if key in config}
        return self.create(direction="out", type="file", mode="stream", config={"path": path, **config}, **members)

    def test_the_log_goes_by_itself(self):
        pattern, path = self.unique("log.a"), os.path.join(FOLDER, self.unique("log"))
        for n in range(5):
            self.server.send_event(pattern, {"n": n}, partitionKey="k")
        id = self.stream(path, pattern=pattern, **{"from": "start"})
        harness.wait_until("five", lambda: self.numbers_in(path) == list(range(5)))
        self.server.send_event(pattern, {"n": 5}, partitionKey="k")
        self.server.send_event(pattern + ".other", {"n": 6}, partitionKey="k")
        harness.wait_until("the next", lambda: self.numbers_in(path) == list(range(6)))
        status = harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0 and self.status(id))
        self.assertEqual((status["state"], status["sent"], status["failed"], status["lagUnit"]), ("running", 6, 0, "events"))
        event = json.loads(self.lines(path)[0])
        self.assertTrue(event["eventId"] and event["timestamp"])
        self.order(id, "pause")
        self.server.send_event(pattern, {"n": 6}, partitionKey="k")
        harness.wait_until("it to wait", lambda: self.status(id)["lag"] >= 1)
        self.order(id, "resume")
        harness.wait_until("what waited", lambda: self.numbers_in(path) == list(range(7)))
        self.order(id, "reset", {"to": "start"})
        harness.wait_until("all again", lambda: self.numbers_in(path) == list(range(7)) * 2)
        self.order(id, "reset", {"to": "end"})
        self.server.send_event(pattern, {"n": 7}, partitionKey="k")
        harness.wait_until("the new one alone", lambda: self.numbers_in(path) == list(range(7)) * 2 + [7])
        self.assert_error(self.server.post(f"/v2/links/{id}/reset", {"to": "5"}), 400, "VALIDATION_ERROR", "to")

    def test_from_the_moment_that_it_was_made(self):
        pattern, path = self.unique("log.b"), os.path.join(FOLDER, self.unique("log"))
        self.server.send_event(pattern, {"n": 0})
        self.stream(path, pattern=pattern, filter={"n": {"gt": 1}})
        for n in range(1, 4):
            self.server.send_event(pattern, {"n": n})
        harness.wait_until("two", lambda: sorted(self.numbers_in(path)) == [2, 3])

    def test_what_its_script_fails_for_is_a_letter_that_can_be_sent_again(self):
        pattern, path = self.unique("log.c"), os.path.join(FOLDER, self.unique("log"))
        script = self.script("return function(e) if e.payload.n == 1 then error('not this one') end "
                             "return {body = 'n=' .. e.payload.n} end")
        id = self.stream(path, pattern=pattern, transformScriptId=script)
        for n in range(3):
            self.server.send_event(pattern, {"n": n}, partitionKey="k")
        harness.wait_until("two", lambda: self.lines(path) == ["n=0", "n=2"])
        harness.wait_until("the one to be given up", lambda: self.status(id)["failed"] == 1)
        letter = next(l for l in self.server.items("/v2/dlq?pattern=system.link.unsent")
                      if l["event"]["source"]["id"] == id)
        self.assertIn("not this one", letter["error"])
        sent = json.loads(base64.b64decode(letter["event"]["x-link"]["base64"]))
        self.assertEqual((sent["pattern"], sent["payload"]), (pattern, {"n": 1}))

    def test_a_peer_that_is_gone_holds_up_neither_others_nor_the_log(self):
        pattern, folder = self.unique("log.d"), os.path.join(FOLDER, self.unique("later"))
        gone = self.stream(os.path.join(folder, "x"), pattern=pattern)
        other = os.path.join(FOLDER, self.unique("log"))
        self.stream(other, pattern=pattern)
        for n in range(200):
            self.server.send_event(pattern, {"n": n}, partitionKey="k")
        harness.wait_until("the other", lambda: self.numbers_in(other) == list(range(200)))
        self.wait_state(gone, "retrying")
        harness.wait_until("its lag to be told", lambda: self.status(gone)["lag"] >= 200)
        os.mkdir(folder)
        harness.wait_until("it too", lambda: self.numbers_in(os.path.join(folder, "x")) == list(range(200)))
        self.assertEqual(self.status(gone)["failed"], 0)
        os.unlink(os.path.join(folder, "x"))
        os.rmdir(folder)
        self.assertEqual(self.server.request("DELETE", "/v2/links/" + gone).status, 200)

    def test_a_subscription_can_not_name_it(self):
        id = self.stream(os.path.join(FOLDER, self.unique("log")), pattern=self.unique("none"))
        reply = self.server.post("/v2/subscriptions", {
            "pattern": self.unique("log.e"), "executor": {"type": "link", "linkId": id}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "executor.linkId")
        self.assertIn("mode stream", reply.json()["error"]["message"])

    def test_each_event_arrives_whenever_we_are_killed(self):
        pattern, path = self.unique("log.f"), os.path.join(FOLDER, self.unique("crash"))
        id, n = self.stream(path, pattern=pattern), 0
        for _ in range(ROUNDS):
            lines = "\n".join(json.dumps({"pattern": pattern, "payload": {"n": i}, "partitionKey": str(i % 5)})
                              for i in range(n, n + 3000))
            self.assertEqual(self.server.post("/v2/events", lines, content_type="application/x-ndjson").status, 202)
            n += 3000
            self.server.kill()
            self.server.start()
        harness.wait_until("all of them", lambda: len(set(self.numbers_in(path))) == n, 60)
        harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0)
        first = {}
        for number in self.numbers_in(path):
            first.setdefault(number % 5, []).append(number)
        for numbers in first.values():
            seen = list(dict.fromkeys(numbers))
            self.assertEqual(seen, sorted(seen))  # in the order of their key


@unittest.skipUnless(redis_peer.BINARY, "redis-server is not installed (tools/setup links)")
class RedisStream(links_test.RedisCase):
    def test_each_event_arrives_whoever_is_killed(self):
        pattern, stream = self.unique("to.redis"), self.unique("s")
        id = self.create(direction="out", type="redis", mode="stream", config={
            "host": "127.0.0.1", "port": self.redis.port, "stream": stream, "pattern": pattern})
        n = 0
        for round in range(ROUNDS):
            lines = "\n".join(json.dumps({"pattern": pattern, "payload": {"n": i}}) for i in range(n, n + 2000))
            self.assertEqual(self.server.post("/v2/events", lines, content_type="application/x-ndjson").status, 202)
            n += 2000
            victim = (self.server, self.redis)[round % 2]
            victim.kill()
            victim.start()
        harness.wait_until("no lag", lambda: self.status(id)["lag"] == 0, 60)
        self.assertEqual(self.status(id)["failed"], 0)
        entries = self.redis.client().call("XRANGE", stream, "-", "+")
        texts = [dict(zip(fields[::2], fields[1::2]))["event"] for _, fields in entries]
        self.assertEqual({json.loads(text)["payload"]["n"] for text in texts}, set(range(n)))


if __name__ == "__main__":
    unittest.main()
