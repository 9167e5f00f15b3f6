"""A receipt that says the unit had lost lines: confirmed where they are lost, a fault where they are here, and what they
sign stays on the unit, also with an index made anew from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from recorder.evidence import jws
from recorder.evidence.journal_reader import iterate
from recorder.evidence.receipts import STORE_GAP_EVENT
from recorder.unit import store_gaps
from recorder.unit.index import Index
from tests.unit.test_custody import EVERYTHING_MB, STORE, receipt, shift_with_one_segment
from tests.unit.unit_kit import SEGMENT, UnitKit


@pytest.fixture
def made(tmp_path: Path) -> tuple[UnitKit, Path]:
    return shift_with_one_segment(tmp_path, release_below_free_mb=EVERYTHING_MB, keep_window_h=0)


def naming(kit: UnitKit, *gaps: tuple[int, int], number: int = 1, segments: bool = True) -> str:
    """The receipt of the kit's segment, which also names ``gaps``; each ``number`` is another receipt."""
    payload = jws.split(receipt(kit)).payload
    payload |= {"jti": str(UUID(int=number, version=4)), "gaps": [list(gap) for gap in gaps]}
    if not segments:
        payload["segments"] = []
    return jws.sign("receipt", payload, STORE)


def deliver(kit: UnitKit, *texts: str) -> None:
    folder = kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    for text in texts:
        (folder / f"{jws.split(text).payload['jti']}.jws").write_text(text + "\n")
    kit.unit.p.custody.receipts_arrived()
    for _ in range(40):
        kit.turn(300_000)


def events(kit: UnitKit) -> list[dict[str, Any]]:
    lines = iterate(kit.files, kit.journal.directory)
    payloads = [line.parts.payload for line in lines if line.parts.typ == "event"]
    return [payload["detail"] for payload in payloads if payload["event"] == STORE_GAP_EVENT]


def faults(kit: UnitKit) -> list[str]:
    lines = iterate(kit.files, kit.journal.directory)
    payloads = [line.parts.payload for line in lines if line.parts.typ == "fault"]
    return [payload["phase"] for payload in payloads if payload["code"] == "store-gap"]


def lines_of(kit: UnitKit) -> tuple[int, int]:
    row = kit.index.segment(SEGMENT.format(1))
    assert row is not None
    return row["first_seq"], row["last_seq"]


def test_without_a_gap_it_is_let_go(made: tuple[UnitKit, Path]) -> None:
    kit, path = made
    deliver(kit, naming(kit))
    assert not path.exists()
    assert (events(kit), faults(kit)) == ([], [])


@pytest.mark.parametrize("at", ["open", "between", "close"])
def test_what_a_gap_takes_that_is_none_here_stays_and_is_said(made: tuple[UnitKit, Path], at: str) -> None:
    kit, path = made
    first, last = lines_of(kit)
    gap = {"open": (0, first), "between": (first + 1, first + 1), "close": (last, last)}[at]
    deliver(kit, naming(kit, gap))
    assert path.exists()
    assert faults(kit) == ["onset"]
    (said,) = events(kit)
    assert (said["first"], said["last"]) == gap
    assert said["held"][0] == gap[0]
    assert said["withheld"] == [SEGMENT.format(1)]
    row = kit.index.segment(SEGMENT.format(1))
    assert row is not None
    assert row["receipt_digest"] is not None, "stored it is: it is not sent again, and owes nothing"


def test_what_a_gap_does_not_touch_is_let_go(made: tuple[UnitKit, Path]) -> None:
    kit, path = made
    first, _ = lines_of(kit)
    deliver(kit, naming(kit, (0, first - 1)))
    assert not path.exists()
    assert faults(kit) == ["onset"]
    assert events(kit)[0]["withheld"] == []


def test_a_gap_that_is_one_here_is_confirmed_once_and_holds_nothing_back(made: tuple[UnitKit, Path]) -> None:
    """Bit rot on the card: the lines are there, and are no longer what the unit wrote."""
    kit, path = made
    first, _ = lines_of(kit)
    found = next(line for line in iterate(kit.files, kit.journal.directory) if line.seq == first + 1)
    altered = found.line[:-6] + b"AAAAAA"
    found.file.write_bytes(found.file.read_bytes().replace(found.line, altered))
    deliver(kit, naming(kit, (first + 1, first + 1)))
    assert not path.exists()
    deliver(kit, naming(kit, (first + 1, first + 1), number=2, segments=False))
    assert faults(kit) == []
    (said,) = events(kit)
    assert (said["held"], said["withheld"]) == (None, [])


def test_the_fault_ends_with_a_receipt_that_names_the_gap_no_more(made: tuple[UnitKit, Path]) -> None:
    kit, path = made
    deliver(kit, naming(kit, lines_of(kit)))
    deliver(kit, naming(kit, number=2, segments=False))
    assert faults(kit) == ["onset", "end"]
    assert path.exists(), "what was withheld stays: the store has not got those lines by it"


def test_an_index_made_anew_holds_back_the_same(made: tuple[UnitKit, Path], tmp_path: Path) -> None:
    kit, path = made
    deliver(kit, naming(kit, lines_of(kit)))
    rebuilt = Index(tmp_path / "anew.db")
    rebuilt.apply((line.parts.typ, line.parts.payload) for line in iterate(kit.files, kit.journal.directory))
    assert (rebuilt.receipted(10), len(rebuilt.held())) == ([], 1)
    assert rebuilt.pending() == (0, 0)
    rebuilt.close()
    assert path.exists()


def test_many_gaps_are_looked_for_over_many_turns(made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn of the loop is long, and nothing is let go before all are known."""
    kit, path = made
    _, last = lines_of(kit)
    monkeypatch.setattr(store_gaps, "LOOKS", 1)
    text = naming(kit, *((seq, seq) for seq in range(last + 1)))
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    (folder / f"{jws.split(text).payload['jti']}.jws").write_text(text + "\n")
    kit.unit.p.custody.receipts_arrived()
    kit.turn(300_000)
    assert (events(kit), path.exists()) == ([], True)
    for _ in range(2 * last + 10):
        kit.turn(300_000)
    assert len(events(kit)) == last + 1
    assert path.exists()


def test_gaps_do_not_fill_the_journal(made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    kit, _ = made
    first, last = lines_of(kit)
    monkeypatch.setattr(store_gaps, "RECORDED", 2)
    deliver(kit, naming(kit, *((seq, seq) for seq in range(last + 1))))
    said = events(kit)
    assert [event for event in said if not event["withheld"]] == said[:2]
    assert len(said) == 2 + last - first + 1, "what is withheld is said in any case"
