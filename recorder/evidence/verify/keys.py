"""The device keys a journal speaks with: found in its ``boot`` records, bound by their thumbprint, judged later."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from joserfc.jwk import ECKey

from recorder.evidence import jose
from recorder.evidence.jws import JwsError, Parts
from recorder.evidence.trust import key_id, leaf_key, parse_x5c


@dataclass(slots=True)
class DeviceKey:
    """One signing key and the records it signed. ``unit_id`` as its boot record says; ``latest_iat``: latest claim."""

    kid: str
    chain: tuple[x509.Certificate, ...]
    key: ECKey
    unit_id: str = ""
    first_seq: int = 0
    last_seq: int = -1
    latest_iat: float = 0.0

    def signed(self, seq: int, iat: float) -> None:
        """It signed this record."""
        if self.last_seq < 0:
            self.first_seq, self.latest_iat = seq, iat
        self.last_seq = seq
        self.latest_iat = max(self.latest_iat, iat)


class KeyRing:
    """``kid`` → key. A key enters only by a certificate whose leaf has exactly this thumbprint (RFC 7638), so what the
    kid names cannot be exchanged; whether the certificate is to be believed is another question (``key`` axis)."""

    def __init__(self) -> None:
        self.keys: dict[str, DeviceKey] = {}

    def verify(self, text: str, parts: Parts) -> DeviceKey:
        """The key that signed the line. Raises JwsError saying why none did."""
        device = self.keys.get(parts.kid)
        if device is None:
            device = self._from_boot(parts)
        jose.check(text, parts, device.key)
        self.keys.setdefault(device.kid, device)
        return device

    def adopt(self, parts: Parts) -> bool:
        """Take the certificate of a later ``boot`` of the same kid (a unit enrolled after its first start signed without
        one till then); False when it brings none for this key."""
        try:
            device = self._from_boot(parts)
        except JwsError:
            return False
        self.keys.setdefault(device.kid, device)
        return True

    def _from_boot(self, parts: Parts) -> DeviceKey:
        if parts.typ != "boot":
            raise JwsError(f"signed by the unknown key {parts.kid}")
        device = self._build(parts.kid, parts.payload.get("x5c"))
        device.unit_id = str(parts.payload.get("unit_id"))
        return device

    def _build(self, kid: str, x5c: object) -> DeviceKey:
        try:
            chain = parse_x5c(x5c)
        except ValueError as error:
            raise JwsError(str(error)) from error
        key = leaf_key(chain)
        if key is None or key_id(key) != kid:
            raise JwsError("its boot record brings no certificate for its key")
        return DeviceKey(kid, chain, jose.verification_key(key))
