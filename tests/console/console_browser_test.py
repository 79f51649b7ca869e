"""Goal: the console in a real browser: each screen without serious findings of axe, without a breach of
its policy, without a request to elsewhere; hostile events as text; the keyboard alone; a session; and the
client for JavaScript in a page of another origin.
Method: a server with something of everything in it, one with links and an edge (linked.py), three nodes
of a cluster, and playwright-core in Debian's chromium; names of parts run only those. What is not there
(chromium, Node 20, `npm ci` in tools/console) is said, and nothing is tested then. Screenshots go to
MILLRACE_SHOTS, where that is set.
"""
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import cluster_nodes  # noqa: E402
import nats_peer  # noqa: E402
from harness import Server, clean_environment, wait_until  # noqa: E402
from keyed import KeyedServer  # noqa: E402
from linked import LinkedServer  # noqa: E402

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
FLOW = {"id": "flow", "name": HOSTILE, "steps": [
    {"id": "look", "type": "condition", "conditions": [{"field": "n", "operator": "gt", "value": 1}], "next_steps": ["both", "small"]},
    {"id": "both", "type": "parallel", "branches": ["left", "right"], "next_steps": ["last"]},
    {"id": "left", "type": "action", "action": "book"}, {"id": "right", "type": "action", "action": "book"},
    {"id": "last", "type": "action", "action": "book"}, {"id": "small", "type": "action", "action": "book"}]}
MODULES = os.path.join(ROOT, "tools", "console", "node_modules")


def missing():
    node = shutil.which("node")
    version = node and subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    if not version or int(version.lstrip("v").split(".")[0]) < 20:
        return "Node 20"
    if not shutil.which("chromium"):
        return "chromium (apt-get install chromium)"
    if not os.path.isdir(os.path.join(MODULES, "playwright-core")):
        return "playwright-core (npm ci in tools/console)"
    return None


def fill(server):
    """Something for every screen, hostile texts among it."""
    for name, source in (
            ("book", 'return function(event) sdk.kv.incr("n") return {ok = true} end'),
            ("fails", 'return function(event) error("no such customer " .. event.payload.who) end'),
            ("emits", 'return function(event) sdk.events.emit("order.booked", {n = 1}) end')):
        server.create_script(source, id=name, name=name)
    server.subscribe("order.*", "book", id="orders", name=HOSTILE)
    server.subscribe("order.paid", "emits", id="emits")
    server.subscribe("order.lost", "fails", id="lost", retry={"maxRetries": 0})
    for n in range(30):
        server.send_event(["order.paid", "order.shipped", "order.lost"][n % 3],
                          {"n": n, "who": HOSTILE if n % 2 else f"c-{n}",
                           "serial": 12345678901234567890},
                          eventId=f"order-{n}", source={"type": "external", "id": HOSTILE})
    reply = server.post("/v2/schedules", {
        "id": "nightly", "type": "cron", "cron": "0 3 * * *", "timezone": "Europe/Paris",
        "event": {"pattern": "report.due", "payload": {}}})
    assert reply.status == 201, reply
    reply = server.post("/v2/workflows", FLOW)
    assert reply.status == 201, reply
    reply = server.post("/v2/workflows/flow/execute?wait=20000", {"runId": "flow-1", "input": {"n": 2}})
    assert reply.json()["status"] == "completed", reply
    reply = server.post("/v2/workflows", {"id": "waits", "steps": [{"id": "ask", "type": "wait", "signal": "go"}]})
    assert reply.status == 201, reply
    reply = server.post("/v2/workflows/waits/execute", {"runId": "waits-1", "input": {}})
    assert reply.status in (200, 202), reply
    wait_until("dead letters", lambda: len(server.items("/v2/dlq")) >= 10)


def browser_environment(server, part, **more):
    return clean_environment({
        "CONSOLE_URL": f"http://{server.http if hasattr(server, 'http') else f'127.0.0.1:{server.port}'}", "CONSOLE_PART": part,
        "CONSOLE_MODULES": MODULES, "CONSOLE_HOSTILE": HOSTILE, "CHROMIUM": shutil.which("chromium"),
        "CONSOLE_SHOTS": os.environ.get("MILLRACE_SHOTS", ""), **more})


def run(server, part, script="console_browser.mjs", **more):
    return subprocess.run(["node", os.path.join(HERE, script)],
                          env=browser_environment(server, part, **more), timeout=900).returncode


def run_over_a_restart(server):
    """The browser says when the server is to go; it comes back at the same place."""
    browser = subprocess.Popen(["node", os.path.join(HERE, "console_browser.mjs")], env=browser_environment(server, "restart"),
                               stdout=subprocess.PIPE, text=True)
    for line in browser.stdout:
        if line.strip() != "restart":
            print(line, end="")
            continue
        address = f"http.listen=127.0.0.1:{server.port}"
        server.stop()
        server.start(["--set", address])
        server.send_event("tail.after", {"n": 2})
    return browser.wait(60)


class ClientFiles(http.server.SimpleHTTPRequestHandler):
    """The client for JavaScript as a page of an application of its own has it."""

    def log_message(self, *_):
        pass


def run_client():
    """From a page of another origin, which the server names."""
    handler = functools.partial(ClientFiles, directory=os.path.join(ROOT, "tools", "clients", "javascript", "src"))
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{files.server_port}"
    keyed = KeyedServer(["--set", f"http.cors_origins={origin}"], shards=1).start()
    try:
        return run(keyed, "client", CONSOLE_ORIGIN=origin, CONSOLE_KEY=keyed.api_key)
    finally:
        keyed.close()
        files.shutdown()


def run_links():
    linked = LinkedServer(HOSTILE)
    try:
        linked.start()
        return run(linked.hub, "links", script="console_links.mjs")
    finally:
        linked.close()


def run_cluster():
    """Three nodes and three nats-servers; the browser says when a node is to die, and when to come back."""
    if not nats_peer.BINARY:
        print("skipped: nats-server is not here, and so no cluster")
        return 0
    cluster = cluster_nodes.Cluster()
    try:
        cluster.start().init()
        node = cluster["a"]
        browser = subprocess.Popen(["node", os.path.join(HERE, "console_cluster.mjs")], stdout=subprocess.PIPE, text=True,
                                   env=browser_environment(node, "cluster"))
        for line in browser.stdout:
            if line.strip() == "kill":
                cluster["c"].kill()
            elif line.strip() == "start":
                cluster["c"].start()
            else:
                print(line, end="")
        return browser.wait(60)
    finally:
        cluster.close()


def run_engine():
    failed = 0
    server = Server(env={"MILLRACE_MEMORY_MAX": "512MiB"}, shards=1).start()
    try:
        fill(server)
        group = server.get("/v2/dlq/groups").json()["items"][0]["fingerprint"]
        failed |= run(server, "screens", CONSOLE_GROUP=group)
        failed |= run(server, "work", CONSOLE_GROUP=group)
        failed |= run_over_a_restart(server)
    finally:
        server.close()
    return failed


def run_session():
    keyed = KeyedServer(shards=1).start()
    try:
        return run(keyed, "session", CONSOLE_KEY=keyed.api_key)
    finally:
        keyed.close()


PARTS = {"links": run_links, "cluster": run_cluster, "engine": run_engine, "session": run_session, "client": run_client}


def main(names):
    lacks = missing()
    if lacks:
        print(f"skipped: {lacks} is not here")
        return 0
    failed = 0
    for name in names or PARTS:
        failed |= PARTS[name]()
    print(json.dumps({"failed": failed}))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
