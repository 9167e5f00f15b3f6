"""``recorder config check | show | schema | sign`` as people call it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from recorder.cli import main
from recorder.config import commands, schema
from recorder.config.commands import toml_value
from recorder.config.paths import shipped_dir
from recorder.evidence.desired import Desired, verify_desired
from recorder.evidence.signer import load_or_create_key
from tests.config.conftest import SEALED

Write = Callable[[str, str], Path]


def run(*arguments: str | Path, lang: str = "en_US.UTF-8", **env: str) -> Result:
    environment = {"LANG": lang, "LC_ALL": None, "LC_MESSAGES": None, **env}
    return CliRunner().invoke(main, ["config", *map(str, arguments)], env=environment)


def test_check_names_file_line_and_column(write: Write) -> None:
    agency = write("agency.toml", SEALED + "[capture]\n  segmnt_s = 3\npre_event_s = 120\n")
    result = run("check", agency)
    assert result.exit_code == 1
    assert result.output == (
        f"{agency}:4:3: capture.segmnt_s: unknown key, did you mean 'segment_s'?\n"
        f"{agency}:5:1: warning: capture.pre_event_s: cam0: 120 s of pre-roll need about 92 MB but buffer_mb is 64; "
        "the pre-roll will be shorter\n"
        "1 file(s): 1 error(s), 1 warning(s)\n"
    )
    chinese = run("check", agency, lang="zh_CN.UTF-8").output
    assert f"{agency}:4:3: capture.segmnt_s: 未知的配置项，是否应为 'segment_s'？" in chinese
    assert "1 个文件：1 个错误，1 个警告" in chinese
    assert run("check", agency, lang="C").output == chinese  # Chinese unless English is asked for


def test_check_as_json(write: Write) -> None:
    agency = write("agency.toml", SEALED + "[capture]\ngop_s = 9\n")
    (problem,) = json.loads(run("check", agency, "--json").output)
    assert (problem["file"], problem["line"], problem["column"]) == (str(agency), 4, 1)
    assert (problem["key"], problem["severity"]) == ("capture.gop_s", "error")
    assert problem["zh"] and problem["en"]


def test_check_exit_codes(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("check", write("good.toml", SEALED)).exit_code == 0
    assert run("check", write("warning.toml", SEALED + "[capture]\npre_event_s = 120\n")).exit_code == 0
    assert run("check", "absent.toml").exit_code == 1
    assert run("check", "--nonsense").exit_code == 2
    monkeypatch.setattr(commands, "DEFAULT_FILES", (Path("/nonexistent/agency.toml"),))
    nothing = run("check")
    assert nothing.exit_code == 2
    assert "/nonexistent/agency.toml" in nothing.output
    good = write("default.toml", SEALED)
    monkeypatch.setattr(commands, "DEFAULT_FILES", (good, Path("/nonexistent/unit.toml")))
    assert run("check").exit_code == 0


@pytest.mark.parametrize("name", ["body-worn.toml", "vehicle.toml"])
def test_the_shipped_examples_pass(name: str) -> None:
    assert run("check", shipped_dir() / name).output == "1 file(s): 0 error(s), 0 warning(s)\n"


def test_the_vehicle_example_has_two_cameras() -> None:
    shown = run("show", "--config", shipped_dir() / "vehicle.toml", "--json")
    config = json.loads(shown.output)["config"]
    assert sorted(config["cameras"]) == ["cam0", "cam1"]
    assert config["device"]["vehicle"] is True


def test_show_with_origin(write: Write, tmp_path: Path) -> None:
    agency = write("agency.toml", SEALED + f'[storage]\ndata_dir = "{tmp_path}"\n')
    result = run("show", "--origin", "--config", agency, RECORDER__CAPTURE__GOP_S="2")
    assert result.exit_code == 0
    lines = {line.split(" = ")[0]: line for line in result.output.splitlines()}
    assert lines["capture.gop_s"].endswith("# env RECORDER__CAPTURE__GOP_S")
    assert lines["storage.data_dir"].endswith(f"# {agency}:4:1")
    assert lines["capture.segment_s"].endswith("config/defaults.toml:34:1")
    assert lines["board.options"].startswith("board.options = {}")
    assert lines["indicators.clock-not-set.light.red"].startswith("indicators.clock-not-set.light.red = []")


def test_what_show_prints_is_toml_again(write: Write, tmp_path: Path) -> None:
    agency = write("agency.toml", SEALED + f'[storage]\ndata_dir = "{tmp_path}"\n[device]\nmodel = "执法\\"\\u007f"\n')
    shown = run("show", "--config", agency).output
    document = json.loads(run("show", "--config", agency, "--json", "--origin").output)
    assert tomllib.loads(shown) == document["config"]
    assert document["status"] == "applied"
    assert document["origin"]["device.model"] == f"{agency}:6:1"
    assert document["layers"][-1] == str(agency)


def test_show_tells_what_was_set_aside_and_exits_1(write: Write, tmp_path: Path) -> None:
    agency = write("agency.toml", SEALED + f'[storage]\ndata_dir = "{tmp_path}"\n[capture]\ngop_s = 9\n')
    result = run("show", "--config", agency)
    assert result.exit_code == 1
    assert "capture.gop_s = 1.0" in result.stdout
    assert f"{agency}:6:1: capture.gop_s: must be at most 4 (got 9)" in result.stderr


def test_schema_is_printed_and_written(tmp_path: Path) -> None:
    assert json.loads(run("schema").output) == schema.full_schema()
    assert json.loads(run("schema", "--partial").output) == schema.partial_schema()
    assert run("schema", "--write", tmp_path).exit_code == 0
    assert schema.drifted(tmp_path) == []
    assert run("schema", "--write", tmp_path / "absent").exit_code == 2


def test_toml_values() -> None:
    values: list[Any] = [True, 1, 1.5, "a\n", [], [1, "x"], {}]
    assert [toml_value(value) for value in values] == [
        "true",
        "1",
        "1.5",
        '"a\\n"',
        "[]",
        '[1, "x"]',
        "{}",
    ]


def test_sign_makes_what_a_unit_believes_and_refuses_what_none_would_take(write: Write, tmp_path: Path) -> None:
    key = tmp_path / "command-key.pem"
    public = load_or_create_key(key).public
    pushed = write("night.toml", "[night]\ndwell_s = 9\n")
    signed = run("sign", pushed, "--key", key, "--version", "7", "--unit", "zfy-000001")
    assert signed.exit_code == 0, signed.stderr
    found = verify_desired(signed.output.strip(), public, "zfy-000001", ())
    assert isinstance(found, Desired) and (found.version, found.toml) == (7, "[night]\ndwell_s = 9\n")
    for text, place in (
        ("[night]\nlampp = true\n", "2:1: night.lampp: unknown key, did you mean 'lamp'?"),
        ("[sealing]\nenabled = false\n", "1:1: sealing"),
    ):
        refused = run("sign", write("bad.toml", text), "--key", key, "--version", "8", "--group", "traffic")
        assert refused.exit_code == 1 and place.split(":", 2)[2].strip() in refused.stderr, refused.stderr
    assert run("sign", pushed, "--key", key, "--version", "7").exit_code == 2
    assert run("sign", pushed, "--key", tmp_path / "none.pem", "--version", "7", "--unit", "x").exit_code == 2
