"""The catalogue of faults, its page in the documentation, the configuration and the code say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from recorder.config.load import load_config
from recorder.evidence.records import InterruptionCause
from recorder.faults.catalogue import CATALOGUE, FaultKind, cause_of
from recorder.officer.indicators import ALARMS
from recorder.unit.duties.fault_voice import VALUES
from tools.render_prompts import load_catalogue

ROOT = Path(__file__).resolve().parents[2]
REPORTERS = {"fault", "_fault", "Latch", "Change", "_Count", "found", "report", "Finding"}
"""Names of calls whose first argument is the code of a fault."""

NO_CODES = {"report"}


def row(kind: FaultKind) -> str:
    threshold = f"`{kind.threshold}`" if kind.threshold else "–"
    evidence = " ".join(f"`{name}`" for name in kind.evidence) or "–"
    prompts = " ".join(f"`{name}`" for name in (kind.prompt, kind.prompt_end) if name) or "–"
    cells = [
        f"`{kind.code}`",
        f"{kind.zh} · {kind.en}",
        threshold,
        evidence,
        kind.indicator or "–",
        prompts,
        kind.cause or "–",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_page_is_the_catalogue() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    table = text.partition("<!-- faults -->")[2].partition("<!-- /faults -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [row(kind) for kind in CATALOGUE.values()]


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=CATALOGUE)
def test_every_threshold_is_a_setting(kind: FaultKind) -> None:
    value: object = load_config([], {}).config
    for part in kind.threshold.split(".") if kind.threshold else ():
        assert hasattr(value, part), f"{kind.threshold}: no such key"
        value = getattr(value, part)
    assert kind.indicator is None or kind.indicator in ALARMS
    assert kind.cause is None or kind.cause in get_args(InterruptionCause)
    assert kind.zh and kind.en and re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code)


def test_every_setting_of_the_detectors_is_somebodys_threshold_or_shapes_one() -> None:
    """A section without a single code of its own would be settings nobody reads."""
    sections = set(load_config([], {}).config.faults.model_dump())
    named = {kind.threshold.split(".")[1] for kind in CATALOGUE.values() if kind.threshold.startswith("faults.")}
    assert sections == named


def codes_in(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in REPORTERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, node.lineno


def test_every_code_the_program_reports_is_in_the_catalogue() -> None:
    found = {
        code: f"{path.relative_to(ROOT)}:{line}"
        for folder in ("capture", "faults", "unit")
        for path in sorted((ROOT / "recorder" / folder).rglob("*.py"))
        for code, line in codes_in(path)
    }
    unknown = {
        code: place for code, place in found.items() if code not in CATALOGUE and not code.startswith("journal-")
    }
    assert not unknown
    # The other way round: what is in the catalogue and nowhere in the code would be a promise nobody keeps.
    computed = {
        *("camera-unplugged", "camera-fault", "storage-read-only", "storage-io-error", "storage-full", "storage-fault"),
        *("worker-crash", "process-crash", "power-loss", "deadline-near", "deadline-at-risk", "deadline-missed"),
        *("journal-altered", "signed-bytes-lost", "segment-not-recovered", "certificate-unusable"),
        *("evidence-altered", "evidence-deleted", "store-gap"),
    }
    assert set(CATALOGUE) - set(found) <= computed
    text = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "recorder").rglob("*.py") if "faults/cat" not in str(path)
    )
    assert not [code for code in computed if f'"{code}"' not in text]


def test_every_prompt_of_a_fault_exists_and_gets_its_values() -> None:
    prompts = load_catalogue().prompts
    for kind in CATALOGUE.values():
        for prompt in filter(None, (kind.prompt, kind.prompt_end)):
            assert prompt in prompts, f"{kind.code}: no prompt {prompt!r}"
            given = VALUES[prompt]({"minutes_left": 12.6}) if prompt in VALUES else {}
            assert given is not None and set(given) == set(prompts[prompt].values), f"{kind.code}: {prompt}"


def test_a_lesser_fault_takes_no_blame_for_a_gap() -> None:
    assert cause_of("camera-unplugged") == "camera-unplugged" and cause_of("storage-io-error") == "storage-fault"
    for code in ("lens-covered", "microphone-fault", "gnss-lost", "battery-low", "no-such-code"):
        assert cause_of(code) is None
