"""Whether the unit believes a configuration pushed from afar (desired configuration): form, signature, addressee. Pure.

A compact JWS signed with the agency's command key (``command-key.pem`` of the trust folder), carried over MQTT by the
uplink, which neither opens nor keeps it. It never expires, for the newest one must still reach a unit that was in a drawer
for months; what keeps an old one from coming back is its version, which grows (``recorder.config.pushed``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from recorder.evidence import jws
from recorder.evidence.base import Model, Uuid
from recorder.evidence.config_order import MAX_VERSION
from recorder.evidence.jws import JwsError, Signer
from recorder.evidence.p256 import PublicKey

TYP: Final = "config"
MAX_TEXT: Final = 48 << 10
"""Characters of the JWS: a request to the control socket has at most 64 KiB, an MQTT message 128 kB."""
MAX_TOML: Final = 32 << 10


class Desired(Model):
    """Payload of the JWS (``typ`` = ``config``, ES256, ``kid`` = thumbprint of the command key). ``unit_id`` or ``group``:
    for whom it is, exactly one of them. ``version`` grows; ``iat``: seconds since 1970. ``toml``: the whole pushed layer
    as text, so that an error can name its line; empty: nothing is pushed any more."""

    ver: Literal[1]
    jti: Uuid
    unit_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    group: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    iat: Annotated[float, Field(allow_inf_nan=False)]
    toml: Annotated[str, StringConstraints(max_length=MAX_TOML)]

    @model_validator(mode="after")
    def _one_addressee(self) -> Desired:
        if (self.unit_id is None) == (self.group is None):
            raise ValueError("exactly one of unit_id and group")
        return self


@dataclass(frozen=True, slots=True)
class Refused:
    """``code`` is stable, the texts are for people. ``version`` and ``jti``: of one whose signature verifies."""

    code: str
    zh: str
    en: str
    version: int | None = None
    jti: str = ""


def sign_desired(desired: Desired, signer: Signer) -> str:
    """The JWS. Raises ValueError when it would be longer than a unit takes, SignerRefused."""
    text = jws.sign(TYP, desired.model_dump(exclude_none=True), signer)
    if len(text) > MAX_TEXT:
        raise ValueError(f"签名后超过 longer than {MAX_TEXT} characters when signed")
    return text


def verify_desired(text: str, key: PublicKey | None, unit_id: str, groups: Collection[str]) -> Desired | Refused:
    """``key``: the agency's command key, None when the unit has none."""
    if key is None:
        return Refused("desired-key-missing", "设备没有机关指令公钥", "the unit has no command-key.pem")
    if len(text) > MAX_TEXT:
        return Refused("desired-malformed", "下发的配置过长", f"longer than {MAX_TEXT} characters")
    try:
        parts = jws.split(text)
        if parts.typ != TYP:
            return Refused("desired-type", "不是下发的配置", f"not a configuration but {parts.typ[:40]!r}")
        if parts.kid != key.kid:
            return Refused("desired-signature", "不是本机关签发的配置", "not signed by the agency's command key")
        jws.check(text, parts, key)
    except JwsError:
        return Refused("desired-signature", "配置签名无效", "its signature does not verify")
    try:
        desired = Desired.model_validate(parts.payload)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:64] or "unit_id, group"
        return Refused("desired-form", f"下发配置的字段 {place} 有误", f"field {place} is wrong: {first['msg'][:100]}")
    if desired.unit_id not in (None, unit_id) or (desired.group is not None and desired.group not in groups):
        return Refused("desired-unit", "下发给其他设备", "it is for another unit", desired.version, desired.jti)
    return desired
