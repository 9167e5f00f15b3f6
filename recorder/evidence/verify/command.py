"""``recorder verify`` without the command-line library: reads the arguments' files, prints, gives the exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from recorder.evidence.age import AgeError, Identity, parse_identities
from recorder.evidence.errors import CannotRead
from recorder.evidence.trust import load_trust
from recorder.evidence.verify.report import Report
from recorder.evidence.verify.text import render_text
from recorder.evidence.verify.vaults import verify_vaults

EXIT_CANNOT_READ = 2


def verify(root: Path, trust: Path, identity: Path | None) -> Report:
    """Raises CannotRead, naming the file."""
    identities = read_identities(identity) if identity is not None else ()
    return verify_vaults(root, load_trust(trust), identities)


def read_identities(path: Path) -> Sequence[Identity]:
    """An age identity file. Raises CannotRead, which never repeats the secret."""
    try:
        return parse_identities(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8"
        raise CannotRead(path, f"无法读取（{reason}）", f"cannot be read ({reason})") from error
    except AgeError as error:
        raise CannotRead(path, "不是 age 身份文件", f"not an age identity file: {error}") from error


def run_verify(root: Path, trust: Path, identity: Path | None, as_json: bool, language: str, out: TextIO) -> int:
    """Prints the report to ``out``. 0 everything proven · 1 findings · 2 cannot read."""
    try:
        report = verify(root, trust, identity)
    except CannotRead as error:
        say_cannot_read(error, as_json, language, out)
        return EXIT_CANNOT_READ
    if as_json:
        json.dump(report.to_json(), out, ensure_ascii=False, indent=2)
        out.write("\n")
    else:
        out.write(render_text(report, language))
    return report.exit_code


def say_cannot_read(error: CannotRead, as_json: bool, language: str, out: TextIO) -> None:
    if as_json:
        answer = {"verdict": "cannot-read", "exit_code": 2, "path": str(error.path), "zh": error.zh, "en": error.en}
        json.dump(answer, out, ensure_ascii=False, indent=2)
        out.write("\n")
    else:
        en = f"error: {error.path}: {error.en}\n"
        out.write(en if language == "en" else f"错误：{error.path}：{error.zh}\n")


def verify_for_simulator(root: Path, trust: Path, identity: Path | None, report: Path | None) -> dict[str, Any]:
    """``Report.summary()`` of ``root``, the HTML report written to ``report`` when given. What cannot be read comes back as
    a summary too (``exit_code`` 2): a run that left nothing to verify has a result all the same."""
    from recorder.export.report import write_report

    try:
        result = verify(root, trust, identity)
    except CannotRead as error:
        zh, en = f"{error.path}：{error.zh}", f"{error.path}: {error.en}"
        return {"verdict": "cannot-read", "exit_code": EXIT_CANNOT_READ, "sentence_zh": zh, "sentence_en": en}
    if report is not None:
        write_report(result, report)
    return result.summary()
