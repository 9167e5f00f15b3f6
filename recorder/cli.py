"""The command line. Every command imports what it needs when it runs: a status query must not load a video encoder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NoReturn, TextIO

import click

from recorder import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from recorder.config.load import Loaded

MAX_SIGNATURE = 16_384
"""Characters of a signature file: a certificate chain and a few hundred bytes."""

DEFAULT_FILES = (Path("/etc/recorder/agency.toml"), Path("/etc/recorder/unit.toml"))


def language() -> Literal["zh", "en"]:
    """Chinese unless LANG/LC_ALL says English: the users of this program read Chinese."""
    tongue = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if tongue.startswith("en") else "zh"


def say(zh: str, en: str) -> str:
    return en if language() == "en" else zh


def fail(zh: str, en: str, code: int = 2) -> NoReturn:
    click.echo(say(f"错误：{zh}", f"error: {en}"), err=True)
    sys.exit(code)


class LazyGroup(click.Group):
    """Loads a subcommand group from ``module:attribute`` only when it is named."""

    lazy: ClassVar[dict[str, str]] = {
        "config": "recorder.config.commands:config_group",
        "doctor": "recorder.doctor.command:doctor_command",
        "export": "recorder.export.commands:export_group",
        "fleet": "recorder.fleet.cli:fleet_group",
        "status": "recorder.health.command:status_command",
        "update-sign": "recorder.update.sign_command:sign_command",
        "statement": "recorder.officer.statement_commands:statement_group",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            import importlib

            module, attribute = self.lazy[cmd_name].split(":")
            command = getattr(importlib.import_module(module), attribute)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


config_option = click.option(
    "--config",
    "config_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="配置层文件，可重复 configuration layer, repeatable (default: /etc/recorder/agency.toml, unit.toml)",
)


def layer_files(given: tuple[Path, ...]) -> tuple[Path, ...]:
    return given or tuple(path for path in DEFAULT_FILES if path.exists())


def load(config_files: tuple[Path, ...], *, quiet: bool = False, with_last_good: bool = True) -> Loaded:
    """The effective configuration; problems are printed (unless ``quiet``) and recorded, never fatal (promise 1).
    ``with_last_good``: of :func:`load_config`."""
    from recorder.config.load import load_config
    from recorder.config.paths import ShippedFilesMissing

    try:
        loaded = load_config(layer_files(config_files), os.environ, with_last_good=with_last_good)
    except ShippedFilesMissing as error:
        fail(str(error), str(error))
    for problem in () if quiet else loaded.problems:
        click.echo(str(problem), err=True)
    return loaded


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="recorder")
def main() -> None:
    """执法记录仪守护程序 · recorder daemon for law-enforcement recorders."""


@main.command("run")
@config_option
def run_command(config_files: tuple[Path, ...]) -> None:
    """运行记录单元 · the unit process: session, journal, signing, prompts."""
    from recorder.config.load import load_config
    from recorder.daemon import run_unit

    sys.exit(
        run_unit(
            load(config_files),
            lambda: load_config(layer_files(config_files), os.environ),
            lambda pushed: load_config(layer_files(config_files), os.environ, pushed_text=pushed),
        )
    )


@main.command("capture-worker")
@click.option("--camera", "camera_id", required=True, help="摄像头编号 camera id")
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="通道套接字 channel socket")
@config_option
def capture_worker_command(camera_id: str, socket_path: Path | None, config_files: tuple[Path, ...]) -> None:
    """运行采集进程 · one capture worker; started by the unit process, not by hand."""
    from recorder.channel.places import channel_socket
    from recorder.config.load import canonical
    from recorder.lean import exec_module

    config = load(config_files).config
    if camera_id not in config.cameras:
        fail(f"配置中没有摄像头 {camera_id}", f"no camera {camera_id} in the configuration")
    path = socket_path or channel_socket(Path(config.storage.run_dir), camera_id)
    # A fresh interpreter without the configuration's libraries, as the unit process starts it.
    exec_module("recorder.capture.process", canonical(config), (camera_id, str(path)))


@main.command("uplink")
@config_option
def uplink_command(config_files: tuple[Path, ...]) -> None:
    """运行上传进程 · the uplink: journal posts, uploads, MQTT, receipts."""
    from recorder.uplink.process import exec_uplink

    # A fresh interpreter without the configuration's libraries: 31 MB instead of 54 for a process that idles all day.
    exec_uplink(load(config_files).config, [str(path) for path in config_files])


@main.command("update")
@click.option(
    "--install", "installing", is_flag=True, help="安装进程（root，由 systemd 启动） the installer, by systemd"
)
@config_option
def update_command(installing: bool, config_files: tuple[Path, ...]) -> None:
    """运行远程升级进程 · updates from a hawkBit server (docs/update.md)."""
    from recorder.update.process import exec_update

    # The installer is root: no file of the unit process's user says whose signature it believes.
    config = load(config_files, with_last_good=not installing).config
    exec_update(config, "install" if installing else "carry")


@main.command("verify")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--trust", required=True, type=click.Path(path_type=Path), help="信任目录 trust folder")
@click.option("--identity", type=click.Path(path_type=Path), help="age 身份文件 age identity file")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
def verify_command(directory: Path, trust: Path, identity: Path | None, as_json: bool) -> None:
    """离线核验 · verify offline. 退出码 exit: 0 全部证实 proven · 1 有发现 findings · 2 无法读取 cannot read."""
    from recorder.evidence.verify.command import run_verify

    sys.exit(run_verify(directory, trust, identity, as_json, language(), sys.stdout))


@main.command("report")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--trust", required=True, type=click.Path(path_type=Path), help="信任目录 trust folder")
@click.option("--identity", type=click.Path(path_type=Path), help="age 身份文件 age identity file")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="HTML 文件 HTML file")
def report_command(directory: Path, trust: Path, identity: Path | None, output: Path) -> None:
    """核验报告 · the verification report as one self-contained HTML file."""
    from recorder.export.command import run_report

    sys.exit(run_report(directory, trust, identity, output, language(), sys.stdout))


@main.command("enrol")
@click.argument("step", type=click.Choice(["request", "install"]))
@click.argument("bundle", type=click.Path(path_type=Path))
@config_option
def enrol_command(step: Literal["request", "install"], bundle: Path, config_files: tuple[Path, ...]) -> None:
    """登记设备 · make keys and certificate requests in BUNDLE, or install the agency's answer from BUNDLE."""
    from recorder.evidence.enrol import EnrolError, install_bundle, request_bundle

    config = load(config_files).config
    try:
        written = (request_bundle if step == "request" else install_bundle)(config, bundle)
    except EnrolError as error:
        fail(str(error), str(error))
    for path in written:
        click.echo(str(path))


@main.group("ctl")
def ctl_group() -> None:
    """控制运行中的单元 · control the running unit."""


def _control(config_files: tuple[Path, ...], message: dict[str, object], passed_file: BinaryIO | None = None) -> None:
    click.echo(json.dumps(_asked(config_files, message, passed_file), ensure_ascii=False))


def _asked(
    config_files: tuple[Path, ...], message: dict[str, object], passed_file: BinaryIO | None = None
) -> dict[str, Any]:
    from recorder.channel.places import control_socket
    from recorder.unit.control_client import ControlError, request

    path = control_socket(Path(load(config_files).config.storage.run_dir))
    try:
        return request(path, message, timeout_s=10, passed_file=passed_file)
    except ControlError as error:
        fail(error.zh, error.en, 1)


def context_options(command: Callable[..., None]) -> Callable[..., None]:
    """What a session is about. The unit knows the allowed words and names them when it refuses one."""
    for option in (
        click.option("--document", "documents", multiple=True, help="文书名称、文号，可重复 document, repeatable"),
        click.option("--entrusting-agency", help="委托机关 entrusting agency (art. 32)"),
        click.option("--item", help="执法事项 item"),
        click.option("--kind", help="执法类别 kind: 行政处罚 行政许可 行政强制 行政检查 行政征收征用"),
        click.option("--stage", help="记录环节 stage: 启动 调查取证 审查决定 送达执行"),
        click.option("--mode", help="记录方式 mode: 全程 whole, 一般 ordinary"),
    ):
        command = option(command)
    return command


def _given(**options: object) -> dict[str, object]:
    """What was given on the command line."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


@ctl_group.command("start")
@context_options
@config_option
def ctl_start(config_files: tuple[Path, ...], **options: object) -> None:
    """开始记录 · start recording."""
    _control(config_files, {"cmd": "start", **_given(**options)})


@ctl_group.command("context")
@context_options
@config_option
def ctl_context(config_files: tuple[Path, ...], **options: object) -> None:
    """记录事项：正在进行的或者下一次的 · matter, stage, mode of the running session or the next one."""
    _control(config_files, {"cmd": "context", **_given(**options)})


@ctl_group.command("stop")
@click.option("--reason", help="停止原因（全程记录必填） reason, needed in 全程 mode")
@config_option
def ctl_stop(reason: str | None, config_files: tuple[Path, ...]) -> None:
    """停止记录 · stop recording."""
    _control(config_files, {"cmd": "stop", **_given(reason=reason)})


@ctl_group.command("shift")
@click.argument("action", type=click.Choice(["start", "end"]))
@config_option
def ctl_shift(action: str, config_files: tuple[Path, ...]) -> None:
    """班次开始、结束 · start or end a shift."""
    _control(config_files, {"cmd": "shift", "action": action})


@ctl_group.command("scan")
@config_option
def ctl_scan(config_files: tuple[Path, ...]) -> None:
    """扫码登记 · watch the lens for an officer's QR code."""
    _control(config_files, {"cmd": "scan"})


@ctl_group.command("reload")
@config_option
def ctl_reload(config_files: tuple[Path, ...]) -> None:
    """重新读取配置，在片段边界生效 · read the configuration again; it takes effect at a segment boundary."""
    _control(config_files, {"cmd": "reload"})


@ctl_group.command("restart")
@config_option
def ctl_restart(config_files: tuple[Path, ...]) -> None:
    """空闲时重新启动记录单元，班次不中断 · a new unit process once nothing is recorded; the shift goes on."""
    _control(config_files, {"cmd": "restart"})


@ctl_group.command("checklist")
@config_option
def ctl_checklist(config_files: tuple[Path, ...]) -> None:
    """记录要点 · the points of arts. 9 and 22, and which of them were marked."""
    for point in _asked(config_files, {"cmd": "checklist"})["points"]:
        sign = "✓" if point["covered"] else "✗" if point["asked"] else "–"
        click.echo(f"{sign} {point['kind']:12} {say(point['zh'], point['en'])}")


@ctl_group.command("mark")
@click.option("--kind", default="key", help="标记类别 kind of mark; ctl checklist 列出要点 lists the points")
@config_option
def ctl_mark(kind: str, config_files: tuple[Path, ...]) -> None:
    """标记此刻 · mark this moment."""
    _control(config_files, {"cmd": "mark", "kind": kind})


@ctl_group.command("stealth")
@click.argument("state", type=click.Choice(["on", "off"]))
@config_option
def ctl_stealth(state: str, config_files: tuple[Path, ...]) -> None:
    """静默模式：不出声，记录照常 · stealth mode: no speech and no tones, the record goes on."""
    _control(config_files, {"cmd": "stealth", "on": state == "on"})


@ctl_group.command("sign-in")
@click.option("--name", required=True, help="姓名")
@click.option("--cert-no", required=True, help="执法证号 certificate number")
@config_option
def ctl_sign_in(name: str, cert_no: str, config_files: tuple[Path, ...]) -> None:
    """执法人员登记 · sign an officer in."""
    _control(config_files, {"cmd": "sign-in", "name": name, "cert_no": cert_no})


@ctl_group.command("sign-out")
@click.option("--cert-no", required=True, help="执法证号 certificate number")
@config_option
def ctl_sign_out(cert_no: str, config_files: tuple[Path, ...]) -> None:
    """执法人员退出 · sign an officer out."""
    _control(config_files, {"cmd": "sign-out", "cert_no": cert_no})


@ctl_group.command("field-mode")
@click.argument("reason")
@click.option("--cert-no", help="登记人的执法证号 certificate number of who declares it")
@config_option
def ctl_field_mode(reason: str, cert_no: str | None, config_files: tuple[Path, ...]) -> None:
    """登记外出执法（第二十四条第二款）· declare field mode (art. 24).

    REASON: 连续执法 异地执法 边远地区执法 水上执法 交通不便地区执法
    """
    _control(config_files, {"cmd": "field-mode", "reason": reason, "cert_no": cert_no})


@ctl_group.command("returned")
@click.option("--cert-no", help="登记人的执法证号 certificate number of who declares it")
@config_option
def ctl_returned(cert_no: str | None, config_files: tuple[Path, ...]) -> None:
    """已返回所在机关，二十四小时重新起算 · back at the agency: the 24 hours begin."""
    _control(config_files, {"cmd": "returned", "cert_no": cert_no})


@ctl_group.command("gaps")
@config_option
def ctl_gaps(config_files: tuple[Path, ...]) -> None:
    """中断及其说明 · the interruptions, and what is known or owed of each."""
    _control(config_files, {"cmd": "gaps"})


@ctl_group.command("explain")
@click.argument("gap")
@click.option("--cause", help="原因类别 legal class: 设备故障 天气恶劣 人为阻挠 其他客观原因")
@config_option
def ctl_explain(gap: str, cause: str | None, config_files: tuple[Path, ...]) -> None:
    """中断原因的类别；不带 --cause 则再次语音询问 · the legal class of GAP, or ask for the reason again.

    GAP: 中断编号或其开头 id of the interruption, or its beginning (ctl gaps)
    """
    _control(config_files, {"cmd": "explain", "gap": gap, "cause": cause})


@ctl_group.command("cannot-resume")
@click.argument("gap", required=False)
@config_option
def ctl_cannot_resume(gap: str | None, config_files: tuple[Path, ...]) -> None:
    """确实无法继续记录 · declare that recording cannot go on, for GAP or for every open interruption (art. 23)."""
    _control(config_files, {"cmd": "cannot-resume", "gap": gap})


@ctl_group.command("deadlines")
@config_option
def ctl_deadlines(config_files: tuple[Path, ...]) -> None:
    """尚未储存的记录与期限 · what is not stored yet, and until when."""
    _control(config_files, {"cmd": "deadlines"})


@ctl_group.group("statement")
def ctl_statement() -> None:
    """书面说明 · written statements (art. 23)."""


@ctl_statement.command("sign")
@click.argument("gap_id", metavar="GAP")
@click.option(
    "--document", required=True, type=click.File("rb"), help="签名的文件或者扫描件 the signed document or scan"
)
@click.option("--legal-cause", required=True, help="设备故障、天气恶劣、人为阻挠、其他客观原因 one of these four")
@click.option(
    "--signature", "signatures", required=True, multiple=True, type=click.File("r"), help="签名文件，可重复 repeatable"
)
@config_option
def ctl_statement_sign(
    gap_id: str,
    document: BinaryIO,
    legal_cause: str,
    signatures: tuple[TextIO, ...],
    config_files: tuple[Path, ...],
) -> None:
    """登记已签名的书面说明 · hand in a statement that two officers signed (or a scanned sheet an admin bound)."""
    try:
        texts = [signature.read(MAX_SIGNATURE).strip() for signature in signatures]
    except (OSError, UnicodeDecodeError) as error:
        fail(f"签名文件无法读取：{error}", f"a signature file cannot be read: {error}")
    message: dict[str, object] = {
        "cmd": "statement-sign",
        "gap_id": gap_id,
        "legal_cause": legal_cause,
        "signatures": texts,
    }
    _control(config_files, message, document)
