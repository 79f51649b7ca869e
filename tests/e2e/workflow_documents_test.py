#!/usr/bin/env python3
"""Goal: a workflow is a document as others are: ETag and If-Match, merge patch, audit, scopes, dry runs; what
names one that is not there is refused, and one that is named is not removed. Its versions never change.
Method: the calls of API.md, as an admin and as keys with one scope each."""
import harness
from keyed import KeyedCase

STEP = {"id": "s", "type": "sleep", "duration": "1h"}


class Documents(KeyedCase):
    def create(self, name, status=201, **members):
        reply = self.server.post("/v2/workflows", {"id": name, "steps": [STEP], **members})
        self.assertEqual(reply.status, status, reply)
        return reply

    def change(self, method, name, body, query="", **headers):
        return self.server.request(method, f"/v2/workflows/{name}{query}", body, headers=headers)

    def versions(self, name):
        items = self.server.get(f"/v2/workflows/{name}/versions").json()["items"]
        return [item["version"] for item in items]

    def test_etag_and_if_match(self):
        name = self.unique("etag")
        made = self.create(name)
        shown = self.server.get(f"/v2/workflows/{name}")
        self.assertEqual(made.headers["etag"], shown.headers["etag"])
        self.assertEqual(made.headers["location"], f"/v2/workflows/{name}")
        body = {"steps": [dict(STEP, duration="2h")]}
        done = self.change("PUT", name, body, **{"If-Match": shown.headers["etag"]})
        self.assertEqual((done.status, done.json()["version"]), (200, 2), done)
        self.assertNotEqual(done.headers["etag"], shown.headers["etag"])
        late = self.change("PUT", name, {"steps": [STEP]}, **{"If-Match": shown.headers["etag"]})
        self.assert_error(late, 409, "CONFLICT", "If-Match")
        self.assertEqual(self.versions(name), [2, 1])

    def test_what_was_read_may_be_sent_back(self):
        name = self.unique("back")
        self.create(name, description="as it was")
        shown = self.server.get(f"/v2/workflows/{name}").json()
        again = self.change("PUT", name, shown)
        self.assertEqual((again.status, again.json()), (200, shown), again)
        self.assertEqual(self.versions(name), [1])

    def test_a_patch_makes_a_further_version(self):
        name = self.unique("patch")
        self.create(name, description="one", timeout_ms=5000)
        done = self.change("PATCH", name, {"description": "two"})
        self.assertEqual((done.status, done.json()["version"]), (200, 2), done)
        self.assertEqual(done.json()["description"], "two")
        self.assertEqual(self.server.get(f"/v2/workflows/{name}?version=1").json()["description"], "one")
        done = self.change("PATCH", name, {"description": None, "version": 9})
        self.assertEqual((done.status, done.json()["version"]), (200, 9), done)
        self.assertNotIn("description", done.json())
        self.assert_error(self.change("PATCH", name, {"version": 2}), 409, "CONFLICT", "version")
        self.assert_error(self.change("PATCH", name, {"steps": []}), 400, "VALIDATION_ERROR", "steps")
        self.assertEqual(self.versions(name), [9, 2, 1])
        # Numbers go up.
        low = self.server.post("/v2/workflows", {"id": name, "version": 5, "steps": [STEP]})
        self.assert_error(low, 409, "CONFLICT", "version")

    def test_a_version_goes_alone_and_the_newest_with_the_whole(self):
        name = self.unique("drop")
        for minutes in ("1m", "2m", "3m"):
            self.create(name, steps=[dict(STEP, duration=minutes)])
        drop = lambda version: self.change("DELETE", name, None, f"?version={version}")
        self.assertEqual(drop(2).status, 200)
        self.assertEqual(self.versions(name), [3, 1])
        self.assert_error(drop(2), 404, "NOT_FOUND")
        self.assert_error(drop(3), 409, "CONFLICT", "newest")
        self.server.stop()
        self.server.start()
        self.assertEqual(self.versions(name), [3, 1])
        self.assertEqual(self.change("DELETE", name, None).status, 200)
        self.assert_error(self.server.get(f"/v2/workflows/{name}"), 404, "NOT_FOUND")

    def test_one_without_an_id_gets_one(self):
        made = self.server.post("/v2/workflows", {"steps": [STEP]})
        self.assertEqual(made.status, 201, made)
        name = made.json()["id"]
        self.assertTrue(name.startswith("wf_"), name)
        self.assertEqual(self.server.get(f"/v2/workflows/{name}").json()["steps"][0]["id"], STEP["id"])
        other = self.server.post("/v2/workflows", {"steps": [STEP]}).json()["id"]
        self.assertNotEqual(name, other, "each its own")
        self.assertEqual(self.change("PUT", name, {"steps": [dict(STEP, duration="9m")]}).json()["version"], 2)
        bad = self.server.post("/v2/workflows", b'{"steps": [{"type": "sleep"}]}')
        self.assert_error(bad, 400, "VALIDATION_ERROR", "steps")

    def test_a_dry_run_makes_nothing(self):
        name = self.unique("dry")
        body = {"id": name, "steps": [STEP]}
        told = self.server.post("/v2/workflows?dryRun=1", body)
        self.assertEqual((told.status, told.json()["dryRun"], told.json()["version"]), (200, True, 1), told)
        self.assert_error(self.server.get(f"/v2/workflows/{name}"), 404, "NOT_FOUND")
        self.create(name)
        told = self.change("PUT", name, {"steps": [dict(STEP, duration="5m")]}, "?dryRun=1")
        self.assertEqual((told.status, told.json()["version"]), (200, 2), told)
        self.assertEqual(self.versions(name), [1])

    def test_what_names_no_workflow_is_refused_and_what_is_named_stays(self):
        name = self.unique("ref")
        executor = {"type": "workflow", "workflowId": name}
        subscription = {"id": name, "pattern": name, "executor": executor}
        schedule = {"id": name, "type": "interval", "intervalMs": 3600_000, "executor": executor}
        for path, body in (("/v2/subscriptions", subscription), ("/v2/schedules", schedule)):
            error = self.assert_error(self.server.post(path, body), 400, "VALIDATION_ERROR", name)
            self.assertEqual(error["details"]["field"], "executor.workflowId", error)
        self.create(name)
        for path, body in (("/v2/subscriptions", subscription), ("/v2/schedules", schedule)):
            self.assertEqual(self.server.post(path, body).status, 201)
            used = self.server.request("DELETE", f"/v2/workflows/{name}")
            self.assert_error(used, 409, "CONFLICT", "used by")
            self.assertIn(self.server.request("DELETE", f"{path}/{name}").status, (200, 202))
        gone = lambda: self.server.request("DELETE", f"/v2/workflows/{name}").status == 200
        harness.wait_until("nobody to need it", gone)

    def test_changes_are_in_the_audit_log(self):
        name = self.unique("audit")
        self.create(name)
        self.change("PATCH", name, {"description": "x"})
        self.change("DELETE", name, None)
        rows = self.server.items(f"/v2/audit?kind=workflow&id={name}")
        self.assertEqual([row["action"] for row in rows], ["delete", "update", "create"])
        self.assertEqual(rows[2]["entry"]["document"]["steps"], [STEP])
        self.assertTrue(self.server.get("/v2/audit/verify").json())

    def test_scopes(self):
        name = self.unique("scope")
        self.create(name)
        calls = {
            "workflows:read": [("GET", "/v2/workflows"), ("GET", f"/v2/workflows/{name}"),
                               ("GET", "/v2/workflow-runs"), ("GET", "/v2/workflow-runs/none")],
            "workflows:run": [("POST", f"/v2/workflows/{name}/execute"),
                              ("POST", "/v2/workflow-runs/none/cancel")],
            "workflows:write": [("PUT", f"/v2/workflows/{name}"), ("PATCH", f"/v2/workflows/{name}")],
            "keys:write": [("POST", "/v2/workflow-keys/rotate")],
        }
        for scope in calls:
            key = self.make_key(role="viewer", scopes=[scope])["key"]
            for needed, asked in calls.items():
                for method, path in asked:
                    status = self.ask(key, method, path, {} if method != "GET" else None).status
                    self.assertEqual(status == 403, scope != needed, (scope, method, path, status))


if __name__ == "__main__":
    harness.main()
