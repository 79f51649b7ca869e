#!/usr/bin/env python3
"""Question: so many bytes wait for the disk: are they sooner there by one write and one sync, or cut
into D of each at once? That is the choice of a log writer whose group is all that has come meanwhile.
Unit: MB/s of appends to one file whose blocks are there, each followed by fdatasync.
Budget: none; it decides whether the log writer keeps one commit at the disk or several.
Command: bench/sync_depth.py [FOLDER] [SECONDS]     (FOLDER on the disk in question, /tmp may be memory)"""
import os
import statistics
import sys
import tempfile
import threading
import time

FILE_BYTES = 256 << 20
ROUNDS = 5


def run(path, size, depth, seconds):
    """Appends of `size` bytes by `depth` threads that share the end of one file; MB/s."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    data = os.urandom(size)
    end, lock, synced = [0], threading.Lock(), [0] * depth
    stop_at = time.monotonic() + seconds

    def append(index):
        while time.monotonic() < stop_at:
            with lock:  # one writer of the file at a time; only the syncs overlap
                at = end[0] % (FILE_BYTES - size)
                end[0] += size
                os.pwrite(descriptor, data, at)
            os.fdatasync(descriptor)
            synced[index] += size

    began = time.monotonic()
    threads = [threading.Thread(target=append, args=(i,)) for i in range(depth)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    os.close(descriptor)
    return sum(synced) / took / 1e6


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    with tempfile.TemporaryDirectory(dir=folder, prefix="sync-depth-") as made:
        path = os.path.join(made, "log")
        with open(path, "wb") as file:
            for _ in range(FILE_BYTES >> 20):
                file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
        print("bytes waiting   whole   in 2   in 4      MB/s, median of", ROUNDS)
        for size in (16 << 10, 128 << 10, 768 << 10, 3 << 20):
            seen = {depth: [] for depth in (1, 2, 4)}
            for _ in range(ROUNDS):  # taking turns: a disk's mood is everybody's
                for depth, figures in seen.items():
                    figures.append(run(path, size // depth, depth, seconds))
            print("%13d   " % size + "   ".join("%.1f" % statistics.median(f) for f in seen.values()))


if __name__ == "__main__":
    main()
