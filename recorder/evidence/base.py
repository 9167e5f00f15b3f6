"""The value types records are made of. Import them from ``records``; they stand apart so that ``carried`` can use them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
MAX_INTEGER = 2**63 - 1
"""What a database column, a C long long and a byte offset hold; JSON itself knows no limit."""
Micros = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SealedField(Model):
    """A personal value (name, certificate number, case, position): an age file to the agency's recipients.

    ``sealed``: the age file, base64url. ``digest`` is the SHA-256 of the age plaintext, which is JSON
    ``{"salt": <16 random bytes>, "value": ...}``: the salt keeps a short value from being guessed from its digest.
    ``plain`` (that JSON text itself) stands in for ``sealed`` only when sealing is off.
    """

    sealed: str | None = None
    plain: str | None = None
    digest: Digest
