"""What the black-box tests share: a server of their own, an HTTP client, an NDJSON socket client.

Each test class starts the built binary on port 0 with a temporary data folder and reads the ready
line. Nothing here sleeps for correctness: waiting is polling with a deadline, and a deadline that
passes is a failure that names what was waited for.
"""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import shapes

BINARY = os.environ.get(
    "MILLRACE_BINARY",
    os.path.join(os.path.dirname(__file__), "..", "..", "build", "release", "tools", "millrace"))
START_SECONDS = 60
STOP_SECONDS = 45
WAIT_SECONDS = 30
# Under a sanitizer each server ends by itself, so that its leaks are told.
SANITIZED = "MILLRACE_SANITIZED" in os.environ
SANITIZED_STOP_SECONDS = 8


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def wait_until(what, check, seconds=WAIT_SECONDS):
    """Polls until check() is true (and returns that value); fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}; last seen: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def clean_environment(own=None):
    """A server refuses MILLRACE_ names that it does not know: only the test's own reach it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
    return dict(inherited, **(own or {}))


class Server:
    """One `millrace serve`. May be stopped and started again on the same data folder."""

    def __init__(self, args=(), env=None, shards=2, data=None, preexec=None):
        self.folder = tempfile.mkdtemp(prefix="millrace-e2e-")
        self.data = data or os.path.join(self.folder, "data")
        self.unix_path = os.path.join(self.folder, "m.sock")
        self.args = list(args)
        self.env = clean_environment(env)
        self.shards = shards
        self.process = None
        self.preexec = preexec  # called in the child: limits of its own
        self.api_key = None  # shown by every request that shows none itself
        self.log_path = os.path.join(self.folder, "log")

    def command(self, extra=()):
        return [BINARY, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0",
                "--unix", self.unix_path, "--data", self.data, "--shards", str(self.shards),
                *self.args, *extra]

    def start(self, extra=()):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command(extra), stdout=subprocess.PIPE, stderr=log,
                                        env=self.env, preexec_fn=self.preexec)
        log.close()
        line = self._first_line()
        if not line:
            code = self.process.wait()
            raise AssertionError(f"no ready line, exit code {code}; log:\n{self.log()}")
        self.ready = json.loads(line)
        assert self.ready["ready"] is True, self.ready
        self.host, port = self.ready["http"].rsplit(":", 1)
        self.port = int(port)
        return self

    def _first_line(self):
        lines = []
        reader = threading.Thread(target=lambda: lines.append(self.process.stdout.readline()),
                                  daemon=True)
        reader.start()
        reader.join(START_SECONDS)
        if not lines:
            self.process.kill()
            raise AssertionError(f"no ready line in {START_SECONDS} s; log:\n{self.log()}")
        return lines[0]

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()[-8000:]
        except OSError:
            return ""

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end in {seconds} s; log:\n{self.log()}")
        self.process.stdout.close()
        return code

    def stop(self):
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"SIGTERM ended with {code}; log:\n{self.log()}"

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait()

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self):
        if SANITIZED:
            self.signal(signal.SIGTERM)
            try:
                code = self.process.wait(SANITIZED_STOP_SECONDS)
                assert code == 0, f"SIGTERM ended with {code}; log:\n{self.log()}"
            except subprocess.TimeoutExpired:
                pass  # a handler of the test's own holds it up
        self.process.kill()
        self.wait()

    def cli(self, *args, env=None, stdin=None):
        """The command line on this server; what it says is text."""
        return subprocess.run([BINARY, *args], capture_output=True, timeout=60, input=stdin, encoding="utf-8",
                              env=clean_environment({"MILLRACE_SERVER": self.ready["http"], **(env or {})}))

    # --- HTTP -----------------------------------------------------------------------------------
    def request(self, method, path, body=None, content_type="application/json", headers=None,
                timeout=60):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            all_headers = dict(headers or {})
            if self.api_key and not {"x-api-key", "authorization"} & {
                    name.lower() for name in all_headers}:
                all_headers["X-API-Key"] = self.api_key
            if body is not None:
                if not isinstance(body, (bytes, str)):
                    body = json.dumps(body)
                if isinstance(body, str):
                    body = body.encode()
                all_headers.setdefault("Content-Type", content_type)
            connection.request(method, path, body=body, headers=all_headers)
            answer = connection.getresponse()
            reply = Reply(answer.status, dict((k.lower(), v) for k, v in answer.getheaders()),
                          answer.read())
        finally:
            connection.close()
        shapes.hold(self, method, path, reply)
        return reply

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body, **options):
        return self.request("POST", path, body, **options)

    def draining_request(self, method, path, body=None):
        """In a drain a shard closes the connections that idle when it begins: ask again then."""
        def ask():
            try:
                return self.request(method, path, body)
            except ConnectionResetError:
                return None
        return wait_until(f"an answer to {path}", ask)

    def raw_connection(self):
        return socket.create_connection((self.host, self.port), timeout=30)

    # --- Shorthands of the contract -------------------------------------------------------------
    def send_event(self, pattern, payload=None, **members):
        event = {"pattern": pattern, "payload": payload if payload is not None else {}, **members}
        reply = self.post("/v2/events", event)
        assert reply.status == 202, reply
        return reply.json()["events"][0]

    def create_script(self, source, **members):
        reply = self.post("/v2/scripts", {"name": "t", "type": "event", "source": source, **members})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def subscribe(self, pattern, script_id, **members):
        reply = self.post("/v2/subscriptions", {
            "name": "s", "pattern": pattern,
            "executor": {"type": "script", "scriptId": script_id}, **members})
        assert reply.status == 201, reply
        return reply.json()["id"]

    def executions(self, **query):
        path = "/v2/executions?" + "&".join(f"{k}={v}" for k, v in query.items())
        reply = self.get(path)
        assert reply.status == 200, reply
        return reply.json()["items"]

    def hang(self, seconds):
        """A handler that burns so many seconds; returns when it is at it."""
        script = self.create_script("return function() while true do end end", timeoutMs=seconds * 1000)
        self.subscribe("hang", script, retry={"maxRetries": 0})
        before = self.cpu_seconds()
        self.send_event("hang")
        wait_until("the handler", lambda: self.cpu_seconds() > before + 0.3)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_executions(self, count, statuses=("completed",), **query):
        def enough():
            items = [e for e in self.executions(limit=1000, **query) if e["status"] in statuses]
            return items if len(items) >= count else None
        return wait_until(f"{count} executions {statuses} of {query}", enough)

    def items(self, path):
        """Everything that a list holds, page by page."""
        items, cursor = [], ""
        path += ("&" if "?" in path else "?") + "limit=1000"
        while cursor is not None:
            reply = self.get(path + (f"&cursor={cursor}" if cursor else ""))
            assert reply.status == 200, reply
            page = reply.json()
            items += page["items"]
            cursor = page["next"] or None
        return items

    def all_events(self, pattern):
        return self.items(f"/v2/events?pattern={pattern}")

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry all the labels."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            rest = line[len(name):]
            if rest[:1] not in ("{", " "):
                continue
            if all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += float(rest.rsplit(" ", 1)[1])
        return total


class LineClient:
    """The NDJSON socket: lines out, {"ack":N} and {"reject":{...}} in."""

    def __init__(self, server, unix=False):
        if unix:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(30)
            self.socket.connect(server.ready["unix"])
        else:
            host, port = server.ready["socket"].rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.reader = self.socket.makefile("rb")

    def send(self, *lines):
        text = b"".join((l if isinstance(l, bytes) else json.dumps(l).encode()) + b"\n"
                        for l in lines)
        self.socket.sendall(text)

    def read(self):
        line = self.reader.readline()
        return json.loads(line) if line else None

    def read_until_ack(self, count):
        """Reads until N >= count is acknowledged; returns the rejects met on the way."""
        rejects = []
        while True:
            answer = self.read()
            assert answer is not None, "the server closed the connection"
            if "reject" in answer:
                rejects.append(answer["reject"])
            elif answer.get("ack", 0) >= count:
                return rejects, answer

    def close(self):
        self.reader.close()
        self.socket.close()


class ServerCase(unittest.TestCase):
    """A test class with one server for all its cases; patterns are kept apart by unique()."""
    ARGS = ()
    ENV = None
    _counter = 0

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.ARGS, cls.ENV)
        try:
            cls.server.start()
        except BaseException:
            cls.server.close()
            raise

    @classmethod
    def tearDownClass(cls):
        alive = cls.server.process.poll() is None
        log = "" if alive else cls.server.log()
        cls.server.close()
        if not alive:
            raise AssertionError("the server died during the tests; log:\n" + log)

    def unique(self, prefix="t"):
        ServerCase._counter += 1
        return f"{prefix}{ServerCase._counter}x{os.getpid()}"

    def assert_error(self, reply, status, code, mentions=None):
        self.assertEqual(reply.status, status, reply)
        body = reply.json()
        self.assertIs(body["success"], False, reply)
        error = body["error"]
        self.assertEqual(error["code"], code, reply)
        self.assertEqual(error["statusCode"], status, reply)
        self.assertIsInstance(error["message"], str)
        self.assertTrue(error["message"], reply)
        self.assertIsInstance(error["details"], dict)
        if mentions:
            self.assertIn(mentions, error["message"], reply)
        return error


def main():
    unittest.main(verbosity=1, buffer=False)


if __name__ == "__main__":
    sys.exit("this is a library; run one of the *_test.py files")
