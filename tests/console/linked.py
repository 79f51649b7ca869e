"""A server with a link in each state, and the edges that report to it: one that is there, one that never was."""
import json
import os
import shutil
import socket
import tempfile

from harness import Server, wait_until


def closed_port():
    """Nobody listens there."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class LinkedServer:
    def __init__(self, name):
        self.name = name  # what people call the first link
        self.folder = tempfile.mkdtemp(prefix="millrace-console-")
        self.hub = Server(["--set", "links.file_allow=" + self.folder, "--set", "http_client.allow=127.0.0.1"], shards=1)
        self.edge = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def append(self, name, *lines):
        with open(self.path(name), "a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))

    def made(self, path, body):
        reply = self.hub.post(path, body)
        assert reply.status == 201, reply
        return reply.json()

    def state(self, id):
        return self.hub.get("/v2/links/" + id).json()["status"]["state"]

    def wait_state(self, id, state):
        wait_until(f"{id} to be {state}", lambda: self.state(id) == state)

    def start(self):
        self.hub.start()
        self.hub.create_script("return function(event) sdk.log.info('line ' .. event.payload.n) "
                               "return {payload = event.payload} end", id="tidy", name="tidy")
        self.made("/v2/secrets", {"id": "broker", "value": "do-not-show-me"})
        self.append("app", *(json.dumps({"n": n}) for n in range(40)), "this is no JSON")
        self.append("till", *(json.dumps({"n": n}) for n in range(5)))
        self.source("app-log", "app", name=self.name, transformScriptId="tidy")
        self.source("till", "till")
        wait_until("lines to be read", lambda: self.hub.get("/v2/links/till").json()["status"]["taken"] == 5)
        os.truncate(self.path("till"), 7)
        self.made("/v2/links", {"id": "all", "direction": "out", "type": "file", "mode": "stream",
                                "config": {"path": self.path("all"), "from": "start"}})
        self.made("/v2/links", {"id": "receipts", "direction": "out", "type": "file", "config": {"path": self.path("receipts")}})
        self.made("/v2/subscriptions", {"id": "to-file", "name": "to a file", "pattern": "app.*",
                                        "executor": {"type": "link", "linkId": "receipts"}})
        self.made("/v2/links", {"id": "jets", "direction": "in", "type": "nats", "config": {
            "host": "127.0.0.1", "port": closed_port(), "stream": "ORDERS", "token": "{{secrets.broker}}",
            "format": "payload", "pattern": "{subject}"}})
        self.made("/v2/links", {"id": "resting", "direction": "in", "type": "mqtt", "config": {
            "host": "127.0.0.1", "port": closed_port(), "topic": "shop/#", "user": "u", "password": "{{secrets.broker}}",
            "format": "payload", "pattern": "{subject}"}})
        assert self.hub.post("/v2/links/resting/pause", {}).status == 200
        self.wait_state("till", "stopped")
        self.wait_state("jets", "retrying")
        self.wait_state("app-log", "running")
        self.run_edge()
        return self

    def source(self, id, file, **more):
        return self.made("/v2/links", {"id": id, "direction": "in", "type": "file", **more, "config": {
            "path": self.path(file), "format": "payload", "pattern": "app.line"}})

    def run_edge(self):
        token = self.made("/v2/edges", {"node": "shop-1", "name": "Till in the first shop"})["token"]
        self.made("/v2/edges", {"node": "van", "name": ""})
        self.edge = Server(["--set", f"hub.url=http://127.0.0.1:{self.hub.port}", "--set", "hub.node=shop-1"],
                           env={"MILLRACE_HUB_TOKEN": token}, shards=1).start()
        for n in range(12):
            self.edge.send_event("sold", {"n": n})
        wait_until("the edge's events", lambda: self.hub.get("/v2/edges/shop-1").json()["status"]["taken"] >= 12)

    def close(self):
        if self.edge:
            self.edge.close()
        self.hub.close()
        shutil.rmtree(self.folder, ignore_errors=True)
