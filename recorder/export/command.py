"""``recorder report`` without the command-line library."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from recorder.evidence.errors import CannotRead
from recorder.evidence.verify.command import EXIT_CANNOT_READ, say_cannot_read, verify
from recorder.export.report import write_report
from recorder.loading import system_clock


def run_report(root: Path, trust: Path, identity: Path | None, output: Path, language: str, out: TextIO) -> int:
    """Verifies and writes the HTML report to ``output``. Exit codes as ``recorder verify``."""
    try:
        report = verify(root, trust, identity)
        write_report(report, output, system_clock().wall_us() / 1e6)
    except CannotRead as error:
        say_cannot_read(error, False, language, out)
        return EXIT_CANNOT_READ
    except OSError as error:
        reason = error.strerror or str(error)
        say_cannot_read(
            CannotRead(output, f"无法写入（{reason}）", f"cannot be written ({reason})"), False, language, out
        )
        return EXIT_CANNOT_READ
    out.write(f"{report.sentence(language)}\n{output}\n")
    return report.exit_code
