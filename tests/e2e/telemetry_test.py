#!/usr/bin/env python3
"""Goal: every attempt reaches an OpenTelemetry collector once as a span of the trace that its event
came with, what goes out names that span, and metrics say what was ingested; a trace is shown with
its event. Method: a collector of our own that holds each request against OTLP's JSON encoding and
keeps what it says; the same server calls it for webhooks and sdk.http."""
import json
import re
import threading
import unittest
import uuid

import harness
import sink

SPAN_MEMBERS = {"traceId", "spanId", "traceState", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano",
                "endTimeUnixNano", "attributes", "status"}
FAST = {"maxRetries": 2, "initialDelayMs": 20, "maxDelayMs": 50, "backoffFactor": 1, "jitter": False}


def value_of(any_value):
    (kind, value), = any_value.items()
    return {"stringValue": str, "intValue": int, "doubleValue": float, "boolValue": bool}[kind](value)


def attributes_of(holder):
    return {one["key"]: value_of(one["value"]) for one in holder["attributes"]}


class Collector(sink.Sink):
    """What came to it by kind, and in `faults` what is not as OTLP says."""

    def __init__(self):
        super().__init__()
        self.spans, self.metrics, self.faults = [], [], []
        self.broken = []  # statuses and headers of answers that come first
        self.answers["/v1/traces"] = self.take
        self.answers["/v1/metrics"] = self.take

    def take(self, request):
        with self.lock:
            if self.broken and request.path == "/v1/traces":
                status, headers = self.broken.pop(0)
                return status, headers, b"not now"
        try:
            assert request.method == "POST" and request.headers["content-type"] == "application/json", request.headers
            body = json.loads(request.body)
            if request.path == "/v1/traces":
                found = self.read_spans(body)
                with self.lock:
                    self.spans += found
            else:
                found = self.read_metrics(body)
                with self.lock:
                    self.metrics.append(found)
        except Exception as fault:  # told by the test that looks
            self.faults.append(f"{fault!r} in {request.body[:2000]!r}")
            return 400, {}, b"{}"
        return 200, {"content-type": "application/json"}, b"{}"

    @staticmethod
    def scopes(body, resources, scopes):
        assert set(body) == {resources}, body.keys()
        for resource in body[resources]:
            told = attributes_of(resource["resource"])
            assert told["service.name"] == "millrace" and told["service.version"], told
            # The port that it got, where 0 was asked for.
            assert re.search(r"/127\.0\.0\.1:[1-9]", told["service.instance.id"]), told
            for scope in resource[scopes]:
                assert scope["scope"]["name"] == "millrace", scope["scope"]
                yield scope

    def read_spans(self, body):
        out = []
        for scope in self.scopes(body, "resourceSpans", "scopeSpans"):
            for span in scope["spans"]:
                assert set(span) <= SPAN_MEMBERS, span.keys()
                assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), span
                assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), span
                if "parentSpanId" in span:
                    assert re.fullmatch("[0-9a-f]{16}", span["parentSpanId"]), span
                begin, end = span["startTimeUnixNano"], span["endTimeUnixNano"]
                assert isinstance(begin, str) and isinstance(end, str) and 0 < int(begin) <= int(end), span
                assert span["kind"] == 5 and span["flags"] & 1 and span["status"]["code"] in (1, 2), span
                told = attributes_of(span)
                assert span["name"] == "process " + told["messaging.destination.name"], span
                out.append(dict(span, told=told))
        return out

    def read_metrics(self, body):
        out = {}
        for scope in self.scopes(body, "resourceMetrics", "scopeMetrics"):
            for metric in scope["metrics"]:
                (kind,) = set(metric) - {"name", "description", "unit"}
                assert kind in ("sum", "gauge", "histogram"), metric
                if kind != "gauge":
                    assert metric[kind]["aggregationTemporality"] == 2, metric
                assert metric["name"] not in out, metric["name"]
                for point in metric[kind]["dataPoints"]:
                    labels = tuple(sorted(attributes_of(point).items()))
                    assert int(point["startTimeUnixNano"]) <= int(point["timeUnixNano"]), point
                    if kind == "histogram":
                        counts = [int(count) for count in point["bucketCounts"]]
                        assert len(counts) == len(point["explicitBounds"]) + 1, point
                        assert sum(counts) == int(point["count"]) and point["sum"] >= 0, point
                        out.setdefault(metric["name"], {})[labels] = int(point["count"])
                    else:
                        assert isinstance(point.get("asInt", ""), str), point
                        value = int(point["asInt"]) if "asInt" in point else point["asDouble"]
                        out.setdefault(metric["name"], {})[labels] = value
        return out

    def spans_of(self, **told):
        with self.lock:
            return [s for s in self.spans if all(s["told"].get(k) == v for k, v in told.items())]


class TelemetryCase(harness.ServerCase):
    SETTINGS = ()

    @classmethod
    def setUpClass(cls):
        cls.collector = Collector()
        cls.ARGS = ("--set", "http_client.allow=127.0.0.1", "--set", "otlp.endpoint=" + cls.collector.url,
                    "--set", "otlp.metrics_every=1s", *cls.SETTINGS)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.collector.close()

    def tearDown(self):
        self.assertEqual(self.collector.faults, [])

    def wait_spans(self, count, **told):
        found = []

        def enough():
            found[:] = self.collector.spans_of(**told)
            return len(found) >= count
        try:
            harness.wait_until(f"{count} spans of {told}", enough)
        except AssertionError as late:
            raise AssertionError(f"{late}; {len(found)} came, faults {self.collector.faults}; {self.server.log()[-1000:]}")
        return found

    def handler(self, pattern, source, **members):
        return self.server.subscribe(pattern, self.server.create_script(source), **members)

    def trace(self, flags="01"):
        return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:15]}1-{flags}"

    def by_webhook(self, pattern, path, **members):
        reply = self.server.post("/v2/subscriptions", {
            "name": "w", "pattern": pattern, "executor": {"type": "webhook", "url": self.collector.url + path}, **members})
        self.assertEqual(reply.status, 201, reply)
        return reply.json()["id"]

    def arrived(self, path, count=1):
        def enough():
            found = self.collector.of(path)
            return found if len(found) >= count else None
        return harness.wait_until(f"{count} calls of {path}", enough)


class Telemetry(TelemetryCase):
    SETTINGS = ("--set", "otlp.headers=api-key=secret,x-team=a")

    def test_each_delivery_is_a_span_of_its_events_trace(self):
        pattern = self.unique("all.")
        good = self.handler(pattern, "return function(e) return e.payload.n end")
        bad = self.handler(pattern, "return function(e) error('no ' .. e.payload.n) end", retry=FAST)
        count = 300
        traces = {}
        for part in range(3):
            parent = self.trace()
            lines = [json.dumps({"eventId": f"{pattern}{n}", "pattern": pattern, "payload": {"n": n}})
                     for n in range(part * 100, part * 100 + 100)]
            reply = self.server.post("/v2/events", "\n".join(lines), content_type="application/x-ndjson",
                                     headers={"traceparent": parent, "tracestate": f"part={part},x@y=1"})
            self.assertEqual(reply.status, 202, reply)
            for n in range(part * 100, part * 100 + 100):
                traces[f"{pattern}{n}"] = (parent.split("-"), f"part={part},x@y=1")
        spans = self.wait_spans(4 * count, **{"messaging.destination.name": pattern})
        self.assertEqual(len(spans), 4 * count)
        self.assertEqual(len({s["spanId"] for s in spans}), 4 * count)
        seen = {}
        for span in spans:
            told = span["told"]
            event = told["messaging.message.id"]
            parent, state = traces[event]
            self.assertEqual((span["traceId"], span["parentSpanId"], span["traceState"]), (parent[1], parent[2], state))
            seen.setdefault((event, told["messaging.consumer.group.name"]), []).append(
                (told["millrace.attempt"], told["millrace.delivery.status"], span["status"]["code"]))
            if told["messaging.consumer.group.name"] == bad:
                self.assertIn("no ", span["status"]["message"])
        for event in traces:
            self.assertEqual(seen[event, good], [(1, "completed", 1)])
            self.assertEqual(sorted(seen[event, bad]), [(1, "retrying", 2), (2, "retrying", 2), (3, "dead", 2)])
        request = self.collector.of("/v1/traces")[0]
        self.assertEqual((request.headers["api-key"], request.headers["x-team"]), ("secret", "a"))
        self.assertNotIn("secret", self.server.log() + self.server.cli("config", "show").stdout)

    def test_what_goes_out_names_the_span_of_its_attempt(self):
        pattern, path = self.unique("out."), "/" + self.unique("hook")
        self.collector.answers[path] = [(500, {}, b"no"), (200, {}, b"ok")]
        self.by_webhook(pattern, path, retry=FAST)
        called = "/" + self.unique("called")
        self.handler(pattern, f"""return function(e)
            sdk.http.get('{self.collector.url}{called}')
            sdk.http.get('{self.collector.url}{called}own', {{headers = {{traceparent = 'mine'}}}})
        end""")
        parent = self.trace()
        reply = self.server.post("/v2/events", {"pattern": pattern, "payload": {}},
                                 headers={"traceparent": parent, "tracestate": "foo=1"})
        self.assertEqual(reply.status, 202, reply)
        spans = {(s["told"]["millrace.executor"], s["told"]["millrace.attempt"]): s
                 for s in self.wait_spans(3, **{"messaging.destination.name": pattern})}
        for index, request in enumerate(self.arrived(path, 2)):
            span = spans["webhook", index + 1]
            self.assertEqual(request.headers["traceparent"], f"00-{parent[3:35]}-{span['spanId']}-01")
            self.assertEqual(request.headers["tracestate"], "foo=1")
        span = spans["script", 1]
        self.assertEqual(self.arrived(called)[0].headers["traceparent"], f"00-{parent[3:35]}-{span['spanId']}-01")
        self.assertEqual(self.arrived(called)[0].headers["tracestate"], "foo=1")
        own = self.arrived(called + "own")[0].headers
        self.assertEqual((own["traceparent"], own.get("tracestate")), ("mine", None))

    def test_what_is_emitted_goes_on_under_the_attempt_that_emitted_it(self):
        first, second, third = (self.unique("chain.") for _ in range(3))
        self.handler(first, f"return function(e) sdk.events.emit('{second}', {{}}) end")
        self.handler(second, f"return function(e) sdk.events.emit('{third}', {{}}) end")
        self.handler(third, "return function(e) end")
        parent = self.trace()
        self.server.post("/v2/events", {"pattern": first, "payload": {}}, headers={"traceparent": parent})
        self.server.post("/v2/events", {"pattern": first, "payload": {}})  # a trace of its own begins here
        spans = [self.wait_spans(2, **{"messaging.destination.name": p}) for p in (first, second, third)]
        by_id = {s["spanId"]: s for level in spans for s in level}
        self.assertEqual(len(by_id), 6)
        roots = set()
        for span in spans[2]:
            chain = [span]
            while chain[-1].get("parentSpanId") in by_id:
                chain.append(by_id[chain[-1]["parentSpanId"]])
            self.assertEqual([s["told"]["messaging.destination.name"] for s in chain], [third, second, first])
            self.assertEqual(len({s["traceId"] for s in chain}), 1)
            roots.add(chain[-1].get("parentSpanId"))
        self.assertEqual(roots, {parent[36:52], None})

    def test_a_trace_is_shown_with_its_event_and_kept_out_of_what_was_sent(self):
        pattern, parent = self.unique("shown."), self.trace("00")
        reply = self.server.post("/v2/events", {"pattern": pattern, "payload": {}},
                                 headers={"TraceParent": parent, "tracestate": "a=1 ,\tb=2"})
        id = reply.json()["events"][0]["eventId"]
        event = self.server.get("/v2/events/" + id).json()
        self.assertEqual((event["traceparent"], event["tracestate"]), (parent, "a=1,b=2"))
        self.assertEqual(self.server.all_events(pattern)[0]["traceparent"], parent)
        cloud = self.server.get(f"/v2/events/{id}?as=cloudevent").json()
        self.assertEqual((cloud["traceparent"], cloud["tracestate"]), (parent, "a=1,b=2"))
        # As a CloudEvent it comes with it, whatever the request says.
        other = self.unique("shown.")
        sent = dict(cloud, type=other, id=other)
        for name in ("time", "recordedtime"):
            sent.pop(name, None)
        reply = self.server.post("/v2/events", sent, content_type="application/cloudevents+json",
                                 headers={"traceparent": self.trace()})
        self.assertEqual(reply.status, 202, reply)
        event = self.server.all_events(other)[0]
        self.assertEqual((event["traceparent"], event["tracestate"]), (parent, "a=1,b=2"))
        # What is written by export is taken by load.
        lines = self.server.cli("event", "export", "--pattern", pattern)
        self.assertEqual(lines.returncode, 0, lines.stderr)
        self.assertNotIn("traceparent", lines.stdout)
        again = self.server.cli("event", "load", "-", stdin=lines.stdout)
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_calls_hand_on_the_trace_that_they_came_with(self):
        """Webhooks that come in, calls of endpoints, runs by the API."""
        parent, pattern, path = self.trace(), self.unique("call."), "/" + self.unique("call")
        headers = {"traceparent": parent, "tracestate": "foo=1"}
        source = self.unique("src")
        self.assertEqual(self.server.post("/v2/sources", {"id": source, "scheme": "none"}).status, 201)
        reply = self.server.post(f"/v2/webhooks/{source}", {"n": 1}, headers=headers)
        self.assertEqual(reply.status, 202, reply)
        event = self.server.get("/v2/events/" + reply.json()["events"][0]["eventId"]).json()
        self.assertEqual((event["traceparent"], event["tracestate"]), (parent, "foo=1"))
        body = f"return function(q, b) sdk.events.emit('{pattern}', {{}}) sdk.http.get('{self.collector.url}{path}') end"
        script = self.server.create_script(body, type="endpoint")
        route = self.unique("route")
        made = self.server.post("/v2/endpoints", {"code": route, "name": route, "method": "GET", "route": route,
                                                  "scriptId": script, "auth": "none"})
        self.assertEqual(made.status, 201, made)
        self.assertLess(self.server.get("/v2/endpoint/get/" + route, headers=headers).status, 300)
        api = self.server.create_script(body, type="api")
        self.assertEqual(self.server.post("/v2/script/run", {"scriptId": api}, headers=headers).status, 200)
        emitted = harness.wait_until("both events", lambda: len(self.server.all_events(pattern)) == 2 and
                                     self.server.all_events(pattern))
        self.assertEqual([(e["traceparent"], e["tracestate"]) for e in emitted], [(parent, "foo=1")] * 2)
        self.assertEqual([r.headers["traceparent"] for r in self.arrived(path, 2)], [parent] * 2)

    def test_what_is_no_trace_is_none(self):
        pattern = self.unique("none.")
        for bad in ("", "00-0-0-01", self.trace()[:-3], self.trace().upper(), "ff" + self.trace()[2:],
                    "00-" + "0" * 32 + "-1234567890123456-01", self.trace() + "-x"):
            reply = self.server.post("/v2/events", {"pattern": pattern, "payload": {}},
                                     headers={"traceparent": bad, "tracestate": "foo=1"})
            self.assertEqual(reply.status, 202, reply)
        for event in self.server.all_events(pattern):
            self.assertNotIn("traceparent", event)
            self.assertNotIn("tracestate", event)

    def test_a_trace_that_is_not_sampled_is_not_told_and_goes_on_so(self):
        pattern, path = self.unique("quiet."), "/" + self.unique("quiet")
        self.by_webhook(pattern, path)
        off, on = self.trace("00"), self.trace("01")
        for parent in (off, on):
            self.server.post("/v2/events", {"pattern": pattern, "payload": {}}, headers={"traceparent": parent})
        requests = self.arrived(path, 2)
        self.assertEqual({r.headers["traceparent"][3:35]: r.headers["traceparent"][-2:] for r in requests},
                         {off[3:35]: "00", on[3:35]: "01"})
        spans = self.wait_spans(1, **{"messaging.destination.name": pattern})
        self.assertEqual({s["traceId"] for s in spans}, {on[3:35]})

    def test_metrics_say_what_was_taken_in(self):
        pattern = self.unique("count.")
        script = self.server.create_script("return function(e) end")
        self.server.subscribe(pattern, script)
        for _ in range(7):
            self.server.send_event(pattern)
        labels = (("event_type", pattern),)

        def told():
            with self.collector.lock:
                newest = self.collector.metrics[-1] if self.collector.metrics else {}
            return (newest.get("scripts_events_received_total", {}).get(labels) == 7 and
                    newest["script_events_processed_total"].get(
                        tuple(sorted([*labels, ("script_id", script), ("status", "completed")]))) == 7)
        harness.wait_until("the counters", told)
        with self.collector.lock:
            newest = self.collector.metrics[-1]
        self.assertGreaterEqual(newest["script_event_queue_time_seconds"][()], 7)
        self.assertGreater(newest["process_resident_memory_bytes"][()], 1 << 20)
        self.assertEqual(newest["millrace_otlp_up"][()], 1)

    def test_a_collector_that_is_away_gets_everything_when_it_is_back(self):
        pattern = self.unique("away.")
        self.handler(pattern, "return function(e) end")
        sent = self.server.metric("millrace_otlp_spans_total", outcome="sent")
        with self.collector.lock:
            self.collector.broken = [(503, {"retry-after": "1"}), (429, {}), (502, {})]
        for _ in range(50):
            self.server.send_event(pattern)
        spans = self.wait_spans(50, **{"messaging.destination.name": pattern})
        self.assertEqual(len(spans), 50)
        harness.wait_until("the count", lambda: self.server.metric("millrace_otlp_spans_total", outcome="sent") >= sent + 50)
        self.assertEqual(self.server.metric("millrace_otlp_spans_total", outcome="dropped"), 0)


class Crashes(TelemetryCase):
    def test_an_attempt_that_is_made_again_is_the_same_span(self):
        pattern, path = self.unique("crash."), "/" + self.unique("crash")
        held = threading.Event()
        calls = []

        def answer(request):
            calls.append(request)
            if len(calls) == 1:
                held.wait(30)  # until its server is gone
            return 200, {}, b"ok"
        self.collector.answers[path] = answer
        self.by_webhook(pattern, path)
        self.server.post("/v2/events", {"pattern": pattern, "payload": {}}, headers={"traceparent": self.trace()})
        self.arrived(path)
        self.server.kill()
        held.set()
        self.server.start()
        first, second = self.arrived(path, 2)[:2]
        self.assertEqual(first.headers["millrace-attempt"], second.headers["millrace-attempt"])
        self.assertEqual(first.headers["traceparent"], second.headers["traceparent"])
        span = self.wait_spans(1, **{"messaging.destination.name": pattern})[0]
        self.assertEqual(second.headers["traceparent"][36:52], span["spanId"])

    def test_a_stop_sends_what_is_left(self):
        pattern = self.unique("stop.")
        self.handler(pattern, "return function(e) end")
        placed = [self.server.send_event(pattern)["eventId"] for _ in range(20)]
        self.server.wait_executions(20)
        self.server.stop()
        spans = self.collector.spans_of(**{"messaging.destination.name": pattern})
        self.assertEqual(sorted(s["told"]["messaging.message.id"] for s in spans), sorted(placed))
        self.server.start()


class Sampled(TelemetryCase):
    SETTINGS = ("--set", "otlp.sample=0.2")

    def test_of_traces_that_begin_here_a_part_is_told(self):
        pattern = self.unique("part.")
        self.handler(pattern, f"return function(e) sdk.events.emit('{pattern}.then', {{}}) end")
        self.handler(pattern + ".then", "return function(e) end")
        events = [{"eventId": f"{pattern}{n}", "pattern": pattern, "payload": {}} for n in range(500)]
        self.assertEqual(self.server.post("/v2/events", events).status, 202)
        last = self.server.post("/v2/events", {"pattern": pattern, "payload": {}}, headers={"traceparent": self.trace()})
        self.wait_spans(1, **{"messaging.message.id": last.json()["events"][0]["eventId"]})
        harness.wait_until("all of them", lambda: self.server.metric(
            "scripts_events_processed_total", event_type=pattern + ".then", status="completed") == 501)
        self.server.stop()
        roots = self.collector.spans_of(**{"messaging.destination.name": pattern})
        then = self.collector.spans_of(**{"messaging.destination.name": pattern + ".then"})
        self.assertEqual({s["traceId"] for s in roots}, {s["traceId"] for s in then})
        self.assertEqual(len(roots), len(then))
        self.assertGreater(len(roots), 50)
        self.assertLess(len(roots), 160)
        self.server.start()


class Off(sink.SinkCase):
    def test_without_a_collector_a_trace_that_came_goes_on_and_none_is_made_up_for_scripts(self):
        pattern, path = self.unique("off."), "/" + self.unique("off")
        script = self.server.create_script(f"return function(e) sdk.http.get('{self.sink.url}{path}') end")
        self.server.subscribe(pattern, script)
        parent = f"00-{uuid.uuid4().hex}-1234567890123456-01"
        self.server.post("/v2/events", {"pattern": pattern, "payload": {}}, headers={"traceparent": parent})
        self.server.post("/v2/events", {"pattern": pattern, "payload": {}})
        requests = harness.wait_until("both calls", lambda: len(self.sink.of(path)) == 2 and self.sink.of(path))
        told = {r.headers.get("traceparent") for r in requests}
        self.assertIn(None, told)
        self.assertEqual([t[:35] for t in told if t], [parent[:35]])
        self.assertNotIn("otlp", self.server.log())

    def test_what_is_no_endpoint_stops_the_start_by_name(self):
        for setting in ("otlp.endpoint=collector:4318", "otlp.endpoint=http://x/?a=1"):
            server = harness.Server(("--set", setting))
            try:
                with self.assertRaises(AssertionError) as refused:
                    server.start()
                self.assertIn("otlp.endpoint", str(refused.exception))
            finally:
                server.close()


if __name__ == "__main__":
    harness.main()
