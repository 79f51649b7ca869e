"""Goal: /openapi.json is true: every reference leads somewhere, every example is taken, and what the
server answers fits what it says of itself.
Method: a server with something of each kind in it; a checker of the keywords that the document uses.
"""
import hashlib
import hmac
import json
import re
import unittest

from harness import ServerCase, wait_until
from shapes import misfits


class OpenApiTest(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.server
        server.create_script('return function(e) if e.payload.bad then error("bad") end '
                             'return {ok = true} end', id="count")
        server.subscribe("order.*", "count", id="orders", retry={"maxRetries": 0})
        for n in range(6):
            server.send_event("order.paid", {"n": n, "bad": n % 2 == 0 or None}, eventId=f"o{n}")
        reply = server.post("/v2/schedules", {"id": "nightly", "type": "interval",
                                              "intervalMs": 1000,
                                              "event": {"pattern": "tick", "payload": {}}})
        assert reply.status == 201, reply
        reply = server.post("/v2/replays", {"from": "1h", "subscriptionIds": ["orders"],
                                            "dryRun": True})
        assert reply.status == 202, reply
        wait_until("executions", lambda: len(server.executions()) >= 6)
        wait_until("dead letters", lambda: len(server.items("/v2/dlq")) >= 3)
        cls.document = server.get("/openapi.json").json()
        cls.components = cls.document["components"]["schemas"]

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method, path, operation

    def test_every_reference_leads_somewhere(self):
        text = str(self.document)
        for name in set(re.findall(r"#/components/schemas/(\w+)", text)):
            self.assertIn(name, self.components)

    def test_every_operation_says_what_it_answers_with(self):
        names = set()
        for method, path, operation in self.operations():
            self.assertIn("content", operation["responses"]["2XX"], (method, path))
            self.assertNotIn(operation["operationId"], names)
            names.add(operation["operationId"])
            for parameter in operation["parameters"]:
                self.assertIn("type", parameter["schema"], (path, parameter))

    def test_examples_fit_their_own_schemas(self):
        for name, schema in self.components.items():
            for example in schema.get("examples", []):
                self.assertEqual(misfits(example, schema, self.components), [], name)

    def test_examples_of_events_scripts_and_subscriptions_are_taken(self):
        for name, path in (("NewEvent", "/v2/events"), ("NewScript", "/v2/scripts"),
                           ("NewSubscription", "/v2/subscriptions")):
            for example in self.components[name]["examples"]:
                reply = self.server.post(path, example)
                self.assertIn(reply.status, (201, 202), (name, reply))

    def test_answers_fit(self):
        letter = self.server.items("/v2/dlq")[0]["id"]
        run = self.server.executions()[0]["id"]
        replay = self.server.items("/v2/replays")[0]["id"]
        places = {"eventId": "o1", "/v2/scripts": "count", "/v2/subscriptions": "orders",
                  "/v2/schedules": "nightly", "/v2/dlq": letter, "/v2/executions": run,
                  "/v2/replays": replay, "/v2/tenants": "default"}
        wait_until("a line of the ledger",
                   lambda: self.server.items("/v2/schedules/nightly/runs"))
        checked = 0
        for method, path, operation in self.operations():
            answer = operation["responses"]["2XX"]["content"].get("application/json")
            if method != "get" or answer is None or path.startswith("/v2/endpoint/"):
                continue
            real = path.replace("{eventId}", "o1").replace("{version}", "1")
            if "{id}" in real:
                kind = real.split("/{id}")[0]
                if kind not in places:
                    continue
                real = real.replace("{id}", places[kind])
            if "{" in real:
                continue
            reply = self.server.get(real)
            if reply.status != 200:
                continue
            self.assertEqual(misfits(reply.json(), answer["schema"], self.components), [], real)
            checked += 1
        self.assertGreater(checked, 25)

    def test_a_count_fits_and_is_no_page(self):
        count, page = (self.server.get(f"/v2/events?pattern=order.paid&count={asked}").json() for asked in (1, 0))
        self.assertEqual((count["count"], len(page["items"])), (6, 6))
        listed = self.document["paths"]["/v2/events"]["get"]["responses"]["2XX"]["content"]["application/json"]["schema"]
        for answer in (count, page):
            self.assertEqual(misfits(answer, listed, self.components), [], answer)
        self.assertEqual(misfits(count, self.components["EventCount"], self.components), [])
        self.assertTrue(misfits(page, self.components["EventCount"], self.components))

    # What is made of which example, and where.
    DOCUMENTS = (("NewSchema", "/v2/schemas", "order"), ("NewWebhookSource", "/v2/sources", "github-main"),
                 ("NewEndpoint", "/v2/endpoints", "order"), ("NewHook", "/v2/hooks", "welcome"),
                 ("NewAction", "/v2/actions", "sms.send"), ("NewWorkflow", "/v2/workflows", "order-flow"),
                 ("NewLink", "/v2/links", "orders-in"))
    KINDS = ("/v2/schemas", "/v2/sources", "/v2/webhooks", "/v2/endpoints", "/v2/entities", "/v2/hooks",
             "/v2/actions", "/v2/links", "/v2/workflows", "/v2/workflow-runs", "/v2/workflow-keys")

    def example(self, name):
        return self.components[name]["examples"][0]

    def call(self, method, path, body=None, **places):
        """Sends what fits, by the document, and holds what comes back against it."""
        operation = self.document["paths"][path][method.lower()]
        if body is not None:
            takes = operation["requestBody"]["content"]["application/json"]["schema"]
            self.assertEqual(misfits(body, takes, self.components), [], (method, path))
        real = path
        for name, value in places.items():
            real = real.replace("{%s}" % name, value)
        self.assertNotIn("{", real)
        reply = self.server.request(method, real, body)
        self.assertIn(reply.status, (200, 201, 202), (method, real, reply))
        answers = operation["responses"]["2XX"]["content"]["application/json"]["schema"]
        self.assertEqual(misfits(reply.json(), answers, self.components), [], (method, real, reply))
        self.checked.add((method.lower(), path))
        return reply.json()

    def call_webhook(self):
        body = json.dumps(self.example("Webhook")).encode()
        secret = self.example("NewWebhookSource")["secrets"][0].encode()
        sign = "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
        reply = self.server.post("/v2/webhooks/github-main", body, headers={
            "X-Hub-Signature-256": sign, "X-GitHub-Delivery": "d1", "X-GitHub-Event": "push"})
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(misfits(reply.json(), self.components["Taken"], self.components), [])
        self.checked.add(("post", "/v2/webhooks/{source}"))

    def test_edges(self):
        self.checked = set()
        token = self.call("POST", "/v2/edges", self.example("NewEdge"))["token"]
        self.assertEqual([item["id"] for item in self.call("GET", "/v2/edges")["items"]], ["shop-1"])
        wanted = self.server.get("/v2/edges/shop-1/filters", headers={"Authorization": "Bearer " + token})
        self.assertEqual((wanted.status, misfits(wanted.json(), self.components["EdgeFilters"], self.components)), (200, []))
        self.assertIsNotNone(self.call("GET", "/v2/edges/{id}", id="shop-1")["status"]["lastSeenAt"])
        self.call("DELETE", "/v2/edges/{id}", id="shop-1")

    def test_schemas_sources_endpoints_entities_hooks_actions_and_workflows(self):
        self.checked = set()
        for name, path, id in self.DOCUMENTS:
            one = path + "/{id}"
            self.assertEqual(self.call("POST", path, self.example(name))["id"], id)
            shown = self.call("GET", one, id=id)
            self.assertIn(id, [item["id"] for item in self.call("GET", path)["items"]])
            if path != "/v2/workflows":
                self.call("PUT", one, shown, id=id)
            self.call("PATCH", one, {"name": "another"}, id=id)
        self.call("PUT", "/v2/workflows/{id}", {**self.example("NewWorkflow"), "version": 3}, id="order-flow")
        self.call("GET", "/v2/workflows/{id}/versions", id="order-flow")

        self.call("POST", "/v2/schemas/check", self.example("SchemaCheck"))
        self.assertFalse(self.call("POST", "/v2/schemas/{id}/validate", self.example("SchemaTry"), id="order")["valid"])
        self.assertEqual(self.server.post("/v2/events", {"pattern": "order.x", "payload": {"total": -1}}).status, 400)
        self.assertTrue(self.call("GET", "/v2/schemas/{id}/violations", id="order")["items"])
        self.call("GET", "/v2/schemas/{id}/versions", id="order")
        self.call("GET", "/v2/schemas/{id}/versions/{version}", id="order", version="1")

        self.call_webhook()
        self.assertTrue(self.call("GET", "/v2/sources/{id}/deliveries", id="github-main")["items"])
        self.assertTrue(self.call("POST", "/v2/sources/{id}/test", self.example("SourceTrial"), id="github-main")["verified"])
        self.call("POST", "/v2/sources/{id}/rotate", self.example("SourceRotation"), id="github-main")

        one = "/v2/entities/{type}/{id}"
        self.call("POST", "/v2/entities/{type}", self.example("NewEntity"), type="customer")
        for method, body in (("GET", None), ("PUT", {"name": "B"}), ("PATCH", {"name": "C"})):
            self.call(method, one, body, type="customer", id="c1")
        self.call("GET", "/v2/entities/{type}", type="customer")
        self.call("POST", "/v2/hooks/run", self.example("HookRun"))
        self.assertFalse(self.call("POST", "/v2/actions/{id}/call", self.example("ActionCall"), id="sms.send")["success"])

        for verb in ("pause", "resume", "test"):
            self.call("POST", "/v2/links/{id}/" + verb, id="orders-in")
        self.call("POST", "/v2/links/{id}/reset", self.example("LinkReset"), id="orders-in")

        run = self.call("POST", "/v2/workflows/{id}/execute", self.example("WorkflowExecute"), id="order-flow")["runId"]
        wait_until("the run's end", lambda: self.server.get(f"/v2/workflow-runs/{run}").json()["endedAt"])
        self.call("GET", "/v2/workflow-runs/{runId}", runId=run)
        self.call("GET", "/v2/workflow-runs")
        self.call("GET", "/v2/workflow-runs/{runId}/history", runId=run)
        self.call("POST", "/v2/workflow-runs/{runId}/rehearse", {"version": 1}, runId=run)
        self.control_a_run()
        self.call("GET", "/v2/workflow-keys")
        self.call("POST", "/v2/workflow-keys/rotate", {})
        self.call("DELETE", one, type="customer", id="c1")
        for name, path, id in self.DOCUMENTS:
            self.call("DELETE", path + "/{id}", id=id)
        self.assertEqual(self.left_out(), [])

    def control_a_run(self):
        waits = {"id": "waits", "steps": [{"id": "approval", "type": "wait", "signal": "approved"}]}
        self.assertEqual(self.server.post("/v2/workflows", waits).status, 201)
        for verb, body in (("pause", self.example("WorkflowRunReason")), ("resume", {}),
                           ("signal", self.example("WorkflowRunSignal"))):
            if verb == "pause":
                run = self.server.post("/v2/workflows/waits/execute", {}).json()["runId"]
                wait_until("it waits", lambda: self.server.get(f"/v2/workflow-runs/{run}").json()["status"] == "waiting")
            self.call("POST", "/v2/workflow-runs/{runId}/" + verb, body, runId=run)
        for verb in ("cancel", "terminate"):
            run = self.server.post("/v2/workflows/waits/execute", {}).json()["runId"]
            self.call("POST", "/v2/workflow-runs/{runId}/" + verb, self.example("WorkflowRunReason"), runId=run)

    def left_out(self):
        """Operations of these kinds that say JSON and were not called."""
        return sorted((method, path) for method, path, operation in self.operations()
                      if path.startswith(self.KINDS) and (method, path) not in self.checked and method != "options"
                      and "application/json" in operation["responses"]["2XX"]["content"])

    def test_what_these_kinds_take_and_answer_with_has_a_shape_and_an_example(self):
        for method, path, operation in self.operations():
            if not path.startswith(self.KINDS) or method == "options":
                continue
            bodies = [operation["responses"]["2XX"]]
            if "requestBody" in operation and "{}" not in str(operation["requestBody"]):
                bodies.append(operation["requestBody"])
            for body in bodies:
                schema = body["content"]["application/json"]["schema"]
                names = re.findall(r"schemas/(\w+)", str(schema))
                if schema == {"type": "object"} and body is not bodies[0]:
                    continue  # nothing is taken
                self.assertTrue(names, (method, path))
                if names[0] not in ("MergePatch", "Success", "Taken"):
                    self.assertTrue(self.components[names[0]].get("examples"), names[0])

    def test_a_cluster_is_described_where_there_is_none_too(self):
        # Answers of a real one: cluster_test.py.
        for method, path, operation in self.operations():
            if not path.startswith("/v2/cluster"):
                continue
            self.assertIn("$ref", operation["responses"]["2XX"]["content"]["application/json"]["schema"], path)
            real = path.replace("{p}", "0").replace("{n}", "a")
            reply = self.server.request(method.upper(), real, {} if method == "post" else None)
            self.assertEqual(reply.status, 404, (method, path, reply))
            self.assertIn("a node of no cluster", reply.json()["error"]["message"])

    def test_an_error_is_what_it_says(self):
        schema = self.components["Error"]
        for reply in (self.server.get("/v2/events?limit=0"), self.server.get("/v2/scripts/none"),
                      self.server.post("/v2/events", {}), self.server.get("/nowhere")):
            self.assertEqual(misfits(reply.json(), schema, self.components), [], reply)


if __name__ == "__main__":
    unittest.main()
