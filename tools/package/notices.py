"""Licences of the private libraries as stanzas of ``copyright`` (DEP-5): each with the texts its own wheel carries."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

MAX_HOLDERS = 20
"""Lines in the Copyright field of one library; the licence texts below it carry them all."""

_HOLDER = re.compile(r"^\W{0,4}(?:copyright\s+(?:\(c\)|©|\d{4}).*|\(c\)\s+\d{4}.*)$", re.IGNORECASE | re.MULTILINE)
_MARK = re.compile(r"^\W*(?:copyright\s*(?:\(c\)|©)?|\(c\))[\s:,]*", re.IGNORECASE)
_LICENCE_FILE = re.compile(r"^(?:licen[cs]e|copying|notice|copyright)", re.IGNORECASE)


_COMMON = (
    ("Apache-2.0", r"[^\n]*Apache License\s+Version 2\.0, January 2004.*?END OF TERMS AND CONDITIONS[^\n]*"),
    ("GPL-3", r"[^\n]*GNU GENERAL PUBLIC LICENSE\s+Version 3, 29 June 2007.*?why-not-lgpl\.html>\."),
)
"""Texts that every Debian system has: name in /usr/share/common-licenses, and how it begins and ends."""


class NoLicence(Exception):
    """A library whose wheel says nothing of its licence: we may not ship what we cannot name the terms of."""


def stanzas(distributions: Iterable[importlib.metadata.Distribution], place: str) -> str:
    """One Files and one License stanza for each. ``place``: the folder they are installed in. Raises NoLicence."""
    return "".join(_stanza(distribution, place) for distribution in distributions)


def _stanza(distribution: importlib.metadata.Distribution, place: str) -> str:
    name, metadata = distribution.name, distribution.metadata
    folder = _folder(distribution)
    bodies = licence_texts(folder)
    says = _one(metadata, "License-Expression") or _classified(metadata.get_all("Classifier") or ())
    says = says or _one(metadata, "License")
    if not says:
        raise NoLicence(f"{name}: 没有许可证说明 no licence named")
    short = f"{name.lower()}-terms"
    text = "\n\n".join(bodies) or f"The wheel carries no text of its own; its metadata name: {says}"
    author = _one(metadata, "Author") or _one(metadata, "Author-email") or f"the authors of {name}"
    holders = holders_in(bodies)[:MAX_HOLDERS] or [" ".join(author.split())]
    files = [f"{place}/{pattern}" for pattern in _patterns(distribution)]
    return (
        f"\nFiles: {_lines(files)}\n"
        f"Copyright: {_lines(holders)}\n"
        f"License: {short}\n"
        f"Comment: {name} {distribution.version}, {' '.join(says.split())[:200]}; PyPI: {name}\n"
        f"\nLicense: {short}\n{_verbatim(text)}\n"
    )


def licence_texts(folder: Path) -> list[str]:
    """The different licence texts of a ``.dist-info`` folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    chosen = [
        path for path in files if _LICENCE_FILE.match(path.name) or "licenses" in path.relative_to(folder).parts[:-1]
    ]
    texts = (path.read_text(encoding="utf-8", errors="replace").strip() for path in chosen)
    return list(dict.fromkeys(by_reference(text) for text in texts))


def by_reference(text: str) -> str:
    """``text`` with the full licences that every Debian system has replaced by where they are (policy 12.5)."""
    for name, pattern in _COMMON:
        text = re.sub(pattern, f"[The full text is in /usr/share/common-licenses/{name}.]", text, flags=re.DOTALL)
    return text


def holders_in(bodies: Iterable[str]) -> list[str]:
    """Who holds the copyright, as licence texts say at the beginning of a line."""
    lines = (" ".join(_MARK.sub("", match).split()) for body in bodies for match in _HOLDER.findall(body))
    return list(dict.fromkeys(line for line in lines if line))


def _patterns(distribution: importlib.metadata.Distribution) -> list[str]:
    folder = _folder(distribution)
    listed = (distribution.read_text("top_level.txt") or "").split()
    modules = listed or [distribution.name.replace("-", "_")]
    return [*(f"{module}*" for module in sorted(set(modules))), f"{folder.name}/*"]


def _folder(distribution: importlib.metadata.Distribution) -> Path:
    """Its ``.dist-info``: RECORD, which would list its files, is pip's and is not shipped."""
    site = Path(str(distribution.locate_file("")))
    normal = distribution.name.replace("-", "_").lower()
    return next(
        path
        for path in sorted(site.glob("*.dist-info"))
        if path.name.lower() == f"{normal}-{distribution.version}.dist-info"
    )


def _one(metadata: importlib.metadata.PackageMetadata, key: str) -> str:
    return next(iter(metadata.get_all(key) or ()), "")


def _classified(classifiers: Iterable[str]) -> str:
    return ", ".join(text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::"))


def _lines(values: Sequence[str]) -> str:
    return "\n ".join(values)


def _verbatim(text: str) -> str:
    """Continuation lines of DEP-5: one space before each line, a dot for an empty one."""
    return "\n".join(f" {line.rstrip()}" if line.strip() else " ." for line in text.expandtabs().splitlines())
