"""What every section of the configuration is: a frozen pydantic model that refuses unknown keys."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints

_IDENTIFIER: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
Identifier = Annotated[str, StringConstraints(pattern=_IDENTIFIER)]
"""A unit or camera id: it becomes an MQTT topic level, a certificate name and a file name, hence the small alphabet."""


def is_identifier(text: str) -> bool:
    return re.fullmatch(_IDENTIFIER, text) is not None


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
