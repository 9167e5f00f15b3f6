"""The bench tool itself: judging, the table, choosing rows, exit codes. No number here depends on how fast anything is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from firmware_bridge.clock import SystemClock
from tools.bench import machine, table
from tools.bench.__main__ import DOCUMENT, choose, exit_code, main, take
from tools.bench.measure import Usage, interleaved, program, run, sequence
from tools.bench.model import Limit, Line, MeasurementError, Missing, Report, Spread, Unavailable
from tools.bench.rows import ROWS
from tools.bench.workshop import Row, Workshop


def line(value: float, hold: Limit | None = None, aim: Limit | None = None) -> Line:
    return Line("row", "项目", "thing", "×", value, Spread.of([value]), "ours", "peer", hold, aim, "说明", "note")


def report(*lines: Line, missing: Sequence[Missing] = (), quick: bool = False) -> Report:
    return Report((("CPU", "x | y"),), lines, tuple(missing), quick, 1.5)


def workshop(folder: Path) -> Workshop:
    return Workshop(SystemClock(), folder, True, lambda _: None)


# --- judging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "hold", "aim", "verdict"),
    [
        (1.6, Limit("<=", 1.5), Limit("<=", 1.0), "broken"),
        (1.5, Limit("<=", 1.5), Limit("<=", 1.0), "hold"),
        (1.0, Limit("<=", 1.5), Limit("<=", 1.0), "aim"),
        (0.69, Limit(">=", 0.7), Limit(">=", 0.95), "broken"),
        (0.7, Limit(">=", 0.7), Limit(">=", 0.95), "hold"),
        (0.95, Limit(">=", 0.7), Limit(">=", 0.95), "aim"),
        (0.5, None, Limit("<=", 0.4), "info"),
        (0.3, None, Limit("<=", 0.4), "aim"),
        (9.0, None, None, "info"),
    ],
)
def test_verdict(value: float, hold: Limit | None, aim: Limit | None, verdict: str) -> None:
    assert line(value, hold, aim).verdict == verdict


def test_spread_of_nothing_is_no_number() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    with pytest.raises(MeasurementError):
        Spread.of([])


def test_exit_code() -> None:
    good, bad = line(1.0, Limit("<=", 1.5)), line(2.0, Limit("<=", 1.5))
    absent = Missing("row", "项目", "thing", "没有程序 missing program: age", "age")
    assert exit_code(report(good), False, {}) == 0
    assert exit_code(report(good, bad), False, {}) == 1
    assert exit_code(report(good), True, {}) == 1
    assert exit_code(report(good, missing=[absent]), False, {}) == 0
    assert exit_code(report(good, missing=[absent]), False, {"CI": "true"}) == 1


# --- the table -------------------------------------------------------------------------------------------------------


def test_markdown_has_every_line_and_what_is_missing() -> None:
    absent = Missing("other", "别的", "other", "没有程序 missing program: age", "age")
    text = table.markdown(report(line(2.0, Limit("<=", 1.5)), line(0.5), missing=[absent]))
    assert "BROKEN" in text and "≤ 1.50 ×" in text and "missing program: age" in text
    assert "x \\| y" in text  # a bar in a value must not become a column
    assert text.count("- `row`: 说明 *note*") == 1  # the same note once
    rows = [row for row in text.splitlines() if row.startswith("| row") or row.startswith("| other")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {len(table.HEADINGS) + 1}


def test_quick_runs_say_so() -> None:
    assert "Quick mode" in table.markdown(report(line(1.0), quick=True))
    assert "Quick mode" not in table.markdown(report(line(1.0)))


def test_json_tells_verdicts() -> None:
    content = json.loads(table.to_json(report(line(2.0, Limit("<=", 1.5)))))
    assert content["lines"][0]["verdict"] == "broken"
    assert content["broken"] == ["row"]
    assert content["lines"][0]["spread"]["count"] == 1


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (-2.5, "-2.50")]
)
def test_number(value: float, text: str) -> None:
    assert table.number(value) == text


def test_insert_replaces_only_what_stands_between_the_markers() -> None:
    document = f"before\n{table.BEGIN}\nold\n{table.END}\nbehind\n"
    once = table.insert(document, "new")
    assert once == f"before\n{table.BEGIN}\n\nnew\n{table.END}\nbehind\n"
    assert table.insert(once, "new") == once
    with pytest.raises(ValueError, match="markers"):
        table.insert("no markers", "new")


def test_the_committed_document_can_be_written() -> None:
    assert "new table" in table.insert(DOCUMENT.read_text(encoding="utf-8"), "new table")


# --- rows ------------------------------------------------------------------------------------------------------------


def test_choose() -> None:
    assert choose(None) == list(ROWS)
    assert [row.name for row in choose("verify,capture")] == ["verify", "capture"]
    with pytest.raises(click.BadParameter, match="nonsense"):
        choose("capture,nonsense")


def test_row_names_are_different() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_a_row_that_cannot_be_measured_does_not_hide_the_others(tmp_path: Path) -> None:
    def missing(_: Workshop) -> Sequence[Line]:
        raise Unavailable("没有程序 missing program: x", "x")

    def broken(_: Workshop) -> Sequence[Line]:
        raise MeasurementError("age: 1\nsecond line")

    rows = [
        Row("a", "甲", "a", missing),
        Row("b", "乙", "b", broken),
        Row("c", "丙", "c", lambda _: [line(1.0)]),
    ]
    lines, absent, failed = take(rows, workshop(tmp_path))
    assert [item.row for item in absent] == ["a", "b"]
    assert absent[0].program == "x" and absent[1].program is None
    assert "second line" not in absent[1].reason
    assert len(lines) == 1 and failed


@pytest.mark.parametrize("extra", [["--quick"], ["--rows", "preroll"]])
def test_only_a_full_run_is_written(extra: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--write", "--cache", str(tmp_path), *extra])
    assert result.exit_code == 2
    assert "--write" in result.output


# --- measuring -------------------------------------------------------------------------------------------------------


def test_run_counts_the_whole_process(tmp_path: Path) -> None:
    script = tmp_path / "work.sh"
    script.write_text("#!/bin/sh\necho done\n")
    script.chmod(0o755)
    usage = run([str(script)], SystemClock())
    assert usage.stdout == "done\n"
    assert usage.cpu_s >= 0 and usage.wall_s > 0 and usage.rss_mb > 0


def test_a_tool_that_failed_has_no_speed() -> None:
    with pytest.raises(MeasurementError, match="false"):
        run(["false"], SystemClock())
    assert run(["false"], SystemClock(), accept=(0, 1)).wall_s > 0


def test_sequence_adds_up() -> None:
    assert Usage(1, 2, 3, "a") + Usage(1, 1, 5, "b") == Usage(2, 3, 5, "ab")
    assert sequence([["echo", "a"], ["echo", "b"]], SystemClock()).stdout == "a\nb\n"


def test_missing_program_is_named() -> None:
    with pytest.raises(Unavailable) as caught:
        program("no-such-program-at-all")
    assert caught.value.program == "no-such-program-at-all"


def test_interleaved_takes_turns() -> None:
    order: list[str] = []
    interleaved(2, lambda: order.append("a"), lambda: order.append("b"))
    assert order == ["a", "b", "a", "b"]


def test_folder_is_gone_afterwards(tmp_path: Path) -> None:
    shop = workshop(tmp_path / "cache")
    with pytest.raises(RuntimeError), shop.folder("x") as folder:
        assert folder.is_dir()
        raise RuntimeError
    assert not folder.exists()


def test_machine_names_nobody(tmp_path: Path) -> None:
    described = dict(machine.describe(tmp_path))
    assert {"CPU", "RAM", "kernel", "Python", "ffmpeg", "age", "curl"} <= set(described)
    host = Path("/proc/sys/kernel/hostname").read_text(encoding="utf-8").strip()
    assert len(host) < 4 or all(host not in value for value in described.values())
    assert all(str(tmp_path) not in value for value in described.values())
