"""Network namespaces, and lines of packets between two of them: two TUN devices whose packets a thread carries over, late,
one after the other as a rate allows, some of them lost, all of them while the line is cut. What netem does, for kernels
that have none. Needs root and Linux's /dev/net/tun."""
import collections
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import subprocess
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000
QUEUE_SECONDS = 2.0  # what a line holds; further packets are lost

libc = ctypes.CDLL(None, use_errno=True)
COUNT = itertools.count()  # packets that are due at one time keep their order


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def can():
    return os.geteuid() == 0 and os.path.exists("/dev/net/tun")


class Namespace:
    def __init__(self, name):
        self.name = name
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        self.fd = os.open("/run/netns/" + name, os.O_RDONLY | os.O_CLOEXEC)

    def enter(self):
        """The calling thread."""
        if libc.setns(self.fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.enter()

    def __exit__(self, *_):
        libc.setns(self.before, CLONE_NEWNET)
        os.close(self.before)

    def tun(self, name, address, peer):
        with self:
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
        ip("-n", self.name, "addr", "add", address, "peer", peer, "dev", name)
        ip("-n", self.name, "link", "set", "dev", name, "up")
        return fd

    def close(self):
        os.close(self.fd)
        ip("netns", "del", self.name)


class Line:
    """Both ways alike. `rate`: bytes a second; `delay`: seconds; `loss`: of 1; `cut`: (every, for) seconds or None."""

    def __init__(self, one, other, rate, delay, loss, cut, seed=1):
        self.fds = {one: other, other: one}
        self.rate, self.delay, self.loss, self.cut = rate, delay, loss, cut
        self.random = random.Random(seed)
        self.free_at = {one: 0.0, other: 0.0}
        self.bytes = self.packets = self.lost = self.cuts = 0
        self.cut_at = time.monotonic() + (self.random.uniform(0.5, 1.5) * cut[0] if cut else 1e9)

    def is_cut(self, now):
        if now < self.cut_at:
            return False
        if now < self.cut_at + self.cut[1]:
            return True
        self.cuts += 1
        self.cut_at = now + self.random.uniform(0.5, 1.5) * self.cut[0]
        return False

    def take(self, fd, packet, now, late):
        self.packets += 1
        begin = max(now, self.free_at[fd])
        if self.is_cut(now) or self.random.random() < self.loss or begin - now > QUEUE_SECONDS:
            self.lost += 1
            return
        self.bytes += len(packet)
        self.free_at[fd] = begin + len(packet) / self.rate
        heapq.heappush(late, (self.free_at[fd] + self.delay, next(COUNT), self.fds[fd], packet))


class Lines:
    def __init__(self):
        self.lines = []
        self.by_fd = {}
        self.stopping = False
        self.thread = None

    def add(self, line):
        self.lines.append(line)
        for fd in line.fds:
            self.by_fd[fd] = line

    def start(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        late = []
        while not self.stopping:
            wait = 0.05 if not late else min(0.05, max(0.0, late[0][0] - time.monotonic()))
            readable, _, _ = select.select(list(self.by_fd), [], [], wait)
            now = time.monotonic()
            for fd in readable:
                for _ in range(64):
                    try:
                        packet = os.read(fd, 65536)
                    except BlockingIOError:
                        break
                    self.by_fd[fd].take(fd, packet, now, late)
            while late and late[0][0] <= now:
                _, _, fd, packet = heapq.heappop(late)
                try:
                    os.write(fd, packet)
                except OSError:
                    pass

    def totals(self):
        out = collections.Counter()
        for line in self.lines:
            out.update(bytes=line.bytes, packets=line.packets, lost=line.lost, cuts=line.cuts)
        return out

    def close(self):
        self.stopping = True
        self.thread.join()
        for fd in self.by_fd:
            os.close(fd)
