"""A Debian of its own to try a package in: made by debootstrap, kept as a tar file so that the next test
has it at once, thrown away afterwards. Needs root."""
import os
import shutil
import subprocess
import tempfile
import time

SUITE = "bookworm"
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
         "LC_ALL": "C.UTF-8"}
KEPT = os.path.join(os.environ.get("MILLRACE_PACKAGE_CACHE", tempfile.gettempdir()),
                    f"millrace-{SUITE}.tar")


def run(*command, seconds=600, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, **options).stdout.decode(errors="replace")


def mirror():
    """The one that this machine uses."""
    for folder, _, files in os.walk("/etc/apt"):
        for name in sorted(files):
            with open(os.path.join(folder, name), errors="replace") as file:
                for line in file:
                    words = line.split()
                    if words and words[0] in ("deb", "URIs:") and "debian" in line:
                        url = [word for word in words if word.startswith("http")]
                        if url and url[0].rstrip("/").endswith("/debian"):
                            return url[0]
    return "http://deb.debian.org/debian"


def make_base():
    """What debootstrap brings and nothing else."""
    if os.path.exists(KEPT):
        return
    folder = tempfile.mkdtemp(prefix="millrace-base-")
    try:
        run("debootstrap", "--variant=minbase", SUITE, folder, mirror())
        run("tar", "-C", folder, "-cf", KEPT + ".new", ".")
        os.rename(KEPT + ".new", KEPT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Chroot:
    def __init__(self):
        make_base()
        self.root = tempfile.mkdtemp(prefix="millrace-root-")
        self.started = []
        run("tar", "-C", self.root, "-xf", KEPT)
        os.chmod(self.root, 0o755)  # the folder that both were made in is ours alone
        # The same mirrors and names as this machine; nothing is started when it is installed.
        for path in ("/etc/resolv.conf", "/etc/hosts"):
            if os.path.exists(path):
                shutil.copy(path, self.path(path))
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
        self.write("/etc/apt/apt.conf.d/90test", 'APT::Sandbox::User "root";\n')
        run("mount", "-t", "proc", "proc", self.path("/proc"))
        run("mount", "--bind", "/dev", self.path("/dev"))

    def path(self, inside):
        return self.root + inside

    def exists(self, inside):
        return os.path.lexists(self.path(inside))

    def read(self, inside):
        with open(self.path(inside)) as file:
            return file.read()

    def write(self, inside, text, mode=0o644):
        with open(self.path(inside), "w") as file:
            file.write(text)
        os.chmod(self.path(inside), mode)

    def run(self, *command, **options):
        try:
            return run("chroot", self.root, *command, env=QUIET, **options)
        except subprocess.CalledProcessError as error:
            raise AssertionError(f"{command}: {error.returncode}\n{error.stdout.decode()}") from None

    def start(self, *command):
        """A process that goes on; its first line is what it returns with."""
        process = subprocess.Popen(["chroot", self.root, *command], env=QUIET, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(process)
        process.first_line = process.stdout.readline().decode()
        return process

    def boot(self):
        """systemd as it is when a machine is on; returns what runs a command there."""
        for folder in ("/dev", "/proc"):
            run("umount", "-l", self.path(folder))
        init = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup",
             "bash", os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.sh"), self.root],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.started.append(init)
        return Booted(init)

    def shut_down(self, booted):
        booted.init.kill()
        booted.init.wait()
        run("mount", "-t", "proc", "proc", self.path("/proc"))
        run("mount", "--bind", "/dev", self.path("/dev"))

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for folder in ("/dev", "/proc"):
            subprocess.run(["umount", "-l", self.path(folder)], stderr=subprocess.DEVNULL)
        if not os.path.ismount(self.path("/dev")) and not os.path.ismount(self.path("/proc")):
            shutil.rmtree(self.root, ignore_errors=True)


class Booted:
    def __init__(self, init):
        self.init = init
        self.wait("systemd", lambda: self.child() and "running" in self.ask("systemctl", "is-system-running"))

    def child(self):
        with open(f"/proc/{self.init.pid}/task/{self.init.pid}/children") as file:
            return file.read().strip()

    def ask(self, *command):
        """What it says, whatever its exit code."""
        return subprocess.run(["nsenter", "-t", self.child(), "-m", "-p", "-n", "-u", "-i", *command], env=QUIET,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=120).stdout.decode(errors="replace")

    def show(self, name):
        return self.ask("systemctl", "show", "-p", name, "--value", "millrace").strip()

    @staticmethod
    def wait(what, check, seconds=90):
        deadline = time.monotonic() + seconds
        while not check():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for {what}")
            time.sleep(0.2)
