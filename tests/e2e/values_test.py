#!/usr/bin/env python3
"""Goal: every value right, digit for digit, through every face: filters, kv, results, replays, the
audit log, the command line; after a restart too. What a handler emits is taken or raises."""
import subprocess
import unittest

import harness

NUMBERS = ["37.807807921694092", "0.10000000000000001", "18446744073709551616", "1e400",
           "1.8446744073709552e19", "100000000000000000001", "-0.0", "9007199254740993"]


class Values(harness.ServerCase):
    def run_script(self, source, status=200):
        script_id = self.server.create_script(source, type="api")
        reply = self.server.post("/v2/script/run", {"scriptId": script_id})
        self.assertEqual(reply.status, status, reply)
        return reply

    def raw(self, method, path, text):
        return self.server.request(method, path, text.encode())

    def matched(self, number):
        event = '{"event":{"pattern":"v","payload":{"n":%s,"m":{"n":%s}}}}' % (number, number)
        reply = self.raw("POST", "/v2/subscriptions/match", event)
        self.assertEqual(reply.status, 200, reply)
        return set(reply.json()["matched"])

    def test_all_filter_forms_agree_on_every_number(self):
        script_id = self.server.create_script("return function() end")
        for number in NUMBERS:
            ids = set()
            for filters in ('"filters":{"n":%s}' % number,
                            '"filters":{"n":{"gte":%s,"lte":%s}}' % (number, number),
                            '"filters":[{"field":"$.payload.n","operator":"equals","value":%s}]'
                            % number,
                            '"filter":"$.payload.n == %s"' % number,
                            '"form":"event-pattern","filters":{"payload":{"n":[%s]}}' % number,
                            '"form":"event-pattern","filters":{"payload":{"n":[{"numeric":["=",%s]}]}}'
                            % number):
                body = ('{"name":"f","pattern":"v",%s,"executor":{"type":"script","scriptId":"%s"}}'
                        % (filters, script_id))
                reply = self.raw("POST", "/v2/subscriptions", body)
                self.assertEqual(reply.status, 201, (body, reply))
                identity = reply.json()["id"]
                ids.add(identity)
                if '"filters"' in body:
                    self.assertIn(number, self.server.get("/v2/subscriptions/" + identity).body.decode())
                patched = self.raw("PATCH", "/v2/subscriptions/" + identity, '{"name":"g"}')
                self.assertEqual(patched.status, 200, patched)
            self.assertEqual(self.matched(number), ids, number)
            self.assertFalse(self.matched("41.5") & ids, number)
            for identity in ids:
                self.server.request("DELETE", "/v2/subscriptions/" + identity)

    def test_results_and_logs_survive_a_restart(self):
        source = """return function()
            local deep = {} local at = deep
            for i = 1, 62 do at.a = {} at = at.a end
            sdk.log.info("x", {n = 2^64, big = sdk.json.decode("18446744073709551615")})
            return {deep = deep, n = 2^64}
        end"""
        answer = self.run_script(source).json()
        self.assertEqual(answer["result"]["n"], 2 ** 64)
        self.assertEqual(answer["logs"][0]["fields"], {"n": 2 ** 64, "big": 2 ** 64 - 1})
        self.server.stop()
        self.server.start()
        kept = self.server.get("/v2/executions/" + answer["executionId"]).json()
        self.assertEqual(kept["result"], answer["result"])

    def test_emit_raises_what_ingest_refuses(self):
        for emit in ('sdk.events.emit("o", {}, {context = {type = "nope"}})',
                     'sdk.events.emit("o", {}, {context = {id = 7}})',
                     'sdk.events.emit("o", {s = ("x"):rep(1048500)})',
                     'sdk.events.emit("o", {[1] = "a", ["1"] = "b", x = 1})'):
            reply = self.run_script(
                'return function() sdk.kv.set("e", 1) %s end' % emit, status=500)
            self.assertIn("emit", reply.json()["error"]["message"])
        self.assertEqual(self.run_script('return function() return sdk.kv.get("e") end')
                         .json()["result"], None)
        self.assertEqual(self.server.metric("script_events_dropped_total"), 0)

    def test_no_increment_is_lost(self):
        pattern = self.unique()
        script_id = self.server.create_script(
            "return function(event) sdk.kv.incr('%s', event.payload.by) end" % pattern)
        self.server.subscribe(pattern, script_id)
        events = [{"pattern": pattern, "partitionKey": str(i % 7), "payload": {"by": by}}
                  for i in range(250) for by in (0.5, 0.1, 1)]
        self.assertEqual(self.server.post("/v2/events", events).status, 202)
        self.server.wait_executions(len(events), scriptId=script_id)
        result = self.run_script("return function() return sdk.kv.get('%s') end" % pattern)
        self.assertEqual(result.json()["result"], 400)

    def test_increments_that_no_number_holds_raise(self):
        for source in ("sdk.kv.set('big', sdk.json.decode('18446744073709551615')) "
                       "sdk.kv.incr('big', 1)",
                       "sdk.kv.incr('fresh', 1e19)"):
            reply = self.run_script("return function() %s end" % source, status=500)
            self.assertIn("9223372036854775807", reply.json()["error"]["message"])

    def test_lists_go_on_behind_what_is_deleted(self):
        self.run_script("return function() for i = 1, 2500 do "
                        "sdk.kv.set('list' .. (10000 + i), 1) end end")
        result = self.run_script("""return function()
            local first = sdk.kv.list("list", 1000)
            for _, e in ipairs(first) do sdk.kv.delete(e.key) end
            local second = sdk.kv.list("list", 1000)
            for _, e in ipairs(second) do sdk.kv.delete(e.key) end
            return {#first, #second, #sdk.kv.list("list", 1000)} end""")
        self.assertEqual(result.json()["result"], [1000, 1000, 500])

    def test_the_command_line_shows_numbers_as_they_are(self):
        pattern = self.unique()
        body = '{"pattern":"%s","payload":{"n":100000000000000000001,"m":1e400}}' % pattern
        self.assertEqual(self.raw("POST", "/v2/events", body).status, 202)
        environment = harness.clean_environment({"MILLRACE_SERVER": self.server.ready["http"]})
        for extra in ((), ("-o", "json")):
            shown = subprocess.run(
                [harness.BINARY, *extra, "event", "list", "--pattern", pattern],
                capture_output=True, text=True, timeout=60, env=environment)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertIn(pattern, shown.stdout)
        self.assertIn("100000000000000000001", shown.stdout)
        self.assertIn("1e400", shown.stdout)

    def test_a_replay_with_such_a_filter_is_audited(self):
        body = ('{"dryRun":true,"from":"2026-01-01T00:00:00Z","subscriptionIds":"all",'
                '"filters":{"n":100000000000000000001}}')
        reply = self.raw("POST", "/v2/replays", body)
        self.assertEqual(reply.status, 202, reply)
        listed = self.server.get("/v2/audit?kind=dry_run&limit=1000").body.decode()
        self.assertIn(reply.json()["id"], listed)
        self.assertIn("100000000000000000001", listed)


if __name__ == "__main__":
    harness.main()
