"""Programs that are measured: each in a directory and a group of its own, which ends with this program."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from peers import CACHE, Unavailable
from report import EQUAL, FAILED, GIVEN_UP, WRONG

ROOT = Path(__file__).resolve().parents[2]


class Failed(Exception):
    """Why a run came to nothing."""

    def __init__(self, outcome, reason):
        super().__init__(reason)
        self.outcome = outcome


def runs(options):
    """Where runs have their files: those of a check are not in the way of what is measured."""
    return CACHE / ("runs-check" if options.scale == "check" else "runs")


def place(system, options):
    """An empty directory for a run of a system."""
    place = runs(options) / system.name
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
        # Also when it has ended by itself: what it has started may have not.
        with suppress(ProcessLookupError):
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


def outcome_of(measure):
    """What is measured, or why it is not."""
    try:
        return {"outcome": EQUAL, **measure()}
    except Failed as failure:
        return {"outcome": failure.outcome, "reason": str(failure)}
    except Unavailable as reason:
        return {"outcome": FAILED, "reason": f"the broker can't be used: {reason}"}


@contextmanager
def alone(options):
    """Nobody else has files in the same places at the same time."""
    runs(options).mkdir(parents=True, exist_ok=True)
    with (runs(options) / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another run.sh is at work in this checkout: wait for it, or end it")
        yield


def lines_of(output):
    """The lines of a file, or of all files below a directory, in order of their names."""
    files = [output] if output.is_file() else sorted(output.rglob("*.csv"))
    for file in files:
        with file.open(newline="") as lines:
            yield from lines


def folded(fold, output, workload):
    """What is left of the changes in the end."""
    try:
        return fold(lines_of(output), workload)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Failed(WRONG, f"{relative(output)} has other rows than it should: {error!r}") from None


def say(text):
    print(text, file=sys.stderr, flush=True)


def relative(path):
    return path.relative_to(ROOT)
