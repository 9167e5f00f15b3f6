"""The admin's roll-outs on the disk: one JSON file each, replaced in one step, so that any of them can be taken up again.

They are also the archive of what was ever sent: a unit reports the digest of its layer, and the text is found here.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from recorder.evidence.config_order import MAX_LEAP
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.fleet.rollout import Rollout, sent_version
from recorder.fleet.settings import FleetError

_ID: Final = re.compile(r"^[0-9a-z-]{1,64}$")
SUFFIX: Final = ".json"
TURN_S: Final = 60.0
"""So long another roll-out is waited for that sends: a batch takes a second or two, and each batch is a turn."""
_LOOK_S: Final = 0.05


def default_folder() -> Path:
    """XDG Base Directory Specification: state that outlives a session and is worth little elsewhere."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "recorder" / "rollouts"


class RolloutFiles:
    """One folder of them. Methods raise FleetError naming the file. ``turn_s``: patience of :meth:`in_turn`, seconds."""

    def __init__(self, folder: Path, files: Files, turn_s: float = TURN_S) -> None:
        self._folder = folder
        self._files = files
        self._turn_s = turn_s

    def save(self, rollout: Rollout) -> None:
        try:
            self._files.make_dir(self._folder)
            self._files.replace(self._path(rollout.plan.rollout_id), rollout.model_dump_json(indent=1).encode("utf-8"))
        except OSError as error:
            raise FleetError(f"无法写入 {self._folder}：{error}", f"cannot write {self._folder}: {error}") from error

    def load(self, rollout_id: str) -> Rollout:
        path = self._path(rollout_id)
        try:
            return Rollout.model_validate_json(self._files.read(path))
        except OSError as error:
            raise FleetError(f"没有下发任务 {rollout_id}：{error}", f"no roll-out {rollout_id}: {error}") from error
        except ValidationError as error:
            count = error.error_count()
            raise FleetError(f"{path}: 内容损坏（{count} 处）", f"{path}: damaged ({count} findings)") from error

    def all(self) -> list[Rollout]:
        """Oldest first."""
        names = [name.removesuffix(SUFFIX) for name in self._files.names(self._folder) if name.endswith(SUFFIX)]
        found = [self.load(name) for name in names if _ID.match(name)]
        return sorted(found, key=lambda each: (each.plan.created_at, each.plan.rollout_id))

    def newest(self) -> Rollout:
        rollouts = self.all()
        if not rollouts:
            raise FleetError("还没有下发任务", "there is no roll-out yet")
        return rollouts[-1]

    def texts(self) -> dict[str, str]:
        """Every text ever sent, by its digest."""
        found = {"": ""}
        for rollout in self.all():
            for text in (rollout.plan.toml, *(each.before for each in rollout.members if each.before is not None)):
                found[sha256_b64u(text.encode("utf-8"))] = text
        return found

    def versions(self) -> dict[str, int]:
        """The newest version each unit was sent from here, or may be sent yet."""
        found: dict[str, int] = {}
        for rollout in self.all():
            for member in rollout.members:
                found[member.unit_id] = max(found.get(member.unit_id, 0), member.back_version)
        return found

    def newest_of_others(self, rollout: Rollout) -> dict[str, int]:
        """By unit of ``rollout``, the newest version any other roll-out has sent it. Not one so far ahead that the unit
        would refuse it (``MAX_LEAP``): that was before it was set up anew, and its versions began again below that."""
        found = {member.unit_id: 0 for member in rollout.members}
        limits = {member.unit_id: member.version + MAX_LEAP for member in rollout.members}
        for other in self.all():
            for member in other.members if other.plan.rollout_id != rollout.plan.rollout_id else ():
                version = sent_version(member)
                if version is not None and found.get(member.unit_id, version) < version < limits[member.unit_id]:
                    found[member.unit_id] = version
        return found

    @contextmanager
    def taken_up(self, rollout_id: str | None) -> Iterator[Rollout]:
        """That roll-out, or the newest, :meth:`alone`: nothing that another process wrote of it is missing."""
        found = self.load(rollout_id) if rollout_id else self.newest()
        with self.alone(found.plan.rollout_id):
            yield self.load(found.plan.rollout_id)

    @contextmanager
    def alone(self, rollout_id: str) -> Iterator[None]:
        """While two of them ran the same roll-out, each would undo what the other wrote: held from before it is read
        until after it was written last."""
        self._path(rollout_id)
        runs = FleetError(f"下发任务 {rollout_id} 正由另一进程执行", f"roll-out {rollout_id} runs already")
        with self._locked(f".{rollout_id}.lock", runs, 0.0):
            yield

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Of all roll-outs of the folder one at a time: from the look at what the others have sent, or may send, until
        what comes of it is written down or sent. Whoever waits is next: the one that is at it and wants another turn
        queues behind him, at the gate he holds. Not to be nested."""
        sends = FleetError(
            f"另一项下发任务正在下发，等待 {self._turn_s:g} 秒后放弃；稍后用 resume 继续",
            f"another roll-out is sending; given up after {self._turn_s:g} s; resume later",
        )
        with ExitStack() as held:
            with self._locked(".all_gate.lock", sends, self._turn_s):
                held.enter_context(self._locked(".all_turn.lock", sends, self._turn_s))
            yield

    @contextmanager
    def _locked(self, name: str, busy: FleetError, patience_s: float) -> Iterator[None]:
        """The lock is the kernel's: it ends with the process that holds it, however that ends."""
        self._files.make_dir(self._folder)
        fd, pause = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), threading.Event()
        try:
            for looks_left in range(round(patience_s / _LOOK_S), -1, -1):
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if not looks_left:
                        raise busy from error
                pause.wait(_LOOK_S)
            yield
        finally:
            os.close(fd)

    def _path(self, rollout_id: str) -> Path:
        if not _ID.match(rollout_id):
            raise FleetError(f"下发任务编号 {rollout_id!r} 无效", f"{rollout_id!r} is no id of a roll-out")
        return self._folder / f"{rollout_id}{SUFFIX}"
