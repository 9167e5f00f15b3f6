"""Keys of a simulation: real certificates, and for most shifts a signer that costs microseconds instead of milliseconds.

Signing and verifying is most of what a shift would cost, and says the same each time. So nineteen of twenty shifts sign
with a keyed hash in the place of r‖s. Unit and store verify with the keys they are given, and these know of it; the
verifier is told so through joserfc's own registry of algorithms. Nothing in ``recorder`` knows of it, the secret is of this
process, and what it did not make itself is verified as ES256.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from hw_sim.agency.certificates import Purpose, device_name, file_signer, make_ca, make_leaf, utc
from hw_sim.deterministic.clocks import EPOCH_US
from recorder.evidence.age import Identity, generate_identity
from recorder.evidence.es256 import Es256Key
from recorder.evidence.jws import Signer
from recorder.evidence.p256 import SIGNATURE, PublicKey
from recorder.evidence.signer import FileSigner

UNIT_ID = "zfy-000001"
_SECRET = os.urandom(32)


def _secret_of(spki: bytes) -> bytes:
    return hashlib.blake2b(_SECRET + spki, digest_size=32).digest()


def _signed(message: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(message, key=secret, digest_size=SIGNATURE).digest()


class _StandInKey(PublicKey):
    """A public key as the unit holds it, which also knows the signatures :class:`StandInSigner` makes in this process."""

    def __init__(self, spki: bytes) -> None:
        super().__init__(spki)
        self._secret = _secret_of(spki)

    def verify(self, signature: bytes, message: bytes) -> bool:
        return hmac.compare_digest(signature, _signed(message, self._secret)) or super().verify(signature, message)


class StoreKey(Es256Key):
    """The store's of a unit, which also knows the signatures :class:`StandInSigner` makes in this process."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key)
        self._secret = _secret_of(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def verify(self, signature: bytes, message: bytes) -> bool:
        return hmac.compare_digest(signature, _signed(message, self._secret)) or super().verify(signature, message)


class StandInSigner:
    """``jws.Signer`` with the kid, certificate and public key of a real one, and none of its arithmetic."""

    def __init__(self, real: FileSigner) -> None:
        self._kid, self._x5c, self._public = real.kid, real.x5c, _StandInKey(real.public_key().spki)
        self._secret = _secret_of(self._public.spki)

    @property
    def kid(self) -> str:
        return self._kid

    @property
    def x5c(self) -> tuple[str, ...]:
        return self._x5c

    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        return _signed(message, self._secret)


class _StandInES256:
    """joserfc's ES256, which also knows the signatures :class:`StandInSigner` makes in this process."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._known: dict[int, tuple[ECKey, bytes]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def verify(self, msg: bytes, sig: bytes, key: ECKey) -> bool:
        known = self._known.get(id(key))
        if known is None or known[0] is not key:
            spki = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            known = self._known[id(key)] = key, _secret_of(spki)
        if hmac.compare_digest(sig, _signed(msg, known[1])):
            return True
        return bool(self._real.verify(msg, sig, key))


@contextmanager
def stand_in_signatures() -> Iterator[None]:
    """Within it, signatures of this process's :class:`StandInSigner` verify."""
    real = JWSRegistry.algorithms["ES256"]
    JWSRegistry.algorithms["ES256"] = _StandInES256(real)  # type: ignore[assignment]
    try:
        yield
    finally:
        JWSRegistry.algorithms["ES256"] = real


@dataclass(frozen=True, slots=True)
class Agency:
    """Everything public and secret of one simulated agency. ``secrets``: bytes that must stand nowhere on a unit."""

    ca: x509.Certificate
    device: FileSigner
    store: FileSigner
    store_public_pem: bytes
    identities: tuple[Identity, Identity]
    device_key_pem: bytes
    secrets: tuple[bytes, ...]

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(identity.recipient for identity in self.identities)

    def signers(self, *, real: bool) -> tuple[Signer, Signer]:
        """(the unit's, the store's)."""
        return (self.device, self.store) if real else (StandInSigner(self.device), StandInSigner(self.store))


@cache
def agency() -> Agency:
    """Made once per process: keys decide nothing about what happens in a shift."""
    now = utc(EPOCH_US)
    ca_key, device_key, store_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    ca = make_ca(ca_key, "Simulated Agency CA", now)
    leaf = make_leaf(ca, ca_key, device_key.public_key(), device_name(UNIT_ID), Purpose.SIGNING, now)
    identities = (generate_identity(), generate_identity())
    pem = device_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    scalar = device_key.private_numbers().private_value.to_bytes(32, "big")
    return Agency(
        ca=ca,
        device=file_signer(device_key, (leaf,)),
        store=file_signer(store_key),
        store_public_pem=store_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        identities=identities,
        device_key_pem=pem,
        secrets=(pem.splitlines()[1], scalar, *(identity.text.encode() for identity in identities)),
    )
