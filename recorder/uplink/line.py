"""The line the store is reached by: which one it is, whether it has become another, and the cap on what goes over it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from recorder.uplink.link_watch import LinkWatch, Way
from recorder.uplink.links import Link
from recorder.uplink.pacing import TokenBucket
from recorder.uplink.sending import BLOCK

log = logging.getLogger("recorder.uplink")
PRESS_LOOK_US: Final = 30_000_000


class Line:
    """``watch`` tells which line it is. ``max_kb_s``: the cap, 1000 bytes a second, 0: none. ``presses``: whether little
    time is left to anything that has to be sent. The caller waits; nothing here does."""

    def __init__(self, watch: LinkWatch, max_kb_s: int, presses: Callable[[], bool], now_us: int) -> None:
        self._watch = watch
        self._presses = presses
        self._bucket = TokenBucket(max_kb_s * 1000.0, BLOCK, now_us) if max_kb_s else None
        self._paced = 0
        self._pressing = False
        self._press_look_us = 0

    @property
    def way(self) -> Way:
        return self._watch.way

    def look(self, now_us: int, peer: str | None) -> bool:
        """Whether the store is reached another way than before. ``peer``: of the last connection to it."""
        changed = self._watch.look(now_us, peer)
        if changed:
            way = self.way
            log.info("uplink.link", extra={"fields": {"interface": way.interface, "class": way.link.value}})
        return changed

    def pause_s(self, sent: int, now_us: int) -> float:
        """Seconds to wait before the next block. ``sent``: bytes of all uploads so far; what has come since the last look
        is waited for, except at the dock, and except while something presses: what a line is spared is no reason to be
        late."""
        since, self._paced = sent - self._paced, sent
        if self._bucket is None or self.way.link is Link.DOCK or self._something_presses(now_us):
            return 0.0
        return self._bucket.take(since, now_us)

    def _something_presses(self, now_us: int) -> bool:
        """Looked at now and then: blocks are many, and so may segments be."""
        if now_us >= self._press_look_us:
            self._press_look_us = now_us + PRESS_LOOK_US
            self._pressing = self._presses()
        return self._pressing
