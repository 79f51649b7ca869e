#!/usr/bin/env python3
"""Goal: a test of a handler is made from a stored execution by one command: what its calls were
answered with is in it, no secret is, and it passes as it is. Method: a handler that calls a sink with a
secret in the URL and in a header; the command; the folder's files; the test run without a server."""
import json
import os
import tempfile
import unittest

import harness
import sink

HANDLER = """
return function(e)
    local key = sdk.secrets.get('%s')
    local first = sdk.http.get('%s/rates?key=' .. key, {headers = {authorization = 'Bearer ' .. key}})
    local both = sdk.http.all{{url = '%s/a'}, {url = '%s/b', method = 'POST', body = 'x'}}
    local ok, why = pcall(sdk.http.get, 'http://169.254.169.254/')
    sdk.kv.incr('seen', e.payload.n)
    sdk.events.emit('rate.known', {rate = first:json().rate, id = sdk.crypto.uuid()})
    return {rate = first:json().rate, a = both[1].status, b = both[2].body, blocked = why.code}
end
"""


class Record(sink.SinkCase):
    def run_handler(self, **members):
        secret = self.unique("rates")
        self.assertEqual(self.server.post("/v2/secrets", {"name": secret, "value": "k3y-of-rates"}).status, 201)
        self.sink.answers["/rates"] = (200, {"content-type": "application/json", "set-cookie": "a=b"},
                                       b'{"rate":1.25,"for":"k3y-of-rates"}')
        self.sink.answers["/a"] = (404, {}, b"none")
        self.sink.answers["/b"] = (200, {}, "gr\u00fcn".encode())
        script = self.server.create_script(HANDLER % (secret, *[self.sink.url] * 3), **members)
        pattern = self.unique("rates.")
        one = self.server.subscribe(pattern, script)
        self.server.send_event(pattern, {"n": 3})
        return self.server.wait_executions(1, subscriptionId=one)[0]

    def test_the_recorded_test_passes_as_it_is(self):
        execution = self.run_handler(recordCalls=True)
        calls = [line for line in execution["logs"] if line["level"] == "call"]
        self.assertEqual([c["fields"].get("status") for c in calls], [200, 404, 200, None], calls)
        self.assertEqual(calls[3]["fields"]["error"]["code"], "BLOCKED")
        self.assertNotIn("set-cookie", calls[0]["fields"]["headers"])
        with tempfile.TemporaryDirectory() as folder:
            made = self.server.cli("test", folder, "--record", execution["id"], "--name", "rates")
            self.assertEqual((made.returncode, made.stderr), (0, ""), made)
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    self.assertNotIn("k3y-of-rates", file.read(), name)
            with open(os.path.join(folder, "rates.json"), encoding="utf-8") as file:
                fixture = json.load(file)
            self.assertEqual(len(fixture["calls"]), 4)
            self.assertEqual(list(fixture["secrets"].values()), ["****"])
            self.assertEqual(fixture["expect"]["result"],
                             {"rate": 1.25, "a": 404, "b": "gr\u00fcn", "blocked": "BLOCKED"})
            passed = self.server.cli("test", folder)
            self.assertEqual(passed.returncode, 0, passed)
            script = next(n for n in os.listdir(folder) if n.endswith(".lua"))
            path = os.path.join(folder, script)
            with open(path, encoding="utf-8") as file:
                source = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(source.replace("rate.known", "rate.changed"))
            failed = self.server.cli("test", folder)
            self.assertEqual(failed.returncode, 1, failed)
            self.assertIn("rate.changed", failed.stdout)

    def test_what_was_not_recorded_is_said(self):
        execution = self.run_handler()
        self.assertEqual([line for line in execution["logs"] if line["level"] == "call"], [])
        with tempfile.TemporaryDirectory() as folder:
            made = self.server.cli("test", folder, "--record", execution["id"])
            self.assertEqual(made.returncode, 0, made)
            self.assertIn("recordCalls", made.stderr)

    def test_it_is_kept_with_the_script_and_left_by_a_push(self):
        script = self.server.create_script("return function() end", recordCalls=True)
        self.assertIs(self.server.get("/v2/scripts/" + script).json()["recordCalls"], True)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "s.lua")
            with open(path, "w", encoding="utf-8") as file:
                file.write("return function() return 2 end")
            self.assertEqual(self.server.cli("script", "push", path, "--id", script).returncode, 0)
        self.assertIs(self.server.get("/v2/scripts/" + script).json()["recordCalls"], True)


if __name__ == "__main__":
    unittest.main()
