"""The failure matrix of the upload (docs/testing.md): the uplink as the process it is, the real store over each object
store engine, and between them a line on which everything happens. Nothing is lost and nothing doubled.

What a server must do wrong on purpose is in ``tests/uplink/test_failure_matrix.py``. The lines are slowed to rates at which
the bound on bytes sent twice was defined: an unbounded loopback holds megabytes that a reset throws away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.objects.seaweed import program
from tests.hw_sim.agency.objects.engines import ENGINES, SeaweedEngine
from tests.hw_sim.agency.unit_double import csr, key_pem, new_key
from tests.integration.matrix_rig import MB, PER_FAULT, Field, Site
from tests.support import require_program, tier


@pytest.fixture(scope="module", params=sorted(ENGINES))
def site(
    request: pytest.FixtureRequest, paper: tuple[object, Authority], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """An engine more is an entry in ``ENGINES`` (tests/hw_sim/agency/objects/engines.py)."""
    if request.param == "seaweedfs":
        if tier() == "quick":
            pytest.skip("另一存储引擎只在 CI 中 the second engine runs in CI (CI=true)")
        if program() is None:
            require_program("weed")
    engine = ENGINES[request.param](tmp_path_factory.mktemp(request.param))
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(engine, SeaweedEngine):
            for name, value in engine.weed.credentials.environment().items():
                patch.setenv(name, value)
        made = Site.open(engine, tmp_path_factory.mktemp("store"), paper[1], SystemClock())
        yield made
        made.store.stop()
        engine.stop()


@pytest.fixture
def field(site: Site, tmp_path: Path) -> Iterator[Field]:
    made = Field.enrolled(site, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("every_mb", [1, 4])
@pytest.mark.parametrize("kind", ["reset", "stall"])
def test_a_line_that_fails_every_few_megabytes(field: Field, kind: str, every_mb: int) -> None:
    """Nightly the 40 MB at 6 MB/s of the measurement; otherwise enough for several faults."""
    size = (40 if tier() == "nightly" else 3.5 * every_mb if every_mb == 1 else 2.5 * every_mb) * MB
    segment = field.unit.segment(round(size))
    field.proxy.slow(6 * MB)
    field.proxy.mishap("reset" if kind == "reset" else "stall", every_mb * MB)
    field.process.start()
    field.until_done(segment, timeout_s=150)
    faults = field.proxy.strikes
    field.check(segment)
    assert faults >= size // (every_mb * MB) - 1
    assert field.twice(segment) <= PER_FAULT * faults, f"{field.twice(segment)} bytes over {faults} faults"


def test_the_client_is_killed_in_the_middle_of_a_patch(field: Field) -> None:
    segment = field.unit.segment(6 * MB)
    field.proxy.slow(6 * MB)
    field.process.start()
    field.process.until(lambda: field.proxy.bytes_up >= 2 * MB)
    field.process.kill()
    field.process.start()
    field.until_done(segment)
    field.check(segment)
    # What the line held when the process died, and the handshakes; the rest was not asked for again.
    assert field.proxy.bytes_up - segment.size <= PER_FAULT


def test_the_store_is_killed_in_the_middle_of_a_patch(field: Field) -> None:
    segment = field.unit.segment(6 * MB)
    field.proxy.slow(6 * MB)
    field.process.start()
    field.process.until(lambda: field.proxy.bytes_up >= 3 * MB)
    field.site.store.kill()
    field.process.until(lambda: not field.process.status()["online"])
    field.site.store.start()
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT + 8 * 1024 * 1024


def test_a_half_open_connection_is_left_and_does_not_hold_the_upload(field: Field) -> None:
    segment = field.unit.segment(4 * MB)
    field.proxy.slow(6 * MB)
    field.process.start()
    field.process.until(lambda: field.proxy.bytes_up >= MB)
    field.proxy.strand()
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT


def test_the_last_answer_is_lost_and_there_is_no_second_object(field: Field) -> None:
    segment = field.unit.segment(2 * MB)
    field.proxy.mishap("lose-answer", segment.size, times=1)
    field.process.start()
    field.until_done(segment)
    field.check(segment)
    assert field.proxy.strikes == 1
    assert field.twice(segment) == 0


def test_a_bit_flipped_on_the_line_costs_the_connection_and_nothing_else(field: Field) -> None:
    segment = field.unit.segment(4 * MB)
    field.proxy.slow(6 * MB)
    field.proxy.mishap("flip", 2 * MB, times=1)
    field.process.start()
    field.until_done(segment)
    field.check(segment)
    assert field.proxy.strikes == 1
    assert field.twice(segment) <= PER_FAULT


@pytest.mark.parametrize("mode", ["refuse", "stall"])
def test_the_network_goes_and_comes_back(field: Field, mode: str) -> None:
    segments = [field.unit.segment(3 * MB) for _ in range(2)]
    field.proxy.slow(6 * MB)
    field.process.start()
    field.process.until(lambda: field.proxy.bytes_up >= MB)
    field.proxy.mode("refuse" if mode == "refuse" else "stall")
    field.process.until(lambda: not field.process.status()["online"])
    late = field.unit.segment(MB)
    field.proxy.mode("ok")
    field.until_done(*segments, late)
    field.check(*segments, late)


def test_a_revoked_unit_loses_nothing_and_goes_on_with_a_new_certificate(field: Field) -> None:
    """The lost unit is found again: what it signed before is taken, under the same journal."""
    segment = field.unit.segment(2 * MB)
    field.proxy.slow(4 * MB)
    field.process.start()
    field.process.until(lambda: field.proxy.bytes_up >= MB)
    field.site.authority.revoke(field.unit_id)
    field.proxy.reset()
    field.process.until(lambda: "tls-refused" in field.process.codes())
    field.holds_all(segment)
    client = new_key()
    again = field.site.authority.enrol(field.unit_id, csr(new_key(), field.unit_id), csr(client, field.unit_id))
    tls = Path(field.process.settings.tls_dir)
    (tls / "client-key.pem").write_bytes(key_pem(client))
    (tls / "client-cert.pem").write_bytes(again.client_cert_pem)
    field.until_done(segment)
    assert field.twice(segment) <= PER_FAULT
