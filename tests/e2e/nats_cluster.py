"""Three nats-servers of Debian's as one cluster of JetStream on loopback, each killed and started as one likes."""
import os
import shutil
import socket
import subprocess
import tempfile

import harness
import nats_peer


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Member:
    def __init__(self, folder, name, port, route, routes):
        self.name, self.port = name, port
        self.log = os.path.join(folder, name + ".log")
        self.command = [nats_peer.BINARY, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", os.path.join(folder, name),
                        "--server_name", name, "--cluster_name", "t", "--cluster", f"nats://127.0.0.1:{route}",
                        "--routes", ",".join(f"nats://127.0.0.1:{r}" for r in routes)]
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def client(self):
        return nats_peer.Client(self.port)


class NatsCluster:
    def __init__(self, members=3):
        self.folder = tempfile.mkdtemp(prefix="millrace-nats3-", dir=os.environ.get("MILLRACE_NATS_DIR"))
        ports = [free_port() for _ in range(members * 2)]
        routes = ports[members:]
        self.members = [Member(self.folder, "n%d" % i, ports[i], routes[i], routes) for i in range(members)]

    def start(self):
        for member in self.members:
            member.start()
        return self

    def urls(self):
        return ",".join(f"nats://127.0.0.1:{m.port}" for m in self.members)

    def client(self):
        """Of any that answers."""
        def some():
            for member in self.members:
                try:
                    return member.client()
                except (OSError, IndexError, ValueError):
                    pass
            return None
        return harness.wait_until("a nats-server", some)

    def create(self, stream, subject, replicas=3, log_bytes=1 << 30):
        def made():
            try:
                client = self.client()
                client.socket.settimeout(5)
                client.api("STREAM.CREATE." + stream, name=stream, subjects=[subject], storage="file", retention="limits",
                           discard="old", num_replicas=replicas, max_bytes=log_bytes, max_msgs=-1, max_age=0,
                           max_msg_size=-1, max_consumers=-1)
                client.close()
                return True
            except OSError:
                return False
        harness.wait_until("a stream of the cluster", made, 60)

    def leader(self, stream):
        """The member that leads it, None while nobody says so."""
        for member in self.members:
            try:
                client = member.client()
                client.socket.settimeout(3)
                info = client.api("STREAM.INFO." + stream)
                client.close()
                name = (info.get("cluster") or {}).get("leader")
                return next((m for m in self.members if m.name == name), None)
            except (OSError, IndexError, ValueError):
                pass
        return None

    def kill(self):
        for member in self.members:
            member.kill()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
