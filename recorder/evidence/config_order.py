"""The newest configuration pushed from afar that the journal knows of. Pure; rebuilt from the journal.

The journal's ``command`` records are the truth of what was ever considered; the file the unit process keeps of it
(``recorder.unit.pushed_store``) may be lost or damaged, and an old configuration must not come back for that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from recorder.evidence.base import Count, Digest, Model

MAX_VERSION: Final = (1 << 53) - 1
"""The largest whole number every JSON reader keeps (RFC 8259 §6)."""
MAX_LEAP: Final = 1_000_000
"""A version further above the newest one considered is refused: nobody sends so many, and one signed by mistake or for a
captured unit must not use up all those below it."""
NAME: Final = "config"
"""``name`` of the ``command`` record of a pushed configuration; its ``command_id`` is the ``jti``."""
_DETAIL: Final = re.compile(r"^version ([1-9][0-9]{0,15}) ([A-Za-z0-9_-]{43})(?:$|: )")


class ConfigOrder(Model):
    """``digest``: SHA-256 of its text, base64url."""

    version: Count
    digest: Digest


def detail(version: int, digest: str, what: str = "") -> str:
    """``detail`` of the ``command`` record of one that was considered."""
    return f"version {version} {digest}" + (f": {what}" if what else "")


def newest(before: ConfigOrder | None, payload: Mapping[str, Any]) -> ConfigOrder | None:
    """After a ``command`` record. Raises KeyError for a payload that is none."""
    if payload["name"] != NAME or payload["source"] != "mqtt" or payload.get("order") is not None:
        return before
    found = _DETAIL.match(payload["detail"])
    if found is None:
        return before  # not even considered
    order = ConfigOrder(version=int(found[1]), digest=found[2])
    return order if before is None or order.version > before.version else before
