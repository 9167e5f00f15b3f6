"""``security.toml`` that closes SeaweedFS's doors beside S3, with keys and certificates of a cluster of its own.

Object Lock lives in the S3 gateway alone, so nobody but the cluster's own servers may speak to the others: the filer's
and the volume servers' HTTP asks for a token (``jwt.*``), every gRPC port for a certificate of the cluster's CA
(``grpc.*``). The master's HTTP knows no token (``/col/delete`` drops a bucket with everything locked in it): ``weed server
-disableHttp`` switches it off, and the filer's with it.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hw_sim.agency.certificates import make_ca, pem

NODE = "seaweedfs-node"
SERVERS = ("master", "volume", "filer", "s3", "client")
TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
DAYS = 397


def write_security(directory: Path, now: datetime) -> None:
    """``security.toml`` and ``tls/`` in ``directory``; what is there stays, for a cluster keeps its keys."""
    path = directory / "security.toml"
    if path.exists():
        return
    tls = directory / "tls"
    tls.mkdir(mode=0o700, exist_ok=True)
    _certificates(tls, now)
    lines = [f'[{table}]\nkey = "{secrets.token_hex(32)}"\n' for table in TOKENS]
    lines.append("[filer.expose_directory_metadata]\nenabled = false\n")
    lines.append(f'[grpc]\nca = "{tls / "ca.pem"}"\n')
    for server in SERVERS:
        lines.append(f'[grpc.{server}]\ncert = "{tls / "node.pem"}"\nkey = "{tls / "node-key.pem"}"\n')
        if server != "client":
            lines.append(f'allowed_commonNames = "{NODE}"\n')
    path.touch(mode=0o600)
    path.write_text("".join(lines), encoding="utf-8")


def _certificates(tls: Path, now: datetime) -> None:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = make_ca(ca_key, "seaweedfs cluster", now)  # its key is not kept: a node more means a new cluster here
    node = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NODE)]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, data in (("ca.pem", pem(ca)), ("node.pem", pem(node)), ("node-key.pem", private)):
        (tls / name).touch(mode=0o600)
        (tls / name).write_bytes(data)
