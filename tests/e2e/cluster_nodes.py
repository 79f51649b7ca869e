"""Nodes of one cluster on loopback, beside the nats-servers of nats_cluster.py: each a process with its partitions'
processes, killed all at once as a machine's death does it."""
import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import harness
import nats_cluster

TOKEN = "0123456789abcdef" * 2


class Node:
    def __init__(self, cluster, name, more=()):
        self.cluster, self.name, self.more = cluster, name, list(more)
        self.data = os.path.join(cluster.folder, name)
        self.log_path = os.path.join(cluster.folder, name + ".log")
        self.advertise = f"127.0.0.1:{nats_cluster.free_port()}"
        self.http = f"127.0.0.1:{nats_cluster.free_port()}"
        self.process = None
        self.api_key = None

    def settings(self):
        values = {"cluster.name": self.cluster.name, "cluster.node": self.name, "cluster.nats": self.cluster.nats.urls(),
                  "cluster.advertise": self.advertise, "cluster.partitions": self.cluster.partitions,
                  "cluster.partition_by": self.cluster.partition_by, "cluster.replicas": self.cluster.replicas,
                  "cluster.allow_old_nats": "true", "cluster.log_bytes": "64MiB",
                  "secrets.key_file": self.cluster.key_file, "http_client.allow": "127.0.0.1"}
        return [word for key, value in values.items() for word in ("--set", f"{key}={value}")] + self.more

    def start(self):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [harness.BINARY, "serve", "--listen", self.http, "--data", self.data, *self.settings()],
            stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            env=harness.clean_environment({"MILLRACE_CLUSTER_TOKEN": TOKEN}))
        log.close()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"node {self.name} did not start, exit code {self.process.wait()}:\n{self.log()}")
        assert json.loads(line)["ready"] is True
        return self

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()[-6000:]
        except OSError:
            return ""

    def kill(self):
        """All of it, as a machine that loses its power."""
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def stop(self, seconds=60):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process.stdout.close()
        self.process = None
        return code

    def pause(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def request(self, method, path, body=None, key=None, headers=None, seconds=30):
        connection = http.client.HTTPConnection(self.http, timeout=seconds)
        try:
            head = dict(headers or {})
            key = key or self.api_key
            if key:
                head["Authorization"] = "Bearer " + key
            data = None
            if body is not None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                head.setdefault("Content-Type", "application/json")
            connection.request(method, path, data, head)
            answer = connection.getresponse()
            return harness.Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def ok(self, method, path, body=None, key=None):
        """Said again while nobody owns: only for what may be repeated."""
        def good():
            reply = self.request(method, path, body, key)
            if reply.status == 503:
                return None
            assert reply.status < 300, (method, path, reply)
            return reply
        reply = harness.wait_until(f"{method} {path}", good, 60)
        return reply.json() if reply.body else {}

    def cli(self, *args, key=None):
        env = {"MILLRACE_SERVER": self.http}
        if key or self.api_key:
            env["MILLRACE_API_KEY"] = key or self.api_key
        return subprocess.run([harness.BINARY, *args], capture_output=True, timeout=90, encoding="utf-8",
                              env=harness.clean_environment(env))


class Cluster:
    def __init__(self, names="abc", partitions=6, replicas=2, more=(), partition_by="tenant"):
        self.folder = tempfile.mkdtemp(prefix="mrc-", dir=os.environ.get("MILLRACE_NATS_DIR"))
        self.name = "t"
        self.partitions, self.replicas, self.partition_by = partitions, replicas, partition_by
        self.key_file = os.path.join(self.folder, "secrets.key")
        with open(self.key_file, "w") as file:
            file.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        os.chmod(self.key_file, 0o600)
        self.nats = nats_cluster.NatsCluster()
        self.nodes = {name: Node(self, name, more) for name in names}

    def __getitem__(self, name):
        return self.nodes[name]

    def start(self):
        self.nats.start()
        self.nats.client().close()
        for node in self.nodes.values():
            node.start()
        return self

    def init(self):
        first = next(iter(self.nodes.values()))
        body = {"nodes": list(self.nodes)}

        def made():
            reply = first.request("POST", "/v2/cluster/init", body, seconds=60)
            return reply if reply.status in (202, 409) and b"not heard" not in reply.body else None
        harness.wait_until("the cluster to be made", made, 60)
        self.wait_ready()
        return self

    def wait_ready(self, names=None, seconds=60):
        def ready():
            return all(self.nodes[name].request("GET", "/readyz").status == 200 for name in names or self.nodes)
        try:
            harness.wait_until("every partition to have an owner", ready, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.view()}\n" + "\n".join(n.log()[-3000:] for n in self.nodes.values()))

    def view(self, name=None):
        node = self.nodes[name] if name else next(n for n in self.nodes.values() if n.process)
        return node.ok("GET", "/v2/cluster")

    def owner(self, partition, name=None):
        return self.view(name)["partitions"][partition]["owner"]

    def close(self):
        for node in self.nodes.values():
            try:
                node.go_on() if node.process else None
            except ProcessLookupError:
                pass
            node.kill()
        self.nats.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sender(threading.Thread):
    """Sends batches of events of one tenant to the nodes in turn, each until it is acknowledged: at once again by
    another node after an error, as clients do; with partitions by key what nobody owned is sent again by itself.
    `acked` is the ledger."""

    def __init__(self, nodes, key, name, events, batch=50):
        super().__init__(daemon=True)
        self.nodes, self.key, self.name, self.events, self.batch = list(nodes), key, name, events, batch
        self.acked = {}
        self.sent = 0
        self.worst = 0.0
        self.failures = []
        self.ended = threading.Event()

    def run(self):
        try:
            for at in range(0, len(self.events), self.batch):
                if self.ended.is_set():
                    break
                self.send(self.events[at:at + self.batch])
        except Exception as error:  # told by the test
            self.failures.append(repr(error))

    def send(self, events):
        begun = time.monotonic()
        turn = self.sent
        self.sent += 1
        while not self.ended.is_set():
            node = self.nodes[turn % len(self.nodes)]
            turn += 1
            try:
                reply = node.request("POST", "/v2/events?ids=0", events, self.key, seconds=15)
            except OSError:
                time.sleep(0.02)
                continue
            if reply.status == 202:
                refused = {}
                for one in reply.json()["rejected"]:
                    if one["error"]["code"] != "UNAVAILABLE":
                        raise AssertionError(one)
                    refused[one["index"]] = events[one["index"]]
                for index, event in enumerate(events):
                    if index not in refused:
                        self.acked[event["eventId"]] = event
                if refused:
                    events = list(refused.values())
                    time.sleep(0.05)
                    continue
                self.worst = max(self.worst, time.monotonic() - begun)
                return
            if reply.status != 503:
                raise AssertionError(f"{reply.status} {reply.body[:300]}")
            time.sleep(0.05)
