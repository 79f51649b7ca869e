#!/usr/bin/env python3
"""Goal: listing and the event stream find exactly what was sent, from history through to live.
Method: a known set of events; every query compared with the same question asked of that set."""
import http.client
import json
import unittest
from urllib.parse import quote

import harness

COUNT = 300


class Stream:
    """A Server-Sent Events reader."""

    def __init__(self, server, path, last_id=None):
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", path, headers=headers)
        self.reply = self.connection.getresponse()
        self.status = self.reply.status

    def next(self):
        """(id, event) of the next message; comments are skipped."""
        fields = {}
        while True:
            line = self.reply.readline()
            if not line:
                raise AssertionError("the stream ended")
            line = line.decode().rstrip("\r\n")
            if not line:
                if "data" in fields:
                    return fields.get("id"), json.loads(fields["data"])
                fields = {}
                continue
            if line.startswith(":"):
                continue
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.lstrip(" ")

    def close(self):
        self.connection.close()


class Listing(harness.ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.events = []
        for n in range(COUNT):
            cls.events.append({
                "eventId": f"list-{n}", "pattern": ("order.placed", "order.paid", "user.seen")[n % 3],
                "source": {"type": ("task", "workflow")[n % 2], "id": f"src{n % 5}"},
                "timestamp": f"2026-01-01T00:{n // 60:02d}:{n % 60:02d}Z",
                "payload": {"n": n, "amount": n * 1.5, "tags": [f"t{n % 4}"]},
                "metadata": {"correlationId": f"corr{n % 10}", "causationId": f"cause{n % 7}",
                             "context": {"type": "client", "id": f"ctx{n % 6}"}}})
        for start in range(0, COUNT, 50):
            reply = cls.server.post("/v2/events", cls.events[start:start + 50])
            assert reply.status == 202, reply

    def list(self, query):
        reply = self.server.get("/v2/events?" + query)
        self.assertEqual(reply.status, 200, reply)
        body = reply.json()
        self.assertIn("next", body)
        return body

    def numbers(self, query):
        return [int(e["eventId"].split("-")[1]) for e in self.list(query)["items"]
                if e["eventId"].startswith("list-")]

    def expect(self, query, condition):
        want = sorted(n for n, e in enumerate(self.events) if condition(e))
        self.assertEqual(sorted(self.numbers(query + "&limit=1000")), want, query)

    def test_each_criterion(self):
        self.expect("pattern=order.paid", lambda e: e["pattern"] == "order.paid")
        self.expect("patternPrefix=order.", lambda e: e["pattern"].startswith("order."))
        self.expect("sourceType=task", lambda e: e["source"]["type"] == "task")
        self.expect("sourceType=task&sourceId=src2", lambda e: e["source"] == {"type": "task", "id": "src2"})
        self.expect("correlationId=corr3", lambda e: e["metadata"]["correlationId"] == "corr3")
        self.expect("causationId=cause4", lambda e: e["metadata"]["causationId"] == "cause4")
        self.expect("contextId=ctx5", lambda e: e["metadata"]["context"]["id"] == "ctx5")
        self.expect("pattern=order.paid&correlationId=corr1&contextId=ctx1",
                    lambda e: e["pattern"] == "order.paid" and
                    e["metadata"]["correlationId"] == "corr1" and e["metadata"]["context"]["id"] == "ctx1")
        self.expect("pattern=nothing.here", lambda e: False)

    def test_every_filter_form(self):
        self.expect("filter=" + quote("$.amount > 300 && $.tags[*] == 't1'"),
                    lambda e: e["payload"]["amount"] > 300 and e["payload"]["tags"] == ["t1"])
        self.expect("filter=" + quote(json.dumps({"amount": {"lte": 30}})),
                    lambda e: e["payload"]["amount"] <= 30)
        self.expect("filter=" + quote(json.dumps(
            [{"field": "$.payload.n", "operator": "in", "value": [1, 2, 3]}])),
            lambda e: e["payload"]["n"] in (1, 2, 3))

    def test_order_and_paging(self):
        newest = self.numbers("limit=1000")
        oldest = self.numbers("limit=1000&order=asc")
        self.assertEqual(sorted(newest), list(range(COUNT)))
        self.assertEqual(newest, oldest[::-1])
        for order in ("asc", "desc"):
            seen, cursor = [], None
            while True:
                body = self.list(f"limit=37&order={order}" + (f"&cursor={quote(cursor)}" if cursor else ""))
                self.assertLessEqual(len(body["items"]), 37)
                seen += [int(e["eventId"].split("-")[1]) for e in body["items"]
                         if e["eventId"].startswith("list-")]
                cursor = body["next"]
                if not cursor:
                    break
            self.assertEqual(sorted(seen), list(range(COUNT)))
            self.assertEqual(seen, oldest if order == "asc" else newest)

    def test_paging_with_a_filter_ends(self):
        seen, cursor = [], ""
        while cursor is not None:
            body = self.list("limit=7&pattern=user.seen" + (f"&cursor={quote(cursor)}" if cursor else ""))
            seen += [e["eventId"] for e in body["items"]]
            cursor = body["next"] or None
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(len(seen), COUNT // 3)

    def test_from_and_to(self):
        everything = [e for e in self.list("limit=1000&order=asc")["items"]
                      if e["eventId"].startswith("list-")]
        middle = everything[COUNT // 2]["receivedAt"]
        before = self.numbers(f"limit=1000&to={quote(middle)}")
        after = self.numbers(f"limit=1000&from={quote(middle)}")
        self.assertEqual(set(before) | set(after), set(range(COUNT)))
        self.assertTrue(set(after) >= {int(e["eventId"].split("-")[1]) for e in everything
                                       if e["receivedAt"] > middle})
        self.assertEqual(self.numbers("to=2020-01-01T00:00:00Z"), [])
        self.assertEqual(self.numbers("from=2120-01-01T00:00:00Z"), [])

    def test_bad_queries_are_400(self):
        for query in ("limit=0", "limit=1001", "limit=x", "order=up", "from=yesterday",
                      "cursor=!!!", "filter=" + quote("$.a >")):
            self.assert_error(self.server.get("/v2/events?" + query), 400, "VALIDATION_ERROR")

    def test_bad_filter_names_the_position(self):
        error = self.assert_error(self.server.get("/v2/events?filter=" + quote("$.a > 1 &&& $.b")),
                                  400, "VALIDATION_ERROR")
        self.assertRegex(error["message"] + json.dumps(error["details"]), r"\d")

    def test_stream_goes_from_history_through_to_live_and_resumes(self):
        name = self.unique("stream.")
        for n in range(20):
            self.server.send_event(name, {"n": n})
        start = quote("2020-01-01T00:00:00Z")
        stream = Stream(self.server, f"/v2/events/stream?pattern={name}&from={start}")
        self.assertEqual(stream.status, 200)
        self.assertIn("text/event-stream", stream.reply.getheader("Content-Type"))
        got = [stream.next() for _ in range(20)]
        # Order holds within a shard; across shards events of one instant may swap.
        self.assertEqual(sorted(e["payload"]["n"] for _, e in got), list(range(20)))
        for n in range(20, 40):
            self.server.send_event(name, {"n": n})
        got += [stream.next() for _ in range(20)]
        self.assertEqual(sorted(e["payload"]["n"] for _, e in got), list(range(40)))
        stream.close()
        middle = got[24]
        resumed = Stream(self.server, f"/v2/events/stream?pattern={name}", last_id=middle[0])
        rest = [resumed.next() for _ in range(15)]
        resumed.close()
        self.assertEqual(sorted(e["payload"]["n"] for _, e in rest),
                         sorted(e["payload"]["n"] for _, e in got[25:]))

    def test_stream_is_live_only_without_a_start(self):
        name = self.unique("live.")
        self.server.send_event(name, {"n": 0})
        stream = Stream(self.server, f"/v2/events/stream?pattern={name}")
        self.assertEqual(stream.status, 200)
        self.server.send_event(name, {"n": 1})
        self.assertEqual(stream.next()[1]["payload"]["n"], 1)
        stream.close()

    def test_stream_obeys_filters(self):
        name = self.unique("sf.")
        path = f"/v2/events/stream?pattern={name}&from=2020-01-01T00:00:00Z&filter=" + quote("$.n >= 5")
        for n in range(8):
            self.server.send_event(name, {"n": n})
        stream = Stream(self.server, path)
        self.assertEqual(sorted(stream.next()[1]["payload"]["n"] for _ in range(3)), [5, 6, 7])
        stream.close()
        reply = self.server.get("/v2/events/stream?filter=" + quote("$.n >="))
        self.assert_error(reply, 400, "VALIDATION_ERROR")

    def test_a_reader_that_vanishes_harms_nobody(self):
        name = self.unique("gone.")
        for _ in range(10):
            Stream(self.server, f"/v2/events/stream?pattern={name}").close()
        self.server.send_event(name)
        self.assertEqual(self.server.get("/healthz").status, 200)


class BigEvents(harness.ServerCase):
    def items_of_pages(self, path):
        """Every item of the list, page by page; no page may be long, so there must be several."""
        items, cursor, pages = [], "", 0
        while cursor is not None:
            reply = self.server.get(path + (f"&cursor={cursor}" if cursor else ""))
            self.assertLess(len(reply.body), 18 << 20)
            page = reply.json()
            items += page["items"]
            cursor, pages = page["next"], pages + 1
        self.assertGreaterEqual(pages, 3)
        return items

    def test_a_page_of_big_events_is_no_bigger_than_16_mib_or_so(self):
        pattern = self.unique("big")
        for n in range(40):
            self.server.send_event(pattern, {"n": n, "text": "x" * 900_000})
        events = self.items_of_pages(f"/v2/events?pattern={pattern}&limit=1000&order=asc")
        self.assertEqual([e["payload"]["n"] for e in events], list(range(40)))

    def test_so_is_a_page_of_dead_letters_of_big_events(self):
        pattern = self.unique("bigdead")
        script = self.server.create_script("return function(event, ctx) ctx.fail('fatal', 'no') end")
        subscription = self.server.subscribe(pattern, script)
        placed = [self.server.send_event(pattern, {"text": "x" * 900_000})["eventId"] for _ in range(40)]
        self.server.wait_executions(40, ("dead",), subscriptionId=subscription)
        entries = self.items_of_pages(f"/v2/dlq?subscriptionId={subscription}&limit=1000")
        self.assertEqual(sorted(e["event"]["eventId"] for e in entries), sorted(placed))


if __name__ == "__main__":
    unittest.main()
