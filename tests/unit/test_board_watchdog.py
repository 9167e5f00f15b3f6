"""The duty that feeds the board's watchdog: while the recorder does what it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from firmware_bridge.ports import DeviceError
from recorder.unit.events import Shutdown
from tests.unit.unit_kit import UnitKit

SECOND = 1_000_000


class Dog:
    """``ports.Watchdog``."""

    def __init__(self) -> None:
        self.fed = 0
        self.error: DeviceError | None = None

    def feed(self) -> None:
        if self.error is not None:
            raise self.error
        self.fed += 1

    def close(self) -> None:
        self.fed = -1


class Bench(UnitKit):
    def __init__(self, data_dir: Path, **watchdog: float) -> None:
        settings = {"reset_after_s": 10, "min_uptime_s": 20, **watchdog}
        super().__init__(data_dir, sections={"watchdog": settings})
        self.dog = Dog()
        cast(Any, self.unit.p.board).watchdog = self.dog
        self.frames = 0

    def live(self, seconds: int, *, frames: bool = True) -> int:
        """Feedings in so many seconds."""
        before = self.dog.fed
        for _ in range(seconds * 5):
            self.frames += 3 if frames else 0
            self.progress(self.frames)
            self.turn(SECOND // 5)
        return self.dog.fed - before

    def faults(self, code: str) -> list[dict[str, Any]]:
        return [payload for typ, payload in self.records() if typ == "fault" and payload["code"] == code]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_recorder_with_frames_feeds_it_each_second(bench: Bench) -> None:
    assert bench.live(10) == 10 and not bench.faults("board-hang")


def test_without_frames_it_is_not_fed_and_the_journal_knows_why_before_the_reset(bench: Bench) -> None:
    bench.live(30)
    assert bench.live(30, frames=False) in range(9, 12), "ten seconds of grace"
    (onset,) = bench.faults("board-hang")
    assert onset["phase"] == "onset" and onset["evidence"]["last_progress_us"] <= 31 * SECOND
    assert bench.live(5) >= 4, "a camera that came back in time"
    assert [fault["phase"] for fault in bench.faults("board-hang")] == ["onset", "end"]


def test_switched_off_only_a_hang_of_the_loop_resets_the_board(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reset_after_s=0)
    bench.live(30)
    assert bench.live(30, frames=False) == 30


def test_an_orderly_end_is_no_hang(bench: Bench) -> None:
    bench.live(30)
    bench.events.put(Shutdown())
    assert bench.live(30, frames=False) == 30


def test_one_that_cannot_be_fed_is_a_fault_until_it_can(bench: Bench) -> None:
    bench.dog.error = DeviceError("watchdog", "/dev/watchdog0: busy", 16)
    bench.live(3)
    (onset,) = bench.faults("watchdog-fault")
    assert onset["evidence"] == {"error": "watchdog: /dev/watchdog0: busy", "errno": 16}
    bench.dog.error = None
    assert bench.live(3) == 3
    assert [fault["phase"] for fault in bench.faults("watchdog-fault")] == ["onset", "end"]


def test_a_mistake_in_the_judgement_does_not_reset_a_board_that_records(bench: Bench) -> None:
    def broken() -> tuple[str, ...]:
        raise ZeroDivisionError("somebody's mistake")

    book = bench.unit.p.faults
    honest: Callable[[], tuple[str, ...]] = book.present

    class Mistaken:
        def __getattr__(self, name: str) -> Any:
            return broken if name == "present" else getattr(book, name)

    cast(Any, bench.unit.p).faults = Mistaken()
    before = bench.dog.fed
    for _ in range(5):
        bench.clock.now_us += SECOND
        bench.unit._each("tick", lambda duty: duty.tick(bench.clock.now_us))
    assert bench.dog.fed == before + 5
    cast(Any, bench.unit.p).faults = book
    bench.turn()
    assert "board-watchdog" in [fault["component"] for fault in bench.faults("duty-fault")] and honest()


def test_a_board_without_one_is_none_the_worse(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    cast(Any, bench.unit.p.board).watchdog = None
    bench.live(30)
    bench.live(30, frames=False)
    assert not bench.faults("board-hang") and not bench.faults("watchdog-fault")
