"""Enrolment with a real small CA: keys stay, answers are checked as a whole before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from recorder.evidence.enrol import (
    CLIENT_REQUEST,
    DEVICE_REQUEST,
    EnrolError,
    device_chain_file,
    device_key_file,
    hand_over,
    install,
    make_requests,
)
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import load_or_create
from tests.evidence.authority import Ca, name

UNIT = "zfy-000001"


class Places:
    def __init__(self, root: Path) -> None:
        self.data, self.tls, self.trust, self.bundle = (root / part for part in ("data", "tls", "trust", "bundle"))

    def request(self) -> list[Path]:
        return make_requests(UNIT, self.data, self.tls, self.bundle, OsFiles())

    def install(self) -> list[Path]:
        return install(UNIT, self.data, self.tls, self.trust, self.bundle, OsFiles())

    def installed(self) -> list[str]:
        return sorted(path.name for folder in (self.data, self.tls, self.trust) for path in folder.rglob("*.pem"))


def csr_key(path: Path) -> ec.EllipticCurvePublicKey:
    request = x509.load_pem_x509_csr(path.read_bytes())
    assert request.is_signature_valid
    assert request.subject == name(UNIT)
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def answer(places: Places, ca: Ca) -> None:
    for request, certificate in ((DEVICE_REQUEST, "device-cert.pem"), (CLIENT_REQUEST, "client-cert.pem")):
        issued = ca.issue(name(UNIT), csr_key(places.bundle / request))
        (places.bundle / certificate).write_bytes(issued.public_bytes(Encoding.PEM))
    (places.bundle / "ca.pem").write_bytes(ca.pem)
    store = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = store.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (places.bundle / "store-key.pem").write_bytes(spki)


def test_enrolment_from_request_to_signing(tmp_path: Path) -> None:
    places, ca = Places(tmp_path), Ca("agency")
    requests = places.request()
    assert [path.name for path in requests] == ["unit.txt", DEVICE_REQUEST, CLIENT_REQUEST]
    for key in (device_key_file(places.data), places.tls / "client-key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in b"".join(path.read_bytes() for path in places.bundle.iterdir())
    answer(places, ca)
    places.install()
    signer = load_or_create(device_key_file(places.data), device_chain_file(places.data))
    assert len(signer.x5c) == 1
    assert (places.trust / "agency-ca.pem").read_bytes() == ca.pem
    assert (places.tls / "ca.pem").read_bytes() == ca.pem
    assert (places.trust / "store-key.pem").exists()


def test_asking_again_keeps_the_keys(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.request()
    keys = [device_key_file(places.data).read_bytes(), (places.tls / "client-key.pem").read_bytes()]
    places.request()
    assert keys == [device_key_file(places.data).read_bytes(), (places.tls / "client-key.pem").read_bytes()]
    assert keys[0] != keys[1]


def test_an_intermediate_in_the_chain_is_followed(tmp_path: Path) -> None:
    places, root = Places(tmp_path), Ca("root")
    places.request()
    middle = Ca("middle", root)
    answer(places, middle)
    for certificate in ("device-cert.pem", "client-cert.pem"):
        path = places.bundle / certificate
        path.write_bytes(path.read_bytes() + middle.pem)
    (places.bundle / "ca.pem").write_bytes(root.pem)
    places.install()
    signer = load_or_create(device_key_file(places.data), device_chain_file(places.data))
    assert len(signer.x5c) == 2


@pytest.mark.parametrize("missing", ["ca.pem", "device-cert.pem", "client-cert.pem", "store-key.pem"])
def test_a_missing_file_is_named_and_nothing_is_written(missing: str, tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.request()
    before = places.installed()
    answer(places, Ca("agency"))
    (places.bundle / missing).unlink()
    with pytest.raises(EnrolError, match=missing):
        places.install()
    assert places.installed() == before


@pytest.mark.parametrize("case", ["other-ca", "other-key", "other-unit", "no-ca-flag", "garbage", "store-garbage"])
def test_a_wrong_answer_is_refused_whole(case: str, tmp_path: Path) -> None:
    places, ca = Places(tmp_path), Ca("agency")
    places.request()
    before = places.installed()
    answer(places, ca)
    path = places.bundle / "client-cert.pem"
    key = csr_key(places.bundle / CLIENT_REQUEST)
    expected = "client-cert.pem"
    if case == "other-ca":
        path.write_bytes(Ca("agency").issue(name(UNIT), key).public_bytes(Encoding.PEM))
    elif case == "other-key":
        stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
        path.write_bytes(ca.issue(name(UNIT), stranger).public_bytes(Encoding.PEM))
    elif case == "other-unit":
        path.write_bytes(ca.issue(name("zfy-000002"), key).public_bytes(Encoding.PEM))
    elif case == "no-ca-flag":
        other_key = ec.generate_private_key(ec.SECP256R1())
        unit = ca.issue(name("someone"), other_key.public_key())
        impostor = Ca("someone")
        impostor.key, impostor.certificate = other_key, unit
        path.write_bytes(impostor.issue(name(UNIT), key).public_bytes(Encoding.PEM) + unit.public_bytes(Encoding.PEM))
    elif case == "garbage":
        path.write_bytes(b"nonsense")
    else:
        (places.bundle / "store-key.pem").write_bytes(b"nonsense")
        expected = "store-key.pem"
    with pytest.raises(EnrolError, match=expected):
        places.install()
    assert places.installed() == before


def test_installing_before_asking_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EnrolError, match="recorder enrol request"):
        Places(tmp_path).install()


def test_a_key_others_may_read_is_refused(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.request()
    device_key_file(places.data).chmod(0o644)
    with pytest.raises(EnrolError, match="chmod 600"):
        places.request()


@pytest.mark.skipif(os.geteuid() != 0, reason="只有 root 能转交文件 only root can give files away")
def test_what_root_enrolled_belongs_to_whom_its_folder_belongs(tmp_path: Path) -> None:
    """``systemd-tmpfiles`` refuses to take over root's files in another user's folder: found on the virtual Pi."""
    folder = tmp_path / "keys"
    folder.mkdir()
    os.chown(folder, 640, 641)
    key = folder / "device-key.pem"
    key.touch(0o600)
    hand_over(key)
    assert (key.stat().st_uid, key.stat().st_gid, key.stat().st_mode & 0o777) == (640, 641, 0o600)
    with pytest.raises(EnrolError, match="absent"):
        hand_over(folder / "absent")


def test_certificates_are_readable_and_keys_are_not(tmp_path: Path) -> None:
    """The uplink runs as another user than the folder's owner, and needs all but the keys."""
    places = Places(tmp_path)
    places.request()
    answer(places, Ca("agency"))
    places.install()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (*places.tls.iterdir(), *places.trust.iterdir())}
    assert {name for name, mode in modes.items() if mode == 0o644} == modes.keys() - {"client-key.pem"}
    assert modes["client-key.pem"] == 0o600
