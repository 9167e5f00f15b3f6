"""The table of every setting in docs/configuration.md, from the comments of config/defaults.toml.

``--write`` puts it there; without it the exit code says whether it is as the defaults have it. Settings of a board stand
in no defaults: their table in the same document is written by hand, and tests/config/test_documented.py holds both
against the schema.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = ROOT / "config" / "defaults.toml"
DOCUMENT = ROOT / "docs" / "configuration.md"
BEGIN, END = "<!-- keys -->\n", "<!-- /keys -->\n"
COMMAND = "./dev run python -m tools.config_table --write"

_SECTION = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*) = (.*)")
_MORE = re.compile(r"\s+# ?(.*)")
_NAMED = {"cameras.cam0": "cameras.*", "indicators.standby": "indicators.*"}
"""Sections whose name anybody chooses; the first of them stands for all."""
_REPEATED = re.compile(r"indicators\.(?!\*)")


@dataclass(slots=True)
class Setting:
    key: str
    default: str
    comment: str


def settings(text: str) -> list[Setting]:
    """Of a commented TOML file whose values stand on one line each; a comment may go on over the next lines."""
    found: list[Setting] = []
    section = ""
    last: Setting | None = None
    for line in text.splitlines():
        if header := _SECTION.match(line):
            section, last = _NAMED.get(header[1], header[1]), None
            value, comment = _split(line[header.end() :])
            if section == "board.options":
                found.append(Setting(section, "{}", comment))
        elif key := _KEY.match(line):
            value, comment = _split(key[2])
            last = Setting(f"{section}.{key[1]}", value, comment)
            if not _REPEATED.match(last.key):
                found.append(last)
        elif last is not None and (more := _MORE.match(line)):
            last.comment += f" {more[1]}"
        else:
            last = None
    return found


def _split(rest: str) -> tuple[str, str]:
    """The value, and the comment behind it. A ``#`` within quotes is neither."""
    quoted = False
    for place, character in enumerate(rest):
        quoted ^= character == '"'
        if character == "#" and not quoted:
            return rest[:place].strip(), rest[place + 1 :].strip()
    return rest.strip(), ""


def table(found: list[Setting]) -> str:
    rows = ["| 配置项 key | 默认 default | 说明 what it does |", "|---|---|---|"]
    rows += [f"| `{each.key}` | `{each.default}` | {each.comment.replace('|', chr(92) + '|')} |" for each in found]
    return "\n".join(rows) + "\n"


def with_table(document: str, made: str) -> str:
    """Raises ValueError when the document has no place for it."""
    head, mark, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{BEGIN.strip()} … {END.strip()}: 缺少 missing")
    return f"{head}{BEGIN}\n{made}\n{END}{tail}"


def main(arguments: list[str]) -> int:
    document = DOCUMENT.read_text(encoding="utf-8")
    wanted = with_table(document, table(settings(DEFAULTS.read_text(encoding="utf-8"))))
    if "--write" in arguments:
        DOCUMENT.write_text(wanted, encoding="utf-8")
    elif wanted != document:
        sys.stderr.write(f"{DOCUMENT}: 与 config/defaults.toml 不一致 differs from the defaults: {COMMAND}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
