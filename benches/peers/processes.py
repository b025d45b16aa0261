"""Programs that are measured: each in a directory and a group of its own, which ends with this program."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from peers import CACHE
from report import FAILED, GIVEN_UP

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """Why a run came to nothing."""

    def __init__(self, outcome, reason):
        super().__init__(reason)
        self.outcome = outcome


def place(system):
    """An empty directory for a run of a system."""
    place = CACHE / "runs" / system.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


@contextmanager
def started(command, log):
    """A program whose directory is that of its log; what is still running in the end is killed."""
    with log.open("w") as out:
        # A group of its own, so that a Java machine behind a script ends with it.
        process = subprocess.Popen(
            list(map(str, command)), stdout=out, stderr=out, cwd=log.parent, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(process, log, timeout, needed=None):
    """Waits for a program to end well, for as long as what it needs doesn't end."""
    deadline = time.monotonic() + timeout
    while process.poll() is None and (needed is None or needed.poll() is None):
        if time.monotonic() > deadline:
            raise Failed(GIVEN_UP, f"after {timeout} s")
        time.sleep(0.01)
    if process.poll():
        raise Failed(FAILED, f"ended with {process.poll()}: see {relative(log)}")


def relative(path):
    return path.relative_to(ROOT)
