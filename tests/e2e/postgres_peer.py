"""A PostgreSQL of Debian's, started here on a port of its own."""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

BINARIES = "/usr/lib/postgresql/15/bin"


class Postgres:
    def __init__(self, tls=None):
        """`tls`: the files of a certificate and its key."""
        self.folder = tempfile.mkdtemp(prefix="millrace-pg-", dir="/tmp")
        self.data = os.path.join(self.folder, "data")
        self.user = None
        if os.geteuid() == 0:  # it refuses to run as root
            self.user = "postgres" if any(u.pw_name == "postgres" for u in pwd.getpwall()) else "nobody"
            entry = pwd.getpwnam(self.user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(os.path.join(self.folder, "pw"), "w") as file:
            file.write("pw-of-the-test\n")
        os.chmod(os.path.join(self.folder, "pw"), 0o644)
        self.run("initdb", "-D", self.data, "-U", "app", "-A", "scram-sha-256", "-N",
                 "--pwfile", os.path.join(self.folder, "pw"), "-E", "UTF8", "--locale=C")
        self.process = self.spawn("postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port),
                                  "-k", self.folder, "-c", "fsync=off", "-c", "shared_buffers=16MB",
                                  *(self.show(tls) if tls else ()))

    def show(self, tls):
        """The settings for it: the server wants files of its own."""
        owner = os.stat(self.folder)
        for source, name in zip(tls, ("tls.pem", "tls.key")):
            path = os.path.join(self.folder, name)
            shutil.copyfile(source, path + ".new")
            os.chmod(path + ".new", 0o600)
            os.chown(path + ".new", owner.st_uid, owner.st_gid)
            os.rename(path + ".new", path)
        return ("-c", "ssl=on", "-c", f"ssl_cert_file={self.folder}/tls.pem", "-c", f"ssl_key_file={self.folder}/tls.key")

    def show_another(self, tls):
        self.show(tls)
        self.process.send_signal(signal.SIGHUP)

    def as_user(self, name, args):
        command = [os.path.join(BINARIES, name), *args]
        return (["setpriv", "--reuid", self.user, "--regid", self.user, "--clear-groups", "--", *command]
                if self.user else command)

    def run(self, name, *args):
        done = subprocess.run(self.as_user(name, args), capture_output=True, cwd=self.folder)
        assert done.returncode == 0, done
        return done

    def spawn(self, name, *args):
        log = open(os.path.join(self.folder, "log"), "ab")
        return subprocess.Popen(self.as_user(name, args), stdout=log, stderr=log, cwd=self.folder)

    def conninfo(self, **members):
        values = dict({"host": "127.0.0.1", "port": self.port, "dbname": "postgres", "user": "app",
                       "password": "pw-of-the-test"}, **members)
        return " ".join(f"{k}='{v}'" for k, v in values.items() if v is not None)

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # ends those who are connected
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def answers(self):
        return subprocess.run(["psql", self.conninfo(), "-X", "-c", "SELECT 1"], capture_output=True).returncode == 0

    def sql(self, text):
        done = subprocess.run(["psql", self.conninfo(), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", text],
                              capture_output=True)
        assert done.returncode == 0, done

    def ask(self, text):
        done = subprocess.run(["psql", self.conninfo(), "-X", "-tA", "-c", text], capture_output=True, text=True)
        assert done.returncode == 0, done
        return done.stdout.strip()

    def stop_all_connections(self):
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace'")
