"""Both command lines: help, languages, exit codes, and errors that name the file and the key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import hw_sim.cli
import recorder.cli
from recorder import __version__
from recorder.evidence.age import generate_identity
from tests.unit.test_custody import shift_with_one_segment

CHINESE = {"LANG": "zh_CN.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}
ENGLISH = {"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}


def invoke(*arguments: str, env: dict[str, str] | None = None, main: click.Command = recorder.cli.main) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env or ENGLISH)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group below ``group``, itself included."""
    found = [path]
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            found += commands(below, (*path, name))
    return found


MAINS: dict[str, click.Group] = {"recorder": recorder.cli.main, "hw-sim": hw_sim.cli.main}
ALL = [(name, path) for name, main in MAINS.items() for path in commands(main)]


@pytest.mark.parametrize(("name", "path"), ALL, ids=[" ".join((name, *path)) for name, path in ALL])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_explains_itself_in_both_languages(name: str, path: tuple[str, ...], flag: str) -> None:
    result = invoke(*path, flag, main=MAINS[name])
    assert result.exit_code == 0, result.output
    text = result.output.split("Options:")[0]
    assert any("\u4e00" <= character <= "\u9fff" for character in text), "Chinese"
    words = [word for word in text.split() if word.isascii() and word.isalpha() and word.islower()]
    assert len(words) >= 2, "English"


def test_the_commands_of_the_design_are_there() -> None:
    names = {" ".join(path) for path in commands(recorder.cli.main)}
    wanted = {"run", "capture-worker", "uplink", "status", "verify", "report", "enrol", "config check", "config show"}
    assert wanted | {"ctl start", "ctl stop", "ctl mark", "ctl sign-in", "ctl sign-out", "config schema"} <= names


def test_the_version_and_asking_for_it_loads_no_codec() -> None:
    probe = "import sys; from recorder.cli import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
    probe += "print(sorted({'av', 'numpy', 'cryptography', 'pydantic', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("env", "language"),
    [
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "zh"),
        ({}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, "zh"),
    ],
)
def test_chinese_unless_english_is_asked_for(
    env: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert recorder.cli.language() == hw_sim.cli.language() == language


# --- commands to a unit -----------------------------------------------------------------------------------------------


@pytest.fixture
def unit_toml(tmp_path: Path) -> Path:
    path = tmp_path / "unit.toml"
    path.write_text(f'[storage]\ndata_dir = "{tmp_path}/data"\nrun_dir = "{tmp_path}/run"\n')
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ("ctl", "start"),
        ("ctl", "stop"),
        ("ctl", "mark", "--kind", "key"),
        ("ctl", "sign-in", "--name", "张三", "--cert-no", "130100-001"),
        ("ctl", "sign-out", "--cert-no", "130100-001"),
        ("ctl", "gaps"),
        ("ctl", "explain", "0a1b2c3d", "--cause", "设备故障"),
        ("ctl", "cannot-resume"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.parametrize(("env", "word"), [(CHINESE, "无法连接记录单元"), (ENGLISH, "cannot reach the unit")])
def test_without_a_unit_commands_say_so_in_the_users_language(
    arguments: tuple[str, ...], env: dict[str, str], word: str, unit_toml: Path
) -> None:
    result = invoke(*arguments, "--config", str(unit_toml), env=env)
    assert result.exit_code == 1
    assert word in result.stderr and "control.sock" in result.stderr
    assert result.stdout == ""
    assert "130100-001" not in result.stderr and "张三" not in result.stderr


@pytest.mark.parametrize(
    "arguments", [("ctl", "sign-in", "--name", "x"), ("capture-worker",), ("verify", "x"), ("nope",)]
)
def test_wrong_usage_is_two(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize(("env", "word"), [(CHINESE, "配置中没有摄像头 cam9"), (ENGLISH, "no camera cam9")])
def test_a_worker_for_a_camera_nobody_configured(env: dict[str, str], word: str, unit_toml: Path) -> None:
    result = invoke("capture-worker", "--camera", "cam9", "--config", str(unit_toml), env=env)
    assert result.exit_code == 2 and word in result.stderr


# --- configuration ----------------------------------------------------------------------------------------------------

GOOD = f"[sealing]\nrecipients = {json.dumps([generate_identity().recipient for _ in range(2)])}\n"


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        (GOOD, 0, "0 error(s)"),
        (GOOD + "[capture]\nsegmnt_s = 30\n", 1, "capture.segmnt_s"),
        (GOOD + '[capture]\nsegment_s = "long"\n', 1, "capture.segment_s"),
        (GOOD + "[capture]\nsegment_s = 0\n", 1, "capture.segment_s"),
        ("[capture\n", 1, "unit.toml:1"),
    ],
    ids=["good", "typo", "type", "bound", "syntax"],
)
def test_config_check_names_file_line_and_key(text: str, code: int, named: str, tmp_path: Path) -> None:
    path = tmp_path / "unit.toml"
    path.write_text(text)
    result = invoke("config", "check", str(path))
    assert result.exit_code == code, result.output
    assert named in result.stdout
    as_json = invoke("config", "check", "--json", str(path))
    assert as_json.exit_code == code
    problems: list[dict[str, Any]] = [each for each in json.loads(as_json.stdout) if each["severity"] == "error"]
    assert bool(problems) == bool(code)
    for problem in problems:
        assert problem["zh"] and problem["en"]
    if code:
        (problem, *_) = (each for each in problems if each["file"] == str(path))
        assert problem["line"] >= 1
    assert str(path) in invoke("config", "check", str(path), env=CHINESE).stdout or code == 0


def test_config_check_with_nothing_to_check_is_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.config.commands.DEFAULT_FILES", ())
    assert invoke("config", "check").exit_code == 2
    assert invoke("config", "check", "/no/such/file.toml").exit_code == 1


def test_config_show_tells_where_a_value_stands(tmp_path: Path) -> None:
    path = tmp_path / "unit.toml"
    path.write_text(GOOD + "[capture]\nsegment_s = 30\n")
    result = invoke("config", "show", "--origin", "--config", str(path))
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("capture.segment_s ")]
    assert f"{path}:4" in line


def test_broken_shipped_defaults_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("recorder.config.load.defaults_file", lambda: tmp_path / "defaults.toml")
    result = invoke("status")
    assert result.exit_code == 2
    assert "defaults.toml" in result.stderr


# --- verifying --------------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A unit's folder with one segment, and a trust folder that knows nobody."""
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    kit.journal.close()
    kit.index.close()
    (tmp_path / "trust").mkdir()
    return tmp_path


@pytest.mark.parametrize("env", [CHINESE, ENGLISH], ids=["zh", "en"])
def test_what_cannot_be_read_is_two_and_named(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in (
        ("verify", str(tmp_path / "nothing"), "--trust", str(tmp_path / "empty")),
        ("verify", str(tmp_path / "empty"), "--trust", str(tmp_path / "empty")),
        ("report", str(tmp_path / "nothing"), "--trust", str(tmp_path / "empty"), "-o", str(tmp_path / "r.html")),
    ):
        result = invoke(*arguments, env=env)
        assert result.exit_code == 2, arguments
        assert str(tmp_path) in result.stdout
        assert ("error" if env is ENGLISH else "错误") in result.stdout
    assert not (tmp_path / "r.html").exists()


def test_findings_are_one_and_never_called_valid(vault: Path) -> None:
    arguments = ("verify", str(vault / "unit"), "--trust", str(vault / "trust"))
    english, chinese = invoke(*arguments), invoke(*arguments, env=CHINESE)
    assert english.exit_code == chinese.exit_code == 1, english.output
    assert "Not everything is proven" in english.stdout and "未全部证实" in chinese.stdout
    assert "Valid:" not in english.stdout and "有效：" not in chinese.stdout
    as_json = invoke(*arguments, "--json")
    assert as_json.exit_code == 1 and json.loads(as_json.stdout)["verdict"] == "findings"


def test_an_identity_that_is_none_is_named_and_not_repeated(vault: Path) -> None:
    identity = vault / "identity.txt"
    identity.write_text("AGE-SECRET-KEY-NOT-REALLY\n")
    result = invoke(
        *("verify", str(vault / "unit"), "--trust", str(vault / "trust"), "--identity", str(identity)), env=ENGLISH
    )
    assert result.exit_code == 2
    assert str(identity) in result.output and "NOT-REALLY" not in result.output


def test_a_report_is_one_file(vault: Path) -> None:
    out = vault / "report.html"
    result = invoke("report", str(vault / "unit"), "--trust", str(vault / "trust"), "-o", str(out))
    assert result.exit_code == 1, result.output
    assert out.read_text(encoding="utf-8").lower().startswith("<!doctype html")


# --- enrolment --------------------------------------------------------------------------------------------------------


def test_enrolment_in_two_steps_and_what_is_missing_is_named(unit_toml: Path, tmp_path: Path) -> None:
    unit_toml.write_text(
        f'{unit_toml.read_text()}[uplink]\ntls_dir = "{tmp_path}/tls"\n[trust]\ndir = "{tmp_path}/trust"\n'
    )
    bundle = tmp_path / "bundle"
    early = invoke("enrol", "install", str(bundle), "--config", str(unit_toml))
    assert early.exit_code == 2 and "enrol request" in early.stderr
    asked = invoke("enrol", "request", str(bundle), "--config", str(unit_toml))
    assert asked.exit_code == 0, asked.output
    assert [Path(line).name for line in asked.stdout.splitlines()] == ["unit.txt", "device.csr.pem", "client.csr.pem"]
    unanswered = invoke("enrol", "install", str(bundle), "--config", str(unit_toml))
    assert unanswered.exit_code == 2 and "ca.pem" in unanswered.stderr
    assert not any("PRIVATE" in path.read_text() for path in bundle.iterdir()), "nothing secret leaves the unit"
    assert invoke("enrol", "perhaps", str(bundle)).exit_code == 2


# --- the simulator ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--headless", "--camera", "--microphone", "--gnss", "--at-end", "--out"])
def test_the_options_of_the_readme_are_accepted(flag: str) -> None:
    assert flag in invoke("run", "--help", main=hw_sim.cli.main).output


def test_an_unknown_scenario_is_two_and_names_the_known_ones() -> None:
    result = invoke("run", "no_such_shift", "--headless", main=hw_sim.cli.main)
    assert result.exit_code == 2
    assert "first_shift" in result.stderr and "power_cut" in result.stderr
