"""Bech32 (BIP 173) as age uses it for its keys: no length limit of 90, no witness version, checksum always verified."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                check ^= generator
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]


def _regroup(values: list[int] | bytes, width: int, to_width: int, pad: bool) -> list[int]:
    accumulator = bits = 0
    groups: list[int] = []
    for value in values:
        accumulator = accumulator << width | value
        bits += width
        while bits >= to_width:
            bits -= to_width
            groups.append(accumulator >> bits & (1 << to_width) - 1)
        accumulator &= (1 << bits) - 1
    if pad and bits:
        groups.append(accumulator << to_width - bits & (1 << to_width) - 1)
    elif not pad and (bits >= width or accumulator):
        raise ValueError("padding is not zero")
    return groups


def encode(prefix: str, data: bytes) -> str:
    """``prefix`` ‖ "1" ‖ data ‖ checksum, lower case."""
    values = _regroup(data, 8, 5, pad=True)
    check = _polymod(_expand(prefix) + values + [0] * 6) ^ 1
    values += [check >> 5 * (5 - index) & 31 for index in range(6)]
    return prefix + "1" + "".join(_ALPHABET[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """Prefix (lower case) and data. Raises ValueError: mixed case, foreign character, wrong checksum, padding bits."""
    if text not in (text.lower(), text.upper()):
        raise ValueError("mixed upper and lower case")
    lower = text.lower()
    prefix, separator, body = lower.rpartition("1")
    if not separator or not prefix or len(body) < 6 or any(not 33 <= ord(character) <= 126 for character in prefix):
        raise ValueError("no prefix or too short")
    try:
        values = [_VALUES[character] for character in body]
    except KeyError as error:
        raise ValueError(f"character {error.args[0]!r} is not in the alphabet") from error
    if _polymod(_expand(prefix) + values) != 1:
        raise ValueError("checksum does not match: a character is mistyped")
    return prefix, bytes(_regroup(values[:-6], 5, 8, pad=False))
