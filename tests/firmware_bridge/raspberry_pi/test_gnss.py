"""The serial driver on a real pseudo-terminal: opened, read, unplugged and plugged in again."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import queue
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError, GnssFix
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from hw_sim.devices import nmea
from tests.firmware_bridge.manual_clock import ManualClock

UTC = 1_780_000_000_000_000
Fixes = queue.SimpleQueue[GnssFix]


class Line:
    """A receiver's end of a pty; ``link`` survives unplugging, as a udev link does."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.plug()

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        self.link.unlink()
        os.close(self.master)
        os.close(self._slave)

    def say(self, *lines: str) -> None:
        os.write(self.master, "".join(f"{line}\r\n" for line in lines).encode())


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "gnss")
    yield line
    if line.link.is_symlink():
        line.unplug()


@pytest.fixture
def receiver(line: Line) -> Iterator[SerialGnss]:
    receiver = SerialGnss(str(line.link), SystemClock())
    yield receiver
    receiver.stop()


def epoch(second: int, north_m: float = 0.0) -> list[str]:
    return nmea.epoch_lines(nmea.Place(38.0 + north_m / 111_195, 114.5, 80, 1.0), UTC + second * 1_000_000)


def started(receiver: SerialGnss, line: Line) -> Fixes:
    """Starts and waits until the port is open: what is said before is rightly thrown away."""
    fixes: Fixes = queue.SimpleQueue()
    receiver.start(fixes.put)
    for second in range(-100, 0):
        line.say(*epoch(second))
        try:
            fixes.get(timeout=0.1)
        except queue.Empty:
            continue
        break
    else:
        raise AssertionError("the driver never opened the port")
    settle(receiver)
    while not fixes.empty():
        fixes.get()
    return fixes


def settle(receiver: SerialGnss) -> None:
    """Until the counters stand still: everything said so far has been read."""
    pause, last = threading.Event(), -1
    while last != (last := receiver.counters().sentences):
        pause.wait(0.3)


def until(condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
    pause, clock = threading.Event(), SystemClock()
    deadline = clock.boottime_us() + timeout_s * 1e6
    while not condition():
        assert clock.boottime_us() < deadline, "did not happen in time"
        pause.wait(0.02)


def test_fixes_are_delivered(receiver: SerialGnss, line: Line) -> None:
    fixes = started(receiver, line)
    before = SystemClock().boottime_us()
    line.say(*epoch(1))
    fix = fixes.get(timeout=2)
    assert before <= fix.received_us <= SystemClock().boottime_us()
    assert fix.utc_us == UTC + 1_000_000 and receiver.failure() is None


def test_bad_truncated_jumping_and_missing_fixes_are_counted_and_not_delivered(
    receiver: SerialGnss, line: Line
) -> None:
    fixes = started(receiver, line)
    before = receiver.counters()
    line.say(*[nmea.with_bad_checksum(text) for text in epoch(1)])
    line.say(*[nmea.truncated(text) for text in epoch(2)])
    line.say(*nmea.no_fix_lines(UTC + 3_000_000))
    line.say(*epoch(4, north_m=90_000))
    line.say(*epoch(5))
    assert fixes.get(timeout=2).utc_us == UTC + 5_000_000
    after = receiver.counters()
    assert fixes.empty()
    assert after.bad_checksum + after.unparsable - before.bad_checksum - before.unparsable == 4
    assert after.no_fix - before.no_fix == 2 and after.implausible - before.implausible == 1


def descriptor_of(tty_path: str) -> int:
    """The descriptor under which this process has ``tty_path`` open, the line's own end apart."""
    wanted = Path(tty_path).resolve()
    own = Path("/proc/self/fd")
    (found,) = (int(fd.name) for fd in own.iterdir() if fd.exists() and locked(int(fd.name), wanted))
    return found


def locked(descriptor: int, path: Path) -> bool:
    if Path(f"/proc/self/fd/{descriptor}").resolve() != path:
        return False
    return "FLOCK" in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")


@contextlib.contextmanager
def held(line: Line) -> Iterator[None]:
    """Somebody else has the line. Raises BlockingIOError when it is locked already."""
    other = os.open(line.link, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(other)


def heard(receiver: SerialGnss, line: Line) -> bool:
    line.say(*epoch(1))
    return receiver.counters().good > 0


def test_the_lock_goes_with_the_driver_whoever_still_holds_the_open_file(receiver: SerialGnss, line: Line) -> None:
    """A child of the unit process, forked and not yet become its program, has a copy of every descriptor."""
    started(receiver, line)
    copy = os.dup(descriptor_of(str(line.link)))
    try:
        receiver.stop()
        with held(line):
            pass
    finally:
        os.close(copy)


def test_a_line_somebody_holds_for_a_moment_is_no_failure(
    receiver: SerialGnss, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    with held(line):
        receiver.start(lambda fix: None)
        threading.Event().wait(0.1)
    until(lambda: heard(receiver, line))
    assert receiver.failure() is None and not caplog.records


def test_a_line_somebody_goes_on_holding_is_a_failure_that_says_so(receiver: SerialGnss, line: Line) -> None:
    with held(line):
        receiver.start(lambda fix: None)
        until(lambda: receiver.failure() is not None)
        failure = receiver.failure()
        assert failure is not None and failure.errno == errno.EWOULDBLOCK
        assert "another process has this line" in str(failure) and "另一进程占用" in str(failure)
    until(lambda: heard(receiver, line))
    assert receiver.failure() is None


def test_a_frozen_receiver_gives_no_fresh_fixes(receiver: SerialGnss, line: Line) -> None:
    fixes = started(receiver, line)
    for _ in range(4):
        line.say(*epoch(1))
    settle(receiver)
    assert fixes.get(timeout=2).utc_us == UTC + 1_000_000
    assert fixes.empty() and receiver.counters().repeated >= 6


def test_what_waited_in_the_line_before_opening_is_not_news(receiver: SerialGnss, line: Line) -> None:
    for second in range(-500, -490):
        line.say(*epoch(second))
    fixes: Fixes = queue.SimpleQueue()
    receiver.start(fixes.put)
    fresh = itertools.count()

    def heard() -> bool:
        line.say(*epoch(next(fresh)))
        return not fixes.empty()

    until(heard)
    first = fixes.get()
    assert first.utc_us is not None and first.utc_us >= UTC


def test_unplug_is_a_failure_and_replug_heals_it(receiver: SerialGnss, line: Line) -> None:
    fixes = started(receiver, line)
    line.unplug()
    until(lambda: receiver.failure() is not None)
    failure = receiver.failure()
    assert isinstance(failure, DeviceError) and failure.device == "gnss"
    line.plug()
    for second in range(10, 100):
        line.say(*epoch(second))
        try:
            fix = fixes.get(timeout=0.2)
        except queue.Empty:
            continue
        assert fix.utc_us is not None and fix.utc_us >= UTC + 10_000_000
        break
    else:
        raise AssertionError("no fix after replugging")
    assert receiver.failure() is None


def test_a_receiver_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    receiver = SerialGnss(str(tmp_path / "none"), SystemClock())
    receiver.start(lambda fix: None)
    until(lambda: receiver.failure() is not None)
    assert "none" in str(receiver.failure())
    receiver.stop()


def test_silence_is_a_failure(line: Line) -> None:
    receiver = SerialGnss(str(line.link), ManualClock(step_us=2_000_000))
    receiver.start(lambda fix: None)
    until(lambda: receiver.failure() is not None)
    assert "no sentence" in str(receiver.failure())
    receiver.stop()


@pytest.mark.parametrize("noise", ["\x1f\x1f%\n\x05", "$GNGGA,120000*00", "no line end, no dollar"])
def test_noise_is_a_failure_that_names_the_baud_rate(line: Line, noise: str) -> None:
    """At a wrong baud rate there are line ends as well: they are no sign of life."""
    clock = ManualClock()
    receiver = SerialGnss(str(line.link), clock, baud=38400)
    receiver.start(lambda fix: None)

    def failed() -> bool:
        os.write(line.master, noise.encode() + b"\n" * noise.startswith("$"))
        clock.now_us += 200_000
        return receiver.failure() is not None

    until(failed)
    said = str(receiver.failure())
    assert "noise" in said and "38400 baud" in said and "bad_checksum" in said and "unparsable" in said

    def healed() -> bool:
        line.say("", *epoch(1))
        return receiver.failure() is None

    until(healed)
    receiver.stop()


def test_a_failing_consumer_is_a_reported_failure(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(fix: GnssFix) -> None:
        raise RuntimeError("consumer broke")

    receiver = SerialGnss(str(line.link), SystemClock())
    receiver.start(refuse)

    seconds = itertools.count()

    def failed() -> bool:
        line.say(*epoch(next(seconds)))
        return "consumer broke" in str(receiver.failure())

    until(failed)
    receiver.stop()
    assert "consumer broke" in caplog.text
