"""The kill switch ends a process of another user that hangs in C code with the interpreter's lock held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.channel import kill_switch

HANG = """
import ctypes, os, sys
from pathlib import Path
from recorder.channel import kill_switch
if len(sys.argv) > 2:
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
kept = kill_switch.arm(Path(sys.argv[1]))
print("armed", flush=True)
ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the interpreter's lock: no Python thread runs any more
"""
THROW = """
import os, sys
from pathlib import Path
from recorder.channel import kill_switch
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
sys.exit(not kill_switch.throw(Path(sys.argv[1])))
"""
NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = kill_switch.switch_path(tmp_path / "cam0.sock")
    kill_switch.make(made)
    return made


@pytest.fixture
def hung(path: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen([sys.executable, "-c", HANG, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "armed\n"
        yield child
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()


def test_a_hung_reader_is_ended(path: Path, hung: subprocess.Popen[str]) -> None:
    assert kill_switch.throw(path)
    assert hung.wait(10) == -signal.SIGKILL
    assert not kill_switch.throw(path), "nobody is there any more"


def test_somebody_who_only_opens_and_closes_it_ends_nobody(path: Path, hung: subprocess.Popen[str]) -> None:
    """As the unit process does when it dies."""
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    with pytest.raises(subprocess.TimeoutExpired):
        hung.wait(0.2)
    assert kill_switch.throw(path)
    assert hung.wait(10) == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() != 0, reason="只有 root 能以他人身份运行 only root can run something as somebody else")
def test_the_two_need_not_be_the_same_user(tmp_path: Path) -> None:
    folder = Path("/dev/shm") / f"kill-switch-{os.getpid()}"  # pytest's own folders are closed to others
    folder.mkdir(mode=0o755)
    path = folder / "cam0.kill"
    try:
        kill_switch.make(path)
        path.chmod(0o666)  # on a unit the folder's group does this
        command = [sys.executable, "-c", HANG, str(path), str(NOBODY)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "armed\n"
            command = [sys.executable, "-c", THROW, str(path), str(NOBODY - 1)]
            done = subprocess.run(command, timeout=20, check=False)
            assert done.returncode == 0
            assert child.wait(10) == -signal.SIGKILL
        finally:
            child.kill()
            child.wait(10)
            child.stdout.close()
    finally:
        path.unlink()
        folder.rmdir()


def test_a_byte_that_came_before_it_was_armed_counts(path: Path) -> None:
    keeper = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(keeper, b"k")
        child = subprocess.run([sys.executable, "-c", HANG, str(path)], capture_output=True, timeout=30, check=False)
        assert child.returncode == -signal.SIGKILL
    finally:
        os.close(keeper)


def test_nothing_but_a_fifo_is_written_to(path: Path, tmp_path: Path) -> None:
    """The worker may put what it likes into the folder."""
    evidence = tmp_path / "evidence"
    evidence.write_bytes(b"whole")
    path.unlink()
    path.symlink_to(evidence)
    with pytest.raises(OSError, match=str(path)):
        kill_switch.throw(path)
    path.unlink()
    os.link(evidence, path)
    with pytest.raises(OSError, match="not a FIFO"):
        kill_switch.throw(path)
    assert evidence.read_bytes() == b"whole"


def test_it_is_made_once_and_again(path: Path) -> None:
    kill_switch.make(path)
    assert path.is_fifo() and path.stat().st_mode & 0o777 == 0o660
    assert not kill_switch.throw(path)
    path.unlink()
    assert not kill_switch.throw(path)
