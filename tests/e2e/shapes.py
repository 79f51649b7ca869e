"""What the server says of its answers in /openapi.json, held against what it answers: the harness asks here
for every answer that a test gets, where MILLRACE_SHAPES=on is set."""
import http.client
import json
import os
import re

ON = os.environ.get("MILLRACE_SHAPES", "off") == "on"
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


class Shapes:
    def __init__(self, document):
        self.components = document["components"]["schemas"]
        # Words before parameters, as the server looks a path up.
        self.routes = sorted(((re.compile("^" + re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "$"), path, methods)
                              for path, methods in document["paths"].items()), key=lambda route: route[1].count("{"))

    def answer_of(self, method, path):
        for pattern, _, methods in self.routes:
            if pattern.match(path):
                operation = methods.get(method.lower())
                return operation and operation["responses"]["2XX"]["content"].get("application/json")
        return None

    def wrong(self, method, path, reply):
        if reply.headers.get("content-type") != "application/json" or not reply.body:
            return []
        path, _, query = path.partition("?")
        # What a script answers is its own affair; one asked for in another form has that form.
        if path.startswith("/v2/endpoint/") or "as=cloudevent" in query or method == "HEAD":
            return []
        if reply.headers.get("content-encoding"):
            return []
        # Slack asks whether somebody is there, and wants its own word back.
        if path.startswith("/v2/webhooks/") and b"\"challenge\"" in reply.body[:14]:
            return []
        if reply.status >= 400 and path.startswith(("/v2/entities/", "/v2/hooks/run")):
            return []  # a hook that aborts does it with a code of its own
        if reply.status >= 400:
            return misfits(reply.json(), self.components["Error"], self.components)
        answer = self.answer_of(method, path)
        return misfits(reply.json(), answer["schema"], self.components) if answer else []


_shapes = None


def _of(server):
    """The document is the binary's: one server's is every other's."""
    global _shapes
    if _shapes is None:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        try:
            connection.request("GET", "/openapi.json", headers={"X-API-Key": server.api_key} if server.api_key else {})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200:
                _shapes = Shapes(json.loads(body))
        except OSError:
            pass  # it ends, or begins: the next answer asks again
        finally:
            connection.close()
    return _shapes


def hold(server, method, path, reply):
    shapes = _of(server) if ON else None
    wrong = shapes.wrong(method, path, reply) if shapes else []
    assert not wrong, f"{method} {path} does not answer as /openapi.json says: {wrong[:5]}; {reply}"
