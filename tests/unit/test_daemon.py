"""The edges of ``recorder run``: what makes it refuse, and how it ends when the disk refuses the last records."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder import daemon
from recorder.config.load import Loaded, load_config
from recorder.daemon import CANNOT_START, CannotStart, run_unit
from recorder.evidence.records import Event
from recorder.evidence.signer import KeyFileError
from tests.unit.unit_kit import UnitKit


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """``run_unit`` takes over logging for the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def loaded(tmp_path: Path, **storage: str) -> Loaded:
    """The defaults, on the simulator's board without a world: far enough to be refused."""
    places = {"data_dir": str(tmp_path / "data"), "run_dir": str(tmp_path / "run"), **storage}
    path = tmp_path / "unit.toml"
    lines = ["[storage]", *(f'{key} = "{value}"' for key, value in places.items())]
    lines += ["[board]", 'module = "hw_sim.board"', f'options = {{ world = "{tmp_path}/none.sock" }}']
    path.write_text("\n".join(lines) + "\n")
    return load_config([path], {})


def refused(config: Loaded, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_unit(config, lambda: config, lambda _: config) == CANNOT_START
    said = capsys.readouterr().out
    assert "start.refused" in said and "Traceback" not in said
    return said


def test_no_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.sock" in refused(loaded(tmp_path), capsys)


@pytest.mark.parametrize("place", ["data_dir", "run_dir"])
def test_a_folder_that_cannot_be_one(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in refused(loaded(tmp_path, **{place: str(tmp_path / "file" / "below")}), capsys)


def test_a_key_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its key a unit can sign nothing, and a new one would make it another unit: somebody has to look."""
    key = tmp_path / "data" / "keys" / "device-key.pem"
    key.parent.mkdir(parents=True)
    key.write_text("no key")
    key.chmod(0o600)
    assert "device-key.pem" in refused(loaded(tmp_path), capsys)


def test_a_locked_folder_is_free_again_when_its_holder_is_gone(tmp_path: Path) -> None:
    first = daemon._lock(tmp_path)
    with pytest.raises(CannotStart, match=r"已有一个记录单元.*another recorder run"):
        daemon._lock(tmp_path)
    os.close(first)
    os.close(daemon._lock(tmp_path))


def test_a_refusal_gives_the_folders_free_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = loaded(tmp_path)
    refused(config, capsys)
    assert "none.sock" in refused(config, capsys), "not: already in use"


@pytest.mark.parametrize("damage", ["garbage", "foreign", "unreadable"])
def test_a_certificate_that_cannot_be_used_is_left_out_and_said(damage: str, tmp_path: Path) -> None:
    signer, findings = daemon._signer(tmp_path)
    assert findings == []
    chain = tmp_path / "keys" / "device-cert.pem"
    if damage == "unreadable":
        chain.mkdir()
    else:
        chain.write_text("-----BEGIN CERTIFICATE-----" if damage == "garbage" else "")
    again, findings = daemon._signer(tmp_path)
    assert again.kid == signer.kid and again.x5c == ()
    (finding,) = findings
    assert finding.code == "certificate-unusable" and "device-cert.pem" in finding.zh + finding.en


def test_a_key_others_may_read_is_still_refused(tmp_path: Path) -> None:
    daemon._signer(tmp_path)
    (tmp_path / "keys" / "device-key.pem").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        daemon._signer(tmp_path)


def test_the_end_with_a_disk_that_takes_the_last_records(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit")
    kit.ledger.write(Event(event="night-on", at_us=1, detail={}))
    assert daemon._close(kit.journal, kit.ledger)
    assert kit.types()[-1] == "event"


def test_the_last_record_is_durable_before_workers_are_waited_for(tmp_path: Path) -> None:
    kit = UnitKit(tmp_path / "unit")
    kit.unit.finished = True
    daemon._last_words(kit.unit, kit.ledger)
    last = list(kit.records())[-1]
    assert (last[0], last[1]["event"]) == ("event", "unit-stop")


def test_the_end_with_a_disk_that_refuses_says_how_many_are_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kit = UnitKit(tmp_path / "unit")
    kit.files.refuse = True
    kit.ledger.write(Event(event="night-on", at_us=1, detail={}))
    with caplog.at_level("CRITICAL"):
        assert not daemon._close(kit.journal, kit.ledger)
    (line,) = [record for record in caplog.records if record.getMessage() == "journal.last-records"]
    assert vars(line)["fields"]["unwritten"] == 1
