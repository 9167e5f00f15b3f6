"""The installer: root, no network. Believes the signature alone, and looks at the unit itself.

Everything in the carrier's folder is a stranger's: read without following links, bounded, and copied into the installer's
own folder before it is looked at, so that what was verified is what is installed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

import msgspec

from recorder.evidence.files import Files, sync_dir
from recorder.update import installation as ins
from recorder.update import places
from recorder.update.gates import RECORDING, UNIT_SILENT, Conditions, GateLimits, closed
from recorder.update.installation import Installation, Note
from recorder.update.manifest import MAX_TEXT, Manifest, Refused
from recorder.update.probation import Before, Look, TrialLimits, look_at
from recorder.update.programs import Program, ProgramError

log = logging.getLogger("recorder.update")

LOOK_S: Final = 2.0
AGAIN_S: Final = 30.0
"""Pause after a step that failed: a journal that cannot be written, a program that does not work."""
INSTALL_TAKES: Final = 3
"""Times the artefact's size, while it is installed."""
ORDER_S: Final = 60.0
"""Between two orders that come to nothing: whoever writes them, journal and card are not kept busy with it."""
SILENT_US: Final = 120_000_000
"""A unit process that has not answered for so long records nothing: its own watchdog ends it much sooner. Shorter is a
start."""


class Unit(Protocol):
    """The unit process, as the installer sees it."""

    def look(self) -> Look: ...

    def idle_now(self) -> bool:
        """Asked of the process itself, not of its status file: whether no recording runs."""

    def note(self, note: Note) -> bool:
        """Whether the journal has it durably."""


class Installer:
    """``verify(text)``: a manifest, against the pinned key, this board and the version that runs. ``minute``: of the day.
    ``own_version``: of this process. One thread."""

    def __init__(
        self,
        files: Files,
        carrier_dir: Path,
        root_dir: Path,
        verify: Callable[[str], Manifest | Refused],
        unit: Unit,
        programs: Mapping[str, Program],
        gates: GateLimits,
        trial: TrialLimits,
        minute: Callable[[], int],
        own_version: str,
    ) -> None:
        self._files = files
        self._carrier_dir = carrier_dir
        self._root_dir = root_dir
        self._verify = verify
        self._unit = unit
        self._programs = programs
        self._gates = gates
        self._trial = trial
        self._minute = minute
        self._own_version = own_version
        self._silent_since_us: int | None = None
        self._spent = False
        self._state = places.load(files, root_dir / places.STATE, Installation, Installation())

    @property
    def state(self) -> Installation:
        return self._state

    def turn(self) -> float | None:
        """One step. Seconds until the next; None: at rest, and no order. Raises OSError of this unit's card."""
        step = ins.due(self._state)
        if step == "rest":
            # Whether a version is newer is for a process of the version that runs now; systemd starts one for an order.
            if self._spent or not self._take_order():
                # Left by a power cut behind the last step, it would have systemd start this again and again.
                self._at_rest()
                return None
            return 0.0 if self._state.phase == "prepared" else ORDER_S
        if step == "note":
            return self._note()
        if step == "install":
            return self._install()
        if step == "restart":
            return self._restart()
        if step == "watch":
            look = self._unit.look()
            trial, verdict = look_at(self._state.trial, look, self._state.before, self._state.version, self._trial)
            self._become(ins.watched(self._state, trial, verdict))
            return LOOK_S if self._state.phase == "probation" else 0.0
        return self._commit() if step == "commit" else self._roll_back()

    # --- the order ---------------------------------------------------------------------------------------------------

    def _take_order(self) -> bool:
        path = self._carrier_dir / places.ORDER
        try:
            raw = read_bounded(path, 4096)
        except FileNotFoundError:
            return False
        except OSError as error:
            log.error("update.order", extra={"fields": {"error": str(error)}})
            self._remove(path)
            return True
        try:
            order = msgspec.json.decode(raw, type=places.Order)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("update.order", extra={"fields": {"error": str(error)[:200]}})
            self._remove(path)
            return True
        if order.id != self._state.order_id:
            self._begin(order)
        self._remove(path)
        return True

    def _begin(self, order: places.Order) -> None:
        look = self._unit.look()
        cameras = look.status.get("cameras")
        ready = tuple(
            sorted(
                name
                for name, camera in (cameras.items() if isinstance(cameras, Mapping) else ())
                if isinstance(camera, Mapping) and camera.get("ready") is True
            )
        )
        before = Before(str(look.status.get("version", "")), ready, tuple(map(str, look.status.get("faults") or ())))
        manifest: Manifest | Refused
        try:
            text = read_bounded(self._carrier_dir / places.MANIFEST, MAX_TEXT).decode("ascii", "replace")
            manifest = self._verify(text)
        except OSError as error:
            manifest = Refused("update-unreadable", "升级清单无法读取", f"the manifest cannot be read: {error}"[:200])
        if isinstance(manifest, Refused):
            self._become(ins.refused(self._state, order.id, manifest, before, "", ""))
            return
        needed = (1 + INSTALL_TAKES) * manifest.size
        gates = closed(self._conditions(self._programs[manifest.kind], before.version, needed), self._gates)
        if gates:
            self._become(ins.not_begun(self._state, order.id, gates[0]))
            return
        trouble = self._copy(manifest)
        if trouble is not None:
            version, digest = manifest.version, manifest.sha256
            self._become(ins.refused(self._state, order.id, trouble, before, version, digest))
            return
        self._become(ins.ordered(self._state, order.id, manifest, before))

    def _copy(self, manifest: Manifest) -> Refused | None:
        """The artefact into the own folder, its digest taken of the very bytes that are written there."""
        to = self._artefact
        digest, left = hashlib.sha256(), manifest.size
        try:
            source = open_regular(self._carrier_dir / places.ARTEFACT)
            try:
                target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    while block := os.read(source, min(1 << 20, left + 1)):
                        left -= len(block)
                        if left < 0:
                            break
                        digest.update(block)
                        view = memoryview(block)
                        while view:
                            view = view[os.write(target, view) :]
                    os.fsync(target)
                finally:
                    os.close(target)
            finally:
                os.close(source)
            sync_dir(to.parent)
        except OSError as error:
            return Refused("update-unreadable", "升级文件无法读取", f"the artefact cannot be copied: {error}"[:200])
        if left or digest.hexdigest() != manifest.sha256:
            to.unlink(missing_ok=True)
            return Refused("update-digest", "升级文件与签名清单不符", "the artefact is not what was signed")
        return None

    # --- steps -------------------------------------------------------------------------------------------------------

    def _note(self) -> float:
        note = self._state.notes[0]
        if self._unit.note(note):
            self._become(ins.noted(self._state, note))
            return 0.0
        if self._state.phase == "prepared" and not self._unit.look().fresh:
            self._become(ins.put_off(self._state, UNIT_SILENT))
        return AGAIN_S

    def _install(self) -> float:
        state, program = self._state, self._programs[self._state.kind]
        if state.phase == "prepared":
            size = self._files.size(self._artefact) or 0
            gates = closed(self._conditions(program, state.before.version, INSTALL_TAKES * size), self._gates)
            if not gates and not self._unit.idle_now():
                gates = (RECORDING,)
            if gates:
                self._become(ins.put_off(state, gates[0]))
                return ORDER_S
        elif self._recording():
            return LOOK_S
        self._become(ins.begun(state))
        try:
            program.install(self._artefact)
        except (ProgramError, OSError) as error:
            log.error("update.install", extra={"fields": {"error": str(error)[:500]}})
            why = Refused("install", f"安装失败：{error}"[:200], f"the installation failed: {error}"[:300])
            self._become(ins.went_wrong(self._state, why))
            return AGAIN_S
        self._become(ins.put_in(self._state, self._unit.look().boot_id))
        return 0.0

    def _restart(self) -> float:
        look, program = self._unit.look(), self._programs[self._state.kind]
        if look.boot_id != self._state.trial.boot_id:
            self._become(ins.restarted(self._state))
            return 0.0
        # The old version still runs: one that does not say that it is idle may be recording.
        if program.reboots and not (look.fresh and idle(look) and self._unit.idle_now()):
            return LOOK_S
        try:
            reboots = program.start()
        except (ProgramError, OSError) as error:
            log.error("update.start", extra={"fields": {"error": str(error)[:500]}})
            return AGAIN_S
        if reboots:
            return AGAIN_S  # the next start of this process finds another boot
        self._become(ins.restarted(self._state))
        return 0.0

    def _commit(self) -> float:
        try:
            self._programs[self._state.kind].commit(self._artefact, self._state.version)
        except (ProgramError, OSError) as error:
            log.error("update.commit", extra={"fields": {"error": str(error)[:500]}})
            return AGAIN_S
        self._become(ins.committed(self._state))
        self._spent = True
        return 0.0

    def _roll_back(self) -> float:
        state, look = self._state, self._unit.look()
        if look.fresh:
            self._silent_since_us = None
            if not (idle(look) and self._unit.idle_now()):
                return LOOK_S
        else:
            self._silent_since_us = since = self._silent_since_us or look.now_us
            if look.now_us - since < SILENT_US:
                return LOOK_S
        try:
            program = self._programs[state.kind]
            if not program.roll_back(state.before.version, self._own_version, answers=look.fresh):
                return AGAIN_S  # the machine starts anew
        except (ProgramError, OSError) as error:
            log.error("update.roll-back", extra={"fields": {"error": str(error)[:500]}})
            return AGAIN_S
        self._artefact.unlink(missing_ok=True)
        self._become(ins.rolled_back(state))
        self._spent = True
        return 0.0

    def _recording(self) -> bool:
        look = self._unit.look()
        return look.fresh and not idle(look)

    def _conditions(self, program: Program, version: str, needed_bytes: int) -> Conditions:
        look = self._unit.look()
        return Conditions(
            status=look.status,
            fresh=look.fresh,
            free_bytes=self._files.free_bytes(self._root_dir),
            needed_bytes=needed_bytes,
            minute=self._minute(),
            way_back=program.way_back(version),
        )

    @property
    def _artefact(self) -> Path:
        return self._root_dir / places.ARTEFACT

    def _become(self, state: Installation) -> None:
        if state == self._state:
            return
        unfinished = self._root_dir / places.UNFINISHED
        rests = ins.due(state) == "rest"
        if not rests and self._files.size(unfinished) is None:
            self._files.replace(unfinished, b"")
        places.save(self._files, self._root_dir / places.STATE, state)
        if rests:
            self._at_rest()
        self._state = state

    def _at_rest(self) -> None:
        unfinished = self._root_dir / places.UNFINISHED
        if self._files.size(unfinished) is not None:
            self._files.remove(unfinished)

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_dir(path.parent)


def idle(look: Look) -> bool:
    """Whether the unit's word is that no recording runs."""
    return look.status.get("recording") is False and look.status.get("session_id") is None


def open_regular(path: Path) -> int:
    """A descriptor of a plain file; no link is followed, no pipe waited for. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{path}: 不是普通文件 not a plain file")
    return fd


def read_bounded(path: Path, most: int) -> bytes:
    """The whole of a plain file of at most ``most`` bytes. Raises OSError."""
    fd = open_regular(path)
    try:
        data = b""
        while block := os.read(fd, most + 1 - len(data)):
            data += block
    finally:
        os.close(fd)
    if len(data) > most:
        raise OSError(f"{path}: 过长 longer than {most} bytes")
    return data
