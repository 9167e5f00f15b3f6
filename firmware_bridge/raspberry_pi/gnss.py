"""A GNSS receiver on a serial line (pyserial), read on its own thread, reopened for as long as it takes."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import logging
import termios
import threading
from collections.abc import Callable, Iterator
from typing import Final

import serial

from firmware_bridge.ports import Clock, DeviceError, GnssCounters, GnssFix
from firmware_bridge.raspberry_pi.gnss_trust import Freshness, Plausibility
from firmware_bridge.raspberry_pi.nmea import NmeaEpochs, Reading

LOG = logging.getLogger(__name__)

READ_S: Final = 0.2
"""Longest wait of one read. A pause this long also ends an epoch: receivers send one in a burst."""
SILENCE_US: Final = 5_000_000
BACKOFF_S: Final = (0.25, 0.5, 1.0, 2.0, 5.0)
_MAX_PARTIAL: Final = 4096

LOCK_TRIES: Final = 20
_LOCK_RETRY_S: Final = 0.1
"""For two seconds in all a line somebody else holds is no failure yet: a process of the last start that is still ending, or
``recorder doctor`` having a look."""


class SerialGnss:
    """``ports.GnssReceiver``. ``device``: a tty path, best a udev link that survives replugging.

    ``failure()`` speaks while the receiver cannot be opened, is unplugged, or has sent nothing for five seconds, or nothing
    but noise; it is None again as soon as whole sentences come. Nothing is delivered while there is nothing new and
    believable.
    """

    def __init__(self, device: str, clock: Clock, *, baud: int = 9600, max_speed_mps: float = 100.0) -> None:
        self._device = device
        self._clock = clock
        self._baud = baud
        self._counters = GnssCounters()
        self._plausibility = Plausibility(max_speed_mps)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: DeviceError | None = None

    def start(self, deliver: Callable[[GnssFix], None]) -> None:
        """A receiver that is not there yet is no error here: the thread keeps trying and ``failure()`` says so, because a
        unit is often switched on before its receiver has come up. Raises DeviceError when started twice."""
        if self._thread is not None:
            raise DeviceError("gnss", "already started 已启动")
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(deliver,), name="gnss", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(3)
            self._thread = None

    def counters(self) -> GnssCounters:
        """A copy."""
        return dataclasses.replace(self._counters)

    def failure(self) -> DeviceError | None:
        return self._failure

    def _run(self, deliver: Callable[[GnssFix], None]) -> None:
        attempt = 0
        while not self._stop.is_set():
            before = self._counters.good
            try:
                with self._line() as port:
                    # What waited in the line's buffer is old, however fresh it would look.
                    port.reset_input_buffer()
                    self._read(port, deliver)
            except (OSError, termios.error) as error:
                self._fail(f"{self._device}: 无法读取定位模块 cannot be read: {error}", getattr(error, "errno", None))
            except Exception as error:  # a reader thread that dies unseen would be a silent fault
                LOG.exception("定位线程出错 the GNSS thread failed")
                self._fail(f"{type(error).__name__}: {error}", None)
            attempt = 0 if self._counters.good > before else attempt + 1
            self._stop.wait(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])

    @contextlib.contextmanager
    def _line(self) -> Iterator[serial.Serial]:
        """The line, open and locked. The lock (flock(2)) belongs to the open file, and a child between fork and exec holds
        that open for as long as the machine keeps it waiting: closing alone would leave the line locked meanwhile."""
        with self._opened() as port:
            try:
                yield port
            finally:
                fcntl.flock(port.fileno(), fcntl.LOCK_UN)

    def _opened(self) -> serial.Serial:
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                return self._open()
            if self._stop.wait(_LOCK_RETRY_S):
                break
        try:
            return self._open()
        except BlockingIOError as error:
            raise OSError(error.errno, "另一进程占用此串口 another process has this line") from error

    def _open(self) -> serial.Serial:
        """Raises BlockingIOError when somebody else holds the line, else OSError or termios.error."""
        try:
            return serial.Serial(self._device, self._baud, timeout=READ_S, exclusive=True)
        except serial.SerialException as error:
            if error.errno == errno.EWOULDBLOCK:
                raise BlockingIOError(error.errno, str(error)) from error
            raise

    def _read(self, port: serial.Serial, deliver: Callable[[GnssFix], None]) -> None:
        epochs, freshness = NmeaEpochs(self._counters), Freshness()
        partial = bytearray()
        begun = False
        heard_us, heard, noise = self._clock.boottime_us(), self.counters(), 0
        while not self._stop.is_set():
            data = port.read(max(1, port.in_waiting))
            now_us = self._clock.boottime_us()
            partial += data
            noise += len(data)
            if not begun:
                start = partial.find(b"$")  # the line was tapped in mid-sentence: that first rest is nobody's fault
                partial = partial[start:] if start >= 0 else bytearray()
                begun = start >= 0
            *lines, rest = bytes(partial).split(b"\n")
            partial = bytearray(rest[-_MAX_PARTIAL:])
            readings: list[Reading] = []
            for line in lines:
                readings += epochs.line(line, now_us)
            if not data:
                readings += epochs.idle()
            if self._counters.good > heard.good:
                heard_us, heard, noise = now_us, self.counters(), 0
                self._failure = None
            elif now_us - heard_us > SILENCE_US:
                self._fail(self._unheard(heard, noise), None)
            for reading in readings:
                self._judge(freshness.dated(reading), deliver)

    def _unheard(self, heard: GnssCounters, noise: int) -> str:
        """``heard``: the counters at the last whole sentence; ``noise``: bytes since."""
        seconds = SILENCE_US // 1_000_000
        if not noise:
            return f"{self._device}: 定位模块无数据 no sentence for {seconds} s"
        bad, unparsable = (
            self._counters.bad_checksum - heard.bad_checksum,
            self._counters.unparsable - heard.unparsable,
        )
        return (
            f"{self._device}: {seconds} 秒内只有乱码，波特率 {self._baud} 是否正确？ nothing but noise for {seconds} s: "
            f"is it {self._baud} baud? (bad_checksum {bad}, unparsable {unparsable})"
        )

    def _judge(self, fix: GnssFix, deliver: Callable[[GnssFix], None]) -> None:
        if self._plausibility.believes(fix):
            deliver(fix)
        else:
            self._counters.implausible += 1

    def _fail(self, message: str, errno: int | None) -> None:
        if self._failure is None:
            LOG.warning("gnss: %s", message)
        self._failure = DeviceError("gnss", message, errno)
