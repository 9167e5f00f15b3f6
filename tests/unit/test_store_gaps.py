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


def test_all_is_not_stored_while_the_store_lacks_our_lines(made: tuple[UnitKit, Path]) -> None:
    """Who is told that everything is stored hands the unit in."""
    kit, _ = made
    said: list[str] = []
    kit.unit.set_voice(lambda prompt, **_: said.append(prompt))
    deliver(kit, naming(kit, lines_of(kit)))
    deliver(kit, naming(kit, number=2))
    assert faults(kit) == ["onset", "end"]
    assert "stored" not in said, "the segment is withheld, whatever the next receipt says"


def restarted(kit: UnitKit) -> UnitKit:
    kit.journal.close()
    kit.index.close()
    options: dict[str, Any] = {"release_below_free_mb": EVERYTHING_MB, "keep_window_h": 0}
    again = UnitKit(kit.data_dir, now_us=kit.clock.now_us + 1_000_000, **options)
    for _ in range(10):
        again.turn(300_000)
    return again


def test_a_restart_does_not_end_the_fault(made: tuple[UnitKit, Path]) -> None:
    kit, _ = made
    gap = lines_of(kit)
    deliver(kit, naming(kit, gap))
    again = restarted(kit)
    assert faults(again) == ["onset", "end", "onset"], "the process that raised it ended, the fault did not"
    assert len(events(again)) == 1
    deliver(again, naming(again, gap, number=2, segments=False))
    assert len(events(again)) == 1, "what is on record is not recorded again by each start"
    third = restarted(again)
    assert faults(third) == ["onset", "end"] * 2 + ["onset"]
    deliver(third, naming(third, number=3, segments=False))
    assert faults(restarted(third)) == ["onset", "end"] * 3, "a receipt ended it"


def test_a_receipt_from_before_the_gap_does_not_end_the_fault(made: tuple[UnitKit, Path]) -> None:
    """It comes to be judged first, after a start, and could not have named the gap."""
    kit, _ = made
    before = naming(kit, number=1, segments=False)
    head = jws.split(before).payload["head_seq"]
    kit.unit.decide(kit.unit.start_request("command"))
    kit.turn(300_000)
    deliver(kit, naming(kit, (head, head), number=2))
    again = restarted(kit)
    deliver(again, before)
    assert faults(again) == ["onset", "end", "onset"]


def unreadable(kit: UnitKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_at(path: Path, offset: int, size: int) -> bytes:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(kit.files, "read_at", read_at)


def test_lines_that_cannot_be_read_are_held_and_the_receipts_behind_are_judged(
    made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad block of the card: what it holds nobody has seen to be gone."""
    kit, path = made
    first, _ = lines_of(kit)
    texts = [naming(kit, (0, 0), (first, first)), naming(kit, number=2, segments=False)]
    unreadable(kit, monkeypatch)
    deliver(kit, *texts)
    monkeypatch.undo()
    assert [(said["first"], said["held"], bool(said["withheld"])) for said in events(kit)] == [
        (0, [0, 0], False),
        (first, [first, first], True),
    ]
    assert path.exists()
    assert kit.custody.anchored is not None
    assert kit.custody.problems == {}


def test_lines_that_can_be_read_again_are_judged_again(
    made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, _ = made
    first, _ = lines_of(kit)
    found = next(line for line in iterate(kit.files, kit.journal.directory) if line.seq == first + 1)
    found.file.write_bytes(found.file.read_bytes().replace(found.line, found.line[:-6] + b"AAAAAA"))
    texts = [naming(kit, (first + 1, first + 1), number=number, segments=False) for number in (1, 2)]
    with monkeypatch.context() as patch:
        unreadable(kit, patch)
        deliver(kit, texts[0])
    deliver(kit, texts[1])
    assert [said["held"] for said in events(kit)] == [[first + 1, first + 1], None]
    assert faults(kit) == ["onset", "end"]


def test_a_receipt_the_disk_keeps_from_being_judged_holds_up_no_other(
    made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, path = made
    old, new = naming(kit, number=1, segments=False), naming(kit, number=2)
    digest_of, ids = kit.journal.digest_of, iter(range(10_000))

    def refuse_the_first(seq: int) -> str | None:
        if next(ids) == 0:
            raise OSError(5, "Input/output error")
        return digest_of(seq)

    monkeypatch.setattr(kit.journal, "digest_of", refuse_the_first)
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    for text in (old, new):
        (folder / f"{jws.split(text).payload['jti']}.jws").write_text(text + "\n")
    kit.custody.receipts_arrived()
    kit.turn(300_000)
    assert kit.custody.anchored is not None, "the one behind it"
    assert "Input/output error" in kit.custody.problems["receipts"]
    for _ in range(40):
        kit.turn(300_000)
    assert kit.custody.problems == {} and not path.exists()


def test_more_gaps_than_are_remembered_are_judged_all_the_same(
    made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, _ = made
    monkeypatch.setattr(store_gaps, "KNOWN", 3)
    deliver(kit, naming(kit, *((seq, seq) for seq in range(5))))
    assert kit.custody.anchored is not None


def test_a_receipt_with_many_gaps_is_verified_once(made: tuple[UnitKit, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its signature and its head are not checked anew for each gap, and no turn looks for two."""
    kit, _ = made
    judged: list[int] = []
    looks: list[int] = []
    digest_of, held = kit.journal.digest_of, kit.journal.held

    def counted_digest_of(seq: int) -> str | None:
        judged.append(seq)
        return digest_of(seq)

    def counted_held(first: int, last: int) -> tuple[int, int] | None:
        looks.append(first)
        return held(first, last)

    monkeypatch.setattr(kit.journal, "digest_of", counted_digest_of)
    monkeypatch.setattr(kit.journal, "held", counted_held)
    text = naming(kit, *((seq, seq) for seq in range(4)))
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    (folder / f"{jws.split(text).payload['jti']}.jws").write_text(text + "\n")
    kit.custody.receipts_arrived()
    for turn in range(1, 5):
        kit.turn(300_000)
        assert len(looks) == turn
    kit.turn(300_000)
    assert kit.custody.anchored is not None and len(judged) == 1
