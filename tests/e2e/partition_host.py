"""One `millrace partition`: the process that a node starts for each of its partitions, without a node."""
import base64
import http.client
import json
import os
import subprocess
import threading
import time

import harness

SEED = "4711"


def make_seal_key(folder):
    path = os.path.join(folder, "secrets.key")
    with open(path, "w") as file:
        file.write(base64.b64encode(b"k" * 32).decode() + "\n")
    return path


class Host:
    def __init__(self, folder, node, nats, key, partition=7, seed=SEED, config="", lease_us=3_000_000):
        self.node = node
        self.dir = os.path.join(folder, node, "p%02d" % partition)
        os.makedirs(self.dir, exist_ok=True)
        self.log_path = os.path.join(folder, node + ".log")
        self.order = {
            "cluster": "t", "partition": partition, "node": node, "url": "http://" + node, "dir": self.dir, "nats": nats,
            "hashSeed": seed, "leaseUs": lease_us, "allowOldNats": True, "token": "",
            "config": '[http]\nlisten = "127.0.0.1:0"\n[socket]\nlisten = ""\n[secrets]\nkey_file = "%s"\n'
                      '[engine]\ndrain_timeout = "5s"\n[backup]\ndir = "/"\n%s' % (key, config)}
        self.process = None
        self.status = {}
        self.heard = []  # (monotonic, role), of its changes
        self.heard_at = 0.0
        self.held = False  # whoever starts what has ended again leaves it alone

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([harness.BINARY, "partition"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, env=harness.clean_environment())
        self.status = {}
        self.process.stdin.write(json.dumps(self.order).encode() + b"\n")
        self.process.stdin.flush()
        threading.Thread(target=self.listen, args=(self.process,), daemon=True).start()
        return self

    def listen(self, process):
        for line in process.stdout:
            status = json.loads(line)
            if process is self.process:
                self.heard_at = time.monotonic()
                if status.get("role") != self.status.get("role"):
                    self.heard.append((time.monotonic(), status["role"]))
                self.status = status
        process.stdout.close()

    def do(self, what, **more):
        self.process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        self.process.stdin.flush()

    def role(self):
        return self.status.get("role") if self.alive() else None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait_role(self, role, seconds=60):
        return harness.wait_until(f"{self.node} to be {role} (is {self.status}; log {self.log()[-1500:]})",
                                  lambda: self.role() == role and self.status, seconds)

    def own(self, seconds=60):
        """Says so until it is, as a node does: a wish ends with whatever the owner before still appends."""
        said = [0.0]

        def owns():
            if self.role() == "owner":
                return self.status
            if time.monotonic() - said[0] > 0.5:
                said[0] = time.monotonic()
                self.do("own")
            return None
        return harness.wait_until(f"{self.node} to own (is {self.status})", owns, seconds)

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(harness.STOP_SECONDS)

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()[-8000:]
        except OSError:
            return ""

    def request(self, method, path, body=None, seconds=30):
        host, port = self.status["http"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
        try:
            text = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
