"""Two tenants on one server: nothing of one is ever seen, changed or hinted at by the other, on any
call of /openapi.json, by any id, on streams and sockets, and by what happens later."""
import datetime
import hashlib
import hmac
import json
import re
import time
import urllib.parse

from harness import LineClient, main, wait_until
from keyed import KeyedCase

FAILS = "return function() error('alpha-secret failed') end"
EFFECTS = """return function(event, ctx)
  sdk.kv.incr('alpha-secret-count')
  sdk.events.emit('alpha.effect', {tenant = ctx.tenantId, of = event.tenantId})
  return ctx.tenantId
end"""


def parsed(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Tenants(KeyedCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.server
        cls.keys = {}
        for tenant in ("alpha", "beta"):
            assert server.post("/v2/tenants", {"id": tenant, "name": tenant}).status == 201
            made = server.post("/v2/keys", {"tenantId": tenant, "role": "admin", "name": tenant})
            assert made.status == 201, made
            cls.keys[tenant] = made.json()
        cls.ids = cls.make_things("alpha")

    @classmethod
    def call(cls, tenant, method, path, body=None, **options):
        return cls.server.request(method, path, body,
                                  headers={"X-API-Key": cls.keys[tenant]["key"]}, **options)

    def anybody(self, method, path, body=None, **options):
        """Somebody without a key."""
        own, self.server.api_key = self.server.api_key, None
        try:
            return self.server.request(method, path, body, **options)
        finally:
            self.server.api_key = own

    @classmethod
    def made(cls, tenant, path, body):
        reply = cls.call(tenant, "POST", path, body)
        assert reply.status in (201, 202), (path, reply)
        return reply.json()

    @classmethod
    def make_things(cls, tenant):
        """One of everything, each with an id that only this tenant can know."""
        secret = cls.made(tenant, "/v2/secrets", {"id": "alpha-secret-word", "value": "alpha-secret"})
        good = cls.made(tenant, "/v2/scripts", {"id": "alpha-secret-script", "source": EFFECTS})
        bad = cls.made(tenant, "/v2/scripts", {"id": "alpha-secret-fails", "source": FAILS})
        subscribe = lambda name, script, retries: cls.made(tenant, "/v2/subscriptions", {
            "id": name, "pattern": "alpha.cause", "executor": {"type": "script", "scriptId": script},
            "retry": {"maxRetries": retries, "initialDelayMs": 3600000}})
        subscription = subscribe("alpha-secret-sub", good["id"], 0)
        subscribe("alpha-secret-dies", bad["id"], 0)
        subscribe("alpha-secret-waits", bad["id"], 5)
        event = cls.made(tenant, "/v2/events", {"eventId": "alpha-secret-event", "pattern": "alpha.cause",
                                                "payload": {"word": "alpha-secret"}})["events"][0]
        listed = lambda path: cls.call(tenant, "GET", path).json()["items"]
        wait_until("what comes of it", lambda: len(listed("/v2/dlq")) == 1 and
                   len(listed("/v2/retries")) == 1 and len(listed("/v2/executions")) == 3 and
                   len(listed("/v2/events?pattern=alpha.effect")) == 1)
        api = cls.made(tenant, "/v2/scripts", {"id": "alpha-secret-api", "type": "endpoint",
                                               "source": "return function() return 1 end"})
        endpoint = cls.made(tenant, "/v2/endpoints", {
            "id": "alpha-secret-endpoint", "name": "alpha", "method": "GET", "route": "alpha/:id",
            "scriptId": api["id"], "auth": "required"})
        schedule = cls.made(tenant, "/v2/schedules", {
            "id": "alpha-secret-schedule", "name": "alpha", "type": "interval", "intervalMs": 86400000,
            "event": {"pattern": "alpha.tick"}})
        schema = cls.made(tenant, "/v2/schemas", {"id": "alpha-secret-schema", "pattern": "alpha.typed",
                                                  "schema": {"type": "object"}})
        source = cls.made(tenant, "/v2/sources", {"id": "alpha-secret-source", "scheme": "github",
                                                  "secrets": ["alpha-secret-word"]})
        action = cls.made(tenant, "/v2/actions", {"name": "alpha-secret-action", "executor": {
            "type": "webhook", "url": "https://example.com/"}})
        link = cls.made(tenant, "/v2/links", {"id": "alpha-secret-link", "direction": "in", "type": "redis",
                                              "config": {"host": "10.0.0.1", "stream": "s"}})
        replay = cls.made(tenant, "/v2/replays", {"subscriptionIds": [subscription["id"]],
                                                  "pattern": "nothing.of.it"})
        run = cls.call(tenant, "POST", "/v2/script/run", {"scriptId": good["id"]}).json()
        assert run["success"], run
        return {"eventId": event["eventId"], "scripts": good["id"], "secrets": secret["id"],
                "subscriptions": subscription["id"], "dlq": listed("/v2/dlq")[0]["id"],
                "executions": listed("/v2/executions")[0]["id"], "run": run["executionId"],
                "endpoints": endpoint["id"], "schedules": schedule["id"], "schemas": schema["id"],
                "links": link["id"], "sources": source["id"], "actions": action["id"], "replays": replay["id"], "keys": cls.keys[tenant]["id"], "tenants": tenant}

    def routes(self):
        paths = self.call("beta", "GET", "/openapi.json").json()["paths"]
        return [(method.upper(), path, operation) for path, methods in paths.items()
                for method, operation in methods.items()]

    def beta(self, method, path, body=None):
        return self.call("beta", method, path, body)

    def same_as_missing(self, method, path, of, body=None):
        """A foreign id and one that nobody has get the same answer, but for the id in it."""
        texts = []
        for id in (of, "nobody-has-this-one"):
            name = lambda text: text.replace(of, id)
            reply = self.beta(method, name(path), json.loads(name(json.dumps(body))))
            texts.append((reply.status, reply.body.decode().replace(id, "ID")))
        self.assertEqual(texts[0], texts[1], (method, path, body))
        return texts[0][0]

    def test_no_route_knows_a_foreign_id(self):
        bodies = {"POST": {}, "PUT": {"source": "return 1", "value": "x"}, "PATCH": {"name": "x"}}
        walked = 0
        for method, path, _ in self.routes():
            if "{" not in path or path.endswith("/{type}") or not path.startswith("/v2/"):
                continue  # a type of entities is nobody's
            if path.startswith(("/v2/endpoint/", "/v2/webhooks/", "/v2/entities/")):
                continue  # test_calls_from_outside_stay_in_their_tenant; a PUT makes an entity
            kind = path.split("/")[2]
            of = self.ids["eventId"] if "{eventId}" in path else self.ids.get(kind, "alpha-secret-thing")
            asked = re.sub(r"\{\w+\}", of, path.replace("{version}", "1"))
            status = self.same_as_missing(method, asked, of, bodies.get(method))
            wanted = (403,) if kind == "tenants" and "usage" not in path else (404,)
            # Of a kind of which nothing was made here only the answers have to be the same.
            known = (kind in self.ids or kind == "events") and "{fingerprint}" not in path
            self.assertIn(status, wanted if known else range(200, 405), (method, path))
            walked += 1
        self.assertGreater(walked, 25)
        self.same_as_missing("GET", f"/v2/executions/{self.ids['run']}", self.ids["run"])
        for kind in ("scripts", "subscriptions", "secrets", "dlq", "executions", "replays", "keys"):
            if kind not in ("dlq", "executions", "replays"):
                mine = self.call("alpha", "GET", f"/v2/{kind}/{self.ids[kind]}")
                self.assertEqual((mine.status, mine.headers["etag"].split("-")[1]), (200, '1"'), mine)

    def test_calls_from_outside_stay_in_their_tenant(self):
        asked = self.call("alpha", "GET", "/v2/endpoint/get/alpha/1")
        self.assertEqual((asked.status, asked.json()), (200, 1))
        self.same_as_missing("GET", "/v2/endpoint/get/alpha/1", "alpha")
        for body in ({}, {"id": 1}):
            self.same_as_missing("POST", "/v2/webhooks/alpha-secret-source", "alpha-secret-source", body)

    def test_a_webhook_without_a_key_may_not_be_tried_against_all_by_the_megabyte(self):
        secrets = {}
        for tenant in ("alpha", "beta"):
            secrets[tenant] = f"{tenant}-hook-secret"
            self.made(tenant, "/v2/sources", {"id": "both", "scheme": "github", "secrets": [secrets[tenant]]})

        def send(body, tenant):
            sign = hmac.new(secrets[tenant].encode(), body, hashlib.sha256).hexdigest()
            return self.anybody("POST", "/v2/webhooks/both", body, headers={
                "X-Hub-Signature-256": "sha256=" + sign, "X-GitHub-Event": "push", "X-GitHub-Delivery": tenant})
        for tenant in ("alpha", "beta"):
            self.assertEqual(send(b'{"n":1}', tenant).status, 202)
            self.assertEqual(len(self.call(tenant, "GET", "/v2/events?pattern=webhook.both.push").json()["items"]), 1)
        large = send(b'{"n":"' + b"x" * (9 << 20) + b'"}', "alpha")
        self.assert_error(large, 413, "PAYLOAD_TOO_LARGE", "without a key")

    def test_no_list_holds_anything_foreign(self):
        self.made("beta", "/v2/events", {"pattern": "beta.own", "payload": {}})
        for method, path, operation in self.routes():
            if method != "GET" or "{" in path or path in ("/v2/events/stream", "/v2/events/ws"):
                continue
            asked = path
            if path == "/v2/graphql":
                asked += "?query=" + urllib.parse.quote(
                    "{events{items{envelope}}deadLetters{items{id event{envelope}}}executions{items{id result logs}}}")
            reply = self.beta(method, asked)
            server_wide = path in ("/metrics", "/v2/executors", "/v2/config", "/v2/log", "/v2/tenants", "/v2/cluster",
                                   "/v2/stats/stream")
            self.assertEqual(reply.status, 403 if server_wide else 200, (path, reply))
            if path == "/v2/audit":  # what beta itself has asked for stands there
                self.assertEqual({row["tenantId"] for row in reply.json()["items"]}, {"beta"})
            else:
                self.assertNotIn(b"alpha", reply.body, path)
            for parameter in operation.get("parameters", []):
                foreign = {"scriptId": "scripts", "subscriptionId": "subscriptions",
                           "eventId": "eventId"}.get(parameter["name"])
                if foreign:
                    of = self.ids[foreign]
                    self.same_as_missing("GET", f"{path}?{parameter['name']}={of}", of)
                if parameter["name"] == "cursor":
                    first = self.call("alpha", "GET", path + "?limit=1")
                    cursor = first.json().get("next") if first.status == 200 else None
                    if cursor:
                        page = self.beta("GET", f"{path}?limit=1000&cursor={cursor}")
                        self.assertNotIn(b'"tenantId":"alpha"', page.body, path)
                        if path != "/v2/audit":
                            self.assertNotIn(b"alpha", page.body, path)
        self.assertNotIn(b"alpha", self.beta("GET", "/v2/kv?prefix=alpha").body)

    def test_no_body_names_a_foreign_thing(self):
        ids = self.ids
        executor = {"type": "script", "scriptId": ids["scripts"]}
        for method, path, body, of, wanted in (
                ("POST", "/v2/script/run", {"scriptId": ids["scripts"]}, ids["scripts"], 404),
                ("POST", "/v2/subscriptions", {"pattern": "a", "executor": executor}, ids["scripts"], 400),
                ("POST", f"/v2/subscriptions/match?subscriptionId={ids['subscriptions']}",
                 {"event": {"pattern": "alpha.cause", "payload": {}}}, ids["subscriptions"], 404),
                ("POST", f"/v2/subscriptions/preview?against={ids['subscriptions']}",
                 {"pattern": "alpha.cause"}, ids["subscriptions"], 404),
                ("POST", "/v2/replays", {"subscriptionIds": [ids["subscriptions"]]},
                 ids["subscriptions"], None),
                ("POST", "/v2/replays", {"subscriptionIds": "all", "dryRun": True,
                                         "scriptId": ids["scripts"]}, ids["scripts"], None),
                ("POST", "/v2/dlq/replay", {"subscriptionId": ids["subscriptions"]},
                 ids["subscriptions"], None),
                ("POST", "/v2/dlq/replay", {"ids": [ids["dlq"]]}, ids["dlq"], None)):
            status = self.same_as_missing(method, path, of, body)
            if wanted:
                self.assertEqual(status, wanted, (path, body))
        matched = self.beta("POST", "/v2/subscriptions/match",
                            {"event": {"pattern": "alpha.cause", "payload": {}}})
        self.assertEqual(matched.json()["matched"], [])
        foreign = {"pattern": "a", "payload": {}, "tenantId": "alpha"}
        self.assert_error(self.beta("POST", "/v2/events", foreign), 403, "FORBIDDEN", "tenantId")
        self.assert_error(self.beta("POST", "/v2/subscriptions/match", {"event": foreign}), 403, "FORBIDDEN")
        self.assert_error(self.beta("POST", "/v2/keys", {"tenantId": "alpha"}), 403, "FORBIDDEN")
        self.assert_error(self.beta("GET", "/v2/keys?tenantId=alpha"), 403, "FORBIDDEN")
        self.assert_error(self.beta("POST", "/v2/tenants", {"id": "gamma"}), 403, "FORBIDDEN")
        self.assert_error(self.beta("POST", "/v2/backups", {"path": "/tmp/x"}), 403, "FORBIDDEN")
        self.assert_error(self.server.post("/v2/keys", {"tenantId": "nobody"}), 400,
                          "VALIDATION_ERROR", "tenantId")
        self.assertEqual(len(self.call("alpha", "GET", "/v2/dlq").json()["items"]), 1)

    def test_ids_are_each_tenants_own(self):
        for tenant in ("alpha", "beta"):
            same = self.made(tenant, "/v2/events", {"eventId": "the-same", "pattern": "same", "payload": {}})
            self.assertFalse(same["events"][0]["duplicate"], tenant)
            self.made(tenant, "/v2/scripts", {"id": "the-same", "source": "return function() end"})
            shown = self.call(tenant, "GET", "/v2/events/the-same").json()
            self.assertEqual(shown["tenantId"], tenant)

    def test_what_happens_later_stays_within(self):
        self.made("beta", "/v2/scripts", {"id": "beta-script", "source":
                  "return function(event, ctx) sdk.kv.set('beta', event.tenantId) return ctx.tenantId end"})
        self.made("beta", "/v2/subscriptions", {"id": "beta-sub", "pattern": {"type": "prefix", "value": "alpha."},
                                                "filter": "$.tenantId == 'beta'",
                                                "executor": {"type": "script", "scriptId": "beta-script"}})
        before = len(self.call("alpha", "GET", "/v2/executions").json()["items"])
        self.made("alpha", "/v2/events", {"eventId": "second", "pattern": "alpha.later", "payload": {}})
        self.made("beta", "/v2/events", {"eventId": "second", "pattern": "alpha.cause", "payload": {}})
        runs = lambda: self.beta("GET", "/v2/executions?subscriptionId=beta-sub").json()["items"]
        wait_until("beta's run", runs)
        self.assertEqual([run["result"] for run in runs()], ["beta"])
        self.assertEqual(len(self.call("alpha", "GET", "/v2/executions").json()["items"]), before)
        self.assertNotIn(b"alpha-secret", self.beta("GET", "/v2/events/second/trace").body)
        kv = {item["key"]: item["value"] for item in self.beta("GET", "/v2/kv").json()["items"]}
        self.assertEqual(kv, {"beta": "beta"})
        effect = self.call("alpha", "GET", "/v2/events?pattern=alpha.effect&order=asc").json()["items"][0]
        self.assertEqual((effect["tenantId"], effect["payload"]), ("alpha", {"tenant": "alpha", "of": "alpha"}))
        # The dead letter goes again, and a replay of everything runs: each in its own tenant.
        self.assertEqual(self.beta("POST", "/v2/dlq/replay", {}).status, 202)
        self.assertEqual(self.call("alpha", "POST", f"/v2/dlq/{self.ids['dlq']}/replay").status, 202)
        again = lambda: [entry for entry in self.call("alpha", "GET", "/v2/dlq").json()["items"]
                         if len(entry["attempts"]) == 2]
        wait_until("the dead letter to come back", again)
        replay = self.made("beta", "/v2/replays", {"subscriptionIds": "all", "from": "1h"})["id"]
        state = lambda: self.beta("GET", f"/v2/replays/{replay}").json()
        wait_until("the replay", lambda: state()["status"] == "completed")
        self.assertEqual(state()["delivered"], 1, state())
        self.assertNotIn(b"alpha-secret", self.beta("GET", "/v2/executions").body)

    def test_streams_and_sockets_are_the_tenants_own(self):
        connection = self.server.raw_connection()
        connection.sendall(f"GET /v2/events/stream?from=beginning&apiKey={self.keys['beta']['key']} "
                           "HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        reader = connection.makefile("rb")
        self.made("alpha", "/v2/events", {"pattern": "alpha.streamed", "payload": {}})
        client = LineClient(self.server, unix=True)
        client.send({"hello": {"apiKey": self.keys["beta"]["key"]}},
                    {"pattern": "sock", "payload": {}, "tenantId": "alpha"},
                    {"pattern": "sock.end", "payload": {}, "tenantId": "beta"})
        rejects, _ = client.read_until_ack(2)
        self.assertEqual([(one["line"], one["error"]["code"]) for one in rejects], [(1, "FORBIDDEN")])
        client.close()
        seen = []
        while not (seen and b"sock.end" in seen[-1]):
            seen.append(reader.readline())
        for line in seen:
            if line.startswith(b"data:"):
                self.assertEqual(json.loads(line[5:])["tenantId"], "beta")
        reader.close()
        connection.close()

    def test_a_suspended_tenant_is_refused_with_the_reason(self):
        self.server.post("/v2/tenants", {"id": "late"})
        key = self.server.post("/v2/keys", {"tenantId": "late", "role": "admin"}).json()["key"]
        ask = lambda: self.server.request("GET", "/v2/me", headers={"X-API-Key": key})
        self.assertEqual(ask().json()["tenantId"], "late")
        suspended = self.server.request("PATCH", "/v2/tenants/late", {"status": "suspended", "reason": "unpaid"})
        self.assertEqual((suspended.status, suspended.json()["status"]), (200, "suspended"))
        self.assert_error(ask(), 403, "FORBIDDEN", "unpaid")
        self.assertEqual(self.server.request("PATCH", "/v2/tenants/late", {"status": "active"}).status, 200)
        self.assertEqual(ask().status, 200)
        self.assert_error(self.server.request("PATCH", "/v2/tenants/default", {"status": "suspended"}),
                          409, "CONFLICT")
        self.assertEqual(self.server.request("DELETE", "/v2/tenants/late").status, 200)
        self.assertEqual(ask().status, 401)
        self.assert_error(self.server.request("DELETE", "/v2/tenants/alpha"), 409, "CONFLICT", "script")

    def test_nothing_of_a_suspended_tenant_runs_until_it_is_active_again(self):
        self.server.post("/v2/tenants", {"id": "owes"})
        self.keys["owes"] = self.server.post("/v2/keys", {"tenantId": "owes", "role": "admin"}).json()
        self.made("owes", "/v2/scripts", {"id": "s", "source": "return function() sdk.kv.incr('n') end"})
        self.made("owes", "/v2/scripts", {"id": "f", "source": "return function() error('x') end"})
        for script in ("s", "f"):
            self.made("owes", "/v2/subscriptions", {
                "id": script, "pattern": "tick" if script == "s" else "fails",
                "executor": {"type": "script", "scriptId": script},
                "retry": {"maxRetries": 1, "initialDelayMs": 300, "jitter": False}})
        self.made("owes", "/v2/schedules", {"id": "t", "type": "interval", "intervalMs": 1000,
                                            "event": {"pattern": "tick"}})
        self.made("owes", "/v2/sources", {"id": "owed", "scheme": "github", "secrets": ["word"]})
        self.made("owes", "/v2/endpoints", {"id": "e", "name": "e", "method": "GET", "route": "open",
                                            "scriptId": "s", "auth": "none"})
        kv = lambda name: {i["key"]: i["value"] for i in self.call("owes", "GET", "/v2/kv").json()["items"]}.get(name, 0)
        body = b"{}"
        signed = {"X-Hub-Signature-256": "sha256=" + hmac.new(b"word", body, hashlib.sha256).hexdigest(),
                  "X-GitHub-Event": "ping"}
        hook = lambda: self.anybody("POST", "/v2/webhooks/owed", body, headers=signed).status
        visit = lambda of: self.anybody("GET", f"/v2/endpoint/get/open?tenant={of}")
        self.assertEqual((hook(), visit("owes").status), (202, 204))
        self.assertEqual((visit("nobody").status, visit("default").status), (404, 404))
        wait_until("ticks", lambda: kv("n") > 1)
        self.made("owes", "/v2/events", {"pattern": "fails", "payload": {}})
        wait_until("the first attempt", lambda: self.call("owes", "GET", "/v2/retries").json()["items"])
        self.server.request("PATCH", "/v2/tenants/owes", {"status": "suspended", "reason": "unpaid"})
        self.assertEqual((hook(), visit("owes").status), (401, 404))
        time.sleep(3.2)
        self.server.request("PATCH", "/v2/tenants/owes", {"status": "active"})
        runs = self.call("owes", "GET", "/v2/schedules/t/runs?limit=1000").json()["items"]
        passed = [run for run in runs if run.get("rule") == "tenantSuspended"]
        self.assertGreaterEqual(sum(run.get("count") or 1 for run in passed), 2, runs[:12])
        ended = wait_until("the second attempt, once it may", lambda: self.call("owes", "GET", "/v2/dlq").json()["items"])
        self.assertEqual(len(ended[0]["attempts"]), 2)
        gap = [parsed(one["at"]) for one in ended[0]["attempts"]]
        self.assertGreater((gap[1] - gap[0]).total_seconds(), 3, "it waited while nothing ran")
        before = kv("n")
        wait_until("ticks again", lambda: kv("n") > before)
        self.assertEqual((hook(), visit("owes").status), (202, 204))

    def test_usage_is_shown_to_the_platform_and_to_oneself(self):
        usage = self.call("alpha", "GET", "/v2/tenants/alpha/usage").json()
        self.assertGreaterEqual(usage["usage"]["scripts"], 2)
        self.assertEqual(self.server.get("/v2/tenants/alpha/usage").status, 200)
        self.assertEqual(self.beta("GET", "/v2/tenants/alpha/usage").status, 404)
        listed = self.server.items("/v2/tenants")
        self.assertLessEqual({"alpha", "beta", "default"}, {tenant["id"] for tenant in listed})

    def test_names_and_rights_outlive_a_restart(self):
        self.server.stop()
        self.server.start()
        self.assertEqual(self.beta("GET", "/v2/me").json()["tenantId"], "beta")
        self.assertEqual(self.call("alpha", "GET", f"/v2/events/{self.ids['eventId']}").json()["tenantId"],
                         "alpha")
        self.assertTrue(self.call("alpha", "GET", "/v2/audit/verify").json()["valid"])


if __name__ == "__main__":
    main()
