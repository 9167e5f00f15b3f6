"""Exit codes, JSON and text of ``recorder verify``, and the summary the simulator reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from recorder.evidence.age import Identity
from recorder.evidence.verify.catalogue import AXES, KINDS, VALUE_NAMES
from recorder.evidence.verify.command import run_verify, verify_for_simulator
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import VaultBuilder, sound_vault

AGENCY = TestAgency()


def run(
    root: Path, trust: Path, identity: Path | None = None, *, as_json: bool = False, language: str = "zh"
) -> tuple[int, str]:
    out = io.StringIO()
    code = run_verify(root, trust, identity, as_json, language, out)
    return code, out.getvalue()


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    return AGENCY.trust(tmp_path / "trust")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return sound_vault(AGENCY).write(tmp_path / "unit")


def test_everything_proven_is_zero(sound: Path, trust: Path) -> None:
    code, text = run(sound, trust)
    assert code == 0
    assert text.rstrip().splitlines()[-1].startswith("有效：")
    code, text = run(sound, trust, language="en")
    assert text.rstrip().splitlines()[-1].startswith("Valid: ")


def test_findings_are_one(sound: Path, trust: Path) -> None:
    next((sound / "segments").rglob("*.mp4")).unlink()
    code, text = run(sound, trust)
    assert code == 1
    assert "[segment-missing]" in text
    assert "有效" not in text
    assert "valid" not in run(sound, trust, language="en")[1].lower()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_cannot_read_is_two_and_names_the_file(tmp_path: Path, sound: Path, trust: Path, language: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "identity.txt").write_text("AGE-SECRET-KEY-1RUBBISH\n", encoding="ascii")
    for root, trust_dir, identity, named in (
        (tmp_path / "nowhere", trust, None, "nowhere"),
        (tmp_path / "empty", trust, None, "empty"),
        (trust / "agency-ca.pem", trust, None, "agency-ca.pem"),
        (sound, tmp_path / "no-trust", None, "no-trust"),
        (sound, trust, tmp_path / "no-identity", "no-identity"),
        (sound, trust, tmp_path / "identity.txt", "identity.txt"),
    ):
        code, text = run(root, trust_dir, identity, language=language)
        assert code == 2
        assert named in text
        assert "RUBBISH" not in text, "never repeat what may be a secret"
        code, text = run(root, trust_dir, identity, as_json=True)
        assert json.loads(text)["exit_code"] == code == 2


def test_json_is_complete_and_parses(sound: Path, trust: Path) -> None:
    code, text = run(sound, trust, as_json=True)
    data = json.loads(text)
    assert data["exit_code"] == code == 0
    assert data["axes"] == {axis: values[0] for axis, values in AXES.items()}
    vault = data["vaults"][0]
    assert vault["valid"] is True
    assert len(vault["segments"]) == data["segments"] == 5
    assert {"kid", "fingerprint", "status"} <= set(vault["keys"][0])


def test_identity_file(tmp_path: Path, trust: Path, identity: Identity) -> None:
    folder = sound_vault(AGENCY, (identity.recipient,)).write(tmp_path / "sealed")
    path = tmp_path / "identity.txt"
    path.write_text(f"# created today\n{identity.text}\n", encoding="ascii")
    code, text = run(folder, trust, path, as_json=True)
    assert code == 0
    assert all(segment["opened"] for segment in json.loads(text)["vaults"][0]["segments"])


def test_a_store_with_several_vaults(tmp_path: Path, trust: Path) -> None:
    for seed in (1, 2):
        b = VaultBuilder(AGENCY, unit_id=f"zfy-00000{seed}", seed=seed)
        b.boot()
        b.shift_start()
        b.session(1)
        b.shift_end()
        b.receipt()
        b.write(tmp_path / "store" / b.unit_id / b.journal_id)
    code, text = run(tmp_path / "store", trust)
    assert code == 0
    assert "zfy-000001" in text
    assert "zfy-000002" in text
    next((tmp_path / "store" / "zfy-000002").rglob("*.mp4")).write_bytes(b"")
    code, text = run(tmp_path / "store", trust, as_json=True)
    assert code == 1
    assert [vault["valid"] for vault in json.loads(text)["vaults"]] == [True, False]


def test_summary_for_the_simulator(tmp_path: Path, sound: Path, trust: Path) -> None:
    report = tmp_path / "report.html"
    summary = verify_for_simulator(sound, trust, None, report)
    assert summary["exit_code"] == 0
    assert summary["verdict"] == "valid"
    assert (summary["integrity"], summary["completeness"]) == ("intact", "complete")
    assert summary["recorded_s"] == pytest.approx(5.0)
    assert summary["unaccounted_s"] == 0
    assert (summary["segments"], summary["entries"], summary["findings"]) == (5, 35, 0)
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert verify_for_simulator(tmp_path / "nowhere", trust, None, None)["exit_code"] == 2


def test_every_value_of_the_catalogue_is_known_and_has_both_languages() -> None:
    for code, kind in KINDS.items():
        assert kind.value is None or kind.value in AXES[kind.axis], code
        assert kind.zh != kind.en
        assert "有效" not in kind.zh, "said of a whole verification only"
        assert "valid" not in kind.en
    for values in AXES.values():
        assert all(value in VALUE_NAMES for value in values)


@pytest.mark.parametrize("damage", ["first line", "a line in the middle", "no journal", "cut tail", "torn tail"])
def test_unaccounted_time_is_unknown_where_the_journal_cannot_be_verified(
    damage: str, tmp_path: Path, sound: Path, trust: Path
) -> None:
    """Zero would say that every second has been accounted for. A torn tail is no such case: nothing was signed there."""
    files = sorted((sound / "journal").glob("*.jws"))
    file = files[0]
    lines = file.read_bytes().splitlines(keepends=True)
    if damage == "first line":
        lines[0] = b"rubbish\n"
    elif damage == "a line in the middle":
        lines[5] = lines[5][:-20] + b"A" * 19 + b"\n"
    elif damage == "torn tail":
        lines.append(b"eyJhbGci")
    elif damage == "cut tail":
        del lines[-5:]
    if damage == "no journal":
        for each in files:
            each.unlink()
    else:
        file.write_bytes(b"".join(lines))
    known = damage == "torn tail"
    html = tmp_path / "report.html"
    summary = verify_for_simulator(sound, trust, None, html)
    assert summary["unaccounted_s"] == (0.0 if known else None)
    code, text = run(sound, trust, as_json=True)
    vault = json.loads(text)["vaults"][0]
    assert code == (0 if known else 1) and vault["unaccounted_us"] == (0 if known else None)
    assert ("unaccounted time: unknown" in run(sound, trust, language="en")[1]) is not known
    assert ("无人签名的时间：不详" in run(sound, trust)[1]) is not known
    assert ("日志未能全部核验" in html.read_text(encoding="utf-8")) is not known
