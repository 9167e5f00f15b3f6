"""``recorder export``: what leaves a journal for people: the written statement of a gap, the statistics of a unit."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from recorder.cli import config_option, fail, load, say
from recorder.evidence.records import LegalCause, SealedField

if TYPE_CHECKING:
    from recorder.export.facts import JournalFacts

_folder = click.Path(path_type=Path, file_okay=False)
_file = click.Path(path_type=Path, dir_okay=False)


@click.group("export")
def export_group() -> None:
    """导出 · exports for people and their systems."""


@export_group.command("statement")
@click.argument("gap")
@click.option("--from", "source", type=_folder, help="数据目录 data folder (default: this unit's)")
@click.option("-o", "--output", type=_folder, default=Path(), help="输出目录 output folder (default: here)")
@click.option("--identity", type=_file, help="age 身份文件，打开姓名 age identity, to fill names in")
@click.option("--legal-cause", type=click.Choice(get_args(LegalCause)), help="中断原因类别 legal cause")
@click.option("--set", "said", multiple=True, metavar="NAME=TEXT", help="填写一栏，可重复 fill a field, repeatable")
@click.option("--template", type=_file, help="本机关的模板 the agency's own template (DOCX)")
@config_option
def statement_command(
    gap: str,
    source: Path | None,
    output: Path,
    identity: Path | None,
    legal_cause: LegalCause | None,
    said: tuple[str, ...],
    template: Path | None,
    config_files: tuple[Path, ...],
) -> None:
    """《音像记录中断情况说明》 · the written statement of GAP (its id or the beginning of it): DOCX and JSON."""
    from recorder.evidence.encoding import sha256_b64u
    from recorder.evidence.files import OsFiles
    from recorder.export.statement import UnknownGap, canonical_json, find_gap, statement_data
    from recorder.export.statement_document import TemplateProblem, render_statement

    facts = _facts(_data_dir(source, config_files))
    try:
        data = statement_data(facts, find_gap(facts, gap), _opener(identity), _said(said), legal_cause)
        as_json = canonical_json(data)
        document = render_statement(data, sha256_b64u(as_json), template)
        output.mkdir(parents=True, exist_ok=True)
        for suffix, content in ((".json", as_json), (".docx", document)):
            path = output / f"statement-{data['number']}{suffix}"
            OsFiles().replace(path.resolve(), content)
            click.echo(str(path))
    except UnknownGap as error:
        fail(error.zh, error.en)
    except (TemplateProblem, OSError) as error:
        fail(str(error), str(error))


@export_group.command("summary")
@click.argument("directory", type=_folder)
@click.option("--by", type=click.Choice(["shift", "day"]), default="shift", help="按班次或者按日 (default: shift)")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", help="格式 (default: json)")
@click.option("-o", "--output", type=_file, help="输出文件 output file (default: standard output)")
def summary_command(
    directory: Path, by: Literal["shift", "day"], form: Literal["json", "csv"], output: Path | None
) -> None:
    """统计（第二十八条）· statistics per shift or per day, from the journal in DIRECTORY alone."""
    from recorder.export.summary import summarise, table

    summary = summarise(_facts(directory), by)
    if form == "json":
        text = json.dumps(summary, ensure_ascii=False, indent=2) + "\n"
    else:
        lines = io.StringIO()
        csv.writer(lines).writerows(table(summary))
        text = "\ufeff" + lines.getvalue()  # with a BOM: else Excel takes Chinese for another encoding
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{output}：无法写入（{error.strerror}）", f"{output}: cannot be written ({error.strerror})")


def _data_dir(source: Path | None, config_files: tuple[Path, ...]) -> Path:
    return source or Path(load(config_files).config.storage.data_dir)


def _facts(folder: Path) -> JournalFacts:
    """The journal's facts. Lines that do not verify are named on standard error and count for nothing."""
    from recorder.evidence.errors import CannotRead
    from recorder.export.journal_source import read_facts

    try:
        return read_facts(
            folder, lambda problem: click.echo(say(f"注意：{problem.zh}", f"note: {problem.en}"), err=True)
        )
    except CannotRead as error:
        fail(f"{error.path}：{error.zh}", f"{error.path}: {error.en}")


def _opener(identity: Path | None) -> Callable[[SealedField], object | None]:
    """Opens sealed fields with the identity; without one only what was never sealed."""
    from recorder.evidence.age import AgeError
    from recorder.evidence.errors import CannotRead
    from recorder.evidence.personal import PersonalError, open_field
    from recorder.evidence.verify.command import read_identities

    try:
        identities = read_identities(identity) if identity is not None else ()
    except CannotRead as error:
        fail(f"{error.path}：{error.zh}", f"{error.path}: {error.en}")

    def opened(sealed: SealedField) -> object | None:
        try:
            value: object = open_field(sealed, identities)
        except (AgeError, PersonalError):
            return None  # left for the hand: the document shows the blank
        return value

    return opened


def _said(pairs: tuple[str, ...]) -> dict[str, str]:
    from recorder.export.statement import SAID

    said = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in SAID:
            known = "、".join(f"{key}（{zh}）" for key, zh in SAID.items())
            fail(
                f"--set {pair}：应为 名称=内容，名称为 {known}",
                f"--set {pair}: NAME=TEXT with one of {', '.join(SAID)}",
            )
        said[name] = text
    return said
