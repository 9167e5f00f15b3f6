"""The agency store's public key as the unit process believes it: read again when its file appears, changes or goes.

Enrolment may come while the unit runs, and a store may get a new key: neither should need a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from recorder.evidence.p256 import PublicKey
from recorder.evidence.receipts import ReceiptCheck, StoreKeyError, load_store_key

log = logging.getLogger("recorder.unit")

_Stamp = tuple[int, int, int]


class StoreKey(Protocol):
    """``check``: what judges receipts with the key there is now; None without a usable key, and then nothing is believed
    and nothing ever released."""

    check: ReceiptCheck | None

    def look(self) -> bool:
        """Whether ``check`` is another one than before."""


class StoreKeyFile:
    """:class:`StoreKey` from the trust folder."""

    def __init__(self, path: Path, make: Callable[[PublicKey], ReceiptCheck]) -> None:
        self._path = path
        self._make = make
        self._stamp: _Stamp | None = None
        self._looked = False
        self.check: ReceiptCheck | None = None

    def look(self) -> bool:
        """Whether ``check`` is another one than before. Costs a ``stat`` while nothing changes."""
        stamp, problem = self._stat()
        if self._looked and stamp == self._stamp:
            return False
        self._stamp, self._looked = stamp, True
        before, self.check = self.check, None
        if stamp is not None:
            try:
                self.check = self._make(load_store_key(self._path.read_bytes(), str(self._path)))
            except (OSError, StoreKeyError) as error:
                problem = str(error)
        if self.check is None:
            log.error("trust.store-key", extra={"fields": {"path": str(self._path), "error": problem}})
        return before is not None or self.check is not None

    def _stat(self) -> tuple[_Stamp | None, str]:
        try:
            state = self._path.stat()
        except OSError as error:
            return None, str(error)
        return (state.st_ino, state.st_mtime_ns, state.st_size), ""
