"""The agency's authority: enrols units, issues certificates, holds the keys of demo and tests.

It answers certificate requests and never sees a unit's private key. Everything it makes lies below one folder and is
found again at the next start:

    private/ca-key.pem  private/store-receipt-key.pem  private/command-key.pem  private/escrow-identity.txt   (0600)
    trust/agency-ca.pem  trust/store-key.pem  trust/command-key.pem  trust/crl.pem  trust/recipients.txt      public
    server/  store-client/  desk-client/     TLS credentials of the agency's own servers and of its duty desk
    agency-identity.txt        the age identity that opens the recordings (demo only; an agency keeps it offline)
    issued.jsonl  revoked.jsonl
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import (
    Purpose,
    common_name,
    device_name,
    file_signer,
    make_ca,
    make_crl,
    make_leaf,
    pem,
    person_name,
    utc,
)
from hw_sim.agency.names import DESK_NAME, STORE_NAME, is_unit_id
from recorder.evidence import jws
from recorder.evidence.age import generate_identity, parse_identities
from recorder.evidence.assignments import TYP as ASSIGNMENT
from recorder.evidence.assignments import Assignment
from recorder.evidence.files import OsFiles
from recorder.evidence.statement_signatures import TITLES, Role

HOSTS = ("localhost", "127.0.0.1", "agency.test")
"""Names of store and broker. ``agency.test`` (RFC 6761): what a virtual Pi calls the loopback of the machine it runs on."""
_PERSON_NUMBER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$")
"""X.520 makes ``serialNumber`` a PrintableString: digits, Latin letters, hyphens."""


class AuthorityError(ValueError):
    """A request is refused; the message says why, in Chinese and English."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What goes back to a unit. PEM texts; ``recipients`` are age public keys (agency, escrow)."""

    device_cert_pem_chain: bytes
    client_cert_pem: bytes
    ca_pem: bytes
    store_key_pem: bytes
    command_key_pem: bytes
    crl_pem: bytes
    recipients: tuple[str, ...]


class Authority:
    """One agency. Not for several processes at once."""

    def __init__(self, directory: Path, clock: Clock, name: str = "演示机关 CA Demo Agency CA") -> None:
        self._dir = directory
        self._clock = clock
        self._files = OsFiles()
        for folder in ("private", "trust"):
            (directory / folder).mkdir(mode=0o700 if folder == "private" else 0o755, parents=True, exist_ok=True)
        self._ca_key = self._key(directory / "private" / "ca-key.pem")
        self._ca = self._load_or_make_ca(name)
        receipt_key = self._key(self.receipt_key_file)
        self._public("store-key.pem", _spki(receipt_key.public_key()))
        self._public("command-key.pem", _spki(self._key(self.command_key_file).public_key()))
        self.recipients = (
            self._identity(self.identity_file),
            self._identity(directory / "private/escrow-identity.txt"),
        )
        self._public("recipients.txt", "".join(f"{recipient}\n" for recipient in self.recipients).encode("ascii"))
        self._write_crl()
        self._server_credentials()

    # --- where things are --------------------------------------------------------------------------------------------

    @property
    def trust_dir(self) -> Path:
        return self._dir / "trust"

    @property
    def ca_file(self) -> Path:
        return self.trust_dir / "agency-ca.pem"

    @property
    def crl_file(self) -> Path:
        return self.trust_dir / "crl.pem"

    @property
    def receipt_key_file(self) -> Path:
        return self._dir / "private" / "store-receipt-key.pem"

    @property
    def command_key_file(self) -> Path:
        """Signs assignments and, later, every other command to a unit."""
        return self._dir / "private" / "command-key.pem"

    @property
    def identity_file(self) -> Path:
        return self._dir / "agency-identity.txt"

    @property
    def server_dir(self) -> Path:
        """``server-cert.pem``, ``server-key.pem``, ``ca.pem``: for store and broker."""
        return self._dir / "server"

    @property
    def store_client_dir(self) -> Path:
        """``client-cert.pem``, ``client-key.pem``, ``ca.pem``: the store as the broker's user ``store``."""
        return self._dir / "store-client"

    @property
    def desk_client_dir(self) -> Path:
        """``client-cert.pem``, ``client-key.pem``, ``ca.pem``: the duty desk as the broker's user ``desk``."""
        return self._dir / "desk-client"

    # --- assignments -------------------------------------------------------------------------------------------------

    def assignment(
        self, unit_id: str, name: str, cert_no: str, valid_s: float = 86_400.0, jti: str | None = None
    ) -> str:
        """A signed assignment of an officer to a unit (``recorder.evidence.assignments``), good once until it expires."""
        now = round(self._clock.wall_us() / 1e6, 3)
        assignment = Assignment(
            ver=1,
            jti=jti or str(uuid.uuid4()),
            unit_id=unit_id,
            iat=now,
            exp=now + valid_s,
            name=name,
            cert_no=cert_no,
        )
        return jws.sign(ASSIGNMENT, assignment.model_dump(), file_signer(self._key(self.command_key_file)))

    # --- enrolment ---------------------------------------------------------------------------------------------------

    def enrol(self, unit_id: str, signing_csr_pem: bytes, client_csr_pem: bytes) -> Enrolment:
        """Certificates for a unit's two keys: one signs its journal, one speaks TLS. Raises AuthorityError."""
        if not is_unit_id(unit_id):
            raise AuthorityError(
                f"{unit_id!r}: 设备编号只能用小写字母、数字和连字符 lower-case letters, digits, hyphens only"
            )
        signing = _requested_key(signing_csr_pem, unit_id, "signing")
        client = _requested_key(client_csr_pem, unit_id, "client")
        if signing == client:
            raise AuthorityError(f"{unit_id}: 签名与通信须用不同密钥 signing and TLS must not share a key")
        device_cert = self._issue(signing, unit_id, Purpose.SIGNING)
        client_cert = self._issue(client, unit_id, Purpose.CLIENT, (unit_id,))
        return Enrolment(
            device_cert_pem_chain=pem(device_cert),
            client_cert_pem=pem(client_cert),
            ca_pem=pem(self._ca),
            store_key_pem=(self.trust_dir / "store-key.pem").read_bytes(),
            command_key_pem=(self.trust_dir / "command-key.pem").read_bytes(),
            crl_pem=self.crl_file.read_bytes(),
            recipients=self.recipients,
        )

    def enrol_person(self, name: str, number: str, role: Role, csr_pem: bytes) -> bytes:
        """PEM certificate for an officer's or admin's own key, to sign written statements with. ``number``: 执法证号, which
        the agency takes from its own files and not from the request. Raises AuthorityError."""
        if not name.strip() or is_unit_id(name) or _PERSON_NUMBER.match(number) is None:
            raise AuthorityError(f"{name!r} {number!r}: 姓名或者证号不可用 name or number cannot be used")
        key = _requested_key(csr_pem, name, "person")
        title = next(title for title, of_role in TITLES.items() if of_role == role)
        return pem(self._issue_to(key, person_name(name, number, title), f"person/{number}", Purpose.SIGNING))

    def revoke_person(self, number: str) -> int:
        """Put every certificate of that 执法证号 on the list."""
        return self.revoke(f"person/{number}")

    def revoke(self, unit_id: str) -> int:
        """Put every certificate of a lost unit on the list; returns how many. Servers read the list anew."""
        known = {entry["serial"] for entry in self._entries("revoked.jsonl")}
        now = utc(self._clock.wall_us())
        serials = [
            entry["serial"]
            for entry in self._entries("issued.jsonl")
            if entry["unit_id"] == unit_id and entry["serial"] not in known
        ]
        for serial in serials:
            self._note("revoked.jsonl", {"serial": serial, "unit_id": unit_id, "at": now.timestamp()})
        self._write_crl()
        return len(serials)

    def publish_trust(self, trust_dir: Path, identity_file: Path | None = None) -> None:
        """Copy what a verifier needs; ``identity_file`` also gets the demo's age identity."""
        trust_dir.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.trust_dir.iterdir()):
            shutil.copyfile(path, trust_dir / path.name)
        if identity_file is not None:
            self._files.replace(identity_file, self.identity_file.read_bytes(), 0o600)

    # --- making and finding again ------------------------------------------------------------------------------------

    def _issue(
        self, public: ec.EllipticCurvePublicKey, name: str, purpose: Purpose, hosts: tuple[str, ...] = ()
    ) -> x509.Certificate:
        """``hosts``: names in the SAN. A client's own name is there too: RabbitMQ takes the client id from it, being unable
        to take it from the CN."""
        return self._issue_to(public, device_name(name), name, purpose, hosts)

    def _issue_to(
        self,
        public: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        name: str,
        purpose: Purpose,
        hosts: tuple[str, ...] = (),
    ) -> x509.Certificate:
        """``name``: under which it is noted and can be revoked."""
        now = utc(self._clock.wall_us())
        certificate = make_leaf(self._ca, self._ca_key, public, subject, purpose, now, hosts)
        # Noted before it is handed out: a certificate that is in use can always be revoked.
        self._note(
            "issued.jsonl",
            {"serial": str(certificate.serial_number), "unit_id": name, "purpose": purpose.name.lower()},
        )
        return certificate

    def _load_or_make_ca(self, name: str) -> x509.Certificate:
        if self.ca_file.exists():
            return x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        certificate = make_ca(self._ca_key, name, utc(self._clock.wall_us()))
        self._public("agency-ca.pem", pem(certificate))
        return certificate

    def _key(self, path: Path) -> ec.EllipticCurvePrivateKey:
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            self._files.replace(path, _pkcs8(key), 0o600)
        loaded = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise AuthorityError(f"{path}: 不是 P-256 私钥 not a P-256 private key")
        return loaded

    def _identity(self, path: Path) -> str:
        if not path.exists():
            identity = generate_identity()
            text = f"# 演示用私钥 demo identity\n# public key: {identity.recipient}\n{identity.text}\n"
            self._files.replace(path, text.encode("utf-8"), 0o600)
        return parse_identities(path.read_text(encoding="utf-8"))[0].recipient

    def _server_credentials(self) -> None:
        for folder, prefix, name, purpose, hosts in (
            (self.server_dir, "server", "agency-server", Purpose.SERVER, HOSTS),
            (self.store_client_dir, "client", STORE_NAME, Purpose.CLIENT, (STORE_NAME,)),
            (self.desk_client_dir, "client", DESK_NAME, Purpose.CLIENT, (DESK_NAME,)),
        ):
            folder.mkdir(mode=0o700, exist_ok=True)
            key = self._key(folder / f"{prefix}-key.pem")
            self._files.replace(folder / "ca.pem", pem(self._ca))
            if not (folder / f"{prefix}-cert.pem").exists():
                self._files.replace(
                    folder / f"{prefix}-cert.pem", pem(self._issue(key.public_key(), name, purpose, hosts))
                )

    def _write_crl(self) -> None:
        revoked = [(int(entry["serial"]), utc(round(entry["at"] * 1e6))) for entry in self._entries("revoked.jsonl")]
        self._public("crl.pem", pem(make_crl(self._ca, self._ca_key, revoked, utc(self._clock.wall_us()))))

    def _public(self, name: str, data: bytes) -> None:
        self._files.replace(self.trust_dir / name, data, 0o644)

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        fd = os.open(self._dir / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, (json.dumps(entry) + "\n").encode("utf-8"))
            os.fsync(fd)
        finally:
            os.close(fd)

    def _entries(self, name: str) -> list[dict[str, Any]]:
        path = self._dir / name
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _requested_key(csr_pem: bytes, unit_id: str, kind: str) -> ec.EllipticCurvePublicKey:
    """The public key of a request that proves possession of its private half and names this unit and nobody else."""
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        proven = request.is_signature_valid
        key = request.public_key()
    except ValueError as error:
        raise AuthorityError(f"{unit_id} ({kind}): 不是 PEM 证书请求 not a PEM certificate request: {error}") from error
    if not proven:
        raise AuthorityError(f"{unit_id} ({kind}): 请求签名不符 the request's own signature does not verify")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise AuthorityError(f"{unit_id} ({kind}): 不是 P-256 公钥 not a P-256 key")
    name = common_name(request.subject)
    if name != unit_id:
        raise AuthorityError(f"{unit_id} ({kind}): 请求写的是 {name!r} the request is for {name!r}")
    return key


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
