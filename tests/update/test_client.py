"""The client against the stand-in: resumed downloads, bounded answers, a token for one host only."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from recorder.update.client import DdiClient, address
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.faults import UplinkFault
from tests.update.ddi_server import DdiServer
from tests.update.kit import ARTEFACT
from tests.uplink.pki import UNIT, Pki


def fetch(client: DdiClient, server: DdiServer, path: Path, most: int = len(ARTEFACT)) -> int:
    """Downloads once; returns the bytes that came."""
    counts: list[int] = []
    with path.open("r+b" if path.exists() else "w+b") as file:
        client.download(f"{server.root}/softwaremodules/1/artifacts/a.deb", file, most, counts.append)
    return sum(counts)


def test_a_download_that_breaks_off_goes_on_where_it_was(client: DdiClient, server: DdiServer, tmp_path: Path) -> None:
    server.offer("8", {"a.deb": ARTEFACT})
    server.cut_after = [20_000]
    with pytest.raises(UplinkFault) as caught:
        fetch(client, server, tmp_path / "a")
    assert caught.value.kind.code == "connection-lost" and (tmp_path / "a").stat().st_size == 20_000
    assert fetch(client, server, tmp_path / "a") == len(ARTEFACT) - 20_000
    assert (tmp_path / "a").read_bytes() == ARTEFACT
    assert server.requests[-1][2]["Range"] == "bytes=20000-"


def test_a_server_without_ranges_begins_anew(client: DdiClient, server: DdiServer, tmp_path: Path) -> None:
    server.offer("8", {"a.deb": ARTEFACT})
    server.no_range = True
    (tmp_path / "a").write_bytes(b"x" * 1000)
    assert fetch(client, server, tmp_path / "a") == len(ARTEFACT)
    assert (tmp_path / "a").read_bytes() == ARTEFACT


@pytest.mark.parametrize("more", [b"y", b"yyyy"])
def test_what_is_longer_than_it_should_be_starts_over(
    client: DdiClient, server: DdiServer, tmp_path: Path, more: bytes
) -> None:
    server.offer("8", {"a.deb": ARTEFACT})
    (tmp_path / "a").write_bytes(b"x" * len(ARTEFACT) + more)
    assert fetch(client, server, tmp_path / "a") == len(ARTEFACT)
    assert (tmp_path / "a").read_bytes() == ARTEFACT


def test_a_server_that_has_less_than_was_begun_with_has_it_begin_anew(
    client: DdiClient, server: DdiServer, tmp_path: Path
) -> None:
    server.offer("8", {"a.deb": ARTEFACT[:1000]})
    (tmp_path / "a").write_bytes(b"x" * 2000)
    with pytest.raises(UplinkFault, match="416"):
        fetch(client, server, tmp_path / "a")
    assert (tmp_path / "a").stat().st_size == 0


def test_a_server_that_goes_on_behind_the_end_is_not_read_to_its_own(
    client: DdiClient, server: DdiServer, tmp_path: Path
) -> None:
    server.offer("8", {"a.deb": ARTEFACT})
    (tmp_path / "a").write_bytes(b"x" * 2000)
    with pytest.raises(UplinkFault, match="more than 1000"):
        fetch(client, server, tmp_path / "a", most=1000)
    assert "Range" not in server.requests[-1][2]


def test_more_than_announced_is_not_kept(client: DdiClient, server: DdiServer, tmp_path: Path) -> None:
    server.offer("8", {"a.deb": ARTEFACT})
    with pytest.raises(UplinkFault, match="protocol-error"):
        fetch(client, server, tmp_path / "a", most=1000)
    assert (tmp_path / "a").stat().st_size == 0


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (429, "store-busy"), (500, "store-error"), (302, "protocol-error")]
)
def test_what_is_no_success_is_a_fault(client: DdiClient, server: DdiServer, status: int, code: str) -> None:
    server.answers = [("controller", status, b"<html>")]
    with pytest.raises(UplinkFault) as caught:
        client.base()
    assert caught.value.kind.code == code


def test_an_answer_without_end_is_not_read_to_its_end(client: DdiClient, server: DdiServer) -> None:
    server.answers = [("controller", 200, b"x" * ((1 << 20) + 1))]
    with pytest.raises(UplinkFault, match="protocol-error"):
        client.base()


def test_the_token_goes_to_the_server_and_to_nobody_else(pki: Pki, client: DdiClient, server: DdiServer) -> None:
    with DdiServer(pki) as elsewhere:
        elsewhere.answers = [("a.deb", 200, b"ok")]
        assert client.get(f"{elsewhere.url}/a.deb") == b"ok"
        assert "Authorization" not in elsewhere.requests[0][2]
    client.base()
    assert server.requests[0][2]["Authorization"].startswith("TargetToken ")


def test_an_action_the_server_forgot_is_told_of_no_more(client: DdiClient, server: DdiServer) -> None:
    server.answers = [("feedback", 410, b""), ("feedback", 404, b"")]
    assert not client.feedback("deploymentBase", "8", {})
    assert not client.feedback("deploymentBase", "8", {})


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_report_the_server_refuses_for_good_is_not_told_again(
    client: DdiClient, server: DdiServer, status: int
) -> None:
    server.answers = [("feedback", status, b"")]
    assert not client.feedback("deploymentBase", "8", {})


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_report_whose_refusal_may_pass_is_kept(client: DdiClient, server: DdiServer, status: int) -> None:
    server.answers = [("feedback", status, b"")]
    with pytest.raises(UplinkFault):
        client.feedback("deploymentBase", "8", {})


def test_a_server_nobody_vouches_for_is_not_asked(pki: Pki, server: DdiServer, tmp_path: Path) -> None:
    options = ConnectionOptions(connect_s=10, io_s=10)
    other = tmp_path / "ca.pem"
    other.write_bytes((pki.root / "rogue" / "client-cert.pem").read_bytes())
    client = DdiClient(server.url, "DEFAULT", UNIT, "", other, options, SystemClock())
    with pytest.raises(UplinkFault, match="tls-untrusted"):
        client.base()
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["", "http://host", "https://", "https://u:p@host", "https://host:x", "https://h/ü", "h"]
)
def test_only_https_is_an_address(url: str) -> None:
    with pytest.raises(UplinkFault):
        address(url)
