"""A line between two servers that is slow, late and cut again and again: a TCP proxy of one thread, so that
nothing of the machine's network has to be changed for it."""
import random
import socket
import threading
import time


class BadLine:
    """`target`: (host, port). `rate`: bytes a second each way and connection; `delay`: seconds one way; `cut`: seconds
    after which all connections are cut, drawn around it; 0: never."""

    def __init__(self, target, rate=50_000, delay=0.05, cut=0, seed=1):
        self.target, self.rate, self.delay, self.cut = target, rate, delay, cut
        self.random = random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pairs = []
        self.cuts = 0
        self.bytes = 0
        self.up = True
        self.stopping = False
        self.cut_wanted = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.stopping = True
        self.thread.join(10)

    def cut_now(self):
        """Once; the thread does it with its next turn."""
        self.cut_wanted = True

    def _run(self):
        next_cut = time.monotonic() + self._interval()
        while not self.stopping:
            self._accept()
            now = time.monotonic()
            if self.cut_wanted or (self.cut and now > next_cut):
                self.cut_wanted = False
                self.cuts += 1
                for pair in self.pairs:
                    pair.end()
                next_cut = now + self._interval()
            for pair in self.pairs:
                self.bytes += pair.turn(now, self.rate, self.delay)
            self.pairs = [pair for pair in self.pairs if not pair.ended]
            time.sleep(0.002)
        for pair in self.pairs:
            pair.end()
        self.listener.close()

    def _interval(self):
        return self.random.uniform(0.5, 1.5) * self.cut

    def _accept(self):
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:
            return
        if not self.up:
            return client.close()
        try:
            server = socket.create_connection(self.target, timeout=1)
        except OSError:
            return client.close()
        self.pairs.append(Pair(client, server))


class Pair:
    def __init__(self, client, server):
        self.ended = False
        self.ways = [Way(client, server), Way(server, client)]
        for one in (client, server):
            one.setblocking(False)

    def turn(self, now, rate, delay):
        moved = 0
        for way in self.ways:
            try:
                moved += way.turn(now, rate, delay)
            except OSError:
                self.end()
        if all(way.over for way in self.ways):
            self.end()
        return moved

    def end(self):
        self.ended = True
        for way in self.ways:
            way.source.close()


class Way:
    """What is read leaves when its delay is over, as fast as the rate lets it."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.waiting = []  # (when, bytes)
        self.free_at = 0
        self.eof = self.over = False

    def turn(self, now, rate, delay):
        if not self.eof and sum(len(piece) for _, piece in self.waiting) < 65536:
            try:
                piece = self.source.recv(16384)
                self.free_at = max(self.free_at, now) + len(piece) / rate
                self.waiting.append((self.free_at + delay, piece))
                self.eof = not piece
            except BlockingIOError:
                pass
        moved = 0
        while self.waiting and self.waiting[0][0] <= now:
            when, piece = self.waiting.pop(0)
            if not piece:
                self.sink.shutdown(socket.SHUT_WR)
                self.over = True
                continue
            try:
                sent = self.sink.send(piece)
            except BlockingIOError:
                sent = 0
            moved += sent
            if sent < len(piece):
                self.waiting.insert(0, (when, piece[sent:]))
                break
        return moved
