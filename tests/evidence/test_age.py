from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.age import (
    CHUNK,
    STORED_CHUNK,
    TAG,
    AgeEncryptor,
    AgeError,
    SealError,
    generate_identity,
    parse_identities,
    parse_identity,
    parse_recipient,
    seal_bytes,
)
from recorder.evidence.age_reader import open_bytes

AGENCY = generate_identity()
ESCROW = generate_identity()
RECIPIENTS = [AGENCY.recipient, ESCROW.recipient]


def test_sizes_are_those_the_segment_format_counts_with() -> None:
    encryptor = AgeEncryptor(RECIPIENTS)
    assert len(encryptor.seal(bytes(3 * CHUNK))) == 3 * STORED_CHUNK
    assert len(encryptor.finish(b"12345678")) == 8 + TAG


@settings(deadline=None, max_examples=30)
@given(chunks=st.lists(st.integers(1, 3), max_size=3), last=st.integers(1, CHUNK), seed=st.integers(0, 2**32))
def test_each_recipient_reads_all_of_it(chunks: list[int], last: int, seed: int) -> None:
    rnd = random.Random(seed)
    encryptor = AgeEncryptor(RECIPIENTS)
    plain, stored = b"", encryptor.header
    for count in chunks:
        piece = rnd.randbytes(count * CHUNK)
        plain += piece
        stored += encryptor.seal(memoryview(piece))
    final = rnd.randbytes(last)
    stored += encryptor.finish(final)
    assert open_bytes(stored, [AGENCY]) == plain + final
    assert open_bytes(stored, [ESCROW]) == plain + final


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK + 1])
def test_seal_takes_whole_chunks_only(size: int) -> None:
    with pytest.raises(SealError, match="multiple"):
        AgeEncryptor(RECIPIENTS).seal(bytes(size))


@pytest.mark.parametrize("size", [0, CHUNK + 1])
def test_the_final_chunk_is_neither_empty_nor_too_long(size: int) -> None:
    with pytest.raises(SealError, match="final"):
        AgeEncryptor(RECIPIENTS).finish(bytes(size))


def test_a_writer_ends_for_good() -> None:
    encryptor = AgeEncryptor(RECIPIENTS)
    encryptor.finish(b"x")
    with pytest.raises(SealError, match="after finish"):
        encryptor.finish(b"x")
    with pytest.raises(SealError, match="after finish"):
        encryptor.seal(bytes(CHUNK))


def test_two_files_share_nothing() -> None:
    first, second = AgeEncryptor(RECIPIENTS), AgeEncryptor(RECIPIENTS)
    assert first.header[-16:] != second.header[-16:]
    assert first.seal(bytes(CHUNK)) != second.seal(bytes(CHUNK))


def test_a_recipient_for_nobody_is_refused() -> None:
    with pytest.raises(AgeError, match="没有收件公钥"):
        AgeEncryptor([])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        AGENCY.recipient[:-1],
        AGENCY.recipient[:-1] + ("q" if AGENCY.recipient[-1] != "q" else "p"),
        AGENCY.recipient.upper(),
        AGENCY.text,
        AGENCY.recipient + " ",
    ],
    ids=[
        "empty",
        "prefix",
        "cut",
        "other-sum",
        "capitals",
        "a-secret",
        "space-after",
    ],  # the key is a new one each time
)
def test_bad_recipients_are_named_as_such(text: str) -> None:
    with pytest.raises(AgeError, match="age1…"):
        parse_recipient(text)


def test_an_all_zero_point_is_refused_when_sealing() -> None:
    from recorder.evidence import bech32

    with pytest.raises(AgeError, match="low order"):
        AgeEncryptor([bech32.encode("age", bytes(32))])


def test_identities_round_trip_and_never_show_in_messages() -> None:
    identity = generate_identity()
    assert parse_identity(identity.text) == identity
    assert identity.text not in repr(identity)
    with pytest.raises(AgeError) as caught:
        parse_identity(identity.text[:-1] + "Q" if identity.text[-1] != "Q" else identity.text[:-1] + "P")
    assert identity.text[20:50] not in str(caught.value)
    with pytest.raises(AgeError, match="大小写"):
        parse_identity(identity.text.lower())


def test_an_identity_file_has_comments_and_names_a_bad_line() -> None:
    text = f"# created: 2026\n# public key: {AGENCY.recipient}\n{AGENCY.text}\n\n{ESCROW.text}\n"
    assert parse_identities(text) == [AGENCY, ESCROW]
    with pytest.raises(AgeError, match="line 2"):
        parse_identities("# x\nAGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(AgeError, match="no identity"):
        parse_identities("# only a comment\n")


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_small_files_in_memory(size: int) -> None:
    plain = random.Random(size).randbytes(size)
    assert open_bytes(seal_bytes(plain, RECIPIENTS), [ESCROW]) == plain


def test_given_randomness_the_file_is_reproducible() -> None:
    def file() -> bytes:
        encryptor = AgeEncryptor(RECIPIENTS, random.Random(1).randbytes)
        return encryptor.header + encryptor.finish(b"x")

    assert file() == file()
