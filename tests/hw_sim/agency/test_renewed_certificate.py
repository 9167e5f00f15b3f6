"""The store's own certificate is renewed: served from the next connection on, without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One of its own: these tests spoil its files."""
    return Authority(tmp_path / "authority", SystemClock())


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


def test_a_revocation_list_that_cannot_be_read_does(contexts: TlsContexts, authority: Authority, renewed: Path) -> None:
    put(renewed, authority.server_dir, "server-cert.pem")
    contexts.current()
    authority.crl_file.write_bytes(b"nonsense")
    with pytest.raises(OSError):
        contexts.current()
