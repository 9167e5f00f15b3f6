"""What a power cut leaves of a push at any instant, the next start finishes: the state is the truth, the layer follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.config import pushed
from recorder.config.last_good import PUSHED
from recorder.config.pushed import Push, PushedState, Why
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.unit.pushed_store import STATE, PushedStore

WHY = Why(code="faults", zh="故障", en="faults")


class PowerCut(Exception):
    pass


class CutFiles(OsFiles):
    """The power goes before the ``left``-th change of the disk."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def _step(self) -> None:
        if self.left == 0:
            raise PowerCut
        self.left -= 1

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        self._step()
        super().replace(path, data, mode)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)


def push(version: int) -> Push:
    text = f"[night]\ndwell_s = {version}\n"
    return Push(version=version, jti=str(version), digest=sha256_b64u(text.encode()), toml=text)


def layer(data_dir: Path) -> str | None:
    path = data_dir / PUSHED
    return path.read_text() if path.exists() else None


@pytest.fixture
def proven(tmp_path: Path) -> PushedStore:
    store = PushedStore(OsFiles(), tmp_path)
    state = pushed.proven(pushed.in_force(pushed.accepted(PushedState(), push(1), ("cam0",))))
    store.save(state)
    store.write_layer(state.wanted)
    return store


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("back", [False, True])
def test_a_cut_at_any_step_of_taking_up_or_taking_back(
    proven: PushedStore, tmp_path: Path, steps: int, back: bool
) -> None:
    cut = PushedStore(CutFiles(steps), tmp_path)
    try:
        state = pushed.accepted(cut.load(), push(2), ("cam0",))
        cut.save(state)
        cut.write_layer(state.wanted)
        if back:
            state = pushed.failed(state, WHY)
            cut.save(state)
            cut.write_layer(state.wanted)
    except PowerCut:
        pass
    proven.settle(3)
    state = proven.load()
    assert not proven.damaged and state.wanted is not None
    assert layer(tmp_path) == state.wanted.toml, "the files say what the state says"
    done = 0 if steps == 0 else 2 if not back or steps < 3 else 1
    assert state.wanted.version == (done or 1)
    assert proven.settle(3) is False, "and nothing is left to do"


def test_starts_without_an_orderly_end_take_it_back_before_it_is_used(proven: PushedStore, tmp_path: Path) -> None:
    state = pushed.accepted(proven.load(), push(2), ())
    proven.save(state)
    assert proven.settle(2) is True and layer(tmp_path) == push(2).toml
    assert proven.settle(2) is False and proven.settle(2) is True
    assert layer(tmp_path) == push(1).toml
    state = proven.load()
    assert state.outcome == "rolled-back" and state.unrecorded == push(2)


def test_back_to_nothing_removes_the_layer(tmp_path: Path) -> None:
    store = PushedStore(OsFiles(), tmp_path)
    state = pushed.accepted(PushedState(), push(1), ())
    store.save(state)
    store.write_layer(state.wanted)
    store.save(pushed.failed(state, WHY))
    assert store.settle(3) is True and layer(tmp_path) is None


def test_a_layer_nobody_pushed_stays(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / PUSHED).write_text("[night]\n")
    store = PushedStore(OsFiles(), tmp_path)
    assert store.settle(3) is False and layer(tmp_path) == "[night]\n" and not store.damaged
    (tmp_path / STATE).write_text('{"ver": 1, "highest": -1}')
    assert store.settle(3) is False and layer(tmp_path) == "[night]\n" and store.damaged
