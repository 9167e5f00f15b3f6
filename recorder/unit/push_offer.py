"""A configuration pushed from afar that is believed, and the line of the agency it came in, for the journal."""

from __future__ import annotations

from dataclasses import dataclass

from recorder.config.pushed import Push
from recorder.evidence.desired import Desired
from recorder.evidence.encoding import sha256_b64u


@dataclass(frozen=True, slots=True)
class Offer:
    """``line``: the JWS; ``kid``: of the key that signed it."""

    push: Push
    kid: str
    line: str


def push_of(desired: Desired) -> Push:
    digest = sha256_b64u(desired.toml.encode("utf-8"))
    return Push(version=desired.version, jti=desired.jti, digest=digest, toml=desired.toml)
