"""What the store makes of posted journal lines. Pure: stored lines and keys are handed in, a judgement comes out.

Lines already stored byte for byte are skipped; a differing line with a good signature is a fork (the unit's key signed two
histories); a differing line without one is merely invalid: a fork alarm must mean something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from pydantic import ValidationError

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.jws import JwsError, Parts, VerifyingKey
from recorder.evidence.records import Boot, Common, Record, Recovery, SegmentClose, SegmentOpen, Statement

_ACTED_ON = (Boot, SegmentOpen, SegmentClose, Recovery, Statement)
INTERPRETED: dict[str, type[Record]] = {model.TYP: model for model in _ACTED_ON}
"""Records the store acts on must have their form. The others are the unit's and the verifier's: a newer unit may write
types this store has never heard of."""
_COMMON = frozenset(Common.model_fields)


class KeyRefused(Exception):
    """The certificate a ``boot`` record brings is not to be believed; the text says why."""


class KeyUnknown(JwsError):
    """No ``boot`` record has brought the key ``kid`` so far."""

    def __init__(self, kid: str) -> None:
        super().__init__(f"signed by {kid}, which no boot record introduced")
        self.kid = kid


@dataclass(frozen=True, slots=True)
class Head:
    """What is stored: the next ``seq``, the digest of the newest line and the key that signed it."""

    next_seq: int = 0
    digest: str | None = None
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceKey:
    kid: str
    key: VerifyingKey
    chain: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """``known(kid)``: a key accepted earlier for this journal; ``good(kid)``: the same, if its certificate would be
    accepted today. ``introduce(parts)``: the key of a ``boot`` record's x5c, checked against the agency CA, or
    KeyRefused."""

    known: Callable[[str], DeviceKey | None]
    good: Callable[[str], DeviceKey | None]
    introduce: Callable[[Parts], DeviceKey]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A line that continues the chain. ``record``: its validated form for the types the store acts on."""

    seq: int
    line: bytes
    digest: str
    kid: str
    record: Record | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """``fork``: another signed line with this ``seq``; ``late``: signed, and the unit had declared it lost; ``broken``:
    signed, but its ``prev`` is not our head; ``invalid``: signature, form or sender wrong. ``reason`` for people.
    ``unknown_kid``: the key that is missing, where that is all."""

    kind: Literal["fork", "late", "broken", "invalid"]
    seq: int
    reason: str
    unknown_kid: str | None = None


@dataclass(slots=True)
class Judgement:
    """``accepted`` may be stored even when a later line was refused: nothing from that line on is."""

    accepted: list[Accepted] = field(default_factory=list)
    new_keys: list[DeviceKey] = field(default_factory=list)
    refusal: Refusal | None = None


def split_body(body: bytes) -> list[bytes]:
    """Lines without their ends. A last line without an end comes back with a ``\\n`` too few: see ``judge``."""
    lines = body.split(b"\n")
    tail = lines.pop()
    return lines if not tail else [*lines, tail + b"\r"]  # CR is in no JWS: it makes the unfinished line invalid


def judge(
    unit_id: str,
    journal_id: str,
    head: Head,
    from_seq: int,
    lines: Sequence[bytes],
    stored: Iterator[bytes | None],
    keys: Keys,
    after_gap: bool = False,
) -> Judgement:
    """``stored``: the stored lines from ``from_seq`` on, None for one that was lost; ``from_seq`` is not beyond
    ``head.next_seq``, or ``after_gap``: the unit has lost what came before; ``prev`` of the first line leads into the gap
    and cannot be judged, all else can."""
    result = Judgement()
    for seq, line in enumerate(lines, from_seq):
        if seq < head.next_seq:
            known = next(stored, None)
            if line == known:
                continue
            result.refusal = _differs(line, seq, journal_id, keys, lost=known is None)
            return result
        try:
            linked = not after_gap or bool(result.accepted)
            accepted, new_key = _continue(unit_id, journal_id, head, seq, line, keys, result.new_keys, linked)
        except (JwsError, KeyRefused) as error:
            missing = error.kid if isinstance(error, KeyUnknown) else None
            result.refusal = Refusal("invalid", seq, str(error), missing)
            return result
        if isinstance(accepted, Refusal):
            result.refusal = accepted
            return result
        if new_key is not None:
            result.new_keys.append(new_key)
        result.accepted.append(accepted)
        head = Head(seq + 1, accepted.digest, accepted.kid)
    return result


def _differs(line: bytes, seq: int, journal_id: str, keys: Keys, lost: bool) -> Refusal:
    try:
        text, parts = _parse(line)
        key = keys.known(parts.kid)
        if key is None:
            if parts.typ != "boot":
                raise KeyUnknown(parts.kid)
            key = keys.introduce(parts)
        jws.check(text, parts, key.key)
    except (JwsError, KeyRefused) as error:
        missing = error.kid if isinstance(error, KeyUnknown) else None
        stands = "the unit had declared it lost" if lost else "differs from the stored line"
        return Refusal("invalid", seq, f"{stands}, and does not verify: {error}", missing)
    if parts.payload.get("seq") != seq or parts.payload.get("journal_id") != journal_id:
        return Refusal("invalid", seq, f"seq {parts.payload.get('seq')!r} is not {seq}, or another journal's line")
    if lost:
        return Refusal("late", seq, "signed, but the unit had declared it lost, and what follows is stored")
    return Refusal("fork", seq, "signed, but differs from the stored line with the same seq")


def _continue(
    unit_id: str,
    journal_id: str,
    head: Head,
    seq: int,
    line: bytes,
    keys: Keys,
    fresh: list[DeviceKey],
    linked: bool,
) -> tuple[Accepted | Refusal, DeviceKey | None]:
    text, parts = _parse(line)
    key, new_key = _key_of(parts, head, keys, fresh, linked)
    jws.check(text, parts, key.key)
    common = _common(parts)
    if common.seq != seq:
        raise JwsError(f"seq {common.seq} is not {seq}")
    if common.journal_id != journal_id:
        raise JwsError(f"journal_id {common.journal_id} is not {journal_id}")
    record = _record(parts)
    if isinstance(record, Boot) and record.unit_id != unit_id:
        raise JwsError(f"unit_id {record.unit_id!r} is not {unit_id}")
    if linked and common.prev != head.digest:
        return Refusal("broken", seq, "prev is not the digest of the line before it"), None
    return Accepted(seq, line, sha256_b64u(line), parts.kid, record), new_key


def _key_of(
    parts: Parts, head: Head, keys: Keys, fresh: list[DeviceKey], linked: bool
) -> tuple[DeviceKey, DeviceKey | None]:
    """(key, the same when it is new). Only a ``boot`` record changes the key, and the first line brings the first. Behind
    lines that are lost, the one that changed it perhaps among them, it is the head's as before, good today or not
    (docs/wire.md), or any key of this journal that is good today."""
    if parts.kid == head.kid:
        key = next((item for item in fresh if item.kid == parts.kid), None) or keys.known(parts.kid)
        if key is not None:
            return key, None
    if parts.typ != "boot":
        key = None if linked else keys.good(parts.kid)
        if key is None:
            raise KeyUnknown(parts.kid)
        return key, None
    new = keys.introduce(parts)
    return new, new


def introduced(unit_id: str, journal_id: str, line: bytes, keys: Keys) -> DeviceKey:
    """The key of a ``boot`` line of this journal that comes ahead of its turn: the one that should have brought the key is
    lost. Raises JwsError, KeyRefused."""
    text, parts = _parse(line)
    if parts.typ != "boot":
        raise JwsError(f"typ {parts.typ!r}: only a boot record brings a key")
    key = keys.introduce(parts)
    jws.check(text, parts, key.key)
    common, record = _common(parts), _record(parts)
    if common.journal_id != journal_id:
        raise JwsError(f"journal_id {common.journal_id} is not {journal_id}")
    if not isinstance(record, Boot) or record.unit_id != unit_id:
        raise JwsError(f"unit_id is not {unit_id}")
    return key


def _parse(line: bytes) -> tuple[str, Parts]:
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError as error:
        raise JwsError("not ASCII") from error
    return text, jws.split(text)


def _common(parts: Parts) -> Common:
    try:
        return Common.model_validate({name: parts.payload.get(name) for name in _COMMON if name in parts.payload})
    except ValidationError as error:
        raise JwsError(f"common fields: {_first(error)}") from error


def _record(parts: Parts) -> Record | None:
    model = INTERPRETED.get(parts.typ)
    if model is None:
        return None
    try:
        return model.model_validate({name: value for name, value in parts.payload.items() if name not in _COMMON})
    except ValidationError as error:
        raise JwsError(f"{parts.typ}: {_first(error)}") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
