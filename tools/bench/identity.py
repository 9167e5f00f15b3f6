"""Who a bench run records as, and to whom it seals. Apart from ``pki``: certificates are not what a recording costs."""

from __future__ import annotations

from recorder.evidence import bech32
from recorder.evidence.age import generate_identity

UNIT_ID = "zfy-bench"


def recipients(count: int = 2) -> list[str]:
    """Fresh age recipients; nobody keeps the identities."""
    return [bech32.encode("age", generate_identity().public) for _ in range(count)]
