"""The one model and its forms: the file for Prometheus, the table in docs/health.md, what promtool says of both."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.health.model import known_values, metrics
from recorder.health.prometheus import exposition
from recorder.unit.status import KNOWN
from tests.health.sample import health
from tests.support import require_program

ROOT = Path(__file__).parents[2]


def parsed(text: str) -> dict[str, float]:
    """Sample line → value; every sample's TYPE stands before it."""
    values: dict[str, float] = {}
    typed: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name.split("{")[0] in typed, "a value before its TYPE"
            assert name not in values, f"{name} stands there twice"
            values[name] = float(value)
    return values


def test_every_number_stands_in_the_file_under_its_own_name() -> None:
    values = parsed(exposition(health(), {}))
    for name, value in known_values(health()).items():
        if isinstance(value, dict):
            label = metrics()[name].label
            assert {
                f'recorder_{name}{{{label}="{key}"}}': number for key, number in value.items()
            }.items() <= values.items()
        else:
            assert values[f"recorder_{name}"] == value


def test_large_numbers_are_exact() -> None:
    text = exposition(health(storage_free_bytes=123_456_789_012_345_678), {})
    assert "recorder_storage_free_bytes 123456789012345678\n" in text


def test_what_the_unit_cannot_tell_is_left_out_and_no_zero() -> None:
    text = exposition(health(gnss_fix_age_seconds=None, temperature_celsius=None, faults_total=None), KNOWN)
    assert not re.search("recorder_(gnss_fix_age|temperature|faults_total)", text)


def test_a_fault_that_never_was_is_a_zero_so_that_the_first_one_is_an_increase() -> None:
    values = parsed(exposition(health(faults={"storage-full": 1}), KNOWN))
    assert values['recorder_faults{code="storage-full"}'] == 1
    assert values['recorder_faults{code="camera-stall"}'] == 0
    assert values['recorder_throttled{reason="throttled"}'] == 0


@given(st.text(max_size=20))
def test_no_label_breaks_its_line(name: str) -> None:
    text = exposition(health(camera_ready={name: 1}), {})
    (line,) = [each for each in text.split("\n") if each.startswith("recorder_camera_ready{")]
    inner = line.removeprefix('recorder_camera_ready{camera="').removesuffix('"} 1')
    assert re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], inner) == name


def promtool(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run([require_program("promtool"), *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "", "promtool's advice"


@pytest.mark.parametrize("known", [KNOWN, {}])
def test_promtool_has_nothing_to_say_of_the_file(known: Any) -> None:
    promtool("check", "metrics", text=exposition(health(), known))


def test_promtool_accepts_the_example_rules() -> None:
    promtool("check", "rules", str(ROOT / "config" / "prometheus" / "recorder.rules.yml"))


def test_the_example_rules_speak_of_metrics_there_are() -> None:
    rules = (ROOT / "config" / "prometheus" / "recorder.rules.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\brecorder_([a-z_]+)", rules))
    assert used and used <= set(metrics())


def test_the_table_in_the_docs_is_the_model() -> None:
    text = (ROOT / "docs" / "health.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `recorder_(\w+)` \| (\w+) \| (\S*) \| (.+) \|$", text, re.MULTILINE)
    wanted = [
        (name, each.kind, f"`{each.label}`" if each.label else "–", f"{each.zh} *{each.en}*")
        for name, each in metrics().items()
    ]
    assert rows == wanted
