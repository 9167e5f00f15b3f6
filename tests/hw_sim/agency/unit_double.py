"""A unit as small as it can be: keys, a signed journal, segments of random bytes, a raw HTTPS client. No unit code is used
but the record models and ``jws.sign``."""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import file_signer
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import (
    Boot,
    ClockClaim,
    Common,
    Encryption,
    Event,
    Media,
    Record,
    SegmentClose,
    SegmentOpen,
)
from recorder.evidence.signer import FileSigner
from recorder.uplink.tls_socket import use_tls_socket

TUS = {"Tus-Resumable": "1.0.0"}
ZERO_DIGEST = sha256_b64u(b"")


def csr(key: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def offset(self) -> int:
        return int(self.headers["upload-offset"])


@dataclass(frozen=True, slots=True)
class DoubleSegment:
    session_id: str
    segment_id: str
    data: bytes

    @property
    def sha256(self) -> str:
        return sha256_b64u(self.data)


@dataclass(slots=True)
class UnitDouble:
    unit_id: str
    signer: FileSigner
    tls: ssl.SSLContext | None
    directory: Path
    journal_id: str
    rnd: random.Random
    port: int = 0
    lines: list[bytes] = field(default_factory=list)

    @classmethod
    def enrolled(cls, authority: Authority, unit_id: str, directory: Path, port: int = 0) -> UnitDouble:
        signing, client = new_key(), new_key()
        enrolment = authority.enrol(unit_id, csr(signing, unit_id), csr(client, unit_id))
        directory.mkdir(parents=True, exist_ok=True)
        for name, data in (
            ("client-cert.pem", enrolment.client_cert_pem),
            ("client-key.pem", key_pem(client)),
            ("ca.pem", enrolment.ca_pem),
            ("device-cert.pem", enrolment.device_cert_pem_chain),
            ("device-key.pem", key_pem(signing)),
        ):
            (directory / name).write_bytes(data)
        chain = tuple(x509.load_pem_x509_certificates(enrolment.device_cert_pem_chain))
        rnd = random.Random(unit_id)
        context = client_context(directory)
        return cls(unit_id, file_signer(signing, chain), context, directory, _uuid(rnd), rnd, port)

    def uuid(self) -> str:
        return _uuid(self.rnd)

    # --- journal -----------------------------------------------------------------------------------------------------

    @property
    def next_seq(self) -> int:
        return len(self.lines)

    def line(self, record: Record, **changes: Any) -> bytes:
        """The next line, not kept; ``changes`` replace payload members."""
        common = Common(
            ver=1,
            journal_id=self.journal_id,
            seq=self.next_seq,
            prev=sha256_b64u(self.lines[-1]) if self.lines else None,
            iat=1_700_000_000.0 + self.next_seq,
            uptime_us=self.next_seq * 1000,
            bootcount=1,
            bootseed=self.journal_id,
            clock=ClockClaim(source="ntp", synchronized=True, max_error_ms=1.0),
        )
        payload = {**common.model_dump(mode="json"), **record.model_dump(mode="json"), **changes}
        return jws.sign(record.TYP, payload, self.signer).encode("ascii")

    def write(self, record: Record, **changes: Any) -> None:
        self.lines.append(self.line(record, **changes))

    def boot(self, **changes: Any) -> Boot:
        values: dict[str, Any] = {
            "ueid": "ueid-1",
            "unit_id": self.unit_id,
            "hwmodel": "double",
            "hwversion": "1",
            "swname": "double",
            "swversion": "1",
            "hash_alg": "sha-256",
            "x5c": self.signer.x5c,
            "previous_end": "first",
            "same_boot": False,
        }
        return Boot(**{**values, **changes})

    def write_boot(self) -> None:
        self.write(self.boot())

    def write_events(self, count: int) -> None:
        for number in range(count):
            self.write(Event(event="test", at_us=number, detail={"text": "事" * self.rnd.randint(1, 60)}))

    def segment(self, size: int, sealed: bool = True) -> DoubleSegment:
        """A segment whose opening is in the journal."""
        made = DoubleSegment(self.uuid(), self.uuid(), self.rnd.randbytes(size))
        self.write(
            SegmentOpen(
                session_id=made.session_id,
                segment_id=made.segment_id,
                segment_index=0,
                camera_id="cam0",
                role="live",
                media_start_us=0,
                media=Media(mime="video/mp4", codecs="avc1", width=640, height=360, frame_rate=30.0, audio_rate=48000),
                encryption=Encryption(format="age-v1" if sealed else "none", recipients=()),
                overlay=None,
            )
        )
        return made

    def close(self, segment: DoubleSegment, sha256: str | None = None, size: int | None = None) -> None:
        self.write(
            SegmentClose(
                session_id=segment.session_id,
                segment_id=segment.segment_id,
                camera_id="cam0",
                reason="split",
                entries=2,
                size=len(segment.data) if size is None else size,
                sha256=sha256 or segment.sha256,
                plaintext_size=1,
                plaintext_sha256=ZERO_DIGEST,
                media_start_us=0,
                media_end_us=1,
                frames=1,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        )

    def body(self, from_seq: int, to_seq: int | None = None) -> bytes:
        return b"".join(line + b"\n" for line in self.lines[from_seq:to_seq])

    # --- HTTPS -------------------------------------------------------------------------------------------------------

    def connect(self, timeout_s: float = 30.0) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        connection: http.client.HTTPSConnection | None = None,
    ) -> Reply:
        link = connection or self.connect()
        try:
            link.request(method, path, body=body, headers=headers or {})
            answer = link.getresponse()
            data = answer.read()
        finally:
            if connection is None:
                link.close()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def post(self, from_seq: int, to_seq: int | None = None, body: bytes | None = None) -> Reply:
        return self.request(
            "POST",
            f"/journals/{self.journal_id}?from={from_seq}",
            {"Content-Type": "application/jose"},
            self.body(from_seq, to_seq) if body is None else body,
        )

    def create(
        self, segment: DoubleSegment, *, size: int | None = None, changes: dict[str, str] | None = None
    ) -> Reply:
        metadata = {
            "journal_id": self.journal_id,
            "session_id": segment.session_id,
            "segment_id": segment.segment_id,
            "sha256": segment.sha256,
            **(changes or {}),
        }
        text = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        length = str(len(segment.data) if size is None else size)
        return self.request("POST", "/uploads", {**TUS, "Upload-Length": length, "Upload-Metadata": text})

    def head(self, location: str) -> Reply:
        return self.request("HEAD", location, TUS)

    def patch(self, location: str, offset: int, data: bytes, **headers: str) -> Reply:
        return self.request("PATCH", location, {**patch_headers(offset), **headers}, data)

    def upload(self, segment: DoubleSegment) -> Reply:
        created = self.create(segment)
        assert created.status == 201, created
        return self.patch(created.headers["location"], created.offset, segment.data[created.offset :])

    def receipt(self, segment: DoubleSegment) -> Reply:
        return self.request("GET", f"/journals/{self.journal_id}/segments/{segment.segment_id}/receipt")

    def start_patch(self, location: str, offset: int, total: int, first: bytes) -> http.client.HTTPSConnection:
        """Headers and the first bytes of a PATCH that is never finished by itself."""
        link = self.connect()
        try:
            link.connect()
            link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 128 * 1024)  # as the uplink does
            link.putrequest("PATCH", location)
            for name, value in {**patch_headers(offset), "Content-Length": str(total)}.items():
                link.putheader(name, value)
            link.endheaders()
            link.send(first)
        except BaseException:
            link.close()
            raise
        return link


def patch_headers(offset: int) -> dict[str, str]:
    return {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}


def client_context(directory: Path, with_certificate: bool = True) -> ssl.SSLContext:
    context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(directory / "ca.pem")
    if with_certificate:
        context.load_cert_chain(directory / "client-cert.pem", directory / "client-key.pem")
    return context


def _uuid(rnd: random.Random) -> str:
    return str(UUID(int=rnd.getrandbits(128), version=4))
