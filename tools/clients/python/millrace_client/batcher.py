"""Gathers events into batches; waits when too many are on their way."""
import json
import threading
import time
from concurrent.futures import Future

from .errors import MillraceError, error_of
from .identity import with_id


class Batcher:
    """push() waits while `pending_max` events have no answer yet, and gives a Future of the entry's
    result: {"eventId","shard","offset","duplicate"}. close() sends what is left and waits for it."""

    def __init__(self, client, events_max=1000, bytes_max=1 << 20, linger=0.005,
                 pending_max=10_000, durability=None):
        self._client = client
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._linger = linger
        self._pending_max = pending_max
        self._durability = durability
        self._lock = threading.Condition()
        self._waiting = []       # (event, bytes, future)
        self._pending = 0        # without an answer
        self._first_at = 0.0
        self._flushing = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="millrace-batcher", daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def push(self, event, timeout=None):
        event = with_id(event)
        size = len(json.dumps(event, separators=(",", ":")))
        future = Future()
        with self._lock:
            room = self._lock.wait_for(
                lambda: self._closed or self._pending < self._pending_max, timeout)
            if self._closed:
                raise RuntimeError("the batcher is closed")
            if not room:
                raise TimeoutError("too many events are on their way")
            if not self._waiting:
                self._first_at = time.monotonic()
            self._waiting.append((event, size, future))
            self._pending += 1
            self._lock.notify_all()
        return future

    def flush(self):
        """Returns when everything pushed before has its answer."""
        with self._lock:
            self._flushing = True
            self._lock.notify_all()
            self._lock.wait_for(lambda: self._pending == 0)
            self._flushing = False

    def close(self):
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        self._thread.join()

    def _due(self):
        if not self._waiting:
            return False
        return (self._closed or self._flushing or len(self._waiting) >= self._events_max or
                sum(size for _, size, _ in self._waiting) >= self._bytes_max or
                time.monotonic() - self._first_at >= self._linger)

    def _take(self):
        with self._lock:
            while not self._due():
                if self._closed:
                    return []
                left = None
                if self._waiting:
                    left = max(0.0, self._first_at + self._linger - time.monotonic())
                self._lock.wait(left)
            taken, size = [], 0
            while self._waiting and len(taken) < self._events_max:
                if taken and size + self._waiting[0][1] > self._bytes_max:
                    break
                taken.append(self._waiting.pop(0))
                size += taken[-1][1]
            self._first_at = time.monotonic()
            return taken

    def _run(self):
        while True:
            batch = self._take()
            if not batch:
                break
            try:
                self._send(batch)
            finally:
                with self._lock:
                    self._pending -= len(batch)
                    self._lock.notify_all()
        self._client.close()

    def _send(self, batch):
        try:
            answer = self._client.send([event for event, _, _ in batch],
                                       durability=self._durability)
        except MillraceError as error:
            rejected = error.details.get("rejected") if error.details else None
            if not isinstance(rejected, list) or len(rejected) != len(batch):
                for _, _, future in batch:
                    future.set_exception(error)
                return
            answer = {"rejected": rejected, "events": []}
        except Exception as error:  # whatever it is, those who wait must hear of it
            for _, _, future in batch:
                future.set_exception(error)
            return
        refused = {entry["index"]: entry["error"] for entry in answer["rejected"]}
        taken = iter(answer["events"])
        for index, (_, _, future) in enumerate(batch):
            if index in refused:
                future.set_exception(error_of(400, {"error": refused[index]}, {}))
            else:
                future.set_result(next(taken))
