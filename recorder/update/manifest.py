"""Whether an update is the maker's or agency's own: the signed manifest beside the artefact. Pure.

A compact JWS (``typ`` = ``update``, ES256) by the *update key*, whose public half every unit pins as ``update-key.pem`` in
its trust folder. The hashes an update server shows prove that a download is whole, never who made it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from recorder.evidence import jws
from recorder.evidence.jws import JwsError, Signer, VerifyingKey
from recorder.update import versions

TYP: Final = "update"
KEY_FILE: Final = "update-key.pem"
MAX_TEXT: Final = 8192
MAX_BYTES: Final = 8 << 30
"""No artefact is larger: 8 GiB, an image for a whole card."""

_VERSION: Final = re.compile(versions.FORM)

Version = Annotated[str, msgspec.Meta(pattern=versions.FORM, max_length=versions.MAX)]
Board = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``filename``: of the artefact, a bare name; ``sha256``: hex, as tools print it; ``size``: bytes. ``kind``: who
    installs it. ``version``: what runs afterwards. ``min_version``: the oldest version it may replace.
    ``boards``: the board files (``[board] file``) it is for."""

    ver: Literal[1]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    version: Version
    filename: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$")]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_BYTES)]
    kind: Literal["deb", "rauc"]
    min_version: Version
    boards: Annotated[tuple[Board, ...], msgspec.Meta(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class Refused:
    """``code`` is stable, the texts are for people."""

    code: str
    zh: str
    en: str


def sign_manifest(manifest: Manifest, signer: Signer) -> str:
    """The JWS. Raises ValueError for a manifest no unit would take, SignerRefused."""
    try:
        msgspec.convert(msgspec.to_builtins(manifest), Manifest)
    except msgspec.ValidationError as error:
        raise ValueError(f"清单有误 manifest: {error}") from error
    text = jws.sign(TYP, msgspec.to_builtins(manifest), signer)
    if len(text) > MAX_TEXT:
        raise ValueError(f"清单签名后超过 manifest longer than {MAX_TEXT} characters when signed")
    return text


def verify_manifest(
    text: str, key: VerifyingKey | None, kid: str, *, installed: str, board: str, kinds: tuple[str, ...]
) -> Manifest | Refused:
    """``key``, ``kid``: the pinned update key and its thumbprint, None when the unit has none. ``installed``: the version
    that runs. ``kinds``: what this unit can install."""
    if key is None:
        return Refused("update-key-missing", "设备没有升级公钥", f"the unit has no {KEY_FILE}")
    if len(text) > MAX_TEXT:
        return Refused("update-malformed", "升级清单过长", f"the manifest is longer than {MAX_TEXT} characters")
    try:
        parts = jws.split(text)
        if parts.typ != TYP:
            return Refused("update-type", "不是升级清单", f"not an update manifest but {parts.typ[:40]!r}")
        if parts.kid != kid:
            return Refused("update-signature", "升级清单不是由所信任的密钥签发", "not signed by the pinned update key")
        jws.check(text, parts, key)
    except JwsError:
        return Refused("update-signature", "升级清单签名无效", "the manifest's signature does not verify")
    try:
        manifest = msgspec.convert(parts.payload, Manifest)
    except msgspec.ValidationError as error:
        return Refused("update-form", f"升级清单的字段有误：{error}"[:200], f"manifest: {error}"[:200])
    return _applies(manifest, installed, board, kinds) or manifest


def _applies(manifest: Manifest, installed: str, board: str, kinds: tuple[str, ...]) -> Refused | None:
    version, least = manifest.version, manifest.min_version
    if board not in manifest.boards:
        return Refused("update-board", f"不适用于本板 {board}", f"not for this board, {board or 'none named'}")
    if manifest.kind not in kinds:
        return Refused("update-kind", f"本机不能安装 {manifest.kind}", f"this unit does not install {manifest.kind}")
    if not _VERSION.match(installed):
        return Refused("update-installed", "不知本机的版本", f"the installed version {installed[:64]!r} is no version")
    if not versions.newer(version, installed):
        return Refused(
            "update-rollback", f"{version} 不比现有的 {installed} 新", f"{version} is not newer than {installed}"
        )
    if versions.newer(least, installed):
        return Refused("update-too-old", f"须先升级到 {least}", f"the unit has {installed}, it needs {least} first")
    return None
