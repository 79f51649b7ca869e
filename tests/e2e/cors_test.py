"""Pages of other origins: preflights, what they may read, credentials; with and without keys; the
server's own list and that of endpoints."""
import harness
from harness import Server
from keyed import KeyedCase

APP = "https://app.example"
EVIL = "https://evil.example"
ECHO = "return function(event) return {ok = true} end"


def preflight(server, path, origin, method="POST", headers="content-type,x-api-key"):
    return server.request("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers, "X-Nothing": "1"})


class Local(harness.ServerCase):
    """No key exists: a page that is named may call, and nobody else's."""
    ARGS = ("--set", f"http.cors_origins={APP},*")

    def test_a_named_page_may_call(self):
        reply = preflight(self.server, "/v2/events", APP)
        self.assertEqual(reply.status, 204, reply)
        self.assertEqual(reply.headers["access-control-allow-origin"], APP)
        self.assertEqual(reply.headers["access-control-allow-credentials"], "true")
        self.assertIn("POST", reply.headers["access-control-allow-methods"])
        self.assertEqual(reply.headers["access-control-allow-headers"], "content-type,x-api-key")
        self.assertEqual(reply.headers["vary"], "Origin")
        page = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
        reply = self.server.post("/v2/events", {"pattern": "cors.a"}, headers=page)
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual(reply.headers["access-control-allow-origin"], APP)
        reply = self.server.get("/v2/events/none", headers=page)
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (404, APP))
        reply = self.server.post("/v2/events", "{", headers=page)
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (400, APP))

    def test_everybody_is_nobody_without_a_key(self):
        for reply in (preflight(self.server, "/v2/events", EVIL),
                      self.server.post("/v2/events", {"pattern": "cors.b"},
                                       headers={"Origin": EVIL}),
                      self.server.get("/v2/events", headers={"Origin": EVIL})):
            self.assertEqual(reply.status, 403, reply)
            self.assertNotIn("access-control-allow-origin", reply.headers)

    def test_a_named_page_does_not_get_around_the_host(self):
        reply = self.server.get("/v2/events", headers={"Origin": APP, "Host": "evil.example"})
        self.assertEqual(reply.status, 403, reply)

    def test_without_an_origin_nothing_is_said(self):
        reply = self.server.get("/healthz")
        self.assertNotIn("vary", reply.headers)


class Keyed(KeyedCase):
    ARGS = ("--set", f"http.cors_origins={APP}")

    def test_a_preflight_shows_no_key(self):
        self.server.api_key, key = None, self.server.api_key
        try:
            reply = preflight(self.server, "/v2/events", APP)
            self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]),
                             (204, APP), reply)
            reply = preflight(self.server, "/v2/events", EVIL)
            self.assertNotIn("access-control-allow-origin", reply.headers)
            reply = preflight(self.server, "/v2/nowhere", APP)
            self.assertNotEqual(reply.status, 204, reply)
            # The page may read why it is refused.
            reply = self.server.post("/v2/events", {"pattern": "cors.c"}, headers={"Origin": APP})
            self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]),
                             (401, APP), reply)
        finally:
            self.server.api_key = key

    def test_another_page_gets_an_answer_that_its_browser_keeps_from_it(self):
        reply = self.server.get("/v2/me", headers={"Origin": EVIL})
        self.assertEqual(reply.status, 200, reply)
        self.assertNotIn("access-control-allow-origin", reply.headers)
        self.assertEqual(reply.headers["vary"], "Origin")

    def test_streams_too(self):
        connection = self.server.raw_connection()
        connection.sendall((f"GET /v2/events/stream HTTP/1.1\r\nHost: localhost\r\nOrigin: {APP}\r\n"
                            f"X-API-Key: {self.server.api_key}\r\n\r\n").encode())
        head = connection.recv(65536).decode()
        self.assertIn(f"Access-Control-Allow-Origin: {APP}\r\n", head)
        connection.close()

    def test_an_endpoint_has_its_own_rule_or_the_servers(self):
        script = self.server.create_script(ECHO, type="endpoint")

        def endpoint(**members):
            route = self.unique("e")
            reply = self.server.post("/v2/endpoints", {"method": "POST", "route": route,
                                                       "scriptId": script, "auth": "none", **members})
            self.assertEqual(reply.status, 201, reply)
            return f"/v2/endpoint/post/{route}"

        def origin_of(path, origin):
            asked = preflight(self.server, path, origin)
            self.assertEqual(asked.status, 204, asked)
            reply = self.server.post(path, {}, headers={"Origin": origin})
            self.assertEqual(reply.status, 200, reply)
            told = reply.headers.get("access-control-allow-origin")
            self.assertEqual(asked.headers.get("access-control-allow-origin"), told)
            self.assertEqual(asked.headers.get("access-control-allow-methods"),
                             "POST" if told else None)
            if told == "*":
                self.assertNotIn("access-control-allow-credentials", reply.headers)
            return told

        self.assertEqual(origin_of(endpoint(), APP), APP)
        self.assertIsNone(origin_of(endpoint(), EVIL))
        own = endpoint(cors={"origins": ["https://shop.example"]})
        self.assertEqual(origin_of(own, "https://shop.example"), "https://shop.example")
        self.assertIsNone(origin_of(own, APP))
        self.assertEqual(origin_of(endpoint(cors=True), EVIL), "*")
        self.assertIsNone(origin_of(endpoint(cors=False), APP))
        reply = self.server.post("/v2/endpoints", {"method": "POST", "route": "x", "scriptId": script,
                                                   "cors": {"origins": ["shop.example/"]}})
        self.assert_error(reply, 400, "VALIDATION_ERROR", "origins")

    def test_the_rate_of_an_endpoint_is_told(self):
        script = self.server.create_script(ECHO, type="endpoint")
        for rate, policy in ((1, '"rate";q=1;w=1'), (0.01, '"rate";q=1;w=100')):
            route = self.unique("r")
            self.server.post("/v2/endpoints", {"method": "POST", "route": route, "auth": "none",
                                               "scriptId": script, "rate": rate})
            path = f"/v2/endpoint/post/{route}"
            self.server.post(path, {})
            reply = self.server.post(path, {})
            error = self.assert_error(reply, 429, "RATE_LIMIT_EXCEEDED")
            self.assertEqual(error["details"]["violatedPolicies"], ["rate"])
            self.assertEqual(reply.headers["ratelimit-policy"], policy)
            self.assertTrue(reply.headers["ratelimit"].startswith('"rate";r=0;t='))
            self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)


class BadList(harness.unittest.TestCase):
    def test_what_is_no_origin_ends_the_start(self):
        for bad in ("app.example", "https://app.example/", "null"):
            server = Server(["--set", f"http.cors_origins={bad}"])
            try:
                with self.assertRaises(AssertionError) as raised:
                    server.start()
                self.assertIn("http.cors_origins", str(raised.exception))
            finally:
                server.close()


if __name__ == "__main__":
    harness.main()
