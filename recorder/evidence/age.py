"""Push-style writer of age v1 files (https://c2sp.org/age) to X25519 recipients, on Python's own libcrypto.

Push-style because a segment must be decryptable up to its last durable fragment: the caller hands over whole 64 KiB
chunks, gets their ciphertext at once and nothing is held back. The keys live in the writer only and never touch the
disk, so a file can never be continued by a later process: that is what makes a lost unit leak nothing (design §2.5).
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from recorder.evidence import bech32
from recorder.evidence.libcrypto import ChaCha20Poly1305, X25519PrivateKey

CHUNK = 65536
"""Plaintext bytes of a chunk; only the final one may be shorter."""
TAG = 16
"""Poly1305 tag behind each chunk: a stored whole chunk is ``CHUNK + TAG`` = 65552 bytes."""
STORED_CHUNK = CHUNK + TAG
VERSION_LINE = b"age-encryption.org/v1\n"
_X25519_INFO = b"age-encryption.org/v1/X25519"
_RECIPIENT_PREFIX = "age"
_IDENTITY_PREFIX = "age-secret-key-"


class AgeError(ValueError):
    """An age key or file cannot be used; the message says why, in Chinese and English."""


class SealError(RuntimeError):
    """The writer was misused: a chunk of a wrong size, or a writer used after its end."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An X25519 private key (``AGE-SECRET-KEY-1…``). ``secret`` and ``public`` are 32 bytes each."""

    secret: bytes
    public: bytes

    @property
    def recipient(self) -> str:
        return bech32.encode(_RECIPIENT_PREFIX, self.public)

    @property
    def text(self) -> str:
        return bech32.encode(_IDENTITY_PREFIX, self.secret).upper()

    def __repr__(self) -> str:
        return f"Identity({self.recipient})"  # never the secret: representations end up in logs


@lru_cache(maxsize=16)
def parse_recipient(text: str) -> bytes:
    """32 bytes of X25519 public key from ``age1…``. Raises AgeError. Remembered: the same few, for every segment and every
    sealed field."""
    return _parse(text, _RECIPIENT_PREFIX, "age1…", upper=False)


def parse_identity(text: str) -> Identity:
    """From ``AGE-SECRET-KEY-1…`` (upper case, as age writes it). Raises AgeError, which never repeats the secret."""
    return _identity(_parse(text, _IDENTITY_PREFIX, "AGE-SECRET-KEY-1…", upper=True))


def parse_identities(text: str) -> list[Identity]:
    """An age identity file: one identity a line, ``#`` comments and empty lines between. Raises AgeError with the line."""
    identities: list[Identity] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        try:
            identities.append(parse_identity(stripped))
        except AgeError as error:
            raise AgeError(f"第 {number} 行 line {number}: {error}") from error
    if not identities:
        raise AgeError("没有私钥 no identity in it")
    return identities


def generate_identity(random: Callable[[int], bytes] = os.urandom) -> Identity:
    return _identity(random(32))


def _identity(secret: bytes) -> Identity:
    return Identity(secret, X25519PrivateKey(secret).public())


def _parse(text: str, prefix: str, form: str, *, upper: bool) -> bytes:
    try:
        found, data = bech32.decode(text)
    except ValueError as error:
        raise AgeError(f"不是有效的 not a valid {form}: {error}") from error
    if found != prefix or len(data) != 32 or text != (text.upper() if upper else text.lower()):
        raise AgeError(f"不是有效的 not a valid {form}: 前缀、长度或大小写不符 prefix, length or case differs")
    return data


def raw_base64(data: bytes) -> bytes:
    """Standard base64 without padding: age's encoding in headers."""
    return base64.b64encode(data).rstrip(b"=")


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 to 32 bytes (RFC 5869): one block, so extract and expand are one HMAC each."""
    return hmac.digest(hmac.digest(salt, key, "sha256"), info + b"\x01", "sha256")


def wrap_key(secret: bytes, peer: bytes, share: bytes, recipient: bytes) -> bytes:
    """The key that wraps the file key in an X25519 stanza. Raises AgeError for a point of low order."""
    try:
        shared = X25519PrivateKey(secret).exchange(peer)
    except ValueError as error:
        raise AgeError("低阶公钥 X25519 point of low order") from error
    return hkdf(shared, share + recipient, _X25519_INFO)


def header_mac(file_key: bytes, header: bytes) -> bytes:
    """HMAC-SHA-256 over the header up to and including ``---``."""
    return hmac.digest(hkdf(file_key, b"", b"header"), header, "sha256")


def payload_key(file_key: bytes, nonce: bytes) -> bytes:
    return hkdf(file_key, nonce, b"payload")


def chunk_nonce(index: int, final: bool) -> bytes:
    """11 bytes big-endian counter, then 1 for the final chunk."""
    return (index << 8 | final).to_bytes(12, "big")


class AgeEncryptor:
    """One age file. ``header`` (header and nonce) goes first, then what ``seal`` returns, then what ``finish`` returns.

    Not thread-safe. ``random`` gives n random bytes and must be cryptographically strong outside tests.
    """

    def __init__(self, recipients: Sequence[str], random: Callable[[int], bytes] = os.urandom) -> None:
        """Raises AgeError for an unusable recipient or none at all."""
        if not recipients:
            raise AgeError("没有收件公钥 no recipient: nobody could open the file")
        file_key = random(16)
        header = bytearray(VERSION_LINE)
        for text in recipients:
            header += _stanza(file_key, parse_recipient(text), random)
        header += b"---"
        header += b" " + raw_base64(header_mac(file_key, bytes(header))) + b"\n"
        nonce = random(16)
        self.header = bytes(header) + nonce
        self._aead = ChaCha20Poly1305(payload_key(file_key, nonce))
        self._index = 0
        self._finished = False

    def seal(self, plain: bytes | bytearray | memoryview) -> bytes:
        """Ciphertext of whole chunks: ``len(plain)`` is a positive multiple of CHUNK, the result has TAG more bytes per
        chunk. Raises SealError for another length or after ``finish``."""
        size = len(plain)
        if size == 0 or size % CHUNK:
            raise SealError(f"{size} bytes are not a positive multiple of {CHUNK}")
        self._require_open()
        data = bytes(plain)
        sealed = bytearray(size // CHUNK * STORED_CHUNK)
        for number in range(size // CHUNK):
            nonce = chunk_nonce(self._index, False)
            self._aead.encrypt_into(nonce, data, number * CHUNK, CHUNK, sealed, number * STORED_CHUNK)
            self._index += 1
        return bytes(sealed)

    def finish(self, plain: bytes | bytearray | memoryview) -> bytes:
        """Ciphertext of the final chunk, 1 to CHUNK bytes; the key is forgotten afterwards. Raises SealError.

        The specification forbids an empty final chunk behind others, so an empty one is refused always.
        """
        if not 1 <= len(plain) <= CHUNK:
            raise SealError(f"final chunk of {len(plain)} bytes: 1 to {CHUNK}")
        self._require_open()
        sealed = self._aead.encrypt(chunk_nonce(self._index, True), plain)
        self._finished = True
        del self._aead
        return sealed

    def _require_open(self) -> None:
        if self._finished:
            # A second final chunk, or one more chunk behind it, would make a file no age program opens.
            raise SealError("used after finish")


def _stanza(file_key: bytes, recipient: bytes, random: Callable[[int], bytes]) -> bytes:
    ephemeral = random(32)
    share = X25519PrivateKey(ephemeral).public()
    wrapped = ChaCha20Poly1305(wrap_key(ephemeral, recipient, share, recipient)).encrypt(bytes(12), file_key)
    return b"-> X25519 " + raw_base64(share) + b"\n" + raw_base64(wrapped) + b"\n"


def seal_bytes(plain: bytes, recipients: Sequence[str], random: Callable[[int], bytes] = os.urandom) -> bytes:
    """A whole small age file in memory (sealed fields, statements). ``plain`` has 1 byte or more."""
    encryptor = AgeEncryptor(recipients, random)
    whole = (len(plain) - 1) // CHUNK * CHUNK
    body = encryptor.seal(plain[:whole]) if whole else b""
    return encryptor.header + body + encryptor.finish(plain[whole:])
