"""Goal: /openapi.json is true: every reference leads somewhere, every example is taken, and what the
server answers fits what it says of itself.
Method: a server with something of each kind in it; a checker of the keywords that the document uses.
"""
import re
import unittest

from harness import ServerCase, wait_until

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def misfits(value, schema, components, at="$"):
    """Where a value does not fit; of the keywords that the document uses."""
    if "$ref" in schema:
        return misfits(value, components[schema["$ref"].rsplit("/", 1)[1]], components, at)
    if "oneOf" in schema:
        fits = [one for one in schema["oneOf"] if not misfits(value, one, components, at)]
        return [] if len(fits) == 1 else [f"{at} fits {len(fits)} of oneOf"]
    if "const" in schema and value != schema["const"]:
        return [f"{at} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is {value!r}, none of {schema['enum']}"]
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, name) for name in types):
        return [f"{at} is {value!r}, no {types}"]
    found = []
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema.get("required", [])
                  if name not in value]
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                found += misfits(value[name], inner, components, f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += misfits(item, schema["items"], components, f"{at}[{index}]")
    return found


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

    def test_an_error_is_what_it_says(self):
        schema = self.components["Error"]
        for reply in (self.server.get("/v2/events?limit=0"), self.server.get("/v2/scripts/none"),
                      self.server.post("/v2/events", {}), self.server.get("/nowhere")):
            self.assertEqual(misfits(reply.json(), schema, self.components), [], reply)


if __name__ == "__main__":
    unittest.main()
