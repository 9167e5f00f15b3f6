"""What was pushed from afar, on the disk: ``<data_dir>/config/pushed.json`` is the truth, ``pushed.toml`` follows from it.

Every step is one file replaced in one step, the state first. Whatever a power cut leaves undone, :meth:`PushedStore.settle`
does at the next start, before the configuration is used.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from recorder.config.last_good import PUSHED
from recorder.config.pushed import Push, PushedState, process_started
from recorder.evidence.files import Files

log = logging.getLogger("recorder.unit")

STATE: Final = Path("config") / "pushed.json"


class PushedStore:
    """The unit process's alone. Every method but :meth:`load` may raise OSError."""

    def __init__(self, files: Files, data_dir: Path) -> None:
        self._files = files
        self._data_dir = data_dir
        self.damaged = False
        """The state was there and could not be read: what is in force stays, and is not known to be anybody's."""

    def load(self) -> PushedState:
        """Never raises: what cannot be read is as if nothing had been pushed, and is told."""
        self.damaged = False
        path = self._data_dir / STATE
        try:
            return PushedState.model_validate_json(self._files.read(path))
        except (FileNotFoundError, NotADirectoryError):
            return PushedState()
        except (OSError, ValidationError) as error:
            self.damaged = True
            log.error("config.pushed-state", extra={"fields": {"path": str(path), "error": str(error)[:300]}})
            return PushedState()

    def save(self, state: PushedState) -> None:
        path = self._data_dir / STATE
        self._files.make_dir(path.parent)
        self._files.replace(path, state.model_dump_json().encode("utf-8"))
        self.damaged = False

    def write_layer(self, wanted: Push | None) -> bool:
        """pushed.toml as the state has it; True when it was otherwise."""
        path = self._data_dir / PUSHED
        present = self._files.size(path) is not None
        if wanted is None:
            if present:
                self._files.remove(path)
            return present
        text = wanted.toml.encode("utf-8")
        if present and self._files.read(path) == text:
            return False
        self._files.make_dir(path.parent)
        self._files.replace(path, text)
        return True

    def settle(self, most_starts: int) -> bool:
        """At a start of the unit process: count it, take back what the unit does not stay up with, finish what was begun.
        True when pushed.toml changed, so that the configuration has to be read again."""
        state = self.load()
        if self.damaged or state.last is None:
            return False  # a pushed.toml without a state of ours stays what it is
        started = process_started(state, most_starts)
        if started != state:
            self.save(started)
        return self.write_layer(started.wanted)
