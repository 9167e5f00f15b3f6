"""Enrolment: the unit makes its keys, the agency signs, nothing secret ever leaves the unit.

``recorder enrol request BUNDLE`` puts into the folder BUNDLE::

    unit.txt              the unit's id
    device.csr.pem        request for the signing certificate (journal)
    client.csr.pem        request for the TLS client certificate (uplink)

The agency adds its answer to the same folder, and ``recorder enrol install BUNDLE`` checks all of it before it writes
any of it::

    device-cert.pem       chain, leaf first      → <data_dir>/keys/device-cert.pem
    client-cert.pem       chain, leaf first      → <tls_dir>/client-cert.pem
    ca.pem                CA of store and broker → <tls_dir>/ca.pem
    agency-ca.pem         CA of devices, optional: ca.pem where there is none → <trust dir>/agency-ca.pem
    store-key.pem         SPKI                   → <trust dir>/store-key.pem
    command-key.pem       SPKI, optional         → <trust dir>/command-key.pem
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from recorder.config.models import RecorderConfig
from recorder.evidence.certificates import CertificateError, certificate_request, check_chain, load_chain, private_key
from recorder.evidence.files import Files, OsFiles
from recorder.evidence.receipts import StoreKeyError, load_store_key
from recorder.evidence.signer import KeyFileError, load_or_create_key

UNIT_FILE = "unit.txt"
DEVICE_REQUEST = "device.csr.pem"
CLIENT_REQUEST = "client.csr.pem"


class EnrolError(Exception):
    """Enrolment cannot go on; the message names the file and says why, in Chinese and English."""


def device_key_file(data_dir: Path) -> Path:
    return data_dir / "keys" / "device-key.pem"


def device_chain_file(data_dir: Path) -> Path:
    return data_dir / "keys" / "device-cert.pem"


def client_key_file(tls_dir: Path) -> Path:
    return tls_dir / "client-key.pem"


def make_requests(unit_id: str, data_dir: Path, tls_dir: Path, bundle: Path, files: Files) -> list[Path]:
    """Make both keys where there are none (mode 0600) and write the requests. Repeating it changes no key."""
    try:
        device, client = (_made(path) for path in (device_key_file(data_dir), client_key_file(tls_dir)))
        files.make_dir(bundle)
        contents = {
            UNIT_FILE: f"{unit_id}\n".encode("ascii"),
            DEVICE_REQUEST: certificate_request(device, unit_id),
            CLIENT_REQUEST: certificate_request(client, unit_id),
        }
        for name, content in contents.items():
            files.replace(bundle / name, content)
    except (OSError, KeyFileError) as error:
        raise EnrolError(str(error)) from error
    return [bundle / name for name in contents]


def install(unit_id: str, data_dir: Path, tls_dir: Path, trust_dir: Path, bundle: Path, files: Files) -> list[Path]:
    """Check the agency's answer and put it in its places. Raises EnrolError before anything is written."""
    device = _key(device_key_file(data_dir))
    client = _key(client_key_file(tls_dir))
    try:
        ca_pem = _read(files, bundle / "ca.pem")
        agency_name = "agency-ca.pem" if files.size(bundle / "agency-ca.pem") is not None else "ca.pem"
        agency_pem = _read(files, bundle / agency_name)
        device_pem = _read(files, bundle / "device-cert.pem")
        client_pem = _read(files, bundle / "client-cert.pem")
        store_pem = _read(files, bundle / "store-key.pem")
        agency = load_chain(agency_pem, str(bundle / agency_name))
        authorities = (*load_chain(ca_pem, str(bundle / "ca.pem")), *agency)
        for pem, key, trusted, name in (
            (device_pem, device, agency, "device-cert.pem"),
            (client_pem, client, authorities, "client-cert.pem"),
        ):
            place = str(bundle / name)
            check_chain(load_chain(pem, place), trusted, key.public_key(), unit_id, place)
        load_store_key(store_pem, str(bundle / "store-key.pem"))
        command_pem = _optional(files, bundle / "command-key.pem")
        if command_pem is not None:
            load_store_key(command_pem, str(bundle / "command-key.pem"))
        places = {
            tls_dir / "ca.pem": ca_pem,
            tls_dir / "client-cert.pem": client_pem,
            trust_dir / "agency-ca.pem": agency_pem,
            trust_dir / "store-key.pem": store_pem,
            **({} if command_pem is None else {trust_dir / "command-key.pem": command_pem}),
            # Last: with it the unit signs as enrolled, and then everything else must be in place.
            device_chain_file(data_dir): device_pem,
        }
        for path, content in places.items():
            files.make_dir(path.parent)
            # Certificates and public keys: who may enter the folder may read them. The uplink's user is not the folder's.
            files.replace(path, content, 0o644)
    except OSError as error:
        raise EnrolError(f"{error.filename or bundle}: {error.strerror or error}") from error
    except (CertificateError, StoreKeyError) as error:
        raise EnrolError(str(error)) from error
    return list(places)


def request_bundle(config: RecorderConfig, bundle: Path) -> list[Path]:
    """:func:`make_requests` with the places of the configuration."""
    data_dir, tls_dir = Path(config.storage.data_dir), Path(config.uplink.tls_dir)
    written = make_requests(config.device.id, data_dir, tls_dir, bundle, OsFiles())
    hand_over(device_key_file(data_dir))
    return written


def install_bundle(config: RecorderConfig, bundle: Path) -> list[Path]:
    """:func:`install` with the places of the configuration."""
    data_dir, tls_dir = Path(config.storage.data_dir), Path(config.uplink.tls_dir)
    written = install(config.device.id, data_dir, tls_dir, Path(config.trust.dir), bundle, OsFiles())
    hand_over(device_chain_file(data_dir))
    return written


def hand_over(path: Path) -> None:
    """An admin enrols as root, the unit process reads as its own user: the file goes to the owner of its folder.

    ``systemd-tmpfiles`` does not do it afterwards: a file of root's in a folder of somebody else's is a trap to it."""
    if os.geteuid() != 0:
        return
    try:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
    except OSError as error:
        raise EnrolError(f"{error.filename or path}: {error.strerror or error}") from error


def _made(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of ``path``, made if there is none. Raises KeyFileError, OSError."""
    load_or_create_key(path)
    return private_key(path)


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        raise EnrolError(f"{path}: 没有密钥，请先运行 no key yet, run first: recorder enrol request")
    try:
        return _made(path)
    except (OSError, KeyFileError) as error:
        raise EnrolError(str(error)) from error


def _optional(files: Files, path: Path) -> bytes | None:
    return None if files.size(path) is None else files.read(path)


def _read(files: Files, path: Path) -> bytes:
    if files.size(path) is None:
        raise EnrolError(f"{path}: 机关的答复中缺少此文件 missing from the agency's answer")
    return files.read(path)
