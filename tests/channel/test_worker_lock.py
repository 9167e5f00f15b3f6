"""Nobody cuts a file that a worker is still writing: the lock of a living worker, a hung one, and one that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.clock import SystemClock
from recorder.channel.worker_lock import hold, lock_path, wait_until_gone

HOLD = """
import signal, sys
from pathlib import Path
from recorder.channel.worker_lock import hold
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(hold(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline().strip().isdigit()
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


def test_where_no_worker_ever_ran_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    assert not wait_until_gone(tmp_path / "capture-cam0.sock", SystemClock(), 5.0)


def test_a_second_worker_of_the_camera_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "capture-cam0.sock"
    with worker(path) as first:
        assert hold(path) is None
        assert lock_path(path).read_text() == str(first.pid)
        assert hold(tmp_path / "capture-cam1.sock") is not None, "another camera's is its own"


def test_a_worker_that_ends_by_itself_is_waited_for_and_not_killed(tmp_path: Path) -> None:
    path = tmp_path / "capture-cam0.sock"
    with worker(path) as old:
        assert old.stdin is not None
        old.stdin.close()
        assert not wait_until_gone(path, SystemClock(), 30.0)
        assert old.wait(10) == 0


def test_a_hung_worker_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "capture-cam0.sock"
    with worker(path) as old:
        assert wait_until_gone(path, SystemClock(), 0.2)
        assert old.wait(10) == -signal.SIGKILL
    assert hold(path) is not None


def test_the_number_a_dead_worker_left_behind_is_nobodys(tmp_path: Path) -> None:
    """A lock file outlives its holder; its text alone must never get a process killed."""
    path = tmp_path / "capture-cam0.sock"
    with worker(tmp_path / "other.sock") as innocent:
        lock_path(path).write_text(str(innocent.pid))
        assert not wait_until_gone(path, SystemClock(), 0.0)
        assert innocent.poll() is None
