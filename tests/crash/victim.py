"""What the crash tests share: a server that is started in order to be killed, at a named fault point (core/fault.h)
or by the clock, and the load it is under until then."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
import harness  # noqa: E402


def start(server, point="", passes=1):
    """Starts it; with a `point` it kills itself at the n-th pass. False: the point lies on the way to the ready line
    and it has ended already."""
    server.env = harness.clean_environment({"MILLRACE_CRASH_AT": f"{point}:{passes}"} if point else {})
    try:
        server.start()
    except AssertionError as error:
        if point and "exit code -9" in str(error):
            return False
        raise
    return True


def load_until_dead(server, threads, seconds):
    """Runs the threads until the server has ended; kills it after so many seconds. True when it ended by itself."""
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.process.poll() is None:
        time.sleep(0.002)
    by_itself = server.process.poll() is not None
    if not by_itself:
        server.process.kill()
    server.wait()
    for thread in threads:
        thread.join()
    return by_itself
