"""What every section of the configuration is: a frozen pydantic model that refuses unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A unit or camera id: it becomes an MQTT topic level, a certificate name and a file name, hence the small alphabet."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
