"""Statistics of art. 28: what they say, and that another program gets the same from the raw lines."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.cli import main
from recorder.evidence import jws
from recorder.evidence import records as r
from recorder.evidence.encoding import sha256_b64u
from recorder.export.facts import JournalFacts
from recorder.export.summary import By, summarise, table
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check
from tests.evidence.verify.vault_builder import BuiltSegment, VaultBuilder, sound_vault
from tests.export.naive_summary import Naive, differences

AGENCY = TestAgency()
ZHANG, LI = AGENCY.person("张三", "1"), AGENCY.person("李四", "2")


def facts_of(b: VaultBuilder) -> JournalFacts:
    facts = JournalFacts()
    for line in b.lines:
        parts = jws.split(line)
        common = {name: parts.payload.pop(name) for name in r.Common.model_fields}
        record = r.RECORD_TYPES[parts.typ].model_validate(parts.payload)
        facts.feed(r.Common.model_validate(common), record, sha256_b64u(line.encode()))
    return facts


def payloads(b: VaultBuilder) -> list[dict[str, Any]]:
    return [jws.split(line).payload | {"typ": jws.split(line).typ} for line in b.lines]


def rows(b: VaultBuilder, by: By = "shift") -> list[dict[str, Any]]:
    summary = summarise(facts_of(b), by)
    assert differences(summary, payloads(b)) == []
    found: list[dict[str, Any]] = summary["rows"]
    return found


def begun() -> VaultBuilder:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    return b


def fault(b: VaultBuilder, fault_id: str, code: str, phase: Literal["onset", "end"], onset_us: int) -> None:
    b.append(r.Fault(fault_id=fault_id, code=code, phase=phase, component="x", onset_us=onset_us, evidence={}))


def mark(b: VaultBuilder, kind: str) -> None:
    assert b.session_id is not None
    b.append(r.Mark(mark_id=b.new_id(), session_id=b.session_id, kind=kind, at_us=b.us, segment_ids=()))


# --- what it says ---


def test_an_ordinary_shift_agrees_with_the_verifier(tmp_path: Path) -> None:
    b = sound_vault(AGENCY)
    (row,) = rows(b)
    totals = check(b, tmp_path).totals_us
    for kind in ("recorded", "standby", "gap", "off", "unaccounted"):
        assert row[f"{kind}_s"] == pytest.approx(totals.get(kind, 0) / 1e6, abs=0.002)
    assert row["ended"] and row["sessions"] == 2 and row["officers"] == 1
    assert row["stores"] == {"in_time": 2, "late": 0, "owed": 0, "overdue": 0, "suspended": 0}


def test_gaps_by_cause_explained_owed_and_signed() -> None:
    b = begun()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-stall", before.end_us, b.bootseed)
    b.wait(4)
    after = b.segment(3)
    b.resumption(gap, after, after.start_us - before.end_us, "boottime")
    said = r.Explanation(
        gap_id=gap,
        confirmed="speech",
        counts=False,
        mark_id=None,
        legal_cause=None,
        speech=(),
        before_sha256=None,
        after_sha256=None,
    )
    b.append(said)
    (row,) = rows(b)
    assert row["gaps"]["explained"] == 0, "speech nobody confirmed"
    b.append(said.model_copy(update={"counts": True}))
    lost = b.interruption(after, "camera-unplugged", after.end_us, b.bootseed)
    b.wait(6)
    b.session_stop()
    (row,) = rows(b)
    assert row["gaps"]["by_cause"] == {
        "camera-stall": {"count": 1, "seconds": pytest.approx(4.0, abs=0.01)},
        "camera-unplugged": {"count": 1, "seconds": pytest.approx(6.0, abs=0.01)},
    }
    assert (row["gaps"]["explained_share"], row["gaps"]["statements_owed"]) == (0.5, 1)
    b.statement(lost, [ZHANG, LI])
    (row,) = rows(b)
    assert (row["gaps"]["statements_owed"], row["gaps"]["statements_signed"]) == (0, 1)
    assert row["gaps"]["explained_share"] == 1.0


def test_a_gap_given_up_owes_a_statement_while_the_recording_goes_on() -> None:
    b = begun()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    facts = facts_of(b)
    assert not facts.gaps[gap].owes_statement
    b.append(r.Event(event="cannot-resume", at_us=b.us, detail={"gap_id": gap}))
    assert facts_of(b).gaps[gap].owes_statement


def test_a_shift_over_midnight_is_two_days_to_the_microsecond() -> None:
    b = begun()  # 19:06 in Hebei
    b.standby(4 * 3600)
    b.session_start()
    first = b.segment(5)
    b.wait(3600 - 60)
    gap = b.interruption(first, "camera-stall", first.end_us, b.bootseed)
    b.wait(120)
    second = b.segment(5)
    b.resumption(gap, second, second.start_us - first.end_us, "boottime")
    b.session_stop(second.end_us)
    b.shift_end()
    (shift,) = rows(b)
    days = rows(b, "day")
    assert [day["day"] for day in days] == ["2026-11-18", "2026-11-19"]
    for name in ("on_shift_s", "recorded_s", "gap_s", "standby_s"):
        assert sum(day[name] for day in days) == pytest.approx(shift[name], abs=0.002)
    assert all(day["on_shift_s"] > 0 for day in days)
    assert [day["gaps"]["count"] for day in days] == [1, 0]  # counted where it began, its time split
    assert all(day["gaps"]["seconds"] > 0 for day in days)


def test_faults_have_a_length_and_may_be_open() -> None:
    b = begun()
    fault(b, b.new_id(), "gnss-lost", "onset", b.us)
    over = b.new_id()
    onset = b.us
    fault(b, over, "battery-low", "onset", onset)
    b.standby(30)
    fault(b, over, "battery-low", "end", onset)
    b.standby(10)
    (row,) = rows(b)
    assert row["faults"]["battery-low"] == {"count": 1, "seconds": pytest.approx(30, abs=0.01), "open": 0}
    assert row["faults"]["gnss-lost"] == {"count": 1, "seconds": pytest.approx(40, abs=0.02), "open": 1}


def test_the_checklist_of_article_22() -> None:
    b = begun()
    b.session_start()
    for kind in ("art22-scene", "art22-people", "art22-scene", "key"):
        mark(b, kind)
    b.segment(2)
    b.session_stop()
    (row,) = rows(b)
    assert row["marks"]["by_kind"] == {"art22-people": 1, "art22-scene": 2, "key": 1}
    assert (row["marks"]["checklist_covered"], row["marks"]["checklist_of"]) == (2, 6)


def test_gnss_coverage_is_fix_seconds_over_media() -> None:
    b = begun()
    b.session_start()
    segment = b.open_segment()
    b.fill(segment, 10)  # two seconds
    b.close_segment(segment, fix_seconds=1)
    b.session_stop()
    (row,) = rows(b)
    assert row["gnss"] == {"fix_s": 1, "media_s": 2.0, "coverage": 0.5}


HOUR = 3600.0


@pytest.mark.parametrize(
    ("wait_h", "stored", "expected"),
    [(1, True, "in_time"), (25, True, "late"), (1, False, "owed"), (25, False, "overdue")],
)
def test_what_was_stored_when(wait_h: float, stored: bool, expected: str) -> None:
    b = begun()
    b.session(1)
    b.standby(wait_h * HOUR)
    if stored:
        b.receipt(embed=True)
    (row,) = rows(b)
    assert {state for state, count in row["stores"].items() if count} == {expected}


def test_field_mode_suspends_and_the_return_starts_again() -> None:
    b = begun()
    sessions = tuple({segment.session_id for segment in b.session(1)})
    b.append(r.DeadlineBasis(basis="水上执法", declared_by=None, sessions=sessions))
    b.standby(60 * HOUR)
    assert rows(b)[0]["stores"]["suspended"] == 1
    b.append(r.DeadlineBasis(basis="returned", declared_by=None, sessions=sessions))
    b.standby(23 * HOUR)
    assert rows(b)[0]["stores"]["owed"] == 1
    b.receipt(embed=True)
    assert rows(b)[0]["stores"]["in_time"] == 1


def test_what_was_stored_from_the_field_is_in_time_though_the_return_does_not_name_it() -> None:
    b = begun()
    sessions = tuple({segment.session_id for segment in b.session(1)})
    b.append(r.DeadlineBasis(basis="边远地区执法", declared_by=None, sessions=sessions))
    b.standby(60 * HOUR)
    b.receipt(embed=True)
    b.append(r.DeadlineBasis(basis="returned", declared_by=None, sessions=()))
    b.standby(3)
    assert rows(b)[0]["stores"]["in_time"] == 1


@pytest.mark.parametrize(
    ("hours", "ended", "expected"),
    [(11, True, "in_time"), (11, False, None), (13, True, "late"), (13, False, "late")],
)
def test_a_continuous_recording_is_counted_by_segment_as_the_verifier_does(
    tmp_path: Path, hours: int, ended: bool, expected: str | None
) -> None:
    """Two segments with an interruption of ``hours`` between them, stored 22 h after the second one's end."""
    b = begun()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-stall", before.end_us, b.bootseed)
    b.wait(hours * HOUR)
    after = b.segment(3)
    b.resumption(gap, after, after.start_us - before.end_us, "boottime")
    if ended:
        b.session_stop()
        b.standby(22 * HOUR)
    else:
        b.wait(0 if hours <= 12 else 22 * HOUR)
    b.receipt(embed=True)
    (row,) = rows(b)
    assert {state for state, count in row["stores"].items() if count} == ({expected} if expected else set())
    judged = [report.state.replace("-", "_") for report in check(b, tmp_path).storage]
    assert judged == ([expected] if expected else [])


def test_each_of_two_long_interruptions_is_one_of_its_own() -> None:
    """More than 12 hours each: two gaps with their own length, one explained, the other one owed."""
    b = begun()
    b.session_start()
    segment = b.segment(5)
    gaps = []
    for hours in (13, 14):
        gaps.append(b.interruption(segment, "camera-stall", segment.end_us, b.bootseed))
        b.wait(hours * HOUR)
        after = b.segment(3)
        b.resumption(gaps[-1], after, after.start_us - segment.end_us, "boottime")
        segment = after
    b.append(
        r.Explanation(
            gap_id=gaps[0],
            confirmed="button",
            counts=True,
            mark_id=None,
            legal_cause=None,
            speech=(),
            before_sha256=None,
            after_sha256=None,
        )
    )
    facts = facts_of(b)
    assert [(gap.end.us - gap.start.us) // (HOUR * 1_000_000) for gap in facts.gaps.values() if gap.end] == [13, 14]
    assert [gap.explained for gap in facts.gaps.values()] == [True, False]
    (row,) = rows(b)
    assert (row["gaps"]["count"], row["gaps"]["explained"], row["gaps"]["resumed"]) == (2, 1, 2)
    assert row["gaps"]["seconds"] == pytest.approx(27 * HOUR, abs=0.1)


def test_a_recording_outside_any_shift_is_a_row_of_its_own() -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.session(1)
    (row,) = rows(b)
    assert row["shift_id"] is None and row["session_id"] is not None


# --- any journal ---


def random_journal(seed: int) -> VaultBuilder:
    """Some shifts of anything, in an order a unit could have written it in."""
    random_ = random.Random(seed)
    b = VaultBuilder(AGENCY, seed=seed)
    b.boot()
    for _ in range(random_.randint(1, 3)):
        b.shift_start()
        for number in range(random_.randint(0, 3)):
            b.sign_in(cert_no=f"{random_.randint(0, 2)}-{number}")
        for _ in range(random_.randint(1, 6)):
            _something(b, random_)
        if random_.random() < 0.8:
            b.shift_end()
        else:
            b.shift_id = None
    return b


def _something(b: VaultBuilder, random_: random.Random) -> None:
    choice = random_.randrange(5)
    if choice == 0:
        b.standby(random_.choice([1, 60, 7200, 40_000]))
    elif choice == 1:
        seed, covered = b.bootseed, b.covered_us
        b.boot(off_s=random_.choice([0.2, 30, 50_000]))
        if random_.random() < 0.7:
            b.unit_down(covered, seed)
        b.covered_us = b.us
    elif choice == 2:
        fault_id, onset = b.new_id(), b.us
        fault(b, fault_id, random_.choice(["gnss-lost", "thermal"]), "onset", onset)
        b.standby(random_.uniform(0, 100))
        if random_.random() < 0.6:
            fault(b, fault_id, "gnss-lost", "end", onset)
    else:
        _recording(b, random_)


def _recording(b: VaultBuilder, random_: random.Random) -> None:
    b.session_start()
    last: BuiltSegment = b.segment(random_.randint(1, 6))
    for _ in range(random_.randint(0, 3)):
        cause: r.InterruptionCause = random_.choice(["camera-stall", "thermal"])
        gap = b.interruption(last, cause, last.end_us, b.bootseed)
        b.wait(random_.choice([0.3, 5, 20_000]))
        mark(b, random_.choice(["key", "art22-scene"]))
        if random_.random() < 0.3:
            if random_.random() < 0.5:
                b.statement(gap, [ZHANG, LI])
            break
        after = b.segment(random_.randint(1, 6))
        b.resumption(gap, after, after.start_us - last.end_us, "boottime")
        last = after
    if random_.random() < 0.9:
        b.session_stop(max(b.us, last.end_us))
    else:
        b.session_id = None
    b.us = max(b.us, last.end_us)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_any_journal_is_recomputed_to_the_same_numbers(seed: int) -> None:
    b = random_journal(seed)
    for by in get_args(By):
        for row in rows(b, by):
            kinds = ("recorded", "gap", "standby", "off", "seam", "pending", "unaccounted")
            assert sum(row[f"{kind}_s"] for kind in kinds) == pytest.approx(row["on_shift_s"], abs=0.01)


def test_the_other_program_notices_a_wrong_number() -> None:
    b = random_journal(1)
    summary = summarise(facts_of(b), "shift")
    summary["rows"][0]["recorded_s"] += 1
    assert len(differences(summary, payloads(b))) == 1
    assert Naive(payloads(b)).rows("day")


# --- the command ---


def test_the_command_writes_json_and_csv(tmp_path: Path) -> None:
    folder = sound_vault(AGENCY).write(tmp_path / "unit")
    done = CliRunner().invoke(main, ["export", "summary", str(folder), "--by", "day"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.output)
    assert summary["by"] == "day" and summary["unit_id"] == "zfy-000001"
    out = tmp_path / "summary.csv"
    done = CliRunner().invoke(main, ["export", "summary", str(folder), "--format", "csv", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the mark to read Chinese"
    heading, line = csv.reader(out.read_text(encoding="utf-8-sig").splitlines())
    assert len(heading) == len(line) == len(set(heading))
    row = dict(zip(heading, line, strict=True))
    assert float(row["录制秒 recorded_s"]) == pytest.approx(5.0, abs=0.01)


def test_columns_for_causes_and_faults_that_only_some_rows_have() -> None:
    b = begun()
    fault_id, onset = b.new_id(), b.us
    fault(b, fault_id, "gnss-lost", "onset", onset)
    b.standby(1)
    fault(b, fault_id, "gnss-lost", "end", onset)
    b.shift_end()
    b.shift_start()
    b.standby(1)
    heading, first, second = table(summarise(facts_of(b), "shift"))
    place = heading.index("故障次 fault:gnss-lost")
    assert (first[place], second[place]) == ("1", "")


def test_the_table_says_of_every_recording_what_became_of_it() -> None:
    b = begun()
    b.session(1)
    b.shift_end()
    summary = summarise(facts_of(b), "shift")
    heading, line = table(summary)
    shown = {name.rpartition("store_")[2]: value for name, value in zip(heading, line, strict=True) if "store_" in name}
    assert shown == {state: str(count) for state, count in summary["rows"][0]["stores"].items()}
    assert shown["owed"] == "1"


def test_a_folder_without_a_journal_is_an_error_that_names_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["export", "summary", str(tmp_path)])
    assert done.exit_code == 2
    assert str(tmp_path / "journal") in done.output


def test_altered_lines_are_named_and_count_for_nothing(tmp_path: Path) -> None:
    folder = sound_vault(AGENCY).write(tmp_path / "unit")
    journal = sorted((folder / "journal").iterdir())[0]
    lines = journal.read_text().splitlines()
    lines[5] = lines[5][:-4] + "AAAA"
    journal.write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(main, ["export", "summary", str(folder)])
    assert done.exit_code == 0
    assert f"journal/{journal.name}:6" in done.stderr
