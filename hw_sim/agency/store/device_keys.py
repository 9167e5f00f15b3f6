"""Which keys may sign a unit's journal: certificates from its ``boot`` records, judged by the agency CA.

``keys/<kid>.pem`` beside the journal holds the chain a key was accepted with; it is durable before the first line signed
with that key is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import may_sign_journals, pem
from hw_sim.agency.store.disk import make_dirs, write_new
from hw_sim.agency.store.journal_rules import DeviceKey, KeyRefused
from recorder.evidence.es256 import Es256Key
from recorder.evidence.jws import Parts
from recorder.evidence.trust import Trust, judge_chain, key_id, leaf_key, parse_x5c, validity


class DeviceKeys:
    """Keys of one journal. ``trust``: the CA and the revocation list as they are now."""

    def __init__(self, directory: Path, unit_id: str, trust: Callable[[], Trust], clock: Clock) -> None:
        self._dir = directory
        self._unit_id = unit_id
        self._trust = trust
        self._clock = clock
        self._known: dict[str, DeviceKey] = {}

    def known(self, kid: str) -> DeviceKey | None:
        """A key accepted before, in this life of the store or an earlier one."""
        if kid not in self._known:
            path = self._dir / f"{kid}.pem"
            # ``kid`` is from an unverified header: only a thumbprint's own alphabet may become a file name.
            if len(kid) != 43 or not kid.replace("-", "").replace("_", "").isalnum() or not path.is_file():
                return None
            self._known[kid] = _device_key(kid, tuple(x509.load_pem_x509_certificates(path.read_bytes())))
        return self._known[kid]

    def good(self, kid: str) -> DeviceKey | None:
        """A known key whose certificate is to be believed today as well."""
        device = self.known(kid)
        if device is None:
            return None
        try:
            self._judge(device)
        except KeyRefused:
            return None
        return device

    def introduce(self, parts: Parts) -> DeviceKey:
        """The key of a ``boot`` record's certificate. Raises KeyRefused."""
        try:
            chain = parse_x5c(parts.payload.get("x5c"))
        except ValueError as error:
            raise KeyRefused(str(error)) from error
        device = _device_key(parts.kid, chain)
        self._judge(device)
        return device

    def _judge(self, device: DeviceKey) -> None:
        trust = self._trust()
        verdict = judge_chain(device.chain, self._unit_id, trust)
        if not verdict.trusted:
            raise KeyRefused(verdict.en)
        if not may_sign_journals(device.chain[0]):
            raise KeyRefused("the certificate is not for document signing (a TLS certificate signs no journal)")
        if trust.revoked_at(device.chain[0]) is not None:
            raise KeyRefused("the certificate was revoked")
        begin, end = validity(device.chain[0])
        now = self._clock.wall_us() / 1e6
        if not begin <= now <= end:
            raise KeyRefused("the certificate is not valid now")

    def adopt(self, key: DeviceKey) -> None:
        make_dirs(self._dir)
        path = self._dir / f"{key.kid}.pem"
        if not path.exists():
            write_new(path, b"".join(pem(certificate) for certificate in key.chain))
        self._known[key.kid] = key


def _device_key(kid: str, chain: tuple[x509.Certificate, ...]) -> DeviceKey:
    public = leaf_key(chain)
    if public is None or key_id(public) != kid:
        raise KeyRefused("x5c does not begin with the certificate of the signing key")
    return DeviceKey(kid, Es256Key(public), chain)
