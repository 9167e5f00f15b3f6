"""recorder(1), made of what ``recorder --help`` says: one page, every command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from recorder.cli import main as recorder

FILES = (
    ("/etc/recorder/agency.toml", "单位层 the agency's layer of the configuration"),
    ("/etc/recorder/unit.toml", "设备层 the unit's layer"),
    ("/usr/share/zfy-recorder/config/defaults.toml", "全部配置项与默认值 every setting and its default"),
    ("/var/lib/recorder", "日志、片段、密钥；卸载时保留 journal, segments, keys; kept when the package is removed"),
    ("/run/recorder", "控制套接字、状态 control socket, status.json, recorder.prom"),
)


def page(version: str, epoch: int) -> str:
    """The page in man(7), UTF-8. ``epoch``: its date, seconds since 1970."""
    day = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d")
    lines = [
        f'.TH RECORDER 1 "{day}" "zfy\\-recorder {version}" "law\\-enforcement recorder"',
        ".SH NAME",
        f"recorder \\- {roff(_help(recorder).splitlines()[0].rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B recorder",
        "[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGS\\fR]",
        ".SH COMMANDS",
    ]
    for path, command in commands(recorder, ()):
        lines += _section(path, command)
    lines += [".SH FILES"]
    for name, text in FILES:
        lines += [".TP", f".I {roff(name)}", roff(text)]
    lines += [
        ".SH EXIT STATUS",
        "0 无误 fine, 1 有发现 findings, 2 用法或安装有误 wrong usage or installation.",
        ".SH SEE ALSO",
        f".I {roff('/usr/share/doc/zfy-recorder/install.md')}",
    ]
    return "\n".join(lines) + "\n"


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below ``group`` that does something, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def roff(text: str) -> str:
    """Text as man(7) wants it: its own characters escaped, no line that would be taken for a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith((".", "\\(aq")) else line for line in text.split("\n"))


def _section(path: tuple[str, ...], command: click.Command) -> list[str]:
    # click remembers a command's help option as it was first asked for: it has to be the command line's own.
    context = click.Context(command, info_name=" ".join(path), **recorder.context_settings)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f'.SS "{roff(" ".join(path))}"', f".B recorder {roff(' '.join(path))}", roff(usage), ".PP"]
    lines += [roff(line) if line else ".PP" for line in _help(command).splitlines()]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and parameter is not command.get_help_option(context):
            lines += [".TP", f".B {roff(record[0])}", roff(record[1])]
    return lines


def _help(command: click.Command) -> str:
    # click's own marks: \b keeps lines, \f ends what is shown.
    return inspect.cleandoc((command.help or "").partition("\f")[0]).replace("\b\n", "")
