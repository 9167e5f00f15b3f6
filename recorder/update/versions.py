"""Which of two versions is the newer one: the order of Debian packages, deb-version(7). Pure.

The same order for images: their manifests carry the version of the recorder inside.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final

FORM: Final = r"^(?:[0-9]+:)?[0-9][A-Za-z0-9.+~-]*$"
MAX: Final = 64
_PARTS: Final = re.compile(r"([^0-9]*)([0-9]*)")


def newer(one: str, other: str) -> bool:
    """Whether ``one`` is strictly newer than ``other``. Both match FORM (what does not is ordered too, as anything is)."""
    return _key(one) > _key(other)


def _key(version: str) -> tuple[_Part, _Part, _Part]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return _Part(epoch), _Part(upstream if dash else rest), _Part(revision if dash else "0")


class _Part:
    """Digits compare as numbers; in between ``~`` sorts before the end, letters before everything else."""

    def __init__(self, text: str) -> None:
        self._runs = [(word, int(digits or 0)) for word, digits in _PARTS.findall(text) if word or digits]

    def __gt__(self, other: _Part) -> bool:
        return self._compare(other) > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Part) and self._compare(other) == 0

    def __hash__(self) -> int:
        return hash(tuple(self._runs))

    def _compare(self, other: _Part) -> int:
        for (word, number), (word2, number2) in zip_longest(self._runs, other._runs, fillvalue=("", 0)):
            for mine, theirs in zip_longest(word, word2, fillvalue=""):
                if mine != theirs:
                    return _weight(mine) - _weight(theirs)
            if number != number2:
                return number - number2
        return 0


def _weight(character: str) -> int:
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256
