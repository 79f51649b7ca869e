"""What the comparison scripts share: starting and ending servers of their own, and the load generator.

Every process started here is ended by its own id; data goes to a temporary folder."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EVENT_FILE = os.path.join(ROOT, "bench", "corpus", "invoice_event.json")


def build_path(*parts):
    return os.path.join(os.environ.get("MILLRACE_BUILD", os.path.join(ROOT, "build", "release")), *parts)


MILLRACE = build_path("tools", "millrace")
LOADGEN = build_path("bench", "loadgen", "loadgen")


def clean_environment():
    """A server refuses MILLRACE_ names in the environment that it does not know."""
    return {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_port(port, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def millrace(*args, folder=None):
    """A server on free ports; yields its ready line (with "process")."""
    own = tempfile.mkdtemp(prefix="millrace-bench-", dir=folder)
    command = [MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0",
               "--unix", os.path.join(own, "m.sock"), "--data", os.path.join(own, "data"), *args]
    with open(os.path.join(own, "log"), "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                   env=clean_environment())
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("millrace did not start: " + open(os.path.join(own, "log")).read()[-2000:])
        ready = json.loads(line)
        ready["process"] = process
        ready["log"] = os.path.join(own, "log")
        yield ready
    finally:
        end(process)
        process.stdout.close()
        shutil.rmtree(own, ignore_errors=True)


def cpu_seconds(pid):
    """What a process has had of the processor; 0 of none."""
    if pid is None:
        return 0
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A server in a folder that others have made and that outlives it, and one connection to it."""

    def __init__(self, folder, *args, settings=(), environment=None):
        command = [MILLRACE, "serve", "--listen", "127.0.0.1:0", "--socket", "127.0.0.1:0", "--data", folder, *args]
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env={**clean_environment(), **(environment or {})})
        self.address = json.loads(self.process.stdout.readline())["http"]
        self.connection = http.client.HTTPConnection(self.address, timeout=120)

    def call(self, method, path, body=None, kind="application/json"):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        self.connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300]}")
        return json.loads(text)

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def metric(self, name):
        return metric(self.address, name)

    def end(self):
        end(self.process)


@contextlib.contextmanager
def redis(folder=None):
    """redis-server that syncs every write before it answers; yields (port, pid)."""
    own = tempfile.mkdtemp(prefix="redis-bench-", dir=folder)
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", own, "--appendonly", "yes",
         "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port, process.pid
    finally:
        end(process)
        shutil.rmtree(own, ignore_errors=True)


@contextlib.contextmanager
def nginx():
    """nginx with one location that answers 202 with a fixed body; yields its port, or None without nginx."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(program) or not shutil.which("wrk"):
        yield None
        return
    own = tempfile.mkdtemp(prefix="nginx-bench-")
    port = free_port()
    with open(os.path.join(own, "nginx.conf"), "w") as conf:
        conf.write(f"""daemon off; worker_processes auto; pid {own}/pid; error_log {own}/error;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {own}/b; proxy_temp_path {own}/p; fastcgi_temp_path {own}/f;
  uwsgi_temp_path {own}/u; scgi_temp_path {own}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 202 '{{"success":true}}'; }} }} }}""")
    process = subprocess.Popen([program, "-c", os.path.join(own, "nginx.conf"), "-p", own],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port
    finally:
        end(process)
        shutil.rmtree(own, ignore_errors=True)


def load(address, mode, may_refuse=False, **options):
    """Runs the load generator; its report as a dict. Unless they may happen, refusals are an error."""
    command = [LOADGEN, "--address", str(address), "--mode", mode]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    report = json.loads(done.stdout)
    if not may_refuse and (done.returncode != 0 or report["refused"]):
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()} {report}")
    return report


def wrk_rate(port, connections=64, seconds=3):
    """Requests per second of wrk posting the event to a static answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body = open(EVENT_FILE).read().strip().replace("\\", "\\\\").replace("'", "\\'")
        script.write(f"wrk.method='POST'\nwrk.body='{body}'\nwrk.headers['Content-Type']='application/json'\n")
        script.flush()
        done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name,
                               f"http://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=60)
    for line in done.stdout.splitlines():
        if line.startswith("Requests/sec:"):
            return float(line.split()[1])
    raise RuntimeError(done.stdout + done.stderr)


def request(address, method, path, body=None, content_type="application/json"):
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        text = None if body is None else (body if isinstance(body, (bytes, str)) else json.dumps(body))
        connection.request(method, path, text, {"Content-Type": content_type} if text else {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data) if data[:1] in (b"{", b"[") else data
    finally:
        connection.close()


def metric(address, name):
    total = 0.0
    for line in request(address, "GET", "/metrics").decode().splitlines():
        if line.startswith((name + "{", name + " ")):
            total += float(line.rsplit(" ", 1)[1])
    return total


def subscribe_hundred(address, count=100):
    """`count` subscriptions, exactly one of which matches each event, and one trivial Lua handler."""
    script = request(address, "POST", "/v2/scripts", {
        "name": "trivial", "type": "event", "source": "return function(event) return nil end"})["id"]
    for n in range(count):
        request(address, "POST", "/v2/subscriptions", {
            "name": f"s{n}", "pattern": f"svc{n:02d}.invoice.created",
            "executor": {"type": "script", "scriptId": script}})


def median(values):
    return statistics.median(values)


def spread(values):
    return f"{min(values):,.0f} .. {max(values):,.0f}"
