"""Our store against a foreign client: tus-js-client, from the same hand as the protocol."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.proxy import FaultProxy
from recorder.evidence import jws
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble

MB = 1_000_000


@pytest.fixture
def store(asked_for: None, tmp_path: Path) -> Iterator[tuple[StoreProcess, Authority]]:
    authority = Authority(tmp_path / "authority", SystemClock())
    process = StoreProcess(tmp_path / "store", tmp_path / "store" / "root", authority, SystemClock())
    process.start()
    yield process, authority
    process.stop()


@pytest.mark.parametrize("faults", [0, 3])
def test_tus_js_client_uploads_and_gets_a_receipt(
    node: Path, store: tuple[StoreProcess, Authority], tmp_path: Path, faults: int
) -> None:
    process, authority = store
    unit = UnitDouble.enrolled(authority, "zfy-000001", tmp_path / "unit", process.port)
    unit.write_boot()
    segment = unit.segment(10 * MB)
    unit.close(segment)
    assert unit.post(0).status == 200
    proxy = FaultProxy(process.port, SystemClock())
    proxy.slow(20 * MB)
    if faults:
        proxy.mishap("reset", 2 * MB, times=faults)
    done = upload(node, proxy.port, tmp_path, segment, unit)
    proxy.close()
    assert done.returncode == 0, done.stderr
    assert proxy.strikes == faults
    reply = unit.receipt(segment)
    assert reply.status == 200
    (stored,) = jws.split(reply.body.decode()).payload["segments"]
    assert (stored["sha256"], stored["size"]) == (segment.sha256, len(segment.data))


def upload(
    node: Path, port: int, folder: Path, segment: DoubleSegment, unit: UnitDouble
) -> subprocess.CompletedProcess[str]:
    file = folder / "segment"
    file.write_bytes(segment.data)
    metadata = {
        "journal_id": unit.journal_id,
        "session_id": segment.session_id,
        "segment_id": segment.segment_id,
        "sha256": segment.sha256,
    }
    endpoint = f"https://127.0.0.1:{port}/uploads"
    command = ["node", "client.mjs", endpoint, str(file), str(unit.directory), json.dumps(metadata)]
    return subprocess.run(command, cwd=node, capture_output=True, text=True, timeout=120, check=False)
