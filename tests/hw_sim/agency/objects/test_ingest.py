"""The store process on every engine: receipts name the locked version, repeats and a store that is away change nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.objects.__main__ import main as objects_command
from recorder.evidence.verify.command import run_verify
from tests.hw_sim.agency.objects.engines import Engine
from tests.hw_sim.agency.test_store_journal import alarms, believed, vault
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble

DAY_S = 86400.0
SIZE = 300_000


@pytest.fixture
def url(engine: Engine) -> str:
    engine.start()
    return engine.url()


@pytest.fixture
def store(url: str, authority: Authority, tmp_path: Path) -> Iterator[StoreProcess]:
    extra = ("--objects", url, "--retain-days", "183", "--reserve-mb", "16")
    process = StoreProcess(tmp_path / "store", tmp_path / "root", authority, SystemClock(), extra)
    process.start()
    yield process
    assert process.stop() == 0, process.log_file.read_text()[-3000:]


@pytest.fixture
def unit(store: StoreProcess, authority: Authority, tmp_path: Path) -> UnitDouble:
    return UnitDouble.enrolled(authority, "zfy-objects", tmp_path / "unit", store.port)


def verified(folder: Path, authority: Authority) -> dict[str, Any]:
    """What ``recorder verify --json`` says."""
    output = io.StringIO()
    run_verify(folder, authority.trust_dir, None, True, "en", output)
    verdict = json.loads(output.getvalue())
    assert isinstance(verdict, dict)
    return verdict


def closed(unit: UnitDouble) -> DoubleSegment:
    unit.write_boot()
    segment = unit.segment(SIZE)
    unit.close(segment)
    assert unit.post(0).status == 200
    return segment


def test_a_receipt_names_the_version_and_its_lock_and_the_vault_can_be_laid_out(
    store: StoreProcess, url: str, engine: Engine, unit: UnitDouble, authority: Authority, tmp_path: Path
) -> None:
    segment = closed(unit)
    assert unit.upload(segment).status == 204
    receipt = believed(authority, unit.receipt(segment).body.decode())
    (stored,) = receipt.segments
    assert stored.object == (
        f"{unit.unit_id}/{unit.journal_id}/segments/{segment.session_id}/{segment.segment_id}.mp4.age"
    )
    assert stored.lock_mode == engine.lock_mode
    assert stored.version
    assert stored.retain_until >= stored.stored_at + 183 * DAY_S
    assert list((store.root / "staging").glob("*.whole")) == []
    out = tmp_path / "laid-out"
    assert objects_command(["fetch", "--objects", url, str(vault(store, unit)), "--out", str(out)]) == 0
    path = out / "segments" / segment.session_id / f"{segment.segment_id}.mp4.age"
    assert path.read_bytes() == segment.data
    assert (out / "receipts" / f"{receipt.jti}.jws").exists()
    assert list((out / "journal").glob("*.jws"))
    # The double's media are random bytes, which the verifier says; but all are there, and the receipt is believed.
    verdict = verified(out, authority)
    assert verdict["anchor"] == "anchored" and "missing" not in json.dumps(verdict)
    path.unlink()
    assert "segment-missing" in json.dumps(verified(out, authority))


@pytest.mark.parametrize("engine", ["seaweedfs"], indirect=True)
def test_a_store_that_is_away_costs_no_journal_line_and_no_upload(
    store: StoreProcess, engine: Engine, unit: UnitDouble, authority: Authority
) -> None:
    engine.kill()
    segment = closed(unit)
    assert unit.upload(segment).status == 204
    waiting = unit.receipt(segment)
    assert (waiting.status, waiting.json["state"]) == (404, "awaiting-store")
    unit.write_events(3)
    anchored = believed(authority, unit.post(3).json["receipt"])
    assert (anchored.head_seq, anchored.segments) == (unit.next_seq - 1, ())
    assert alarms(store, unit) == ["object-store"]
    engine.start()
    store.stop()  # a new process does not wait out the pause after the last attempt
    store.start()
    receipt = believed(authority, unit.receipt(segment).body.decode())
    assert [item.segment_id for item in receipt.segments] == [segment.segment_id]
