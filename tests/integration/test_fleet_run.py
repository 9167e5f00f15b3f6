"""``hw-sim fleet``: real uplink processes against one agency while things are killed; a few each time, 200 every night."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from hw_sim.fleet_run.judge import Judgement, judge
from tests.support import leave_to_ci, require_program, tier

UNITS, SEGMENTS = 6, 3


def fleet(out: Path, *options: str, timeout_s: float = 300) -> tuple[int, str]:
    """The command as a user gives it, in a process of its own: (exit status, everything it said)."""
    require_program("mosquitto")
    require_program("/usr/sbin/nginx")
    done = subprocess.run(
        [sys.executable, "-c", "from hw_sim.cli import main; main()", "fleet", "--out", str(out), *options],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def programs_of(out: Path) -> list[str]:
    """Command lines that name the run's folder: whoever is still there."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            line = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue  # gone meanwhile
        if str(out).encode() in line and int(folder.name) != os.getpid():
            found.append(line.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    leave_to_ci("小规模车队 a small fleet, 16 s")
    out = tmp_path_factory.mktemp("fleet") / "run"
    # Without upload slots: a broker and a leader killed in the same seconds cost grants half a minute; the 200 have them.
    options = ("--units", str(UNITS), "--segments", str(SEGMENTS), "--segment-mb", "0.5", "--slots", "0")
    code, said = fleet(out, *options, "--write", str(out.with_suffix(".md")))
    assert code == 0, said[-6000:]
    return out, said


@contextmanager
def changed(path: Path, data: bytes) -> Iterator[None]:
    """``path`` with other bytes for a while; the store keeps its objects read-only."""
    before, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(before)
        path.chmod(mode)


def test_nothing_is_lost_doubled_or_late_while_everything_is_struck_once(run: tuple[Path, str]) -> None:
    out, _ = run
    result: dict[str, Any] = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["passed"] is True
    assert (result["units"], result["segments"], result["late"]) == (UNITS, UNITS * SEGMENTS, 0)
    assert set(result["faults"]) == {"kill-broker", "kill-ingest", "kill-unit", "reset-line", "stall-line"}
    assert result["uplink_starts"] > UNITS
    assert result["verified"] == UNITS
    assert 1.0 < result["line_over_payload"] < 3.0
    assert 10e6 < result["uplink_peak_kb"] * 1024 <= 40e6
    assert set(result["programs"]) == {"ingest", "mosquitto", "nginx"}
    assert result["programs"]["ingest"]["cpu_s"] > 0
    assert all(program["peak_kb"] > 1024 for program in result["programs"].values())


def test_the_result_can_be_queried(run: tuple[Path, str]) -> None:
    db = sqlite_utils.Database(run[0] / "fleet.db")
    try:
        assert {"units", "segments", "faults", "programs", "violations"} <= set(db.table_names())
        counts = next(db.query("select count(*) as n, count(stored_at) as stored, sum(marked) as marked from segments"))
        assert counts["n"] == counts["stored"] == UNITS * SEGMENTS
        assert counts["marked"] > 0
        units = list(db.query("select segments, receipts, releases from units"))
        assert units == [{"segments": SEGMENTS, "receipts": SEGMENTS, "releases": SEGMENTS}] * UNITS
        assert db["faults"].count >= 5
        assert db["violations"].count == 0
    finally:
        db.close()


def test_the_page_says_what_was_measured(run: tuple[Path, str]) -> None:
    page = run[0].with_suffix(".md").read_text(encoding="utf-8")
    assert f"| {UNITS * SEGMENTS}, " in page
    assert f"hw-sim fleet --units {UNITS}" in page


def test_nobody_is_left_behind(run: tuple[Path, str]) -> None:
    assert programs_of(run[0]) == []


def judged(out: Path) -> Judgement:
    return judge(out, verified=UNITS)


def test_one_byte_of_one_object_is_found(run: tuple[Path, str]) -> None:
    path = next(path for path in sorted((run[0] / "store").rglob("*.mp4.age")))
    data = path.read_bytes()
    with changed(path, data[:-1] + bytes([data[-1] ^ 1])):
        said = judged(run[0]).violations
    assert any("bytes differ" in text and path.name.partition(".")[0] in text for text in said)
    assert any("recorder verify" in text for text in said)
    assert judged(run[0]).violations == []


def test_what_lies_in_another_object_store_is_fetched_and_verified(run: tuple[Path, str]) -> None:
    """Through the driver, as from S3: here it is a second one on the same folder."""
    elsewhere = f"folder:{run[0] / 'store'}"
    fetched = judge(run[0], elsewhere, verified=UNITS)
    assert fetched.violations == []
    assert [unit.verified for unit in fetched.units] == ["0"] * UNITS
    path = next(path for path in sorted((run[0] / "store").rglob("*.mp4.age")))
    data = path.read_bytes()
    with changed(path, data[:-1] + bytes([data[-1] ^ 1])):
        said = judge(run[0], elsewhere, verified=UNITS).violations
    assert any("recorder verify: 取回 fetch" in text and path.name in text for text in said)


def test_a_record_the_store_does_not_have_is_found(run: tuple[Path, str]) -> None:
    path = next(path for path in sorted((run[0] / "store").glob("*/*/journal/*.jws")))
    with changed(path, b"".join(path.read_bytes().splitlines(keepends=True)[:-1])):
        assert any("journal differs" in text for text in judged(run[0]).violations)


def test_a_segment_that_is_still_on_a_unit_is_found(run: tuple[Path, str]) -> None:
    folder = next(path for path in (run[0] / "units").glob("*/data/segments/*"))
    forgotten = folder / "forgotten.mp4.age"
    forgotten.touch()
    try:
        assert [text for text in judged(run[0]).violations if "forgotten" in text]
    finally:
        forgotten.unlink()


def test_a_folder_of_somebody_else_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    code, said = fleet(tmp_path, "--units", "1")
    assert (code, (tmp_path / "thesis.txt").exists()) == (2, True)
    assert str(tmp_path) in said


def test_two_hundred_units(tmp_path: Path) -> None:
    if tier() != "nightly":
        pytest.skip("200 台 units: 10 min (./dev test --nightly, hw-sim fleet --units 200 --link-mb-s 4)")
    code, said = fleet(tmp_path / "run", "--units", "200", "--link-mb-s", "4", timeout_s=1800)
    assert code == 0, said[-6000:]
