"""``--objects URL``: which object store. Pure; nothing is opened here.

    folder:                                              the store's own root (default)
    folder:/srv/worm?lock=immutable                      another folder; chattr +i on every object
    s3+https://s3.cn-north-1.amazonaws.com.cn/BUCKET/PREFIX?region=cn-north-1
    s3+http://127.0.0.1:8333/BUCKET?style=path&ca=/etc/ssl/private-ca.pem

Credentials are never in the URL: they come from where botocore looks (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the
file AWS_SHARED_CREDENTIALS_FILE names with ``profile=``, an instance's role).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_PREFIX = re.compile(r"^(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+$")

Style = Literal["path", "virtual"]


class SettingsError(ValueError):
    """``--objects`` cannot be understood; the message says which part, in both languages."""


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """``path``: None for the store's root. ``immutable``: set the inode's immutable flag (needs CAP_LINUX_IMMUTABLE)."""

    path: str | None = None
    immutable: bool = False


@dataclass(frozen=True, slots=True)
class S3Settings:
    """``prefix`` is empty or ends with ``/``. ``ca``: PEM file the endpoint's certificate is checked against."""

    endpoint: str
    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    style: Style = "path"
    ca: str | None = None
    profile: str | None = None


ObjectSettings = FolderSettings | S3Settings


def parse_objects(url: str) -> ObjectSettings:
    """Raises SettingsError."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, where a wrong one can be told
    except ValueError as error:
        raise SettingsError(f"--objects: 不是 URL not a URL: {error}") from error
    options = _options(parts.query)
    if parts.fragment:
        raise SettingsError(f"--objects: 不应有 no fragment, please: #{parts.fragment}")
    if parts.scheme == "folder":
        return _folder(parts.netloc, unquote(parts.path), options)
    if parts.scheme in ("s3+http", "s3+https"):
        if "@" in parts.netloc:
            # The text is not repeated: it would put the secret into a log.
            raise SettingsError(
                "--objects: URL 中不得有口令，请用环境变量 no credentials in the URL: AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY or AWS_SHARED_CREDENTIALS_FILE"
            )
        return _s3(parts.scheme.removeprefix("s3+"), parts.netloc, unquote(parts.path), options)
    raise SettingsError(f"--objects {url}: 应以此开头 must begin with folder:, s3+https:// or s3+http://")


def _folder(netloc: str, path: str, options: dict[str, str]) -> FolderSettings:
    if netloc or (path and not path.startswith("/")):
        raise SettingsError("--objects folder: 须为绝对路径 must be an absolute path: folder:/PATH")
    lock = options.pop("lock", "none")
    if lock not in ("none", "immutable"):
        raise SettingsError(f"--objects lock={lock}: 应为 must be none or immutable")
    _nothing_left(options)
    return FolderSettings(path or None, lock == "immutable")


def _s3(scheme: str, netloc: str, path: str, options: dict[str, str]) -> S3Settings:
    if not netloc:
        raise SettingsError("--objects: 缺少主机 no host: s3+https://HOST/BUCKET")
    bucket, _, prefix = path.strip("/").partition("/")
    if not _BUCKET.match(bucket):
        raise SettingsError(f"--objects: 存储桶名称有误 not a bucket's name: {bucket!r}")
    if prefix and (not _PREFIX.match(prefix) or ".." in prefix.split("/") or "." in prefix.split("/")):
        raise SettingsError(f"--objects: 前缀有误 not a prefix: {prefix!r}")
    style = options.pop("style", "path")
    if style not in ("path", "virtual"):
        raise SettingsError(f"--objects style={style}: 应为 must be path or virtual")
    settings = S3Settings(
        endpoint=f"{scheme}://{netloc}",
        bucket=bucket,
        prefix=f"{prefix}/" if prefix else "",
        region=options.pop("region", "us-east-1"),
        style=cast("Style", style),
        ca=options.pop("ca", None),
        profile=options.pop("profile", None),
    )
    if settings.ca is not None and scheme != "https":
        raise SettingsError("--objects ca=: 只用于 only with s3+https")
    _nothing_left(options)
    return settings


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise SettingsError(f"--objects ?{query}: {error}") from error
    for name, value in pairs:
        if name in options or not value:
            raise SettingsError(f"--objects {name}={value}: 重复或为空 given twice or empty")
        options[name] = value
    return options


def _nothing_left(options: dict[str, str]) -> None:
    if options:
        raise SettingsError(f"--objects: 未知选项 unknown option: {', '.join(sorted(options))}")
