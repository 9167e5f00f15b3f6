"""One call on a thread of its own whose outcome the main thread looks for: what takes too long for a turn of the loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Begins at once. ``result`` or ``error`` is there when ``done`` is."""

    def __init__(self, act: Callable[[], T], name: str) -> None:
        self.result: T | None = None
        self.error: Exception | None = None
        self._act = act
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.result = self._act()
        except Exception as error:  # noqa: BLE001  # whoever looks for the outcome is told
            self.error = error
        finally:
            self._done.set()
