"""The reader against hostile and torn files. Each case is also given to the ``age`` program: both must say yes or no alike.

The cases follow the themes of the C2SP age test vectors (header grammar, HMAC, X25519 stanzas, STREAM payload); they are
built here from their definition in the specification, with the file key known, so that each differs from a good file in
exactly one thing.
"""

from __future__ import annotations

import importlib
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import age
from recorder.evidence.age import (
    CHUNK,
    STORED_CHUNK,
    TAG,
    VERSION_LINE,
    AgeEncryptor,
    AgeError,
    Identity,
    chunk_nonce,
    generate_identity,
    header_mac,
    payload_key,
    raw_base64,
)
from recorder.evidence.age_header import MAX_HEADER, HeaderError
from recorder.evidence.age_reader import (
    AgeReader,
    HeaderMacError,
    NoIdentityMatch,
    PayloadError,
    open_bytes,
)
from tests.support import require_program

pyrage: Any = importlib.import_module("pyrage")  # a compiled module without type information

KEY = b"YELLOW SUBMARINE"
NONCE = bytes(range(16))
ME = generate_identity()
OTHER = generate_identity()


def stanza(identity: Identity = ME, key: bytes = KEY) -> bytes:
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes_raw()
    wrapping = age.wrap_key(ephemeral.private_bytes_raw(), identity.public, share, identity.public)
    body = ChaCha20Poly1305(wrapping).encrypt(bytes(12), key, None)
    return b"-> X25519 " + raw_base64(share) + b"\n" + raw_base64(body) + b"\n"


def header(*stanzas: bytes, version: bytes = VERSION_LINE, key: bytes = KEY) -> bytes:
    signed = version + b"".join(stanzas or (stanza(),)) + b"---"
    return signed + b" " + raw_base64(header_mac(key, signed)) + b"\n"


def chunk(index: int, plain: bytes, *, final: bool) -> bytes:
    return ChaCha20Poly1305(payload_key(KEY, NONCE)).encrypt(chunk_nonce(index, final), plain, None)


def payload(*plains: bytes) -> bytes:
    last = len(plains) - 1
    return NONCE + b"".join(chunk(index, plain, final=index == last) for index, plain in enumerate(plains))


def good(*plains: bytes) -> bytes:
    return header() + payload(*(plains or (b"a",)))


FULL = bytes(CHUNK)


def low_order_stanza() -> bytes:
    return b"-> X25519 " + raw_base64(bytes(32)) + b"\n" + raw_base64(bytes(32)) + b"\n"


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


GOOD: dict[str, Callable[[], tuple[bytes, bytes]]] = {
    "x25519": lambda: (good(b"a"), b"a"),
    "two recipients": lambda: (header(stanza(OTHER), stanza()) + payload(b"a"), b"a"),
    "grease before": lambda: (header(b"-> grease and arguments\n\n", stanza()) + payload(b"a"), b"a"),
    "grease with full line": lambda: (header(b"-> grease\n" + b"A" * 64 + b"\n\n", stanza()) + payload(b"a"), b"a"),
    "lower-case x25519 is another type": lambda: (
        header(replaced(stanza(), b"X25519", b"x25519"), stanza()) + payload(b"a"),
        b"a",
    ),
    "empty payload": lambda: (good(b""), b""),
    "one full chunk": lambda: (good(FULL), FULL),
    "two chunks": lambda: (good(FULL, b"b"), FULL + b"b"),
    "three chunks, last full": lambda: (good(FULL, FULL, FULL), FULL * 3),
}

BAD: dict[str, tuple[Callable[[], bytes], type[AgeError]]] = {
    "empty file": (lambda: b"", HeaderError),
    "other version": (lambda: header(version=b"age-encryption.org/v2\n") + payload(b"a"), HeaderError),
    "crlf version": (lambda: replaced(good(), b"v1\n", b"v1\r\n"), HeaderError),
    "no stanza": (lambda: header(b"") + payload(b"a"), HeaderError),
    "stanza without arguments": (lambda: header(b"-> \n\n", stanza()) + payload(b"a"), HeaderError),
    "stanza with empty argument": (lambda: header(b"-> a  b\n\n", stanza()) + payload(b"a"), HeaderError),
    "stanza with bad start": (lambda: header(b"--> a\n\n", stanza()) + payload(b"a"), HeaderError),
    "stanza with foreign character": (lambda: header(b"-> \xc3\xa9\n\n", stanza()) + payload(b"a"), HeaderError),
    "stanza body missing": (lambda: header(b"-> a\n", stanza()) + payload(b"a"), HeaderError),
    "stanza body line too long": (
        lambda: header(b"-> a\n" + b"A" * 68 + b"\n\n", stanza()) + payload(b"a"),
        HeaderError,
    ),
    "stanza body without short line": (
        lambda: header(b"-> a\n" + b"A" * 64 + b"\n", stanza()) + payload(b"a"),
        HeaderError,
    ),
    "stanza body with padding": (lambda: header(b"-> a\nAA==\n", stanza()) + payload(b"a"), HeaderError),
    "stanza body not canonical": (lambda: header(b"-> a\nAB\n", stanza()) + payload(b"a"), HeaderError),
    "stanza with carriage return": (lambda: header(b"-> a\r\n\n", stanza()) + payload(b"a"), HeaderError),
    "share too long": (
        lambda: header(b"-> X25519 " + raw_base64(bytes(33)) + b"\n" + raw_base64(bytes(32)) + b"\n") + payload(b"a"),
        HeaderError,
    ),
    "share too short": (
        lambda: header(b"-> X25519 " + raw_base64(bytes(31)) + b"\n" + raw_base64(bytes(32)) + b"\n") + payload(b"a"),
        HeaderError,
    ),
    "share of low order": (lambda: header(low_order_stanza()) + payload(b"a"), HeaderError),
    "no share": (lambda: header(b"-> X25519\n" + raw_base64(bytes(32)) + b"\n") + payload(b"a"), HeaderError),
    "extra argument": (lambda: header(replaced(stanza(), b"X25519 ", b"X25519 x ")) + payload(b"a"), HeaderError),
    "file key too long": (lambda: header(stanza(key=KEY + b"!"), key=KEY + b"!") + payload(b"a"), HeaderError),
    "body not of a wrapped key": (
        lambda: header(replaced(stanza(), b"\n", b"\nAAAA")) + payload(b"a"),
        HeaderError,
    ),
    "scrypt beside x25519": (
        lambda: (
            header(b"-> scrypt " + raw_base64(bytes(16)) + b" 10\n" + raw_base64(bytes(32)) + b"\n", stanza())
            + payload(b"a")
        ),
        HeaderError,
    ),
    "mac line without space": (lambda: replaced(good(), b"--- ", b"---"), HeaderError),
    "mac with two spaces": (lambda: replaced(good(), b"--- ", b"---  "), HeaderError),
    "mac missing": (lambda: VERSION_LINE + stanza() + b"---\n" + payload(b"a"), HeaderError),
    "mac too short": (lambda: VERSION_LINE + stanza() + b"--- AAAA\n" + payload(b"a"), HeaderError),
    "mac of zeros": (
        lambda: VERSION_LINE + stanza() + b"--- " + raw_base64(bytes(32)) + b"\n" + payload(b"a"),
        HeaderMacError,
    ),
    "mac by another file key": (lambda: header(key=b"another file key") + payload(b"a"), HeaderMacError),
    "nobody's": (lambda: header(stanza(OTHER)) + payload(b"a"), NoIdentityMatch),
    "wrapped key altered": (lambda: _altered_wrap(), NoIdentityMatch),
    "no nonce": (lambda: header(), PayloadError),
    "nonce cut short": (lambda: header() + NONCE[:15], PayloadError),
    "no chunk": (lambda: header() + NONCE, PayloadError),
    "chunk altered": (lambda: flipped(good(b"a"), -1), PayloadError),
    "second chunk altered": (lambda: flipped(good(FULL, b"b"), -1), PayloadError),
    "first of two altered": (lambda: flipped(good(FULL, b"b"), -(STORED_CHUNK + 1)), PayloadError),
    "chunk without tag": (lambda: header() + NONCE + b"short", PayloadError),
    "no final flag": (lambda: header() + NONCE + chunk(0, b"a", final=False), PayloadError),
    "no final flag, full": (lambda: header() + NONCE + chunk(0, FULL, final=False), PayloadError),
    "no final flag on the second": (
        lambda: header() + NONCE + chunk(0, FULL, final=False) + chunk(1, b"b", final=False),
        PayloadError,
    ),
    "final flag twice": (
        lambda: header() + NONCE + chunk(0, FULL, final=True) + chunk(1, b"b", final=True),
        PayloadError,
    ),
    "short chunk in the middle": (
        lambda: header() + NONCE + chunk(0, b"a", final=False) + chunk(1, b"b", final=True),
        PayloadError,
    ),
    "empty last chunk": (lambda: good(FULL, b""), PayloadError),
    "chunks swapped": (
        lambda: (
            header() + NONCE + chunk(1, FULL, final=False) + chunk(0, FULL, final=False) + chunk(2, b"c", final=True)
        ),
        PayloadError,
    ),
    "byte appended": (lambda: good(b"a") + b"!", PayloadError),
    "chunk appended": (lambda: good(FULL) + bytes(STORED_CHUNK), PayloadError),
}


LENIENT = {
    ("stanza body missing", "pyrage"),  # rage reads the stanzas of its own first versions, too
    ("stanza body without short line", "pyrage"),
    ("scrypt beside x25519", "age"),  # age 1.1 looks for this only when it has a passphrase to try
}
"""What the specification forbids and another program lets pass."""


def _altered_wrap() -> bytes:
    lines = good().split(b"\n", 3)
    first = b"B" if lines[2][:1] != b"B" else b"C"
    return b"\n".join([lines[0], lines[1], first + lines[2][1:], lines[3]])


def age_program(data: bytes, tmp_path: Path) -> bytes | None:
    """What Debian's ``age`` makes of it: the plaintext, None when it refuses."""
    identity = tmp_path / "identity.txt"
    identity.write_text(ME.text + "\n", encoding="ascii")
    result = subprocess.run(
        [require_program("age"), "-d", "-i", str(identity)], input=data, capture_output=True, check=False
    )
    return result.stdout if result.returncode == 0 else None


def pyrage_opens(data: bytes) -> bytes | None:
    try:
        return bytes(pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(ME.text)]))
    except pyrage.DecryptError:
        return None


@pytest.mark.parametrize("name", GOOD)
def test_good_files_open_here_and_elsewhere(name: str, tmp_path: Path) -> None:
    data, plain = GOOD[name]()
    assert open_bytes(data, [OTHER, ME]) == plain
    assert age_program(data, tmp_path) == plain
    assert pyrage_opens(data) == plain


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_here_and_elsewhere(name: str, tmp_path: Path) -> None:
    make, error = BAD[name]
    data = make()
    with pytest.raises(error):
        open_bytes(data, [ME])
    assert (age_program(data, tmp_path) is not None) == ((name, "age") in LENIENT)
    assert (pyrage_opens(data) is not None) == ((name, "pyrage") in LENIENT)


def test_a_header_has_a_bound() -> None:
    endless = VERSION_LINE + b"-> grease\n" + (b"A" * 64 + b"\n") * (MAX_HEADER // 65 + 1)
    with pytest.raises(HeaderError, match="too long"):
        open_bytes(endless, [ME])


def test_one_endless_line_is_read_to_the_bound_only() -> None:
    class Endless(io.RawIOBase):
        asked = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None and 0 <= size <= MAX_HEADER
            self.asked += size
            return b"x" * size

    with pytest.raises(HeaderError):
        AgeReader(cast(BinaryIO, Endless()), [ME])


@settings(deadline=None, max_examples=60)
@given(chunks=st.integers(0, 3), cut=st.integers(1, STORED_CHUNK + 40), block=st.sampled_from([1 << 20, 4096]))
def test_a_torn_file_gives_its_whole_chunks_and_says_torn(chunks: int, cut: int, block: int) -> None:
    encryptor = AgeEncryptor([ME.recipient])
    plain = b"".join(bytes([index + 1]) * CHUNK for index in range(chunks))
    whole = encryptor.header + (encryptor.seal(plain) if chunks else b"") + encryptor.finish(b"12345678")
    cut = min(cut, len(whole) - len(encryptor.header))
    torn = whole[: len(whole) - cut]

    class Slow(io.BytesIO):
        """Gives less than asked for, as an unbuffered file may."""

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, block))

    reader = AgeReader(Slow(torn), [ME])
    got = b"".join(reader.chunks())
    left = (len(torn) - len(encryptor.header)) // STORED_CHUNK
    assert got == plain[: left * CHUNK]
    assert reader.end is not None
    assert reader.end.state == "torn"
    assert reader.end.chunks == left
    assert reader.end.offset == len(encryptor.header) + left * STORED_CHUNK


def test_an_altered_chunk_ends_the_reading_where_it_stands() -> None:
    encryptor = AgeEncryptor([ME.recipient])
    data = bytearray(encryptor.header + encryptor.seal(bytes(3 * CHUNK)) + encryptor.finish(b"x"))
    data[len(encryptor.header) + STORED_CHUNK + 5] ^= 1
    reader = AgeReader(io.BytesIO(bytes(data)), [ME])
    assert len(list(reader.chunks())) == 1
    assert reader.end is not None
    assert (reader.end.state, reader.end.chunks) == ("altered", 1)


def test_the_end_of_a_complete_file_is_its_size() -> None:
    data = good(FULL, b"b")
    reader = AgeReader(io.BytesIO(data), [ME])
    list(reader.chunks())
    assert reader.end is not None
    assert (reader.end.state, reader.end.offset) == ("complete", len(data))
    assert reader.header_length == len(data) - STORED_CHUNK - 1 - TAG
