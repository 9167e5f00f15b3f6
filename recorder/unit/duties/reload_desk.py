"""Taking up a changed configuration without stopping: SIGHUP (``systemctl reload``) or ``recorder ctl reload``.

Read and checked by a thread of its own (on a small board that takes half a second the signing must not lose), judged here,
applied at a segment boundary. Whatever is wrong with the new one refuses it as a whole: the old one stays in force, and
both outcomes are ``config`` records.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recorder.config.changes import AT_ONCE, WHEN_IDLE, Effect, changes, mixed, waiting
from recorder.config.load import Loaded, canonical, save_last_good
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Config, Event, Record, SegmentOpen
from recorder.session.reload import PendingReload
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices
from recorder.unit.events import ReloadRequested, UnitEvent

log = logging.getLogger("recorder.unit")

READING = "reload"
"""Name of the thread that reads."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Of one reading. ``error``: nothing could be read at all."""

    loaded: Loaded | None = None
    error: str = ""


class ReloadDesk(Duty):
    name = "reload"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._pending: PendingReload[Loaded] = PendingReload()
        self._result: _Read | None = None
        """Written by the reading thread, taken by the main one."""
        self._thread: threading.Thread | None = None
        self._again = False
        self._restart_asked = False
        self._objected = False
        """The journal's last word on the configuration is that one was not taken as it is."""

    def commands(self) -> Mapping[str, Command]:
        return {"reload": self._reload}

    def handle(self, event: UnitEvent) -> None:
        if isinstance(event, ReloadRequested):
            self._begin()

    def observe(self, record: Record) -> None:
        if isinstance(record, SegmentOpen):
            self._pending.segment_opened()
        elif isinstance(record, Config):
            self._objected = record.status != "applied"

    def tick(self, now_us: int) -> None:
        result, self._result = self._result, None
        if result is not None:
            self._thread = None
            self._judge(result)
            if self._again:
                self._again = False
                self._begin()
        pending = self._pending
        parts = self._unit.p
        down = parts.reloading.urgent and any(not camera.ready for camera in parts.cameras.values())
        pending.look(now_us, recording=parts.machine.session_id is not None, down=down)
        if pending.take_boundary():
            self._apply(AT_ONCE)
        if pending.take_idle():
            self._apply(WHEN_IDLE)
        if pending.is_left and pending.is_quiet:
            self._restart_if_needed()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join(2)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _reload(self, message: dict[str, Any]) -> Answer:
        """Answered when the reading has begun: what came of it is in the status and in the journal."""
        if not self._begin():
            return refusal(
                "no-reload", "本设备没有可重新读取的配置文件", "there are no configuration files to read again"
            )
        return {"ok": True}

    def _begin(self) -> bool:
        read = self._unit.p.reloading.read
        if read is None:
            return False
        if self._thread is not None:
            self._again = True
        else:
            self._thread = threading.Thread(target=self._read, args=(read,), name=READING, daemon=True)
            self._thread.start()
        return True

    def _read(self, read: Callable[[], Loaded]) -> None:
        try:
            self._result = _Read(read())
        except Exception as error:  # whatever the files hold, the recording goes on with what it has (promise 1)
            log.exception("config.unreadable")
            self._result = _Read(error=f"配置无法读取 the configuration cannot be read: {error}")

    # --- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, result: _Read) -> None:
        known = self._unit.p.reloading
        loaded = result.loaded
        if loaded is None:
            self._refuse((result.error,))
            return
        before = () if known.loaded is None else known.loaded.errors
        news = tuple(error for error in loaded.errors if error not in before)
        # A setting that had to be set aside is one the admin wanted otherwise: at a start the rest is better than nothing,
        # here what is in force is.
        if news or loaded.status != "applied":
            self._refuse(news or loaded.errors)
        elif loaded.sha256 == known.sha256 and self._pending.target is None:
            known.loaded, known.status, known.errors = loaded, "applied", ()
            log.info("config.unchanged", extra={"fields": {"sha256": loaded.sha256}})
            if self._objected:  # it is over: what the files say and what is in force are the same again
                self._record(loaded)
        else:
            self._accept(loaded)

    def _accept(self, loaded: Loaded) -> None:
        known = self._unit.p.reloading
        changed = changes(self._unit.p.config, loaded.config)
        known.loaded, known.status, known.errors = loaded, "waiting", ()
        known.waiting = tuple(change.name for change in changed)
        log.info("config.accepted", extra={"fields": {"sha256": loaded.sha256, "changes": list(known.waiting)}})
        self._pending.accept(loaded)
        # So that the running segment ends in time, and the next one is the first with the new length.
        self._unit.announce(mixed(self._unit.p.config, loaded.config, AT_ONCE))

    def _refuse(self, errors: tuple[str, ...]) -> None:
        known = self._unit.p.reloading
        known.status, known.errors = "refused", errors
        layers = () if known.loaded is None else known.loaded.layer_names
        log.error("config.refused", extra={"fields": {"errors": list(errors)}})
        self._unit.write(Config(sha256=known.sha256, layers=layers, status="refused", errors=errors))

    # --- applying ----------------------------------------------------------------------------------------------------

    def _apply(self, effects: frozenset[Effect]) -> None:
        unit, known, loaded = self._unit, self._unit.p.reloading, self._pending.target
        assert loaded is not None
        old = unit.p.config
        changed = changes(old, loaded.config)
        left = waiting(changed, effects)
        if len(left) < len(changed):
            new = mixed(old, loaded.config, effects)
            known.sha256 = sha256_b64u(canonical(new))
            self._record(loaded)
            unit.reconfigure(new, restart_workers="idle" in effects and any(c.effect == "idle" for c in changed))
        elif self._objected:  # nothing of it takes effect now, and yet nothing is wrong with the files any more
            self._record(loaded)
        known.waiting = tuple(change.name for change in left)
        if left:
            return
        known.status = "applied"
        self._pending.target = None
        try:
            save_last_good(unit.p.files, loaded)
        except OSError as error:
            log.error("config.last-good", extra={"fields": {"error": str(error)}})

    def _record(self, loaded: Loaded) -> None:
        """What is in force, and that the files in their present state were accepted."""
        sha256 = self._unit.p.reloading.sha256
        self._unit.write(Config(sha256=sha256, layers=loaded.layer_names, status="applied", errors=loaded.errors))

    def _restart_if_needed(self) -> None:
        """What only a new process can take up, while nothing is recorded: it ends in order and is started again."""
        known = self._unit.p.reloading
        if self._restart_asked or not known.restarts:
            return  # nobody would start it again: the status says what waits
        self._restart_asked = True
        detail = {"changes": list(known.waiting)}
        self._unit.write(Event(event="unit-restart", at_us=self._unit.now_us(), detail=detail))
        self._unit.restart()
