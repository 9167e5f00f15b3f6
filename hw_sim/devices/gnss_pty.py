"""The receiver's end of a pseudo-terminal: the driver under test opens the other end as it would /dev/ttyACM0."""

from __future__ import annotations

import logging
import os
import termios
import threading
import tty
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.devices.gnss_feed import Feed, spoiled

LOG = logging.getLogger(__name__)


class GnssPty:
    """``path`` is a link to the tty, as udev makes one: it survives unplugging, the tty behind it does not."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._change = threading.Condition()
        self._feed: Feed | None = None
        self._failure = "ok"
        self._closing = False
        self._restart = False
        self._master = self._slave = -1
        self._thread = threading.Thread(target=self._run, name="gnss-pty", daemon=True)

    def start(self, feed: Feed) -> None:
        self._feed = feed
        if self._failure != "off":
            self._plug()
        self._thread.start()

    def play(self, feed: Feed) -> None:
        """Go over to another feed, from its beginning."""
        with self._change:
            self._feed = feed
            self._restart = True
            self._change.notify()

    def set_failure(self, failure: str) -> None:
        with self._change:
            self._failure = failure
            if self._feed is None:
                return
            if failure == "off":
                self._unplug()
            elif self._master < 0:
                self._plug()
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closing = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join(3)
        with self._change:
            self._unplug()

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))

    def _unplug(self) -> None:
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1
        self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        n = 0
        begin_us = self._clock.boottime_us()
        kept: list[str] = []
        with self._change:
            while not self._closing:
                feed = self._feed
                assert feed is not None
                if self._restart:
                    self._restart, n, begin_us = False, 0, self._clock.boottime_us()
                wait_us = begin_us + round(feed.due_s(n) * 1e6) - self._clock.boottime_us()
                if wait_us > 0:
                    self._change.wait(wait_us / 1e6)
                    continue
                utc_us = self._clock.wall_us()
                if self._failure != "frozen" or not kept:
                    kept = feed.lines(n, utc_us)
                self._say(spoiled(kept, self._failure, utc_us))
                n += 1

    def _say(self, lines: list[str]) -> None:
        if self._master < 0 or not lines:
            return
        try:
            os.write(self._master, "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace"))
        except BlockingIOError:
            # Nobody reads. A serial line keeps no history: let the queue go, so that a later reader hears the present.
            termios.tcflush(self._slave, termios.TCIFLUSH)
        except OSError as error:
            LOG.warning("gnss pty: %s", error)
