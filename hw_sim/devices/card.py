"""The simulated card: the kernel's own calls, slowed down or refused as the world says. Nothing above them is made up."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from typing import Final, Literal

from hw_sim.world_keys import Value
from recorder.evidence.files import Kernel

LOG = logging.getLogger(__name__)

_STEP_S: Final = 0.05
_REFUSALS: Final = {"full": errno.ENOSPC, "read-only": errno.EROFS, "io-error": errno.EIO}


class SimulatedCard(Kernel):
    """``ports.Medium``. ``part``: what this process writes; the world's ``card.scope`` says whether only media or the
    journal, too, is on the card that fails."""

    def __init__(self, lookup: Callable[[str], Value], part: Literal["media", "journal"]) -> None:
        self._lookup = lookup
        self._part = part
        self._pause = threading.Event()

    def open(self, path: str, flags: int, mode: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            self._refuse("read-only", "io-error")
        return super().open(path, flags, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._refuse("full", "read-only", "io-error")
        return super().write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        self._refuse("read-only", "io-error")
        left_s = float(self._lookup("card.sync_ms")) / 1000
        while left_s > 0 and self._failure() == "slow":  # a card that recovers does so at once
            self._pause.wait(min(left_s, _STEP_S))
            left_s -= _STEP_S
        super().fdatasync(descriptor)

    def free_bytes(self, path: str) -> int:
        free_mb = float(self._lookup("card.free_mb"))
        return super().free_bytes(path) if free_mb < 0 else round(free_mb * 1e6)

    def _failure(self) -> str:
        concerned = self._part == "media" or self._lookup("card.scope") == "all"
        return str(self._lookup("card.failure")) if concerned else "ok"

    def _refuse(self, *failures: str) -> None:
        failure = self._failure()
        if failure in failures:
            number = _REFUSALS[failure]
            raise OSError(number, os.strerror(number))
