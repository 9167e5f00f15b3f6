"""The failure matrix of the upload (docs/testing.md): the uplink as the process it is, the real store over each object
store engine, and between them a line on which everything happens. Nothing is lost and nothing doubled.

What needs no store, or one that lies, is in ``tests/uplink/test_failure_matrix.py``. The lines are slowed to rates at which
the bound on bytes sent twice was defined: an unbounded loopback holds megabytes that a reset throws away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.objects.seaweed import program
from tests.hw_sim.agency.objects.engines import ENGINES, SeaweedEngine
from tests.hw_sim.agency.unit_double import TUS, UnitDouble, client_context, csr, key_pem, new_key
from tests.integration.matrix_rig import EXPIRED, MB, NOT_YET, NOW, PER_FAULT, Field, Site
from tests.support import require_program, tier
from tests.uplink.impostors import Gateway, listening_on, portal_in_the_clear, portal_with_a_certificate, server_side

DAY_S = 86400


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
    field.half_sent(MB)
    field.site.authority.revoke(field.unit_id)
    field.reconnects()
    field.says("tls-refused")
    field.holds_all(segment)
    client = new_key()
    again = field.site.authority.enrol(field.unit_id, csr(new_key(), field.unit_id), csr(client, field.unit_id))
    tls = Path(field.process.settings.tls_dir)
    (tls / "client-key.pem").write_bytes(key_pem(client))
    (tls / "client-cert.pem").write_bytes(again.client_cert_pem)
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT


# --- who answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("portal", "code"), [("clear", "tls-failed"), ("own certificate", "tls-untrusted")])
def test_a_captive_portal_comes_in_the_middle_and_goes(field: Field, tmp_path: Path, portal: str, code: str) -> None:
    segment = field.unit.segment(3 * MB)
    rogue = Authority(tmp_path / "rogue", field.site.clock).server_dir
    own = portal_with_a_certificate(rogue / "server-cert.pem", rogue / "server-key.pem")
    with listening_on(0, portal_in_the_clear if portal == "clear" else own) as port:
        field.half_sent(MB)
        field.proxy.lead_to(port)
        field.reconnects()
        field.says(code)
        field.holds_all(segment)
        field.proxy.lead_to(None)
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT


def gateway(field: Field, flip_at: int | None = None) -> Gateway:
    server = field.site.authority.server_dir
    front = server_side(server / "server-cert.pem", server / "server-key.pem")
    return Gateway(front, client_context(field.tls), field.site.store.port, flip_at)


def test_a_gateway_whose_store_dies_says_502_and_the_rest_is_not_sent(field: Field) -> None:
    segment = field.unit.segment(5 * MB)
    between = gateway(field)
    with listening_on(0, between) as port:
        field.proxy.lead_to(port)
        field.half_sent(2 * MB)
        field.site.store.kill()
        field.proxy.slow(MB)
        field.proxy.mode("ok")
        field.says("store-error")
        field.holds_all(segment)
        in_vain = between.in_vain
        field.proxy.slow(6 * MB)
        field.site.store.start()
        field.until_done(segment)
    field.check(segment)
    assert between.refused >= 1
    assert in_vain <= MB, "what the buffers on the way hold, of 3 MB"
    assert field.twice(segment) <= 2 * MB + PER_FAULT, "at most what had gone, not the rest"


def test_a_bit_flipped_behind_tls_is_460_and_costs_one_patch(field: Field) -> None:
    """On the line TLS notices (above). What stands for the way from there to the disk is a gateway with bad memory."""
    segment = field.unit.segment(3 * MB)
    field.proxy.slow(6 * MB)
    between = gateway(field, flip_at=2 * MB)
    with listening_on(0, between) as port:
        field.proxy.lead_to(port)
        field.process.start()
        field.says("digest-mismatch")
        field.until_done(segment)
    field.check(segment)
    assert between.flipped == 1
    assert segment.size <= field.twice(segment) <= segment.size + PER_FAULT


def test_another_units_url_is_nowhere_and_the_upload_goes_on(field: Field, tmp_path: Path) -> None:
    segment = field.unit.segment(4 * MB)
    field.half_sent(2 * MB)
    field.process.kill()
    field.proxy.mode("ok")
    held = field.double().create(field.by_hand(segment))
    assert 0 < held.offset < segment.size
    location, bytes_up = held.headers["location"], field.proxy.bytes_up
    stranger = UnitDouble.enrolled(field.site.authority, f"{field.unit_id}-x", tmp_path / "x", field.site.store.port)
    stranger.journal_id = field.unit.journal_id
    assert stranger.head(location).status == 404
    assert stranger.patch(location, held.offset, b"not the unit's").status == 404
    assert stranger.request("DELETE", location, TUS).status == 404
    assert field.double().head(location).offset == held.offset
    field.process.start()
    field.until_done(segment)
    assert stranger.receipt(field.by_hand(segment)).status == 404
    field.check(segment)
    assert field.proxy.bytes_up - bytes_up <= segment.size - held.offset + PER_FAULT


def test_an_upload_the_store_has_forgotten_is_made_again(field: Field) -> None:
    """Given up behind the back of the uplink, as an upload that has expired is."""
    segment = field.unit.segment(3 * MB)
    field.half_sent(MB)
    field.proxy.mode("refuse")
    again = field.double()
    location = again.create(field.by_hand(segment)).headers["location"]
    assert again.request("DELETE", location, TUS).status == 204
    assert again.head(location).status == 404
    field.proxy.mode("ok")
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= MB + 2 * PER_FAULT


# --- clocks and certificates ------------------------------------------------------------------------------------------


@pytest.fixture
def renewed(site: Site) -> Iterator[None]:
    """Whatever a test does to the store's certificate, the next one finds a good one."""
    yield
    site.show_certificate(NOW)


@pytest.mark.parametrize("issued", [NOT_YET, EXPIRED], ids=["behind", "ahead"])
def test_the_clock_of_the_unit_is_wrong_until_it_is_set(field: Field, renewed: None, issued: dt.timedelta) -> None:
    """TLS asks the system's clock, which a test cannot turn: the store's certificate is of another time instead. The times
    in the journal are the wrong clock's, and are taken as the claims they are."""
    field.unit.wall += -9 * 365 * DAY_S if issued == NOT_YET else 9 * 365 * DAY_S
    segment = field.unit.segment(MB)
    field.site.show_certificate(issued)
    field.process.start()
    field.says("tls-not-now")
    assert "tls-untrusted" not in field.process.codes()
    field.holds_all(segment)
    field.site.show_certificate(NOW)
    field.until_done(segment)
    field.check(segment)


def test_the_certificate_of_the_store_expires_in_the_middle(field: Field, renewed: None) -> None:
    """A connection that is up stays up; the unit refuses the next one until the store shows a renewed certificate."""
    segment = field.unit.segment(3 * MB)
    field.half_sent(MB)
    field.site.show_certificate(EXPIRED)
    field.reconnects()
    field.says("tls-not-now")
    field.holds_all(segment)
    field.site.show_certificate(NOW)
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT


def test_the_certificate_of_the_unit_expires_in_the_middle(field: Field) -> None:
    segment = field.unit.segment(3 * MB)
    field.half_sent(MB)
    field.show_certificate(EXPIRED)
    field.reconnects()
    field.says("tls-refused")
    field.holds_all(segment)
    field.show_certificate(NOW)
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= PER_FAULT


# --- power ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["torn", "rolled back", "lost"])
def test_the_power_of_the_store_is_cut_in_the_middle_of_an_upload(field: Field, left: str) -> None:
    """SIGKILL, and then what a power cut makes of a staged file: a tail nobody synced, a file shorter than it was (the disk
    lied about a sync), no file. Real power is not cut here."""
    segment = field.unit.segment(4 * MB)
    field.half_sent(2 * MB)
    field.proxy.mode("refuse")
    told = field.double().create(field.by_hand(segment)).offset
    field.site.store.kill()
    kept = field.site.after_a_power_cut(field.unit_id, left)
    assert 0 < told < segment.size
    assert kept == told or left != "torn", "what it has answered for, it has synced"
    field.site.store.start()
    assert field.double().create(field.by_hand(segment)).offset == kept
    field.proxy.mode("ok")
    field.until_done(segment)
    field.check(segment)
    assert field.twice(segment) <= 2 * MB - kept + 2 * PER_FAULT
