"""The state of pushed configurations in the unit process: in memory what is so, on the disk as soon as that takes it.

A disk that refuses once must not lose what was accepted: until it takes the state, and ``pushed.toml`` after it, both are
tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from recorder.config.pushed import PushedState
from recorder.unit.pushed_store import PushedStore

log = logging.getLogger("recorder.unit")

RETRY_US: Final = 5_000_000


class PushedKeeper:
    """``taken_up``: the layer on the disk is what the state says, and is to be read. ``trouble``: what the disk refused
    last, until it takes something again."""

    def __init__(self, store: PushedStore, taken_up: Callable[[], None]) -> None:
        self._store = store
        self._taken_up = taken_up
        self.state = store.load()
        self.trouble = "config/pushed.json" if store.damaged else ""
        self._state_due = False
        self._layer_due = False
        self._retry_at_us: int | None = None

    def heal(self) -> None:
        """A state that could not be read may be readable now: a card that failed once is no reason to forget it."""
        if self._store.damaged and not self._state_due:
            self._read_again()

    def _read_again(self) -> None:
        found = self._store.load()
        if not self._store.damaged:
            self.state = found.but(rejected=self.state.rejected)
            self.trouble = ""

    def remember(self, state: PushedState) -> None:
        """In memory only: it goes to the disk with what is saved next."""
        self.state = state

    def save(self, state: PushedState) -> None:
        self.state = state
        self._state_due = True
        self._write()

    def take_up(self) -> None:
        """Have pushed.toml hold what the state wants."""
        self._layer_due = True
        self._write()

    def retry(self, now_us: int) -> None:
        """Called again and again: what the disk refused is tried again every few seconds."""
        if not (self._state_due or self._layer_due):
            self._retry_at_us = None
        elif self._retry_at_us is None:
            self._retry_at_us = now_us + RETRY_US
        elif now_us >= self._retry_at_us:
            self._retry_at_us = now_us + RETRY_US
            self._write()

    def flush(self) -> None:
        if self._state_due or self._layer_due:
            self._write()

    def _write(self) -> None:
        """The state first: a start makes the layer from it."""
        try:
            if self._state_due:
                self._store.save(self.state)
                self._state_due = False
            if self._layer_due:
                self._store.write_layer(self.state.wanted)
                self._layer_due = False
                self._taken_up()
        except OSError as error:
            log.error("config.pushed", extra={"fields": {"error": str(error)}})
            self.trouble = str(error)
        else:
            self.trouble = ""
