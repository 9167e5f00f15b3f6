"""The file back end of ``Signer``: a P-256 key in a PEM file only the unit process may read.

For development and for units without a secure element: whoever gets root gets the key (docs/threat-model).
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from recorder.evidence.files import hand_over, sync_dir
from recorder.evidence.libcrypto import certificate_spki
from recorder.evidence.p256 import PrivateKey, PublicKey, pem_blocks


class KeyFileError(Exception):
    """The key file cannot be used; the message names the file and what to do."""


class FileSigner:
    """ES256 with a key from a PEM file. ``chain``: DER certificates, leaf first, none before enrolment."""

    def __init__(self, key: PrivateKey, chain: tuple[bytes, ...] = ()) -> None:
        self._key = key
        self._x5c = tuple(base64.b64encode(certificate).decode("ascii") for certificate in chain)

    @property
    def kid(self) -> str:
        return self._key.public.kid

    @property
    def x5c(self) -> tuple[str, ...]:
        return self._x5c

    def public_key(self) -> PublicKey:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def load_or_create(key_file: Path, chain_file: Path) -> FileSigner:
    """Load the device key, or make one (mode 0600, synced) at the very first start.

    A chain whose leaf does not hold this key is refused: signing with it would look enrolled and verify nowhere.
    """
    key = load_or_create_key(key_file)
    if not chain_file.exists():
        return FileSigner(key)
    try:
        chain = tuple(der for label, der in pem_blocks(chain_file.read_bytes()) if label == "CERTIFICATE")
        keys = [certificate_spki(der) for der in chain]
        if not chain:
            raise ValueError("没有证书 no certificate in it")
    except ValueError as error:
        raise KeyFileError(f"{chain_file}: 不是 PEM 证书 not a PEM certificate: {error}") from error
    if keys[0] != key.public.spki:
        raise KeyFileError(f"{chain_file}: 证书与密钥不符 certificate does not belong to {key_file}")
    return FileSigner(key, chain)


def load_signer(key_file: Path, chain_file: Path) -> FileSigner:
    """An officer's or admin's key and certificate, both there already. Raises KeyFileError, OSError."""
    for path in (key_file, chain_file):
        if not path.exists():
            raise KeyFileError(f"{path}: 没有这个文件 there is no such file")
    return load_or_create(key_file, chain_file)


def load_or_create_key(key_file: Path) -> PrivateKey:
    """A P-256 key only its owner may read. Raises KeyFileError naming the file, OSError."""
    if not key_file.exists():
        _create_key(key_file)
    return load_key(key_file)


def load_key(key_file: Path, credentials_dir: Path | None = None) -> PrivateKey:
    """A key that must be there. ``credentials_dir``: systemd's ``$CREDENTIALS_DIRECTORY``; directly in it a file may show
    0440: root owns it and an ACL names the service's user, whose mask stat reports as the group's bits (systemd.exec(5),
    CREDENTIALS). Whoever else there is cannot enter that folder.

    Raises KeyFileError naming the file, OSError."""
    if not key_file.exists():
        raise KeyFileError(f"{key_file}: 没有这个密钥文件 there is no such key file")
    mode = stat.S_IMODE(key_file.stat().st_mode)
    passed_on = credentials_dir is not None and key_file.resolve().parent == credentials_dir.resolve()
    if mode & (0o037 if passed_on else 0o077):
        raise KeyFileError(f"{key_file}: mode {mode:04o}; 私钥文件权限过宽 key is readable by others: chmod 600")
    try:
        return PrivateKey(key_file.read_bytes())
    except ValueError as error:
        raise KeyFileError(f"{key_file}: 不是 P-256 PEM 私钥 not a P-256 PEM private key: {error}") from error


def _create_key(key_file: Path) -> None:
    # Loaded once in the life of a unit: 8 MB resident that every later start does without.
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # O_EXCL and 0600 from the first moment: chmod afterwards would leave a window in which anybody may read it.
    temporary = key_file.with_name(f".{key_file.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, pem)
        hand_over(fd, key_file.parent)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(key_file)
    sync_dir(key_file.parent)  # a journal signed with a key that a power cut makes vanish could never be continued
