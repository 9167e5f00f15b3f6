"""The agency as the simulator uses it: enrolment bundles, faults of the line, restarts, what it says afterwards."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency, StoreProcess
from hw_sim.agency.authority import AuthorityError
from hw_sim.agency.processes import AgencyError
from recorder.evidence.enrol import install, make_requests
from recorder.evidence.files import OsFiles
from recorder.evidence.trust import load_trust
from tests.hw_sim.agency.mqtt_client import MqttDouble
from tests.hw_sim.agency.unit_double import UnitDouble
from tests.support import require_program

_numbers = itertools.count(1001)


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    require_program("mosquitto")
    folder = tmp_path_factory.mktemp("agency")
    with Agency(folder / "agency", folder / "vaults") as made:
        yield made
    assert "Traceback" not in made.store.log_file.read_text(encoding="utf-8")


@pytest.fixture
def unit(agency: Agency, tmp_path: Path) -> UnitDouble:
    unit_id = f"zfy-{next(_numbers)}"
    return UnitDouble.enrolled(agency.authority, unit_id, tmp_path / "unit", agency.store_proxy.port)


def test_the_units_own_enrolment_is_answered(agency: Agency, tmp_path: Path) -> None:
    data, tls, trust, bundle = (tmp_path / name for name in ("data", "tls", "trust", "bundle"))
    make_requests("zfy-000002", data, tls, bundle, OsFiles())
    agency.answer_enrolment("zfy-000002", bundle)
    install("zfy-000002", data, tls, trust, bundle, OsFiles())
    assert (tls / "client-cert.pem").exists()
    assert load_trust(trust).store_keys == load_trust(agency.trust_dir).store_keys
    with MqttDouble(agency.mqtt_port, tls, "zfy-000002") as mqtt:
        assert mqtt.publish("fleet/v1/zfy-000002/up/status", {"msg_id": "1"}) == "Success"
    assert not any(b"PRIVATE" in path.read_bytes() for path in bundle.iterdir())


def test_a_bundle_of_another_unit_is_refused(agency: Agency, tmp_path: Path) -> None:
    make_requests("zfy-000003", tmp_path / "d", tmp_path / "t", tmp_path / "bundle", OsFiles())
    with pytest.raises(AuthorityError, match="zfy-000003"):
        agency.answer_enrolment("zfy-000004", tmp_path / "bundle")


def test_an_outage_refuses_and_ends_where_it_began(agency: Agency, unit: UnitDouble) -> None:
    unit.write_boot()
    assert unit.post(0).status == 200
    agency.outage(True)
    with pytest.raises(ConnectionError):
        unit.post(0)
    agency.outage(False)
    assert unit.post(0).status == 200


def test_a_stuck_line_lets_requests_time_out(agency: Agency, unit: UnitDouble) -> None:
    agency.network("stuck")
    link = unit.connect(timeout_s=0.5)
    with pytest.raises(TimeoutError):
        unit.request("GET", f"/journals/{unit.journal_id}", connection=link)
    link.close()
    agency.network("ok")
    assert unit.request("GET", f"/journals/{unit.journal_id}").status == 404
    with pytest.raises(AgencyError, match="sideways"):
        agency.network("sideways")


def test_killed_and_restarted_servers_keep_their_ports_and_what_they_answered_for(
    agency: Agency, unit: UnitDouble, tmp_path: Path
) -> None:
    unit.write_boot()
    unit.write_events(3)
    answer = unit.post(0).json
    url, port = agency.store_url, agency.store.port
    agency.kill_store()
    agency.start_store()
    agency.restart_store()
    agency.kill_broker()
    agency.start_broker()
    assert (agency.store_url, agency.store.port) == (url, port)
    assert unit.post(0).json == answer
    receipts = tmp_path / "receipts"
    receipts.mkdir()
    assert agency.anchored_seq(receipts) == -1
    (receipts / "r.jws").write_text(answer["receipt"])
    (receipts / "half.jws").write_text("not a receipt")
    assert agency.anchored_seq(receipts) == 3


def test_a_revoked_unit_is_refused_everywhere(agency: Agency, tmp_path: Path) -> None:
    lost = UnitDouble.enrolled(agency.authority, "zfy-lost", tmp_path / "lost", agency.store_proxy.port)
    assert lost.request("GET", f"/journals/{lost.journal_id}").status == 404
    assert agency.revoke("zfy-lost") == 2
    # Of two lists of one second OpenSSL keeps the former at the handshake; then the request itself is refused.
    with contextlib.suppress(OSError):
        assert lost.request("GET", f"/journals/{lost.journal_id}").status == 403
    with pytest.raises(OSError), MqttDouble(agency.mqtt_port, lost.directory, "zfy-lost"):
        pass


def test_a_connection_kept_open_does_not_outlive_its_certificate(agency: Agency, tmp_path: Path) -> None:
    lost = UnitDouble.enrolled(agency.authority, "zfy-kept", tmp_path / "kept", agency.store_proxy.port)
    link = lost.connect()
    asked = f"/journals/{lost.journal_id}"
    assert lost.request("GET", asked, connection=link).status == 404
    kept = link.sock
    agency.revoke("zfy-kept")
    assert lost.request("GET", asked, connection=link).status == 403
    assert link.sock is kept
    link.close()


def test_two_stores_never_share_a_root(agency: Agency, tmp_path: Path) -> None:
    second = StoreProcess(tmp_path, agency.store_root, agency.authority, SystemClock())
    with pytest.raises(AgencyError, match="another store process"):
        second.start()


def test_a_store_key_that_is_not_there_is_said_and_none_is_made(agency: Agency, tmp_path: Path) -> None:
    """A mistyped path must not yield receipts which no unit believes."""
    missing = tmp_path / "stroe-key.pem"
    other = StoreProcess(
        tmp_path, tmp_path / "root", agency.authority, SystemClock(), extra=("--store-key", str(missing))
    )
    with pytest.raises(AgencyError, match=r"没有这个密钥文件 there is no such key file"):
        other.start()
    assert not missing.exists()


def test_the_store_says_what_it_lacks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hw_sim.agency.store", "--root", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--tls" in done.stderr
