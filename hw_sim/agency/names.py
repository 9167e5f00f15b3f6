"""Who may be called what at the agency: store and duty desk have their names, units have all others of one form."""

from __future__ import annotations

import re

STORE_NAME = "store"
"""User and client id of the store at the broker; no unit may have it."""
DESK_NAME = "desk"
"""User and client id of the agency's duty desk at the broker; no unit may have it either."""
_UNIT = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")
"""CN, client id, MQTT topic level and folder name at once: no ``#``, ``+``, ``/`` or dot can get in."""


def is_unit_id(text: str) -> bool:
    return _UNIT.match(text) is not None and text not in (STORE_NAME, DESK_NAME)
