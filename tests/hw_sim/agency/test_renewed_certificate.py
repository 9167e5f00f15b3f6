"""The store's own certificate is renewed: served from the next connection on, without a restart."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import common_name
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles
from tests.hw_sim.agency.test_segments import HandClock
from tests.hw_sim.agency.unit_double import UnitDouble

HOUR_S = 3600.0


@pytest.fixture
def clock() -> HandClock:
    """The authority's."""
    return HandClock(SystemClock().wall_us() / 1e6 - HOUR_S)


@pytest.fixture
def authority(tmp_path: Path, clock: HandClock) -> Authority:
    """One of its own: these tests spoil its files."""
    return Authority(tmp_path / "authority", clock)


@pytest.fixture
def contexts(authority: Authority) -> TlsContexts:
    trust = AgencyTrust(authority.ca_file, authority.crl_file)
    return TlsContexts(TlsFiles(authority.server_dir, authority.ca_file, authority.crl_file), trust)


@pytest.fixture
def renewed(tmp_path: Path) -> Path:
    """Another pair, of another CA: which one is served is all that matters here."""
    return Authority(tmp_path / "renewed", SystemClock()).server_dir


def put(source: Path, target: Path, name: str) -> None:
    """As an administrator does: written beside, then renamed."""
    beside = target / f".{name}"
    beside.write_bytes((source / name).read_bytes())
    beside.rename(target / name)


def test_nothing_changed_the_same_context(contexts: TlsContexts) -> None:
    assert contexts.current() is contexts.current()


def test_a_renewed_pair_is_served(contexts: TlsContexts, authority: Authority, renewed: Path) -> None:
    before = contexts.current()
    put(renewed, authority.server_dir, "server-cert.pem")
    assert contexts.current() is before, "certificate and key do not fit: the old pair serves on"
    put(renewed, authority.server_dir, "server-key.pem")
    after = contexts.current()
    assert after is not before
    assert contexts.current() is after


def test_a_pair_that_does_not_fit_is_said_once(
    contexts: TlsContexts, authority: Authority, renewed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(renewed, authority.server_dir, "server-key.pem")
    for _ in range(3):
        contexts.current()
    (said,) = [record.getMessage() for record in caplog.records]
    assert str(authority.server_dir) in said and "the old ones serve on" in said


def test_a_missing_certificate_does_not_close_the_door(contexts: TlsContexts, authority: Authority) -> None:
    before = contexts.current()
    (authority.server_dir / "server-cert.pem").unlink()
    assert contexts.current() is before


@pytest.mark.parametrize("seen", [True, False], ids=["refused before the list", "with the list"])
def test_a_pair_that_does_not_fit_and_a_renewed_list_the_old_pair_serves_on(
    contexts: TlsContexts, authority: Authority, clock: HandClock, renewed: Path, tmp_path: Path, seen: bool
) -> None:
    """With the new list: who is on it does not come in, who is not does."""
    units = [UnitDouble.enrolled(authority, f"zfy-{number}", tmp_path / f"unit-{number}") for number in range(2)]
    put(renewed, authority.server_dir, "server-cert.pem")
    if seen:
        contexts.current()
    clock.wall += HOUR_S / 2  # a list of a later second: OpenSSL takes the later one
    assert authority.revoke(units[0].unit_id) == 2
    assert contexts.current() is contexts.current()
    assert shake_hands(contexts.current(), units[1]) == units[1].unit_id
    with pytest.raises(ssl.SSLError, match=r"(?i)revoked"):
        shake_hands(contexts.current(), units[0])
    put(renewed, authority.server_dir, "server-key.pem")
    with pytest.raises(ssl.SSLError):  # the new pair, of a CA the unit does not know
        shake_hands(contexts.current(), units[1])


def shake_hands(server: ssl.SSLContext, unit: UnitDouble) -> str:
    """In memory; the common name the server saw. Raises what the server found wrong."""
    assert unit.tls is not None
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = unit.tls.wrap_bio(down, up, server_hostname="127.0.0.1")
    for _ in range(8):
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    der = ours.getpeercert(binary_form=True)
    assert der is not None
    return common_name(x509.load_der_x509_certificate(der).subject) or ""


def test_a_revocation_list_that_cannot_be_read_does(contexts: TlsContexts, authority: Authority, renewed: Path) -> None:
    put(renewed, authority.server_dir, "server-cert.pem")
    contexts.current()
    authority.crl_file.write_bytes(b"nonsense")
    with pytest.raises(OSError):
        contexts.current()
