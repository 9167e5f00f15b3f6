"""``recorder config check | show | schema | sign``: 0 clean · 1 findings · 2 wrong usage or unusable installation."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from recorder.cli import DEFAULT_FILES, fail, language, say
from recorder.config.problems import KeyPath, Problem, dotted

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("config")
def config_group() -> None:
    """配置：检查、显示、模式 · check and show the configuration, export its schema."""


@config_group.command("check")
@click.argument("files", nargs=-1, type=_FILE)
@click.option("--board", is_flag=True, help="检查的是板卡文件 FILES are board files")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
def check_command(files: tuple[Path, ...], board: bool, as_json: bool) -> None:
    """检查配置文件（从低层到高层）· check FILES as layers, lowest first (default: /etc/recorder/agency.toml, unit.toml).

    退出码 exit: 0 无误 no errors · 1 有错误 errors · 2 无法执行 cannot check.
    """
    from recorder.config.check import check_board, check_files
    from recorder.config.layers import read_layer
    from recorder.config.paths import ShippedFilesMissing, defaults_file

    chosen = files if files or board else tuple(path for path in DEFAULT_FILES if path.exists())
    if board and not files:
        fail("--board 需要文件名", "--board needs a file")
    if not chosen:
        names = ", ".join(map(str, DEFAULT_FILES))
        fail(f"没有可检查的文件（{names} 均不存在）", f"no file to check (there is none of {names})")
    try:
        defaults = read_layer(defaults_file(), "defaults")
    except ShippedFilesMissing as error:
        fail(str(error), str(error))
    if isinstance(defaults, Problem):
        fail(defaults.text("zh"), defaults.text("en"))
    problems = (
        [problem for file in chosen for problem in check_board(file, defaults)]
        if board
        else list(check_files(chosen, defaults))
    )
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        click.echo(json.dumps([_as_json(problem) for problem in problems], ensure_ascii=False, indent=2))
    else:
        for problem in problems:
            click.echo(problem.text(language()))
        warnings = len(problems) - errors
        click.echo(
            say(
                f"{len(chosen)} 个文件：{errors} 个错误，{warnings} 个警告",
                f"{len(chosen)} file(s): {errors} error(s), {warnings} warning(s)",
            )
        )
    sys.exit(1 if errors else 0)


@config_group.command("show")
@click.option(
    "--config", "config_files", multiple=True, type=_FILE, help="配置层文件，可重复 configuration layer, repeatable"
)
@click.option("--origin", is_flag=True, help="同时显示来源 文件:行:列 · with file:line:column of each value")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
def show_command(config_files: tuple[Path, ...], origin: bool, as_json: bool) -> None:
    """显示生效的配置 · show the configuration in force, as this machine and environment would load it.

    退出码 exit: 0 全部生效 all applied · 1 有错误 something was set aside · 2 无法执行 cannot load.
    """
    from recorder.config.load import load_config
    from recorder.config.paths import ShippedFilesMissing

    files = config_files or tuple(path for path in DEFAULT_FILES if path.exists())
    try:
        loaded = load_config(files, os.environ)
    except ShippedFilesMissing as error:
        fail(str(error), str(error))
    values = list(_flat(loaded.config.model_dump(mode="json", exclude_none=True), ()))
    places = {path: str(loaded.provenance[path]) for path, _ in values}
    if as_json:
        document: dict[str, Any] = {
            "status": loaded.status,
            "sha256": loaded.sha256,
            "layers": loaded.layer_names,
            "problems": [_as_json(problem) for problem in loaded.problems],
            "config": loaded.config.model_dump(mode="json", exclude_none=True),
        }
        if origin:
            document["origin"] = {dotted(path): place for path, place in places.items()}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        for path, value in values:
            line = f"{dotted(path)} = {toml_value(value)}"
            click.echo(f"{line:<56}  # {places[path]}" if origin else line)
        for problem in loaded.problems:
            click.echo(problem.text(language()), err=True)
    sys.exit(1 if loaded.errors else 0)


@config_group.command("schema")
@click.option("--partial", is_flag=True, help="单层（不完整）文件的模式 for a layer file")
@click.option(
    "--write", "directory", type=click.Path(path_type=Path, file_okay=False, exists=True), help="写入目录 write both"
)
def schema_command(partial: bool, directory: Path | None) -> None:
    """输出 JSON 模式 · print the JSON schema, or write both of them into a folder."""
    from recorder.config import schema

    if directory is not None:
        for path in schema.write(directory):
            click.echo(str(path))
    else:
        click.echo(schema.render(schema.partial_schema() if partial else schema.full_schema()), nl=False)


def _as_json(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.source,
        "line": place.line,
        "column": place.column,
        "key": problem.key,
        "severity": problem.severity,
        "zh": problem.zh,
        "en": problem.en,
    }


def _flat(node: dict[str, Any], base: KeyPath) -> list[tuple[KeyPath, Any]]:
    """Every value with its path; an empty table counts as a value, so that nothing is hidden."""
    flat: list[tuple[KeyPath, Any]] = []
    for key, value in node.items():
        if isinstance(value, dict) and value:
            flat += _flat(value, (*base, key))
        else:
            flat.append(((*base, key), value))
    return flat


def toml_value(value: Any) -> str:
    """A value as TOML writes it (the types a configuration has)."""
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


@config_group.command("sign")
@click.argument("file", type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="机关指令私钥 the agency's command key (PEM)")
@click.option(
    "--version",
    required=True,
    type=click.IntRange(1),
    help="版本号，只增不减，跳升不得超过一百万 version, which only grows, by a million at most",
)
@click.option("--unit", "unit_id", help="设备编号 the unit it is for")
@click.option("--group", help="或者分组 or the group")
def sign_command(file: Path, key_file: Path, version: int, unit_id: str | None, group: str | None) -> None:
    """签名一份下发配置，输出 JWS · sign FILE as a configuration from afar and print the JWS (`recorder fleet` sends it).

    退出码 exit: 0 · 1 FILE 有误 FILE is in error · 2 无法执行 cannot.
    """
    import uuid

    from recorder.config.check import check_pushed
    from recorder.config.layers import read_layer
    from recorder.config.paths import ShippedFilesMissing, defaults_file
    from recorder.evidence.desired import Desired, sign_desired
    from recorder.evidence.signer import FileSigner, KeyFileError, load_or_create_key
    from recorder.loading import system_clock

    if (unit_id is None) == (group is None):
        fail("需要 --unit 或 --group 之一", "either --unit or --group is needed")
    if not key_file.exists():
        fail(f"{key_file}: 没有这个文件", f"{key_file}: there is no such file")
    try:
        defaults = read_layer(defaults_file(), "defaults")
    except ShippedFilesMissing as error:
        fail(str(error), str(error))
    if isinstance(defaults, Problem):
        fail(defaults.text("zh"), defaults.text("en"))
    errors = [problem for problem in check_pushed(file, defaults) if problem.severity == "error"]
    for problem in errors:
        click.echo(problem.text(language()), err=True)
    if errors:
        sys.exit(1)
    try:
        desired = Desired(
            ver=1,
            jti=str(uuid.uuid4()),
            unit_id=unit_id,
            group=group,
            version=version,
            iat=system_clock().wall_us() / 1e6,
            toml=file.read_text(encoding="utf-8-sig"),
        )
        click.echo(sign_desired(desired, FileSigner(load_or_create_key(key_file))))
    except (ValueError, KeyFileError, OSError) as error:
        fail(f"无法签名：{error}", f"cannot sign: {error}")
