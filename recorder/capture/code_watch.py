"""Reads a QR code held before the lens, in a worker that has better things to do.

Only while the unit process asks for it, twice a second at most, on a subsampled copy of the luma, on a thread of its own
that exists only so long. The camera thread copies one plane (1080p: 0.5 MB) into a buffer that is kept; if the reader is
still busy with the one before, it copies nothing. The reader's library is loaded with the first look.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from firmware_bridge.ports import Clock, Plane

LOG = logging.getLogger(__name__)

INTERVAL_US: Final = 500_000
SMALL_WIDTH: Final = 960
"""Pixels. A code that fills a third of the height has 3 or more of them to a module then; more cost time only."""

TEXT_MOST: Final = 4096
_LOOK_S: Final = 0.5

Decoder: TypeAlias = Callable[[Plane], list[str]]
"""Texts of the QR codes in a luma plane."""


def load_decoder() -> Decoder:
    """zxing-cpp's reader. Imported here: most workers never look at a code."""
    import zxingcpp

    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)

    def decode(luma: Plane) -> list[str]:
        found = zxingcpp.read_barcodes(luma, formats=formats, try_downscale=False)
        return [code.text for code in found if code.valid]

    return decode


def subsampled(luma: Plane) -> Plane:
    """A view of every n-th pixel both ways, at most ``SMALL_WIDTH`` wide."""
    step = -(-luma.shape[1] // SMALL_WIDTH)
    return luma[::step, ::step]


class CodeWatch:
    """``report`` gets each text once per window. ``until`` from the link's thread, ``offer`` from the camera's."""

    def __init__(
        self,
        clock: Clock,
        report: Callable[[str], None],
        failed: Callable[[str], None],
        load: Callable[[], Decoder] = load_decoder,
    ) -> None:
        self._clock = clock
        self._report = report
        self._failed = failed
        self._load = load
        self._changed = threading.Condition()
        self._until_us = 0
        self._next_us = 0
        self._buffer: Plane | None = None
        self._full = False
        self._thread: threading.Thread | None = None

    def until(self, until_us: int) -> None:
        """Look until boot-time ``until_us``."""
        with self._changed:
            self._until_us = until_us
            self._changed.notify_all()
            if self._thread is None and until_us > self._clock.boottime_us():
                self._thread = threading.Thread(target=self._run, name="code-watch", daemon=True)
                self._thread.start()

    def offer(self, luma: Plane, timestamp_us: int) -> None:
        """A frame is there; costs a comparison unless it is wanted. Called before anything is painted into it."""
        if timestamp_us >= self._until_us or timestamp_us < self._next_us or self._full:
            return
        with self._changed:
            self._next_us = timestamp_us + INTERVAL_US
            small = subsampled(luma)
            if self._buffer is None or self._buffer.shape != small.shape:
                self._buffer = np.empty(small.shape, np.uint8)
            np.copyto(self._buffer, small)
            self._full = True
            self._changed.notify_all()

    def _run(self) -> None:
        seen: set[str] = set()
        try:
            decode = self._load()
            while (luma := self._next()) is not None:
                for text in decode(luma):
                    if text not in seen and len(text) <= TEXT_MOST and len(seen) < 64:
                        seen.add(text)
                        self._report(text)
                with self._changed:
                    self._full = False
        except Exception as error:  # an officer can sign in by other ways; the picture must not suffer
            LOG.exception("code watch failed 二维码识别出错")
            self._failed(f"{type(error).__name__}: {error}")
            with self._changed:
                self._until_us = 0
                self._ended()

    def _ended(self) -> None:
        self._thread, self._buffer, self._full = None, None, False

    def _next(self) -> Plane | None:
        """The next plane to read. None when the window is over; then this thread is not the watch's any more, so that a
        window that opens now gets one of its own."""
        with self._changed:
            while self._clock.boottime_us() < self._until_us:
                if self._full:
                    return self._buffer
                self._changed.wait(_LOOK_S)
            self._ended()
        return None
